//! The search for the mistakes that explain a user's gradients.
//!
//! The user's tensors are looked at in the order of the backward pass. Each candidate (a mistake at some places) is planted: the pass is computed with its
//! changed ops, and its numbers are compared with the user's. A candidate explains the first wrong tensor if this tensor and all earlier ones have the numbers
//! of the pass, and if no tensor that the user has right changes. If later tensors are still wrong, a further mistake is searched in the pass that already has
//! the first.
//!
//! If no candidate explains a tensor, the search continues *behind* it, with the tensors that are computed later. The user's numbers of this tensor are taken
//! as they are, and everything that depends on them is computed from them. A later tensor that then has the user's numbers is a consequence, and has no mistake
//! of its own.
//!
//! No mistake is searched for a tensor with NaN or infinities. Its numbers are taken as they are, too. In NumPy, NaN · 0 is NaN, so a NaN also reaches entries
//! behind a closed gate, such as a `relu` with z < 0. Hence an entry that is not finite, in a tensor that is computed from such a tensor, is a consequence,
//! whatever number the pass has there.

use super::candidates::Candidates;
use super::cause::{Cause, alternatives};
use super::fit::{Candidate, ComparedTensor, Fit, best, ranked};
use super::mistake::Specificity;
use super::plan::{Plan, WrongPass};
use super::plants;
use super::site::RightIteration;
use super::suspects::Suspects;
use super::table::MISTAKES;
use crate::diff::{Gradient, Report, Status, TermSums, Tolerance, UserTensor};
use crate::interrupt::Interrupted;
use crate::trace::Trace;

/// The largest number of fits to which a further mistake is added at a time.
const MAX_BASES: usize = 8;

/// The largest number of mistakes that are found together.
const MAX_MISTAKES: usize = 4;

/// Pairs of mistakes that explain a tensor only together are searched if a pass of all samples has at most about this number of multiplications.
const MAX_PAIRED_WORK: u64 = 100_000;
/// The largest number of candidates of which pairs are tried: all pairs of different mistakes.
const MAX_PAIRED: usize = 160;

/// Mistakes are searched behind an unexplained tensor if a pass of all samples has at most about this number of multiplications.
const MAX_WORK_BEHIND: u64 = 50_000_000;
/// The largest number of searches behind unexplained tensors.
const MAX_SEARCHES_BEHIND: usize = 4;
/// The largest number of unexplained tensors whose numbers are taken from the user. The gradients of one tensor in several samples count once.
const MAX_TAKEN: usize = 16;
/// The least number of entries that a mistake behind an unexplained tensor must explain: finite ones other than 0, in the tensors that it explains. A single
/// entry may be equal by chance.
const MIN_ENTRIES_BEHIND: usize = 2;

/// A function that a search calls before each candidate, or before all pairs with this candidate. It gets the number of candidates that are done and the number
/// of all candidates, in this part of the search, and returns whether to go on.
pub type GoOn<'a> = &'a mut dyn FnMut(usize, usize) -> bool;

/// The result of a search.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The mistakes that explain wrong tensors, the best first.
    pub causes: Vec<Cause>,
    /// The consequences, as indices in the user's list: tensors that differ from ours only because they were computed correctly from an earlier wrong
    /// tensor. No mistake explains that earlier tensor.
    pub consequences: Vec<usize>,
}

/// Searches the mistakes that explain the differences between the user's tensors and the right ones. `user` must be in the order of the backward pass, as
/// `report` is. `clipped` has the indices of the gradients that the user has clipped, as a pattern shows. Their numbers are taken as they are, because later
/// ones may depend on them. Without a learning rate, no mistake with the learning rate is tried.
///
/// # Errors
/// If `go_on` returns `false`.
pub fn causes(
    trace: &Trace,
    (user, clipped): (&[UserTensor], &[usize]),
    report: &Report,
    tolerance: Tolerance,
    learning_rate: Option<f64>,
    go_on: GoOn<'_>,
) -> Result<Findings, Interrupted> {
    let compared = user.iter().zip(&report.tensors).enumerate().filter_map(|(index, (tensor, comparison))| {
        let differs = match comparison.status {
            Status::Equal => false,
            Status::Different | Status::NotFinite => true,
            Status::Shape => return None,
        };
        let (run, id) = tensor.gradient.find(trace)?;
        let numbers = tensor.values.as_ref().ok()?.as_slice();
        Some(ComparedTensor { index, run, id, gradient: tensor.gradient, numbers, differs, terms: TermSums::of(trace, tensor.gradient) })
    });
    let tensors: Vec<ComparedTensor<'_>> = compared.collect();
    if tensors.iter().all(|tensor| !tensor.differs) || is_all_zero(&tensors) {
        return Ok(Findings::default());
    }
    let iteration = RightIteration { trace, network: trace.network(), learning_rate };
    let search = MistakeSearch { iteration, tensors: &tensors, tolerance, candidates: Candidates::new(iteration, &tensors) };
    let clipped = (0..tensors.len()).filter(|at| clipped.contains(&tensors[*at].index));
    // `best_with_taken` is the best fit (or, if there is none, the fit without candidates), in whose pass the unexplained tensors also have the user's numbers
    let (fits, best_with_taken) = search.fits(clipped, go_on)?;
    let consequences = best_with_taken.consequences.iter().map(|at| tensors[*at].index).collect();
    Ok(Findings { causes: alternatives(&iteration, &tensors, tolerance, fits), consequences })
}

