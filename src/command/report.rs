//! The arguments and the output formats of `gradcheck` and `train`. Both print a report about a whole scenario, as a table or as JSON.

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::Args;
use serde::Serialize;

use super::format::{self, CommandOutput, OutputFormat};
use super::options::GlobalOptions;
use super::source::ScenarioLoader;
use super::text_writer::TextWriter;
use crate::scenario::Scenario;

/// A report that can be printed as a table or as JSON.
pub(super) trait CommandReport {
    /// Writes the table for people.
    fn table(&self, out: &mut TextWriter<'_>) -> io::Result<()>;
    /// Writes the report as JSON, with [`write_json`].
    fn json(&self, to: &mut CommandOutput) -> io::Result<()>;
}

/// Writes a value as one line of JSON.
pub(super) fn write_json(report: &impl Serialize, to: &mut CommandOutput) -> io::Result<()> {
    serde_json::to_writer(to.raw(), report)?;
    to.raw().write_all(b"\n")
}

/// A function that writes a report in one format.
type ReportWriter = fn(&dyn CommandReport, &GlobalOptions, &mut CommandOutput) -> io::Result<()>;

static FORMATS: &[OutputFormat<ReportWriter>] = &[
    OutputFormat {
        name: "table",
        help: "Text for people",
        writer: |report, global, to| report.table(&mut TextWriter(&mut |text| to.text(&global.in_charset(text)))),
    },
    OutputFormat { name: "json", help: "JSON for programs", writer: |report, _, to| report.json(to) },
];

/// The arguments of a report: a scenario and a format.
#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// A path, a bundled scenario's name, or - for the standard input
    pub scenario: OsString,
    /// The format of the output
    #[arg(long, default_value = "table", value_parser = format::parser(FORMATS))]
    format: &'static OutputFormat<ReportWriter>,
}

impl ReportArguments {
    /// Reads the scenario.
    pub fn load(&self, global: &GlobalOptions) -> anyhow::Result<Scenario> {
        ScenarioLoader { limits: global.limits(), opens_files: true }.load(&self.scenario)
    }

    /// Prints the report and closes the output.
    pub fn print(&self, global: &GlobalOptions, mut to: CommandOutput, report: &dyn CommandReport) -> anyhow::Result<()> {
        (self.format.writer)(report, global, &mut to)?;
        to.finish()
    }
}
