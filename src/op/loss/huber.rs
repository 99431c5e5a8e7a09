//! `huber`: PyTorch's `HuberLoss`. C is the sum Σ f(a − t), or the mean over the outputs. Here f(d) = ½ d² if |d| ≤ δ, and f(d) = δ (|d| − ½ δ) otherwise. δ is
//! the value of the key `delta`.
//!
//! For δ = 1, f(0.5) = 0.125 with the derivative 0.5, and f(−3) = 2.5 with the derivative −1.

use super::distance::Distance;
use super::{Loss, LossKind, NetworkOutput};
use crate::expr::{Case, Definition, Expr, Primitive, Relation};
use crate::op::functions::{ABS, HALF, X as D};
use crate::op::layer::{Args, Reported};

/// The row of this loss in [`LOSSES`](super::LOSSES).
pub const KIND: LossKind = LossKind { name: "huber", keys: &["reduction", "delta"], build };

/// The row of PyTorch's function, whose default is the mean over the outputs.
pub const PYTORCH: LossKind = LossKind { name: "huber_loss", build: build_mean, ..KIND };

fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    HUBER.build(args, output, "sum", Some(("delta", 1.0)))
}

fn build_mean(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    HUBER.build(args, output, "mean", Some(("delta", 1.0)))
}

const DELTA: Expr = Expr::Arg(1);
const ABS_D: Expr = Expr::Of(ABS, &[D]);
/// The first case of f: ½ d² if |d| ≤ δ.
const SQUARE: Case = Case { left: ABS_D, is: Relation::AtMost, right: DELTA, value: Expr::Mul(&[HALF, Expr::Square(&D)]) };
/// The first case of f′: −δ if d < −δ.
const BELOW: Case = Case { left: D, is: Relation::Less, right: Expr::Neg(&DELTA), value: Expr::Neg(&DELTA) };
/// The second case of f′: δ if d > δ.
const ABOVE: Case = Case { left: D, is: Relation::Greater, right: DELTA, value: DELTA };
/// δ (|d| − ½ δ)
const LINE: Expr = Expr::Mul(&[DELTA, Expr::Sub(&[ABS_D, Expr::Mul(&[HALF, DELTA])])]);
const HUBER: Distance = Distance::new(
    &Primitive::differentiable("huber", Definition::Expr(&Expr::Cases(&[SQUARE], &LINE)), &[Expr::Cases(&[BELOW, ABOVE], &D)])
        .arguments(&["d", "delta"])
        .smooth(),
    "A squared error where |d| is at most delta, a straight line beyond, so that a single outlier does not dominate the loss; d is a − t.",
    "Up to delta the derivative is the error d itself, as with a squared error; beyond, it stays delta or −delta at every distance.",
);
