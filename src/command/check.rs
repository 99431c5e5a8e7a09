//! `gradstep check`: checks that scenarios are valid, and compares the computed numbers with the expected ones (`[[expect]]`).

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use super::Invocation;
use super::format::{self, OutputFormat};
use super::options::GlobalOptions;
use super::progress::with_progress;
use super::read::display_name;
use super::report::write_json;
use super::source::ScenarioLoader;
use crate::app::Document;
use crate::number::{Json, exact};
use crate::output;
use crate::scenario::{Expectation, Faults, LeftOutStatement, LocatedFault, Scenario};
use crate::tensor::{Index, flat, index_text, unravel};
use crate::text::counted;

/// Check that scenario files are valid, and compare their expected numbers with the computed ones.
///
/// The exit status is 1 if a scenario is not valid or a number is not as expected, and 2 if a file cannot be read.
#[derive(Debug, Parser)]
pub(super) struct CheckCommand {
    /// Scenario files, bundled names, or - for the standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<OsString>,
    /// The format of the output
    #[arg(long, default_value = "text", value_parser = format::parser(FORMATS))]
    format: &'static OutputFormat<CheckWriter>,
}

/// A function that checks files and prints their results.
type CheckWriter = fn(&CheckCommand, &GlobalOptions) -> anyhow::Result<CheckResult>;

static FORMATS: &[OutputFormat<CheckWriter>] = &[
    OutputFormat { name: "text", help: "Text for people", writer: text },
    OutputFormat { name: "json", help: "JSON for programs: docs/json.md", writer: json },
];

/// The result of checking a file. The variants are in the order from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum CheckResult {
    /// The scenario is valid, and the numbers are as expected.
    Passed,
    /// A number is not as expected.
    Differs,
    /// The scenario is not valid.
    Invalid,
    /// The file cannot be read.
    Unreadable,
}

/// The report on all files. Its fields are the keys of the JSON.
#[derive(Serialize)]
struct CheckReport {
    /// The version of the JSON format.
    format: u8,
    passed: bool,
    files: Vec<FileReport>,
}

/// The report on a file.
#[derive(Serialize)]
struct FileReport {
    file: String,
    result: CheckResult,
    /// The title of the scenario; `None` if it is not valid or cannot be read.
    title: Option<String>,
    /// The number of `[[expect]]` tables; `None` if the scenario is not valid or cannot be read.
    expectations: Option<usize>,
    deviations: Vec<FailedExpectation>,
    /// The number of all faults. `faults` has only the first ones.
    fault_count: usize,
    faults: Vec<FaultRow>,
    /// The reason why the file cannot be read.
    error: Option<String>,
    /// The faults, for the text output.
    #[serde(skip)]
    diagnostics: Option<Faults>,
}

/// An expected number or tensor that differs from the computed one.
#[derive(Serialize)]
struct FailedExpectation {
    /// The line of the key `at` in the file.
    line: usize,
    at: String,
    tolerance: Json,
    source: Option<String>,
    /// The first entry that differs; `None` if nothing was computed.
    first: Option<UnexpectedEntry>,
    /// The number of further entries that differ.
    more: usize,
    /// The reason why nothing was computed.
    error: Option<String>,
}

/// An entry that is not as expected.
#[derive(Serialize)]
struct UnexpectedEntry {
    /// The address of the entry.
    at: String,
    index: Index,
    computed: Json,
    expected: Json,
}

/// A fault of a scenario file.
#[derive(Serialize)]
struct FaultRow {
    line: Option<usize>,
    column: Option<usize>,
    message: String,
    help: Option<String>,
    also: Option<SecondPlace>,
}

/// A second position to which a fault refers.
#[derive(Serialize)]
struct SecondPlace {
    line: usize,
    column: usize,
    message: String,
}

impl Invocation for CheckCommand {
    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let status = match (self.format.writer)(self, global)? {
            CheckResult::Passed => 0,
            CheckResult::Differs | CheckResult::Invalid => 1,
            CheckResult::Unreadable => 2,
        };
        Ok(ExitCode::from(status))
    }
}

