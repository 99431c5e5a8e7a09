//! `cross_entropy_with_logits`: PyTorch's `CrossEntropyLoss` of one sample, C = −Σ t log softmax(a). The target t has a probability for each class. The outputs
//! a of the network are logits: numbers from which the softmax makes probabilities.
//!
//! The loss is finite for all finite logits. For a = (0, log 3) and t = (0, 1), softmax(a) = (0.25, 0.75), C = −log 0.75 = 0.2877 and
//! ∂C/∂a = (0.25, −0.25).

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, A_ENTRY, ALL_A, ALL_T, Loss, LossKind, NetworkOutput, Pointwise, PointwiseLoss, T};
use crate::expr::{Expr, Join, LOG, SUM};
use crate::op::layer::{Args, Reported};
use crate::op::math::log_sum_exp;
use crate::op::rule::{Equation, Factors, Gist, Memo, Operands, Term, constant, derived, entry};
use crate::op::slot::Reads;
use crate::op::softmax::{SOFTMAX, SoftmaxNormaliser};

/// The row of this loss in [`LOSSES`](super::LOSSES).
pub const KIND: LossKind = LossKind { name: "cross_entropy_with_logits", keys: &[], build };

#[allow(clippy::unnecessary_wraps)] // the signature of `LossKind::build`
fn build(_args: &mut dyn Args, _output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    Ok(Loss::of_output_and_target(Arc::new(PointwiseLoss(CrossEntropyWithLogits))))
}

#[derive(Clone, Copy, Debug)]
struct CrossEntropyWithLogits;

/// softmax(aᵢ | a): entry i of the softmax of all logits a.
const PROBABILITY: Expr = Expr::Of(SOFTMAX, &[A_ENTRY, Expr::All(A)]);

/// The memo: numbers that all entries share.
struct SharedSums {
    /// The first summand of log Σ exp a: the largest logit ([`log_sum_exp`]).
    largest: f64,
    /// The second summand of log Σ exp a.
    log: f64,
    /// The numbers that turn a logit into its probability.
    softmax: SoftmaxNormaliser,
    /// Σt.
    target_sum: f64,
}

impl SharedSums {
    fn of<'a>(x: &Operands<'a>) -> &'a Self {
        x.memo().expect("the memo of this rule")
    }
}

impl Pointwise for CrossEntropyWithLogits {
    // softmax(aᵢ | a) Σt and −tᵢ
    const GRADIENT_TERMS: usize = 2;

    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let a = tensors[A];
        let (largest, log) = log_sum_exp(a);
        Some(Arc::new(SharedSums { largest, log, softmax: SoftmaxNormaliser::of(a), target_sum: tensors[T].iter().sum() }))
    }

    fn loss_factors(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        let SharedSums { largest, log, .. } = SharedSums::of(x);
        let log_probability = (x.get(A, i) - largest) - log;
        smallvec![constant(-1.0), entry(x, T, i), derived(&Expr::Of(LOG, &[PROBABILITY]), A, i, log_probability)]
    }

    fn loss_term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        Term::of_loss(self.loss_factors(x, i, term))
    }

    fn gradient_term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        let SharedSums { softmax, target_sum, .. } = SharedSums::of(x);
        Term::product(if term == 0 {
            let probability = softmax.value(x.get(A, i));
            // Σt has no entry of its own, so it is shown at tᵢ
            smallvec![derived(&PROBABILITY, A, i, probability), derived(&Expr::Of(SUM, &[Expr::All(T)]), T, i, *target_sum)]
        } else {
            smallvec![constant(-1.0), entry(x, T, i)]
        })
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Neg(&Expr::Of(SUM, &[Expr::Product(Join::Juxtaposed, &[ALL_T, Expr::Of(LOG, &[Expr::Of(SOFTMAX, &[ALL_A])])])])),
            name: "the loss",
            gist: Gist::Words("cross-entropy on logits"),
            words: "The outputs are logits: the softmax that turns them into probabilities is part of the loss, so the logarithm is never taken of 0. softmax(aᵢ | a) is entry i of softmax(a), exp(aᵢ) / Σⱼ exp(aⱼ). The loss is the negative logarithm of the target class's probability.",
        }
    }

    fn gradient_equation(&self) -> Equation {
        Equation {
            right: Expr::Sub(&[Expr::Product(Join::Juxtaposed, &[Expr::Of(SOFTMAX, &[ALL_A]), Expr::Of(SUM, &[ALL_T])]), ALL_T]),
            name: "the derivative of the loss",
            gist: Gist::None,
            words: "Softmax and cross-entropy together have a simple derivative: the probability (times Σt, mostly 1) minus the target. softmax(aᵢ | a) is entry i of softmax(a), exp(aᵢ) / Σⱼ exp(aⱼ).",
        }
    }
}
