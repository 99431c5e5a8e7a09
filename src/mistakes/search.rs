//! The search for the mistakes that explain the gradients of a user.
//!
//! A candidate is a mistake at one place or at several places. The backward pass is computed with the changed ops ([`Plan`]), and compared with the user's tensors in
//! the order of computation. The candidate must explain the first wrong tensor, and must not change a tensor that the user has right. If later tensors stay
//! unexplained, a second mistake is searched in a pass that already has the first.

use std::collections::HashSet;

use super::cause::{Cause, alternatives};
use super::fit::{Candidate, ComparedTensor, Fit};
use super::mistake::{Mistake, Specificity};
use super::plan::{Edit, Ops, Plan, WrongPass};
use super::planting::{Planted, Planter, Variant, Wanted};
use super::plants;
use super::site::{Site, Subject};
use super::table::MISTAKES;
use crate::diff::{Gradient, Report, Status, TermSums, Tolerance, UserTensor};
use crate::interrupt::Interrupted;
use crate::network::{Id, Network};
use crate::trace::Trace;

/// The largest number of sites of which all pairs are tried.
const MAX_PAIRED_SITES: usize = 8;
/// The largest number of first mistakes for which a second mistake is searched.
const MAX_FIRST: usize = 8;

/// The largest number of mistakes that are found together.
const MAX_MISTAKES: usize = 4;

/// The largest number of multiplications of a pass in which pairs of mistakes are tried that explain nothing alone.
const MAX_PAIRED_WORK: u64 = 100_000;
/// The largest number of mistakes of which all pairs are tried.
const MAX_PAIRED: usize = 160;

/// The interrupt of a search: it is called with the number of candidates that are done and of all, and returns whether to go on.
pub type GoOn<'a> = &'a mut dyn FnMut(usize, usize) -> bool;

/// Returns the mistakes that explain the differences between the user's tensors and the right ones, the best first. `user` must be in the order of computation,
/// as in `report`. Numbers of a mistake are the user's if they are equal within the tolerance. Without a learning rate, no mistake with the learning rate is
/// tried.
///
/// # Errors
/// If `go_on` returns `false`.
pub fn causes(
    trace: &Trace,
    user: &[UserTensor],
    report: &Report,
    tolerance: Tolerance,
    learning_rate: Option<f64>,
    go_on: GoOn<'_>,
) -> Result<Vec<Cause>, Interrupted> {
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
    let Some(first) = tensors.iter().position(|tensor| tensor.differs) else { return Ok(Vec::new()) };
    if is_all_zero(&tensors) {
        return Ok(Vec::new());
    }
    let subject = Subject { trace, network: trace.network(), learning_rate };
    let search = Search::new(subject, &tensors, tolerance);
    let fits = search.fits(first, go_on)?;
    Ok(alternatives(&subject, &tensors, tolerance, fits))
}

/// Returns whether several tensors are wrong and all their numbers are 0. Every mistake that loses the error gives these numbers, so they point to no particular mistake.
fn is_all_zero(tensors: &[ComparedTensor<'_>]) -> bool {
    let mut wrong = tensors.iter().filter(|tensor| tensor.differs);
    wrong.clone().nth(1).is_some() && wrong.all(|tensor| tensor.numbers.iter().all(|number| *number == 0.0))
}

/// Returns the cause of a gradient with another shape: the gradient of a broadcast tensor before the sum over its copies. `index` is the index of the tensor in the
/// user's list.
#[must_use]
pub fn cause_of_shape(
    trace: &Trace,
    gradient: Gradient,
    (index, shape, numbers): (usize, &[usize], &[f64]),
    tolerance: Tolerance,
) -> Option<Cause> {
    let subject = Subject { trace, network: trace.network(), learning_rate: None };
    let (own, unsummed, y) = plants::graph::unsummed(&subject, gradient.of)?;
    let mistake = MISTAKES.iter().find(|mistake| mistake.id == "broadcast-not-summed")?;
    let is_it = own == shape && tolerance.are_equal(numbers, &unsummed, |at| unsummed[at].abs());
    is_it.then(|| Cause {
        id: mistake.id,
        variant: None,
        words: mistake.words_at(&[subject.place_of(y)]),
        at: vec![subject.place_of(y)],
        group: 1,
        explains: vec![index],
        right: mistake.right,
        same: String::new(),
        apart: String::new(),
        ops: Vec::new(),
    })
}

/// For each op of a sample, whether one of the user's tensors depends on it.
fn reaching(subject: &Subject<'_>, tensors: &[ComparedTensor<'_>]) -> Vec<bool> {
    let network = subject.network;
    let mut reaches = vec![false; network.tensors().len()];
    for tensor in tensors {
        // a gradient of the batch comes from the samples' gradient of the same tensor
        if let Some(gradient) = network.gradient_of(tensor.gradient.of) {
            reaches[gradient] = true;
        }
    }
    let mut ops = vec![false; network.ops().len()];
    for (number, op) in network.ops().iter().enumerate().rev() {
        if reaches[op.output] {
            ops[number] = true;
            op.parts.iter().flat_map(|part| part.operands.iter()).for_each(|id| reaches[*id] = true);
        }
    }
    ops
}

