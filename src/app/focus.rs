//! The focus.

/// The part of the screen that gets the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Focus {
    /// The picker.
    Picker,
    /// The line of the picker's filter. Keys without a meaning for it have that of the prompt.
    Filter,
    /// The stepper in its normal mode.
    Normal,
    /// The cursor on the matrices. A key without a meaning for the cursor has its meaning of the normal mode.
    Cursor,
    /// The prompt of the stepper.
    Prompt,
    /// The line for a number that is asked for. Keys without a meaning for it have that of the prompt.
    Answer,
    /// The overlay.
    Overlay,
    /// The overlay, if it is a list.
    List,
    /// The overlay, if it is the map.
    Map,
    /// The overlay, if it is the curve of the loss.
    Curve,
}

impl Focus {
    /// Returns whether a line is open, in which a character is text and not a key.
    #[must_use]
    pub fn is_line(self) -> bool {
        matches!(self, Self::Prompt | Self::Answer | Self::Filter)
    }
}
