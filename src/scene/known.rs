//! The numbers that are known at a step: those that are given, and those that this step or an earlier one has computed. In the scene, only this file reads
//! numbers of a trace.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use super::Scene;
use super::forms::after_sign_in;
use super::symbols::{joined, number_in};
use crate::expr::{Expr, Notation};
use crate::network::{ClosedBlock, Id};
use crate::step::{Factor, Kind, Step, TensorEntry, Unit};
use crate::trace::{ClosedEntry, Path, Position, Progress, Sources, Trace, zero_sentence};

/// Returns the step at a position: its factors, its value and the running sum after it.
pub(super) fn step(trace: &Trace, at: &Position) -> Step {
    trace.step(at)
}

/// A number that prediction hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HiddenNumber {
    /// The value of the step's term.
    Term,
    /// The value of the step's entry.
    Entry,
}

/// The state of a term of the current entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TermState {
    /// Its numbers are known.
    Known,
    /// Its value is hidden. Its factors are known, except those that its own step computes, such as a − t.
    Hidden,
    /// It is computed later.
    ToCome,
}

/// A term of the current entry. Its symbols are always known. Its numbers are known from the term's step on.
#[derive(Debug)]
pub struct EntryTerm {
    /// The step of the term. Only the term of the scene's step has its running sum; [`Scene::sum_after`] computes the others when they are needed.
    pub(super) step: Step,
    /// The part of the op to which the term belongs, counted from 0.
    pub(super) part: usize,
    state: TermState,
}

impl EntryTerm {
    /// Returns the operation of the term.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.step.kind
    }

    /// Returns the values of its factors, if they are known. A slice has no value.
    pub fn factors(&self) -> impl Iterator<Item = f64> + '_ {
        self.step.factors.iter().filter(|factor| self.is_known() && factor.slice.is_none()).map(|factor| factor.value)
    }

    /// Returns the value of the term, if it is known.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.is_known().then_some(self.step.value)
    }

    /// Returns whether its value is hidden.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.state == TermState::Hidden
    }

    fn is_known(&self) -> bool {
        self.state == TermState::Known
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
        /// The steps that compute it; empty if it has no terms, or if it is an input of the batch ([`Scene::state_in`]).
        steps: Range<u64>,
    },
    /// It has no terms, so it is 0. The text is the reason.
    NoTerms(&'static str),
}

impl EntryState {
    /// Returns the first step that computes the entry.
    #[must_use]
    pub fn first_step(&self) -> Option<u64> {
        match self {
            Self::Complete { steps, .. } | Self::Partial { steps, .. } | Self::Pending { steps } => {
                (!steps.is_empty()).then_some(steps.start)
            }
            Self::Given(_) | Self::NoTerms(_) => None,
        }
    }
}

impl<'a> Scene<'a> {
    /// Hides numbers of the scene: those of this step, or those of all steps of its entry.
    #[must_use]
    pub fn with_hidden(mut self, hidden: Option<HiddenNumber>) -> Self {
        self.hidden = hidden;
        self.last_known = match hidden {
            None => return self,
            Some(HiddenNumber::Term) => self.at.step - 1,
            // the step before the first step of the entry
            Some(HiddenNumber::Entry) => self.at.step - self.at.term - 1,
        };
        hide(&mut self.step);
        // the formats and the entry that a maximum selects depend on numbers that are now hidden
        self.formats.take();
        self.sources_now.take();
        self
    }

    /// Returns whether the numbers of a step are hidden.
    #[must_use]
    pub fn hides_step(&self, step: u64) -> bool {
        let steps = match self.hidden {
            None => 0..0,
            Some(HiddenNumber::Term) => self.at.step..self.at.step + 1,
            Some(HiddenNumber::Entry) => self.span(Unit::Entry),
        };
        steps.contains(&step)
    }

    /// Returns whether a number of this step is hidden.
    #[must_use]
    pub fn hides_number(&self) -> bool {
        self.hidden.is_some()
    }

