//! The text of a scenario, with its name and path: the input of [`read`](super::read).

use std::sync::Arc;

use super::fault::{Diagnostic, Faults};

/// The text of a scenario, with its name and path.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name without its extension, a bundled scenario's name, or `-` for standard input.
    pub name: String,
    /// The path as it is shown in messages.
    pub path_shown: String,
    /// The text.
    pub text: String,
}

impl Source {
    /// Makes a source from the bytes of a file.
    ///
    /// # Errors
    /// If the bytes are not UTF-8.
    pub fn from_bytes(name: String, path_shown: String, bytes: Vec<u8>) -> Result<Self, Faults> {
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Ok(Self { name, path_shown, text }),
            Err(error) => error,
        };
        let start = error.utf8_error().valid_up_to();
        // the text for the message: each invalid sequence of bytes becomes one replacement character
        let text = String::from_utf8_lossy(error.as_bytes());
        let fault = Diagnostic {
            span: Some(start..start + char::REPLACEMENT_CHARACTER.len_utf8()),
            message: "this file is not text in UTF-8".to_owned(),
            help: "a scenario is a TOML file; save it as UTF-8".to_owned(),
            note: None,
        };
        Err(Faults::new(path_shown, Arc::new(text.into_owned()), vec![fault]))
    }
}
