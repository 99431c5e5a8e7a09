//! Moving through the trace: by unit, by count, by play.

use std::sync::Arc;
use std::time::Duration;

use super::return_point::MoveBack;
use super::{Action, Cursor, Dialect, Message, ReturnPoint, SPEEDS, Settings, Stepper, Visit};
use crate::network::Id;
use crate::scene::{EntryState, Grid};
use crate::step::{Address, Place, TensorEntry, Unit};

/// The most units that one key moves by: a larger count is probably a typing error.
const FARTHEST: u64 = 100_000;

/// The stepper with the parts of the state that its moves read and write.
pub(super) struct Motion<'a> {
    pub stepper: &'a mut Stepper,
    pub settings: &'a mut Settings,
    pub message: &'a mut Option<Message>,
    pub now: Duration,
}

impl Motion<'_> {
    /// Shows a message in the status line.
    pub fn say(&mut self, text: impl AsRef<str>, fault: bool) {
        *self.message = Some(Message::new(text.as_ref(), fault));
    }

    /// Returns the time of the next move of play, if one is made now.
    fn later(&self) -> Duration {
        self.now + self.settings.period()
    }

    /// Moves one unit on if play is due. The next move is due a period later; missed moves are not made up for.
    pub fn clock(&mut self) {
        let Some(due) = self.stepper.play.filter(|due| *due <= self.now && self.stepper.job.is_none()) else { return };
        let next = due + self.settings.period();
        self.stepper.play = Some(if next > self.now { next } else { self.later() });
        if !self.move_by(self.stepper.unit, 1) {
            self.stepper.play = None;
            self.say("play stopped at the last step", false);
        }
    }

    /// Works on the job. Once a job of play is done, the next move is due a period later.
    pub fn advance_job(&mut self, iterations: u64, pieces: u64) {
        self.work(iterations, pieces);
        if self.stepper.job.is_none() && self.stepper.play.is_some() {
            self.stepper.play = Some(self.later());
        }
    }

    /// Does an action that moves, or that changes the unit, play or its speed.
    pub fn travel(&mut self, action: &Action, count: Option<u64>) {
        let times = count.unwrap_or(1).min(FARTHEST);
        let signed = i64::try_from(times).unwrap_or(1);
        match action {
            Action::Finer => return self.change_unit(-signed),
            Action::Coarser => return self.change_unit(signed),
            Action::Faster => return self.change_speed(signed),
            Action::Slower => return self.change_speed(-signed),
            Action::Play => return self.toggle_play(),
            Action::Forward => return self.forward(times),
            Action::Back => return self.back(times),
            Action::Inspect | Action::MoveCursor(_) | Action::NextMatrix(_) | Action::Channel(_) => return self.move_cursor(action, times),
            Action::Visit(tensor, at) if self.stepper.cursor.is_some() => return self.put_cursor(*tensor, *at),
            _ => {}
        }
        self.halt();
        let before = self.stepper.place();
        let document = Arc::clone(&self.stepper.document);
        let trace = &document.trace;
        let (moved, is_jump) = match action {
            Action::StepForward => (self.move_by(Unit::Step, signed), false),
            Action::StepBack => (self.move_by(Unit::Step, -signed), false),
            Action::StepOut => (self.go(trace.span(before.step, Unit::Op).end - 1), false),
            Action::First => (self.go(1), true),
            Action::Last => (self.go(count.unwrap_or(trace.len()).clamp(1, trace.len())), true),
            Action::Go(k) => (self.go((*k).clamp(1, trace.len())), true),
            Action::Visit(tensor, entry) => match self.maker_or_reader(*tensor, *entry) {
                Some(k) => (self.go(k), true),
                None => return self.say("no step computes or reads this entry", false),
            },
            Action::Maker => match self.maker() {
                Ok(k) => (self.go(k), true),
                Err(why) => return self.say(why, false),
            },
            Action::BackwardPass => match trace.resolve(&Place::Backward.into()) {
                Ok(k) => (self.go(k), true),
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
            self.stepper.visits.leave(before);
        }
        match action {
            _ if moved || self.message.is_some() => {}
            Action::StepOut => self.say("this is the last step of the op", false),
            _ if is_jump && before.step > 1 && before.step < trace.len() => self.say("this is already the step", false),
            _ => self.say_end(before.step > 1),
        }
    }

    /// Opens, moves or closes the cursor, or shows other channels.
    fn move_cursor(&mut self, action: &Action, times: u64) {
        let times = isize::try_from(times).unwrap_or(1);
        let Some(scene) = self.stepper.scene() else { return };
        let cursor = match (action, self.stepper.cursor) {
            (Action::Inspect, Some(_)) => None,
            (Action::Inspect, None) => Some(Cursor::on_result(&scene)),
            (Action::MoveCursor(by), Some(cursor)) => Some(cursor.moved(&scene, by.map(|by| by.saturating_mul(times)))),
            (Action::NextMatrix(by), Some(cursor)) => Some(cursor.in_matrix(&scene, by.saturating_mul(times))),
            (Action::Channel(by), Some(cursor)) => Some(cursor.in_channel(&scene, by.saturating_mul(times))),
            (Action::Channel(by), None) => {
                let most = scene.tensors().iter().map(|shown| Grid::of(&scene.network().tensor(shown.tensor).shape).blocks).max();
                let most = isize::try_from(most.unwrap_or(1)).unwrap_or(1) - 1;
                let channels = self.stepper.channels.saturating_add(by.saturating_mul(times)).clamp(-most, most);
                if channels == self.stepper.channels {
                    self.say("there is no further channel", false);
                }
                self.stepper.channels = channels;
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

    /// Returns the first step of the entry under the cursor; without a cursor, of the step's largest factor.
    ///
    /// # Errors
    /// A sentence if no step computes that entry.
    fn maker(&self) -> Result<u64, String> {
        let scene = self.stepper.scene().ok_or("there is no step")?;
        let TensorEntry { tensor, at } = match self.stepper.cursor {
            Some(cursor) => cursor.entry(&scene),
            None => scene.largest_source().ok_or("this step reads only constants")?,
        };
        let name = scene.name(tensor, at);
        match scene.state_of(tensor, at) {
            EntryState::Given(_) => Err(format!("{name} is given, no step computes it; r lists what reads it")),
            EntryState::Unreached(why) => Err(format!("{name} is 0: {why}")),
            EntryState::Complete { steps, .. } | EntryState::Partial { steps, .. } | EntryState::Pending { steps } => Ok(steps.start),
        }
    }

    /// Stops the job and play, and forgets the return point: what comes next is another move than `l` or `h`.
    fn halt(&mut self) {
        self.stepper.play = None;
        self.stepper.return_point = None;
        self.stop();
    }

    /// Moves forward by a number of units, and remembers where the first of these moves began.
    fn forward(&mut self, times: u64) {
        let (unit, here) = (self.stepper.unit, self.stepper.place());
        let units = i64::try_from(times).unwrap_or(1);
        let point = self.stepper.return_point.take().filter(|point| point.is_for(unit));
        let mut point = point.unwrap_or_else(|| ReturnPoint::new(here, unit));
        point.ask(times);
        self.stepper.return_point = Some(point);
        if self.extend_job(unit, units) {
            return;
        }
        self.stepper.play = None;
        self.stop();
        if self.move_by(unit, units) {
            return;
        }
        let point = &mut self.stepper.return_point;
        point.iter_mut().for_each(|point| point.unask(times));
        point.take_if(|point| point.is_idle());
        if self.message.is_none() {
            self.say_end(true);
        }
    }

    /// Moves back by a number of units, or to the place where the same number of moves forward began.
    fn back(&mut self, times: u64) {
        let unit = self.stepper.unit;
        let units = i64::try_from(times).unwrap_or(1);
        let meaning = self.stepper.return_point.as_mut().map_or(MoveBack::Other, |point| point.take_back(unit, times));
        if let (MoveBack::To(visit), Dialect::Two) = (meaning, self.settings.dialect) {
            (self.stepper.return_point, self.stepper.play, self.stepper.job) = (None, None, None);
            return self.return_to(visit);
        }
        if meaning != MoveBack::Part {
            self.stepper.return_point = None;
        }
        if self.extend_job(unit, -units) {
            return;
        }
        self.stepper.play = None;
        self.stop();
        if !self.move_by(unit, -units) && self.message.is_none() {
            self.say_end(self.stepper.step > 1);
        }
    }

    /// Adds a move to the job, if the same key was pressed again before the job was done. Returns whether it was.
    fn extend_job(&mut self, unit: Unit, units: i64) -> bool {
        self.stepper.play.is_none() && self.stepper.job.as_mut().is_some_and(|job| job.extend(unit, units))
    }

    /// Goes to a place that was visited before.
    fn return_to(&mut self, Visit { iteration, step }: Visit) {
        if let Err(why) = self.go_to(Address { iteration: Some(iteration), place: Place::Step(step) }) {
            self.say(why, true);
        }
    }

    /// Tells the user that the step on the screen is the first or the last one, and why there is no further one.
    fn say_end(&mut self, is_last: bool) {
        let document = Arc::clone(&self.stepper.document);
        let (iteration, all) = (document.trace.iteration(), document.descent.iterations());
        if let Some(lack) = document.lack.filter(|_| is_last && all > 1) {
            return self.say(lack.to_string(), true);
        }
        let by_iterations = self.stepper.unit == Unit::Iteration && self.settings.dialect == Dialect::Two;
        let which = if is_last { "last" } else { "first" };
        if by_iterations && all > 1 && self.stepper.step < document.trace.len() && self.stepper.step > 1 {
            return self.say(format!("this is the {which} iteration"), false);
        }
        let of = match all {
            1 => String::new(),
            _ if document.last && is_last && iteration < all => format!(": the tolerance ends the descent at iteration {iteration}"),
            _ => format!(" of iteration {iteration}"),
        };
        self.say(format!("this is the {which} step{of}"), false);
    }

    /// Tells the user the address of the batch's loss, on arrival at the loss of one sample.
    pub fn point_to_batch_loss(&mut self) {
        if self.is_loss_of_one_sample() {
            let Visit { iteration, .. } = self.stepper.place();
            self.say(format!("this is the loss of one sample; the batch's is {iteration}/reduce:loss"), false);
        }
    }

    /// Returns whether the step on the screen belongs to the loss of one sample, in a batch of several.
    fn is_loss_of_one_sample(&self) -> bool {
        let Some((trace, at)) = self.stepper.here() else { return false };
        let network = trace.network_of(at.sample_run);
        trace.samples() > 1 && trace.sample_runs()[at.sample_run].sample.is_some() && network.ops()[at.op].output == network.loss()
    }

    /// Goes to a step. Returns whether the step changed.
    pub fn go(&mut self, step: u64) -> bool {
        self.stepper.scroll = [0, 0];
        self.stepper.channels = 0;
        std::mem::replace(&mut self.stepper.step, step) != step
    }

    /// Returns whether the screen is at another place than before, or a job will move it there.
    pub fn has_moved(&self, before: Visit) -> bool {
        self.stepper.job.is_some() || self.stepper.place() != before
    }

    /// Returns the first step that computes an entry; for a given tensor, the first step that reads the entry.
    fn maker_or_reader(&self, tensor: usize, entry: usize) -> Option<u64> {
        let (trace, at) = self.stepper.here()?;
        match trace.entry_steps(at.sample_run, tensor, entry) {
            Some(made) => (!made.is_empty()).then_some(made.start),
            None => trace.uses(at.sample_run, tensor, entry).first().map(|found| found.step),
        }
    }

    /// Moves by a number of units, back if negative. Returns whether the screen moved, or a job will move it.
    fn move_by(&mut self, unit: Unit, times: i64) -> bool {
        let before = self.stepper.place();
        if unit == Unit::Iteration {
            self.by_iterations(times)
        } else {
            self.by_units(unit, times)
        }
        self.has_moved(before)
    }

    fn change_unit(&mut self, by: i64) {
        let document = &self.stepper.document;
        let (samples, iterations) = (document.trace.samples(), document.descent.iterations());
        let has = |unit: &Unit| match unit {
            Unit::Sample => samples > 1,
            Unit::Iteration => iterations > 1,
            _ => true,
        };
        let units: Vec<Unit> = Unit::ALL.into_iter().filter(has).collect();
        let place = units.iter().position(|unit| *unit == self.stepper.unit).unwrap_or(0);
        let wanted = place.saturating_add_signed(isize::try_from(by).unwrap_or(0)).min(units.len() - 1);
        if wanted == place {
            let end = if by < 0 { "finest" } else { "coarsest" };
            return self.say(format!("{} is the {end} unit", self.stepper.unit.name()), false);
        }
        self.stepper.unit = units[wanted];
    }

    fn change_speed(&mut self, by: i64) {
        let speed = &mut self.settings.speed;
        *speed = speed.saturating_add_signed(isize::try_from(by).unwrap_or(0)).min(SPEEDS.len() - 1);
        let units = format!("{} {}", SPEEDS[*speed], self.stepper.unit.plural());
        if self.stepper.play.is_some() {
            self.stepper.play = Some(self.later());
        }
        self.say(format!("play speed: {units} a second"), false);
    }

    fn toggle_play(&mut self) {
        let document = &self.stepper.document;
        if self.stepper.play.is_some() {
            self.pause();
        } else if document.last && self.stepper.step >= document.trace.len() {
            self.say("this is the last step: g goes to the first", false);
        } else {
            self.stepper.return_point = None;
            self.stepper.play = Some(self.later());
        }
    }
}
