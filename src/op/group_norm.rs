//! `group_norm`: PyTorch's `GroupNorm` (Wu and He, "Group Normalization", 2018).
//!
//! a = (x − mean) / √(var + ε) · weight + bias. The channels are divided into `num_groups` groups of neighbouring channels, and each group has its own mean and
//! variance. Weight and bias have one entry for each channel; both are optional.

use super::layer::{Args, Layer, LayerKind, Reported};
use super::norm::{NormGroups, PER_GROUP, norm_layer};
use crate::text::counted;

/// The row of `group_norm` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind =
    LayerKind { name: "group_norm", default_name: "norm", keys: KEYS, rank: None, has_several_inputs: false, activation: None, build };

const KEYS: &[&str] = &["num_groups", "weight", "bias", "eps"];

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.input_shape().to_vec();
    let channels = shape.first().copied().unwrap_or(1); // a single number is treated as one channel
    let least_groups = 1;
    let Some(groups) = args.integer("num_groups", least_groups)? else {
        return Err(args.fail("num_groups", "num_groups is missing".to_owned(), "add num_groups = 2, or another number of groups"));
    };
    if !channels.is_multiple_of(groups) {
        let message = format!("{} do not divide {} evenly", counted(groups, "group"), counted(channels, "channel"));
        return Err(args.fail_for_sizes("num_groups", message, "the number of channels must be a multiple of num_groups"));
    }
    norm_layer(args, &shape, NormGroups { statistics_shape: &[groups], parameters_shape: &[channels], equations: &PER_GROUP })
}
