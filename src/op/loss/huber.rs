//! `huber`: C = Σ ½ d² where |d| ≤ δ, else δ (|d| − ½ δ), of d = a − t, or the mean: PyTorch's `HuberLoss`.

use super::distance::Distance;
use super::{Loss, LossKind, Output};
use crate::expr::{Case, Definition, Expr, Primitive, Relation};
use crate::op::functions::{ABS, HALF, X as D};
use crate::op::layer::{Args, Reported};

/// The row of the registry.
pub const KIND: LossKind = LossKind { name: "huber", keys: &["reduction", "delta"], build };

fn build(args: &mut dyn Args, output: &Output<'_>) -> Result<Loss, Reported> {
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
    "A squared error for small misses and a straight line for those beyond delta, so that a single wild one does not rule the loss; d is a − t.",
    "Up to delta the output is pulled the harder the further it is off, as with a squared error; beyond, with delta however far it is.",
);
