//! The runs of one iteration of gradient descent, and the memory that they take from the budget.

use std::mem;
use std::ops::Deref;
use std::sync::Arc;

use super::run::PartialRun;
use super::{BatchSource, Id, Network, Run};
use crate::memory_budget::Reservation;
use crate::tensor::Tensor;
use crate::threads;

/// A run with its network. It is the run of a sample, or that of the batch, whose ops reduce the gradients and update the parameters.
#[derive(Clone, Debug)]
pub struct IterationRun {
    /// The network. All samples have one network; the batch has another network.
    pub network: Arc<Network>,
    /// The values of the network's tensors. A planned iteration ([`Iteration::planned`](super::Iteration::planned)) shares those of its samples.
    pub run: Arc<Run>,
    /// The index of the sample in the file; `None` for the batch.
    pub sample: Option<usize>,
}

/// The runs of an iteration: one for each sample of its batch, then that of the batch.
#[derive(Clone, Debug, Default)]
pub struct IterationRuns {
    all: Vec<IterationRun>,
    /// The memory that the runs take from the budget; `None` if it is not counted.
    memory: Option<Arc<Reservation>>,
}

/// The size in bytes from which freeing the memory of an iteration takes milliseconds. In tests it is tiny.
pub(super) const LARGE_BYTES: u64 = if cfg!(test) { 1 << 10 } else { 8 << 20 };

impl IterationRuns {
    /// Creates an empty list. Its runs will take the memory of this reservation.
    #[must_use]
    pub fn within(memory: Arc<Reservation>) -> Self {
        Self { all: Vec::new(), memory: Some(memory) }
    }

    /// Returns the runs with one tensor of a sample's run replaced. Everything that depends on this tensor is computed again, also in the run of the batch.
    #[must_use]
    pub fn with_tensor(&self, run: usize, id: Id, tensor: Tensor) -> Self {
        let mut all = self.all.clone();
        let changed = &mut all[run];
        changed.run = Arc::new(changed.run.with_tensor_and_gradients(&changed.network, id, tensor));
        if let Some((batch, samples)) = all.split_last_mut().filter(|(last, _)| last.sample.is_none()) {
            let network = Arc::clone(&batch.network);
            let mut partial = PartialRun::new(&network);
            partial.give(network.shared_tensors());
            for (id, source) in network.sources() {
                match source {
                    BatchSource::Sample(sample, of) => partial.share(&network, id, &samples[sample].run, of),
                    BatchSource::Parameter(_) | BatchSource::State(..) => partial.share(&network, id, &batch.run, id),
                }
            }
            while partial.compute_next(&network) {}
            batch.run = Arc::new(partial.into_run());
        }
        Self { all, memory: None }
    }

    /// Returns the runs with another run of the batch; `None` for no such run. The values of the samples are shared.
    #[must_use]
    pub fn with_batch(&self, batch: Option<IterationRun>) -> Self {
        let samples = self.all.iter().filter(|run| run.sample.is_some()).cloned();
        Self { all: samples.chain(batch).collect(), memory: self.memory.clone() }
    }

    /// Appends a run.
    pub fn push(&mut self, run: IterationRun) {
        self.all.push(run);
    }
}

impl Deref for IterationRuns {
    type Target = [IterationRun];

    fn deref(&self) -> &[IterationRun] {
        &self.all
    }
}

impl FromIterator<IterationRun> for IterationRuns {
    fn from_iter<I: IntoIterator<Item = IterationRun>>(all: I) -> Self {
        Self { all: all.into_iter().collect(), memory: None }
    }
}

impl Drop for IterationRuns {
    /// Frees the memory of a large iteration on the background thread, because a key may be waiting. The memory counts against the budget until it is freed.
    ///
    /// If a [`DescentComputation`](super::DescentComputation) shares this reservation, this thread frees the memory at once, because the computation needs the
    /// memory for its next iteration.
    fn drop(&mut self) {
        let is_large_and_unshared = |memory: &Arc<Reservation>| memory.bytes() >= LARGE_BYTES && Arc::strong_count(memory) == 1;
        if self.memory.as_ref().is_some_and(is_large_and_unshared) {
            threads::drop_in_background((mem::take(&mut self.all), self.memory.take()));
        }
    }
}
