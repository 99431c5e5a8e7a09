//! The running sums of the entry at hand, here and there, so that a step of a long sum costs no more than one of a short sum. They change no result:
//! a sum that goes on from one of them has the bits of one from the first term on.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::{Position, Trace};

/// Terms of a sum of which nothing is kept.
const SHORT: u64 = 64;
/// Terms between two marks, where the entry has no more than [`MARKS`] of them: so many are added in about a microsecond, and who asks for one step of a sum
/// and no other pays next to nothing for the marks. From the step that was asked for last it goes on as from a mark.
pub(super) const APART: u64 = 1024;
/// The most marks of an entry: half a megabyte.
const MARKS: u64 = 1 << 14;

/// How far an entry has come before one of its terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// The part of the op that the term belongs to.
    pub(super) part: usize,
    /// The entry's terms before those of that part.
    pub(super) before: u64,
    /// The running sum before the term.
    pub(super) sum: f64,
}

/// Before the first term. No sum begins with 0: −0 is the only start that leaves every first term as it is.
const START: Mark = Mark { part: 0, before: 0, sum: -0.0 };

/// The entry at hand.
#[derive(Debug)]
struct Entry {
    /// Its first term.
    first: Position,
    /// Terms between two marks.
    apart: u64,
    /// The marks so far, from the first term on.
    marks: Vec<Mark>,
    /// The term that was asked for last, and how far the entry had come before it.
    last: (u64, Mark),
}

/// What is kept of the entry that was asked for last.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Option<Entry>>);

impl Kept {
    /// The position of step k, where it is one of the entry at hand.
    pub(super) fn position(&self, k: u64) -> Option<Position> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.as_ref()?.first;
        let term = k.checked_sub(first.step).filter(|term| *term < first.terms)?;
        Some(first.with_term(term))
    }
}

impl Trace {
    /// How far the entry of a position has come before its term.
    pub(super) fn before(&self, at: &Position) -> Mark {
        // nothing is added up before a first term, whichever entry is at hand
        if at.terms <= SHORT || at.term == 0 {
            return self.onwards(at, START, 0..at.term);
        }
        let mut kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = at.with_term(0);
        let entry = match kept.take() {
            Some(entry) if entry.first == first => entry,
            _ => Entry { first, apart: APART.max(at.terms.div_ceil(MARKS)), marks: vec![START], last: (0, START) },
        };
        let Entry { apart, marks, last, .. } = kept.insert(entry);
        let apart = *apart;
        let (mut mark, mut come) = (marks[marks.len() - 1], (marks.len() as u64 - 1) * apart);
        while come + apart <= at.term {
            mark = self.onwards(at, mark, come..come + apart);
            come += apart;
            marks.push(mark);
        }
        let number = at.term / apart;
        let from = number * apart;
        let near = usize::try_from(number).map_or(mark, |number| marks[number]);
        let (from, near) = if (from..=at.term).contains(&last.0) { *last } else { (from, near) };
        *last = (at.term, self.onwards(at, near, from..at.term));
        last.1
    }

    /// How far the entry of a position has come after some more terms than at a mark.
    fn onwards(&self, at: &Position, mut mark: Mark, terms: Range<u64>) -> Mark {
        let (run, op, number) = self.op(at.segment);
        let mut term = terms.start;
        loop {
            let (rule, x) = run.part(op, number, mark.part);
            let own = rule.prefix_terms(&x, at.entry + 1) - rule.prefix_terms(&x, at.entry);
            let end = terms.end.min(mark.before + own);
            #[cfg(test)]
            super::tests::WORK.set(super::tests::WORK.get() + 1 + end.saturating_sub(term));
            if term < end {
                mark.sum = rule.add_terms(&x, at.entry, term - mark.before..end - mark.before, mark.sum);
                term = end;
            }
            if terms.end < mark.before + own || mark.part + 1 == op.parts.len() {
                return mark;
            }
            mark.before += own;
            mark.part += 1;
        }
    }
}
