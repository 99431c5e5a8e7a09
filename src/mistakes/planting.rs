//! The form of a row that plants a mistake: the changes of ops that make it.

use super::plan::Edit;
use super::site::{Site, Subject};
use crate::network::Id;

/// One way to make a mistake.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// The name of the rule, if the mistake has several.
    pub variant: Option<String>,
    /// Words about this rule, which follow the words of the mistake.
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

/// A mistake with the names of the places where it is made; none if it concerns the whole pass.
#[derive(Clone, Debug)]
pub(super) struct Planted {
    pub way: Way,
    pub at: Vec<String>,
}

/// The tensor that a mistake should explain, with the numbers that the pass so far has for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub subject: Subject<'a>,
    /// The run that computes the tensor.
    pub run: usize,
    /// The tensor in the network of the run.
    pub id: Id,
    /// The tensor in the samples' network of which it is the gradient.
    pub of: Id,
    /// The user's numbers.
    pub mine: &'a [f64],
    pub right: &'a [f64],
}

/// The places at which a mistake can be made, and the function that makes it there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Made {
    /// Nowhere: it is known for the prediction of numbers only.
    Never,
    /// In a part of a backward op.
    Each(fn(&Site<'_>) -> Vec<Way>),
    /// In the whole pass, or at places that the function chooses.
    Whole(fn(&Wanted<'_>) -> Vec<Planted>),
    /// In a part of a backward op, and in the whole pass.
    Both(fn(&Site<'_>) -> Vec<Way>, fn(&Wanted<'_>) -> Vec<Planted>),
}
