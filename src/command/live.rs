//! The stepper in the terminal. It translates the inputs of the terminal into events, applies them and, for `--record`, records them.

use std::cell::Cell;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use anyhow::Context as _;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::driver::{Driver, Effect};
use crate::app::{Action, Focus};
use crate::keys::{self, Code, Key};
use crate::session::{Event, Recorder, as_recorded};
use crate::terminal::{Flow, Input, TerminalProgram};
use crate::ui::{self, RenderOptions};

/// The largest number of pasted characters that are added to the prompt. Addresses are usually shorter.
const MAX_PASTED_CHARS: usize = 200;

/// The stepper as a [`TerminalProgram`] in the terminal.
pub struct TerminalStepper {
    driver: Driver,
    options: RenderOptions,
    recorder: Option<Recorder<Box<dyn Write>>>,
    /// The user's own keys, each with the key for which it stands. A recording contains the second key, so a replay does not depend on the user's settings.
    aliases: Vec<(Key, Key)>,
    /// The area of the last frame, to which clicks refer. It is a `Cell`, because `draw` borrows the program immutably.
    screen: Cell<Rect>,
}

impl fmt::Debug for TerminalStepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminalStepper").field("driver", &self.driver).field("recording", &self.recorder.is_some()).finish_non_exhaustive()
    }
}

impl TerminalStepper {
    /// Returns a stepper that shows the state of `driver`, and writes its events to `recorder` if there is one.
    #[must_use]
    pub fn new(driver: Driver, options: RenderOptions, recorder: Option<Recorder<Box<dyn Write>>>) -> Self {
        Self { driver, options, recorder, aliases: Vec::new(), screen: Cell::default() }
    }

    /// Sets the user's own keys. They apply in the normal mode of the stepper, also with the cursor on the matrices.
    #[must_use]
    pub fn with_aliases(mut self, aliases: Vec<(Key, Key)>) -> Self {
        let texts = aliases.iter().map(|(alias, acts_as)| (alias.to_string(), acts_as.to_string()));
        self.driver.state.settings.aliases = texts.collect();
        Self { aliases, ..self }
    }

    /// Replaces the user's own key in an event by the key for which it stands. A character that begins a new value of a number is left as it is.
    fn without_alias(&self, event: Event) -> Event {
        let state = &self.driver.state;
        let alias = |key: Key| self.aliases.iter().find(|(alias, _)| *alias == key).map(|(_, acts_as)| *acts_as);
        match event {
            Event::Key(key)
                if matches!(state.focus(), Focus::Normal | Focus::Cursor)
                    && !matches!(keys::action(state, key), Some(Action::EditNumber(Some(_)))) =>
            {
                Event::Key(alias(key).unwrap_or(key))
            }
            event => event,
        }
    }

    /// Returns the driver of the state on the screen.
    #[must_use]
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Writes an event to the recording, if there is one.
    fn record(&mut self, time: Duration, event: &Event) -> anyhow::Result<()> {
        match &mut self.recorder {
            Some(recorder) => recorder.add(time, event).context("cannot write the recording"),
            None => Ok(()),
        }
    }
}

impl TerminalProgram for TerminalStepper {
    fn input(&mut self, input: Input, now: Duration) -> anyhow::Result<Flow> {
        // the time is rounded as in the recording, so that the replay has the same times
        let now = as_recorded(now);
        if input == Input::Wake {
            let has_work = self.driver.has_work(now);
            if let Some(event) = self.driver.tick(now) {
                self.record(now, &event)?;
            }
            let has_news = self.driver.look_outside(now);
            return Ok(if has_work || has_news { Flow::Changed } else { Flow::Same });
        }
        let mut flow = if self.driver.look_outside(now) { Flow::Changed } else { Flow::Same };
        let screen = self.screen.get();
        self.driver.set_screen_size((screen.width, screen.height));
        // only pressed keys have aliases: a click on a text that names a key means exactly this key, and a pasted text is typed as it is
        let is_key = matches!(input, Input::Key(_));
        for event in to_events(input, &self.driver, &self.options, screen, &self.aliases) {
            flow = Flow::Changed;
            let event = if is_key { self.without_alias(event) } else { event };
            // if a play move is due, it comes before the event, also in the recording
            if self.driver.is_play_due(now) {
                self.driver.advance_clock(now); // does the play move
                self.record(now, &Event::Play)?;
            }
            self.record(now, &event)?;
            if self.driver.apply(&event, now) == Effect::Quit {
                self.record(now, &Event::Quit)?;
                return Ok(Flow::Quit);
            }
        }
        Ok(flow)
    }

