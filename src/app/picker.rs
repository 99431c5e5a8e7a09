//! The list of scenarios.

use super::Stepper;

/// One scenario in the picker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioEntry {
    /// The bundled name or the path that opens it.
    pub name: String,
    /// Its title.
    pub title: String,
    /// One line about it.
    pub summary: String,
    /// The source of its numbers.
    pub source: String,
    /// Whether it is part of the binary.
    pub bundled: bool,
}

/// The picker, alone or over an open scenario.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    /// The selected row.
    pub selected: usize,
    /// The stepper that it covers, whose job and play go on.
    pub over: Option<Box<Stepper>>,
}

impl Picker {
    /// Moves the selection by this number of rows, out of `count`.
    pub(super) fn scroll(&mut self, rows: i16, count: usize) {
        self.selected = self.selected.saturating_add_signed(rows.into()).min(count.saturating_sub(1));
    }
}
