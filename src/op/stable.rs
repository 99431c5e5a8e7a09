//! The gradient of an output activation that stays finite when the output is saturated.
//!
//! If a sigmoid's output a is rounded to 0 while the target is 1, then ∂C/∂a = −1/a is −∞ and ∂C/∂z = ∂C/∂a · a (1 − a) = −∞ · 0 is NaN. The closed formula
//! ∂C/∂z = a − t has no such problem. [`StableBackward`] uses the chain rule if all of its results are finite, and the closed formula otherwise.

use std::ops::Range;
use std::sync::Arc;

use super::rule::{Arguments, Equation, Memo, Operands, Rule, Term, TermNumbers, Use};
use super::slot::{
    Reads,
    Slot::{self, Input},
};
use crate::expr::Expr;

/// The rule of ∂C/∂z: the chain rule through ∂C/∂a, or the closed formula that replaces it if it is not finite. Both read the same slots.
#[derive(Debug)]
pub struct StableBackward {
    /// The chain rule through ∂C/∂a.
    pub chain: Arc<dyn Rule>,
    /// The closed formula, which reads only a and t.
    pub shortcut: Arc<dyn Rule>,
    /// The closed formula as an expression.
    pub expr: Expr,
}

/// Whether the chain rule is finite, with the memos of both rules.
struct ChainOutcome {
    finite: bool,
    chain: Memo,
    shortcut: Memo,
}

impl StableBackward {
    fn outcome<'a>(x: &Operands<'a>) -> &'a ChainOutcome {
        x.memo::<ChainOutcome>().expect("the memo of this rule")
    }

    /// The rule that applies to these operands, with its own memo.
    fn choose<'s, 'x>(&'s self, x: &Operands<'x>) -> (&'s dyn Rule, Operands<'x>) {
        let outcome = Self::outcome(x);
        let (rule, memo) = if outcome.finite { (&self.chain, &outcome.chain) } else { (&self.shortcut, &outcome.shortcut) };
        (rule.as_ref(), Operands { tensors: x.tensors.clone(), memo })
    }
}

impl Rule for StableBackward {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let (chain, shortcut) = (self.chain.memo(tensors), self.shortcut.memo(tensors));
        let mut sums = vec![-0.0; tensors[Input(0)].len()];
        self.chain.accumulate(&Operands { tensors: tensors.map(|tensor| tensor), memo: &chain }, &mut sums);
        // a sum with an infinite or NaN term is never finite
        let finite = sums.iter().all(|sum| sum.is_finite());
        Some(Arc::new(ChainOutcome { finite, chain, shortcut }))
    }

    fn work(&self, operands: &Reads<usize>, entries: usize) -> u64 {
        // the memo computes the chain rule once more
        2 * self.chain.work(operands, entries)
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let (rule, x) = self.choose(x);
        rule.accumulate(&x, out);
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        let (rule, x) = self.choose(x);
        rule.prefix_terms(&x, entry)
    }

    fn has_terms(&self, x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        let (rule, x) = self.choose(x);
        rule.has_terms(&x, count)
    }

    fn term(&self, x: &Operands<'_>, entry: usize, term: u64) -> Term {
        let (rule, x) = self.choose(x);
        rule.term(&x, entry, term)
    }

    fn partial(&self, x: &Operands<'_>, entry: usize, terms: u64, sum: f64) -> f64 {
        let (rule, x) = self.choose(x);
        rule.partial(&x, entry, terms, sum)
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

    fn shortcut(&self, x: &Operands<'_>, entry: usize) -> Option<(Expr, f64)> {
        let outcome = Self::outcome(x);
        let x = Operands { tensors: x.tensors.clone(), memo: &outcome.shortcut };
        let terms = self.shortcut.prefix_terms(&x, entry + 1) - self.shortcut.prefix_terms(&x, entry);
        outcome.finite.then(|| (self.expr, self.shortcut.partial(&x, entry, terms, -0.0)))
    }
}
