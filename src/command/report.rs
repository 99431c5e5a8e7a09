//! The arguments and the output of the commands that report on a whole scenario.

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::Args;
use serde::Serialize;

use super::format::{self, Format, Sink};
use super::look::Global;
use super::paper::Paper;
use super::source::ScenarioLoader;
use crate::scenario::Scenario;

/// A result that is printed as a table or as JSON.
pub(super) trait Report {
    /// Writes the table for people.
    fn table(&self, paper: &mut Paper<'_>) -> io::Result<()>;
    /// Writes the JSON: [`json`] of itself.
    fn json(&self, to: &mut Sink) -> io::Result<()>;
}

/// Writes a line of JSON.
pub(super) fn json(report: &impl Serialize, to: &mut Sink) -> io::Result<()> {
    serde_json::to_writer(to.raw(), report)?;
    to.raw().write_all(b"\n")
}

/// Writes a report.
type ReportWriter = fn(&dyn Report, &Global, &mut Sink) -> io::Result<()>;

static FORMATS: &[Format<ReportWriter>] = &[
    Format {
        name: "table",
        help: "For people",
        writer: |report, global, to| report.table(&mut Paper(&mut |text| to.text(&global.text(text)))),
    },
    Format { name: "json", help: "For programs", writer: |report, _, to| report.json(to) },
];

/// Which scenario, and how to print what is found of it.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// A path, a bundled scenario's name, or - for the standard input
    pub scenario: OsString,
    /// How to print it
    #[arg(long, default_value = "table", value_parser = format::parser(FORMATS, &[]))]
    format: &'static Format<ReportWriter>,
}

impl Asked {
    /// Reads the scenario.
    pub fn read(&self, global: &Global) -> anyhow::Result<Scenario> {
        ScenarioLoader { limits: global.limits(), files: true }.scenario(&self.scenario)
    }

    /// Prints the report, to the end.
    pub fn print(&self, global: &Global, mut to: Sink, report: &dyn Report) -> anyhow::Result<()> {
        (self.format.writer)(report, global, &mut to)?;
        to.finish()
    }
}
