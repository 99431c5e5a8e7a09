//! The terminal as a device: whether there is one, bytes to it, who stands in its foreground.
//!
//! Frames go past the standard library's stdout on purpose: a terminal that is stuck would never
//! give its lock back, and whoever restores the terminal would wait for it.

use std::env;
use std::io::{self, IsTerminal as _};

use super::capability::can_be_drawn_on;

const HINT: &str = "`gradstep show` prints the same as text";

/// Answers for a terminal to draw on and keys to read, before anything is changed.
///
/// Stdin may be a file or a pipe (it may carry the scenario): the keys then come from the terminal
/// that rules the session, if there is one.
pub(super) fn check() -> anyhow::Result<()> {
    anyhow::ensure!(io::stdout().is_terminal(), "the stepper draws on a terminal, and stdout is not one; {HINT}");
    anyhow::ensure!(have_keys(), "the stepper takes keys from a terminal, and there is none; {HINT}");
    if let Some(term) = env::var("TERM").ok().filter(|term| !can_be_drawn_on(term)) {
        anyhow::bail!("the stepper draws on the whole screen, and a terminal of the type \"{term}\" (TERM) cannot be drawn on; {HINT}");
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

    /// All of `bytes`, at once if the terminal takes them.
    pub fn write(mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(stdio::stdout(), bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(Errno::INTR) => {}
                // Whoever shares the terminal with us has made it non-blocking.
                Err(Errno::AGAIN) => {
                    let mut out = [PollFd::from_borrowed_fd(stdio::stdout(), PollFlags::OUT)];
                    poll(&mut out, None)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Columns and rows of the terminal that is drawn on; crossterm's answer is about the session's.
    pub fn size() -> io::Result<(u16, u16)> {
        let size = tcgetwinsize(stdio::stdout())?;
        Ok((size.ws_col, size.ws_row))
    }

    /// Whether a write would get somewhere within 0.2 s.
    pub fn takes_output() -> bool {
        let limit = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        let mut out = [PollFd::from_borrowed_fd(stdio::stdout(), PollFlags::OUT)];
        poll(&mut out, Some(&limit)).is_ok_and(|n| n > 0)
    }

    /// In raw mode: a read finds nothing instead of waiting, where another program has taken what was
    /// there.
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

    /// The terminal that the keys come from, the same that crossterm makes raw.
    pub fn keys() -> io::Result<OwnedFd> {
        if isatty(stdio::stdin()) {
            stdio::stdin().try_clone_to_owned()
        } else {
            let tty = File::options().read(true).write(true).open("/dev/tty")?;
            Ok(tty.into())
        }
    }

    /// Returns when the terminal of `keys` or of stdout is gone; `false` where the system cannot
    /// tell.
    pub fn wait_for_hangup(keys: &OwnedFd) -> bool {
        hung_up(&[keys.as_fd(), stdio::stdout()], None)
    }

    /// Whether the terminal that is drawn on is gone.
    pub fn is_gone() -> bool {
        hung_up(&[stdio::stdout()], Some(&Timespec::default()))
    }

    /// Whether one of `terminals` is gone within `limit`.
    ///
    /// No event is asked for, so that typing does not end the wait: hang-ups and errors always do.
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

    /// Whether a shell is there to continue us. A session leader and its group have none: they
    /// would sleep for ever (`ssh -t host gradstep`, `xterm -e gradstep`).
    pub fn can_suspend() -> bool {
        getsid(None).is_ok_and(|leader| leader != getpgrp())
    }

    /// Whether the terminal is ours now, not the shell's or another job's.
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
