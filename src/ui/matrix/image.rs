//! Draws a matrix as an image, with a colour or a shade for each number. Marks in the margins show the rows and columns that the step reads.
//!
//! ```text
//!    ▾▾▼          ▼ a column of this step's factors or result; ▾ a column that only other terms of the same entry read
//! 1–2▸▀▀▀▀▀▀▀▀    half blocks: the upper half of a cell is one number, the lower half the next
//! 3–4▶▀▀▀▀▀▀▀▀    ▸ ▶ the same marks for rows
//! ```
//!
//! If the terminal has too few colours, each number is two cells wide. The second cell has a shade for its absolute value. The first has the cursor, its mark
//! or its minus sign; without any of them, it has the shade too.

use std::ops::Range;

use ratatui::style::{Color, Style};
use ratatui::text::Span;

use super::layout::{self, MatrixLayout};
use super::{DIFFERENT, Mark, Matrix, MatrixPen};
use crate::glyph;
use crate::ui::theme::{StyleRole, Theme};

/// The kind of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// Half blocks: two numbers in a cell, by the colours of the theme.
    HalfBlocks,
    /// Two cells for each number: a mark, a minus sign or the shade, and then the shade.
    Shades,
    /// The same as `Shades`, in ASCII.
    AsciiShades,
}

/// The shades for absolute values from 0 to the largest, in Unicode and in ASCII.
const SHADES: [[char; 5]; 2] = [[' ', '░', '▒', '▓', '█'], [' ', '.', ':', '*', '#']];
/// The number of colours that the legend shows for positive numbers.
const SAMPLES: i32 = 6;
/// The distance between two column indices, in columns of the matrix.
const INDEX_DISTANCE: usize = 5;

impl ImageKind {
    /// Returns the width of an entry, in cells.
    pub(super) fn pitch(self) -> usize {
        if self == Self::HalfBlocks { 1 } else { 2 }
    }

    /// Returns some of the colours or shades, from that of the largest negative number to that of the largest positive one.
    #[must_use]
    pub fn samples(self, theme: &Theme) -> Vec<Span<'static>> {
        if self == Self::HalfBlocks {
            let sample =
                |n: i32| theme.heat_colour(f64::from(n), f64::from(SAMPLES)).map_or(Style::new(), |colour| Style::new().fg(colour));
            return (-SAMPLES..=SAMPLES).map(|n| Span::styled("█", sample(n))).collect();
        }
        let [_, shades @ ..] = SHADES[usize::from(self == Self::AsciiShades)];
        let negative = shades.iter().rev().map(|shade| format!("−{shade} "));
        let positive = shades.iter().map(|shade| format!(" {shade}{shade}"));
        let text: String = negative.chain(["0".to_owned()]).chain(positive).collect();
        vec![Span::styled(text, theme.style(StyleRole::Plain))]
    }

    /// Returns the number of rows that are drawn in one line.
    pub(super) fn rows_per_line(self) -> usize {
        if self == Self::HalfBlocks { 2 } else { 1 }
    }
}

/// The content of a position of the image.
#[derive(Clone, Copy)]
enum Pixel {
    Padding,
    /// A number that is not computed yet.
    ToCome(Mark),
    Number(f64, Mark),
    /// No number: below the last drawn row, or the lower half if each line has one row.
    Outside,
}

impl Pixel {
    fn mark(self) -> Mark {
        match self {
            Self::Number(_, mark) | Self::ToCome(mark) => mark,
            _ => Mark::None,
        }
    }
}

/// Returns the more important of two marks.
fn stronger(one: Mark, other: Mark) -> Mark {
    let rank = |mark: Mark| match mark {
        Mark::None => 0,
        Mark::Entry => 1,
        Mark::Step => 2,
        Mark::Result => 3,
    };
    if rank(other) > rank(one) { other } else { one }
}

