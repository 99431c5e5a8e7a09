//! `gradstep trace`: prints the steps of an iteration, as JSON lines, CSV, Markdown or text.
//!
//! A line describes a step, an entry of a tensor or an op (`--level`). The module `stream` makes the lines of steps in parallel, because there may be very
//! many. The module `line` makes the lines of entries and of ops.

mod csv;
mod json;
mod line;
mod markdown;
mod name;
mod stream;
mod table;
mod text;

use std::ffi::OsString;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, ValueEnum};

use super::format::{self, CommandOutput, OutputFormat};
use super::options::GlobalOptions;
use super::source::ScenarioLoader;
use super::{Invocation, document_at_iteration, open_output};
use crate::step::{Address, Location, Unit};
use crate::trace::Trace;
use line::{ENTRY_COLUMNS, OP_COLUMNS, TraceColumn, TraceLine, each_entry, each_op};

/// The functions of a format.
#[derive(Debug)]
struct TraceWriter {
    /// Writes the header and the lines of `--level step`.
    steps: fn(&Trace, Range<u64>, &mut dyn Write) -> io::Result<()>,
    /// Writes the header of `--level entry` and `--level op`.
    header: fn(&[TraceColumn], &mut Vec<u8>),
    /// Writes a line of `--level entry` and `--level op`.
    line: fn(&dyn TraceLine, &mut Vec<u8>),
}

/// The formats, in the order of the help.
static FORMATS: &[OutputFormat<TraceWriter>] = &[json::JSONL, csv::CSV, markdown::MARKDOWN, text::TEXT];

/// The value of `--level`: each line describes a step, an entry or an op.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    /// One multiplication, function application, copy or selection (the choice of one argument, such as the maximum of a window)
    Step,
    /// One entry of a tensor: the result of its steps
    #[value(alias = "element")]
    Entry,
    /// One op: the computation of one tensor
    Op,
}

/// Print the steps of an iteration, one on each line.
#[derive(Debug, Parser)]
pub(super) struct TraceCommand {
    /// A path, a bundled scenario's name, or - for the standard input
    scenario: OsString,
    /// The format of the output
    #[arg(long, default_value = "jsonl", value_parser = format::parser(FORMATS))]
    format: &'static OutputFormat<TraceWriter>,
    /// Print only the steps of this op or entry: grad.conv1.weight, conv1.z[0,1,1]
    #[arg(long, value_name = "NAME")]
    op: Option<String>,
    /// First step to print
    #[arg(long, value_name = "K")]
    from: Option<u64>,
    /// Last step to print (inclusive)
    #[arg(long, value_name = "K")]
    to: Option<u64>,
    /// Print a line for each step, each entry or each op
    #[arg(long, default_value = "step")]
    level: Level,
    /// The iteration of gradient descent, from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    iteration: u64,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Invocation for TraceCommand {
    fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let loader = ScenarioLoader { limits: global.limits(), opens_files: true };
        let document = document_at_iteration(loader.load(&self.scenario)?, self.iteration)?;
        let trace = &document.trace;
        let steps = selected_steps(self, trace)?;
        // if there was too little memory for the update, the trace lacks the steps of the update. This is an error only without --op and --to: the trace has
        // all steps that these options select, or `selected_steps` has failed
        if let Some(shortage) = document.shortage.filter(|_| self.op.is_none() && self.to.is_none()) {
            bail!("{shortage}; or write --to {} to end before the update", trace.len());
        }
        let mut to = open_output(self.output(), &self.scenario, &document.scenario.files)?;
        let writer = &self.format.writer;
        match self.level {
            Level::Step => (writer.steps)(trace, steps, to.raw())?,
            Level::Entry => write_lines(writer, ENTRY_COLUMNS, &mut to, |emit| each_entry(trace, &steps, emit))?,
            Level::Op => write_lines(writer, OP_COLUMNS, &mut to, |emit| each_op(trace, &steps, emit))?,
        }
        to.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the header, and then each line with which `for_each_line` calls its argument ([`each_entry`], [`each_op`]).
fn write_lines(
    writer: &TraceWriter,
    columns: &[TraceColumn],
    to: &mut CommandOutput,
    for_each_line: impl FnOnce(&mut dyn FnMut(&dyn TraceLine) -> io::Result<()>) -> io::Result<()>,
) -> io::Result<()> {
    let to = to.raw();
    let mut bytes = Vec::new();
    (writer.header)(columns, &mut bytes);
    to.write_all(&bytes)?;
    bytes.clear();
    for_each_line(&mut |line| {
        (writer.line)(line, &mut bytes);
        to.write_all(&bytes)?;
        bytes.clear();
        Ok(())
    })
}

/// The range of steps that `--op`, `--from` and `--to` select.
fn selected_steps(arguments: &TraceCommand, trace: &Trace) -> anyhow::Result<Range<u64>> {
    let bound = |k: Option<u64>, default: u64| match k {
        None => Ok(default),
        Some(0) => bail!("steps count from 1"),
        Some(k) if k > trace.len() => bail!("there is no step {k}: the last is {}", trace.len()),
        Some(k) => Ok(k),
    };
    let mut steps = bound(arguments.from, 1)?..bound(arguments.to, trace.len())? + 1;
    if steps.is_empty() {
        bail!("--from {} is after --to {}", steps.start, steps.end - 1);
    }
    if let Some(name) = &arguments.op {
        let op_steps = steps_of(name, trace)?;
        let common = steps.start.max(op_steps.start)..steps.end.min(op_steps.end);
        if common.is_empty() {
            let (first, last) = (op_steps.start, op_steps.end - 1);
            let where_it_is = if first == last { format!("step {first}") } else { format!("steps {first} to {last}") };
            bail!("no step of {name} is in the requested range: {name} is {where_it_is}");
        }
        steps = common;
    }
    Ok(steps)
}

/// The steps of an op, or of an entry of an op.
fn steps_of(name: &str, trace: &Trace) -> anyhow::Result<Range<u64>> {
    let address: Address = name.parse()?;
    let unit = match &address.location {
        Location::Loss | Location::Op { index: None, term: None, .. } => Unit::Op,
        Location::Op { term: None, .. } => Unit::Entry,
        _ => bail!("{name} is not an op; write the name of an op or an entry, such as conv1.z, grad.fc1.weight[0,1] or loss"),
    };
    Ok(trace.span(trace.resolve(&address).map_err(anyhow::Error::msg)?, unit))
}
