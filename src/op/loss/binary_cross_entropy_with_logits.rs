//! `binary_cross_entropy_with_logits`: PyTorch's `BCEWithLogitsLoss`, C = −Σ [t log σ(a) + (1 − t) log(1 − σ(a))], or the mean over the outputs. The outputs a
//! of the network are logits: numbers from which the sigmoid σ makes probabilities.
//!
//! The loss is finite for all finite logits. For a = 0 and t = 1, C = log 2 = 0.6931 and ∂C/∂a = σ(0) − 1 = −0.5.

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, A_ENTRY, ALL_A, ALL_T, Loss, LossKind, LossReduction, NetworkOutput, ONE_MINUS_T, Pointwise, PointwiseLoss, T, T_ENTRY};
use crate::expr::{Definition, Expr, Form, Join, LOG, Primitive, SUM, whole};
use crate::op::functions::SIGMOID;
use crate::op::layer::{Args, Reported};
use crate::op::math::softplus;
use crate::op::rule::{Equation, Factors, Gist, Operands, Term, constant, entry, evaluated};

/// The row of this loss in [`LOSSES`](super::LOSSES).
pub const KIND: LossKind = LossKind { name: "binary_cross_entropy_with_logits", keys: &["reduction"], build };

fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    let reduction = LossReduction::read(args, output)?;
    Ok(Loss::of_output_and_target(Arc::new(PointwiseLoss(BinaryCrossEntropyWithLogits { reduction }))))
}

/// σ(a) of one entry.
const PROBABILITY: Expr = Expr::Of(SIGMOID, &[A_ENTRY]);
/// log σ(a) = −softplus(−a), finite for every finite a.
const LOG_SIGMOID: &Primitive = &log_of("log_sigmoid", |x| -softplus(-x[0]), &Expr::Of(LOG, &[SIGMOID_OF_X]));
/// log(1 − σ(a)) = −softplus(a)
const LOG_ONE_MINUS_SIGMOID: &Primitive =
    &log_of("log_one_minus_sigmoid", |x| -softplus(x[0]), &Expr::Of(LOG, &[Expr::Sub(&[whole::ONE, SIGMOID_OF_X])]));
const SIGMOID_OF_X: Expr = Expr::Of(SIGMOID, &[Expr::Arg(0)]);

/// A logarithm that is printed as `meaning` but computed by `value`.
const fn log_of(name: &'static str, value: fn(&[f64]) -> f64, meaning: &'static Expr) -> Primitive {
    Primitive::differentiable(name, Definition::Computed(value), &[]).form(Form::Meaning).meaning(meaning)
}

/// σ(a) − t of all entries.
const DIFFERENCE: Expr = Expr::Sub(&[PROBABILITIES, ALL_T]);
/// σ(a) of all entries.
const PROBABILITIES: Expr = Expr::Of(SIGMOID, &[ALL_A]);
/// Σ t log σ(a) + (1 − t) log(1 − σ(a)).
const SUM_OF_LOGS: Expr = Expr::Of(
    SUM,
    &[Expr::Add(&[
        Expr::Product(Join::Juxtaposed, &[ALL_T, Expr::Of(LOG, &[PROBABILITIES])]),
        Expr::Product(Join::Juxtaposed, &[Expr::Sub(&[whole::ONE, ALL_T]), Expr::Of(LOG, &[Expr::Sub(&[whole::ONE, PROBABILITIES])])]),
    ])],
);

#[derive(Clone, Copy, Debug)]
struct BinaryCrossEntropyWithLogits {
    reduction: LossReduction,
}

impl Pointwise for BinaryCrossEntropyWithLogits {
    // −t log σ(a) and −(1 − t) log(1 − σ(a))
    const LOSS_TERMS: usize = 2;

    fn loss_factors(&self, x: &Operands<'_>, i: usize, term: usize) -> Factors {
        if term == 0 {
            smallvec![constant(-self.reduction.scale), entry(x, T, i), evaluated(x, &Expr::Of(LOG_SIGMOID, &[A_ENTRY]), A, i)]
        } else {
            let log_one_minus_sigmoid = evaluated(x, &Expr::Of(LOG_ONE_MINUS_SIGMOID, &[A_ENTRY]), A, i);
            smallvec![constant(-self.reduction.scale), evaluated(x, &ONE_MINUS_T, T, i), log_one_minus_sigmoid]
        }
    }

    fn loss_term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        Term::of_loss(self.loss_factors(x, i, term))
    }

    fn gradient_term(&self, x: &Operands<'_>, i: usize, _term: usize) -> Term {
        let difference = evaluated(x, &Expr::Sub(&[PROBABILITY, T_ENTRY]), A, i);
        Term::product(self.reduction.scaled(difference))
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Neg(if self.reduction.is_mean {
                &Expr::Product(Join::Juxtaposed, &[whole::SHARE, SUM_OF_LOGS])
            } else {
                &SUM_OF_LOGS
            }),
            name: "the loss",
            gist: Gist::Words("binary cross-entropy on logits"),
            words: "The outputs are logits: the sigmoid that turns them into probabilities is part of the loss, so the logarithm is never taken of 0. Where the target is 1, log σ(a) counts; where it is 0, log(1 − σ(a)) counts.",
        }
    }

    fn gradient_equation(&self) -> Equation {
        Equation {
            right: if self.reduction.is_mean { Expr::Mul(&[whole::SHARE, DIFFERENCE]) } else { DIFFERENCE },
            name: "the derivative of the loss",
            gist: Gist::None,
            words: "Sigmoid and binary cross-entropy together have a simple derivative: the probability minus the target.",
        }
    }
}
