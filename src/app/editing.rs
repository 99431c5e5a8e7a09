//! Edits of a scenario's numbers: from a typed value to the numbers on the screen.
//!
//! An edit changes numbers that the file gives. The experiment with the new numbers is computed up to the iteration on the screen, by a job if that takes
//! long, and the stepper stays at its place.

use std::sync::Arc;

use super::edits::{Change, Edit, EditEffect, EditKind, PendingEdit};
use super::job::{Job, Seek, SeekGoal};
use super::motion::Motion;
use super::number_name::{name_without_index, number_name};
use super::{Cursor, Document, Mode, Prompt, PromptKind, Stepper};
use crate::network::{Id, Role};
use crate::number::short;
use crate::op::loss::BatchReduction;
use crate::scenario::{GivenNumber, Scenario, typed_number};
use crate::scene::Scene;
use crate::step::{Address, Place, Scope, TensorEntry};
use crate::tensor::{index_text, len, ravel, shape_text, unravel};

impl Motion<'_> {
    /// Opens the line for a new value of the entry under the cursor. Without a cursor, opens the cursor first.
    pub(super) fn begin_edit(&mut self) {
        self.stepper.play = None;
        let document = Arc::clone(&self.stepper.document);
        let Some(scene) = document.scene(self.stepper.step) else { return };
        if self.stepper.cursor.is_none() {
            self.open_cursor_on_given(&scene);
            return;
        }
        let entry = self.stepper.subject(&scene);
        match given_number(&document, &scene, entry) {
            Ok(place) => self.stepper.mode = Mode::Prompt(Prompt::new(PromptKind::Value(place))),
            Err(why) => self.say(why, true),
        }
    }

    /// Opens the cursor on the first number that the step reads and the file gives; if it reads none, on the entry that it computes.
    fn open_cursor_on_given(&mut self, scene: &Scene<'_>) {
        let document = Arc::clone(&self.stepper.document);
        let is_given = |entry: &&TensorEntry| given_number(&document, scene, **entry).is_ok();
        let given = scene.sources_now().iter().find(is_given).copied();
        self.stepper.scroll = [0, 0];
        self.stepper.cursor = Some(given.map_or(Cursor::on_result(scene), |entry| Cursor::on(scene, entry.tensor, entry.at)));
        self.say(
            match given {
                Some(_) => "e edits the number under the cursor; arrows move it, Tab goes to the next matrix",
                None => "this step reads only computed numbers: Tab goes to the next matrix, :set edits any number of the file",
            },
            false,
        );
    }

    /// Sets a number: the argument of `set` is the number's address and its new value.
    pub(super) fn set_number(&mut self, argument: &str) {
        let document = Arc::clone(&self.stepper.document);
        let (name, value) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
        if value.trim().is_empty() {
            return self.say(format!("write the new value after the entry: set {name} 1/3"), true);
        }
        let Some(scene) = document.scene(self.stepper.step) else { return };
        let edit = typed_number(value).and_then(|value| edit_of(&document, &scene, name, value));
        match edit {
            Ok(edit) => self.apply(edit, EditKind::New, 1),
            Err(why) => self.say(why, true),
        }
    }

    /// Gives a number the value that was typed.
    ///
    /// # Errors
    /// A sentence if the value is not possible.
    pub(super) fn set_typed(&mut self, place: GivenNumber, text: &str) -> Result<(), String> {
        let document = Arc::clone(&self.stepper.document);
        let edit = edit_to(&document, &[(place, typed_number(text)?)])?;
        self.apply(edit, EditKind::New, 1);
        Ok(())
    }

    /// Does the unsaved edits of an earlier session again, as one edit. Those that no longer fit are left out.
    pub(super) fn take_back(&mut self, numbers: &[(String, f64)]) {
        let document = Arc::clone(&self.stepper.document);
        let Some(scene) = document.scene(self.stepper.step) else { return };
        let mut changes: Vec<Change> = Vec::new();
        let mut left_out = 0;
        for (name, value) in numbers {
            match edit_of(&document, &scene, name, *value) {
                Ok(edit) => {
                    changes.retain(|change| edit.changes.iter().all(|new| new.place != change.place));
                    changes.extend(edit.changes);
                }
                Err(_) => left_out += 1,
            }
        }
        if changes.is_empty() {
            return self.say("none of these edits fits the scenario any more", true);
        }
        let name = if left_out == 0 {
            "edits of an earlier session".to_owned()
        } else {
            format!("edits of an earlier session without {left_out}")
        };
        self.apply(Edit { name, changes }, EditKind::New, 1);
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

    /// Undoes or redoes several edits: as one computation, because only the last numbers are shown.
    fn apply_in_turn(&mut self, edits: Vec<Edit>, kind: EditKind, none: &str) {
        let count = edits.len();
        let mut changes: Vec<Change> = Vec::new();
        for change in edits.iter().flat_map(|edit| &edit.changes) {
            let change = if kind == EditKind::Undo { change.reversed() } else { *change };
            match changes.iter_mut().find(|earlier| earlier.place == change.place) {
                Some(earlier) => earlier.new = change.new,
                None => changes.push(change),
            }
        }
        match edits.into_iter().next() {
            None => self.say(none, false),
            Some(edit) if count == 1 => self.apply(Edit { name: edit.name, changes }, kind, count),
            Some(_) => self.apply(Edit { name: format!("{count} edits"), changes }, kind, count),
        }
    }

    /// Computes the experiment with an edit up to the iteration on the screen.
    fn apply(&mut self, edit: Edit, kind: EditKind, count: usize) {
        self.stop();
        let document = Arc::clone(&self.stepper.document);
        // the numbers before the last edit are no longer needed, and their memory is
        self.stepper.before_edit = None;
        let numbers: Vec<_> = edit.changes.iter().map(|change| (change.place, change.new)).collect();
        let scenario = match document.scenario.with_numbers(&numbers) {
            Ok(scenario) => scenario,
            Err(why) => return self.say(format!("the edit {why}"), true),
        };
        let experiment = document.experiment().with_scenario(scenario);
        let to = document.trace.iteration();
        let walk = experiment.descent.walk(to);
        if let Some(shortage) = walk.refused() {
            return self.say(shortage.to_string(), true);
        }
        let places = self.stepper.same_place_in(to);
        self.begin(Job::Seek(Seek::new(SeekGoal::Edited(Box::new(PendingEdit { experiment, edit, kind, count, places })), to, walk)));
    }

    /// Records an edit whose numbers are computed and on the screen. `old` is the document before the edit.
    pub(super) fn complete_edit(&mut self, pending: &PendingEdit, old: Arc<Document>) {
        let PendingEdit { edit, kind, count, .. } = pending;
        self.stepper.edits.record(edit, *kind, *count);
        let new = Arc::clone(&self.stepper.document);
        let done = self.stepper.edits.done().to_vec();
        // the old iteration was computed, whatever its step on the screen was
        self.stepper.training.begin(done, new.descent.losses(), old.trace.iteration());
        let has_same_iteration = new.trace.iteration() == old.trace.iteration();
        let edit = edit.clone();
        // the pane with the words says what changed
        let message = match kind {
            EditKind::Undo => "undone; U redoes it",
            EditKind::Redo => "redone; u undoes it",
            EditKind::New => "u undoes it, W writes it",
        };
        self.say(message, false);
        let foretold = has_same_iteration.then(|| foretold(&old, &edit)).flatten();
        self.stepper.effect = Some(EditEffect { edit, loss: [old.loss, new.loss], foretold, visit: self.stepper.visit() });
        self.stepper.before_edit = has_same_iteration.then_some(old);
    }
}

