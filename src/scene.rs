//! Floor 5: the content of a step for the screen. A scene has the tensors of the step in display order, the entries that it reads, the neighbours of an entry,
//! the symbols, and the numbers that are *known*.
//!
//! A number is known if it is given (an input, a parameter of this iteration, a target, a constant) or if this step or an earlier one has computed it. The
//! step's own entry has its running sum. Only `scene/known.rs` reads numbers of the trace, and panes read numbers only from here: no width, colour or picture
//! can depend on a number that is not computed yet.

mod grid;
mod known;
mod reads;
mod symbols;

use std::cell::OnceCell;
use std::ops::Range;

pub use crate::trace::{ARGUMENTS, Path, Position, Sources, TermRead};
pub use grid::{Grid, Shown};
pub use known::{EntryState, EntryTerm};
pub use reads::EntryUse;

use crate::expr::Notation;
use crate::network::{Id, Network, Op, Role};
use crate::op::rule::Equation;
use crate::step::{Pass, Step, TensorEntry, Unit};
use crate::tensor::{index_text, unravel};
use crate::trace::Trace;

/// One step with everything that a screen shows of it.
#[derive(Debug)]
pub struct Scene<'a> {
    trace: &'a Trace,
    /// The position of the step in its trace.
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
    /// Returns the scene of step `number`, which counts from 1; `None` past either end of the trace.
    #[must_use]
    pub fn of(trace: &'a Trace, number: u64) -> Option<Self> {
        let at = trace.position(number)?;
        let output = trace.op_at(&at).output;
        Some(Self { trace, at, step: known::step(trace, &at), output, now: OnceCell::new(), first: OnceCell::new() })
    }

    /// Returns the scene of another step of this iteration; `None` if there is no such step or if it comes later than this one.
    #[must_use]
    pub fn at_step(&self, number: u64) -> Option<Scene<'a>> {
        (number <= self.at.step).then(|| Scene::of(self.trace, number)).flatten()
    }

    /// Returns the network whose tensors are shown: that of a sample, or that of the batch.
    #[must_use]
    pub fn network(&self) -> &'a Network {
        self.trace.network_of(self.at.sample_run)
    }

    /// Returns the op of the step.
    #[must_use]
    pub fn op(&self) -> &'a Op {
        self.trace.op_at(&self.at)
    }

    /// Returns the pass of the op that computes a tensor; `None` for a tensor that is given.
    #[must_use]
    pub fn pass_of(&self, tensor: Id) -> Option<Pass> {
        self.network().producer(tensor).map(|op| self.network().ops()[op].pass)
    }

    /// Returns whether the step belongs to the backward pass.
    #[must_use]
    pub fn backward(&self) -> bool {
        self.step.pass == Pass::Backward
    }

    /// Returns the number of the step's part of the op.
    #[must_use]
    pub fn part(&self) -> usize {
        self.trace.part_at(&self.at)
    }

    /// Returns the equation of a part of the op.
    #[must_use]
    pub fn equation(&self, part: usize) -> Equation {
        self.trace.equation(&self.at, part)
    }

    /// Returns the right-hand side of a part's equation, with the operands' symbols. Every part but the first begins with a sign: `+ b⁽¹⁾`.
    #[must_use]
    pub fn right_hand_side(&self, part: usize, notation: Notation) -> String {
        self.trace.right_hand_side(&self.at, part, notation)
    }

    /// Returns the sign between the sides of the equation: `←` in the update, which replaces a parameter or velocity, else `=`.
    #[must_use]
    pub fn equals(&self) -> &'static str {
        if self.step.pass == Pass::Update { "←" } else { "=" }
    }

    /// Returns z for the gradient ∂C/∂z; any other tensor unchanged.
    #[must_use]
    pub fn neuron(&self, tensor: Id) -> Id {
        match self.network().tensor(tensor).role {
            Role::Gradient(of) => of,
            _ => tensor,
        }
    }

    /// Returns the address of an entry, as a user types it.
    #[must_use]
    pub fn name(&self, tensor: Id, at: usize) -> String {
        let info = self.network().tensor(tensor);
        format!("{}{}", info.name, index_text(&unravel(at, &info.shape)))
    }

    /// Returns the address of the step's entry, such as `grad.conv1.weight[0,0,1,1]`, preceded by its sample or pass if the name alone is ambiguous.
    #[must_use]
    pub fn address(&self) -> String {
        let address = self.trace.address(&self.at.with_term(0)).to_string();
        address.trim_end_matches("#1").to_owned()
    }

    /// Returns the number of steps of the iteration.
    #[must_use]
    pub fn step_count(&self) -> u64 {
        self.trace.len()
    }

    /// Returns the steps of the unit that contains this step.
    #[must_use]
    pub fn span(&self, unit: Unit) -> Range<u64> {
        self.trace.span(self.at.step, unit)
    }

    /// Returns the progress through a unit: the number of its steps up to this one, and of all its steps.
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

    /// Returns the sample, as its number in the file from 0; `None` for a step of the batch.
    #[must_use]
    pub fn sample(&self) -> Option<usize> {
        self.trace.sample_runs()[self.at.sample_run].sample
    }

    /// Returns the samples of the batch, as their numbers in the file from 0.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.trace.sample_runs()[..self.trace.samples()].iter().map(|sample_run| sample_run.sample.unwrap_or(0))
    }

    /// Returns the passes of this sample and of the batch, each with its steps. For a step of the batch, the sample is the last one.
    pub fn passes(&self) -> impl Iterator<Item = (Pass, Range<u64>)> + '_ {
        let (here, samples) = (self.at.sample_run, self.trace.samples());
        let sample_runs = std::iter::once(here.min(samples.saturating_sub(1))).chain(samples..self.trace.sample_runs().len());
        sample_runs.flat_map(|sample_run| self.trace.passes_of(sample_run))
    }

    /// Returns the ops of the sample that have steps, from this step's op on, each as its tensor and its steps.
    pub fn ops_from(&self) -> impl Iterator<Item = (Id, Range<u64>)> + '_ {
        self.trace.ops_from(self.at.sample_run, self.at.op)
    }

    /// Returns the ops of the sample that have steps, before this step's op and in reverse order, each as its tensor and its steps.
    pub fn ops_before(&self) -> impl Iterator<Item = (Id, Range<u64>)> + '_ {
        self.trace.ops_before(self.at.sample_run, self.at.op)
    }
}

#[cfg(test)]
mod tests;
