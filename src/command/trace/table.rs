//! Steps and lines as rows of a table, for CSV and Markdown.

use std::io::{self, Write};
use std::ops::Range;

use super::line::{Cell, TraceColumn, TraceLine};
use super::name::{FactorText, Spelling, StepNames, digits};
use super::stream::{self, Lines};
use crate::number::not_finite;
use crate::op::rule::Term;
use crate::step::Kind;
use crate::text;
use crate::trace::{Position, StepVisitor, Trace};

/// The syntax of a table.
pub(super) struct Syntax {
    /// The bytes before the first cell of a row, between two cells, and after the last.
    pub begin: &'static [u8],
    pub between: &'static [u8],
    pub end: &'static [u8],
    /// Quotes or escapes the cell that begins at this byte.
    pub close: fn(&mut Vec<u8>, usize),
    /// Writes the header rows.
    pub header: fn(&Syntax, &[TraceColumn], &mut Vec<u8>),
}

/// The columns of `--level step`.
#[rustfmt::skip]
const STEP: &[TraceColumn] = &[
    TraceColumn::number("iteration"), TraceColumn::number("sample"), TraceColumn::number("step"), TraceColumn::word("pass"), TraceColumn::word("op"),
    TraceColumn::word("index"), TraceColumn::number("term"), TraceColumn::number("terms"), TraceColumn::word("kind"), TraceColumn::word("function"),
    TraceColumn::word("factors"), TraceColumn::number("value"), TraceColumn::number("sum"),
];

impl Syntax {
    /// Writes a row.
    pub fn row(&self, cells: impl IntoIterator<Item = impl FnOnce(&mut Vec<u8>)>, to: &mut Vec<u8>) {
        to.extend_from_slice(self.begin);
        for (n, cell) in cells.into_iter().enumerate() {
            if n > 0 {
                to.extend_from_slice(self.between);
            }
            let from = to.len();
            cell(to);
            (self.close)(to, from);
        }
        to.extend_from_slice(self.end);
    }

    /// Writes the names of the columns as a row.
    pub fn names(&self, columns: &[TraceColumn], to: &mut Vec<u8>) {
        self.row(columns.iter().map(|column| |to: &mut Vec<u8>| to.extend_from_slice(column.name.as_bytes())), to);
    }

    /// Writes a line about an entry or an op as a row.
    pub fn line(&self, line: &dyn TraceLine, to: &mut Vec<u8>) {
        self.row(line.cells().into_iter().map(|cell| move |to: &mut Vec<u8>| put(cell, to)), to);
    }

    /// Writes steps as a table.
    pub fn steps(&'static self, trace: &Trace, steps: Range<u64>, to: &mut dyn Write) -> io::Result<()> {
        let mut header = Vec::new();
        (self.header)(self, STEP, &mut header);
        to.write_all(&header)?;
        stream::write(trace, steps, || Steps::new(trace, self), to)
    }
}

fn put(cell: Cell<'_>, to: &mut Vec<u8>) {
    match cell {
        Cell::Null => {}
        Cell::Count(n) => digits(n, to),
        Cell::Word(word) => to.extend_from_slice(text::line(word).as_bytes()),
        Cell::List(list) => {
            for (n, i) in list.iter().enumerate() {
                if n > 0 {
                    to.push(b',');
                }
                digits(i, to);
            }
        }
        Cell::Number(value) => number(value, to),
    }
}

/// Writes a number as in JSON, but `nan`, `inf` and `-inf` without quotation marks.
fn number(value: f64, to: &mut Vec<u8>) {
    match not_finite(value) {
        None => digits(value, to),
        Some(word) => to.extend_from_slice(word.as_bytes()),
    }
}

const SPELLINGS: [Spelling; 2] = [
    // the op's name has a cell of its own
    Spelling { before: |_, _, _| {}, after: [b""; 2], many },
    Spelling { before, after: [b"]=", b"="], many },
];

