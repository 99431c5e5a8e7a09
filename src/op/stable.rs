//! A gradient of the output activation that stays finite if an output is rounded to 0 or 1.
//!
//! Example: the output a of a sigmoid is rounded to 0 while the target t is 1. Then ∂C/∂a = −1/a is −∞, and ∂C/∂z = ∂C/∂a · a (1 − a) = −∞ · 0 is NaN. The
//! closed formula ∂C/∂z = a − t gives −1. If the chain rule gives finite numbers for all entries, [`StableBackward`] uses the chain rule. Otherwise it uses the
//! closed formula.

use std::ops::Range;
use std::sync::Arc;

use super::rule::{Arguments, Equation, Memo, Operands, Rule, Term, TermNumbers, Use};
use super::slot::{
    Reads,
    Slot::{self, Input},
};
use crate::expr::Expr;

/// The rule of ∂C/∂z. It uses the chain rule through ∂C/∂a, or the closed formula if the chain rule gives a number that is not finite. Both rules have the same
/// list of operands, but the closed formula uses only a and t.
#[derive(Debug)]
pub struct StableBackward {
    /// The chain rule through ∂C/∂a.
    pub chain: Arc<dyn Rule>,
    /// The closed formula.
    pub closed_formula: Arc<dyn Rule>,
    /// The closed formula as an expression.
    pub expr: Expr,
}

/// The memo of [`StableBackward`]: the result of the chain rule, and the memos of both rules.
struct ChainOutcome {
    /// The result of the chain rule.
    sums: Vec<f64>,
    /// `true` if the sums are finite.
    is_finite: bool,
    chain: Memo,
    closed_formula: Memo,
}

impl StableBackward {
    /// The memo of this rule.
    fn outcome<'a>(x: &Operands<'a>) -> &'a ChainOutcome {
        x.memo::<ChainOutcome>().expect("the memo of this rule")
    }

    /// The rule that is used for these operands, and the operands with that rule's memo.
    fn choose<'s, 'x>(&'s self, x: &Operands<'x>) -> (&'s dyn Rule, Operands<'x>) {
        let outcome = Self::outcome(x);
        let (rule, memo) = if outcome.is_finite { (&self.chain, &outcome.chain) } else { (&self.closed_formula, &outcome.closed_formula) };
        (rule.as_ref(), Operands { tensors: x.tensors.clone(), memo })
    }
}

impl Rule for StableBackward {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let (chain, closed_formula) = (self.chain.memo(tensors), self.closed_formula.memo(tensors));
        let mut sums = vec![0.0; tensors[Input(0)].len()];
        // `reborrow` copies the list of references to the tensors, because `Operands` takes a list of its own
        self.chain.overwrite(&Operands { tensors: tensors.reborrow(), memo: &chain }, &mut sums);
        // checking the sums checks all terms: a sum with an infinite or NaN term is never finite
        let is_finite = sums.iter().all(|sum| sum.is_finite());
        Some(Arc::new(ChainOutcome { sums, is_finite, chain, closed_formula }))
    }

    fn work(&self, operands: &Reads<usize>, entries: usize) -> u64 {
        // `memo` computes the whole chain rule once, and `accumulate` computes it again; `overwrite` copies the result from the memo
        2 * self.chain.work(operands, entries)
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let (rule, x) = self.choose(x);
        rule.accumulate(&x, out);
    }

    fn overwrite(&self, x: &Operands<'_>, sums: &mut [f64]) {
        let outcome = Self::outcome(x);
        if outcome.is_finite {
            return sums.copy_from_slice(&outcome.sums);
        }
        let (rule, x) = self.choose(x);
        rule.overwrite(&x, sums);
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        let (rule, x) = self.choose(x);
        rule.prefix_terms(&x, entry)
    }

    fn has_terms(&self, x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        let (rule, x) = self.choose(x);
        rule.has_terms(&x, count)
    }

    fn reason_unreached(&self, x: &Operands<'_>, entry: usize) -> &'static str {
        let (rule, x) = self.choose(x);
        rule.reason_unreached(&x, entry)
    }

    fn term(&self, x: &Operands<'_>, entry: usize, term: u64) -> Term {
        let (rule, x) = self.choose(x);
        rule.term(&x, entry, term)
    }

    fn add_first_terms(&self, x: &Operands<'_>, entry: usize, terms: u64, sum: f64) -> f64 {
        let (rule, x) = self.choose(x);
        rule.add_first_terms(&x, entry, terms, sum)
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let (rule, x) = self.choose(x);
        rule.add_terms(&x, entry, terms, sum)
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let (rule, x) = self.choose(x);
        rule.uses(&x, slot, at)
    }

    fn terms_at(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let (rule, x) = self.choose(x);
        rule.terms_at(&x, entry, slot, at)
    }

    fn equation(&self) -> Equation {
        self.chain.equation()
    }

    fn equation_for(&self, x: &Operands<'_>) -> Equation {
        self.choose(x).0.equation()
    }

    fn arguments(&self) -> Arguments {
        self.chain.arguments()
    }

    fn closed_formula(&self, x: &Operands<'_>, entry: usize) -> Option<(Expr, f64)> {
        let outcome = Self::outcome(x);
        let x = Operands { tensors: x.tensors.clone(), memo: &outcome.closed_formula };
        let terms = self.closed_formula.prefix_terms(&x, entry + 1) - self.closed_formula.prefix_terms(&x, entry);
        // if the chain rule gives numbers that are not finite, the terms of the entry are those of the closed formula already
        outcome.is_finite.then(|| (self.expr, self.closed_formula.add_first_terms(&x, entry, terms, -0.0)))
    }
}
