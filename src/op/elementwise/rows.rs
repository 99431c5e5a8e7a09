//! The rows of an elementwise operation. Along a row of y, each operand has either a number for each entry, or one number that broadcasting repeats.

#![allow(clippy::inline_always)] // the compiler uses the widest registers only in code that is inlined into the function that `dispatch` calls

use super::{Elementwise, ElementwiseOperand, Operands};
use crate::op::broadcast::{Broadcast, RowPlaces};
use crate::op::slot::{Reads, Slot::Input};
use crate::sums::Init;

/// The numbers of an operand along a row.
#[derive(Clone, Copy, Debug)]
pub(in crate::op) enum RowNumbers<'a> {
    /// A number for each entry of the row.
    Each(&'a [f64]),
    /// The same number for all entries.
    Same(f64),
}

impl RowNumbers<'_> {
    /// The number of an entry.
    #[inline(always)]
    pub fn at(self, entry: usize) -> f64 {
        match self {
            Self::Each(numbers) => numbers[entry],
            Self::Same(number) => number,
        }
    }
}

/// The rows of an operand, from the first row of y on.
pub(in crate::op) enum OperandRows<'a> {
    /// The rows of a tensor: its numbers, the places of the first numbers of the rows, and the stride along a row (1, or 0 for a number that is repeated).
    Broadcast(&'a [f64], RowPlaces<'a>, usize),
    /// The only row: a whole tensor.
    Whole(&'a [f64]),
    /// Rows with the same number: a constant.
    Constant(f64),
}

impl<'a> OperandRows<'a> {
    /// The rows of an operand. `broadcast` is `None` if all inputs have the same shape.
    pub fn new<'x: 'a>(operand: ElementwiseOperand, broadcast: Option<&'a Broadcast>, tensors: &Reads<&'x [f64]>) -> Self {
        match (operand, broadcast) {
            (ElementwiseOperand::Constant(value), _) => Self::Constant(value),
            (ElementwiseOperand::Input(slot), None) => Self::Whole(tensors[Input(slot)]),
            (ElementwiseOperand::Input(slot), Some(broadcast)) => {
                Self::Broadcast(tensors[Input(slot)], broadcast.row_places(slot), broadcast.row_step(slot))
            }
        }
    }

    /// The next row of `count` entries.
    #[inline(always)]
    pub fn next(&mut self, count: usize) -> RowNumbers<'a> {
        match self {
            Self::Broadcast(numbers, places, stride) => {
                let place = places.next().unwrap_or(0);
                if *stride == 0 { RowNumbers::Same(numbers[place]) } else { RowNumbers::Each(&numbers[place..place + count]) }
            }
            Self::Whole(numbers) => RowNumbers::Each(&numbers[..count]),
            Self::Constant(number) => RowNumbers::Same(*number),
        }
    }
}

impl Elementwise {
    /// The number of entries of a row of y. Along a row, each input either advances with y or, if it is repeated, stays at one entry.
    pub(super) fn row_len(&self, entries: usize) -> usize {
        self.broadcast.as_ref().map_or(entries, |broadcast| broadcast.row_len()).max(1)
    }

    /// The rows of operand `i`.
    pub(super) fn rows<'a, 'x: 'a>(&'a self, x: &Operands<'x>, i: usize) -> OperandRows<'a> {
        OperandRows::new(self.operands[i], self.broadcast.as_deref(), &x.tensors)
    }
}

/// Adds a term to each sum of a row, or overwrites the sum with the term. The term is a function of the numbers of two operands.
#[inline(always)]
pub(super) fn put_row(sums: &mut [f64], init: Init, [a, b]: [RowNumbers<'_>; 2], term: impl Fn(f64, f64) -> f64) {
    match init {
        Init::Accumulate => update(sums, [a, b], |sum, a, b| sum + term(a, b)),
        Init::Overwrite => update(sums, [a, b], |_, a, b| term(a, b)),
    }
}

/// Replaces each sum of a row by a function of it and of the numbers of two operands.
#[inline(always)]
pub(in crate::op) fn update(sums: &mut [f64], rows: [RowNumbers<'_>; 2], new_sum: impl Fn(f64, f64, f64) -> f64) {
    match rows {
        [RowNumbers::Each(a), RowNumbers::Each(b)] => {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum = new_sum(*sum, *a, *b);
            }
        }
        [RowNumbers::Each(a), RowNumbers::Same(b)] => sums.iter_mut().zip(a).for_each(|(sum, a)| *sum = new_sum(*sum, *a, b)),
        [RowNumbers::Same(a), RowNumbers::Each(b)] => sums.iter_mut().zip(b).for_each(|(sum, b)| *sum = new_sum(*sum, a, *b)),
        [RowNumbers::Same(a), RowNumbers::Same(b)] => sums.iter_mut().for_each(|sum| *sum = new_sum(*sum, a, b)),
    }
}

/// Returns a sum to which the terms of a row are added, one after another.
#[inline(always)]
pub(super) fn add_row(sum: f64, dy: &[f64], b: RowNumbers<'_>, term: impl Fn(f64, f64) -> f64) -> f64 {
    match b {
        RowNumbers::Each(b) => dy.iter().zip(b).fold(sum, |sum, (dy, b)| sum + term(*dy, *b)),
        RowNumbers::Same(b) => dy.iter().fold(sum, |sum, dy| sum + term(*dy, b)),
    }
}

/// Adds the terms of several rows, each to a sum of its own. Every addition to a sum waits for the previous one; the additions to several sums do not wait for
/// each other.
#[allow(clippy::needless_range_loop)] // the index is that of several slices
#[inline(always)]
pub(super) fn add_rows<const N: usize>(sums: &mut [f64; N], dy: [&[f64]; N], b: [RowNumbers<'_>; N], term: impl Fn(f64, f64) -> f64) {
    let len = dy[0].len();
    let dy = dy.map(|dy| &dy[..len]);
    let mut local = *sums;
    // usually each row of b has a number for each entry; then the loop need not ask which variant of `RowNumbers` a row has
    if let Some(numbers) = all_each(b, len) {
        for at in 0..len {
            for (n, sum) in local.iter_mut().enumerate() {
                *sum += term(dy[n][at], numbers[n][at]);
            }
        }
    } else {
        for at in 0..len {
            for (n, sum) in local.iter_mut().enumerate() {
                *sum += term(dy[n][at], b[n].at(at));
            }
        }
    }
    *sums = local;
}

/// Returns the numbers of all rows, if each has a number for each of the `len` entries.
#[inline(always)]
fn all_each<const N: usize>(rows: [RowNumbers<'_>; N], len: usize) -> Option<[&[f64]; N]> {
    let mut all: [&[f64]; N] = [&[]; N];
    for (numbers, row) in all.iter_mut().zip(rows) {
        let RowNumbers::Each(row) = row else { return None };
        *numbers = &row[..len];
    }
    Some(all)
}
