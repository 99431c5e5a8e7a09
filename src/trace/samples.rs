//! Some entries of large tensors, gathered once: they lie far apart in memory, and to gather them for each frame takes a good part of its time.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Trace;
use crate::network::Id;

/// The most entries of a tensor.
const SOME: usize = 2048;
/// The most tensors: half a megabyte.
const TENSORS: usize = 32;

/// Some entries of a tensor, which is known by its stretch and number.
#[derive(Debug)]
struct Sample {
    of: (usize, Id),
    values: Vec<f64>,
}

/// The samples that were gathered last.
#[derive(Debug, Default)]
pub(super) struct Samples(Mutex<VecDeque<Sample>>);

impl Trace {
    /// All entries of a tensor if it has at most 2,048, else as many at equal distances: enough to choose how its numbers are shown.
    #[must_use]
    pub fn sample(&self, stretch: usize, tensor: Id) -> Cow<'_, [f64]> {
        let values = self.run(stretch).values(tensor);
        if values.len() <= SOME {
            return Cow::Borrowed(values);
        }
        let mut kept = self.samples.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sample) = kept.iter().find(|sample| sample.of == (stretch, tensor)) {
            return Cow::Owned(sample.values.clone());
        }
        let some: Vec<f64> = values.iter().copied().step_by(values.len().div_ceil(SOME)).collect();
        kept.truncate(TENSORS - 1);
        kept.push_front(Sample { of: (stretch, tensor), values: some.clone() });
        Cow::Owned(some)
    }
}
