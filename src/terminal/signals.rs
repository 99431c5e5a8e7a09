//! Two threads that wait for signals and for the hang-up of the terminal.
//!
//! The event loop cannot do it: it may be blocked in a write to a stuck terminal. The threads restore the terminal themselves and end the process by the
//! same signal, so that the parent process sees the cause (128 + n in a shell). They live as long as the process.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, kill_current_process_group};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGSTOP, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, exit, raise};

use super::{modes, tty};

/// Whether the program was continued after a stop, so that the whole screen must be drawn.
static RESUMED: AtomicBool = AtomicBool::new(false);

/// Whether the program is suspended: from Ctrl-Z until the shell's `fg`.
static AWAY: AtomicBool = AtomicBool::new(false);

/// Returns whether the program was continued since the last call.
pub(super) fn resumed() -> bool {
    RESUMED.swap(false, SeqCst)
}

/// Starts the two threads, once.
pub(super) fn start() -> io::Result<()> {
    static STARTED: OnceLock<()> = OnceLock::new();
    if STARTED.set(()).is_err() {
        return Ok(());
    }
    // open it here, where the terminal is known to exist
    let keys = tty::keys()?;
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT])?;
    thread::Builder::new().name("signals".into()).spawn(move || signals.forever().for_each(handle))?;
    thread::Builder::new().name("hang-up".into()).spawn(move || {
        if tty::wait_for_hangup(&keys) {
            end_by(SIGHUP);
        }
    })?;
    Ok(())
}

/// Handles Ctrl-Z: stops the whole job, as the terminal does outside raw mode. Returns when the program is in the foreground again; an earlier read would
/// take input that is meant for the shell.
pub(super) fn suspend() {
    if !tty::can_suspend() {
        return;
    }
    AWAY.store(true, SeqCst);
    // `handle` receives this as SIGTSTP; it cannot fail for the own process group
    let _ = kill_current_process_group(Signal::TSTP);
    while AWAY.load(SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Ends the process by SIGHUP if the terminal is gone. A failing read or write may notice that before the hang-up thread does.
pub(super) fn end_if_hung_up() {
    if tty::is_gone() {
        end_by(SIGHUP);
    }
}

fn handle(signal: i32) {
    match signal {
        SIGTSTP if tty::can_suspend() => {
            modes::leave();
            stop();
        }
        SIGCONT if modes::is_running() => resume(),
        SIGTSTP | SIGCONT => {}
        fatal => end_by(fatal),
    }
}

fn resume() {
    // continued by `bg`: changing the terminal from the background would stop this thread, which could then not handle SIGTERM; stop the whole process
    // instead, which handles every signal when it continues
    if !tty::in_foreground() && tty::can_suspend() {
        stop();
        return;
    }
    // if this fails, writing the next frame reports the error
    let _ = modes::enter();
    RESUMED.store(true, SeqCst);
    AWAY.store(false, SeqCst);
    // wakes the event loop: it handles this as a resize
    let _ = raise(SIGWINCH);
}

fn stop() {
    let _ = emulate_default_handler(SIGSTOP);
}

fn end_by(signal: i32) {
    modes::leave();
    let _ = emulate_default_handler(signal);
    exit(128 + signal);
}
