//! `avg_pool2d`: the mean of each window of a channel. It is a convolution whose filter is 1/n everywhere.
//!
//! The input x has C x H x W entries (channels, height, width), and a window has kh x kw positions. The output y has C x H' x W' entries with
//! H' = ⌊(H + 2 · padding − kh) / stride⌋ + 1, and likewise W'. With `ceil_mode` the number is rounded up.
//!
//! | computed | equation |
//! | --- | --- |
//! | output | `y[o] = Σ x[i] / n` over the window of o |
//! | input gradient | `∂C/∂x[i] = Σ ∂C/∂y[o] / n` over the outputs o whose window contains i |
//!
//! n is the number of positions of the window that are on the input or its padding. This number is kh · kw, except where the window reaches beyond the padding,
//! which is possible with `ceil_mode`. With `count_include_pad = false`, n is the number of positions on the input alone. The window (1 2; 3 6) has the mean
//! 12/4 = 3. If ∂C/∂y of this window is 8, each of its four entries gets 8/4 = 2.
//!
//! Source: PyTorch's `torch.nn.AvgPool2d`.

use std::sync::Arc;

use super::constant_weights::{ConstantWeights, Weights};
use super::conv2d::Conv2d;
use super::edges::{Edges, View};
use super::layer::{A, Args, Layer, LayerKind, Reported, Stage, StageSource};
use super::pool::{output_shape, read_windows};
use super::rule::{Equation, Function, Gist};
use crate::expr::{Expr, MEAN, whole};
use crate::tensor::len;

/// The row of `avg_pool2d` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind {
    name: "avg_pool2d",
    default_name: "pool",
    keys: &["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"],
    rank: Some(3),
    has_several_inputs: false,
    activation: None,
    build,
};

/// The explanations (forward pass, backward pass): first without padding, then with padding that is included in n, then with padding that is not.
const WORDS: [(&str, &str); 3] = [
    (
        "Each window becomes the mean of its n entries: each entry counts 1/n. It is a convolution with a filter that is 1/n everywhere and does not learn.",
        "All entries of a window have the same weight in its mean, so each gets the same share of the error, 1/n. An entry that lies in several windows gets a share of each.",
    ),
    (
        "Each window becomes the mean of its n places: each entry counts 1/n. Padding counts as zeros: it has no step, but n includes it. It is a convolution with a filter that is 1/n everywhere and does not learn.",
        "All places of a window have the same weight in its mean, so each entry gets the same share of the error, 1/n, where n counts the padding too. An entry that lies in several windows gets a share of each.",
    ),
    (
        "Each window becomes the mean of its n entries: each entry counts 1/n. Padding does not count (count_include_pad is false), so n is smaller for a window at the border.",
        "All entries of a window have the same weight in its mean, so each gets the same share of the error, 1/n. Padding does not count in n, and an entry that lies in several windows gets a share of each.",
    ),
];

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let is_1d = false;
    pool_layer(args, is_1d)
}

/// Makes the layer `avg_pool1d`, which reads channels x length, if `is_1d` is `true`. Otherwise makes the layer `avg_pool2d`, which reads an image.
///
/// # Errors
/// If a key is faulty, or no window fits.
pub fn pool_layer(args: &mut dyn Args, is_1d: bool) -> Result<Layer, Reported> {
    let count_include_pad = args.flag("count_include_pad")?.unwrap_or(true);
    let windows = read_windows(args, is_1d)?;
    if count_include_pad && !reaches_beyond_padding(&windows) {
        // a fast kernel computes the pool as a convolution; this is the memory of its filter, which is 1/n everywhere
        if let Some(filter_shape) = windows.constant_filter_shape() {
            args.claim(&filter_shape)?;
        }
    } else {
        args.claim(&output_shape(&windows))?; // the weight 1/n of each output; `read_windows` has claimed the memory of the outputs
    }
    Ok(layer_of(pool_function(windows, count_include_pad)))
}

