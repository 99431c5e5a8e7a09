//! The notes overlay: the scenario's title, the text of the key `notes` in its file, and its source.

use ratatui::text::{Line, Text};

use crate::app::State;
use crate::glyph::with_minus_signs;
use crate::ui::theme::{StyleRole, Theme};

/// Returns the scenario's title, notes and source.
pub(super) fn text(state: &State, theme: &Theme, _inside: usize) -> Text<'static> {
    let mut text = Text::default();
    let Some(document) = state.document() else { return text };
    let scenario = &document.scenario;
    text.push_line(Line::styled(scenario.title.clone(), theme.style(StyleRole::Heading)));
    text.push_line("");
    for line in scenario.notes.iter().flat_map(|notes| notes.trim().lines()) {
        text.push_line(with_minus_signs(line).into_owned());
    }
    if let Some(source) = &scenario.source {
        text.push_line("");
        text.push_line(Line::styled(source.clone(), theme.style(StyleRole::Dim)));
    }
    text
}
