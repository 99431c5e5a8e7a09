//! Applies edits of a scenario's numbers.
//!
//! An edit changes numbers that were read from the file; the file itself changes only when the user writes the edits. A job then computes all iterations up to
//! the one on the screen with the new numbers. The stepper stays at its step.

use std::sync::Arc;

use tui_input::InputRequest;

use super::edits::{Change, Edit, EditEffect, EditKind, PendingEdit};
use super::given::{check_iteration, edit_by_name, edit_of_numbers, find_editable, given_number};
use super::job::{Job, Seek, SeekGoal};
use super::stepper_context::StepperContext;
use super::{Cursor, Document, Message, Mode, Prompt, PromptKind, Stepper};
use crate::network::{Id, Network, TensorInfo};
use crate::op::loss::BatchReduction;
use crate::scenario::{GivenNumber, TypedValue};
use crate::scene::Scene;
use crate::step::TensorEntry;
use crate::text::list_of_names;

impl StepperContext<'_> {
    /// Opens the prompt for a new value of the entry under the cursor. `first` is the first character of the value, if the user has typed it already. Without a
    /// cursor, opens a cursor but no prompt; the prompt opens when the user types the value.
    pub(super) fn begin_edit(&mut self, first: Option<char>) {
        self.stepper.play = None;
        // until the prompt is open, typing a digit calls this function again
        self.stepper.awaits_value = true;
        let document = Arc::clone(&self.stepper.document);
        let Some(scene) = document.scene(self.stepper.step) else { return };
        if self.stepper.cursor.is_none() {
            self.open_cursor_on_given(&scene);
            return;
        }
        let entry = self.stepper.subject(&scene);
        match given_number(&document, &scene, entry) {
            Ok(number) => {
                self.stepper.awaits_value = false;
                let mut prompt = Prompt::new(PromptKind::Value(number));
                if let Some(first) = first {
                    prompt.edit(InputRequest::InsertChar(first));
                }
                self.stepper.mode = Mode::Prompt(prompt);
            }
            Err(why) => self.say(why, true),
        }
    }

    /// Opens the cursor on the first entry that the step reads and that an edit can change. If there is none, opens the cursor on the entry that the step
    /// computes.
    fn open_cursor_on_given(&mut self, scene: &Scene<'_>) {
        let document = Arc::clone(&self.stepper.document);
        let is_given = |entry: &&TensorEntry| given_number(&document, scene, **entry).is_ok();
        let given = scene.sources_now().iter().find(is_given).copied();
        self.stepper.scroll = [0, 0];
        self.stepper.cursor = Some(given.map_or(Cursor::on_result(scene), |entry| Cursor::on(scene, entry.tensor, entry.at)));
        let texts: &[&str] = match given {
            Some(_) => &[
                "type the new value of the number under the cursor; arrows move the cursor, Tab goes to the next matrix",
                "type its new value, or move the cursor",
            ],
            None => &[
                "this step reads only computed numbers: Tab goes to the next matrix, :set edits any number of the file",
                "this step reads only computed numbers: :set edits others",
            ],
        };
        *self.message = Some(Message::first_that_fits(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()));
    }

    /// Runs the command `set`. Its argument is the address of a number and the new value.
    pub(super) fn set_number(&mut self, argument: &str) {
        let document = Arc::clone(&self.stepper.document);
        let (name, value) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
        if value.trim().is_empty() {
            return self.say(format!("write the new value after the entry: set {name} 1/3"), true);
        }
        let edit = TypedValue::parse(value).and_then(|value| {
            let edit = edit_by_name(&document.scenario, self.sample_here(), name, value)?;
            edit.changes.iter().try_for_each(|change| check_iteration(&document, change.number))?;
            Ok(edit)
        });
        match edit {
            Ok(edit) => self.apply(edit, EditKind::New, 1),
            Err(why) => self.say(why, true),
        }
    }

    /// Returns the index of the sample on the screen. For a step of the batch, returns the batch's first sample.
    fn sample_here(&self) -> usize {
        let scene = self.stepper.document.scene(self.stepper.step);
        scene.and_then(|scene| scene.sample().or_else(|| scene.samples().next())).unwrap_or(0)
    }

    /// Sets a number to a typed value.
    ///
    /// # Errors
    /// A sentence if the value is not possible.
    pub(super) fn set_typed(&mut self, number: GivenNumber, text: &str) -> Result<(), String> {
        let document = Arc::clone(&self.stepper.document);
        let value = TypedValue::parse(text)?.applied_to(document.scenario.given_value(number))?;
        let edit = edit_of_numbers(&document.scenario, &[(number, value)])?;
        self.apply(edit, EditKind::New, 1);
        Ok(())
    }

    /// Applies the unsaved edits of an earlier session as one edit. Edits that the scenario no longer allows are left out.
    pub(super) fn restore_edits(&mut self, numbers: &[(String, f64)]) {
        let scenario = &Arc::clone(&self.stepper.document).scenario;
        let mut changes: Vec<Change> = Vec::new();
        let mut lost: Vec<&str> = Vec::new();
        for (name, value) in numbers {
            let Some(number) = find_editable(scenario, name, *value) else {
                lost.push(name);
                continue;
            };
            // of two edits of one number, the later one counts
            changes.retain(|change| change.number != number);
            changes.push(Change { number, old: scenario.given_value(number), new: *value });
        }
        // the file may already have the same number
        changes.retain(|change| change.old.to_bits() != change.new.to_bits());
        let without = if lost.is_empty() { String::new() } else { format!(" without {}", list_of_names(&lost)) };
        match changes.is_empty() {
            true if lost.is_empty() => self.say("the file has these numbers already", false),
            true => self.say("none of these edits fits the scenario any more", true),
            false => self.apply(Edit { name: format!("edits of an earlier session{without}"), changes }, EditKind::New, 1),
        }
    }

    /// Undoes the last `count` edits.
    pub(super) fn undo(&mut self, count: u64) {
        let edits: Vec<Edit> = self.stepper.edits.done().iter().rev().take(usize::try_from(count).unwrap_or(usize::MAX)).cloned().collect();
        self.apply_in_turn(edits, EditKind::Undo, "there is no edit to undo");
    }

    /// Redoes the `count` edits that were undone last.
    pub(super) fn redo(&mut self, count: u64) {
        let edits: Vec<Edit> =
            self.stepper.edits.undone().iter().rev().take(usize::try_from(count).unwrap_or(usize::MAX)).cloned().collect();
        self.apply_in_turn(edits, EditKind::Redo, "there is no edit to redo");
    }

    /// Undoes or redoes several edits together, as one edit, so that the iterations are computed only once. `no_edit` is the message for an empty list.
    fn apply_in_turn(&mut self, edits: Vec<Edit>, kind: EditKind, no_edit: &str) {
        let count = edits.len();
        let mut changes: Vec<Change> = Vec::new();
        for change in edits.iter().flat_map(|edit| &edit.changes) {
            let change = if kind == EditKind::Undo { change.reversed() } else { *change };
            match changes.iter_mut().find(|earlier| earlier.number == change.number) {
                Some(earlier) => earlier.new = change.new,
                None => changes.push(change),
            }
        }
        match edits.into_iter().next() {
            None => self.say(no_edit, false),
            Some(edit) if count == 1 => self.apply(Edit { name: edit.name, changes }, kind, count),
            Some(_) => self.apply(Edit { name: format!("{count} edits"), changes }, kind, count),
        }
    }

    /// Applies an edit: computes the iterations up to the one on the screen with the edited numbers. `count` is the number of edits that are undone or redone
    /// together; 1 for a new edit.
    fn apply(&mut self, edit: Edit, kind: EditKind, count: usize) {
        self.stop_job_and_play();
        let document = Arc::clone(&self.stepper.document);
        // frees the document from before the last edit, because the new computation needs its memory
        self.stepper.before_edit = None;
        let numbers: Vec<_> = edit.changes.iter().map(|change| (change.number, change.new)).collect();
        let scenario = match document.scenario.with_numbers(&numbers) {
            Ok(scenario) => scenario,
            Err(why) => return self.say(format!("the edit {why}"), true),
        };
        let experiment = document.experiment().with_scenario(scenario);
        let to = document.trace.iteration();
        let computation = experiment.descent.start(to);
        if let Some(shortage) = computation.missing_memory() {
            return self.say(shortage.to_string(), true);
        }
        let locations = self.stepper.nearest_locations_in(to);
        self.begin_job(Job::Seek(Seek::new(
            SeekGoal::Edited(Box::new(PendingEdit { experiment, edit, kind, count, locations })),
            to,
            computation,
        )));
    }

    /// Shows the result of an edit when its numbers are computed. `old` is the document before the edit.
    pub(super) fn complete_edit(&mut self, pending: &PendingEdit, old: Arc<Document>) {
        let PendingEdit { edit, kind, count, .. } = pending;
        self.stepper.edits.record(edit, *kind, *count);
        let new = Arc::clone(&self.stepper.document);
        let done = self.stepper.edits.done().to_vec();
        // the chart keeps the old losses up to this iteration, even if the step on the screen comes before the loss of this iteration
        self.stepper.training.begin(done, new.descent.losses(), old.trace.iteration());
        let has_same_iteration = new.trace.iteration() == old.trace.iteration();
        let edit = edit.clone();
        // the message need not describe the change: the pane `why` does
        let message = match kind {
            EditKind::Undo => "undone; U redoes it",
            EditKind::Redo => "redone; u undoes it",
            EditKind::New => "u undoes it, W writes it",
        };
        self.say(message, false);
        let estimate = has_same_iteration.then(|| estimate(&old, &edit)).flatten();
        let derivative = match edit.changes.as_slice() {
            [change] => estimate.and_then(|_| derivative(&old, change.number)),
            _ => None,
        };
        self.stepper.effect =
            Some(EditEffect { edit, loss: [old.loss, new.loss], estimate, derivative, visit: self.stepper.current_visit() });
        self.stepper.before_edit = has_same_iteration.then_some(old);
    }
}

