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
    pub number: GivenNumber,
    /// The value before the edit.
    pub old: f64,
    /// The value after the edit.
    pub new: f64,
}

/// An edit of one number or of several, such as all entries of a target that the user gives as a class, the edits of an earlier session, or edits that are
/// undone together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    /// The name of the number, such as `fc1.weight[0,1]`, or a description of several numbers.
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

/// The values of a number that any edit has changed.
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
    /// The locations to go to, the best first: the step on the screen, then locations near it.
    pub locations: Vec<Location>,
}

/// A changed file that was read again, and whose iterations are computed at the moment.
#[derive(Clone, Debug)]
pub(super) struct PendingReload {
    pub experiment: Experiment,
    /// The unsaved edits that fit the new file.
    pub edits: Edits,
    /// The names of the edited numbers that the new file does not have.
    pub lost: Vec<String>,
    /// The locations to go to, the best first: the step on the screen, then locations near it.
    pub locations: Vec<Location>,
}

/// The effect of an edit on the loss, which the screen shows until the next move.
#[derive(Clone, Debug, PartialEq)]
pub struct EditEffect {
    /// The edit.
    pub edit: Edit,
    /// The loss before and after the edit.
    pub loss: [f64; 2],
    /// An estimate of the change of the loss: the sum of ∂C/∂w · Δw over the changed numbers w. `None` in every iteration but the first, and if the
    /// backward pass does not compute ∂C/∂w.
    pub estimate: Option<f64>,
    /// ∂C/∂w before the edit, if there is an estimate and a single number w is changed.
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
        let differing = self.numbers.iter().filter(|(_, edited)| edited.in_file.to_bits() != edited.now.to_bits());
        differing.map(|(number, edited)| (*number, edited.now))
    }

    /// Records that all edits are written to the file.
    pub(super) fn mark_written(&mut self) {
        self.numbers.values_mut().for_each(|edited| edited.in_file = edited.now);
    }

    /// Records that `count` edits were applied, undone or redone. `edit` has all their changes.
    pub(super) fn record(&mut self, edit: &Edit, kind: EditKind, count: usize) {
        for change in &edit.changes {
            self.numbers.entry(change.number).or_insert(EditedNumber { in_file: change.old, now: change.old }).now = change.new;
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

    /// Converts the unsaved edits to edits of a file that has changed. `find` gets a number and its edited value. It returns the same number in the changed
    /// file, and the value there, if the file has this number and allows the edited value.
    pub(super) fn carried_over(&self, find: impl Fn(GivenNumber, f64) -> Option<(GivenNumber, f64)>) -> Self {
        let mut carried = Self::default();
        let unsaved: BTreeMap<GivenNumber, f64> = self.unsaved().collect();
        // a number can differ from the file although no applied edit changes it: an edit was saved and then undone. So for each number, an edit to the current
        // value follows the applied edits. (Its `old` is not read: `carried_change` finds the old value)
        let edits_to_current_values = unsaved
            .iter()
            .map(|(number, now)| Edit { name: String::new(), changes: vec![Change { number: *number, old: *now, new: *now }] });
        for edit in self.done.iter().cloned().chain(edits_to_current_values) {
            let carried_change = |change: &Change| {
                let (number, in_file) = find(change.number, change.new).filter(|_| unsaved.contains_key(&change.number))?;
                let old = carried.numbers.get(&number).map_or(in_file, |edited| edited.now);
                (old.to_bits() != change.new.to_bits()).then_some(Change { number, old, new: change.new })
            };
            let changes: Vec<Change> = edit.changes.iter().filter_map(carried_change).collect();
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
    /// Returns the change that undoes this one.
    pub(super) fn reversed(self) -> Self {
        Self { old: self.new, new: self.old, ..self }
    }
}

impl Edit {
    /// Returns a short description with rounded values, such as `fc1.weight[0,1] 0.4 → 0.5`. If the edit changes several numbers, gives their count.
    #[must_use]
    pub fn summary(&self, digits: Digits) -> String {
        match self.changes.as_slice() {
            [Change { old, new, .. }] => format!("{} {} → {}", self.name, digits.short(*old), digits.short(*new)),
            changes => format!("{}, {} numbers", self.name, changes.len()),
        }
    }
}
