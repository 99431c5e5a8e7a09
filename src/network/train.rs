//! The settings of gradient descent, such as the optimizer and the batch size, and the tensors of a sample.

use std::collections::HashMap;
use std::sync::Arc;

use super::Id;
use super::optimizer::Optimizer;
use crate::tensor::Tensor;

/// The settings of gradient descent.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The largest number of iterations.
    pub iterations: u64,
    /// The number of samples of a batch.
    pub batch_size: usize,
    /// The descent ends early when |loss − previous loss| < tolerance; `None` if it never ends early.
    pub tolerance: Option<f64>,
    /// The parameters that are updated.
    pub learned: Vec<Id>,
}

/// Tensors that a run does not compute, with their values: the input and the target of a sample, and the parameters.
pub type Given = Vec<(Id, Arc<Tensor>)>;

/// Returns the tensors that a sample's run does not compute: the parameters, and the input and target of the sample.
pub(super) fn given(parameters: &HashMap<Id, Arc<Tensor>>, sample: &Given) -> Given {
    parameters.iter().map(|(id, tensor)| (*id, Arc::clone(tensor))).chain(sample.iter().cloned()).collect()
}
