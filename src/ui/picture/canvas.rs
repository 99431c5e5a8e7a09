//! Draws lines between cells with braille dots: a cell of the screen has 2 columns and 4 rows of dots. Also writes texts into an area, and collects click
//! targets.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::target::{Spot, Spots};
use crate::ui::line::put_text;

/// A canvas: the lines are first collected, and drawn to the screen at the end.
#[derive(Debug)]
pub struct Canvas {
    area: Rect,
    cells: Vec<CanvasCell>,
    /// The strokes of the lines, in the order in which the lines were added.
    strokes: Vec<Stroke>,
}

/// The style of a line.
#[derive(Clone, Copy, Debug)]
pub struct Stroke {
    /// The style of its dots.
    pub style: Style,
    /// The rank, from 1. If several lines go through a cell, it has the style of the line with the highest rank.
    pub rank: u8,
    /// `true` for a line that is two dots wide.
    pub is_thick: bool,
    /// `true` for a line that is drawn with only some of its dots.
    pub is_sparse: bool,
    /// The target of a click on the line.
    pub spot: Option<Spot>,
}

/// A cell of the canvas. It is small, because a canvas has thousands of cells, and most of them stay empty.
#[derive(Clone, Copy, Debug)]
struct CanvasCell {
    /// The dots that are set, as bits of [`DOTS`].
    dots: u8,
    /// The rank of the highest-ranked line through the cell; 0 if there is none.
    rank: u8,
    /// `true` if lines with a lower rank and another style are not drawn in this cell. A thick line hides them, except near its ends.
    hides: bool,
    /// The index of the stroke of the highest-ranked line; 0 if there is no line.
    stroke: u32,
}

/// A thick line does not hide others in the first and last 1 / `END` of its length.
const END: i32 = 4;

/// A sparse line has every second dot.
const SPARSE: i32 = 2;

/// The bit of each dot in its braille pattern, by column and row. Unicode numbers the dots in this order.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

impl Canvas {
    /// Returns an empty canvas over an area.
    #[must_use]
    pub fn new(area: Rect) -> Self {
        let empty = CanvasCell { dots: 0, rank: 0, hides: false, stroke: 0 };
        Self { area, cells: vec![empty; usize::from(area.width) * usize::from(area.height)], strokes: Vec::new() }
    }

    /// Adds a line from the middle of one cell to the middle of another. It is cut at the edges of the area. Cells count from the upper left corner of the
    /// area. If several lines go through a cell, the cell has the dots of all, and the style of the line with the highest rank; if their ranks are equal, that
    /// of the first. A thick line hides lines with a lower rank and another style, except near its ends, where lines meet at a node.
    pub fn line<N: Into<i32>>(&mut self, from: (N, N), to: (N, N), stroke: Stroke) {
        // the left dot of the second row, because no dot is exactly in the middle
        let middle_dot = |(x, y): (N, N)| (x.into() * 2, y.into() * 4 + 1);
        let ((x0, y0), (x1, y1)) = (middle_dot(from), middle_dot(to));
        self.dot_line([x0, y0], [x1, y1], stroke, |n, _| !stroke.is_sparse || n % SPARSE == 0);
    }

    /// Adds a line from one dot to another. It is cut at the edges of the area. Only the dots for which `is_drawn` returns `true` are set. Its arguments are
    /// the number of the dot in the line, and the dot's column.
    pub fn dot_line(&mut self, [x0, y0]: [i32; 2], [x1, y1]: [i32; 2], stroke: Stroke, is_drawn: impl Fn(i32, i32) -> bool) {
        let index = u32::try_from(self.strokes.len()).unwrap_or(u32::MAX);
        self.strokes.push(stroke);
        let steps = (x1 - x0).abs().max((y1 - y0).abs()).max(1);
        for i in 0..=steps {
            // a + (b − a)·i / steps, rounded to the nearest integer
            let interpolated = |a: i32, b: i32| a + ((b - a) * i * 2 + steps * (b - a).signum()) / (2 * steps);
            let (x, y) = (interpolated(x0, x1), interpolated(y0, y1));
            if !is_drawn(i, x) {
                continue;
            }
            let hides = stroke.is_thick && i.min(steps - i) > steps / END;
            self.set_dot(x, y, index, hides);
            if stroke.is_thick {
                self.set_dot(x, y + 1, index, hides);
            }
        }
    }

    /// Sets a dot of the stroke with this index.
    fn set_dot(&mut self, x: i32, y: i32, index: u32, hides: bool) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        let (column, row) = (x / 2, y / 4);
        if column >= usize::from(self.area.width) || row >= usize::from(self.area.height) {
            return;
        }
        let cell = &mut self.cells[row * usize::from(self.area.width) + column];
        let stroke = &self.strokes[index as usize];
        let has_other_style = |cell: &CanvasCell| self.strokes[cell.stroke as usize].style != stroke.style;
        if stroke.rank < cell.rank && cell.hides && has_other_style(cell) {
            return;
        }
        if stroke.rank > cell.rank {
            let dots = if hides && cell.dots != 0 && has_other_style(cell) { 0 } else { cell.dots };
            *cell = CanvasCell { dots, rank: stroke.rank, hides, stroke: index };
        }
        cell.dots |= DOTS[x % 2][y % 4];
    }

    /// Returns the highest rank of the lines through a cell; 0 if there is none.
    pub fn rank(&self, x: u16, y: u16) -> u8 {
        let is_inside = x < self.area.width && y < self.area.height;
        if is_inside { self.cells[usize::from(y) * usize::from(self.area.width) + usize::from(x)].rank } else { 0 }
    }

    /// Draws the lines to the screen, and adds their cells to the click targets.
    pub fn render(&self, buf: &mut Buffer, spots: &mut Spots) {
        let width = usize::from(self.area.width);
        for (i, CanvasCell { dots, stroke, .. }) in self.cells.iter().enumerate().filter(|(_, cell)| cell.dots != 0) {
            let Stroke { style, spot, .. } = &self.strokes[*stroke as usize];
            let (x, y) = (u16::try_from(i % width).unwrap_or(0), u16::try_from(i / width).unwrap_or(0));
            let at = (self.area.x + x, self.area.y + y);
            if let Some(cell) = buf.cell_mut(at) {
                // U+2800 is the empty braille pattern
                cell.set_char(char::from_u32(0x2800 + u32::from(*dots)).unwrap_or(' ')).set_style(*style);
            }
            if let Some(spot) = *spot {
                spots.add(Rect::new(at.0, at.1, 1, 1), spot);
            }
        }
    }
}

/// Writes a text from column `x` on in row `y` of the area, clipped at the right edge of the area.
pub fn text_at(buf: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) {
    if x < area.width && y < area.height {
        put_text(buf, [area.x + x, area.y + y], text, area.width - x, style);
    }
}

/// Writes a text in row `y` of the area that ends just before column `right`.
pub fn text_ending_at(buf: &mut Buffer, area: Rect, right: u16, y: u16, text: &str, style: Style) {
    let wide = u16::try_from(crate::text::width(text)).unwrap_or(u16::MAX).min(right);
    text_at(buf, area, right - wide, y, text, style);
}
