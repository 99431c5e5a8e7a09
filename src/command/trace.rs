//! `gradstep trace`: the steps, written as they are derived.

mod json;
mod name;
mod stream;
mod text;

use std::ffi::OsString;
use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, ValueEnum};
use compact_str::CompactString;
use serde::Serialize;

use json::Json;
use text::Text;

use super::look::Global;
use super::source::Shelf;
use super::{at_iteration, output_to, promised};
use crate::network::{Id, Network};
use crate::number::{self, exact};
use crate::output::Output;
use crate::step::{Address, Pass, Place, Unit};
use crate::tensor::{Index, index_text, len, shape_text, unravel};
use crate::threads;
use crate::trace::Trace;

#[derive(Clone, Copy, Debug)]
enum Format {
    Jsonl,
    Text,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    /// One multiplication, application, selection or copy
    Step,
    /// One entry of a tensor
    Element,
    /// One tensor
    Op,
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A path, a bundled scenario's name, or - for the standard input
    scenario: OsString,
    /// How to print them
    #[arg(long, default_value = "jsonl",
        value_parser = promised::format(&[("jsonl", Format::Jsonl), ("text", Format::Text)], &["csv", "markdown"]))]
    format: Format,
    /// Only this op, or this entry of it: grad.conv1.weight, conv1.z[0,1,1]
    #[arg(long, value_name = "NAME")]
    op: Option<String>,
    /// From this step on
    #[arg(long, value_name = "K")]
    from: Option<u64>,
    /// Up to and with this step
    #[arg(long, value_name = "K")]
    to: Option<u64>,
    /// What a line is about
    #[arg(long, default_value = "step")]
    level: Level,
    /// Which iteration of gradient descent
    #[arg(long, value_name = "N", default_value_t = 1)]
    iteration: u64,
    /// Write to a file
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    let shelf = Shelf { limits: global.limits(), files: true };
    let lesson = at_iteration(shelf.scenario(&arguments.scenario)?, arguments.iteration)?;
    let trace = &lesson.trace;
    let steps = steps(arguments, trace)?;
    if let Some(lack) = lesson.lack.filter(|_| arguments.op.is_none() && arguments.to.is_none()) {
        bail!("{lack}; or end before the update, with --to {}", trace.len());
    }
    let to = output_to(arguments.output.as_ref(), &arguments.scenario, &lesson.scenario.files)?;
    let mut lines = Lines { to, format: arguments.format, global };
    match arguments.level {
        Level::Step => match arguments.format {
            Format::Jsonl => stream::write(trace, steps, threads::most(), || Json::new(trace), lines.to.raw())?,
            Format::Text => stream::write(trace, steps, threads::most(), || Text::new(trace), lines.to.raw())?,
        },
        Level::Element => each_entry(trace, &steps, |entry| lines.write(entry))?,
        Level::Op => each_op(trace, &steps, |op| lines.write(op))?,
    }
    lines.to.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// The steps that are asked for.
fn steps(arguments: &Arguments, trace: &Trace) -> anyhow::Result<Range<u64>> {
    let one = |k: Option<u64>, usual: u64| match k {
        None => Ok(usual),
        Some(0) => bail!("steps count from 1"),
        Some(k) if k > trace.len() => bail!("there is no step {k}: the last is {}", trace.len()),
        Some(k) => Ok(k),
    };
    let mut steps = one(arguments.from, 1)?..one(arguments.to, trace.len())? + 1;
    if steps.is_empty() {
        bail!("there is no step from {} to {}", steps.start, steps.end - 1);
    }
    if let Some(name) = &arguments.op {
        let span = op(name, trace)?;
        let both = steps.start.max(span.start)..steps.end.min(span.end);
        if both.is_empty() {
            bail!("{name} has the steps {} to {}, none of those asked for", span.start, span.end - 1);
        }
        steps = both;
    }
    Ok(steps)
}

/// The steps of an op, or of one of its entries.
fn op(name: &str, trace: &Trace) -> anyhow::Result<Range<u64>> {
    let address: Address = name.parse()?;
    let unit = match &address.place {
        Place::Loss | Place::Op { index: None, term: None, .. } => Unit::Op,
        Place::Op { term: None, .. } => Unit::Entry,
        _ => bail!("{name} is no op; an op is conv1.z, grad.fc1.weight, loss"),
    };
    Ok(trace.span(trace.resolve(&address).map_err(anyhow::Error::msg)?, unit))
}

