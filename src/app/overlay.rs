//! Overlays: texts and lists over the screen.

use super::{CurveMarker, Focus, List, NetworkMap, OverlayKind};

/// An open overlay.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// The content.
    pub kind: OverlayKind,
    /// The number of lines of a text that are above the top of the overlay.
    pub scroll: u16,
    /// The rows of a list; `None` for other overlays.
    pub list: Option<List>,
    /// The map of the network; `None` for other overlays.
    pub map: Option<NetworkMap>,
    /// The marker on the curve; `None` for other overlays.
    pub curve: Option<CurveMarker>,
    /// The overlay to show when this one is closed. Only the help has one: it lists the keys of the overlay that was open before.
    pub below: Option<Box<Overlay>>,
}

impl Overlay {
    /// Returns an overlay with a text, scrolled to its first line.
    #[must_use]
    pub fn text(kind: OverlayKind) -> Self {
        Self { kind, scroll: 0, list: None, map: None, curve: None, below: None }
    }

    /// Returns an overlay with a list.
    #[must_use]
    pub fn list(kind: OverlayKind, list: List) -> Self {
        Self { list: Some(list), ..Self::text(kind) }
    }

    /// Returns the overlay with the map of the network.
    #[must_use]
    pub fn map(map: NetworkMap) -> Self {
        Self { map: Some(map), ..Self::text(OverlayKind::Map) }
    }

    /// Returns the overlay with the curve and its marker.
    #[must_use]
    pub fn curve(marker: CurveMarker) -> Self {
        Self { curve: Some(marker), ..Self::text(OverlayKind::Curve) }
    }

    /// Returns the focus while this overlay is open.
    #[must_use]
    pub fn focus(&self) -> Focus {
        match (&self.list, &self.map, &self.curve) {
            (Some(_), ..) => Focus::List,
            (_, Some(_), _) => Focus::Map,
            (.., Some(_)) => Focus::Curve,
            _ => Focus::Overlay,
        }
    }

    /// Scrolls a text by this number of lines, up if negative, or moves the selection of a list or a map. The height of the screen is unknown here, so the
    /// offset of a text can become too large. [`super::Action::ScrollAtMost`] then reduces it.
    pub(super) fn scroll(&mut self, lines: i16) {
        match (&mut self.list, &mut self.map) {
            (Some(list), _) => list.select(lines),
            (None, Some(map)) => map.select(lines),
            (None, None) => self.scroll = self.scroll.saturating_add_signed(lines),
        }
    }
}
