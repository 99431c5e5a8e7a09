//! The job that computes one iteration of gradient descent after the other, for the curves of the loss and of a parameter.

use super::document::Experiment;
use super::walk_state::WalkState;
use crate::network::DescentWalk;
use crate::step::TensorEntry;

/// A run of gradient descent in progress.
#[derive(Clone, Debug)]
pub struct TrainJob {
    /// The entry of a parameter whose values are stored.
    pub(super) entry: TensorEntry,
    /// The largest number of iterations.
    pub(super) iterations: u64,
    pub(super) walk: WalkState<TrainProgress>,
}

/// The result of one or several pieces of a run.
#[derive(Debug)]
pub(super) struct TrainProgress {
    pub walk: Box<DescentWalk>,
    /// The iteration that was completed; `None` if it is unfinished.
    pub completed: Option<TrainedIteration>,
}

/// The numbers of an iteration that the run stores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TrainedIteration {
    pub number: u64,
    /// The value of the parameter's entry.
    pub value: f64,
    /// Whether no iteration follows.
    pub is_last: bool,
}

impl TrainJob {
    /// Returns a run whose iterations `walk` computes.
    pub(super) fn new(entry: TensorEntry, iterations: u64, walk: DescentWalk) -> Self {
        Self { entry, iterations, walk: WalkState::Ready(Box::new(walk)) }
    }

    /// Does at most `pieces` pieces of the walk, and at most one iteration. Subtracts the number of done pieces from `pieces`.
    pub(super) fn advance(entry: TensorEntry, experiment: &Experiment, mut walk: Box<DescentWalk>, pieces: &mut u64) -> TrainProgress {
        let iteration = experiment.descent.advance(&mut walk, pieces);
        let completed = iteration.map(|iteration| TrainedIteration {
            number: iteration.number,
            value: iteration.sample_runs[0].run.values(entry.tensor)[entry.at],
            is_last: iteration.ends_descent() || iteration.number >= experiment.descent.iterations(),
        });
        TrainProgress { walk, completed }
    }
}
