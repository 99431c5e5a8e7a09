//! The list of edits for undo and redo, and the effect of the last edit on the loss. An *edit* changes numbers of the scenario, such as `fc1.weight[0,1]` from
//! 0.4 to 0.5. `editing.rs` applies the edits.

use std::collections::BTreeMap;

use super::Visit;
use super::document::Experiment;
use crate::number::Digits;
use crate::scenario::GivenNumber;
use crate::step::Location;

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

/// An edit. It changes one number, or all entries of a target that the user gives as a class.
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
    /// The edits that are applied, in order.
    done: Vec<Edit>,
    /// The edits that were undone. The last one is redone first.
    undone: Vec<Edit>,
    /// The numbers that any edit has changed.
    numbers: BTreeMap<GivenNumber, EditedNumber>,
}

/// A number that any edit has changed.
#[derive(Clone, Copy, Debug)]
struct EditedNumber {
    /// The value in the file.
    in_file: f64,
    /// The current value.
    now: f64,
}

/// Whether an edit is new, undone or redone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EditKind {
    New,
    Undo,
    Redo,
}

/// An edit whose iterations are computed at the moment.
#[derive(Clone, Debug)]
pub(super) struct PendingEdit {
    pub experiment: Experiment,
    pub edit: Edit,
    pub kind: EditKind,
    /// The number of edits that are undone or redone together; 1 for a new edit.
    pub count: usize,
    /// The places to go to, the best first: the place on the screen, then places near it.
    pub places: Vec<Location>,
}

/// A changed file that was read again, and whose iterations are computed at the moment.
#[derive(Clone, Debug)]
pub(super) struct PendingReload {
    pub experiment: Experiment,
    /// The unsaved edits that fit the new file.
    pub edits: Edits,
    /// The names of the edited numbers that the new file does not have.
    pub lost: Vec<String>,
    /// The places to go to, the best first: the place on the screen, then places near it.
    pub places: Vec<Location>,
}

/// The effect of an edit on the loss, which the screen shows until the next move.
#[derive(Clone, Debug, PartialEq)]
pub struct EditEffect {
    /// The edit.
    pub edit: Edit,
    /// The loss before and after the edit.
    pub loss: [f64; 2],
    /// An estimate of the change of the loss: the sum of ∂C/∂w · Δw over the changed numbers w. `None` if the backward pass does not compute ∂C/∂w.
    pub estimate: Option<f64>,
    /// ∂C/∂w before the edit, if a single number w is changed.
    pub derivative: Option<f64>,
    /// The step that was on the screen after the edit.
    pub(super) visit: Visit,
}

impl Edits {
    /// Returns whether any number differs from its value in the file.
    #[must_use]
    pub fn are_unsaved(&self) -> bool {
        self.unsaved().next().is_some()
    }

    /// The edits that are applied, in order.
    #[must_use]
    pub fn done(&self) -> &[Edit] {
        &self.done
    }

    /// The edits that were undone. The last one is redone first.
    pub(super) fn undone(&self) -> &[Edit] {
        &self.undone
    }

    /// Forgets all edits, so that nothing remains to be written.
    pub(super) fn discard(&mut self) {
        *self = Self::default();
    }

    /// Returns the numbers that differ from their values in the file, each with its current value.
    pub fn unsaved(&self) -> impl Iterator<Item = (GivenNumber, f64)> + '_ {
        let differing = self.numbers.iter().filter(|(_, number)| number.in_file.to_bits() != number.now.to_bits());
        differing.map(|(place, number)| (*place, number.now))
    }

    /// Records that all edits are written to the file.
    pub(super) fn mark_written(&mut self) {
        self.numbers.values_mut().for_each(|number| number.in_file = number.now);
    }

    /// Records that `count` edits were applied, undone or redone. `edit` has all their changes.
    pub(super) fn record(&mut self, edit: &Edit, kind: EditKind, count: usize) {
        for change in &edit.changes {
            self.numbers.entry(change.place).or_insert(EditedNumber { in_file: change.old, now: change.old }).now = change.new;
        }
        match kind {
            EditKind::New => {
                self.undone.clear();
                self.done.push(edit.clone());
            }
            EditKind::Undo => self.undone.extend((0..count).map_while(|_| self.done.pop())),
            EditKind::Redo => self.done.extend((0..count).map_while(|_| self.undone.pop())),
        }
    }

    /// Converts the unsaved edits to edits of a changed file, one for each number. `find` returns the number in the changed file, and its value there.
    pub(super) fn carried_over(&self, find: impl Fn(GivenNumber, f64) -> Option<(GivenNumber, f64)>) -> Self {
        let mut carried = Self::default();
        // the numbers of applied edits, and numbers that differ from the file because an edit was saved and then undone
        let unsaved: BTreeMap<GivenNumber, f64> = self.unsaved().collect();
        let last =
            unsaved.iter().map(|(place, now)| Edit { name: String::new(), changes: vec![Change { place: *place, old: *now, new: *now }] });
        for edit in self.done.iter().cloned().chain(last) {
            let moved = |change: &Change| {
                let (place, in_file) = find(change.place, change.new).filter(|_| unsaved.contains_key(&change.place))?;
                let old = carried.numbers.get(&place).map_or(in_file, |number| number.now);
                (old.to_bits() != change.new.to_bits()).then_some(Change { place, old, new: change.new })
            };
            let changes: Vec<Change> = edit.changes.iter().filter_map(moved).collect();
            if !changes.is_empty() {
                carried.record(&Edit { name: edit.name, changes }, EditKind::New, 1);
            }
        }
        carried
    }
}

impl EditEffect {
    /// Returns whether the effect is shown at a step: until the next move.
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
    /// Returns a short description with rounded numbers: `fc1.weight[0,1] 0.4 → 0.5`.
    #[must_use]
    pub fn summary(&self, digits: Digits) -> String {
        match self.changes.as_slice() {
            [Change { old, new, .. }] => format!("{} {} → {}", self.name, digits.short(*old), digits.short(*new)),
            changes => format!("{}, {} numbers", self.name, changes.len()),
        }
    }
}
