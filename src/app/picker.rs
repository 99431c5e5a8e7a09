//! The picker: the list of scenarios.

use super::Stepper;

/// One scenario in the picker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioEntry {
    /// The bundled name or the path that opens it.
    pub name: String,
    /// The title.
    pub title: String,
    /// One line about the scenario.
    pub summary: String,
    /// The source of its numbers.
    pub source: String,
    /// `true` if it is part of the binary.
    pub bundled: bool,
}

/// The picker, which may cover an open scenario.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    /// The selected row.
    pub selected: usize,
    /// The stepper under the picker, if a scenario is open. Its computation and its playing continue.
    pub over: Option<Box<Stepper>>,
}

impl Picker {
    /// Moves the selection by this number of rows, in a list of `count`.
    pub(super) fn scroll(&mut self, rows: i16, count: usize) {
        self.selected = self.selected.saturating_add_signed(rows.into()).min(count.saturating_sub(1));
    }
}
