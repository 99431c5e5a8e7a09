//! The full screen: [`run`] gives events to a [`Program`] and draws its frames. However the program ends, the terminal is restored.
//!
//! ```text
//! keys, mouse, resize, clock ─▶ run ─ Program::input ─▶ Flow ─ Program::draw ─▶ Buffer ─▶ one write
//! signals, hang-up, panic, return ─▶ modes::leave
//! ```
//!
//! All reading of events and all terminal modes are in this module. A program does no terminal I/O, so it also runs without a terminal.

pub mod capability;
mod modes;
mod panic;
pub mod pen;
mod reader;
mod screen;
#[cfg(unix)]
mod sequence;
#[cfg(unix)]
mod signals;
mod tty;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use crossterm::event::{Event, KeyEvent, KeyEventKind, MouseEvent};
#[cfg(unix)]
use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::modes::Guard;
use self::reader::Reader;
use self::screen::TerminalScreen;

/// The longest time for which events are taken before the next frame is drawn.
const FRAME: Duration = Duration::from_millis(16);
/// The longest wait for an event. It means "no limit" and is accepted by `poll` on every system.
const LONG: Duration = Duration::from_secs(3600);

/// An input of a program.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A key press or repeat, including Ctrl-C. Ctrl-Z is not passed on: it suspends the program.
    Key(KeyEvent),
    /// A mouse button, a drag or the wheel; column and row count from 0.
    Mouse(MouseEvent),
    /// A pasted text, not escaped.
    Paste(String),
    /// The new columns and rows of the terminal. A frame is drawn even if the program returns [`Flow::Same`].
    Resize(u16, u16),
    /// The time of [`Program::wake`] has come.
    Wake,
}

/// The effect of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The frame stays the same.
    Same,
    /// The next frame differs.
    Changed,
    /// The program ends.
    Quit,
}

/// A program in the full screen. All times are counted from the start of [`run`].
pub trait Program {
    /// Handles an input at the time `now`.
    ///
    /// # Errors
    /// An error that ends the program, such as a recording that cannot be written.
    fn input(&mut self, input: Input, now: Duration) -> anyhow::Result<Flow>;

    /// The time at which the program wants [`Input::Wake`]; `None` for never. It is asked again after each input.
    fn wake(&self) -> Option<Duration> {
        None
    }

    /// Draws the whole screen into the empty `buffer` of the size of `area`, at least 1x1.
    fn draw(&self, area: Rect, buffer: &mut Buffer);
}

/// The options of [`run`].
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether the program receives mouse events. If not, the terminal can select text with the mouse.
    pub mouse: bool,
}

/// Runs `program` in the full screen until it quits.
///
/// A signal, a hang-up or a panic in any thread restores the terminal and ends the process.
///
/// # Errors
/// If there is no terminal, if it cannot be read or written any longer, or if the program fails. The terminal is restored first.
pub fn run(program: &mut dyn Program, options: &Options) -> anyhow::Result<()> {
    tty::check()?;
    panic::install();
    #[cfg(unix)]
    signals::start().context("cannot watch for signals")?;
    let _guard = Guard::new(*options).context("cannot set the terminal up")?;
    // the reader watches for resizes, so it must exist before the size is read and before `signals` wakes the loop with a resize event
    let reader = Reader::new().context(READ)?;
    let result =
        Loop { program, reader, screen: TerminalScreen::new(tty::size().context(SIZE)?), start: Instant::now(), changed: true }.run();
    #[cfg(unix)]
    if result.is_err() {
        signals::end_if_hung_up();
    }
    result
}

/// The columns and rows of the terminal that [`run`] would draw on.
///
/// # Errors
/// If there is no terminal.
pub fn size() -> anyhow::Result<(u16, u16)> {
    tty::check()?;
    tty::size().context(SIZE)
}

const READ: &str = "cannot read from the terminal";
const SIZE: &str = "cannot read the size of the terminal";

struct Loop<'a> {
    program: &'a mut dyn Program,
    reader: Reader,
    screen: TerminalScreen,
    start: Instant,
    /// Whether the next frame differs from the last one.
    changed: bool,
}

impl Loop<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        loop {
            #[cfg(unix)]
            if signals::resumed() {
                self.resize()?;
            }
            if std::mem::take(&mut self.changed) {
                self.screen.draw(self.program).context("cannot write to the terminal")?;
            }
            if self.events()?.is_break() || self.wake()?.is_break() {
                return Ok(());
            }
        }
    }

    /// Waits for the next event or the wake time, then handles all events that are there.
    fn events(&mut self) -> anyhow::Result<ControlFlow<()>> {
        let mut wait = match self.program.wake() {
            Some(at) => at.saturating_sub(self.start.elapsed()).min(LONG),
            None => LONG,
        };
        let mut began = None;
        while self.reader.poll(wait).context(READ)? {
            if let Some(event) = self.reader.read().context(READ)?
                && let Some(input) = self.translate(event)?
                && self.give(input)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            if began.get_or_insert_with(Instant::now).elapsed() >= FRAME {
                break;
            }
            wait = Duration::ZERO;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Sends [`Input::Wake`] if it is due.
    fn wake(&mut self) -> anyhow::Result<ControlFlow<()>> {
        match self.program.wake() {
            Some(at) if at <= self.start.elapsed() => self.give(Input::Wake),
            _ => Ok(ControlFlow::Continue(())),
        }
    }

    fn give(&mut self, input: Input) -> anyhow::Result<ControlFlow<()>> {
        match self.program.input(input, self.start.elapsed())? {
            Flow::Same => {}
            Flow::Changed => self.changed = true,
            Flow::Quit => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Translates an event for the program. Events that concern only the terminal are handled here.
    fn translate(&mut self, event: Event) -> anyhow::Result<Option<Input>> {
        Ok(match event {
            Event::Key(key) if key.kind == KeyEventKind::Release => None,
            #[cfg(unix)]
            Event::Key(key) if is_suspend(key) => {
                signals::suspend();
                None
            }
            Event::Key(key) => Some(Input::Key(key)),
            Event::Mouse(mouse) => Some(Input::Mouse(mouse)),
            Event::Paste(text) => Some(Input::Paste(text)),
            Event::Resize(..) => {
                let (columns, rows) = self.resize()?;
                Some(Input::Resize(columns, rows))
            }
            Event::FocusGained | Event::FocusLost => None,
        })
    }

    /// Resizes the screen to the terminal, to be drawn as a whole.
    fn resize(&mut self) -> anyhow::Result<(u16, u16)> {
        let size = tty::size().context(SIZE)?;
        self.screen.resize(size);
        self.changed = true;
        Ok(size)
    }
}

#[cfg(unix)]
fn is_suspend(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('z') && key.modifiers == KeyModifiers::CONTROL
}
