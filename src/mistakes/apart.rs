//! Advice for the user if several mistakes give the same numbers: what would tell them apart. It names a gradient that is not in the file yet and that differs
//! between these mistakes, or says that other weights or inputs would give different gradients. The advice is found by computing the passes with the mistakes.

use std::collections::HashSet;

use super::fit::{ComparedTensor, Fit};
use super::mistake::Specificity;
use super::plan::WrongPass;
use super::site::RightIteration;
use crate::diff::{Gradient, LossOf, TermSums, Tolerance};
use crate::network::{Id, Role};

/// The largest number of fits that are compared with the best one.
const MAX_COMPARED: usize = 8;
/// The least difference that counts between two wrong passes with other weights or inputs, as a share of the tensor's largest entry.
const MIN_DIFFERENCE: f64 = 1e-3;

/// The first difference between a fit and the best one.
#[derive(Clone, Copy, Debug)]
enum Separation {
    /// The gradient of this tensor.
    Gradient(Id),
    /// There is no difference: all gradients of the network are the same.
    Nothing,
    /// Unknown, because a mistake of one of the two fits is a wrong factor, such as −1, which may be at another place with the same numbers.
    Unknown,
}

/// The given numbers that are replaced by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReplacedNumbers {
    Weights,
    Inputs,
}

impl ReplacedNumbers {
    fn changes(self, role: Role) -> bool {
        match self {
            Self::Weights => role.is_learnable(),
            Self::Inputs => matches!(role, Role::Input { learns: false }),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Weights => "other weights",
            Self::Inputs => "other inputs",
        }
    }

    /// Returns another value for the entry at an index. It depends only on the index and the value, so all passes get the same other numbers.
    #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ entries
    fn replacement(at: usize, value: f64) -> f64 {
        // sines of large multiples of the index look random, but are the same in each pass
        let wave = |frequency: f64| libm::sin(frequency * (at as f64 + 1.0));
        value * (1.0 + 0.4 * wave(12.9898)) + 0.3 * wave(78.233) * value.abs().max(0.1)
    }
}

/// Finds what separates fits with the same numbers: a gradient that is not in the user's file, or other weights or inputs.
pub(super) struct FitSeparator<'a> {
    iteration: RightIteration<'a>,
    tolerance: Tolerance,
    /// The gradients of the file.
    given: Vec<Gradient>,
    /// The tensors whose gradient the user could add, in the order of the backward pass. The tensors inside an operation, such as the mean in a batch norm, are
    /// not among them.
    tensors: Vec<Id>,
}