impl CheckCommand {
    /// Checks the files one after the other.
    fn reports(&self, global: &GlobalOptions) -> impl Iterator<Item = anyhow::Result<FileReport>> {
        let loader = ScenarioLoader { limits: global.limits(), opens_files: true };
        self.files.iter().map(move |file| FileReport::new(file, &loader, global))
    }
}

/// Prints the result of each file as soon as it is known.
fn text(command: &CheckCommand, global: &GlobalOptions) -> anyhow::Result<CheckResult> {
    let mut to = output::stdout();
    let mut worst = CheckResult::Passed;
    for report in command.reports(global) {
        let report = report?;
        worst = worst.max(report.result);
        if let Some(error) = &report.error {
            let mut stderr = output::stderr();
            writeln!(stderr, "error: {}", global.in_charset(error))?;
            stderr.finish()?;
            continue;
        }
        writeln!(to, "{}", global.in_charset(&report.text()))?;
        if let Some(faults) = &report.diagnostics {
            // the texts are escaped by `render`, which also adds colours
            writeln!(to.raw(), "{}", global.in_charset(&faults.render(global.has_colours(&std::io::stdout()))))?;
        }
    }
    to.finish()?;
    Ok(worst)
}

/// Prints remarks on a scenario to stderr. They are warnings, lines of a graph that have no effect, and tensors whose axes have another order in the file.
fn print_remarks(scenario: &Scenario, global: &GlobalOptions) -> anyhow::Result<()> {
    let mut to = output::stderr();
    if !scenario.warnings.faults().is_empty() {
        // the texts are escaped by `render`, which also adds colours
        writeln!(to.raw(), "{}", global.in_charset(&scenario.warnings.render(global.has_colours(&std::io::stderr()))))?;
    }
    let file = scenario.file_name();
    for LeftOutStatement { line, text } in &scenario.left_out {
        writeln!(to, "{}", global.in_charset(&format!("note: {file}, line {line}: {text} is not needed: left out")))?;
    }
    if let Some(axes) = &scenario.axes_remark {
        writeln!(to, "{}", global.in_charset(&format!("note: {file}: {axes}")))?;
    }
    to.finish()?;
    Ok(())
}

/// Prints the results of all files as one line of JSON.
fn json(command: &CheckCommand, global: &GlobalOptions) -> anyhow::Result<CheckResult> {
    let files = command.reports(global).collect::<anyhow::Result<Vec<_>>>()?;
    let worst = files.iter().map(|file| file.result).max().unwrap_or(CheckResult::Passed);
    let mut to = output::stdout_without_line_buffer();
    write_json(&CheckReport { format: 1, passed: worst == CheckResult::Passed, files }, &mut to)?;
    to.finish()?;
    Ok(worst)
}

impl FileReport {
    /// Checks a file, and prints remarks on it to stderr.
    fn new(file: &OsString, loader: &ScenarioLoader, global: &GlobalOptions) -> anyhow::Result<Self> {
        let mut report = Self {
            file: display_name(file),
            result: CheckResult::Passed,
            title: None,
            expectations: None,
            deviations: Vec::new(),
            fault_count: 0,
            faults: Vec::new(),
            error: None,
            diagnostics: None,
        };
        let scenario = match loader.load(file) {
            Ok(scenario) => scenario,
            Err(error) => {
                match error.downcast::<Faults>() {
                    Ok(faults) => {
                        report.result = CheckResult::Invalid;
                        report.fault_count = faults.faults().len();
                        report.faults = faults.located().map(FaultRow::from).collect();
                        report.diagnostics = Some(faults);
                    }
                    Err(error) => {
                        report.result = CheckResult::Unreadable;
                        report.error = Some(format!("{error:#}"));
                    }
                }
                return Ok(report);
            }
        };
        print_remarks(&scenario, global)?;
        let document = Document::new(scenario);
        let expectations = &document.scenario.expectations;
        for expectation in expectations {
            report.deviations.extend(deviation(&document, expectation)?);
        }
        report.title = Some(document.scenario.title.clone());
        report.expectations = Some(expectations.len());
        if !report.deviations.is_empty() {
            report.result = CheckResult::Differs;
        }
        Ok(report)
    }

