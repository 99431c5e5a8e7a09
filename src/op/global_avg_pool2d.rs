//! `global_avg_pool2d`: the mean of each channel.
//!
//! The input has C x H x W entries, the output C x 1 x 1: `y[c] = Σ x[c, i, j] / (H · W)`, and `∂C/∂x[c, i, j] = ∂C/∂y[c] / (H · W)`. A channel with the
//! rows (1 2) and (3 6) gives (1 + 2 + 3 + 6) / 4 = 3.
//!
//! Source: PyTorch's `torch.nn.AdaptiveAvgPool2d(1)`; M. Lin, Q. Chen and S. Yan, "Network in network" (2013).

use super::avg_pool2d::{MeanTexts, layer_of, mean_of, reciprocal};
use super::constant_weights::Weights;
use super::contraction::Contraction;
use super::layer::{Args, Layer, LayerKind, Reported};

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
    let texts = MeanTexts {
        name: "global average pooling",
        gist: "the mean of each channel",
        words: "A whole channel becomes one number, its mean: how strong its feature is in the image, at any position.",
        receivers: "all over the channel",
        words_back: "All n entries of a channel have the same weight in its mean, so each gets the same share of the error, 1/n.",
    };
    Ok(layer_of(mean_of(sum_over_channel, Weights::Uniform(reciprocal(height * width)), texts)))
}
