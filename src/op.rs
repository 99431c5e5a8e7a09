//! The differentiable functions: layers, activations, losses and the functions of graphs.
//!
//! The file of a function has its shapes, and its equations in symbols and in words. It describes the computation twice. A fast kernel computes a whole tensor.
//! Another function lists the terms of a single entry, from which the debugger makes its steps. [`rule`] has an example.
//!
//! - A new layer needs a file and a row of [`LAYERS`].
//! - A new activation needs a row of [`activation::ACTIVATIONS`].
//! - A new loss needs a file and a row of [`loss::LOSSES`].

pub mod activation;
pub mod adaptive_avg_pool2d;
pub mod add;
pub mod avg_pool2d;
pub mod axis;
pub mod batch_norm;
pub mod bias;
pub mod broadcast;
pub mod cat;
#[cfg(test)]
mod checked;
pub mod choose;
pub mod closed_form;
pub mod combination;
pub mod constant_weights;
pub mod contraction;
pub mod conv1d;
pub mod conv2d;
pub mod conv_transpose2d;
pub mod copies;
pub mod counted_zero;
pub mod cumsum;
pub mod downcast;
pub mod dropout;
pub mod edges;
pub mod einsum;
pub mod elementwise;
pub mod extremum;
pub mod flatten;
pub mod functions;
pub(crate) mod gather;
pub mod global_avg_pool2d;
pub mod group_norm;
pub mod groups;
pub mod instance_norm2d;
pub mod layer;
pub mod layer_norm;
pub mod linear;
pub mod lookup;
pub mod loss;
pub mod math;
pub mod max_pool2d;
pub mod mismatch;
pub mod nest;
pub(crate) mod norm;
pub mod numpy;
pub mod one_term;
pub mod operator;
pub mod padding;
pub mod penalty;
mod phase;
pub mod pool;
pub mod pool1d;
pub mod prod;
pub mod product_layout;
pub mod ranges;
pub mod repetition;
pub mod reuse;
pub mod rule;
pub mod seed;
pub mod slot;
pub mod softmax;
pub mod stable;
pub mod update;
pub mod upsample;
pub mod uses;
pub mod window;
pub mod window_sizes;
pub mod written;

use layer::LayerKind;

/// The kinds of layers that a scenario file can use, in alphabetical order.
pub const LAYERS: &[LayerKind] = &[
    activation::KIND,
    adaptive_avg_pool2d::KIND,
    add::KIND,
    pool1d::AVG,
    avg_pool2d::KIND,
    batch_norm::KIND_1D,
    batch_norm::KIND_2D,
    cat::KIND,
    conv1d::KIND,
    conv2d::KIND,
    conv_transpose2d::KIND,
    dropout::KIND,
    flatten::KIND,
    global_avg_pool2d::KIND,
    group_norm::KIND,
    instance_norm2d::KIND,
    layer_norm::KIND,
    linear::KIND,
    pool1d::MAX,
    max_pool2d::KIND,
    upsample::KIND,
];
