//! The product over axes: y = x₀ · x₁ · …, PyTorch's `prod`.
//!
//! The derivative ∂C/∂xᵢ is ∂C/∂y times the product of the other entries. It is not computed as y / xᵢ, so it is right for zeros too: for x = (0, 2, 3) the
//! derivative of x₀ is 6 · ∂C/∂y, and the others are 0.

use std::sync::Arc;

use smallvec::smallvec;

use super::groups::{Groups, reduced_shape};
use super::mismatch::Mismatch;
use super::one_term::{OneTerm, OneTermEach};
use super::rule::{Equation, Factors, Function, Gist, MAX_NAMED, Operands, Rule, Term, TermNumbers, Use, derived, entry, one_term_each};
use super::slot::{
    Reads,
    Slot::{self, Input, Upstream},
};
use crate::expr::{Expr, Form, Primitive, whole};

/// Creates the product over some axes of a tensor of this shape. With `keepdim` a reduced axis stays, with size 1.
///
/// The axes must satisfy [`Groups::is_regular`].
///
/// ```
/// use gradstep::op::prod::prod;
///
/// assert_eq!(prod(&[2, 3], &[0], true).shape(&[&[2, 3]]), Ok(vec![1, 3]));
/// ```
#[must_use]
pub fn prod(shape: &[usize], axes: &[usize], keepdim: bool) -> Arc<dyn Function> {
    Arc::new(Prod { groups: Arc::new(Groups::along(shape, axes)), output: reduced_shape(shape, axes, keepdim) })
}

/// The function of [`prod`].
#[derive(Debug)]
struct Prod {
    groups: Arc<Groups>,
    /// The shape of the output.
    output: Vec<usize>,
}

impl Function for Prod {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(self.output.clone())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(OneTerm(ProdForward(Arc::clone(&self.groups))))
    }

    fn backward(&self, _input: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(ProdBackward(Arc::clone(&self.groups))))
    }
}

/// The product of many entries.
const PROD: &Primitive = &Primitive::new("prod").symbol("Π").form(Form::Operator);

/// The rule of y. It has an entry for each group, with one term: the product of all entries of the group.
#[derive(Debug)]
struct ProdForward(Arc<Groups>);

impl OneTermEach for ProdForward {
    fn value(&self, x: &Operands<'_>, group: usize) -> f64 {
        let read = x.tensors[Input(0)];
        self.0.flat_indices(group).map(|at| read[at]).reduce(|product, factor| product * factor).unwrap_or(1.0)
    }

    fn term(&self, x: &Operands<'_>, group: usize) -> Term {
        let args = self.0.arguments(x, Input(0), group, self.0.flat_index(group, 0));
        if self.0.len <= MAX_NAMED { Term::product(args) } else { Term::apply(PROD, args, self.value(x, group)) }
    }

    fn readers(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<usize> {
        if slot == Input(0) { vec![self.0.group_of(at).0] } else { Vec::new() }
    }

    fn reads_single_entry(&self, _x: &Operands<'_>, group: usize, slot: Slot, at: usize) -> bool {
        slot == Input(0) && self.0.group_of(at).0 == group
    }

    fn is_gather(&self) -> bool {
        self.0.len > MAX_NAMED
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Of(PROD, &[whole::X]),
            name: "product",
            gist: Gist::None,
            words: "All entries along the axis are multiplied, from the first to the last.",
        }
    }
}

/// The rule of ∂C/∂x: one term, which is ∂C/∂y times the other entries of the group.
///
/// In a group of at most [`MAX_NAMED`] entries, each other entry is a factor of the term. In a larger group the product of the other entries is a single
/// factor, which is derived from x. ∂C/∂y has an entry for each group.
#[derive(Debug)]
struct ProdBackward(Arc<Groups>);

/// The product of the other entries, as one factor.
const OTHERS: &Expr = &Expr::Prime(PROD, &[whole::X]);

impl ProdBackward {
    /// The product of all entries of a group except entry n. The entries before n are multiplied from left to right, and those after n from right to left.
    fn product_of_others(&self, x: &Operands<'_>, group: usize, n: usize) -> f64 {
        let read = |n: usize| x.get(Input(0), self.0.flat_index(group, n));
        let before = (0..n).fold(1.0, |product, other| product * read(other));
        let after = (n + 1..self.0.len).rev().fold(1.0, |product, other| product * read(other));
        before * after
    }

