//! Some entries of the large tensors that were looked at last: to look at so many of them anew, far from one another, takes longer than to draw a frame.

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

/// Those of the tensors that were asked for last.
#[derive(Debug, Default)]
pub(super) struct Samples(Mutex<VecDeque<Sample>>);

impl Trace {
    /// Entries of a tensor of a stretch that tell of the others: all where they are few, else at most 2,048, as far from one another as they can be.
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
