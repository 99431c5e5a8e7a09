//! The same pass with each given number moved a little, to see how much each number depends on rounding.

use std::sync::Arc;

use super::Trace;
use crate::network::{Id, Run};
use crate::tensor::{Tensor, from_flat};

/// The larger distance by which each given number is moved, as a share of the number. It is far above the rounding errors of double precision, and far below the
/// distances of most numbers to a kink.
const MOVE: f64 = 1e-9;
/// The smaller distance, as a share of the larger one.
const NEARER: f64 = 1.0 / 8.0;

impl Trace {
    /// Returns how sensitive an entry of a sample's run is to the given numbers: its change if each of them changes by a small share of itself, divided by the
    /// share. 0 if the entry jumps, as it does behind a gate that such a change opens or shuts.
    ///
    /// A number that is the difference of two almost equal ones, such as x − mean(x) for equal x, is far more sensitive than it is large. By as much it depends on
    /// the order in which a program adds.
    #[must_use]
    pub fn sensitivity(&self, run: usize, tensor: Id, entry: usize) -> f64 {
        let runs = self
            .moved
            .get_or_init(|| [1.0, NEARER].map(|share| (0..self.samples()).map(|run| self.moved_run(run, share * MOVE)).collect()));
        let right = self.run(run).values(tensor)[entry];
        let [far, near] = runs.each_ref().map(|runs: &Vec<Run>| runs[run].values(tensor)[entry] - right);
        let is_smooth = (far * NEARER - near).abs() <= 0.5 * near.abs();
        if far.is_finite() && is_smooth { far.abs() / MOVE } else { 0.0 }
    }

    /// Returns the run of a sample with every input and parameter moved by a share of itself, up or down by a fixed pattern.
    fn moved_run(&self, run: usize, share: f64) -> Run {
        let (network, values) = (self.network_of(run), self.run(run));
        let is_given = |id: &Id| network.producer(*id).is_none();
        let given = |id: Id| {
            let tensor = values.tensor(network, id);
            // indices, classes and masks have no derivative
            if network.gradient_of(id).is_none() { (id, tensor) } else { (id, Arc::new(moved(id, &tensor, share))) }
        };
        let given: Vec<(Id, Arc<Tensor>)> = (0..network.tensors().len()).filter(is_given).map(given).collect();
        Run::new(network, &given)
    }
}

/// Returns a tensor with each entry moved.
fn moved(id: Id, tensor: &Tensor, share: f64) -> Tensor {
    let move_entry = |(at, value): (usize, &f64)| value * (1.0 + sign(id, at) * share);
    from_flat(tensor.shape(), tensor.iter().enumerate().map(move_entry).collect())
}

/// Returns 1 or −1, by the bits of a multiplicative hash.
fn sign(id: Id, at: usize) -> f64 {
    let hash = (id as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (at as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    if (hash ^ hash >> 31).wrapping_mul(0x94d0_49bb_1331_11eb) >> 63 == 0 { 1.0 } else { -1.0 }
}
