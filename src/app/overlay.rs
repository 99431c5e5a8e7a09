//! A text over the screen.

/// The content of an overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayKind {
    /// The keys.
    Help,
    /// The scenario's own notes.
    Notes,
}

/// An open overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// Its content.
    pub kind: OverlayKind,
    /// The number of lines by which it is scrolled.
    pub scroll: u16,
}

impl Overlay {
    /// An overlay at its first line.
    #[must_use]
    pub fn new(kind: OverlayKind) -> Self {
        Self { kind, scroll: 0 }
    }

    /// Scrolls by this number of lines; what is too far down, `render` and [`super::Action::ScrollAtMost`] correct.
    pub(super) fn scroll(&mut self, lines: i16) {
        self.scroll = self.scroll.saturating_add_signed(lines);
    }
}
