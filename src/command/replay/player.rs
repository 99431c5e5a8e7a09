//! The replay of a session in the terminal.
//!
//! A replay has two clocks: the terminal's, and the session's, which runs `speed` times as fast.

use std::cell::Cell;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::cursor::ReplayCursor;
use crate::app::{self, Action, Focus, SLICE};
use crate::command::driver::{Driver, Effect, WorkLimit};
use crate::command::live::to_events;
use crate::keys::{Code, Key};
use crate::session::{Event, Session};
use crate::terminal::{Flow, Input, Program};
use crate::ui::{self, RenderOptions};

/// A clause about the end of a whole session.
const WHOLE: &str = "the end of the session";

/// A replay in the terminal. Any key stops it. After that, the user goes on by hand.
#[derive(Debug)]
pub struct Player {
    cursor: ReplayCursor,
    driver: Driver,
    options: RenderOptions,
    /// `true` if the replay has stopped, and the user drives the stepper.
    is_stopped: bool,
    /// A clause about the end of the session.
    end: &'static str,
    /// The work that the last event still asks for; `WorkLimit::default()` for none. The session's clock stops until this work is done.
    work_left: WorkLimit,
    speed: f64,
    /// A moment by which the two clocks are compared: `session time = sync.session + (terminal time − sync.terminal) · speed`.
    sync: ClockSync,
    /// The area of the last frame. A `Cell`, because `draw` only borrows the program.
    screen: Cell<Rect>,
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
struct ClockSync {
    session: Duration,
    terminal: Duration,
}

impl Player {
    /// A replay of a session at `speed` times its recorded speed. The driver is in the state in which the session begins.
    #[must_use]
    pub fn new(session: &Session, mut driver: Driver, speed: f64, options: RenderOptions) -> Self {
        let is_error = false;
        driver.state.say("a recorded session: any key stops it, q quits", is_error);
        let cursor = ReplayCursor::new(session);
        let work_left = if driver.state.job().is_some() { cursor.opening_work() } else { WorkLimit::default() };
        let sync = ClockSync { session: Duration::ZERO, terminal: Duration::ZERO };
        let end = if session.breaks_off() { "the recording breaks off here" } else { WHOLE };
        let mut player = Self { cursor, driver, options, is_stopped: false, end, work_left, speed, sync, screen: Cell::default() };
        if player.cursor.len() == 0 {
            player.stop(Duration::ZERO, "the session has no events");
        }
        player
    }

    /// The driver of the state on the screen.
    #[must_use]
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Converts a time of the terminal to the session's clock.
    fn session_time(&self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.sync.terminal);
        self.sync.session + if self.is_stopped { passed } else { passed.mul_f64(self.speed) }
    }

    /// Stops the replay, and shows the reason.
    fn stop(&mut self, now: Duration, why: &str) {
        self.sync = ClockSync { session: self.session_time(now), terminal: now };
        (self.is_stopped, self.work_left) = (true, WorkLimit::default());
        app::update(&mut self.driver.state, Action::Halt);
        // here `q` does not quit: the address line takes it as text, and an overlay must be closed first
        let needs_esc = matches!(self.driver.state.focus(), Focus::Prompt | Focus::Answer | Focus::Overlay);
        let is_error = false;
        self.driver.state.say(format!("{why}: go on by hand, {}", if needs_esc { "Esc, then q, quits" } else { "q quits" }), is_error);
    }

    /// Does a slice of the work that the last event asks for. Without such work, applies the events and play moves that are due, for at most a slice of time.
    fn advance(&mut self, now: Duration) {
        if self.work_left != WorkLimit::default() {
            self.driver.work_slice(&mut self.work_left);
            // the session's clock does not run while work is done
            self.sync.terminal = now;
            return;
        }
        let (time, slice_end) = (self.session_time(now), self.driver.slice_time() + SLICE);
        while let Some((at, _)) = self.cursor.next(&self.driver).filter(|(at, _)| *at <= time) {
            let (effect, work) = self.cursor.apply_next(&mut self.driver);
            if self.driver.state.job().is_some() {
                self.work_left = work;
            }
            if effect == Effect::Quit || self.cursor.done == self.cursor.len() && self.work_left == WorkLimit::default() {
                return self.stop(now, if effect == Effect::Quit { WHOLE } else { self.end });
            }
            if self.work_left != WorkLimit::default() || self.driver.slice_time() >= slice_end {
                self.sync = ClockSync { session: at, terminal: now };
                return;
            }
        }
        if self.cursor.done == self.cursor.len() {
            self.stop(now, self.end);
        }
    }
}

impl Program for Player {
    fn input(&mut self, input: Input, now: Duration) -> anyhow::Result<Flow> {
        if input == Input::Wake {
            if self.is_stopped {
                self.driver.tick(self.session_time(now));
            } else {
                self.advance(now);
            }
            return Ok(Flow::Changed);
        }
        let mut flow = Flow::Same;
        let screen = self.screen.get();
        for event in to_events(input, &self.driver, &self.options, screen) {
            flow = Flow::Changed;
            if self.is_stopped {
                self.driver.set_screen_size((screen.width, screen.height));
                if self.driver.apply(&event, self.session_time(now)) == Effect::Quit {
                    return Ok(Flow::Quit);
                }
                continue;
            }
            match event {
                Event::Key(Key { code: Code::Char('q'), ctrl: false, .. } | Key { code: Code::Char('c'), ctrl: true, .. }) => {
                    return Ok(Flow::Quit);
                }
                Event::Key(_) => {
                    let (done, all) = (self.cursor.done, self.cursor.len());
                    self.stop(now, &format!("stopped after {done} of {all}"));
                }
                _ => {}
            }
        }
        Ok(flow)
    }

    fn wake(&self) -> Option<Duration> {
        if self.is_stopped {
            return self.driver.wake().map(|at| self.sync.terminal + at.saturating_sub(self.sync.session));
        }
        if self.work_left != WorkLimit::default() {
            return Some(Duration::ZERO);
        }
        // after the last event: stop at once
        let Some((at, _)) = self.cursor.next(&self.driver) else { return Some(Duration::ZERO) };
        // 1 µs more, because rounding must not wake the replay before the event is due
        Some(self.sync.terminal + at.saturating_sub(self.sync.session).div_f64(self.speed) + Duration::from_micros(1))
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        self.screen.set(area);
        ui::render(&self.driver.state, &self.options, area, buffer);
    }
}
