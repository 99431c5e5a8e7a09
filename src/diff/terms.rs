//! The sums of the magnitudes of an entry's terms, which bound its rounding error.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use super::gradient::{Gradient, reduced_from};
use crate::interrupt::{TERM, goes_on};
use crate::network::{Id, Role};
use crate::trace::Trace;

/// Computes Σ|terms| of the entries of one gradient, each at most once.
#[derive(Debug)]
pub struct TermSums<'a> {
    trace: &'a Trace,
    /// The runs and tensors whose terms are added up. For a gradient of the batch, these are the gradients of its samples.
    tensors: Vec<(usize, Id)>,
    /// 1/n for a mean over n samples.
    factor: f64,
    /// For a gradient of the batch: its run and tensor. Its first terms are one for each sample, and any further terms are those of the penalty.
    in_batch: Option<(usize, Id)>,
    sums: RefCell<HashMap<usize, f64>>,
    /// The sensitivity of the tensors to rounding.
    sensitivity: OnceCell<f64>,
}

impl<'a> TermSums<'a> {
    /// Prepares the sums of a gradient; they are 0 for a gradient that is not computed.
    #[must_use]
    pub fn of(trace: &'a Trace, gradient: Gradient) -> Self {
        let found = gradient.find(trace);
        let reduced = found.and_then(|(run, id)| reduced_from(trace, run, id));
        let factor = match found {
            Some((run, id)) if reduced.is_some() => factor(trace, run, id),
            _ => 1.0,
        };
        Self {
            trace,
            tensors: reduced.unwrap_or_else(|| found.into_iter().collect()),
            factor,
            in_batch: found.filter(|(run, _)| trace.runs()[*run].sample.is_none()),
            sums: RefCell::default(),
            sensitivity: OnceCell::new(),
        }
    }

    /// Returns Σ|terms| of an entry. For a gradient of the batch, it is the sum over the terms of all samples, times 1/n for a mean, plus the sum over the
    /// terms of the penalty. The sum over the terms of the samples counts as at least the sensitivity of the tensors to rounding ([`Trace::sensitivity`]).
    #[must_use]
    pub fn entry(&self, entry: usize) -> f64 {
        if let Some(sum) = self.sums.borrow().get(&entry) {
            return *sum;
        }
        let of_tensor = |(run, id): &(usize, Id)| {
            let steps = self.trace.entry_steps(*run, *id, entry)?;
            let at = self.trace.position(steps.start).filter(|_| !steps.is_empty())?;
            if !goes_on(TERM * at.terms) {
                return None;
            }
            let terms = self.trace.contributions(&at, 0..at.terms).map(|(value, _)| value.abs()).sum::<f64>();
            Some(terms)
        };
        // the terms may consist of rounding errors alone, as in δ·(x − mean) if all x are equal
        let sensitivity = || self.tensors.iter().map(|(run, id)| self.trace.sensitivity(*run, *id)).sum::<f64>();
        let of_samples = self.tensors.iter().filter_map(of_tensor).sum::<f64>().max(*self.sensitivity.get_or_init(sensitivity));
        let sum = self.factor * of_samples + self.penalty(entry).unwrap_or(0.0);
        self.sums.borrow_mut().insert(entry, sum);
        sum
    }
}

impl TermSums<'_> {
    /// The sum over the terms of the penalty in an entry of a gradient of the batch.
    fn penalty(&self, entry: usize) -> Option<f64> {
        let (run, id) = self.in_batch?;
        let at = self.trace.position(self.trace.entry_steps(run, id, entry)?.start)?;
        let of_samples = self.trace.samples() as u64;
        Some(self.trace.contributions(&at, of_samples..at.terms).map(|(value, _)| value.abs()).sum())
    }
}

/// The factor of the samples' gradients in a gradient of the batch: 1/n for a mean, 1 for a sum. For a mean, the first step multiplies by the constant 1/n.
fn factor(trace: &Trace, run: usize, gradient: Id) -> f64 {
    let first = trace.entry_steps(run, gradient, 0).and_then(|steps| trace.get(steps.start));
    let constant = |step: crate::step::Step| step.factors.iter().find(|factor| factor.source.is_none()).map(|factor| factor.value);
    first.and_then(constant).unwrap_or(1.0)
}

/// The factor of a sample's loss in the loss of the batch: 1/n for a mean over n samples, 1 for a sum or a single sample.
pub(super) fn mean_factor(trace: &Trace) -> f64 {
    // the index of the batch's run, which comes after those of the samples
    let batch = trace.samples();
    let is_reduced = |id: &Id| matches!(trace.network_of(batch).tensor(*id).role, Role::Reduced(_));
    if batch == 1 {
        return 1.0;
    }
    trace.network_of(batch).ops().iter().map(|op| op.output).find(is_reduced).map_or(1.0, |id| factor(trace, batch, id))
}
