//! The steps that read an entry.

use crate::app::{Action, List, ListRow, Stepper};
use crate::scene::Scene;
use crate::step::TensorEntry;
use crate::text::counted;

/// The largest number of listed steps.
const MAX_LISTED: usize = 2000;

/// Lists the steps that read an entry, each with the entry that it computes. Enter goes to the step.
pub(super) fn list(_: &Stepper, scene: &Scene<'_>, entry: TensorEntry) -> Result<List, String> {
    let name = scene.address_of(entry.tensor, entry.at);
    let reads = scene.uses_of(entry.tensor, entry.at);
    if reads.is_empty() {
        return Err(format!("nothing reads {name} in this iteration"));
    }
    let rows = reads.iter().take(MAX_LISTED).map(|read| {
        let when = scene.relation_to_now(read.step);
        let when = if read.is_certain { when.to_owned() } else { format!("{when}, if this entry is chosen") };
        ListRow::action([read.name.clone(), format!("step {}", read.step), read.pass.name().to_owned(), when], Action::GoToStep(read.step))
    });
    let count = reads.len();
    let at_most = if reads.iter().all(|read| read.is_certain) { "" } else { "at most " };
    let mut list = List::new(format!("{name} is read by {at_most}{}", counted(count, "step")), rows.collect());
    // the step on the screen is selected; if it reads another entry, the first step after it
    list.selected = reads.iter().take(MAX_LISTED).position(|read| read.step >= scene.at.step).unwrap_or(0);
    if count > MAX_LISTED {
        list.note = format!("the first {MAX_LISTED} of {count} are listed");
    } else if !at_most.is_empty() {
        "a mask or an index that is not computed yet chooses between entries".clone_into(&mut list.note);
    } else if scene.is_shared_by_samples(entry.tensor) {
        "each sample of the batch reads it in the same way".clone_into(&mut list.note);
    }
    Ok(list)
}
