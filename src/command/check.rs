//! `gradstep check`: checks that scenarios are valid, and compares the computed numbers with the expected ones (`[[expect]]`).

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use super::Invocation;
use super::options::GlobalOptions;
use super::progress::with_progress;
use super::read::display_name;
use super::source::ScenarioLoader;
use crate::app::Document;
use crate::number::exact;
use crate::output::{self, Output};
use crate::scenario::{Expectation, Faults};
use crate::tensor::{flat, index_text, unravel};
use crate::text::counted;

/// Check scenario files and their expected numbers.
#[derive(Debug, Parser)]
#[command(name = "check")]
pub(super) struct CheckCommand {
    /// Scenario files, bundled names, or - for the standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<OsString>,
}

/// The result of checking a file. The exit status is the largest result of all files, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CheckOutcome {
    /// The scenario is valid, and the numbers are as expected.
    Passed,
    /// The scenario is not valid, or a number is not as expected.
    Failed,
    /// The file cannot be read.
    Unreadable,
}

impl Invocation for CheckCommand {
    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let loader = ScenarioLoader { limits: global.limits(), opens_files: true };
        let mut to = output::stdout();
        let mut worst = CheckOutcome::Passed;
        for file in &self.files {
            worst = worst.max(check(file, &loader, global, &mut to)?);
        }
        to.finish()?;
        Ok(ExitCode::from(worst as u8))
    }
}

/// Checks a file and prints its result.
fn check(file: &OsString, loader: &ScenarioLoader, global: &GlobalOptions, to: &mut Output<impl Write>) -> anyhow::Result<CheckOutcome> {
    let name = display_name(file);
    let scenario = match loader.load(file) {
        Ok(scenario) => scenario,
        Err(error) => {
            let Some(faults) = error.downcast_ref::<Faults>() else {
                let mut to = output::stderr();
                writeln!(to, "error: {}", global.in_charset(&format!("{error:#}")))?;
                to.finish()?;
                return Ok(CheckOutcome::Unreadable);
            };
            let count = faults.faults().len();
            writeln!(to, "{}", global.in_charset(&format!("invalid  {name} ({})", counted(count, "fault"))))?;
            // unescaped: `render` escapes the texts itself and adds colours
            writeln!(to.raw(), "{}", global.in_charset(&faults.render(global.has_colours(&std::io::stdout()))))?;
            return Ok(CheckOutcome::Failed);
        }
    };
    let document = Document::new(scenario);
    let expectations = &document.scenario.expectations;
    let mut deviations = Vec::new();
    for expectation in expectations {
        deviations.extend(deviation(&document, expectation)?);
    }
    let expected = expectations.len();
    let line = match (expected, deviations.len()) {
        (0, _) => format!("ok  {name}"),
        (1, 0) => format!("ok  {name} (1 expected number holds)"),
        (_, 0) => format!("ok  {name} ({expected} expected numbers hold)"),
        (_, wrong) => format!("differs  {name} ({wrong} of {expected} expected numbers)\n{}", deviations.join("\n")),
    };
    writeln!(to, "{}", global.in_charset(&line))?;
    Ok(if deviations.is_empty() { CheckOutcome::Passed } else { CheckOutcome::Failed })
}

/// The difference between a computed number or tensor and the expected one, as text; `None` if they agree within the tolerance.
fn deviation(document: &Document, expectation: &Expectation) -> anyhow::Result<Option<String>> {
    let Expectation { at, entry, value, tolerance, source, line } = expectation;
    let other_iteration = at.iteration.filter(|n| *n != document.trace.iteration());
    let computed = other_iteration.map(|n| with_progress(|go_on| document.reach(n, go_on).transpose())).transpose()?;
    let other_document = match computed.transpose() {
        Ok(other) => other,
        Err(why) => return Ok(Some(format!("  line {line}: {why}"))),
    };
    let trace = &other_document.as_ref().unwrap_or(document).trace;
    let (sample_run, tensor) = match trace.tensor(at) {
        Ok(found) => found,
        Err(why) => return Ok(Some(format!("  line {line}: {why}"))),
    };
    let values = trace.run(sample_run).values(tensor);
    let values = entry.map_or(values, |at| &values[at..=at]);
    // a NaN never agrees, because every comparison with NaN is false
    let agrees = |actual: f64, expected: f64| (actual - expected).abs() <= *tolerance;
    let mut wrong = values.iter().zip(flat(value)).enumerate().filter(|(_, (actual, expected))| !agrees(**actual, **expected));
    let Some((position, (actual, expected))) = wrong.next() else { return Ok(None) };
    let more_wrong = wrong.count();
    let info = trace.network_of(sample_run).tensor(tensor);
    let name = if entry.is_some() { at.to_string() } else { format!("{at}{}", index_text(&unravel(position, &info.shape))) };
    let more = if more_wrong > 0 { format!(", and {more_wrong} more of its entries") } else { String::new() };
    let source = source.as_ref().map_or_else(String::new, |source| format!(", from {source}"));
    let (actual, expected, tolerance) = (exact(*actual), exact(*expected), exact(*tolerance));
    Ok(Some(format!("  line {line}: {name} is {actual}, expected {expected} within {tolerance}{source}{more}")))
}