/// The ops in which a mistake can change a tensor: `true` or `false` for each op of a sample, and for each op of the batch.
struct Suspects {
    of_sample: Vec<bool>,
    of_batch: Vec<bool>,
}

impl Suspects {
    fn has(&self, edit: &Edit) -> bool {
        let (ops, number) = match edit {
            Edit::Op(Ops::Sample, number, _) => (&self.of_sample, number),
            Edit::Op(Ops::Batch, number, _) => (&self.of_batch, number),
            Edit::Given(..) | Edit::Exchange(..) => return true,
        };
        ops.get(*number).is_some_and(|is_suspect| *is_suspect)
    }
}

/// For each op, whether a tensor depends on it through a path without tensors that `is_right`.
fn reaching_ops(network: &Network, id: Id, is_right: impl Fn(Id) -> bool) -> Vec<bool> {
    let mut reaches = vec![false; network.tensors().len()];
    reaches[id] = true;
    let mut ops = vec![false; network.ops().len()];
    for (number, op) in network.ops().iter().enumerate().rev() {
        if reaches[op.output] && (op.output == id || !is_right(op.output)) {
            ops[number] = true;
            op.parts.iter().flat_map(|part| part.operands.iter()).for_each(|read| reaches[*read] = true);
        }
    }
    ops
}

/// The name of a variant, and its edits at each possible site, with the number of the site.
type SitesOfVariant = (Option<String>, Vec<(usize, Variant)>);

/// A search of mistakes that explain tensors.
pub(super) struct Search<'a> {
    subject: Subject<'a>,
    tensors: &'a [ComparedTensor<'a>],
    tolerance: Tolerance,
    reaching: Vec<bool>,
}

