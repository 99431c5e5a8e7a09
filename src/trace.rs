//! Floor 4: one iteration as a sequence of steps, one for each term of each entry of each op. The sequence is not stored: a step is computed from the tensors
//! when it is requested.
//!
//! Step k is found by binary search over prefix counts of terms, so the time depends on neither k nor the number of steps. For `z = W a + b` with
//! 3 outputs and 2 inputs, each entry of z has 3 terms (two products and the bias). If 10 steps precede this op, step 15 is its 5th term:
//!
//! ```text
//! segment  z, `before` = 10           segments are sorted by the number of steps before them
//! entry    1                          prefix_terms(entry) ≤ 4: 0, 3, 6, …
//! term     4 − 3 = 1                  the second term: W[1,1] a[1]
//! sum      the terms before it        from the nearest kept running sum (`running_sums`)
//! ```

mod find;
mod future;
mod parts;
mod paths;
mod running_sums;
mod sampled_entries;
mod term_reads;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::expr::{Expr, Notation, OperandPart as Named, Sign};
use crate::glyph;
use crate::network::{Id, Network, Op, Run, SampleRun, SampleRuns};
use crate::op::rule::{Arg, Equation, Origin, Term, joined_index};
use crate::op::slot::{Reads, Slot};
use crate::step::{Factor, Pass, Step, TensorEntry, Unit};
use crate::tensor::{Index, len, unravel};

use future::LaterNumbers;
use running_sums::{PartialSum, RunningSums};
use sampled_entries::EntrySamples;

pub use find::{ARGUMENTS, Sources, UseOf};
pub use future::Replacement;
pub use paths::Path;
pub use term_reads::TermRead;
pub use walk::{StepVisitor, Walk};

/// The steps of one op of one sample run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    /// The sample run, from 0.
    sample_run: usize,
    /// The op's number in its network.
    op: usize,
    /// The number of steps before it.
    before: u64,
}

/// The op, entry and term of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The step, from 1.
    pub step: u64,
    /// The sample run, from 0: a sample of the batch or, last, the batch itself.
    pub sample_run: usize,
    /// The op's number in its network.
    pub op: usize,
    /// The row-major index of the entry.
    pub entry: usize,
    /// The term of the entry, from 0.
    pub term: u64,
    /// The number of terms of the entry.
    pub terms: u64,
    /// The index of its segment.
    segment: usize,
}

impl Position {
    /// Returns the position of another term (from 0) of the same entry.
    #[must_use]
    pub fn with_term(self, term: u64) -> Self {
        Self { step: self.step - self.term + term, term, ..self }
    }
}

/// The state of an entry of a tensor at some step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// Its value is complete.
    Done(f64),
    /// Some of its terms are added: the running sum.
    Partial(f64),
    /// It is computed later.
    Pending,
}

/// One iteration as a sequence of steps, numbered from 1.
#[derive(Debug)]
pub struct Trace {
    iteration: u64,
    sample_runs: SampleRuns,
    segments: Vec<Segment>,
    /// For each sample run, the index of its first segment.
    sample_run_starts: Vec<usize>,
    /// For each pass, the index of its first segment.
    pass_starts: Vec<usize>,
    len: u64,
    running_sums: RunningSums,
    entry_samples: EntrySamples,
    /// Replaces numbers that are computed later. `None` outside of tests.
    future: Option<LaterNumbers>,
}

impl Trace {
    /// Creates the trace of a first iteration with these runs, one for each sample.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // a trace owns its network, like its runs
    pub fn new(network: Arc<Network>, runs: Vec<Run>) -> Self {
        let sample_run = |(sample, run)| SampleRun { network: Arc::clone(&network), run, sample: Some(sample) };
        Self::of(1, runs.into_iter().enumerate().map(sample_run).collect())
    }

    /// Creates the trace of an iteration: the samples of its batch, then the batch itself, which reduces and updates.
    #[must_use]
    pub fn of(iteration: u64, sample_runs: SampleRuns) -> Self {
        let (mut segments, mut sample_run_starts, mut pass_starts) = (Vec::new(), Vec::new(), Vec::new());
        let mut before = 0;
        for (number, sample_run) in sample_runs.iter().enumerate() {
            sample_run_starts.push(segments.len());
            let mut pass = None;
            for (op, Op { output, pass: own, .. }) in sample_run.network.ops().iter().enumerate() {
                if pass.replace(*own) != Some(*own) {
                    pass_starts.push(segments.len());
                }
                segments.push(Segment { sample_run: number, op, before });
                before += parts::terms_before(sample_run, op, len(&sample_run.network.tensor(*output).shape));
            }
        }
        Self {
            iteration,
            sample_runs,
            segments,
            sample_run_starts,
            pass_starts,
            len: before,
            running_sums: RunningSums::default(),
            entry_samples: EntrySamples::default(),
            future: None,
        }
    }

