//! The terminal as a device: checks, size, reads, writes and the foreground job.
//!
//! Frames are not written through the standard library's stdout. A write to a stuck terminal would hold its lock for ever, and the code that restores the
//! terminal would wait for that lock.

use std::env;
use std::io::{self, IsTerminal as _};

use super::capability::can_be_drawn_on;

const HINT: &str = "`gradstep show` prints a frame as text";

/// Checks that there is a terminal to draw on and one to read keys from, before anything is changed.
///
/// Stdin may be a file or a pipe, for example with the scenario. The keys then come from the controlling terminal, if there is one.
pub(super) fn check() -> anyhow::Result<()> {
    anyhow::ensure!(io::stdout().is_terminal(), "the stepper needs a terminal, and stdout is not one; {HINT}");
    anyhow::ensure!(have_keys(), "the stepper needs a terminal to read keys from, and there is none; {HINT}");
    if let Some(term) = env::var("TERM").ok().filter(|term| !can_be_drawn_on(term)) {
        anyhow::bail!("the stepper needs a terminal that can be drawn on, and TERM is \"{term}\", which cannot be drawn on; {HINT}");
    }
    Ok(())
}

#[cfg(unix)]
pub(super) use unix::{can_suspend, in_foreground, keys, wait_for_hangup};
#[cfg(unix)]
pub(super) use unix::{have_keys, is_gone, read_without_waiting, size, takes_output, write};

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

    /// Writes all of `bytes`, in one write if the terminal takes them.
    pub fn write(mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(stdio::stdout(), bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(Errno::INTR) => {}
                // another process that shares the terminal has made it non-blocking
                Err(Errno::AGAIN) => {
                    let mut out = [PollFd::from_borrowed_fd(stdio::stdout(), PollFlags::OUT)];
                    poll(&mut out, None)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The columns and rows of the terminal on stdout; crossterm would return those of the controlling terminal.
    pub fn size() -> io::Result<(u16, u16)> {
        let size = tcgetwinsize(stdio::stdout())?;
        Ok((size.ws_col, size.ws_row))
    }

    /// Whether the terminal accepts output within 0.2 s.
    pub fn takes_output() -> bool {
        let limit = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        let mut out = [PollFd::from_borrowed_fd(stdio::stdout(), PollFlags::OUT)];
        poll(&mut out, Some(&limit)).is_ok_and(|n| n > 0)
    }

    /// Sets the raw mode so that a read returns nothing instead of waiting, if another program has read the bytes first.
    pub fn read_without_waiting() -> io::Result<()> {
        let keys = keys()?;
        let mut modes = tcgetattr(&keys)?;
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        Ok(tcsetattr(&keys, OptionalActions::Now, &modes)?)
    }

    /// Whether there is a terminal for keys.
    pub fn have_keys() -> bool {
        keys().is_ok()
    }

    /// The terminal that the keys come from; crossterm sets the same one to raw mode.
    pub fn keys() -> io::Result<OwnedFd> {
        if isatty(stdio::stdin()) {
            stdio::stdin().try_clone_to_owned()
        } else {
            let tty = File::options().read(true).write(true).open("/dev/tty")?;
            Ok(tty.into())
        }
    }

    /// Waits until the terminal of `keys` or of stdout is gone. Returns `false` at once if the system cannot report that.
    pub fn wait_for_hangup(keys: &OwnedFd) -> bool {
        hung_up(&[keys.as_fd(), stdio::stdout()], None)
    }

    /// Whether the terminal that is drawn on is gone.
    pub fn is_gone() -> bool {
        hung_up(&[stdio::stdout()], Some(&Timespec::default()))
    }

    /// Waits at most `limit` until one of `terminals` is gone, and returns whether one is.
    ///
    /// `poll` always reports hang-ups and errors. No other event is requested, so that typing does not end the wait.
    fn hung_up(terminals: &[BorrowedFd<'_>], limit: Option<&Timespec>) -> bool {
        let mut fds: Vec<_> = terminals.iter().map(|&fd| PollFd::from_borrowed_fd(fd, PollFlags::empty())).collect();
        while let Err(error) = poll(&mut fds, limit) {
            if error != Errno::INTR && error != Errno::AGAIN {
                return false;
            }
        }
        let gone = PollFlags::HUP | PollFlags::ERR;
        fds.iter().any(|fd| fd.revents().intersects(gone))
    }

    /// Whether a shell can continue the program after a stop. The group of a session leader has no shell and would be stopped for ever
    /// (`ssh -t host gradstep`, `xterm -e gradstep`).
    pub fn can_suspend() -> bool {
        getsid(None).is_ok_and(|leader| leader != getpgrp())
    }

    /// Whether the program is the foreground job of the terminal.
    pub fn in_foreground() -> bool {
        tcgetpgrp(stdio::stdout()).map_or(true, |group| group == getpgrp())
    }
}

#[cfg(not(unix))]
pub(super) use other::{have_keys, is_gone, read_without_waiting, size, takes_output, write};

#[cfg(not(unix))]
mod other {
    use std::io::{self, IsTerminal as _, Write as _};

    pub fn have_keys() -> bool {
        io::stdin().is_terminal()
    }

    pub fn is_gone() -> bool {
        false
    }

    pub fn write(bytes: &[u8]) -> io::Result<()> {
        io::stdout().write_all(bytes)?;
        io::stdout().flush()
    }

    pub fn read_without_waiting() -> io::Result<()> {
        Ok(())
    }

    pub fn size() -> io::Result<(u16, u16)> {
        crossterm::terminal::size()
    }

    pub fn takes_output() -> bool {
        true
    }
}
