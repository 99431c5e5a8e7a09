//! The terminal modes of the full screen. [`enter`] switches them on, and [`leave`] switches them off.
//!
//! [`leave`] is called by the guard, the panic hook and the threads of `signals`. It may be called from any thread, at any time and several times. It switches
//! off exactly those modes that are on.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::{TerminalOptions, tty};

/// A terminal mode: the escape sequence that switches it on, and the sequence that switches it off.
struct TerminalMode {
    on: &'static str,
    off: &'static str,
}

/// The modes, in the order in which they are switched on.
const MODES: [TerminalMode; 4] = [
    // alternate screen; it is left empty, because tmux moves lines of it to the main screen if the terminal has grown meanwhile
    TerminalMode { on: "\x1b[?1049h", off: "\x1b[H\x1b[2J\x1b[?1049l" },
    // cursor hidden
    TerminalMode { on: "\x1b[?25l", off: "\x1b[?25h" },
    // bracketed paste
    TerminalMode { on: "\x1b[?2004h", off: "\x1b[?2004l" },
    // reports of mouse buttons, drags and the wheel, but not of every motion
    TerminalMode { on: "\x1b[?1000h\x1b[?1002h\x1b[?1006h", off: "\x1b[?1006l\x1b[?1002l\x1b[?1000l" },
];
/// The modes that are always needed: the first three of [`MODES`]. In a set of modes, bit n is the mode `MODES[n]`.
const ALWAYS: u8 = 0b0111;
/// The mouse mode.
const MOUSE: u8 = 0b1000;
/// The raw mode, which has no escape sequence.
const RAW: u8 = 1 << 7;

/// The escape sequence for the terminal's default colours and attributes.
const RESET: &str = "\x1b[0m";

/// The modes that the full screen needs, as bits; 0 if there is no full screen.
static WANTED: AtomicU8 = AtomicU8::new(0);
/// The modes that are on, as bits; 0 if there is no full screen, or while the process is suspended.
static ON: AtomicU8 = AtomicU8::new(0);
/// The lock of all writes to the terminal. Because of the lock, no other write interrupts a frame, and no frame is drawn after [`leave`].
static WRITING: Mutex<()> = Mutex::new(());

/// A guard that switches the full screen on, and switches it off when it is dropped.
pub(super) struct Guard;

impl Guard {
    pub(super) fn new(options: TerminalOptions) -> io::Result<Self> {
        WANTED.store(ALWAYS | RAW | if options.mouse { MOUSE } else { 0 }, SeqCst);
        // the guard is made before `enter`, so that the modes are switched off again if `enter` fails halfway
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

/// Returns whether the full screen is in use, even if the process is suspended.
pub(super) fn is_running() -> bool {
    WANTED.load(SeqCst) != 0
}

/// Switches on the modes that the full screen needs. This includes modes that are on according to `ON`, because other programs may have changed the terminal
/// while this process was suspended.
pub(super) fn enter() -> io::Result<()> {
    let _writing = lock();
    let wanted = WANTED.load(SeqCst);
    if wanted == 0 {
        return Ok(());
    }
    // `ON` is set before the modes are switched on, so that `leave` switches them off if a signal interrupts this function
    if ON.swap(wanted, SeqCst) != 0 {
        // the process was stopped and continued without `leave`, and the shell may have ended the raw mode. Crossterm does not know this: without this call,
        // `enable_raw_mode` below would do nothing
        crossterm::terminal::disable_raw_mode()?;
    }
    crossterm::terminal::enable_raw_mode()?;
    tty::set_reads_without_waiting()?;
    let is_reversed = false;
    tty::write(sequences(wanted, |mode| mode.on, is_reversed).as_bytes())
}

/// Restores the terminal. Errors are ignored, because they mean that the terminal is closed or does not accept output.
pub(super) fn leave() {
    // if the lock is not free in time, the terminal is restored without it
    let _writing = lock_within_limit();
    let on = ON.swap(0, SeqCst);
    // if the terminal is closed, crossterm would change the controlling terminal instead
    if on == 0 || tty::is_closed() {
        return;
    }
    // the raw mode ends before the main screen is shown, because later input is meant for the shell
    let _ = crossterm::terminal::disable_raw_mode();
    if tty::accepts_output() {
        let is_reversed = true;
        let _ = tty::write((RESET.to_string() + &sequences(on, |mode| mode.off, is_reversed)).as_bytes());
    }
}

/// Writes a frame. If the full screen is off, for example while the process is suspended, drops the frame.
pub(super) fn write_frame(frame: &[u8]) -> io::Result<()> {
    let _writing = lock();
    if ON.load(SeqCst) == 0 {
        return Ok(());
    }
    tty::write(frame)
}

/// Returns the escape sequences of the modes whose bits are set in `modes`, in the order of [`MODES`] or in reverse. `sequence` selects the sequence for on or
/// for off.
fn sequences(modes: u8, sequence: fn(&TerminalMode) -> &'static str, is_reversed: bool) -> String {
    let chosen = (0..MODES.len()).filter(|i| modes & (1 << i) != 0);
    let texts = chosen.map(|i| sequence(&MODES[i]));
    if is_reversed { texts.rev().collect() } else { texts.collect() }
}

/// Waits for the lock of writes.
fn lock() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits at most 0.2 s for the lock of writes. Returns `None` if another thread is blocked in a write, because the terminal does not accept output.
fn lock_within_limit() -> Option<MutexGuard<'static, ()>> {
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
        let on = |modes| sequences(modes, |mode| mode.on, /* is_reversed */ false);
        let off = |modes| sequences(modes, |mode| mode.off, /* is_reversed */ true);
        assert_eq!(on(ALWAYS), "\x1b[?1049h\x1b[?25l\x1b[?2004h");
        assert_eq!(off(ALWAYS | RAW), "\x1b[?2004l\x1b[?25h\x1b[H\x1b[2J\x1b[?1049l");
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
