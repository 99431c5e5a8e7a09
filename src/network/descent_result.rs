//! The results of a gradient descent that was run to its end.

use std::collections::HashMap;
use std::sync::Arc;

use super::Id;
use crate::tensor::Tensor;

/// The losses of all samples.
#[derive(Debug)]
pub struct SampleLosses {
    /// The loss of each sample, in file order.
    pub losses: Vec<f64>,
    /// The sum or mean of these losses, with the penalty of the weights.
    pub loss: f64,
}

/// The result of a gradient descent.
#[derive(Debug)]
pub struct DescentResult {
    /// The loss of each iteration's batch, before the update.
    pub losses: Vec<f64>,
    /// `true` if the descent ended early because of its tolerance.
    pub stopped: bool,
    /// The final parameters.
    pub parameters: HashMap<Id, Arc<Tensor>>,
}
