//! The causes: the mistakes that a search has found, with the words about them.

use super::apart::FitSeparator;
use super::fit::{ComparedTensor, Fit};
use super::plan::{PassChange, Plan, WrongPass};
use super::site::RightIteration;
use super::wrong_rule::all_terms;
use crate::diff::{Tolerance, largest};
use crate::network::Op;
use crate::op::rule::{Arg, Operands, Origin, Term};
use crate::op::slot::Slot;
use crate::step::TensorEntry;
use crate::trace::Trace;

/// A mistake that explains some of the user's tensors.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The name of the mistake: `kernel-not-flipped`.
    pub id: &'static str,
    /// The name of the variant, if the mistake has several.
    pub variant: Option<String>,
    /// The names of the layers with the mistake, or of the tensors in a graph; empty if it concerns the whole pass.
    pub at: Vec<String>,
    /// The number of the group, from 1. The causes of one group act together. Each group is an alternative explanation.
    pub group: usize,
    /// `true` if the group is an earlier group in other words: the same ops with the same numbers, for all weights and inputs.
    pub is_restated: bool,
    /// `true` if it gives the user's numbers only together with the earlier mistakes of its group.
    pub needs_others: bool,
    /// The tensors that it explains, as indices in the user's list.
    pub explains: Vec<usize>,
    /// A clause about the wrong rule.
    pub words: String,
    /// A clause about the right rule; empty if `words` is enough.
    pub right: &'static str,
    /// Other mistakes that give the same numbers: `kernel-flipped at conv2`. The best group has the first alternatives here, any other group has the best one.
    pub same: Vec<String>,
    /// A clause about a gradient, or a change of the network, that separates these mistakes; empty if nothing is known.
    pub told_apart_by: String,
    /// The ops with the mistake.
    pub ops: Vec<WrongOp>,
}

/// An op with a mistake.
#[derive(Clone, Debug)]
pub struct WrongOp {
    /// `true` for an op of the batch, `false` for an op of each sample.
    pub is_of_batch: bool,
    /// The number of the op in its network.
    pub op: usize,
    /// The op with the wrong rule.
    pub(super) wrong: Op,
}

/// An entry as a wrong rule computes it.
#[derive(Clone, Debug, PartialEq)]
pub struct WrongEntry {
    /// The wrong number: the sum of `terms`.
    pub value: f64,
    /// The terms that the rule adds up.
    pub terms: Vec<WrongTerm>,
}

/// A term of a wrong rule.
#[derive(Clone, Debug, PartialEq)]
pub struct WrongTerm {
    /// The term. The origins of its factors name the slots of the part.
    pub term: Term,
    /// For each factor, the entry that it was read from; `None` for a constant or a slice.
    pub sources: Vec<Option<TensorEntry>>,
}

impl Cause {
    /// Returns the clauses about the wrong rule and, if `words` is not enough, the right one.
    #[must_use]
    pub fn rules(&self) -> Vec<String> {
        let right = Some(self.right).filter(|right| !right.is_empty()).map(|right| format!("right: {right}"));
        std::iter::once(self.words.clone()).chain(right).collect()
    }
}

impl WrongOp {
    /// Computes an entry with the wrong rule and the right operands. `None` if the run does not have this op.
    #[must_use]
    pub fn entry(&self, trace: &Trace, run: usize, entry: usize) -> Option<WrongEntry> {
        let is_of_batch = trace.runs().get(run)?.sample.is_none();
        if is_of_batch != self.is_of_batch {
            return None;
        }
        let values = trace.run(run);
        // -0.0 + x is x, even for x = -0.0; the `+ 0.0` below turns a -0.0 into 0.0
        let (mut terms, mut value) = (Vec::new(), -0.0);
        for part in &self.wrong.parts {
            let tensors = part.operands.map(|id| values.values(id));
            let memo = part.rule.memo(&tensors);
            let x = Operands { tensors, memo: &memo };
            for term in all_terms(part.rule.as_ref(), &x, entry) {
                value += term.value;
                let sources = term.args.iter().map(|arg| read_entry(arg).map(|(slot, at)| TensorEntry { tensor: part.operands[slot], at }));
                terms.push(WrongTerm { sources: sources.collect(), term });
            }
        }
        Some(WrongEntry { value: value + 0.0, terms })
    }

    /// Returns the first entry of a run for which the wrong rule gives another number than the right one, from the right operands. `None` if there is no such
    /// entry, or if the run does not have this op.
    #[must_use]
    pub fn first_changed(&self, trace: &Trace, run: usize, tolerance: Tolerance) -> Option<TensorEntry> {
        let is_of_batch = trace.runs().get(run)?.sample.is_none();
        if is_of_batch != self.is_of_batch {
            return None;
        }
        let (values, tensor) = (trace.run(run), self.wrong.output);
        let right = values.values(tensor);
        let mut sums = vec![0.0; right.len()];
        self.wrong.compute(|id| values.values(id), &mut sums);
        let largest = largest(right);
        let changed = sums.iter().zip(right).position(|(wrong, right)| !tolerance.is_equal(*wrong, *right, largest, || 0.0));
        changed.map(|at| TensorEntry { tensor, at })
    }
}

/// Returns the slot and the position of the entry that a factor was read from.
fn read_entry(arg: &Arg) -> Option<(Slot, usize)> {
    match arg.origin {
        Origin::Entry { slot, at } | Origin::Derived { slot, at, .. } => Some((slot, at)),
        Origin::Slice { .. } | Origin::Constant => None,
    }
}

