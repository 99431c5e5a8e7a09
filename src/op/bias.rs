//! The bias of a layer: one number for each channel, which is added to every neuron of the channel. The gradient of this number is the sum of the errors of
//! these neurons.

use super::constant_weights::{ConstantWeights, Weights};
use super::contraction::{Contraction, Label};
use super::rule::{Equation, Gist};
use crate::expr::{Expr, SUM, whole};
use crate::tensor::len;

/// Creates the function y = b, which repeats each entry of b over its channel. `bias_shape` is the shape of b, and `shape` is the shape of y. For
/// b = (1, 2) and a y of 2x3 entries, y = (1 1 1; 2 2 2).
///
/// # Panics
/// Does not happen: the `expect` cannot fail, because an entry has at most one loop.
#[must_use]
pub fn bias(bias_shape: &[usize], shape: &[usize]) -> ConstantWeights<Contraction> {
    let channels = len(bias_shape);
    let area = len(shape) / channels;
    // the einsum `c->ca`, with the strides of the labels in input, weight and output. c: the channel; a: the neuron within its channel
    let c = Label { size: channels, strides: [1, 0, area] };
    let a = Label { size: area, strides: [0, 0, 1] };
    let no_weight: &[usize] = &[];
    let edges = Contraction::new(&[c, a]).expect("at most one loop remains").with_shapes(bias_shape, no_weight, shape);
    ConstantWeights::new(edges, Weights::Unweighted, BIAS, if area == 1 { BACK_ONE_NEURON } else { BACK_CHANNEL })
}

const BIAS: Equation = Equation { right: whole::X, name: "bias", gist: Gist::None, words: "The bias is added last." };
/// The equation of the gradient if each entry of the bias belongs to one neuron, as in a linear layer.
const BACK_ONE_NEURON: Equation = Equation {
    right: whole::DY,
    name: "bias gradient",
    gist: Gist::Words("the error itself"),
    words: "The bias is added to z without a factor, so ∂z/∂b = 1 and its gradient is the error of its neuron.",
};
/// The equation of the gradient if the neurons of a channel share an entry of the bias, as in a convolution.
const BACK_CHANNEL: Equation = Equation {
    right: Expr::Of(SUM, &[whole::DY]),
    name: "bias gradient",
    gist: Gist::Words("the sum of the errors"),
    words: "All neurons of a channel share one bias and add it without a factor: its gradient is the sum of their errors.",
};
