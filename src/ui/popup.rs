//! Draws the candidates above the prompt of `:` and `/`. Each row has a name, its keys and a description.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Widget};

use crate::app::{Focus, Prompt, PromptCandidate, PromptKind, State};
use crate::text::{self, align_left, cut, width, wrap_at_most};
use crate::ui::backdrop;
use crate::ui::line::DrawLine as _;
use crate::ui::theme::{StyleRole, Theme};

/// The largest width.
const MAX_WIDTH: usize = 140;
/// The largest width of the keys.
const MAX_KEYS_WIDTH: usize = 16;
/// The gap between two columns.
const GAP: usize = 2;
/// The largest number of lines for the full description of the chosen row, if descriptions are cut.
const MAX_DESCRIPTION_LINES: usize = 2;
/// The lines at the bottom of the screen that stay in view: the status line and the prompt.
const BELOW: u16 = 2;

/// The candidates of the prompt, laid out on a screen.
struct PopupLayout {
    candidates: Vec<PromptCandidate>,
    title: String,
    /// The number of the chosen candidate; `None` while the prompt shows the typed text.
    chosen: Option<usize>,
    /// The number of the first candidate in view.
    first: usize,
    /// The list with its border.
    area: Rect,
    /// The area inside the border: the rows, then the full description of the chosen row.
    inside: Rect,
    /// The number of rows in view.
    rows: usize,
    /// The widths of the columns.
    columns: [usize; 3],
}

/// Lays out the candidates of the prompt; `None` if no prompt is open, if it has no candidates, or if there is no room.
fn popup_layout(state: &State, screen: Rect) -> Option<PopupLayout> {
    let (Focus::Prompt, Some(prompt), Some(document)) = (state.focus(), state.prompt(), state.shown()) else { return None };
    let candidates = prompt.candidates(document);
    if candidates.is_empty() || screen.height < BELOW + 3 || screen.width < 20 {
        return None;
    }
    // all rows decide the widths, so that the columns do not move while Tab chooses
    let column = |text: fn(&PromptCandidate) -> &str, max_width: usize| {
        candidates.iter().map(|candidate| width(text(candidate))).max().unwrap_or(0).min(max_width)
    };
    let columns = [
        column(|candidate| &candidate.label, usize::from(screen.width) * 3 / 10),
        column(|candidate| &candidate.keys, MAX_KEYS_WIDTH),
        column(|candidate| candidate.description, MAX_WIDTH),
    ];
    // the columns with the gaps between them, the mark ▸, and a blank
    let wanted = columns.iter().filter(|wide| **wide > 0).map(|wide| wide + GAP).sum::<usize>().saturating_sub(GAP) + 2;
    let title = title(prompt, candidates.first());
    let inside_width = wanted.max(width(&title) + 2).min(MAX_WIDTH).min(usize::from(screen.width) - 2);
    // if descriptions are cut, the full description of the chosen row is below the rows. The longest description decides the number of its lines
    let lines_of = |candidate: &PromptCandidate| full_description(candidate, inside_width.saturating_sub(2)).len();
    let description_lines = if wanted > inside_width { candidates.iter().map(lines_of).max().unwrap_or(0) } else { 0 };
    let description_lines = description_lines.min(usize::from(screen.height - BELOW - 3));
    // the list takes at most two fifths of the screen, so that the equation stays visible
    let max_rows = (usize::from(screen.height.saturating_sub(BELOW + 2) * 2 / 5)).saturating_sub(description_lines).max(1);
    let rows = candidates.len().min(max_rows);
    let chosen = prompt.chosen();
    let first = chosen.map_or(0, |chosen| (chosen + 1).saturating_sub(rows));
    let size = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let lines = size(rows + description_lines) + 2;
    let area = Rect {
        x: screen.x,
        y: (screen.bottom() - BELOW).saturating_sub(lines),
        width: size(inside_width + 2).min(screen.width),
        height: lines,
    };
    let area = area.intersection(screen);
    let inside = Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: area.height.saturating_sub(2) };
    Some(PopupLayout { candidates, title, chosen, first, area, inside, rows, columns })
}

/// Returns the area of the list; `None` if it is not shown.
#[must_use]
pub fn area(state: &State, screen: Rect) -> Option<Rect> {
    popup_layout(state, screen).map(|layout| layout.area)
}

