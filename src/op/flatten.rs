//! `flatten`: turns a tensor into a vector with the same entries, in row-major order. It is PyTorch's `torch.nn.Flatten` for one sample.
//!
//! A 2x3x4 image becomes a vector of 24 numbers. Entry \[1, 0, 2\] of the image becomes entry 1 · 12 + 0 · 4 + 2 = 14 of the vector.
//!
//! With the key `order = "hwc"`, the channels of a pixel are neighbours in the vector. This is the order of Keras, whose images have the channels last. In
//! PyTorch it is `x.permute(1, 2, 0)` followed by a flatten. Entry \[1, 0, 2\] of the image then becomes entry 0 · 8 + 2 · 2 + 1 = 5.

use std::sync::Arc;

use super::constant_weights::{ConstantWeights, Weights};
use super::contraction::Contraction;
use super::functions::{UNVEC, VEC};
use super::layer::{A, Args, Layer, LayerKind, Reported, Stage, StageSource};
use super::rule::{Equation, Function, Gist, Rule};
use crate::expr::{Expr, whole};
use crate::tensor::len;

/// The row of `flatten` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind =
    LayerKind { name: "flatten", default_name: "flat", keys: &["order"], rank: None, has_several_inputs: false, activation: None, build };

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let image = args.input_shape().to_vec();
    let shape = [len(&image)];
    let is_channels_last = args.choice("order", &["chw", "hwc"])? == Some("hwc");
    args.claim(&shape)?; // the memory of the vector
    let equation = Equation {
        right: Expr::Of(VEC, &[whole::X]),
        name: "flatten",
        gist: Gist::Words("the image as one vector"),
        words: if is_channels_last { PIXEL_BY_PIXEL } else { CHANNEL_BY_CHANNEL },
    };
    let back = Equation {
        right: Expr::Of(UNVEC, &[whole::DY]),
        name: "the error goes back to its pixel",
        gist: Gist::None,
        words: "Every entry of the vector is a copy of a pixel. The pixel gets its derivative unchanged.",
    };
    let no_weight = &[];
    let edges = match *image {
        [channels, height, width] if is_channels_last => channels_last(channels, height * width),
        _ => Contraction::elementwise(), // the entries keep their row-major order
    };
    let vector = Identity { equation, back }.over(edges.with_shapes(&image, no_weight, &shape));
    let a = Stage::new(A).with_part(Arc::new(vector), [StageSource::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}

const CHANNEL_BY_CHANNEL: &str = "Nothing is computed: the entries of all channels are written one after another, row by row.";
const PIXEL_BY_PIXEL: &str =
    "Nothing is computed: the pixels are written one after another, row by row; the channels of a pixel come one after another.";

/// Returns edges from the entries of the image to the entries of the vector: pixel p of channel c is entry p · channels + c of the vector.
fn channels_last(channels: usize, pixels: usize) -> Contraction {
    Contraction::einsum("cp->pc", &[('c', channels), ('p', pixels)])
}

/// The function y = x, entry by entry. Its equations depend on the layer that uses it.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// The equation of y.
    pub equation: Equation,
    /// The equation of ∂C/∂x.
    pub back: Equation,
}

impl Identity {
    /// Creates the function from its edges. Each edge joins one entry of x with one entry of y; the shapes of x and y may differ.
    fn over(self, edges: Contraction) -> ConstantWeights<Contraction> {
        ConstantWeights::new(edges, Weights::Copy, self.equation, self.back)
    }
}

impl Function for Identity {
    fn forward(&self) -> Arc<dyn Rule> {
        self.over(Contraction::elementwise()).forward()
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        self.over(Contraction::elementwise()).backward(slot)
    }
}
