//! Moving through the trace: by unit, by count, by play.

use std::sync::Arc;
use std::time::Duration;

use super::{Action, Lesson, SPEEDS, State};
use crate::step::{Place, Unit};

/// The most units that one key moves; more is a slip of the finger.
const FARTHEST: u64 = 100_000;
impl State {
    /// Time has passed. Where a unit of play is due it is made: one, however late it is, and the next is due a period later. What is missed is missed.
    pub(super) fn clock(&mut self, now: Duration) {
        self.now = self.now.max(now);
        let Some(due) = self.play.filter(|due| *due <= self.now && self.way.is_none()) else { return };
        let next = due + self.period();
        self.play = Some(if next > self.now { next } else { self.now + self.period() });
        if !self.move_by(self.unit, 1) {
            self.play = None;
            self.say("the end", false);
        }
    }

    /// There was time to work on the way: it goes on. Play goes on a period after its unit is made.
    pub(super) fn worked(&mut self, iterations: u64, pieces: u64) {
        self.work(iterations, pieces);
        if self.way.is_none() && self.play.is_some() {
            self.play = Some(self.now + self.period());
        }
    }

    /// The actions that move, and those that say how.
    pub(super) fn travel(&mut self, action: &Action, count: Option<u64>) {
        let Some(lesson) = self.lesson.clone() else { return };
        let trace = &lesson.trace;
        let times = i64::try_from(count.unwrap_or(1).min(FARTHEST)).unwrap_or(1);
        let more = match action {
            Action::Forward => times,
            Action::Back => -times,
            _ => 0,
        };
        // the same key again, faster than an iteration is computed
        if more != 0 && self.play.is_none() && self.way.as_mut().is_some_and(|way| way.extend(self.unit, more)) {
            return;
        }
        match action {
            Action::Finer => return self.change_unit(-times),
            Action::Coarser => return self.change_unit(times),
            Action::Faster => return self.change_speed(times),
            Action::Slower => return self.change_speed(-times),
            Action::Play => return self.toggle_play(),
            _ => self.play = None,
        }
        self.stop();
        let before = (trace.iteration(), self.step);
        let moved = match action {
            Action::Forward | Action::Back if self.unit == Unit::Iteration => {
                self.by_iterations(&lesson, if *action == Action::Forward { times } else { -times });
                self.way.is_some() || self.lesson.as_ref().map(|lesson| (lesson.trace.iteration(), self.step)) != Some(before)
            }
            Action::Forward => self.move_by(self.unit, times),
            Action::Back => self.move_by(self.unit, -times),
            Action::StepForward => self.move_by(Unit::Step, times),
            Action::StepBack => self.move_by(Unit::Step, -times),
            Action::First => self.go(1),
            Action::Last => self.go(count.unwrap_or(trace.len()).clamp(1, trace.len())),
            Action::Go(k) => self.go((*k).clamp(1, trace.len())),
            Action::Visit(tensor, entry) => match self.maker_or_reader(*tensor, *entry) {
                Some(k) => self.go(k),
                None => return self.say("no step makes or reads this entry", false),
            },
            Action::BackwardPass => match trace.resolve(&Place::Backward.into()) {
                Ok(k) => self.go(k),
                Err(why) => return self.say(why, true),
            },
            _ => return,
        };
        if !moved && self.message.is_none() {
            let which = if self.step == 1 { "first" } else { "last" };
            let (iteration, all) = (trace.iteration(), lesson.descent.iterations());
            let of = match all {
                1 => String::new(),
                _ if self.step > 1 && lesson.lack.is_some() => {
                    return lesson.lack.into_iter().for_each(|lack| self.say(lack.to_string(), true));
                }
                _ if lesson.last && self.step > 1 && iteration < all => {
                    format!(": the tolerance ends the descent at iteration {iteration}")
                }
                _ => format!(" of iteration {iteration}"),
            };
            self.say(format!("this is the {which} step{of}"), false);
        }
    }

    /// Goes to a step, of another iteration where one is given.
    pub(super) fn jump(&mut self, other: Option<Lesson>, step: u64) {
        if let Some(other) = other {
            self.lesson = Some(Arc::new(other));
        }
        self.go(step);
    }

    /// Names the batch's loss on arriving at that of one sample.
    pub(super) fn name_the_loss(&mut self) {
        if self.is_loss_of_one_sample() {
            let iteration = self.lesson.as_ref().map_or(1, |lesson| lesson.trace.iteration());
            self.say(format!("this is the loss of one sample; the batch's is {iteration}/reduce:loss"), false);
        }
    }

    /// Whether the step on the screen is of the loss of one sample of several that make a batch.
    fn is_loss_of_one_sample(&self) -> bool {
        let Some((trace, at)) = self.here() else { return false };
        let network = trace.network_of(at.stretch);
        trace.samples() > 1 && trace.stretches()[at.stretch].sample.is_some() && network.ops()[at.op].output == network.loss()
    }

    fn go(&mut self, step: u64) -> bool {
        self.scroll = [0, 0];
        std::mem::replace(&mut self.step, step) != step
    }

    /// The first step that makes an entry; of what is given, the first that reads it.
    fn maker_or_reader(&self, tensor: usize, entry: usize) -> Option<u64> {
        let (trace, at) = self.here()?;
        match trace.made(at.stretch, tensor, entry) {
            Some(made) => (!made.is_empty()).then_some(made.start),
            None => trace.uses(at.stretch, tensor, entry).first().map(|found| found.step),
        }
    }

    /// Moves by so many units; whether it moved at all, or is on its way.
    fn move_by(&mut self, unit: Unit, times: i64) -> bool {
        let place = |state: &Self| (state.lesson.as_ref().map(|lesson| lesson.trace.iteration()), state.step);
        let from = place(self);
        self.by_units(unit, times);
        self.way.is_some() || place(self) != from
    }

    fn change_unit(&mut self, by: i64) {
        let (samples, iterations) = self.lesson.as_ref().map_or((1, 1), |lesson| (lesson.trace.samples(), lesson.descent.iterations()));
        let has = |unit: &Unit| match unit {
            Unit::Sample => samples > 1,
            Unit::Iteration => iterations > 1,
            _ => true,
        };
        let units: Vec<Unit> = Unit::ALL.into_iter().filter(has).collect();
        let place = units.iter().position(|unit| *unit == self.unit).unwrap_or(0);
        let wanted = place.saturating_add_signed(isize::try_from(by).unwrap_or(0)).min(units.len() - 1);
        if wanted == place {
            let end = if by < 0 { "finest" } else { "coarsest" };
            return self.say(format!("{} is the {end} unit", self.unit.name()), false);
        }
        self.unit = units[wanted];
    }

    fn change_speed(&mut self, by: i64) {
        self.speed = self.speed.saturating_add_signed(isize::try_from(by).unwrap_or(0)).min(SPEEDS.len() - 1);
        if self.play.is_some() {
            self.play = Some(self.now + self.period());
        }
        self.say(format!("play makes {} a second", crate::app::motion::per_second(SPEEDS[self.speed], self.unit)), false);
    }

    fn toggle_play(&mut self) {
        let at_end = self.lesson.as_ref().is_none_or(|lesson| lesson.last && self.step >= lesson.trace.len());
        self.play = match self.play {
            None if at_end => {
                self.say("this is the last step: g goes to the first", false);
                None
            }
            None => Some(self.now + self.period()),
            Some(_) => return self.pause(),
        };
    }
}

fn per_second(speed: f64, unit: Unit) -> String {
    format!("{speed} {}", unit.plural())
}
