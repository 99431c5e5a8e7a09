//! Floor 4: the whole computation of one iteration as one sequence of steps, never stored. Step k is derived from the tensors when it is asked
//! for, in time that grows neither with k nor with the number of steps: prefix counts lead from k to its op, its entry and its term.

mod find;
mod future;
mod kept;
mod meet;
mod parts;
mod paths;
mod samples;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::expr::{Expr, Notation, OperandPart as Named, Sign};
use crate::glyph;
use crate::network::{Id, Network, Op, Run, SampleRun, SampleRuns};
use crate::op::rule::{Arg, Equation, Origin, Term, joined};
use crate::op::slot::{Reads, Slot};
use crate::step::{Factor, Pass, Step, TensorEntry, Unit};
use crate::tensor::{Index, len, unravel};

use future::Future;
use kept::{Kept, Mark};
use samples::Samples;

pub use find::{ARGUMENTS, Sources, UseOf};
pub use future::Other;
pub use meet::Meeting;
pub use paths::Path;
pub use walk::{Tell, Walk};

/// One op of one sample_run: a piece of the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    /// From 0.
    sample_run: usize,
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
    /// The sample_run, from 0: a sample of the batch, or after them the batch itself.
    pub sample_run: usize,
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
    sample_runs: SampleRuns,
    segments: Vec<Segment>,
    /// For each sample_run, the number of its first segment.
    firsts: Vec<usize>,
    /// For each pass, the number of its first segment.
    passes: Vec<usize>,
    len: u64,
    kept: Kept,
    samples: Samples,
    /// `None` but in tests.
    future: Option<Future>,
}

impl Trace {
    /// The trace of these samples' runs, in their order, as the first iteration.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // a trace takes what it shows
    pub fn new(network: Arc<Network>, runs: Vec<Run>) -> Self {
        let sample_run = |(sample, run)| SampleRun { network: Arc::clone(&network), run, sample: Some(sample) };
        Self::of(1, runs.into_iter().enumerate().map(sample_run).collect())
    }

    /// The trace of an iteration: the samples of its batch, then what the batch does with them.
    #[must_use]
    pub fn of(iteration: u64, sample_runs: SampleRuns) -> Self {
        let (mut segments, mut firsts, mut passes) = (Vec::new(), Vec::new(), Vec::new());
        let mut before = 0;
        for (number, sample_run) in sample_runs.iter().enumerate() {
            firsts.push(segments.len());
            let mut pass = None;
            for (op, Op { output, pass: own, .. }) in sample_run.network.ops().iter().enumerate() {
                if pass.replace(*own) != Some(*own) {
                    passes.push(segments.len());
                }
                segments.push(Segment { sample_run: number, op, before });
                before += parts::terms_before(sample_run, op, len(&sample_run.network.tensor(*output).shape));
            }
        }
        Self {
            iteration,
            sample_runs,
            segments,
            firsts,
            passes,
            len: before,
            kept: Kept::default(),
            samples: Samples::default(),
            future: None,
        }
    }

    /// How many steps there are; at least 1 for a network that computes anything.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // a trace is never empty
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The number of ops of all sample_runs together.
    #[must_use]
    pub fn op_count(&self) -> usize {
        self.segments.len()
    }

