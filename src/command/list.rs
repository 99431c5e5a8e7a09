//! `gradstep list`: the bundled scenarios, a line each.

use std::process::ExitCode;

use super::look::{Global, is_terminal};
use super::offers;
use crate::output;
use crate::ui::view::{cut, width};

pub(super) fn run(global: &Global) -> anyhow::Result<ExitCode> {
    let offers = offers::bundled();
    let columns = if is_terminal() { crossterm::terminal::size().map_or(usize::MAX, |(columns, _)| columns.into()) } else { usize::MAX };
    let name = offers.iter().map(|offer| width(&offer.name)).max().unwrap_or(0);
    let title = offers.iter().map(|offer| width(&offer.title)).max().unwrap_or(0);
    let mut to = output::stdout();
    for offer in &offers {
        let pad = |text: &str, to: usize| " ".repeat(to.saturating_sub(width(text)));
        let line = format!("{}{}  {}{}  {}", offer.name, pad(&offer.name, name), offer.title, pad(&offer.title, title), offer.summary);
        writeln!(to, "{}", global.text(&cut(line.trim_end(), columns)))?;
    }
    to.finish()?;
    Ok(ExitCode::SUCCESS)
}