impl<'a> Search<'a> {
    /// Prepares the search.
    pub fn new(subject: Subject<'a>, tensors: &'a [ComparedTensor<'a>], tolerance: Tolerance) -> Self {
        Self { subject, tensors, tolerance, reaching: reaching(&subject, tensors) }
    }

    /// Returns the fits, the best first: those that explain everything, or else those that explain most.
    fn fits(&self, first: usize, go_on: GoOn<'_>) -> Result<Vec<Fit>, Interrupted> {
        let start = Fit { history: vec![self.tensors.iter().map(|tensor| !tensor.differs).collect()], ..Fit::default() };
        let singles = self.extensions(&start, first, go_on)?;
        if singles.iter().any(|fit| fit.is_complete() && !fit.is_fitted()) {
            return Ok(best(singles));
        }
        let mut all = Vec::new();
        if singles.iter().all(Fit::is_fitted) {
            all.extend(self.pairs(&start, first, go_on)?);
        }
        for fit in best(singles).into_iter().take(MAX_FIRST) {
            all.extend(self.extended(&fit, go_on)?);
            all.push(fit);
        }
        self.with_further(best(all), go_on)
    }

    /// Returns the fits with further mistakes: those that explain what the best one leaves unexplained.
    fn with_further(&self, mut fits: Vec<Fit>, go_on: GoOn<'_>) -> Result<Vec<Fit>, Interrupted> {
        while let Some(fit) = fits.first().filter(|fit| (2..MAX_MISTAKES).contains(&fit.mistakes())) {
            let Some(next) = fit.matched().iter().position(|matched| !matched) else { break };
            let explained = fit.explained();
            let mut longer = self.extensions(fit, next, go_on)?;
            longer.retain(|fit| fit.explained() > explained && !fit.is_fitted());
            if longer.is_empty() {
                break;
            }
            fits = best(longer);
        }
        Ok(fits)
    }

    /// Returns the fits of two mistakes that only together explain the tensor `first`. Nothing is tried in a large network.
    fn pairs(&self, start: &Fit, first: usize, go_on: GoOn<'_>) -> Result<Vec<Fit>, Interrupted> {
        let trace = self.subject.trace;
        let ops = self.subject.network.ops().len();
        let work: u64 = (0..ops).map(|op| self.subject.network.work(op)).sum();
        if work.saturating_mul(trace.samples() as u64) > MAX_PAIRED_WORK {
            return Ok(Vec::new());
        }
        let mut candidates = self.candidates(start, first);
        candidates.retain(|candidate| {
            let plan = start.plan.with(trace, &candidate.edits);
            candidate.sites.len() < 2 && candidate.mistake.specificity != Specificity::Fitted && self.is_possible(&plan, first)
        });
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
                    let unexplained = start.matched().to_vec();
                    fits.push(start.with(one.clone(), with_one.clone(), unexplained).with(other.clone(), plan, matched));
                }
            }
        }
        Ok(fits)
    }

    /// Whether a plan changes the tensor `first`, and none that is right.
    fn is_possible(&self, plan: &Plan, first: usize) -> bool {
        let mut pass = WrongPass::new(self.subject.trace, plan);
        let changes = |tensor: &ComparedTensor<'_>| pass.is_changed(tensor.run, tensor.id);
        if !changes(&self.tensors[first]) {
            return false;
        }
        self.tensors.iter().filter(|tensor| !tensor.differs).all(|tensor| {
            let is_changed = pass.is_changed(tensor.run, tensor.id);
            !is_changed || self.tolerance.are_equal(tensor.numbers, pass.values(tensor.run, tensor.id), |at| tensor.terms.entry(at))
        })
    }

    /// Returns the fits that have one more mistake, or the same mistake at more places.
    fn extended(&self, fit: &Fit, go_on: GoOn<'_>) -> Result<Vec<Fit>, Interrupted> {
        let mut all = Vec::new();
        let mut front = vec![fit.clone()];
        while let Some(fit) = front.pop() {
            let Some(next) = fit.matched().iter().position(|matched| !matched) else { continue };
            for longer in self.extensions(&fit, next, go_on)? {
                let is_same = |candidate: &Candidate| candidate.mistake.id == fit.candidates[0].mistake.id;
                if longer.mistakes() == 1 && !longer.is_complete() && longer.candidates.iter().all(is_same) {
                    front.push(longer.clone());
                }
                all.push(longer);
            }
            // `front` has one fit for each further place; no place is added twice
            front.truncate(MAX_FIRST);
        }
        Ok(all)
    }

    /// Returns the fits with one more candidate, which explains the tensor `first`.
    fn extensions(&self, base: &Fit, first: usize, go_on: GoOn<'_>) -> Result<Vec<Fit>, Interrupted> {
        let suspects = self.suspects(first);
        let mut candidates = self.candidates(base, first);
        candidates.retain(|candidate| candidate.edits.iter().any(|edit| suspects.has(edit)));
        let mut fits: Vec<Fit> = Vec::new();
        let total = candidates.len();
        for (done, candidate) in candidates.into_iter().enumerate() {
            if !go_on(done, total) {
                return Err(Interrupted);
            }
            let is_same = |fit: &&Fit| {
                let last = fit.candidates.last().expect("a fit has a candidate");
                last.mistake.id == candidate.mistake.id && last.variant == candidate.variant && fit.is_complete()
            };
            // the same mistake at fewer places explains everything
            if candidate.sites.len() > 1 && fits.iter().any(|fit| is_same(&fit)) {
                continue;
            }
            let plan = base.plan.with(self.subject.trace, &candidate.edits);
            if let Some(matched) = self.matched(&plan, first) {
                fits.push(base.with(candidate, plan, matched));
            }
        }
        Ok(fits)
    }

    /// The ops from which the tensor `first` is computed, without those that it depends on only through tensors that the user has right.
    fn suspects(&self, first: usize) -> Suspects {
        let trace = self.subject.trace;
        let right: HashSet<(usize, Id)> =
            self.tensors.iter().filter(|tensor| !tensor.differs).map(|tensor| (tensor.run, tensor.id)).collect();
        let ComparedTensor { run, id, .. } = self.tensors[first];
        let is_of_sample = trace.runs()[run].sample.is_some();
        let of_batch = if is_of_sample { Vec::new() } else { reaching_ops(trace.network_of(run), id, |_| false) };
        let in_sample = if is_of_sample { Some(id) } else { trace.network().gradient_of(self.tensors[first].gradient.of) };
        // of several samples one may be wrong where another one is right
        let is_right = |id: Id| trace.samples() == 1 && right.contains(&(0, id));
        let of_sample = in_sample.map_or_else(Vec::new, |id| reaching_ops(trace.network(), id, is_right));
        Suspects { of_sample, of_batch }
    }

    /// Compares the pass of a plan with the user's tensors. `None` if a tensor up to `first` stays unexplained, or if the plan changes a tensor that is right.
    fn matched(&self, plan: &Plan, first: usize) -> Option<Vec<bool>> {
        let mut pass = WrongPass::new(self.subject.trace, plan);
        if !pass.is_changed(self.tensors[first].run, self.tensors[first].id) {
            return None;
        }
        let mut matched = Vec::with_capacity(self.tensors.len());
        for (n, tensor) in self.tensors.iter().enumerate() {
            let is_equal = if pass.is_changed(tensor.run, tensor.id) {
                let numbers = pass.values(tensor.run, tensor.id);
                self.tolerance.are_equal(tensor.numbers, numbers, |at| tensor.terms.entry(at))
            } else {
                !tensor.differs
            };
            if !is_equal && (n <= first || !tensor.differs) {
                return None;
            }
            matched.push(is_equal);
        }
        // a wrong rule is wrong in every sample
        let is_in_all = |n: usize| {
            let same = |other: &ComparedTensor<'_>| other.gradient.of == self.tensors[n].gradient.of && other.run != self.tensors[n].run;
            let is_of_sample = |tensor: &ComparedTensor<'_>| self.subject.trace.runs()[tensor.run].sample.is_some();
            !is_of_sample(&self.tensors[n])
                || self.tensors.iter().zip(&matched).all(|(other, matched)| *matched || !is_of_sample(other) || !same(other))
        };
        (plan.changes_given() || is_in_all(first)).then_some(matched)
    }

    /// The candidates that may change the tensor `first`, in the order of the table: each mistake at one place, then at several.
    pub fn candidates(&self, base: &Fit, first: usize) -> Vec<Candidate> {
        let tensor = &self.tensors[first];
        let right = WrongPass::new(self.subject.trace, &base.plan).values(tensor.run, tensor.id).to_vec();
        let wanted =
            Wanted { subject: self.subject, run: tensor.run, id: tensor.id, of: tensor.gradient.of, user: tensor.numbers, right: &right };
        let sites: Vec<Site<'_>> = self.subject.sites().into_iter().filter(|site| self.reaching[site.op]).collect();
        let mut candidates = Vec::new();
        for mistake in MISTAKES {
            let (each, whole) = match mistake.planter {
                Planter::None => (None, None),
                Planter::AtSite(each) => (Some(each), None),
                Planter::InPass(whole) => (None, Some(whole)),
                Planter::Both(each, whole) => (Some(each), Some(whole)),
            };
            candidates.extend(each.into_iter().flat_map(|each| self.at_sites(mistake, each, &sites, base)));
            let planted = whole.into_iter().flat_map(|whole| whole(&wanted));
            candidates.extend(planted.map(|Planted { variant: Variant { name: variant, detail, edits }, at }| Candidate {
                mistake,
                variant,
                detail,
                at,
                edits,
                sites: Vec::new(),
            }));
        }
        candidates
    }

    /// The candidates of a mistake that can be made at each site: at one site, at all, at two, and at all but one.
    fn at_sites(
        &self,
        mistake: &'static Mistake,
        planter: fn(&Site<'_>) -> Vec<Variant>,
        sites: &[Site<'_>],
        base: &Fit,
    ) -> Vec<Candidate> {
        let mut by_variant: Vec<SitesOfVariant> = Vec::new();
        for (n, site) in sites.iter().enumerate() {
            for variant in planter(site) {
                let index = by_variant.iter().position(|(name, _)| *name == variant.name).unwrap_or_else(|| {
                    by_variant.push((variant.name.clone(), Vec::new()));
                    by_variant.len() - 1
                });
                by_variant[index].1.push((n, variant));
            }
        }
        let used: HashSet<usize> = base
            .candidates
            .iter()
            .filter(|candidate| candidate.mistake.id == mistake.id)
            .flat_map(|candidate| candidate.sites.clone())
            .collect();
        let mut candidates = Vec::new();
        for (variant, mut variants) in by_variant {
            variants.retain(|(site, _)| !used.contains(site));
            for set in subsets(variants.len()) {
                let chosen: Vec<&(usize, Variant)> = set.iter().map(|n| &variants[*n]).collect();
                let mut at: Vec<String> = Vec::new();
                // the backward pass goes from the last layer to the first
                for (site, _) in chosen.iter().rev() {
                    let name = self.subject.place_of(sites[*site].y);
                    if !at.contains(&name) {
                        at.push(name);
                    }
                }
                candidates.push(Candidate {
                    mistake,
                    variant: variant.clone(),
                    detail: chosen[0].1.detail.clone(),
                    at,
                    edits: chosen.iter().flat_map(|(_, variant)| variant.edits.clone()).collect(),
                    sites: chosen.iter().map(|(site, _)| *site).collect(),
                });
            }
        }
        candidates
    }
}

/// Sets of sites: each single site, and all sites; if there are few, also each pair and all but one.
fn subsets(count: usize) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<usize>> = (0..count).map(|n| vec![n]).collect();
    if count > 1 {
        sets.push((0..count).collect());
    }
    if (3..=MAX_PAIRED_SITES).contains(&count) {
        sets.extend((0..count).flat_map(|n| (n + 1..count).map(move |m| vec![n, m])));
    }
    if (4..=MAX_PAIRED_SITES).contains(&count) {
        sets.extend((0..count).map(|n| (0..count).filter(|m| *m != n).collect()));
    }
    sets
}

