//! Moving through the trace: by unit, by count, by play.

use std::sync::Arc;
use std::time::Duration;

use super::{Action, Message, SPEEDS, Settings, Stepper};
use crate::step::{Place, Unit};

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
        let document = Arc::clone(&self.stepper.document);
        let trace = &document.trace;
        let times = i64::try_from(count.unwrap_or(1).min(FARTHEST)).unwrap_or(1);
        let more = match action {
            Action::Forward => times,
            Action::Back => -times,
            _ => 0,
        };
        // the same key was pressed again before the job was done
        let unit = self.stepper.unit;
        if more != 0 && self.stepper.play.is_none() && self.stepper.job.as_mut().is_some_and(|job| job.extend(unit, more)) {
            return;
        }
        match action {
            Action::Finer => return self.change_unit(-times),
            Action::Coarser => return self.change_unit(times),
            Action::Faster => return self.change_speed(times),
            Action::Slower => return self.change_speed(-times),
            Action::Play => return self.toggle_play(),
            _ => self.stepper.play = None,
        }
        self.stop();
        let before = self.stepper.place();
        let moved = match action {
            Action::Forward | Action::Back if unit == Unit::Iteration => {
                self.by_iterations(more);
                self.has_moved(before)
            }
            Action::Forward | Action::Back => self.move_by(unit, more),
            Action::StepForward => self.move_by(Unit::Step, times),
            Action::StepBack => self.move_by(Unit::Step, -times),
            Action::First => self.go(1),
            Action::Last => self.go(count.unwrap_or(trace.len()).clamp(1, trace.len())),
            Action::Go(k) => self.go((*k).clamp(1, trace.len())),
            Action::Visit(tensor, entry) => match self.maker_or_reader(*tensor, *entry) {
                Some(k) => self.go(k),
                None => return self.say("no step computes or reads this entry", false),
            },
            Action::BackwardPass => match trace.resolve(&Place::Backward.into()) {
                Ok(k) => self.go(k),
                Err(why) => return self.say(why, true),
            },
            _ => return,
        };
        if !moved && self.message.is_none() {
            let is_end = self.stepper.step == 1 || self.stepper.step == trace.len();
            if !is_end && matches!(action, Action::BackwardPass | Action::Go(_) | Action::Last | Action::Visit(..)) {
                return self.say("this is already the step", false);
            }
            let which = if self.stepper.step == 1 { "first" } else { "last" };
            let (iteration, all) = (trace.iteration(), document.descent.iterations());
            let of = match all {
                1 => String::new(),
                _ if self.stepper.step > 1 && document.lack.is_some() => {
                    return document.lack.into_iter().for_each(|lack| self.say(lack.to_string(), true));
                }
                _ if document.last && self.stepper.step > 1 && iteration < all => {
                    format!(": the tolerance ends the descent at iteration {iteration}")
                }
                _ => format!(" of iteration {iteration}"),
            };
            self.say(format!("this is the {which} step{of}"), false);
        }
    }

    /// Tells the user the address of the batch's loss, on arrival at the loss of one sample.
    pub fn point_to_batch_loss(&mut self) {
        if self.is_loss_of_one_sample() {
            let (iteration, _) = self.stepper.place();
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
        std::mem::replace(&mut self.stepper.step, step) != step
    }

    /// Returns whether the screen is at another place than before, or a job will move it there.
    fn has_moved(&self, before: (u64, u64)) -> bool {
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
        self.by_units(unit, times);
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
            self.stepper.play = Some(self.later());
        }
    }
}
