//! Reads a file with a user's own gradients, and compares them with those of a scenario: for `diff`, `--mine` and `:mine`. The search for mistakes can be
//! interrupted.

use std::fmt;
use std::path::Path;

use anyhow::anyhow;

use super::progress::Task;
use super::read::{display_name, read_file};
use crate::app::{CompareOptions, Document, OwnGradients};
use crate::diff;
use crate::text::{cut, sentence};
use crate::weights::{MAX_BYTES, WeightsError};

/// Reads a file, and compares its tensors, or only the tensor `only`. Returns `None` if `go_on` returns `false`.
///
/// # Errors
/// One sentence, if the file cannot be read, or if no tensor of it can be compared.
pub(super) fn compare_file(
    document: &Document,
    path: &Path,
    only: Option<&str>,
    options: CompareOptions,
    go_on: GoOn<'_>,
) -> anyhow::Result<Option<OwnGradients>> {
    compare_bytes(document, (&path.to_string_lossy(), read_file(path, MAX_BYTES)?), only, options, go_on)
}

/// The longest message about a file, in cells: a name of the file may have any length.
const LONGEST: usize = 600;

/// As [`compare_bytes`], with progress on stderr.
///
/// # Errors
/// As [`compare_file`], and if Ctrl-C stops the search: [`Stopped`].
pub(super) fn compare_with_progress(
    document: &Document,
    file: (&str, Vec<u8>),
    only: Option<&str>,
    options: CompareOptions,
) -> anyhow::Result<OwnGradients> {
    let (mut task, mut done) = (Task::new(1)?, (0, 0));
    let own = compare_bytes(document, file, only, options, &mut |tried, all| {
        done = (tried, all);
        task.set_total(all as u64);
        task.go_on(tried as u64, || "mistakes".to_owned())
    });
    task.clear()?;
    own?.ok_or_else(|| Stopped { done }.into())
}

/// The error of a search for mistakes that Ctrl-C has stopped.
#[derive(Debug)]
pub(super) struct Stopped {
    /// The number of mistakes that were tried, and of all.
    done: (usize, usize),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped after {} of {} mistakes", self.done.0, self.done.1)
    }
}

impl std::error::Error for Stopped {}

/// A function that is called with the number of mistakes that were tried and of all, and returns whether to go on.
type GoOn<'a> = &'a mut dyn FnMut(usize, usize) -> bool;

/// As [`compare_file`], for a path and the bytes of its file.
///
/// # Errors
/// As [`compare_file`].
pub(super) fn compare_bytes(
    document: &Document,
    (path, bytes): (&str, Vec<u8>),
    only: Option<&str>,
    options: CompareOptions,
    go_on: GoOn<'_>,
) -> anyhow::Result<Option<OwnGradients>> {
    let name = display_name(path);
    let tensors = diff::read(path, bytes, only).map_err(|WeightsError { message, help }| {
        let help = if help.is_empty() { String::new() } else { format!("; {help}") };
        anyhow!("{name}: {}", cut(&sentence(&format!("{message}{help}")), LONGEST))
    })?;
    OwnGradients::new(document, name.clone(), tensors, options, go_on).map_err(|why| anyhow!("{name}: {why}"))
}
