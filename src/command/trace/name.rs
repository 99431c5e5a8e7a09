//! The entries that a step names, as text: from one step to the next little of it changes, and what one sample's op names, that of the next names too.

use std::mem::take;
use std::ops::Range;

use serde::Serialize;

use crate::expr::Expr;
use crate::op::rule::{Arg, Origin};
use crate::op::slot::Slot;
use crate::tensor::{Index, unravel};
use crate::trace::{Position, Trace};

/// How a format writes an entry: what comes before the last number of its index, and what after it; both may depend on whether there is an index.
pub(super) struct Spelling {
    /// From the tensor's name.
    pub(super) before: fn(name: &str, scalar: bool, to: &mut Vec<u8>),
    /// After the index of an entry, and after a scalar's name.
    pub(super) after: [&'static [u8]; 2],
    /// Many entries at once, from the tensor's name and how many they are.
    pub(super) many: fn(name: &str, of: usize, to: &mut Vec<u8>),
}

/// A tensor's name, before an index of it.
#[derive(Default)]
struct Name {
    /// What comes before the last number of the index, in the row at hand.
    text: Vec<u8>,
    /// How much of it comes before the whole index.
    before: usize,
    after: &'static [u8],
    shape: Index,
    /// The row-major places of the row at hand.
    row: Range<usize>,
}

impl Name {
    /// Turns to another tensor, in the memory of the one before.
    fn set(&mut self, spelling: &Spelling, name: &str, shape: &[usize]) {
        self.text.clear();
        (spelling.before)(name, shape.is_empty(), &mut self.text);
        self.before = self.text.len();
        self.after = spelling.after[usize::from(shape.is_empty())];
        self.shape.clear();
        self.shape.extend_from_slice(shape);
        self.row = 0..0;
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

/// What terms name: a part of the op, the operand, and what is derived from it.
type Key = (usize, Slot, Option<&'static Expr>);

/// The names in the steps of one op.
#[derive(Default)]
struct OfOp {
    /// Whether they are there at all.
    known: bool,
    /// Its own.
    own: Name,
    /// What its terms have named so far. Of those there are more than are in use, for their memory.
    factors: Vec<(Key, Name)>,
    used: usize,
}

impl OfOp {
    /// The place of the name of a factor, whose text is made where it is new.
    fn place(&mut self, key: Key, make: impl FnOnce(&mut Name)) -> usize {
        if let Some(place) = self.factors[..self.used].iter().position(|(known, _)| *known == key) {
            return place;
        }
        // there may be thousands of parts: a search among all of them would cost more than to begin again
        if self.used == RECENT {
            self.used = 0;
        }
        let place = self.used;
        if place == self.factors.len() {
            self.factors.push((key, Name::default()));
        }
        self.factors[place].0 = key;
        make(&mut self.factors[place].1);
        self.used += 1;
        place
    }
}

/// Names of factors that an op keeps.
const RECENT: usize = 32;
/// Ops of a sample whose names are kept for the next sample.
const SHELF: usize = 1024;

/// The names in the steps of the op at hand.
pub(super) struct Names<'a> {
    trace: &'a Trace,
    /// How the op's own entry and the factors are spelt.
    spellings: &'static [Spelling; 2],
    at: Option<Position>,
    op: OfOp,
    /// Those of the ops of the samples' network, by their numbers.
    shelf: Vec<OfOp>,
}

impl<'a> Names<'a> {
    pub(super) fn new(trace: &'a Trace, spellings: &'static [Spelling; 2]) -> Self {
        Self { trace, spellings, at: None, op: OfOp::default(), shelf: Vec::new() }
    }

    /// The place on the shelf of the op at a position: where several samples run through one network.
    fn shelved(&self, at: &Position) -> Option<usize> {
        let sample_runs = self.trace.sample_runs();
        (at.op < SHELF && sample_runs.len() > 1 && sample_runs[at.sample_run].sample.is_some()).then_some(at.op)
    }

    /// Goes to the op at a position.
    pub(super) fn op(&mut self, at: &Position) {
        if let Some(place) = self.at.and_then(|at| self.shelved(&at)) {
            if self.shelf.len() <= place {
                self.shelf.resize_with(place + 1, OfOp::default);
            }
            self.shelf[place] = take(&mut self.op);
        }
        self.at = Some(*at);
        if let Some(shelved) = self.shelved(at).and_then(|place| self.shelf.get_mut(place)).filter(|shelved| shelved.known) {
            self.op = take(shelved);
            return;
        }
        let info = self.trace.network_of(at.sample_run).tensor(self.trace.op_at(at).output);
        self.op.own.set(&self.spellings[0], &info.name, &info.shape);
        self.op.used = 0;
        self.op.known = true;
    }

    /// Writes an entry of the op's own tensor.
    pub(super) fn entry(&mut self, entry: usize, to: &mut Vec<u8>) {
        self.op.own.write(entry, None, to);
    }

    /// Writes what a factor is called, and all that is to be said of it where it is many entries at once.
    pub(super) fn factor(&mut self, part: usize, arg: &Arg, to: &mut Vec<u8>) -> Called {
        let Self { trace, spellings: [_, spelling], .. } = *self;
        let position = self.at.as_ref().expect("an op");
        let operand = |slot: Slot| trace.network_of(position.sample_run).tensor(trace.op_at(position).parts[part].operands[slot]);
        let (slot, expr, at, by) = match arg.origin {
            Origin::Constant => return Called::Nothing,
            Origin::Slice { slot, places } => {
                (spelling.many)(&operand(slot).name, places.len(), to);
                return Called::Many;
            }
            Origin::Entry { slot, at } => (slot, None, at, None),
            Origin::Derived { expr, slot, at, by } => (slot, Some(expr), at, by),
        };
        let place = self.op.place((part, slot, expr), |name| match expr {
            None => name.set(spelling, &operand(slot).name, &operand(slot).shape),
            Some(expr) => name.set(spelling, &trace.derived_name(position, part, expr), &operand(slot).shape),
        });
        self.op.factors[place].1.write(at, by, to);
        Called::One
    }
}

/// What has been written of a factor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    /// Nothing: a constant has no name.
    Nothing,
    /// Its name; the number is to follow.
    One,
    /// All of it: many entries have no number.
    Many,
}

/// Writes a whole number.
pub(super) fn digits(number: impl Serialize, to: &mut Vec<u8>) {
    serde_json::to_writer(to, &number).expect("a vector takes everything");
}
