//! `adaptive_avg_pool2d`: PyTorch's `torch.nn.AdaptiveAvgPool2d`. It divides each channel into windows and takes the mean of each window. The scenario file
//! gives the number of rows and columns of the output, and the windows follow from it.
//!
//! The input has C x H x W entries, the output C x H' x W' with [H', W'] = `output_size`. Output row o is the mean of the input rows i with ⌊o · H / H'⌋ ≤ i <
//! ⌈(o + 1) · H / H'⌉, and likewise for columns. If H' does not divide H, neighbouring windows overlap. For 3 inputs and 2 outputs, (1 3 8) has the means (1 +
//! 3) / 2 = 2 and (3 + 8) / 2 = 5.5.
//!
//! The derivative is ∂C/∂x\[i\] = Σ ∂C/∂y\[o\] / n. The sum is over the outputs o whose window contains i, and n is the number of entries of that window.

use super::avg_pool2d::{MeanTexts, layer_of, mean_of, reciprocal};
use super::constant_weights::Weights;
use super::layer::{Args, Layer, LayerKind, Reported};
use super::ranges::{RangeAxis, RangeEdges};

/// The row of `adaptive_avg_pool2d` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind {
    name: "adaptive_avg_pool2d",
    default_name: "pool",
    keys: &["output_size"],
    rank: Some(3),
    has_several_inputs: false,
    activation: None,
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let [channels, height, width] = args.image()?;
    let least = 1;
    let Some([rows, columns]) = args.pair("output_size", least)? else {
        return Err(args.fail("output_size", "output_size is missing".to_owned(), "add output_size = 1, or [rows, columns]"));
    };
    args.claim(&[channels, rows, columns])?; // the output
    args.claim(&[channels, rows, columns])?; // the weight 1/n of each output
    // about four numbers for each row and each column: the range of inputs of each output, and the range of outputs of each input
    args.claim(&[4, rows])?;
    args.claim(&[4, columns])?;
    let axes = [axis(height, rows), axis(width, columns)];
    let n = |y: usize, x: usize| axes[0].inputs_of(y).len() * axes[1].inputs_of(x).len();
    let channel: Vec<f64> = (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))).map(|(y, x)| reciprocal(n(y, x))).collect();
    let weights = Weights::ByOutput(channel.repeat(channels));
    let edges = RangeEdges { channels, axes, weights: [Vec::new(), Vec::new()] };
    let texts = MeanTexts {
        name: "adaptive average pooling",
        gist: "the mean of each window",
        words: "The channel is divided into as many windows as the output has entries, and each window becomes the mean of its n entries. If the sizes do not divide evenly, neighbouring windows overlap and n differs.",
        receivers: "all over each window",
        words_back: "All entries of a window have the same weight in its mean, so each gets the same share of the error, 1/n. An entry that lies in several windows gets a share of each.",
    };
    Ok(layer_of(mean_of(edges, weights, texts)))
}

/// The windows of `outputs` outputs along an axis of `inputs` inputs.
fn axis(inputs: usize, outputs: usize) -> RangeAxis {
    // o · inputs / outputs may overflow in usize
    let product = |o: usize| o as u128 * inputs as u128;
    let place = |n: u128| usize::try_from(n).unwrap_or(inputs);
    let window = |o: usize| place(product(o) / outputs as u128)..place(product(o + 1).div_ceil(outputs as u128));
    RangeAxis::new((0..outputs).map(window).collect(), inputs)
}
