//! A step as a line for people.

use std::io::Write as _;

use super::name::{Called, Names, Spelling};
use super::stream::{self, Lines};
use super::{Format, StepWriter};
use crate::number::write_exact;
use crate::op::rule::Term;
use crate::step::Kind;
use crate::text::escape;
use crate::trace::{Position, Tell, Trace};

/// Writes into a vector, which takes everything.
macro_rules! put {
    ($to:expr, $($text:tt)*) => {
        write!($to, $($text)*).expect("a vector takes everything")
    };
}

pub(super) const TEXT: Format<StepWriter> = Format {
    name: "text",
    help: "For people",
    writer: StepWriter {
        steps: |trace, steps, to| stream::write(trace, steps, || Text::new(trace), to),
        header: |_, _| {},
        line: |line, to| put!(to, "{}\n", escape(&line.text())),
    },
};

const SPELLINGS: [Spelling; 2] = [Spelling { before, after: [b"]#", b"#"], many }, Spelling { before, after: [b"] ", b" "], many }];

fn many(name: &str, of: usize, to: &mut Vec<u8>) {
    put!(to, "{of} of {}", escape(name));
}

fn before(name: &str, scalar: bool, to: &mut Vec<u8>) {
    to.extend_from_slice(escape(name).as_bytes());
    to.extend_from_slice(if scalar { b"" } else { b"[" });
}

/// Makes the lines.
struct Text<'a> {
    names: Names<'a>,
    lines: Vec<u8>,
    /// The entry at hand.
    entry: Vec<u8>,
}

impl<'a> Text<'a> {
    fn new(trace: &'a Trace) -> Self {
        Self { names: Names::new(trace, &SPELLINGS), lines: Vec::new(), entry: Vec::new() }
    }
}

impl Tell for Text<'_> {
    fn op(&mut self, at: &Position) {
        self.names.op(at);
    }

    fn entry(&mut self, at: &Position) {
        self.entry.clear();
        self.names.entry(at.entry, &mut self.entry);
    }

    fn step(&mut self, at: &Position, part: usize, term: &Term, sum: f64) {
        let to = &mut self.lines;
        put!(to, "{}  ", at.step);
        to.extend_from_slice(&self.entry);
        put!(to, "{} of {}  ", at.term + 1, at.terms);
        let (between, end) = match term.kind {
            Kind::Product => (" * ", ""),
            Kind::Copy => {
                put!(to, "copy ");
                (", ", "")
            }
            Kind::Select => {
                put!(to, "{}(", term.function.map_or("max", |function| function.name));
                (", ", ")")
            }
            Kind::Apply => {
                put!(to, "{}(", term.function.map_or("", |function| function.name));
                (", ", ")")
            }
        };
        for (n, arg) in term.args.iter().enumerate() {
            if n > 0 {
                put!(to, "{between}");
            }
            if self.names.factor(part, arg, to) != Called::Many {
                write_exact(arg.value, to);
            }
        }
        put!(to, "{end} = ");
        write_exact(term.value, to);
        put!(to, "  sum ");
        write_exact(sum, to);
        to.push(b'\n');
    }
}

impl Lines for Text<'_> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }
}