    /// Returns the running sum after this step; `None` if it is hidden.
    #[must_use]
    pub fn running_sum(&self) -> Option<f64> {
        (!self.hides_number()).then_some(self.step.sum)
    }

    /// Returns the position of the last step whose numbers are known; `None` before the first step.
    fn known_position(&self) -> Option<Position> {
        if self.hides_number() { self.trace.position(self.last_known) } else { Some(self.at) }
    }

    /// Returns the state of an entry of a tensor of this network. An entry of the batch that is a copy of a sample's entry is complete, because the steps of
    /// the sample compute it, or it has no terms in the sample either.
    #[must_use]
    pub fn state_of(&self, tensor: Id, entry: usize) -> EntryState {
        let known = self.number(tensor, entry);
        let Some(steps) = self.trace.entry_steps(self.at.run_index, tensor, entry) else {
            let value = known.unwrap_or(f64::NAN);
            let (run_index, tensor) = self.canonical(tensor);
            return match self.trace.entry_steps(run_index, tensor, entry) {
                None => EntryState::Given(value),
                Some(steps) if steps.is_empty() => EntryState::NoTerms(self.trace.reason_unreached(run_index, tensor, entry)),
                Some(steps) => EntryState::Complete { value, steps },
            };
        };
        match known {
            None => EntryState::Pending { steps },
            Some(_) if steps.is_empty() => EntryState::NoTerms(self.trace.reason_unreached(self.at.run_index, tensor, entry)),
            Some(value) if steps.end <= self.last_known + 1 => EntryState::Complete { value, steps },
            Some(sum) => EntryState::Partial { sum, steps },
        }
    }

    /// Returns the state of an entry in a run. The computed entries of an earlier run are complete, and those of a later run are pending. Before the run of the
    /// batch, its inputs are pending too, because most of them are results of the samples.
    #[must_use]
    pub fn state_in(&self, run_index: usize, tensor: Id, entry: usize) -> EntryState {
        let value = || self.trace.run(run_index).values(tensor)[entry];
        match (self.trace.entry_steps(run_index, tensor, entry), run_index.cmp(&self.at.run_index)) {
            (_, Ordering::Equal) => self.state_of(tensor, entry),
            (None, _) if self.trace.runs()[run_index].sample.is_none() => EntryState::Pending { steps: 0..0 },
            (None, _) => EntryState::Given(value()),
            (Some(steps), Ordering::Greater) => EntryState::Pending { steps },
            (Some(steps), Ordering::Less) if steps.is_empty() => EntryState::NoTerms(self.trace.reason_unreached(run_index, tensor, entry)),
            (Some(steps), Ordering::Less) => EntryState::Complete { value: value(), steps },
        }
    }

