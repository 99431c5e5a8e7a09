//! `instance_norm2d`: PyTorch's `InstanceNorm2d` (Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016).
//!
//! a = (x − mean) / √(var + ε) · weight + bias, for a C x H x W image x. Each channel has its own mean and variance. Weight and bias have one entry for each
//! channel; both are optional.

use super::layer::{Args, Layer, LayerKind, Reported};
use super::norm::{NormGroups, PER_CHANNEL, norm_layer};

/// The row of `instance_norm2d` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind {
    name: "instance_norm2d",
    default_name: "norm",
    keys: &["weight", "bias", "eps"],
    rank: Some(3),
    has_several_inputs: false,
    activation: None,
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.image()?;
    let channels = [shape[0]];
    norm_layer(args, &shape, NormGroups { statistics_shape: &channels, parameters_shape: &channels, equations: &PER_CHANNEL })
}
