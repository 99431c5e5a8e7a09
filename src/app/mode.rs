//! The modes of the stepper. In the normal mode, keys move through the steps; in the mode of the prompt, they edit its text.

use std::sync::Arc;

use super::{Action, Document, Prompt, Stepper};

/// The mode of the stepper. It decides what a key does.
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
    fn edit(&mut self, action: &Action, document: &Document) {
        let Self::Prompt(prompt) = self else { return };
        match action {
            Action::EditPrompt(request) if prompt.is_closed_by(*request) => *self = Self::Normal,
            Action::EditPrompt(request) => prompt.edit(*request),
            Action::Complete => prompt.complete(document, 1),
            Action::CompleteBack => prompt.complete(document, -1),
            _ => {}
        }
    }

    /// Replaces the text of the prompt by the completion with the index `row`, or by the last one if there are fewer. Returns `None` if there are no
    /// completions, and in the normal mode.
    fn choose(&mut self, document: &Document, row: usize) -> Option<()> {
        match self {
            Self::Prompt(prompt) => prompt.choose(document, row),
            Self::Normal => None,
        }
    }
}

impl Stepper {
    /// Applies an editing action to the text of the prompt; does nothing in the normal mode.
    pub(super) fn edit_prompt(&mut self, action: &Action) {
        let shown = Arc::clone(self.shown());
        self.mode.edit(action, &shown);
    }

    /// Replaces the text of the prompt by a completion ([`Mode::choose`]).
    pub(super) fn choose_completion(&mut self, row: usize) -> Option<()> {
        let shown = Arc::clone(self.shown());
        self.mode.choose(&shown, row)
    }
}