impl Stepper {
    /// Returns the effect of the last edit, until the next move.
    #[must_use]
    pub fn shown_effect(&self) -> Option<&EditEffect> {
        self.effect.as_ref().filter(|effect| effect.is_shown_at(self.visit()))
    }

    /// Returns whether the numbers before the last edit are known.
    #[must_use]
    pub fn has_old_values(&self) -> bool {
        self.before_edit.as_ref().is_some_and(|before| before.trace.iteration() == self.document.trace.iteration())
    }

    /// Returns the value of an entry before the last edit, if the edit has changed it.
    #[must_use]
    pub fn value_before_edit(&self, scene: &Scene<'_>, tensor: Id, at: usize) -> Option<f64> {
        let before = self.before_edit.as_ref().filter(|before| before.trace.iteration() == scene.step.iteration)?;
        let value = |document: &Document| -> Option<f64> {
            let run = document.trace.sample_runs().get(scene.at.sample_run)?;
            // the batch of the last iteration has no update, so its network can have fewer tensors
            let is_there = tensor < run.network.tensors().len();
            is_there.then(|| run.run.values(tensor).get(at).copied()).flatten()
        };
        let (old, new) = (value(before)?, value(&self.document)?);
        (old.to_bits() != new.to_bits()).then_some(old)
    }
}

