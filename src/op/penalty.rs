//! The penalty λ Σ w² of a weight. It is added to the batch's loss, so large weights make the loss larger.
//!
//! For w = (1, 3) and λ = 0.5 the penalty is 0.5 · 1 · 1 + 0.5 · 3 · 3 = 5, and its derivative 2 λ w is (1, 3).
//!
//! Source: A. Krogh and J. Hertz, "A simple weight decay can improve generalization" (1991); in PyTorch one writes it into the loss, `lam * w.square().sum()`.

use std::ops::Range;

use smallvec::smallvec;

use super::rule::{Equation, Gist, Operands, Rule, Term, TermNumbers, Use, constant, entry};
use super::slot::Slot::{self, Input};
use crate::expr::{Expr, Join, SUM, whole};

/// λ
const LAMBDA: Expr = Expr::Name("λ");

/// The equation of λ Σ w².
const PENALTY: Equation = Equation {
    right: Expr::Product(Join::Juxtaposed, &[LAMBDA, Expr::Of(SUM, &[Expr::Square(&whole::X)])]),
    name: "the penalty of the weights",
    gist: Gist::None,
    words: "Large weights cost: each adds λ times its square to the loss of the batch, once for all samples. Biases cost nothing.",
};

/// The equation of the penalty's gradient, 2 λ w.
pub const PENALTY_GRADIENT: Equation = Equation {
    right: Expr::Product(Join::Juxtaposed, &[Expr::Product(Join::Juxtaposed, &[Expr::Number(2.0), LAMBDA]), whole::X]),
    name: "the gradient of the penalty",
    gist: Gist::None,
    words: "The penalty λ w² has the derivative 2 λ w, which the batch adds once to the weight's gradient. So each update also pulls the weight towards 0, the more the larger it is.",
};

/// Adds λ · w · w of all entries to `sum`, one by one.
///
/// ```
/// assert_eq!(gradstep::op::penalty::add_penalty(0.5, &[1.0, 3.0], 1.0), 6.0);
/// ```
#[must_use]
pub fn add_penalty(lambda: f64, w: &[f64], sum: f64) -> f64 {
    w.iter().fold(sum, |sum, w| sum + lambda * w * w)
}

/// The rule of λ Σ w². Its operand is w, and its result is one number.
#[derive(Clone, Copy, Debug)]
pub struct Penalty {
    /// λ.
    pub lambda: f64,
    /// The number of entries of w.
    pub entries: usize,
}

impl Rule for Penalty {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        out[0] = add_penalty(self.lambda, x.tensors[Input(0)], out[0]);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        (entry * self.entries) as u64
    }

    fn terms_per_entry(&self) -> Option<u64> {
        Some(self.entries as u64)
    }

    fn term(&self, x: &Operands<'_>, _entry: usize, term: u64) -> Term {
        let w = entry(x, Input(0), to_usize(term));
        Term::product(smallvec![constant(self.lambda), w.clone(), w])
    }

    fn add_terms(&self, x: &Operands<'_>, _entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        add_penalty(self.lambda, &x.tensors[Input(0)][to_usize(terms.start)..to_usize(terms.end)], sum)
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        vec![Use { entry: 0, term: at as u64 }]
    }

    fn terms_at(&self, _x: &Operands<'_>, _entry: usize, _slot: Slot, at: usize) -> TermNumbers {
        if at < self.entries { smallvec![at as u64] } else { TermNumbers::new() }
    }

    fn equation(&self) -> Equation {
        PENALTY
    }
}

fn to_usize(term: u64) -> usize {
    usize::try_from(term).expect("the number of a term fits into usize")
}
