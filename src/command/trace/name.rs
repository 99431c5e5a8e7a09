//! The names of entries in the lines of steps, such as `conv1.z[0,1,1]` and `input[0,2,3]`.
//!
//! A trace may have millions of steps, and from one step to the next, only the end of a name changes. So the text of a name is stored up to the last number of
//! its index, and only this number is formatted again: from `input[0,2,3]` to `input[0,2,4]`. Entries whose names differ only in the last number are a *row*.
//!
//! If there are several samples, the names of an op are stored for the next sample.

use std::mem::take;
use std::ops::Range;

use serde::Serialize;

use crate::expr::Expr;
use crate::op::rule::{Arg, Origin};
use crate::op::slot::Slot;
use crate::tally;
use crate::tensor::{Index, unravel};
use crate::trace::{Position, Trace};

/// The syntax of an entry in a format: the name, the index, and the text after the index.
pub(super) struct EntrySyntax {
    /// Writes the text before the index, with the name.
    pub(super) before: fn(name: &str, is_scalar: bool, to: &mut Vec<u8>),
    /// The text after the index. The second one is for a scalar, which has no index.
    pub(super) after: [&'static [u8]; 2],
    /// Writes a slice of `count` entries, such as the window of a max-pool.
    pub(super) slice: fn(name: &str, count: usize, to: &mut Vec<u8>),
}

/// The name of a tensor, and the index of the current row: `input[0,2,`.
#[derive(Default)]
struct EntryName {
    /// The text before the last number of the index, in the current row.
    text: Vec<u8>,
    /// The number of bytes of `text` before the index.
    name_len: usize,
    after: &'static [u8],
    shape: Index,
    /// The offsets of the entries in the current row.
    row: Range<usize>,
}

impl EntryName {
    /// Changes to another tensor. The memory of the names is used again.
    fn set(&mut self, syntax: &EntrySyntax, name: &str, shape: &[usize]) {
        self.text.clear();
        (syntax.before)(name, shape.is_empty(), &mut self.text);
        self.name_len = self.text.len();
        self.after = syntax.after[usize::from(shape.is_empty())];
        self.shape.clear();
        self.shape.extend_from_slice(shape);
        self.row = 0..0;
    }

    /// Writes the name of the entry with offset `entry`. The derivative of one entry by another, as in a softmax, has two indices. For example, the name is
    /// `(0-fc2.a)[0,1]` for `entry` = 0 and `second` = 1.
    fn write(&mut self, entry: usize, second: Option<usize>, to: &mut Vec<u8>) {
        if !self.row.contains(&entry) {
            self.set_row(entry);
        }
        to.extend_from_slice(&self.text);
        if !self.shape.is_empty() {
            append_number(entry - self.row.start, to);
        }
        for i in second.into_iter().flat_map(|second| unravel(second, &self.shape)) {
            to.push(b',');
            append_number(i, to);
        }
        to.extend_from_slice(self.after);
    }

    /// Changes to the row that contains the entry with this offset.
    fn set_row(&mut self, entry: usize) {
        self.text.truncate(self.name_len);
        let index = unravel(entry, &self.shape);
        let Some((last, others)) = index.split_last() else {
            self.row = 0..1;
            return;
        };
        for i in others {
            append_number(*i, &mut self.text);
            self.text.push(b',');
        }
        self.row = entry - last..entry - last + self.shape[index.len() - 1];
    }
}

/// The key of a factor's name: the part of the op, the slot of the operand and, if the factor is computed from the operand, the expression.
type FactorKey = (usize, Slot, Option<&'static Expr>);

/// The names that the steps of one op use.
#[derive(Default)]
struct NamesOfOp {
    /// `true` if the names are filled in.
    is_filled: bool,
    /// `true` if the op has more parts than names can be stored. Then the names of a part are not kept after this part.
    has_many_parts: bool,
    /// The name of the tensor that the op computes.
    output: EntryName,
    /// The names of the factors so far. Only the first `used` names are valid; the others are kept because their memory can be used again.
    factors: Vec<(FactorKey, EntryName)>,
    used: usize,
}

impl NamesOfOp {
    /// Returns the index of a factor's name in `factors`. If the name is new, makes it.
    fn find_or_make(&mut self, key: FactorKey, make: impl FnOnce(&mut EntryName)) -> usize {
        let part = |(part, ..): FactorKey| part;
        if self.has_many_parts && self.used > 0 && part(self.factors[0].0) != part(key) {
            self.used = 0;
        }
        let is_key = |(known, _): &(FactorKey, EntryName)| {
            // counted in tests
            tally::count(1);
            *known == key
        };
        if let Some(i) = self.factors[..self.used].iter().position(is_key) {
            return i;
        }
        // if there are very many names, making them again is faster than searching for them
        if self.used == MAX_FACTOR_NAMES {
            self.used = 0;
        }
        let i = self.used;
        if i == self.factors.len() {
            self.factors.push((key, EntryName::default()));
        }
        self.factors[i].0 = key;
        make(&mut self.factors[i].1);
        self.used += 1;
        i
    }
}

/// The largest number of stored factor names of an op.
const MAX_FACTOR_NAMES: usize = 32;
/// The largest number of ops whose names are stored for the next sample.
const MAX_CACHED_OPS: usize = 1024;

/// The names in the lines of steps.
pub(super) struct StepNames<'a> {
    trace: &'a Trace,
    /// The syntax of the entry that a step computes, and the syntax of its factors.
    syntaxes: &'static [EntrySyntax; 2],
    /// A position in the current op; `None` before the first op.
    position: Option<Position>,
    /// The names of the current op.
    op: NamesOfOp,
    /// The names of ops for the next sample, by the number of the op in the network.
    cache: Vec<NamesOfOp>,
}

impl<'a> StepNames<'a> {
    pub(super) fn new(trace: &'a Trace, syntaxes: &'static [EntrySyntax; 2]) -> Self {
        Self { trace, syntaxes, position: None, op: NamesOfOp::default(), cache: Vec::new() }
    }

