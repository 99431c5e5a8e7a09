//! Lines that name keys, such as ` 2/9 Enter: go, Esc: close `. The key bar, the lower borders of overlays and the prompt have such lines. A click on a text
//! presses its key.

use compact_str::CompactString;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::theme::{StyleRole, Theme};
use crate::keys::{self, Key};
use crate::text::{cut, width};

/// A line of texts, some of which name a key.
#[derive(Clone, Debug, Default)]
pub struct Hints(Vec<LineHint>);

/// A text of the line.
#[derive(Clone, Debug)]
struct LineHint {
    /// Most texts are so short that they are not on the heap.
    text: CompactString,
    role: StyleRole,
    /// The key in vim's notation that a click presses; `None` for a text without a key.
    key: Option<&'static str>,
}

impl Hints {
    /// Appends a text without a key.
    #[must_use]
    pub fn text(self, role: StyleRole, text: impl Into<CompactString>) -> Self {
        self.push(role, text.into(), None)
    }

    /// Appends a text that names a key.
    #[must_use]
    pub fn key(self, role: StyleRole, key: &'static str, text: impl Into<CompactString>) -> Self {
        self.push(role, text.into(), Some(key))
    }

    fn push(mut self, role: StyleRole, text: CompactString, key: Option<&'static str>) -> Self {
        self.0.push(LineHint { text, role, key });
        self
    }

    /// Leaves out texts at the beginning of the line, until the others fit into `room` cells. The last text stays, because it names the most important key:
    /// Esc. A text without a key is left out together with the text before it. If the last text alone does not fit, its end is cut.
    #[must_use]
    pub fn within(mut self, room: usize) -> Self {
        let mut first = 0;
        let mut used = self.width();
        while first + 1 < self.0.len() && (used > room || first > 0 && self.0[first].key.is_none()) {
            used -= width(&self.0[first].text);
            first += 1;
        }
        self.0.drain(..first);
        if let Some(last) = self.0.last_mut().filter(|_| used > room) {
            last.text = CompactString::from(cut(last.text.trim_end(), room));
        }
        self
    }

    /// Returns the number of cells.
    #[must_use]
    pub fn width(&self) -> usize {
        self.0.iter().map(|hint| width(&hint.text)).sum()
    }

    /// Returns the line in the colours of a theme.
    #[must_use]
    pub fn line(&self, theme: &Theme) -> Line<'_> {
        self.0.iter().map(|hint| Span::styled(hint.text.as_str(), theme.style(hint.role))).collect()
    }

    /// Returns the key of the text at column `x` of the screen, if the line begins at column `left`.
    #[must_use]
    pub fn key_at(&self, left: usize, x: u16) -> Option<Key> {
        let x = usize::from(x).checked_sub(left)?;
        let ends = self.0.iter().scan(0, |end, hint| {
            *end += width(&hint.text);
            Some((*end, hint))
        });
        let (_, hint) = ends.into_iter().find(|(end, _)| x < *end)?;
        keys::parse(hint.key?).ok()?.first().copied()
    }

    /// Returns the part of the line that fits into the lower border of a frame ([`Self::within`]). It is drawn at the right end of the border.
    #[must_use]
    pub fn in_border(self, frame: Rect) -> Self {
        self.within(usize::from(frame.width.saturating_sub(2)))
    }

    /// Returns the key of the text at a cell of the screen, if the line is in the lower border of a frame ([`Self::in_border`]).
    #[must_use]
    pub fn key_in_border(self, frame: Rect, x: u16, y: u16) -> Option<Key> {
        let is_on_border = !frame.is_empty() && y + 1 == frame.bottom() && x > frame.x && x + 1 < frame.right();
        let line = self.in_border(frame);
        // the line ends before the right corner
        let left = usize::from(frame.right().saturating_sub(1)).checked_sub(line.width()).filter(|_| is_on_border)?;
        line.key_at(left, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text of a footer in a room, without the blanks at its ends.
    fn footer(room: usize) -> String {
        let hints = Hints::default().text(StyleRole::Dim, " 2/9 ").key(StyleRole::Dim, "j", "j ").key(StyleRole::Dim, "k", "k");
        let hints = hints.text(StyleRole::Dim, ": move, ").key(StyleRole::Dim, "<Enter>", "Enter: go, ").key(
            StyleRole::Dim,
            "<Esc>",
            "Esc: close ",
        );
        let line = hints.within(room);
        assert!(line.width() <= room, "{room}");
        line.0.iter().map(|hint| hint.text.as_str()).collect::<String>().trim().to_owned()
    }

    #[test]
    fn the_last_key_stays_in_any_room() {
        for (room, expected) in [
            (80, "2/9 j k: move, Enter: go, Esc: close"),
            (38, "2/9 j k: move, Enter: go, Esc: close"),
            (37, "j k: move, Enter: go, Esc: close"),
            (32, "k: move, Enter: go, Esc: close"),
            (30, "Enter: go, Esc: close"),
            (21, "Esc: close"),
            (10, "Esc: close"),
            (9, "Esc: clo…"),
            (4, "Esc…"),
            (0, ""),
        ] {
            assert_eq!(footer(room), expected, "{room}");
        }
    }

    #[test]
    fn a_click_on_a_footer_presses_the_key_under_it() {
        let hints = Hints::default().text(StyleRole::Dim, " 2/9 ").key(StyleRole::Dim, "<Enter>", "Enter: go, ").key(
            StyleRole::Dim,
            "<Esc>",
            "Esc: close ",
        );
        // the border has 13 cells between its corners: `  Esc: close `
        let frame = Rect::new(3, 2, 15, 4);
        let key = |x, y| hints.clone().key_in_border(frame, x, y).map(|key| key.to_string());
        assert_eq!([5, 6, 16].map(|x| key(x, 5)), [None, Some("<Esc>".to_owned()), Some("<Esc>".to_owned())]);
        assert_eq!((key(17, 5), key(6, 4)), (None, None));
    }
}
