//! The search for the mistakes that explain the gradients of a user.
//!
//! A candidate is a mistake at one place or at several places. The backward pass is computed with the changed ops ([`Plan`]), and compared with the user's tensors in
//! the order of computation. The candidate must explain the first wrong tensor, and must not change a tensor that the user has right. If later tensors stay
//! unexplained, a second mistake is searched in a pass that already has the first.

use std::collections::HashSet;

use super::cause::{Cause, alternatives};
use super::fit::{Candidate, Fit, Mine};
use super::mistake::{Mistake, Says};
use super::plan::{Edit, Ops, Plan, WrongPass};
use super::planting::{Made, Planted, Wanted, Way};
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

/// Returns the mistakes that explain the differences between the user's tensors and the right ones, the best first. `mine` must be in the order of computation,
/// as in `report`. Numbers of a mistake are the user's if they are equal within the tolerance. Without a learning rate, no mistake with the learning rate is
/// tried.
///
/// # Errors
/// If `go_on` returns `false`.
pub fn causes(
    trace: &Trace,
    mine: &[UserTensor],
    report: &Report,
    tolerance: Tolerance,
    learning_rate: Option<f64>,
    go_on: GoOn<'_>,
) -> Result<Vec<Cause>, Interrupted> {
    let compared = mine.iter().zip(&report.tensors).enumerate().filter_map(|(index, (tensor, comparison))| {
        let differs = match comparison.status {
            Status::Equal => false,
            Status::Different | Status::NotFinite => true,
            Status::Shape => return None,
        };
        let (run, id) = tensor.gradient.find(trace)?;
        let numbers = tensor.values.as_ref().ok()?.as_slice();
        Some(Mine { index, run, id, gradient: tensor.gradient, numbers, differs, terms: TermSums::of(trace, tensor.gradient) })
    });
    let mine: Vec<Mine<'_>> = compared.collect();
    let Some(first) = mine.iter().position(|mine| mine.differs) else { return Ok(Vec::new()) };
    if is_all_zero(&mine) {
        return Ok(Vec::new());
    }
    let subject = Subject { trace, network: trace.network(), learning_rate };
    let search = Search::new(subject, &mine, tolerance);
    let fits = search.fits(first, go_on)?;
    Ok(alternatives(&subject, &mine, tolerance, fits))
}

