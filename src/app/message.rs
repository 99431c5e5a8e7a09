//! The message in the status line.

use crate::text;

/// One sentence for the user. The status line shows it beside the position of the step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The sentence, escaped for the terminal.
    pub text: String,
    /// `true` if the message reports an error.
    pub is_error: bool,
    /// `true` if the message is left out where the status line has no room for it.
    pub is_hint: bool,
}

impl Message {
    /// Returns a message with its text escaped. Without this, control characters in typed text or in a session file that the message quotes would reach the
    /// terminal.
    #[must_use]
    pub fn new(text: &str, is_error: bool) -> Self {
        Self { text: text::line(text), is_error, is_hint: false }
    }

    /// Returns a hint, which is shown only beside the position.
    #[must_use]
    pub fn hint(text: &str) -> Self {
        Self { is_hint: true, ..Self::new(text, false) }
    }
}
