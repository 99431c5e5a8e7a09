//! `group_norm`: each group of neighbouring channels moved to mean 0 and stretched to variance 1, then scaled and shifted channel by channel.

use super::layer::{Args, Layer, LayerKind, Reported};
use super::norm::{GROUPS, Groups, normalised};

/// The row of the registry.
pub const KIND: LayerKind = LayerKind { name: "group_norm", base: "norm", keys: KEYS, rank: None, joins: false, activation: None, build };

const KEYS: &[&str] = &["num_groups", "weight", "bias", "eps"];

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.input_shape().to_vec();
    let channels = shape.first().copied().unwrap_or(1);
    let Some(groups) = args.integer("num_groups", 1)? else {
        return Err(args.fail_alone("num_groups", "num_groups is missing".to_owned(), "add num_groups = 2, or another number of groups"));
    };
    if !channels.is_multiple_of(groups) {
        let message = format!("{groups} groups do not divide {channels} channels evenly");
        return Err(args.fail("num_groups", message, "the number of channels must be a multiple of num_groups"));
    }
    normalised(args, &shape, Groups { shape: &[groups], parameters: &[channels], texts: &GROUPS })
}