/// Returns whether several tensors are wrong and all their numbers are 0. Every mistake that loses the error gives these numbers, so they point to no
/// particular mistake.
fn is_all_zero(tensors: &[ComparedTensor<'_>]) -> bool {
    let mut wrong = tensors.iter().filter(|tensor| tensor.differs);
    wrong.clone().nth(1).is_some() && wrong.all(|tensor| tensor.numbers.iter().all(|number| *number == 0.0))
}

/// Returns the cause of a gradient with another shape: the gradient of a broadcast tensor before the sum over its copies. `index` is the index of the tensor in
/// the user's list.
#[must_use]
pub fn cause_of_shape(
    trace: &Trace,
    gradient: Gradient,
    (index, shape, numbers): (usize, &[usize], &[f64]),
    tolerance: Tolerance,
) -> Option<Cause> {
    let iteration = RightIteration { trace, network: trace.network(), learning_rate: None };
    let (unsummed_shape, unsummed, y) = plants::graph::unsummed(&iteration, gradient.of)?;
    let mistake = MISTAKES.iter().find(|mistake| mistake.id == "broadcast-not-summed")?;
    let (own_name, wanted) = (&trace.network().tensor(gradient.of).name, gradient.shape(trace));
    let is_unsummed = unsummed_shape == shape && tolerance.are_equal(numbers, &unsummed, |at| unsummed[at].abs());
    is_unsummed.then(|| Cause {
        id: mistake.id,
        variant: None,
        words: format!(
            "{own_name} is broadcast in {}, but its gradient is not summed over {}",
            iteration.place_of(y),
            broadcast_axes(shape, wanted)
        ),
        at: vec![iteration.place_of(y)],
        group: 1,
        is_restated: false,
        needs_others: false,
        explains: vec![index],
        right: mistake.right,
        same: Vec::new(),
        told_apart_by: String::new(),
        ops: Vec::new(),
    })
}

/// The axes of a shape along which a tensor of the shape `of` is repeated: `axis 0`, `axes 0 and 2`.
fn broadcast_axes(shape: &[usize], of: &[usize]) -> String {
    let new = shape.len().saturating_sub(of.len());
    let is_repeated = |axis: &usize| *axis < new || of[*axis - new] != shape[*axis];
    let axes: Vec<String> = (0..shape.len()).filter(is_repeated).map(|axis| axis.to_string()).collect();
    match axes.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("axes {} and {last}", first.join(", ")),
        _ => format!("axis {}", axes.concat()),
    }
}

/// A search.
struct MistakeSearch<'a> {
    iteration: RightIteration<'a>,
    tensors: &'a [ComparedTensor<'a>],
    tolerance: Tolerance,
    candidates: Candidates<'a>,
}

