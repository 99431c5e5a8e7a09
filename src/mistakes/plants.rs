//! The functions that plant mistakes, one file for each layer or part of the pass. The doc comment of such a function states the mistake, for example "The
//! factor 1 / (1 − p) is missing". The function returns the changes of ops that make this mistake, or nothing if the mistake is not possible at the given
//! place.

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
