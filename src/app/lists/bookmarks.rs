//! The bookmarks of the open scenario.

use crate::app::{Action, List, ListRow, Stepper};
use crate::scene::Scene;
use crate::step::TensorEntry;

/// Lists the bookmarks. The first row is about the step on the screen: Enter adds a bookmark, or removes it. Enter on another row goes to that bookmark.
pub(super) fn list(stepper: &Stepper, _: &Scene<'_>, _: TensorEntry) -> Result<List, String> {
    let here = stepper.address_here().ok_or("there is no step")?;
    let verb = if stepper.bookmarks.contains(&here) { "remove this bookmark" } else { "bookmark this step" };
    // if this step has a bookmark, the first row shows the bookmark's name, and the bookmark has no other row
    let bookmark_here = stepper.bookmarks.iter().find(|bookmark| bookmark.address == here).and_then(|bookmark| bookmark.name.as_ref());
    let verb = bookmark_here.map_or_else(|| verb.to_owned(), |name| format!("{name}: {verb}"));
    let first = ListRow::action([here.to_string(), verb], Action::ToggleBookmark);
    let rows = stepper.bookmarks.iter().filter(|bookmark| bookmark.address != here).map(|bookmark| {
        let cells = [bookmark.address.to_string(), bookmark.name.clone().unwrap_or_default()];
        ListRow::action(cells, Action::GoToAddress(bookmark.address.clone()))
    });
    Ok(List::new("bookmarks".to_owned(), std::iter::once(first).chain(rows).collect()))
}
