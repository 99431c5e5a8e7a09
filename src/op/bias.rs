//! The bias of a layer: one number for each channel, added to every neuron of the channel. Its gradient is the sum of the errors of these neurons.

use super::constant_weights::{ConstantWeights, Weights};
use super::contraction::Contraction;
use super::rule::{Equation, Gist};
use crate::expr::{Expr, SUM, whole};
use crate::tensor::len;

/// Creates the function y = b for a tensor of this shape: each entry of b is repeated over its channel. For b = (1, 2) of a 2x3 tensor, y is (1 1 1;
/// 2 2 2); `of` is the shape of b.
#[must_use]
pub fn bias(of: &[usize], shape: &[usize]) -> ConstantWeights<Contraction> {
    let area = len(shape) / len(of);
    let edges = Contraction::of("c->ca", &[('c', len(of)), ('a', area)]).shaped(of, &[], shape);
    ConstantWeights::new(edges, Weights::None, ADDED, if area == 1 { ITSELF } else { SUM_OF_ERRORS })
}

const ADDED: Equation = Equation { right: whole::X, name: "bias", gist: Gist::None, words: "The bias is added last." };
const ITSELF: Equation = Equation {
    right: whole::DY,
    name: "bias gradient",
    gist: Gist::Words("the error itself"),
    words: "The bias is added to z without a factor, so ∂z/∂b = 1 and its gradient is the error of its neuron.",
};
const SUM_OF_ERRORS: Equation = Equation {
    right: Expr::Of(SUM, &[whole::DY]),
    name: "bias gradient",
    gist: Gist::Words("the sum of the errors"),
    words: "All neurons of a channel share one bias and add it without a factor: its gradient is the sum of their errors.",
};