impl<'a> FitSeparator<'a> {
    /// Lists the gradients in the file, and those that are not in it.
    pub fn new(iteration: RightIteration<'a>, compared: &[ComparedTensor<'_>], tolerance: Tolerance) -> Self {
        let given: Vec<Gradient> = compared.iter().map(|tensor| tensor.gradient).collect();
        let is_given = |tensor: &Id| given.iter().any(|gradient| gradient.of == *tensor);
        let differentiated = |id: Id| if let Role::Gradient(of) = iteration.network.tensor(id).role { Some(of) } else { None };
        let tensors = iteration.backward_ops().filter_map(|(_, op)| differentiated(op.output)).filter(|tensor| !is_given(tensor));
        let tensors = tensors.filter(|tensor| iteration.network.text().is_result(*tensor)).collect();
        Self { iteration, tolerance, given, tensors }
    }

    /// For each of several fits with the same numbers, returns a sentence about what separates it from the best one. The sentence is empty if nothing is known.
    /// `restated` is the result of [`Self::restated`]: the sentence about the best fit leaves these fits out.
    pub fn sentences(&self, fits: &[Fit], restated: &[bool]) -> Vec<String> {
        let Some((best, others)) = fits.split_first().filter(|(_, others)| !others.is_empty()) else {
            return vec![String::new(); fits.len()];
        };
        let compared: Vec<&Fit> = others.iter().take(MAX_COMPARED).collect();
        let separations = self.separations(best, &compared);
        let sentence_of_other =
            |(separation, other): (&Separation, &&Fit)| self.what_separates(best, &[*other], std::slice::from_ref(separation));
        let mut sentences: Vec<String> = separations.iter().zip(&compared).map(sentence_of_other).collect();
        let is_not_restated = |(_, restated): &(_, &bool)| !**restated;
        let (distinct, their_separations): (Vec<&Fit>, Vec<Separation>) =
            compared.into_iter().zip(separations).zip(&restated[1..]).filter(is_not_restated).map(|(pair, _)| pair).unzip();
        sentences.insert(0, if distinct.is_empty() { String::new() } else { self.what_separates(best, &distinct, &their_separations) });
        sentences.resize(fits.len(), String::new());
        sentences
    }

    /// For each of several fits with the same numbers, returns whether it is an earlier one in other words: no gradient of the user's pass differs, with these
    /// weights and inputs or with others.
    pub fn restated(&self, fits: &[Fit]) -> Vec<bool> {
        let mut restated = vec![false; fits.len()];
        for n in 1..fits.len().min(1 + MAX_COMPARED) {
            restated[n] = (0..n).any(|m| !restated[m] && self.are_one_rule(&fits[m], &fits[n]));
        }
        restated
    }

    /// Whether two fits are the same rule. Mistakes whose numbers would differ in a network of other sizes, such as another number of
    /// samples, are not the same rule.
    fn are_one_rule(&self, one: &Fit, other: &Fit) -> bool {
        let has_own_size = |one, other| sizes_only_in(one, other).iter().any(|size| !size.is_empty());
        let is_known = !has_fixed_numbers(one) && !has_fixed_numbers(other) && !has_own_size(one, other) && !has_own_size(other, one);
        let other_numbers_differ =
            || [ReplacedNumbers::Weights, ReplacedNumbers::Inputs].into_iter().any(|change| self.are_separated(change, one, other));
        is_known && matches!(self.separations(one, &[other])[..], [Separation::Nothing]) && !other_numbers_differ()
    }

    /// The sentence about what separates the best fit from others.
    fn what_separates(&self, best: &Fit, others: &[&Fit], separations: &[Separation]) -> String {
        let mut tensors: Vec<Id> = separations
            .iter()
            .filter_map(|separation| if let Separation::Gradient(tensor) = separation { Some(*tensor) } else { None })
            .collect();
        let mut seen = HashSet::new();
        tensors.retain(|tensor| seen.insert(*tensor));
        if !tensors.is_empty() {
            return self.sentence(&tensors);
        }
        let are_equal = separations.iter().all(|separation| matches!(separation, Separation::Nothing));
        let no_gradient = are_equal.then(|| "no other gradient of your pass differs".to_owned());
        let change = self.other_numbers(best, others).or_else(|| {
            let sizes = others.iter().find_map(|other| size_that_separates(best, other));
            sizes.map(|size| format!("{size} may tell them apart"))
        });
        no_gradient.into_iter().chain(change).collect::<Vec<_>>().join("; ")
    }

    /// A clause such as `other weights would tell them apart`: with these, a gradient of the file differs between the best fit and another. `None` if no
    /// gradient would.
    fn other_numbers(&self, best: &Fit, others: &[&Fit]) -> Option<String> {
        [ReplacedNumbers::Weights, ReplacedNumbers::Inputs].into_iter().find_map(|change| {
            let separated = others.iter().filter(|other| self.are_separated(change, best, other)).count();
            let which = if separated < others.len() { "some of them" } else { "them" };
            // a graph has no weights: everything that learns is an input
            let words = if self.iteration.has_layers() { change.words() } else { ReplacedNumbers::Inputs.words() };
            (separated > 0).then(|| format!("{words} would tell {which} apart"))
        })
    }

    /// Computes both passes with other numbers, and returns whether a gradient of the file is different.
    fn are_separated(&self, change: ReplacedNumbers, one: &Fit, other: &Fit) -> bool {
        if has_fixed_numbers(one) || has_fixed_numbers(other) {
            return false;
        }
        let trace = self.iteration.trace;
        let mut changed: Vec<(usize, Id, Vec<f64>)> = Vec::new();
        for run in 0..trace.runs().len() {
            let network = trace.network_of(run);
            let is_changed = |id: &Id| network.producer(*id).is_none() && change.changes(network.tensor(*id).role);
            for id in (0..network.tensors().len()).filter(is_changed) {
                let numbers = trace.run(run).values(id).iter().enumerate().map(|(at, value)| ReplacedNumbers::replacement(at, *value));
                changed.push((run, id, numbers.collect()));
            }
        }
        let [one_plan, other_plan] =
            [one, other].map(|fit| fit.plan.taking(changed.iter().map(|(run, id, numbers)| (*run, *id, numbers.as_slice()))));
        let (mut one_pass, mut other_pass) = (WrongPass::new(trace, &one_plan), WrongPass::new(trace, &other_plan));
        self.given.iter().filter_map(|gradient| gradient.find(trace)).any(|(run, id)| {
            let [one_values, other_values] = [one_pass.values(run, id), other_pass.values(run, id)];
            let largest = one_values.iter().chain(other_values).fold(0.0_f64, |largest, number| largest.max(number.abs()));
            one_values.iter().zip(other_values).any(|(one, other)| (one - other).abs() > MIN_DIFFERENCE * largest)
        })
    }

    /// For each of other fits, the first gradient that is different from that of the best fit.
    fn separations(&self, best: &Fit, others: &[&Fit]) -> Vec<Separation> {
        let trace = self.iteration.trace;
        let mut best_pass = WrongPass::new(trace, &best.plan);
        let mut passes: Vec<WrongPass<'_>> = others.iter().map(|fit| WrongPass::new(trace, &fit.plan)).collect();
        // the least specific candidate comes first, and a rule is the most specific kind
        let has_only_rules = |fit: &Fit| fit.specificities().first() == Some(&Specificity::Rule);
        let initial = |other: &&Fit| if has_only_rules(best) && has_only_rules(other) { Separation::Nothing } else { Separation::Unknown };
        let mut separations: Vec<Separation> = others.iter().map(initial).collect();
        for of in &self.tensors {
            for gradient in self.gradients(*of) {
                let Some((run, id)) = gradient.find(trace) else { continue };
                let terms = TermSums::of(trace, gradient);
                for (pass, separation) in
                    passes.iter_mut().zip(&mut separations).filter(|(_, separation)| matches!(separation, Separation::Nothing))
                {
                    let is_changed = best_pass.is_changed(run, id) || pass.is_changed(run, id);
                    let differs = is_changed && {
                        let numbers = best_pass.values(run, id);
                        !self.tolerance.are_equal(pass.values(run, id), numbers, |at| terms.entry(at))
                    };
                    if differs {
                        *separation = Separation::Gradient(*of);
                    }
                }
            }
        }
        separations
    }

    /// The gradients of a tensor: one of the batch for a parameter, one of each sample for a value.
    fn gradients(&self, of: Id) -> Vec<Gradient> {
        if self.iteration.network.tensor(of).role.is_learnable() {
            return vec![Gradient { of, loss: LossOf::Batch }];
        }
        (0..self.iteration.trace.samples()).map(|run| Gradient { of, loss: LossOf::Sample(run) }).collect()
    }

    fn sentence(&self, tensors: &[Id]) -> String {
        let names: Vec<String> = tensors.iter().map(|of| self.iteration.network.tensor(*of).name.to_string()).collect();
        let are_parameters = tensors.iter().all(|of| self.iteration.network.tensor(*of).role.is_learnable());
        let is_of_samples = self.iteration.trace.samples() > 1 && !are_parameters;
        match names.as_slice() {
            [] => String::new(),
            [name] => {
                let what = if is_of_samples { "the gradient of each sample" } else { "the gradient" };
                format!("∂C/∂{name} differs between these mistakes: add it to your file as {name} ({what}, not the value)")
            }
            [first @ .., last] => {
                let what = if is_of_samples { "the gradients of each sample" } else { "the gradients" };
                let [gradients, listed_names] = ["∂C/∂", ""].map(|prefix| {
                    let first: Vec<String> = first.iter().map(|name| format!("{prefix}{name}")).collect();
                    format!("{} and {prefix}{last}", first.join(", "))
                });
                format!("{gradients} differ between these mistakes: add them to your file as {listed_names} ({what}, not the values)")
            }
        }
    }
}

