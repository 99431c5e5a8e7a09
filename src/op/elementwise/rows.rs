//! Adds terms to the sums of a row of y. Each operand has either a number for each entry of the row, or one number that broadcasting repeats.

use crate::expr::block::{BLOCK, Block};
use crate::sums::{Init, put};

/// The numbers of an operand along a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Row<'a> {
    /// A number for each entry of the row.
    Each(&'a [f64]),
    /// The same number for all entries.
    Same(f64),
}

/// The sums to which the terms of a row are added.
#[derive(Debug)]
pub(super) enum Sums<'a> {
    /// A sum for each entry of the row, and its initial value.
    Each(&'a mut [f64], Init),
    /// One sum, to which the entries are added one after another.
    One(&'a mut f64),
}

impl<'a> Row<'a> {
    /// Returns the `count` numbers from `place` on. If `step` is 0, returns the number at `place`, which all entries share.
    pub fn new(numbers: &'a [f64], (place, step): (usize, usize), count: usize) -> Self {
        if step == 0 { Self::Same(numbers[place]) } else { Self::Each(&numbers[place..place + count]) }
    }

    /// Copies the numbers of `count` entries, beginning with entry `first`. The rest of the block repeats one of them.
    pub fn copy_to(self, first: usize, count: usize, block: &mut Block) {
        match self {
            Self::Same(number) => *block = [number; BLOCK],
            Self::Each(numbers) => {
                if let Some(numbers) = numbers[first..].first_chunk() {
                    *block = *numbers;
                } else {
                    let (begin, rest) = block.split_at_mut(count);
                    begin.copy_from_slice(&numbers[first..first + count]);
                    rest.fill(begin[0]);
                }
            }
        }
    }
}

impl Sums<'_> {
    /// Adds a term for each entry of the row, in order.
    #[inline]
    pub fn add(self, terms: impl Iterator<Item = f64>) {
        match self {
            Self::Each(sums, init) => put(sums, terms, init),
            Self::One(sum) => *sum = terms.fold(*sum, |sum, term| sum + term),
        }
    }

    /// Adds the numbers of a row of `count` entries, or subtracts them if `is_negative`.
    pub fn add_row(self, row: Row<'_>, count: usize, is_negative: bool) {
        match (row, is_negative) {
            (Row::Each(a), false) => self.add(a.iter().copied()),
            (Row::Each(a), true) => self.add(a.iter().map(|a| -a)),
            (Row::Same(a), _) => self.add(std::iter::repeat_n(if is_negative { -a } else { a }, count)),
        }
    }

    /// Adds the products of two rows of `count` entries.
    pub fn add_products(self, a: Row<'_>, b: Row<'_>, count: usize) {
        match (a, b) {
            (Row::Each(a), Row::Each(b)) => self.add(a.iter().zip(b).map(|(a, b)| a * b)),
            (Row::Each(a), Row::Same(b)) => self.add(a.iter().map(|a| a * b)),
            (Row::Same(a), Row::Each(b)) => self.add(b.iter().map(|b| a * b)),
            (Row::Same(a), Row::Same(b)) => self.add(std::iter::repeat_n(a * b, count)),
        }
    }
}

/// Adds two terms to each sum: a number of the first row and a number of the second. If `is_negative`, the number of the second row is subtracted.
pub(super) fn add_two_rows(sums: &mut [f64], init: Init, [a, b]: [Row<'_>; 2], is_negative: bool) {
    match (init, a, b) {
        // −0 + a + b is a + b
        (Init::Overwrite, Row::Each(a), Row::Each(b)) if is_negative => put(sums, a.iter().zip(b).map(|(a, b)| a - b), init),
        (Init::Overwrite, Row::Each(a), Row::Each(b)) => put(sums, a.iter().zip(b).map(|(a, b)| a + b), init),
        (Init::Overwrite, Row::Each(a), Row::Same(b)) => {
            let b = if is_negative { -b } else { b };
            put(sums, a.iter().map(|a| a + b), init);
        }
        _ => {
            let count = sums.len();
            Sums::Each(sums, init).add_row(a, count, false);
            Sums::Each(sums, Init::Accumulate).add_row(b, count, is_negative);
        }
    }
}
