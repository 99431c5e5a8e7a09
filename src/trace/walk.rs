//! The steps one after another, without a search for each and without a sum twice: for whoever writes them all.

use super::{Position, Trace};
use crate::op::rule::{Operands, Rule, Term};

/// Who is told of the steps.
pub trait Tell {
    /// The steps from here on are of the op at this position.
    fn op(&mut self, at: &Position);

    /// The steps from here on are of the entry at this position.
    fn entry(&mut self, at: &Position);

    /// A step: its position, the part of the op that it belongs to, its term, and the running sum after it.
    fn step(&mut self, at: &Position, part: usize, term: &Term, sum: f64);
}

/// A part of the op at hand.
struct Part<'a> {
    rule: &'a dyn Rule,
    x: Operands<'a>,
    /// The entry that the counts are of.
    entry: usize,
    /// Its terms of the entries before that one.
    before: u64,
    /// Its terms of that entry.
    terms: u64,
}

impl Part<'_> {
    /// Its terms of an entry.
    fn terms(&mut self, entry: usize) -> u64 {
        if entry != self.entry {
            self.before = if entry == self.entry + 1 { self.before + self.terms } else { self.rule.prefix_terms(&self.x, entry) };
            self.terms = self.rule.prefix_terms(&self.x, entry + 1) - self.before;
            self.entry = entry;
        }
        self.terms
    }
}

/// A way through the trace, step by step.
pub struct Walk<'a> {
    trace: &'a Trace,
    /// Of the next step; `None` after the last.
    at: Option<Position>,
    /// Parts of the op at hand, from the part `from` on: those that were needed so far. There may be as many as samples.
    parts: Vec<Part<'a>>,
    from: usize,
    /// The part that the next step belongs to, and the entry's terms before those of that part.
    part: (usize, u64),
    /// The running sum before the next step.
    sum: f64,
    /// Whether the op, and whether the entry, has been told of.
    told: (bool, bool),
}

impl<'a> Walk<'a> {
    /// It leads nowhere yet.
    #[must_use]
    pub fn new(trace: &'a Trace) -> Self {
        Self { trace, at: None, parts: Vec::new(), from: 0, part: (0, 0), sum: -0.0, told: (false, false) }
    }

    /// Goes to step k. That costs nothing where it is the next one anyway.
    pub fn go(&mut self, k: u64) {
        let before = self.at;
        if before.is_some_and(|at| at.step == k) {
            return;
        }
        self.at = self.trace.position(k);
        let Some(at) = self.at else { return };
        let mark = self.trace.before(&at);
        if before.is_none_or(|before| before.segment != at.segment) {
            self.told.0 = false;
            self.forget(mark.part);
        }
        self.told.1 = false;
        self.part = (mark.part, mark.before);
        self.sum = mark.sum;
    }

    /// Forgets the parts: those from `from` on are to come.
    fn forget(&mut self, from: usize) {
        self.parts.clear();
        self.from = from;
    }

    /// A part of the op at hand.
    fn part(&mut self, at: &Position, number: usize) -> &mut Part<'a> {
        if number < self.from {
            self.forget(number);
        }
        for missing in self.from + self.parts.len()..=number {
            let (run, op, index) = self.trace.op(at.segment);
            let (rule, x) = run.part(op, index, missing);
            #[cfg(test)]
            super::tests::WORK.set(super::tests::WORK.get() + 1);
            let before = rule.prefix_terms(&x, at.entry);
            let terms = rule.prefix_terms(&x, at.entry + 1) - before;
            self.parts.push(Part { rule, x, entry: at.entry, before, terms });
        }
        &mut self.parts[number - self.from]
    }

    /// Tells of the next steps, up to the end of their entry and to before step `end`. Whether there are more before `end`.
    pub fn entry(&mut self, end: u64, to: &mut impl Tell) -> bool {
        let Some(at) = self.at.filter(|at| at.step < end) else { return false };
        if !self.told.0 {
            to.op(&at);
        }
        if !self.told.1 {
            to.entry(&at);
        }
        self.told = (true, true);
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

    /// Goes from the end of an entry to the next one that has steps.
    fn advance(&mut self, mut at: Position) {
        if at.step > self.trace.end(at.segment) {
            let Some(segment) = self.trace.next(at.segment) else {
                self.at = None;
                return;
            };
            let super::Segment { sample_run, op, .. } = self.trace.segments[segment];
            at = Position { segment, sample_run, op, entry: 0, ..at };
            self.told.0 = false;
            self.forget(0);
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
        self.told.1 = false;
    }
}
