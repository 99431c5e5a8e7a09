//! The sensitivity of tensors to rounding errors. To measure it, a sample is computed again with a small change of each number.

use std::sync::Arc;

use super::Trace;
use crate::network::{Id, Role, Run};
use crate::tensor::{Tensor, from_flat};

/// The larger of two relative changes s of each number. It is much larger than the rounding errors of double precision. It is so small that few numbers cross
/// a kink.
const LARGER_CHANGE: f64 = 1e-9;
/// The smaller relative change, divided by the larger one. A jump is found by comparing the results of both changes.
const SMALLER_PER_LARGER: f64 = 1.0 / 8.0;

impl Trace {
    /// Returns the sensitivity of a tensor of a sample's run to rounding. Every number that is given or computed is changed by the relative amount s. The
    /// sensitivity is the largest change of an entry of the tensor, divided by s. Entries that jump, because the change moves a relu's input across 0, are left
    /// out.
    ///
    /// For example, x − mean(x) for equal x is a difference of almost equal numbers. Its sensitivity is much larger than the number itself: such a number
    /// depends on the order in which a program adds.
    #[must_use]
    pub fn sensitivity(&self, run: usize, tensor: Id) -> f64 {
        let runs = self.disturbed_runs.get_or_init(|| {
            [1.0, SMALLER_PER_LARGER].map(|share| (0..self.samples()).map(|run| self.disturbed_run(run, share * LARGER_CHANGE)).collect())
        });
        let [far, near] = runs.each_ref().map(|runs: &Vec<Run>| runs[run].values(tensor));
        let change = |((value, far), near): ((&f64, &f64), &f64)| {
            let (far, near) = (far - value, near - value);
            // without a jump, the change of the entry is about proportional to s
            let is_smooth = far.is_finite() && (far * SMALLER_PER_LARGER - near).abs() <= 0.5 * near.abs();
            if is_smooth { far.abs() / LARGER_CHANGE } else { 0.0 }
        };
        self.run(run).values(tensor).iter().zip(far).zip(near).map(change).fold(0.0, f64::max)
    }

    /// Returns the run of a sample in which every number is changed by the relative amount `change`, up or down in a fixed pattern.
    fn disturbed_run(&self, run: usize, change: f64) -> Run {
        let (network, values) = (self.network_of(run), self.run(run));
        let is_given = |id: &Id| network.producer(*id).is_none();
        let disturbed_given = |id: Id| {
            let tensor = values.tensor(network, id);
            // indices, classes and masks have no derivative
            if network.gradient_of(id).is_none() { (id, tensor) } else { (id, Arc::new(disturbed(id, &tensor, change))) }
        };
        let given: Vec<(Id, Arc<Tensor>)> = (0..network.tensors().len()).filter(is_given).map(disturbed_given).collect();
        // tensors without a derivative, such as indices, are not changed
        let is_changed = |id: Id| network.gradient_of(id).is_some() || matches!(network.tensor(id).role, Role::Gradient(_) | Role::Loss);
        Run::disturbed(network, &given, |id, at| if is_changed(id) { 1.0 + sign(id, at) * change } else { 1.0 })
    }
}

/// Returns a tensor with each entry changed by the relative amount `change`, up or down.
fn disturbed(id: Id, tensor: &Tensor, change: f64) -> Tensor {
    let disturb = |(at, value): (usize, &f64)| value * (1.0 + sign(id, at) * change);
    from_flat(tensor.shape(), tensor.iter().enumerate().map(disturb).collect())
}

/// Returns 1 or −1. A hash of the tensor and the entry decides which.
fn sign(id: Id, at: usize) -> f64 {
    let hash = (id as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (at as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    if (hash ^ hash >> 31).wrapping_mul(0x94d0_49bb_1331_11eb) >> 63 == 0 { 1.0 } else { -1.0 }
}
