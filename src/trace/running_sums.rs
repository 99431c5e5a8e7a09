//! Stored running sums of the entries that were requested last. With them, a step of a long sum takes no more time than a step of a short sum.
//!
//! For example, an entry of a layer norm over 10⁶ numbers can have 10⁶ terms. Step 500,000 shows the sum so far, and the next step must not add 500,000 terms
//! again. So three kinds of running sums are stored: the sums before every 1024th term (the checkpoints), the sum before the term that was requested last, and,
//! after a step back, the sums before every 32nd term near it (the fine checkpoints):
//!
//! ```text
//! checkpoints before the terms 0, 1024, 2048, …
//! request term 2090: add 42 terms to checkpoint 2048, store the sum before 2090
//! request term 2091: add 1 term to the sum before 2090, store the sum before 2091
//! request term 2090: a step back. Add 42 terms to checkpoint 2048, store the sums before 2080 and 2090
//! request term 2089: add 9 terms to the sum before 2080
//! ```
//!
//! The run itself stores some sums too: those of an op with very many parts, such as a mean over 10⁵ samples, and those of a long sum that is the only entry of
//! its op, such as a loss ([`Run::sum_before_part`](crate::network::Run::sum_before_part), [`Run::sum_before_term`](crate::network::Run::sum_before_term)). The
//! terms are always added in order, so the bits are those of a sum from the first term on.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::{Position, Trace};
use crate::tally;

/// The largest number of terms of a sum that has no checkpoints.
const SHORT_SUM: u64 = 64;
/// The number of terms between two checkpoints. It is larger if an entry would otherwise have more than [`MAX_CHECKPOINTS`]. Adding 1024 terms takes about a
/// microsecond.
pub(super) const INTERVAL: u64 = 1024;
/// The largest number of checkpoints of an entry. They take half a megabyte.
const MAX_CHECKPOINTS: u64 = 1 << 14;
/// The number of fine checkpoints between two checkpoints, near a step back. Other requests store none, because short ranges of terms take longer to add than a
/// long one.
const FINE_PER_INTERVAL: u64 = 32;
/// The largest number of fine checkpoints of an entry. It is enough for two intervals, because a screen can show the terms on both sides of a checkpoint.
const MAX_FINE: usize = 64;
/// The largest number of entries with stored sums. So moving back and forth between a few long entries, such as the gradients of a reduce pass, needs no new
/// sums.
const MAX_ENTRIES: usize = 8;

/// The state of an entry's sum before one of its terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartialSum {
    /// The index of the part to which the term belongs.
    pub(super) part: usize,
    /// The number of terms that the earlier parts add to the entry.
    pub(super) terms_before: u64,
    /// The running sum before the term.
    pub(super) sum: f64,
}

/// The state before the first term. The sum starts with −0, because 0 + −0 = 0 would lose the sign of a first term −0.
pub(super) const START: PartialSum = PartialSum { part: 0, terms_before: 0, sum: -0.0 };

/// The index of a term, and the state before this term.
type SumCheckpoint = (u64, PartialSum);

/// An entry with its stored sums.
#[derive(Debug)]
struct EntrySums {
    /// The position of the entry's first term.
    first: Position,
    /// The number of terms between two checkpoints.
    interval: u64,
    /// The states before the terms 0, `interval`, 2 · `interval`, …, in order, up to the last one that was computed.
    checkpoints: Vec<SumCheckpoint>,
    /// The states before every `interval` / [`FINE_PER_INTERVAL`]th term, in the intervals of the last steps back.
    fine: VecDeque<SumCheckpoint>,
    /// The state before the last requested term.
    last: SumCheckpoint,
    /// The number of the last request of this entry, among the requests of all entries.
    request: u64,
}

impl EntrySums {
    /// Begins an entry. `first` is the position of its first term.
    fn new(first: Position) -> Self {
        let interval = INTERVAL.max(first.terms.div_ceil(MAX_CHECKPOINTS));
        Self { first, interval, checkpoints: vec![(0, START)], fine: VecDeque::new(), last: (0, START), request: 0 }
    }

    /// Returns whether a request of this term is a step back from the last requested term, to a term near it.
    fn is_step_back(&self, term: u64) -> bool {
        (1..=self.interval).contains(&self.last.0.saturating_sub(term))
    }

    /// Returns the stored state that is nearest before a term, or at it.
    fn nearest(&self, term: u64) -> SumCheckpoint {
        let checkpoint = self.checkpoints[self.checkpoints.partition_point(|(before, _)| *before <= term) - 1];
        let more_states = self.fine.iter().chain([&self.last]).filter(|(before, _)| *before <= term);
        more_states.fold(checkpoint, |nearest, state| if state.0 > nearest.0 { *state } else { nearest })
    }

    /// Stores the state before a term, if the term has a checkpoint or a fine checkpoint.
    fn store(&mut self, state: SumCheckpoint) {
        if state.0.is_multiple_of(self.interval) {
            let place = self.checkpoints.partition_point(|(before, _)| *before < state.0);
            self.checkpoints.insert(place, state);
        } else if state.0.is_multiple_of(self.spacing()) {
            self.fine.truncate(MAX_FINE - 1);
            self.fine.push_front(state);
        }
    }

