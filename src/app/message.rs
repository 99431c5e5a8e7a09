//! The message in the status line.

use crate::text;

/// One sentence for the user, shown beside the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The sentence, escaped for the terminal.
    pub text: String,
    /// `true` if it reports an error.
    pub fault: bool,
}

impl Message {
    /// Returns a message with its text escaped, since it may quote typed text or a session file.
    #[must_use]
    pub fn new(text: &str, fault: bool) -> Self {
        Self { text: text::line(text), fault }
    }
}