    /// Returns the index in the cache of the op at a position. Returns `None` if the names of the op are not stored: they are not needed
    /// again, or there are too many ops.
    fn cache_index(&self, at: &Position) -> Option<usize> {
        let runs = self.trace.runs();
        (at.op < MAX_CACHED_OPS && runs.len() > 1 && runs[at.run_index].sample.is_some()).then_some(at.op)
    }

    /// Changes to the op at a position.
    pub(super) fn op(&mut self, at: &Position) {
        // the names of the last op are stored for the next sample
        if let Some(i) = self.position.and_then(|last| self.cache_index(&last)) {
            if self.cache.len() <= i {
                self.cache.resize_with(i + 1, NamesOfOp::default);
            }
            self.cache[i] = take(&mut self.op);
        }
        self.position = Some(*at);
        if let Some(cached) = self.cache_index(at).and_then(|i| self.cache.get_mut(i)).filter(|cached| cached.is_filled) {
            self.op = take(cached);
            return;
        }
        let op = self.trace.op_at(at);
        let info = self.trace.network_of(at.run_index).tensor(op.output);
        self.op.output.set(&self.syntaxes[0], &info.name, &info.shape);
        self.op.used = 0;
        self.op.is_filled = true;
        self.op.has_many_parts = op.parts.len() > MAX_FACTOR_NAMES;
    }

    /// Writes the name of the entry that a step computes.
    pub(super) fn entry(&mut self, entry: usize, to: &mut Vec<u8>) {
        let second = None;
        self.op.output.write(entry, second, to);
    }

    /// Writes the name of a factor, and returns which kind of text was written.
    pub(super) fn factor(&mut self, part: usize, arg: &Arg, to: &mut Vec<u8>) -> FactorText {
        let Self { trace, syntaxes: [_, syntax], .. } = *self;
        let position = self.position.as_ref().expect("`op` is called before `factor`");
        let operand = |slot: Slot| trace.network_of(position.run_index).tensor(trace.op_at(position).parts[part].operands[slot]);
        let (slot, expr, at, second) = match arg.origin {
            Origin::Constant => return FactorText::Constant,
            Origin::Slice { slot, places } => {
                (syntax.slice)(&operand(slot).name, places.len(), to);
                return FactorText::Slice;
            }
            Origin::Entry { slot, at } => (slot, None, at, None),
            Origin::Derived { expr, slot, at, second } => (slot, Some(expr), at, second),
        };
        let i = self.op.find_or_make((part, slot, expr), |name| match expr {
            None => name.set(syntax, &operand(slot).name, &operand(slot).shape),
            Some(expr) => name.set(syntax, &trace.derived_name(position, part, expr), &operand(slot).shape),
        });
        self.op.factors[i].1.write(at, second, to);
        FactorText::Entry
    }
}

/// The kind of text that [`StepNames::factor`] has written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FactorText {
    /// A constant: nothing is written, and the value must follow.
    Constant,
    /// An entry: the name is written, and the value must follow.
    Entry,
    /// A slice of many entries: the whole text is written.
    Slice,
}

/// Appends a number as JSON.
pub(super) fn append_number(number: impl Serialize, to: &mut Vec<u8>) {
    serde_json::to_writer(to, &number).expect("writing to a vector cannot fail");
}

// a release build does not count
#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_very_many_parts_are_not_searched() {
        // each of the 1000 parts asks for the names of the inputs 0, 1 and 0. With `has_many_parts`, they are compared only with names of the same part: with
        // 0, 1 and 1 names. Otherwise, each is compared with up to 32 names, 16 on average
        for (has_many_parts, max_comparisons) in [(true, 2 * 1000), (false, 2 * 1000 * MAX_FACTOR_NAMES as u64)] {
            let mut names = NamesOfOp { has_many_parts, ..NamesOfOp::default() };
            let mut made = 0;
            let _ = tally::take();
            for key in (0..1000).flat_map(|part| [0, 1, 0].map(|input| (part, Slot::Input(input), None))) {
                names.find_or_make(key, |_| made += 1);
            }
            let comparisons = tally::take();
            assert_eq!(made, 2000);
            assert!(comparisons <= max_comparisons, "{comparisons}");
        }
    }
}
