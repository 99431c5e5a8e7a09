//! Overlays: texts over the screen.

/// The content of an overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayKind {
    /// The keys.
    Help,
    /// The scenario's notes.
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
    /// Returns an overlay at its first line.
    #[must_use]
    pub fn new(kind: OverlayKind) -> Self {
        Self { kind, scroll: 0 }
    }

    /// Scrolls by this number of lines. `render` and [`super::Action::ScrollAtMost`] correct an offset that is too large.
    pub(super) fn scroll(&mut self, lines: i16) {
        self.scroll = self.scroll.saturating_add_signed(lines);
    }
}
