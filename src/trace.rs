//! One iteration of gradient descent as a sequence of steps: one step for each term of each entry of each op. The sequence is not stored. A step is computed
//! from the tensors when it is requested.
//!
//! A *segment* is the range of steps of one op, in the run of one sample or of the batch. Step k is found by two binary searches. The first finds the segment,
//! with the number of steps before each segment. The second finds the entry, with the number of terms before each entry. So a late step takes about as long as
//! an early one.
//!
//! For example, let `z = W a + b` have 3 outputs and 2 inputs. Each entry of z has 3 terms: two products and the bias. If 10 steps come before this op, step 15
//! is its fifth term, with 4 terms of the op before it:
//!
//! ```text
//! segment   z                 the last segment with fewer than 15 steps before it
//! entry     z[1]              z[0], z[1] and z[2] have 0, 3 and 6 terms before them; z[1] is the last entry with at most 4
//! term      4 − 3 = 1         counted from 0: the second term, W[1,1] a[1]
//! sum       W[1,0] a[0]       the running sum of the earlier terms (`running_sums`)
//! ```

mod closed;
mod find;
mod future;
mod parts;
mod paths;
mod running_sums;
mod sampled_entries;
mod scan;
mod sensitivity;
mod steps;
mod term_reads;
#[cfg(test)]
mod tests;
mod traversal;
mod value_test;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::expr::{Notation, OperandForm, Sign};
use crate::network::{Id, IterationRun, IterationRuns, Network, Op, Run};
use crate::op::rule::Equation;
use crate::op::slot::Slot;
use crate::step::{Pass, Unit};
use crate::tensor::{Tensor, len};

use future::LaterNumbers;
use running_sums::RunningSums;
use sampled_entries::EntrySamples;

pub use closed::ClosedEntry;
pub use find::{MAX_ARGUMENTS, ReadingStep, Sources, zero_sentence};
pub use future::Replacement;
pub use paths::Path;
pub use scan::{Hit, Scanned, StepScan, Stop, Stops};
pub use term_reads::TermRead;
pub use traversal::{StepVisitor, Traversal};
pub use value_test::ValueTest;

/// The steps of one op of one run. An op without terms has an empty segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    /// The index of the run in [`Trace::runs`].
    run_index: usize,
    /// The index of the op in its network.
    op: usize,
    /// The number of steps before the segment.
    steps_before: u64,
}

/// The op, entry and term of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The number of the step, from 1.
    pub step: u64,
    /// The index of the run in [`Trace::runs`]: first the runs of the samples, then the run of the batch, if the batch has ops.
    pub run_index: usize,
    /// The index of the op in its network.
    pub op: usize,
    /// The offset of the entry in its tensor, in row-major order.
    pub entry: usize,
    /// The number of the term in its entry, from 0.
    pub term: u64,
    /// The number of terms of the entry.
    pub terms: u64,
    /// The index of the step's segment.
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
    /// All terms are added: the value.
    Done(f64),
    /// Some terms are added: the running sum.
    Partial(f64),
    /// No term is added yet.
    Pending,
}

/// One iteration as a sequence of steps, numbered from 1.
#[derive(Debug)]
pub struct Trace {
    iteration: u64,
    runs: IterationRuns,
    segments: Vec<Segment>,
    /// For each run, the index of its first segment.
    run_starts: Vec<usize>,
    /// For each pass of each run, the index of its first segment.
    pass_starts: Vec<usize>,
    /// The number of steps.
    len: u64,
    running_sums: RunningSums,
    entry_samples: EntrySamples,
    /// For [`Trace::sensitivity`]: the runs of the samples with slightly changed numbers, for each of two sizes of the change.
    disturbed_runs: OnceLock<[Vec<Run>; 2]>,
    /// In tests, the replacement of all numbers after some step; otherwise `None`.
    future: Option<LaterNumbers>,
}

impl Trace {
    /// Creates the trace of a first iteration without a reduce pass and an update pass. `runs` are the runs of the samples.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // a trace owns its network, like its runs
    pub fn new(network: Arc<Network>, runs: Vec<Run>) -> Self {
        let with_network = |(sample, run)| IterationRun { network: Arc::clone(&network), run: Arc::new(run), sample: Some(sample) };
        Self::of_iteration(1, runs.into_iter().enumerate().map(with_network).collect())
    }

