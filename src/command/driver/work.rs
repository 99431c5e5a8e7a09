//! The work of the driver on a job, one slice of time after the other.

use std::time::Duration;

use super::Driver;
use crate::app::{self, Action, Job, SLICE};
use crate::command::progress::with_progress;

/// A limit on the work that may still be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkLimit {
    /// The largest number of iterations.
    pub iterations: u64,
    /// The largest number of pieces of work.
    pub pieces: u64,
}

impl WorkLimit {
    /// The limit that allows all work.
    pub const UNLIMITED: Self = Self { iterations: u64::MAX, pieces: u64::MAX };
}

impl Driver {
    /// Works on the job for a slice of time, and subtracts the work from `limit`. Returns the number of pieces that it did.
    ///
    /// If no job is left, both numbers of `limit` become 0, so that the caller stops.
    pub fn work_slice(&mut self, limit: &mut WorkLimit) -> u64 {
        let slice_end = self.slice_clock_time() + SLICE;
        let mut done = 0;
        while limit.iterations > 0 && limit.pieces > 0 {
            let Some(progress_before) = self.state.job().map(Job::progress) else { break };
            if !self.state.can_continue_within(slice_end.saturating_sub(self.slice_clock_time())) {
                break;
            }
            app::update(&mut self.state, Action::JobPieces(1));
            done += 1;
            limit.pieces -= 1;
            // the progress has the number of the iteration in progress, so if it changes, an iteration is complete
            if self.state.job().map(Job::progress) != Some(progress_before) {
                limit.iterations -= 1;
            }
            if self.slice_clock_time() >= slice_end {
                break;
            }
        }
        if self.state.job().is_none() {
            *limit = WorkLimit::default();
            // if the job was an edit, it is complete now
            self.keep_edits();
        }
        done
    }

    /// Waits for the task on the background thread, and works until the job is done. Shows the progress on stderr.
    ///
    /// # Errors
    /// If Ctrl-C stops the work.
    pub fn finish_all(&mut self) -> anyhow::Result<()> {
        self.finish_within(WorkLimit::UNLIMITED)
    }

    /// Works until the job is done or `limit` is used up.
    ///
    /// # Errors
    /// If Ctrl-C stops the work.
    pub(in crate::command) fn finish_within(&mut self, limit: WorkLimit) -> anyhow::Result<()> {
        self.finish_in_slices(limit, |_| Ok(()))
    }

    /// Does the same as [`Self::finish_within`], and calls `after_slice` with the number of pieces of each slice.
    ///
    /// # Errors
    /// If Ctrl-C stops the work, or if `after_slice` fails.
    pub(in crate::command) fn finish_in_slices(
        &mut self,
        mut limit: WorkLimit,
        mut after_slice: impl FnMut(u64) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.finish_task(Duration::MAX);
        if self.state.job().is_none() {
            return Ok(());
        }
        with_progress(|go_on| {
            while let Some((iteration, last)) = self.state.job().map(Job::progress).filter(|_| limit.iterations > 0 && limit.pieces > 0) {
                if !go_on(iteration, last) {
                    // Ctrl-C
                    return None;
                }
                if let Err(error) = after_slice(self.work_slice(&mut limit)) {
                    return Some(Err(error));
                }
            }
            Some(Ok(()))
        })?
    }
}