/// Returns Σ ∂C/∂w · Δw over the numbers w of an edit, in the first iteration. In later iterations, the edit changes the iterations before them too.
fn foretold(old: &Document, edit: &Edit) -> Option<f64> {
    if old.trace.iteration() > 1 {
        return None;
    }
    let mut sum = 0.0;
    for change in &edit.changes {
        sum += derivative(old, change.place)? * (change.new - change.old);
    }
    Some(sum)
}

/// Returns the derivative of the batch's loss by a number, if the backward pass computes it.
fn derivative(document: &Document, place: GivenNumber) -> Option<f64> {
    let runs = document.trace.sample_runs();
    let samples = document.trace.samples();
    match place {
        GivenNumber::LearningRate => None,
        GivenNumber::Shared { tensor, at } => {
            let gradient = document.trace.network().gradient_of(tensor)?;
            if samples == 1 {
                return runs[0].run.values(gradient).get(at).copied();
            }
            let batch = runs.last()?;
            let reduced = batch.network.with_role(Role::Reduced(gradient)).next()?;
            batch.run.values(reduced).get(at).copied()
        }
        GivenNumber::Sample { sample, tensor, at } => {
            let run = runs.iter().find(|run| run.sample == Some(sample))?;
            let own = *run.run.values(run.network.gradient_of(tensor)?).get(at)?;
            #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ samples
            let of_batch = match document.scenario.batch_reduction {
                BatchReduction::Mean => own / samples as f64,
                BatchReduction::Sum => own,
            };
            Some(of_batch)
        }
    }
}

/// Returns the number of the file that an entry on the screen shows.
///
/// # Errors
/// A sentence if the entry is computed.
pub(super) fn given_number(document: &Document, scene: &Scene<'_>, TensorEntry { tensor, at }: TensorEntry) -> Result<GivenNumber, String> {
    let name = scene.name(tensor, at);
    if scene.pass_of(tensor).is_some() {
        return Err(format!("{name} is computed: edit an input, a weight, a bias or a target; m goes to its steps"));
    }
    let (sample_run, tensor) = scene.home(tensor);
    let Some(sample) = document.trace.sample_runs()[sample_run].sample else {
        return Err(format!("{name} is computed by the iteration before"));
    };
    number_of_file(document, sample, tensor, at)
}

/// Returns the number of the file that is an entry of a tensor of a sample.
///
/// # Errors
/// A sentence if the entry is computed.
fn number_of_file(document: &Document, sample: usize, tensor: Id, at: usize) -> Result<GivenNumber, String> {
    let network = document.trace.network();
    let info = network.tensor(tensor);
    let name = format!("{}{}", info.name, index_text(&unravel(at, &info.shape)));
    if network.producer(tensor).is_some() {
        return Err(format!("{name} is computed: edit an input, a weight, a bias or a target"));
    }
    let before = document.trace.iteration() - 1;
    if before > 0 && document.is_updated(tensor) {
        return Err(format!("in this iteration {name} was computed by the update of iteration {before}: edit it in iteration 1"));
    }
    Ok(match info.role {
        Role::Input { learns: false } | Role::Target => GivenNumber::Sample { sample, tensor, at },
        _ => GivenNumber::Shared { tensor, at },
    })
}

