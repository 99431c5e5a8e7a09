//! Reading of files that the command line names.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};

use crate::files::{open, read_limited};
use crate::text::line;

/// The form of a name or path in messages: on one line, with control characters escaped.
pub(super) fn shown(name: impl AsRef<OsStr>) -> String {
    line(&name.as_ref().to_string_lossy())
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// If there is no such file, if it is a folder, a device or too large, or if it cannot be read.
pub(super) fn file(path: &Path, most: usize) -> anyhow::Result<Vec<u8>> {
    let name = shown(path);
    let cannot = || format!("cannot read {name}");
    let mut file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("there is no file {name}"),
        file => file.with_context(cannot)?,
    };
    let about = file.metadata().with_context(cannot)?;
    if about.is_dir() {
        bail!("{name} is a folder; name a file in it");
    }
    if !about.is_file() {
        bail!("{name} is not a regular file; write `-` to read the standard input");
    }
    let bytes = if about.len() > most as u64 { None } else { read_limited(&mut file, about.len(), most).with_context(cannot)? };
    bytes.ok_or_else(|| anyhow!("{name} is larger than {} MiB", most >> 20))
}
