//! The replay of a session in the terminal.

use std::cell::Cell;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::course::Course;
use crate::app::{self, Action, Focus, SLICE};
use crate::command::driver::{Done, Driver, Left};
use crate::command::live::events;
use crate::keys::{Code, Key};
use crate::session::{Event, Session};
use crate::terminal::{Flow, Input, Program};
use crate::ui::{self, RenderOptions};

/// A replay in the terminal. Any key stops it; after that the user drives the stepper.
#[derive(Debug)]
pub struct Player {
    course: Course,
    driver: Driver,
    look: RenderOptions,
    /// Whether the user has taken over.
    taken: bool,
    /// The rest of the work that the last event asks for. The session's clock stands still until it is done.
    left: Left,
    speed: f64,
    /// The session time and the terminal time of one moment: `session = since.0 + (terminal − since.1) · speed`.
    since: (Duration, Duration),
    screen: Cell<Rect>,
}

impl Player {
    /// Plays a session `speed` times as fast as it was recorded. The driver is at its beginning.
    #[must_use]
    pub fn new(session: &Session, mut driver: Driver, speed: f64, look: RenderOptions) -> Self {
        driver.state.say("a recorded session: any key stops it, q quits", false);
        let course = Course::new(session);
        let left = if driver.state.job().is_some() { course.opening() } else { Left::default() };
        let since = (Duration::ZERO, Duration::ZERO);
        let mut player = Self { course, driver, look, taken: false, left, speed, since, screen: Cell::default() };
        if player.course.len() == 0 {
            player.stop(Duration::ZERO, "the session has no events");
        }
        player
    }

    /// The driver of the state that it shows.
    #[must_use]
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Converts a time of the terminal to one of the session.
    fn time(&self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.since.1);
        self.since.0 + if self.taken { passed } else { passed.mul_f64(self.speed) }
    }

    fn stop(&mut self, now: Duration, why: &str) {
        self.since = (self.time(now), now);
        (self.taken, self.left) = (true, Left::default());
        app::update(&mut self.driver.state, Action::Halt);
        // in the address line `q` is typed text
        let typed = matches!(self.driver.state.focus(), Focus::Prompt | Focus::Overlay);
        self.driver.state.say(format!("{why}: go on by hand, {}", if typed { "Esc, then q, quits" } else { "q quits" }), false);
    }

    /// Does a slice of the work that the last event asks for, or else the events and units of play that are due, until a slice of time is over.
    fn advance(&mut self, now: Duration) {
        if self.left != Left::default() {
            self.driver.slice(&mut self.left);
            // the session's clock stood still meanwhile
            self.since.1 = now;
            return;
        }
        let (time, end) = (self.time(now), self.driver.time() + SLICE);
        while let Some((at, _)) = self.course.next(&self.driver).filter(|(at, _)| *at <= time) {
            let (done, left) = self.course.go_on(&mut self.driver);
            if self.driver.state.job().is_some() {
                self.left = left;
            }
            if done == Done::Quit || self.course.done == self.course.len() && self.left == Left::default() {
                return self.stop(now, "the end of the session");
            }
            if self.left != Left::default() || self.driver.time() >= end {
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
                self.driver.turn(self.time(now));
            } else {
                self.advance(now);
            }
            return Ok(Flow::Changed);
        }
        let mut flow = Flow::Same;
        let screen = self.screen.get();
        for event in events(input, &self.driver, &self.look, screen) {
            flow = Flow::Changed;
            if self.taken {
                self.driver.seen_on((screen.width, screen.height));
                if self.driver.event(&event, self.time(now)) == Done::Quit {
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
            return self.driver.wake().map(|at| self.since.1 + at.saturating_sub(self.since.0));
        }
        if self.left != Left::default() {
            return Some(Duration::ZERO);
        }
        // after the last event: only the end is left
        let Some((at, _)) = self.course.next(&self.driver) else { return Some(Duration::ZERO) };
        // rounding must not wake the replay before the event is due
        Some(self.since.1 + at.saturating_sub(self.since.0).div_f64(self.speed) + Duration::from_micros(1))
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        self.screen.set(area);
        ui::render(&self.driver.state, &self.look, area, buffer);
    }
}