/// Returns the edit that gives a number, or the target's class, a value.
///
/// # Errors
/// A sentence if there is no such number, or if the value is not possible.
fn edit_of(document: &Document, scene: &Scene<'_>, name: &str, value: f64) -> Result<Edit, String> {
    if name == "learning_rate" {
        return edit_to(document, &[(GivenNumber::LearningRate, value)]);
    }
    let address: Address = name.parse().map_err(|_| format!("{name} is no entry: write a name with its index, such as fc1.weight[0,1]"))?;
    let Place::Op { scope, name: tensor_name, index, term: None } = &address.place else {
        return Err(format!("{name} is computed: edit an input, a weight, a bias or a target"));
    };
    if address.iteration.is_some() {
        return Err("the file gives the numbers of iteration 1: write the entry without an iteration".to_owned());
    }
    let network = document.trace.network();
    let here = scene.sample().or_else(|| scene.samples().next()).unwrap_or(0);
    let sample = match scope {
        // addresses count samples from 1
        Scope::Sample(number) if (1..=document.scenario.samples.len()).contains(number) => number - 1,
        Scope::Sample(number) => return Err(format!("there is no sample {number}: there are {}", document.scenario.samples.len())),
        _ => here,
    };
    let Some(tensor) = network.find(tensor_name) else { return Err(format!("there is no tensor {tensor_name}")) };
    let info = network.tensor(tensor);
    if info.role == Role::Target && index.is_none() && len(&info.shape) > 1 {
        return class_edit(document, sample, tensor, value);
    }
    let index = index.as_deref().unwrap_or_default();
    // the index of a tensor with one entry may be left out
    let at = if index.is_empty() && len(&info.shape) == 1 { Some(0) } else { ravel(index, &info.shape) };
    let at = at.ok_or_else(|| format!("{name} is no entry: {tensor_name} has the shape {}", shape_text(&info.shape)))?;
    edit_to(document, &[(number_of_file(document, sample, tensor, at)?, value)])
}

/// Returns the edit that makes a class the target: 1 for the class, 0 for the others.
fn class_edit(document: &Document, sample: usize, tensor: Id, class: f64) -> Result<Edit, String> {
    let classes = len(&document.trace.network().tensor(tensor).shape);
    let Some(class) = (0..classes).find(|number| class == f64::from(u32::try_from(*number).unwrap_or(u32::MAX))) else {
        return Err(format!("the target has {classes} entries: write a class from 0 to {}, or an entry such as target[0]", classes - 1));
    };
    let values: Vec<_> = (0..classes).map(|at| (GivenNumber::Sample { sample, tensor, at }, if at == class { 1.0 } else { 0.0 })).collect();
    edit_to(document, &values)
}

/// Returns the edit to these values.
///
/// # Errors
/// A sentence if a value is not possible, or if nothing would change.
fn edit_to(document: &Document, values: &[(GivenNumber, f64)]) -> Result<Edit, String> {
    let scenario = &document.scenario;
    let mut changes = Vec::new();
    for &(place, new) in values {
        check_value(scenario, place, new)?;
        let old = scenario.number(place);
        if old.to_bits() != new.to_bits() {
            changes.push(Change { place, old, new });
        }
    }
    let name = match values {
        [(place, _)] => number_name(scenario, *place),
        [(place, _), ..] => name_without_index(scenario, *place),
        [] => String::new(),
    };
    match (changes.is_empty(), values) {
        (true, [(_, value)]) => Err(format!("{name} is already {}", short(*value))),
        (true, _) => Err(format!("{name} already has these values")),
        (false, _) => Ok(Edit { name, changes }),
    }
}

/// Checks that a number may have a value.
///
/// # Errors
/// A sentence if it may not.
fn check_value(scenario: &Scenario, place: GivenNumber, value: f64) -> Result<(), String> {
    match place {
        GivenNumber::LearningRate if scenario.train.is_none() => Err("there is no learning rate: the scenario has no [train]".to_owned()),
        GivenNumber::LearningRate if value == 0.0 => Err("the learning rate must not be 0".to_owned()),
        GivenNumber::Shared { tensor, .. } if scenario.network.tensor(tensor).role == Role::Constant && value != 0.0 && value != 1.0 => {
            Err("the entries of a mask are 0 or 1".to_owned())
        }
        _ => Ok(()),
    }
}
