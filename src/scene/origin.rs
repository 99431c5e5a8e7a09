//! Tensors in the network of the batch that have the numbers of a sample's tensor. For example, `1:grad.fc1.weight` has the numbers of `grad.fc1.weight` of
//! sample 1, and the batch adds it to those of the other samples. The run of the sample computes these numbers, not the run of the batch.

use std::ops::Range;

use super::Scene;
use crate::network::{BatchSource, Id};

impl<'a> Scene<'a> {
    /// If a tensor of the batch has the numbers of a sample's tensor: returns the scene of that sample's last step, and the tensor in it. Returns `None` for
    /// any other tensor.
    #[must_use]
    pub fn origin(&self, tensor: Id) -> Option<(Scene<'a>, Id)> {
        let Some(BatchSource::Sample(run, of)) = self.network().tensor(tensor).source else { return None };
        Some((self.in_run(run)?, of))
    }

    /// Returns the steps of a sample that compute an entry of the batch. Returns `None` for an entry of a sample, and for an entry that no step computes, such
    /// as a parameter.
    #[must_use]
    pub fn steps_in_sample(&self, tensor: Id, entry: usize) -> Option<Range<u64>> {
        let Some(BatchSource::Sample(run, of)) = self.network().tensor(tensor).source else { return None };
        self.trace.entry_steps(run, of, entry).filter(|steps| !steps.is_empty())
    }

    /// Returns the run and the tensor that have the numbers of a tensor of this scene.
    ///
    /// - A tensor of the batch may have the numbers of a sample's tensor. Then it is the run of this sample.
    /// - A parameter is the same in all samples. Then it is the run of the first sample.
    /// - For any other tensor, it is the run of this scene.
    #[must_use]
    pub fn canonical(&self, tensor: Id) -> (usize, Id) {
        let info = self.network().tensor(tensor);
        match info.source {
            Some(BatchSource::Sample(run, of)) => (run, of),
            Some(BatchSource::Parameter(of)) => (0, of),
            None if self.sample().is_some() && info.role.is_learnable() => (0, tensor),
            Some(BatchSource::State(..)) | None => (self.at.run_index, tensor),
        }
    }

    /// Returns a scene in a run. If the step of this scene is in the run, it is this scene; otherwise it is the scene of the run's last step. Returns `None` if
    /// the run begins after this step.
    #[must_use]
    pub fn in_run(&self, run_index: usize) -> Option<Scene<'a>> {
        if run_index == self.at.run_index {
            return self.at_step(self.at.step);
        }
        let (_, steps) = self.trace.passes_of(run_index).last()?;
        self.at_step(steps.end - 1)
    }
}
