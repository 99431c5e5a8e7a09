//! Which of the standard streams were open when the program was started.
//!
//! The standard library opens the null device in place of a stream that is closed, before `main` runs, so that no other file gets its number. From then on
//! a closed stream looks like one that the caller sent to the null device on purpose, and what is written is lost without an error.

use anyhow::ensure;

/// Fails if stdout was closed at the start: everything written to it would be lost.
///
/// # Errors
/// One sentence.
pub fn stdout_is_open() -> anyhow::Result<()> {
    ensure!(!is_closed(1), "the standard output is closed, so nothing can be written to it; leave it open, or send it to a file");
    Ok(())
}

/// Fails if stdin was closed at the start: it would be read as empty.
///
/// # Errors
/// One sentence.
pub fn stdin_is_open() -> anyhow::Result<()> {
    ensure!(!is_closed(0), "the standard input is closed, so nothing can be read from it; leave it open, or name a file");
    Ok(())
}

#[cfg(unix)]
fn is_closed(stream: u8) -> bool {
    start::CLOSED.load(std::sync::atomic::Ordering::Relaxed) & 1 << stream != 0
}

#[cfg(not(unix))]
fn is_closed(_stream: u8) -> bool {
    false
}

#[cfg(unix)]
mod start {
    use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

    use rustix::io::{Errno, fcntl_getfd};
    use rustix::stdio::{stdin, stdout};

    /// A bit for each standard stream by its number.
    pub static CLOSED: AtomicU8 = AtomicU8::new(0);

    ctor::declarative::ctor! {
        // the word promises that nothing here needs what the standard library sets up before main: two system calls and an atomic number do not
        #[ctor(unsafe)]
        fn look() {
            let closed = |number: u8, found: rustix::io::Result<_>| if found.err() == Some(Errno::BADF) { 1 << number } else { 0 };
            CLOSED.store(closed(0, fcntl_getfd(stdin())) | closed(1, fcntl_getfd(stdout())), Relaxed);
        }
    }
}
