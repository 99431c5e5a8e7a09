//! The patterns of clipped gradients. Clipping by value replaces an entry beyond ±c by ±c. Clipping by norm multiplies gradients by a factor that gives them
//! the norm c.

use super::{CLIPPED, Pattern};
use crate::diff::gradient::{Gradient, LossOf};
use crate::diff::report::{Report, Status, UserTensor};
use crate::diff::terms::mean_factor;
use crate::number::{exact, with_digits};
use crate::trace::Trace;

/// The relative error within which a number is a bound.
const NEAR: f64 = 1e-5;
/// The relative error within which two numbers are the same bound.
const EQUAL: f64 = 1e-7;
/// A number that is at most this share of the bound can be rounding.
const NOISE: f64 = 1e-9;
/// The number that PyTorch adds to a norm before it divides by it.
const EPSILON: f64 = 1e-6;
/// The smallest number of gradients that must have the same bound c.
const FEW: usize = 2;

/// A wrong tensor: its index in the user's list, its numbers and the right ones.
struct Clipped<'a> {
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
    let wrong: Vec<Clipped<'_>> = different
        .filter_map(|(tensor, compared)| {
            let user = user[tensor].values.as_deref().ok()?;
            Some(Clipped { tensor, user, right: compared.gradient.right(trace).into_owned() })
        })
        .collect();
    let by_value = by_value(trace, &wrong, user, report);
    if by_value.is_empty() { by_norm(trace, &wrong, report) } else { by_value }
}

