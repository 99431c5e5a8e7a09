//! The terminal modes of the full screen: [`enter`] switches them on, [`leave`] switches them off.
//!
//! [`leave`] may be called from any thread, at any time and any number of times: the guard, the panic hook, the signals and the hang-up do so. It switches
//! off exactly the modes that are on.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::{Options, tty};

/// A terminal mode: the sequence that switches it on, and the one that switches it off.
struct TerminalMode(&'static str, &'static str);

/// The modes in the order in which they are switched on. The mouse reports buttons, drags and the wheel, not every motion.
const MODES: [TerminalMode; 4] = [
    TerminalMode("\x1b[?1049h", "\x1b[?1049l"), // alternate screen
    TerminalMode("\x1b[?25l", "\x1b[?25h"),     // cursor hidden
    TerminalMode("\x1b[?2004h", "\x1b[?2004l"), // bracketed paste
    TerminalMode("\x1b[?1000h\x1b[?1002h\x1b[?1006h", "\x1b[?1006l\x1b[?1002l\x1b[?1000l"),
];
const ALWAYS: u8 = 0b0111;
const MOUSE: u8 = 0b1000;
const RAW: u8 = 1 << 7;

/// The sequence for the terminal's default colours and attributes.
const PLAIN: &str = "\x1b[0m";

/// The modes that the program needs, as bits; 0 if it does not run.
static WANTED: AtomicU8 = AtomicU8::new(0);
/// The modes that are on, as bits; 0 also while the program is suspended.
static ON: AtomicU8 = AtomicU8::new(0);
/// The lock of writes to the terminal: no frame is interrupted by another write, and none is drawn after [`leave`].
static WRITING: Mutex<()> = Mutex::new(());

/// A guard: the full screen is on until it is dropped.
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

/// Returns whether a program runs in the full screen or is suspended from it.
pub(super) fn is_running() -> bool {
    WANTED.load(SeqCst) != 0
}

/// Switches on the modes that the program needs, again if they were on before.
pub(super) fn enter() -> io::Result<()> {
    let _writing = lock();
    let wanted = WANTED.load(SeqCst);
    if wanted == 0 {
        return Ok(());
    }
    // before the modes are switched on, so that an interruption undoes them
    if ON.swap(wanted, SeqCst) != 0 {
        // the process was stopped and continued without `leave`: the shell may have changed the terminal's line modes, and crossterm would not set them
        // again because it assumes that they are raw
        crossterm::terminal::disable_raw_mode()?;
    }
    crossterm::terminal::enable_raw_mode()?;
    tty::read_without_waiting()?;
    tty::write(sequences(wanted, |mode| mode.0, false).as_bytes())
}

/// Restores the terminal. Errors are ignored: they mean that the terminal is gone or stuck.
pub(super) fn leave() {
    let _writing = lock_in_time();
    let on = ON.swap(0, SeqCst);
    // if the terminal is gone, crossterm would change another one instead
    if on == 0 || tty::is_gone() {
        return;
    }
    // before the main screen is shown: input from then on is for the shell
    let _ = crossterm::terminal::disable_raw_mode();
    if tty::takes_output() {
        let _ = tty::write((PLAIN.to_string() + &sequences(on, |mode| mode.1, true)).as_bytes());
    }
}

/// Writes a whole frame. Outside the full screen the frame is dropped; the next one is then drawn as a whole.
pub(super) fn write_frame(frame: &[u8]) -> io::Result<()> {
    let _writing = lock();
    if ON.load(SeqCst) == 0 {
        return Ok(());
    }
    tty::write(frame)
}

/// The sequences of the modes whose bits are set.
fn sequences(which: u8, text: fn(&TerminalMode) -> &'static str, backwards: bool) -> String {
    let chosen = (0..MODES.len()).filter(|i| which & (1 << i) != 0);
    let texts = chosen.map(|i| text(&MODES[i]));
    if backwards { texts.rev().collect() } else { texts.collect() }
}

fn lock() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], but waits at most 0.2 s for a writer that is blocked by a stuck terminal.
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
    fn modes_are_switched_off_in_reverse_order() {
        let on = |which| sequences(which, |mode| mode.0, false);
        let off = |which| sequences(which, |mode| mode.1, true);
        assert_eq!(on(ALWAYS), "\x1b[?1049h\x1b[?25l\x1b[?2004h");
        assert_eq!(off(ALWAYS | RAW), "\x1b[?2004l\x1b[?25h\x1b[?1049l");
        assert_eq!(off(MOUSE), "\x1b[?1006l\x1b[?1002l\x1b[?1000l");
        assert_eq!(off(RAW), "");
    }

    #[test]
    fn outside_the_full_screen_frames_are_dropped_and_leave_does_nothing() {
        leave();
        assert!(write_frame(b"frame").is_ok());
        assert!(!is_running());
    }
}
