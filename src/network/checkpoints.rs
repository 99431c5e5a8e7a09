//! Checkpoints of a gradient descent: the parameters before some of its iterations. An iteration in between is computed from the nearest checkpoint before it.
//!
//! Neighbouring checkpoints have the same distance, as long as memory suffices. When there are more than 64 of them, every second one is dropped, and the
//! distance doubles:
//!
//! ```text
//! iterations 1 2 3 … 64 65  →  1 3 5 … 65  →  1 5 9 …
//! ```

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Id, Network, Optimizer};
use crate::memory_budget::{MemoryBudget, Reservation};
use crate::tensor::Tensor;

/// The state of a descent before an iteration.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    /// The iteration that starts from this state, from 1.
    pub iteration: u64,
    pub parameters: HashMap<Id, Arc<Tensor>>,
    /// The states of the optimizer. The key is the index of the state and the parameter.
    pub states: HashMap<(usize, Id), Arc<Tensor>>,
    /// The loss of the previous iteration's batch; `None` before the first iteration.
    pub loss: Option<f64>,
    /// The memory that a stored checkpoint takes from the budget. Copies of the checkpoint share its tensors, and so this memory.
    _memory: Option<Arc<Reservation>>,
}

impl Checkpoint {
    /// Creates the state before the first iteration.
    pub fn first(parameters: HashMap<Id, Arc<Tensor>>) -> Self {
        Self { iteration: 1, parameters, states: HashMap::new(), loss: None, _memory: None }
    }

    /// Returns a state of the optimizer, given its index and the parameter. Before the first update, every entry has the optimizer's first value.
    pub fn state(&self, state: (usize, Id), network: &Network, optimizer: Option<&Optimizer>) -> Arc<Tensor> {
        let initial = || {
            let value = optimizer.and_then(Optimizer::initial_state).unwrap_or(0.0);
            Arc::new(Tensor::from_elem(network.tensor(state.1).shape.clone(), value))
        };
        self.states.get(&state).map_or_else(initial, Arc::clone)
    }

    /// Returns the state before the next iteration. Its parameters are still the old ones; the caller updates them. `loss` is the loss of this iteration's
    /// batch.
    pub fn next(&self, loss: f64) -> Self {
        Self { iteration: self.iteration + 1, loss: Some(loss), _memory: None, ..self.clone() }
    }
}

/// The stored checkpoints, in order. The first is the state before iteration 1.
#[derive(Debug)]
pub(super) struct Checkpoints(Mutex<Vec<Checkpoint>>);

/// The largest number of checkpoints. If there are more, or if memory is short, every second checkpoint is dropped.
const MAX_CHECKPOINTS: usize = 64;

impl Checkpoints {
    /// Creates the list with the state before the first iteration.
    pub fn new(first: Checkpoint) -> Self {
        Self(Mutex::new(vec![first]))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Checkpoint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of checkpoints, including the first.
    pub fn count(&self) -> usize {
        self.all().len()
    }

    /// Returns the checkpoint at which the computation of an iteration starts. It is the checkpoint of the iteration itself or, without one, of the nearest
    /// earlier iteration.
    pub fn nearest(&self, iteration: u64) -> Checkpoint {
        let all = self.all();
        all[all.partition_point(|checkpoint| checkpoint.iteration <= iteration).max(1) - 1].clone()
    }

    /// Removes and returns the parameters of the first checkpoint.
    pub fn take_first_parameters(&mut self) -> HashMap<Id, Arc<Tensor>> {
        let all = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut all[0].parameters)
    }

    /// Replaces parameters in the first checkpoint. It may be called only while there is no other checkpoint.
    pub fn replace_in_first(&mut self, parameters: impl IntoIterator<Item = (Id, Arc<Tensor>)>) {
        let all = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        all[0].parameters.extend(parameters);
    }

    /// Drops every second checkpoint. Returns `false` if there is only the first one, which is never dropped.
    pub fn thin(&self) -> bool {
        let mut all = self.all();
        let old_len = all.len();
        let mut n = 0;
        all.retain(|_| {
            n += 1;
            n % 2 == 1
        });
        all.len() < old_len
    }

    /// Stores a checkpoint if the budget has `bytes` left, and if it is far enough from the last one: at least as far as the last two are from each other.
    pub fn store(&self, checkpoint: &Checkpoint, budget: &Arc<MemoryBudget>, bytes: u64) {
        let has_too_many = {
            let mut all = self.all();
            let gap = match all.as_slice() {
                [.., a, b] => b.iteration - a.iteration,
                _ => 1,
            };
            let last = all.last().map_or(0, |last| last.iteration);
            if checkpoint.iteration < last + gap {
                return;
            }
            let Ok(memory) = budget.reserve(bytes) else {
                drop(all);
                // this checkpoint is not stored; now there is memory for later ones, which are farther apart
                self.thin();
                return;
            };
            all.push(Checkpoint { _memory: Some(Arc::new(memory)), ..checkpoint.clone() });
            all.len() > MAX_CHECKPOINTS
        };
        if has_too_many {
            self.thin();
        }
    }
}
