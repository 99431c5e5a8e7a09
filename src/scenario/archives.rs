//! The files beside a scenario, each read once.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use super::excerpt::quoted;
use crate::op::layer::Reported;
use crate::weights::{self, Archive, MAX_BYTES, WeightsError};

/// What gives a scenario the files beside it.
pub trait Files: Debug + Send + Sync {
    /// The bytes of the file at this path, as it is written in the scenario; at most `most` of them.
    ///
    /// # Errors
    /// When there is no such file, or when it may not be read.
    fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, WeightsError>;
}

/// For a scenario that must stand alone.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles {
    /// Why.
    pub why: &'static str,
    /// What to do; may be empty.
    pub help: &'static str,
}

impl Files for NoFiles {
    fn read(&self, path: &str, _: usize) -> Result<Vec<u8>, WeightsError> {
        Err(WeightsError::new(format!("this scenario cannot read {}: {}", quoted(path), self.why), self.help))
    }
}

/// The files read so far, each once.
pub(super) struct Archives {
    files: Arc<dyn Files>,
    pub opened: HashMap<String, Result<Arc<dyn Archive>, Reported>>,
    /// Bytes of files that may still be read.
    left: usize,
    /// Bytes of numbers that may still be taken from them.
    pub unpacked: usize,
}

impl Archives {
    pub fn new(files: Arc<dyn Files>) -> Self {
        Self { files, opened: HashMap::new(), left: MAX_BYTES, unpacked: MAX_BYTES }
    }

    /// The same files, none of whose numbers were taken yet.
    pub fn reset_unpacked(self) -> Self {
        Self { unpacked: MAX_BYTES, ..self }
    }

    /// The paths of all files, as the scenario names them.
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
