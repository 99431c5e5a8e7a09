//! The help overlay: a list of the keys. It is generated from the table of keys (`keys.rs`), which also decides what a key does.

use ratatui::text::{Line, Span, Text};

use crate::app::{Focus, Screen, State};
use crate::keys;
use crate::text::{width, wrap};
use crate::ui::theme::{StyleRole, Theme};

/// The width of the column of keys.
const KEYS_WIDTH: usize = 15;

/// Returns the keys of the screen under the overlay. For the stepper, adds the keys of the address line and remarks on counts, the mouse and indices.
pub(super) fn text(state: &State, theme: &Theme, inside: usize) -> Text<'static> {
    let screen_focus = match state.screen {
        Screen::Picker(_) => Focus::Picker,
        Screen::Stepper(_) => Focus::Normal,
    };
    let address_line = state.stepper().map(|_| (Focus::Prompt, Some("in the address line")));
    let mut text = Text::default();
    for (focus, title) in [(screen_focus, None)].into_iter().chain(address_line) {
        if let Some(title) = title {
            text.push_line("");
            text.push_line(Line::styled(title, theme.style(StyleRole::Heading)));
        }
        for row in keys::rows(focus) {
            let keys = row.keys.iter().map(|key| keys::shown(key)).collect::<Vec<_>>().join("  ");
            // the keys are beside the first line of the words only
            let mut keys = Some(keys);
            for words in wrap(row.words, inside.saturating_sub(KEYS_WIDTH)) {
                let keys = keys.take().unwrap_or_default();
                let pad = " ".repeat(KEYS_WIDTH.saturating_sub(width(&keys)).max(1));
                text.push_line(Line::from(vec![Span::styled(keys, theme.style(StyleRole::Key)), Span::raw(format!("{pad}{words}"))]));
            }
        }
    }
    if screen_focus == Focus::Normal {
        text.push_line("");
        text.push_line("A number before a key repeats it: 10l moves ten units forward.");
        text.push_line("The mouse: a click goes to the entry, op or step under it; the wheel scrolls the matrices.");
        text.push_line("Subscripts count from 1, as in mathematics; indices in brackets from 0, as in NumPy.");
    }
    text
}
