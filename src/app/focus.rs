//! The focus: the part of the screen that gets the keys.

/// The part of the screen that gets the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Focus {
    /// The picker.
    Picker,
    /// The prompt of the picker's filter. Keys that have no row for the filter act as in the stepper's prompt.
    Filter,
    /// The stepper in its normal mode.
    Normal,
    /// The cursor on the matrices. Keys that have no row for the cursor act as in the normal mode.
    Cursor,
    /// The prompt of the stepper.
    Prompt,
    /// The prompt for the hidden number of prediction. Keys that have no row for it act as in any other prompt.
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
    /// Returns whether the focus is a prompt, so that a typed character is text.
    #[must_use]
    pub fn is_line(self) -> bool {
        matches!(self, Self::Prompt | Self::Answer | Self::Filter)
    }
}
