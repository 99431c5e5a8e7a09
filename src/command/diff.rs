//! `gradstep diff`: compares the gradients in a file with those of a scenario, and reports which are wrong, the first wrong entry, and the cause.

mod report;
mod text;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use super::compare::{GradientsFile, TensorOption, compare_with_progress};
use super::format::{self, OutputFormat};
use super::options::GlobalOptions;
use super::report::write_json;
use super::source::ScenarioLoader;
use super::{Invocation, document_at_iteration, print_faults};
use crate::app::{CompareOptions, Document, GradientComparison};
use crate::diff::UserTolerance;
use crate::output;
use crate::scenario::Faults;
use crate::weights::tensor_files;

/// Compare your own gradients with the right ones: report those that differ, the first wrong entry, and the mistake that gives your numbers.
///
/// MINE is a file with gradients of the loss. It is JSON ({"fc1.weight": [[0.5, -1]]}), the output of `grads --format json`, or a file of tensors such as .npz.
/// An .npy file needs --tensor. The names of the tensors are those that `grads` prints. Tensors with other names, such as PyTorch's, are matched by their order
/// and shape. A gradient that MINE does not have is not compared. docs/diff.md has examples.
///
/// The exit status is 0 if all gradients are equal, 1 if one is different, and 2 if a file cannot be used.
#[derive(Debug, Parser)]
pub(super) struct DiffCommand {
    /// A path, a bundled scenario's name, or - for the standard input
    scenario: OsString,
    #[arg(value_name = "MINE", help = concat!("A file with gradients: .json, ", tensor_files!()))]
    mine: PathBuf,
    /// The format of the output
    #[arg(long, default_value = "text", value_parser = format::parser(FORMATS))]
    format: &'static OutputFormat<DiffWriter>,
    /// The allowed difference as a share of the right number [default: 1e-6, or 1e-4 for float32 numbers]
    #[arg(long, value_name = "X", value_parser = parse_not_negative)]
    rtol: Option<f64>,
    /// The allowed difference as a share of the tensor's largest entry (not absolute, unlike NumPy's atol) [default: 1e-9, or 3e-5 for float32 numbers]
    #[arg(long, value_name = "X", value_parser = parse_not_negative)]
    atol: Option<f64>,
    /// The iteration of gradient descent, from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    iteration: u64,
    #[command(flatten)]
    tensor: TensorOption,
    /// The learning rate of your update, to recognise gradients that were multiplied by it, or that were computed from the updated weights [default: the
    /// scenario's learning rate]
    #[arg(long, value_name = "X", value_parser = parse_learning_rate, allow_negative_numbers = true)]
    learning_rate: Option<f64>,
}

/// A function that prints a comparison.
type PrintComparison = fn(&GradientComparison, &Document, &GlobalOptions) -> anyhow::Result<()>;

/// The functions that print the result. The first prints what is known before the search for mistakes, which may take long, and the second prints the rest.
#[derive(Debug)]
struct DiffWriter {
    print_comparison: PrintComparison,
    print_rest: PrintComparison,
}

static FORMATS: &[OutputFormat<DiffWriter>] = &[
    OutputFormat {
        name: "text",
        help: "Text for people",
        writer: DiffWriter { print_comparison: text::print_comparison, print_rest: text::print_causes },
    },
    OutputFormat {
        name: "json",
        help: "JSON for programs: docs/json.md",
        writer: DiffWriter { print_comparison: |_, _, _| Ok(()), print_rest: json },
    },
];

/// Parses a number that is at least 0.
fn parse_not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("write a number from 0, such as 1e-6".to_owned()),
    }
}

/// Parses a learning rate. As in a scenario file, it is not 0, and a negative one climbs.
fn parse_learning_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate != 0.0 => Ok(rate),
        _ => Err("write a number that is not 0, such as 0.1".to_owned()),
    }
}

impl Invocation for DiffCommand {
    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let loader = ScenarioLoader { limits: global.limits(), opens_files: true };
        let scenario = match loader.load(&self.scenario) {
            Ok(scenario) => scenario,
            Err(error) => {
                // other commands end with the exit status 1 after faults in the scenario; here, 1 means that a gradient is different
                print_faults(&error.downcast::<Faults>()?, global)?;
                return Ok(ExitCode::from(2));
            }
        };
        let document = Arc::new(document_at_iteration(scenario, self.iteration)?);
        let tolerance = UserTolerance { relative: self.rtol, of_largest: self.atol };
        let options = CompareOptions { tolerance, learning_rate: self.learning_rate };
        let file = GradientsFile::read(&self.mine, self.tensor.tensor.as_deref())?;
        let comparison = compare_with_progress(&document, file, options, |comparison| {
            (self.format.writer.print_comparison)(comparison, &document, global)
        })?;
        (self.format.writer.print_rest)(&comparison, &document, global)?;
        Ok(ExitCode::from(u8::from(!comparison.report.is_equal())))
    }
}

/// Prints one line of JSON. Notes about names and layouts are printed to stderr.
fn json(comparison: &GradientComparison, document: &Document, global: &GlobalOptions) -> anyhow::Result<()> {
    let mut notes = output::stderr();
    for note in comparison.notes() {
        writeln!(notes, "{}", global.in_charset(&format!("note: {note}")))?;
    }
    notes.finish()?;
    let mut to = output::stdout_without_line_buffer();
    write_json(&report::JsonReport::of(comparison, document), &mut to)?;
    to.finish()
}
