//! The message in the status line.

use crate::text;

/// A sentence for the user, shown in the status line beside the position of the step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The sentence, escaped for the terminal.
    pub text: String,
    /// Shorter sentences for screens without room for the text, the longest first.
    pub shorter: Vec<String>,
    /// `true` if the message reports an error.
    pub is_error: bool,
    /// `true` if the message is dropped when the status line is too narrow for it.
    pub is_hint: bool,
}

impl Message {
    /// Returns a message with an escaped text, because a message may quote control characters that were typed or read from a session file.
    #[must_use]
    pub fn new(text: &str, is_error: bool) -> Self {
        Self { text: text::line(text), shorter: Vec::new(), is_error, is_hint: false }
    }

    /// Returns a message with several texts, the longest first. The screen shows the first one that has room.
    #[must_use]
    pub fn first_that_fits(texts: &[String]) -> Self {
        let mut escaped = texts.iter().map(|text| text::line(text));
        Self { text: escaped.next().unwrap_or_default(), shorter: escaped.collect(), is_error: false, is_hint: false }
    }

    /// Returns a hint: a message that is dropped when the status line is too narrow.
    #[must_use]
    pub fn hint(text: &str) -> Self {
        Self { is_hint: true, ..Self::new(text, false) }
    }
}