    /// The iteration of gradient descent, from 1.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// How many samples the batch has.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.sample_runs.len() - usize::from(self.sample_runs.last().is_some_and(|last| last.sample.is_none()))
    }

    /// The samples of the batch, then the batch itself where it has ops.
    #[must_use]
    pub fn sample_runs(&self) -> &[SampleRun] {
        &self.sample_runs
    }

    /// The network that all samples run through.
    #[must_use]
    pub fn network(&self) -> &Arc<Network> {
        &self.sample_runs[0].network
    }

    /// The network of a sample_run.
    #[must_use]
    pub fn network_of(&self, sample_run: usize) -> &Network {
        &self.sample_runs[sample_run].network
    }

    /// All tensors of a sample_run.
    #[must_use]
    pub fn run(&self, sample_run: usize) -> &Run {
        &self.sample_runs[sample_run].run
    }

    fn op(&self, segment: usize) -> (&Run, &Op, usize) {
        let Segment { sample_run, op, .. } = self.segments[segment];
        let SampleRun { network, run, .. } = &self.sample_runs[sample_run];
        (run, &network.ops()[op], op)
    }

    /// The number of the segment of an op of a sample_run.
    fn segment(&self, sample_run: usize, op: usize) -> usize {
        self.firsts[sample_run] + op
    }

    /// The next segment that has steps.
    fn next(&self, segment: usize) -> Option<usize> {
        (segment + 1..self.segments.len()).find(|segment| self.segments[*segment].before < self.end(*segment))
    }

    /// Steps before the end of a segment.
    fn end(&self, segment: usize) -> u64 {
        self.segments.get(segment + 1).map_or(self.len, |next| next.before)
    }

    fn entries(&self, segment: usize) -> usize {
        let (_, op, _) = self.op(segment);
        len(&self.network_of(self.segments[segment].sample_run).tensor(op.output).shape)
    }

    /// Where step k stands; `None` past either end.
    #[must_use]
    pub fn position(&self, k: u64) -> Option<Position> {
        if let Some(position) = self.kept.position(k) {
            return Some(position);
        }
        let segment = self.segment_of(k)?;
        let Segment { sample_run, op: number, before } = self.segments[segment];
        let (run, op, _) = self.op(segment);
        let local = k - before - 1;
        if let Some([.., terms]) = self.network_of(sample_run).shares(number) {
            let entry = usize::try_from(local / terms).ok()?;
            return Some(Position { step: k, sample_run, op: number, entry, term: local % terms, terms: *terms, segment });
        }
        let parts: SmallVec<[_; 2]> = run.parts(op, number).collect();
        let steps_before = |entry: usize| parts.iter().map(|(rule, x)| rule.prefix_terms(x, entry)).sum::<u64>();
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
        Some(Position { step: k, sample_run, op: number, entry: low, term: local - first, terms, segment })
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
        let Mark { part, before, sum } = self.before(at);
        let (rule, x) = run.part(op, number, part);
        let Term { kind, function, args, value } = rule.term(&x, at.entry, at.term - before);
        let network = self.network_of(at.sample_run);
        let info = network.tensor(op.output);
        let step = Step {
            iteration: self.iteration,
            sample: self.sample_runs[at.sample_run].sample.map(|sample| sample + 1),
            step: at.step,
            pass: op.pass,
            op: info.name.clone(),
            index: unravel(at.entry, &info.shape),
            term: at.term + 1,
            terms: at.terms,
            kind,
            factors: args.iter().map(|arg| factor(network, &op.parts[part].operands, arg)).collect(),
            function,
            value,
            sum: sum + value,
        };
        match &self.future {
            Some(future) => future.step(step),
            None => step,
        }
    }

    /// What a factor that is derived from operands of a part of the op at a position is called.
    #[must_use]
    pub fn derived_name(&self, at: &Position, part: usize, expr: &Expr) -> String {
        derived_name(self.network_of(at.sample_run), &self.op_at(at).parts[part].operands, expr)
    }

    /// The op of a position.
    #[must_use]
    pub fn op_at(&self, at: &Position) -> &Op {
        self.op(at.segment).1
    }

    /// Which part of the op the step belongs to.
    #[must_use]
    pub fn part_at(&self, at: &Position) -> usize {
        self.before(at).part
    }

    /// The equation of a part of the op at a position.
    #[must_use]
    pub fn equation(&self, at: &Position, part: usize) -> Equation {
        let (run, op, number) = self.op(at.segment);
        let (rule, x) = run.part(op, number, part);
        rule.equation_for(&x)
    }

    /// The right-hand side of the equation of an op: its parts with the operands' symbols. The first is without a sign, the others are further terms of
    /// the sum: `+ b⁽¹⁾`.
    #[must_use]
    pub fn right_hand_side(&self, at: &Position, part: usize, notation: Notation) -> String {
        let (run, op, number) = self.op(at.segment);
        let (rule, x) = run.part(op, number, part);
        let name = |slot, named| self.operand_text(at, part, slot, named, notation);
        let (right, arguments) = (rule.equation_for(&x).right, rule.arguments());
        if part == 0 { right.equation(notation, &arguments, name) } else { right.further_term(notation, &arguments, name) }
    }

    /// The name of an operand in the equation of an op: its symbol, or its letter alone where that tells it from the other operands.
    #[must_use]
    pub fn operand_text(&self, at: &Position, part: usize, slot: Slot, named: Named, notation: Notation) -> String {
        let operands = &self.op_at(at).parts[part].operands;
        let symbol = |slot: Slot| &self.network_of(at.sample_run).tensor(operands[slot]).symbol;
        let letter = |slot: Slot| symbol(slot).short_entry_in(&[], notation);
        // a letter alone does not tell a⁽¹⁾ from a⁽⁰⁾
        let is_shared = || operands.each().any(|(other, id)| id != operands[slot] && letter(other) == letter(slot));
        match named {
            Named::Letter if !is_shared() => letter(slot),
            Named::Whole | Named::Entry | Named::Letter => symbol(slot).whole_in(notation),
        }
    }

    /// The whole equation of the op at a position: `z⁽¹⁾ = W⁽¹⁾ a⁽⁰⁾ + b⁽¹⁾`.
    #[must_use]
    pub fn equation_text(&self, at: &Position, notation: Notation) -> String {
        let op = self.op_at(at);
        let left = self.network_of(at.sample_run).tensor(op.output).symbol.whole_in(notation);
        let sign = if op.pass == Pass::Update { Sign::Becomes } else { Sign::Equals };
        let parts: Vec<String> = (0..op.parts.len()).map(|part| self.right_hand_side(at, part, notation)).collect();
        format!("{left}{}{}", sign.text(notation), parts.join(" "))
    }

    /// A shorter way to the same entry, where there is one: its symbols and its value.
    #[must_use]
    pub fn shortcut(&self, at: &Position) -> Option<(String, f64)> {
        let (run, op, number) = self.op(at.segment);
        let network = self.network_of(at.sample_run);
        let index = unravel(at.entry, &network.tensor(op.output).shape);
        (0..op.first_parts().len()).find_map(|part| {
            let (rule, x) = run.part(op, number, part);
            let (expr, value) = rule.shortcut(&x, at.entry)?;
            let symbol = |slot: Slot, named: Named| {
                let symbol = &network.tensor(op.parts[part].operands[slot]).symbol;
                if named == Named::Whole { symbol.text() } else { symbol.short_entry(&index) }
            };
            let end = at.step - at.term + at.terms - 1;
            let value = self.future.as_ref().map_or(value, |future| future.number(end, value));
            Some((expr.equation(Notation::Unicode, &[], symbol), value))
        })
    }

    /// The steps of the unit that step k lies in, from the first to one past the last.
    #[must_use]
    pub fn span(&self, k: u64, unit: Unit) -> Range<u64> {
        let Some(at) = self.position(k) else { return k..k };
        match unit {
            Unit::Step => k..k + 1,
            Unit::Entry => k - at.term..k - at.term + at.terms,
            Unit::Op => self.segments[at.segment].before + 1..self.end(at.segment) + 1,
            Unit::Pass => self.among(&self.passes, self.passes.partition_point(|first| *first <= at.segment) - 1),
            Unit::Sample => self.among(&self.firsts, at.sample_run),
            Unit::Iteration => 1..self.len + 1,
        }
    }

    /// The steps of one of the units that begin with these segments.
    fn among(&self, firsts: &[usize], number: usize) -> Range<u64> {
        let before = |number: usize| firsts.get(number).and_then(|first| self.segments.get(*first)).map_or(self.len, |s| s.before);
        before(number) + 1..before(number + 1) + 1
    }

    /// The passes in order that have steps, each with its sample_run and its steps.
    pub fn passes(&self) -> impl Iterator<Item = (usize, Pass, Range<u64>)> + '_ {
        self.passes.iter().enumerate().filter_map(|(number, first)| {
            let span = self.among(&self.passes, number);
            (!span.is_empty()).then(|| (self.segments[*first].sample_run, self.op(*first).1.pass, span))
        })
    }

    /// The steps of each op of a sample_run, in order.
    pub fn spans_of(&self, sample_run: usize) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.firsts[sample_run];
        (first..first + self.network_of(sample_run).ops().len()).map(|n| self.segments[n].before + 1..self.end(n) + 1)
    }

    /// The ops that have steps, in order, each with its sample_run, its tensor and its steps.
    pub fn ops(&self) -> impl Iterator<Item = (usize, Id, Range<u64>)> + '_ {
        self.segments.iter().enumerate().filter_map(|(n, s)| {
            let span = self.steps_of(n);
            (!span.is_empty()).then(|| (s.sample_run, self.network_of(s.sample_run).ops()[s.op].output, span))
        })
    }

    /// How far an entry of a tensor has come when the step at this position has been made.
    #[must_use]
    pub fn progress(&self, now: &Position, tensor: Id, entry: usize) -> Progress {
        let SampleRun { network, run, .. } = &self.sample_runs[now.sample_run];
        let value = run.values(tensor)[entry];
        let Some(producer) = network.producer(tensor) else { return Progress::Done(value) };
        match producer.cmp(&now.op).then(entry.cmp(&now.entry)) {
            std::cmp::Ordering::Less => Progress::Done(value),
            std::cmp::Ordering::Greater => Progress::ToCome,
            std::cmp::Ordering::Equal if now.term + 1 == now.terms => Progress::Done(value),
            std::cmp::Ordering::Equal => Progress::Partial(self.step(now).sum),
        }
    }
}

