//! `smooth_l1`: PyTorch's `SmoothL1Loss`. C is the sum Σ f(a − t), or the mean over the outputs. Here f(d) = ½ d² / β if |d| < β, and f(d) = |d| − ½ β
//! otherwise. β is the value of the key `beta`.
//!
//! For β = 0.5, f(0.25) = 0.0625 with the derivative 0.5, and f(−3) = 2.75 with the derivative −1.

use super::distance::Distance;
use super::{Loss, LossKind, NetworkOutput};
use crate::expr::{Case, Definition, Expr, Primitive, Relation};
use crate::op::functions::{ABS, HALF, ONE, X as D};
use crate::op::layer::{Args, Reported};

/// The row of this loss in [`LOSSES`](super::LOSSES).
pub const KIND: LossKind = LossKind { name: "smooth_l1", keys: &["reduction", "beta"], build };

/// The row of PyTorch's function, whose default is the mean over the outputs.
pub const PYTORCH: LossKind = LossKind { name: "smooth_l1_loss", build: build_mean, ..KIND };

fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    SMOOTH_L1.build(args, output, "sum", Some(("beta", 1.0)))
}

fn build_mean(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    SMOOTH_L1.build(args, output, "mean", Some(("beta", 1.0)))
}

const BETA: Expr = Expr::Arg(1);
const ABS_D: Expr = Expr::Of(ABS, &[D]);
/// ½ d² / β
const PARABOLA: Expr = Expr::Div(&[Expr::Mul(&[HALF, Expr::Square(&D)]), BETA]);
/// The first case of f: the parabola if |d| < β.
const SQUARE: Case = Case { left: ABS_D, is: Relation::Less, right: BETA, value: PARABOLA };
/// The first case of f′: −1 if d ≤ −β.
const BELOW: Case = Case { left: D, is: Relation::AtMost, right: Expr::Neg(&BETA), value: Expr::Neg(&ONE) };
/// The second case of f′: 1 if d ≥ β.
const ABOVE: Case = Case { left: D, is: Relation::AtLeast, right: BETA, value: ONE };
/// f′, by cases.
const DERIVATIVE: &[Expr] = &[Expr::Cases(&[BELOW, ABOVE], &Expr::Div(&[D, BETA]))];
/// |d| − ½ β
const LINE: Expr = Expr::Sub(&[ABS_D, Expr::Mul(&[HALF, BETA])]);
const SMOOTH_L1: Distance = Distance::new(
    &Primitive::differentiable("smooth_l1", Definition::Expr(&Expr::Cases(&[SQUARE], &LINE)), DERIVATIVE)
        .arguments(&["d", "beta"])
        .smooth(),
    "The absolute error |d|, where d = a − t, with its corner rounded off: a parabola where |d| is less than beta, a straight line beyond.",
    "Beyond beta the derivative is the sign of d, the same for every distance; within beta it is d / beta, smaller near the target.",
);
