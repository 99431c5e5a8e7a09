//! The job of a search or of a move to a breakpoint: a scan of the steps, and its goal.

use super::{Search, Visit};
use crate::trace::{StepScan, Trace};

/// The goal of a scan.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sought {
    /// The matches of a search in this iteration. After the last step comes the first.
    Matches(Search),
    /// The breakpoints in this iteration and in further ones.
    Breakpoints,
}

/// The goal of a move to a breakpoint, or of a search: what to find, and how many times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ScanGoal {
    pub sought: Sought,
    pub goes_back: bool,
    /// The number of stops still to find.
    pub remaining: u64,
    /// The place where the key was pressed.
    pub start: Visit,
}

/// A scan in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanJob {
    pub(super) goal: ScanGoal,
    pub(super) scan: StepScan,
    /// The step where the scan began; 0 before the first.
    pub(super) from: u64,
    /// `true` if the scan began again at the other end, to find this stop.
    pub(super) is_wrapped: bool,
    /// The iteration, and the first step of the op in progress with the number of steps.
    pub(super) progress: (u64, u64, u64),
}

impl ScanGoal {
    /// Returns a scan for this goal from a step on, without the step.
    pub fn from(self, trace: &Trace, step: u64) -> ScanJob {
        let end = trace.len() + 1;
        let within = if self.goes_back { 1..step } else { step + 1..end };
        let scan = StepScan::new(trace, within, self.goes_back);
        ScanJob { goal: self, progress: (trace.iteration(), scan.step(trace), trace.len()), scan, from: step, is_wrapped: false }
    }
}

impl ScanJob {
    /// Returns the scan of the steps on the other side, up to the step where it began.
    pub(super) fn wrapped(self, trace: &Trace) -> Self {
        let within = if self.goal.goes_back { self.from..trace.len() + 1 } else { 1..self.from + 1 };
        Self { scan: StepScan::new(trace, within, self.goal.goes_back), is_wrapped: true, ..self }
    }

    /// Returns a clause about the progress.
    pub(super) fn describe(&self) -> String {
        let (iteration, step, len) = self.progress;
        match self.goal.sought {
            Sought::Matches(_) => format!("step {step} of {len}"),
            Sought::Breakpoints => format!("iteration {iteration}, step {step}"),
        }
    }
}
