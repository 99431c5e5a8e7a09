//! The picker: a list of scenarios, from which the user opens one.

use super::{Prompt, Stepper};

/// A group of scenarios in the picker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScenarioGroup {
    /// Files that were opened before.
    Recent,
    /// Scenarios that are part of the program.
    Bundled,
    /// Files in the current folder.
    Folder,
}

impl ScenarioGroup {
    /// All groups, in the order of the list.
    pub const ALL: [Self; 3] = [Self::Recent, Self::Bundled, Self::Folder];

    /// Returns the title above the group.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Recent => "opened before",
            Self::Bundled => "bundled",
            Self::Folder => "in this folder",
        }
    }
}

/// One scenario in the picker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioEntry {
    /// The bundled name or the path that opens it.
    pub name: String,
    /// The title of the scenario.
    pub title: String,
    /// A line that describes the scenario.
    pub summary: String,
    /// The figure or the publication from which the scenario's numbers are taken.
    pub source: String,
    /// The group in which it is listed.
    pub group: ScenarioGroup,
}

/// The picker. There may be an open scenario below it, to which Esc returns.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    /// The selected scenario, as an index into the list of all scenarios.
    pub selected: usize,
    /// The prompt of the filter, if it is open.
    pub filter: Option<Prompt>,
    /// The stepper below the picker, if a scenario is open. Its job and play continue.
    pub stepper: Option<Box<Stepper>>,
}

impl Picker {
    /// Returns the indices of the listed scenarios: those whose name, title or summary contains each word of the filter, ignoring case.
    #[must_use]
    pub fn listed_indices(&self, scenarios: &[ScenarioEntry]) -> Vec<usize> {
        let typed = self.filter.as_ref().map_or("", |filter| filter.input.value()).to_lowercase();
        let is_match = |entry: &ScenarioEntry| {
            let text = format!("{}\n{}\n{}", entry.name, entry.title, entry.summary).to_lowercase();
            typed.split_whitespace().all(|word| text.contains(word))
        };
        let in_group = |group| (0..scenarios.len()).filter(move |&index| scenarios[index].group == group);
        ScenarioGroup::ALL.into_iter().flat_map(in_group).filter(|&index| is_match(&scenarios[index])).collect()
    }

    /// Moves the selection down by this number of listed rows, up if negative. If the selected scenario is not listed, selects the first one.
    pub(super) fn scroll(&mut self, rows: i16, scenarios: &[ScenarioEntry]) {
        let listed = self.listed_indices(scenarios);
        let Some(last) = listed.len().checked_sub(1) else { return };
        self.selected = match listed.iter().position(|index| *index == self.selected) {
            Some(row) => listed[row.saturating_add_signed(rows.into()).min(last)],
            None => listed[0],
        };
    }
}
