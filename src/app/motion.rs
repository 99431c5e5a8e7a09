//! Moves through the steps of a trace: by keys with a count, by clicks, and by play. `work.rs` does the long moves, which are jobs.

use std::sync::Arc;
use std::time::Duration;

use super::forward_moves::MoveBack;
use super::stepper_context::StepperContext;
use super::{Action, Cursor, ForwardMoves, KeyMeanings, SPEEDS, Visit};
use crate::network::Id;
use crate::scene::{EntryState, Grid, Scene};
use crate::step::{Address, Location, TensorEntry, Unit};
use crate::text::counted;

/// The largest number of units that one key moves by. A larger count is probably a typing error.
const MAX_UNITS: u64 = 100_000;

impl StepperContext<'_> {
    /// Returns the time of the next move of play, one period from now.
    fn next_play_time(&self) -> Duration {
        self.now + self.settings.period()
    }

    /// Moves one unit forward if play is on and the next move is due. If several moves are due after a delay, only one is done.
    pub fn play_if_due(&mut self) {
        let Some(due) = self.stepper.play.filter(|due| *due <= self.now && self.stepper.job.is_none()) else { return };
        let next = due + self.settings.period();
        self.stepper.play = Some(if next > self.now { next } else { self.next_play_time() });
        if !self.move_by(self.stepper.unit, 1) {
            self.stepper.play = None;
            self.say("play stopped at the last step", false);
        }
    }

    /// Continues the job until `iterations` iterations or `pieces` pieces are done, whichever comes first. (A piece is the smallest unit of work of a job, such
    /// as one op or a move by one unit.) If the job ends and play is on, play makes its next move one period later.
    pub fn advance_job(&mut self, iterations: u64, pieces: u64) {
        self.work_on_job(iterations, pieces);
        if self.stepper.job.is_none() && self.stepper.play.is_some() {
            self.stepper.play = Some(self.next_play_time());
        }
    }

    /// Does an action of the stepper, such as a move, a bookmark or an edit. `count` is the number typed before the key.
    pub fn do_action(&mut self, action: &Action, count: Option<u64>) {
        let times = count.unwrap_or(1).min(MAX_UNITS);
        let signed_times = i64::try_from(times).unwrap_or(1);
        match action {
            Action::Finer => return self.change_unit(-signed_times),
            Action::Coarser => return self.change_unit(signed_times),
            Action::Faster => return self.change_speed(signed_times),
            Action::Slower => return self.change_speed(-signed_times),
            Action::TogglePlay => return self.toggle_play(),
            Action::Forward => return self.forward(times),
            Action::Back => return self.back(times),
            Action::Inspect | Action::MoveCursor(_) | Action::NextMatrix(_) | Action::Channel(_) => return self.move_cursor(action, times),
            Action::ToggleWatch => return self.toggle_watch(),
            Action::EditNumber(first) => return self.begin_edit(*first),
            Action::NextQuestion => return self.next_question(),
            Action::Undo => return self.undo(times),
            Action::Redo => return self.redo(times),
            Action::ToggleBookmark => return self.toggle_bookmark(),
            Action::GoToDifference(place) => return self.go_to_difference(*place),
            Action::CheckGradient => return self.check_gradient(),
            Action::GoToEntry(tensor, at) if self.stepper.cursor.is_some() && self.is_in_a_matrix(*tensor) => {
                return self.put_cursor(*tensor, *at);
            }
            _ => {}
        }
        self.stop_and_forget_moves();
        let before = self.stepper.current_visit();
        let document = Arc::clone(&self.stepper.document);
        let trace = &document.trace;
        let (moved, is_jump) = match action {
            Action::StepForward => (self.move_by(Unit::Step, signed_times), false),
            Action::StepBack => (self.move_by(Unit::Step, -signed_times), false),
            Action::StepOut => (self.go_to_step(trace.span(before.step, Unit::Op).end - 1), false),
            Action::First => (self.go_to_step(1), true),
            Action::Last => (self.go_to_number(count.unwrap_or(trace.len())), true),
            Action::GoToStep(k) => (self.go_to_shown_step(*k), true),
            Action::GoToEntry(tensor, at) => {
                let tensor = self.addressed_tensor(*tensor);
                match self.first_step_of(TensorEntry { tensor, at: *at }) {
                    Ok(k) => {
                        self.explain_jump(tensor, *at, k);
                        (self.go_to_step(k), true)
                    }
                    Err(why) => return self.stay_at(tensor, *at, &why),
                }
            }
            Action::GoToProducer => match self.first_step_of_producer() {
                Ok(k) => (self.go_to_step(k), true),
                Err(why) => return self.say(why, false),
            },
            Action::GoToAddress(address) => {
                return if let Err(why) = self.jump_to(address.clone()) {
                    self.say(why, true);
                };
            }
            Action::BackwardPass => match trace.resolve(&Location::Backward.into()) {
                Ok(k) => (self.go_to_step(k), true),
                Err(why) => return self.say(why, true),
            },
            Action::JumpBack => match self.stepper.visits.go_back(before, times) {
                Some(visit) => return self.return_to(visit),
                None => return self.say("this is the first place visited", false),
            },
            Action::JumpForward => match self.stepper.visits.go_forward(before, times) {
                Some(visit) => return self.return_to(visit),
                None => return self.say("this is the last place visited", false),
            },
            _ => return,
        };
        if moved && is_jump {
            self.stepper.visits.record_jump_from(before);
        }
        match action {
            _ if moved || self.message.is_some() => {}
            Action::StepOut => self.say("this is the last step of the op", false),
            Action::First | Action::Last if before.step == 1 || before.step >= trace.len() => self.report_end(Unit::Step, before.step > 1),
            _ if is_jump => self.say("this step is already on the screen", false),
            _ => self.report_end(Unit::Step, before.step > 1), // a move by a step changes nothing only at the last and the first step
        }
    }

    /// Opens or moves the cursor, or shows other channels.
    fn move_cursor(&mut self, action: &Action, times: u64) {
        let times = isize::try_from(times).unwrap_or(1);
        let Some(scene) = self.stepper.scene() else { return };
        let cursor = match (action, self.stepper.cursor) {
            (Action::Inspect, Some(_)) => {
                return self.say("the cursor is open already: arrows move it, e edits the number, Esc closes it", false);
            }
            (Action::Inspect, None) => Some(Cursor::on_result(&scene)),
            (Action::MoveCursor(distance), Some(cursor)) => Some(cursor.moved(&scene, distance.map(|cells| cells.saturating_mul(times)))),
            (Action::NextMatrix(count), Some(cursor)) => Some(cursor.in_matrix(&scene, count.saturating_mul(times))),
            (Action::Channel(count), Some(cursor)) => Some(cursor.in_channel(&scene, count.saturating_mul(times))),
            (Action::Channel(count), None) => {
                let channels = scene.tensors().iter().map(|shown| Grid::of(&scene.network().tensor(shown.tensor).shape).blocks).max();
                let max_offset = isize::try_from(channels.unwrap_or(1)).unwrap_or(1) - 1;
                let offset = self.stepper.channel_offset.saturating_add(count.saturating_mul(times)).clamp(-max_offset, max_offset);
                if offset == self.stepper.channel_offset {
                    self.say("there is no further channel", false);
                }
                self.stepper.channel_offset = offset;
                return;
            }
            _ => return,
        };
        self.stepper.scroll = [0, 0];
        self.stepper.cursor = cursor;
    }

    /// Puts the cursor on an entry of a tensor.
    fn put_cursor(&mut self, tensor: Id, at: usize) {
        if let Some(cursor) = self.stepper.scene().map(|scene| Cursor::on(&scene, tensor, at)) {
            self.stepper.cursor = Some(cursor);
        }
    }

    /// Returns the tensor that an address with the name of `tensor` means. In the update pass, the old and the new weight have the same name. The address means
    /// the new weight, because a step computes it.
    fn addressed_tensor(&self, tensor: Id) -> Id {
        let Some((trace, at)) = self.stepper.trace_and_position() else { return tensor };
        let network = trace.network_of(at.run_index);
        network.find(&network.tensor(tensor).name).unwrap_or(tensor)
    }

    /// Returns whether a matrix of this step shows a tensor, so that the cursor can be on it.
    fn is_in_a_matrix(&self, tensor: Id) -> bool {
        self.stepper.scene().is_some_and(|scene| scene.tensors().iter().any(|shown| shown.tensor == tensor))
    }

    /// Returns the first step that computes the entry under the cursor. Without a cursor, returns the first step that computes the largest factor of this step.
    ///
    /// # Errors
    /// A sentence if no step computes that entry.
    fn first_step_of_producer(&self) -> Result<u64, String> {
        let scene = self.stepper.scene().ok_or("there is no step")?;
        self.first_step_of(match self.stepper.cursor {
            Some(cursor) => cursor.entry(&scene),
            None => scene.largest_source().ok_or("this step reads only constants")?,
        })
    }

    /// Returns the first step that computes an entry.
    ///
    /// # Errors
    /// A sentence if no step computes the entry.
    fn first_step_of(&self, TensorEntry { tensor, at }: TensorEntry) -> Result<u64, String> {
        let scene = self.stepper.scene().ok_or("there is no step")?;
        if let Some(sentence) = scene.zero_sentence(tensor, at) {
            return Err(sentence);
        }
        if let Some(steps) = scene.steps_in_sample(tensor, at) {
            return Ok(steps.start);
        }
        let step = match scene.state_of(tensor, at) {
            EntryState::Given(_) => return Err(self.origin_of_given(&scene, tensor, at)),
            EntryState::NoTerms(why) => return Err(why.to_owned()),
            EntryState::Complete { steps, .. } | EntryState::Partial { steps, .. } | EntryState::Pending { steps } => steps.start,
        };
        // a step of the planned update does not exist
        let document = &self.stepper.document;
        document.reason_without_update().filter(|_| step > document.trace.len()).map_or(Ok(step), Err)
    }

    /// Returns a sentence about the origin of a number that no step of this iteration computes.
    fn origin_of_given(&self, scene: &Scene<'_>, tensor: Id, at: usize) -> String {
        let (name, document) = (scene.name(tensor, at), &self.stepper.document);
        let previous = document.trace.iteration() - 1;
        // the tensor of the parameter in the network of the samples; the network of the batch has a copy of it
        let parameter = if scene.sample().is_some() { Some(tensor) } else { scene.network().tensor(tensor).parameter };
        if previous > 0 && parameter.is_some_and(|parameter| document.is_updated(parameter)) {
            return format!("{name} was computed by the update of the iteration before: {previous}/update:{name}");
        }
        format!("{name} is given: no step computes it")
    }

    /// Shows the reason why no step computes an entry. If a matrix of this step shows the entry, puts the cursor on it.
    fn stay_at(&mut self, tensor: Id, at: usize, why: &str) {
        if !self.is_in_a_matrix(tensor) {
            return self.say(why, false);
        }
        self.put_cursor(tensor, at);
        let is_given = self.stepper.scene().is_some_and(|scene| matches!(scene.state_of(tensor, at), EntryState::Given(_)));
        let hint = if is_given { "; r lists what reads it, e edits it" } else { "" };
        self.say(format!("{why}{hint}"), false);
    }

    /// Watches the entry under the cursor or, without a cursor, the entry of the step. If it is already watched, stops watching it.
    fn toggle_watch(&mut self) {
        let document = Arc::clone(&self.stepper.document);
        let Some(scene) = document.scene(self.stepper.step) else { return };
        let subject = self.stepper.subject(&scene);
        let (address, is_watched) = self.stepper.watches.toggle(&scene, subject);
        self.report_watch(&address, is_watched);
    }

    /// Reports whether an entry is watched now.
    pub(super) fn report_watch(&mut self, address: &str, is_watched: bool) {
        self.say(if is_watched { format!("watching {address}") } else { format!("no longer watching {address}") }, false);
    }

    /// Bookmarks the step on the screen, or removes its bookmark.
    fn toggle_bookmark(&mut self) {
        let Some(here) = self.stepper.address_here() else { return };
        if self.stepper.bookmarks.remove(&here) {
            return self.say(format!("removed the bookmark of {here}"), false);
        }
        self.say(format!("bookmarked {here}: the key ' lists all bookmarks"), false);
        self.stepper.bookmarks.add(here, None);
    }

    /// Stops the job and play, and forgets the moves forward that `h` could undo. Moves, jumps and searches do this first, except the keys `l` and `h`: they
    /// may extend the job, and they decide themselves which moves to forget.
    pub(super) fn stop_and_forget_moves(&mut self) {
        // play ends first, so that only a stopped job makes a message
        self.stepper.play = None;
        self.stepper.forward_moves = None;
        self.stop_job_and_play();
    }

    /// Moves forward by a number of units, and records the move, so that `h` can undo it.
    fn forward(&mut self, times: u64) {
        let (unit, here) = (self.stepper.unit, self.stepper.current_visit());
        let units = i64::try_from(times).unwrap_or(1);
        if self.extend_job(unit, units) {
            self.stepper.forward_moves.iter_mut().for_each(|moves| moves.extend_last(times));
            return;
        }
        let recorded = self.stepper.forward_moves.take().filter(|moves| moves.are_by(unit));
        self.stepper.forward_moves.insert(recorded.unwrap_or_else(|| ForwardMoves::new(unit))).push(here, times);
        self.stepper.play = None;
        self.stop_job_and_play();
        if self.move_by(unit, units) {
            return;
        }
        self.stepper.forward_moves.iter_mut().for_each(ForwardMoves::remove_last);
        self.stepper.forward_moves.take_if(|moves| moves.is_empty());
        if self.message.is_none() {
            self.report_end(unit, true);
        }
    }

    /// Moves back by a number of units. Directly after moves forward by the same number of units, returns to the step at which they began (see
    /// `forward_moves.rs`), except in a replay with the old meanings of the keys.
    fn back(&mut self, times: u64) {
        let unit = self.stepper.unit;
        let units = i64::try_from(times).unwrap_or(1);
        let move_back = self.stepper.forward_moves.as_mut().map_or(MoveBack::NotRecorded, |moves| moves.undo(unit, times));
        if let (MoveBack::ReturnTo(visit), KeyMeanings::ToLastSteps) = (move_back, self.settings.key_meanings) {
            (self.stepper.play, self.stepper.job) = (None, None);
            return self.return_to(visit);
        }
        if move_back != MoveBack::WithinMove {
            self.stepper.forward_moves = None;
        }
        if self.extend_job(unit, -units) {
            return;
        }
        self.stepper.play = None;
        self.stop_job_and_play();
        if !self.move_by(unit, -units) && self.message.is_none() {
            self.report_end(unit, false);
        }
    }

    /// Adds units to the running job, if it can take them (`Job::extend`) and play is off. Returns whether they were added.
    fn extend_job(&mut self, unit: Unit, units: i64) -> bool {
        self.stepper.play.is_none() && self.stepper.job.as_mut().is_some_and(|job| job.extend(unit, units))
    }

    /// Goes to a step that was visited before.
    fn return_to(&mut self, Visit { iteration, step }: Visit) {
        if let Err(why) = self.go_to(Address { iteration: Some(iteration), location: Location::Step(step) }) {
            self.say(why, true);
        }
    }

    /// Shows a message that a move by `unit` goes no further: the step or the iteration on the screen is the last one or, for a move back, the first.
    fn report_end(&mut self, unit: Unit, is_forward: bool) {
        let document = Arc::clone(&self.stepper.document);
        let (iteration, all) = (document.trace.iteration(), document.descent.iterations());
        if let Some(shortage) = document.shortage.filter(|_| is_forward && all > 1) {
            return self.say(shortage.to_string(), true);
        }
        let (which, end) = if is_forward { ("last", document.trace.len()) } else { ("first", 1) };
        if unit == Unit::Iteration && self.stepper.step != end {
            return self.say(format!("this is the {which} iteration"), false);
        }
        let which_iteration = match all {
            1 => String::new(),
            _ if document.is_last_iteration && is_forward && iteration < all => {
                format!(": the tolerance ends the descent at iteration {iteration}")
            }
            _ => format!(" of iteration {iteration}"),
        };
        self.say(format!("this is the {which} step{which_iteration}"), false);
    }

    /// Shows the address of the batch's loss, if the step on the screen belongs to the loss of one sample. Users who type `loss` usually mean the loss of the
    /// batch.
    pub fn mention_batch_loss(&mut self) {
        if self.is_loss_of_one_sample() {
            let Visit { iteration, .. } = self.stepper.current_visit();
            self.say(format!("this is the loss of one sample; the batch's is {iteration}/reduce:loss"), false);
        }
    }

    /// Returns whether the step on the screen belongs to the loss of one sample, in a batch that has an op for its own loss.
    fn is_loss_of_one_sample(&self) -> bool {
        let Some((trace, at)) = self.stepper.trace_and_position() else { return false };
        let network = trace.network_of(at.run_index);
        let batch_has_loss = || trace.in_batch(network.loss()).is_some();
        trace.runs()[at.run_index].sample.is_some() && network.ops()[at.op].output == network.loss() && batch_has_loss()
    }

    /// Goes to the step of a typed number, or to the nearest one. Returns whether the step changed.
    fn go_to_number(&mut self, step: u64) -> bool {
        let len = self.stepper.document.trace.len();
        if step == 0 {
            self.say("steps count from 1: this is the first", false);
        } else if step > len {
            let steps_of = if self.stepper.document.iterations() > 1 { "this iteration" } else { "the trace" };
            self.say(format!("{steps_of} has {}: this is the last", counted(len, "step")), false);
        }
        self.go_to_step(step.clamp(1, len))
    }

    /// Goes to a step that the screen shows, such as a step of the timeline. The last steps may be those of a planned update that does not exist; then goes to
    /// the last step. Returns whether the step changed.
    fn go_to_shown_step(&mut self, step: u64) -> bool {
        let document = Arc::clone(&self.stepper.document);
        let len = document.trace.len();
        if let Some(why) = document.reason_without_update().filter(|_| step > len) {
            self.say(format!("{why}: this is its last step"), false);
        }
        self.go_to_step(step.clamp(1, len))
    }

    /// Goes to a step of this iteration. Returns whether the step changed.
    pub fn go_to_step(&mut self, step: u64) -> bool {
        self.stepper.scroll = [0, 0];
        self.stepper.channel_offset = 0;
        self.stepper.effect = None;
        std::mem::replace(&mut self.stepper.step, step) != step
    }

    /// Returns whether the step on the screen differs from `before`, or a job will change it.
    pub fn has_moved(&self, before: Visit) -> bool {
        self.stepper.job.is_some() || self.stepper.current_visit() != before
    }

    /// Shows the message for a jump from the batch to `step` in a sample: the sample computes the entry. Shows none for other jumps.
    fn explain_jump(&mut self, tensor: Id, entry: usize, step: u64) {
        let Some(scene) = self.stepper.scene() else { return };
        if scene.origin(tensor).is_some() && step != scene.at.step {
            let name = scene.name(tensor, entry);
            self.say(format!("{name} is computed in this sample; Backspace returns to the batch"), false);
        }
    }

    /// Moves by a number of units, back if negative. Returns whether the step on the screen changed or a job will change it.
    fn move_by(&mut self, unit: Unit, count: i64) -> bool {
        let before = self.stepper.current_visit();
        if unit == Unit::Iteration {
            self.move_by_iterations(count);
        } else {
            self.move_by_units(unit, count);
        }
        self.has_moved(before)
    }

    /// Chooses the unit that is this number of places later in the order step, entry, op, pass, sample, iteration; earlier if negative. The order leaves out
    /// the sample or the iteration if there is only one.
    fn change_unit(&mut self, places: i64) {
        let units = self.stepper.units();
        let current = units.iter().position(|unit| *unit == self.stepper.unit).unwrap_or(0);
        let wanted = current.saturating_add_signed(isize::try_from(places).unwrap_or(0)).min(units.len() - 1);
        if wanted == current {
            let extreme = if places < 0 { "finest" } else { "coarsest" };
            return self.say(format!("{} is the {extreme} unit", self.stepper.unit.name()), false);
        }
        self.stepper.unit = units[wanted];
    }

    /// Chooses the speed that is this number of places later in [`SPEEDS`], earlier if negative.
    fn change_speed(&mut self, places: i64) {
        let speed = &mut self.settings.speed;
        *speed = speed.saturating_add_signed(isize::try_from(places).unwrap_or(0)).min(SPEEDS.len() - 1);
        let units = format!("{} {}", SPEEDS[*speed], self.stepper.unit.plural());
        if self.stepper.play.is_some() {
            self.stepper.play = Some(self.next_play_time());
        }
        self.say(format!("play speed: {units} a second"), false);
    }

    /// Returns whether this is the last step of the last iteration.
    pub(super) fn is_at_last_step(&self) -> bool {
        let document = &self.stepper.document;
        document.is_last_iteration && self.stepper.step >= document.trace.len()
    }

    /// Starts play, or pauses it.
    fn toggle_play(&mut self) {
        if self.stepper.play.is_some() {
            self.pause_play();
        } else if self.is_at_last_step() {
            self.say("this is the last step: g goes to the first", false);
        } else {
            self.stepper.forward_moves = None;
            self.stepper.play = Some(self.next_play_time());
        }
    }
}