impl Stepper {
    /// Returns whether the key `e` has asked for a new value of the number under the cursor, and no character of it is typed yet.
    #[must_use]
    pub fn awaits_value_here(&self) -> bool {
        let is_given = |scene: Scene<'_>| given_number(&self.document, &scene, self.subject(&scene)).is_ok();
        self.awaits_value && self.cursor.is_some() && self.document.scene(self.step).is_some_and(is_given)
    }

    /// Returns the effect of the last edit; `None` after the next move.
    #[must_use]
    pub fn shown_effect(&self) -> Option<&EditEffect> {
        self.effect.as_ref().filter(|effect| effect.is_shown_at(self.current_visit()))
    }

    /// Returns whether the numbers before the last edit are still stored.
    #[must_use]
    pub fn has_old_values(&self) -> bool {
        self.before_edit.as_ref().is_some_and(|before| before.trace.iteration() == self.document.trace.iteration())
    }

    /// Returns the value of an entry before the last edit, if it differs from the value in the scene.
    #[must_use]
    pub fn value_before_edit(&self, scene: &Scene<'_>, tensor: Id, at: usize) -> Option<f64> {
        let before = self.before_edit.as_ref().filter(|before| before.trace.iteration() == scene.step.iteration)?;
        let new = scene.complete_number(tensor, at)?;
        let run = before.trace.runs().get(scene.at.run_index)?;
        let old = *run.run.values(same_tensor(scene.network(), tensor, &run.network)?).get(at)?;
        (old.to_bits() != new.to_bits()).then_some(old)
    }
}

