//! The text that a scenario is read from.

use std::sync::Arc;

use super::fault::{Diagnostic, Faults};

/// The text of a scenario, and where it comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's stem, a bundled scenario's name, or `-`.
    pub name: String,
    /// The path as messages name it.
    pub path_shown: String,
    /// The text.
    pub text: String,
}

impl Source {
    /// The source with these bytes.
    ///
    /// # Errors
    /// When they are no text in UTF-8.
    pub fn from_bytes(name: String, path_shown: String, bytes: Vec<u8>) -> Result<Self, Faults> {
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Ok(Self { name, path_shown, text }),
            Err(error) => error,
        };
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        let fault = Diagnostic {
            span: Some(at..at + char::REPLACEMENT_CHARACTER.len_utf8()),
            message: "this file is not text in UTF-8".to_owned(),
            help: "a scenario is a TOML file; save it as UTF-8".to_owned(),
            also: None,
        };
        Err(Faults::new(path_shown, Arc::new(text.into_owned()), vec![fault]))
    }
}
