//! The entries that a step names, as text: from one step to the next little of it changes.

use std::ops::Range;

use serde::Serialize;

use crate::op::rule::{Arg, Origin};
use crate::tensor::unravel;
use crate::trace::{Position, Trace};

/// How a format writes an entry: what comes before the last number of its index, and what after it; both may depend on whether there is an index.
pub(super) struct Spelling {
    /// From the tensor's name.
    pub(super) before: fn(name: &str, scalar: bool) -> Vec<u8>,
    /// After the index of an entry, and after a scalar's name.
    pub(super) after: [&'static [u8]; 2],
}

/// A tensor's name, before an index of it.
struct Name {
    /// What comes before the last number of the index, in the row at hand.
    text: Vec<u8>,
    /// How much of it comes before the whole index.
    before: usize,
    after: &'static [u8],
    shape: Vec<usize>,
    /// The row-major places of the row at hand.
    row: Range<usize>,
}

impl Name {
    fn new(spelling: &Spelling, name: &str, shape: &[usize]) -> Self {
        let text = (spelling.before)(name, shape.is_empty());
        let after = spelling.after[usize::from(shape.is_empty())];
        Self { before: text.len(), text, after, shape: shape.to_vec(), row: 0..0 }
    }

    /// Writes the entry at a place; `by` is a second place, whose index follows in the same brackets.
    fn write(&mut self, at: usize, by: Option<usize>, to: &mut Vec<u8>) {
        if !self.row.contains(&at) {
            self.turn(at);
        }
        to.extend_from_slice(&self.text);
        if !self.shape.is_empty() {
            digits(at - self.row.start, to);
        }
        for i in by.into_iter().flat_map(|by| unravel(by, &self.shape)) {
            to.push(b',');
            digits(i, to);
        }
        to.extend_from_slice(self.after);
    }

    /// Goes to the row of a place.
    fn turn(&mut self, at: usize) {
        self.text.truncate(self.before);
        let index = unravel(at, &self.shape);
        let Some((last, before)) = index.split_last() else {
            self.row = 0..1;
            return;
        };
        for i in before {
            digits(*i, &mut self.text);
            self.text.push(b',');
        }
        self.row = at - last..at - last + self.shape[index.len() - 1];
    }
}

/// The names in the steps of one op.
pub(super) struct Names<'a> {
    trace: &'a Trace,
    /// How the op's own entry and the factors are spelt.
    spellings: &'static [Spelling; 2],
    op: Option<(Position, Name)>,
    /// For each part of the op, what its terms have named so far: operands, or what is derived from them.
    parts: Vec<Vec<(usize, Option<&'static str>, Name)>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(trace: &'a Trace, spellings: &'static [Spelling; 2]) -> Self {
        Self { trace, spellings, op: None, parts: Vec::new() }
    }

    /// Goes to the op at a position.
    pub(super) fn op(&mut self, at: &Position) {
        let info = self.trace.network_of(at.stretch).tensor(self.trace.op_at(at).output);
        self.op = Some((*at, Name::new(&self.spellings[0], &info.name, &info.shape)));
        self.parts.clear();
    }

    /// Writes an entry of the op's own tensor.
    pub(super) fn entry(&mut self, entry: usize, to: &mut Vec<u8>) {
        let (_, name) = self.op.as_mut().expect("an op");
        name.write(entry, None, to);
    }

    /// Writes what a factor is called. Whether it has a name at all: a constant has none.
    pub(super) fn factor(&mut self, part: usize, arg: &Arg, to: &mut Vec<u8>) -> bool {
        let (slot, text, at, by) = match arg.origin {
            Origin::Constant => return false,
            Origin::Entry { slot, at } => (slot, None, at, None),
            Origin::Derived { text, slot, at, by } => (slot, Some(text), at, by),
        };
        if self.parts.len() <= part {
            self.parts.resize_with(part + 1, Vec::new);
        }
        let known = &mut self.parts[part];
        let place = known.iter().position(|known| (known.0, known.1) == (slot, text)).unwrap_or_else(|| {
            let (position, _) = self.op.as_ref().expect("an op");
            let operand = self.trace.op_at(position).parts[part].operands[slot];
            let info = self.trace.network_of(position.stretch).tensor(operand);
            let name = match text {
                None => Name::new(&self.spellings[1], &info.name, &info.shape),
                Some(text) => Name::new(&self.spellings[1], &self.trace.derived_name(position, part, text), &info.shape),
            };
            known.push((slot, text, name));
            known.len() - 1
        });
        known[place].2.write(at, by, to);
        true
    }
}

/// Writes a whole number.
pub(super) fn digits(number: impl Serialize, to: &mut Vec<u8>) {
    serde_json::to_writer(to, &number).expect("a vector takes everything");
}