/// Returns the tensor of `other` that corresponds to `tensor` of `network`. These are the networks of one run before and after an edit. The edit changes the
/// losses, so the tolerance may end the descent with this iteration only before the edit, or only after it. Then only one of the two networks of the batch has
/// an update, and a tensor may have another id in the other one. Returns `None` for a tensor of the update.
fn same_tensor(network: &Network, tensor: Id, other: &Network) -> Option<Id> {
    if network.tensors().len() == other.tensors().len() {
        return Some(tensor);
    }
    let key = |info: &TensorInfo| (info.role, info.source);
    let wanted = key(network.tensor(tensor));
    other.tensors().iter().position(|info| key(info) == wanted)
}

/// Returns an estimate of the change of the loss: the sum of ∂C/∂w · Δw over the edited numbers w. Returns `None` in every iteration but the first,
/// because the edit also changes the updates before it, which the estimate leaves out. Also returns `None` if the backward pass does not compute one
/// of the derivatives.
fn estimate(old: &Document, edit: &Edit) -> Option<f64> {
    if old.trace.iteration() > 1 {
        return None;
    }
    let mut sum = 0.0;
    for change in &edit.changes {
        sum += derivative(old, change.number)? * (change.new - change.old);
    }
    Some(sum)
}

/// Returns the derivative of the batch's loss by a number, if the backward pass computes it.
fn derivative(document: &Document, number: GivenNumber) -> Option<f64> {
    let runs = document.trace.runs();
    let samples = document.trace.samples();
    match number {
        GivenNumber::LearningRate => None,
        GivenNumber::Shared { tensor, at } => {
            let gradient = document.trace.network().gradient_of(tensor)?;
            let of_only_sample = || (samples == 1).then_some((0, gradient));
            let (run, gradient) = document.trace.in_batch(gradient).or_else(of_only_sample)?;
            runs[run].run.values(gradient).get(at).copied()
        }
        GivenNumber::Sample { sample, tensor, at } => {
            let run = runs.iter().find(|run| run.sample == Some(sample))?;
            let of_sample = *run.run.values(run.network.gradient_of(tensor)?).get(at)?;
            #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ samples
            let of_batch = match document.scenario.batch_loss.reduction {
                BatchReduction::Mean => of_sample / samples as f64,
                BatchReduction::Sum => of_sample,
            };
            Some(of_batch)
        }
    }
}
