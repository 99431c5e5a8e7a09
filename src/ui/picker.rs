//! The picker: the list of scenarios.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use crate::app::{ScenarioEntry, Screen, State};
use crate::text::{cut, to_left, width};
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
        let role = if message.fault { StyleRole::Error } else { StyleRole::Plain };
        Line::styled(cut(&message.text, area.width as usize), theme.style(role)).render(hint, buf);
    }
    let body = Rect { y: area.y + 2.min(area.height), height: area.height.saturating_sub(2), ..area };
    let selected = match &state.screen {
        Screen::Picker(picker) => picker.selected,
        Screen::Stepper(_) => 0,
    };
    let detail = if body.height >= 14 { 5 } else { 0 };
    let list = Rect { height: body.height - detail, ..body };
    let name = state.scenarios.iter().map(|scenario| width(&scenario.name)).max().unwrap_or(0).min(28);
    let lines = lines(&state.scenarios);
    let at = lines.iter().position(|line| *line == PickerRow::ScenarioEntry(selected)).unwrap_or(0);
    let rows = list.height as usize;
    let first = at.saturating_sub(rows.saturating_sub(3)).min(lines.len().saturating_sub(rows));
    for (row, line) in list.rows().zip(lines.iter().skip(first)) {
        match line {
            PickerRow::Title(title) => Line::styled(*title, theme.style(StyleRole::Dim)).render(row, buf),
            PickerRow::ScenarioEntry(i) => {
                let scenario = &state.scenarios[*i];
                let chosen = *i == selected;
                let mark = if chosen { "▸ " } else { "  " };
                let label = cut(&scenario.name, name);
                let text = format!("{mark}{}  {}", to_left(&label, name), scenario.title);
                let text = cut(&text, row.width as usize);
                Line::styled(to_left(&text, row.width as usize), theme.style(if chosen { StyleRole::Step } else { StyleRole::Plain }))
                    .render(row, buf);
            }
        }
    }
    if let (Some(scenario), true) = (state.scenarios.get(selected), detail > 0) {
        let area = Rect { y: list.y + list.height, height: detail, ..body };
        let inner = crate::ui::titled("", theme, area, buf);
        let text =
            Text::from(vec![Line::raw(scenario.summary.clone()), Line::styled(scenario.source.clone(), theme.style(StyleRole::Dim))]);
        Paragraph::new(text).wrap(Wrap { trim: true }).render(inner, buf);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PickerRow {
    Title(&'static str),
    ScenarioEntry(usize),
}

fn lines(scenarios: &[ScenarioEntry]) -> Vec<PickerRow> {
    let mut rows = Vec::new();
    for (bundled, title) in [(true, "bundled"), (false, "in this folder")] {
        let mut group = scenarios
            .iter()
            .enumerate()
            .filter(|(_, scenario)| scenario.bundled == bundled)
            .map(|(i, _)| PickerRow::ScenarioEntry(i))
            .peekable();
        if group.peek().is_some() {
            rows.push(PickerRow::Title(title));
            rows.extend(group);
        }
    }
    rows
}
