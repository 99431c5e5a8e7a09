//! `binary_cross_entropy`: C = −Σ [t log a + (1 − t) log(1 − a)] of the output a = σ(z) of a sigmoid, or the mean over the outputs.
//!
//! PyTorch's `BCELoss` has the mean as its default, and may have a weight. It clamps the logarithms at −100, and keeps ∂C/∂a finite. Here the logarithms are
//! computed from z, for example log a = −log(1 + e⁻ᶻ), so the loss is finite even if a is rounded to 0 or 1, but ∂C/∂a may be infinite. For a = 0.5 and t = 1,
//! C = −log 0.5 = 0.6931 and ∂C/∂a = −1/0.5 = −2.

use std::sync::Arc;

use smallvec::smallvec;

use super::{
    A, A_ENTRY, ALL_A, ALL_T, COMPLEMENT_RATIO, Loss, LossKind, LossReduction, NetworkOutput, ONE_MINUS_A, ONE_MINUS_T, Pointwise,
    PointwiseLoss, Probabilities, RATIO, T, Z, log_for_weight,
};
use crate::expr::{Expr, Join, LOG, SUM, whole};
use crate::op::layer::{Args, Reported};
use crate::op::math::softplus;
use crate::op::rule::{
    Equation, Factors, Gist, Operands, Rule, Term, Use, constant, derived, elementwise_use, entry, evaluated, one_term_each,
};
use crate::op::slot::Slot;

/// The row of this loss in [`LOSSES`](super::LOSSES).
pub const KIND: LossKind = LossKind { name: "binary_cross_entropy", keys: &["reduction"], build };

fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    let reduction = LossReduction::read(args, output);
    if output.probabilities() != Some(Probabilities::Independent) {
        let help = match (output.activation, output.probabilities()) {
            (None, _) => "give the last layer activation = \"sigmoid\", or use the loss \"binary_cross_entropy_with_logits\"",
            (_, Some(Probabilities::Exclusive)) => {
                "after a softmax use the loss \"cross_entropy\"; for classes that do not exclude one another give the last layer activation = \"sigmoid\""
            }
            _ => "give the last layer activation = \"sigmoid\"",
        };
        let message = format!("binary_cross_entropy needs the output of a sigmoid, but {} has {}", output.layer, output.activation_words());
        return Err(args.fail("type", message, help));
    }
    let reduction = reduction?;
    Ok(Loss {
        function: Arc::new(PointwiseLoss(BinaryCrossEntropy { reduction })),
        reads_z: true,
        closed_formula: Some((Arc::new(SigmoidBinaryCrossEntropyBackward { reduction }), sigmoid_error(reduction.is_mean))),
        target: None,
    })
}

/// Σ t log a + (1 − t) log(1 − a).
const SUM_OF_LOGS: Expr = Expr::Of(
    SUM,
    &[Expr::Add(&[
        Expr::Product(Join::Juxtaposed, &[ALL_T, Expr::Of(LOG, &[ALL_A])]),
        Expr::Product(Join::Juxtaposed, &[ONE_MINUS_ALL_T, Expr::Of(LOG, &[ONE_MINUS_ALL_A])]),
    ])],
);
/// −t / a + (1 − t) / (1 − a), in the order of the terms
const RATIOS: Expr = Expr::Add(&[Expr::Neg(&Expr::Div(&[ALL_T, ALL_A])), Expr::Div(&[ONE_MINUS_ALL_T, ONE_MINUS_ALL_A])]);
const ONE_MINUS_ALL_A: Expr = Expr::Sub(&[whole::ONE, ALL_A]);
const ONE_MINUS_ALL_T: Expr = Expr::Sub(&[whole::ONE, ALL_T]);
/// a − t in [`SigmoidBinaryCrossEntropyBackward`], where a is the activation's output
const DIFFERENCE: Expr = Expr::Sub(&[Expr::Entry(Slot::Output), Expr::Entry(Slot::Target)]);

