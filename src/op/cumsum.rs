//! The cumulative sum along an axis: yⱼ = x₀ + x₁ + … + xⱼ, PyTorch's `cumsum`.
//!
//! The entry xⱼ is part of yⱼ and of all entries of y after it, so ∂C/∂xⱼ = ∂C/∂yⱼ + ∂C/∂yⱼ₊₁ + …. For three entries of y with the derivatives 1, 2 and 3,
//! the derivatives of x are 6, 5 and 3.

use std::ops::Range;
use std::sync::Arc;

use smallvec::smallvec;

use super::gather::Direction;
use super::rule::{Equation, Function, Gist, Operands, Rule, Term, TermNumbers, Use, entry};
use super::slot::{
    Reads,
    Slot::{self, Input, Upstream},
};
use crate::expr::{Expr, Form, Primitive, SUM, whole};
use crate::tensor::len;

/// Creates the cumulative sum along an axis of a tensor of this shape.
///
/// # Panics
/// If the tensor has no such axis.
///
/// ```
/// use gradstep::op::cumsum::cumsum;
///
/// assert_eq!(cumsum(&[2, 3], 1).shape(&[&[2, 3]]), Ok(vec![2, 3]));
/// ```
#[must_use]
pub fn cumsum(shape: &[usize], axis: usize) -> Arc<dyn Function> {
    Arc::new(CumSum { line_len: shape[axis], stride: len(&shape[axis + 1..]) })
}

/// A tensor as a set of lines: the entries of a line differ only in their index along the axis of the sum.
#[derive(Clone, Copy, Debug)]
struct CumSum {
    /// The number of entries of a line.
    line_len: usize,
    /// The distance in the tensor between neighbours in a line.
    stride: usize,
}

impl Function for CumSum {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(CumSumRule { lines: *self, direction: Direction::Forward })
    }

    fn backward(&self, _input: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(CumSumRule { lines: *self, direction: Direction::Backward }))
    }
}

/// The rule of y or of ∂C/∂x. In y, each entry is the sum of its line's entries up to the same index. In ∂C/∂x, it is the sum of its line's entries from the
/// same index on.
#[derive(Debug)]
struct CumSumRule {
    lines: CumSum,
    direction: Direction,
}

impl CumSumRule {
    /// The index of an entry in its line.
    fn index(&self, at: usize) -> usize {
        at / self.lines.stride % self.lines.line_len
    }

    /// The index in the tensor of entry j of a line. The line is that of the entry `at`.
    fn place(&self, at: usize, j: usize) -> usize {
        at - self.index(at) * self.lines.stride + j * self.lines.stride
    }

    /// The indices, in the line, of the entries that are added for the entry `at`.
    fn added_indices(&self, at: usize) -> Range<usize> {
        match self.direction {
            Direction::Forward => 0..self.index(at) + 1,
            Direction::Backward => self.index(at)..self.lines.line_len,
        }
    }

    fn read_slot(&self) -> Slot {
        if self.direction == Direction::Forward { Input(0) } else { Upstream }
    }

    /// The index in the tensor of the entry that a term reads.
    fn term_place(&self, at: usize, term: u64) -> usize {
        let term = usize::try_from(term).expect("the terms of an entry fit in memory");
        self.place(at, self.added_indices(at).start + term)
    }
}

