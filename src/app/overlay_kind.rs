//! The kinds of overlays.

/// The content of an overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayKind {
    /// The keys.
    Help,
    /// The scenario's notes.
    Notes,
    /// A list of rows to choose from.
    List(ListKind),
}

/// The content of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// All digits of the numbers of this step.
    Digits,
    /// The steps that read an entry.
    Reads,
    /// The terms of an entry.
    Terms,
}