/// Clipping by value: all wrong entries of a tensor are ±c, and beyond ±c on the same side in the right tensor. The bound c is the same in all tensors, and some
/// smaller entry that is not 0 is right.
fn by_value(trace: &Trace, wrong: &[Clipped<'_>], user: &[UserTensor], report: &Report) -> Vec<Pattern> {
    let is_of_batch = |gradient: Gradient| gradient.loss == LossOf::Batch;
    let found = [false, true].map(|batch| {
        let wrong = wrong.iter().filter(|clipped| is_of_batch(report.tensors[clipped.tensor].gradient) == batch).collect::<Vec<_>>();
        let user = user.iter().filter(|tensor| is_of_batch(tensor.gradient) == batch).collect::<Vec<_>>();
        with_one_bound(&wrong, &user, report)
    });
    // the gradients of the samples may have been multiplied by n before the comparison
    if let [Some((of_samples, _)), Some((of_batch, _))] = &found
        && ![1.0, mean_factor(trace)].iter().any(|factor| (of_samples * factor - of_batch).abs() <= EQUAL * of_batch)
    {
        return Vec::new();
    }
    let patterns = |(c, tensors): (f64, Vec<usize>)| {
        // a bound in single precision has more digits than a person has written
        let c = written(c, c).map_or_else(|| with_digits(c, 6), exact);
        let words = format!("every entry beyond ±{c} is ±{c}, and the others are right: your gradients are clipped by value");
        tensors.into_iter().map(move |tensor| Pattern { tensor, id: CLIPPED, words: words.clone(), explains: true })
    };
    found.into_iter().flatten().flat_map(patterns).collect()
}

/// Returns the bound with which tensors of samples, or of the batch, are clipped by value, and the clipped ones; `None` if none is clipped, or if they have
/// several bounds.
fn with_one_bound(wrong: &[&Clipped<'_>], user: &[&UserTensor], report: &Report) -> Option<(f64, Vec<usize>)> {
    let bound = |clipped: &Clipped<'_>| {
        let bound = clipped.user.iter().fold(0.0_f64, |bound, number| bound.max(number.abs()));
        let places = &report.tensors[clipped.tensor].wrong;
        let is_clipped = |at: &usize| {
            let [user, right] = [clipped.user[*at], clipped.right[*at]];
            (user.abs() - bound).abs() <= EQUAL * bound && user.signum() == right.signum() && right.abs() > bound
        };
        (bound > 0.0 && places.iter().all(is_clipped)).then_some(bound)
    };
    let bounds: Vec<Option<f64>> = wrong.iter().map(|clipped| bound(clipped)).collect();
    let with_bound = |c: f64| {
        let is_own = move |(_, bound): &(&&Clipped<'_>, &Option<f64>)| bound.is_some_and(|bound| (bound - c).abs() <= EQUAL * c);
        wrong.iter().zip(&bounds).filter(is_own).map(|(clipped, _)| *clipped)
    };
    // a factor also makes equal numbers of equal ones, so several entries must have been clipped by different factors
    let has_factors = |c: f64| {
        let mut factors =
            with_bound(c).flat_map(|clipped| report.tensors[clipped.tensor].wrong.iter().map(|at| c / clipped.right[*at].abs()));
        factors.next().is_some_and(|first| factors.any(|factor| !is_near(factor, first)))
    };
    let is_beyond = |tensor: &UserTensor, c: f64| tensor.values.iter().flatten().any(|number| number.abs() > c * (1.0 + EQUAL));
    // all entries of a tensor can be ±c for another reason, such as signs instead of numbers, so a smaller one must be right; if all gradients of the file
    // are clipped, it can be in another tensor
    let has_smaller = |c: f64| {
        let is_smaller = |number: &f64| number.abs() > NOISE * c && number.abs() < c * (1.0 - EQUAL);
        let are_all_clipped = || with_bound(c).count() == wrong.len() && user.iter().all(|tensor| !is_beyond(tensor, c));
        with_bound(c).any(|clipped| clipped.user.iter().any(is_smaller))
            || are_all_clipped() && user.iter().any(|tensor| tensor.values.iter().flatten().any(is_smaller))
    };
    // the same tensor of another sample is clipped too
    let is_in_all_samples = |c: f64| {
        let of = |tensor: usize| report.tensors[tensor].gradient.of;
        with_bound(c)
            .all(|clipped| user.iter().filter(|tensor| tensor.gradient.of == of(clipped.tensor)).all(|tensor| !is_beyond(tensor, c)))
    };
    let is_sure = |c: f64| has_factors(c) && has_smaller(c) && is_in_all_samples(c);
    let sure: Vec<Option<f64>> = bounds.iter().map(|bound| bound.filter(|c| is_sure(*c))).collect();
    let c = sure.iter().flatten().next().copied()?;
    // gradients are clipped with one bound
    let is_one = sure.iter().flatten().all(|other| (other - c).abs() <= EQUAL * c);
    is_one.then(|| (c, with_bound(c).map(|clipped| clipped.tensor).collect()))
}

/// The factor f of a tensor that is f times the right one; `None` for another tensor.
fn factor(clipped: &Clipped<'_>) -> Option<f64> {
    let largest = clipped.right.iter().fold(0.0_f64, |largest, number| largest.max(number.abs()));
    let at = clipped.right.iter().position(|number| number.abs() == largest)?;
    let factor = clipped.user[at] / clipped.right[at];
    let is_multiple = |(user, right): (&f64, &f64)| (user - factor * right).abs() <= NEAR * factor * largest;
    (factor > 0.0 && factor < 1.0 && clipped.user.iter().zip(&clipped.right).all(is_multiple)).then_some(factor)
}

fn norm<'a>(numbers: impl Iterator<Item = &'a f64>) -> f64 {
    numbers.map(|number| number * number).sum::<f64>().sqrt()
}

/// The bound near the user's norm that a person would write: a number with at most two digits. `right` is the norm of the right gradients.
fn written(user: f64, right: f64) -> Option<f64> {
    let bound = |norm: f64| format!("{norm:.1e}").parse().ok().filter(|bound| *bound > 0.0 && is_near(norm, *bound));
    bound(user).or_else(|| bound(user * (right + EPSILON) / right))
}

/// Clipping by norm: the gradients of all parameters are right except for one factor, and their common norm has few digits. Or several gradients are clipped
/// one by one: each is right except for a factor of its own, and each has the same norm.
fn by_norm(trace: &Trace, wrong: &[Clipped<'_>], report: &Report) -> Vec<Pattern> {
    let network = trace.network();
    let is_of_parameter = |tensor: usize| {
        let gradient = report.tensors[tensor].gradient;
        gradient.loss == LossOf::Batch && network.tensor(gradient.of).role.is_learnable()
    };
    let factors: Option<Vec<f64>> = wrong.iter().map(|clipped| factor(clipped).filter(|_| is_of_parameter(clipped.tensor))).collect();
    let Some(factors) = factors.filter(|factors| factors.len() >= FEW) else { return Vec::new() };
    let pattern = |clipped: &Clipped<'_>, words: String| Pattern { tensor: clipped.tensor, id: CLIPPED, words, explains: true };
    let is_equal_to_first = |factor: &f64| is_near(*factor, factors[0]);
    let bound = written(norm(wrong.iter().flat_map(|clipped| clipped.user)), norm(wrong.iter().flat_map(|clipped| &clipped.right)));
    let is_complete = network.learnable().all(|of| report.tensors.iter().any(|compared| compared.gradient.of == of));
    if let Some(bound) = bound.filter(|_| is_complete && factors.iter().all(is_equal_to_first)) {
        let [factor, bound] = [factors[0], bound].map(|number| with_digits(number, 3));
        let words = format!(
            "it is {factor} times the right one, as all gradients are, and their common norm is {bound}: your gradients are clipped by norm"
        );
        return wrong.iter().map(|clipped| pattern(clipped, words.clone())).collect();
    }
    let bounds: Option<Vec<f64>> = wrong.iter().map(|clipped| written(norm(clipped.user.iter()), norm(clipped.right.iter()))).collect();
    let Some(bound) = bounds.filter(|bounds| bounds.iter().all(|bound| bound.to_bits() == bounds[0].to_bits())).map(|bounds| bounds[0])
    else {
        return Vec::new();
    };
    let words = format!(
        "it is the right one with the norm {}, as each wrong gradient is: your gradients are clipped by norm, each by itself",
        with_digits(bound, 3)
    );
    wrong.iter().map(|clipped| pattern(clipped, words.clone())).collect()
}
