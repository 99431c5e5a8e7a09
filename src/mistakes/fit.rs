//! A candidate is a mistake at some places of the network. A fit is the candidates that together explain tensors of the user.

use std::collections::HashSet;

use super::mistake::{Mistake, Says};
use super::plan::{Edit, Plan};
use crate::diff::{Gradient, TermSums};
use crate::network::Id;

/// A tensor of the user that is compared with the numbers of mistakes.
#[derive(Debug)]
pub(super) struct Mine<'a> {
    /// The index in the user's list.
    pub index: usize,
    /// The run that computes the right tensor.
    pub run: usize,
    /// The right tensor in the network of the run.
    pub id: Id,
    pub gradient: Gradient,
    /// The user's numbers.
    pub numbers: &'a [f64],
    /// Whether it is different from the right one.
    pub differs: bool,
    pub terms: TermSums<'a>,
}

/// A mistake at its places.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub mistake: &'static Mistake,
    pub variant: Option<String>,
    /// A clause about the variant.
    pub detail: String,
    /// The names of the places.
    pub at: Vec<String>,
    pub edits: Vec<Edit>,
    /// The numbers of the sites with the mistake; empty for a mistake of the whole pass.
    pub sites: Vec<usize>,
}

/// Mistakes that together explain tensors.
#[derive(Clone, Debug, Default)]
pub(super) struct Fit {
    pub candidates: Vec<Candidate>,
    pub plan: Plan,
    /// For each of the user's tensors, whether its numbers equal those of the pass: first without a mistake, then after each candidate is added.
    pub history: Vec<Vec<bool>>,
}

impl Fit {
    /// For each of the user's tensors, whether its numbers equal those of the pass with all candidates.
    pub fn matched(&self) -> &[bool] {
        self.history.last().map_or(&[], Vec::as_slice)
    }

    /// Whether all of the user's tensors are explained.
    pub fn is_complete(&self) -> bool {
        self.matched().iter().all(|matched| *matched)
    }

    /// The number of the user's tensors that are explained.
    pub fn explained(&self) -> usize {
        self.matched().iter().filter(|matched| **matched).count()
    }

    /// The number of mistakes, each counted once.
    pub fn mistakes(&self) -> usize {
        self.candidates.iter().map(|candidate| candidate.mistake.id).collect::<HashSet<_>>().len()
    }

    /// The kind of explanation of each candidate, the least specific first.
    pub fn says(&self) -> Vec<Says> {
        let mut says: Vec<Says> = self.candidates.iter().map(|candidate| candidate.mistake.says).collect();
        says.sort_unstable_by(|one, other| other.cmp(one));
        says
    }

    /// The same fit with one more candidate.
    pub fn with(&self, candidate: Candidate, plan: Plan, matched: Vec<bool>) -> Self {
        let candidates = self.candidates.iter().cloned().chain([candidate]).collect();
        let history = self.history.iter().cloned().chain([matched]).collect();
        Self { candidates, plan, history }
    }
}
