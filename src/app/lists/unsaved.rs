//! The question before the program ends with edits that the file lacks.

use crate::app::{Action, List, ListRow, Stepper};
use crate::scene::Scene;
use crate::step::TensorEntry;

/// Lists the ways to end the program. The first one writes the edits.
#[expect(clippy::unnecessary_wraps, reason = "other lists can fail")]
pub(super) fn list(stepper: &Stepper, _: &Scene<'_>, _: TensorEntry) -> Result<List, String> {
    let row = |key: char, words: &str, action: Action| ListRow {
        key: Some(key),
        cells: vec![key.to_string(), words.to_owned()],
        action: Some(action),
        ..ListRow::default()
    };
    let rows = vec![row('w', "write them and quit", Action::WriteAndQuit), row('d', "quit without them", Action::DiscardAndQuit)];
    let count = stepper.edits.done().len();
    let title = if count == 1 { "there is an unsaved edit".to_owned() } else { format!("there are {count} unsaved edits") };
    Ok(List { verb: "do it", note: "Esc stays here".to_owned(), ..List::new(title, rows) })
}