    /// Returns the result as a line of text, with a further line for each expected number or tensor that differs.
    fn text(&self) -> String {
        let Self { file, deviations, .. } = self;
        match (self.expectations, deviations.len()) {
            (None, _) => format!("invalid  {file} ({})", counted(self.fault_count, "fault")),
            (Some(0), _) => format!("ok  {file}"),
            (Some(1), 0) => format!("ok  {file} (1 expected number holds)"),
            (Some(expected), 0) => format!("ok  {file} ({expected} expected numbers hold)"),
            (Some(expected), wrong) => {
                let lines: Vec<String> = deviations.iter().map(FailedExpectation::text).collect();
                format!("differs  {file} ({wrong} of {expected} expected numbers)\n{}", lines.join("\n"))
            }
        }
    }
}

impl From<LocatedFault> for FaultRow {
    fn from(fault: LocatedFault) -> Self {
        let LocatedFault { place, message, help, note } = fault;
        let also = note.map(|((line, column), message)| SecondPlace { line, column, message });
        Self { line: place.map(|(line, _)| line), column: place.map(|(_, column)| column), message, help, also }
    }
}

impl FailedExpectation {
    fn text(&self) -> String {
        let Self { line, tolerance, more, .. } = self;
        let Some(UnexpectedEntry { at, computed, expected, .. }) = &self.first else {
            return format!("  line {line}: {}", self.error.as_deref().unwrap_or_default());
        };
        let more = if *more > 0 { format!(", and {more} more of its entries") } else { String::new() };
        let source = self.source.as_ref().map_or_else(String::new, |source| format!(", from {source}"));
        let [computed, expected, tolerance] = [computed, expected, tolerance].map(|number| exact(number.0));
        format!("  line {line}: {at} is {computed}, expected {expected} within {tolerance}{source}{more}")
    }
}

/// Returns the difference between a computed number or tensor and the expected one; `None` if they agree within the tolerance.
fn deviation(document: &Document, expectation: &Expectation) -> anyhow::Result<Option<FailedExpectation>> {
    let Expectation { at, entry, value, tolerance, source, line } = expectation;
    let without_entry = FailedExpectation {
        line: *line,
        at: at.to_string(),
        tolerance: Json(*tolerance),
        source: source.clone(),
        first: None,
        more: 0,
        error: None,
    };
    let other_iteration = at.iteration.filter(|n| *n != document.trace.iteration());
    let reached = other_iteration.map(|n| with_progress(|go_on| document.reach(n, go_on).transpose())).transpose()?;
    let other_document = match reached.transpose() {
        Ok(other_document) => other_document,
        Err(why) => return Ok(Some(FailedExpectation { error: Some(why), ..without_entry })),
    };
    let trace = &other_document.as_ref().unwrap_or(document).trace;
    let (run_index, tensor) = match trace.tensor(at) {
        Ok(found) => found,
        Err(why) => return Ok(Some(FailedExpectation { error: Some(why), ..without_entry })),
    };
    let values = trace.run(run_index).values(tensor);
    // without an entry, all entries of the tensor are compared
    let compared = entry.map_or(values, |at| &values[at..=at]);
    // NaN never agrees, because every comparison with NaN is false
    let agrees = |computed: f64, expected: f64| (computed - expected).abs() <= *tolerance;
    let mut wrong = compared.iter().zip(flat(value)).enumerate().filter(|(_, (computed, expected))| !agrees(**computed, **expected));
    let Some((position, (computed, expected))) = wrong.next() else { return Ok(None) };
    let index = unravel(entry.unwrap_or(position), &trace.network_of(run_index).tensor(tensor).shape);
    let name = if entry.is_some() { at.to_string() } else { format!("{at}{}", index_text(&index)) };
    let first = UnexpectedEntry { at: name, index, computed: Json(*computed), expected: Json(*expected) };
    Ok(Some(FailedExpectation { first: Some(first), more: wrong.count(), ..without_entry }))
}
