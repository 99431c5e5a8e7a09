//! Checks that stdin and stdout were open when the program started.
//!
//! Before `main` runs, the standard library opens the null device in place of a closed standard stream, so that no other file gets its number. After that,
//! a closed stream cannot be told from a redirection to the null device, and all output is lost without an error. So the check runs before that.

use anyhow::ensure;

/// Fails if stdout was closed at the start: all output would be lost.
///
/// # Errors
/// A message for the user.
pub fn stdout_is_open() -> anyhow::Result<()> {
    ensure!(!is_closed(1), "the standard output is closed; leave it open, or redirect it to a file");
    Ok(())
}

/// Fails if stdin was closed at the start: it would be read as empty.
///
/// # Errors
/// A message for the user.
pub fn stdin_is_open() -> anyhow::Result<()> {
    ensure!(!is_closed(0), "the standard input is closed; leave it open, or name a file instead of -");
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

    /// Bit n is set if the standard stream n was closed.
    pub static CLOSED: AtomicU8 = AtomicU8::new(0);

    ctor::declarative::ctor! {
        // `unsafe` promises that this code needs no setup by the standard library: it makes two system calls and stores an atomic number
        #[ctor(unsafe)]
        fn look() {
            let closed = |number: u8, found: rustix::io::Result<_>| if found.err() == Some(Errno::BADF) { 1 << number } else { 0 };
            CLOSED.store(closed(0, fcntl_getfd(stdin())) | closed(1, fcntl_getfd(stdout())), Relaxed);
        }
    }
}
