//! Reads the file of the open scenario again after another program has changed it. The step on the screen and the unsaved edits are kept if the new file still
//! has them.
//!
//! The new file may describe another network. So everything that refers to tensors or steps by number is dropped, such as the cursor and the places visited.

use std::sync::Arc;

use super::document::Experiment;
use super::edits::{Edits, PendingReload};
use super::given::find_editable;
use super::job::{Job, Seek, SeekGoal};
use super::number_name::number_name;
use super::stepper_context::StepperContext;
use super::{FileChange, Prediction, State, Stepper};
use crate::scenario::Scenario;
use crate::text::{counted, list_of_names};

impl State {
    /// Shows the new content of the scenario's file, with the unsaved edits or without them.
    pub fn reload(&mut self, scenario: &Scenario, keeps_edits: bool) {
        self.context().iter_mut().for_each(|context| context.reload(scenario, keeps_edits));
    }

    /// Closes the overlay after the file was read again, because it may be about the old network.
    pub(super) fn close_overlay_of_old_network(&mut self) {
        if self.stepper_mut().is_some_and(|stepper| std::mem::take(&mut stepper.is_reloaded)) {
            self.overlay = None;
        }
    }

    /// Shows a message that another program has changed or deleted the scenario's file. Returns whether this is new.
    pub fn report_file_change(&mut self, change: Option<FileChange>) -> bool {
        let Some(stepper) = self.stepper_mut() else { return false };
        let name = stepper.document.scenario.name.clone();
        let is_news = std::mem::replace(&mut stepper.file_change, change) != change;
        let sentence = match change {
            Some(FileChange::Changed) => format!("the file of {name} has changed: :e reads it again"),
            Some(FileChange::Deleted) => format!("the file of {name} was deleted: W writes it again"),
            None => return is_news,
        };
        // an error message stays, because it may be about the same file; the header shows the change anyway
        if is_news && self.message.as_ref().is_none_or(|message| !message.is_error) {
            self.say(sentence, false);
        }
        is_news
    }
}

impl StepperContext<'_> {
    /// Begins to compute the iterations of the new file up to the one on the screen.
    fn reload(&mut self, scenario: &Scenario, keeps_edits: bool) {
        self.stop_and_forget_moves();
        self.stepper.before_edit = None;
        let document = Arc::clone(&self.stepper.document);
        let edits = if keeps_edits { self.stepper.edits.clone() } else { Edits::default() };
        let find = |number, value| find_editable(scenario, &number_name(&document.scenario, number), value);
        let lost = edits.unsaved().filter(|(number, value)| find(*number, *value).is_none());
        let lost = lost.map(|(number, _)| number_name(&document.scenario, number)).collect();
        let edits = edits.carried_over(|number, value| find(number, value).map(|number| (number, scenario.given_value(number))));
        let numbers: Vec<_> = edits.unsaved().collect();
        let scenario = match scenario.with_numbers(&numbers) {
            Ok(scenario) => scenario,
            Err(why) => return self.say(format!("not read again: an edit {why}"), true),
        };
        let experiment = Experiment::new(scenario);
        let to = document.trace.iteration().min(experiment.descent.iterations());
        let computation = experiment.descent.start(to);
        if let Some(shortage) = computation.missing_memory() {
            return self.say(format!("not read again: {shortage}"), true);
        }
        let locations = self.stepper.nearest_locations_in(to);
        self.begin_job(Job::Seek(Seek::new(
            SeekGoal::Reloaded(Box::new(PendingReload { experiment, edits, lost, locations })),
            to,
            computation,
        )));
    }

    /// Replaces the stepper by one for the new file, whose iterations are computed. Shows a message about what was lost.
    pub(super) fn complete_reload(&mut self, reload: &PendingReload) {
        let PendingReload { edits, lost, locations, .. } = reload;
        let document = Arc::clone(&self.stepper.document);
        // the names are sorted now, so that the first key in the prompt is fast
        let _ = document.names();
        let new = Stepper::new(document, self.stepper.step);
        let old = std::mem::replace(self.stepper, new);
        let stepper = &mut *self.stepper;
        (stepper.unit, stepper.search, stepper.old_edits) = (old.unit, old.search, old.old_edits);
        (stepper.bookmarks, stepper.watches, stepper.breakpoints) = (old.bookmarks, old.watches, old.breakpoints);
        stepper.watches.keep_entries_of(&stepper.document.trace);
        stepper.prediction = Prediction { is_on: old.prediction.is_on, score: old.prediction.score, ..Prediction::default() };
        stepper.edits = edits.clone();
        stepper.is_reloaded = true;
        let mut sentence = "the file is read again".to_owned();
        if !edits.done().is_empty() {
            sentence = format!("{sentence}, with {}", counted(edits.done().len(), "edit"));
        }
        if !lost.is_empty() {
            let edits = if lost.len() == 1 { "an edit is" } else { "edits are" };
            sentence = format!("{sentence}; {edits} lost, as it has no {}", list_of_names(lost));
        }
        // the first location is that of the step that was on the screen
        if locations.first().is_some_and(|location| stepper.document.resolve(&location.clone().into()) != Ok(stepper.step)) {
            sentence = format!("{sentence}; it does not have the step that was on the screen");
        }
        let is_error = !lost.is_empty();
        self.say(sentence, is_error);
    }
}
