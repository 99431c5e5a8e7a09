//! `add`: y = x₀ + x₁ + …, the sum of the outputs of several layers, as in a skip connection.
//!
//! All summands and y have the same shape, and every summand has the derivative ∂C/∂xₙ = ∂C/∂y. For x₀ = (1, 2) and x₁ = (3, 4), y = (4, 6).
//!
//! Source: K. He and others, "Deep residual learning for image recognition" (2015).

use std::sync::Arc;

use super::constant_weights::{ConstantWeights, Weights};
use super::contraction::Contraction;
use super::layer::{A, Args, Layer, LayerKind, Reported, Stage, StageSource};
use super::rule::{Equation, Gist};
use crate::expr::whole;
use crate::tensor::shape_words;

/// The row of `add` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind =
    LayerKind { name: "add", default_name: "add", keys: &[], rank: None, has_several_inputs: true, activation: None, build };

/// The equation of one summand: the layer is a stage with one part, y = x, for each input.
const EQUATION: Equation = Equation {
    right: whole::X,
    name: "sum of layers",
    gist: Gist::Words("a skip connection"),
    words: "The outputs of several layers are added, entry by entry. An output that skips layers reaches the sum unchanged.",
};
/// The equation of ∂C/∂x for each summand x.
const BACK: Equation = Equation {
    right: whole::DY,
    name: "the error goes to every summand",
    gist: Gist::None,
    words: "Each summand gets the error of the sum, unchanged: the skip connection passes it back without the layers in between.",
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    // leading axes of size 1 make no difference: (3) and 1x3 are the same shape here
    let rank = args.inputs().iter().map(|shape| shape.len()).max().unwrap_or(0);
    let with_leading_ones = |shape: &[usize]| [vec![1; rank - shape.len()], shape.to_vec()].concat();
    let shapes: Vec<Vec<usize>> = args.inputs().iter().map(|shape| with_leading_ones(shape)).collect();
    let shape = shapes[0].clone();
    if let Some(other) = shapes.iter().find(|other| **other != shape) {
        let message = format!("an add layer sums layers of one shape, but reads {} and {}", shape_words(&shape), shape_words(other));
        return Err(args.fail_for_sizes("from", message, "make their shapes equal first, with a convolution, a pool or a linear layer"));
    }
    args.claim(&shape)?; // the memory of the sum
    for _ in 0..shapes.len() {
        args.claim(&[])?; // each part of the stage takes some memory too: it counts as much as a scalar, whose shape is []
    }
    let sum = (0..shapes.len()).fold(Stage::new(A), |sum, input| {
        let summand = ConstantWeights::new(Contraction::elementwise(), Weights::Unweighted, EQUATION, BACK);
        sum.with_part(Arc::new(summand), [StageSource::Input(input)])
    });
    Ok(Layer { parameters: Vec::new(), stages: vec![sum] })
}