impl Rule for CumSumRule {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (at, sum) in out.iter_mut().enumerate() {
            *sum = self.add_terms(x, at, 0..self.added_indices(at).len() as u64, *sum);
        }
    }

    fn overwrite(&self, x: &Operands<'_>, sums: &mut [f64]) {
        // a new sum starts at −0, because −0 + x has the bits of x for every x
        if self.direction == Direction::Backward {
            sums.fill(-0.0);
            return self.accumulate(x, sums);
        }
        // each sum is the previous sum of its line plus one entry
        for at in 0..sums.len() {
            let before = if self.index(at) == 0 { -0.0 } else { sums[at - self.lines.stride] };
            sums[at] = before + x.get(Input(0), at);
        }
    }

    fn work(&self, _operands: &Reads<usize>, entries: usize) -> u64 {
        entries as u64 * self.lines.line_len as u64
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        let CumSum { line_len: n, stride } = self.lines;
        // a block has `stride` lines; their entries of index 0 come first, then their entries of index 1, and so on
        let [block, j, line] = [entry / (n * stride), self.index(entry), entry % stride].map(|number| number as u64);
        let [n, stride] = [n, stride].map(|number| number as u64);
        // `before`: the number of terms of a line's entries before index j, 1 + 2 + … + j or n + (n − 1) + …; `at_j`: the number of terms of its entry j
        let (before, at_j) = match self.direction {
            Direction::Forward => (j * (j + 1) / 2, j + 1),
            Direction::Backward => (j * n - j * j.saturating_sub(1) / 2, n - j),
        };
        block * stride * (n * (n + 1) / 2) + stride * before + line * at_j
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None // every entry has a term
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        Term::product(smallvec![entry(x, self.read_slot(), self.term_place(at, term))])
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let read = x.tensors[self.read_slot()];
        if terms.is_empty() {
            return sum;
        }
        let count = usize::try_from(terms.end - terms.start).expect("the terms of an entry fit in memory");
        read[self.term_place(entry, terms.start)..].iter().step_by(self.lines.stride).take(count).fold(sum, |sum, x| sum + x)
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if slot != self.read_slot() {
            return Vec::new();
        }
        let j = self.index(at);
        let entries = match self.direction {
            Direction::Forward => j..self.lines.line_len,
            Direction::Backward => 0..j + 1,
        };
        let use_of = |i: usize| {
            let entry = self.place(at, i);
            Use { entry, term: (j - self.added_indices(entry).start) as u64 }
        };
        entries.map(use_of).collect()
    }

    fn terms_at(&self, _x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let j = self.index(at);
        let is_read = slot == self.read_slot() && self.place(entry, 0) == self.place(at, 0) && self.added_indices(entry).contains(&j);
        is_read.then(|| (j - self.added_indices(entry).start) as u64).into_iter().collect()
    }

    fn equation(&self) -> Equation {
        match self.direction {
            Direction::Forward => Equation {
                right: Expr::Of(CUMSUM, &[whole::X]),
                name: "cumulative sum",
                gist: Gist::None,
                words: "Each entry is the sum of all entries of the axis up to it, itself included.",
            },
            Direction::Backward => Equation {
                right: Expr::Remark(&Expr::Of(SUM, &[whole::DY]), "from here on"),
                name: "derivative of a cumulative sum",
                gist: Gist::None,
                words: "An entry is part of its own sum and of all later ones, so it gets the derivatives of all of them.",
            },
        }
    }
}

const CUMSUM: &Primitive = &Primitive::new("cumsum").form(Form::Call);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::checked::{check, factors, gradient, numbers, value};

    #[test]
    fn the_rules_agree_with_their_terms_and_with_difference_quotients() {
        let cases: [(&[usize], usize); 5] = [(&[3, 4], 1), (&[3, 4], 0), (&[2, 3, 2], 1), (&[5], 0), (&[1], 0)];
        for (shape, axis) in cases {
            check(&*cumsum(shape, axis), &[shape], &[numbers(5, len(shape))]);
        }
    }

    #[test]
    fn a_sum_ends_with_the_entry_of_its_index_and_a_gradient_begins_with_it() {
        let x: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(value(&*cumsum(&[2, 3], 1), &[x], 6), [1.0, 3.0, 6.0, 4.0, 9.0, 15.0]);
        assert_eq!(value(&*cumsum(&[2, 3], 0), &[x], 6), [1.0, 2.0, 3.0, 5.0, 7.0, 9.0]);
        let dy = [1.0, 2.0, 3.0];
        assert_eq!(gradient(&*cumsum(&[3], 0), &[&x[..3]], &dy, 0), Some(vec![6.0, 5.0, 3.0]));
        assert_eq!(factors(&*cumsum(&[3], 0), &[&x[..3]], &dy, 0, 1), [[2.0], [3.0]]);
    }
}
