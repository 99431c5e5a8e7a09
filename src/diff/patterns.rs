//! Patterns in wrong tensors that are found without the table of mistakes: every wrong entry is the same multiple, the transpose, wrong only at the border.
//!
//! A pattern of the numbers says how the whole tensor follows from the right one. If there is none, a pattern of the places is searched: it says where the
//! wrong entries are.

mod clipped;
mod not_finite;
mod numbers;
mod places;

pub use not_finite::NOT_FINITE;

use super::gradient::{Gradient, LossOf};
use super::report::{Report, Status, UserTensor};
use super::terms::TermSums;
use super::tolerance::Tolerance;
use crate::interrupt::goes_on;
use crate::trace::Trace;

/// A pattern in a wrong tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The index of the tensor in the user's list.
    pub tensor: usize,
    /// The name of the pattern: `multiple`.
    pub id: &'static str,
    /// The pattern as a clause about the tensor: `every wrong entry is 3 times the right one`. A sentence may follow after a colon.
    pub words: String,
    /// `true` if the pattern is the whole reason for the difference, such as rounding, so that no mistake is searched.
    pub explains: bool,
}

/// The id of the pattern of right numbers that were rounded to a few digits.
pub const ROUNDED: &str = "rounded";
/// The id of the pattern of gradients that were clipped.
pub const CLIPPED: &str = "clipped";
/// The id of the pattern of a tensor whose numbers are those of x instead of ∂C/∂x.
const VALUE: &str = "value";
/// The id of the pattern of a tensor whose numbers are all 0.
const ZERO: &str = "zero";

/// The largest number of tensors in which patterns of the numbers and of the places are searched.
const MAX_TENSORS: usize = 100;

/// A wrong tensor beside the right one.
struct WrongValues<'a> {
    trace: &'a Trace,
    /// The user's numbers, with 0 in the place of [`Noise`].
    user: &'a [f64],
    /// The numbers of the trace, with 0 in the place of [`Noise`].
    right: &'a [f64],
    shape: &'a [usize],
    /// The offsets of the wrong entries.
    places: &'a [usize],
    tolerance: Tolerance,
    /// Σ|terms| of each right entry.
    terms: TermSums<'a>,
}

impl WrongValues<'_> {
    /// Returns whether each of the user's numbers is the right number at the place that `source` returns. `source` returns `None` for a place without a number
    /// to compare.
    fn is_moved(&self, source: impl Fn(usize) -> Option<usize>) -> bool {
        if !goes_on(self.user.len() as u64) {
            return false;
        }
        let largest = super::tolerance::largest(self.right);
        let mut compared = 0;
        let is_equal = |(at, user): (usize, &f64)| {
            let Some(from) = source(at) else { return true };
            // two zeros do not count, because many permutations match them
            compared += usize::from(*user != 0.0 || self.right[from] != 0.0);
            self.tolerance.is_equal(*user, self.right[from], largest, || self.terms.entry(from))
        };
        // a single equal number may be chance
        self.user.iter().enumerate().all(is_equal) && compared > 1
    }
}

/// Unless all numbers may be noise, a number can be noise only if it is at most this many times the allowed difference, which is a share of the largest number
/// of the tensor.
const MAX_NOISE: f64 = 1e3;

/// The numbers that differ from 0 only by rounding. In a pattern they count as 0: they are neither a multiple nor a sum of anything.
struct Noise<'a> {
    terms: &'a TermSums<'a>,
    tolerance: Tolerance,
    /// The largest magnitude of the finite right numbers.
    largest: f64,
    /// `true` if the right number of this magnitude may be a rounding error of its terms, so that all numbers may be noise.
    is_all: bool,
}

impl<'a> Noise<'a> {
    fn new(right: &[f64], terms: &'a TermSums<'a>, tolerance: Tolerance) -> Self {
        let largest = super::tolerance::largest(right);
        let place = right.iter().position(|value| value.abs() == largest);
        let is_all = place.is_some_and(|at| largest <= tolerance.of_terms * terms.entry(at));
        Self { terms, tolerance, largest, is_all }
    }

