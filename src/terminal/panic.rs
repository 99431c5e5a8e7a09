//! The panic hook: first the terminal, then the message.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::thread::{self, ThreadId};

use super::modes;
use crate::output;

/// The thread that runs the program in the full screen.
static LOOP: OnceLock<ThreadId> = OnceLock::new();

/// Installs the hook, the first time.
pub(super) fn install() {
    let here = thread::current().id();
    if LOOP.set(here).is_ok() {
        std::panic::set_hook(Box::new(report));
    }
}

fn report(panic: &PanicHookInfo<'_>) {
    let running = modes::is_running();
    modes::leave();
    let mut to = output::stderr();
    // Nobody is left to be told that stderr itself cannot be written.
    let _ = writeln!(to, "{panic}\nThis is a fault in gradstep, please report it.");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(to, "{backtrace}");
    }
    let _ = to.finish();
    // The loop's own panic unwinds to main. Another thread's would leave a program without its
    // screen behind.
    if running && LOOP.get() != Some(&thread::current().id()) {
        std::process::exit(101);
    }
}
