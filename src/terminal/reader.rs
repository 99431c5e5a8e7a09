//! The reader of terminal events: keys, mouse, pasted text and resizes.
//!
//! If an escape sequence stays incomplete for a second, it is dropped. Otherwise the keys after it would be read as a part of it.

#[cfg(unix)]
pub(super) use unix::TerminalReader;

#[cfg(not(unix))]
pub(super) use not_unix::TerminalReader;

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

    use super::super::sequence::SequenceParser;
    use super::super::tty;

    /// If no byte arrives for this time, an incomplete sequence is dropped. A terminal sends all bytes of a sequence together, and a network seldom pauses for
    /// a second.
    const MAX_SILENCE: Duration = Duration::from_secs(1);

    /// The reader of the terminal's events. It reports all resizes after its creation.
    #[derive(Debug)]
    pub(in super::super) struct TerminalReader {
        /// The terminal that sends the keys.
        keys: OwnedFd,
        /// A pipe that gets a byte for each SIGWINCH, the signal of a resize.
        resizes: UnixStream,
        /// The registration of the signal handler.
        resize_signal: SigId,
        parser: SequenceParser,
        /// `true` if the terminal has a new size that is not reported yet.
        is_resized: bool,
        /// The time of the last byte.
        last_byte: Instant,
    }

    impl TerminalReader {
        pub fn new() -> io::Result<Self> {
            let (resizes, sender) = UnixStream::pair()?;
            resizes.set_nonblocking(true)?;
            sender.set_nonblocking(true)?;
            let resize_signal = pipe::register(SIGWINCH, sender)?;
            let keys = tty::keys()?;
            Ok(Self { keys, resizes, resize_signal, parser: SequenceParser::default(), is_resized: false, last_byte: Instant::now() })
        }

        /// Waits at most `wait` for an event. Returns `true` if there is one. The input is checked at least once, even if `wait` is 0.
        ///
        /// # Errors
        /// If the terminal is closed.
        pub fn poll(&mut self, wait: Duration) -> io::Result<bool> {
            let start = Instant::now();
            loop {
                if self.is_resized || self.parser.has_event() {
                    return Ok(true);
                }
                let left = wait.saturating_sub(start.elapsed());
                let silence_left = self.parser.is_incomplete().then(|| MAX_SILENCE.saturating_sub(self.last_byte.elapsed()));
                let has_read = self.read_input(silence_left.map_or(left, |silence_left| silence_left.min(left)))?;
                // if bytes were just read, the sequence is not dropped: they may have arrived in time, while this thread was late
                if !has_read && self.parser.is_incomplete() && self.last_byte.elapsed() >= MAX_SILENCE {
                    self.parser.drop_incomplete();
                }
                if left.is_zero() {
                    return Ok(self.is_resized || self.parser.has_event());
                }
            }
        }

        /// Returns the event that [`Self::poll`] has found.
        pub fn read(&mut self) -> io::Result<Option<Event>> {
            if std::mem::take(&mut self.is_resized) {
                let (columns, rows) = tty::size()?;
                return Ok(Some(Event::Resize(columns, rows)));
            }
            Ok(self.parser.next_event())
        }

        /// Waits at most `wait` for bytes or a resize, and reads them. Returns `false` if nothing has arrived.
        fn read_input(&mut self, wait: Duration) -> io::Result<bool> {
            // the `poll` of the crate `filedescriptor` supports terminals on macOS, where the system's `poll` does not
            let readable = |fd| pollfd { fd, events: POLLIN, revents: 0 };
            let mut fds = [readable(self.keys.as_raw_fd()), readable(self.resizes.as_raw_fd())];
            match poll(&mut fds, Some(wait)) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(filedescriptor::Error::Poll(error) | filedescriptor::Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {
                    // the wait was interrupted by a signal, and something may have arrived
                    return Ok(true);
                }
                Err(error) => return Err(io::Error::other(error)),
            }
            let [key_events, resize_events] = fds.map(|fd| fd.revents);
            if resize_events != 0 {
                while matches!(self.resizes.read(&mut [0; 64]), Ok(1..)) {}
                self.is_resized = true;
            }
            let has_bytes = key_events & POLLIN != 0 && self.read_bytes()? > 0;
            if !has_bytes && (key_events & (POLLHUP | POLLERR) != 0 || tty::is_closed()) {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            Ok(true)
        }

        /// Reads at most 1024 bytes, so that the next frame is not late. Returns their number, which is 0 if another program has read the bytes first.
        fn read_bytes(&mut self) -> io::Result<usize> {
            let mut buffer = [0; 1024];
            let n = match rustix::io::read(&self.keys, &mut buffer) {
                Err(Errno::AGAIN | Errno::INTR) => 0,
                read => read?,
            };
            self.parser.push(&buffer[..n]);
            if n > 0 {
                self.last_byte = Instant::now();
            }
            // the terminal has sent no more bytes for now
            if n < buffer.len() {
                self.parser.pause();
            }
            Ok(n)
        }
    }

    impl Drop for TerminalReader {
        fn drop(&mut self) {
            unregister(self.resize_signal);
        }
    }
}

#[cfg(not(unix))]
mod not_unix {
    use std::io;
    use std::time::Duration;

    use crossterm::event::{self, Event};

    /// The reader of the events of a Windows console, which sends no escape sequences.
    #[derive(Debug)]
    pub(in super::super) struct TerminalReader;

    impl TerminalReader {
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
