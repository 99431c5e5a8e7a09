//! The replay of a session in the terminal.
//!
//! A replay has two clocks. One is that of the terminal. The other is that of the session, which runs `speed` times as fast. A marker on the first line shows
//! the progress of the replay and its keys. The replay can pause, move by an event, and go to an event by its number. The user can take over. Then the keys
//! control the stepper, until `T` returns to the replay.

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
use crate::terminal::{Flow, Input, TerminalProgram};
use crate::ui::marker::Marker;
use crate::ui::{self, RenderOptions};

/// The text about the end of a complete session.
const COMPLETE_END: &str = "the end of the session";
/// The largest number of digits of an event's number.
const MAX_DIGITS: usize = 9;

/// A replay in the terminal.
#[derive(Debug)]
pub struct Player {
    cursor: ReplayCursor,
    driver: Driver,
    /// The state in which the session begins. To go back, the replay starts from this state and applies the events again, without pauses.
    opening: Driver,
    options: RenderOptions,
    mode: ReplayMode,
    /// The state of the replay while the user controls the stepper.
    replay_driver: Option<Box<Driver>>,
    /// The text about the end of the session.
    end: &'static str,
    /// The work of the last event that is still to do; `WorkLimit::default()` if there is none. The session's clock stops until it is done.
    work_left: WorkLimit,
    speed: f64,
    /// A moment on both clocks. While the replay plays, `session time = sync.session + (terminal time − sync.terminal) · speed`.
    sync: ClockSync,
    /// The area of the last frame. It is a `Cell`, because `draw` borrows the program immutably.
    screen: Cell<Rect>,
}

/// The mode of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ReplayMode {
    /// Events are applied when they are due.
    Playing,
    /// The session's clock is stopped.
    Paused,
    /// A key was pressed that the replay does not have, so it asks whether the user wants to take over. The field is the mode before.
    Asking(Box<ReplayMode>),
    /// The user types the number of an event. The second field is the mode before.
    Typing(String, Box<ReplayMode>),
    /// Events are applied without pauses until this number of them is done.
    Seeking(usize),
    /// The user controls the stepper.
    ByHand,
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
struct ClockSync {
    session: Duration,
    terminal: Duration,
}

impl Player {
    /// Returns a replay of a session at `speed` times its recorded speed. The driver is in the state in which the session begins.
    #[must_use]
    pub fn new(session: &Session, driver: Driver, speed: f64, options: RenderOptions) -> Self {
        let cursor = ReplayCursor::new(session);
        let work_left = if driver.state.job().is_some() { cursor.opening_work() } else { WorkLimit::default() };
        let sync = ClockSync { session: Duration::ZERO, terminal: Duration::ZERO };
        let end = if session.breaks_off() { "the recording breaks off here" } else { COMPLETE_END };
        let opening = driver.clone();
        let (mode, replay_driver, screen) = (ReplayMode::Playing, None, Cell::default());
        let mut player = Self { cursor, driver, opening, options, mode, replay_driver, end, work_left, speed, sync, screen };
        if player.cursor.len() == 0 {
            player.finish(Duration::ZERO, "the session has no events");
        }
        player
    }

    /// Goes to the event with this number, without pauses, and stops there. Without a number, plays from the beginning.
    #[must_use]
    pub fn starting_at(mut self, event: Option<usize>) -> Self {
        if let Some(event) = event {
            self.seek(event, Duration::ZERO);
        }
        self
    }