    /// The number of terms between two fine checkpoints.
    fn spacing(&self) -> u64 {
        self.interval / FINE_PER_INTERVAL
    }
}

/// The sums of the last requested entries.
#[derive(Debug, Default)]
pub(super) struct RunningSums(Mutex<StoredEntries>);

/// The entries with stored sums.
#[derive(Debug, Default)]
struct StoredEntries {
    entries: Vec<EntrySums>,
    /// The number of requests so far.
    requests: u64,
}

impl StoredEntries {
    /// Returns the sums of the entry whose first term is at this position. If there are none, the entry replaces the one that was requested longest ago.
    fn entry(&mut self, first: Position) -> &mut EntrySums {
        self.requests += 1;
        let Self { entries, requests } = self;
        let index = entries.iter().position(|entry| entry.first == first).unwrap_or_else(|| {
            if entries.len() < MAX_ENTRIES {
                entries.push(EntrySums::new(first));
                return entries.len() - 1;
            }
            let oldest = (0..MAX_ENTRIES).min_by_key(|index| entries[*index].request).unwrap_or(0);
            entries[oldest] = EntrySums::new(first);
            oldest
        });
        entries[index].request = *requests;
        &mut entries[index]
    }
}

impl RunningSums {
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entries.clear();
    }

    /// Returns the position of step k, if it is a step of one of the entries with stored sums. This is faster than a search.
    pub(super) fn position(&self, k: u64) -> Option<Position> {
        let stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stored.entries.iter().find_map(|EntrySums { first, .. }| {
            let term = k.checked_sub(first.step).filter(|term| *term < first.terms)?;
            Some(first.with_term(term))
        })
    }
}

impl Trace {
    /// Returns the state of an entry's sum before the term at a position.
    pub(super) fn sum_before(&self, at: &Position) -> PartialSum {
        // this sum needs no checkpoints; it must not push the stored sums of another entry out of the list
        if at.terms <= SHORT_SUM || at.term == 0 {
            return self.continue_sum(at, START, 0..at.term);
        }
        let mut stored = self.running_sums.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = stored.entry(at.with_term(0));
        let (mut term, mut partial) = entry.nearest(at.term);
        // if only a few terms are missing, the sums of the run are not searched
        if at.term - term > entry.spacing() {
            let state_of_run = self.sum_of_run(at).filter(|(before, _)| *before > term);
            (term, partial) = state_of_run.unwrap_or((term, partial));
        }
        let stored_every = if entry.is_step_back(at.term) { entry.spacing() } else { entry.interval };
        while term < at.term {
            let end = ((term / stored_every + 1) * stored_every).min(at.term);
            partial = self.continue_sum(at, partial, term..end);
            term = end;
            if term.is_multiple_of(stored_every) {
                entry.store((term, partial));
            }
        }
        entry.last = (term, partial);
        partial
    }

    /// Returns the last state at or before a position that the run has stored. The run stores states only for an op with very many parts, or with a single
    /// entry and a long sum.
    fn sum_of_run(&self, at: &Position) -> Option<SumCheckpoint> {
        let (run, op, op_index) = self.op(at.segment);
        let Some(offsets) = self.network_of(at.run_index).part_offsets(op_index) else {
            let (term, sum) = run.sum_before_term(op, op_index, at.term)?;
            return Some((term, PartialSum { sum, ..START }));
        };
        let part = offsets.partition_point(|offset| *offset <= at.term) - 1;
        let (part, sum) = run.sum_before_part(op, op_index, part, at.entry)?;
        Some((offsets[part], PartialSum { part, terms_before: offsets[part], sum }))
    }

    /// Adds these terms (from 0) of the entry at a position to `partial`, the sum of all earlier terms.
    fn continue_sum(&self, at: &Position, mut partial: PartialSum, terms: Range<u64>) -> PartialSum {
        let (run, op, op_index) = self.op(at.segment);
        let offsets = self.network_of(at.run_index).part_offsets(op_index);
        let mut term = terms.start;
        loop {
            let (rule, x) = run.part(op, op_index, partial.part);
            let is_last_part = partial.part + 1 == op.parts.len();
            // the number of terms of the entry up to the end of this part; the last part has all further terms
            let part_end = match offsets {
                _ if is_last_part => u64::MAX,
                Some(offsets) => partial.terms_before + offsets[partial.part + 1] - offsets[partial.part],
                None => partial.terms_before + rule.prefix_terms(&x, at.entry + 1) - rule.prefix_terms(&x, at.entry),
            };
            let end = terms.end.min(part_end);
            tally::count(end.saturating_sub(term));
            #[cfg(test)]
            super::tests::WORK.set(super::tests::WORK.get() + 1 + end.saturating_sub(term));
            if term < end {
                partial.sum = rule.add_terms(&x, at.entry, term - partial.terms_before..end - partial.terms_before, partial.sum);
                term = end;
            }
            // ends at the part to which the next term belongs, or at the last part
            if terms.end < part_end || is_last_part {
                return partial;
            }
            partial.terms_before = part_end;
            partial.part += 1;
        }
    }
}
