//! `cross_entropy`: C = −Σ t log a of the output a of a softmax or sigmoid.
//!
//! The logarithm is computed from the activation's input z, so the loss is finite even if an output is rounded to 0. For a = (0.25, 0.75) and t = (0, 1),
//! C = −log 0.75 = 0.2877 and ∂C/∂a = (0, −1.333). If a is the output of a softmax, ∂C/∂z = a − t = (0.25, −0.25).
//!
//! PyTorch's `CrossEntropyLoss` reads logits; it is the loss `cross_entropy_with_logits`.

use std::sync::Arc;

use smallvec::smallvec;

use super::{
    A, A_ENTRY, ALL_A, ALL_T, Activation, Loss, LossKind, NetworkOutput, Pointwise, PointwiseLoss, Probabilities, RATIO, T, Z,
    log_for_weight, safe_ratio,
};
use crate::expr::{Expr, Join, LOG, SUM};
use crate::op::layer::{Args, Reported};
use crate::op::math::{log_sum_exp, softplus};
use crate::op::rule::{Equation, Factors, Gist, Memo, Operands, Rule, Term, Use, constant, derived, entry, evaluated};
use crate::op::slot::{Reads, Slot};

/// The row of this loss in [`LOSSES`](super::LOSSES).
pub const KIND: LossKind = LossKind { name: "cross_entropy", keys: &[], build };

fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    let Some(probabilities) = output.probabilities() else {
        let is_identity = output.activation.is_none_or(Activation::is_identity);
        let help = if is_identity {
            "use the loss \"cross_entropy_with_logits\", which reads raw outputs like PyTorch's CrossEntropyLoss, or give the last layer activation = \"softmax\""
        } else {
            "give the last layer activation = \"softmax\" (one class of several) or \"sigmoid\""
        };
        let message =
            format!("cross_entropy needs the output of a softmax or sigmoid, but {} has {}", output.layer, output.activation_words());
        return Err(args.fail("type", message, help));
    };
    let is_softmax = probabilities == Probabilities::Exclusive;
    let closed_formula: (Arc<dyn Rule>, _) = if is_softmax {
        (Arc::new(SoftmaxCrossEntropyBackward), SOFTMAX_ERROR)
    } else {
        (Arc::new(SigmoidCrossEntropyBackward), SIGMOID_ERROR)
    };
    Ok(Loss {
        function: Arc::new(PointwiseLoss(CrossEntropy { is_softmax })),
        reads_z: true,
        closed_formula: Some(closed_formula),
        target: None,
    })
}

/// ∂C/∂z = a Σt − t of a softmax. If the targets are probabilities, Σt is 1, and ∂C/∂z is a − t. a is the output of the softmax, so its slot is `Output`.
const SOFTMAX_ERROR: Expr = Expr::Sub(&[
    Expr::Product(Join::Juxtaposed, &[Expr::Entry(Slot::Output), Expr::Of(SUM, &[Expr::All(Slot::Target)])]),
    Expr::Entry(Slot::Target),
]);
/// ∂C/∂z = t (a − 1) of a sigmoid.
const SIGMOID_ERROR: Expr =
    Expr::Product(Join::Juxtaposed, &[Expr::Entry(Slot::Target), Expr::Sub(&[Expr::Entry(Slot::Output), Expr::Number(1.0)])]);

#[derive(Clone, Copy, Debug)]
struct CrossEntropy {
    /// `true` if the output is that of a softmax, `false` if it is that of a sigmoid.
    is_softmax: bool,
}

/// The two summands of log Σ exp z ([`log_sum_exp`]).
struct LogSumExp {
    /// The largest entry of z.
    largest: f64,
    /// log Σ exp(z − largest).
    log: f64,
}

impl CrossEntropy {
    /// log aᵢ, computed from z if z is an input of the function.
    fn log_a(&self, x: &Operands<'_>, i: usize) -> f64 {
        match x.tensors.get(Z) {
            None => log_for_weight(x.get(T, i), x.get(A, i)),
            Some(z) if self.is_softmax => {
                let LogSumExp { largest, log } = x.memo().expect("the memo of this rule");
                (z[i] - largest) - log
            }
            Some(z) => -softplus(-z[i]),
        }
    }
}

