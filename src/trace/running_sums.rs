//! Checkpoints of the running sum of one entry, so that a step of a long sum costs no more than one of a short sum.
//!
//! In a layer norm over 10⁶ numbers an entry can have 10⁶ terms. The step of its term 500,000 shows the running sum, and going on to the next step must not
//! add all terms again. So the sum is kept after every 1024 terms, and after the last requested term:
//!
//! ```text
//! term           0      1024     2048    …            kept sums
//! request 2050   add 2 terms from 2048, keep 2050
//! request 2051   add 1 term from 2050
//! request 2049   add 1 term from 2048
//! ```
//!
//! The terms are added in the same order as from the first term on, so the bits are the same.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::{Position, Trace};

/// The largest number of terms of a sum that has no checkpoints.
const SHORT_SUM: u64 = 64;
/// The number of terms between two checkpoints, more if an entry would have more than [`MOST`] checkpoints. Adding 1024 terms takes about a microsecond.
pub(super) const INTERVAL: u64 = 1024;
/// The largest number of checkpoints of an entry; they take half a megabyte.
const MOST: u64 = 1 << 14;

/// The state of an entry's sum before one of its terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartialSum {
    /// The part of the op that the term belongs to.
    pub(super) part: usize,
    /// The number of terms of the earlier parts.
    pub(super) terms_before: u64,
    /// The running sum before the term.
    pub(super) sum: f64,
}

/// The state before the first term. The sum starts with −0, because 0 + (−0) would turn a first term −0 into 0.
const START: PartialSum = PartialSum { part: 0, terms_before: 0, sum: -0.0 };

/// An entry with its checkpoints.
#[derive(Debug)]
struct EntrySums {
    /// The position of its first term.
    first: Position,
    /// The number of terms between two checkpoints.
    interval: u64,
    /// The states before the terms 0, `interval`, 2 · `interval`, …
    checkpoints: Vec<PartialSum>,
    /// The last requested term, and the state before it.
    last: (u64, PartialSum),
}

/// The checkpoints of the last requested entry.
#[derive(Debug, Default)]
pub(super) struct RunningSums(Mutex<Option<EntrySums>>);

impl RunningSums {
    /// Returns the position of step k if it belongs to that entry.
    pub(super) fn position(&self, k: u64) -> Option<Position> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.as_ref()?.first;
        let term = k.checked_sub(first.step).filter(|term| *term < first.terms)?;
        Some(first.with_term(term))
    }
}

impl Trace {
    /// Returns the state of the entry's sum before the term at a position.
    pub(super) fn sum_before(&self, at: &Position) -> PartialSum {
        // nothing precedes a first term; the checkpoints of another entry stay
        if at.terms <= SHORT_SUM || at.term == 0 {
            return self.continue_sum(at, START, 0..at.term);
        }
        let mut kept = self.running_sums.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = at.with_term(0);
        let entry = match kept.take() {
            Some(entry) if entry.first == first => entry,
            _ => EntrySums { first, interval: INTERVAL.max(at.terms.div_ceil(MOST)), checkpoints: vec![START], last: (0, START) },
        };
        let EntrySums { interval, checkpoints, last, .. } = kept.insert(entry);
        let interval = *interval;
        let (mut partial, mut come) = (checkpoints[checkpoints.len() - 1], (checkpoints.len() as u64 - 1) * interval);
        while come + interval <= at.term {
            partial = self.continue_sum(at, partial, come..come + interval);
            come += interval;
            checkpoints.push(partial);
        }
        let number = at.term / interval;
        let from = number * interval;
        let near = usize::try_from(number).map_or(partial, |number| checkpoints[number]);
        let (from, near) = if (from..=at.term).contains(&last.0) { *last } else { (from, near) };
        *last = (at.term, self.continue_sum(at, near, from..at.term));
        last.1
    }

    /// Adds further terms to a partial sum of the entry at a position.
    fn continue_sum(&self, at: &Position, mut partial: PartialSum, terms: Range<u64>) -> PartialSum {
        let (run, op, number) = self.op(at.segment);
        let mut term = terms.start;
        loop {
            let (rule, x) = run.part(op, number, partial.part);
            let own = rule.prefix_terms(&x, at.entry + 1) - rule.prefix_terms(&x, at.entry);
            let end = terms.end.min(partial.terms_before + own);
            #[cfg(test)]
            super::tests::WORK.set(super::tests::WORK.get() + 1 + end.saturating_sub(term));
            if term < end {
                partial.sum = rule.add_terms(&x, at.entry, term - partial.terms_before..end - partial.terms_before, partial.sum);
                term = end;
            }
            if terms.end < partial.terms_before + own || partial.part + 1 == op.parts.len() {
                return partial;
            }
            partial.terms_before += own;
            partial.part += 1;
        }
    }
}