    fn wake(&self) -> Option<Duration> {
        self.driver.wake()
    }

    fn take_copied(&mut self) -> Option<String> {
        self.driver.take_copied()
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        self.screen.set(area);
        ui::render(&self.driver.state, &self.options, area, buffer);
    }
}

/// Translates an input of the terminal into events of the stepper. `screen` is the area of the visible frame. `aliases` are the user's own keys with the keys
/// for which they stand.
pub(super) fn to_events(input: Input, driver: &Driver, options: &RenderOptions, screen: Rect, aliases: &[(Key, Key)]) -> Vec<Event> {
    let has_alias = |key: Key| aliases.iter().any(|(alias, _)| *alias == key);
    let focus = driver.state.focus();
    let wheel_lines = if matches!(focus, Focus::Picker | Focus::Filter) { 1 } else { 3 };
    match input {
        Input::Key(event) => {
            let is_bound = |key: Key| has_alias(key) || keys::action(&driver.state, key).is_some();
            to_key(event).into_iter().flat_map(|key| without_alt(key, is_bound)).map(Event::Key).collect()
        }
        Input::Mouse(event) => match event.kind {
            MouseEventKind::Down(MouseButton::Left) => vec![driver.click_event(options, screen, event.column, event.row)],
            MouseEventKind::ScrollDown if event.modifiers.contains(KeyModifiers::SHIFT) => vec![Event::WheelSideways(1)],
            MouseEventKind::ScrollUp if event.modifiers.contains(KeyModifiers::SHIFT) => vec![Event::WheelSideways(-1)],
            MouseEventKind::ScrollRight => vec![Event::WheelSideways(1)],
            MouseEventKind::ScrollLeft => vec![Event::WheelSideways(-1)],
            MouseEventKind::ScrollDown => vec![Event::Wheel(wheel_lines)],
            MouseEventKind::ScrollUp => vec![Event::Wheel(-wheel_lines)],
            _ => Vec::new(),
        },
        // of a pasted text, only the first line that is not blank is used. It goes into the prompt, which is opened if necessary; otherwise each character
        // would act as a command
        Input::Paste(text) => {
            let opening_key = match focus {
                _ if focus.is_prompt() => None,
                Focus::Picker => Some('/'),
                _ => Some(':'),
            };
            // terminals send a line break as \n or as \r
            let line = text.split(['\n', '\r']).map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
            let to_key = |c: char| Key::from(Code::Char(c));
            // if the user has given the opening key another meaning, the prompt cannot be opened, and the text is ignored
            if line.is_empty() || opening_key.is_some_and(|c| has_alias(to_key(c))) {
                return Vec::new();
            }
            let typed = line.chars().filter(|c| !c.is_control()).take(MAX_PASTED_CHARS);
            opening_key.into_iter().chain(typed).map(|c| Event::Key(to_key(c))).collect()
        }
        Input::Resize(columns, rows) => vec![Event::Resize(columns, rows)],
        Input::Wake => Vec::new(),
    }
}

/// Splits a key with Alt into Esc and the key, if no command uses the key with Alt. A terminal sends the same bytes for Esc before a key as for the key with
/// Alt, so without the split an Esc directly before a key would be lost. Keys that a terminal sends as a sequence, such as the arrows, are not split, because
/// their Alt is unambiguous.
fn without_alt(key: Key, is_bound: impl Fn(Key) -> bool) -> Vec<Key> {
    let is_ambiguous = key.alt && matches!(key.code, Code::Char(_) | Code::Enter | Code::Tab | Code::Backspace);
    if is_ambiguous && !is_bound(key) { vec![Code::Esc.into(), Key { alt: false, ..key }] } else { vec![key] }
}

/// Translates a key of the terminal; `None` for a key that no command uses.
fn to_key(event: KeyEvent) -> Option<Key> {
    // a character such as `A` includes Shift; `BackTab` is Shift with Tab
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