/// Returns whether several tensors are wrong and all their numbers are 0. Every mistake that loses the error gives these numbers, so they point to no particular mistake.
fn is_all_zero(mine: &[Mine<'_>]) -> bool {
    let mut wrong = mine.iter().filter(|mine| mine.differs);
    wrong.clone().nth(1).is_some() && wrong.all(|mine| mine.numbers.iter().all(|number| *number == 0.0))
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
fn reaching(subject: &Subject<'_>, mine: &[Mine<'_>]) -> Vec<bool> {
    let network = subject.network;
    let mut reaches = vec![false; network.tensors().len()];
    for mine in mine {
        // a gradient of the batch comes from the samples' gradient of the same tensor
        if let Some(gradient) = network.gradient_of(mine.gradient.of) {
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
type Variant = (Option<String>, Vec<(usize, Way)>);

/// A search of mistakes that explain tensors.
pub(super) struct Search<'a> {
    subject: Subject<'a>,
    mine: &'a [Mine<'a>],
    tolerance: Tolerance,
    reaching: Vec<bool>,
}

impl<'a> Search<'a> {
    /// Prepares the search.
    pub fn new(subject: Subject<'a>, mine: &'a [Mine<'a>], tolerance: Tolerance) -> Self {
        Self { subject, mine, tolerance, reaching: reaching(&subject, mine) }
    }

    /// Returns the fits, the best first: those that explain everything, or else those that explain most.
    fn fits(&self, first: usize, go_on: GoOn<'_>) -> Result<Vec<Fit>, Interrupted> {
        let start = Fit { history: vec![self.mine.iter().map(|mine| !mine.differs).collect()], ..Fit::default() };
        let says_why = |fit: &&Fit| fit.says().first() != Some(&Says::Numbers);
        let singles = self.extensions(&start, first, go_on)?;
        if singles.iter().filter(says_why).any(Fit::is_complete) {
            return Ok(best(singles));
        }
        let mut all = Vec::new();
        if singles.iter().all(|fit| !says_why(&fit)) {
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
            longer.retain(|fit| fit.explained() > explained && fit.says().first() != Some(&Says::Numbers));
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
            candidate.sites.len() < 2 && candidate.mistake.says != Says::Numbers && self.is_possible(&plan, first)
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
        let changes = |mine: &Mine<'_>| pass.is_changed(mine.run, mine.id);
        if !changes(&self.mine[first]) {
            return false;
        }
        self.mine.iter().filter(|mine| !mine.differs).all(|mine| {
            let is_changed = pass.is_changed(mine.run, mine.id);
            !is_changed || self.tolerance.are_equal(mine.numbers, pass.values(mine.run, mine.id), |at| mine.terms.entry(at))
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
        let right: HashSet<(usize, Id)> = self.mine.iter().filter(|mine| !mine.differs).map(|mine| (mine.run, mine.id)).collect();
        let Mine { run, id, .. } = self.mine[first];
        let is_of_sample = trace.sample_runs()[run].sample.is_some();
        let of_batch = if is_of_sample { Vec::new() } else { reaching_ops(trace.network_of(run), id, |_| false) };
        let in_sample = if is_of_sample { Some(id) } else { trace.network().gradient_of(self.mine[first].gradient.of) };
        // of several samples one may be wrong where another one is right
        let is_right = |id: Id| trace.samples() == 1 && right.contains(&(0, id));
        let of_sample = in_sample.map_or_else(Vec::new, |id| reaching_ops(trace.network(), id, is_right));
        Suspects { of_sample, of_batch }
    }

    /// Compares the pass of a plan with the user's tensors. `None` if a tensor up to `first` stays unexplained, or if the plan changes a tensor that is right.
    fn matched(&self, plan: &Plan, first: usize) -> Option<Vec<bool>> {
        let mut pass = WrongPass::new(self.subject.trace, plan);
        if !pass.is_changed(self.mine[first].run, self.mine[first].id) {
            return None;
        }
        let mut matched = Vec::with_capacity(self.mine.len());
        for (n, mine) in self.mine.iter().enumerate() {
            let is_equal = if pass.is_changed(mine.run, mine.id) {
                let numbers = pass.values(mine.run, mine.id);
                self.tolerance.are_equal(mine.numbers, numbers, |at| mine.terms.entry(at))
            } else {
                !mine.differs
            };
            if !is_equal && (n <= first || !mine.differs) {
                return None;
            }
            matched.push(is_equal);
        }
        // a wrong rule is wrong in every sample
        let is_in_all = |n: usize| {
            let same = |other: &Mine<'_>| other.gradient.of == self.mine[n].gradient.of && other.run != self.mine[n].run;
            let is_of_sample = |mine: &Mine<'_>| self.subject.trace.sample_runs()[mine.run].sample.is_some();
            !is_of_sample(&self.mine[n])
                || self.mine.iter().zip(&matched).all(|(other, matched)| *matched || !is_of_sample(other) || !same(other))
        };
        (plan.changes_given() || is_in_all(first)).then_some(matched)
    }

    /// The candidates that may change the tensor `first`, in the order of the table: each mistake at one place, then at several.
    pub fn candidates(&self, base: &Fit, first: usize) -> Vec<Candidate> {
        let mine = &self.mine[first];
        let right = WrongPass::new(self.subject.trace, &base.plan).values(mine.run, mine.id).to_vec();
        let wanted = Wanted { subject: self.subject, run: mine.run, id: mine.id, of: mine.gradient.of, mine: mine.numbers, right: &right };
        let sites: Vec<Site<'_>> = self.subject.sites().into_iter().filter(|site| self.reaching[site.op]).collect();
        let mut candidates = Vec::new();
        for mistake in MISTAKES {
            let (each, whole) = match mistake.made {
                Made::Never => (None, None),
                Made::Each(each) => (Some(each), None),
                Made::Whole(whole) => (None, Some(whole)),
                Made::Both(each, whole) => (Some(each), Some(whole)),
            };
            candidates.extend(each.into_iter().flat_map(|each| self.at_sites(mistake, each, &sites, base)));
            let planted = whole.into_iter().flat_map(|whole| whole(&wanted));
            candidates.extend(planted.map(|Planted { way: Way { variant, detail, edits }, at }| Candidate {
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
    fn at_sites(&self, mistake: &'static Mistake, made: fn(&Site<'_>) -> Vec<Way>, sites: &[Site<'_>], base: &Fit) -> Vec<Candidate> {
        let mut by_variant: Vec<Variant> = Vec::new();
        for (n, site) in sites.iter().enumerate() {
            for way in made(site) {
                let index = by_variant.iter().position(|(variant, _)| *variant == way.variant).unwrap_or_else(|| {
                    by_variant.push((way.variant.clone(), Vec::new()));
                    by_variant.len() - 1
                });
                by_variant[index].1.push((n, way));
            }
        }
        let used: HashSet<usize> = base
            .candidates
            .iter()
            .filter(|candidate| candidate.mistake.id == mistake.id)
            .flat_map(|candidate| candidate.sites.clone())
            .collect();
        let mut candidates = Vec::new();
        for (variant, mut ways) in by_variant {
            ways.retain(|(site, _)| !used.contains(site));
            for set in subsets(ways.len()) {
                let chosen: Vec<&(usize, Way)> = set.iter().map(|n| &ways[*n]).collect();
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
                    edits: chosen.iter().flat_map(|(_, way)| way.edits.clone()).collect(),
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
    let says_why = |fit: &Fit| fit.says().first() != Some(&Says::Numbers);
    if fits.iter().any(Fit::is_complete) {
        fits.retain(Fit::is_complete);
        // a pattern is not needed if a mistake explains the numbers
        if fits.iter().any(says_why) {
            fits.retain(says_why);
        }
        let fewest = fits.iter().map(Fit::mistakes).min().unwrap_or(0);
        fits.retain(|fit| fit.mistakes() == fewest);
    }
    fits.sort_by_key(|fit| (most - fit.explained(), !says_why(fit), fit.mistakes(), fit.says(), fit.candidates.len()));
    let mut seen = HashSet::new();
    fits.retain(|fit| {
        let name = |candidate: &Candidate| {
            let at = if candidate.mistake.says == Says::Rule { candidate.at.clone() } else { Vec::new() };
            (candidate.mistake.id, candidate.variant.clone(), at)
        };
        seen.insert((fit.candidates.iter().map(name).collect::<Vec<_>>(), fit.matched().to_vec()))
    });
    fits
}
