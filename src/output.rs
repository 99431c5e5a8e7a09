//! Output to stdout, stderr and files. The full screen has its own output (`terminal`).
//!
//! Control characters in texts are escaped, so that a file cannot send commands to the terminal. All writes and the last flush are checked. If the reader of a
//! pipe closes it (`trace | head`), the program ends without an error; a full disk is an error.

pub(crate) mod disk;
mod save;
pub mod standard;

use std::error::Error;
use std::fmt;
#[cfg(unix)]
use std::fs::File;
use std::io::{self, BufWriter, Write};
#[cfg(unix)]
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::ExitCode;

use self::disk::DiskFile;
pub(crate) use self::disk::remove;
use self::save::{Existing, PendingSave, SaveTarget};
use crate::text::escape;

/// A buffered output stream. `write!` and `writeln!` escape their text, [`Output::raw`] does not.
///
/// Call [`Output::finish`] at the end: it writes the rest of the buffer and reports errors.
pub struct Output<W: Write> {
    to: BufWriter<Stream<W>>,
    /// The save that [`Output::finish`] completes; `None` for a stream.
    save: Option<PendingSave>,
}

/// The standard output.
#[must_use]
pub fn stdout() -> Output<io::StdoutLock<'static>> {
    Output::new(io::stdout().lock())
}

/// The standard output for the result of a command. On Unix it has no line buffer. [`io::stdout`] has one, and would search megabytes of JSON for the last
/// newline.
#[must_use]
pub fn stdout_without_line_buffer() -> Output<Box<dyn Write>> {
    #[cfg(unix)]
    if let Ok(stdout) = io::stdout().as_fd().try_clone_to_owned() {
        return Output::new(Box::new(File::from(stdout)));
    }
    Output::new(Box::new(io::stdout().lock()))
}

/// The standard error, for messages.
#[must_use]
pub fn stderr() -> Output<io::StderrLock<'static>> {
    Output::new(io::stderr().lock())
}

/// An output file. If there is a regular file already, [`Output::finish`] replaces it, and until then it stays unchanged. If the user may not create a
/// temporary file in its folder, the existing file is overwritten at once.
///
/// # Errors
/// If the file cannot be written.
pub fn file(path: &Path) -> io::Result<Output<Box<dyn Write>>> {
    open(path, Existing::Overwritten)
}

/// An output file that replaces an existing one in [`Output::finish`]. After an error, an existing regular file is whole: it is unchanged or, if only the sync
/// of its folder failed, replaced.
///
/// # Errors
/// If the file cannot be replaced.
pub fn replacement(path: &Path) -> io::Result<Output<Box<dyn Write>>> {
    open(path, Existing::Replaced)
}

/// A new output file. [`Output::finish`] fails if there is a file of this name by then.
///
/// # Errors
/// If the file cannot be written.
pub fn new_file(path: &Path) -> io::Result<Output<Box<dyn Write>>> {
    open(path, Existing::Kept)
}

fn open(path: &Path, existing: Existing) -> io::Result<Output<Box<dyn Write>>> {
    let (file, save) = match SaveTarget::open(path, existing)? {
        SaveTarget::Direct(file) => (file, None),
        SaveTarget::Temporary(file, save) => (file, Some(save)),
    };
    Ok(Output { save, ..Output::new(Box::new(DiskFile(file))) })
}

impl<W: Write> Output<W> {
    /// Creates an output that writes to `to`.
    #[must_use]
    pub fn new(to: W) -> Self {
        let buffer_size = 1 << 16;
        Self { to: BufWriter::with_capacity(buffer_size, Stream(to)), save: None }
    }

