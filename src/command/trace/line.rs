//! The lines of `--level entry` and `--level op`. A line is a list of values with named columns, so that every format can write it.

use std::io;
use std::ops::Range;

use compact_str::CompactString;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use smallvec::{SmallVec, smallvec};

use crate::network::{Id, Network};
use crate::number::{self, exact};
use crate::step::Pass;
use crate::tensor::{Index, index_text, len, shape_text, unravel};
use crate::text::counted;
use crate::trace::Trace;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct TraceColumn {
    /// The name of the JSON field.
    pub name: &'static str,
    /// `true` for a column of numbers, which Markdown aligns to the right.
    pub is_number: bool,
}

impl TraceColumn {
    pub const fn text(name: &'static str) -> Self {
        Self { name, is_number: false }
    }

    pub const fn number(name: &'static str) -> Self {
        Self { name, is_number: true }
    }
}

/// The value of a column in a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum TraceCell<'a> {
    Null,
    Count(u64),
    Text(&'a str),
    /// An index or a shape.
    List(&'a [usize]),
    Number(f64),
}

impl Serialize for TraceCell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Count(n) => n.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
            Self::List(list) => list.serialize(serializer),
            Self::Number(value) => number::json(value, serializer),
        }
    }
}

/// The values of a line, in the order of the columns.
pub(super) type TraceCells<'a> = SmallVec<[TraceCell<'a>; 8]>;

/// A line about an entry or an op.
pub(super) trait TraceLine {
    /// The columns.
    fn columns(&self) -> &'static [TraceColumn];
    /// The values, one for each column.
    fn cells(&self) -> TraceCells<'_>;
    /// The line as text for people.
    fn text(&self) -> String;
}

impl Serialize for dyn TraceLine + '_ {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(Some(self.columns().len()))?;
        for (column, cell) in self.columns().iter().zip(self.cells()) {
            fields.serialize_entry(column.name, &cell)?;
        }
        fields.end()
    }
}

/// The first cells of a line, which are the same for both levels.
struct LinePrefix {
    iteration: u64,
    /// The number of the sample, from 1; `None` for an op of the batch.
    sample: Option<usize>,
    /// `true` if the batch has several samples.
    has_several_samples: bool,
    pass: Pass,
    op: CompactString,
}

impl LinePrefix {
    fn new(trace: &Trace, run_index: usize, tensor: Id) -> Self {
        let network = trace.network_of(run_index);
        Self {
            iteration: trace.iteration(),
            sample: trace.runs()[run_index].sample.map(|sample| sample + 1),
            has_several_samples: trace.samples() > 1,
            pass: pass(network, tensor),
            op: network.tensor(tensor).name.clone(),
        }
    }

    fn cells(&self) -> TraceCells<'_> {
        let sample = self.sample.map_or(TraceCell::Null, |sample| TraceCell::Count(sample as u64));
        smallvec![TraceCell::Count(self.iteration), sample, TraceCell::Text(self.pass.name()), TraceCell::Text(&self.op)]
    }

    /// Returns the name of the op for the text. If the batch has several samples, it begins with the sample, as in the address `2:fc1.z`.
    fn op_text(&self) -> String {
        match self.sample.filter(|_| self.has_several_samples) {
            Some(sample) => format!("{sample}:{}", self.op),
            None => self.op.to_string(),
        }
    }
}

/// The pass that computes a tensor.
fn pass(network: &Network, tensor: Id) -> Pass {
    network.producer(tensor).map_or(Pass::Forward, |op| network.ops()[op].pass)
}

/// A line about one entry of an op's tensor.
struct EntryLine {
    prefix: LinePrefix,
    index: Index,
    /// The number of the entry's first step; `None` for an entry without terms.
    first: Option<u64>,
    terms: u64,
    value: f64,
}

/// The columns of `--level entry`.
#[rustfmt::skip]
pub(super) const ENTRY_COLUMNS: &[TraceColumn] = &[
    TraceColumn::number("iteration"), TraceColumn::number("sample"), TraceColumn::text("pass"), TraceColumn::text("op"),
    TraceColumn::text("index"), TraceColumn::number("first"), TraceColumn::number("terms"), TraceColumn::number("value"),
];

