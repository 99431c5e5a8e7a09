//! The lines of `--level element` and `--level op`: values with named columns.

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
use crate::trace::Trace;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct TraceColumn {
    /// The name of the JSON field.
    pub name: &'static str,
    /// Numbers align to the right.
    pub is_number: bool,
}

impl TraceColumn {
    pub const fn word(name: &'static str) -> Self {
        Self { name, is_number: false }
    }

    pub const fn number(name: &'static str) -> Self {
        Self { name, is_number: true }
    }
}

/// The value of a column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Null,
    Count(u64),
    Word(&'a str),
    /// An index or a shape.
    List(&'a [usize]),
    Number(f64),
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Count(n) => n.serialize(serializer),
            Self::Word(text) => text.serialize(serializer),
            Self::List(list) => list.serialize(serializer),
            Self::Number(value) => number::json(value, serializer),
        }
    }
}

/// The values of a line, in the order of its columns.
pub(super) type Cells<'a> = SmallVec<[Cell<'a>; 8]>;

/// A line about an entry or an op.
pub(super) trait TraceLine {
    /// Its columns.
    fn columns(&self) -> &'static [TraceColumn];
    /// Its values, one for each column.
    fn cells(&self) -> Cells<'_>;
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

/// The cells with which the lines of both levels begin.
struct LinePrefix {
    iteration: u64,
    sample: Option<usize>,
    pass: Pass,
    op: CompactString,
}

impl LinePrefix {
    fn new(trace: &Trace, sample_run: usize, tensor: Id) -> Self {
        let network = trace.network_of(sample_run);
        Self {
            iteration: trace.iteration(),
            sample: trace.sample_runs()[sample_run].sample.map(|sample| sample + 1),
            pass: pass(network, tensor),
            op: network.tensor(tensor).name.clone(),
        }
    }

    fn cells(&self) -> Cells<'_> {
        let sample = self.sample.map_or(Cell::Null, |sample| Cell::Count(sample as u64));
        smallvec![Cell::Count(self.iteration), sample, Cell::Word(self.pass.name()), Cell::Word(&self.op)]
    }
}

fn pass(network: &Network, tensor: Id) -> Pass {
    network.producer(tensor).map_or(Pass::Forward, |op| network.ops()[op].pass)
}

/// A line about one entry of an op's tensor.
struct EntryLine {
    of: LinePrefix,
    index: Index,
    /// The number of its first step; `None` for an entry without terms.
    first: Option<u64>,
    terms: u64,
    value: f64,
}

/// The columns of `--level element`.
#[rustfmt::skip]
pub(super) const ENTRY: &[TraceColumn] = &[
    TraceColumn::number("iteration"), TraceColumn::number("sample"), TraceColumn::word("pass"), TraceColumn::word("op"),
    TraceColumn::word("index"), TraceColumn::number("first"), TraceColumn::number("terms"), TraceColumn::number("value"),
];

impl TraceLine for EntryLine {
    fn columns(&self) -> &'static [TraceColumn] {
        ENTRY
    }

    fn cells(&self) -> Cells<'_> {
        let mut cells = self.of.cells();
        let first = self.first.map_or(Cell::Null, Cell::Count);
        cells.extend([Cell::List(&self.index), first, Cell::Count(self.terms), Cell::Number(self.value)]);
        cells
    }

    fn text(&self) -> String {
        let first = self.first.map_or_else(|| "-".to_owned(), |first| first.to_string());
        let plural = if self.terms == 1 { "" } else { "s" };
        format!("{first}  {}{}  {} term{plural}  {}", self.of.op, index_text(&self.index), self.terms, exact(self.value))
    }
}

/// A line about one op.
struct OpLine {
    of: LinePrefix,
    shape: Vec<usize>,
    /// The number of its first step.
    first: u64,
    steps: u64,
}

/// The columns of `--level op`.
#[rustfmt::skip]
pub(super) const OP: &[TraceColumn] = &[
    TraceColumn::number("iteration"), TraceColumn::number("sample"), TraceColumn::word("pass"), TraceColumn::word("op"),
    TraceColumn::word("shape"), TraceColumn::number("first"), TraceColumn::number("steps"),
];

impl TraceLine for OpLine {
    fn columns(&self) -> &'static [TraceColumn] {
        OP
    }

    fn cells(&self) -> Cells<'_> {
        let mut cells = self.of.cells();
        cells.extend([Cell::List(&self.shape), Cell::Count(self.first), Cell::Count(self.steps)]);
        cells
    }

    fn text(&self) -> String {
        let plural = if self.steps == 1 { "" } else { "s" };
        let LinePrefix { pass, op, .. } = &self.of;
        format!("{}  {}  {op}  {}  {} step{plural}", self.first, pass.name(), shape_text(&self.shape), self.steps)
    }
}

/// The ops with a step in this range, each with its sample run, its tensor and the range of all its steps.
fn ops(trace: &Trace, steps: &Range<u64>) -> impl Iterator<Item = (usize, Id, Range<u64>)> {
    let steps = steps.clone();
    trace.ops().filter(move |(.., span)| span.start < steps.end && steps.start < span.end)
}

/// Calls `give` with a line for each entry that has a step in this range. An entry without terms counts if the range contains its whole op.
pub(super) fn each_entry(trace: &Trace, steps: &Range<u64>, give: &mut dyn FnMut(&dyn TraceLine) -> io::Result<()>) -> io::Result<()> {
    for (sample_run, tensor, span) in ops(trace, steps) {
        let shape = &trace.network_of(sample_run).tensor(tensor).shape;
        let whole = steps.start <= span.start && span.end <= steps.end;
        for entry in 0..len(shape) {
            let Some(made) = trace.entry_steps(sample_run, tensor, entry) else { continue };
            let asked = if made.is_empty() { whole } else { made.start < steps.end && steps.start < made.end };
            if asked {
                give(&EntryLine {
                    of: LinePrefix::new(trace, sample_run, tensor),
                    index: unravel(entry, shape),
                    first: (!made.is_empty()).then_some(made.start),
                    terms: made.end - made.start,
                    value: trace.run(sample_run).values(tensor)[entry],
                })?;
            }
        }
    }
    Ok(())
}

/// Calls `give` with a line for each op that has a step in this range.
pub(super) fn each_op(trace: &Trace, steps: &Range<u64>, give: &mut dyn FnMut(&dyn TraceLine) -> io::Result<()>) -> io::Result<()> {
    for (sample_run, tensor, span) in ops(trace, steps) {
        let shape = trace.network_of(sample_run).tensor(tensor).shape.clone();
        give(&OpLine { of: LinePrefix::new(trace, sample_run, tensor), shape, first: span.start, steps: span.end - span.start })?;
    }
    Ok(())
}
