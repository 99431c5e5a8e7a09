//! A computation of iterations of gradient descent, and the thread that does its next piece. A piece is one op, or the start or end of a run.

use std::time::Duration;

use crate::network::{Descent, DescentComputation};
use crate::threads::BackgroundTask;

/// A computation that is either ready for its next piece, or does it on the background thread. `T` is the result of a piece.
#[derive(Debug)]
pub(super) enum ComputationState<T> {
    /// The next piece has not begun.
    Ready(Box<DescentComputation>),
    /// The background thread does the next piece, which belongs to the iteration with this number.
    InBackground(u64, BackgroundTask<T>),
}

// not derived, because a derived `Clone` would need `T: Clone`
impl<T> Clone for ComputationState<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Ready(computation) => Self::Ready(computation.clone()),
            Self::InBackground(iteration, task) => Self::InBackground(*iteration, task.clone()),
        }
    }
}

impl<T: Send + 'static> ComputationState<T> {
    /// Returns the iteration in progress.
    pub fn iteration(&self) -> u64 {
        match self {
            Self::Ready(computation) => computation.iteration(),
            Self::InBackground(iteration, _) => *iteration,
        }
    }

    /// Returns whether the next piece is on this thread, and an iteration is so large that allocating its memory takes milliseconds. Then the piece must not be
    /// done while a key waits.
    pub fn would_block_key(&self) -> bool {
        matches!(self, Self::Ready(computation) if computation.is_large())
    }

    /// Starts the next piece on the background thread, if the piece is long and has not started. `advance` does the piece.
    pub fn in_background(self, descent: &Descent, advance: impl FnOnce(Box<DescentComputation>) -> T + Send + 'static) -> Self {
        match self {
            Self::Ready(computation) if descent.is_next_piece_long(&computation) => {
                let iteration = computation.iteration();
                // if there is no background thread, `begin` returns the computation, and this thread does the piece
                BackgroundTask::begin(computation, advance).map_or_else(Self::Ready, |task| Self::InBackground(iteration, task))
            }
            state => state,
        }
    }

    /// Waits for the background thread, but not longer than this time. Returns `true` if this thread can go on: the background thread has done the piece, or
    /// there is none in the background.
    pub fn can_continue_within(&self, wait: Duration) -> bool {
        match self {
            Self::Ready(_) => true,
            Self::InBackground(_, task) => task.is_done_within(wait),
        }
    }
}
