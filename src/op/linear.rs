//! `linear`: z = W a + b, a fully-connected layer.
//!
//! | tensor | shape | equation |
//! | --- | --- | --- |
//! | z | out | `zᵢ = Σⱼ wᵢⱼ aⱼ + bᵢ` |
//! | ∂C/∂W | out x in | `∂C/∂wᵢⱼ = aⱼ · ∂C/∂zᵢ` |
//! | ∂C/∂a | in | `∂C/∂aⱼ = Σᵢ wᵢⱼ · ∂C/∂zᵢ`, that is Wᵀ ∂C/∂z |
//!
//! With the 1 x 2 weight W = (1 2), a = (3, 4) and b = 5: z = 1 · 3 + 2 · 4 + 5 = 16. If ∂C/∂z = 10, then ∂C/∂W = (30 40) and ∂C/∂a = (10, 20).
//!
//! Source: PyTorch's `torch.nn.Linear`; figures 9 (part 2), 15, 16 and 17 (part 4) of V. Petersen's series "A guided tour through a convolutional
//! neural network".

use std::sync::Arc;

use super::contraction::{Contraction, Label};
use super::edges::Bilinear;
use super::layer::{Args, Fan, Layer, LayerKind, Reported, weighted_layer};
use super::rule::{Equation, Gist};
use crate::expr::{Expr, Join, whole};

/// The row of `linear` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind {
    name: "linear",
    default_name: "fc",
    keys: &["weight", "bias", "out_features"],
    rank: Some(1),
    has_several_inputs: false,
    activation: Some("activation"),
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.input_shape().to_vec();
    let weight_rank = 2;
    let weight_shape = args.shape("weight", weight_rank)?;
    let inputs = match *shape {
        [] => 1,
        [n] => n,
        _ => report_unflattened(args, &shape, weight_shape.as_deref())?,
    };
    let outputs = args.size("out_features", weight_shape.map(|shape| shape[0]))?;
    args.claim(&[outputs, inputs])?; // the memory of the weight
    args.claim(&[outputs])?; // the memory of z
    let edges = dense(inputs, outputs).with_shapes(&shape, &[outputs, inputs], &[outputs]);
    weighted_layer(args, Arc::new(Bilinear::new(edges, EQUATIONS)), &[outputs, inputs], outputs, Fan { inputs, outputs })
}

/// Reports an input that is not a vector.
///
/// If the user probably forgot a `flatten` layer, and the number of outputs is certain, returns the number of inputs: that of the weight or, without a weight,
/// that of a flattened input. The layers after this one can then be checked too.
fn report_unflattened(args: &mut dyn Args, shape: &[usize], weight_shape: Option<&[usize]>) -> Result<usize, Reported> {
    let text = crate::tensor::shape_text(shape);
    let flatten = "put a layer with type = \"flatten\" before it";
    let help = match *shape {
        [1, n] => format!("if its first dimension counts one sample, leave that out and write the {n} numbers alone; otherwise {flatten}"),
        [n, 1] => format!("if it is one sample as a column, write the {n} numbers in one array; otherwise {flatten}"),
        [rows, n] => format!(
            "are its {rows} rows samples? Then write input and target below [samples], or each row as a [[sample]] of its own, with input = {n} numbers and its target; otherwise {flatten}"
        ),
        _ => flatten.to_owned(),
    };
    let fault = args.fail_for_sizes("type", format!("a linear layer reads a vector, but its input is {text}"), &help);
    let inputs = crate::tensor::len(shape);
    let are_outputs_certain = args.has("out_features") || weight_shape.is_some_and(|weight| weight[1] == inputs);
    // a matrix may also be a batch of samples; a `flatten` would then be wrong
    if shape.len() < 3 || !are_outputs_certain { Err(fault) } else { Ok(weight_shape.map_or(inputs, |weight| weight[1])) }
}

/// Returns the edges of a fully-connected layer: one from each input (label i) to each output (label o). The weight is `outputs` x `inputs`.
///
/// # Panics
/// Does not happen: the `expect` cannot fail, because an entry has at most one loop.
#[must_use]
pub fn dense(inputs: usize, outputs: usize) -> Contraction {
    // the einsum `oi,i->o`, with the strides of the labels in input, weight and output
    let o = Label { size: outputs, strides: [0, inputs, 1] };
    let i = Label { size: inputs, strides: [1, 1, 0] };
    Contraction::new(&[o, i]).expect("at most one loop remains")
}

/// The equations of the output, the weight gradient and the input gradient.
pub const EQUATIONS: [Equation; 3] = [
    Equation {
        right: Expr::Product(Join::Juxtaposed, &[whole::W, whole::X]),
        name: "weighted input",
        gist: Gist::None,
        words: "Every neuron adds up all outputs of the previous layer, each times the weight of its edge.",
    },
    Equation {
        right: Expr::Product(Join::Juxtaposed, &[whole::DY, Expr::Transposed(&whole::X)]),
        name: "weight gradient",
        gist: Gist::Words("the input times the error"),
        words: "The weight wᵢⱼ is used once: zᵢ contains wᵢⱼ aⱼ, so ∂zᵢ/∂wᵢⱼ = aⱼ. Its gradient is this input aⱼ times the error of zᵢ.",
    },
    Equation {
        right: Expr::Product(Join::Juxtaposed, &[Expr::Transposed(&whole::W), whole::DY]),
        name: "the error moves back through the weights",
        gist: Gist::None,
        words: "Every neuron of this layer reads every output of the previous layer. So the derivative of an output is the sum of all errors, each times the weight of its edge: a product with the transposed matrix.",
    },
];
