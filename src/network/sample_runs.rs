//! The runs of one iteration of gradient descent, and the memory that they take from the budget.

use std::mem;
use std::ops::Deref;
use std::sync::Arc;

use super::{Network, Run};
use crate::room::Reservation;
use crate::threads;

/// A run with its network: the run of a sample, or that of the batch's own ops, which reduce the gradients and update the parameters.
#[derive(Clone, Debug)]
pub struct SampleRun {
    /// The network. All samples have one network; the batch has another network.
    pub network: Arc<Network>,
    /// The values of the network's tensors.
    pub run: Run,
    /// The number of the sample in the file, from 0; `None` for the batch.
    pub sample: Option<usize>,
}

/// The runs of an iteration: one for each sample of its batch, then that of the batch.
#[derive(Clone, Debug, Default)]
pub struct SampleRuns {
    all: Vec<SampleRun>,
    /// The memory that the runs take from the budget; `None` if it is not counted.
    memory: Option<Arc<Reservation>>,
}

/// The size in bytes from which freeing the memory of an iteration takes milliseconds. Tests use a tiny size.
pub(super) const LARGE_BYTES: u64 = if cfg!(test) { 1 << 10 } else { 8 << 20 };

impl SampleRuns {
    /// Creates an empty list for runs that take the memory of this reservation.
    #[must_use]
    pub fn within(memory: Arc<Reservation>) -> Self {
        Self { all: Vec::new(), memory: Some(memory) }
    }

    /// Appends a run.
    pub fn push(&mut self, sample_run: SampleRun) {
        self.all.push(sample_run);
    }
}

impl Deref for SampleRuns {
    type Target = [SampleRun];

    fn deref(&self) -> &[SampleRun] {
        &self.all
    }
}

impl FromIterator<SampleRun> for SampleRuns {
    fn from_iter<I: IntoIterator<Item = SampleRun>>(all: I) -> Self {
        Self { all: all.into_iter().collect(), memory: None }
    }
}

impl Drop for SampleRuns {
    /// Frees a large iteration on another thread, because a key may be waiting. The memory counts against the budget until it is free.
    ///
    /// If a walk has the same reservation, the memory is freed at once, on this thread, because the walk's next iteration needs the memory.
    fn drop(&mut self) {
        let is_large_and_last = |memory: &Arc<Reservation>| memory.bytes() >= LARGE_BYTES && Arc::strong_count(memory) == 1;
        if self.memory.as_ref().is_some_and(is_large_and_last) {
            threads::drop_in_background((mem::take(&mut self.all), self.memory.take()));
        }
    }
}
