//! The patterns of clipped gradients. Clipping by value replaces an entry beyond ±c by ±c. Clipping by norm multiplies gradients by a factor that gives them
//! the norm c.

use super::{CLIPPED, Pattern};
use crate::diff::gradient::{Gradient, LossOf};
use crate::diff::report::{Report, Status, UserTensor};
use crate::diff::terms::mean_factor;
use crate::number::{exact, with_digits};
use crate::trace::Trace;

/// The relative error within which two factors are equal, and within which a norm is a bound that a person would write.
const NEAR: f64 = 1e-5;
/// The relative error within which two numbers are the same bound.
const EQUAL: f64 = 1e-7;
/// A number that is at most this share of the bound can be rounding.
const NOISE: f64 = 1e-9;
/// The number that PyTorch adds to a norm before it divides by it.
const EPSILON: f64 = 1e-6;
/// The smallest number of wrong gradients in which clipping by norm is searched.
const FEW: usize = 2;

/// A wrong tensor that may be clipped: its index in the user's list, its numbers and the right ones.
struct Candidate<'a> {
    tensor: usize,
    user: &'a [f64],
    right: Vec<f64>,
}

/// Returns whether two numbers are equal within [`NEAR`].
fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= NEAR * b.abs()
}

/// Finds the pattern of each clipped tensor.
pub(super) fn find(trace: &Trace, user: &[UserTensor], report: &Report) -> Vec<Pattern> {
    let different = report.tensors.iter().enumerate().filter(|(_, compared)| compared.status == Status::Different);
    let wrong: Vec<Candidate<'_>> = different
        .filter_map(|(tensor, compared)| {
            let user = user[tensor].values.as_deref().ok()?;
            Some(Candidate { tensor, user, right: compared.gradient.right(trace).into_owned() })
        })
        .collect();
    let by_value = by_value(trace, &wrong, user, report);
    if by_value.is_empty() { by_norm(trace, &wrong, report) } else { by_value }
}

