//! The focus: the part of the screen that receives the next key.

/// The part of the screen that receives the next key. Each part has its rows in the table of keys (`keys.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Focus {
    /// The picker.
    Picker,
    /// The prompt in which the user filters the picker's list. A key without a row for this prompt acts as in the stepper's prompt.
    Filter,
    /// The stepper in its normal mode.
    Normal,
    /// The cursor on the matrices. A key without a row for the cursor acts as in the normal mode.
    Cursor,
    /// The prompt of the stepper.
    Prompt,
    /// The prompt for a predicted number. A key without a row for this prompt acts as in any other prompt.
    Answer,
    /// The overlay.
    Overlay,
    /// The overlay, if it is a list.
    List,
    /// The overlay, if it is the map.
    Map,
    /// The overlay, if it is the curve of the loss or of a parameter.
    Curve,
}

impl Focus {
    /// Returns whether the focus is a prompt, so that a typed character is text.
    #[must_use]
    pub fn is_prompt(self) -> bool {
        matches!(self, Self::Prompt | Self::Answer | Self::Filter)
    }
}
