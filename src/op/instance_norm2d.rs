//! `instance_norm2d`: PyTorch's `InstanceNorm2d` (Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016).
//!
//! a = (x − mean) / √(var + ε) · weight + bias, with mean and variance over each channel of a C x H x W image. Weight and bias have one entry for each
//! channel; both are optional.

use super::layer::{Args, Layer, LayerKind, Reported};
use super::norm::{CHANNELS, NormGroups, normalised};

/// The row of `instance_norm2d` in the registry of layers.
pub const KIND: LayerKind = LayerKind {
    name: "instance_norm2d",
    base: "norm",
    keys: &["weight", "bias", "eps"],
    rank: Some(3),
    joins: false,
    activation: None,
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.image()?;
    let channels = [shape[0]];
    normalised(args, &shape, NormGroups { shape: &channels, parameters: &channels, equations: &CHANNELS })
}
