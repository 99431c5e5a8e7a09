//! Wrong rules that replace a right rule: the same rule with an operand that is read at other places, with a factor, or with other terms.
//!
//! A wrong rule is a [`Rule`] too, so an op with a wrong rule needs no special code. To find a term, a wrong rule lists the terms of all earlier entries. This
//! is slow, but the user looks at the terms of one entry only.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::interrupt::{TERM, goes_on};
use crate::op::rule::{Equation, Memo, Operands, Origin, Rule, Term, Use, constant};
use crate::op::slot::{Reads, Slot};

/// In a list of places, the element for an entry that is read from nowhere: its value is 0.
pub(super) const NOWHERE: usize = usize::MAX;

/// A rule that is described by the terms of each entry.
pub(super) trait WrongTerms: fmt::Debug + Send + Sync + 'static {
    /// As [`Rule::memo`].
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo;

    /// The terms of an entry.
    fn terms(&self, x: &Operands<'_>, entry: usize) -> Vec<Term>;

    /// As [`Rule::accumulate`]. If the computation is interrupted ([`goes_on`]), the remaining entries are not computed.
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (entry, sum) in out.iter_mut().enumerate() {
            let terms = self.terms(x, entry);
            *sum = terms.iter().fold(*sum, |sum, term| sum + term.value);
            if !goes_on(TERM * (1 + terms.len() as u64)) {
                return;
            }
        }
    }
}

/// A [`WrongTerms`] as a rule.
#[derive(Debug)]
pub(super) struct WrongRule<W>(pub W);

impl<W: WrongTerms> Rule for WrongRule<W> {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.0.memo(tensors)
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        self.0.accumulate(x, out);
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        let counts = (0..entry).map(|entry| self.0.terms(x, entry).len() as u64);
        counts.take_while(|count| goes_on(TERM * (1 + count))).sum()
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None // an entry without terms counts as one with terms too: its empty sum is −0, which is equal to 0
    }

    fn term(&self, x: &Operands<'_>, entry: usize, term: u64) -> Term {
        let term = usize::try_from(term).expect("the terms of an entry fit in memory");
        self.0.terms(x, entry).swap_remove(term)
    }

    // the provided method calls `term` for each term, which lists all terms each time
    fn visit_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64, visit: &mut dyn FnMut(&Term, f64)) -> f64 {
        let [start, end] = [terms.start, terms.end].map(|term| usize::try_from(term).expect("the terms of an entry fit in memory"));
        self.0.terms(x, entry)[start..end].iter().fold(sum, |sum, term| {
            let sum = sum + term.value;
            visit(term, sum);
            sum
        })
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, _at: usize) -> Vec<Use> {
        Vec::new()
    }

    fn equation(&self) -> Equation {
        Equation::default()
    }
}

/// Returns the number of terms of an entry.
fn count(rule: &dyn Rule, x: &Operands<'_>, entry: usize) -> u64 {
    rule.prefix_terms(x, entry + 1) - rule.prefix_terms(x, entry)
}

/// Returns the terms of an entry.
pub(super) fn all_terms(rule: &dyn Rule, x: &Operands<'_>, entry: usize) -> Vec<Term> {
    let mut terms = Vec::new();
    rule.visit_terms(x, entry, 0..count(rule, x, entry), 0.0, &mut |term, _| terms.push(term.clone()));
    terms
}

/// Corrects the origins of the factors that come from `slot`: a factor with the place p gets the place `place(p)`. If that is `None`, the factor becomes a
/// constant.
fn move_entries(terms: &mut [Term], slot: Slot, place: impl Fn(usize) -> Option<usize>) {
    for arg in terms.iter_mut().flat_map(|term| &mut term.args) {
        if let Origin::Entry { slot: read, at } | Origin::Derived { slot: read, at, .. } = &mut arg.origin
            && *read == slot
        {
            match place(*at) {
                Some(place) => *at = place,
                None => arg.origin = Origin::Constant,
            }
        }
    }
}

/// The numbers that replace those of an operand.
#[derive(Debug, Clone)]
pub(super) enum Instead {
    /// The operand's entries from other places: entry n is read from the place `places[n]`. It is 0 if that is [`NOWHERE`].
    Places(Arc<[usize]>),
    /// Other numbers.
    Numbers(Arc<[f64]>),
    /// A function of each entry.
    Computed(fn(f64) -> f64),
}

