//! The kinds of overlays: the texts, lists and pictures that can be drawn over the screen.

/// The content of an overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayKind {
    /// The keys.
    Help,
    /// The scenario's notes.
    Notes,
    /// The map of the network.
    Map,
    /// The loss over the iterations, or the values of a parameter.
    Curve,
    /// A list of rows to choose from.
    List(ListKind),
    /// The gradient check of an entry: a list that a job computes.
    Check,
}

/// The content of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// The breakpoints.
    Breaks,
    /// All digits of the numbers of this step, or of the entry under the cursor.
    Digits,
    /// The steps that read an entry.
    Reads,
    /// The terms of an entry.
    Terms,
    /// The largest terms of an entry, the largest terms of the entries that they read, and so on down to inputs and parameters (the command `contributions`).
    Contributions,
    /// The texts that can be copied.
    Copy,
    /// The comparison with the gradients that the user's own program computed.
    Comparison,
    /// The bookmarks.
    Bookmarks,
    /// The score of prediction.
    Score,
    /// The question of what to do with unsaved edits.
    Unsaved,
    /// The unsaved edits of an earlier session.
    OldEdits,
}
