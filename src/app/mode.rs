//! The modes of the stepper.

use super::{Action, Document, Prompt};

/// The mode of the stepper: it decides what keys mean.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// The trace: keys move through its steps.
    #[default]
    Normal,
    /// The address line: every character is text.
    Prompt(Prompt),
}

impl Mode {
    /// Does an action of the line that is open, if one is.
    pub(super) fn edit(&mut self, action: &Action, document: &Document) {
        let Self::Prompt(prompt) = self else { return };
        match action {
            Action::Edit(request) if prompt.is_left_by(*request) => *self = Self::Normal,
            Action::Edit(request) => prompt.edit(*request),
            Action::Complete => prompt.complete(document, 1),
            Action::CompleteBack => prompt.complete(document, -1),
            _ => {}
        }
    }
}
