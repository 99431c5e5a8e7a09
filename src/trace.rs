//! Floor 4: the whole computation of one iteration as one sequence of steps, never stored. Step k is derived from the tensors when it is asked
//! for, in time that grows neither with k nor with the number of steps: prefix counts lead from k to its op, its entry and its term.

mod find;
mod paths;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::glyph;
use crate::network::{Id, Network, Op, Run, Stretch};
use crate::op::rule::{Arg, Equation, Origin, Term, fill, joined};
use crate::step::{Factor, Pass, Source, Step, Unit};
use crate::tensor::{len, unravel};

pub use find::{Sources, UseOf};
pub use paths::Path;
pub use walk::{Tell, Walk};

/// One op of one stretch: a piece of the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    /// From 0.
    stretch: usize,
    /// The op's number in its network.
    op: usize,
    /// Steps before it.
    before: u64,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The step, from 1.
    pub step: u64,
    /// The stretch, from 0: a sample of the batch, or after them the batch itself.
    pub stretch: usize,
    /// The op's number in its network.
    pub op: usize,
    /// The row-major place of the entry.
    pub entry: usize,
    /// The term of the entry, from 0.
    pub term: u64,
    /// How many terms the entry has.
    pub terms: u64,
    /// The piece of the sequence that it lies in.
    segment: usize,
}

impl Position {
    /// Another term of the same entry, from 0.
    #[must_use]
    pub fn with_term(self, term: u64) -> Self {
        Self { step: self.step - self.term + term, term, ..self }
    }
}

/// How far an entry of a tensor has come at some step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// It has its value.
    Done(f64),
    /// It is being summed up: the running sum.
    Partial(f64),
    /// It is still to come.
    ToCome,
}

/// One iteration as a sequence of steps, numbered from 1.
#[derive(Debug)]
pub struct Trace {
    iteration: u64,
    stretches: Vec<Stretch>,
    segments: Vec<Segment>,
    /// For each stretch, the number of its first segment.
    firsts: Vec<usize>,
    len: u64,
}

impl Trace {
    /// The trace of these samples' runs, in their order, as the first iteration.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // a trace takes what it shows
    pub fn new(network: Arc<Network>, runs: Vec<Run>) -> Self {
        let stretch = |(sample, run)| Stretch { network: Arc::clone(&network), run, sample: Some(sample) };
        Self::of(1, runs.into_iter().enumerate().map(stretch).collect())
    }

    /// The trace of an iteration: the samples of its batch, then what the batch does with them.
    #[must_use]
    pub fn of(iteration: u64, stretches: Vec<Stretch>) -> Self {
        let (mut segments, mut firsts) = (Vec::new(), Vec::new());
        let mut before = 0;
        for (stretch, Stretch { network, run, .. }) in stretches.iter().enumerate() {
            firsts.push(segments.len());
            for (number, op) in network.ops().iter().enumerate() {
                segments.push(Segment { stretch, op: number, before });
                before += run.before(op, number, len(&network.tensor(op.output).shape));
            }
        }
        Self { iteration, stretches, segments, firsts, len: before }
    }

