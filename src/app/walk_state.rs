//! A walk (a computation of iterations) in progress, and the thread that does its next piece.

use std::time::Duration;

use crate::network::{Descent, DescentWalk};
use crate::threads::BackgroundTask;

/// A walk and the thread that does its next piece. `T` is the result of a piece.
#[derive(Debug)]
pub(super) enum WalkState<T> {
    /// This thread does the next piece.
    Ready(Box<DescentWalk>),
    /// The background thread does the next piece. The number is that of the iteration in progress.
    InBackground(u64, BackgroundTask<T>),
}

// not derived, because a derived `Clone` would need `T: Clone`
impl<T> Clone for WalkState<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Ready(walk) => Self::Ready(walk.clone()),
            Self::InBackground(next, task) => Self::InBackground(*next, task.clone()),
        }
    }
}

impl<T: Send + 'static> WalkState<T> {
    /// Returns the iteration in progress.
    pub fn iteration(&self) -> u64 {
        match self {
            Self::Ready(walk) => walk.iteration(),
            Self::InBackground(next, _) => *next,
        }
    }

    /// Returns whether an iteration is so large that allocating its memory takes milliseconds, so that a key must not wait for it.
    pub fn is_large(&self) -> bool {
        matches!(self, Self::Ready(walk) if walk.is_large())
    }

    /// Starts the next piece on the background thread, if the piece is long and has not started. `advance` does the piece.
    pub fn in_background(self, descent: &Descent, advance: impl FnOnce(Box<DescentWalk>) -> T + Send + 'static) -> Self {
        match self {
            Self::Ready(walk) if descent.is_next_long(&walk) => {
                let next = walk.iteration();
                // if there is no background thread, `begin` returns the walk, and this thread does the piece
                BackgroundTask::begin(walk, advance).map_or_else(Self::Ready, |task| Self::InBackground(next, task))
            }
            state => state,
        }
    }

    /// Waits for the background thread, but not longer than this time. Returns whether the next piece is ready to be completed; a short piece always is.
    pub fn is_ready_within(&self, wait: Duration) -> bool {
        match self {
            Self::Ready(_) => true,
            Self::InBackground(_, task) => task.is_done_within(wait),
        }
    }
}
