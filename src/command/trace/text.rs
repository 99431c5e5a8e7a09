//! The trace as lines for people. The value of an entry comes after its name: `fc1.weight[0,1] -1` means that the entry `fc1.weight[0,1]` is −1. For example,
//! step 2 computes the second of the four terms of `fc1.z[0]`, which is (−1) · (−2) = 2:
//!
//! ```text
//! 2  fc1.z[0]#2 of 4  fc1.weight[0,1] -1 * input[1] -2 = 2  sum 2.5
//! ```

use std::io::Write as _;

use super::name::{EntrySyntax, FactorText, StepNames};
use super::stream::{self, LineBuffer};
use super::{OutputFormat, TraceWriter};
use crate::number::write_exact;
use crate::op::rule::Term;
use crate::step::Kind;
use crate::text::escape;
use crate::trace::{Position, StepVisitor, Trace};

/// Writes formatted text into a vector of bytes.
macro_rules! put {
    ($to:expr, $($text:tt)*) => {
        write!($to, $($text)*).expect("writing to a vector cannot fail")
    };
}

pub(super) const TEXT: OutputFormat<TraceWriter> = OutputFormat {
    name: "text",
    help: "Text for people",
    writer: TraceWriter {
        steps: |trace, steps, to| stream::write(trace, steps, || TextLines::new(trace), to),
        header: |_, _| {},
        line: |line, to| put!(to, "{}\n", escape(&line.text())),
    },
};

/// The first syntax is for the entry that a step computes, with the number of the term after it: `fc1.z[0]#2`. The second is for the step's factors, with the
/// value after each: `input[1] -2`.
const ENTRY_SYNTAXES: [EntrySyntax; 2] =
    [EntrySyntax { before, after: [b"]#", b"#"], slice }, EntrySyntax { before, after: [b"] ", b" "], slice }];

/// Appends a factor that stands for `count` entries, such as the window of a max pool.
fn slice(name: &str, count: usize, to: &mut Vec<u8>) {
    put!(to, "{count} of {}", escape(name));
}

/// Appends the name of a tensor, and the bracket before an index.
fn before(name: &str, is_scalar: bool, to: &mut Vec<u8>) {
    to.extend_from_slice(escape(name).as_bytes());
    to.extend_from_slice(if is_scalar { b"" } else { b"[" });
}

/// Makes the lines of steps.
struct TextLines<'a> {
    trace: &'a Trace,
    names: StepNames<'a>,
    /// The finished lines.
    lines: Vec<u8>,
    /// The name of the current entry, with its `#`.
    entry: Vec<u8>,
}

impl<'a> TextLines<'a> {
    fn new(trace: &'a Trace) -> Self {
        Self { trace, names: StepNames::new(trace, &ENTRY_SYNTAXES), lines: Vec::new(), entry: Vec::new() }
    }
}

impl StepVisitor for TextLines<'_> {
    fn op(&mut self, at: &Position) {
        self.names.op(at);
    }

    fn entry(&mut self, at: &Position) {
        self.entry.clear();
        // if there are several samples, the number of the sample comes before the name: `2:fc1.z`
        if let Some(sample) = self.trace.runs()[at.run_index].sample.filter(|_| self.trace.samples() > 1) {
            put!(self.entry, "{}:", sample + 1);
        }
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
            if self.names.factor(part, arg, to) != FactorText::Slice {
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

impl LineBuffer for TextLines<'_> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }
}