    /// How many steps there are; at least 1 for a network that computes anything.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // a trace is never empty
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The iteration of gradient descent, from 1.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// How many samples the batch has.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.stretches.iter().filter(|stretch| stretch.sample.is_some()).count()
    }

    /// The samples of the batch, then the batch itself where it has ops.
    #[must_use]
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// The network that all samples run through.
    #[must_use]
    pub fn network(&self) -> &Arc<Network> {
        &self.stretches[0].network
    }

    /// The network of a stretch.
    #[must_use]
    pub fn network_of(&self, stretch: usize) -> &Network {
        &self.stretches[stretch].network
    }

    /// All tensors of a stretch.
    #[must_use]
    pub fn run(&self, stretch: usize) -> &Run {
        &self.stretches[stretch].run
    }

    fn op(&self, segment: usize) -> (&Run, &Op, usize) {
        let Segment { stretch, op, .. } = self.segments[segment];
        let Stretch { network, run, .. } = &self.stretches[stretch];
        (run, &network.ops()[op], op)
    }

    /// The number of the segment of an op of a stretch.
    fn segment(&self, stretch: usize, op: usize) -> usize {
        self.firsts[stretch] + op
    }

    /// Steps before the end of a segment.
    fn end(&self, segment: usize) -> u64 {
        self.segments.get(segment + 1).map_or(self.len, |next| next.before)
    }

    fn entries(&self, segment: usize) -> usize {
        let (_, op, _) = self.op(segment);
        len(&self.network_of(self.segments[segment].stretch).tensor(op.output).shape)
    }

    /// Where step k stands; `None` past either end.
    #[must_use]
    pub fn position(&self, k: u64) -> Option<Position> {
        if k == 0 || k > self.len {
            return None;
        }
        let segment = self.segments.partition_point(|s| s.before < k) - 1;
        let Segment { stretch, op: number, before } = self.segments[segment];
        let (run, op, _) = self.op(segment);
        let local = k - before - 1;
        let parts: SmallVec<[_; 2]> = run.parts(op, number).collect();
        let steps_before = |entry: usize| parts.iter().map(|(rule, x)| rule.before(x, entry)).sum::<u64>();
        // the last entry before which there are at most `local` terms
        let (mut low, mut high) = (0, self.entries(segment));
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            if steps_before(middle) <= local {
                low = middle;
            } else {
                high = middle;
            }
        }
        let first = steps_before(low);
        let terms = steps_before(low + 1) - first;
        Some(Position { step: k, stretch, op: number, entry: low, term: local - first, terms, segment })
    }

    /// Step k; `None` past either end.
    #[must_use]
    pub fn get(&self, k: u64) -> Option<Step> {
        self.position(k).map(|position| self.step(&position))
    }

    /// The step at a position.
    #[must_use]
    pub fn step(&self, at: &Position) -> Step {
        let (run, op, number) = self.op(at.segment);
        let mut sum = -0.0;
        let mut term = at.term;
        for (part, (rule, x)) in run.parts(op, number).enumerate() {
            let terms = rule.before(&x, at.entry + 1) - rule.before(&x, at.entry);
            sum = rule.partial(&x, at.entry, term.min(terms), sum);
            if term >= terms {
                term -= terms;
                continue;
            }
            let Term { kind, function, args, value } = rule.term(&x, at.entry, term);
            let network = self.network_of(at.stretch);
            let info = network.tensor(op.output);
            return Step {
                iteration: self.iteration,
                sample: self.stretches[at.stretch].sample.map(|sample| sample + 1),
                step: at.step,
                pass: op.pass,
                op: Arc::clone(&info.name),
                index: unravel(at.entry, &info.shape),
                term: at.term + 1,
                terms: at.terms,
                kind,
                factors: args.iter().map(|arg| factor(network, &op.parts[part].operands, arg)).collect(),
                function,
                value,
                sum: sum + value,
            };
        }
        unreachable!("a position lies within the terms of its entry")
    }

    /// What a factor that is derived from operands of a part of the op at a position is called, from its text.
    #[must_use]
    pub fn derived_name(&self, at: &Position, part: usize, text: &str) -> String {
        derived_name(self.network_of(at.stretch), &self.op_at(at).parts[part].operands, text)
    }

    /// The op of a position.
    #[must_use]
    pub fn op_at(&self, at: &Position) -> &Op {
        self.op(at.segment).1
    }

    /// Which part of the op the step belongs to.
    #[must_use]
    pub fn part_at(&self, at: &Position) -> usize {
        let (run, op, number) = self.op(at.segment);
        let mut term = at.term;
        for (part, (rule, x)) in run.parts(op, number).enumerate() {
            let terms = rule.before(&x, at.entry + 1) - rule.before(&x, at.entry);
            if term < terms {
                return part;
            }
            term -= terms;
        }
        unreachable!("a position lies within the terms of its entry")
    }

    /// The equation of a part of the op at a position, and its right-hand side with the operands' symbols.
    #[must_use]
    pub fn equation(&self, at: &Position, part: usize) -> (Equation, String) {
        let (run, op, number) = self.op(at.segment);
        let (rule, x) = run.part(op, number, part);
        let operands = &op.parts[part].operands;
        (rule.equation_for(&x), fill(&rule.symbols(&x), |slot, _| self.network_of(at.stretch).tensor(operands[slot]).symbol.text()))
    }

    /// A shorter way to the same entry, where there is one: its symbols and its value.
    #[must_use]
    pub fn shortcut(&self, at: &Position) -> Option<(String, f64)> {
        let (run, op, number) = self.op(at.segment);
        let network = self.network_of(at.stretch);
        let index = unravel(at.entry, &network.tensor(op.output).shape);
        run.parts(op, number).enumerate().find_map(|(part, (rule, x))| {
            let (text, value) = rule.shortcut(&x, at.entry)?;
            let symbol = |slot: usize, whole: bool| {
                let symbol = &network.tensor(op.parts[part].operands[slot]).symbol;
                if whole { symbol.text() } else { symbol.short_entry(&index) }
            };
            Some((fill(text, symbol), value))
        })
    }

    /// The steps of the unit that step k lies in, from the first to one past the last.
    #[must_use]
    pub fn span(&self, k: u64, unit: Unit) -> Range<u64> {
        let Some(at) = self.position(k) else { return k..k };
        let same = |same: &dyn Fn(&Segment) -> bool| {
            let first = self.segments[..at.segment].iter().rposition(|s| !same(s)).map_or(0, |s| s + 1);
            let last = self.segments[at.segment..].iter().position(|s| !same(s)).map_or(self.len, |n| self.segments[at.segment + n].before);
            self.segments[first].before + 1..last + 1
        };
        match unit {
            Unit::Step => k..k + 1,
            Unit::Entry => k - at.term..k - at.term + at.terms,
            Unit::Op => self.segments[at.segment].before + 1..self.end(at.segment) + 1,
            Unit::Pass => {
                let pass = self.op(at.segment).1.pass;
                same(&|s| s.stretch == at.stretch && self.network_of(s.stretch).ops()[s.op].pass == pass)
            }
            Unit::Sample => same(&|s| s.stretch == at.stretch),
            Unit::Iteration => 1..self.len + 1,
        }
    }

    /// The passes in order, each with its stretch and its steps.
    pub fn passes(&self) -> impl Iterator<Item = (usize, Pass, Range<u64>)> + '_ {
        let mut k = 1;
        std::iter::from_fn(move || {
            let at = self.position(k)?;
            let span = self.span(k, Unit::Pass);
            k = span.end;
            Some((at.stretch, self.op(at.segment).1.pass, span))
        })
    }

    /// The ops that have steps, in order, each with its stretch, its tensor and its steps.
    pub fn ops(&self) -> impl Iterator<Item = (usize, Id, Range<u64>)> + '_ {
        self.segments.iter().enumerate().filter_map(|(n, s)| {
            let span = s.before + 1..self.end(n) + 1;
            (!span.is_empty()).then(|| (s.stretch, self.network_of(s.stretch).ops()[s.op].output, span))
        })
    }

    /// How far an entry of a tensor has come when the step at this position has been made.
    #[must_use]
    pub fn progress(&self, now: &Position, tensor: Id, entry: usize) -> Progress {
        let Stretch { network, run, .. } = &self.stretches[now.stretch];
        let value = run.values(tensor)[entry];
        let Some(made_by) = network.made_by(tensor) else { return Progress::Done(value) };
        match made_by.cmp(&now.op).then(entry.cmp(&now.entry)) {
            std::cmp::Ordering::Less => Progress::Done(value),
            std::cmp::Ordering::Greater => Progress::ToCome,
            std::cmp::Ordering::Equal if now.term + 1 == now.terms => Progress::Done(value),
            std::cmp::Ordering::Equal => Progress::Partial(self.step(now).sum),
        }
    }
}

/// A factor of a term, with the names and places of the tensors that it is read or derived from.
fn factor(network: &Network, operands: &[Id], arg: &Arg) -> Factor {
    let value = arg.value;
    match &arg.origin {
        Origin::Constant => Factor { name: None, index: crate::tensor::Index::new(), value, source: None, derived: None },
        &Origin::Entry { slot, at } => {
            let info = network.tensor(operands[slot]);
            let source = Some(Source { tensor: operands[slot], at });
            Factor { name: Some(Arc::clone(&info.name)), index: unravel(at, &info.shape), value, source, derived: None }
        }
        &Origin::Derived { text, slot, at, by } => {
            let info = network.tensor(operands[slot]);
            let index = joined(unravel(at, &info.shape), by.map(|by| unravel(by, &info.shape)));
            let source = Some(Source { tensor: operands[slot], at });
            Factor { name: Some(derived_name(network, operands, text).into()), index, value, source, derived: Some(text) }
        }
    }
}

fn derived_name(network: &Network, operands: &[Id], text: &str) -> String {
    glyph::ascii_text(&fill(text, |slot, _| network.tensor(operands[slot]).name.to_string()))
}
