//! Checkpoints of the running sum of one entry, so that a step of a long sum takes no more time than a step of a short sum.
//!
//! In a layer norm over 10⁶ numbers an entry can have 10⁶ terms. The step of term 500,000 shows the running sum, and the next step must not add 500,000 terms
//! again. So two kinds of running sums are stored: those before every 1024th term (the checkpoints), and the sum before the last requested term:
//!
//! ```text
//! checkpoints before the terms 0, 1024, 2048, …
//! request term 2050: add 2 terms to checkpoint 2048, store the sum before 2050
//! request term 2051: add 1 term to the sum before 2050, store the sum before 2051
//! request term 2049: add 1 term to checkpoint 2048
//! ```
//!
//! The terms are always added in the order of the entry, so the bits are those of a sum from the first term on.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::{Position, Trace};

/// The largest number of terms of a sum that has no checkpoints.
const SHORT_SUM: u64 = 64;
/// The number of terms between two checkpoints. It is larger if an entry would otherwise have more than [`MAX_CHECKPOINTS`]. Adding 1024 terms takes about a
/// microsecond.
pub(super) const INTERVAL: u64 = 1024;
/// The largest number of checkpoints of an entry. They take half a megabyte.
const MAX_CHECKPOINTS: u64 = 1 << 14;

/// The state of an entry's sum before one of its terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartialSum {
    /// The index of the part of the op that has the term.
    pub(super) part: usize,
    /// The number of terms that the earlier parts add to the entry.
    pub(super) terms_before: u64,
    /// The running sum before the term.
    pub(super) sum: f64,
}

/// The state before the first term. The sum starts with −0: starting with 0 would turn a first term −0 into 0.
pub(super) const START: PartialSum = PartialSum { part: 0, terms_before: 0, sum: -0.0 };

/// An entry with its checkpoints.
#[derive(Debug)]
struct EntrySums {
    /// The position of the entry's first term.
    first: Position,
    /// The number of terms between two checkpoints.
    interval: u64,
    /// The states before the terms 0, `interval`, 2 · `interval`, …
    checkpoints: Vec<PartialSum>,
    /// The last requested term, and the state before this term.
    last: (u64, PartialSum),
}

/// The checkpoints of the last requested entry.
#[derive(Debug, Default)]
pub(super) struct RunningSums(Mutex<Option<EntrySums>>);

impl RunningSums {
    /// Returns the position of step k if it is a step of the last requested entry. This is faster than a search.
    pub(super) fn position(&self, k: u64) -> Option<Position> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.as_ref()?.first;
        let term = k.checked_sub(first.step).filter(|term| *term < first.terms)?;
        Some(first.with_term(term))
    }
}

impl Trace {
    /// Returns the state of an entry's sum before the term at a position.
    pub(super) fn sum_before(&self, at: &Position) -> PartialSum {
        // this sum needs no checkpoints, so the checkpoints of the last requested entry are kept
        if at.terms <= SHORT_SUM || at.term == 0 {
            return self.continue_sum(at, START, 0..at.term);
        }
        let mut kept = self.running_sums.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = at.with_term(0);
        let entry = match kept.take() {
            Some(entry) if entry.first == first => entry,
            _ => {
                EntrySums { first, interval: INTERVAL.max(at.terms.div_ceil(MAX_CHECKPOINTS)), checkpoints: vec![START], last: (0, START) }
            }
        };
        let EntrySums { interval, checkpoints, last, .. } = kept.insert(entry);
        let interval = *interval;
        // the missing checkpoints up to the requested term
        let (mut partial, mut term) = (checkpoints[checkpoints.len() - 1], (checkpoints.len() as u64 - 1) * interval);
        while term + interval <= at.term {
            partial = self.continue_sum(at, partial, term..term + interval);
            term += interval;
            checkpoints.push(partial);
        }
        // the nearest earlier state: the state before the last requested term, or a checkpoint
        let number = at.term / interval;
        let checkpoint = usize::try_from(number).map_or(partial, |number| checkpoints[number]);
        let checkpoint_term = number * interval;
        let (from, nearest) = if (checkpoint_term..=at.term).contains(&last.0) { *last } else { (checkpoint_term, checkpoint) };
        *last = (at.term, self.continue_sum(at, nearest, from..at.term));
        last.1
    }

    /// Adds these terms (from 0) of the entry at a position to `partial`, which is the sum of all earlier terms.
    fn continue_sum(&self, at: &Position, mut partial: PartialSum, terms: Range<u64>) -> PartialSum {
        let (run, op, number) = self.op(at.segment);
        let mut term = terms.start;
        loop {
            let (rule, x) = run.part(op, number, partial.part);
            let part_terms = rule.prefix_terms(&x, at.entry + 1) - rule.prefix_terms(&x, at.entry);
            let end = terms.end.min(partial.terms_before + part_terms);
            #[cfg(test)]
            super::tests::WORK.set(super::tests::WORK.get() + 1 + end.saturating_sub(term));
            if term < end {
                partial.sum = rule.add_terms(&x, at.entry, term - partial.terms_before..end - partial.terms_before, partial.sum);
                term = end;
            }
            // stops at the part of the next term, or at the last part
            if terms.end < partial.terms_before + part_terms || partial.part + 1 == op.parts.len() {
                return partial;
            }
            partial.terms_before += part_terms;
            partial.part += 1;
        }
    }
}
