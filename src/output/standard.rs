//! Checks that stdin and stdout were open when the program started. On systems other than Unix nothing is checked.
//!
//! If a standard stream is closed, the standard library opens the null device in its place before `main` runs. From then on, all output would be lost without
//! an error. So the check runs earlier, in a function that the system calls before `main`.

use anyhow::ensure;

/// Checks that stdout was open at the start.
///
/// # Errors
/// If it was closed: all output would be lost.
pub fn ensure_stdout_is_open() -> anyhow::Result<()> {
    ensure!(!is_closed(1), "the standard output is closed; leave it open, or redirect it to a file");
    Ok(())
}

/// Checks that stdin was open at the start.
///
/// # Errors
/// If it was closed: it would be read as an empty file.
pub fn ensure_stdin_is_open() -> anyhow::Result<()> {
    ensure!(!is_closed(0), "the standard input is closed; leave it open, or name a file instead of -");
    Ok(())
}

/// Returns whether the standard stream with this number (0 for stdin, 1 for stdout) was closed at the start.
#[cfg(unix)]
fn is_closed(stream: u8) -> bool {
    at_start::CLOSED.load(std::sync::atomic::Ordering::Relaxed) & 1 << stream != 0
}

#[cfg(not(unix))]
fn is_closed(_stream: u8) -> bool {
    false
}

#[cfg(unix)]
mod at_start {
    use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

    use rustix::io::{Errno, fcntl_getfd};
    use rustix::stdio::{stdin, stdout};

    /// Bit n is set if the standard stream n was closed.
    pub static CLOSED: AtomicU8 = AtomicU8::new(0);

    ctor::declarative::ctor! {
        // `unsafe` promises that this code does not need the standard library, which is not ready yet. It makes two system calls and stores an atomic number
        #[ctor(unsafe)]
        fn record_closed_streams() {
            // the error BADF means that there is no open file with this number
            let bit_if_closed = |number: u8, found: rustix::io::Result<_>| if found.err() == Some(Errno::BADF) { 1 << number } else { 0 };
            CLOSED.store(bit_if_closed(0, fcntl_getfd(stdin())) | bit_if_closed(1, fcntl_getfd(stdout())), Relaxed);
        }
    }
}
