//! A computed iteration, and the batch that the iteration would have if its loss were another number.
//!
//! The loss decides whether the tolerance ends the descent with this iteration. Then the iteration has no update. The screen must not tell this before the step
//! of the loss. Until then it shows the *planned* iteration, which has an update. The ops of this update have steps, but their results are not computed.

use std::sync::Arc;

use super::run::PartialRun;
use super::{BatchSource, Descent, Id, IterationRun, IterationRuns, Role, Shortage};
use crate::tensor::Tensor;

/// A computed iteration.
#[derive(Debug)]
pub struct Iteration {
    /// The number of the iteration, from 1.
    pub number: u64,
    /// The runs of the samples, then the run of the batch.
    pub runs: IterationRuns,
    /// The loss of the batch.
    pub loss: f64,
    /// `true` if the descent ends with this iteration, because of its tolerance. Then it has no update.
    pub stopped: bool,
    /// The missing memory, if the iteration has no update for this reason.
    pub shortage: Option<Shortage>,
    /// If the tolerance ends the descent with this iteration, the run that the batch would have if the descent went on (`Descent::uncomputed_batch`).
    pub planned: Option<IterationRun>,
}

impl Iteration {
    /// Returns whether no later iteration can be computed, because the tolerance or missing memory has left this one without an update.
    #[must_use]
    pub fn ends_descent(&self) -> bool {
        self.stopped || self.shortage.is_some()
    }
}

impl Descent {
    /// Returns whether the loss of an iteration decides if the descent goes on after it.
    #[must_use]
    pub fn can_end_early(&self, iteration: u64) -> bool {
        // the first loss has no previous one
        iteration > 1 && self.train().is_some_and(|train| train.tolerance.is_some())
    }

    /// Returns the run that the batch of an iteration would have if the tolerance ended the descent with this iteration; `None` if this batch has no ops. Its
    /// gradients are not computed. Tests use the run to show that frames do not depend on a later loss.
    #[must_use]
    pub fn batch_without_update(&self, iteration: u64, runs: &[IterationRun]) -> Option<IterationRun> {
        let has_update = false;
        self.uncomputed_batch(iteration, has_update, runs, |_, parameter| {
            unreachable!("without an update, no op reads a state of parameter {parameter}")
        })
    }

    /// Returns a run of an iteration's batch that is valid up to the step of the loss; `None` if the batch has no ops. The run has the inputs of the batch and
    /// its loss. The other results are not computed: in their place are other tensors with the same shapes, which take almost no memory.
    ///
    /// `runs` begins with the runs of the samples. `state(index, parameter)` returns a state of the optimizer, such as a velocity, before the update.
    pub(super) fn uncomputed_batch(
        &self,
        iteration: u64,
        has_update: bool,
        runs: &[IterationRun],
        state: impl Fn(usize, Id) -> Arc<Tensor>,
    ) -> Option<IterationRun> {
        let batch = self.batch(iteration, runs.iter().filter_map(|run| run.sample), has_update);
        let network = &batch.network;
        let mut run = PartialRun::new(network);
        for (id, source) in network.sources() {
            match source {
                BatchSource::Sample(n, of) => run.share(network, id, &runs[n].run, of),
                BatchSource::Parameter(of) => run.share(network, id, &runs[0].run, of),
                BatchSource::State(index, of) => run.give(&[(id, state(index, of))]),
            }
        }
        if batch.loss.is_some() {
            // the first op computes the loss
            run.compute_next(network);
        }
        for op in &network.ops()[run.next_op()..] {
            let info = network.tensor(op.output);
            let like = if let Role::Reduced(of) = info.role { Some(of) } else { info.parameter };
            run.share(network, op.output, &runs[0].run, like?);
        }
        (!network.ops().is_empty()).then(|| IterationRun { network: Arc::clone(network), run: Arc::new(run.into_run()), sample: None })
    }
}