    /// Returns the numbers of the user or the right ones, with 0 for each number that is noise.
    fn removed(&self, values: &[f64]) -> Vec<f64> {
        let is_noise = |(at, value): (usize, f64)| {
            let is_small = self.is_all || value.abs() <= MAX_NOISE * self.tolerance.of_largest * self.largest;
            is_small && self.tolerance.is_equal(value, 0.0, self.largest, || self.terms.entry(at))
        };
        values.iter().enumerate().map(|(at, value)| if is_noise((at, *value)) { 0.0 } else { *value }).collect()
    }
}

/// Finds the patterns of the tensors that differ. Each tensor has at most one pattern: of its numbers, of its places, or of clipping. Further patterns concern
/// all gradients of a sample, or numbers that are not finite.
#[must_use]
pub fn patterns(trace: &Trace, user: &[UserTensor], report: &Report, tolerance: Tolerance) -> Vec<Pattern> {
    let mut found = Vec::new();
    let different = report.tensors.iter().enumerate().filter(|(_, compared)| compared.status == Status::Different);
    for (tensor, compared) in different.take(MAX_TENSORS) {
        let Ok(values) = &user[tensor].values else { continue };
        let gradient = compared.gradient;
        let (right, terms) = (gradient.right(trace), TermSums::of(trace, gradient));
        let noise = Noise::new(&right, &terms, tolerance);
        let (user, right) = (noise.removed(values), noise.removed(&right));
        let (shape, places) = (gradient.shape(trace), &*compared.wrong);
        let wrong = WrongValues { trace, user: &user, right: &right, shape, places, tolerance, terms };
        let pattern = value_itself(&wrong, gradient).or_else(|| numbers::find(&wrong)).or_else(|| places::find(&wrong, gradient));
        found.extend(pattern.map(|(id, words)| Pattern { tensor, id, words, explains: [ROUNDED, VALUE].contains(&id) }));
    }
    let clipped = clipped::find(trace, user, report);
    // a clipped tensor has no other pattern, unless the other one explains it
    found.retain(|pattern| pattern.explains || clipped.iter().all(|clipped| clipped.tensor != pattern.tensor));
    found.extend(clipped.into_iter().filter(|clipped| found.iter().all(|pattern| pattern.tensor != clipped.tensor)).collect::<Vec<_>>());
    explain_zeros(report, &mut found);
    found.extend(places::one_sample(trace, report));
    found.extend(not_finite::find(trace, user, report));
    found
}

/// The numbers of the tensor itself instead of those of its gradient.
fn value_itself(wrong: &WrongValues<'_>, gradient: Gradient) -> Option<(&'static str, String)> {
    let run = if let LossOf::Sample(run) = gradient.loss { run } else { 0 };
    let values = wrong.trace.run(run).values(gradient.of);
    // a single number can be equal by chance
    let is_value = values.iter().filter(|value| **value != 0.0).count() > 1 && wrong.tolerance.are_equal(wrong.user, values, |_| 0.0);
    is_value.then(|| (VALUE, "these are the numbers of the tensor itself, not of its gradient".to_owned()))
}

/// If several tensors have wrong numbers, and each of them has the pattern of zeros, marks these patterns as the whole explanation. Many mistakes give zeros,
/// so none of them is named.
fn explain_zeros(report: &Report, found: &mut [Pattern]) {
    let wrong = report.tensors.iter().filter(|compared| matches!(compared.status, Status::Different | Status::NotFinite)).count();
    let zeros: Vec<&mut Pattern> = found.iter_mut().filter(|pattern| pattern.id == ZERO).collect();
    if wrong < 2 || zeros.len() < wrong {
        return;
    }
    for pattern in zeros {
        pattern.explains = true;
        pattern.words += ": it was never computed, or was set to 0 before you saved it";
    }
}
