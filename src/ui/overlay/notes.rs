//! The notes overlay. It has the scenario's title, the text under the key `notes`, the source, and the tensors whose axes have another order in the file.

use ratatui::text::{Line, Text};

use crate::app::State;
use crate::glyph::with_minus_signs;
use crate::text::wrap;
use crate::ui::theme::{StyleRole, Theme};

/// Returns the lines of the overlay, wrapped to `inside` cells.
pub(super) fn text(state: &State, theme: &Theme, inside: usize) -> Text<'static> {
    let mut text = Text::default();
    let Some(document) = state.shown() else { return text };
    let scenario = &document.scenario;
    let styled = |line: &str, role: StyleRole| wrap(line, inside).into_iter().map(move |line| Line::styled(line, theme.style(role)));
    text.extend(styled(&scenario.title, StyleRole::Heading));
    text.push_line("");
    for line in scenario.notes.iter().flat_map(|notes| notes.trim().lines()) {
        text.extend(wrap(&with_minus_signs(line), inside).into_iter().map(Line::from));
    }
    if let Some(axes) = &scenario.axes_remark {
        text.push_line("");
        text.extend(styled(axes, StyleRole::Plain));
    }
    if let Some(source) = &scenario.source {
        text.push_line("");
        text.extend(styled(source, StyleRole::Dim));
    }
    text
}
