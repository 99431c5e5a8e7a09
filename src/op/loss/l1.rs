//! `l1`: PyTorch's `L1Loss`, C = Σ |a − t|, or the mean over the outputs. The derivative of |d| at d = 0 is 0.
//!
//! For a = (1, −2) and t = (0, 0), C = 3 and ∂C/∂a = (1, −1).

use super::distance::Distance;
use super::{Loss, LossKind, NetworkOutput};
use crate::expr::{Definition, Expr, Primitive};
use crate::op::functions::{ABS, SIGN, X};
use crate::op::layer::{Args, Reported};

/// The row of this loss in [`LOSSES`](super::LOSSES).
pub const KIND: LossKind = LossKind { name: "l1", keys: &["reduction"], build };

/// The row of PyTorch's function, whose default is the mean over the outputs.
pub const PYTORCH: LossKind = LossKind { name: "l1_loss", build: build_mean, ..KIND };

fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    let second_key = None; // the only key is `reduction`
    L1.build(args, output, "sum", second_key)
}

fn build_mean(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    let second_key = None;
    L1.build(args, output, "mean", second_key)
}

const L1: Distance = Distance::new(
    &Primitive::differentiable("l1", Definition::Expr(&Expr::Of(ABS, &[X])), &[SIGN]).arguments(&["d"]),
    "The distance of every output from its target: |d| with d = a − t. One large error counts as much as several small errors with the same sum.",
    "The derivative of |d| is the sign of d: the same for every distance from the target, and 0 at the target.",
);
