//! The names of entries in a step, such as `conv1.z[0,1,1]` and `input[0,2,3]`.
//!
//! A trace may have millions of steps, and little of a name changes from one step to the next. So the text of a name up to the last number of its index is
//! kept: from `input[0,2,3]` to `input[0,2,4]` only the last number is written again. If several samples run through one network, the names of an op are
//! kept for the next sample too.

use std::mem::take;
use std::ops::Range;

use serde::Serialize;

use crate::expr::Expr;
use crate::op::rule::{Arg, Origin};
use crate::op::slot::Slot;
use crate::tensor::{Index, unravel};
use crate::trace::{Position, Trace};

/// The syntax of entries in a format: `before`, the index, `after`.
pub(super) struct Spelling {
    /// Writes the text before the index.
    pub(super) before: fn(name: &str, scalar: bool, to: &mut Vec<u8>),
    /// The text after the index of an entry, and the text after the name of a scalar.
    pub(super) after: [&'static [u8]; 2],
    /// Writes the name of a slice with `of` entries.
    pub(super) many: fn(name: &str, of: usize, to: &mut Vec<u8>),
}

/// The name of a tensor and the index of the current row: `input[0,2,`.
#[derive(Default)]
struct Name {
    /// The text before the last number of the index, in the current row.
    text: Vec<u8>,
    /// The length of `text` before the index.
    before: usize,
    after: &'static [u8],
    shape: Index,
    /// The row-major places of the current row.
    row: Range<usize>,
}

impl Name {
    /// Changes to another tensor and reuses the memory.
    fn set(&mut self, spelling: &Spelling, name: &str, shape: &[usize]) {
        self.text.clear();
        (spelling.before)(name, shape.is_empty(), &mut self.text);
        self.before = self.text.len();
        self.after = spelling.after[usize::from(shape.is_empty())];
        self.shape.clear();
        self.shape.extend_from_slice(shape);
        self.row = 0..0;
    }

    /// Writes the entry at a row-major place. The index of the place `by` follows in the same brackets.
    fn write(&mut self, at: usize, by: Option<usize>, to: &mut Vec<u8>) {
        if !self.row.contains(&at) {
            self.set_row(at);
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

    /// Changes to the row that contains a place.
    fn set_row(&mut self, at: usize) {
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

/// The key of a factor's name: the part of the op, the operand's slot, and the expression derived from it.
type FactorKey = (usize, Slot, Option<&'static Expr>);

/// The names in the steps of one op.
#[derive(Default)]
struct OpNames {
    /// Whether the names are filled in.
    known: bool,
    /// The name of the op's own tensor.
    own: Name,
    /// The names of the factors so far. Only the first `used` are valid; the rest are kept for their memory.
    factors: Vec<(FactorKey, Name)>,
    used: usize,
}

impl OpNames {
    /// Returns the place of a factor's name in `factors`, and makes the name if it is new.
    fn place(&mut self, key: FactorKey, make: impl FnOnce(&mut Name)) -> usize {
        if let Some(place) = self.factors[..self.used].iter().position(|(known, _)| *known == key) {
            return place;
        }
        // an op may have thousands of parts: searching all their names would cost more than making them again
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

/// The number of factor names that are kept for an op.
const RECENT: usize = 32;
/// The number of ops whose names are kept for the next sample.
const CACHED_OPS: usize = 1024;

/// The names in the steps of the current op.
pub(super) struct StepNames<'a> {
    trace: &'a Trace,
    /// The syntax of the op's own entry, and that of the factors.
    spellings: &'static [Spelling; 2],
    at: Option<Position>,
    op: OpNames,
    /// The names of all ops of the samples' network, by the number of the op.
    cache: Vec<OpNames>,
}

impl<'a> StepNames<'a> {
    pub(super) fn new(trace: &'a Trace, spellings: &'static [Spelling; 2]) -> Self {
        Self { trace, spellings, at: None, op: OpNames::default(), cache: Vec::new() }
    }

    /// The place in the cache of the op at a position; `None` if its names are not needed again.
    fn cache_place(&self, at: &Position) -> Option<usize> {
        let sample_runs = self.trace.sample_runs();
        (at.op < CACHED_OPS && sample_runs.len() > 1 && sample_runs[at.sample_run].sample.is_some()).then_some(at.op)
    }

    /// Changes to the op at a position.
    pub(super) fn op(&mut self, at: &Position) {
        if let Some(place) = self.at.and_then(|at| self.cache_place(&at)) {
            if self.cache.len() <= place {
                self.cache.resize_with(place + 1, OpNames::default);
            }
            self.cache[place] = take(&mut self.op);
        }
        self.at = Some(*at);
        if let Some(cached) = self.cache_place(at).and_then(|place| self.cache.get_mut(place)).filter(|cached| cached.known) {
            self.op = take(cached);
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

    /// Writes the name of a factor. A slice of many entries has no number after its name, so it is then complete.
    pub(super) fn factor(&mut self, part: usize, arg: &Arg, to: &mut Vec<u8>) -> FactorText {
        let Self { trace, spellings: [_, spelling], .. } = *self;
        let position = self.at.as_ref().expect("`op` is called before `factor`");
        let operand = |slot: Slot| trace.network_of(position.sample_run).tensor(trace.op_at(position).parts[part].operands[slot]);
        let (slot, expr, at, by) = match arg.origin {
            Origin::Constant => return FactorText::Nothing,
            Origin::Slice { slot, places } => {
                (spelling.many)(&operand(slot).name, places.len(), to);
                return FactorText::Many;
            }
            Origin::Entry { slot, at } => (slot, None, at, None),
            Origin::Derived { expr, slot, at, by } => (slot, Some(expr), at, by),
        };
        let place = self.op.place((part, slot, expr), |name| match expr {
            None => name.set(spelling, &operand(slot).name, &operand(slot).shape),
            Some(expr) => name.set(spelling, &trace.derived_name(position, part, expr), &operand(slot).shape),
        });
        self.op.factors[place].1.write(at, by, to);
        FactorText::One
    }
}

/// The part of a factor that has been written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FactorText {
    /// Nothing: a constant has no name.
    Nothing,
    /// The name of an entry; its number must follow.
    One,
    /// The whole factor: a slice of many entries has no number.
    Many,
}

/// Writes a whole number.
pub(super) fn digits(number: impl Serialize, to: &mut Vec<u8>) {
    serde_json::to_writer(to, &number).expect("writing to a vector cannot fail");
}
