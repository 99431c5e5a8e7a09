//! The overlays with a list, such as the terms of an entry. Each list has a file with a function that builds it from the step on the screen, and a row in the
//! table of this file.

mod bookmarks;
mod breaks;
mod comparison;
mod contributions;
mod copy;
mod digits;
mod old_edits;
mod reads;
mod score;
mod terms;
mod unsaved;

use super::{List, ListKind, Settings, Stepper};
use crate::scene::Scene;
use crate::step::TensorEntry;

/// Builds a list about an entry. It is the entry under the cursor or, without a cursor, the entry that the step computes.
///
/// # Errors
/// A sentence if there is nothing to list.
type ListBuilder = fn(&Stepper, &Scene<'_>, TensorEntry) -> Result<List, String>;

fn builder(kind: ListKind) -> ListBuilder {
    match kind {
        ListKind::Breaks => breaks::list,
        ListKind::Digits => digits::list,
        ListKind::Reads => reads::list,
        ListKind::Terms => terms::list,
        ListKind::Contributions => contributions::list,
        ListKind::Copy => copy::list,
        ListKind::Comparison => comparison::list,
        ListKind::Bookmarks => bookmarks::list,
        ListKind::Score => score::list,
        ListKind::Unsaved => unsaved::list,
        ListKind::OldEdits => old_edits::list,
    }
}

/// Builds a list for the step on the screen. `settings` decides the digits and the first index.
///
/// # Errors
/// As [`ListBuilder`].
pub(super) fn build(kind: ListKind, stepper: &Stepper, settings: &Settings) -> Result<List, String> {
    let scene = settings.applied_to(stepper.scene().ok_or("there is no step")?);
    builder(kind)(stepper, &scene, stepper.subject(&scene))
}
