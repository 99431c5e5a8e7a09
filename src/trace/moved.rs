//! The same pass with each given number moved a little, to see how much each number depends on rounding.

use std::sync::Arc;

use super::Trace;
use crate::network::{Id, Run};
use crate::tensor::{Tensor, from_flat};

/// The distance by which each given number is moved, as a share of the number. It is far above the rounding errors of double precision, and far below the
/// distances of most numbers to a kink.
pub const MOVE: f64 = 1e-9;

impl Trace {
    /// Returns the runs of the samples with every input and parameter moved by [`MOVE`] of itself, up or down by a fixed pattern. They are computed once.
    ///
    /// A number that is the difference of two almost equal ones, such as x − mean(x) for equal x, moves by much more than [`MOVE`] of itself. By as much it
    /// depends on the order in which a program adds.
    #[must_use]
    pub fn moved_runs(&self) -> &[Run] {
        self.moved.get_or_init(|| (0..self.samples()).map(|run| self.moved_run(run)).collect())
    }

    fn moved_run(&self, run: usize) -> Run {
        let (network, values) = (self.network_of(run), self.run(run));
        let is_given = |id: &Id| network.producer(*id).is_none();
        let given = |id: Id| {
            let tensor = values.tensor(network, id);
            // indices, classes and masks have no derivative
            if network.gradient_of(id).is_none() { (id, tensor) } else { (id, Arc::new(moved(id, &tensor))) }
        };
        let given: Vec<(Id, Arc<Tensor>)> = (0..network.tensors().len()).filter(is_given).map(given).collect();
        Run::new(network, &given)
    }
}

/// Returns a tensor with each entry moved.
fn moved(id: Id, tensor: &Tensor) -> Tensor {
    let move_entry = |(at, value): (usize, &f64)| value * (1.0 + sign(id, at) * MOVE);
    from_flat(tensor.shape(), tensor.iter().enumerate().map(move_entry).collect())
}

/// Returns 1 or −1, by the bits of a multiplicative hash.
fn sign(id: Id, at: usize) -> f64 {
    let hash = (id as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (at as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    if (hash ^ hash >> 31).wrapping_mul(0x94d0_49bb_1331_11eb) >> 63 == 0 { 1.0 } else { -1.0 }
}