impl MistakeSearch<'_> {
    /// Returns the fits, the best first, and a last fit: the best one (or, if there is none, the fit without candidates), in whose pass the unexplained tensors
    /// also have the user's numbers. The user's numbers of the tensors `clipped` are taken before the search.
    fn fits(&self, clipped: impl Iterator<Item = usize>, go_on: GoOn<'_>) -> Result<(Vec<Fit>, Fit), Interrupted> {
        let mut start = Fit::new(self.tensors.iter().map(|tensor| !tensor.differs).collect());
        for at in clipped {
            if !start.matched()[at] {
                start = self.taking(&start, at);
            }
        }
        let Some(first) = start.next_wrong() else { return Ok((Vec::new(), start)) };
        let mut fits = if self.tensors[first].is_finite() { self.explaining(&start, first, go_on)? } else { Vec::new() };
        // the fits to which a further mistake is added: the first ones that explain the same tensors as the best
        let mut bases = if fits.is_empty() { vec![start] } else { with_same_tensors(&fits) };
        let (mut searches, mut taken) = (0, 0);
        let max_searches = if self.work() > MAX_WORK_BEHIND { 0 } else { MAX_SEARCHES_BEHIND };
        // all bases have the same next wrong tensor, and no candidate was found that explains it, or none was searched
        while let Some(unexplained) = bases[0].next_wrong().filter(|_| taken < MAX_TAKEN) {
            bases = bases.iter().map(|base| self.taking(base, unexplained)).collect();
            taken += 1;
            while let Some(next) = bases[0].next_wrong().filter(|_| searches < max_searches && bases[0].mistakes() < MAX_MISTAKES) {
                searches += 1;
                let found = self.behind(&bases, next, go_on)?;
                if found.is_empty() {
                    break;
                }
                fits = best(found);
                bases = with_same_tensors(&fits);
            }
        }
        Ok((fits, bases.swap_remove(0)))
    }

    /// Returns the fits that explain the first wrong tensor, the best first. If some of them explain all wrong tensors, only such fits are returned.
    fn explaining(&self, start: &Fit, first: usize, go_on: GoOn<'_>) -> Result<Vec<Fit>, Interrupted> {
        let singles = self.extensions(start, first, go_on)?;
        // a fitted number explains less than a rule, so the search goes on after it
        if singles.iter().any(|fit| fit.is_complete() && !fit.has_fitted_number()) {
            return Ok(best(singles));
        }
        let mut all = Vec::new();
        if singles.iter().all(Fit::has_fitted_number) {
            all.extend(self.pairs(start, first, go_on)?);
        }
        // not only the best fit is extended: if the mistake is a wrong factor (such as −1), several places give the same numbers, and a further mistake may
        // go with only one of these places
        for fit in ranked(singles).into_iter().take(MAX_BASES) {
            all.extend(self.extended(&fit, go_on)?);
            all.push(fit);
        }
        self.with_further(best(all), go_on)
    }

    /// If the best fit has two or three mistakes and leaves a tensor unexplained, returns the fits with a third mistake, and then with a fourth, as far as
    /// they explain more. Otherwise returns the fits as they are.
    fn with_further(&self, mut fits: Vec<Fit>, go_on: GoOn<'_>) -> Result<Vec<Fit>, Interrupted> {
        while let Some(fit) = fits.first().filter(|fit| (2..MAX_MISTAKES).contains(&fit.mistakes())) {
            let Some(next) = fit.next_wrong() else { break };
            let explained = fit.explained();
            let mut longer = self.extensions(fit, next, go_on)?;
            longer.retain(|fit| fit.explained() > explained && !fit.has_fitted_number());
            if longer.is_empty() {
                break;
            }
            fits = best(longer);
        }
        Ok(fits)
    }

    /// Returns the fits with one more mistake, which explains the tensor `next` behind an unexplained one. The mistake is searched for the first of the
    /// bases. The other bases explain the same tensors as the first, so each mistake that was found is also tried with them.
    fn behind(&self, bases: &[Fit], next: usize, go_on: GoOn<'_>) -> Result<Vec<Fit>, Interrupted> {
        let is_sure = |base: &Fit, fit: &Fit| {
            let ends_with_fitted = fit.candidates.last().is_some_and(|candidate| candidate.mistake.specificity == Specificity::Fitted);
            let claimed = (0..self.tensors.len()).filter(|at| fit.matched()[*at] && !base.matched()[*at]);
            let is_telling = |number: &&f64| number.is_finite() && **number != 0.0;
            let entries: usize = claimed.map(|at| self.tensors[at].numbers.iter().filter(is_telling).count()).sum();
            !ends_with_fitted && entries >= MIN_ENTRIES_BEHIND && fit.explained() > base.explained()
        };
        let mut found = self.extensions(&bases[0], next, go_on)?;
        found.retain(|fit| is_sure(&bases[0], fit));
        let candidates: Vec<Candidate> = found.iter().filter_map(|fit| fit.candidates.last()).cloned().collect();
        for base in &bases[1..] {
            let extended = candidates.iter().filter_map(|candidate| self.extension(base, candidate, next));
            found.extend(extended.filter(|fit| is_sure(base, fit)));
        }
        Ok(found)
    }

    /// Returns a fit whose pass has the user's numbers of an unexplained tensor, and also those of the same tensor in the other samples where nothing
    /// explains them.
    fn taking(&self, fit: &Fit, unexplained: usize) -> Fit {
        let is_of_sample = |tensor: &ComparedTensor<'_>| self.iteration.trace.runs()[tensor.run].sample.is_some();
        let is_same_gradient = |tensor: &ComparedTensor<'_>| {
            let unexplained = &self.tensors[unexplained];
            tensor.gradient.of == unexplained.gradient.of && is_of_sample(tensor) == is_of_sample(unexplained)
        };
        let taken: Vec<usize> = (0..self.tensors.len()).filter(|at| !fit.matched()[*at] && is_same_gradient(&self.tensors[*at])).collect();
        let numbers = taken.iter().map(|at| &self.tensors[*at]).map(|tensor| (tensor.run, tensor.id, tensor.numbers));
        let plan = fit.plan.taking(numbers);
        let mut pass = WrongPass::new(self.iteration.trace, &plan);
        // a tensor that the user has right stays right, although the user's wrong numbers of earlier tensors give other numbers for it
        let matched = self.tensors.iter().map(|tensor| !tensor.differs || self.is_equal(&mut pass, tensor)).collect();
        fit.taking(&taken, plan, matched)
    }

    /// The multiplications of a pass of all samples.
    fn work(&self) -> u64 {
        let network = self.iteration.network;
        let work: u64 = (0..network.ops().len()).map(|op| network.work(op)).sum();
        work.saturating_mul(self.iteration.trace.samples() as u64)
    }

    /// Returns the fits of two mistakes that only together explain the tensor `first`. Nothing is tried in a large network.
    fn pairs(&self, start: &Fit, first: usize, go_on: GoOn<'_>) -> Result<Vec<Fit>, Interrupted> {
        if self.work() > MAX_PAIRED_WORK {
            return Ok(Vec::new());
        }
        let trace = self.iteration.trace;
        let mut candidates = self.candidates.of(start, &self.tensors[first]);
        candidates.retain(|candidate| {
            let plan = start.plan.with(trace, &candidate.edits);
            candidate.sites.len() < 2 && candidate.mistake.specificity != Specificity::Fitted && self.is_possible(&plan, first)
        });
        candidates.sort_by_key(|candidate| candidate.mistake.specificity);
        candidates.truncate(MAX_PAIRED);
        let mut fits = Vec::new();
        let total = candidates.len();
        for (done, one) in candidates.iter().enumerate() {
            if !go_on(done, total) {
                return Err(Interrupted);
            }
            let with_one = start.plan.with(trace, &one.edits);
            for other in candidates[done + 1..].iter().filter(|other| other.mistake.id != one.mistake.id) {
                let plan = with_one.with(trace, &other.edits);
                if let Some(matched) = self.matched(&plan, first) {
                    // the first mistake alone counts as explaining nothing
                    let matched_before = start.matched().to_vec();
                    fits.push(start.with(one.clone(), with_one.clone(), matched_before).with(other.clone(), plan, matched));
                }
            }
        }
        Ok(fits)
    }

    /// Returns whether a plan changes the tensor `first`, but no tensor that the user has right.
    fn is_possible(&self, plan: &Plan, first: usize) -> bool {
        let mut pass = WrongPass::new(self.iteration.trace, plan);
        let changes = |tensor: &ComparedTensor<'_>| pass.is_changed(tensor.run, tensor.id);
        changes(&self.tensors[first]) && self.tensors.iter().filter(|tensor| !tensor.differs).all(|tensor| self.is_equal(&mut pass, tensor))
    }

    /// Returns the fits with one more mistake, and those with the same mistake at more places.
    fn extended(&self, fit: &Fit, go_on: GoOn<'_>) -> Result<Vec<Fit>, Interrupted> {
        let mut all = Vec::new();
        let mut front = vec![fit.clone()];
        while let Some(fit) = front.pop() {
            let Some(next) = fit.next_wrong() else { continue };
            for longer in self.extensions(&fit, next, go_on)? {
                if longer.is_one_mistake() && !longer.is_complete() {
                    front.push(longer.clone());
                }
                all.push(longer);
            }
            // a pushed fit explains `next` too, so the loop ends; the limit keeps it short
            front.truncate(MAX_BASES);
        }
        Ok(all)
    }

    /// Returns the fits with one more candidate, which explains the tensor `next`.
    fn extensions(&self, base: &Fit, next: usize, go_on: GoOn<'_>) -> Result<Vec<Fit>, Interrupted> {
        if !self.tensors[next].is_finite() {
            return Ok(Vec::new());
        }
        let is_settled = |at: usize| !self.tensors[at].differs || base.taken.contains(&at);
        let suspects = Suspects::of(self.iteration.trace, self.tensors, next, is_settled);
        let mut candidates = self.candidates.of(base, &self.tensors[next]);
        candidates.retain(|candidate| candidate.edits.iter().any(|edit| suspects.has(edit)));
        let mut fits: Vec<Fit> = Vec::new();
        let total = candidates.len();
        for (done, candidate) in candidates.iter().enumerate() {
            if !go_on(done, total) {
                return Err(Interrupted);
            }
            let is_same = |fit: &Fit| {
                let last = fit.candidates.last().expect("a fit has a candidate");
                last.mistake.id == candidate.mistake.id && last.variant == candidate.variant && fit.is_complete()
            };
            // several places are not tried if the same mistake, at a place or places that were tried before, explains everything
            if candidate.sites.len() < 2 || !fits.iter().any(is_same) {
                fits.extend(self.extension(base, candidate, next));
            }
        }
        Ok(fits)
    }

    /// Returns a fit with one more candidate; `None` if the candidate does not explain the tensor `next`.
    fn extension(&self, base: &Fit, candidate: &Candidate, next: usize) -> Option<Fit> {
        let plan = base.plan.with(self.iteration.trace, &candidate.edits);
        let matched = self.matched(&plan, next)?;
        Some(base.with(candidate.clone(), plan, matched))
    }

    /// Returns whether the user has the numbers of a pass in a tensor.
    fn is_equal(&self, pass: &mut WrongPass<'_>, tensor: &ComparedTensor<'_>) -> bool {
        if !pass.is_changed(tensor.run, tensor.id) {
            return !tensor.differs;
        }
        if !tensor.is_finite() && pass.follows_not_finite(tensor.run, tensor.id) {
            let values = pass.values(tensor.run, tensor.id);
            // an entry that is not finite is a consequence, and counts as equal
            let accepted = |(mine, value): (&f64, &f64)| if mine.is_finite() { *mine } else { *value };
            let numbers: Vec<f64> = tensor.numbers.iter().zip(values).map(accepted).collect();
            return self.tolerance.are_equal(&numbers, values, |at| tensor.terms.entry(at));
        }
        self.tolerance.are_equal(tensor.numbers, pass.values(tensor.run, tensor.id), |at| tensor.terms.entry(at))
    }

    /// Compares the user's tensors with the pass of a plan. Returns which of them have the numbers of the pass. Returns `None` in four cases:
    ///
    /// - The plan does not change the tensor `next`.
    /// - A tensor up to `next` has other numbers than the pass.
    /// - The plan changes a tensor that the user has right.
    /// - The plan explains `next` only in some of the samples, and changes no given number.
    fn matched(&self, plan: &Plan, next: usize) -> Option<Vec<bool>> {
        let mut pass = WrongPass::new(self.iteration.trace, plan);
        if !pass.is_changed(self.tensors[next].run, self.tensors[next].id) {
            return None;
        }
        let mut matched = Vec::with_capacity(self.tensors.len());
        for (at, tensor) in self.tensors.iter().enumerate() {
            let is_equal = self.is_equal(&mut pass, tensor);
            if !is_equal && (at <= next || !tensor.differs) {
                return None;
            }
            matched.push(is_equal);
        }
        // a wrong rule is wrong in every sample, but a wrong given number may be that of one sample
        let is_of_sample = |tensor: &ComparedTensor<'_>| self.iteration.trace.runs()[tensor.run].sample.is_some();
        let next = &self.tensors[next];
        let is_same_gradient = |other: &ComparedTensor<'_>| other.gradient.of == next.gradient.of && is_of_sample(other);
        let is_in_all =
            || !is_of_sample(next) || self.tensors.iter().zip(&matched).all(|(other, matched)| *matched || !is_same_gradient(other));
        (plan.changes_given() || is_in_all()).then_some(matched)
    }
}

/// Returns the first fits that explain the same tensors as the best one.
fn with_same_tensors(fits: &[Fit]) -> Vec<Fit> {
    fits.iter().filter(|fit| fit.matched() == fits[0].matched()).take(MAX_BASES).cloned().collect()
}