/// A rule that reads other numbers in one slot.
#[derive(Debug)]
struct OtherOperand {
    rule: Arc<dyn Rule>,
    slot: Slot,
    instead: Instead,
}

/// The memo of [`OtherOperand`]: the other numbers, and the memo of the rule that reads them.
struct OtherNumbers(Vec<f64>, Memo);

impl OtherOperand {
    /// Calls `act` with the operands and the memo of the inner rule: the other numbers are in the slot.
    fn with_numbers<R>(&self, x: &Operands<'_>, act: impl FnOnce(&Operands<'_>) -> R) -> R {
        let OtherNumbers(numbers, memo) = x.memo().expect("the memo of this rule");
        act(&Operands { tensors: x.tensors.reborrow().with(self.slot, numbers), memo })
    }
}

impl WrongTerms for OtherOperand {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let right = tensors[self.slot];
        let numbers: Vec<f64> = match &self.instead {
            Instead::Places(places) => places.iter().map(|place| right.get(*place).copied().unwrap_or(0.0)).collect(),
            Instead::Numbers(numbers) => numbers.to_vec(),
            Instead::Computed(function) => right.iter().map(|value| function(*value)).collect(),
        };
        let memo = self.rule.memo(&tensors.reborrow().with(self.slot, numbers.as_slice()));
        Some(Arc::new(OtherNumbers(numbers, memo)))
    }

    fn terms(&self, x: &Operands<'_>, entry: usize) -> Vec<Term> {
        let mut terms = self.with_numbers(x, |x| all_terms(self.rule.as_ref(), x, entry));
        let place = |at: usize| match &self.instead {
            Instead::Places(places) => places.get(at).copied().filter(|place| *place != NOWHERE),
            Instead::Numbers(_) | Instead::Computed(_) => None,
        };
        move_entries(&mut terms, self.slot, place);
        terms
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        self.with_numbers(x, |x| self.rule.accumulate(x, out));
    }
}

/// Returns the rule that reads other numbers in a slot.
pub(super) fn reading(rule: &Arc<dyn Rule>, slot: Slot, instead: Instead) -> Arc<dyn Rule> {
    Arc::new(WrongRule(OtherOperand { rule: Arc::clone(rule), slot, instead }))
}

/// A rule with the right entries at other places: its entry n is the right entry at `places[n]`. It is 0 if that is [`NOWHERE`].
#[derive(Debug)]
struct MovedOutput {
    rule: Arc<dyn Rule>,
    places: Arc<[usize]>,
}

impl WrongTerms for MovedOutput {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.rule.memo(tensors)
    }

    fn terms(&self, x: &Operands<'_>, entry: usize) -> Vec<Term> {
        match self.places[entry] {
            NOWHERE => Vec::new(),
            place => all_terms(self.rule.as_ref(), x, place),
        }
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let mut right = vec![0.0; out.len()];
        self.rule.overwrite(x, &mut right);
        for (sum, place) in out.iter_mut().zip(&*self.places) {
            *sum += right.get(*place).copied().unwrap_or(0.0);
        }
    }
}

/// Returns the rule whose entry n is the right entry at `places[n]`.
pub(super) fn moved(rule: &Arc<dyn Rule>, places: impl Into<Arc<[usize]>>) -> Arc<dyn Rule> {
    Arc::new(WrongRule(MovedOutput { rule: Arc::clone(rule), places: places.into() }))
}

/// A rule times a factor.
#[derive(Debug)]
struct Scaled {
    rule: Arc<dyn Rule>,
    factor: f64,
}

impl WrongTerms for Scaled {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.rule.memo(tensors)
    }

    fn terms(&self, x: &Operands<'_>, entry: usize) -> Vec<Term> {
        let scaled = |mut term: Term| {
            term.args.push(constant(self.factor));
            term.value *= self.factor;
            term
        };
        all_terms(self.rule.as_ref(), x, entry).into_iter().map(scaled).collect()
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let mut right = vec![0.0; out.len()];
        self.rule.overwrite(x, &mut right);
        out.iter_mut().zip(right).for_each(|(sum, right)| *sum += self.factor * right);
    }
}

/// Returns the rule times a factor.
pub(super) fn scaled(rule: &Arc<dyn Rule>, factor: f64) -> Arc<dyn Rule> {
    Arc::new(WrongRule(Scaled { rule: Arc::clone(rule), factor }))
}

