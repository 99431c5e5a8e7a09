//! A list over the screen from which the user chooses a row, such as the list of an entry's terms.

use super::Action;

/// A list with a selected row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    /// The title.
    pub title: String,
    /// The rows. There is at least one.
    pub rows: Vec<ListRow>,
    /// The index of the selected row.
    pub selected: usize,
    /// A sentence below the rows; empty for none.
    pub note: String,
    /// The description of Enter, such as `go there`.
    pub verb: &'static str,
    /// The columns that a narrow screen leaves out, the first one first. If the list is still too wide, the other columns are cut.
    pub spare_columns: &'static [usize],
}

/// A row of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListRow {
    /// The key that chooses the row at once, if it has one.
    pub key: Option<char>,
    /// The texts of its columns.
    pub cells: Vec<String>,
    /// The full text of a column that may be cut. It is shown below the list while the row is selected; empty for none.
    pub full_text: String,
    /// The action of Enter; `None` if the row is only for information.
    pub action: Option<Action>,
}

impl ListRow {
    /// Returns a row without an action.
    #[must_use]
    pub fn text(cells: impl IntoIterator<Item = String>) -> Self {
        Self { cells: cells.into_iter().collect(), ..Self::default() }
    }

    /// Returns a row with an action.
    #[must_use]
    pub fn action(cells: impl IntoIterator<Item = String>, action: Action) -> Self {
        Self { cells: cells.into_iter().collect(), action: Some(action), ..Self::default() }
    }
}

impl List {
    /// Returns a list whose first row is selected.
    #[must_use]
    pub fn new(title: String, rows: Vec<ListRow>) -> Self {
        Self { title, rows, selected: 0, note: String::new(), verb: "go", spare_columns: &[] }
    }

    /// Moves the selection by a number of rows. Stops at the first and the last row.
    pub(super) fn select(&mut self, rows: i16) {
        self.selected = self.selected.saturating_add_signed(rows.into()).min(self.rows.len().saturating_sub(1));
    }

    /// Returns the index of the row that a key chooses.
    #[must_use]
    pub fn row_of_key(&self, key: char) -> Option<usize> {
        self.rows.iter().position(|row| row.key == Some(key))
    }
}
