//! The question of what to do with unsaved edits before the user leaves the scenario.

use crate::app::{Action, List, ListRow, Stepper};
use crate::scene::Scene;
use crate::step::TensorEntry;

/// Lists the answers. The first one changes nothing: if a pasted text contains Enter, it must neither write a file nor lose an edit.
#[expect(clippy::unnecessary_wraps, reason = "other lists can fail")]
pub(super) fn list(stepper: &Stepper, _: &Scene<'_>, _: TensorEntry) -> Result<List, String> {
    let row = |key: char, words: &str, action: Action| ListRow {
        key: Some(key),
        cells: vec![key.to_string(), words.to_owned()],
        action: Some(action),
        ..ListRow::default()
    };
    let rows = vec![
        row('s', "stay here", Action::Close),
        row('w', "write them, then leave", Action::WriteAndLeave),
        row('d', "discard them, and leave", Action::DiscardAndLeave),
    ];
    let title = match stepper.edits.unsaved().count() {
        1 => "there is an unsaved edit".to_owned(),
        count => format!("{count} edited numbers are not saved"),
    };
    Ok(List { verb: "do it", note: "Ctrl-C quits and keeps them for the next session".to_owned(), ..List::new(title, rows) })
}
