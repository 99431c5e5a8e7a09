//! Patterns in wrong numbers that are found without the table of mistakes: the same multiple everywhere, the transpose, wrong only at the border.
//!
//! A pattern of the numbers says how the whole tensor follows from the right one. If there is none, a pattern of the places is searched: it says where the wrong
//! entries are.

mod clipped;
mod not_finite;
mod numbers;
mod places;

pub use not_finite::NOT_FINITE;

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
    /// The pattern as a clause about the tensor: `every wrong entry is 3 times the right one`.
    pub words: String,
    /// `true` if the pattern is the whole reason for the difference, such as rounding, so that no mistake is searched.
    pub explains: bool,
}

/// The id of the pattern of right numbers that were rounded to a few digits.
pub const ROUNDED: &str = "rounded";
/// The id of the pattern of gradients that were clipped.
pub const CLIPPED: &str = "clipped";
/// The id of the pattern of a tensor whose numbers are all 0.
const ZERO: &str = "zero";

/// The largest number of tensors in which patterns are searched.
const MAX_TENSORS: usize = 100;

/// A wrong tensor beside the right one.
struct Wrong<'a> {
    trace: &'a Trace,
    /// The user's numbers.
    user: &'a [f64],
    right: &'a [f64],
    shape: &'a [usize],
    /// The places of the wrong entries.
    places: &'a [usize],
    tolerance: Tolerance,
    terms: TermSums<'a>,
}

impl Wrong<'_> {
    /// Returns whether each of the user's numbers is the right number at the place that `source` returns. `source` returns `None` for a place without a number to
    /// compare.
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
        self.user.iter().enumerate().all(is_equal) && compared > 1
    }
}

/// Finds the patterns of the tensors that differ: at most one in the numbers or the places of a tensor, and those that concern a sample or numbers that are not
/// finite.
#[must_use]
pub fn patterns(trace: &Trace, user: &[UserTensor], report: &Report, tolerance: Tolerance) -> Vec<Pattern> {
    let mut found = Vec::new();
    let different = report.tensors.iter().enumerate().filter(|(_, compared)| compared.status == Status::Different);
    for (tensor, compared) in different.take(MAX_TENSORS) {
        let Ok(values) = &user[tensor].values else { continue };
        let gradient = compared.gradient;
        let right = gradient.right(trace);
        let terms = TermSums::of(trace, gradient);
        let wrong = Wrong { trace, user: values, right: &right, shape: gradient.shape(trace), places: &compared.wrong, tolerance, terms };
        let pattern = numbers::find(&wrong).or_else(|| places::find(&wrong, gradient));
        found.extend(pattern.map(|(id, words)| Pattern { tensor, id, words, explains: id == ROUNDED }));
    }
    let clipped = clipped::find(trace, user, report);
    found.retain(|pattern| pattern.explains || clipped.iter().all(|clipped| clipped.tensor != pattern.tensor));
    found.extend(clipped.into_iter().filter(|clipped| found.iter().all(|pattern| pattern.tensor != clipped.tensor)).collect::<Vec<_>>());
    explain_zeros(report, &mut found);
    found.extend(places::one_sample(trace, report));
    found.extend(not_finite::find(trace, user, report));
    found
}

/// If several tensors are wrong, and the numbers of all of them are 0, the zeros are the reason: every mistake that loses the error gives them.
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
