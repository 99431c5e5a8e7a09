//! The settings of gradient descent, and the tensors that a sample gives.

use std::sync::Arc;

use super::Id;
use super::batch::SgdOptions;
use crate::tensor::Tensor;

/// How a network learns.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// How far each step goes.
    pub sgd: SgdOptions,
    /// The most iterations.
    pub iterations: u64,
    /// Samples of one batch.
    pub batch_size: usize,
    /// Stop when a batch's loss differs from that of the iteration before by less.
    pub tolerance: Option<f64>,
    /// The parameters that are updated.
    pub learned: Vec<Id>,
}

/// What a sample gives to the network.
pub type Given = Vec<(Id, Arc<Tensor>)>;
