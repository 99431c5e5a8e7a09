//! The weight files that a scenario names. Each file is read once, even if the scenario takes many tensors from it.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use super::excerpt::quoted;
use crate::op::layer::Reported;
use crate::weights::{self, Archive, MAX_BYTES, WeightsError};

/// A source of weight files: the scenario's folder, a recorded session (which contains the files), or [`NoFiles`].
pub trait Files: Debug + Send + Sync {
    /// Reads the file at `path`. The path is as written in the scenario, relative to the scenario's folder.
    ///
    /// # Errors
    /// If there is no such file, if it may not be read, or if it has more than `limit` bytes.
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, WeightsError>;
}

/// The [`Files`] of a scenario that may not read files, such as one from the standard input. Every read is an error.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles {
    /// The reason, in lower case: it becomes the end of the error message.
    pub why: &'static str,
    /// The help line; may be empty.
    pub help: &'static str,
}

impl Files for NoFiles {
    fn read(&self, path: &str, _: usize) -> Result<Vec<u8>, WeightsError> {
        Err(WeightsError::new(format!("this scenario cannot read {}: {}", quoted(path), self.why), self.help))
    }
}

/// The weight files that have been opened so far, and the remaining limits on their size.
pub(super) struct Archives {
    files: Arc<dyn Files>,
    /// The files by their path. If a file could not be opened, its value is an error, so that the error is reported only once.
    pub opened: HashMap<String, Result<Arc<dyn Archive>, Reported>>,
    /// The number of bytes that may still be read from files.
    readable_bytes: usize,
    /// The number of bytes of tensors that may still be decoded from the files. This limit is separate, because a compressed file is much smaller than its
    /// tensors.
    pub decodable_bytes: usize,
}

impl Archives {
    pub fn new(files: Arc<dyn Files>) -> Self {
        Self { files, opened: HashMap::new(), readable_bytes: MAX_BYTES, decodable_bytes: MAX_BYTES }
    }

    /// Resets the limit of decoded bytes and keeps the opened files. A scenario can be read twice, because the first pass leaves out the numbers of large
    /// tensors (`reader.rs`). The second pass decodes its tensors from the start, so the limit begins again.
    pub fn for_second_pass(self) -> Self {
        Self { decodable_bytes: MAX_BYTES, ..self }
    }

    /// Returns the paths of all files that the scenario names, as written in it.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.opened.keys().cloned().collect();
        paths.sort();
        paths
    }

    /// Reads and opens a file that has not been opened before.
    pub fn open(&mut self, path: &str) -> Result<Arc<dyn Archive>, WeightsError> {
        weights::opener(path)?;
        let bytes = self.files.read(path, self.readable_bytes)?;
        self.readable_bytes = self.readable_bytes.saturating_sub(bytes.len());
        weights::open(path, bytes)
            .map_err(|error| WeightsError::new(format!("{} cannot be read: {}", quoted(path), error.message), error.help))
    }
}

impl Debug for Archives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archives").field("files", &self.files).finish_non_exhaustive()
    }
}
