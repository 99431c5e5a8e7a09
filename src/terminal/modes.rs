//! What is switched on for the full screen, and the one way back.
//!
//! [`leave`] may be called from any thread, at any moment, any number of times: by the guard, the
//! panic hook, the signals and the hang-up. It undoes exactly what is on.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::{Options, tty};

/// One thing switched on by the first text and off by the second.
struct Mode(&'static str, &'static str);

/// In the order of switching on. The mouse reports buttons, drags and the wheel, not every motion.
const MODES: [Mode; 4] = [
    Mode("\x1b[?1049h", "\x1b[?1049l"), // alternate screen
    Mode("\x1b[?25l", "\x1b[?25h"),     // cursor hidden
    Mode("\x1b[?2004h", "\x1b[?2004l"), // index_text paste
    Mode("\x1b[?1000h\x1b[?1002h\x1b[?1006h", "\x1b[?1006l\x1b[?1002l\x1b[?1000l"),
];
const ALWAYS: u8 = 0b0111;
const MOUSE: u8 = 0b1000;
const RAW: u8 = 1 << 7;

/// Colours and attributes as the terminal has them by itself.
const PLAIN: &str = "\x1b[0m";

/// What the program wants while it runs: 0 before and after.
static WANTED: AtomicU8 = AtomicU8::new(0);
/// What is on: 0 also while the program is suspended.
static ON: AtomicU8 = AtomicU8::new(0);
/// Held while bytes go to the terminal, so that no frame is cut in two or drawn after the way back.
static WRITING: Mutex<()> = Mutex::new(());

/// The full screen while it lives.
pub(super) struct Guard;

impl Guard {
    pub(super) fn new(options: Options) -> io::Result<Self> {
        WANTED.store(ALWAYS | RAW | if options.mouse { MOUSE } else { 0 }, SeqCst);
        let guard = Self;
        enter()?;
        Ok(guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        WANTED.store(0, SeqCst);
        leave();
    }
}

/// Whether a program runs in the full screen or is suspended from it.
pub(super) fn is_running() -> bool {
    WANTED.load(SeqCst) != 0
}

/// Switches on what the program wants, again if need be.
pub(super) fn enter() -> io::Result<()> {
    let _writing = lock();
    let wanted = WANTED.load(SeqCst);
    if wanted == 0 {
        return Ok(());
    }
    // Noted first: whoever interrupts this finds something to undo.
    if ON.swap(wanted, SeqCst) != 0 {
        // Stopped and continued behind our back: the shell may have changed the line's modes,
        // and crossterm, which believes them raw, would leave them so.
        crossterm::terminal::disable_raw_mode()?;
    }
    crossterm::terminal::enable_raw_mode()?;
    tty::read_without_waiting()?;
    tty::write(switch(wanted, |mode| mode.0, false).as_bytes())
}

/// Puts the terminal back as it was. Failures have no remedy here: the terminal is gone or stuck.
pub(super) fn leave() {
    let _writing = lock_in_time();
    let on = ON.swap(0, SeqCst);
    // Of a terminal that is gone, crossterm would take another one for it.
    if on == 0 || tty::is_gone() {
        return;
    }
    // Before the main screen shows, so that what is then typed is a line for the shell.
    let _ = crossterm::terminal::disable_raw_mode();
    if tty::takes_output() {
        let _ = tty::write((PLAIN.to_string() + &switch(on, |mode| mode.1, true)).as_bytes());
    }
}

/// A whole frame. Away from the full screen it is dropped: the next one is drawn from nothing.
pub(super) fn write_frame(frame: &[u8]) -> io::Result<()> {
    let _writing = lock();
    if ON.load(SeqCst) == 0 {
        return Ok(());
    }
    tty::write(frame)
}

fn switch(which: u8, text: fn(&Mode) -> &'static str, backwards: bool) -> String {
    let chosen = (0..MODES.len()).filter(|i| which & (1 << i) != 0);
    let texts = chosen.map(|i| text(&MODES[i]));
    if backwards { texts.rev().collect() } else { texts.collect() }
}

fn lock() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], but a writer that is stuck in a full terminal, or panicked, is not waited for.
fn lock_in_time() -> Option<MutexGuard<'static, ()>> {
    let end = Instant::now() + Duration::from_millis(200);
    loop {
        match WRITING.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() > end => return None,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_undone_is_what_was_switched_on_in_reverse() {
        let on = |which| switch(which, |mode| mode.0, false);
        let off = |which| switch(which, |mode| mode.1, true);
        assert_eq!(on(ALWAYS), "\x1b[?1049h\x1b[?25l\x1b[?2004h");
        assert_eq!(off(ALWAYS | RAW), "\x1b[?2004l\x1b[?25h\x1b[?1049l");
        assert_eq!(off(MOUSE), "\x1b[?1006l\x1b[?1002l\x1b[?1000l");
        assert_eq!(off(RAW), "");
    }

    #[test]
    fn away_from_the_full_screen_frames_are_dropped_and_leaving_does_nothing() {
        leave();
        assert!(write_frame(b"frame").is_ok());
        assert!(!is_running());
    }
}
