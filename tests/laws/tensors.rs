//! Random graphs of tensors with every function of the registry and broadcasts of ranks 0 to 4. Each graph is written in two spellings.
//!
//! A row of [`FUNCTIONS`] writes one call of a function, in PyTorch's spelling and in another one, and knows the shape of the result.

mod entries;
mod networks;
mod writer;

use crate::generated::choices::{Choices, Flavour};
use entries::{
    along_axis, binary, choice, clamp, detach, expand, flip, index, item, join, masked_fill, norm, of_bounded, of_positive, pad, permute,
    power, reduce, reduce_torch, repeat, repeat_entries, reshape, split, squeeze, transpose, transpose_matrix, tril, unary, unchanged,
    unsqueeze, variance_or_deviation,
};
use networks::{
    arange, attention, binary_loss, channel_norm, class_loss, conv, conv_transpose, distance_loss, einsum, embedding, eye, filled, gather,
    layer_norm, linear, literal, matmul, matmul_of_rank, normalize_or_dropout, one_hot, pool, product_of_vectors, select, sizes,
    to_whole_numbers,
};
use writer::{Writer, Written};

/// A graph in two spellings.
#[derive(Debug)]
pub struct Spelled {
    /// The scenario in PyTorch's spelling.
    pub torch: String,
    /// The same scenario in NumPy's spelling, or with calls of methods.
    pub numpy: String,
    /// The names of the statements.
    pub statements: Vec<String>,
}

