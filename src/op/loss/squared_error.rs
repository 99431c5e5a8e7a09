//! `squared_error`: C = ½ Σ (a − t)². With the key `reduction`, C is the sum Σ (a − t)² or the mean of the squares, as in PyTorch's `MSELoss`.
//!
//! For a = (1, 3) and t = (0, 1), C = ½ (1 + 4) = 2.5 and ∂C/∂a = a − t = (1, 2).

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, A_ENTRY, ALL_A, ALL_T, Loss, LossKind, NetworkOutput, Pointwise, PointwiseLoss, T, T_ENTRY};
use crate::expr::{Expr, Join, SUM, whole};
use crate::op::layer::{Args, Reported};
use crate::op::rule::{Equation, Factors, Gist, Operands, Term, constant, evaluated};

/// The row of this loss in [`LOSSES`](super::LOSSES).
pub const KIND: LossKind = LossKind { name: "squared_error", keys: &["reduction"], build };

/// The row of PyTorch's function, whose default is the mean over the outputs.
pub const PYTORCH: LossKind = LossKind { name: "mse_loss", build: build_mean, ..KIND };

fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    build_with(args, output, "half_sum")
}

fn build_mean(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    build_with(args, output, "mean")
}

/// Makes the loss. `default` is the reduction if the key is absent.
fn build_with(args: &mut dyn Args, output: &NetworkOutput<'_>, default: &'static str) -> Result<Loss, Reported> {
    let reduction = args.choice("reduction", &["half_sum", "sum", "mean"])?.unwrap_or(default);
    #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ entries
    let scale = match reduction {
        "half_sum" => 0.5,
        "sum" => 1.0,
        _ => 1.0 / crate::tensor::len(output.shape) as f64,
    };
    let (loss, derivative, derivative_words) = match reduction {
        "half_sum" => (
            Expr::Product(Join::Juxtaposed, &[Expr::Name("½"), SQUARES]),
            DIFFERENCES,
            "The derivative of a square is twice what is squared, and the ½ of the loss cancels the 2: the further the output is from the target, the larger the derivative.",
        ),
        "sum" => (
            SQUARES,
            Expr::Product(Join::Juxtaposed, &[Expr::Number(2.0), DIFFERENCES]),
            "The derivative of a square is twice what is squared: the further the output is from the target, the larger the derivative.",
        ),
        _ => (
            Expr::Product(Join::Juxtaposed, &[whole::SHARE, SQUARES]),
            Expr::Product(Join::Juxtaposed, &[Expr::Div(&[Expr::Number(2.0), whole::N]), DIFFERENCES]),
            "The derivative of a square is twice what is squared, and in the mean each of the n squares counts 1/n: the further the output is from the target, the larger the derivative.",
        ),
    };
    Ok(Loss::of_output_and_target(Arc::new(PointwiseLoss(SquaredError { scale, loss, derivative, derivative_words }))))
}

#[derive(Clone, Copy, Debug)]
struct SquaredError {
    /// The factor of each square: ½, 1 or 1/n.
    scale: f64,
    /// The expression of C.
    loss: Expr,
    /// The expression of ∂C/∂a.
    derivative: Expr,
    /// The explanation of the derivative.
    derivative_words: &'static str,
}

/// a − t of all entries.
const DIFFERENCES: Expr = Expr::Sub(&[ALL_A, ALL_T]);
/// Σ (a − t)²
const SQUARES: Expr = Expr::Of(SUM, &[Expr::Square(&DIFFERENCES)]);
/// a − t of one entry.
const DIFFERENCE: Expr = Expr::Sub(&[A_ENTRY, T_ENTRY]);

impl Pointwise for SquaredError {
    fn loss_factors(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        let difference = evaluated(x, &DIFFERENCE, A, i);
        smallvec![constant(self.scale), difference.clone(), difference]
    }

    #[allow(clippy::float_cmp)] // 0.5 is exact
    fn gradient_term(&self, x: &Operands<'_>, i: usize, _term: usize) -> Term {
        let difference = evaluated(x, &DIFFERENCE, A, i);
        // 2 · ½ = 1, and a factor of 1 is left out. The scale is ½ for `half_sum`, and for the mean of two outputs
        if self.scale == 0.5 {
            return Term::product(smallvec![difference]);
        }
        Term::product(smallvec![constant(2.0 * self.scale), difference])
    }

    fn loss_value(&self, x: &Operands<'_>, i: usize, _term: usize) -> f64 {
        let difference = x.get(A, i) - x.get(T, i);
        self.scale * difference * difference
    }

    fn gradient_value(&self, x: &Operands<'_>, i: usize, _term: usize) -> f64 {
        // 2 · ½ = 1, and 1 · x has the bits of x
        2.0 * self.scale * (x.get(A, i) - x.get(T, i))
    }

    fn equation(&self) -> Equation {
        Equation {
            right: self.loss,
            name: "the loss",
            gist: Gist::Words("squared error"),
            words: "The squared distance of the output from its target: errors in both directions count, and large ones count most.",
        }
    }

    fn gradient_equation(&self) -> Equation {
        Equation { right: self.derivative, name: "the derivative of the loss", gist: Gist::None, words: self.derivative_words }
    }
}
