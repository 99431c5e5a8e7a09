//! A cache of some entries of each large tensor. The screen chooses the number format of a tensor from an *entry sample*: entries at equal distances. (It has
//! nothing to do with the samples of a batch.) These entries are far apart in memory, so reading them again for each frame would take much of the frame's time.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Trace;
use crate::network::Id;

/// The largest number of entries in an entry sample.
const MAX_ENTRIES: usize = 2048;
/// For an incomplete tensor, the number of entries computed last that are added to its entry sample, because the screen shows some of them.
const RECENT: usize = 512;
/// The largest number of entry samples in the cache. They take half a megabyte.
const MAX_SAMPLES: usize = 32;

/// Entries of a tensor at equal distances.
#[derive(Debug)]
struct EntrySample {
    /// The index of the run, and the tensor.
    of: (usize, Id),
    values: Vec<f64>,
}

/// The cache: the last entry samples that were made, the newest first.
#[derive(Debug, Default)]
pub(super) struct EntrySamples(Mutex<VecDeque<EntrySample>>);

impl EntrySamples {
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Trace {
    /// Returns enough of the first `known` entries of a tensor to choose a number format: all of them if the tensor has at most 2,048 entries. Otherwise,
    /// returns those at equal distances and, if the tensor is incomplete, also the last 512 of the known entries.
    #[must_use]
    pub fn sampled_entries(&self, run_index: usize, tensor: Id, known: usize) -> Cow<'_, [f64]> {
        let values = self.run(run_index).values(tensor);
        let known = known.min(values.len());
        if values.len() <= MAX_ENTRIES {
            return Cow::Borrowed(&values[..known]);
        }
        let distance = values.len().div_ceil(MAX_ENTRIES);
        let recent = if known < values.len() { &values[known.saturating_sub(RECENT)..known] } else { &[] };
        // number i of the sample is the entry i · distance
        let known_part = |sample: &[f64]| Cow::Owned([&sample[..known.div_ceil(distance)], recent].concat());
        let mut cache = self.entry_samples.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sample) = cache.iter().find(|sample| sample.of == (run_index, tensor)) {
            return known_part(&sample.values);
        }
        let sample: Vec<f64> = values.iter().copied().step_by(distance).collect();
        let known_entries = known_part(&sample);
        cache.truncate(MAX_SAMPLES - 1);
        cache.push_front(EntrySample { of: (run_index, tensor), values: sample });
        known_entries
    }
}
