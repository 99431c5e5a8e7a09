//! `gradstep list`: prints the bundled scenarios, one per line.

use std::process::ExitCode;

use clap::Parser;

use super::Invocation;
use super::options::{GlobalOptions, stdout_is_terminal};
use super::picker_entries;
use crate::output;
use crate::text::align_left;
use crate::text::{cut, width};

/// List the bundled scenarios.
#[derive(Debug, Parser)]
pub(super) struct ListCommand {}

impl Invocation for ListCommand {
    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let mut entries = picker_entries::bundled();
        // in alphabetical order, because this list is for looking up names
        entries.sort_by(|one, next| one.name.cmp(&next.name));
        // lines are cut only to fit a terminal
        let columns =
            if stdout_is_terminal() { crossterm::terminal::size().map_or(usize::MAX, |(columns, _)| columns.into()) } else { usize::MAX };
        let name_width = entries.iter().map(|entry| width(&entry.name)).max().unwrap_or(0);
        let title_width = entries.iter().map(|entry| width(&entry.title)).max().unwrap_or(0);
        let mut to = output::stdout();
        for entry in &entries {
            let line = [&align_left(&entry.name, name_width), &align_left(&entry.title, title_width), &entry.summary]
                .map(String::as_str)
                .join("  ");
            writeln!(to, "{}", global.in_charset(&cut(line.trim_end(), columns)))?;
        }
        to.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
