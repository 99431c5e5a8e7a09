//! The unsaved edits of an earlier session with this scenario.

use crate::app::{Action, List, ListRow, Stepper};
use crate::scene::Scene;
use crate::step::TensorEntry;

/// The largest number of edits in the note.
const MAX_NAMED: usize = 3;

/// Lists the choices: restore the edits, or discard them.
pub(super) fn list(stepper: &Stepper, scene: &Scene<'_>, _: TensorEntry) -> Result<List, String> {
    let old = stepper.old_edits.as_ref().ok_or("there are no edits of an earlier session")?;
    let row = |key: char, words: &str, action: Action| ListRow {
        key: Some(key),
        cells: vec![key.to_string(), words.to_owned()],
        action: Some(action),
        ..ListRow::default()
    };
    let rows = vec![row('t', "restore them", Action::RestoreEdits), row('d', "discard them", Action::DiscardOldEdits)];
    let mut named: Vec<String> = old.iter().take(MAX_NAMED).map(|(name, value)| format!("{name} = {}", scene.short(*value))).collect();
    if old.len() > MAX_NAMED {
        named.push(format!("{} more", old.len() - MAX_NAMED));
    }
    let note = format!("{}; Esc keeps them for the next session", named.join(", "));
    Ok(List { verb: "do it", note, ..List::new("unsaved edits of an earlier session".to_owned(), rows) })
}
