//! The arguments and the output of `gradcheck` and `train`, which report on a whole scenario.

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::Args;
use serde::Serialize;

use super::format::{self, OutputFormat, Sink};
use super::look::Global;
use super::paper::Paper;
use super::source::ScenarioLoader;
use crate::scenario::Scenario;

/// A result that is printed as a table or as JSON.
pub(super) trait Report {
    /// Writes the table for people.
    fn table(&self, paper: &mut Paper<'_>) -> io::Result<()>;
    /// Writes the report as JSON, by [`json`].
    fn json(&self, to: &mut Sink) -> io::Result<()>;
}

/// Writes a value as one line of JSON.
pub(super) fn json(report: &impl Serialize, to: &mut Sink) -> io::Result<()> {
    serde_json::to_writer(to.raw(), report)?;
    to.raw().write_all(b"\n")
}

/// Writes a report.
type ReportWriter = fn(&dyn Report, &Global, &mut Sink) -> io::Result<()>;

static FORMATS: &[OutputFormat<ReportWriter>] = &[
    OutputFormat {
        name: "table",
        help: "Text for people",
        writer: |report, global, to| report.table(&mut Paper(&mut |text| to.text(&global.text(text)))),
    },
    OutputFormat { name: "json", help: "JSON for programs", writer: |report, _, to| report.json(to) },
];

/// The arguments of a report: a scenario and a format.
#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// A path, a bundled scenario's name, or - for the standard input
    pub scenario: OsString,
    /// The format of the output
    #[arg(long, default_value = "table", value_parser = format::parser(FORMATS, &[]))]
    format: &'static OutputFormat<ReportWriter>,
}

impl ReportArguments {
    /// Reads the scenario.
    pub fn read(&self, global: &Global) -> anyhow::Result<Scenario> {
        ScenarioLoader { limits: global.limits(), files: true }.scenario(&self.scenario)
    }

    /// Prints the report and closes the output.
    pub fn print(&self, global: &Global, mut to: Sink, report: &dyn Report) -> anyhow::Result<()> {
        (self.format.writer)(report, global, &mut to)?;
        to.finish()
    }
}
