//! `max_pool1d` and `avg_pool1d`: the maximum and the mean of windows along an input of channels x length. They are PyTorch's `torch.nn.MaxPool1d` and
//! `AvgPool1d` for one sample.
//!
//! They do the same as [`max_pool2d`] and [`avg_pool2d`] on an image of one row, but each key has one number instead of a pair. Windows of two over (1 5 2 4)
//! have the maxima 5 and 4, and the means 3 and 3.

use super::layer::{Args, Layer, LayerKind, Reported};
use super::{avg_pool2d, max_pool2d};

/// The row of `max_pool1d` in [`LAYERS`](super::LAYERS).
pub const MAX: LayerKind = LayerKind { name: "max_pool1d", rank: Some(2), build: build_max, ..max_pool2d::KIND };

/// The row of `avg_pool1d` in [`LAYERS`](super::LAYERS).
pub const AVG: LayerKind = LayerKind { name: "avg_pool1d", rank: Some(2), build: build_avg, ..avg_pool2d::KIND };

fn build_max(args: &mut dyn Args) -> Result<Layer, Reported> {
    let is_1d = true;
    max_pool2d::pool_layer(args, is_1d)
}

fn build_avg(args: &mut dyn Args) -> Result<Layer, Reported> {
    let is_1d = true;
    avg_pool2d::pool_layer(args, is_1d)
}
