//! `l1`: C = Σ |a − t|, or the mean; the derivative at 0 is 0, as in PyTorch's `L1Loss`.

use super::distance::Distance;
use super::{Loss, LossKind, Output};
use crate::expr::{Definition, Expr, Primitive};
use crate::op::functions::{ABS, SIGN, X};
use crate::op::layer::{Args, Reported};

/// The row of the registry.
pub const KIND: LossKind = LossKind { name: "l1", keys: &["reduction"], build };

fn build(args: &mut dyn Args, output: &Output<'_>) -> Result<Loss, Reported> {
    L1.build(args, output, None)
}

const L1: Distance = Distance::new(
    &Primitive::differentiable("l1", Definition::Expr(&Expr::Of(ABS, &[X])), &[SIGN]).of(&["d"]),
    "How far the output d = a − t is from its target, on either side: every miss counts as it is, large ones no more than small ones together.",
    "The derivative of |d| is the sign of d: the output is pulled equally hard however far off it is, and not at all where it is right.",
);