/// Returns the number of the candidate under a cell of the screen.
#[must_use]
pub fn row_at(state: &State, screen: Rect, x: u16, y: u16) -> Option<usize> {
    let PopupLayout { candidates, first, inside, rows, .. } = popup_layout(state, screen)?;
    let row = usize::from(y.checked_sub(inside.y)?);
    (inside.contains((x, y).into()) && row < rows.min(candidates.len() - first)).then_some(first + row)
}

/// Draws the candidates of the prompt.
pub fn render(state: &State, theme: &Theme, screen: Rect, buf: &mut Buffer) {
    let Some(PopupLayout { candidates, title, chosen, first, area, inside, rows, columns }) = popup_layout(state, screen) else { return };
    let is_question = state.prompt().is_some_and(|prompt| prompt.is_refused);
    backdrop::clear(area, screen, buf);
    let count = format!(" {}/{} ", chosen.map_or("–".to_owned(), |chosen| (chosen + 1).to_string()), candidates.len());
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.style(StyleRole::Dim))
        .title(Span::styled(cut(&title, inside.width.into()), theme.style(if is_question { StyleRole::Error } else { StyleRole::Heading })))
        .title_bottom(Line::from(Span::styled(count, theme.style(StyleRole::Dim))).right_aligned())
        .render(area, buf);
    for ((n, row), place) in candidates.iter().enumerate().skip(first).take(rows).zip(inside.rows()) {
        draw_row(&cells(row), &columns, chosen == Some(n), theme, place, buf);
    }
    // if no description is cut, there is no line for it
    if let Some(chosen) = candidates.get(chosen.unwrap_or(first)) {
        let description = full_description(chosen, usize::from(inside.width).saturating_sub(2));
        for (line, place) in description.iter().zip(inside.rows().skip(rows)) {
            Line::styled(format!(" {line}"), theme.style(StyleRole::Heading)).draw(place, buf);
        }
    }
}

/// Returns lines with the name and the full description of a row.
fn full_description(candidate: &PromptCandidate, wide: usize) -> Vec<String> {
    let label = text::line(&candidate.label);
    let text = if candidate.description.is_empty() { label } else { format!("{label}: {}", candidate.description) };
    wrap_at_most(&text, wide, MAX_DESCRIPTION_LINES)
}

/// Returns the texts of a row. They are escaped, because they contain the typed text.
fn cells(candidate: &PromptCandidate) -> [String; 3] {
    [text::line(&candidate.label), candidate.keys.clone(), candidate.description.to_owned()]
}

/// Returns the title: the kind of the candidates or, after Enter with an unknown text, the text that the user may mean.
fn title(prompt: &Prompt, best: Option<&PromptCandidate>) -> String {
    match (prompt.kind, best) {
        (_, Some(best)) if prompt.is_refused && best.text.trim_end() == prompt.input.value().trim() => {
            format!(" write {} ", text::line(&best.label))
        }
        (_, Some(best)) if prompt.is_refused => {
            format!(" did you mean {}? Tab or ↓ completes it, Enter then runs it ", text::line(&best.label))
        }
        (PromptKind::Value(_) | PromptKind::Answer(_) | PromptKind::Filter, _) => String::new(),
        (PromptKind::Search, _) => " search ".to_owned(),
        (PromptKind::Palette(_), _) => " commands and places ".to_owned(),
        (PromptKind::Addresses, _) => " places ".to_owned(),
    }
}

fn draw_row(cells: &[String; 3], columns: &[usize; 3], is_chosen: bool, theme: &Theme, place: Rect, buf: &mut Buffer) {
    let roles = if is_chosen { [StyleRole::Step; 3] } else { [StyleRole::Plain, StyleRole::Key, StyleRole::Dim] };
    let room = usize::from(place.width);
    let mark = if is_chosen { "▸" } else { " " };
    let mut spans = vec![Span::styled(mark, theme.style(roles[0]))];
    let mut used = 1;
    for ((cell, wide), role) in cells.iter().zip(columns).zip(roles).filter(|((_, wide), _)| **wide > 0) {
        let wide = (*wide).min(room.saturating_sub(used));
        spans.push(Span::styled(align_left(&cut(cell, wide), wide), theme.style(role)));
        spans.push(Span::styled(" ".repeat(GAP.min(room.saturating_sub(used + wide))), theme.style(roles[0])));
        used += wide + GAP;
    }
    let unused = room.saturating_sub(used);
    spans.push(Span::styled(" ".repeat(unused), theme.style(roles[0])));
    Line::from(spans).draw(place, buf);
}
