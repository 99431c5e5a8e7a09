//! Reads a file with a user's own gradients, and compares them with those of a scenario: for `diff`, `--mine` and `:mine`.

use std::path::Path;

use anyhow::anyhow;

use super::read::{display_name, read_file};
use crate::app::{CompareOptions, Document, OwnGradients};
use crate::diff;
use crate::text::sentence;
use crate::weights::{MAX_BYTES, WeightsError};

/// Reads a file, and compares its tensors, or only the tensor `only`.
///
/// # Errors
/// One sentence, if the file cannot be read, or if no tensor of it can be compared.
pub(super) fn compare_file(document: &Document, path: &Path, only: Option<&str>, options: CompareOptions) -> anyhow::Result<OwnGradients> {
    compare_bytes(document, &path.to_string_lossy(), read_file(path, MAX_BYTES)?, only, options)
}

/// As [`compare_file`], for the bytes of a file.
///
/// # Errors
/// As [`compare_file`].
pub(super) fn compare_bytes(
    document: &Document,
    path: &str,
    bytes: Vec<u8>,
    only: Option<&str>,
    options: CompareOptions,
) -> anyhow::Result<OwnGradients> {
    let name = display_name(path);
    let tensors = diff::read(path, bytes, only).map_err(|WeightsError { message, help }| {
        let help = if help.is_empty() { String::new() } else { format!("; {help}") };
        anyhow!("{name}: {}", sentence(&format!("{message}{help}")))
    })?;
    OwnGradients::new(document, name.clone(), tensors, options).map_err(|why| anyhow!("{name}: {why}"))
}
