//! Runs a [`TerminalProgram`] in the full screen of the terminal. [`run`] sends events to the program and draws its frames.
//!
//! ```text
//! keys, mouse, resize, clock ─▶ run ─▶ TerminalProgram::input ─▶ Flow ─▶ TerminalProgram::draw ─▶ Buffer ─▶ one write
//! ```
//!
//! However the program ends, the terminal is restored (`modes::leave`): after a return, a panic or a signal, and if the terminal itself is closed.
//!
//! Only this module reads events and sets terminal modes. A [`TerminalProgram`] does no input or output of the terminal, so tests can run it without a
//! terminal.

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
use crossterm::Command as _;
use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{Event, KeyEvent, KeyEventKind, MouseEvent};
#[cfg(unix)]
use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::modes::Guard;
use self::reader::TerminalReader;
use self::screen::TerminalScreen;

/// The longest time for which events are handled before the next frame is drawn.
const MAX_FRAME_DELAY: Duration = Duration::from_millis(16);
/// The longest wait for an event if nothing is due. Some systems do not accept an unlimited wait.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// An input of a program.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A key press or repeat, including Ctrl-C, but not Ctrl-Z, which suspends the program.
    Key(KeyEvent),
    /// A mouse button, a drag or the wheel; column and row count from 0.
    Mouse(MouseEvent),
    /// A pasted text. Its control characters are not escaped.
    Paste(String),
    /// The terminal has a new size: columns and rows. The next frame is drawn even if the program returns [`Flow::Same`].
    Resize(u16, u16),
    /// The time that [`TerminalProgram::wake`] returned is reached.
    Wake,
}

/// The effect of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The program looks the same: no frame is drawn.
    Same,
    /// The program looks different: a frame is drawn.
    Changed,
    /// The program ends.
    Quit,
}

/// A program that runs in the full screen. All times are counted from the start of [`run`].
pub trait TerminalProgram {
    /// Handles an input at the time `now`.
    ///
    /// # Errors
    /// An error that ends the program, such as a recording that cannot be written.
    fn input(&mut self, input: Input, now: Duration) -> anyhow::Result<Flow>;

    /// The time at which the program needs [`Input::Wake`]; `None` for never. [`run`] asks again after each input.
    fn wake(&self) -> Option<Duration> {
        None
    }

    /// Takes the text that the last input copies to the clipboard of the terminal.
    fn take_copied(&mut self) -> Option<String> {
        None
    }

    /// Draws the whole screen into `buffer`, which is empty. `buffer` has the size of `area`, at least 1x1.
    fn draw(&self, area: Rect, buffer: &mut Buffer);
}

/// The options of [`run`].
#[derive(Clone, Copy, Debug)]
pub struct TerminalOptions {
    /// `true` if the program receives mouse events. Otherwise the terminal uses the mouse to select text.
    pub mouse: bool,
}

/// Runs `program` in the full screen until it quits.
///
/// A signal, a closed terminal or a panic in any thread restores the terminal and ends the process.
///
/// # Errors
/// If there is no terminal, if the terminal can no longer be read or written, or if the program fails. The terminal is restored before the return.
pub fn run(program: &mut dyn TerminalProgram, options: &TerminalOptions) -> anyhow::Result<()> {
    tty::check()?;
    panic::install();
    #[cfg(unix)]
    signals::start().context("cannot watch for signals")?;
    let _guard = Guard::new(*options).context("cannot set the terminal up")?;
    // the reader is made before the size is read, so that it reports every later resize
    let reader = TerminalReader::new().context(READ_ERROR)?;
    let screen = TerminalScreen::new(tty::size().context(SIZE_ERROR)?);
    let result = EventLoop { program, reader, screen, start: Instant::now(), needs_frame: true }.run();
    #[cfg(unix)]
    if result.is_err() {
        signals::end_if_hung_up();
    }
    result
}

