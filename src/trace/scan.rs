//! Searches the steps of one iteration, forward or back, for the nearest stop. A stop is the first step of an op, the last step of an entry, or the last step
//! of an entry whose value meets a condition.
//!
//! A scan looks at one op after another. It computes no steps, because the run already has all values of an op. A scan is done in slices, each with a budget,
//! so that the keyboard can be read between two slices.

use std::ops::Range;

use smallvec::SmallVec;

use super::{Trace, ValueTest};
use crate::network::Id;

/// The cost of looking at one op. The unit of costs and budgets is the cost of looking at one value.
const OP_COST: u64 = 50;
/// The cost of finding the steps of an entry whose value meets the condition.
const ENTRY_COST: u64 = 200;

/// A kind of stop within an op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stop {
    /// The first step of the op.
    Op,
    /// The last step of this entry.
    Entry(usize),
    /// The last step of every entry whose value meets the condition.
    Values(ValueTest),
    /// The last step of the first entry that has steps and whose value meets the condition.
    FirstValue(ValueTest),
    /// The last step of this entry, if its value meets the condition.
    Value(usize, ValueTest),
}

/// The stops in one op. Each has a number that the caller chooses, such as the number of a breakpoint.
pub type Stops = SmallVec<[(u32, Stop); 2]>;

/// A stop that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The step.
    pub step: u64,
    /// The number of the stop.
    pub number: u32,
}

/// The result of a slice of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// The budget is used up.
    Unfinished,
    /// The nearest stop.
    Found(Hit),
    /// There is no stop up to the end of the scan.
    Nothing,
}

/// A scan with its progress.
#[derive(Clone, Debug, PartialEq)]
pub struct StepScan {
    goes_back: bool,
    /// The steps at which the scan may stop.
    within: Range<u64>,
    /// The segment (the steps of one op of one run) to look at next, as an index into [`Trace::segments`]; `None` at the end.
    segment: Option<usize>,
    /// The stop to look at next in this segment, as an index into its [`Stops`].
    stop: usize,
    /// The entry to look at next for this stop; `None` before the first.
    entry: Option<usize>,
    /// The nearest stop of this op so far.
    best: Option<Hit>,
}

impl StepScan {
    /// Returns a scan of the steps `within`, from the first to the last or, if `goes_back` is set, from the last to the first.
    #[must_use]
    pub fn new(trace: &Trace, within: Range<u64>, goes_back: bool) -> Self {
        let within = within.start.max(1)..within.end.min(trace.len() + 1);
        let begin = if goes_back { within.end.saturating_sub(1) } else { within.start };
        let segment = if within.is_empty() { None } else { trace.segment_of(begin) };
        Self { goes_back, within, segment, stop: 0, entry: None, best: None }
    }

    /// Returns the first step of the op to look at next, to show the progress.
    #[must_use]
    pub fn step(&self, trace: &Trace) -> u64 {
        self.segment.map_or(self.within.end, |segment| trace.steps_of(segment).start).min(trace.len())
    }

    /// Continues the scan until it finds the nearest stop, reaches its end, or has used up the budget. Subtracts the cost from the budget. `stops(run_index,
    /// tensor)` returns the stops in the op that computes the tensor.
    pub fn advance(&mut self, trace: &Trace, stops: &dyn Fn(usize, Id) -> Stops, budget: &mut u64) -> Scanned {
        while let Some(segment) = self.segment {
            if *budget == 0 {
                return Scanned::Unfinished;
            }
            *budget = budget.saturating_sub(OP_COST);
            let op_steps = trace.steps_of(segment);
            let is_beyond_end = if self.goes_back { op_steps.end <= self.within.start } else { op_steps.start >= self.within.end };
            if is_beyond_end {
                break;
            }
            if !op_steps.is_empty() {
                let stops = stops(trace.segments[segment].run_index, trace.op(segment).1.output);
                while let Some((number, stop)) = stops.get(self.stop) {
                    if !self.look(trace, segment, *number, stop, budget) {
                        return Scanned::Unfinished;
                    }
                    (self.stop, self.entry) = (self.stop + 1, None);
                }
                if let Some(hit) = self.best {
                    return Scanned::Found(hit);
                }
            }
            self.stop = 0;
            self.segment =
                if self.goes_back { segment.checked_sub(1) } else { Some(segment + 1).filter(|next| *next < trace.segments.len()) };
        }
        self.segment = None;
        Scanned::Nothing
    }