fn before(name: &str, scalar: bool, to: &mut Vec<u8>) {
    to.extend_from_slice(text::line(name).as_bytes());
    to.extend_from_slice(if scalar { b"" } else { b"[" });
}

fn many(name: &str, of: usize, to: &mut Vec<u8>) {
    digits(of, to);
    to.extend_from_slice(b" of ");
    to.extend_from_slice(text::line(name).as_bytes());
}

/// Makes the rows of steps. The fields are the parts of a row that stay the same for a while.
struct Steps<'a> {
    trace: &'a Trace,
    syntax: &'static Syntax,
    names: StepNames<'a>,
    lines: Vec<u8>,
    /// The text of the op's rows before the step's number.
    begin: Vec<u8>,
    /// The pass and the op, with what separates them from their neighbours.
    op: Vec<u8>,
    /// The text of the entry's rows between the step's number and the term's.
    entry: Vec<u8>,
    /// The text of the entry's rows after the term's number.
    terms: Vec<u8>,
}

impl<'a> Steps<'a> {
    fn new(trace: &'a Trace, syntax: &'static Syntax) -> Self {
        let names = StepNames::new(trace, &SPELLINGS);
        let [lines, begin, op, entry, terms] = [const { Vec::new() }; 5];
        Self { trace, syntax, names, lines, begin, op, entry, terms }
    }
}

impl StepVisitor for Steps<'_> {
    fn op(&mut self, at: &Position) {
        self.names.op(at);
        let Syntax { begin, between, close, .. } = *self.syntax;
        self.begin.clear();
        self.begin.extend_from_slice(begin);
        digits(self.trace.iteration(), &mut self.begin);
        self.begin.extend_from_slice(between);
        if let Some(sample) = self.trace.sample_runs()[at.sample_run].sample {
            digits(sample + 1, &mut self.begin);
        }
        self.begin.extend_from_slice(between);
        let op = self.trace.op_at(at);
        self.op.clear();
        for word in [op.pass.name(), &self.trace.network_of(at.sample_run).tensor(op.output).name] {
            self.op.extend_from_slice(between);
            let from = self.op.len();
            put(Cell::Word(word), &mut self.op);
            close(&mut self.op, from);
        }
        self.op.extend_from_slice(between);
    }

    fn entry(&mut self, at: &Position) {
        let Syntax { between, close, .. } = *self.syntax;
        self.entry.clone_from(&self.op);
        let from = self.entry.len();
        self.names.entry(at.entry, &mut self.entry);
        close(&mut self.entry, from);
        self.entry.extend_from_slice(between);
        self.terms.clear();
        self.terms.extend_from_slice(between);
        digits(at.terms, &mut self.terms);
        self.terms.extend_from_slice(between);
    }

    fn step(&mut self, at: &Position, part: usize, term: &Term, sum: f64) {
        let Syntax { between, end, close, .. } = *self.syntax;
        let to = &mut self.lines;
        to.extend_from_slice(&self.begin);
        digits(at.step, to);
        to.extend_from_slice(&self.entry);
        digits(at.term + 1, to);
        to.extend_from_slice(&self.terms);
        to.extend_from_slice(term.kind.name().as_bytes());
        to.extend_from_slice(between);
        if let Some(function) = term.function {
            let from = to.len();
            to.extend_from_slice(function.name.as_bytes());
            close(to, from);
        }
        to.extend_from_slice(between);
        let from = to.len();
        let separator: &[u8] = if term.kind == Kind::Product { b" * " } else { b", " };
        for (n, arg) in term.args.iter().enumerate() {
            if n > 0 {
                to.extend_from_slice(separator);
            }
            if self.names.factor(part, arg, to) != FactorText::Many {
                number(arg.value, to);
            }
        }
        close(to, from);
        to.extend_from_slice(between);
        number(term.value, to);
        to.extend_from_slice(between);
        number(sum, to);
        to.extend_from_slice(end);
    }
}

impl Lines for Steps<'_> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }
}