    /// Returns the driver of the state on the screen.
    #[must_use]
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Converts a time of the terminal to the session's clock.
    fn session_time(&self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.sync.terminal);
        match self.mode {
            ReplayMode::Playing => self.sync.session + passed.mul_f64(self.speed),
            ReplayMode::ByHand => self.sync.session + passed,
            ReplayMode::Paused | ReplayMode::Asking(_) | ReplayMode::Typing(..) | ReplayMode::Seeking(_) => self.sync.session,
        }
    }

    /// Changes the mode. The session's clock continues from its current time.
    fn set_mode(&mut self, mode: ReplayMode, now: Duration) {
        self.sync = ClockSync { session: self.session_time(now), terminal: now };
        self.mode = mode;
    }

    /// Lets the user control the stepper.
    fn take_over(&mut self, now: Duration) {
        self.replay_driver = Some(Box::new(self.driver.clone()));
        self.set_mode(ReplayMode::ByHand, now);
        self.work_left = WorkLimit::default();
        app::update(&mut self.driver.state, Action::Halt);
    }

    /// Lets the user control the stepper at the end of the session, and shows the reason.
    fn finish(&mut self, now: Duration, why: &str) {
        self.take_over(now);
        // while a prompt or an overlay is open, `q` does not quit
        let focus = self.driver.state.focus();
        let needs_esc = focus.is_prompt() || focus == Focus::Overlay;
        let is_error = false;
        self.driver.state.say(format!("{why}: go on by hand, {}", if needs_esc { "Esc, then q, quits" } else { "q quits" }), is_error);
    }

    /// Returns to the replay, at the event and the session time at which the user took over.
    fn give_back(&mut self, now: Duration) {
        if let Some(driver) = self.replay_driver.take() {
            self.driver = *driver;
            let is_at_end = self.cursor.done == self.cursor.len();
            self.mode = if is_at_end { ReplayMode::Paused } else { ReplayMode::Playing };
            self.sync.terminal = now;
        }
    }

    /// Returns the number of events that are done, or that will be done when a seek ends.
    fn position(&self) -> usize {
        if let ReplayMode::Seeking(target) = self.mode { target } else { self.cursor.done }
    }

    /// Begins to apply events without pauses, until this number of them is done. If more are done already, starts from the beginning.
    fn seek(&mut self, target: usize, now: Duration) {
        self.set_mode(ReplayMode::Seeking(target.min(self.cursor.len())), now);
        if target < self.cursor.done {
            self.driver = self.opening.clone();
            self.cursor.done = 0;
            self.sync.session = Duration::ZERO;
            self.work_left = if self.driver.state.job().is_some() { self.cursor.opening_work() } else { WorkLimit::default() };
        }
    }

    /// Does a slice of the last event's work that is still to do. If there is none, applies the events that are due, for at most a slice of time. If the
    /// session does not record the moves of the stepper's own play, makes these moves too.
    fn advance(&mut self, now: Duration) {
        if self.work_left != WorkLimit::default() {
            self.driver.work_slice(&mut self.work_left);
            // while there is work to do, the session's clock is stopped
            self.sync.terminal = now;
            return;
        }
        let (time, slice_end) = (self.session_time(now), self.driver.slice_clock_time() + SLICE);
        let target = if let ReplayMode::Seeking(target) = self.mode { Some(target) } else { None };
        let is_due = |cursor: &ReplayCursor, event_time: Duration| target.map_or(event_time <= time, |target| cursor.done < target);
        while let Some((event_time, _)) = self.cursor.next(&self.driver).filter(|(event_time, _)| is_due(&self.cursor, *event_time)) {
            let (effect, work) = self.cursor.apply_next(&mut self.driver);
            if self.driver.state.job().is_some() {
                self.work_left = work;
            }
            if target.is_some() {
                self.sync.session = event_time;
            } else if effect == Effect::Quit || self.cursor.done == self.cursor.len() && self.work_left == WorkLimit::default() {
                return self.finish(now, if effect == Effect::Quit { COMPLETE_END } else { self.end });
            }
            if self.work_left != WorkLimit::default() || self.driver.slice_clock_time() >= slice_end {
                self.sync = ClockSync { session: event_time, terminal: now };
                return;
            }
        }
        match target {
            Some(target) if self.cursor.done >= target => self.set_mode(ReplayMode::Paused, now),
            None if self.cursor.done == self.cursor.len() => self.finish(now, self.end),
            _ => {}
        }
    }

    /// Executes a key of the replay.
    fn key(&mut self, key: Key, now: Duration) -> Flow {
        let is_ctrl_c = key.ctrl && key.code == Code::Char('c');
        match (self.mode.clone(), key.code) {
            _ if is_ctrl_c => return Flow::Quit,
            (ReplayMode::Typing(text, before), code) => self.type_number(&text, *before, code, now),
            (_, Code::Char('q')) if !key.ctrl && !key.alt => return Flow::Quit,
            (ReplayMode::Asking(_), Code::Enter) => self.take_over(now),
            (ReplayMode::Asking(before), _) => self.set_mode(*before, now),
            (ReplayMode::Playing, Code::Char(' ')) => self.set_mode(ReplayMode::Paused, now),
            (ReplayMode::Paused, Code::Char(' ')) => self.set_mode(ReplayMode::Playing, now),
            (_, Code::Char('.')) => self.seek(self.position() + 1, now),
            (_, Code::Char(',')) => self.seek(self.position().saturating_sub(1), now),
            (mode, Code::Char(':')) => self.set_mode(ReplayMode::Typing(String::new(), Box::new(mode)), now),
            (mode @ (ReplayMode::Playing | ReplayMode::Paused), _) => self.set_mode(ReplayMode::Asking(Box::new(mode)), now),
            (ReplayMode::Seeking(_) | ReplayMode::ByHand, _) => {}
        }
        Flow::Changed
    }

    /// Edits the number of an event. Enter goes there; Esc, or Backspace without a digit, returns to the mode before.
    fn type_number(&mut self, text: &str, before: ReplayMode, code: Code, now: Duration) {
        match code {
            Code::Char(digit @ '0'..='9') if text.len() < MAX_DIGITS => {
                self.mode = ReplayMode::Typing(format!("{text}{digit}"), Box::new(before));
            }
            Code::Backspace if !text.is_empty() => self.mode = ReplayMode::Typing(text[..text.len() - 1].to_owned(), Box::new(before)),
            Code::Enter => match text.parse() {
                Ok(number) => self.seek(number, now),
                Err(_) => self.set_mode(before, now),
            },
            Code::Esc | Code::Backspace => self.set_mode(before, now),
            _ => {}
        }
    }

    /// Returns whether a prompt is open, in which keys such as `T` are text.
    fn takes_text(&self) -> bool {
        self.driver.state.focus().is_prompt()
    }

    /// Returns the texts of the marker.
    fn marker(&self) -> Marker<'_> {
        let progress = format!("{}/{}", self.cursor.done, self.cursor.len());
        let typed = if let ReplayMode::Typing(text, _) = &self.mode { Some(&**text) } else { None };
        let (what, keys) = match &self.mode {
            ReplayMode::Playing => {
                (format!("▶ replay {progress}"), "Space pauses, \".\" next event, \",\" previous event, : to an event, q quits")
            }
            ReplayMode::Paused => {
                (format!("replay {progress}, paused"), "Space goes on, \".\" next event, \",\" previous event, : to an event, q quits")
            }
            ReplayMode::Asking(_) => {
                (format!("replay {progress}: take over here?"), "Enter takes over, another key goes on with the replay")
            }
            ReplayMode::Typing(..) => (format!("replay {progress}: to event"), "Enter goes there, Esc leaves it"),
            ReplayMode::Seeking(target) => (format!("replay {progress}, on the way to {target}"), "q quits"),
            ReplayMode::ByHand if self.takes_text() => (format!("by hand, replay {progress}"), "Esc, then T, gives back"),
            ReplayMode::ByHand => (format!("by hand, replay {progress}"), "T gives back"),
        };
        Marker { what, typed, keys }
    }
}

