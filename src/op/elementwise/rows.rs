//! Adds terms to the sums of a row of y. Each operand has either a number for each entry of the row, or one number that broadcasting repeats.

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
    /// A sum for each entry of the row.
    Each(&'a mut [f64]),
    /// One sum, to which the entries are added one after another.
    One(&'a mut f64, usize),
}

impl<'a> Row<'a> {
    /// The `count` numbers from `place` on, or, with step 0, the number at `place` for all entries.
    pub fn new(numbers: &'a [f64], (place, step): (usize, usize), count: usize) -> Self {
        if step == 0 { Self::Same(numbers[place]) } else { Self::Each(&numbers[place..place + count]) }
    }
}

impl Sums<'_> {
    /// Adds a term for each entry of the row, in order.
    #[inline]
    pub fn add(self, term: impl Fn(usize) -> f64) {
        match self {
            Self::Each(sums) => sums.iter_mut().enumerate().for_each(|(n, sum)| *sum += term(n)),
            Self::One(sum, count) => *sum = (0..count).fold(*sum, |sum, n| sum + term(n)),
        }
    }

    /// The number of entries of the row.
    fn count(&self) -> usize {
        match self {
            Self::Each(sums) => sums.len(),
            Self::One(_, count) => *count,
        }
    }

    /// Adds the numbers of a row, or subtracts them if `is_negative`.
    pub fn add_row(self, row: Row<'_>, is_negative: bool) {
        match (row, is_negative) {
            (Row::Each(a), false) => {
                let a = &a[..self.count()];
                self.add(|n| a[n]);
            }
            (Row::Each(a), true) => {
                let a = &a[..self.count()];
                self.add(|n| -a[n]);
            }
            (Row::Same(a), false) => self.add(|_| a),
            (Row::Same(a), true) => self.add(|_| -a),
        }
    }

    /// Adds the products of two rows.
    pub fn add_products(self, a: Row<'_>, b: Row<'_>) {
        let count = self.count();
        match (a, b) {
            (Row::Each(a), Row::Each(b)) => {
                let (a, b) = (&a[..count], &b[..count]);
                self.add(|n| a[n] * b[n]);
            }
            (Row::Each(a), Row::Same(b)) => {
                let a = &a[..count];
                self.add(|n| a[n] * b);
            }
            (Row::Same(a), Row::Each(b)) => {
                let b = &b[..count];
                self.add(|n| a * b[n]);
            }
            (Row::Same(a), Row::Same(b)) => self.add(|_| a * b),
        }
    }
}
