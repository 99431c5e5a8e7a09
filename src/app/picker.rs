//! The picker: a list of scenarios, from which the user opens one.

use super::Stepper;

/// One scenario in the picker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioEntry {
    /// The bundled name or the path that opens it.
    pub name: String,
    /// The title of the scenario.
    pub title: String,
    /// A line that describes the scenario.
    pub summary: String,
    /// The figure or the text from which the scenario's numbers are taken.
    pub source: String,
    /// `true` if the scenario is part of the program, `false` if it is a file in the current folder.
    pub bundled: bool,
}

/// The picker. It may cover an open scenario.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    /// The selected row.
    pub selected: usize,
    /// The stepper under the picker, if a scenario is open. Its job and its play continue.
    pub over: Option<Box<Stepper>>,
}

impl Picker {
    /// Moves the selection down by this number of rows, up if negative, in a list of `count` rows.
    pub(super) fn scroll(&mut self, rows: i16, count: usize) {
        self.selected = self.selected.saturating_add_signed(rows.into()).min(count.saturating_sub(1));
    }
}
