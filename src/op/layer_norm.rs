//! `layer_norm`: the whole tensor moved to mean 0 and stretched to variance 1, then scaled and shifted entry by entry.

use super::layer::{Args, Layer, LayerKind, Reported};
use super::norm::{Groups, WHOLE, normalised};

/// The row of the registry.
pub const KIND: LayerKind =
    LayerKind { name: "layer_norm", base: "norm", keys: &["weight", "bias", "eps"], rank: None, joins: false, activation: None, build };

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.input_shape().to_vec();
    normalised(args, &shape, Groups { shape: &[], parameters: &shape, texts: &WHOLE })
}
