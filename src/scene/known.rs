//! The numbers that are known at a step. Only this file of the scene reads numbers of a trace.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use super::Scene;
use crate::network::Id;
use crate::number::short;
use crate::step::{Factor, Kind, Step, TensorEntry, Unit};
use crate::trace::{Path, Position, Progress, Trace};

/// Returns the step at a position: its factors, its value and the running sum after it.
pub(super) fn step(trace: &Trace, at: &Position) -> Step {
    trace.step(at)
}

/// One term of the step's entry. Its symbols are always known, its numbers from its own step on.
#[derive(Debug)]
pub struct EntryTerm {
    pub(super) step: Step,
    /// The part of the op that the term belongs to.
    pub(super) part: usize,
    known: bool,
}

impl EntryTerm {
    /// Returns the operation of the term.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.step.kind
    }

    /// Returns the value of the term, if it is known.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.known.then_some(self.step.value)
    }

    /// Returns the running sum after the term, if it is known.
    #[must_use]
    pub fn sum(&self) -> Option<f64> {
        self.known.then_some(self.step.sum)
    }
}

/// The state of an entry at a step.
#[derive(Clone, Debug, PartialEq)]
pub enum EntryState {
    /// It is an input, a parameter, a target or a constant.
    Given(f64),
    /// All its steps are done.
    Complete {
        /// Its value.
        value: f64,
        /// The steps that compute it.
        steps: Range<u64>,
    },
    /// Some of its steps are done.
    Partial {
        /// The running sum.
        sum: f64,
        /// The steps that compute it.
        steps: Range<u64>,
    },
    /// It is computed later.
    Pending {
        /// The steps that compute it; empty if it has no terms.
        steps: Range<u64>,
    },
    /// No term contributes to it, so it is 0. The reason is one clause.
    Unreached(&'static str),
}

impl Scene<'_> {
    /// Returns the state of an entry of a tensor of this network.
    #[must_use]
    pub fn state_of(&self, tensor: Id, entry: usize) -> EntryState {
        let known = self.number(tensor, entry);
        let Some(steps) = self.trace.entry_steps(self.at.sample_run, tensor, entry) else {
            return EntryState::Given(known.unwrap_or(f64::NAN));
        };
        match known {
            None => EntryState::Pending { steps },
            Some(_) if steps.is_empty() => EntryState::Unreached(self.trace.reason_unreached(self.at.sample_run, tensor)),
            Some(value) if steps.end <= self.at.step + 1 => EntryState::Complete { value, steps },
            Some(sum) => EntryState::Partial { sum, steps },
        }
    }

    /// Returns the entry that this step's factor of the largest magnitude is read from; `None` if all factors are constants.
    #[must_use]
    pub fn largest_source(&self) -> Option<TensorEntry> {
        let read = self.step.factors.iter().filter(|factor| factor.source.is_some());
        // of equal factors, the first
        let largest = read.reduce(|one, other| if other.value.abs() > one.value.abs() { other } else { one });
        largest.and_then(|factor| factor.source)
    }

    /// Returns the number of an entry, if it is known; for the step's own entry, the running sum.
    #[must_use]
    pub fn number(&self, tensor: Id, entry: usize) -> Option<f64> {
        if (tensor, entry) == (self.output, self.at.entry) {
            return Some(self.step.sum);
        }
        match self.trace.progress(&self.at, tensor, entry) {
            Progress::Done(value) | Progress::Partial(value) => Some(value),
            Progress::Pending => None,
        }
    }

    /// Returns the known entries of a tensor, without the running sum; for a large tensor, a selection of them.
    #[must_use]
    pub fn numbers(&self, tensor: Id) -> Cow<'_, [f64]> {
        let known = match self.network().producer(tensor).map_or(Ordering::Less, |op| op.cmp(&self.at.op)) {
            Ordering::Less => usize::MAX,
            Ordering::Equal => self.at.entry + usize::from(self.is_complete()),
            Ordering::Greater => 0,
        };
        self.trace.sampled_entries(self.at.sample_run, tensor, known)
    }

    /// Returns whether the op probably gives whole numbers: its operands are whole, and so are the factors and the value of its first step. The answer is the
    /// same at every step of the op.
    #[must_use]
    pub fn expects_whole(&self) -> bool {
        let whole = |number: &f64| number.fract() == 0.0 || !number.is_finite();
        let given = self.tensors().iter().filter(|shown| !shown.is_result).all(|shown| self.numbers(shown.tensor).iter().all(whole));
        let first = || self.trace.position(self.span(Unit::Op).start).map(|at| self.trace.step(&at));
        given && first().is_some_and(|step| step.factors.iter().map(|factor| &factor.value).chain([&step.value]).all(whole))
    }

    /// Returns a term of the step's entry, counted from 0.
    #[must_use]
    pub fn term(&self, term: u64) -> EntryTerm {
        let known = term <= self.at.term;
        if term == self.at.term {
            return EntryTerm { step: self.step.clone(), part: self.part(), known };
        }
        let at = self.at.with_term(term);
        EntryTerm { step: self.trace.step(&at), part: self.trace.part_at(&at), known }
    }

    /// Returns a term in numbers, if they are known. If its only factor is computed by arithmetic, such as a − t, the factor is expanded to its operands' numbers.
    #[must_use]
    pub fn in_numbers(&self, term: &EntryTerm) -> Option<String> {
        let EntryTerm { step, part, known } = term;
        let alone = step.factors.iter().filter(|factor| factor.source.is_some()).count() == 1;
        let text = |factor: &Factor| match factor.slice {
            Some(places) => format!("{} numbers", places.len()),
            None => self.expanded(factor, *part).filter(|_| alone).unwrap_or_else(|| short(factor.value)),
        };
        known.then(|| super::symbols::joined(step, &step.factors.iter().map(text).collect::<Vec<_>>()))
    }

    /// Returns a factor that is derived by arithmetic alone, such as a − t, with its operands' numbers.
    fn expanded(&self, factor: &Factor, part: usize) -> Option<String> {
        let (source, expr) = (factor.source?, factor.derived.filter(|expr| expr.is_arithmetic())?);
        let operands = &self.op().parts[part].operands;
        let shape = &self.network().tensor(source.tensor).shape;
        let mut seen = 0;
        let mut known = true;
        let text = expr.text(&mut |slot, _| {
            let same_shape = self.network().tensor(operands[slot]).shape == *shape;
            let number = self.number(operands[slot], source.at).filter(|_| same_shape);
            known &= number.is_some();
            seen += 1;
            let number = number.map_or_else(String::new, short);
            if seen > 1 && number.starts_with('−') { format!("({number})") } else { number }
        });
        known.then_some(text)
    }

    /// Returns a shorter expression for the step's entry, as symbols and value, once the entry is complete.
    #[must_use]
    pub fn shortcut(&self) -> Option<(String, f64)> {
        self.is_complete().then(|| self.trace.shortcut(&self.at)).flatten()
    }

    /// Returns the paths from the output of a graph back to the step's node, once the node's derivative is complete.
    #[must_use]
    pub fn paths(&self) -> Vec<Path> {
        let complete = self.backward() && self.is_complete() && !self.network().reads_samples();
        if complete { self.trace.paths(self.at.sample_run, self.neuron(self.output)) } else { Vec::new() }
    }
}
