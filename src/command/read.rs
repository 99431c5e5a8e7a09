//! Reads files that are named on the command line.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};

use crate::files::{open, read_limited};
use crate::text::line;

/// Returns a name or path for a message: on one line, with escaped control characters.
pub(super) fn display_name(name: impl AsRef<OsStr>) -> String {
    line(&name.as_ref().to_string_lossy())
}

/// Reads a regular file of at most `max_bytes` bytes.
///
/// # Errors
/// If there is no such file, if it cannot be read, if it is too large, or if it is a folder or a device.
pub(super) fn read_file(path: &Path, max_bytes: usize) -> anyhow::Result<Vec<u8>> {
    let name = display_name(path);
    let cannot_read = || format!("cannot read {name}");
    let mut file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("there is no file {name}"),
        opened => opened.with_context(cannot_read)?,
    };
    let metadata = file.metadata().with_context(cannot_read)?;
    if metadata.is_dir() {
        bail!("{name} is a folder; name a file in it");
    }
    if !metadata.is_file() {
        bail!("{name} is not a regular file; write what it contains to a file first");
    }
    let bytes = if metadata.len() > max_bytes as u64 {
        None
    } else {
        read_limited(&mut file, metadata.len(), max_bytes).with_context(cannot_read)?
    };
    bytes.ok_or_else(|| anyhow!("{name} is larger than {} MiB", max_bytes >> 20))
}
