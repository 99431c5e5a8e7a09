//! `gradstep list`: the bundled scenarios, one per line.

use std::process::ExitCode;

use clap::Parser;

use super::Invocation;
use super::look::{Global, is_terminal};
use super::offers;
use crate::output;
use crate::text::to_left;
use crate::text::{cut, width};

/// List the bundled scenarios.
#[derive(Debug, Parser)]
#[command(name = "list")]
pub(super) struct ListCommand {}

impl Invocation for ListCommand {
    fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let offers = offers::bundled();
        let columns =
            if is_terminal() { crossterm::terminal::size().map_or(usize::MAX, |(columns, _)| columns.into()) } else { usize::MAX };
        let name = offers.iter().map(|offer| width(&offer.name)).max().unwrap_or(0);
        let title = offers.iter().map(|offer| width(&offer.title)).max().unwrap_or(0);
        let mut to = output::stdout();
        for offer in &offers {
            let line = [&to_left(&offer.name, name), &to_left(&offer.title, title), &offer.summary].map(String::as_str).join("  ");
            writeln!(to, "{}", global.text(&cut(line.trim_end(), columns)))?;
        }
        to.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
