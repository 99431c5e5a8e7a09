//! A replay on the terminal.

use std::cell::Cell;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::course::Course;
use crate::app::{Mode, SLICE};
use crate::command::live::events;
use crate::command::stepper::{Done, Left, Stepper};
use crate::keys::{Code, Key};
use crate::session::{Event, Session};
use crate::terminal::{Flow, Input, Program};
use crate::ui::{self, Look};

/// A replay on the terminal. Any key stops it; from then on the keys are the user's.
#[derive(Debug)]
pub struct Player {
    course: Course,
    stepper: Stepper,
    look: Look,
    /// Whether the user has taken over.
    taken: bool,
    /// What the last event asks for, as far as it is not done. The session's clock waits for it.
    left: Left,
    speed: f64,
    /// Session time and terminal time at the same moment, from which the clocks go on.
    since: (Duration, Duration),
    screen: Cell<Rect>,
}

impl Player {
    /// Plays a session in a stepper that is at its beginning, as many times faster.
    #[must_use]
    pub fn new(session: &Session, mut stepper: Stepper, speed: f64, look: Look) -> Self {
        stepper.state.say("a recorded session: any key stops it, q quits", false);
        let course = Course::new(session);
        let left = if stepper.state.way.is_some() { course.opening() } else { Left::default() };
        let since = (Duration::ZERO, Duration::ZERO);
        let mut player = Self { course, stepper, look, taken: false, left, speed, since, screen: Cell::default() };
        if player.course.len() == 0 {
            player.stop(Duration::ZERO, "the session has no keys: go on by hand");
        }
        player
    }

    /// What it plays in.
    #[must_use]
    pub fn stepper(&self) -> &Stepper {
        &self.stepper
    }

    /// The session's time at a time of the terminal.
    fn time(&self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.since.1);
        self.since.0 + if self.taken { passed } else { passed.mul_f64(self.speed) }
    }

    fn stop(&mut self, now: Duration, why: &str) {
        self.since = (self.time(now), now);
        (self.taken, self.left) = (true, Left::default());
        (self.stepper.state.play, self.stepper.state.way) = (None, None);
        // in the address line `q` is a letter
        let typed = matches!(self.stepper.state.mode(), Mode::Prompt | Mode::Overlay);
        self.stepper.state.say(format!("{why}: go on by hand, {}", if typed { "Esc, then q, quits" } else { "q quits" }), false);
    }

    /// A slice of the work that the last event asks for; or the events that are due and the play between them, as many as there is time for.
    fn advance(&mut self, now: Duration) {
        if self.left != Left::default() {
            self.stepper.slice(&mut self.left);
            // the clock has waited
            self.since.1 = now;
            return;
        }
        let (time, end) = (self.time(now), self.stepper.time() + SLICE);
        while let Some((at, _)) = self.course.next(&self.stepper).filter(|(at, _)| *at <= time) {
            let (done, left) = self.course.go_on(&mut self.stepper);
            if self.stepper.state.way.is_some() {
                self.left = left;
            }
            if done == Done::Quit || self.course.done == self.course.len() && self.left == Left::default() {
                return self.stop(now, "the end of the session");
            }
            if self.left != Left::default() || self.stepper.time() >= end {
                self.since = (at, now);
                return;
            }
        }
        if self.course.done == self.course.len() {
            self.stop(now, "the end of the session");
        }
    }
}

impl Program for Player {
    fn input(&mut self, input: Input, now: Duration) -> anyhow::Result<Flow> {
        if input == Input::Wake {
            if self.taken {
                self.stepper.turn(self.time(now));
            } else {
                self.advance(now);
            }
            return Ok(Flow::Changed);
        }
        let mut flow = Flow::Same;
        let screen = self.screen.get();
        for event in events(input, &self.stepper, screen) {
            flow = Flow::Changed;
            if self.taken {
                self.stepper.seen_on((screen.width, screen.height));
                if self.stepper.event(&event, self.time(now)) == Done::Quit {
                    return Ok(Flow::Quit);
                }
                continue;
            }
            match event {
                Event::Key(Key { code: Code::Char('q'), ctrl: false, .. } | Key { code: Code::Char('c'), ctrl: true, .. }) => {
                    return Ok(Flow::Quit);
                }
                Event::Key(_) => {
                    let (done, all) = (self.course.done, self.course.len());
                    self.stop(now, &format!("stopped after {done} of {all}"));
                }
                _ => {}
            }
        }
        Ok(flow)
    }

    fn wake(&self) -> Option<Duration> {
        if self.taken {
            return self.stepper.wake().map(|at| self.since.1 + at.saturating_sub(self.since.0));
        }
        if self.left != Left::default() {
            return Some(Duration::ZERO);
        }
        // after the last event there is its work, and then the end
        let Some((at, _)) = self.course.next(&self.stepper) else { return Some(Duration::ZERO) };
        // a little late rather than early: the time that it is for must have come
        Some(self.since.1 + at.saturating_sub(self.since.0).div_f64(self.speed) + Duration::from_micros(1))
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        self.screen.set(area);
        ui::render(&self.stepper.state, &self.look, area, buffer);
    }
}
