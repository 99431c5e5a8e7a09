//! The weight files of a scenario, each read once.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use super::excerpt::quoted;
use crate::op::layer::Reported;
use crate::weights::{self, Archive, MAX_BYTES, WeightsError};

/// The source of a scenario's weight files: a folder, a recorded session, or nothing.
pub trait Files: Debug + Send + Sync {
    /// Reads the file at this path, as written in the scenario.
    ///
    /// # Errors
    /// If there is no such file, if it may not be read, or if it has more than `most` bytes.
    fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, WeightsError>;
}

/// The [`Files`] of a scenario that may not read any.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles {
    /// The reason, as the end of a message.
    pub why: &'static str,
    /// The help line; may be empty.
    pub help: &'static str,
}

impl Files for NoFiles {
    fn read(&self, path: &str, _: usize) -> Result<Vec<u8>, WeightsError> {
        Err(WeightsError::new(format!("this scenario cannot read {}: {}", quoted(path), self.why), self.help))
    }
}

/// The files that have been read.
pub(super) struct Archives {
    files: Arc<dyn Files>,
    pub opened: HashMap<String, Result<Arc<dyn Archive>, Reported>>,
    /// The number of bytes that may still be read from files.
    left: usize,
    /// The number of bytes of tensors that may still be unpacked.
    pub unpacked: usize,
}

impl Archives {
    pub fn new(files: Arc<dyn Files>) -> Self {
        Self { files, opened: HashMap::new(), left: MAX_BYTES, unpacked: MAX_BYTES }
    }

    /// Keeps the opened files and resets the limit of unpacked bytes, for the second pass.
    pub fn reset_unpacked(self) -> Self {
        Self { unpacked: MAX_BYTES, ..self }
    }

    /// Returns the paths of all files, as written in the scenario.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.opened.keys().cloned().collect();
        paths.sort();
        paths
    }

    pub fn open(&mut self, path: &str) -> Result<Arc<dyn Archive>, WeightsError> {
        let open = weights::kind(path)?;
        let bytes = self.files.read(path, self.left)?;
        self.left = self.left.saturating_sub(bytes.len());
        open(bytes).map_err(|wrong| WeightsError::new(format!("{} cannot be read: {}", quoted(path), wrong.message), wrong.help))
    }
}

impl Debug for Archives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archives").field("files", &self.files).finish_non_exhaustive()
    }
}
