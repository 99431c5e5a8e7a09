//! A list over the screen: rows in columns, with the selected one marked.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Widget};

use crate::app::{List, ListRow};
use crate::text::{align_left, cut, width, wrap};
use crate::ui::hints::Hints;
use crate::ui::line::DrawLine as _;
use crate::ui::theme::{StyleRole, Theme};
use crate::ui::{ClickTarget, backdrop};

/// The widest list.
const MAX_WIDTH: usize = 110;
/// The number of screen columns that the texts of a list cannot use: on each side one column beside the list, its border, and a blank.
const MARGINS: u16 = 6;
/// The width to which all columns except the first one are narrowed before the first one is narrowed.
const MIN_COLUMN: usize = 9;
/// The number of lines from the top of the screen to the last line of the equation.
const EQUATION_BOTTOM: u16 = 10;
/// The gap between two columns.
const GAP: usize = 2;

/// The areas of a list on a screen.
struct ListLayout {
    /// The list with its border.
    area: Rect,
    /// The rows.
    rows: Rect,
    /// The number of the first row in view.
    first: usize,
    /// The width of each column.
    columns: Vec<usize>,
    /// The lines below the rows: the full text of the selected row, and the note.
    below: Vec<(String, StyleRole)>,
}

/// The largest number of lines for the full text of a row.
const MAX_TEXT_LINES: usize = 8;
/// A full text may take at least 1/4 of the screen's height, even if then fewer rows are visible.
const TEXT_SHARE: usize = 4;
/// The largest number of lines for the cells of a row, if one is cut.
const MAX_CELL_LINES: usize = 2;

/// Returns at most `max_lines` lines with the full text of a row or, if the row has no full text, with its cells; no lines if a column already shows the full
/// text. A line that is too long is wrapped.
fn full_text(row: &ListRow, columns: &[usize], inside: usize, max_lines: usize) -> Vec<String> {
    let is_shown = |(cell, wide): (&String, &usize)| *cell == row.full_text && width(cell) <= *wide;
    if !row.full_text.is_empty() && row.cells.iter().zip(columns).any(is_shown) {
        return Vec::new();
    }
    let cells = || row.cells.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("  ");
    let text = if row.full_text.is_empty() { cells() } else { row.full_text.clone() };
    let mut lines: Vec<String> = text.lines().flat_map(|line| wrap(line, inside)).take(max_lines + 1).collect();
    if lines.len() > max_lines {
        lines.truncate(max_lines);
        if let Some(last) = lines.last_mut() {
            *last = format!("{} …", cut(last, inside.saturating_sub(2)));
        }
    }
    lines
}

/// Returns the hints in the lower border: the number of the selected row, and the keys.
fn hints(list: &List) -> Hints {
    let hints = Hints::default().text(StyleRole::Dim, format!(" {}/{} ", list.selected + 1, list.rows.len()));
    let can_choose = list.rows.iter().any(|row| row.action.is_some());
    let hints = if can_choose { hints.key(StyleRole::Dim, "<Enter>", format!("Enter: {}, ", list.verb)) } else { hints };
    hints.key(StyleRole::Dim, "<Esc>", "Esc: close ")
}

/// Returns the width of all columns with the gaps between them. Columns of width 0 are left out.
fn total_width(columns: &[usize]) -> usize {
    columns.iter().filter(|wide| **wide > 0).map(|wide| wide + GAP).sum::<usize>().saturating_sub(GAP)
}

