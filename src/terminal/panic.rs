//! The panic hook of the full screen. It restores the terminal before it prints the message, because the message would otherwise disappear with the alternate
//! screen.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::thread::{self, ThreadId};

use super::modes;
use crate::output;

/// The thread of the event loop.
static LOOP_THREAD: OnceLock<ThreadId> = OnceLock::new();

/// Installs the hook. Further calls do nothing.
pub(super) fn install() {
    if LOOP_THREAD.set(thread::current().id()).is_ok() {
        std::panic::set_hook(Box::new(report));
    }
}

/// Restores the terminal and prints a panic.
fn report(panic: &PanicHookInfo<'_>) {
    let was_running = modes::is_running();
    modes::leave();
    let mut to = output::stderr();
    // an error of stderr cannot be reported
    let _ = writeln!(to, "{panic}\nThis is a bug in gradstep; please report it.");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(to, "{backtrace}");
    }
    let _ = to.finish();
    // a panic in the event loop returns to `main`; after a panic in another thread, the program would continue without its screen, so it ends here, with the
    // exit code that Rust uses for a panic
    if was_running && LOOP_THREAD.get() != Some(&thread::current().id()) {
        std::process::exit(101);
    }
}