/// Keeps the fits that explain most, and of those the ones with the fewest mistakes. A general mistake, such as a factor, is kept only if no specific mistake explains
/// as much. If the same mistake at several places gives the same numbers, only the first place is kept.
fn best(mut fits: Vec<Fit>) -> Vec<Fit> {
    let most = fits.iter().map(Fit::explained).max().unwrap_or(0);
    if fits.iter().any(Fit::is_complete) {
        fits.retain(Fit::is_complete);
        // a fitted number is not needed if another mistake explains the numbers
        if !fits.iter().all(Fit::is_fitted) {
            fits.retain(|fit| !fit.is_fitted());
        }
        let fewest = fits.iter().map(Fit::mistakes).min().unwrap_or(0);
        fits.retain(|fit| fit.mistakes() == fewest);
    }
    fits.sort_by_key(|fit| (most - fit.explained(), fit.is_fitted(), fit.mistakes(), fit.specificities(), fit.candidates.len()));
    let mut seen = HashSet::new();
    fits.retain(|fit| {
        let name = |candidate: &Candidate| {
            let at = if candidate.mistake.specificity == Specificity::Rule { candidate.at.clone() } else { Vec::new() };
            (candidate.mistake.id, candidate.variant.clone(), at)
        };
        seen.insert((fit.candidates.iter().map(name).collect::<Vec<_>>(), fit.matched().to_vec()))
    });
    fits
}
