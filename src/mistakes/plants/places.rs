//! Tensors whose entries are in another order, and small helpers for terms.

use std::sync::Arc;

use super::super::wrong_rule::NOWHERE;
use crate::op::rule::{Factors, Operands, Origin, Rule, Term, constant, entry};
use crate::op::slot::Slot;
use crate::tensor::{len, ravel, unravel};

/// For each entry of a tensor of this shape, the place (the row-major index) of the entry that is read instead. `source` changes the entry's index into the
/// index that is read. The place is [`NOWHERE`] if `source` returns `false`, or if the new index is outside the tensor.
pub(super) fn places(shape: &[usize], source: impl Fn(&mut [usize]) -> bool) -> Arc<[usize]> {
    let place = |at: usize| {
        let mut index = unravel(at, shape);
        let is_somewhere = source(&mut index);
        ravel(&index, shape).filter(|_| is_somewhere).unwrap_or(NOWHERE)
    };
    (0..len(shape)).map(place).collect()
}

/// The places of a tensor whose last two axes are rotated, flipped or exchanged: `source` returns the row and the column that are read for a row and a column.
/// Its second argument is the two sizes.
pub(super) fn last_two(shape: &[usize], source: impl Fn([usize; 2], [usize; 2]) -> [usize; 2]) -> Arc<[usize]> {
    let Some(first) = shape.len().checked_sub(2) else { return (0..len(shape)).collect() };
    let sizes = [shape[first], shape[first + 1]];
    places(shape, |index| {
        [index[first], index[first + 1]] = source([index[first], index[first + 1]], sizes);
        true
    })
}

/// The product ∂C/∂y\[at\] · factor.
pub(super) fn upstream_times(x: &Operands<'_>, at: usize, factor: f64) -> Term {
    let args: Factors = [entry(x, Slot::Upstream, at), constant(factor)].into_iter().collect();
    Term::product(args)
}

/// ∂C/∂y\[at\] itself.
pub(super) fn upstream(x: &Operands<'_>, at: usize) -> Term {
    Term::product([entry(x, Slot::Upstream, at)].into_iter().collect())
}

/// The place in ∂C/∂y of the entry that a term reads.
pub(super) fn upstream_place(term: &Term) -> Option<usize> {
    term.args.iter().find_map(|arg| match arg.origin {
        Origin::Entry { slot: Slot::Upstream, at } => Some(at),
        _ => None,
    })
}

/// The number of terms of an entry.
pub(super) fn count(rule: &dyn Rule, x: &Operands<'_>, at: usize) -> u64 {
    rule.prefix_terms(x, at + 1) - rule.prefix_terms(x, at)
}