/// The texts of a pool that takes means.
#[derive(Clone, Copy, Debug)]
pub struct MeanTexts {
    /// The name of the computation.
    pub name: &'static str,
    /// Its summary.
    pub gist: &'static str,
    /// Its explanation.
    pub words: &'static str,
    /// The entries of the input among which the backward pass divides an output's error, in words: "all over each window".
    pub receivers: &'static str,
    /// The explanation of the backward pass.
    pub words_back: &'static str,
}

/// Creates the function of a pool that takes means. An edge ([`super::edges`]) is a pair of an input entry and an output entry that reads it. Each output is
/// the mean of the n inputs that it reads, so its edges have the weight 1/n.
#[must_use]
pub fn mean_of<E: Edges>(edges: E, weights: Weights, texts: MeanTexts) -> Arc<dyn Function> {
    const SHARE_OF_ERROR: Expr = Expr::Mul(&[whole::SHARE, whole::DY]);
    let MeanTexts { name, gist, words, receivers, words_back } = texts;
    let equation = Equation { right: Expr::Of(MEAN, &[whole::X]), name, gist: Gist::Words(gist), words };
    let back =
        Equation { right: Expr::Remark(&SHARE_OF_ERROR, receivers), name: "the error is shared out", gist: Gist::None, words: words_back };
    Arc::new(ConstantWeights::new(edges, weights, equation, back))
}

/// Returns the layer that is one function of its input.
#[must_use]
pub fn layer_of(function: Arc<dyn Function>) -> Layer {
    Layer { parameters: Vec::new(), stages: vec![Stage::new(A).with_part(function, [StageSource::Input(0)])] }
}

/// Creates the function of the pool: its input is the image.
#[must_use]
pub fn pool_function(windows: Conv2d, count_include_pad: bool) -> Arc<dyn Function> {
    let Conv2d { rows, columns, .. } = &windows;
    let weights = pool_weights(&windows, count_include_pad);
    let is_padded = [rows, columns].iter().any(|axis| axis.overhang(View::Output) != [0, 0]);
    let (words, words_back) = WORDS[match (is_padded, count_include_pad) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => 2,
    }];
    let (name, gist, receivers) = ("average pooling", "the mean of each window", "all over each window");
    mean_of(windows, weights, MeanTexts { name, gist, words, receivers, words_back })
}

/// Returns the weight of each position of a window: 1/n for a window with n positions that count.
#[must_use]
pub fn pool_weights(windows: &Conv2d, count_include_pad: bool) -> Weights {
    let shape = output_shape(windows);
    let Conv2d { rows, columns, .. } = windows;
    if count_include_pad && reaches_beyond_padding(windows) {
        // the positions of an output's window that are on the input or its padding
        let n = |y: usize, x: usize| rows.padded_window_len(y) * columns.padded_window_len(x);
        let channel = || (0..rows.output).flat_map(|y| (0..columns.output).map(move |x| reciprocal(n(y, x))));
        Weights::ByOutput((0..shape[0]).flat_map(|_| channel()).collect())
    } else if count_include_pad {
        Weights::Uniform(reciprocal(rows.kernel * columns.kernel))
    } else {
        // the positions of an output's window that are not padding
        let unpadded = |output| windows.prefix_terms(View::Output, output + 1) - windows.prefix_terms(View::Output, output);
        Weights::ByOutput((0..len(&shape)).map(|output| reciprocal(usize::try_from(unpadded(output)).unwrap_or(usize::MAX))).collect())
    }
}

/// Returns whether some windows have positions beyond the input and its padding.
fn reaches_beyond_padding(windows: &Conv2d) -> bool {
    [&windows.rows, &windows.columns].into_iter().any(|axis| axis.overhang(View::Output)[1] > axis.padding_after)
}

/// Returns 1/n.
///
/// ```
/// assert_eq!(gradstep::op::avg_pool2d::reciprocal(4), 0.25);
/// ```
#[must_use]
#[allow(clippy::cast_precision_loss)] // no tensor has 2⁵³ entries
pub fn reciprocal(n: usize) -> f64 {
    1.0 / n as f64
}
