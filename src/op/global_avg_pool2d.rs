//! `global_avg_pool2d`: the mean of each channel.
//!
//! The input has C x H x W entries, the output C x 1 x 1: `y[c] = Σ x[c, i, j] / (H · W)`, and `∂C/∂x[c, i, j] = ∂C/∂y[c] / (H · W)`. A channel with the
//! rows (1 2) and (3 6) gives (1 + 2 + 3 + 6) / 4 = 3.
//!
//! Source: PyTorch's `torch.nn.AdaptiveAvgPool2d(1)`; M. Lin, Q. Chen and S. Yan, "Network in network" (2013).

use std::sync::Arc;

use super::avg_pool2d::reciprocal;
use super::constant_weights::{ConstantWeights, Weights};
use super::contraction::Contraction;
use super::layer::{A, Args, Layer, LayerKind, Reported, Stage, StageSource};
use super::rule::{Equation, Gist};
use crate::expr::{Expr, MEAN, whole};

/// The row of `global_avg_pool2d` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind {
    name: "global_avg_pool2d",
    default_name: "pool",
    keys: &[],
    rank: Some(3),
    has_several_inputs: false,
    activation: None,
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let [channels, height, width] = args.image()?;
    let shape = [channels, 1, 1];
    args.claim(&shape)?; // the memory of the output
    let no_weight = &[];
    // c: the channel; a: the pixel within its channel
    let sum_over_channel = Contraction::einsum("ca->c", &[('c', channels), ('a', height * width)]);
    let sum_over_channel = sum_over_channel.with_shapes(&[channels, height, width], no_weight, &shape).on_image();
    let equation = Equation {
        right: Expr::Of(MEAN, &[whole::X]),
        name: "global average pooling",
        gist: Gist::Words("the mean of each channel"),
        words: "A whole channel becomes one number, its mean: how strong its feature is in the image, at any position.",
    };
    let back = Equation {
        right: Expr::Remark(&Expr::Mul(&[whole::SHARE, whole::DY]), "all over the channel"),
        name: "the error is shared out",
        gist: Gist::None,
        words: "All n entries of a channel have the same weight in its mean, so each gets the same share of the error, 1/n.",
    };
    let mean = ConstantWeights::new(sum_over_channel, Weights::Uniform(reciprocal(height * width)), equation, back);
    let a = Stage::new(A).with_part(Arc::new(mean), [StageSource::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}