    /// Creates the trace of an iteration. `runs` are the runs of the batch's samples, then the run of the batch, with its reduce pass and its update pass.
    #[must_use]
    pub fn of_iteration(iteration: u64, runs: IterationRuns) -> Self {
        let (mut segments, mut run_starts, mut pass_starts) = (Vec::new(), Vec::new(), Vec::new());
        let mut steps_before = 0;
        for (run_index, run) in runs.iter().enumerate() {
            run_starts.push(segments.len());
            let mut last_pass = None;
            for (op, Op { output, pass, .. }) in run.network.ops().iter().enumerate() {
                if last_pass.replace(*pass) != Some(*pass) {
                    pass_starts.push(segments.len());
                }
                segments.push(Segment { run_index, op, steps_before });
                // the terms before the end of the tensor are all terms of the op
                steps_before += parts::terms_before(run, op, len(&run.network.tensor(*output).shape));
            }
        }
        Self {
            iteration,
            runs,
            segments,
            run_starts,
            pass_starts,
            len: steps_before,
            running_sums: RunningSums::default(),
            entry_samples: EntrySamples::default(),
            disturbed_runs: OnceLock::new(),
            future: None,
        }
    }

    /// Creates the trace of the same iteration with another run of the batch; `None` for no such run. The values of the samples are shared.
    #[must_use]
    pub fn with_batch(&self, batch: Option<IterationRun>) -> Self {
        Self::of_iteration(self.iteration, self.runs.with_batch(batch))
    }

    /// Empties the caches of sums and entries, so that the next step costs as much as the first step did. Benchmarks call this.
    pub fn clear_caches(&self) {
        self.running_sums.clear();
        self.entry_samples.clear();
    }

