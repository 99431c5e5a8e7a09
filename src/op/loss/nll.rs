//! `nll`: PyTorch's `NLLLoss` of one sample, C = −Σ t a. The outputs a are logarithms of probabilities, as after a `log_softmax`, and t has a probability for
//! each class: 1 for the true class and 0 for the others.
//!
//! For a = (log 0.25, log 0.75) and the second class, C = −log 0.75 = 0.2877 and ∂C/∂a = (0, −1).

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, ALL_A, ALL_T, Loss, LossKind, NetworkOutput, Pointwise, PointwiseLoss, T};
use crate::expr::{Expr, Join, SUM};
use crate::op::layer::{Args, Reported};
use crate::op::rule::{Equation, Factors, Gist, Operands, Term, constant, entry};

/// The row of this loss in [`LOSSES`](super::LOSSES).
pub const KIND: LossKind = LossKind { name: "nll", keys: &[], build };
/// The row of PyTorch's function. Its default reduction, the mean over the samples, is also the default of the key `batch_reduction`.
pub const PYTORCH: LossKind = LossKind { name: "nll_loss", ..KIND };

#[allow(clippy::unnecessary_wraps)] // the signature of `LossKind::build`
fn build(_args: &mut dyn Args, _output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    Ok(Loss::of_output_and_target(Arc::new(PointwiseLoss(NegativeLogLikelihood))))
}

#[derive(Clone, Copy, Debug)]
struct NegativeLogLikelihood;

impl Pointwise for NegativeLogLikelihood {
    fn loss_factors(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        smallvec![constant(-1.0), entry(x, T, i), entry(x, A, i)]
    }

    fn loss_term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        Term::of_loss(self.loss_factors(x, i, term))
    }

    fn gradient_term(&self, x: &Operands<'_>, i: usize, _term: usize) -> Term {
        Term::product(smallvec![constant(-1.0), entry(x, T, i)])
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Neg(&Expr::Of(SUM, &[Expr::Product(Join::Hadamard, &[ALL_T, ALL_A])])),
            name: "the loss",
            gist: Gist::Words("negative log-likelihood"),
            words: "The outputs are logarithms of probabilities, as a log_softmax gives them. The loss is minus the output of the true class: the more probable this class, the smaller the loss.",
        }
    }

    fn gradient_equation(&self) -> Equation {
        Equation {
            right: Expr::Neg(&ALL_T),
            name: "the derivative of the loss",
            gist: Gist::None,
            words: "Only the output of the true class is in the loss, so it alone has a derivative, −1. The other classes get their derivatives in the log_softmax.",
        }
    }
}
