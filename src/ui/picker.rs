//! Draws the picker: a list of scenarios, and a description of the selected one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use crate::app::{Focus, ScenarioEntry, Screen, State};
use crate::text::{align_left, cut, width, wrap_at_most};
use crate::ui::line::DrawLine as _;
use crate::ui::theme::{StyleRole, Theme};

/// The largest width of the column of names.
const MAX_NAME_WIDTH: usize = 28;

/// Draws the picker without the key bar at the bottom.
pub fn render(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let head = Rect { height: 1.min(area.height), ..area };
    Line::from(vec![
        Span::styled("gradstep", theme.style(StyleRole::Heading).bold()),
        Span::styled("  step through every multiplication of backpropagation", theme.style(StyleRole::Dim)),
    ])
    .draw(head, buf);
    if let Some(message) = &state.message {
        let role = if message.is_error { StyleRole::Error } else { StyleRole::Plain };
        let place = Rect { y: area.y + head.height, height: area.height - head.height, ..area };
        for (line, row) in message_lines(state, area).into_iter().zip(place.rows()) {
            Line::styled(line, theme.style(role)).draw(row, buf);
        }
    }
    let PickerLayout { selected, list, description, rows, first } = picker_layout(state, area);
    if rows.is_empty() && state.focus() == Focus::Filter {
        Line::styled("no scenario has these words: Esc lists all", theme.style(StyleRole::Dim)).draw(list, buf);
    }
    let name_width = state.scenarios.iter().map(|scenario| width(&scenario.name)).max().unwrap_or(0).min(MAX_NAME_WIDTH);
    for (line, row) in list.rows().zip(rows.iter().skip(first)) {
        match row {
            PickerRow::GroupTitle(title) => Line::styled(*title, theme.style(StyleRole::Dim)).draw(line, buf),
            PickerRow::ScenarioEntry(i) => {
                let scenario = &state.scenarios[*i];
                let is_selected = *i == selected;
                let mark = if is_selected { "▸ " } else { "  " };
                let name = cut_path(&scenario.name, name_width);
                let text = format!("{mark}{}  {}", align_left(&name, name_width), scenario.title);
                let text = cut(&text, line.width as usize);
                let role = if is_selected { StyleRole::Step } else { StyleRole::Plain };
                Line::styled(align_left(&text, line.width as usize), theme.style(role)).draw(line, buf);
            }
        }
    }
    if let Some(scenario) = state.selected_scenario().filter(|_| !description.is_empty()) {
        let inner = crate::ui::draw_title("", theme, description, buf);
        let is_cut = width(&scenario.name) > name_width;
        // below the summary: the source, and the complete name if the list shows only its end
        let details = [Some(&scenario.source), is_cut.then_some(&scenario.name)].into_iter().flatten();
        let details = details.filter(|text| !text.is_empty()).map(|text| Line::styled(text.clone(), theme.style(StyleRole::Dim)));
        let text: Text<'_> = std::iter::once(Line::raw(scenario.summary.clone())).chain(details).collect();
        Paragraph::new(text).wrap(Wrap { trim: true }).render(inner, buf);
    }
}

/// The areas and rows of the picker.
struct PickerLayout {
    /// The index of the selected scenario.
    selected: usize,
    list: Rect,
    /// The area of the description; empty on a low screen.
    description: Rect,
    rows: Vec<PickerRow>,
    /// The number of the first row in view.
    first: usize,
}

/// Lays out the picker in an area.
fn picker_layout(state: &State, area: Rect) -> PickerLayout {
    // the number of lines for the heading, and for the message or a blank line
    let above = u16::try_from(1 + message_lines(state, area).len().max(1)).unwrap_or(u16::MAX).min(area.height);
    let body = Rect { y: area.y + above, height: area.height - above, ..area };
    let (selected, listed) = match &state.screen {
        Screen::Picker(picker) => (picker.selected, picker.listed_indices(&state.scenarios)),
        Screen::Stepper(_) => (0, Vec::new()),
    };
    // a low screen has no description, so that enough rows of the list are visible
    let description_height = if body.height >= 14 { 5 } else { 0 };
    let list = Rect { height: body.height - description_height, ..body };
    let rows = picker_rows(&state.scenarios, &listed);
    let selected_row = rows.iter().position(|row| *row == PickerRow::ScenarioEntry(selected)).unwrap_or(0);
    let height = list.height as usize;
    // at least two rows below the selected one are visible, except at the end of the list
    let first = selected_row.saturating_sub(height.saturating_sub(3)).min(rows.len().saturating_sub(height));
    let description = Rect { y: list.bottom(), height: description_height, ..body };
    PickerLayout { selected, list, description, rows, first }
}

/// Returns the lines of the message, at most a third of the screen.
fn message_lines(state: &State, area: Rect) -> Vec<String> {
    let (wide, most) = (usize::from(area.width), usize::from(area.height / 3).max(1));
    state.message.as_ref().map_or_else(Vec::new, |message| wrap_at_most(&message.text, wide, most))
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

/// Returns the rows of the list: the listed scenarios, with a title above each group.
fn picker_rows(scenarios: &[ScenarioEntry], listed: &[usize]) -> Vec<PickerRow> {
    let mut rows = Vec::new();
    for group in listed.chunk_by(|&one, &next| scenarios[one].group == scenarios[next].group) {
        rows.push(PickerRow::GroupTitle(scenarios[group[0]].group.title()));
        rows.extend(group.iter().copied().map(PickerRow::ScenarioEntry));
    }
    rows
}

/// Cuts the beginning of a path, because the paths in the list often differ only at their ends.
fn cut_path(path: &str, cells: usize) -> String {
    if width(path) <= cells {
        return path.to_owned();
    }
    let end = path.char_indices().map(|(at, _)| &path[at..]).find(|end| width(end) < cells);
    format!("…{}", end.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_cut_at_its_beginning() {
        assert_eq!(cut_path("lab/net.toml", 12), "lab/net.toml");
        assert_eq!(cut_path("/home/maria/lab/net.toml", 13), "…lab/net.toml");
        assert_eq!(cut_path("学习/net.toml", 11), "…/net.toml");
        assert_eq!(cut_path("net.toml", 0), "…");
    }
}
