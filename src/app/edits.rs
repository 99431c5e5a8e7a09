//! Edits of a scenario's numbers: their list with undo and redo, and the effect of the last one on the loss. `editing.rs` does them.

use super::Visit;
use super::document::Experiment;
use crate::number::short;
use crate::scenario::GivenNumber;
use crate::step::Place;

/// The change of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The number that changes.
    pub place: GivenNumber,
    /// The value before the edit.
    pub old: f64,
    /// The value after the edit.
    pub new: f64,
}

/// An edit: the change of a number, or of a whole target that is given as a class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    /// The name of the number: `fc1.weight[0,1]`.
    pub name: String,
    /// The changes.
    pub changes: Vec<Change>,
}

/// The edits of the open scenario.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// The edits in force, in order.
    done: Vec<Edit>,
    /// The edits that were undone, the last one first to be redone.
    undone: Vec<Edit>,
    /// The number of edits that the file has; `None` if undo or redo can no longer reach the state of the file.
    written: Option<usize>,
}

/// The direction of an edit in the list of edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EditKind {
    New,
    Undo,
    Redo,
}

/// An edit whose numbers are being computed.
#[derive(Clone, Debug)]
pub(super) struct PendingEdit {
    pub experiment: Experiment,
    pub edit: Edit,
    pub kind: EditKind,
    /// The number of edits that are undone or redone together; 1 for a new edit.
    pub count: usize,
    /// The places to go to: the place on the screen, and others near it.
    pub places: Vec<Place>,
}

/// The effect of an edit on the loss, which the screen shows until the next move.
#[derive(Clone, Debug, PartialEq)]
pub struct EditEffect {
    /// The edit.
    pub edit: Edit,
    /// The loss before and after the edit.
    pub loss: [f64; 2],
    /// Σ ∂C/∂w · Δw over the changed numbers w: the change of the loss that the derivatives foretold. `None` if there is no such derivative.
    pub foretold: Option<f64>,
    /// The place where the effect is shown.
    pub(super) visit: Visit,
}

impl Edits {
    /// Returns whether the file lacks an edit.
    #[must_use]
    pub fn are_unsaved(&self) -> bool {
        self.written_count() != Some(self.done.len())
    }

    /// The number of edits that the file has.
    fn written_count(&self) -> Option<usize> {
        // a new list has nothing to write
        if self.done.is_empty() && self.undone.is_empty() { Some(0) } else { self.written }
    }

    /// The edits in force, in order.
    #[must_use]
    pub fn done(&self) -> &[Edit] {
        &self.done
    }

    /// The edits that were undone, the last one at the end.
    pub(super) fn undone(&self) -> &[Edit] {
        &self.undone
    }

    /// Gives up all edits: nothing remains to be written.
    pub(super) fn give_up(&mut self) {
        *self = Self::default();
    }

    /// Returns the numbers that the file lacks, each with its value, in the order of the edits. A number that was edited twice is in the list twice.
    pub fn unsaved(&self) -> impl Iterator<Item = (GivenNumber, f64)> + '_ {
        let edits = if self.are_unsaved() { self.done.as_slice() } else { &[] };
        edits.iter().flat_map(|edit| &edit.changes).map(|change| (change.place, change.new))
    }

    /// Records that the file has all edits.
    pub(super) fn mark_written(&mut self) {
        self.written = Some(self.done.len());
    }

    pub(super) fn record(&mut self, edit: &Edit, kind: EditKind, count: usize) {
        match kind {
            EditKind::New => {
                self.written = self.written_count().filter(|written| *written <= self.done.len());
                self.undone.clear();
                self.done.push(edit.clone());
            }
            EditKind::Undo => {
                self.written = self.written_count();
                self.undone.extend((0..count).map_while(|_| self.done.pop()));
            }
            EditKind::Redo => self.done.extend((0..count).map_while(|_| self.undone.pop())),
        }
    }
}

impl EditEffect {
    /// Returns whether the effect is still shown at a place.
    #[must_use]
    pub fn is_shown_at(&self, visit: Visit) -> bool {
        self.visit == visit
    }
}

impl Change {
    pub(super) fn reversed(self) -> Self {
        Self { old: self.new, new: self.old, ..self }
    }
}

impl Edit {
    /// Returns the edit in a few words: `fc1.weight[0,1] 0.4 → 0.5`.
    #[must_use]
    pub fn summary(&self) -> String {
        match self.changes.as_slice() {
            [Change { old, new, .. }] => format!("{} {} → {}", self.name, short(*old), short(*new)),
            changes => format!("{}, {} numbers", self.name, changes.len()),
        }
    }
}
