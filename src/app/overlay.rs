//! Overlays: texts and lists over the screen.

use super::{CurveMarker, List, NetworkMap, OverlayKind};

/// An open overlay.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// The content.
    pub kind: OverlayKind,
    /// The number of lines of a text that are scrolled out at the top.
    pub scroll: u16,
    /// The rows of a list; `None` for a text.
    pub list: Option<List>,
    /// The map of the network; `None` for other overlays.
    pub map: Option<NetworkMap>,
    /// The marker on the curve; `None` for other overlays.
    pub curve: Option<CurveMarker>,
}

impl Overlay {
    /// Returns a text at its first line.
    #[must_use]
    pub fn text(kind: OverlayKind) -> Self {
        Self { kind, scroll: 0, list: None, map: None, curve: None }
    }

    /// Returns a list.
    #[must_use]
    pub fn list(kind: OverlayKind, list: List) -> Self {
        Self { kind, scroll: 0, list: Some(list), map: None, curve: None }
    }

    /// Returns the map of the network.
    #[must_use]
    pub fn map(map: NetworkMap) -> Self {
        Self { kind: OverlayKind::Map, scroll: 0, list: None, map: Some(map), curve: None }
    }

    /// Returns the curve with its marker.
    #[must_use]
    pub fn curve(marker: CurveMarker) -> Self {
        Self { kind: OverlayKind::Curve, scroll: 0, list: None, map: None, curve: Some(marker) }
    }

    /// Scrolls a text by this number of lines, up if negative, or moves the selection of a list or a map by this number of rows. The offset of a text can become too large,
    /// because the height of the screen is not known here: the `ui` corrects it while drawing, and [`super::Action::ScrollAtMost`] corrects it in the state.
    pub(super) fn scroll(&mut self, lines: i16) {
        match (&mut self.list, &mut self.map) {
            (Some(list), _) => list.select(lines),
            (None, Some(map)) => map.select(lines),
            (None, None) => self.scroll = self.scroll.saturating_add_signed(lines),
        }
    }
}
