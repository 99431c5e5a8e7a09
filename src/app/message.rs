//! The sentence in the status line.

use crate::text;

/// One sentence for the user, besides the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The sentence, escaped for the terminal.
    pub text: String,
    /// Whether it reports a fault.
    pub fault: bool,
}

impl Message {
    /// A message with its text escaped: it may quote what was typed or what a session contains.
    #[must_use]
    pub fn new(text: &str, fault: bool) -> Self {
        Self { text: text::line(text), fault }
    }
}
