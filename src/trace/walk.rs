//! The steps one after another, without a search for each and without a sum twice: for whoever writes them all.

use smallvec::SmallVec;

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
    /// Its terms of the entries before the one at hand.
    before: u64,
    /// Its terms of the entry at hand.
    terms: u64,
}

/// A way through the trace, step by step.
pub struct Walk<'a> {
    trace: &'a Trace,
    /// Of the next step; `None` after the last.
    at: Option<Position>,
    parts: SmallVec<[Part<'a>; 2]>,
    /// The running sum before the next step.
    sum: f64,
    /// Whether the op, and whether the entry, has been told of.
    told: (bool, bool),
}

impl<'a> Walk<'a> {
    /// It leads nowhere yet.
    #[must_use]
    pub fn new(trace: &'a Trace) -> Self {
        Self { trace, at: None, parts: SmallVec::new(), sum: -0.0, told: (false, false) }
    }

    /// Goes to step k. That costs nothing where it is the next one anyway.
    pub fn go(&mut self, k: u64) {
        let before = self.at;
        if before.is_some_and(|at| at.step == k) {
            return;
        }
        self.at = self.trace.position(k);
        let Some(at) = self.at else { return };
        if before.is_none_or(|before| before.segment != at.segment) {
            self.told.0 = false;
        }
        self.told.1 = false;
        let (run, op, number) = self.trace.op(at.segment);
        let part = |(rule, x): (&'a dyn Rule, Operands<'a>)| {
            let before = rule.before(&x, at.entry);
            let terms = rule.before(&x, at.entry + 1) - before;
            Part { rule, x, before, terms }
        };
        self.parts = run.parts(op, number).map(part).collect();
        let mut left = at.term;
        self.sum = -0.0;
        for Part { rule, x, terms, .. } in &self.parts {
            let first = left.min(*terms);
            self.sum = rule.partial(x, at.entry, first, self.sum);
            left -= first;
        }
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
        let (mut next, mut before) = (at, 0);
        for (number, part) in self.parts.iter().enumerate() {
            let own = next.term.max(before)..last.min(before + part.terms);
            if !own.is_empty() {
                self.sum = part.rule.walk(&part.x, at.entry, own.start - before..own.end - before, self.sum, &mut |term, sum| {
                    to.step(&next, number, term, sum);
                    next.step += 1;
                    next.term += 1;
                });
            }
            before += part.terms;
        }
        self.at = Some(next);
        if next.term == next.terms {
            self.advance(next);
        }
        self.at.is_some_and(|at| at.step < end)
    }

    /// Goes from the end of an entry to the next one that has steps.
    fn advance(&mut self, mut at: Position) {
        if at.step > self.trace.end(at.segment) {
            return self.go_on(at.step);
        }
        loop {
            at.entry += 1;
            at.terms = 0;
            for Part { rule, x, before, terms } in &mut self.parts {
                *before += *terms;
                *terms = rule.before(x, at.entry + 1) - *before;
                at.terms += *terms;
            }
            if at.terms > 0 {
                break;
            }
        }
        at.term = 0;
        self.at = Some(at);
        self.sum = -0.0;
        self.told.1 = false;
    }

    /// To the first step of another op.
    fn go_on(&mut self, k: u64) {
        self.at = None;
        self.go(k);
    }
}
