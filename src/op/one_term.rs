//! Rules that compute a tensor in which each entry has exactly one term. Examples are a maximum, a choice and a product.

use std::fmt::Debug;
use std::ops::Range;

use super::rule::{Arguments, Equation, IsKnown, Operands, PossibleUse, Rule, Term, TermNumbers, Use};
use super::slot::Slot;

/// The rule of a tensor in which each entry has exactly one term.
#[derive(Debug)]
pub struct OneTerm<T>(pub T);

/// The terms of a rule with exactly one term for each entry. [`OneTerm`] makes a [`Rule`] of them.
pub trait OneTermEach: Debug + Send + Sync + 'static {
    /// The value of an entry, which is the value of its term.
    fn value(&self, x: &Operands<'_>, entry: usize) -> f64;

    /// Adds the value of each entry to `out`. This is [`Rule::accumulate`].
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (entry, sum) in out.iter_mut().enumerate() {
            *sum += self.value(x, entry);
        }
    }

    /// The term of an entry.
    fn term(&self, x: &Operands<'_>, entry: usize) -> Term;

    /// The entries that read the entry `at` of the operand in `slot`.
    fn readers(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<usize>;

    /// The entries that may read the entry `at` of the operand in `slot`, found as in [`Rule::possible_uses`]. The `bool` is `true` if the entry certainly
    /// reads it.
    fn possible_readers(&self, x: &Operands<'_>, slot: Slot, at: usize, _is_known: IsKnown<'_>) -> Vec<(usize, bool)> {
        self.readers(x, slot, at).into_iter().map(|entry| (entry, true)).collect()
    }

    /// Returns whether the term of `entry` has an argument that reads the entry `at` of the operand in `slot` alone
    /// ([`Arg::reads_single_entry`](super::rule::Arg::reads_single_entry)).
    fn reads_single_entry(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> bool;

    /// The value of [`Rule::is_gather`].
    fn is_gather(&self) -> bool {
        false
    }

    /// The value of [`Rule::equation`].
    fn equation(&self) -> Equation;

    /// The value of [`Rule::arguments`].
    fn arguments(&self) -> Arguments {
        Arguments::new()
    }
}

impl<T: OneTermEach> Rule for OneTerm<T> {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        self.0.accumulate(x, out);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        entry as u64
    }

    fn terms_per_entry(&self) -> Option<u64> {
        Some(1)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None // every entry has a term
    }

    fn term(&self, x: &Operands<'_>, entry: usize, _term: u64) -> Term {
        self.0.term(x, entry)
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        terms.fold(sum, |sum, _| sum + self.0.value(x, entry))
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        self.0.readers(x, slot, at).into_iter().map(|entry| Use { entry, term: 0 }).collect()
    }

    fn possible_uses(&self, x: &Operands<'_>, slot: Slot, at: usize, is_known: IsKnown<'_>) -> Vec<PossibleUse> {
        let readers = self.0.possible_readers(x, slot, at, is_known).into_iter();
        readers.map(|(entry, is_certain)| PossibleUse { found: Use { entry, term: 0 }, is_certain }).collect()
    }

    fn terms_at(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        self.0.reads_single_entry(x, entry, slot, at).then_some(0).into_iter().collect()
    }

    fn is_gather(&self) -> bool {
        self.0.is_gather()
    }

    fn equation(&self) -> Equation {
        self.0.equation()
    }

    fn arguments(&self) -> Arguments {
        self.0.arguments()
    }
}
