//! All digits of the numbers of this step, or of the entry under the cursor.

use crate::app::{List, ListRow, Stepper};
use crate::number::exact_on_screen;
use crate::scene::{EntryState, Scene};
use crate::step::TensorEntry;

/// Lists the numbers of the step with all digits: its value, the sum so far and, if the sum is complete, the entry. With a cursor, lists the entry under it.
pub(super) fn list(stepper: &Stepper, scene: &Scene<'_>, entry: TensorEntry) -> Result<List, String> {
    let row = |name: &str, number: String| ListRow::text([name.to_owned(), number]);
    let name = scene.address_of(entry.tensor, entry.at);
    let state = scene.state_of(entry.tensor, entry.at);
    let mut rows = Vec::new();
    if stepper.cursor.is_none() && scene.hides_number() {
        return Err(format!("{name} is hidden: answer first"));
    }
    if stepper.cursor.is_none() {
        rows.push(row("value of this step", exact_on_screen(scene.step.value)));
        rows.push(row("sum so far", exact_on_screen(scene.step.sum)));
    }
    match state {
        EntryState::Given(value) => rows.push(row("given", exact_on_screen(value))),
        EntryState::Complete { value, .. } => rows.push(row("complete", exact_on_screen(value))),
        EntryState::Partial { sum, .. } if stepper.cursor.is_some() => rows.push(row("sum so far", exact_on_screen(sum))),
        EntryState::Partial { .. } => {}
        EntryState::Pending { steps } if scene.hides_step(steps.start) => rows.push(row("hidden until you answer", String::new())),
        EntryState::Pending { steps } if steps.is_empty() => rows.push(row("not computed yet", String::new())),
        EntryState::Pending { steps } => rows.push(row("not computed yet", format!("step {}", steps.start))),
        EntryState::NoTerms(why) => rows.push(row("0", why.to_owned())),
    }
    if let Some(old) = stepper.value_before_edit(scene, entry.tensor, entry.at) {
        rows.push(row("before the last edit", exact_on_screen(old)));
    }
    if let Some(user) = stepper.compared_entry(scene, entry.tensor, entry.at) {
        let label = stepper.comparison.as_ref().map_or_else(String::new, |comparison| comparison.label(user.tensor));
        rows.push(row(&format!("{label}{}", if user.differs { ", different" } else { "" }), exact_on_screen(user.mine)));
    }
    Ok(List::new(format!("{name}: all digits"), rows))
}
