//! The error of a saturated output. A softmax or sigmoid that has reached 0 makes ∂C/∂a infinite, and infinity times 0 is no number; yet the
//! error ∂C/∂z, taken in one step, is harmless. This rule takes the two steps of the chain rule wherever they stay finite, and the one step
//! where they do not.

use std::ops::Range;
use std::sync::Arc;

use super::rule::{Arguments, Equation, Meets, Memo, Operands, Rule, Term, Use};
use super::slot::{
    Reads,
    Slot::{self, Input},
};
use crate::expr::Expr;

/// The chain rule through ∂C/∂a, and the shortcut that replaces it where it breaks down; both read the same slots.
#[derive(Debug)]
pub struct Stable {
    /// Through ∂C/∂a.
    pub chain: Arc<dyn Rule>,
    /// From a and t alone.
    pub shortcut: Arc<dyn Rule>,
    /// The shortcut, as an expression.
    pub expr: Expr,
}

struct Verdict {
    finite: bool,
    chain: Memo,
    shortcut: Memo,
}

impl Stable {
    fn verdict<'a>(x: &Operands<'a>) -> &'a Verdict {
        x.memo::<Verdict>().expect("made from the same operands")
    }

    /// The rule in force, with its operands.
    fn choose<'s, 'x>(&'s self, x: &Operands<'x>) -> (&'s dyn Rule, Operands<'x>) {
        let verdict = Self::verdict(x);
        let (rule, memo) = if verdict.finite { (&self.chain, &verdict.chain) } else { (&self.shortcut, &verdict.shortcut) };
        (rule.as_ref(), Operands { tensors: x.tensors.clone(), memo })
    }
}

impl Rule for Stable {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let (chain, shortcut) = (self.chain.memo(tensors), self.shortcut.memo(tensors));
        let mut sums = vec![-0.0; tensors[Input(0)].len()];
        self.chain.accumulate(&Operands { tensors: tensors.map(|tensor| tensor), memo: &chain }, &mut sums);
        // a term that is not finite never leaves a finite sum
        let finite = sums.iter().all(|sum| sum.is_finite());
        Some(Arc::new(Verdict { finite, chain, shortcut }))
    }

    fn work(&self, operands: &Reads<usize>, entries: usize) -> u64 {
        // once more to see whether it is finite
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

    fn more(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let (rule, x) = self.choose(x);
        rule.more(&x, entry, terms, sum)
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let (rule, x) = self.choose(x);
        rule.uses(&x, slot, at)
    }

    fn meets(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> Meets {
        let (rule, x) = self.choose(x);
        rule.meets(&x, entry, slot, at)
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
        let verdict = Self::verdict(x);
        let x = Operands { tensors: x.tensors.clone(), memo: &verdict.shortcut };
        let terms = self.shortcut.prefix_terms(&x, entry + 1) - self.shortcut.prefix_terms(&x, entry);
        verdict.finite.then(|| (self.expr, self.shortcut.partial(&x, entry, terms, -0.0)))
    }
}
