//! A step as a line of JSON: to the byte what [`Step`](crate::step::Step) is as JSON, without making one.

use serde::Serialize;

use super::name::{Called, Names, Spelling, digits};
use super::stream::{self, Lines};
use super::{Format, StepWriter};
use crate::number::write_json;
use crate::op::rule::Term;
use crate::step::Kind;
use crate::trace::{Position, Tell, Trace};

pub(super) const JSONL: Format<StepWriter> = Format {
    name: "jsonl",
    help: "A JSON object a line",
    writer: StepWriter {
        steps: |trace, steps, to| stream::write(trace, steps, || Json::new(trace), to),
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
    // a name seldom has what JSON writes otherwise
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
    serde_json::to_writer(to, &value).expect("a vector takes everything");
}

/// Makes the lines.
struct Json<'a> {
    trace: &'a Trace,
    names: Names<'a>,
    lines: Vec<u8>,
    /// What all lines of the op begin with.
    begin: Vec<u8>,
    pass: Vec<u8>,
    /// What all lines of the entry have between the step's number and the term's.
    entry: Vec<u8>,
    /// What they have after that.
    terms: Vec<u8>,
}

impl<'a> Json<'a> {
    fn new(trace: &'a Trace) -> Self {
        let names = Names::new(trace, &SPELLINGS);
        let [lines, begin, pass, entry, terms] = [const { Vec::new() }; 5];
        Self { trace, names, lines, begin, pass, entry, terms }
    }
}

impl Tell for Json<'_> {
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
                Called::Many => continue,
                Called::Nothing => to.extend_from_slice(b"{\"name\":null,\"index\":[],\"value\":"),
                Called::One => {}
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

impl Lines for Json<'_> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }
}
