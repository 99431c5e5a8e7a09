//! The results of the search: a *candidate* is a mistake at some places of the network, and a *fit* is a list of candidates that together give numbers of the
//! user.

use std::collections::HashSet;

use super::mistake::{Mistake, Specificity};
use super::plan::{PassChange, Plan};
use crate::diff::{Gradient, TermSums};
use crate::network::Id;

/// A tensor of the user, with everything that a comparison with the numbers of a mistake needs.
#[derive(Debug)]
pub(super) struct ComparedTensor<'a> {
    /// The index in the user's list.
    pub index: usize,
    /// The run that computes the right tensor.
    pub run: usize,
    /// The right tensor in the network of the run.
    pub id: Id,
    pub gradient: Gradient,
    /// The user's numbers.
    pub numbers: &'a [f64],
    /// Whether they are different from the right ones.
    pub differs: bool,
    pub terms: TermSums<'a>,
}

impl ComparedTensor<'_> {
    /// Whether all of the user's numbers are finite.
    pub fn is_finite(&self) -> bool {
        self.numbers.iter().all(|number| number.is_finite())
    }
}

/// A mistake at some places.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub mistake: &'static Mistake,
    /// The name of the variant, if the mistake has several.
    pub variant: Option<String>,
    /// The end of the sentence about the mistake, for this variant.
    pub detail: String,
    /// The names of the places.
    pub at: Vec<String>,
    pub edits: Vec<PassChange>,
    /// The indices of the changed sites; empty for a mistake of the whole pass.
    pub sites: Vec<usize>,
}

/// Candidates that together give numbers of the user.
#[derive(Clone, Debug, Default)]
pub(super) struct Fit {
    pub candidates: Vec<Candidate>,
    pub plan: Plan,
    /// `history[k][i]` says whether the user's tensor i has the numbers of the pass with the first k candidates.
    pub history: Vec<Vec<bool>>,
    /// The wrong tensors that nothing explains, and whose numbers are taken from the user.
    pub taken: Vec<usize>,
    /// The wrong tensors that follow from the `taken` ones: the pass computes the user's numbers for them from the user's numbers of the `taken` ones.
    pub consequences: Vec<usize>,
}

impl Fit {
    /// The fit without candidates. `right` says for each of the user's tensors whether it is right.
    pub fn new(right: Vec<bool>) -> Self {
        Self { history: vec![right], ..Self::default() }
    }

    /// The index of the first of the user's tensors that has other numbers than the pass.
    pub fn next_wrong(&self) -> Option<usize> {
        self.matched().iter().position(|matched| !matched)
    }

    /// For each of the user's tensors, whether its numbers are those of the pass with all candidates.
    pub fn matched(&self) -> &[bool] {
        self.history.last().map_or(&[], Vec::as_slice)
    }

    /// Whether all of the user's tensors have the numbers of the pass.
    pub fn is_complete(&self) -> bool {
        self.matched().iter().all(|matched| *matched)
    }

    /// The number of the user's tensors that have the numbers of the pass.
    pub fn explained(&self) -> usize {
        self.matched().iter().filter(|matched| **matched).count()
    }

    /// The number of mistakes that a user would count. The same wrong rule at several places is one mistake; another factor, or the same factor at another kind
    /// of place, is another one.
    pub fn mistakes(&self) -> usize {
        let name = |candidate: &Candidate| (candidate.mistake.id, candidate.variant.clone(), candidate.detail.clone());
        self.candidates.iter().map(name).collect::<HashSet<_>>().len()
    }

    /// Whether all candidates are the same mistake of the table, perhaps in several variants.
    pub fn is_one_mistake(&self) -> bool {
        self.candidates.windows(2).all(|pair| pair[0].mistake.id == pair[1].mistake.id)
    }

    /// The specificity of each candidate, the least specific first.
    pub fn specificities(&self) -> Vec<Specificity> {
        let mut all: Vec<Specificity> = self.candidates.iter().map(|candidate| candidate.mistake.specificity).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all
    }

    /// Whether a candidate has a number that is fitted to the user's numbers.
    pub fn has_fitted_number(&self) -> bool {
        self.candidates.iter().any(|candidate| candidate.mistake.specificity == Specificity::Fitted)
    }

    /// Returns this fit with one more candidate. `plan` and `matched` are those of the longer list.
    pub fn with(&self, candidate: Candidate, plan: Plan, matched: Vec<bool>) -> Self {
        let candidates = self.candidates.iter().cloned().chain([candidate]).collect();
        let history = self.history.iter().cloned().chain([matched]).collect();
        Self { candidates, plan, history, ..self.clone() }
    }

    /// Returns this fit with the user's numbers of further unexplained tensors. `plan` and `matched` are those with these numbers.
    pub fn taking(&self, taken: &[usize], plan: Plan, matched: Vec<bool>) -> Self {
        let mut fit = Self { plan, ..self.clone() };
        let is_new = |at: &usize| matched[*at] && !self.matched()[*at] && !taken.contains(at);
        fit.consequences.extend((0..matched.len()).filter(is_new));
        fit.taken.extend(taken);
        fit.history.pop();
        fit.history.push(matched);
        fit
    }

    /// Returns whether a candidate, not the user's own numbers, gives the numbers of a tensor.
    pub fn explains(&self, at: usize) -> bool {
        self.matched()[at] && !self.taken.contains(&at) && !self.consequences.contains(&at)
    }
}

/// Sorts fits, the best first. If some explain everything, keeps only those with the fewest mistakes. Of these, a fit with a fitted number is kept only if all
/// have one.
pub(super) fn ranked(mut fits: Vec<Fit>) -> Vec<Fit> {
    let most_explained = fits.iter().map(Fit::explained).max().unwrap_or(0);
    if fits.iter().any(Fit::is_complete) {
        fits.retain(Fit::is_complete);
        // one mistake with a fitted number, such as a factor of 4, is likelier than two others that happen to give it, such as 8 and ½
        let fewest = fits.iter().map(Fit::mistakes).min().unwrap_or(0);
        fits.retain(|fit| fit.mistakes() == fewest);
        // a fitted number is not needed if another mistake explains the numbers
        if !fits.iter().all(Fit::has_fitted_number) {
            fits.retain(|fit| !fit.has_fitted_number());
        }
    }
    fits.sort_by_key(|fit| {
        (most_explained - fit.explained(), fit.has_fitted_number(), fit.mistakes(), fit.specificities(), fit.candidates.len())
    });
    fits
}

/// As [`ranked`]. A factor gives the same numbers at several places: only the first place is kept.
pub(super) fn best(fits: Vec<Fit>) -> Vec<Fit> {
    let mut fits = ranked(fits);
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
