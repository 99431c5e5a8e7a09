//! `cross_entropy_with_logits`: C = −Σ t log softmax(a), over all entries of the output; finite for all finite logits.

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, A_ENTRY, Entries, Loss, LossKind, Output, Pointwise, T};
use crate::expr::{Expr, Join, LOG, SUM, whole};
use crate::op::layer::{Args, Reported};
use crate::op::math::log_sum_exp;
use crate::op::rule::{Equation, Factors, Gist, Memo, Operands, Term, constant, derived, entry};
use crate::op::slot::Reads;
use crate::op::softmax::{SOFTMAX, Shared};

/// The row of the registry.
pub const KIND: LossKind = LossKind { name: "cross_entropy_with_logits", keys: &[], build };

#[allow(clippy::unnecessary_wraps)] // the signature of the registry
fn build(_args: &mut dyn Args, _output: &Output<'_>) -> Result<Loss, Reported> {
    Ok(Loss::entry_by_entry(Arc::new(Entries(CrossEntropy))))
}

#[derive(Clone, Copy, Debug)]
struct CrossEntropy;

const PROBABILITY: Expr = Expr::Of(SOFTMAX, &[A_ENTRY, Expr::All(A)]);

/// What all entries share.
struct Known {
    /// log-sum-exp of the logits, in two parts.
    largest: f64,
    log: f64,
    softmax: Shared,
    /// Σt.
    total: f64,
}

impl Known {
    fn of<'a>(x: &Operands<'a>) -> &'a Self {
        x.memo().expect("made from the same operands")
    }
}

impl Pointwise for CrossEntropy {
    const SLOPES: usize = 2;

    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let a = tensors[A];
        let (largest, log) = log_sum_exp(a);
        Some(Arc::new(Known { largest, log, softmax: Shared::of(a), total: tensors[T].iter().sum() }))
    }

    fn loss(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        let Known { largest, log, .. } = Known::of(x);
        smallvec![constant(-1.0), entry(x, T, i), derived(&Expr::Of(LOG, &[PROBABILITY]), A, i, (x.get(A, i) - largest) - log)]
    }

    fn term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        Term::of_loss(self.loss(x, i, term))
    }

    fn gradient(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        let Known { softmax, total, .. } = Known::of(x);
        Term::product(if term == 0 {
            smallvec![derived(&PROBABILITY, A, i, softmax.value(x.get(A, i))), derived(&Expr::Of(SUM, &[Expr::All(T)]), T, i, *total)]
        } else {
            smallvec![constant(-1.0), entry(x, T, i)]
        })
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Neg(&Expr::Of(SUM, &[Expr::Product(Join::Matrix, &[whole::W, Expr::Of(LOG, &[Expr::Of(SOFTMAX, &[whole::X])])])])),
            name: "the loss",
            gist: Gist::Words("cross-entropy on logits"),
            words: "The outputs are logits: the softmax that makes probabilities of them is part of the loss, so that the logarithm never meets a 0. softmax(aᵢ | a) is the entry at i of softmax(a), exp(aᵢ) / Σⱼ exp(aⱼ). The loss is the negative logarithm of the probability where the target asks for it.",
        }
    }

    fn back(&self) -> Equation {
        Equation {
            right: Expr::Sub(&[Expr::Product(Join::Matrix, &[Expr::Of(SOFTMAX, &[whole::X]), Expr::Of(SUM, &[whole::W])]), whole::W]),
            name: "the derivative of the loss",
            gist: Gist::None,
            words: "Softmax and cross-entropy together have a simple derivative: the probability that came out less the one that should have. softmax(aᵢ | a) is the entry at i of softmax(a), exp(aᵢ) / Σⱼ exp(aⱼ).",
        }
    }
}