impl TerminalProgram for Player {
    fn input(&mut self, input: Input, now: Duration) -> anyhow::Result<Flow> {
        if input == Input::Wake {
            if self.mode == ReplayMode::ByHand {
                self.driver.tick(self.session_time(now));
            } else {
                self.advance(now);
            }
            return Ok(Flow::Changed);
        }
        let mut flow = Flow::Same;
        let screen = self.screen.get();
        // a pasted text would act as keys of the replay, so it is ignored
        if matches!(input, Input::Paste(_)) && self.mode != ReplayMode::ByHand {
            return Ok(Flow::Same);
        }
        let no_aliases = &[];
        for event in to_events(input, &self.driver, &self.options, screen, no_aliases) {
            flow = Flow::Changed;
            let key = if let Event::Key(key) = event { Some(key) } else { None };
            if self.mode != ReplayMode::ByHand {
                if let Some(key) = key
                    && self.key(key, now) == Flow::Quit
                {
                    return Ok(Flow::Quit);
                }
                continue;
            }
            if key.is_some_and(|key| key == Code::Char('T').into()) && !self.takes_text() {
                self.give_back(now);
                continue;
            }
            self.driver.set_screen_size((screen.width, screen.height));
            if self.driver.apply(&event, self.session_time(now)) == Effect::Quit {
                return Ok(Flow::Quit);
            }
        }
        Ok(flow)
    }

    fn wake(&self) -> Option<Duration> {
        if self.mode == ReplayMode::ByHand {
            return self.driver.wake().map(|at| self.sync.terminal + at.saturating_sub(self.sync.session));
        }
        if self.work_left != WorkLimit::default() || matches!(self.mode, ReplayMode::Seeking(_)) {
            return Some(Duration::ZERO);
        }
        if self.mode != ReplayMode::Playing {
            return None;
        }
        // after the last event, the replay ends at once
        let Some((event_time, _)) = self.cursor.next(&self.driver) else { return Some(Duration::ZERO) };
        // 1 µs more, because the time is rounded, and the replay must not wake before the event is due
        Some(self.sync.terminal + event_time.saturating_sub(self.sync.session).div_f64(self.speed) + Duration::from_micros(1))
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        self.screen.set(area);
        ui::render(&self.driver.state, &self.options, area, buffer);
        ui::marker::render(&self.marker(), &self.options, area, buffer);
    }
}
