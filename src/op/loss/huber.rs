//! `huber`: PyTorch's `HuberLoss`. With d = a − t, C = Σ of ½ d² if |d| ≤ δ, else δ (|d| − ½ δ), or the mean.
//!
//! For δ = 1, d = 0.5 gives 0.125 with the derivative 0.5, and d = −3 gives 2.5 with the derivative −1.

use super::distance::Distance;
use super::{Loss, LossKind, NetworkOutput};
use crate::expr::{Case, Definition, Expr, Primitive, Relation};
use crate::op::functions::{ABS, HALF, X as D};
use crate::op::layer::{Args, Reported};

/// The row of this loss in the registry.
pub const KIND: LossKind = LossKind { name: "huber", keys: &["reduction", "delta"], build };

fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    HUBER.build(args, output, Some(("delta", 1.0)))
}

const DELTA: Expr = Expr::Arg(1);
const SIZE: Expr = Expr::Of(ABS, &[D]);
const SQUARE: Case = Case { left: SIZE, is: Relation::AtMost, right: DELTA, value: Expr::Mul(&[HALF, Expr::Square(&D)]) };
const BELOW: Case = Case { left: D, is: Relation::Less, right: Expr::Neg(&DELTA), value: Expr::Neg(&DELTA) };
const ABOVE: Case = Case { left: D, is: Relation::Greater, right: DELTA, value: DELTA };
const LINE: Expr = Expr::Mul(&[DELTA, Expr::Sub(&[SIZE, Expr::Mul(&[HALF, DELTA])])]);
const HUBER: Distance = Distance::new(
    &Primitive::differentiable("huber", Definition::Expr(&Expr::Cases(&[SQUARE], &LINE)), &[Expr::Cases(&[BELOW, ABOVE], &D)])
        .of(&["d", "delta"]),
    "A squared error where |d| is at most delta, a straight line beyond, so that a single outlier does not dominate the loss; d is a − t.",
    "Up to delta the derivative is the error d itself, as with a squared error; beyond, it stays delta or −delta however far the output is off.",
);
