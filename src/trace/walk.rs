//! Visits steps one after another, for commands that print all of them. Unlike [`Trace::get`], this neither searches for each step nor adds any term twice.

use super::{Position, Trace};
use crate::op::rule::{Operands, Rule, Term};

/// Who is reported of the steps.
pub trait StepVisitor {
    /// The following steps belong to the op at this position.
    fn op(&mut self, at: &Position);

    /// The following steps belong to the entry at this position.
    fn entry(&mut self, at: &Position);

    /// Visits a step: its position, the part of the op that it belongs to, its term, and the running sum after it.
    fn step(&mut self, at: &Position, part: usize, term: &Term, sum: f64);
}

/// A part of the current op, with its counts of terms for one entry.
struct PartCursor<'a> {
    rule: &'a dyn Rule,
    x: Operands<'a>,
    /// The entry of the counts.
    entry: usize,
    /// The number of terms of the entries before that one.
    before: u64,
    /// The number of terms of that entry.
    terms: u64,
}

impl PartCursor<'_> {
    /// Moves on to an entry, and returns the number of its terms in this part.
    fn terms(&mut self, entry: usize) -> u64 {
        if entry != self.entry {
            self.before = if entry == self.entry + 1 { self.before + self.terms } else { self.rule.prefix_terms(&self.x, entry) };
            self.terms = self.rule.prefix_terms(&self.x, entry + 1) - self.before;
            self.entry = entry;
        }
        self.terms
    }
}

/// Visits the steps of a trace in order.
pub struct Walk<'a> {
    trace: &'a Trace,
    /// The position of the next step; `None` after the last step.
    at: Option<Position>,
    /// The parts of the current op that were needed so far, from the part `from` on. A reduction has one part for each sample.
    parts: Vec<PartCursor<'a>>,
    from: usize,
    /// The part of the next step, and the number of the entry's terms in earlier parts.
    part: (usize, u64),
    /// The running sum before the next step.
    sum: f64,
    /// For the next step, `true` if the visitor knows its op, and its entry.
    reported: (bool, bool),
}

impl<'a> Walk<'a> {
    /// Creates a walk without a next step.
    #[must_use]
    pub fn new(trace: &'a Trace) -> Self {
        Self { trace, at: None, parts: Vec::new(), from: 0, part: (0, 0), sum: -0.0, reported: (false, false) }
    }

    /// Makes k the next step, at no cost if it already is.
    pub fn go(&mut self, k: u64) {
        let before = self.at;
        if before.is_some_and(|at| at.step == k) {
            return;
        }
        self.at = self.trace.position(k);
        let Some(at) = self.at else { return };
        let start = self.trace.sum_before(&at);
        if before.is_none_or(|before| before.segment != at.segment) {
            self.reported.0 = false;
            self.clear_parts(start.part);
        }
        self.reported.1 = false;
        self.part = (start.part, start.terms_before);
        self.sum = start.sum;
    }

    /// Forgets the parts: those from `from` on are to come.
    fn clear_parts(&mut self, from: usize) {
        self.parts.clear();
        self.from = from;
    }

    /// Returns a part of the current op, with counts of terms for the entry at this position if it is new.
    fn part(&mut self, at: &Position, number: usize) -> &mut PartCursor<'a> {
        if number < self.from {
            self.clear_parts(number);
        }
        for missing in self.from + self.parts.len()..=number {
            let (run, op, index) = self.trace.op(at.segment);
            let (rule, x) = run.part(op, index, missing);
            #[cfg(test)]
            super::tests::WORK.set(super::tests::WORK.get() + 1);
            let before = rule.prefix_terms(&x, at.entry);
            let terms = rule.prefix_terms(&x, at.entry + 1) - before;
            self.parts.push(PartCursor { rule, x, entry: at.entry, before, terms });
        }
        &mut self.parts[number - self.from]
    }

    /// Visits the remaining steps of the current entry that precede step `end`. Returns whether more steps precede `end`.
    pub fn entry(&mut self, end: u64, to: &mut impl StepVisitor) -> bool {
        let Some(at) = self.at.filter(|at| at.step < end) else { return false };
        if !self.reported.0 {
            to.op(&at);
        }
        if !self.reported.1 {
            to.entry(&at);
        }
        self.reported = (true, true);
        let last = at.terms.min(at.term + (end - at.step));
        let (mut next, (mut number, mut before), mut sum) = (at, self.part, self.sum);
        loop {
            let part = self.part(&at, number);
            let terms = part.terms(at.entry);
            let own = next.term..last.min(before + terms);
            if !own.is_empty() {
                sum = part.rule.walk(&part.x, at.entry, own.start - before..own.end - before, sum, &mut |term, sum| {
                    to.step(&next, number, term, sum);
                    next.step += 1;
                    next.term += 1;
                });
            }
            if next.term == last {
                break;
            }
            before += terms;
            number += 1;
        }
        (self.part, self.sum) = ((number, before), sum);
        self.at = Some(next);
        if next.term == next.terms {
            self.advance(next);
        }
        self.at.is_some_and(|at| at.step < end)
    }

    /// Moves from the end of an entry to the next entry with steps.
    fn advance(&mut self, mut at: Position) {
        if at.step > self.trace.end(at.segment) {
            let Some(segment) = self.trace.next(at.segment) else {
                self.at = None;
                return;
            };
            let super::Segment { sample_run, op, .. } = self.trace.segments[segment];
            at = Position { segment, sample_run, op, entry: 0, ..at };
            self.reported.0 = false;
            self.clear_parts(0);
        } else {
            at.entry += 1;
        }
        let parts = self.trace.op(at.segment).1.parts.len();
        loop {
            at.terms = (0..parts).map(|number| self.part(&at, number).terms(at.entry)).sum();
            if at.terms > 0 {
                break;
            }
            at.entry += 1;
        }
        at.term = 0;
        self.at = Some(at);
        self.part = (0, 0);
        self.sum = -0.0;
        self.reported.1 = false;
    }
}