    /// Looks for one stop in an op. Returns `false` if the budget is used up first.
    fn look(&mut self, trace: &Trace, segment: usize, number: u32, stop: &Stop, budget: &mut u64) -> bool {
        let values = || {
            let (run, op, _) = trace.op(segment);
            run.values(op.output)
        };
        match stop {
            Stop::Op => self.offer(Hit { step: trace.steps_of(segment).start, number }),
            Stop::Entry(entry) => self.offer_entry(trace, segment, *entry, number),
            Stop::Value(entry, test) if values().get(*entry).is_some_and(|value| test.holds(*value)) => {
                self.offer_entry(trace, segment, *entry, number);
            }
            Stop::Value(..) => {}
            Stop::Values(test) => {
                let all_count = true;
                return self.look_at_values(trace, segment, number, (test, all_count), budget);
            }
            Stop::FirstValue(test) => {
                let all_count = false;
                return self.look_at_values(trace, segment, number, (test, all_count), budget);
            }
        }
        true
    }

    /// Looks in an op for an entry that has steps and whose value meets the condition. If `all_count` is set, all such entries count, and the scan takes the
    /// nearest in its direction; otherwise, only the first such entry of the op counts. Returns `false` if the budget is used up first.
    fn look_at_values(
        &mut self,
        trace: &Trace,
        segment: usize,
        number: u32,
        (test, all_count): (&ValueTest, bool),
        budget: &mut u64,
    ) -> bool {
        let (run, op, _) = trace.op(segment);
        let values = run.values(op.output);
        let goes_back = self.goes_back && all_count;
        let mut next = match self.entry {
            Some(entry) => Some(entry),
            None if all_count => self.first_entry(trace, segment),
            None => (!values.is_empty()).then_some(0),
        };
        while let Some(entry) = next {
            if *budget == 0 {
                self.entry = Some(entry);
                return false;
            }
            *budget -= 1;
            next = if goes_back { entry.checked_sub(1) } else { Some(entry + 1).filter(|next| *next < values.len()) };
            if test.holds(values[entry]) {
                *budget = budget.saturating_sub(ENTRY_COST);
                let steps = entry_steps(trace, segment, entry);
                if steps.is_empty() {
                    continue;
                }
                let hit = Hit { step: steps.end - 1, number };
                if self.within.contains(&hit.step) {
                    self.offer(hit);
                    return true;
                }
                // the search ends here if only the first entry counts, or if this entry is beyond the end of the scan, because all further entries are too
                if !all_count || (hit.step < self.within.start) == goes_back {
                    return true;
                }
            }
        }
        true
    }

    /// Returns the entry of an op at which the scan begins: that of the op's step that is nearest to the begin of the scan.
    fn first_entry(&self, trace: &Trace, segment: usize) -> Option<usize> {
        let steps = trace.steps_of(segment);
        let begin = if self.goes_back { self.within.end - 1 } else { self.within.start };
        trace.position(begin.clamp(steps.start, steps.end - 1)).map(|at| at.entry)
    }

    fn offer_entry(&mut self, trace: &Trace, segment: usize, entry: usize, number: u32) {
        let steps = entry_steps(trace, segment, entry);
        if !steps.is_empty() {
            self.offer(Hit { step: steps.end - 1, number });
        }
    }

    /// Keeps a stop if it is one of the scan's steps, and nearer than the best stop so far. If two stops are at the same step, the one with the smaller number
    /// is kept.
    fn offer(&mut self, hit: Hit) {
        let is_nearer = |best: Hit| match hit.step.cmp(&best.step) {
            std::cmp::Ordering::Equal => hit.number < best.number,
            order => order.is_gt() == self.goes_back,
        };
        if self.within.contains(&hit.step) && self.best.is_none_or(is_nearer) {
            self.best = Some(hit);
        }
    }
}

/// Returns the steps of an entry of an op.
fn entry_steps(trace: &Trace, segment: usize, entry: usize) -> Range<u64> {
    let before = trace.segments[segment].steps_before;
    before + trace.terms_before(segment, entry) + 1..before + trace.terms_before(segment, entry + 1) + 1
}