impl Matrix<'_> {
    /// Draws one matrix of the tensor as an image. Its upper left corner, to the right of the row indices, is at the cell (x, y).
    pub(super) fn draw_image(&self, kind: ImageKind, layout: &MatrixLayout, block: usize, (x, y): (usize, usize), pen: &mut MatrixPen<'_>) {
        let dim = pen.theme.style(StyleRole::Dim);
        if layout.heading_lines > 0 {
            pen.text(x, y, &self.heading(layout.leading_indices(block), layout.cols.len * layout.pitch), dim);
        }
        let is_leftmost = x == layout.left();
        let mut marked_columns = vec![Mark::None; layout.cols.len];
        let top = y + layout.lines_above();
        for (line, first_row) in layout.rows.range().step_by(layout.per_line).enumerate() {
            let mut marked_row = Mark::None;
            for (n, col) in layout.cols.range().enumerate() {
                let pixels: [Pixel; 2] = std::array::from_fn(|half| {
                    let row = first_row + half;
                    let is_drawn = half < layout.per_line && row < layout.rows.start + layout.rows.len;
                    if is_drawn { self.pixel(layout, block, row, col) } else { Pixel::Outside }
                });
                let mark = stronger(pixels[0].mark(), pixels[1].mark());
                marked_row = stronger(marked_row, mark);
                marked_columns[n] = stronger(marked_columns[n], mark);
                let is_cursor = self.cursor.is_some_and(|cursor| {
                    let mut rows = (first_row..first_row + layout.per_line).take_while(|row| *row < layout.rows.total);
                    rows.any(|row| layout.entry(block, row, col) == Some(cursor))
                });
                let cell = (x + n * layout.pitch, top + line);
                let differs: [bool; 2] = std::array::from_fn(|half| {
                    let entry = layout.entry(block, first_row + half, col).filter(|_| matches!(pixels[half], Pixel::Number(..)));
                    entry.is_some_and(|entry| self.differs.is_some_and(|differs| differs(entry)))
                });
                if kind == ImageKind::HalfBlocks {
                    self.draw_half_blocks((pixels, differs), is_cursor, cell, pen);
                } else {
                    self.draw_shade(kind, (pixels[0], differs[0]), is_cursor, cell, pen);
                }
            }
            if is_leftmost && layout.gutter > 0 {
                draw_row_margin(layout, (first_row, self.first_index), marked_row, (x - layout.gutter, top + line), pen);
            }
        }
        if layout.header_lines > 0 {
            draw_column_margin(layout, self.first_index, &marked_columns, (x, y + layout.heading_lines), pen);
        }
    }

    /// Returns the content at a drawn row and column of a matrix; `block` is the number of the matrix.
    fn pixel(&self, layout: &MatrixLayout, block: usize, row: usize, col: usize) -> Pixel {
        match layout.entry(block, row, col) {
            None => Pixel::Padding,
            Some(entry) => (self.value)(entry).map_or(Pixel::ToCome((self.mark)(entry)), |value| Pixel::Number(value, (self.mark)(entry))),
        }
    }

    /// Draws two numbers of a column in one cell. If this step reads or computes them, they have the colour of the step. If one of them differs from the user's
    /// number, the cell has the mark for this, on the colour of the number that differs. If both differ, it is the colour of the upper one.
    fn draw_half_blocks(
        &self,
        (pixels, differs): ([Pixel; 2], [bool; 2]),
        is_cursor: bool,
        (x, y): (usize, usize),
        pen: &mut MatrixPen<'_>,
    ) {
        let theme = pen.theme;
        let colour = |pixel: Pixel| -> Option<Color> {
            match pixel {
                Pixel::Number(_, Mark::Step | Mark::Result) | Pixel::ToCome(Mark::Step | Mark::Result) => theme.style(StyleRole::Step).bg,
                Pixel::Number(value, _) => theme.heat_colour(value, self.heat.unwrap_or(1.0)),
                _ => None,
            }
        };
        let [upper, lower] = pixels.map(colour);
        let (text, style) = match (upper, lower) {
            (Some(upper), Some(lower)) => ('▀', Style::new().fg(upper).bg(lower)),
            (Some(upper), None) => ('▀', Style::new().fg(upper)),
            (None, Some(lower)) => ('▄', Style::new().fg(lower)),
            (None, None) => {
                let is_padding = matches!(pixels[0], Pixel::Padding);
                let placeholder = if is_padding { '░' } else { glyph::TO_COME.chars().next().unwrap_or(' ') };
                (placeholder, theme.style(StyleRole::Dim))
            }
        };
        let background = if differs[0] { upper } else { lower };
        let error = background.map_or(theme.style(StyleRole::Error), |background| theme.style(StyleRole::Error).bg(background));
        let (text, style) = if differs.contains(&true) { (DIFFERENT, error) } else { (text, style) };
        let cursor = is_cursor.then(|| ('◆', theme.style(StyleRole::Plain).reversed()));
        pen.cells(x, y, std::iter::once(cursor.unwrap_or((text, style))));
    }

    /// Draws a number in two cells. The first has the cursor, its mark or its minus sign, or else its shade. The second has its shade or, if it differs from
    /// the user's number, the mark `≠`.
    fn draw_shade(
        &self,
        kind: ImageKind,
        (pixel, differs): (Pixel, bool),
        is_cursor: bool,
        (x, y): (usize, usize),
        pen: &mut MatrixPen<'_>,
    ) {
        let shades = &SHADES[usize::from(kind == ImageKind::AsciiShades)];
        let theme = pen.theme;
        let (shade, sign_or_shade) = match pixel {
            Pixel::Number(value, _) if !value.is_finite() => ('!', '!'),
            Pixel::Number(value, _) => {
                let shade = shades[shade_of(value, self.heat.unwrap_or(1.0))];
                (shade, if value < 0.0 { '−' } else { shade })
            }
            Pixel::ToCome(_) => (glyph::TO_COME.chars().next().unwrap_or(' '), ' '),
            Pixel::Padding => ('░', '░'),
            Pixel::Outside => (' ', ' '),
        };
        let (first, role) = match pixel.mark() {
            _ if is_cursor => ('{', StyleRole::Step),
            Mark::None => (sign_or_shade, if matches!(pixel, Pixel::Number(..)) { StyleRole::Plain } else { StyleRole::Dim }),
            Mark::Entry => ('‹', StyleRole::Entry),
            Mark::Step => ('[', StyleRole::Step),
            Mark::Result => ('=', StyleRole::Result),
        };
        let style = theme.style(role);
        let second = if differs { (DIFFERENT, theme.style(StyleRole::Error)) } else { (shade, style) };
        pen.cells(x, y, [(first, style), second].into_iter());
    }
}