    /// Returns the scene of the last done step of an entry. If the entry of the batch is a copy of a sample's entry, returns a scene of this sample.
    ///
    /// # Errors
    /// A sentence if no step of the entry is done yet.
    pub fn last_step_of(&self, tensor: Id, entry: usize) -> Result<Scene<'a>, String> {
        if let Some((sample_scene, copied)) = self.origin(tensor) {
            return sample_scene.last_step_of(copied, entry);
        }
        let name = || self.name(tensor, entry);
        match self.state_of(tensor, entry) {
            EntryState::Given(_) => Err(format!("{} is given: it has no terms; r lists what reads it", name())),
            EntryState::NoTerms(why) => Err(zero_sentence(&name(), why)),
            EntryState::Pending { steps } if steps.is_empty() => Err(format!("{} is not computed yet", name())),
            EntryState::Pending { steps } if self.hides_step(steps.start) => Err(format!("{} is hidden: answer first", name())),
            EntryState::Pending { steps } => Err(format!("{} is not computed yet: step {}", name(), steps.start)),
            EntryState::Complete { steps, .. } | EntryState::Partial { steps, .. } => {
                self.at_step((steps.end - 1).min(self.last_known)).ok_or_else(|| "there is no step".to_owned())
            }
        }
    }

    /// Iterates over the first terms of this step's entry that are done, at most `most`. Each item is the value of the term, and the entries that it reads.
    pub fn done_terms(&self, most: u64) -> impl Iterator<Item = (f64, Sources)> + '_ {
        self.trace.contributions(&self.at, 0..(self.at.term + 1).min(most))
    }

    /// Returns the sentence about a computed entry without terms: that it is 0, and why. Returns `None` for any other entry.
    #[must_use]
    pub fn zero_sentence(&self, tensor: Id, entry: usize) -> Option<String> {
        if let Some((sample_scene, copied)) = self.origin(tensor) {
            return sample_scene.zero_sentence(copied, entry);
        }
        let steps = self.trace.entry_steps(self.at.run_index, tensor, entry)?;
        let why = || self.trace.reason_unreached(self.at.run_index, tensor, entry);
        steps.is_empty().then(|| zero_sentence(&self.name(tensor, entry), why()))
    }

    /// Returns the entry of the factor of this step with the largest absolute value: the entry that is this factor, or from which it is computed. Returns
    /// `None` if all factors are constants.
    #[must_use]
    pub fn largest_source(&self) -> Option<TensorEntry> {
        let read = self.step.factors.iter().filter(|factor| factor.source.is_some());
        // among equal factors, the first one
        let largest = read.reduce(|largest, factor| if factor.value.abs() > largest.value.abs() { factor } else { largest });
        largest.and_then(|factor| factor.source)
    }

    /// Returns the number of an entry, if it is known. For the current entry, it is the running sum.
    #[must_use]
    pub fn number(&self, tensor: Id, entry: usize) -> Option<f64> {
        if (tensor, entry) == (self.output, self.at.entry) && !self.hides_number() {
            return Some(self.step.sum);
        }
        let is_given = || self.network().producer(tensor).is_none();
        let known = self.known_position();
        let progress = match known {
            Some(known) if known.run_index == self.at.run_index => self.trace.progress(&known, tensor, entry),
            // no step of this run is known yet, because this step is hidden. A given number is known nevertheless
            _ if is_given() => self.trace.progress(&self.at, tensor, entry),
            _ => Progress::Pending,
        };
        match progress {
            Progress::Done(value) | Progress::Partial(value) => Some(value),
            Progress::Pending => None,
        }
    }

    /// Returns the number of an entry, if it is known and complete.
    #[must_use]
    pub fn complete_number(&self, tensor: Id, entry: usize) -> Option<f64> {
        let is_current = (tensor, entry) == (self.output, self.at.entry);
        let is_running = is_current && (self.hides_number() || self.at.term + 1 < self.at.terms);
        self.number(tensor, entry).filter(|_| !is_running)
    }

    /// Returns the known numbers of a tensor, without the running sum. If the tensor is large, returns only some of them.
    #[must_use]
    pub fn numbers(&self, tensor: Id) -> Cow<'_, [f64]> {
        // entries are computed in order, so the known ones are the first
        let known = self.known_position().filter(|known| known.run_index == self.at.run_index);
        let known_count = match (self.network().producer(tensor), known) {
            (None, _) => usize::MAX,
            (Some(_), None) => 0,
            (Some(op), Some(known)) => match op.cmp(&known.op) {
                Ordering::Less => usize::MAX,
                Ordering::Equal => known.entry + usize::from(known.term + 1 == known.terms),
                Ordering::Greater => 0,
            },
        };
        self.trace.sampled_entries(self.at.run_index, tensor, known_count)
    }

    /// Returns the number of decimals that the results of the op probably have; `None` if there is no limit. The answer is the same at each step of the op.
    ///
    /// The results are probably integers if the operands, and the numbers of the op's first step, are integers. Halves, quarters and so on can be added and
    /// multiplied without rounding errors, so a product has at most the decimals of all its factors together.
    #[must_use]
    pub fn expected_decimals(&self) -> Option<usize> {
        let decimals_of = |tensor: Id| all_decimals(&self.numbers(tensor));
        let operands: Vec<(Id, usize)> = self
            .tensors()
            .into_iter()
            .filter(|shown| !shown.is_result)
            .map(|shown| decimals_of(shown.tensor).map(|n| (shown.tensor, n)))
            .collect::<Option<_>>()?;
        let most = operands.iter().map(|(_, decimals)| *decimals).max().unwrap_or(0);
        let first_step = self.trace.position(self.span(Unit::Op).start).map(|at| self.trace.step(&at))?;
        if most == 0 {
            // the numbers of a hidden first step count as integers
            if self.span(Unit::Op).start > self.last_known {
                return Some(0);
            }
            let numbers: Vec<f64> = first_step.factors.iter().map(|factor| factor.value).chain([first_step.value]).collect();
            return all_decimals(&numbers).filter(|decimals| *decimals == 0);
        }
        let is_product =
            first_step.function.is_none() && !self.is_update() && first_step.factors.iter().all(|factor| factor.derived.is_none());
        let factor_decimals = |factor: &Factor| match factor.source {
            Some(source) => operands.iter().find(|(id, _)| *id == source.tensor).map(|(_, decimals)| *decimals),
            None => all_decimals(&[factor.value]),
        };
        let product_decimals = first_step.factors.iter().map(factor_decimals).sum::<Option<usize>>()?;
        is_product.then_some(most.max(product_decimals))
    }

    /// Returns a term of the current entry. Terms are counted from 0.
    #[must_use]
    pub fn term(&self, term: u64) -> EntryTerm {
        let at = self.at.with_term(term);
        let state = if at.step <= self.last_known {
            TermState::Known
        } else if self.hides_step(at.step) {
            TermState::Hidden
        } else {
            TermState::ToCome
        };
        if term == self.at.term {
            return EntryTerm { step: self.step.clone(), part: self.part(), state };
        }
        let (mut step, part) = self.trace.step_without_sum(&at);
        if state != TermState::Known {
            hide(&mut step);
        }
        EntryTerm { step, part, state }
    }

    /// Returns the running sum after a term of the current entry, if it is known. Terms are counted from 0.
    #[must_use]
    pub fn sum_after(&self, term: u64) -> Option<f64> {
        if term == self.at.term {
            return self.running_sum();
        }
        let at = self.at.with_term(term);
        (at.step <= self.last_known).then(|| self.trace.step(&at).sum)
    }

    /// Returns a term in numbers, such as `0.5·2`, if they are known. A factor such as a − t, which is computed by arithmetic, is written as `0.7 − 1` in two
    /// cases: if it is the only factor that reads a tensor, or if its value is hidden.
    #[must_use]
    pub fn in_numbers(&self, term: &EntryTerm) -> Option<String> {
        let EntryTerm { step, part, state } = term;
        let has_one_source = step.factors.iter().filter(|factor| factor.source.is_some()).count() == 1;
        let text = |factor: &Factor| {
            if let Some(slice) = factor.slice {
                let numbers = if self.term_notation == Notation::Latex { r"\text{ numbers}" } else { " numbers" };
                return format!("{}{numbers}", slice.len());
            }
            if *state == TermState::Hidden && factor.derived.is_some() {
                return self.expanded(factor, *part).unwrap_or_else(|| self.factor(factor, *part));
            }
            let entry = factor.source.filter(|_| factor.derived.is_none());
            let entry_text = entry.map(|entry| number_in(self.format(entry.tensor).text_or_short(factor.value), self.term_notation));
            let text = entry_text.or_else(|| self.expanded(factor, *part).filter(|_| has_one_source && is_arithmetic(factor)));
            // if a factor equals the term except for the sign, it gets the digits of the term
            let is_term = factor.source.is_some() && factor.value.abs().to_bits() == step.value.abs().to_bits();
            let text_of_value = || if is_term { self.value_text(factor.value) } else { self.short(factor.value) };
            text.unwrap_or_else(|| number_in(text_of_value(), self.term_notation))
        };
        (*state != TermState::ToCome).then(|| joined(step, step.factors.iter().map(text).collect(), self.term_notation))
    }

    /// Returns a factor such as a − t with the numbers of its operands, if they are known.
    fn expanded(&self, factor: &Factor, part: usize) -> Option<String> {
        let (source, expr) = (factor.source?, factor.derived?);
        let operands = &self.op().parts[part].operands;
        let shape = &self.network().tensor(source.tensor).shape;
        let mut operand_count = 0;
        let mut all_known = true;
        let text = expr.text(self.term_notation, &mut |slot, _| {
            // an operand with another shape is broadcast, and has no entry at this index
            let has_entry = self.network().tensor(operands[slot]).shape == *shape;
            let number = if has_entry { self.entry_text(operands[slot], source.at) } else { None };
            all_known &= number.is_some();
            operand_count += 1;
            let number = number_in(number.unwrap_or_default(), self.term_notation);
            // a negative number after an operator is put in brackets: `0.7 − (−1)`
            if operand_count > 1 { after_sign_in(number, self.term_notation) } else { number }
        });
        all_known.then_some(text)
    }

    /// Returns a shorter expression for the entry of the step: its symbols and its value. Returns `None` if there is none, or if the entry is not complete yet.
    #[must_use]
    pub fn closed_formula(&self) -> Option<(String, f64)> {
        (self.is_complete() && !self.hides_number()).then(|| self.trace.closed_formula(&self.at, self.first_index)).flatten()
    }

    /// Returns the block whose closed form is the derivative that the step computes.
    #[must_use]
    pub fn closed_block(&self) -> Option<&ClosedBlock> {
        self.trace.closed_block(&self.at).filter(|_| self.is_backward())
    }

    /// Returns the value of the closed form for the entry of the step. Returns `None` before the entry is complete.
    #[must_use]
    pub fn closed_entry(&self, block: &ClosedBlock) -> Option<ClosedEntry> {
        (self.is_complete() && !self.hides_number()).then(|| self.trace.closed_entry(&self.at, block)).flatten()
    }

    /// Returns the paths from the output of a graph to the step's node. There are none before the node's derivative is complete, and none in a network of
    /// layers.
    #[must_use]
    pub fn paths(&self) -> Vec<Path> {
        let is_complete = self.is_backward() && self.is_complete() && !self.hides_number() && !self.network().reads_samples();
        if is_complete { self.trace.paths(self.at.run_index, self.neuron(self.output)) } else { Vec::new() }
    }
}

