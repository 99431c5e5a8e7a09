//! Signals and the terminal's hang-up, each waited for by a thread of its own.
//!
//! The loop cannot do it: it may hang in a write to a terminal that is stuck. These threads restore the terminal themselves and end the process by the signal, so that
//! its parent sees why (128 + n in a shell). They live as long as the process.

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

/// The terminal was ours again: the whole screen must be drawn.
static RESUMED: AtomicBool = AtomicBool::new(false);

/// Between Ctrl-Z and the shell's `fg`.
static AWAY: AtomicBool = AtomicBool::new(false);

/// Whether the program was continued since this was last asked.
pub(super) fn resumed() -> bool {
    RESUMED.swap(false, SeqCst)
}

/// Starts the two threads, the first time.
pub(super) fn start() -> io::Result<()> {
    static STARTED: OnceLock<()> = OnceLock::new();
    if STARTED.set(()).is_err() {
        return Ok(());
    }
    // Opened here, where the terminal is known to be there.
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

/// Ctrl-Z: stops the whole job, as the terminal itself does outside raw mode. Returns when the
/// terminal is ours again: a read before would take what is typed for the shell.
pub(super) fn suspend() {
    if !tty::can_suspend() {
        return;
    }
    AWAY.store(true, SeqCst);
    // Comes back to us as SIGTSTP. It cannot fail for our own group.
    let _ = kill_current_process_group(Signal::TSTP);
    while AWAY.load(SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Ends the process as the hang-up does if the terminal is gone: a failing read or write may notice
/// it first.
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
    // Continued by `bg`. To touch the terminal now would stop this thread for as long, deaf to
    // SIGTERM; stopped as a whole, the process hears every signal on waking.
    if !tty::in_foreground() && tty::can_suspend() {
        stop();
        return;
    }
    // What it cannot switch on, the next frame's write will tell.
    let _ = modes::enter();
    RESUMED.store(true, SeqCst);
    AWAY.store(false, SeqCst);
    // Wakes the loop, which takes it for a resize.
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
