//! `upsample`: enlarges an image by `scale_factor`. It is PyTorch's `torch.nn.Upsample` with `align_corners=False`.
//!
//! The input has C x H x W entries, the output C x sH x sW. Both modes work along the rows and along the columns in the same way:
//!
//! - `mode = "nearest"` repeats each entry: output o copies input ⌊o / s⌋.
//! - `mode = "bilinear"` interpolates. Output o is at the position p = max(0, (o + ½) / s − ½) of the input. With i = ⌊p⌋ and λ = p − i, its value is
//!   (1 − λ) · x\[i\] + λ · x\[i + 1\], or x\[i\] if i is the last input.
//!
//! For s = 2, (0 4) becomes (0 0 4 4) or (0 1 3 4).
//!
//! The derivative of an input is a sum over the outputs that read the input: each output's error is multiplied by the weight of the input in this output.

use std::sync::Arc;

use super::constant_weights::{ConstantWeights, Weights};
use super::layer::{A, Args, Layer, LayerKind, Reported, Stage, StageSource};
use super::ranges::{RangeAxis, RangeEdges};
use super::rule::{Equation, Gist};
use crate::expr::{Expr, Form, Primitive, SUM, whole};

/// The row of `upsample` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind {
    name: "upsample",
    default_name: "up",
    keys: &["scale_factor", "mode"],
    rank: Some(3),
    has_several_inputs: false,
    activation: None,
    build,
};

/// The image enlarged by repetition; notation only.
const NEAREST: &Primitive = &Primitive::new("nearest").form(Form::Call);
/// The image enlarged by interpolation; notation only.
const BILINEAR: &Primitive = &Primitive::new("bilinear").form(Form::Call);

/// For each mode, the equations of y and of ∂C/∂x.
const EQUATIONS: [[Equation; 2]; 2] = [
    [
        Equation {
            right: Expr::Of(NEAREST, &[whole::X]),
            name: "upsampling, nearest",
            gist: Gist::Words("each entry several times"),
            words: "Each entry of the image is repeated, scale_factor times down and across. Every output is a copy of one entry.",
        },
        Equation {
            right: Expr::Remark(&Expr::Of(SUM, &[whole::DY]), "over its copies"),
            name: "the errors of the copies are added up",
            gist: Gist::None,
            words: "An entry changes the loss through each of its copies, so its derivative is the sum of their derivatives.",
        },
    ],
    [
        Equation {
            right: Expr::Of(BILINEAR, &[whole::X]),
            name: "upsampling, bilinear",
            gist: Gist::Words("a weighted mean of neighbours"),
            words: "An output lies between the entries of the image: it is the mean of its neighbours, and a nearer neighbour counts more. At the border there are fewer neighbours.",
        },
        Equation {
            right: Expr::Remark(&Expr::Of(SUM, &[whole::DY]), "times the weights of the interpolation"),
            name: "the errors go back by the same weights",
            gist: Gist::None,
            words: "An output passes its error to the entries that it was interpolated from, each times its weight.",
        },
    ],
];

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let [channels, height, width] = args.image()?;
    let least = 1;
    let scale = args.pair("scale_factor", least)?;
    let is_bilinear = args.choice("mode", &["nearest", "bilinear"])? == Some("bilinear");
    let Some(scale) = scale else {
        return Err(args.fail("scale_factor", "scale_factor is missing".to_owned(), "add scale_factor = 2, or [vertical, horizontal]"));
    };
    let (Some(rows), Some(columns)) = (height.checked_mul(scale[0]), width.checked_mul(scale[1])) else {
        return Err(args.fail_for_sizes("scale_factor", "the output would be too large".to_owned(), "take a smaller scale_factor"));
    };
    args.claim(&[channels, rows, columns])?; // the output
    // each row and each column of the output needs about six numbers: two for the range of inputs that it reads, at most two weights, and two for the range
    // of outputs that read an input (there are at most as many inputs as outputs)
    args.claim(&[6, rows])?;
    args.claim(&[6, columns])?;
    let [(rows, row_weights), (columns, column_weights)] = [(height, scale[0]), (width, scale[1])]
        .map(|(inputs, scale)| if is_bilinear { bilinear_ranges(inputs, scale) } else { nearest_ranges(inputs, scale) });
    let edges = RangeEdges { channels, axes: [rows, columns], weights: [row_weights, column_weights] };
    let (weights, [forward, backward]) = if is_bilinear { (Weights::ByEdge, EQUATIONS[1]) } else { (Weights::Unweighted, EQUATIONS[0]) };
    let a = Stage::new(A).with_part(Arc::new(ConstantWeights::new(edges, weights, forward, backward)), [StageSource::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}

/// The range of inputs that each output reads along an axis, in the mode `nearest`. There are no weights.
fn nearest_ranges(inputs: usize, scale: usize) -> (RangeAxis, Vec<f64>) {
    (RangeAxis::new((0..inputs * scale).map(|output| output / scale..output / scale + 1).collect(), inputs), Vec::new())
}

/// The range of inputs that each output reads along an axis, in the mode `bilinear`, and the weight of each input in the ranges. An input with the weight 0 is
/// in no range.
fn bilinear_ranges(inputs: usize, scale: usize) -> (RangeAxis, Vec<f64>) {
    let mut weights = Vec::new();
    let range = |output: usize| {
        #[allow(clippy::cast_precision_loss)] // no axis has 2⁵³ entries
        let position = ((output as f64 + 0.5) / scale as f64 - 0.5).max(0.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at least 0, and less than the number of inputs
        let (first, share) = (position as usize, position.fract());
        if share == 0.0 || first + 1 >= inputs {
            weights.push(1.0);
            return first..first + 1;
        }
        weights.extend([1.0 - share, share]);
        first..first + 2
    };
    (RangeAxis::new((0..inputs * scale).map(range).collect(), inputs), weights)
}
