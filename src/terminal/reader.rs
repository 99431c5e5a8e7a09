//! The reader of terminal events: keys, mouse, pasted text and resizes. It gives up an escape sequence that stays incomplete for a second.

#[cfg(unix)]
pub(super) use unix::Reader;

#[cfg(not(unix))]
pub(super) use other::Reader;

#[cfg(unix)]
mod unix {
    use std::io::{self, ErrorKind, Read as _};
    use std::os::fd::{AsRawFd as _, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use crossterm::event::Event;
    use filedescriptor::{POLLERR, POLLHUP, POLLIN, poll, pollfd};
    use rustix::io::Errno;
    use signal_hook::SigId;
    use signal_hook::consts::SIGWINCH;
    use signal_hook::low_level::{pipe, unregister};

    use super::super::sequence::Sequences;
    use super::super::tty;

    /// The time without bytes after which an incomplete sequence is given up. A terminal sends a sequence at once, and a network seldom pauses that long.
    const SILENCE: Duration = Duration::from_secs(1);

    /// The reader of the terminal's events. It sees all resizes after its creation.
    #[derive(Debug)]
    pub(in super::super) struct Reader {
        keys: OwnedFd,
        resizes: UnixStream,
        watch: SigId,
        sequences: Sequences,
        resized: bool,
        /// The time of the last byte.
        heard: Instant,
    }

    impl Reader {
        pub fn new() -> io::Result<Self> {
            let (resizes, sender) = UnixStream::pair()?;
            resizes.set_nonblocking(true)?;
            sender.set_nonblocking(true)?;
            let watch = pipe::register(SIGWINCH, sender)?;
            Ok(Self { keys: tty::keys()?, resizes, watch, sequences: Sequences::default(), resized: false, heard: Instant::now() })
        }

        /// Waits for an event, at most for `wait`, and returns whether there is one. It checks at least once.
        ///
        /// # Errors
        /// If the terminal is gone.
        pub fn poll(&mut self, wait: Duration) -> io::Result<bool> {
            let begun = Instant::now();
            loop {
                if self.resized || self.sequences.has_event() {
                    return Ok(true);
                }
                let left = wait.saturating_sub(begun.elapsed());
                let silent = self.sequences.unfinished().then(|| SILENCE.saturating_sub(self.heard.elapsed()));
                let heard = self.look(silent.map_or(left, |silent| silent.min(left)))?;
                // only if nothing was read: bytes that came in time may be read late
                if !heard && self.sequences.unfinished() && self.heard.elapsed() >= SILENCE {
                    self.sequences.give_up();
                }
                if left.is_zero() {
                    return Ok(self.resized || self.sequences.has_event());
                }
            }
        }

        /// Returns the event that [`Self::poll`] has found.
        pub fn read(&mut self) -> io::Result<Option<Event>> {
            if std::mem::take(&mut self.resized) {
                let (columns, rows) = tty::size()?;
                return Ok(Some(Event::Resize(columns, rows)));
            }
            Ok(self.sequences.next())
        }

        /// Waits for bytes or a resize, reads them, and returns whether there was anything.
        fn look(&mut self, wait: Duration) -> io::Result<bool> {
            // the `poll` of macOS does not support terminals; this crate's does
            let entry = |fd| pollfd { fd, events: POLLIN, revents: 0 };
            let mut fds = [entry(self.keys.as_raw_fd()), entry(self.resizes.as_raw_fd())];
            match poll(&mut fds, Some(wait)) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(filedescriptor::Error::Poll(error) | filedescriptor::Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {
                    return Ok(true);
                }
                Err(error) => return Err(io::Error::other(error)),
            }
            if fds[1].revents != 0 {
                while matches!(self.resizes.read(&mut [0; 64]), Ok(1..)) {}
                self.resized = true;
            }
            let there = fds[0].revents & POLLIN != 0 && self.bytes()? > 0;
            if !there && (fds[0].revents & (POLLHUP | POLLERR) != 0 || tty::is_gone()) {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            Ok(true)
        }

        /// Reads up to 1024 bytes, so that the next frame is not late. Returns their number; 0 if another program has read them first.
        fn bytes(&mut self) -> io::Result<usize> {
            let mut buffer = [0; 1024];
            let n = match rustix::io::read(&self.keys, &mut buffer) {
                Err(Errno::AGAIN | Errno::INTR) => 0,
                read => read?,
            };
            self.sequences.take(&buffer[..n]);
            if n > 0 {
                self.heard = Instant::now();
            }
            if n < buffer.len() {
                self.sequences.pause();
            }
            Ok(n)
        }
    }

    impl Drop for Reader {
        fn drop(&mut self) {
            unregister(self.watch);
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::io;
    use std::time::Duration;

    use crossterm::event::{self, Event};

    /// The reader of the console's events, which are never incomplete.
    #[derive(Debug)]
    pub(in super::super) struct Reader;

    impl Reader {
        pub fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub fn poll(&mut self, wait: Duration) -> io::Result<bool> {
            // with a wait of zero, crossterm returns `false` without a check
            event::poll(wait.max(Duration::from_micros(20)))
        }

        pub fn read(&mut self) -> io::Result<Option<Event>> {
            event::read().map(Some)
        }
    }
}
