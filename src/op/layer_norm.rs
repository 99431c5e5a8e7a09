//! `layer_norm`: PyTorch's `LayerNorm` over all axes of the input (Ba, Kiros and Hinton, "Layer Normalization", 2016).
//!
//! a = (x − mean) / √(var + ε) · weight + bias, with mean and variance over the whole tensor. Weight and bias have the shape of the input; both are optional.

use super::layer::{Args, Layer, LayerKind, Reported};
use super::norm::{NormGroups, WHOLE, normalised};

/// The row of `layer_norm` in the registry of layers.
pub const KIND: LayerKind =
    LayerKind { name: "layer_norm", base: "norm", keys: &["weight", "bias", "eps"], rank: None, joins: false, activation: None, build };

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.input_shape().to_vec();
    normalised(args, &shape, NormGroups { shape: &[], parameters: &shape, equations: &WHOLE })
}