/// The terms of an entry, from the right rule and its operands.
type TermsOf = dyn Fn(&dyn Rule, &Operands<'_>, usize) -> Vec<Term> + Send + Sync;

/// A rule that makes other terms from the right rule's operands and memo.
struct OtherTerms {
    rule: Arc<dyn Rule>,
    terms: Box<TermsOf>,
}

impl fmt::Debug for OtherTerms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "other terms than {:?}", self.rule)
    }
}

impl WrongTerms for OtherTerms {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.rule.memo(tensors)
    }

    fn terms(&self, x: &Operands<'_>, entry: usize) -> Vec<Term> {
        (self.terms)(self.rule.as_ref(), x, entry)
    }
}

/// Returns the rule whose entries have the terms that `terms` returns, given the right rule, its operands and the entry.
pub(super) fn with_terms(
    rule: &Arc<dyn Rule>,
    terms: impl Fn(&dyn Rule, &Operands<'_>, usize) -> Vec<Term> + Send + Sync + 'static,
) -> Arc<dyn Rule> {
    Arc::new(WrongRule(OtherTerms { rule: Arc::clone(rule), terms: Box::new(terms) }))
}

/// Two rules one after the other: the second reads the result of the first as its upstream gradient.
#[derive(Debug)]
struct Chained {
    first: Arc<dyn Rule>,
    second: Arc<dyn Rule>,
}

/// The memo of [`Chained`]: the result of the first rule, and the memo of the second.
struct FirstResult(Vec<f64>, Memo);

impl Chained {
    /// Calls `act` with the operands and the memo of the second rule.
    fn with_result<R>(x: &Operands<'_>, act: impl FnOnce(&Operands<'_>) -> R) -> R {
        let FirstResult(numbers, memo) = x.memo().expect("the memo of this rule");
        act(&Operands { tensors: x.tensors.reborrow().with(Slot::Upstream, numbers), memo })
    }
}

impl WrongTerms for Chained {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let memo = self.first.memo(tensors);
        let mut result = vec![0.0; tensors[Slot::Upstream].len()];
        self.first.overwrite(&Operands { tensors: tensors.reborrow(), memo: &memo }, &mut result);
        let memo = self.second.memo(&tensors.reborrow().with(Slot::Upstream, result.as_slice()));
        Some(Arc::new(FirstResult(result, memo)))
    }

    fn terms(&self, x: &Operands<'_>, entry: usize) -> Vec<Term> {
        let mut terms = Self::with_result(x, |x| all_terms(self.second.as_ref(), x, entry));
        move_entries(&mut terms, Slot::Upstream, |_| None);
        terms
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        Self::with_result(x, |x| self.second.accumulate(x, out));
    }
}

/// Returns the rule that applies `second` to the result of `first`. Both read the same operands; the result of `first` has the size of ∂C/∂y.
pub(super) fn chained(first: &Arc<dyn Rule>, second: &Arc<dyn Rule>) -> Arc<dyn Rule> {
    Arc::new(WrongRule(Chained { first: Arc::clone(first), second: Arc::clone(second) }))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::interrupt::{SLICE, interruptible};
    use crate::op::seed::Seed;

    /// Returns how often a computation checks that it is still wanted, without the check at its end.
    fn checks(run: impl FnOnce()) -> u64 {
        let checks = Rc::new(Cell::new(0));
        let counted = Rc::clone(&checks);
        let check = move || {
            counted.set(counted.get() + 1);
            true
        };
        interruptible(check, run).expect("it is wanted");
        checks.get() - 1
    }

    fn ones(count: usize) -> Vec<Term> {
        (0..count).map(|_| Term::product([constant(1.0)].into_iter().collect())).collect()
    }

    #[test]
    fn each_entry_counts_as_the_work_of_its_terms() {
        // an entry with 9 terms counts as 10 terms: one more for the entry itself
        let rule = with_terms(&(Arc::new(Seed) as Arc<dyn Rule>), |_, _, _| ones(9));
        let memo = None;
        let x = Operands { tensors: Reads::inputs([]), memo: &memo };
        // the work of 3 slices, and a few entries more because of the rounding
        let entries = usize::try_from(3 * SLICE / (10 * TERM)).expect("a few entries") + 3;
        let mut out = vec![0.0; entries];
        assert_eq!(checks(|| rule.accumulate(&x, &mut out)), 3);
        assert!(out.iter().all(|sum| (sum - 9.0).abs() < 1e-12));
    }
}
