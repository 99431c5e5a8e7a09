//! The trace as rows of a table, for CSV and Markdown.

use std::io::{self, Write};
use std::ops::Range;

use super::line::{TraceCell, TraceColumn, TraceLine};
use super::name::{EntrySyntax, FactorText, StepNames, append_number};
use super::stream::{self, LineBuffer};
use crate::number::not_finite_word;
use crate::op::rule::Term;
use crate::step::Kind;
use crate::text;
use crate::trace::{Position, StepVisitor, Trace};

/// The syntax of a table.
pub(super) struct TableSyntax {
    /// The bytes before the first cell of a row.
    pub begin: &'static [u8],
    /// The bytes between two cells.
    pub between: &'static [u8],
    /// The bytes after the last cell of a row.
    pub end: &'static [u8],
    /// Quotes or escapes the last cell, which begins at this byte.
    pub finish_cell: fn(&mut Vec<u8>, usize),
    /// Writes the header rows.
    pub header: fn(&TableSyntax, &[TraceColumn], &mut Vec<u8>),
}

/// The columns of `--level step`.
#[rustfmt::skip]
const STEP_COLUMNS: &[TraceColumn] = &[
    TraceColumn::number("iteration"), TraceColumn::number("sample"), TraceColumn::number("step"), TraceColumn::text("pass"), TraceColumn::text("op"),
    TraceColumn::text("index"), TraceColumn::number("term"), TraceColumn::number("terms"), TraceColumn::text("kind"), TraceColumn::text("function"),
    TraceColumn::text("factors"), TraceColumn::number("value"), TraceColumn::number("sum"),
];

impl TableSyntax {
    /// Writes a row. Each item of `cells` appends the text of a cell.
    pub fn row(&self, cells: impl IntoIterator<Item = impl FnOnce(&mut Vec<u8>)>, to: &mut Vec<u8>) {
        to.extend_from_slice(self.begin);
        for (n, cell) in cells.into_iter().enumerate() {
            if n > 0 {
                to.extend_from_slice(self.between);
            }
            let from = to.len();
            cell(to);
            (self.finish_cell)(to, from);
        }
        to.extend_from_slice(self.end);
    }

    /// Writes the names of the columns as a row.
    pub fn names(&self, columns: &[TraceColumn], to: &mut Vec<u8>) {
        self.row(columns.iter().map(|column| |to: &mut Vec<u8>| to.extend_from_slice(column.name.as_bytes())), to);
    }

    /// Writes a line about an entry or an op as a row.
    pub fn line(&self, line: &dyn TraceLine, to: &mut Vec<u8>) {
        self.row(line.cells().into_iter().map(|cell| move |to: &mut Vec<u8>| append_cell(cell, to)), to);
    }

    /// Writes steps as a table.
    pub fn steps(&'static self, trace: &Trace, steps: Range<u64>, to: &mut dyn Write) -> io::Result<()> {
        let mut header = Vec::new();
        (self.header)(self, STEP_COLUMNS, &mut header);
        to.write_all(&header)?;
        stream::write(trace, steps, || TableLines::new(trace, self), to)
    }
}

/// Appends the text of a cell.
fn append_cell(cell: TraceCell<'_>, to: &mut Vec<u8>) {
    match cell {
        TraceCell::Null => {}
        TraceCell::Count(n) => append_number(n, to),
        TraceCell::Text(word) => to.extend_from_slice(text::line(word).as_bytes()),
        TraceCell::List(list) => {
            for (n, i) in list.iter().enumerate() {
                if n > 0 {
                    to.push(b',');
                }
                append_number(i, to);
            }
        }
        TraceCell::Number(value) => append_value(value, to),
    }
}

/// Appends a number as in JSON, except that `nan`, `inf` and `-inf` have no quotation marks.
fn append_value(value: f64, to: &mut Vec<u8>) {
    match not_finite_word(value) {
        None => append_number(value, to),
        Some(word) => to.extend_from_slice(word.as_bytes()),
    }
}

/// The first syntax is for the entry that a step computes, the second for the step's factors. For the entry, only the index is written, because another cell
/// has the name of the op.
const ENTRY_SYNTAXES: [EntrySyntax; 2] =
    [EntrySyntax { before: |_, _, _| {}, after: [b""; 2], slice }, EntrySyntax { before, after: [b"]=", b"="], slice }];

