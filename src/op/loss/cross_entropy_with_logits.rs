//! `cross_entropy_with_logits`: C = −Σ t log softmax(a) of the logits a, over all entries of the output: PyTorch's `CrossEntropyLoss` of one sample with
//! class probabilities as the target.
//!
//! The loss is finite for all finite logits. For a = (0, log 3) and t = (0, 1), softmax(a) = (0.25, 0.75), C = −log 0.75 = 0.2877 and
//! ∂C/∂a = (0.25, −0.25).

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, A_ENTRY, Loss, LossKind, NetworkOutput, Pointwise, PointwiseLoss, T};
use crate::expr::{Expr, Join, LOG, SUM, whole};
use crate::op::layer::{Args, Reported};
use crate::op::math::log_sum_exp;
use crate::op::rule::{Equation, Factors, Gist, Memo, Operands, Term, constant, derived, entry};
use crate::op::slot::Reads;
use crate::op::softmax::{SOFTMAX, SoftmaxNormaliser};

/// The row of this loss in the registry.
pub const KIND: LossKind = LossKind { name: "cross_entropy_with_logits", keys: &[], build };

#[allow(clippy::unnecessary_wraps)] // the signature of `LossKind::build`
fn build(_args: &mut dyn Args, _output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    Ok(Loss::entry_by_entry(Arc::new(PointwiseLoss(CrossEntropyWithLogits))))
}

#[derive(Clone, Copy, Debug)]
struct CrossEntropyWithLogits;

const PROBABILITY: Expr = Expr::Of(SOFTMAX, &[A_ENTRY, Expr::All(A)]);

/// The numbers that all entries share.
struct LogitSums {
    /// The two parts of the log-sum-exp of the logits ([`log_sum_exp`]).
    largest: f64,
    log: f64,
    softmax: SoftmaxNormaliser,
    /// Σt.
    total: f64,
}

impl LogitSums {
    fn of<'a>(x: &Operands<'a>) -> &'a Self {
        x.memo().expect("the memo of this rule")
    }
}

impl Pointwise for CrossEntropyWithLogits {
    const GRADIENT_TERMS: usize = 2;

    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let a = tensors[A];
        let (largest, log) = log_sum_exp(a);
        Some(Arc::new(LogitSums { largest, log, softmax: SoftmaxNormaliser::of(a), total: tensors[T].iter().sum() }))
    }

    fn loss(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        let LogitSums { largest, log, .. } = LogitSums::of(x);
        smallvec![constant(-1.0), entry(x, T, i), derived(&Expr::Of(LOG, &[PROBABILITY]), A, i, (x.get(A, i) - largest) - log)]
    }

    fn term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        Term::of_loss(self.loss(x, i, term))
    }

    fn gradient(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        let LogitSums { softmax, total, .. } = LogitSums::of(x);
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
            words: "The outputs are logits: the softmax that turns them into probabilities is part of the loss, so the logarithm is never taken of 0. softmax(aᵢ | a) is entry i of softmax(a), exp(aᵢ) / Σⱼ exp(aⱼ). The loss is the negative logarithm of the target class's probability.",
        }
    }

    fn back(&self) -> Equation {
        Equation {
            right: Expr::Sub(&[Expr::Product(Join::Matrix, &[Expr::Of(SOFTMAX, &[whole::X]), Expr::Of(SUM, &[whole::W])]), whole::W]),
            name: "the derivative of the loss",
            gist: Gist::None,
            words: "Softmax and cross-entropy together have a simple derivative: the probability (times Σt, mostly 1) minus the target. softmax(aᵢ | a) is entry i of softmax(a), exp(aᵢ) / Σⱼ exp(aⱼ).",
        }
    }
}
