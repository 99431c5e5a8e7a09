//! Lines that name keys, such as ` 2/9 Enter: go, Esc: close `. The key bar, the lower borders of overlays and the prompt have such lines. A click on a text
//! presses its key.

use compact_str::CompactString;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::theme::{StyleRole, Theme};
use crate::keys::{self, Key};
use crate::text::width;

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

    /// Does the same as [`Self::key_at`], for a line at the right end of the lower border of a frame.
    #[must_use]
    pub fn key_in_border(&self, frame: Rect, x: u16, y: u16) -> Option<Key> {
        let is_on_border = !frame.is_empty() && y + 1 == frame.bottom() && x > frame.x && x + 1 < frame.right();
        // the line ends before the right corner; if it is too long, it is cut at its left end, so it may begin to the left of the screen
        let end = usize::from(frame.right().saturating_sub(1));
        let left_of_screen = self.width().saturating_sub(end);
        // both columns are moved to the right by this number, so that the column at which the line begins is not negative
        let x = u16::try_from(usize::from(x) + left_of_screen).ok().filter(|_| is_on_border)?;
        self.key_at((end + left_of_screen).checked_sub(self.width())?, x)
    }
}
