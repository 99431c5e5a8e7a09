//! The trace as lines of JSON. A line has exactly the bytes that `serde_json` would write for the [`Step`](crate::step::Step).
//!
//! For speed, no `Step` is made, and a text that is the same in all lines of an op or of an entry is formatted once.

use serde::Serialize;

use super::name::{EntrySyntax, FactorText, StepNames, append_number};
use super::stream::{self, LineBuffer};
use super::{OutputFormat, TraceWriter};
use crate::number::write_json;
use crate::op::rule::Term;
use crate::step::Kind;
use crate::trace::{Position, StepVisitor, Trace};

pub(super) const JSONL: OutputFormat<TraceWriter> = OutputFormat {
    name: "jsonl",
    help: "One JSON object per line",
    writer: TraceWriter {
        steps: |trace, steps, to| stream::write(trace, steps, || JsonLines::new(trace), to),
        header: |_, _| {},
        line: |line, to| {
            append_json(line, to);
            to.push(b'\n');
        },
    },
};

/// The first syntax is for the entry that a step computes, the second for the step's factors. Both texts of `after` are the same, because a scalar has the
/// index `[]` in JSON.
const ENTRY_SYNTAXES: [EntrySyntax; 2] = [
    EntrySyntax { before: |name, _, to| append_string(b",\"op\":", name, b",\"index\":[", to), after: [b"],\"term\":"; 2], slice },
    EntrySyntax { before: |name, _, to| append_string(b"{\"name\":", name, b",\"index\":[", to), after: [b"],\"value\":"; 2], slice },
];

/// Appends a factor that stands for `count` entries, such as the window of a max pool.
fn slice(name: &str, count: usize, to: &mut Vec<u8>) {
    append_string(b"{\"name\":", name, b",\"index\":null,\"value\":null,\"of\":", to);
    append_number(count, to);
    to.push(b'}');
}

/// Appends a text as a JSON string, with other pieces of JSON before and after it.
fn append_string(before: &[u8], text: &str, after: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(before);
    // most names need no escapes, so they are copied as they are
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        to.push(b'"');
        to.extend_from_slice(text.as_bytes());
        to.push(b'"');
    } else {
        append_json(text, to);
    }
    to.extend_from_slice(after);
}

/// Appends a value as JSON.
fn append_json(value: impl Serialize, to: &mut Vec<u8>) {
    serde_json::to_writer(to, &value).expect("writing to a vector cannot fail");
}

/// Makes the lines of steps. The fields `begin`, `entry` and `terms` are parts of a line; `entry` begins with a copy of `pass`:
///
/// ```text
/// {"iteration":1,"sample":1,"step":  57  ,"pass":"forward","op":"conv1.z","index":[0,1,1],"term":  3  ,"terms":9  ,"kind":…}
/// begin                                  entry                                                        terms
/// ```
struct JsonLines<'a> {
    trace: &'a Trace,
    names: StepNames<'a>,
    /// The finished lines.
    lines: Vec<u8>,
    /// The text before the number of the step, for the current op.
    begin: Vec<u8>,
    /// The text `,"pass":"forward"`, for the current op.
    pass: Vec<u8>,
    /// The text between the number of the step and the number of the term, for the current entry.
    entry: Vec<u8>,
    /// The text after the number of the term, for the current entry.
    terms: Vec<u8>,
}

impl<'a> JsonLines<'a> {
    fn new(trace: &'a Trace) -> Self {
        let names = StepNames::new(trace, &ENTRY_SYNTAXES);
        let [lines, begin, pass, entry, terms] = [const { Vec::new() }; 5];
        Self { trace, names, lines, begin, pass, entry, terms }
    }
}

impl StepVisitor for JsonLines<'_> {
    fn op(&mut self, at: &Position) {
        self.names.op(at);
        self.begin.clear();
        self.begin.extend_from_slice(b"{\"iteration\":");
        append_number(self.trace.iteration(), &mut self.begin);
        self.begin.extend_from_slice(b",\"sample\":");
        append_json(self.trace.runs()[at.run_index].sample.map(|sample| sample + 1), &mut self.begin);
        self.begin.extend_from_slice(b",\"step\":");
        self.pass.clear();
        self.pass.extend_from_slice(b",\"pass\":");
        append_json(self.trace.op_at(at).pass, &mut self.pass);
    }

    fn entry(&mut self, at: &Position) {
        self.entry.clone_from(&self.pass);
        self.names.entry(at.entry, &mut self.entry);
        self.terms.clear();
        self.terms.extend_from_slice(b",\"terms\":");
        append_number(at.terms, &mut self.terms);
    }

    fn step(&mut self, at: &Position, part: usize, term: &Term, sum: f64) {
        let to = &mut self.lines;
        to.extend_from_slice(&self.begin);
        append_number(at.step, to);
        to.extend_from_slice(&self.entry);
        append_number(at.term + 1, to);
        to.extend_from_slice(&self.terms);
        to.extend_from_slice(match term.kind {
            Kind::Product => b",\"kind\":\"product\",\"factors\":[",
            Kind::Apply => b",\"kind\":\"apply\",\"factors\":[",
            Kind::Select => b",\"kind\":\"select\",\"factors\":[",
            Kind::Copy => b",\"kind\":\"copy\",\"factors\":[",
        });
        for (n, arg) in term.args.iter().enumerate() {
            if n > 0 {
                to.push(b',');
            }
            match self.names.factor(part, arg, to) {
                // the text of a slice is already complete, and that of an entry already ends in `"value":`
                FactorText::Slice => continue,
                FactorText::Constant => to.extend_from_slice(b"{\"name\":null,\"index\":[],\"value\":"),
                FactorText::Entry => {}
            }
            write_json(arg.value, to);
            to.push(b'}');
        }
        match term.function {
            None => to.extend_from_slice(b"],\"function\":null,\"value\":"),
            Some(function) => append_string(b"],\"function\":", function.name, b",\"value\":", to),
        }
        write_json(term.value, to);
        to.extend_from_slice(b",\"sum\":");
        write_json(sum, to);
        to.extend_from_slice(b"}\n");
    }
}

impl LineBuffer for JsonLines<'_> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }
}
