//! A question to the user: the number that the user must predict, the terms that it is computed from, and the wrong numbers of mistakes.

use crate::network::Id;
use crate::op::rule::Equation;
use crate::scene::HiddenNumber;
use crate::step::{Factor, Step, TensorEntry};
use crate::trace::{Position, Trace};

/// The largest number of terms of an entry whose terms are used. For a longer entry only the value is used.
const MAX_TERMS: u64 = 4096;

/// A number that a wrong rule gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrongNumber {
    pub value: f64,
    pub about: About,
}

/// The term, factor or entry that a mistake concerns.
#[derive(Clone, Copy, Debug)]
pub(super) enum About {
    Nothing,
    /// A factor of a term: the number of the term in the question, and the position of the factor.
    Factor {
        term: usize,
        at: usize,
    },
    /// A term of the entry, from 0.
    Term(u64),
    Entry(TensorEntry),
}

/// A question for the value of a term or an entry, with the terms that the answer is computed from.
#[derive(Debug)]
pub struct Question<'a> {
    pub(super) trace: &'a Trace,
    pub(super) at: Position,
    pub(super) hidden: HiddenNumber,
    /// The term that is asked for, or all terms of the entry; none if there are too many.
    pub(super) terms: Vec<Step>,
    pub(super) answer: f64,
}

impl<'a> Question<'a> {
    /// Returns the question at a position.
    #[must_use]
    pub fn of(trace: &'a Trace, at: &Position, hidden: HiddenNumber) -> Self {
        let terms = match hidden {
            HiddenNumber::Term => vec![trace.step(at)],
            HiddenNumber::Entry if at.terms <= MAX_TERMS => (0..at.terms).map(|term| trace.step(&at.with_term(term))).collect(),
            HiddenNumber::Entry => Vec::new(),
        };
        let mut question = Self { trace, at: *at, hidden, terms, answer: 0.0 };
        question.answer = match hidden {
            HiddenNumber::Term => question.terms[0].value,
            HiddenNumber::Entry => trace.step(&at.with_term(at.terms - 1)).sum,
        };
        question
    }

    /// The right number.
    #[must_use]
    pub fn answer(&self) -> f64 {
        self.answer
    }

    /// Whether the number of a term or of an entry is asked for.
    #[must_use]
    pub fn hidden(&self) -> HiddenNumber {
        self.hidden
    }

    /// The last step of the entry.
    #[must_use]
    pub fn last_step(&self) -> u64 {
        self.at.with_term(self.at.terms - 1).step
    }

    /// The name of the rule: that of the term or, for an entry, that of the op's first part.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.equation().name
    }

    fn equation(&self) -> Equation {
        let part = match self.hidden {
            HiddenNumber::Term => self.trace.part_at(&self.at),
            HiddenNumber::Entry => 0,
        };
        self.trace.equation(&self.at, part)
    }

    /// Returns a magnitude that a sum does not exceed through rounding alone if its exact value is 0. It is an estimate: 10⁻¹² of the largest term.
    pub(super) fn rounding_error(&self) -> f64 {
        let largest = self.terms.iter().fold(0.0_f64, |largest, term| largest.max(term.value.abs()));
        if self.terms.len() < 2 { 0.0 } else { 1e-12 * largest }
    }

    /// Returns the answer with another value for some terms; `None` if `other` changes none.
    pub(super) fn with_terms(&self, other: impl Fn(&Step) -> Option<f64>) -> Option<f64> {
        let mut is_changed = false;
        // -0.0 + x is x, even for x = -0.0
        let mut sum = -0.0;
        for term in &self.terms {
            let changed = other(term);
            is_changed |= changed.is_some();
            sum += changed.unwrap_or(term.value);
        }
        is_changed.then_some(sum)
    }

    /// Returns the answer with another number for some factors of products; `None` if `other` changes none.
    pub(super) fn with_factors(&self, other: impl Fn(&Factor) -> Option<f64>) -> Option<f64> {
        self.with_terms(|term| {
            let is_product = term.function.is_none() && term.factors.iter().all(|factor| factor.slice.is_none());
            let changed: Vec<Option<f64>> = term.factors.iter().map(&other).collect();
            let value = || term.factors.iter().zip(&changed).map(|(factor, changed)| changed.unwrap_or(factor.value)).product();
            (is_product && changed.iter().any(Option::is_some)).then(value)
        })
    }

    /// Returns the values of a tensor of this run.
    pub(super) fn values(&self, tensor: Id) -> &'a [f64] {
        self.trace.run(self.at.run_index).values(tensor)
    }

    /// Returns the shape of a tensor of this run.
    pub(super) fn shape(&self, tensor: Id) -> &'a [usize] {
        &self.trace.network_of(self.at.run_index).tensor(tensor).shape
    }

    /// Returns the tensor that the op computes.
    pub(super) fn output(&self) -> Id {
        self.trace.op_at(&self.at).output
    }
}
