//! `squared_error`: C = ½ Σ (a − t)², or the sum or the mean of the squares: PyTorch's `MSELoss` for the sum and the mean.
//!
//! For a = (1, 3) and t = (0, 1), C = ½ (1 + 4) = 2.5 and ∂C/∂a = a − t = (1, 2).

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, A_ENTRY, Loss, LossKind, NetworkOutput, Pointwise, PointwiseLoss, T_ENTRY};
use crate::expr::{Expr, Join, SUM, whole};
use crate::op::layer::{Args, Reported};
use crate::op::rule::{Equation, Factors, Gist, Operands, Term, constant, evaluated};

/// The row of this loss in the registry.
pub const KIND: LossKind = LossKind { name: "squared_error", keys: &["reduction"], build };

fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    let reduction = args.choice("reduction", &["half_sum", "sum", "mean"])?.unwrap_or("half_sum");
    #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ entries
    let scale = match reduction {
        "half_sum" => 0.5,
        "sum" => 1.0,
        _ => 1.0 / crate::tensor::len(output.shape) as f64,
    };
    let (right, slope, words) = match reduction {
        "half_sum" => (
            Expr::Product(Join::Matrix, &[Expr::Name("½"), SQUARES]),
            DIFFERENCES,
            "The derivative of a square is twice what is squared, and the ½ of the loss cancels the 2: the further the output is off, the harder it is pulled.",
        ),
        "sum" => (
            SQUARES,
            Expr::Product(Join::Matrix, &[Expr::Number(2.0), DIFFERENCES]),
            "The derivative of a square is twice what is squared: the further the output is off, the harder it is pulled.",
        ),
        _ => (
            Expr::Product(Join::Matrix, &[whole::SHARE, SQUARES]),
            Expr::Product(Join::Matrix, &[Expr::Div(&[Expr::Number(2.0), whole::N]), DIFFERENCES]),
            "The derivative of a square is twice what is squared, and in the mean each of the n squares counts 1/n: the further the output is off, the harder it is pulled.",
        ),
    };
    Ok(Loss::entry_by_entry(Arc::new(PointwiseLoss(SquaredError { scale, right, slope, words }))))
}

#[derive(Clone, Copy, Debug)]
struct SquaredError {
    scale: f64,
    /// The expression of C.
    right: Expr,
    /// The expression of ∂C/∂a.
    slope: Expr,
    /// The explanation of the derivative.
    words: &'static str,
}

/// a − t, and Σ (a − t)²
const DIFFERENCES: Expr = Expr::Sub(&[whole::X, whole::W]);
const SQUARES: Expr = Expr::Of(SUM, &[Expr::Square(&DIFFERENCES)]);

const DIFFERENCE: Expr = Expr::Sub(&[A_ENTRY, T_ENTRY]);

impl Pointwise for SquaredError {
    fn loss(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        let difference = || evaluated(x, &DIFFERENCE, A, i);
        smallvec![constant(self.scale), difference(), difference()]
    }

    #[allow(clippy::float_cmp)] // 0.5 is exact
    fn gradient(&self, x: &Operands<'_>, i: usize, _term: usize) -> Term {
        let difference = evaluated(x, &DIFFERENCE, A, i);
        if self.scale == 0.5 {
            return Term::product(smallvec![difference]);
        }
        Term::product(smallvec![constant(2.0 * self.scale), difference])
    }

    fn equation(&self) -> Equation {
        Equation {
            right: self.right,
            name: "the loss",
            gist: Gist::Words("squared error"),
            words: "The squared distance of the output from its target: errors in both directions count, and large ones count most.",
        }
    }

    fn back(&self) -> Equation {
        Equation { right: self.slope, name: "the derivative of the loss", gist: Gist::None, words: self.words }
    }
}
