//! Checkpoints of a descent: the parameters before some of its iterations, from which other iterations are recomputed.
//!
//! Checkpoints are equally far apart. When there are more than 64, every second one is dropped, and the distance doubles:
//!
//! ```text
//! iterations 1 2 3 … 64 65  →  1 3 5 … 65  →  1 5 9 …
//! ```

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Id;
use crate::room::{MemoryBudget, Reservation};
use crate::tensor::Tensor;

/// The state of a descent before an iteration.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    /// The iteration, from 1.
    pub iteration: u64,
    pub parameters: HashMap<Id, Arc<Tensor>>,
    pub velocities: HashMap<Id, Arc<Tensor>>,
    /// The loss of the previous batch.
    pub loss: Option<f64>,
    /// Its memory in the budget, if it is stored. Copies share the claim, because they share the tensors.
    _memory: Option<Arc<Reservation>>,
}

impl Checkpoint {
    /// Creates the state before the first iteration.
    pub fn first(parameters: HashMap<Id, Arc<Tensor>>) -> Self {
        Self { iteration: 1, parameters, velocities: HashMap::new(), loss: None, _memory: None }
    }

    /// Returns the same state one iteration later; `loss` is that of the batch in between. The caller updates the parameters.
    pub fn after(&self, loss: f64) -> Self {
        Self { iteration: self.iteration + 1, loss: Some(loss), _memory: None, ..self.clone() }
    }
}

/// The stored checkpoints, in order. The first one is before iteration 1.
#[derive(Debug)]
pub(super) struct Checkpoints(Mutex<Vec<Checkpoint>>);

/// The largest number of checkpoints. Beyond it, or if memory is short, every second one is dropped.
const MOST: usize = 64;

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

    /// Returns the last checkpoint before or at an iteration.
    pub fn before(&self, iteration: u64) -> Checkpoint {
        let all = self.all();
        all[all.partition_point(|checkpoint| checkpoint.iteration <= iteration).max(1) - 1].clone()
    }

    /// Removes and returns the parameters of the first checkpoint.
    pub fn take_first(&mut self) -> HashMap<Id, Arc<Tensor>> {
        let all = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut all[0].parameters)
    }

    /// Drops every second checkpoint. Returns whether any was dropped.
    pub fn thin(&self) -> bool {
        let mut all = self.all();
        let before = all.len();
        let mut n = 0;
        all.retain(|_| {
            n += 1;
            n % 2 == 1
        });
        all.len() < before
    }

    /// Stores a checkpoint if it is as far from the last one as the last two are from each other, and if the budget has `bytes` left.
    pub fn keep(&self, checkpoint: &Checkpoint, room: &Arc<MemoryBudget>, bytes: u64) {
        let many = {
            let mut all = self.all();
            let gap = match all.as_slice() {
                [.., a, b] => b.iteration - a.iteration,
                _ => 1,
            };
            let last = all.last().map_or(0, |last| last.iteration);
            if checkpoint.iteration < last + gap {
                return;
            }
            let Ok(memory) = room.claim(bytes) else {
                drop(all);
                // later ones find more memory, and are farther apart
                self.thin();
                return;
            };
            all.push(Checkpoint { _memory: Some(Arc::new(memory)), ..checkpoint.clone() });
            all.len() > MOST
        };
        if many {
            self.thin();
        }
    }
}