    /// Writes a text with its control characters escaped, except newlines. `write!` and `writeln!` call this.
    ///
    /// # Errors
    /// If the stream cannot be written.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        match text.as_str() {
            Some(text) => self.text(text),
            // the whole text is escaped at once: too many combining marks on a letter are escaped, and the marks may come from several arguments
            None => self.text(&text.to_string()),
        }
    }

    /// Writes a text with its control characters escaped, except newlines.
    ///
    /// # Errors
    /// If the stream cannot be written.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.to.write_all(escape(text).as_bytes())
    }

    /// The stream without escaping, for JSON, SVG, and frames with their colours.
    pub fn raw(&mut self) -> &mut impl Write {
        &mut self.to
    }

    /// Writes the rest of the buffer. An output file then replaces the existing file.
    ///
    /// # Errors
    /// If the rest cannot be written, or the old file cannot be replaced.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.to.flush()?;
        Ok(self.save.take().map_or(Ok(()), PendingSave::finish).map_err(output_error)?)
    }
}

/// A stream that adds "cannot write the output" to its errors.
#[derive(Debug)]
struct Stream<W>(W);

impl<W: Write> Write for Stream<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(output_error)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(output_error)
    }
}

/// The error of a write to the output.
#[derive(Debug)]
struct OutputError(io::Error);

/// Wraps an error in [`OutputError`], and keeps its kind, so that a closed pipe is still recognized.
fn output_error(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), OutputError(error))
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot write the output")
    }
}

impl Error for OutputError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Returns the exit status of the program for the result of a command. For an error, prints the error on stderr and returns 2. But if the reader of a pipe has
/// closed it, prints nothing and returns 0.
#[must_use]
pub fn exit_status(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let mut to = stderr();
            // an error of stderr cannot be reported
            let _ = writeln!(to, "error: {error:#}").map(|()| to.finish());
            ExitCode::from(2)
        }
    }
}

/// Returns whether an error comes from a pipe that its reader has closed.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    /// A stream that fails after `room` bytes.
    struct Full {
        room: usize,
        kind: io::ErrorKind,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            if taken == 0 { Err(self.kind.into()) } else { Ok(taken) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes three bytes to a stream that has room for `room` bytes.
    fn write(room: usize, kind: io::ErrorKind) -> anyhow::Result<()> {
        let mut to = Output::new(Full { room, kind });
        to.text("12\n")?;
        to.finish()
    }

    #[test]
    fn text_is_escaped_and_raw_is_not() {
        let mut bytes = Vec::new();
        let mut to = Output::new(&mut bytes);
        let escape = '\x1b';
        writeln!(to, "a{escape}b").unwrap();
        // a letter may have three combining marks, so the fourth one is escaped
        let marks = ['\u{303}', '\u{304}'];
        write!(to, "e\u{301}\u{302}{}{}", marks[0], marks[1]).unwrap();
        to.raw().write_all(b"\x1b[m").unwrap();
        to.finish().unwrap();
        let expected = "a<U+001B>b\ne\u{301}\u{302}\u{303}<U+0304>\x1b[m";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn a_closed_pipe_is_a_success() {
        let result = write(1, io::ErrorKind::BrokenPipe).context("above");
        assert!(is_closed_pipe(result.as_ref().unwrap_err()));
        assert_eq!(exit_status(result.map(|()| ExitCode::from(1))), ExitCode::SUCCESS);
    }

    #[test]
    fn a_full_disk_at_the_flush_is_an_error() {
        assert!(write(3, io::ErrorKind::StorageFull).is_ok());
        let error = write(2, io::ErrorKind::StorageFull).unwrap_err();
        assert_eq!(format!("{error:#}"), format!("cannot write the output: {}", io::Error::from(io::ErrorKind::StorageFull)));
        assert_eq!(exit_status(Err(error)), ExitCode::from(2));
    }

    #[test]
    fn a_full_disk_before_the_flush_is_the_same_error() {
        let mut to = Output::new(Full { room: 2, kind: io::ErrorKind::StorageFull });
        let more_than_the_buffer = "a line\n".repeat(100_000);
        let errors = [to.text(&more_than_the_buffer).unwrap_err(), to.raw().write_all(more_than_the_buffer.as_bytes()).unwrap_err()];
        for error in errors.map(anyhow::Error::from) {
            assert_eq!(format!("{error:#}"), format!("cannot write the output: {}", io::Error::from(io::ErrorKind::StorageFull)));
        }
    }
}