/// The columns and rows of the terminal on which [`run`] would draw.
///
/// # Errors
/// If there is no terminal.
pub fn size() -> anyhow::Result<(u16, u16)> {
    tty::check()?;
    tty::size().context(SIZE_ERROR)
}

/// The contexts of errors.
const READ_ERROR: &str = "cannot read from the terminal";
const SIZE_ERROR: &str = "cannot read the size of the terminal";

/// The event loop of [`run`].
struct EventLoop<'a> {
    program: &'a mut dyn TerminalProgram,
    reader: TerminalReader,
    screen: TerminalScreen,
    start: Instant,
    /// `true` if a frame must be drawn.
    needs_frame: bool,
}

impl EventLoop<'_> {
    /// Runs until the program quits.
    fn run(&mut self) -> anyhow::Result<()> {
        loop {
            #[cfg(unix)]
            // the program was suspended and continued, so the whole screen must be drawn
            if signals::take_resumed() {
                self.resize()?;
            }
            if std::mem::take(&mut self.needs_frame) {
                self.screen.draw(self.program).context("cannot write to the terminal")?;
            }
            if self.handle_events()?.is_break() || self.send_wake()?.is_break() {
                return Ok(());
            }
        }
    }

    /// Waits for the next event or the wake time. Then handles all events that have arrived, for at most [`MAX_FRAME_DELAY`].
    fn handle_events(&mut self) -> anyhow::Result<ControlFlow<()>> {
        let mut wait = match self.program.wake() {
            Some(at) => at.saturating_sub(self.start.elapsed()).min(MAX_WAIT),
            None => MAX_WAIT,
        };
        let mut first_event = None;
        while self.reader.poll(wait).context(READ_ERROR)? {
            if let Some(event) = self.reader.read().context(READ_ERROR)?
                && let Some(input) = self.translate(event)?
                && self.send(input)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            if first_event.get_or_insert_with(Instant::now).elapsed() >= MAX_FRAME_DELAY {
                break;
            }
            wait = Duration::ZERO;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Sends [`Input::Wake`] if it is due.
    fn send_wake(&mut self) -> anyhow::Result<ControlFlow<()>> {
        match self.program.wake() {
            Some(at) if at <= self.start.elapsed() => self.send(Input::Wake),
            _ => Ok(ControlFlow::Continue(())),
        }
    }

    /// Sends an input to the program. Breaks if the program quits.
    fn send(&mut self, input: Input) -> anyhow::Result<ControlFlow<()>> {
        match self.program.input(input, self.start.elapsed())? {
            Flow::Same => {}
            Flow::Changed => self.needs_frame = true,
            Flow::Quit => return Ok(ControlFlow::Break(())),
        }
        if let Some(text) = self.program.take_copied() {
            modes::write_frame(copy_sequence(&text).as_bytes()).context("cannot write to the terminal")?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Translates an event into an input of the program; `None` for an event that concerns only the terminal.
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

    /// Resizes the screen to the size of the terminal. The whole screen is then drawn again.
    fn resize(&mut self) -> anyhow::Result<(u16, u16)> {
        let size = tty::size().context(SIZE_ERROR)?;
        self.screen.resize(size);
        self.needs_frame = true;
        Ok(size)
    }
}

/// Returns the escape sequence OSC 52, with which the terminal copies a text to its clipboard. The text is in base64, so it cannot contain other escape
/// sequences.
fn copy_sequence(text: &str) -> String {
    let mut sequence = String::new();
    // writing to a string cannot fail
    let _ = CopyToClipboard::to_clipboard_from(text).write_ansi(&mut sequence);
    sequence
}

/// `true` for Ctrl-Z.
#[cfg(unix)]
fn is_suspend(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('z') && key.modifiers == KeyModifiers::CONTROL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_text_is_in_base64() {
        assert_eq!(copy_sequence("0.5"), "\x1b]52;c;MC41\x1b\\");
        // an escape sequence in the text is encoded too, so the only two ESC are those at the begin and the end
        assert_eq!(copy_sequence("\x1b]52;c;\x07").matches('\x1b').count(), 2);
    }
}