/// A factor of a term, with the names and places of the tensors that it is read or derived from.
fn factor(network: &Network, operands: &Reads<Id>, arg: &Arg) -> Factor {
    let value = arg.value;
    match &arg.origin {
        Origin::Constant => Factor { name: None, index: Index::new(), value, source: None, derived: None, slice: None },
        &Origin::Slice { slot, places } => {
            let source = Some(TensorEntry { tensor: operands[slot], at: places.first });
            let name = Some(network.tensor(operands[slot]).name.clone());
            Factor { name, index: Index::new(), value, source, derived: None, slice: Some(places) }
        }
        &Origin::Entry { slot, at } => {
            let info = network.tensor(operands[slot]);
            let source = Some(TensorEntry { tensor: operands[slot], at });
            Factor { name: Some(info.name.clone()), index: unravel(at, &info.shape), value, source, derived: None, slice: None }
        }
        &Origin::Derived { expr, slot, at, by } => {
            let info = network.tensor(operands[slot]);
            let index = joined(unravel(at, &info.shape), by.map(|by| unravel(by, &info.shape)));
            let source = Some(TensorEntry { tensor: operands[slot], at });
            Factor { name: Some(derived_name(network, operands, expr).into()), index, value, source, derived: Some(expr), slice: None }
        }
    }
}

fn derived_name(network: &Network, operands: &Reads<Id>, expr: &Expr) -> String {
    glyph::ascii_text(&expr.text(&mut |slot, _| network.tensor(operands[slot]).name.to_string()))
}
