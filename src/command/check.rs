//! `gradstep check`: validates scenarios and compares their numbers with those that they expect.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use super::Invocation;
use super::look::Global;
use super::progress::with_progress;
use super::read::shown;
use super::source::ScenarioLoader;
use crate::app::Document;
use crate::number::exact;
use crate::output::{self, Output};
use crate::scenario::{Expectation, Faults};
use crate::tensor::{flat, index_text, unravel};
use crate::text::counted;

/// Check scenario files and the numbers that they expect.
#[derive(Debug, Parser)]
#[command(name = "check")]
pub(super) struct CheckCommand {
    /// Scenario files, bundled names, or - for the standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<OsString>,
}

/// The result for a file; its number is the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CheckOutcome {
    Passed,
    Failed,
    Unreadable,
}

impl Invocation for CheckCommand {
    fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let scenarios = ScenarioLoader { limits: global.limits(), files: true };
        let mut to = output::stdout();
        let mut worst = CheckOutcome::Passed;
        for file in &self.files {
            worst = worst.max(check(file, &scenarios, global, &mut to)?);
        }
        to.finish()?;
        Ok(ExitCode::from(worst as u8))
    }
}

fn check(file: &OsString, scenarios: &ScenarioLoader, global: &Global, to: &mut Output<impl Write>) -> anyhow::Result<CheckOutcome> {
    let name = shown(file);
    let scenario = match scenarios.scenario(file) {
        Ok(scenario) => scenario,
        Err(error) => {
            let Some(faults) = error.downcast_ref::<Faults>() else {
                let mut to = output::stderr();
                writeln!(to, "error: {}", global.text(&format!("{error:#}")))?;
                to.finish()?;
                return Ok(CheckOutcome::Unreadable);
            };
            let number = faults.faults().len();
            writeln!(to, "{}", global.text(&format!("invalid  {name} ({})", counted(number, "fault"))))?;
            // unescaped: `render` escapes the texts itself and adds colours
            writeln!(to.raw(), "{}", global.text(&faults.render(global.coloured(&std::io::stdout()))))?;
            return Ok(CheckOutcome::Failed);
        }
    };
    let document = Document::new(scenario);
    let expectations = &document.scenario.expectations;
    let mut deviations = Vec::new();
    for expectation in expectations {
        deviations.extend(deviation(&document, expectation)?);
    }
    let numbers = expectations.len();
    let line = match (numbers, deviations.len()) {
        (0, _) => format!("ok  {name}"),
        (1, 0) => format!("ok  {name} (1 expected number holds)"),
        (_, 0) => format!("ok  {name} ({numbers} expected numbers hold)"),
        (_, wrong) => format!("differs  {name} ({wrong} of {numbers} expected numbers)\n{}", deviations.join("\n")),
    };
    writeln!(to, "{}", global.text(&line))?;
    Ok(if deviations.is_empty() { CheckOutcome::Passed } else { CheckOutcome::Failed })
}

/// Describes how a number differs from its expectation; `None` if it agrees within the tolerance.
fn deviation(document: &Document, expectation: &Expectation) -> anyhow::Result<Option<String>> {
    let Expectation { at, entry, value, tolerance, source, line } = expectation;
    let number = at.iteration.filter(|n| *n != document.trace.iteration());
    let other = match number.map(|n| with_progress(|go_on| document.reach(n, go_on).transpose())).transpose()?.transpose() {
        Ok(other) => other,
        Err(why) => return Ok(Some(format!("  line {line}: {why}"))),
    };
    let trace = &other.as_ref().unwrap_or(document).trace;
    let (sample_run, tensor) = match trace.tensor(at) {
        Ok(found) => found,
        Err(why) => return Ok(Some(format!("  line {line}: {why}"))),
    };
    let values = trace.run(sample_run).values(tensor);
    let values = entry.map_or(values, |at| &values[at..=at]);
    // also right for NaN: every comparison with it is false
    let holds = |actual: f64, expected: f64| (actual - expected).abs() <= *tolerance;
    let mut wrong = values.iter().zip(flat(value)).enumerate().filter(|(_, (actual, expected))| !holds(**actual, **expected));
    let Some((place, (actual, expected))) = wrong.next() else { return Ok(None) };
    let more = wrong.count();
    let info = trace.network_of(sample_run).tensor(tensor);
    let name = if entry.is_some() { at.to_string() } else { format!("{at}{}", index_text(&unravel(place, &info.shape))) };
    let more = if more > 0 { format!(", and {more} more of its entries") } else { String::new() };
    let source = source.as_ref().map_or_else(String::new, |source| format!(", from {source}"));
    let (actual, expected, tolerance) = (exact(*actual), exact(*expected), exact(*tolerance));
    Ok(Some(format!("  line {line}: {name} is {actual}, expected {expected} within {tolerance}{source}{more}")))
}
