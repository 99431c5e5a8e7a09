//! Floor 5: what a step shows. The tensors of the step in the order in which they are shown, what it reads, which entries are beside which, the symbols, and
//! which numbers are *known*.
//!
//! A number is known when it is given (an input, a parameter of this iteration, a target, a constant), or when this step or an earlier one has computed it. Of
//! the entry that the step works on, the running sum is known. Numbers leave the trace through `scene/known.rs` alone, and panes get them from here alone:
//! so no width, colour or picture depends on a number that is still to come.

mod grid;
mod known;
mod reads;
mod symbols;

use std::cell::OnceCell;
use std::ops::Range;

pub use crate::trace::{ARGUMENTS, Meeting, Path, Position, Sources};
pub use grid::{Grid, Shown};
pub use known::Term;

use crate::expr::Notation;
use crate::network::{Id, Network, Op, Role};
use crate::op::rule::Equation;
use crate::step::{Pass, Step, TensorEntry, Unit};
use crate::tensor::{index_text, unravel};
use crate::trace::Trace;

/// One step with all that a screen shows of it.
#[derive(Debug)]
pub struct Scene<'a> {
    trace: &'a Trace,
    /// The place of the step in its trace.
    pub at: Position,
    /// The step.
    pub step: Step,
    /// The tensor that its op computes.
    pub output: Id,
    /// The entries that this step reads.
    now: OnceCell<Vec<TensorEntry>>,
    /// The tensors that the first parts of the op read.
    first: OnceCell<Vec<Id>>,
}

impl<'a> Scene<'a> {
    /// The scene of step `number`, from 1; `None` past either end of the trace.
    #[must_use]
    pub fn of(trace: &'a Trace, number: u64) -> Option<Self> {
        let at = trace.position(number)?;
        let output = trace.op_at(&at).output;
        Some(Self { trace, at, step: known::step(trace, &at), output, now: OnceCell::new(), first: OnceCell::new() })
    }

    /// The network whose tensors are shown: of a sample, or of the batch.
    #[must_use]
    pub fn network(&self) -> &'a Network {
        self.trace.network_of(self.at.sample_run)
    }

    /// The op of the step.
    #[must_use]
    pub fn op(&self) -> &'a Op {
        self.trace.op_at(&self.at)
    }

    /// The pass of the op that computes a tensor; `None` for a tensor that is given.
    #[must_use]
    pub fn pass_of(&self, tensor: Id) -> Option<Pass> {
        self.network().producer(tensor).map(|op| self.network().ops()[op].pass)
    }

    /// Returns whether the step belongs to the backward pass.
    #[must_use]
    pub fn backward(&self) -> bool {
        self.step.pass == Pass::Backward
    }

    /// The part of the op that the step belongs to.
    #[must_use]
    pub fn part(&self) -> usize {
        self.trace.part_at(&self.at)
    }

    /// The equation of a part of the op.
    #[must_use]
    pub fn equation(&self, part: usize) -> Equation {
        self.trace.equation(&self.at, part)
    }

    /// The right-hand side of a part's equation, with the operands' symbols; of every part but the first as a further term: `+ b⁽¹⁾`.
    #[must_use]
    pub fn right_hand_side(&self, part: usize, notation: Notation) -> String {
        self.trace.right_hand_side(&self.at, part, notation)
    }

    /// The equals sign of the equation: an arrow where a new parameter or velocity replaces the old one.
    #[must_use]
    pub fn equals(&self) -> &'static str {
        if self.step.pass == Pass::Update { "←" } else { "=" }
    }

    /// The tensor that a derivative is of: z for ∂C/∂z. Any other tensor is its own.
    #[must_use]
    pub fn neuron(&self, tensor: Id) -> Id {
        match self.network().tensor(tensor).role {
            Role::Gradient(of) => of,
            _ => tensor,
        }
    }

    /// The address of an entry, as a user types it.
    #[must_use]
    pub fn name(&self, tensor: Id, at: usize) -> String {
        let info = self.network().tensor(tensor);
        format!("{}{}", info.name, index_text(&unravel(at, &info.shape)))
    }

    /// The address of the step's entry, such as `grad.conv1.weight[0,0,1,1]`; its sample or pass precedes it where there are several.
    #[must_use]
    pub fn place(&self) -> String {
        let address = self.trace.address(&self.at.with_term(0)).to_string();
        address.trim_end_matches("#1").to_owned()
    }

    /// The number of steps of the iteration.
    #[must_use]
    pub fn step_count(&self) -> u64 {
        self.trace.len()
    }

    /// The steps of the unit that the step lies in.
    #[must_use]
    pub fn span(&self, unit: Unit) -> Range<u64> {
        self.trace.span(self.at.step, unit)
    }

    /// The progress through a unit: steps up to this one, and all.
    #[must_use]
    pub fn progress(&self, unit: Unit) -> (u64, u64) {
        let span = self.span(unit);
        (self.at.step - span.start + 1, span.end - span.start)
    }

    /// Returns whether this step is the last of its entry.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.at.term + 1 == self.at.terms
    }

    /// The sample, as its number in the file from 0; `None` for a step of the batch.
    #[must_use]
    pub fn sample(&self) -> Option<usize> {
        self.trace.sample_runs()[self.at.sample_run].sample
    }

    /// The samples of the batch, as their numbers in the file from 0.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.trace.sample_runs()[..self.trace.samples()].iter().map(|sample_run| sample_run.sample.unwrap_or(0))
    }

    /// The passes of this sample and of the batch, each with its steps. For a step of the batch the sample is the last one.
    pub fn passes(&self) -> impl Iterator<Item = (Pass, Range<u64>)> + '_ {
        let (here, samples) = (self.at.sample_run, self.trace.samples());
        let sample_runs = std::iter::once(here.min(samples.saturating_sub(1))).chain(samples..self.trace.sample_runs().len());
        sample_runs.flat_map(|sample_run| self.trace.passes_of(sample_run))
    }

    /// The ops of the sample that have steps, from this step's on, each as its tensor and its steps.
    pub fn ops_from(&self) -> impl Iterator<Item = (Id, Range<u64>)> + '_ {
        self.trace.ops_from(self.at.sample_run, self.at.op)
    }

    /// The ops of the sample that have steps before this step's, backwards, each as its tensor and its steps.
    pub fn ops_before(&self) -> impl Iterator<Item = (Id, Range<u64>)> + '_ {
        self.trace.ops_before(self.at.sample_run, self.at.op)
    }
}

#[cfg(test)]
mod tests;
