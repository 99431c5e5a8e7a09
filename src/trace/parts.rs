//! The parts of an op: to which of them a term belongs. Where there are many, none is looked at that is not meant.

use std::ops::Range;

use super::{Segment, Trace};
use crate::network::{Id, SampleRun};
use crate::step::Pass;
use crate::tally;

impl Trace {
    /// Terms of the entries before `entry` of a segment's op, over all parts.
    pub(super) fn terms_before(&self, segment: usize, entry: usize) -> u64 {
        let Segment { sample_run, op: number, .. } = self.segments[segment];
        terms_before(&self.sample_runs[sample_run], number, entry)
    }

    /// The part that a term of an entry belongs to, and how many terms the parts before it have; `None` past the last term.
    pub(super) fn part_of(&self, segment: usize, entry: usize, term: u64) -> Option<(usize, u64)> {
        let (run, op, number) = self.op(segment);
        if let Some(shares) = self.network_of(self.segments[segment].sample_run).shares(number) {
            let part = shares.partition_point(|before| *before <= term) - 1;
            return (part < op.parts.len()).then(|| (part, shares[part]));
        }
        let mut first = 0;
        run.parts(op, number).enumerate().find_map(|(part, (rule, x))| {
            let terms = rule.prefix_terms(&x, entry + 1) - rule.prefix_terms(&x, entry);
            first += terms;
            (term < first).then(|| (part, first - terms))
        })
    }

    /// How many terms of an entry the parts before one have.
    pub(super) fn before_part(&self, segment: usize, entry: usize, part: usize) -> u64 {
        let (run, op, number) = self.op(segment);
        match self.network_of(self.segments[segment].sample_run).shares(number) {
            Some(shares) => shares[part],
            None => run.parts(op, number).take(part).map(|(rule, x)| rule.prefix_terms(&x, entry + 1) - rule.prefix_terms(&x, entry)).sum(),
        }
    }

    /// The first step of an op of a sample_run, and the one after its last.
    pub(super) fn steps_of(&self, segment: usize) -> Range<u64> {
        self.segments[segment].before + 1..self.end(segment) + 1
    }

    /// The passes of a sample_run in order that have steps, each with these.
    pub fn passes_of(&self, sample_run: usize) -> impl Iterator<Item = (Pass, Range<u64>)> + '_ {
        let own = self.own(sample_run);
        let [first, end] = [own.start, own.end].map(|segment| self.passes.partition_point(|pass| *pass < segment));
        (first..end).filter_map(|number| {
            tally::count(1);
            let steps = self.among(&self.passes, number);
            (!steps.is_empty()).then(|| (self.op(self.passes[number]).1.pass, steps))
        })
    }

    /// The ops of a sample_run that have steps, from one on, which has some, each with its tensor and its steps. What it costs is what is taken.
    pub fn ops_from(&self, sample_run: usize, op: usize) -> impl Iterator<Item = (Id, Range<u64>)> + '_ {
        let own = self.own(sample_run);
        let mut next = Some(self.segment(sample_run, op));
        std::iter::from_fn(move || {
            tally::count(1);
            let segment = next.filter(|segment| own.contains(segment))?;
            let steps = self.steps_of(segment);
            next = self.segment_of(steps.end);
            Some((self.op(segment).1.output, steps))
        })
    }

    /// The ops of a sample_run that have steps before one, backwards, each with its tensor and its steps.
    pub fn ops_before(&self, sample_run: usize, op: usize) -> impl Iterator<Item = (Id, Range<u64>)> + '_ {
        let own = self.own(sample_run);
        let mut before = self.segments[self.segment(sample_run, op)].before;
        std::iter::from_fn(move || {
            tally::count(1);
            let segment = self.segment_of(before).filter(|segment| own.contains(segment))?;
            let steps = self.steps_of(segment);
            before = steps.start - 1;
            Some((self.op(segment).1.output, steps))
        })
    }

    /// The segments of a sample_run.
    fn own(&self, sample_run: usize) -> Range<usize> {
        self.firsts[sample_run]..self.firsts.get(sample_run + 1).copied().unwrap_or(self.segments.len())
    }

    /// The segment of a step; `None` past either end.
    pub(super) fn segment_of(&self, k: u64) -> Option<usize> {
        (1..=self.len).contains(&k).then(|| self.segments.partition_point(|segment| segment.before < k) - 1)
    }
}

/// Terms of the entries before `entry` of an op of a sample_run, over all parts.
pub(super) fn terms_before(SampleRun { network, run, .. }: &SampleRun, op: usize, entry: usize) -> u64 {
    match network.shares(op) {
        Some(shares) => entry as u64 * shares[shares.len() - 1],
        None => run.prefix_terms(&network.ops()[op], op, entry),
    }
}
