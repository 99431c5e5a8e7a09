//! Steps as lines of JSON, with the same bytes as a serialized [`Step`](crate::step::Step). No `Step` is made: the parts of a line that stay the same for
//! an op or an entry are kept as text.

use serde::Serialize;

use super::name::{FactorText, Spelling, StepNames, digits};
use super::stream::{self, Lines};
use super::{OutputFormat, StepWriter};
use crate::number::write_json;
use crate::op::rule::Term;
use crate::step::Kind;
use crate::trace::{Position, StepVisitor, Trace};

pub(super) const JSONL: OutputFormat<StepWriter> = OutputFormat {
    name: "jsonl",
    help: "One JSON object per line",
    writer: StepWriter {
        steps: |trace, steps, to| stream::write(trace, steps, || JsonLines::new(trace), to),
        header: |_, _| {},
        line: |line, to| {
            json(line, to);
            to.push(b'\n');
        },
    },
};

const SPELLINGS: [Spelling; 2] = [
    Spelling { before: |name, _, to| text(b",\"op\":", name, b",\"index\":[", to), after: [b"],\"term\":"; 2], many },
    Spelling { before: |name, _, to| text(b"{\"name\":", name, b",\"index\":[", to), after: [b"],\"value\":"; 2], many },
];

fn many(name: &str, of: usize, to: &mut Vec<u8>) {
    text(b"{\"name\":", name, b",\"index\":null,\"value\":null,\"of\":", to);
    digits(of, to);
    to.push(b'}');
}

fn text(before: &[u8], text: &str, after: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(before);
    // shortcut: few names need escapes
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        to.push(b'"');
        to.extend_from_slice(text.as_bytes());
        to.push(b'"');
    } else {
        json(text, to);
    }
    to.extend_from_slice(after);
}

fn json(value: impl Serialize, to: &mut Vec<u8>) {
    serde_json::to_writer(to, &value).expect("writing to a vector cannot fail");
}

/// Makes the lines of steps. The fields are the parts of a line that stay the same for a while:
///
/// ```text
/// {"iteration":1,"sample":1,"step":  57  ,"pass":"forward","op":"conv1.z","index":[0,1,1],"term":  3  ,"terms":9  ,"kind":…}
///              begin                             pass, then entry                                       terms
/// ```
struct JsonLines<'a> {
    trace: &'a Trace,
    names: StepNames<'a>,
    lines: Vec<u8>,
    /// The text before the step's number, for the current op.
    begin: Vec<u8>,
    pass: Vec<u8>,
    /// The text between the step's number and the term's, for the current entry.
    entry: Vec<u8>,
    /// The text after the term's number, for the current entry.
    terms: Vec<u8>,
}

impl<'a> JsonLines<'a> {
    fn new(trace: &'a Trace) -> Self {
        let names = StepNames::new(trace, &SPELLINGS);
        let [lines, begin, pass, entry, terms] = [const { Vec::new() }; 5];
        Self { trace, names, lines, begin, pass, entry, terms }
    }
}

impl StepVisitor for JsonLines<'_> {
    fn op(&mut self, at: &Position) {
        self.names.op(at);
        self.begin.clear();
        self.begin.extend_from_slice(b"{\"iteration\":");
        digits(self.trace.iteration(), &mut self.begin);
        self.begin.extend_from_slice(b",\"sample\":");
        json(self.trace.sample_runs()[at.sample_run].sample.map(|sample| sample + 1), &mut self.begin);
        self.begin.extend_from_slice(b",\"step\":");
        self.pass.clear();
        self.pass.extend_from_slice(b",\"pass\":");
        json(self.trace.op_at(at).pass, &mut self.pass);
    }

    fn entry(&mut self, at: &Position) {
        self.entry.clone_from(&self.pass);
        self.names.entry(at.entry, &mut self.entry);
        self.terms.clear();
        self.terms.extend_from_slice(b",\"terms\":");
        digits(at.terms, &mut self.terms);
    }

    fn step(&mut self, at: &Position, part: usize, term: &Term, sum: f64) {
        let to = &mut self.lines;
        to.extend_from_slice(&self.begin);
        digits(at.step, to);
        to.extend_from_slice(&self.entry);
        digits(at.term + 1, to);
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
                FactorText::Many => continue,
                FactorText::Nothing => to.extend_from_slice(b"{\"name\":null,\"index\":[],\"value\":"),
                FactorText::One => {}
            }
            write_json(arg.value, to);
            to.push(b'}');
        }
        match term.function {
            None => to.extend_from_slice(b"],\"function\":null,\"value\":"),
            Some(function) => text(b"],\"function\":", function.name, b",\"value\":", to),
        }
        write_json(term.value, to);
        to.extend_from_slice(b",\"sum\":");
        write_json(sum, to);
        to.extend_from_slice(b"}\n");
    }
}

impl Lines for JsonLines<'_> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }
}
