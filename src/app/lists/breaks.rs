//! The breakpoints.

use crate::app::{Action, List, ListRow, Stepper};
use crate::scene::Scene;
use crate::step::TensorEntry;

/// Lists the breakpoints with their numbers. Enter goes to the op or the entry of a breakpoint.
pub(super) fn list(stepper: &Stepper, _: &Scene<'_>, _: TensorEntry) -> Result<List, String> {
    let all = stepper.breakpoints.all();
    if all.is_empty() {
        return Err("there is no breakpoint: B sets one here, :break ENTRY elsewhere".to_owned());
    }
    let rows = all.iter().map(|breakpoint| {
        let cells = [breakpoint.number.to_string(), breakpoint.spec.to_string(), breakpoint.spec.stops_at()];
        ListRow::action(cells, Action::GoToBreakpoint(breakpoint.number))
    });
    let note = "c runs to the next breakpoint, C back to the previous one; :delete 2 removes number 2".to_owned();
    Ok(List { note, ..List::new("breakpoints".to_owned(), rows.collect()) })
}
