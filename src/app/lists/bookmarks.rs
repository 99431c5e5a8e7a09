//! The bookmarks of the open scenario.

use crate::app::{Action, List, ListRow, Stepper};
use crate::scene::Scene;
use crate::step::TensorEntry;

/// Lists the bookmarks. The first row adds the step on the screen, or takes it away if it is a bookmark. Enter on another row goes there.
pub(super) fn list(stepper: &Stepper, _: &Scene<'_>, _: TensorEntry) -> Result<List, String> {
    let here = stepper.address_here().ok_or("there is no step")?;
    let verb = if stepper.bookmarks.contains(&here) { "remove this place" } else { "add this place" };
    let first = ListRow::action([here.to_string(), verb.to_owned()], Action::ToggleBookmark);
    let rows = stepper.bookmarks.iter().map(|bookmark| {
        let cells = [bookmark.address.to_string(), bookmark.name.clone().unwrap_or_default()];
        ListRow::action(cells, Action::GoToAddress(bookmark.address.clone()))
    });
    Ok(List::new("bookmarks".to_owned(), std::iter::once(first).chain(rows).collect()))
}
