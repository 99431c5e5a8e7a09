//! A cache of entries at equal distances in large tensors. They are far apart in memory, and gathering them again for each frame would take a good part of
//! the frame's time.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Trace;
use crate::network::Id;

/// The largest number of entries of a sample.
const SOME: usize = 2048;
/// The number of last computed entries that are added for an incomplete tensor, because the screen shows some of them.
const RECENT: usize = 512;
/// The largest number of tensors in the cache, which takes half a megabyte.
const TENSORS: usize = 32;

/// Entries of a tensor at equal distances.
#[derive(Debug)]
struct EntrySample {
    /// The sample run and the tensor.
    of: (usize, Id),
    values: Vec<f64>,
}

/// The cache, the latest sample first.
#[derive(Debug, Default)]
pub(super) struct EntrySamples(Mutex<VecDeque<EntrySample>>);

impl Trace {
    /// Returns enough of the first `known` entries of a tensor to choose a number format for them: all if the tensor has at most 2,048 entries, else some at
    /// equal distances and the last 512.
    #[must_use]
    pub fn sampled_entries(&self, sample_run: usize, tensor: Id, known: usize) -> Cow<'_, [f64]> {
        let values = self.run(sample_run).values(tensor);
        let known = known.min(values.len());
        if values.len() <= SOME {
            return Cow::Borrowed(&values[..known]);
        }
        let apart = values.len().div_ceil(SOME);
        let recent = if known < values.len() { &values[known.saturating_sub(RECENT)..known] } else { &[] };
        let some = |sample: &[f64]| Cow::Owned([&sample[..known.div_ceil(apart)], recent].concat());
        let mut kept = self.entry_samples.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sample) = kept.iter().find(|sample| sample.of == (sample_run, tensor)) {
            return some(&sample.values);
        }
        let gathered: Vec<f64> = values.iter().copied().step_by(apart).collect();
        let sample = some(&gathered);
        kept.truncate(TENSORS - 1);
        kept.push_front(EntrySample { of: (sample_run, tensor), values: gathered });
        sample
    }
}