/// One entry of an op's tensor.
#[derive(Serialize)]
struct Entry {
    iteration: u64,
    sample: Option<usize>,
    pass: Pass,
    op: CompactString,
    index: Index,
    /// Its first step; `None` where nothing reaches it.
    first: Option<u64>,
    terms: u64,
    #[serde(serialize_with = "number::json")]
    value: f64,
}

/// One op.
#[derive(Serialize)]
struct Whole {
    iteration: u64,
    sample: Option<usize>,
    pass: Pass,
    op: CompactString,
    shape: Vec<usize>,
    first: u64,
    steps: u64,
}

/// The ops that have one of these steps, each with its sample, its tensor and all of its steps.
fn ops(trace: &Trace, steps: &Range<u64>) -> impl Iterator<Item = (usize, Id, Range<u64>)> {
    let steps = steps.clone();
    trace.ops().filter(move |(.., span)| span.start < steps.end && steps.start < span.end)
}

fn pass(network: &Network, tensor: Id) -> Pass {
    network.made_by(tensor).map_or(Pass::Forward, |op| network.ops()[op].pass)
}

fn each_entry(trace: &Trace, steps: &Range<u64>, mut give: impl FnMut(&Entry) -> io::Result<()>) -> io::Result<()> {
    for (stretch, tensor, span) in ops(trace, steps) {
        let network = trace.network_of(stretch);
        let info = network.tensor(tensor);
        let whole = steps.start <= span.start && span.end <= steps.end;
        for entry in 0..len(&info.shape) {
            let Some(made) = trace.made(stretch, tensor, entry) else { continue };
            let asked = if made.is_empty() { whole } else { made.start < steps.end && steps.start < made.end };
            if asked {
                give(&Entry {
                    iteration: trace.iteration(),
                    sample: trace.stretches()[stretch].sample.map(|sample| sample + 1),
                    pass: pass(network, tensor),
                    op: info.name.clone(),
                    index: unravel(entry, &info.shape),
                    first: (!made.is_empty()).then_some(made.start),
                    terms: made.end - made.start,
                    value: trace.run(stretch).values(tensor)[entry],
                })?;
            }
        }
    }
    Ok(())
}

fn each_op(trace: &Trace, steps: &Range<u64>, mut give: impl FnMut(&Whole) -> io::Result<()>) -> io::Result<()> {
    for (stretch, tensor, span) in ops(trace, steps) {
        let network = trace.network_of(stretch);
        let info = network.tensor(tensor);
        give(&Whole {
            iteration: trace.iteration(),
            sample: trace.stretches()[stretch].sample.map(|sample| sample + 1),
            pass: pass(network, tensor),
            op: info.name.clone(),
            shape: info.shape.clone(),
            first: span.start,
            steps: span.end - span.start,
        })?;
    }
    Ok(())
}

/// Where the lines go.
struct Lines<'a> {
    to: Output<Box<dyn Write>>,
    format: Format,
    global: &'a Global,
}

impl Lines<'_> {
    fn write(&mut self, line: &(impl Serialize + Told)) -> io::Result<()> {
        match self.format {
            Format::Jsonl => {
                let to = self.to.raw();
                serde_json::to_writer(&mut *to, line)?;
                to.write_all(b"\n")
            }
            Format::Text => writeln!(self.to, "{}", self.global.text(&line.told())),
        }
    }
}

/// What is told of a line's subject to people.
trait Told {
    fn told(&self) -> String;
}

impl Told for Entry {
    fn told(&self) -> String {
        let first = self.first.map_or_else(|| "-".to_owned(), |first| first.to_string());
        let plural = if self.terms == 1 { "" } else { "s" };
        format!("{first}  {}{}  {} term{plural}  {}", self.op, index_text(&self.index), self.terms, exact(self.value))
    }
}

impl Told for Whole {
    fn told(&self) -> String {
        let plural = if self.steps == 1 { "" } else { "s" };
        format!("{}  {}  {}  {}  {} step{plural}", self.first, self.pass.name(), self.op, shape_text(&self.shape), self.steps)
    }
}
