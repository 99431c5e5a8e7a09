//! The panic hook: it restores the terminal, then prints the message.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::thread::{self, ThreadId};

use super::modes;
use crate::output;

/// The thread that runs the program in the full screen.
static LOOP: OnceLock<ThreadId> = OnceLock::new();

/// Installs the hook, once.
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
    // an error of stderr itself cannot be reported anywhere
    let _ = writeln!(to, "{panic}\nThis is a bug in gradstep; please report it.");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(to, "{backtrace}");
    }
    let _ = to.finish();
    // a panic of the loop unwinds to main; after one of another thread the program would go on without its screen, so it ends here
    if running && LOOP.get() != Some(&thread::current().id()) {
        std::process::exit(101);
    }
}
