//! The arguments and the output of the commands that report on a whole scenario.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::look::Global;
use super::paper::Paper;
use super::source::Shelf;
use crate::output::Output;
use crate::scenario::Scenario;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Which scenario, and how to print what is found of it.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// A path, a bundled scenario's name, or - for the standard input
    pub scenario: OsString,
    /// How to print it
    #[arg(long, default_value = "table")]
    format: Format,
}

impl Asked {
    /// Reads the scenario.
    pub fn read(&self, global: &Global) -> anyhow::Result<Scenario> {
        Shelf { limits: global.limits(), files: true }.scenario(&self.scenario)
    }

    /// Prints the report, to the end.
    pub fn print<W: Write, R: Serialize>(
        &self,
        global: &Global,
        mut to: Output<W>,
        report: &R,
        table: impl FnOnce(&R, &mut Paper<'_>) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Json => {
                serde_json::to_writer(to.raw(), report).map_err(io::Error::from)?;
                to.raw().write_all(b"\n")?;
            }
            Format::Table => table(report, &mut Paper(&mut |text| to.text(&global.text(text))))?,
        }
        to.finish()
    }
}
