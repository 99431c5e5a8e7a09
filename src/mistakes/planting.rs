//! The types of the functions that plant a mistake: they return the changes of ops.

use super::plan::Edit;
use super::site::{Site, Subject};
use crate::network::Id;

/// One variant of a mistake: its wrong rule as edits of ops.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// The name of the rule, if the mistake has several.
    pub variant: Option<String>,
    /// A clause about this rule, which follows the words of the mistake.
    pub detail: String,
    pub edits: Vec<Edit>,
}

impl Way {
    /// The only rule of a mistake.
    pub fn only(edit: Edit) -> Self {
        Self { variant: None, detail: String::new(), edits: vec![edit] }
    }

    /// One of several rules, with words about it.
    pub fn variant(name: impl Into<String>, detail: impl Into<String>, edits: impl Into<Vec<Edit>>) -> Self {
        Self { variant: Some(name.into()), detail: detail.into(), edits: edits.into() }
    }

    /// This way at these places.
    pub fn at(self, at: Vec<String>) -> Planted {
        Planted { way: self, at }
    }
}

/// A variant of a mistake with the names of its places; no names if it concerns the whole pass.
#[derive(Clone, Debug)]
pub(super) struct Planted {
    pub way: Way,
    pub at: Vec<String>,
}

/// The tensor that a mistake should explain, with its numbers in the pass with the mistakes that are found already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub subject: Subject<'a>,
    /// The run that computes the tensor.
    pub run: usize,
    /// The tensor in the network of the run.
    pub id: Id,
    /// The tensor x in the samples' network, if the tensor is ∂C/∂x.
    pub of: Id,
    /// The user's numbers.
    pub mine: &'a [f64],
    pub right: &'a [f64],
}

/// The possible places of a mistake, and the function that plants it there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Made {
    /// Nowhere: the mistake is known only for predicted numbers.
    Never,
    /// In a part of a backward op.
    Each(fn(&Site<'_>) -> Vec<Way>),
    /// In the whole pass, or at places that the function chooses.
    Whole(fn(&Wanted<'_>) -> Vec<Planted>),
    /// In a part of a backward op, and in the whole pass.
    Both(fn(&Site<'_>) -> Vec<Way>, fn(&Wanted<'_>) -> Vec<Planted>),
}
