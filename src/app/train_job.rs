//! The job that computes one iteration of gradient descent after the other, for the curves of the loss and of a parameter.

use super::computation_state::ComputationState;
use super::document::Experiment;
use crate::network::DescentComputation;
use crate::step::TensorEntry;

/// A training run in progress.
#[derive(Clone, Debug)]
pub struct TrainJob {
    /// The entry of a parameter whose values are stored.
    pub(super) entry: TensorEntry,
    /// The largest number of iterations.
    pub(super) iterations: u64,
    pub(super) computation: ComputationState<TrainProgress>,
}

/// The result of one or several pieces of a training run.
#[derive(Debug)]
pub(super) struct TrainProgress {
    pub computation: Box<DescentComputation>,
    /// The iteration that was completed; `None` if it is unfinished.
    pub completed: Option<TrainedIteration>,
}

/// The numbers of an iteration that the training run stores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TrainedIteration {
    pub number: u64,
    /// The value of the parameter's entry.
    pub value: f64,
    /// `true` if it is the last iteration.
    pub is_last: bool,
}

impl TrainJob {
    /// Returns a job that does this computation.
    pub(super) fn new(entry: TensorEntry, iterations: u64, computation: DescentComputation) -> Self {
        Self { entry, iterations, computation: ComputationState::Ready(Box::new(computation)) }
    }

    /// Does at most `pieces` pieces of the computation, and at most one iteration. Subtracts the number of done pieces from `pieces`.
    pub(super) fn advance(
        entry: TensorEntry,
        experiment: &Experiment,
        mut computation: Box<DescentComputation>,
        pieces: &mut u64,
    ) -> TrainProgress {
        let iteration = experiment.descent.advance(&mut computation, pieces);
        let completed = iteration.map(|iteration| TrainedIteration {
            number: iteration.number,
            // a parameter has the same value in all runs of the samples; the first run is one of them
            value: iteration.runs[0].run.values(entry.tensor)[entry.at],
            is_last: iteration.ends_descent() || iteration.number >= experiment.descent.iterations(),
        });
        TrainProgress { computation, completed }
    }
}
