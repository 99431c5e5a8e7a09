//! Draws lines between cells with the dots of braille patterns: each cell of the screen has 2 × 4 dots.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// A canvas for lines.
#[derive(Debug)]
pub struct Canvas {
    area: Rect,
    /// The dots of each cell, with the rank and style of the highest-ranked line through it.
    cells: Vec<(u8, u8, Style)>,
}

/// The bit of a dot in its cell, by column and row.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

impl Canvas {
    /// Returns an empty canvas over an area.
    #[must_use]
    pub fn new(area: Rect) -> Self {
        Self { area, cells: vec![(0, 0, Style::new()); usize::from(area.width) * usize::from(area.height)] }
    }

    /// Adds a line from the middle of one cell to the middle of another, relative to the area and clipped at its edges. In a cell that several lines
    /// cross, only those of the highest rank are shown. A thick line is two dots wide.
    pub fn line<N: Into<i32>>(&mut self, from: (N, N), to: (N, N), style: Style, rank: u8, thick: bool) {
        let dot = |(x, y): (N, N)| (x.into() * 2, y.into() * 4 + 1);
        let ((x0, y0), (x1, y1)) = (dot(from), dot(to));
        let steps = (x1 - x0).abs().max((y1 - y0).abs()).max(1);
        for i in 0..=steps {
            // rounded to the nearest dot
            let at = |a: i32, b: i32| a + ((b - a) * i * 2 + steps * (b - a).signum()) / (2 * steps);
            let (x, y) = (at(x0, x1), at(y0, y1));
            self.dot(x, y, style, rank);
            if thick {
                self.dot(x, y + 1, style, rank);
            }
        }
    }

    fn dot(&mut self, x: i32, y: i32, style: Style, rank: u8) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        let (column, row) = (x / 2, y / 4);
        if column >= usize::from(self.area.width) || row >= usize::from(self.area.height) {
            return;
        }
        let cell = &mut self.cells[row * usize::from(self.area.width) + column];
        if rank > cell.1 {
            // the dots of lower-ranked lines are erased
            *cell = (0, rank, style);
        }
        if rank >= cell.1 {
            cell.0 |= DOTS[x % 2][y % 4];
        }
    }

    /// Draws the lines.
    pub fn render(&self, buf: &mut Buffer) {
        let width = usize::from(self.area.width);
        for (i, (dots, _, style)) in self.cells.iter().enumerate().filter(|(_, cell)| cell.0 != 0) {
            let (x, y) = (u16::try_from(i % width).unwrap_or(0), u16::try_from(i / width).unwrap_or(0));
            if let Some(cell) = buf.cell_mut((self.area.x + x, self.area.y + y)) {
                cell.set_char(char::from_u32(0x2800 + u32::from(*dots)).unwrap_or(' ')).set_style(*style);
            }
        }
    }
}

/// Writes a text from a column of the area on, clipped at the area's edge.
pub fn text_at(buf: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) {
    if x < area.width && y < area.height {
        buf.set_stringn(area.x + x, area.y + y, text, usize::from(area.width - x), style);
    }
}

/// Writes a text that ends before a column of the area.
pub fn text_ending_at(buf: &mut Buffer, area: Rect, right: u16, y: u16, text: &str, style: Style) {
    let wide = u16::try_from(crate::text::width(text)).unwrap_or(u16::MAX).min(right);
    text_at(buf, area, right - wide, y, text, style);
}