    /// Adds the terms of a large group to `out`. A first loop computes the product of the entries after each entry, and a second loop that of the entries
    /// before it.
    fn accumulate_large(&self, x: &Operands<'_>, group: usize, out: &mut [f64]) {
        let read = |n: usize| x.get(Input(0), self.0.flat_index(group, n));
        let mut after = vec![1.0; self.0.len];
        for n in (1..self.0.len).rev() {
            after[n - 1] = after[n] * read(n);
        }
        let (upstream, mut before) = (x.get(Upstream, group), 1.0);
        for (n, after) in after.into_iter().enumerate() {
            out[self.0.flat_index(group, n)] += upstream * (before * after);
            before *= read(n);
        }
    }
}

impl Rule for ProdBackward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for group in 0..self.0.count {
            if self.0.len > MAX_NAMED {
                self.accumulate_large(x, group, out);
                continue;
            }
            for (n, at) in self.0.flat_indices(group).enumerate() {
                let others = (0..self.0.len).filter(|other| *other != n).map(|other| x.get(Input(0), self.0.flat_index(group, other)));
                out[at] += others.fold(x.get(Upstream, group), |product, factor| product * factor);
            }
        }
    }

    fn work(&self, operands: &Reads<usize>, _entries: usize) -> u64 {
        // an estimate. In a small group, the term of an entry has a factor for each entry, and costs at least about 4 multiplications. In a large group, the
        // two loops cost each entry a fixed number of operations, counted as `MAX_NAMED`
        (operands[Input(0)] * self.0.len.clamp(4, MAX_NAMED)) as u64
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_term_each(entry)
    }

    fn terms_per_entry(&self) -> Option<u64> {
        Some(1)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None // every entry has a term
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let (group, n) = self.0.group_of(at);
        let mut factors: Factors = smallvec![entry(x, Upstream, group)];
        if self.0.len > MAX_NAMED {
            factors.push(derived(OTHERS, Input(0), at, self.product_of_others(x, group, n)));
        } else {
            factors.extend(self.0.flat_indices(group).filter(|place| *place != at).map(|place| entry(x, Input(0), place)));
        }
        Term::product(factors)
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let entries: Vec<usize> = match slot {
            Upstream => self.0.flat_indices(/* group */ at).collect(),
            // the derived factor reads the whole operand
            Input(0) if self.0.len > MAX_NAMED => (0..x.tensors[Input(0)].len()).collect(),
            Input(0) => self.0.flat_indices(self.0.group_of(at).0).filter(|place| *place != at).collect(),
            _ => Vec::new(),
        };
        entries.into_iter().map(|entry| Use { entry, term: 0 }).collect()
    }

    fn terms_at(&self, _x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let (group, _) = self.0.group_of(entry);
        let is_read = match slot {
            Upstream => at == group,
            Input(0) if self.0.len > MAX_NAMED => at == entry,
            Input(0) => at != entry && self.0.group_of(at).0 == group,
            _ => false,
        };
        is_read.then_some(0).into_iter().collect()
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Remark(&Expr::Mul(&[whole::DY, Expr::Of(PROD, &[whole::X])]), "over the other entries"),
            name: "derivative of a product",
            gist: Gist::None,
            words: "If one factor grows by a small h, the product grows by h times the other factors. So the local derivative is their product; a zero among them makes it 0.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::checked::{check, factors, gradient, numbers, value};
    use crate::tensor::len;

    #[test]
    fn the_rules_agree_with_their_terms_and_with_difference_quotients() {
        // groups of up to `MAX_NAMED` entries, and one of 17
        let cases: [(&[usize], &[usize]); 6] =
            [(&[3, 4], &[1]), (&[3, 4], &[0]), (&[2, 3, 2], &[0, 2]), (&[2, 16], &[1]), (&[2, 17], &[1]), (&[1], &[0])];
        for (shape, axes) in cases {
            let mut x = numbers(5, len(shape));
            check(&*prod(shape, axes, false), &[shape], std::slice::from_ref(&x));
            x[0] = 0.0;
            check(&*prod(shape, axes, true), &[shape], &[x]);
        }
    }

    #[test]
    fn a_zero_leaves_the_product_of_the_others() {
        let product = prod(&[3], &[0], false);
        assert_eq!(value(&*product, &[&[2.0, 3.0, 4.0]], 1), [24.0]);
        assert_eq!(gradient(&*product, &[&[0.0, 2.0, 3.0]], &[10.0], 0), Some(vec![60.0, 0.0, 0.0]));
        assert_eq!(gradient(&*product, &[&[0.0, 0.0, 3.0]], &[10.0], 0), Some(vec![0.0; 3]));
        assert_eq!(factors(&*product, &[&[5.0, 2.0, 3.0]], &[10.0], 0, 1), [[10.0, 5.0, 3.0]]);
    }
}
