//! Checkpoints of a descent: the parameters before some of its iterations, from which the others are gone to.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Id;
use crate::room::{MemoryBudget, Reservation};
use crate::tensor::Tensor;

/// The parameters before an iteration, and what else it depends on.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    /// The iteration, from 1.
    pub iteration: u64,
    pub parameters: HashMap<Id, Arc<Tensor>>,
    pub velocities: HashMap<Id, Arc<Tensor>>,
    /// The loss of the batch before.
    pub loss: Option<f64>,
    /// Its memory, where it is kept as a checkpoint: whoever has begun from it keeps that too.
    _memory: Option<Arc<Reservation>>,
}

impl Checkpoint {
    /// The beginning of a descent.
    pub fn first(parameters: HashMap<Id, Arc<Tensor>>) -> Self {
        Self { iteration: 1, parameters, velocities: HashMap::new(), loss: None, _memory: None }
    }

    /// The same parameters before the iteration after this one, whose batch had this loss.
    pub fn after(&self, loss: f64) -> Self {
        Self { iteration: self.iteration + 1, loss: Some(loss), _memory: None, ..self.clone() }
    }
}

/// Checkpoints on the way, in order; the first is the beginning.
#[derive(Debug)]
pub(super) struct Checkpoints(Mutex<Vec<Checkpoint>>);

/// The most that are kept; when there are more, or memory is short, every second one goes.
const MOST: usize = 64;

impl Checkpoints {
    /// The beginning alone.
    pub fn new(first: Checkpoint) -> Self {
        Self(Mutex::new(vec![first]))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Checkpoint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of checkpoints, the beginning among them.
    pub fn count(&self) -> usize {
        self.all().len()
    }

    /// The last one that is not after an iteration.
    pub fn before(&self, iteration: u64) -> Checkpoint {
        let all = self.all();
        all[all.partition_point(|checkpoint| checkpoint.iteration <= iteration).max(1) - 1].clone()
    }

    /// Takes the parameters away that the descent begins with.
    pub fn take_first(&mut self) -> HashMap<Id, Arc<Tensor>> {
        let all = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut all[0].parameters)
    }

    /// Gives up every second one; whether there were any.
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

    /// Keeps a checkpoint as a checkpoint if it is as far from the last one as these are from each other, and if the budget has `bytes` left. Thins them when there
    /// are more than [`MOST`].
    pub fn keep(&self, checkpoint: &Checkpoint, room: &Arc<Room>, bytes: u64) {
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
                // the next has more room, and keeps more distance
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