/// Returns whether a factor is computed by arithmetic alone, such as a − t.
fn is_arithmetic(factor: &Factor) -> bool {
    factor.derived.is_some_and(Expr::is_arithmetic)
}

/// Replaces the numbers that a step computes by NaN.
fn hide(step: &mut Step) {
    (step.value, step.sum) = (f64::NAN, f64::NAN);
    for factor in step.factors.iter_mut().filter(|factor| factor.derived.is_some()) {
        factor.value = f64::NAN;
    }
}

/// The powers of two. A number with n binary digits after the point becomes an integer if it is multiplied by the n-th of them.
const SCALES: [f64; 5] = [1.0, 2.0, 4.0, 8.0, 16.0];

/// Returns the largest number of decimals of these numbers: 2 for 0.75. Returns `None` if a number has more than 4 decimals, or is not a binary fraction, such
/// as 0.1. An infinity or NaN counts as an integer.
fn all_decimals(numbers: &[f64]) -> Option<usize> {
    // a number with n binary digits after the point has n decimals: 0.5, 0.25, 0.125
    let decimals = |number: &f64| SCALES.iter().position(|scale| !number.is_finite() || (number * scale).fract() == 0.0);
    numbers.iter().try_fold(0, |most: usize, number| decimals(number).map(|decimals| decimals.max(most)))
}
