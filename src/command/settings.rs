//! `gradstep settings`: prints the settings file with its defaults, and reports faults of the user's file.

use std::process::ExitCode;

use clap::Parser;

use super::Invocation;
use super::options::GlobalOptions;
use super::read::display_name;
use super::user_settings::{self, SETTINGS};
use crate::output;

/// Print a settings file with all defaults, and the path where gradstep looks for it.
///
/// Only the stepper in the terminal applies the file; other commands and --plain do not. Options of the command line override it. If the file exists, this
/// command reports its faults.
#[derive(Debug, Parser)]
pub(super) struct SettingsCommand {}

impl Invocation for SettingsCommand {
    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let file = user_settings::path().map_or_else(|| "no file: there is no home folder".to_owned(), |path| display_name(&path));
        let mut to = output::stdout();
        writeln!(to, "# the settings of gradstep, with their defaults, for the file\n# {}", global.in_charset(&file))?;
        for row in SETTINGS {
            writeln!(to, "\n# {}\n{} = {}", row.comment, row.name, row.default)?;
        }
        writeln!(
            to,
            "\n# your own keys, each with a built-in key: n then does what l does; a recording contains the built-in key\n[keys]\n# n = \"l\""
        )?;
        to.finish()?;
        user_settings::read().1.iter().try_for_each(|fault| global.report(&fault.to_string()))?;
        Ok(ExitCode::SUCCESS)
    }
}
