//! The stepper: an open scenario with the step on the screen.

use std::sync::Arc;
use std::time::Duration;

use super::{Document, Job, Mode, ReturnPoint, Visit, Visits};
use crate::step::Unit;
use crate::trace::{Position, Trace};

/// An open scenario at one of its steps.
#[derive(Clone, Debug)]
pub struct Stepper {
    /// The scenario with the iteration on the screen.
    pub document: Arc<Document>,
    /// The step on the screen, counted from 1.
    pub step: u64,
    /// The unit of moving.
    pub unit: Unit,
    /// The number typed before a key.
    pub count: Option<u64>,
    /// The mode, which decides the meaning of keys.
    pub mode: Mode,
    /// The work in progress. It goes on while an overlay or the picker covers the stepper.
    pub job: Option<Job>,
    /// The time of the next move of play; `None` if paused. Play is a clock, not a job. It waits while there is a job, such as its own last move.
    pub play: Option<Duration>,
    /// Rows and columns by which the matrices are scrolled away from this step's entries.
    pub scroll: [isize; 2],
    /// The places that jumps have left.
    pub visits: Visits,
    /// The place where the last moves forward began; `None` after any other move.
    pub return_point: Option<ReturnPoint>,
}

impl Stepper {
    /// Returns a stepper at step `at`, or at the nearest step that exists.
    #[must_use]
    pub fn new(document: Arc<Document>, at: u64) -> Self {
        let step = at.clamp(1, document.trace.len());
        Self {
            document,
            step,
            unit: Unit::Step,
            count: None,
            mode: Mode::Normal,
            job: None,
            play: None,
            scroll: [0, 0],
            visits: Visits::default(),
            return_point: None,
        }
    }

    /// Returns the trace, and the position of the step on the screen. All tensors on the screen belong to the step's sample, or to the batch.
    #[must_use]
    pub fn here(&self) -> Option<(&Trace, Position)> {
        let trace = &self.document.trace;
        Some((trace, trace.position(self.step)?))
    }

    /// Returns the iteration and the step on the screen.
    #[must_use]
    pub fn place(&self) -> Visit {
        Visit { iteration: self.document.trace.iteration(), step: self.step }
    }

    /// Scrolls the matrices by rows, at most by the number of rows of the largest one.
    pub(super) fn scroll_rows(&mut self, rows: i16) {
        let most = self.rows();
        self.scroll[0] = (self.scroll[0] + isize::from(rows)).clamp(-most, most);
    }

    /// Returns the number of rows of the largest matrix on the screen.
    fn rows(&self) -> isize {
        let Some((trace, at)) = self.here() else { return 0 };
        let op = trace.op_at(&at);
        let read = op.first_parts().iter().flat_map(|part| part.operands.iter().copied());
        let rows = |id| match *trace.network_of(at.sample_run).tensor(id).shape {
            [.., rows, _] | [rows] => rows,
            [] => 1,
        };
        read.chain([op.output]).map(rows).max().and_then(|rows| isize::try_from(rows).ok()).unwrap_or(0)
    }
}
