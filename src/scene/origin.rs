//! The tensors of samples whose numbers the batch reads: `1:grad.fc1.weight`. In the batch they are given; the steps that compute them belong to a sample.

use std::ops::Range;

use super::Scene;
use crate::network::{BatchSource, Id};

impl<'a> Scene<'a> {
    /// Returns the scene of the sample that computes a tensor of the batch, at the sample's last step, and the tensor there. `None` for every other tensor.
    #[must_use]
    pub fn origin(&self, tensor: Id) -> Option<(Scene<'a>, Id)> {
        let Some(BatchSource::Sample(run, of)) = self.network().tensor(tensor).source else { return None };
        Some((self.in_run(run)?, of))
    }

    /// Returns the steps of a sample that compute an entry which the batch reads. `None` for an entry of a sample, and for an entry that this iteration does
    /// not compute, such as an input or a parameter.
    #[must_use]
    pub fn steps_in_sample(&self, tensor: Id, entry: usize) -> Option<Range<u64>> {
        let Some(BatchSource::Sample(run, of)) = self.network().tensor(tensor).source else { return None };
        self.trace.entry_steps(run, of, entry).filter(|steps| !steps.is_empty())
    }

    /// Returns the run and the tensor from which the numbers of a tensor of this scene come:
    ///
    /// - for a tensor that a sample gives to the batch, the run of this sample;
    /// - for a parameter, the run of the first sample, because all samples share the parameter;
    /// - for every other tensor, the run of this scene.
    #[must_use]
    pub fn home(&self, tensor: Id) -> (usize, Id) {
        let info = self.network().tensor(tensor);
        match info.source {
            Some(BatchSource::Sample(run, of)) => (run, of),
            Some(BatchSource::Parameter(of)) => (0, of),
            None if self.sample().is_some() && info.role.is_learnable() => (0, tensor),
            Some(BatchSource::State(..)) | None => (self.at.sample_run, tensor),
        }
    }

    /// Returns the scene of the last step of a run, or this scene's step if that is in the run. `None` if the run begins later than this step.
    #[must_use]
    pub fn in_run(&self, sample_run: usize) -> Option<Scene<'a>> {
        if sample_run == self.at.sample_run {
            return self.at_step(self.at.step);
        }
        let (_, steps) = self.trace.passes_of(sample_run).last()?;
        self.at_step(steps.end - 1)
    }
}
