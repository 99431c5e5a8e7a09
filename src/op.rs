//! Floor 2: one file for each kind of op. It holds the op's shapes, its fast kernels, its equations in symbols and words, and its terms by
//! index; the registries here have one row for each.

pub mod activation;
pub mod axis;
pub mod bias;
pub mod conv2d;
pub mod edges;
pub mod flatten;
mod lanes;
pub mod layer;
pub mod linear;
pub mod loss;
pub mod math;
pub mod max_pool2d;
pub mod rule;
pub mod scalar;
pub mod softmax;
pub mod stable;

use layer::LayerKind;

/// All kinds of layers.
pub const LAYERS: &[LayerKind] = &[activation::KIND, conv2d::KIND, flatten::KIND, linear::KIND, max_pool2d::KIND];
