//! `avg_pool2d`: the mean of each window of a channel, a convolution with the constant filter 1/n.
//!
//! The input has C x H x W entries, the output C x H' x W' with H' = ⌊(H + 2 · padding − kh) / stride⌋ + 1.
//!
//! | computed | equation |
//! | --- | --- |
//! | output | `y[o] = Σ x[i] / n` over the window of o |
//! | input gradient | `∂C/∂x[i] = Σ ∂C/∂y[o] / n` over the outputs o whose window contains i |
//!
//! n is kh · kw, or with `count_include_pad = false` the number of places that are not padding. The window (1 2; 3 6) gives 12/4 = 3, and an error of
//! 8 gives each of its entries 2.
//!
//! Source: PyTorch's `torch.nn.AvgPool2d`.

use std::sync::Arc;

use super::constant_weights::{ConstantWeights, Weights};
use super::edges::{Edges, View};
use super::layer::{A, Args, Layer, LayerKind, Reported, Stage, StageSource};
use super::pool::{shape, windows};
use super::rule::{Equation, Gist};
use crate::expr::{Expr, MEAN, whole};
use crate::tensor::len;

/// The entry of the layer registry.
pub const KIND: LayerKind = LayerKind {
    name: "avg_pool2d",
    base: "pool",
    keys: &["kernel_size", "stride", "padding", "count_include_pad"],
    rank: Some(3),
    joins: false,
    activation: None,
    build,
};

/// The explanations of the forward and the backward pass: without padding, with padding that counts as zeros, and with padding that does not count.
const WORDS: [(&str, &str); 3] = [
    (
        "Each window keeps the mean of its entries: every one of the n counts 1/n. It is a convolution with a filter that is 1/n everywhere and does not learn.",
        "All entries of a window have the same part in its mean, so each gets the same share of the error, 1/n. An entry that lies in several windows gets a share of each.",
    ),
    (
        "Each window keeps the mean of its n places: every entry counts 1/n, and padding counts as zeros: it makes no step, but is included in n. It is a convolution with a filter that is 1/n everywhere and does not learn.",
        "All places of a window have the same part in its mean, so each entry gets the same share of the error, 1/n, where n counts the padding too. An entry that lies in several windows gets a share of each.",
    ),
    (
        "Each window keeps the mean of its entries: every one of the n counts 1/n. Padding is left out (count_include_pad is false), so n is smaller for a window at the border.",
        "All entries of a window have the same part in its mean, so each gets the same share of the error, 1/n. Padding does not count in n, and an entry that lies in several windows gets a share of each.",
    ),
];

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let include = args.flag("count_include_pad")?.unwrap_or(true);
    let windows = windows(args)?;
    let shape = shape(&windows);
    let weights = if include {
        if let Some(filter) = windows.constant_filter() {
            args.claim(&filter)?;
        }
        Weights::One(reciprocal(windows.rows.kernel * windows.columns.kernel))
    } else {
        args.claim(&shape)?;
        let taps = |output| windows.prefix_terms(View::Output, output + 1) - windows.prefix_terms(View::Output, output);
        Weights::ByOutput((0..len(&shape)).map(|output| reciprocal(usize::try_from(taps(output)).unwrap_or(usize::MAX))).collect())
    };
    let padded = args.pair("padding", 0)?.is_some_and(|padding| padding != [0, 0]);
    let (words, words_back) = WORDS[if padded { 1 + usize::from(!include) } else { 0 }];
    let equation =
        Equation { right: Expr::Of(MEAN, &[whole::X]), name: "average pooling", gist: Gist::Words("the mean of each window"), words };
    let back = Equation {
        right: Expr::Remark(&Expr::Mul(&[whole::SHARE, whole::DY]), "all over each window"),
        name: "the error is shared out",
        gist: Gist::None,
        words: words_back,
    };
    let a = Stage::new(A).with(Arc::new(ConstantWeights::new(windows, weights, equation, back)), [StageSource::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
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
