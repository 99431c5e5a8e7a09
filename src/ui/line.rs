//! Draws texts of one line. Ratatui's widgets look in every text for characters that consist of several code points or take several cells. Most texts of this
//! program have none, and are written cell by cell, which takes a quarter of the time. Ratatui draws the others.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Alignment, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use crate::text::is_simple;

/// A line that can be drawn.
pub(super) trait DrawLine {
    /// Draws the line at the top of an area. It has the same effect as ratatui's [`Widget::render`].
    fn draw(&self, area: Rect, buf: &mut Buffer);
}

impl DrawLine for Line<'_> {
    fn draw(&self, area: Rect, buf: &mut Buffer) {
        let is_left_aligned = self.alignment.is_none_or(|alignment| alignment == Alignment::Left);
        if !is_left_aligned || !self.spans.iter().all(|span| is_simple(&span.content)) {
            return self.render(area, buf);
        }
        let area = area.intersection(buf.area);
        if area.is_empty() || self.spans.iter().all(|span| span.content.is_empty()) {
            return;
        }
        let area = Rect { height: 1, ..area };
        if self.style != Style::default() {
            buf.set_style(area, self.style);
        }
        let mut cells = cells(buf, area).iter_mut();
        for span in &self.spans {
            write(&mut cells, &span.content, span.style);
        }
    }
}

/// Writes a text from the cell (x, y) of the screen on, at most `room` cells wide. Returns the column after the text. It has the same effect as
/// [`Buffer::set_stringn`].
pub(super) fn put_text(buf: &mut Buffer, [x, y]: [u16; 2], text: &str, room: u16, style: Style) -> u16 {
    if !is_simple(text) {
        return buf.set_stringn(x, y, text, room.into(), style).0;
    }
    let area = Rect { x, y, width: room.min(buf.area.right().saturating_sub(x)), height: 1 };
    if area.is_empty() || text.is_empty() {
        return x;
    }
    let mut cells = cells(buf, area).iter_mut();
    write(&mut cells, text, style);
    // the cells that remain are behind the text
    area.right() - u16::try_from(cells.len()).unwrap_or(0)
}

/// Writes a character of one cell into all cells of an area of at most one line.
pub(super) fn fill(buf: &mut Buffer, area: Rect, character: char, style: Style) {
    if area.is_empty() {
        return;
    }
    for cell in cells(buf, area) {
        cell.set_char(character).set_style(style);
    }
}

/// Returns the cells of an area of one line.
fn cells(buf: &mut Buffer, area: Rect) -> &mut [Cell] {
    let first = buf.index_of(area.x, area.y);
    &mut buf.content[first..first + usize::from(area.width)]
}

/// Writes the characters of a text to the next cells, as far as there are cells.
fn write<'a>(cells: &mut impl Iterator<Item = &'a mut Cell>, text: &str, style: Style) {
    // the text comes first: if it ends, no cell is taken
    for (character, cell) in text.chars().zip(cells) {
        // a blank is often written on a blank
        if character != ' ' || cell.symbol() != " " {
            cell.set_char(character);
        }
        cell.set_style(style);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::{Color, Modifier};
    use ratatui::text::Span;

    use super::*;
    use crate::text::is_one_cell;

    /// A buffer that is not empty, so that a cell that is not written differs from a blank.
    fn buffer() -> Buffer {
        let mut buf = Buffer::empty(Rect::new(2, 1, 9, 3));
        for cell in &mut buf.content {
            cell.set_char('#').set_style(Style::new().fg(Color::Red).add_modifier(Modifier::ITALIC));
        }
        buf
    }

    #[test]
    fn a_line_is_drawn_as_by_ratatui() {
        let style = Style::new().bg(Color::Blue).remove_modifier(Modifier::ITALIC);
        let texts =
            ["", "a", "a·b", "a⁽¹⁾₂ − ∂C", "more cells than the area has", "漢x", "e\u{301}x", "\u{301}", "a\tb", "🇩🇪", "👩‍🚀", "∙\u{fe0f}"];
        let areas = [
            Rect::new(2, 1, 9, 3),
            Rect::new(4, 2, 3, 1),
            Rect::new(0, 0, 5, 2),
            Rect::new(9, 3, 9, 9),
            Rect::new(4, 2, 0, 1),
            Rect::new(40, 2, 3, 1),
        ];
        for (first, second, area) in
            texts.iter().flat_map(|first| texts.iter().flat_map(move |second| areas.map(|area| (first, second, area))))
        {
            let line = Line::from(vec![Span::styled(*first, style.bold()), Span::raw(*second)]);
            for line in [line.clone(), line.clone().style(style), line.clone().right_aligned(), line.left_aligned()] {
                let [mut expected, mut drawn] = [buffer(), buffer()];
                (&line).render(area, &mut expected);
                line.draw(area, &mut drawn);
                assert_eq!(drawn, expected, "{line:?} in {area:?}");
            }
        }
    }

    #[test]
    fn a_text_is_written_as_by_ratatui() {
        let style = Style::new().bg(Color::Blue).bold();
        for text in ["", "a", "a·b ", "a⁽¹⁾₂ − ∂C", "more cells than the area has", "漢x", "e\u{301}x", "a\tb"] {
            for (x, y, room) in [(2, 1, 9), (4, 2, 3), (10, 3, 9), (4, 2, 0), (11, 1, 4)] {
                let [mut expected, mut drawn] = [buffer(), buffer()];
                let (end, _) = expected.set_stringn(x, y, text, room.into(), style);
                assert_eq!(put_text(&mut drawn, [x, y], text, room, style), end, "{text} at {x}");
                assert_eq!(drawn, expected, "{text} at {x}");
            }
        }
    }

    #[test]
    fn each_character_of_one_cell_is_drawn_alone() {
        for character in (' '..='\u{2fff}').filter(|character| is_one_cell(*character)) {
            let text = format!("x{character}{character}·");
            let mut buf = Buffer::empty(Rect::new(0, 0, 9, 1));
            let (end, _) = buf.set_stringn(0, 0, &text, 9, Style::new());
            let symbols: Vec<&str> = buf.content[..usize::from(end)].iter().map(Cell::symbol).collect();
            assert_eq!(symbols, ["x", &character.to_string(), &character.to_string(), "·"]);
        }
    }
}
