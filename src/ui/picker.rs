//! The list of scenarios.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use crate::app::{ScenarioEntry, Screen, State};
use crate::text::{cut, to_left, width};
use crate::ui::theme::{Role, Theme};

/// Draws the picker, less the line of keys at the bottom.
pub fn render(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let [head, hint] = [area.y, area.y + 1].map(|y| Rect { y, height: 1.min(area.height), ..area }.intersection(area));
    Line::from(vec![
        Span::styled("gradstep", theme.style(Role::Heading).bold()),
        Span::styled("  step through every multiplication of backpropagation", theme.style(Role::Dim)),
    ])
    .render(head, buf);
    if let Some(message) = &state.message {
        let role = if message.fault { Role::Error } else { Role::Plain };
        Line::styled(cut(&message.text, area.width as usize), theme.style(role)).render(hint, buf);
    }
    let body = Rect { y: area.y + 2.min(area.height), height: area.height.saturating_sub(2), ..area };
    let selected = match &state.screen {
        Screen::Picker(picker) => picker.selected,
        Screen::Stepper(_) => 0,
    };
    let detail = if body.height >= 14 { 5 } else { 0 };
    let list = Rect { height: body.height - detail, ..body };
    let name = state.offers.iter().map(|offer| width(&offer.name)).max().unwrap_or(0).min(28);
    let lines = lines(&state.offers);
    let at = lines.iter().position(|line| *line == Row::ScenarioEntry(selected)).unwrap_or(0);
    let rows = list.height as usize;
    let first = at.saturating_sub(rows.saturating_sub(3)).min(lines.len().saturating_sub(rows));
    for (row, line) in list.rows().zip(lines.iter().skip(first)) {
        match line {
            Row::Title(title) => Line::styled(*title, theme.style(Role::Dim)).render(row, buf),
            Row::ScenarioEntry(i) => {
                let offer = &state.offers[*i];
                let chosen = *i == selected;
                let mark = if chosen { "▸ " } else { "  " };
                let label = cut(&offer.name, name);
                let text = format!("{mark}{}  {}", to_left(&label, name), offer.title);
                let text = cut(&text, row.width as usize);
                Line::styled(to_left(&text, row.width as usize), theme.style(if chosen { Role::Step } else { Role::Plain }))
                    .render(row, buf);
            }
        }
    }
    if let (Some(offer), true) = (state.offers.get(selected), detail > 0) {
        let area = Rect { y: list.y + list.height, height: detail, ..body };
        let inner = crate::ui::titled("", theme, area, buf);
        let text = Text::from(vec![Line::raw(offer.summary.clone()), Line::styled(offer.source.clone(), theme.style(Role::Dim))]);
        Paragraph::new(text).wrap(Wrap { trim: true }).render(inner, buf);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Title(&'static str),
    ScenarioEntry(usize),
}

fn lines(offers: &[ScenarioEntry]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (bundled, title) in [(true, "bundled"), (false, "in this folder")] {
        let mut group =
            offers.iter().enumerate().filter(|(_, offer)| offer.bundled == bundled).map(|(i, _)| Row::ScenarioEntry(i)).peekable();
        if group.peek().is_some() {
            rows.push(Row::Title(title));
            rows.extend(group);
        }
    }
    rows
}
