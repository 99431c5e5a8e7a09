//! Visits all steps in order, for commands that print them. [`Trace::get`] searches for each step; a traversal moves from one step to the next, and adds each
//! term only once.

use super::running_sums::{PartialSum, START};
use super::{Position, Trace};
use crate::op::rule::{Operands, Rule, Term};

/// A visitor of steps.
pub trait StepVisitor {
    /// Called before the first visited step of an op.
    fn op(&mut self, at: &Position);

    /// Called before the first visited step of an entry.
    fn entry(&mut self, at: &Position);

    /// Called for each step. `part` is the index of the part to which its term belongs, and `sum` is the running sum after the step.
    fn step(&mut self, at: &Position, part: usize, term: &Term, sum: f64);
}

/// A part of the current op, at one entry.
struct PartCursor<'a> {
    rule: &'a dyn Rule,
    x: Operands<'a>,
    /// The offset of the entry.
    entry: usize,
    /// The number of terms that the part adds to all entries before this entry.
    terms_before: u64,
    /// The number of terms that the part adds to this entry.
    terms: u64,
}

impl PartCursor<'_> {
    /// Moves to an entry, and returns the number of terms that the part adds to it.
    fn terms_of(&mut self, entry: usize) -> u64 {
        if entry != self.entry {
            let is_next = entry == self.entry + 1;
            self.terms_before = if is_next { self.terms_before + self.terms } else { self.rule.prefix_terms(&self.x, entry) };
            self.terms = self.rule.prefix_terms(&self.x, entry + 1) - self.terms_before;
            self.entry = entry;
        }
        self.terms
    }
}

/// The largest number of parts that a traversal keeps for the next entry. If an op has more, making them again is faster than filling so much memory.
const MAX_PARTS: usize = 1024;

/// Visits the steps of a trace in order.
pub struct Traversal<'a> {
    trace: &'a Trace,
    /// The position of the next step; `None` after the last step.
    at: Option<Position>,
    /// Some parts of the current op, from the part with index `first_part` on; at most [`MAX_PARTS`]. A part is created when it is first needed: a reduction
    /// has a part for each sample, and a traversal may visit only some of them.
    parts: Vec<PartCursor<'a>>,
    /// The index in the op of the first part in `parts`.
    first_part: usize,
    /// The state of the entry's sum before the next step.
    sum: PartialSum,
    /// `true` if [`StepVisitor::op`] was called for the op of the next step.
    has_reported_op: bool,
    /// `true` if [`StepVisitor::entry`] was called for the entry of the next step.
    has_reported_entry: bool,
}

impl<'a> Traversal<'a> {
    /// Creates a traversal without a next step.
    #[must_use]
    pub fn new(trace: &'a Trace) -> Self {
        Self { trace, at: None, parts: Vec::new(), first_part: 0, sum: START, has_reported_op: false, has_reported_entry: false }
    }

    /// Makes k the next step. Does nothing if k already is the next step.
    pub fn go_to(&mut self, k: u64) {
        let old = self.at;
        if old.is_some_and(|at| at.step == k) {
            return;
        }
        self.at = self.trace.position(k);
        let Some(at) = self.at else { return };
        self.sum = self.trace.sum_before(&at);
        if old.is_none_or(|old| old.segment != at.segment) {
            self.has_reported_op = false;
            self.clear_parts(self.sum.part);
        }
        self.has_reported_entry = false;
    }

    /// Removes all parts. The next part that is created is the one with index `first_part`.
    fn clear_parts(&mut self, first_part: usize) {
        self.parts.clear();
        self.first_part = first_part;
    }

    /// Returns the part of the current op with an index. If the part does not exist yet, it is created at the entry of position `at`.
    fn part(&mut self, at: &Position, index: usize) -> &mut PartCursor<'a> {
        let end = self.first_part + self.parts.len();
        // after a gap, which another thread has visited, the parts in between are not created
        if index < self.first_part || index > end || (index == end && self.parts.len() == MAX_PARTS) {
            self.clear_parts(index);
        }
        if index == self.first_part + self.parts.len() {
            let (run, op, op_index) = self.trace.op(at.segment);
            let (rule, x) = run.part(op, op_index, index);
            #[cfg(test)]
            super::tests::WORK.set(super::tests::WORK.get() + 1);
            let terms_before = rule.prefix_terms(&x, at.entry);
            let terms = rule.prefix_terms(&x, at.entry + 1) - terms_before;
            self.parts.push(PartCursor { rule, x, entry: at.entry, terms_before, terms });
        }
        &mut self.parts[index - self.first_part]
    }

    /// Visits the remaining steps of the current entry that come before step `end`. Returns whether there are further steps before `end`.
    pub fn visit_entry(&mut self, end: u64, visitor: &mut impl StepVisitor) -> bool {
        let Some(at) = self.at.filter(|at| at.step < end) else { return false };
        if !self.has_reported_op {
            visitor.op(&at);
        }
        if !self.has_reported_entry {
            visitor.entry(&at);
        }
        (self.has_reported_op, self.has_reported_entry) = (true, true);
        let end_term = at.terms.min(at.term + (end - at.step));
        let mut next = at;
        let PartialSum { part: mut part_index, mut terms_before, mut sum } = self.sum;
        loop {
            let part = self.part(&at, part_index);
            let terms = part.terms_of(at.entry);
            let to_visit = next.term..end_term.min(terms_before + terms);
            if !to_visit.is_empty() {
                let in_part = to_visit.start - terms_before..to_visit.end - terms_before;
                sum = part.rule.visit_terms(&part.x, at.entry, in_part, sum, &mut |term, sum| {
                    visitor.step(&next, part_index, term, sum);
                    next.step += 1;
                    next.term += 1;
                });
            }
            if next.term == end_term {
                break;
            }
            terms_before += terms;
            part_index += 1;
        }
        self.sum = PartialSum { part: part_index, terms_before, sum };
        self.at = Some(next);
        if next.term == next.terms {
            self.advance(next);
        }
        self.at.is_some_and(|at| at.step < end)
    }

    /// Moves from the end of an entry to the next entry that has steps. `at` is the position of the completed entry, but its `step` is already the next one.
    fn advance(&mut self, mut at: Position) {
        if at.step > self.trace.last_step(at.segment) {
            let Some(segment) = self.trace.next_segment(at.segment) else {
                self.at = None;
                return;
            };
            let super::Segment { run_index, op, .. } = self.trace.segments[segment];
            at = Position { segment, run_index, op, entry: 0, ..at };
            self.has_reported_op = false;
            self.clear_parts(0);
        } else {
            at.entry += 1;
        }
        let (_, op, op_index) = self.trace.op(at.segment);
        let (part_count, offsets) = (op.parts.len(), self.trace.network_of(at.run_index).part_offsets(op_index));
        // skips entries without terms
        loop {
            // every entry of an op with `part_offsets` has the same number of terms
            if let Some([.., terms]) = offsets {
                at.terms = *terms;
                break;
            }
            at.terms = (0..part_count).map(|part| self.part(&at, part).terms_of(at.entry)).sum();
            if at.terms > 0 {
                break;
            }
            at.entry += 1;
        }
        at.term = 0;
        self.at = Some(at);
        self.sum = START;
        self.has_reported_entry = false;
    }
}
