//! `smooth_l1`: PyTorch's `SmoothL1Loss`. With d = a − t, C = Σ of ½ d² / β if |d| < β, else |d| − ½ β, or the mean.
//!
//! For β = 0.5, d = 0.25 gives 0.0625 with the derivative 0.5, and d = −3 gives 2.75 with the derivative −1.

use super::distance::Distance;
use super::{Loss, LossKind, NetworkOutput};
use crate::expr::{Case, Definition, Expr, Primitive, Relation};
use crate::op::functions::{ABS, HALF, ONE, X as D};
use crate::op::layer::{Args, Reported};

/// The row of this loss in the registry.
pub const KIND: LossKind = LossKind { name: "smooth_l1", keys: &["reduction", "beta"], build };

fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    SMOOTH.build(args, output, Some(("beta", 1.0)))
}

const BETA: Expr = Expr::Arg(1);
const SIZE: Expr = Expr::Of(ABS, &[D]);
const PARABOLA: Expr = Expr::Div(&[Expr::Mul(&[HALF, Expr::Square(&D)]), BETA]);
const SQUARE: Case = Case { left: SIZE, is: Relation::Less, right: BETA, value: PARABOLA };
const BELOW: Case = Case { left: D, is: Relation::AtMost, right: Expr::Neg(&BETA), value: Expr::Neg(&ONE) };
const ABOVE: Case = Case { left: D, is: Relation::AtLeast, right: BETA, value: ONE };
const SLOPE: &[Expr] = &[Expr::Cases(&[BELOW, ABOVE], &Expr::Div(&[D, BETA]))];
const LINE: Expr = Expr::Sub(&[SIZE, Expr::Mul(&[HALF, BETA])]);
const SMOOTH: Distance = Distance::new(
    &Primitive::differentiable("smooth_l1", Definition::Expr(&Expr::Cases(&[SQUARE], &LINE)), SLOPE).of(&["d", "beta"]),
    "The absolute error d = a − t with its corner rounded off: a parabola where |d| is less than beta, a straight line beyond.",
    "Beyond beta the output is pulled equally hard however far off it is; within beta, the less the nearer it is to the target.",
);
