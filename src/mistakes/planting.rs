//! The types of the functions that plant a mistake in a backward pass. Each row of the table has such a function: it returns the wrong rules as changes of ops.

use super::plan::PassChange;
use super::site::{RightIteration, Site};
use crate::network::Id;

/// One variant of a mistake: a wrong rule, as changes of ops. Most mistakes have only one.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    /// The name of the variant; `None` for a mistake with a single wrong rule.
    pub name: Option<String>,
    /// The end of the sentence about the mistake, for this variant: ` over the 4 samples` after `a sum is taken`. The names of the places ([`Planted::at`])
    /// replace `{}` in it.
    pub detail: String,
    /// The changes of ops that make the mistake.
    pub edits: Vec<PassChange>,
}

impl Variant {
    /// A variant without a name, with one change.
    pub fn unnamed(edit: PassChange) -> Self {
        Self { name: None, detail: String::new(), edits: vec![edit] }
    }

    /// One of several variants.
    pub fn named(name: impl Into<String>, detail: impl Into<String>, edits: impl Into<Vec<PassChange>>) -> Self {
        Self { name: Some(name.into()), detail: detail.into(), edits: edits.into() }
    }

    /// Returns this variant with the names of the places that it changes.
    pub fn at(self, at: Vec<String>) -> Planted {
        Planted { variant: self, at }
    }
}

/// A variant of a mistake with the names of its places. There are no names if the mistake concerns the whole pass.
#[derive(Clone, Debug)]
pub(super) struct Planted {
    pub variant: Variant,
    pub at: Vec<String>,
}

/// The user's wrong tensor that the search explains at the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrongTensor<'a> {
    pub iteration: RightIteration<'a>,
    /// The run that computes the tensor.
    pub run: usize,
    /// The tensor in the network of the run.
    pub id: Id,
    /// The tensor x in the samples' network, if the wrong tensor is ∂C/∂x.
    pub of: Id,
    /// The user's numbers.
    pub user: &'a [f64],
    /// The numbers in the pass with the mistakes that the search has found so far. Without such mistakes these are the right numbers.
    pub right: &'a [f64],
}

/// The function that plants a mistake, by the places where the mistake is possible.
#[derive(Clone, Copy, Debug)]
pub(super) enum Planter {
    /// No function: the mistake is known only for predicted numbers.
    None,
    /// A function that is called for each part of a backward op. It returns no variant if the mistake is not possible there.
    AtSite(fn(&Site<'_>) -> Vec<Variant>),
    /// A function that is called once. It changes the whole pass, or chooses the places itself.
    InPass(fn(&WrongTensor<'_>) -> Vec<Planted>),
    /// One function of each kind.
    Both(fn(&Site<'_>) -> Vec<Variant>, fn(&WrongTensor<'_>) -> Vec<Planted>),
}
