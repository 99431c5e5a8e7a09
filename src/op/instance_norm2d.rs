//! `instance_norm2d`: each channel of an image moved to mean 0 and stretched to variance 1, then scaled and shifted.

use super::layer::{Args, Layer, LayerKind, Reported};
use super::norm::{CHANNELS, Groups, normalised};

/// The row of the registry.
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
    normalised(args, &shape, Groups { shape: &channels, parameters: &channels, texts: &CHANNELS })
}