/// Appends the name of a tensor, and the bracket before an index.
fn before(name: &str, is_scalar: bool, to: &mut Vec<u8>) {
    to.extend_from_slice(text::line(name).as_bytes());
    to.extend_from_slice(if is_scalar { b"" } else { b"[" });
}

/// Appends a factor that stands for `count` entries, such as the window of a max pool.
fn slice(name: &str, count: usize, to: &mut Vec<u8>) {
    append_number(count, to);
    to.extend_from_slice(b" of ");
    to.extend_from_slice(text::line(name).as_bytes());
}

/// Makes the rows of steps. The fields `begin`, `entry` and `terms` are parts of a row; `entry` begins with a copy of `op`:
///
/// ```text
/// 1,1,  57  ,forward,conv1.z,"0,1,1",  3  ,9,  product,…
/// begin     entry                         terms
/// ```
struct TableLines<'a> {
    trace: &'a Trace,
    syntax: &'static TableSyntax,
    names: StepNames<'a>,
    /// The finished rows.
    lines: Vec<u8>,
    /// The text before the number of the step, for the current op.
    begin: Vec<u8>,
    /// The pass and the name of the op, with the separators around them, for the current op.
    op: Vec<u8>,
    /// The text between the number of the step and the number of the term, for the current entry.
    entry: Vec<u8>,
    /// The text after the number of the term, for the current entry.
    terms: Vec<u8>,
}

impl<'a> TableLines<'a> {
    fn new(trace: &'a Trace, syntax: &'static TableSyntax) -> Self {
        let names = StepNames::new(trace, &ENTRY_SYNTAXES);
        let [lines, begin, op, entry, terms] = [const { Vec::new() }; 5];
        Self { trace, syntax, names, lines, begin, op, entry, terms }
    }
}

impl StepVisitor for TableLines<'_> {
    fn op(&mut self, at: &Position) {
        self.names.op(at);
        let TableSyntax { begin, between, finish_cell, .. } = *self.syntax;
        self.begin.clear();
        self.begin.extend_from_slice(begin);
        append_number(self.trace.iteration(), &mut self.begin);
        self.begin.extend_from_slice(between);
        if let Some(sample) = self.trace.runs()[at.run_index].sample {
            append_number(sample + 1, &mut self.begin);
        }
        self.begin.extend_from_slice(between);
        let op = self.trace.op_at(at);
        self.op.clear();
        for word in [op.pass.name(), &self.trace.network_of(at.run_index).tensor(op.output).name] {
            self.op.extend_from_slice(between);
            let from = self.op.len();
            append_cell(TraceCell::Text(word), &mut self.op);
            finish_cell(&mut self.op, from);
        }
        self.op.extend_from_slice(between);
    }

    fn entry(&mut self, at: &Position) {
        let TableSyntax { between, finish_cell, .. } = *self.syntax;
        self.entry.clone_from(&self.op);
        let from = self.entry.len();
        self.names.entry(at.entry, &mut self.entry);
        finish_cell(&mut self.entry, from);
        self.entry.extend_from_slice(between);
        self.terms.clear();
        self.terms.extend_from_slice(between);
        append_number(at.terms, &mut self.terms);
        self.terms.extend_from_slice(between);
    }

    fn step(&mut self, at: &Position, part: usize, term: &Term, sum: f64) {
        let TableSyntax { between, end, finish_cell, .. } = *self.syntax;
        let to = &mut self.lines;
        to.extend_from_slice(&self.begin);
        append_number(at.step, to);
        to.extend_from_slice(&self.entry);
        append_number(at.term + 1, to);
        to.extend_from_slice(&self.terms);
        to.extend_from_slice(term.kind.name().as_bytes());
        to.extend_from_slice(between);
        if let Some(function) = term.function {
            let from = to.len();
            to.extend_from_slice(function.name.as_bytes());
            finish_cell(to, from);
        }
        to.extend_from_slice(between);
        let from = to.len();
        let separator: &[u8] = if term.kind == Kind::Product { b" * " } else { b", " };
        for (n, arg) in term.args.iter().enumerate() {
            if n > 0 {
                to.extend_from_slice(separator);
            }
            if self.names.factor(part, arg, to) != FactorText::Slice {
                append_value(arg.value, to);
            }
        }
        finish_cell(to, from);
        to.extend_from_slice(between);
        append_value(term.value, to);
        to.extend_from_slice(between);
        append_value(sum, to);
        to.extend_from_slice(end);
    }
}

impl LineBuffer for TableLines<'_> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }
}
