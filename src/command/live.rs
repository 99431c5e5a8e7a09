//! The stepper in the terminal: it turns terminal inputs into events with times, applies them, and records them on request.

use std::cell::Cell;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use anyhow::Context as _;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::driver::{Done, Driver};
use crate::app::Focus;
use crate::keys::{Code, Key};
use crate::session::{Event, Recorder, recorded};
use crate::terminal::{Flow, Input, Program};
use crate::ui::{self, RenderOptions};

/// The largest number of characters that are taken from a pasted text: an address is shorter.
const PASTED: usize = 200;

/// The stepper as a program of the terminal.
pub struct Live {
    driver: Driver,
    look: RenderOptions,
    recorder: Option<Recorder<Box<dyn Write>>>,
    /// The area of the last frame, in which clicks are looked up.
    screen: Cell<Rect>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("driver", &self.driver).field("recording", &self.recorder.is_some()).finish_non_exhaustive()
    }
}

impl Live {
    /// Shows the state of a driver and records its events.
    #[must_use]
    pub fn new(driver: Driver, look: RenderOptions, recorder: Option<Recorder<Box<dyn Write>>>) -> Self {
        Self { driver, look, recorder, screen: Cell::default() }
    }

    /// The driver of the state that it shows.
    #[must_use]
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    fn record(&mut self, time: Duration, event: &Event) -> anyhow::Result<()> {
        match &mut self.recorder {
            Some(recorder) => recorder.add(time, event).context("cannot write the recording"),
            None => Ok(()),
        }
    }
}

impl Program for Live {
    fn input(&mut self, input: Input, now: Duration) -> anyhow::Result<Flow> {
        // use the rounded times of a recording, so that a replay makes the same steps
        let now = recorded(now);
        if input == Input::Wake {
            if let Some(event) = self.driver.turn(now) {
                self.record(now, &event)?;
            }
            return Ok(Flow::Changed);
        }
        let mut flow = Flow::Same;
        let screen = self.screen.get();
        self.driver.seen_on((screen.width, screen.height));
        for event in events(input, &self.driver, &self.look, screen) {
            flow = Flow::Changed;
            if self.driver.is_due(now) {
                self.driver.clock(now);
                self.record(now, &Event::Play)?;
            }
            self.record(now, &event)?;
            if self.driver.event(&event, now) == Done::Quit {
                self.record(now, &Event::Quit)?;
                return Ok(Flow::Quit);
            }
        }
        Ok(flow)
    }

    fn wake(&self) -> Option<Duration> {
        self.driver.wake()
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        self.screen.set(area);
        ui::render(&self.driver.state, &self.look, area, buffer);
    }
}

/// Translates a terminal input into events, for the state that `screen` shows.
pub(super) fn events(input: Input, driver: &Driver, look: &RenderOptions, screen: Rect) -> Vec<Event> {
    let focus = driver.state.focus();
    let lines = if focus == Focus::Picker { 1 } else { 3 };
    match input {
        Input::Key(event) => key(event).into_iter().map(Event::Key).collect(),
        Input::Mouse(event) => match event.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                driver.under(look, screen, event.column, event.row).into_iter().map(Event::Click).collect()
            }
            MouseEventKind::ScrollDown => vec![Event::Wheel(lines)],
            MouseEventKind::ScrollUp => vec![Event::Wheel(-lines)],
            _ => Vec::new(),
        },
        // only into the address line: elsewhere each character would act as a key
        Input::Paste(text) if focus == Focus::Prompt => {
            text.chars().filter(|c| !c.is_control()).take(PASTED).map(|c| Event::Key(Code::Char(c).into())).collect()
        }
        Input::Resize(columns, rows) => vec![Event::Resize(columns, rows)],
        Input::Paste(_) | Input::Wake => Vec::new(),
    }
}

/// Translates a terminal key; `None` if the table of keys has no name for it.
fn key(event: KeyEvent) -> Option<Key> {
    let mut shift = event.modifiers.contains(KeyModifiers::SHIFT);
    let code = match event.code {
        KeyCode::Char(c) => {
            shift = false;
            Code::Char(c)
        }
        KeyCode::BackTab => {
            shift = true;
            Code::Tab
        }
        KeyCode::F(n @ 1..=12) => Code::F(n),
        KeyCode::Enter => Code::Enter,
        KeyCode::Esc => Code::Esc,
        KeyCode::Tab => Code::Tab,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Delete => Code::Delete,
        KeyCode::Insert => Code::Insert,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        _ => return None,
    };
    let held = |modifier| event.modifiers.contains(modifier);
    Some(Key { code, ctrl: held(KeyModifiers::CONTROL), alt: held(KeyModifiers::ALT), shift })
}