/// Clipping by value: all wrong entries of a tensor are ±c, and beyond ±c on the same side in the right tensor. The bound c is the same in all tensors, and
/// some smaller entry that is not 0 is right.
fn by_value(trace: &Trace, wrong: &[Candidate<'_>], user: &[UserTensor], report: &Report) -> Vec<Pattern> {
    let is_of_batch = |gradient: Gradient| gradient.loss == LossOf::Batch;
    let found = [false, true].map(|is_batch| {
        let wrong = wrong.iter().filter(|candidate| is_of_batch(report.tensors[candidate.tensor].gradient) == is_batch).collect::<Vec<_>>();
        let user = user.iter().filter(|tensor| is_of_batch(tensor.gradient) == is_batch).collect::<Vec<_>>();
        with_one_bound(&wrong, &user, report)
    });
    // all gradients are clipped with one bound, but those of the samples may have been multiplied by the number of samples before the comparison
    if let [Some((samples_bound, _)), Some((batch_bound, _))] = &found
        && ![1.0, mean_factor(trace)].iter().any(|factor| (samples_bound * factor - batch_bound).abs() <= EQUAL * batch_bound)
    {
        return Vec::new();
    }
    let patterns = |(c, tensors): (f64, Vec<usize>)| {
        // a bound in single precision has more digits than a person has written
        let c = round_bound(c, c).map_or_else(|| with_digits(c, 6), exact);
        let words = format!("every entry beyond ±{c} is ±{c}, and the others are right: your gradients are clipped by value");
        tensors.into_iter().map(move |tensor| Pattern { tensor, id: CLIPPED, words: words.clone(), explains: true })
    };
    found.into_iter().flatten().flat_map(patterns).collect()
}

/// Returns the bound with which tensors of samples, or of the batch, are clipped by value, and the clipped ones; `None` if none is clipped, or if they have
/// several bounds.
fn with_one_bound(wrong: &[&Candidate<'_>], user: &[&UserTensor], report: &Report) -> Option<(f64, Vec<usize>)> {
    let bound = |candidate: &Candidate<'_>| {
        let bound = candidate.user.iter().fold(0.0_f64, |bound, number| bound.max(number.abs()));
        let places = &report.tensors[candidate.tensor].wrong;
        let is_clipped = |at: &usize| {
            let [user, right] = [candidate.user[*at], candidate.right[*at]];
            (user.abs() - bound).abs() <= EQUAL * bound && user.signum() == right.signum() && right.abs() > bound
        };
        (bound > 0.0 && places.iter().all(is_clipped)).then_some(bound)
    };
    let bounds: Vec<Option<f64>> = wrong.iter().map(|candidate| bound(candidate)).collect();
    let with_bound = |c: f64| {
        let has_bound_c = move |(_, bound): &(&&Candidate<'_>, &Option<f64>)| bound.is_some_and(|bound| (bound - c).abs() <= EQUAL * c);
        wrong.iter().zip(&bounds).filter(has_bound_c).map(|(candidate, _)| *candidate)
    };
    // right entries that are equal are also equal after a multiplication by one factor. So only entries that are clipped by different factors show a bound
    let has_different_factors = |c: f64| {
        let mut factors =
            with_bound(c).flat_map(|candidate| report.tensors[candidate.tensor].wrong.iter().map(|at| c / candidate.right[*at].abs()));
        factors.next().is_some_and(|first| factors.any(|factor| !is_near(factor, first)))
    };
    let is_beyond = |tensor: &UserTensor, c: f64| tensor.values.iter().flatten().any(|number| number.abs() > c * (1.0 + EQUAL));
    // all entries of a tensor can be ±c for another reason, such as signs instead of numbers, so a smaller one must be right; if all gradients of the file
    // are clipped, it can be in another tensor
    let has_smaller = |c: f64| {
        let is_smaller = |number: &f64| number.abs() > NOISE * c && number.abs() < c * (1.0 - EQUAL);
        let are_all_clipped = || with_bound(c).count() == wrong.len() && user.iter().all(|tensor| !is_beyond(tensor, c));
        with_bound(c).any(|candidate| candidate.user.iter().any(is_smaller))
            || are_all_clipped() && user.iter().any(|tensor| tensor.values.iter().flatten().any(is_smaller))
    };
    // the same tensor of another sample is clipped too
    let is_in_all_samples = |c: f64| {
        let of = |tensor: usize| report.tensors[tensor].gradient.of;
        with_bound(c)
            .all(|candidate| user.iter().filter(|tensor| tensor.gradient.of == of(candidate.tensor)).all(|tensor| !is_beyond(tensor, c)))
    };
    let is_sure = |c: f64| has_different_factors(c) && has_smaller(c) && is_in_all_samples(c);
    let sure: Vec<Option<f64>> = bounds.iter().map(|bound| bound.filter(|c| is_sure(*c))).collect();
    let c = sure.iter().flatten().next().copied()?;
    // gradients are clipped with one bound
    let is_one_bound = sure.iter().flatten().all(|other| (other - c).abs() <= EQUAL * c);
    is_one_bound.then(|| (c, with_bound(c).map(|candidate| candidate.tensor).collect()))
}

/// The factor f of a tensor that is f times the right one, with 0 < f < 1; `None` for another tensor.
fn factor(candidate: &Candidate<'_>) -> Option<f64> {
    let largest = candidate.right.iter().fold(0.0_f64, |largest, number| largest.max(number.abs()));
    let at = candidate.right.iter().position(|number| number.abs() == largest)?;
    let factor = candidate.user[at] / candidate.right[at];
    let is_multiple = |(user, right): (&f64, &f64)| (user - factor * right).abs() <= NEAR * factor * largest;
    (factor > 0.0 && factor < 1.0 && candidate.user.iter().zip(&candidate.right).all(is_multiple)).then_some(factor)
}

fn norm<'a>(numbers: impl Iterator<Item = &'a f64>) -> f64 {
    numbers.map(|number| number * number).sum::<f64>().sqrt()
}

/// The bound near the user's norm that a person would write: a number with at most two significant digits. `right` is the norm of the right gradients. PyTorch
/// clips with the bound c by the factor c / (`right` + 1e-6), so the user's norm may be c · `right` / (`right` + 1e-6).
fn round_bound(user: f64, right: f64) -> Option<f64> {
    let bound = |norm: f64| format!("{norm:.1e}").parse().ok().filter(|bound| *bound > 0.0 && is_near(norm, *bound));
    bound(user).or_else(|| bound(user * (right + EPSILON) / right))
}

/// Clipping by norm: the gradients of all parameters are right except for one factor, and their common norm has few digits. Or several gradients are clipped
/// one by one: each is right except for a factor of its own, and each has the same norm.
fn by_norm(trace: &Trace, wrong: &[Candidate<'_>], report: &Report) -> Vec<Pattern> {
    let network = trace.network();
    let is_of_parameter = |tensor: usize| {
        let gradient = report.tensors[tensor].gradient;
        gradient.loss == LossOf::Batch && network.tensor(gradient.of).role.is_learnable()
    };
    let factors: Option<Vec<f64>> = wrong.iter().map(|candidate| factor(candidate).filter(|_| is_of_parameter(candidate.tensor))).collect();
    let Some(factors) = factors.filter(|factors| factors.len() >= FEW) else { return Vec::new() };
    let pattern = |candidate: &Candidate<'_>, words: String| Pattern { tensor: candidate.tensor, id: CLIPPED, words, explains: true };
    let is_equal_to_first = |factor: &f64| is_near(*factor, factors[0]);
    let bound =
        round_bound(norm(wrong.iter().flat_map(|candidate| candidate.user)), norm(wrong.iter().flat_map(|candidate| &candidate.right)));
    let is_complete = network.learnable().all(|of| report.tensors.iter().any(|compared| compared.gradient.of == of));
    if let Some(bound) = bound.filter(|_| is_complete && factors.iter().all(is_equal_to_first)) {
        let [factor, bound] = [factors[0], bound].map(|number| with_digits(number, 3));
        let words = format!(
            "it is {factor} times the right one, as all gradients are, and their common norm is {bound}: your gradients are clipped by norm"
        );
        return wrong.iter().map(|candidate| pattern(candidate, words.clone())).collect();
    }
    let bounds: Option<Vec<f64>> =
        wrong.iter().map(|candidate| round_bound(norm(candidate.user.iter()), norm(candidate.right.iter()))).collect();
    let Some(bound) = bounds.filter(|bounds| bounds.iter().all(|bound| bound.to_bits() == bounds[0].to_bits())).map(|bounds| bounds[0])
    else {
        return Vec::new();
    };
    let words = format!(
        "it is the right one with the norm {}, as each wrong gradient is: your gradients are clipped by norm, each by itself",
        with_digits(bound, 3)
    );
    wrong.iter().map(|candidate| pattern(candidate, words.clone())).collect()
}
