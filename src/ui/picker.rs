//! Draws the picker: a list of scenarios, and a description of the selected one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use crate::app::{ScenarioEntry, Screen, State};
use crate::text::{align_left, cut, width};
use crate::ui::theme::{StyleRole, Theme};

/// Draws the picker without the key bar at the bottom.
pub fn render(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let [head, hint] = [area.y, area.y + 1].map(|y| Rect { y, height: 1.min(area.height), ..area }.intersection(area));
    Line::from(vec![
        Span::styled("gradstep", theme.style(StyleRole::Heading).bold()),
        Span::styled("  step through every multiplication of backpropagation", theme.style(StyleRole::Dim)),
    ])
    .render(head, buf);
    if let Some(message) = &state.message {
        let role = if message.is_error { StyleRole::Error } else { StyleRole::Plain };
        Line::styled(cut(&message.text, area.width as usize), theme.style(role)).render(hint, buf);
    }
    let PickerLayout { selected, list, description, rows, first } = picker_layout(state, area);
    let name_width = state.scenarios.iter().map(|scenario| width(&scenario.name)).max().unwrap_or(0).min(28);
    for (line, row) in list.rows().zip(rows.iter().skip(first)) {
        match row {
            PickerRow::GroupTitle(title) => Line::styled(*title, theme.style(StyleRole::Dim)).render(line, buf),
            PickerRow::ScenarioEntry(i) => {
                let scenario = &state.scenarios[*i];
                let is_selected = *i == selected;
                let mark = if is_selected { "▸ " } else { "  " };
                let name = cut(&scenario.name, name_width);
                let text = format!("{mark}{}  {}", align_left(&name, name_width), scenario.title);
                let text = cut(&text, line.width as usize);
                let role = if is_selected { StyleRole::Step } else { StyleRole::Plain };
                Line::styled(align_left(&text, line.width as usize), theme.style(role)).render(line, buf);
            }
        }
    }
    if let Some(scenario) = state.scenarios.get(selected).filter(|_| !description.is_empty()) {
        let inner = crate::ui::draw_title("", theme, description, buf);
        let text =
            Text::from(vec![Line::raw(scenario.summary.clone()), Line::styled(scenario.source.clone(), theme.style(StyleRole::Dim))]);
        Paragraph::new(text).wrap(Wrap { trim: true }).render(inner, buf);
    }
}

/// The places of the picker.
struct PickerLayout {
    /// The index of the selected scenario.
    selected: usize,
    list: Rect,
    /// The place of the description; empty on a low screen.
    description: Rect,
    rows: Vec<PickerRow>,
    /// The number of the first row in view.
    first: usize,
}

fn picker_layout(state: &State, area: Rect) -> PickerLayout {
    let body = Rect { y: area.y + 2.min(area.height), height: area.height.saturating_sub(2), ..area };
    let selected = match &state.screen {
        Screen::Picker(picker) => picker.selected,
        Screen::Stepper(_) => 0,
    };
    let description_height = if body.height >= 14 { 5 } else { 0 };
    let list = Rect { height: body.height - description_height, ..body };
    let rows = picker_rows(&state.scenarios);
    let selected_row = rows.iter().position(|row| *row == PickerRow::ScenarioEntry(selected)).unwrap_or(0);
    let height = list.height as usize;
    // the selected row is at most the third from below, unless the list ends
    let first = selected_row.saturating_sub(height.saturating_sub(3)).min(rows.len().saturating_sub(height));
    let description = Rect { y: list.bottom(), height: description_height, ..body };
    PickerLayout { selected, list, description, rows, first }
}

/// Returns the index of the scenario under a cell of the screen.
#[must_use]
pub fn scenario_at(state: &State, area: Rect, x: u16, y: u16) -> Option<usize> {
    let PickerLayout { list, rows, first, .. } = picker_layout(state, area);
    let row = first + usize::from(y.checked_sub(list.y)?);
    match rows.get(row).filter(|_| list.contains((x, y).into()))? {
        PickerRow::ScenarioEntry(scenario) => Some(*scenario),
        PickerRow::GroupTitle(_) => None,
    }
}

/// A row of the list: the title of a group, or a scenario by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PickerRow {
    GroupTitle(&'static str),
    ScenarioEntry(usize),
}

/// Returns the rows of the list: first the bundled scenarios, then the files in this folder.
fn picker_rows(scenarios: &[ScenarioEntry]) -> Vec<PickerRow> {
    let mut rows = Vec::new();
    for (bundled, title) in [(true, "bundled"), (false, "in this folder")] {
        let mut group = scenarios
            .iter()
            .enumerate()
            .filter(|(_, scenario)| scenario.bundled == bundled)
            .map(|(i, _)| PickerRow::ScenarioEntry(i))
            .peekable();
        if group.peek().is_some() {
            rows.push(PickerRow::GroupTitle(title));
            rows.extend(group);
        }
    }
    rows
}
