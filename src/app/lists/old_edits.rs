//! The unsaved edits that an earlier session of the scenario has left.

use crate::app::{Action, List, ListRow, Stepper};
use crate::scene::Scene;
use crate::step::TensorEntry;

/// The largest number of edits that the note names.
const NAMED: usize = 3;

/// Lists what can be done with the edits of the earlier session.
pub(super) fn list(stepper: &Stepper, scene: &Scene<'_>, _: TensorEntry) -> Result<List, String> {
    let old = stepper.old_edits.as_ref().ok_or("no earlier session has left edits")?;
    let row = |key: char, words: &str, action: Action| ListRow {
        key: Some(key),
        cells: vec![key.to_string(), words.to_owned()],
        action: Some(action),
        ..ListRow::default()
    };
    let rows = vec![row('t', "take them back", Action::TakeBackEdits), row('d', "give them up", Action::DiscardOldEdits)];
    let mut named: Vec<String> = old.iter().take(NAMED).map(|(name, value)| format!("{name} = {}", scene.short(*value))).collect();
    if old.len() > NAMED {
        named.push(format!("{} more", old.len() - NAMED));
    }
    let note = format!("{}; Esc leaves them for the next time", named.join(", "));
    Ok(List { verb: "do it", note, ..List::new("unsaved edits of an earlier session".to_owned(), rows) })
}