    /// The number of steps.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // a trace is never empty
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The number of ops in all sample runs.
    #[must_use]
    pub fn op_count(&self) -> usize {
        self.segments.len()
    }

    /// The iteration of gradient descent, from 1.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// The number of samples in the batch.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.sample_runs.len() - usize::from(self.sample_runs.last().is_some_and(|last| last.sample.is_none()))
    }

    /// The samples of the batch, then the batch itself if it has ops.
    #[must_use]
    pub fn sample_runs(&self) -> &[SampleRun] {
        &self.sample_runs
    }

    /// The network of the samples.
    #[must_use]
    pub fn network(&self) -> &Arc<Network> {
        &self.sample_runs[0].network
    }

    /// The network of a sample run.
    #[must_use]
    pub fn network_of(&self, sample_run: usize) -> &Network {
        &self.sample_runs[sample_run].network
    }

    /// The tensors of a sample run.
    #[must_use]
    pub fn run(&self, sample_run: usize) -> &Run {
        &self.sample_runs[sample_run].run
    }

    fn op(&self, segment: usize) -> (&Run, &Op, usize) {
        let Segment { sample_run, op, .. } = self.segments[segment];
        let SampleRun { network, run, .. } = &self.sample_runs[sample_run];
        (run, &network.ops()[op], op)
    }

    /// The index of an op's segment.
    fn segment(&self, sample_run: usize, op: usize) -> usize {
        self.sample_run_starts[sample_run] + op
    }

    /// The next segment with steps.
    fn next(&self, segment: usize) -> Option<usize> {
        (segment + 1..self.segments.len()).find(|segment| self.segments[*segment].before < self.end(*segment))
    }

    /// The number of steps up to the end of a segment.
    fn end(&self, segment: usize) -> u64 {
        self.segments.get(segment + 1).map_or(self.len, |next| next.before)
    }

    fn entries(&self, segment: usize) -> usize {
        let (_, op, _) = self.op(segment);
        len(&self.network_of(self.segments[segment].sample_run).tensor(op.output).shape)
    }

    /// Returns the position of step k, or `None` if there is no such step.
    #[must_use]
    pub fn position(&self, k: u64) -> Option<Position> {
        if let Some(position) = self.running_sums.position(k) {
            return Some(position);
        }
        let segment = self.segment_of(k)?;
        let Segment { sample_run, op: number, before } = self.segments[segment];
        let (run, op, _) = self.op(segment);
        let local = k - before - 1;
        if let Some([.., terms]) = self.network_of(sample_run).part_offsets(number) {
            let entry = usize::try_from(local / terms).ok()?;
            return Some(Position { step: k, sample_run, op: number, entry, term: local % terms, terms: *terms, segment });
        }
        let parts: SmallVec<[_; 2]> = run.parts(op, number).collect();
        let steps_before = |entry: usize| parts.iter().map(|(rule, x)| rule.prefix_terms(x, entry)).sum::<u64>();
        // the last entry with at most `local` terms before it
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

    /// Returns step k, or `None` if there is no such step.
    #[must_use]
    pub fn get(&self, k: u64) -> Option<Step> {
        self.position(k).map(|position| self.step(&position))
    }

    /// Returns the step at a position.
    #[must_use]
    pub fn step(&self, at: &Position) -> Step {
        let (run, op, number) = self.op(at.segment);
        let PartialSum { part, terms_before, sum } = self.sum_before(at);
        let (rule, x) = run.part(op, number, part);
        let Term { kind, function, args, value } = rule.term(&x, at.entry, at.term - terms_before);
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

    /// Returns the name of a factor that a part of the op at a position derives from its operands.
    #[must_use]
    pub fn derived_name(&self, at: &Position, part: usize, expr: &Expr) -> String {
        derived_name(self.network_of(at.sample_run), &self.op_at(at).parts[part].operands, expr)
    }

    /// The op at a position.
    #[must_use]
    pub fn op_at(&self, at: &Position) -> &Op {
        self.op(at.segment).1
    }

    /// Returns the part of the op that the term at a position belongs to.
    #[must_use]
    pub fn part_at(&self, at: &Position) -> usize {
        self.sum_before(at).part
    }

    /// The equation of a part of the op at a position.
    #[must_use]
    pub fn equation(&self, at: &Position, part: usize) -> Equation {
        let (run, op, number) = self.op(at.segment);
        let (rule, x) = run.part(op, number, part);
        rule.equation_for(&x)
    }

    /// Returns one part of the right-hand side of an op's equation. The first part has no sign, a further one has: `W⁽¹⁾ a⁽⁰⁾`, then `+ b⁽¹⁾`.
    #[must_use]
    pub fn right_hand_side(&self, at: &Position, part: usize, notation: Notation) -> String {
        let (run, op, number) = self.op(at.segment);
        let (rule, x) = run.part(op, number, part);
        let name = |slot, named| self.operand_text(at, part, slot, named, notation);
        let (right, arguments) = (rule.equation_for(&x).right, rule.arguments());
        if part == 0 { right.equation(notation, &arguments, name) } else { right.further_term(notation, &arguments, name) }
    }

    /// Returns the name of an operand in an op's equation: its symbol or, if requested and unambiguous among the operands, its letter.
    #[must_use]
    pub fn operand_text(&self, at: &Position, part: usize, slot: Slot, named: Named, notation: Notation) -> String {
        let operands = &self.op_at(at).parts[part].operands;
        let symbol = |slot: Slot| &self.network_of(at.sample_run).tensor(operands[slot]).symbol;
        let letter = |slot: Slot| symbol(slot).short_entry_in(&[], notation);
        // the letter of both a⁽¹⁾ and a⁽⁰⁾ is a
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

    /// Returns a shorter formula for the entry at a position, with its value: a − t for the δ of softmax and cross-entropy. `None` if there is no such formula.
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

    /// Returns the steps of the unit that contains step k.
    #[must_use]
    pub fn span(&self, k: u64, unit: Unit) -> Range<u64> {
        let Some(at) = self.position(k) else { return k..k };
        match unit {
            Unit::Step => k..k + 1,
            Unit::Entry => k - at.term..k - at.term + at.terms,
            Unit::Op => self.segments[at.segment].before + 1..self.end(at.segment) + 1,
            Unit::Pass => self.unit_span(&self.pass_starts, self.pass_starts.partition_point(|first| *first <= at.segment) - 1),
            Unit::Sample => self.unit_span(&self.sample_run_starts, at.sample_run),
            Unit::Iteration => 1..self.len + 1,
        }
    }

    /// Returns the steps of unit `number`, for units that start with the segments `firsts`.
    fn unit_span(&self, firsts: &[usize], number: usize) -> Range<u64> {
        let before = |number: usize| firsts.get(number).and_then(|first| self.segments.get(*first)).map_or(self.len, |s| s.before);
        before(number) + 1..before(number + 1) + 1
    }

    /// The passes with steps, in order, each with its sample run and its steps.
    pub fn passes(&self) -> impl Iterator<Item = (usize, Pass, Range<u64>)> + '_ {
        self.pass_starts.iter().enumerate().filter_map(|(number, first)| {
            let span = self.unit_span(&self.pass_starts, number);
            (!span.is_empty()).then(|| (self.segments[*first].sample_run, self.op(*first).1.pass, span))
        })
    }

    /// The steps of each op of a sample run, in order.
    pub fn spans_of(&self, sample_run: usize) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.sample_run_starts[sample_run];
        (first..first + self.network_of(sample_run).ops().len()).map(|n| self.segments[n].before + 1..self.end(n) + 1)
    }

    /// The ops with steps, in order, each with its sample run, its tensor and its steps.
    pub fn ops(&self) -> impl Iterator<Item = (usize, Id, Range<u64>)> + '_ {
        self.segments.iter().enumerate().filter_map(|(n, s)| {
            let span = self.steps_of(n);
            (!span.is_empty()).then(|| (s.sample_run, self.network_of(s.sample_run).ops()[s.op].output, span))
        })
    }

    /// Returns the state of an entry of a tensor after the step at position `now`.
    #[must_use]
    pub fn progress(&self, now: &Position, tensor: Id, entry: usize) -> Progress {
        let SampleRun { network, run, .. } = &self.sample_runs[now.sample_run];
        let value = run.values(tensor)[entry];
        let Some(producer) = network.producer(tensor) else { return Progress::Done(value) };
        match producer.cmp(&now.op).then(entry.cmp(&now.entry)) {
            std::cmp::Ordering::Less => Progress::Done(value),
            std::cmp::Ordering::Greater => Progress::Pending,
            std::cmp::Ordering::Equal if now.term + 1 == now.terms => Progress::Done(value),
            std::cmp::Ordering::Equal => Progress::Partial(self.step(now).sum),
        }
    }
}

/// Converts an argument of a term to a factor of a step, with the name of its tensor and the index of its entry.
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
            let index = joined_index(unravel(at, &info.shape), by.map(|by| unravel(by, &info.shape)));
            let source = Some(TensorEntry { tensor: operands[slot], at });
            Factor { name: Some(derived_name(network, operands, expr).into()), index, value, source, derived: Some(expr), slice: None }
        }
    }
}

fn derived_name(network: &Network, operands: &Reads<Id>, expr: &Expr) -> String {
    glyph::ascii_text(&expr.text(&mut |slot, _| network.tensor(operands[slot]).name.to_string()))
}
