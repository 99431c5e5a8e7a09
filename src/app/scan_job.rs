//! The data of a scan in progress. A scan is the job of a search, or of a move to a breakpoint.

use super::{Search, Visit};
use crate::trace::{StepScan, Trace};

/// The places that a scan looks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ScanKind {
    /// The matches of a search in this iteration. After the last step, the scan continues at the first step.
    Search(Search),
    /// The breakpoints in this iteration and the following ones (the preceding ones if the scan goes back).
    Breakpoints,
}

/// The goal of a scan: its kind, its direction, its start, and the number of matches or breakpoints still to find.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ScanGoal {
    pub kind: ScanKind,
    pub goes_back: bool,
    /// The number of matches or breakpoints still to find.
    pub remaining: u64,
    /// The step at which the key was pressed.
    pub start: Visit,
}

/// A scan in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanJob {
    pub(super) goal: ScanGoal,
    pub(super) scan: StepScan,
    /// The scan began after this step, or before it if the scan goes back. It is the step at which the key was pressed, or the last match. For a scan of all
    /// steps of an iteration, it is 0, or 1 + the number of steps if the scan goes back.
    pub(super) from: u64,
    /// `true` if the scan has passed the end of the iteration and continues at the other end.
    pub(super) is_wrapped: bool,
    pub(super) progress: ScanProgress,
}

/// The progress of a scan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ScanProgress {
    pub iteration: u64,
    /// The first step of the op in progress.
    pub step: u64,
    /// The number of steps of the iteration.
    pub len: u64,
}

impl ScanGoal {
    /// Returns a scan for this goal that begins after `step`, or before it if the scan goes back.
    pub fn scan_from(self, trace: &Trace, step: u64) -> ScanJob {
        let end = trace.len() + 1;
        let within = if self.goes_back { 1..step } else { step + 1..end };
        let scan = StepScan::new(trace, within, self.goes_back);
        let progress = ScanProgress { iteration: trace.iteration(), step: scan.step(trace), len: trace.len() };
        ScanJob { goal: self, progress, scan, from: step, is_wrapped: false }
    }
}

impl ScanJob {
    /// Returns the scan of the remaining steps: from the other end of the iteration to the step at which this scan began, with this step.
    pub(super) fn wrapped(self, trace: &Trace) -> Self {
        let within = if self.goal.goes_back { self.from..trace.len() + 1 } else { 1..self.from + 1 };
        Self { scan: StepScan::new(trace, within, self.goal.goes_back), is_wrapped: true, ..self }
    }

    /// Describes the progress: `step 40 of 90` for a search, `iteration 3, step 40` for breakpoints.
    pub(super) fn describe(&self) -> String {
        let ScanProgress { iteration, step, len } = self.progress;
        match self.goal.kind {
            ScanKind::Search(_) => format!("step {step} of {len}"),
            ScanKind::Breakpoints => format!("iteration {iteration}, step {step}"),
        }
    }
}
