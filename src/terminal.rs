//! The full screen: a [`Program`] is given events and asked for frames, and whatever ends it, the
//! terminal is as it was before.
//!
//! ```text
//! keys, mouse, resize, clock ─▶ run ─ Program::input ─▶ Flow ─ Program::draw ─▶ Buffer ─▶ one write
//! signals, hang-up, panic, return ─▶ modes::leave
//! ```
//!
//! Only here are events read and modes switched; a program is pure and runs without a terminal too.

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
use self::screen::Screen;

/// The longest that events are taken before a frame shows what they did.
const FRAME: Duration = Duration::from_millis(16);
/// For ever, in a number that every system's poll takes.
const LONG: Duration = Duration::from_secs(3600);

/// What reaches a program.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A key, pressed or repeated; Ctrl-C too, but not Ctrl-Z, which suspends.
    Key(KeyEvent),
    /// A mouse button, a drag or the wheel; column and row count from 0.
    Mouse(MouseEvent),
    /// A pasted text, as it came: not escaped.
    Paste(String),
    /// The terminal has so many columns and rows now. A frame follows in any case.
    Resize(u16, u16),
    /// The time that [`Program::wake`] asked for has come.
    Wake,
}

/// What an input did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Nothing that shows.
    Same,
    /// The next frame differs.
    Changed,
    /// The program ends.
    Quit,
}

/// What runs in the full screen. Times are counted from the start of [`run`].
pub trait Program {
    /// Takes one input at the time `now`.
    ///
    /// # Errors
    /// What ends the program, for instance a recording that cannot be written.
    fn input(&mut self, input: Input, now: Duration) -> anyhow::Result<Flow>;

    /// When the program wants [`Input::Wake`] if nothing else comes; `None`: let it sleep.
    fn wake(&self) -> Option<Duration> {
        None
    }

    /// Draws the whole screen; `buffer` is empty and as large as `area`, which is at least 1x1.
    fn draw(&self, area: Rect, buffer: &mut Buffer);
}

/// How [`run`] sets the terminal up.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether the mouse is reported; without it, the terminal selects text with it.
    pub mouse: bool,
}

/// Runs `program` in the full screen until it quits.
///
/// A signal, a hang-up or a panic in any thread restores the terminal and ends the process.
///
/// # Errors
/// When there is no terminal (nothing was touched then), when it cannot be read or written any
/// longer, and what the program itself fails with. The terminal is restored before.
pub fn run(program: &mut dyn Program, options: &Options) -> anyhow::Result<()> {
    tty::check()?;
    panic::install();
    #[cfg(unix)]
    signals::start().context("cannot watch for signals")?;
    let _guard = Guard::new(*options).context("cannot set the terminal up")?;
    // Resizes are noted from here on; only then is the size a safe one to start from, and a wake-up by
    // `signals` certain to arrive.
    let reader = Reader::new().context(READ)?;
    let result = Loop { program, reader, screen: Screen::new(tty::size().context(SIZE)?), start: Instant::now(), changed: true }.run();
    #[cfg(unix)]
    if result.is_err() {
        signals::end_if_hung_up();
    }
    result
}

/// Columns and rows of the terminal that [`run`] would draw on.
///
/// # Errors
/// When there is none.
pub fn size() -> anyhow::Result<(u16, u16)> {
    tty::check()?;
    tty::size().context(SIZE)
}

const READ: &str = "cannot read from the terminal";
const SIZE: &str = "cannot learn the terminal's size";

struct Loop<'a> {
    program: &'a mut dyn Program,
    reader: Reader,
    screen: Screen,
    start: Instant,
    /// Something that shows has changed since the last frame.
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

    /// Waits for the next event or wake, and takes all events that are there by then.
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

    /// Wakes the program if it is time.
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

    /// What the program gets of an event; what concerns the terminal alone is done here.
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

    /// The screen as large as the terminal is now, to be drawn whole.
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
