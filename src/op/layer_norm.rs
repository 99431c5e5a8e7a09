//! `layer_norm`: PyTorch's `LayerNorm` over all axes of the input (Ba, Kiros and Hinton, "Layer Normalization", 2016).
//!
//! a = (x − mean) / √(var + ε) · weight + bias, with the mean and the variance of the whole tensor x. Weight and bias have the shape of x; both are optional.

use super::layer::{Args, Layer, LayerKind, Reported};
use super::norm::{NormGroups, OVER_ALL, norm_layer};

/// The row of `layer_norm` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind {
    name: "layer_norm",
    default_name: "norm",
    keys: &["weight", "bias", "eps"],
    rank: None,
    has_several_inputs: false,
    activation: None,
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.input_shape().to_vec();
    // there is one group, so the mean and the variance are single numbers, with the shape `[]`
    norm_layer(args, &shape, NormGroups { statistics_shape: &[], parameters_shape: &shape, equations: &OVER_ALL })
}
