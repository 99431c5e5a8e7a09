//! `conv1d`: z = W * a + b, where filters slide along an input of channels x length. It is PyTorch's `torch.nn.Conv1d` for one sample.
//!
//! The input a has C x L entries, the weight W has O x C/groups x k entries, the bias b has O, and the output z has O x L' entries with
//! L' = ⌊(L + padding before and after − (k − 1) · dilation − 1) / stride⌋ + 1. The equations are those of [`conv2d`](super::conv2d) on an image of one row:
//! the filter (1 2) over (5 6 7) gives 1 · 5 + 2 · 6 = 17 and 1 · 6 + 2 · 7 = 20.

use super::conv2d::{EQUATIONS, KIND as CONV2D, convolution_layer};
use super::layer::{Args, Layer, LayerKind, Reported};
use super::rule::{Equation, Gist};

/// The row of `conv1d` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind { name: "conv1d", rank: Some(2), build, ..CONV2D };

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let input_gradient = Equation {
        gist: Gist::Words("the filter reversed"),
        words: "Each output multiplied an input by another weight: the output at its right used the left weight of the filter. So the filter lies on the error in reverse order.",
        ..EQUATIONS[2]
    };
    let is_1d = true;
    convolution_layer(args, is_1d, [EQUATIONS[0], EQUATIONS[1], input_gradient])
}
