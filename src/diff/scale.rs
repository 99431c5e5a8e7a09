//! The scale of the samples' gradients in the user's file: they are derivatives of each sample's own loss, or of the mean loss over the n samples.
//!
//! In PyTorch, `z.grad` is a derivative of the mean loss: it is 1/n of the derivative of the sample's own loss. The file does not say which it has. The scale
//! in which more entries are right is chosen. If too few are right to decide, mistakes are searched in both scales, and the scale in which they explain more is
//! chosen.

use super::report::UserTensor;
use super::terms::{TermSums, mean_factor};
use super::tolerance::{Tolerance, largest};
use crate::trace::Trace;

/// The scale of the samples' gradients.
#[derive(Clone, Copy, Debug)]
pub(super) struct SampleScale {
    /// The number of samples.
    samples: usize,
    /// 1/n, the factor of each sample's loss in the mean.
    factor: f64,
    /// `true` if the gradients are read as derivatives of the mean loss. They are multiplied by n before they are compared.
    is_mean: bool,
    /// `true` if entries that are right only in this scale have decided it.
    pub is_sure: bool,
}

impl SampleScale {
    /// Finds the scale of the samples' gradients, and multiplies them by n if they are derivatives of the mean loss over n samples. `of_samples` has the
    /// indices of these tensors, each with `true` if the file has it as part of a stack. `None` if the loss is not a mean.
    pub fn new(trace: &Trace, tensors: &mut [UserTensor], of_samples: &[(usize, bool)], tolerance: Tolerance) -> Option<Self> {
        let factor = mean_factor(trace);
        if of_samples.is_empty() || (factor - 1.0).abs() < f64::EPSILON {
            return None;
        }
        let equal =
            |times: f64| of_samples.iter().map(|(index, _)| equal_entries(trace, &tensors[*index], times, tolerance)).sum::<usize>();
        let (equal_own, equal_mean) = (equal(1.0), equal(1.0 / factor));
        // without evidence, a stack is read as PyTorch's gradient of a whole batch, which is one of the mean loss
        let is_mean = if equal_own == equal_mean { of_samples.iter().all(|(_, is_stack)| *is_stack) } else { equal_mean > equal_own };
        let (most, fewest) = (equal_own.max(equal_mean), equal_own.min(equal_mean));
        // a few entries may be equal by chance
        let is_sure = most >= MIN_EQUAL && most >= 2 * fewest;
        if is_mean {
            for (index, _) in of_samples {
                tensors[*index].values.iter_mut().flatten().for_each(|value| *value /= factor);
            }
        }
        Some(Self { samples: trace.samples(), factor, is_mean, is_sure })
    }

    /// The factor from this scale to the other one.
    pub fn to_other(self) -> f64 {
        if self.is_mean { self.factor } else { 1.0 / self.factor }
    }

    /// The factor by which the numbers of the samples were multiplied, as a clause; `None` without a factor.
    pub fn factor_words(self) -> Option<String> {
        let mean = if self.is_sure { "your loss is a mean" } else { "your loss is taken for a mean" };
        self.multiplier().map(|samples| format!("times {samples}: {mean}"))
    }

    /// The factor by which the numbers of the samples were multiplied; `None` without a factor.
    pub fn multiplier(self) -> Option<usize> {
        self.is_mean.then_some(self.samples)
    }

    /// The other scale.
    pub fn other(self) -> Self {
        Self { is_mean: !self.is_mean, ..self }
    }

    /// The sentence about the scale. `is_explained` is `true` if mistakes explain the numbers only in this scale.
    pub fn note(self, is_explained: bool) -> Option<String> {
        let n = self.samples;
        match (self.is_mean, self.is_sure || is_explained) {
            (true, true) => Some(format!(
                "the gradients of the samples are those of the mean loss, 1/{n} of those of each sample's own loss: compared times {n}"
            )),
            (true, false) => Some(format!(
                "the gradients of the samples are taken for those of the mean loss, not of each sample's own loss, and so compared times {n}; no entry shows which of the two they are"
            )),
            (false, true) => None,
            (false, false) => Some(format!(
                "the gradients of the samples are taken for those of each sample's own loss, not of the mean loss, which are 1/{n} of them; no entry shows which of the two they are"
            )),
        }
    }
}

/// The least number of equal entries that decides a scale.
const MIN_EQUAL: usize = 2;

/// The number of entries of a tensor that are right after a multiplication by `times`. Entries that are 0 do not count, because they are right in both scales.
fn equal_entries(trace: &Trace, tensor: &UserTensor, times: f64, tolerance: Tolerance) -> usize {
    let UserTensor { gradient, values, .. } = tensor;
    let (right, terms) = (gradient.right(trace), TermSums::of(trace, *gradient));
    let largest = largest(&right);
    let Ok(values) = values else { return 0 };
    let is_equal =
        |(at, (mine, right)): (usize, (&f64, &f64))| *right != 0.0 && tolerance.is_equal(mine * times, *right, largest, || terms.entry(at));
    values.iter().zip(&*right).enumerate().filter(|entry| is_equal(*entry)).count()
}