    /// The number of steps.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // a trace is never empty
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The number of ops in all runs.
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
        self.runs.len() - usize::from(self.runs.last().is_some_and(|last| last.sample.is_none()))
    }

    /// The runs of the batch's samples, then the run of the batch if it has ops.
    #[must_use]
    pub fn runs(&self) -> &[IterationRun] {
        &self.runs
    }

    /// The network of the samples.
    #[must_use]
    pub fn network(&self) -> &Arc<Network> {
        &self.runs[0].network
    }

    /// The network of a run.
    #[must_use]
    pub fn network_of(&self, run_index: usize) -> &Network {
        &self.runs[run_index].network
    }

    /// The network of the batch's run, which follows the samples' runs; `None` if the batch has no ops.
    #[must_use]
    pub fn batch_network(&self) -> Option<&Network> {
        self.runs.get(self.samples()).map(|run| &*run.network)
    }

    /// The values of the tensors of a run.
    #[must_use]
    pub fn run(&self, run_index: usize) -> &Run {
        &self.runs[run_index].run
    }

    /// Returns the runs with one tensor of a run replaced ([`IterationRuns::with_tensor`]).
    #[must_use]
    pub fn runs_with_tensor(&self, run: usize, id: Id, tensor: Tensor) -> IterationRuns {
        self.runs.with_tensor(run, id, tensor)
    }

    /// Returns the run of a segment, its op, and the index of the op.
    fn op(&self, segment: usize) -> (&Run, &Op, usize) {
        let Segment { run_index, op, .. } = self.segments[segment];
        let IterationRun { network, run, .. } = &self.runs[run_index];
        (run, &network.ops()[op], op)
    }

    /// Returns the index of the segment of an op.
    fn segment(&self, run_index: usize, op: usize) -> usize {
        self.run_starts[run_index] + op
    }

    /// Returns the index of the next segment that has steps; `None` if no later segment has steps.
    fn next_segment(&self, segment: usize) -> Option<usize> {
        (segment + 1..self.segments.len()).find(|segment| self.segments[*segment].steps_before < self.last_step(*segment))
    }

    /// Returns the number of the last step of a segment. For an empty segment this is the number of the last step before it.
    fn last_step(&self, segment: usize) -> u64 {
        self.segments.get(segment + 1).map_or(self.len, |next| next.steps_before)
    }

    /// Returns the number of entries of the tensor that a segment's op computes.
    fn entry_count(&self, segment: usize) -> usize {
        let (_, op, _) = self.op(segment);
        len(&self.network_of(self.segments[segment].run_index).tensor(op.output).shape)
    }

    /// Returns the position of step k, or `None` if there is no such step.
    #[must_use]
    pub fn position(&self, k: u64) -> Option<Position> {
        // a step of an entry with stored sums needs no search
        if let Some(position) = self.running_sums.position(k) {
            return Some(position);
        }
        let segment = self.segment_of(k)?;
        let Segment { run_index, op: op_index, steps_before } = self.segments[segment];
        let (run, op, _) = self.op(segment);
        // the index of the term among all terms of the op
        let term_of_op = k - steps_before - 1;
        // every entry of an op with `part_offsets` has the same number of terms, which is the last number of this list
        if let Some([.., terms]) = self.network_of(run_index).part_offsets(op_index) {
            let entry = usize::try_from(term_of_op / terms).ok()?;
            return Some(Position { step: k, run_index, op: op_index, entry, term: term_of_op % terms, terms: *terms, segment });
        }
        // if all entries have the same number of terms, no search is needed
        let terms_per_entry: Option<u64> = op.parts.iter().map(|part| part.rule.terms_per_entry()).sum();
        if let Some(terms) = terms_per_entry.filter(|terms| *terms > 0) {
            let entry = usize::try_from(term_of_op / terms).ok()?;
            return Some(Position { step: k, run_index, op: op_index, entry, term: term_of_op % terms, terms, segment });
        }
        let entries = self.entry_count(segment);
        let (entry, terms_before, terms) = if let [_] = &op.parts[..] {
            let (rule, x) = run.part(op, op_index, 0);
            find_entry(entries, term_of_op, |entry| rule.prefix_terms(&x, entry))
        } else {
            // each part is its rule and its operands x
            let parts: SmallVec<[_; 2]> = run.parts(op, op_index).collect();
            find_entry(entries, term_of_op, |entry| parts.iter().map(|(rule, x)| rule.prefix_terms(x, entry)).sum())
        };
        Some(Position { step: k, run_index, op: op_index, entry, term: term_of_op - terms_before, terms, segment })
    }

    /// The op at a position.
    #[must_use]
    pub fn op_at(&self, at: &Position) -> &Op {
        self.op(at.segment).1
    }

    /// The equation of a part of the op at a position.
    #[must_use]
    pub fn equation(&self, at: &Position, part: usize) -> Equation {
        let (run, op, op_index) = self.op(at.segment);
        let (rule, x) = run.part(op, op_index, part);
        rule.equation_for(&x)
    }

    /// Returns one part of the right-hand side of an op's equation. For z = W a + b, the first part is `W⁽¹⁾ a⁽⁰⁾`, and the second is `+ b⁽¹⁾`, with its sign.
    #[must_use]
    pub fn right_hand_side(&self, at: &Position, part: usize, notation: Notation) -> String {
        self.right_hand_side_with(at, part, notation, false)
    }

    /// Does the same as [`Trace::right_hand_side`]. With `has_names`, tensors have their names instead of their symbols, because the name `loss.1` may be
    /// shorter than the symbol `(x @ W + b)`.
    #[must_use]
    pub fn right_hand_side_with(&self, at: &Position, part: usize, notation: Notation, has_names: bool) -> String {
        let (run, op, op_index) = self.op(at.segment);
        let (rule, x) = run.part(op, op_index, part);
        let name = |slot, form| match (slot, form) {
            // for the output J = 2 · v of a graph this writes ∂J/∂v = ∂(2 · v)/∂v, because ∂J/∂v = ∂J/∂v would explain nothing
            (Slot::Output, OperandForm::Entry) if !has_names => self.output_text(at, part, notation),
            _ if has_names => {
                let network = self.network_of(at.run_index);
                network.named_symbol(self.op_at(at).parts[part].operands[slot]).whole_in(notation)
            }
            _ => self.operand_text(at, part, slot, form, notation),
        };
        let (right, arguments) = (rule.equation_for(&x).right, rule.arguments());
        if part == 0 { right.equation(notation, &arguments, name) } else { right.further_term(notation, &arguments, name) }
    }

    /// Returns the text of the operand y in ∂y/∂x. It is the symbol of y, or `(2 · v)` if y = 2 · v is the output of the graph.
    fn output_text(&self, at: &Position, part: usize, notation: Notation) -> String {
        let network = self.network_of(at.run_index);
        let y = self.op_at(at).parts[part].operands[Slot::Output];
        let symbol = self.operand_text(at, part, Slot::Output, OperandForm::Entry, notation);
        let Some(op) = network.producer(y).filter(|_| y == network.output()) else { return symbol };
        let first_step = self.segments[self.segment(at.run_index, op)].steps_before + 1;
        // if the op has no steps, this position is in a later op
        let Some(in_op) = self.position(first_step).filter(|position| position.op == op) else { return symbol };
        let parts: Vec<String> = (0..network.ops()[op].parts.len()).map(|part| self.right_hand_side(&in_op, part, notation)).collect();
        format!("{}{}{}", Sign::Open.text(notation), parts.join(" "), Sign::Close.text(notation))
    }

    /// Returns the text of an operand in an op's equation. It is its symbol, such as a⁽¹⁾. If the form is [`OperandForm::Letter`] and no other operand has the
    /// same letter, it is only the letter a.
    #[must_use]
    pub fn operand_text(&self, at: &Position, part: usize, slot: Slot, form: OperandForm, notation: Notation) -> String {
        let operands = &self.op_at(at).parts[part].operands;
        let symbol = |slot: Slot| &self.network_of(at.run_index).tensor(operands[slot]).symbol;
        let letter = |slot: Slot| symbol(slot).letter_in(notation);
        // a⁽¹⁾ and a⁽⁰⁾ have the same letter
        let is_letter_shared = || operands.each().any(|(other_slot, id)| id != operands[slot] && letter(other_slot) == letter(slot));
        match form {
            OperandForm::Letter if !is_letter_shared() => letter(slot),
            OperandForm::Whole | OperandForm::Entry | OperandForm::Letter => symbol(slot).whole_in(notation),
        }
    }

    /// The whole equation of the op at a position: `z⁽¹⁾ = W⁽¹⁾ a⁽⁰⁾ + b⁽¹⁾`.
    #[must_use]
    pub fn equation_text(&self, at: &Position, notation: Notation) -> String {
        let op = self.op_at(at);
        let left = self.network_of(at.run_index).tensor(op.output).symbol.whole_in(notation);
        let sign = if op.pass == Pass::Update { Sign::Becomes } else { Sign::Equals };
        let parts: Vec<String> = (0..op.parts.len()).map(|part| self.right_hand_side(at, part, notation)).collect();
        format!("{left}{}{}", sign.text(notation), parts.join(" "))
    }

    /// Returns a shorter formula for the entry at a position, with its value. For example, the derivative δ = ∂C/∂z of softmax and cross-entropy is a − t.
    /// Returns `None` if there is no shorter formula. Subscripts count from `first`.
    #[must_use]
    pub fn closed_formula(&self, at: &Position, first: usize) -> Option<(String, f64)> {
        let (run, op, op_index) = self.op(at.segment);
        let network = self.network_of(at.run_index);
        let shape = &network.tensor(op.output).shape;
        // an op can have very many parts; only the first are examined, so that a frame is drawn in a short time
        (0..op.first_16_parts().len()).find_map(|part| {
            let (rule, x) = run.part(op, op_index, part);
            let (expr, value) = rule.closed_formula(&x, at.entry)?;
            let symbol = |slot: Slot, form: OperandForm| {
                let symbol = &network.tensor(op.parts[part].operands[slot]).symbol;
                if form == OperandForm::Whole { symbol.text() } else { symbol.short_entry(at.entry, shape, first, Notation::Unicode) }
            };
            let last_step_of_entry = at.step - at.term + at.terms - 1;
            // in tests, the value is replaced if the entry is complete only after the current step
            let value = self.future.as_ref().map_or(value, |future| future.number(last_step_of_entry, value));
            Some((expr.equation(Notation::Unicode, &[], symbol), value))
        })
    }

    /// Returns the steps of the unit that contains step k; empty if there is no step k.
    #[must_use]
    pub fn span(&self, k: u64, unit: Unit) -> Range<u64> {
        let Some(at) = self.position(k) else { return k..k };
        match unit {
            Unit::Step => k..k + 1,
            Unit::Entry => k - at.term..k - at.term + at.terms,
            Unit::Op => self.steps_of(at.segment),
            Unit::Pass => self.unit_span(&self.pass_starts, self.pass_starts.partition_point(|first| *first <= at.segment) - 1),
            Unit::Sample => self.unit_span(&self.run_starts, at.run_index),
            Unit::Iteration => 1..self.len + 1,
        }
    }

    /// Returns the steps of one pass or of one run. `starts` is `pass_starts` or `run_starts`, and `index` is an index into it.
    fn unit_span(&self, starts: &[usize], index: usize) -> Range<u64> {
        let steps_before = |index: usize| {
            let segment = starts.get(index).and_then(|start| self.segments.get(*start));
            segment.map_or(self.len, |segment| segment.steps_before)
        };
        steps_before(index) + 1..steps_before(index + 1) + 1
    }

    /// Iterates over the passes that have steps, in order. Each item is the index of the run, the pass, and the steps of the pass.
    pub fn passes(&self) -> impl Iterator<Item = (usize, Pass, Range<u64>)> + '_ {
        self.pass_starts.iter().enumerate().filter_map(|(index, first)| {
            let span = self.unit_span(&self.pass_starts, index);
            (!span.is_empty()).then(|| (self.segments[*first].run_index, self.op(*first).1.pass, span))
        })
    }

    /// Iterates over the ops of a run, in order. Each item is the range of the op's steps, which may be empty.
    pub fn spans_of(&self, run_index: usize) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.run_starts[run_index];
        (first..first + self.network_of(run_index).ops().len()).map(|segment| self.steps_of(segment))
    }

    /// Iterates over the ops that have steps, in order. Each item is the index of the run, the tensor that the op computes, and the steps of the op.
    pub fn ops(&self) -> impl Iterator<Item = (usize, Id, Range<u64>)> + '_ {
        self.segments.iter().enumerate().filter_map(|(index, segment)| {
            let span = self.steps_of(index);
            let Segment { run_index, op, .. } = *segment;
            (!span.is_empty()).then(|| (run_index, self.network_of(run_index).ops()[op].output, span))
        })
    }

    /// Returns the state of an entry after the step at position `now`. `tensor` is a tensor of the run of this step.
    #[must_use]
    pub fn progress(&self, now: &Position, tensor: Id, entry: usize) -> Progress {
        let IterationRun { network, run, .. } = &self.runs[now.run_index];
        let value = run.values(tensor)[entry];
        let Some(producer) = network.producer(tensor) else { return Progress::Done(value) };
        // compares the pair (op, entry) of the given entry with that of the current step
        match producer.cmp(&now.op).then(entry.cmp(&now.entry)) {
            std::cmp::Ordering::Less => Progress::Done(value),
            // an entry without terms is 0 as soon as the earlier entries of the op are complete
            std::cmp::Ordering::Greater if producer == now.op && self.is_done_without_terms(now, entry) => Progress::Done(0.0),
            std::cmp::Ordering::Greater => Progress::Pending,
            std::cmp::Ordering::Equal if now.term + 1 == now.terms => Progress::Done(value),
            std::cmp::Ordering::Equal => Progress::Partial(self.step(now).sum),
        }
    }
}

/// Returns the entry to which a term belongs, the number of terms of all earlier entries, and the entry's number of terms. `entries` is the number of entries.
/// `term` is the index of the term among the terms of all entries. `terms_before` returns the number of terms before an entry.
fn find_entry(entries: usize, term: u64, terms_before: impl Fn(usize) -> u64) -> (usize, u64, u64) {
    // the last entry with at most `term` terms before it
    let (mut low, mut high) = (0, entries);
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if terms_before(middle) <= term {
            low = middle;
        } else {
            high = middle;
        }
    }
    let before = terms_before(low);
    (low, before, terms_before(low + 1) - before)
}