/// Lays out a list on a screen.
fn list_layout(list: &List, screen: Rect) -> ListLayout {
    // the status line and the key bar stay in view
    let room = screen.height.saturating_sub(2);
    let max_width = MAX_WIDTH.min(usize::from(screen.width.saturating_sub(MARGINS)));
    let count = list.rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    let mut columns: Vec<usize> =
        (0..count).map(|n| list.rows.iter().filter_map(|row| row.cells.get(n)).map(|cell| width(cell)).max().unwrap_or(0)).collect();
    let wanted = total_width(&columns);
    // if there is not enough room, columns that can be spared are left out
    for spare in list.spare_columns {
        if total_width(&columns) > max_width
            && let Some(column) = columns.get_mut(*spare)
        {
            *column = 0;
        }
    }
    // the widest columns are narrowed; the first column, which has the names, is narrowed last
    while total_width(&columns) > max_width {
        let (first, others) = columns.split_at_mut(1.min(count));
        let widest = others.iter_mut().max().filter(|widest| **widest > MIN_COLUMN);
        let Some(widest) = widest.or_else(|| first.first_mut().filter(|wide| **wide > 1)) else { break };
        *widest -= 1;
    }
    let inside = total_width(&columns).max(width(&list.title) + 2).max(hints(list).width()).min(max_width);
    let note = if list.note.is_empty() { Vec::new() } else { wrap(&list.note, inside.max(20).min(max_width)) };
    // full texts use the whole width
    let has_full_texts = list.rows.iter().any(|row| !row.full_text.is_empty());
    let inside = note.iter().map(|line| width(line)).fold(if has_full_texts { max_width } else { inside }, usize::max);
    // the lines of the border and, if there is a note, a blank line and the note
    let border_and_note = if note.is_empty() { 2 } else { 3 + note.len() };
    // the number of lines that are free below all rows and a blank line. In a long list, fewer rows are visible, so that a quarter of the height is free
    let room_for_text = usize::from(room).saturating_sub(border_and_note + list.rows.len() + 1);
    let free = room_for_text.max(usize::from(room) / TEXT_SHARE);
    let max_text_lines = match () {
        () if has_full_texts => {
            list.rows.iter().map(|row| full_text(row, &columns, inside, free.min(MAX_TEXT_LINES)).len()).max().unwrap_or(0)
        }
        () if wanted > max_width => MAX_CELL_LINES,
        () => 0,
    };
    let shown = list.rows.get(list.selected).map(|row| full_text(row, &columns, inside, max_text_lines)).unwrap_or_default();
    // with the blank line before the text
    let [text_lines, max_text_lines] = [shown.len(), max_text_lines].map(|lines| if lines > 0 { lines + 1 } else { 0 });
    let mut below: Vec<(String, StyleRole)> = shown.into_iter().map(|line| (line, StyleRole::Plain)).collect();
    if text_lines > 0 && !note.is_empty() {
        below.push((String::new(), StyleRole::Dim));
    }
    below.extend(note.into_iter().map(|line| (line, StyleRole::Dim)));
    let lines = list.rows.len().min(usize::from(room).saturating_sub(border_and_note + max_text_lines)).max(1);
    let cells = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let (wide, high, highest) = (
        cells(inside + 4).min(screen.width),
        cells(lines + border_and_note + text_lines).min(room),
        cells(lines + border_and_note + max_text_lines).min(room),
    );
    // the list is in the middle of the screen, or as much lower as is needed and possible to leave the equation visible. Its first line does not depend on the
    // selected row, so that the rows do not move when another one is selected
    let y = ((room - highest) / 2).max(EQUATION_BOTTOM.min(room - highest));
    let area = Rect { x: screen.x + (screen.width - wide) / 2, y: screen.y + y, width: wide, height: high };
    let rows = Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: cells(lines) }.intersection(area);
    let in_view = usize::from(rows.height);
    let first = list.selected.saturating_sub(in_view / 2).min(list.rows.len().saturating_sub(in_view));
    ListLayout { area, rows, first, columns, below }
}

/// Draws a list.
pub(super) fn render(list: &List, theme: &Theme, screen: Rect, buf: &mut Buffer) {
    let ListLayout { area, rows, first, columns, below } = list_layout(list, screen);
    if area.width < 4 || area.height < 3 {
        return;
    }
    backdrop::clear(area, screen, buf);
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.style(StyleRole::Dim))
        .title(Span::styled(format!(" {} ", cut(&list.title, usize::from(area.width.saturating_sub(6)))), theme.style(StyleRole::Heading)))
        .title_bottom(hints(list).in_border(area).line(theme).right_aligned())
        .render(area, buf);
    for (n, place) in (first..list.rows.len()).zip(rows.rows()) {
        let is_selected = n == list.selected;
        let row = &list.rows[n];
        let cells = columns.iter().zip(row.cells.iter().map(String::as_str).chain(std::iter::repeat("")));
        let text = cells
            .filter(|(wide, _)| **wide > 0)
            .map(|(wide, cell)| align_left(&cut(cell, *wide), *wide))
            .collect::<Vec<_>>()
            .join(&" ".repeat(GAP));
        let mark = if is_selected { "▸" } else { " " };
        let style = theme.style(if is_selected { StyleRole::Step } else { StyleRole::Plain });
        let text = format!("{mark}{text}");
        Line::styled(align_left(&cut(&text, usize::from(place.width)), usize::from(place.width)), style).draw(place, buf);
    }
    let place_below = Rect {
        x: rows.x + 1,
        y: rows.bottom() + 1,
        width: rows.width.saturating_sub(1),
        height: area.bottom().saturating_sub(rows.bottom() + 2),
    };
    for ((line, role), place) in below.iter().zip(place_below.rows()) {
        Line::styled(cut(line, usize::from(place.width)), theme.style(*role)).draw(place, buf);
    }
}

/// Returns the row or the key under a cell of the screen.
pub(super) fn hit(list: &List, screen: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let ListLayout { area, rows, first, .. } = list_layout(list, screen);
    if let Some(key) = hints(list).key_in_border(area, x, y) {
        return Some(ClickTarget::Key(key));
    }
    let row = first + usize::from(y.checked_sub(rows.y)?);
    (rows.contains((x, y).into()) && row < list.rows.len()).then_some(ClickTarget::Row(row))
}