impl TraceLine for EntryLine {
    fn columns(&self) -> &'static [TraceColumn] {
        ENTRY_COLUMNS
    }

    fn cells(&self) -> TraceCells<'_> {
        let mut cells = self.prefix.cells();
        let first = self.first.map_or(TraceCell::Null, TraceCell::Count);
        cells.extend([TraceCell::List(&self.index), first, TraceCell::Count(self.terms), TraceCell::Number(self.value)]);
        cells
    }

    fn text(&self) -> String {
        let first = self.first.map_or_else(|| "-".to_owned(), |first| first.to_string());
        let terms = counted(self.terms, "term");
        format!("{first}  {}{}  {terms}  {}", self.prefix.op_text(), index_text(&self.index), exact(self.value))
    }
}

/// A line about one op.
struct OpLine {
    prefix: LinePrefix,
    shape: Vec<usize>,
    /// The number of the op's first step.
    first: u64,
    steps: u64,
}

/// The columns of `--level op`.
#[rustfmt::skip]
pub(super) const OP_COLUMNS: &[TraceColumn] = &[
    TraceColumn::number("iteration"), TraceColumn::number("sample"), TraceColumn::text("pass"), TraceColumn::text("op"),
    TraceColumn::text("shape"), TraceColumn::number("first"), TraceColumn::number("steps"),
];

impl TraceLine for OpLine {
    fn columns(&self) -> &'static [TraceColumn] {
        OP_COLUMNS
    }

    fn cells(&self) -> TraceCells<'_> {
        let mut cells = self.prefix.cells();
        cells.extend([TraceCell::List(&self.shape), TraceCell::Count(self.first), TraceCell::Count(self.steps)]);
        cells
    }

    fn text(&self) -> String {
        let (pass, op) = (self.prefix.pass.name(), self.prefix.op_text());
        format!("{}  {pass}  {op}  {}  {}", self.first, shape_text(&self.shape), counted(self.steps, "step"))
    }
}

/// Iterates over the ops with a step in a range: the run, the tensor, and all steps of the op.
fn ops_in(trace: &Trace, steps: &Range<u64>) -> impl Iterator<Item = (usize, Id, Range<u64>)> {
    let steps = steps.clone();
    trace.ops().filter(move |(.., op_steps)| op_steps.start < steps.end && steps.start < op_steps.end)
}

/// Calls `emit` with a line for each entry that has a step in a range. An entry without terms has no step. It gets a line if the range contains all steps of
/// its op.
pub(super) fn each_entry(trace: &Trace, steps: &Range<u64>, emit: &mut dyn FnMut(&dyn TraceLine) -> io::Result<()>) -> io::Result<()> {
    for (run_index, tensor, op_steps) in ops_in(trace, steps) {
        let shape = &trace.network_of(run_index).tensor(tensor).shape;
        let has_whole_op = steps.start <= op_steps.start && op_steps.end <= steps.end;
        for entry in 0..len(shape) {
            let Some(entry_steps) = trace.entry_steps(run_index, tensor, entry) else { continue };
            let is_selected =
                if entry_steps.is_empty() { has_whole_op } else { entry_steps.start < steps.end && steps.start < entry_steps.end };
            if is_selected {
                emit(&EntryLine {
                    prefix: LinePrefix::new(trace, run_index, tensor),
                    index: unravel(entry, shape),
                    first: (!entry_steps.is_empty()).then_some(entry_steps.start),
                    terms: entry_steps.end - entry_steps.start,
                    value: trace.run(run_index).values(tensor)[entry],
                })?;
            }
        }
    }
    Ok(())
}

/// Calls `emit` with a line for each op that has a step in a range.
pub(super) fn each_op(trace: &Trace, steps: &Range<u64>, emit: &mut dyn FnMut(&dyn TraceLine) -> io::Result<()>) -> io::Result<()> {
    for (run_index, tensor, op_steps) in ops_in(trace, steps) {
        let shape = trace.network_of(run_index).tensor(tensor).shape.clone();
        emit(&OpLine {
            prefix: LinePrefix::new(trace, run_index, tensor),
            shape,
            first: op_steps.start,
            steps: op_steps.end - op_steps.start,
        })?;
    }
    Ok(())
}