/// ∂C/∂z of the sigmoid: a − t, or (a − t) / n for the mean.
const fn sigmoid_error(is_mean: bool) -> Expr {
    if is_mean { Expr::Mul(&[whole::SHARE, DIFFERENCE]) } else { DIFFERENCE }
}

/// The loss C, as a function of a, t and z.
#[derive(Clone, Copy, Debug)]
struct BinaryCrossEntropy {
    reduction: LossReduction,
}

impl Pointwise for BinaryCrossEntropy {
    // −t log a and −(1 − t) log(1 − a)
    const LOSS_TERMS: usize = 2;
    // −t / a and (1 − t) / (1 − a)
    const GRADIENT_TERMS: usize = 2;

    fn loss_factors(&self, x: &Operands<'_>, i: usize, term: usize) -> Factors {
        let (t, a) = (x.get(T, i), x.get(A, i));
        // log a and log(1 − a), computed from z if z is an input of the function
        let [log_a, log_one_minus_a] = match x.tensors.get(Z) {
            Some(z) => [-softplus(-z[i]), -softplus(z[i])],
            None => [log_for_weight(t, a), log_for_weight(1.0 - t, 1.0 - a)],
        };
        if term == 0 {
            smallvec![constant(-self.reduction.scale), entry(x, T, i), derived(&Expr::Of(LOG, &[A_ENTRY]), A, i, log_a)]
        } else {
            smallvec![
                constant(-self.reduction.scale),
                evaluated(x, &ONE_MINUS_T, T, i),
                derived(&Expr::Of(LOG, &[ONE_MINUS_A]), A, i, log_one_minus_a)
            ]
        }
    }

    fn loss_term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        Term::of_loss(self.loss_factors(x, i, term))
    }

    fn gradient_term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        if term == 0 {
            return Term::product(smallvec![constant(-self.reduction.scale), evaluated(x, &RATIO, A, i)]);
        }
        let ratio = evaluated(x, &COMPLEMENT_RATIO, A, i);
        Term::product(self.reduction.scaled(ratio))
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Neg(if self.reduction.is_mean {
                &Expr::Product(Join::Juxtaposed, &[whole::SHARE, SUM_OF_LOGS])
            } else {
                &SUM_OF_LOGS
            }),
            name: "the loss",
            gist: Gist::Words("binary cross-entropy"),
            words: "Every output answers its own yes-or-no question. Where the target is 1, log a counts; where it is 0, log(1 − a) counts. The loss is large where the output is near 1 or 0 and wrong.",
        }
    }

    fn gradient_equation(&self) -> Equation {
        Equation {
            right: if self.reduction.is_mean { Expr::Mul(&[whole::SHARE, RATIOS]) } else { RATIOS },
            name: "the derivative of the loss",
            gist: Gist::None,
            words: "The derivative of −t log a is −t/a and pulls the output up; that of −(1−t) log(1−a) is (1−t)/(1−a) and pushes it down. Both are largest where the output is near 1 or 0 and wrong.",
        }
    }
}

/// The rule of δ = ∂C/∂z for sigmoid with binary cross-entropy: a − t, or (a − t) / n for the mean.
#[derive(Debug)]
struct SigmoidBinaryCrossEntropyBackward {
    reduction: LossReduction,
}

impl Rule for SigmoidBinaryCrossEntropyBackward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (i, sum) in out.iter_mut().enumerate() {
            *sum += self.term(x, i, 0).value;
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_term_each(entry)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None // every entry has a term
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let difference = evaluated(x, &DIFFERENCE, Slot::Output, at);
        Term::product(self.reduction.scaled(difference))
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if slot == Slot::Output || slot == Slot::Target { elementwise_use(at) } else { Vec::new() }
    }

    fn equation(&self) -> Equation {
        Equation {
            right: sigmoid_error(self.reduction.is_mean),
            name: "the error of sigmoid and binary cross-entropy in one step",
            gist: Gist::None,
            words: "Sigmoid and binary cross-entropy together have a simple error: the output minus the target. Here ∂C/∂a is not finite, because an output has reached 0 or 1, so the error is computed in one step.",
        }
    }
}
