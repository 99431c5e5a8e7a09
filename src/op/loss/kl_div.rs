//! `kl_div`: PyTorch's `KLDivLoss`, C = Σ t (log t − a), or the mean over the outputs. The outputs a are logarithms of probabilities, and t are probabilities.
//! A term with t = 0 is 0.
//!
//! With this sum and the mean over the samples of the batch, the loss is PyTorch's with `reduction="batchmean"`. For a = (log 0.5, log 0.5) and t = (1, 0), C =
//! log 2 = 0.6931 and ∂C/∂a = (−1, 0).

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, A_ENTRY, ALL_A, ALL_T, Loss, LossKind, LossReduction, NetworkOutput, Pointwise, PointwiseLoss, T, T_ENTRY};
use crate::expr::{Expr, Join, LOG, SUM, whole};
use crate::op::layer::{Args, Reported};
use crate::op::rule::{Equation, Factors, Gist, Operands, Term, constant, derived, entry};

/// The row of this loss in [`LOSSES`](super::LOSSES).
pub const KIND: LossKind = LossKind { name: "kl_div", keys: &["reduction"], build };

fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    let reduction = LossReduction::read(args, output)?;
    Ok(Loss::of_output_and_target(Arc::new(PointwiseLoss(Divergence { reduction }))))
}

#[derive(Clone, Copy, Debug)]
struct Divergence {
    reduction: LossReduction,
}

/// log t − a of one entry.
const DIFFERENCE: Expr = Expr::Sub(&[Expr::Of(LOG, &[T_ENTRY]), A_ENTRY]);
/// Σ t (log t − a)
const TOTAL: Expr = Expr::Of(SUM, &[Expr::Product(Join::Hadamard, &[ALL_T, Expr::Sub(&[Expr::Of(LOG, &[ALL_T]), ALL_A])])]);

impl Pointwise for Divergence {
    fn loss_factors(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        let mut factors = self.reduction.scaled(entry(x, T, i));
        factors.push(derived(&DIFFERENCE, A, i, libm::log(x.get(T, i)) - x.get(A, i)));
        factors
    }

    fn loss_term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        let factors = self.loss_factors(x, i, term);
        // with t = 0, the other factor is log 0 − a: −∞, or NaN if a is −∞ or NaN
        if x.get(T, i) == 0.0 { Term::left_out(factors) } else { Term::product(factors) }
    }

    fn gradient_term(&self, x: &Operands<'_>, i: usize, _term: usize) -> Term {
        let mut factors: Factors = smallvec![constant(-self.reduction.scale)];
        factors.push(entry(x, T, i));
        Term::product(factors)
    }

    fn equation(&self) -> Equation {
        Equation {
            right: if self.reduction.is_mean { Expr::Product(Join::Juxtaposed, &[whole::SHARE, TOTAL]) } else { TOTAL },
            name: "the loss",
            gist: Gist::Words("the Kullback–Leibler divergence"),
            words: "The outputs are logarithms of probabilities. For each class the loss takes the logarithm of the target's probability minus the output, weighted by the target's probability. A class with t = 0 adds nothing.",
        }
    }

    fn gradient_equation(&self) -> Equation {
        let right = if self.reduction.is_mean { Expr::Neg(&Expr::Mul(&[whole::SHARE, ALL_T])) } else { Expr::Neg(&ALL_T) };
        Equation {
            right,
            name: "the derivative of the loss",
            gist: Gist::None,
            words: "The loss is linear in the outputs, so its derivative is minus the target. It is the derivative of the cross-entropy: both losses differ by a number that depends on the target alone.",
        }
    }
}
