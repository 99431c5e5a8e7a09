//! The help overlay: the keys, from the table that dispatches them.

use ratatui::text::{Line, Span, Text};

use crate::app::{Focus, Screen, State};
use crate::keys;
use crate::text::{broken, width};
use crate::ui::theme::{StyleRole, Theme};

/// The width of the column of keys.
const KEYS: usize = 15;

/// Returns the keys of the covered screen and of the address line, then remarks on counts, the mouse and indices.
pub(super) fn text(state: &State, theme: &Theme, inside: usize) -> Text<'static> {
    let own = match state.screen {
        Screen::Picker(_) => Focus::Picker,
        Screen::Stepper(_) => Focus::Normal,
    };
    let line = state.stepper().map(|_| (Focus::Prompt, Some("in the address line")));
    let mut text = Text::default();
    for (focus, title) in [(own, None)].into_iter().chain(line) {
        if let Some(title) = title {
            text.push_line("");
            text.push_line(Line::styled(title, theme.style(StyleRole::Heading)));
        }
        for row in keys::rows(focus) {
            let keys = row.keys.iter().map(|key| keys::shown(key)).collect::<Vec<_>>().join("  ");
            let mut keys = Some(keys);
            for words in broken(row.words, inside.saturating_sub(KEYS)) {
                let keys = keys.take().unwrap_or_default();
                let pad = " ".repeat(KEYS.saturating_sub(width(&keys)).max(1));
                text.push_line(Line::from(vec![Span::styled(keys, theme.style(StyleRole::Key)), Span::raw(format!("{pad}{words}"))]));
            }
        }
    }
    if own == Focus::Normal {
        text.push_line("");
        text.push_line("A number before a key repeats it: 10l moves ten units forward.");
        text.push_line("The mouse: a click goes to the entry, op or step under it; the wheel scrolls the matrices.");
        text.push_line("Subscripts count from 1, as in mathematics; indices in brackets from 0, as in NumPy.");
    }
    text
}
