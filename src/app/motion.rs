//! Moving through the trace: by unit, by count, by play.

use std::sync::Arc;
use std::time::Duration;

use super::{Action, Lesson, SPEEDS, State};
use crate::step::{Place, Unit};

/// The most units that one key moves; more is a slip of the finger.
const FARTHEST: u64 = 100_000;
/// The most iterations that a key enters on its way: each is computed, and the next key waits.
const MOST_ITERATIONS: u64 = 32;

impl State {
    /// Time has passed: the steps of play that are due are made.
    pub(super) fn clock(&mut self, now: Duration) {
        self.now = self.now.max(now);
        while let Some(due) = self.play
            && due <= self.now
        {
            self.play = Some(due + self.period());
            if !self.move_by(self.unit, 1) {
                self.play = None;
                self.say("the end", false);
            }
        }
    }

    /// The actions that move, and those that say how.
    pub(super) fn travel(&mut self, action: &Action, count: Option<u64>) {
        let Some(lesson) = self.lesson.clone() else { return };
        let trace = &lesson.trace;
        let times = i64::try_from(count.unwrap_or(1).min(FARTHEST)).unwrap_or(1);
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
        if !moved {
            let which = if self.step == 1 { "first" } else { "last" };
            let (iteration, all) = (trace.iteration(), lesson.descent.iterations());
            let of = match all {
                1 => String::new(),
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

    /// Moves by so many units; whether it moved at all.
    fn move_by(&mut self, unit: Unit, times: i64) -> bool {
        let place = |state: &Self| (state.lesson.as_ref().map(|lesson| lesson.trace.iteration()), state.step);
        let from = place(self);
        let mut iterations = 0;
        for _ in 0..times.unsigned_abs() {
            let before = place(self);
            if times > 0 {
                self.forward(unit);
            } else {
                self.back(unit);
            }
            let now = place(self);
            if now == before {
                break;
            }
            iterations += u64::from(now.0 != before.0);
            if iterations == MOST_ITERATIONS {
                self.say("further only by an address, such as :100/first, or by iterations", false);
                break;
            }
        }
        place(self) != from
    }

    /// To the first step of the next unit, in the next iteration after the last; to the last step of all where there is none.
    fn forward(&mut self, unit: Unit) {
        let Some(lesson) = self.lesson.clone() else { return };
        let end = lesson.trace.span(self.step, unit).end;
        if end <= lesson.trace.len() {
            self.go(end);
        } else if lesson.last {
            self.go(lesson.trace.len());
        } else {
            self.jump(Some(lesson.iteration(lesson.trace.iteration() + 1)), 1);
        }
    }

    /// To the first step of this unit, or of the one before when already there.
    fn back(&mut self, unit: Unit) {
        let Some(lesson) = self.lesson.clone() else { return };
        let start = lesson.trace.span(self.step, unit).start;
        if start < self.step {
            self.go(start);
        } else if start > 1 {
            self.go(lesson.trace.span(start - 1, unit).start);
        } else if lesson.trace.iteration() > 1 {
            let before = lesson.iteration(lesson.trace.iteration() - 1);
            let step = before.trace.span(before.trace.len(), unit).start;
            self.jump(Some(before), step);
        }
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
            Some(_) => None,
        };
    }
}

fn per_second(speed: f64, unit: Unit) -> String {
    let plural = match unit {
        Unit::Entry => "entries".to_owned(),
        Unit::Pass => "passes".to_owned(),
        unit => format!("{}s", unit.name()),
    };
    format!("{speed} {plural}")
}
