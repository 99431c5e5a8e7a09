//! The comparison of each tensor of a user with the right numbers.

use super::gradient::Gradient;
use super::terms::TermSums;
use super::tolerance::{Tolerance, largest};
use crate::interrupt::goes_on;
use crate::number::{exact, with_digits};
use crate::trace::Trace;

/// A tensor of a user, with the gradient of the trace that it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct UserTensor {
    /// The gradient.
    pub gradient: Gradient,
    /// The name in the user's file.
    pub name_in_file: String,
    /// The numbers in row-major order; a message if they cannot be compared, for example because the tensor has another shape.
    pub values: Result<Vec<f64>, String>,
}

/// The result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All entries are equal within the tolerance.
    Equal,
    /// Some entries differ.
    Different,
    /// The numbers cannot be compared: [`UserTensor::values`] is a message, such as one about another shape.
    Shape,
    /// The tensor has NaN or infinite entries where the right ones are finite.
    NotFinite,
}

/// The wrong entry with the largest difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// The place of the entry.
    pub at: usize,
    /// The user's number.
    pub mine: f64,
    /// The right number.
    pub right: f64,
}

/// The comparison of one tensor.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The gradient.
    pub gradient: Gradient,
    /// The result.
    pub status: Status,
    /// The places of the entries that differ, in order; empty for [`Status::Shape`].
    pub wrong: Vec<usize>,
    /// The number of entries.
    pub entries: usize,
    /// The largest difference; `None` for [`Status::Shape`] and [`Status::NotFinite`].
    pub max_abs: Option<f64>,
    /// The largest relative difference |mine − right| / |right| of an entry; `None` if all right numbers are 0, or if `max_abs` is `None`.
    pub max_rel: Option<f64>,
    /// The wrong entry with the largest difference; `None` if no entry is wrong, or if `max_abs` is `None`.
    pub worst: Option<Worst>,
}

/// Two numbers beside each other, with two digits more than are needed to see the difference. A zero has no sign.
///
/// ```
/// assert_eq!(gradstep::diff::both(0.1, -1.0 / 3.0), "yours 0.1, right -0.33333");
/// assert_eq!(gradstep::diff::both(-0.0, 2.0), "yours 0, right 2");
/// ```
#[must_use]
pub fn both(mine: f64, right: f64) -> String {
    let [mine, right] = [mine, right].map(|value| if value == 0.0 { 0.0 } else { value });
    let text = |value: f64, digits: usize| {
        let short = with_digits(value, digits).replace('−', "-");
        if short.parse() == Ok(value) { exact(value) } else { short }
    };
    let differ = |digits: usize| text(mine, digits) != text(right, digits);
    let digits = (3..=15).find(|digits| differ(*digits)).map(|digits| digits + 2);
    let [mine, right] = [mine, right].map(|value| digits.map_or_else(|| exact(value), |digits| text(value, digits)));
    format!("yours {mine}, right {right}")
}

/// Returns [`both`] numbers with the minus sign of all other numbers of the screen.
///
/// ```
/// assert_eq!(gradstep::diff::both_on_screen(0.1, -1.0 / 3.0), "yours 0.1, right −0.33333");
/// ```
#[must_use]
pub fn both_on_screen(mine: f64, right: f64) -> String {
    both(mine, right).replace('-', "−")
}

/// The comparison of all tensors, in the order of the user's tensors.
#[derive(Clone, Debug)]
pub struct Report {
    /// The comparisons, one for each tensor.
    pub tensors: Vec<Comparison>,
}

impl Report {
    /// Compares tensors with the right numbers. The tensors must be in the order of [`Gradient::order`].
    #[must_use]
    pub fn new(trace: &Trace, mine: &[UserTensor], tolerance: Tolerance) -> Self {
        Self { tensors: mine.iter().map(|tensor| Comparison::of(trace, tensor, tolerance)).collect() }
    }

    /// Returns the index of the first tensor that is not equal.
    #[must_use]
    pub fn first_wrong(&self) -> Option<usize> {
        self.tensors.iter().position(|tensor| tensor.status != Status::Equal)
    }

    /// Returns whether all tensors are equal.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.first_wrong().is_none()
    }
}

impl Comparison {
    /// Returns whether all entries are equal.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.status == Status::Equal
    }

    fn of(trace: &Trace, tensor: &UserTensor, tolerance: Tolerance) -> Self {
        let gradient = tensor.gradient;
        let right = gradient.right(trace);
        let mut comparison =
            Self { gradient, status: Status::Equal, wrong: Vec::new(), entries: right.len(), max_abs: None, max_rel: None, worst: None };
        let Ok(mine) = &tensor.values else { return Self { status: Status::Shape, ..comparison } };
        comparison.wrong = wrong_entries(mine, &right, tolerance, &TermSums::of(trace, gradient));
        let is_not_finite = |at: &usize| !mine[*at].is_finite() && right[*at].is_finite();
        if comparison.wrong.iter().any(is_not_finite) {
            return Self { status: Status::NotFinite, ..comparison };
        }
        let (mut max_abs, mut max_rel) = (0.0_f64, None::<f64>);
        for (mine, right) in mine.iter().zip(&*right).filter(|(mine, right)| mine.to_bits() != right.to_bits()) {
            let difference = (mine - right).abs();
            max_abs = max_abs.max(difference);
            if *right != 0.0 {
                max_rel = Some(max_rel.unwrap_or(0.0).max(difference / right.abs()));
            }
        }
        let difference = |at: usize| (mine[at] - right[at]).abs();
        let worst = comparison.wrong.iter().copied().reduce(|worst, at| if difference(at) > difference(worst) { at } else { worst });
        comparison.status = if comparison.wrong.is_empty() { Status::Equal } else { Status::Different };
        comparison.worst = worst.map(|at| Worst { at, mine: mine[at], right: right[at] });
        Self { max_abs: Some(max_abs), max_rel: max_rel.or_else(|| right.iter().any(|right| *right != 0.0).then_some(0.0)), ..comparison }
    }
}

/// The number of entries whose Σ|terms| is computed whatever their difference is.
const MIN_COMPUTED: usize = 64;

/// Returns the places of the entries that differ.
///
/// Computing Σ|terms| takes as long as computing the entry. So after 64 entries, Σ|terms| is no longer computed for an entry with a large difference: one that
/// is more than 1000 times as large as the largest difference that any Σ|terms| so far would allow. Such an entry counts as wrong.
fn wrong_entries(mine: &[f64], right: &[f64], tolerance: Tolerance, terms: &TermSums<'_>) -> Vec<usize> {
    let largest = largest(right);
    let (mut computed, mut largest_sum) = (0, 0.0_f64);
    let mut is_equal = |at: usize| {
        tolerance.is_equal(mine[at], right[at], largest, || {
            if computed >= MIN_COMPUTED && (mine[at] - right[at]).abs() > 1e3 * tolerance.of_terms * largest_sum {
                return 0.0;
            }
            let sum = terms.entry(at);
            (computed, largest_sum) = (computed + 1, largest_sum.max(sum));
            sum
        })
    };
    (0..right.len()).take_while(|_| goes_on(1)).filter(|at| !is_equal(*at)).collect()
}