/// The names of functions with the same arguments, and the function that writes a call of one of them.
type Row = (&'static [&'static str], fn(&mut Writer<'_>, &str) -> Option<Written>);

/// The functions and operators of graphs, except those of [`OF_PYTHON`].
#[rustfmt::skip]
pub const FUNCTIONS: &[Row] = &[
    (&["sin", "cos", "tanh", "sigmoid", "expit", "relu", "relu_", "silu", "swish", "erf", "logsigmoid", "softplus", "leaky_relu", "elu", "gelu", "abs",
       "absolute", "fabs", "neg", "negative", "square", "sign", "sgn", "floor", "ceil", "trunc", "fix"], unary),
    (&["tan", "exp", "expm1"], of_bounded),
    (&["log", "ln", "log1p", "sqrt", "rsqrt", "reciprocal"], of_positive),
    (&["+", "-", "*", "/", "add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "maximum", "fmax", "minimum", "fmin"], binary),
    (&["pow", "power", "float_power", "**"], power),
    (&["clamp", "clip", "clamp_", "clamp_min", "clamp_max"], clamp),
    (&["where"], choice), (&["masked_fill", "masked_fill_"], masked_fill),
    (&["sum", "mean", "average", "amax", "amin", "max", "min", "prod", "argmax", "argmin"], reduce), (&["logsumexp"], reduce_torch),
    (&["var", "std"], variance_or_deviation), (&["norm", "vector_norm"], norm), (&["softmax", "log_softmax", "cumsum"], along_axis),
    (&["reshape", "view", "view_as", "reshape_as", "flatten", "ravel"], reshape), (&["unsqueeze", "expand_dims"], unsqueeze), (&["squeeze"], squeeze),
    (&["transpose", "swapaxes", "swapdims", "moveaxis", "movedim"], transpose), (&["permute"], permute), (&["t"], transpose_matrix),
    (&["expand", "broadcast_to", "expand_as"], expand), (&["repeat", "tile"], repeat), (&["repeat_interleave"], repeat_entries),
    (&["cat", "concatenate", "concat", "stack", "hstack", "vstack"], join), (&["split", "chunk", "unbind"], split), (&["flip", "roll"], flip),
    (&["tril", "triu"], tril), (&["pad"], pad),
    (&["clone", "contiguous", "copy", "double", "float", "half", "to", "type", "type_as", "cpu", "cuda", "numpy", "requires_grad_"], unchanged),
    (&["detach"], detach), (&["item", "tolist"], item), (&["x[i]"], index),
    (&["gather", "take_along_axis"], gather), (&["take", "index_select"], select), (&["embedding", "C[ix]"], embedding), (&["one_hot"], one_hot),
    (&["arange"], arange), (&["zeros", "ones", "full", "zeros_like", "ones_like", "full_like"], filled), (&["eye", "identity"], eye),
    (&["tensor", "array", "asarray", "as_tensor", "Tensor", "from_numpy", "LongTensor", "FloatTensor"], literal),
    (&["@", "matmul"], matmul), (&["mm", "bmm", "mv"], matmul_of_rank), (&["dot", "inner", "outer"], product_of_vectors), (&["linear"], linear),
    (&["einsum"], einsum), (&["conv1d", "conv2d"], conv), (&["conv_transpose1d", "conv_transpose2d"], conv_transpose),
    (&["max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"], pool), (&["layer_norm", "rms_norm"], layer_norm),
    (&["batch_norm", "group_norm", "instance_norm"], channel_norm), (&["normalize", "dropout"], normalize_or_dropout),
    (&["scaled_dot_product_attention"], attention),
    (&["cross_entropy", "nll_loss"], class_loss), (&["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"], distance_loss),
    (&["binary_cross_entropy", "binary_cross_entropy_with_logits"], binary_loss),
    (&["bool", "int", "long", "round"], to_whole_numbers), (&["len", "size", "dim", "ndimension", "numel", "nelement"], sizes),
];

/// Python's own functions, which gradstep evaluates while it reads the text. The random graphs do not use them.
pub const OF_PYTHON: &[&str] = &["range", "list", "tuple", "enumerate", "zip", "reversed"];

/// Writes a graph of random functions.
pub fn graph(choices: &mut Choices, flavour: Flavour, may_detach: bool) -> Spelled {
    write(choices, flavour, may_detach, None)
}

/// Writes a graph with one call of this function; it has no statement if the function does not fit the shapes.
pub fn call(choices: &mut Choices, flavour: Flavour, name: &'static str) -> Spelled {
    write(choices, flavour, true, Some(name))
}

/// Writes calls of random functions, or one call of the function `only`. With `may_detach`, functions that stop derivatives are among the random ones.
fn write(choices: &mut Choices, flavour: Flavour, may_detach: bool, only: Option<&'static str>) -> Spelled {
    let mut writer = Writer { choices, flavour, tensors: Vec::new(), inputs: Vec::new(), constants: Vec::new(), may_detach };
    let rank = writer.choices.pick(5);
    let shape = writer.shape(rank);
    writer.input(&shape);
    let mut lines: Vec<[String; 2]> = Vec::new();
    let mut statements = Vec::new();
    let count = if only.is_some() { 1 } else { 1 + writer.choices.pick(5) };
    for n in 0..count {
        let chosen = only.and_then(|name| FUNCTIONS.iter().find(|(names, _)| names.contains(&name)));
        let (names, write_call) = chosen.copied().unwrap_or_else(|| writer.choices.choose(FUNCTIONS));
        let name = only.unwrap_or_else(|| writer.choices.choose(names));
        let Some(Written { both, shape }) = write_call(&mut writer, name) else { continue };
        let result = format!("h{n}");
        lines.push(both.map(|text| format!("{result} = {text}")));
        writer.tensors.push((result.clone(), shape));
        statements.push(result);
    }
    // the loss is the sum of all entries of all tensors, each times a constant
    let weighted: Vec<String> = writer
        .tensors
        .clone()
        .iter()
        .map(|(name, shape)| {
            let weights = writer.numbers(shape);
            writer.constants.push(format!("G_{name} = {weights}"));
            format!("({name} * G_{name}).sum()")
        })
        .collect();
    let scenario = |spelling: usize| {
        let text: Vec<&str> = lines.iter().map(|both| both[spelling].as_str()).collect();
        format!(
            "title = \"random\"\n[graph]\nnodes = '''\n{}\nJ = {}\n'''\n[graph.inputs]\n{}\n[graph.constants]\n{}\n",
            text.join("\n"),
            weighted.join(" + "),
            writer.inputs.join("\n"),
            writer.constants.join("\n"),
        )
    };
    Spelled { torch: scenario(0), numpy: scenario(1), statements }
}
