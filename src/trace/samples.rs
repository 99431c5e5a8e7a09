//! Some entries of large tensors, gathered once: they lie far apart in memory, and to gather them for each frame takes a good part of its time.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Trace;
use crate::network::Id;

/// The most entries of a tensor.
const SOME: usize = 2048;
/// The entries before the last one that are there in any case, of a tensor that is not complete: a screen shows some of them.
const RECENT: usize = 512;
/// The most tensors: half a megabyte.
const TENSORS: usize = 32;

/// Some entries of a tensor, which is known by its sample_run and number.
#[derive(Debug)]
struct Sample {
    of: (usize, Id),
    values: Vec<f64>,
}

/// The samples that were gathered last.
#[derive(Debug, Default)]
pub(super) struct Samples(Mutex<VecDeque<Sample>>);

impl Trace {
    /// The first `known` entries of a tensor if it has at most 2,048, else as many at equal distances and the last of the first `known`: enough to choose how
    /// its numbers are shown.
    #[must_use]
    pub fn sample(&self, sample_run: usize, tensor: Id, known: usize) -> Cow<'_, [f64]> {
        let values = self.run(sample_run).values(tensor);
        let known = known.min(values.len());
        if values.len() <= SOME {
            return Cow::Borrowed(&values[..known]);
        }
        let apart = values.len().div_ceil(SOME);
        let recent = if known < values.len() { &values[known.saturating_sub(RECENT)..known] } else { &[] };
        let some = |sample: &[f64]| Cow::Owned([&sample[..known.div_ceil(apart)], recent].concat());
        let mut kept = self.samples.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sample) = kept.iter().find(|sample| sample.of == (sample_run, tensor)) {
            return some(&sample.values);
        }
        let gathered: Vec<f64> = values.iter().copied().step_by(apart).collect();
        let sample = some(&gathered);
        kept.truncate(TENSORS - 1);
        kept.push_front(Sample { of: (sample_run, tensor), values: gathered });
        sample
    }
}