/// Whether the rules of a fit contain numbers of this scenario or of the user. Such rules do not describe the mistakes for other weights or inputs.
fn has_fixed_numbers(fit: &Fit) -> bool {
    fit.plan.changes_given() || fit.has_fitted_number() || fit.candidates.iter().any(|candidate| candidate.mistake.has_fixed_numbers)
}

/// For each mistake that only the first of two fits has, the text about a change of a size, such as `another number of samples`, that would change its numbers;
/// empty if there is none.
fn sizes_only_in(one: &Fit, other: &Fit) -> Vec<&'static str> {
    let is_in_other = |id: &str| other.candidates.iter().any(|candidate| candidate.mistake.id == id);
    one.candidates
        .iter()
        .map(|candidate| candidate.mistake)
        .filter(|mistake| !is_in_other(mistake.id))
        .map(|mistake| mistake.apart)
        .collect()
}

/// The change of a size that separates two fits: that of a mistake that only one of them has. A size on which both fits depend does not count.
fn size_that_separates(best: &Fit, other: &Fit) -> Option<&'static str> {
    let [best_sizes, other_sizes] = [sizes_only_in(best, other), sizes_only_in(other, best)];
    let is_only_here = |size: &&str, there: &[&str]| !size.is_empty() && !there.contains(size);
    let only_in_best = best_sizes.iter().copied().find(|size| is_only_here(size, &other_sizes));
    only_in_best.or_else(|| other_sizes.iter().copied().find(|size| is_only_here(size, &best_sizes)))
}