/// Returns the shade of a number, 0 to 4. Only the number 0 has shade 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 4")]
fn shade_of(value: f64, largest: f64) -> usize {
    if value == 0.0 { 0 } else { ((value.abs() / largest * 4.0).ceil()).clamp(1.0, 4.0) as usize }
}

/// Draws the indices of the rows of one line, which count from `first_index`, beside the line. `mark` is the most important mark in these rows.
fn draw_row_margin(
    layout: &MatrixLayout,
    (first_row, first_index): (usize, usize),
    mark: Mark,
    (x, y): (usize, usize),
    pen: &mut MatrixPen<'_>,
) {
    let dim = pen.theme.style(StyleRole::Dim);
    let rows = (first_row..first_row + layout.per_line).take_while(|row| *row < layout.rows.start + layout.rows.len);
    let indices: Vec<String> = rows.filter_map(|row| layout.row_index(row)).map(|index| (index + first_index).to_string()).collect();
    pen.text(x, y, &crate::text::align_right(&indices.join("–"), layout.gutter - 1), dim);
    let has_hidden_above = first_row == layout.rows.start && layout.rows.has_before();
    let has_hidden_below = first_row + layout.per_line >= layout.rows.start + layout.rows.len && layout.rows.has_after();
    let (text, style) = match mark {
        Mark::None if has_hidden_above => ("↑", dim),
        Mark::None if has_hidden_below => ("↓", dim),
        Mark::None => (" ", dim),
        Mark::Entry => ("▸", pen.theme.style(StyleRole::Plain)),
        Mark::Step | Mark::Result => ("▶", pen.theme.style(StyleRole::Result).not_underlined()),
    };
    pen.text(x + layout.gutter - 1, y, text, style);
}

/// Draws column indices, which count from `first_index`, above the image. `marked` has the most important mark in each column.
fn draw_column_margin(layout: &MatrixLayout, first_index: usize, marked: &[Mark], (left, y): (usize, usize), pen: &mut MatrixPen<'_>) {
    let dim = pen.theme.style(StyleRole::Dim);
    let (plain, step) = (pen.theme.style(StyleRole::Plain), pen.theme.style(StyleRole::Result).not_underlined());
    let end = left + layout.cols.len * layout.pitch;
    // the cells of the drawn indices, with the cells beside them
    let mut labelled = Vec::new();
    // the cells of the arrows have no indices
    let room = left + usize::from(layout.cols.has_before())..end.saturating_sub(usize::from(layout.cols.has_after()));
    // an index must not touch a mark: `15▾▼▾20` cannot be read. So first every fifth index is tried, then any index between the marks, then indices that
    // replace marks
    for (every, replaces_marks) in [(INDEX_DISTANCE, false), (1, false), (INDEX_DISTANCE, true)] {
        // the next choice is tried only if no index was drawn. If the last index is as wide as the distance, or wider, no indices are drawn
        if !labelled.is_empty() || layout::digits(layout.cols.total) >= INDEX_DISTANCE * layout.pitch {
            break;
        }
        for (col, x) in layout.cols.range().zip((left..).step_by(layout.pitch)) {
            let Some(index) = layout.col_index(col).map(|index| index + first_index).filter(|index| index % every == 0) else { continue };
            let index = index.to_string();
            let n = col - layout.cols.start;
            // the columns of the index, and one column on each side
            let touched = n.saturating_sub(1)..(n + index.len().div_ceil(layout.pitch) + 1).min(marked.len());
            let is_free = marked[touched].iter().all(|mark| *mark == Mark::None || replaces_marks && *mark == Mark::Entry);
            let is_apart = labelled.last().is_none_or(|last: &Range<usize>| last.end + layout.pitch <= x);
            if is_free && is_apart && room.start <= x && x + index.len() <= room.end {
                pen.text(x, y, &index, dim);
                labelled.push(x.saturating_sub(layout.pitch)..x + index.len() + 1);
            }
        }
    }
    if layout.cols.has_before() {
        pen.text(left - usize::from(layout.gutter > 0), y, "←", dim);
    }
    if layout.cols.has_after() {
        pen.text(end - 1, y, "→", dim);
    }
    for (mark, x) in marked.iter().zip((left..).step_by(layout.pitch)) {
        match mark {
            Mark::None => {}
            // a mark does not overwrite an index
            Mark::Entry if labelled.iter().any(|label| label.contains(&x)) => {}
            Mark::Entry => pen.text(x, y, if layout.pitch == 1 { "▾" } else { "▾▾" }, plain),
            Mark::Step | Mark::Result => pen.text(x, y, if layout.pitch == 1 { "▼" } else { "▼▼" }, step),
        }
    }
}
