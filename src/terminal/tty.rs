//! The terminal as a device: checks, size, reads, writes and the foreground job.
//!
//! Frames are not written through the standard library's stdout, because it is locked during a write. If the terminal did not accept output, the code that
//! restores the terminal would wait forever for this lock.

use std::env;
use std::io::{self, IsTerminal as _};

use super::capability::can_be_drawn_on;

/// The end of the messages: commands that need no terminal.
const HINT: &str = "`gradstep show` prints a frame as text, and --plain answers lines without a screen";

/// Checks that there is a terminal to draw on, and a terminal to read keys from.
///
/// Stdin may be a file or a pipe, for example with the scenario. Then the keys come from the controlling terminal.
pub(super) fn check() -> anyhow::Result<()> {
    anyhow::ensure!(io::stdout().is_terminal(), "the stepper needs a terminal, and stdout is not one; {HINT}");
    anyhow::ensure!(has_keys(), "the stepper needs a terminal to read keys from, and there is none; {HINT}");
    if let Some(term) = env::var("TERM").ok().filter(|term| !can_be_drawn_on(term)) {
        anyhow::bail!("the stepper needs a terminal that can be drawn on, and TERM is \"{term}\", which cannot be drawn on; {HINT}");
    }
    Ok(())
}

#[cfg(unix)]
pub(super) use unix::{accepts_output, has_keys, is_closed, set_reads_without_waiting, size, write};
#[cfg(unix)]
pub(super) use unix::{can_suspend, in_foreground, keys, wait_for_hangup};

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io;
    use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use rustix::process::{getpgrp, getsid};
    use rustix::stdio;
    use rustix::termios::{OptionalActions, SpecialCodeIndex, isatty, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};

    /// Writes all of `bytes`, with a single system call if the terminal accepts them at once.
    pub fn write(mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(stdio::stdout(), bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(Errno::INTR) => {}
                // another process that uses the same terminal has made it non-blocking
                Err(Errno::AGAIN) => {
                    let mut out = [PollFd::from_borrowed_fd(stdio::stdout(), PollFlags::OUT)];
                    poll(&mut out, None)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Returns the columns and rows of the terminal on stdout. Crossterm would return the size of the controlling terminal, which can be another terminal.
    pub fn size() -> io::Result<(u16, u16)> {
        let size = tcgetwinsize(stdio::stdout())?;
        Ok((size.ws_col, size.ws_row))
    }

    /// `true` if the terminal accepts output within 0.2 s.
    pub fn accepts_output() -> bool {
        let limit = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        let mut out = [PollFd::from_borrowed_fd(stdio::stdout(), PollFlags::OUT)];
        poll(&mut out, Some(&limit)).is_ok_and(|n| n > 0)
    }

    /// Changes the raw mode so that a read returns at once if there is no input. Otherwise it would block when another program has read the bytes first.
    pub fn set_reads_without_waiting() -> io::Result<()> {
        let keys = keys()?;
        let mut modes = tcgetattr(&keys)?;
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        Ok(tcsetattr(&keys, OptionalActions::Now, &modes)?)
    }

    /// `true` if there is a terminal to read keys from.
    pub fn has_keys() -> bool {
        keys().is_ok()
    }

    /// The terminal that sends the keys: stdin, or the controlling terminal. Crossterm sets the raw mode of the same terminal.
    pub fn keys() -> io::Result<OwnedFd> {
        if isatty(stdio::stdin()) {
            stdio::stdin().try_clone_to_owned()
        } else {
            let tty = File::options().read(true).write(true).open("/dev/tty")?;
            Ok(tty.into())
        }
    }

    /// Waits until the terminal of `keys` or of stdout is closed. Returns `false` at once if the system cannot report this.
    pub fn wait_for_hangup(keys: &OwnedFd) -> bool {
        is_closed_within(&[keys.as_fd(), stdio::stdout()], None)
    }

    /// `true` if the terminal on stdout is closed.
    pub fn is_closed() -> bool {
        is_closed_within(&[stdio::stdout()], Some(&Timespec::default()))
    }

    /// Waits at most `limit` until one of `terminals` is closed. Returns `true` if one is.
    ///
    /// `poll` always reports hang-ups and errors. Other events are not requested, so that a key does not end the wait.
    fn is_closed_within(terminals: &[BorrowedFd<'_>], limit: Option<&Timespec>) -> bool {
        let mut fds: Vec<_> = terminals.iter().map(|&fd| PollFd::from_borrowed_fd(fd, PollFlags::empty())).collect();
        while let Err(error) = poll(&mut fds, limit) {
            if error != Errno::INTR && error != Errno::AGAIN {
                return false;
            }
        }
        let closed = PollFlags::HUP | PollFlags::ERR;
        fds.iter().any(|fd| fd.revents().intersects(closed))
    }

    /// `true` if a shell can continue the program after a stop.
    ///
    /// If a program was started without a shell (`ssh -t host gradstep`, `xterm -e gradstep`), it is in the process group of its session's leader, and no shell
    /// would continue it.
    pub fn can_suspend() -> bool {
        getsid(None).is_ok_and(|leader| leader != getpgrp())
    }

    /// `true` if the program is the foreground job of the terminal.
    pub fn in_foreground() -> bool {
        tcgetpgrp(stdio::stdout()).map_or(true, |group| group == getpgrp())
    }
}

#[cfg(not(unix))]
pub(super) use not_unix::{accepts_output, has_keys, is_closed, set_reads_without_waiting, size, write};

#[cfg(not(unix))]
mod not_unix {
    use std::io::{self, IsTerminal as _, Write as _};

    pub fn has_keys() -> bool {
        io::stdin().is_terminal()
    }

    pub fn is_closed() -> bool {
        false
    }

    pub fn write(bytes: &[u8]) -> io::Result<()> {
        io::stdout().write_all(bytes)?;
        io::stdout().flush()
    }

    pub fn set_reads_without_waiting() -> io::Result<()> {
        Ok(())
    }

    pub fn size() -> io::Result<(u16, u16)> {
        crossterm::terminal::size()
    }

    pub fn accepts_output() -> bool {
        true
    }
}