impl Pointwise for CrossEntropy {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        // only the softmax needs these two numbers
        let z = tensors.get(Z).filter(|_| self.is_softmax)?;
        let (largest, log) = log_sum_exp(z);
        Some(Arc::new(LogSumExp { largest, log }))
    }

    fn gradient_memo(&self, _tensors: &Reads<&[f64]>) -> Memo {
        None
    }

    fn loss_factors(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        smallvec![constant(-1.0), entry(x, T, i), derived(&Expr::Of(LOG, &[A_ENTRY]), A, i, self.log_a(x, i))]
    }

    fn loss_term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        Term::of_loss(self.loss_factors(x, i, term))
    }

    fn gradient_term(&self, x: &Operands<'_>, i: usize, _term: usize) -> Term {
        Term::product(smallvec![constant(-1.0), evaluated(x, &RATIO, A, i)])
    }

    fn loss_value(&self, x: &Operands<'_>, i: usize, _term: usize) -> f64 {
        let factors = [x.get(T, i), self.log_a(x, i)];
        // 0 · −∞ is taken as 0, as in the term
        let is_left_out = factors.contains(&0.0) && factors.contains(&f64::NEG_INFINITY);
        if is_left_out { 0.0 } else { -factors[0] * factors[1] }
    }

    fn gradient_value(&self, x: &Operands<'_>, i: usize, _term: usize) -> f64 {
        -safe_ratio(x.get(T, i), x.get(A, i))
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Neg(&Expr::Of(SUM, &[Expr::Product(Join::Juxtaposed, &[ALL_T, Expr::Of(LOG, &[ALL_A])])])),
            name: "the loss",
            gist: Gist::Words("cross-entropy"),
            words: "Only outputs whose target is not 0 count: the loss is the negative logarithm of the output there, 0 if this output is 1, and large if it is near 0.",
        }
    }

    fn gradient_equation(&self) -> Equation {
        Equation {
            right: Expr::Neg(&Expr::Div(&[ALL_T, ALL_A])),
            name: "the derivative of the loss",
            gist: Gist::None,
            words: "The derivative of −t log a is −t/a: 0 where the target is 0, and elsewhere larger the smaller the output is.",
        }
    }
}

/// The rule of δ = ∂C/∂z for softmax with cross-entropy: a Σt − t. Its two terms are a Σt and −t.
#[derive(Debug)]
struct SoftmaxCrossEntropyBackward;

/// The memo: the sum of the targets, Σt.
struct TargetSum(f64);

impl SoftmaxCrossEntropyBackward {
    fn target_sum(x: &Operands<'_>) -> f64 {
        let TargetSum(sum) = x.memo().expect("the memo of this rule");
        *sum
    }
}

impl Rule for SoftmaxCrossEntropyBackward {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        Some(Arc::new(TargetSum(tensors[Slot::Target].iter().sum())))
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let target_sum = Self::target_sum(x);
        for (i, sum) in out.iter_mut().enumerate() {
            *sum += x.get(Slot::Output, i) * target_sum;
            *sum -= x.get(Slot::Target, i);
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        2 * entry as u64
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        if term == 0 {
            return Term::product(smallvec![
                entry(x, Slot::Output, at),
                derived(&Expr::Of(SUM, &[Expr::All(Slot::Target)]), Slot::Target, at, Self::target_sum(x))
            ]);
        }
        Term::product(smallvec![constant(-1.0), entry(x, Slot::Target, at)])
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        match slot {
            Slot::Output => vec![Use { entry: at, term: 0 }],
            Slot::Target => {
                // the first term of every entry reads the sum of all targets
                let uses_in_sums = (0..x.tensors[Slot::Target].len()).map(|entry| Use { entry, term: 0 });
                uses_in_sums.chain([Use { entry: at, term: 1 }]).collect()
            }
            _ => Vec::new(),
        }
    }

    fn equation(&self) -> Equation {
        Equation {
            right: SOFTMAX_ERROR,
            name: "the error of softmax and cross-entropy in one step",
            gist: Gist::None,
            words: "Softmax and cross-entropy together have a simple error: the output (times Σt, mostly 1) minus the target. Here ∂C/∂a is not finite, because an output has reached 0, so the error is computed in one step.",
        }
    }
}

/// The rule of δ = ∂C/∂z for sigmoid with cross-entropy: t (a − 1).
#[derive(Debug)]
struct SigmoidCrossEntropyBackward;

impl Rule for SigmoidCrossEntropyBackward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (i, sum) in out.iter_mut().enumerate() {
            *sum += self.term(x, i, 0).value;
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        entry as u64
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        Term::product(smallvec![
            entry(x, Slot::Target, at),
            evaluated(x, &Expr::Sub(&[Expr::Entry(Slot::Output), Expr::Number(1.0)]), Slot::Output, at)
        ])
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if slot == Slot::Output || slot == Slot::Target { vec![Use { entry: at, term: 0 }] } else { Vec::new() }
    }

    fn equation(&self) -> Equation {
        Equation {
            right: SIGMOID_ERROR,
            name: "the error of sigmoid and cross-entropy in one step",
            gist: Gist::None,
            words: "Here ∂C/∂a is not finite, because an output has reached 0, so the error is computed in one step.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::checked::check_rules;

    #[test]
    fn the_sums_of_special_numbers_are_those_of_the_terms() {
        let special = [0.0, -0.0, 1.0, -0.3, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        for is_softmax in [false, true] {
            for (number, target) in special.into_iter().flat_map(|number| special.map(|target| (number, target))) {
                let loss = PointwiseLoss(CrossEntropy { is_softmax });
                let inputs = [vec![number, 0.5], vec![target, 0.0], vec![number, 0.0]];
                // without and with z
                check_rules(&loss, &[&[2][..]; 2], &inputs[..2]);
                check_rules(&loss, &[&[2][..]; 3], &inputs);
            }
        }
    }
}
