//! A trace with another future: whatever is computed after some step has other numbers. A frame of that step must not change, since a reader of the screen
//! does not know these numbers yet.

use super::{Position, Trace};
use crate::network::{Id, Run, SampleRun};
use crate::step::Step;

/// Returns another number for a number that is computed later.
pub type Other = fn(f64) -> f64;

/// The step after which all numbers are others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Future {
    after: u64,
    other: Other,
}

impl Future {
    /// A step of the trace: a later one with another value, another sum, and other numbers for what it derives from its operands.
    pub fn step(&self, mut step: Step) -> Step {
        let number = step.step;
        step.value = self.number(number, step.value);
        step.sum = self.number(number, step.sum);
        for factor in step.factors.iter_mut().filter(|factor| factor.derived.is_some()) {
            factor.value = self.number(number, factor.value);
        }
        step
    }

    /// A number that is computed at a step.
    pub fn number(&self, step: u64, value: f64) -> f64 {
        if step > self.after { (self.other)(value) } else { value }
    }
}

impl Trace {
    /// Returns this iteration as it is up to step `after`, with other numbers in all that is computed later: terms of the same entry, entries of the same
    /// op, later ops and samples, and the batch. Where `after` is no step, nothing changes.
    #[must_use]
    pub fn with_future(&self, after: u64, other: Other) -> Self {
        let Some(now) = self.position(after) else { return Self::of(self.iteration, self.sample_runs.iter().cloned().collect()) };
        let altered = |(number, sample_run): (usize, &SampleRun)| SampleRun { run: self.later(number, &now, other), ..sample_run.clone() };
        let sample_runs = self.sample_runs.iter().enumerate().map(altered).collect();
        Self { future: Some(Future { after, other }), ..Self::of(self.iteration, sample_runs) }
    }

    /// The run of a sample_run, with other numbers in all that is computed after a position.
    fn later(&self, sample_run: usize, now: &Position, other: Other) -> Run {
        let SampleRun { network, run, sample } = &self.sample_runs[sample_run];
        let first = |id: Id| match network.producer(id) {
            // a batch is given the results of its samples
            None => (sample_run > now.sample_run && sample.is_none()).then_some(0),
            Some(op) => match (sample_run, op).cmp(&(now.sample_run, now.op)) {
                std::cmp::Ordering::Less => None,
                std::cmp::Ordering::Equal => Some(now.entry + usize::from(now.term + 1 == now.terms)),
                std::cmp::Ordering::Greater => Some(0),
            },
        };
        run.altered(network, first, other)
    }
}
