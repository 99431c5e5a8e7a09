//! The context of the stepper's actions: moves, searches, breakpoints, edits and answers.

use std::time::Duration;

use super::{Message, Settings, Stepper};

/// The stepper, with the other parts of the state that its actions read and write.
pub(super) struct StepperContext<'a> {
    pub stepper: &'a mut Stepper,
    pub settings: &'a mut Settings,
    pub message: &'a mut Option<Message>,
    /// The time of the last event, since the start of the program.
    pub now: Duration,
}

impl StepperContext<'_> {
    /// Shows a message in the status line.
    pub fn say(&mut self, text: impl AsRef<str>, is_error: bool) {
        *self.message = Some(Message::new(text.as_ref(), is_error));
    }
}
