//! The rules that plant mistakes, by the layer or the part of the pass that they concern.

pub(super) mod activation;
pub(super) mod attention;
pub(super) mod bias;
pub(super) mod clip;
pub(super) mod convolution;
mod factor;
pub(super) mod flatten;
pub(super) mod graph;
pub(super) mod graph_norm;
pub(super) mod linear;
pub(super) mod norm;
pub(super) mod norm_formula;
mod normalised;
pub(super) mod other_sample;
pub(super) mod output;
pub(super) mod paths;
pub(super) mod penalty;
mod places;
pub(super) mod pool;
pub(super) mod product;
pub(super) mod samples;
pub(super) mod scale;
pub(super) mod softmax;
