//! For tests: a copy of a trace in which all numbers of the steps after step k are replaced. The screen at step k must not depend on later numbers, so it must
//! be the same for the trace and for the copy.

use std::sync::Arc;

use super::{Position, Trace};
use crate::network::{Id, IterationRun, Run};
use crate::step::Step;

/// A function from a number of a later step to its replacement.
pub type Replacement = fn(f64) -> f64;

/// The step after which all numbers are replaced, and their replacement.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaterNumbers {
    after: u64,
    replacement: Replacement,
}

impl LaterNumbers {
    /// Replaces the value, the sum and the derived factors of a later step. An earlier step stays unchanged.
    pub fn step(&self, mut step: Step) -> Step {
        let number = step.step;
        step.value = self.number(number, step.value);
        step.sum = self.number(number, step.sum);
        for factor in step.factors.iter_mut().filter(|factor| factor.derived.is_some()) {
            factor.value = self.number(number, factor.value);
        }
        step
    }

    /// Replaces a number that a later step computes. An earlier number stays unchanged.
    pub fn number(&self, step: u64, value: f64) -> f64 {
        if step > self.after { (self.replacement)(value) } else { value }
    }
}

impl Trace {
    /// Returns a copy of this trace in which every number computed after step `after` is replaced. These are later terms of the same entry, later entries of
    /// the same op, later ops and samples, and the batch. If `after` is 0, all computed numbers are replaced. If step `after` does not exist, nothing is
    /// replaced.
    #[must_use]
    pub fn with_future(&self, after: u64, replacement: Replacement) -> Self {
        let now = self.position(after);
        if now.is_none() && after > 0 {
            return Self::of_iteration(self.iteration, self.runs.iter().cloned().collect());
        }
        let altered = |(run_index, run): (usize, &IterationRun)| IterationRun {
            run: Arc::new(self.altered_run(run_index, now.as_ref(), replacement)),
            ..run.clone()
        };
        let runs = self.runs.iter().enumerate().map(altered).collect();
        Self { future: Some(LaterNumbers { after, replacement }), ..Self::of_iteration(self.iteration, runs) }
    }

    /// Returns the values of a run, with replacements for all numbers that are computed after position `now`. If `now` is `None`, all computed numbers are
    /// replaced.
    fn altered_run(&self, run_index: usize, now: Option<&Position>, replacement: Replacement) -> Run {
        let IterationRun { network, run, sample } = &self.runs[run_index];
        let first_step = self.run_starts.get(run_index).map_or(self.len, |start| self.segments[*start].steps_before) + 1;
        let first_replaced = |id: Id| match (network.producer(id), now) {
            // inputs and parameters are not replaced. But the inputs of the batch's run are results of the samples, so they are replaced until the last step of
            // the samples
            (None, now) => (now.is_none_or(|now| now.step < first_step - 1) && sample.is_none()).then_some(0),
            (Some(_), None) => Some(0),
            (Some(op), Some(now)) => match (run_index, op).cmp(&(now.run_index, now.op)) {
                std::cmp::Ordering::Less => None,
                // the current entry is replaced too, unless this term is its last
                std::cmp::Ordering::Equal => Some(now.entry + usize::from(now.term + 1 == now.terms)),
                std::cmp::Ordering::Greater => Some(0),
            },
        };
        run.altered(network, first_replaced, replacement)
    }
}
