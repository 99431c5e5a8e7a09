//! Overlays: texts and lists over the screen.

use super::{List, OverlayKind};

/// An open overlay.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// The content.
    pub kind: OverlayKind,
    /// The number of lines of a text that are scrolled out at the top.
    pub scroll: u16,
    /// The rows of a list; `None` for a text.
    pub list: Option<List>,
}

impl Overlay {
    /// Returns a text at its first line.
    #[must_use]
    pub fn text(kind: OverlayKind) -> Self {
        Self { kind, scroll: 0, list: None }
    }

    /// Returns a list.
    #[must_use]
    pub fn list(kind: OverlayKind, list: List) -> Self {
        Self { kind, scroll: 0, list: Some(list) }
    }

    /// Scrolls a text by this number of lines, up if negative, or moves the selection of a list by this number of rows. The offset of a text can become too large,
    /// because the height of the screen is not known here: the `ui` corrects it while drawing, and [`super::Action::ScrollAtMost`] corrects it in the state.
    pub(super) fn scroll(&mut self, lines: i16) {
        match &mut self.list {
            Some(list) => list.select(lines),
            None => self.scroll = self.scroll.saturating_add_signed(lines),
        }
    }
}
