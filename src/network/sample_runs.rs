//! The runs of an iteration, with their share of the memory budget.

use std::mem;
use std::ops::Deref;
use std::sync::Arc;

use super::{Network, Run};
use crate::room::Reservation;
use crate::threads;

/// A network with one run: of a sample, or of the batch, which reduces and updates.
#[derive(Clone, Debug)]
pub struct SampleRun {
    /// The network.
    pub network: Arc<Network>,
    /// The values of its tensors.
    pub run: Run,
    /// The sample's number in the file, from 0; `None` for the batch.
    pub sample: Option<usize>,
}

/// The samples of an iteration, then the batch.
#[derive(Clone, Debug, Default)]
pub struct SampleRuns {
    all: Vec<SampleRun>,
    memory: Option<Arc<Reservation>>,
}

/// The size, in bytes, from which freeing an iteration takes milliseconds.
pub(super) const LARGE: u64 = if cfg!(test) { 1 << 10 } else { 8 << 20 };

impl SampleRuns {
    /// Creates an empty list whose runs will take the memory of this claim.
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
    /// Frees a large iteration on another thread, because a key may be waiting; its memory counts against the budget until it is freed. If the next iteration
    /// of a walk uses the same claim, it is freed here, before that one needs the memory.
    fn drop(&mut self) {
        if self.memory.as_ref().is_some_and(|memory| memory.bytes() >= LARGE && Arc::strong_count(memory) == 1) {
            threads::drop_in_background((mem::take(&mut self.all), self.memory.take()));
        }
    }
}