/// Returns the causes of alternative fits. The best fit comes first.
pub(super) fn alternatives(
    iteration: &RightIteration<'_>,
    tensors: &[ComparedTensor<'_>],
    tolerance: Tolerance,
    fits: Vec<Fit>,
) -> Vec<Cause> {
    let fits = like_the_best(fits);
    let separator = FitSeparator::new(*iteration, tensors, tolerance);
    let restated = separator.restated(&fits);
    let apart = separator.sentences(&fits, &restated);
    let mut causes = Vec::new();
    for (n, (fit, apart)) in fits.iter().zip(&apart).enumerate() {
        let is_restated = restated[n];
        let of_fit = of_fit(iteration, tensors, fit, tolerance, (n + 1, same_numbers(&fits, n), apart));
        causes.extend(of_fit.into_iter().map(|cause| Cause { is_restated, ..cause }));
    }
    causes
}

/// The largest number of alternatives that are kept.
const MAX_GROUPS: usize = 100;

/// Returns the best fit, which is the first one, and the fits that explain the same tensors as it does.
fn like_the_best(mut fits: Vec<Fit>) -> Vec<Fit> {
    if let Some(best) = fits.first().map(|best| best.matched().to_vec()) {
        fits.retain(|fit| fit.matched() == best);
    }
    fits.truncate(MAX_GROUPS);
    fits
}

/// The largest number of other fits that are named.
const MAX_NAMED: usize = 3;

/// Returns the names of other fits with the same numbers as the fit at `index`: the next ones for the best fit, and the best one for any other fit.
fn same_numbers(fits: &[Fit], index: usize) -> Vec<String> {
    if index > 0 { vec![name(&fits[0])] } else { fits[1..].iter().take(MAX_NAMED).map(name).collect() }
}

/// The names of the mistakes of a fit.
fn name(fit: &Fit) -> String {
    let mut names: Vec<String> = Vec::new();
    for candidate in &fit.candidates {
        let name = match candidate.at.as_slice() {
            [] => candidate.mistake.id.to_owned(),
            at => format!("{} at {}", candidate.mistake.id, at.join(", ")),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" with ")
}

/// Returns the causes of one fit: one for each mistake, with all its places.
fn of_fit(
    iteration: &RightIteration<'_>,
    tensors: &[ComparedTensor<'_>],
    fit: &Fit,
    tolerance: Tolerance,
    (group, same, apart): (usize, Vec<String>, &str),
) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    // the ends of the causes' words. Places with different ends are different causes
    let mut details: Vec<&str> = Vec::new();
    let mut edits: Vec<Vec<PassChange>> = Vec::new();
    for (n, candidate) in fit.candidates.iter().enumerate() {
        let plan = Plan::default().with(iteration.trace, &candidate.edits);
        let is_last = n + 1 == fit.candidates.len();
        // a mistake explains the tensors that have the user's numbers with it and the earlier mistakes, but not yet without it; the last one explains the rest
        let is_explained = |at: &usize| {
            let is_explained_before = (1..=n).any(|count| fit.history[count][*at]);
            tensors[*at].differs && fit.explains(*at) && !is_explained_before && (is_last || fit.history[n + 1][*at])
        };
        let explains = (0..tensors.len()).filter(is_explained).map(|at| tensors[at].index);
        let ops = plan.changed_ops().map(|(is_of_batch, op, wrong)| WrongOp { is_of_batch, op, wrong: wrong.clone() });
        let is_same = |(cause, detail): (&Cause, &&str)| {
            cause.id == candidate.mistake.id && cause.variant == candidate.variant && *detail == candidate.detail
        };
        if let Some(earlier) = causes.iter().zip(&details).position(is_same) {
            edits[earlier].extend(candidate.edits.iter().cloned());
            let cause = &mut causes[earlier];
            cause.explains.extend(explains);
            // the names begin with the first layer, but the search finds a mistake at the last layer first
            cause.at.splice(0..0, candidate.at.iter().filter(|at| !cause.at.contains(at)).cloned().collect::<Vec<_>>());
            cause.ops.extend(ops);
            cause.words = candidate.mistake.words_of_variant(&cause.at, &candidate.detail);
            continue;
        }
        details.push(&candidate.detail);
        edits.push(candidate.edits.clone());
        causes.push(Cause {
            id: candidate.mistake.id,
            variant: candidate.variant.clone(),
            at: candidate.at.clone(),
            group,
            is_restated: false,
            needs_others: false,
            explains: explains.collect(),
            words: candidate.mistake.words_of_variant(&candidate.at, &candidate.detail),
            right: candidate.mistake.right,
            same: same.clone(),
            told_apart_by: apart.to_owned(),
            ops: ops.collect(),
        });
    }
    // the first mistake of a group needs no earlier ones
    for (cause, edits) in causes.iter_mut().zip(&edits).skip(1) {
        let plan = Plan::default().with(iteration.trace, edits);
        let mut pass = WrongPass::new(iteration.trace, &plan);
        let mut explained = tensors.iter().filter(|tensor| cause.explains.contains(&tensor.index));
        cause.needs_others =
            !explained.all(|tensor| tolerance.are_equal(tensor.numbers, pass.values(tensor.run, tensor.id), |at| tensor.terms.entry(at)));
    }
    causes
}
