//! The texts that can be copied, such as an address or an equation.

use crate::app::{Action, CopyFormat, List, ListRow, Stepper};
use crate::scene::Scene;
use crate::step::TensorEntry;

/// The largest number of characters of a text that are shown while its row is selected.
const MAX_SHOWN_CHARS: usize = 4000;

/// Lists the texts that can be copied, each with its key and its first line. The full text of the selected row is shown below. If an entry has no such text,
/// the row shows the reason.
#[expect(clippy::unnecessary_wraps, reason = "other lists can fail")]
pub(super) fn list(stepper: &Stepper, scene: &Scene<'_>, entry: TensorEntry) -> Result<List, String> {
    let row = |format: CopyFormat| {
        let (text, action) = match format.text(stepper, scene, entry) {
            Ok(text) => (text, Some(Action::Copy(format))),
            Err(why) => (why, None),
        };
        let mut full_text: String = text.chars().take(MAX_SHOWN_CHARS).collect();
        if full_text.len() < text.len() {
            full_text.push('…');
        }
        let mut lines = full_text.lines();
        let first = lines.next().unwrap_or_default().trim();
        let more = if lines.next().is_some() { " …" } else { "" };
        let cells = vec![format.key().to_string(), format.name().to_owned(), format!("{first}{more}")];
        ListRow { key: Some(format.key()), cells, full_text, action }
    };
    let mut list =
        List::new(format!("copy of {}", scene.address_of(entry.tensor, entry.at)), CopyFormat::ALL.into_iter().map(row).collect());
    list.verb = "copy";
    Ok(list)
}
