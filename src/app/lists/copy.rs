//! The texts that can be copied.

use crate::app::{Action, CopyFormat, List, ListRow, Stepper};
use crate::scene::Scene;
use crate::step::TensorEntry;
use crate::text::cut;

/// The width of the beginning of a text that is shown.
const SHOWN: usize = 60;

/// Lists the texts that can be copied, each with its key and its beginning. A text that does not exist has the reason instead.
#[expect(clippy::unnecessary_wraps, reason = "other lists can fail")]
pub(super) fn list(stepper: &Stepper, scene: &Scene<'_>, entry: TensorEntry) -> Result<List, String> {
    let row = |format: CopyFormat| {
        let (text, action) = match format.text(stepper, scene, entry) {
            Ok(text) => (text.split_whitespace().collect::<Vec<_>>().join(" "), Some(Action::Copy(format))),
            Err(why) => (why, None),
        };
        let cells = vec![format.key().to_string(), format.name().to_owned(), cut(&text, SHOWN)];
        ListRow { key: Some(format.key()), cells, action }
    };
    let mut list =
        List::new(format!("copy of {}", scene.address_of(entry.tensor, entry.at)), CopyFormat::ALL.into_iter().map(row).collect());
    list.verb = "copy";
    Ok(list)
}
