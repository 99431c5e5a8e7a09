//! The modes of the stepper.

use super::{Action, Document, Prompt};

/// The mode of the stepper. It decides the meaning of keys.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// Keys move through the steps of the trace.
    #[default]
    Normal,
    /// The prompt is open: keys edit its text.
    Prompt(Prompt),
}

impl Mode {
    /// Applies an editing action to the text of the prompt; does nothing in the normal mode.
    pub(super) fn edit(&mut self, action: &Action, document: &Document) {
        let Self::Prompt(prompt) = self else { return };
        match action {
            Action::Edit(request) if prompt.is_closed_by(*request) => *self = Self::Normal,
            Action::Edit(request) => prompt.edit(*request),
            Action::Complete => prompt.complete(document, 1),
            Action::CompleteBack => prompt.complete(document, -1),
            _ => {}
        }
    }

    /// Puts a completion into the prompt; `None` if there is no such completion.
    pub(super) fn choose(&mut self, document: &Document, row: usize) -> Option<()> {
        match self {
            Self::Prompt(prompt) => prompt.choose(document, row),
            Self::Normal => None,
        }
    }
}
