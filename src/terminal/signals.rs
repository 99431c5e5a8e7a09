//! Two threads. One waits for signals. The other waits until the terminal hangs up, which means that its window or its connection is closed.
//!
//! The event loop cannot do this, because it may be blocked in a write to a terminal that does not accept output. The threads restore the terminal and then end
//! the process by the same signal, so that the parent process sees the reason: a shell reports 128 + the number of the signal. The threads outlive the full
//! screen.

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

/// `true` if the program was continued after a stop, so that the whole screen must be drawn.
static RESUMED: AtomicBool = AtomicBool::new(false);

/// `true` while the program is suspended: from Ctrl-Z until the shell's `fg`.
static SUSPENDED: AtomicBool = AtomicBool::new(false);

/// Returns whether the program was continued after a stop since the last call.
pub(super) fn take_resumed() -> bool {
    RESUMED.swap(false, SeqCst)
}

/// Starts the two threads. Further calls do nothing.
pub(super) fn start() -> io::Result<()> {
    static STARTED: OnceLock<()> = OnceLock::new();
    if STARTED.set(()).is_err() {
        return Ok(());
    }
    // the terminal is opened now, because it may be closed when the thread starts
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

/// Handles Ctrl-Z: stops all processes of the shell's job, as the terminal does outside raw mode.
///
/// Returns when the program is in the foreground again. Until then, it must not read the terminal, because the input is meant for the shell.
pub(super) fn suspend() {
    if !tty::can_suspend() {
        return;
    }
    SUSPENDED.store(true, SeqCst);
    // `handle` receives this signal too. The call cannot fail for the process's own group
    let _ = kill_current_process_group(Signal::TSTP);
    while SUSPENDED.load(SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Ends the process by SIGHUP if the terminal is closed. A failed read or write may notice this before the hang-up thread does.
pub(super) fn end_if_hung_up() {
    if tty::is_closed() {
        end_by(SIGHUP);
    }
}

/// Handles a signal.
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

/// Restores the full screen after a stop.
fn resume() {
    // The shell's `bg` continues the program in the background. There, a change of the terminal stops the process (SIGTTOU), in the middle of this function.
    // This would happen each time the process is continued, and this thread would never handle a SIGTERM. So the process stops itself here, before it changes
    // the terminal. When it is continued, this thread handles the signals that have arrived
    if !tty::in_foreground() && tty::can_suspend() {
        stop();
        return;
    }
    // if this fails, writing the next frame reports the error
    let _ = modes::enter();
    RESUMED.store(true, SeqCst);
    SUSPENDED.store(false, SeqCst);
    // wakes the event loop, which handles this signal as a resize
    let _ = raise(SIGWINCH);
}

/// Stops the process.
fn stop() {
    let _ = emulate_default_handler(SIGSTOP);
}

/// Restores the terminal and ends the process by a signal.
fn end_by(signal: i32) {
    modes::leave();
    let _ = emulate_default_handler(signal);
    exit(128 + signal);
}
