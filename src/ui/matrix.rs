//! A widget that draws a tensor as one or several matrices. Decimal points are aligned, and the entries of the current step are marked.
//!
//! ```text
//! a⁽⁰⁾  3×3
//!    1  2  3
//! 1 ‹1 [2] 0        [ ] a factor of this step
//! 2 ‹0  1› 3        ‹ › read by other terms of the same entry
//! 3  2≠ 1 =1         =  before the entry that is being computed;  ≠  after an entry that is different in the user's gradient file
//! ```
//!
//! Other marks: `∙` not computed yet, `?` hidden by a prediction, `{ }` under the cursor, `░` padding, `┊` a copy that a broadcast makes.
//!
//! A vector is drawn as a column. If the area is wide enough and too low for a column, it is drawn as a row. Channels are drawn side by side. The filters of a
//! layer are drawn in a grid with one row for each output channel. If a matrix does not fit, it is scrolled so that the focus, an entry of this step, is
//! visible; arrows point to the hidden entries. The cost depends on the number of visible cells, not on the size of the tensor.

mod image;
mod layout;
pub(super) mod part;
mod title;

use std::fmt::Write as _;
use std::ops::Range;

use compact_str::CompactString;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

pub use self::image::ImageKind;
use self::layout::{LayoutRequest, MatrixLayout};
use super::line::put_text;
use super::theme::{StyleRole, Theme};
use crate::glyph;
use crate::number::ColumnFormat;
use crate::tensor::{shape_on_screen, width_on_screen};
use crate::text;

/// The relation of an entry to the current step, which decides its mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// No term of the current entry reads it, and it is not the current entry.
    #[default]
    None,
    /// Another term of the current entry reads it, and the term of this step does not.
    Entry,
    /// A factor of this step.
    Step,
    /// The entry being computed.
    Result,
}

/// A tensor to draw. [`Matrix::new`] sets defaults; other fields are set with struct update syntax.
#[derive(Clone)]
pub struct Matrix<'a> {
    /// The symbol above the matrix; empty for no title.
    pub title: &'a str,
    /// The name, which follows the symbol if it fits.
    pub name: &'a str,
    /// The names of the axes, which follow the shape if they fit; empty if the axes have no names.
    pub axes: &'a str,
    /// The role that decides the style of the title, such as the backward pass.
    pub role: StyleRole,
    /// The shape: `[]`, `[n]`, `[h, w]`, `[c, h, w]` or `[o, i, h, w]`. Further leading dimensions are joined to one.
    pub shape: &'a [usize],
    /// The format of the numbers, which aligns their decimal points.
    pub format: ColumnFormat,
    /// Returns the value at a row-major index; `None` if it is not computed yet or hidden by a prediction.
    pub value: &'a dyn Fn(usize) -> Option<f64>,
    /// Returns the mark of the entry at a row-major index.
    pub mark: &'a dyn Fn(usize) -> Mark,
    /// The entry that must be visible: the factor or the result of the step.
    pub focus: Option<usize>,
    /// The entry under the cursor, if the cursor is on this tensor.
    pub cursor: Option<usize>,
    /// The rows and columns that should be visible with the focus. A vector uses the first range.
    pub around: Option<[Range<usize>; 2]>,
    /// The padding around each matrix: the numbers of rows above and below, and the numbers of columns on the left and on the right.
    pub padding: [[usize; 2]; 2],
    /// `true` if each matrix is drawn rotated by 180°, with the last entry first.
    pub turned: bool,
    /// The names of the two leading dimensions of a filter, such as `out` and `in`. Empty for a tensor of a graph, whose matrices have no names.
    pub leading: [&'static str; 2],
    /// Returns the style of a single entry, such as the colour of a shared weight.
    pub tint: Option<&'a dyn Fn(usize) -> Option<Style>>,
    /// Returns whether the entry differs from the number in the user's gradient file; `None` if there is no such number.
    pub differs: Option<&'a dyn Fn(usize) -> bool>,
    /// The absolute value at the end of the colour scale; `None` for no colours. Background colours show the sign and the size of each number.
    pub heat: Option<f64>,
    /// Returns whether an entry is a copy that a broadcast makes of an earlier entry; `None` if there is no broadcast.
    pub is_copy: Option<&'a dyn Fn(usize) -> bool>,
    /// The shape of the tensor before the broadcast; `None` if there is no broadcast.
    pub shape_before_broadcast: Option<&'a [usize]>,
    /// The distance by which the user has scrolled, in rows down and columns to the right.
    pub scroll: [isize; 2],
    /// The kind of image to draw instead of numbers.
    pub image: Option<ImageKind>,
    /// The first index of rows, columns and channels: 1 or 0.
    pub first_index: usize,
    /// The smallest width of the row indices and the blank after them, in cells. Matrices below each other have the same width, so that their numbers begin at
    /// the same column. It is ignored if there is no room.
    pub min_gutter: usize,
}

/// The mark after an entry that differs from the number in the user's gradient file.
pub const DIFFERENT: char = '≠';

/// The mark before an entry that is a copy made by a broadcast.
pub const COPY: char = '┊';

/// The largest width or height that [`Matrix::size`] returns. It is larger than any terminal, and so small that the sum of several does not overflow.
const MAX_SIZE: u16 = u16::MAX / 16;

impl<'a> Matrix<'a> {
    /// Returns a tensor without focus, padding, tint or heat.
    #[must_use]
    pub fn new(
        title: &'a str,
        shape: &'a [usize],
        format: ColumnFormat,
        value: &'a dyn Fn(usize) -> Option<f64>,
        mark: &'a dyn Fn(usize) -> Mark,
    ) -> Self {
        Self {
            title,
            name: "",
            axes: "",
            role: StyleRole::Plain,
            shape,
            format,
            value,
            mark,
            focus: None,
            cursor: None,
            around: None,
            padding: [[0; 2]; 2],
            turned: false,
            leading: ["out", "in"],
            tint: None,
            differs: None,
            heat: None,
            is_copy: None,
            shape_before_broadcast: None,
            scroll: [0, 0],
            image: None,
            first_index: 1,
            min_gutter: 0,
        }
    }

    /// Returns the width and height in cells at which the whole tensor is visible.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let (width, height) = layout::full_size(&self.request_of_size());
        let name = if self.name.is_empty() { 0 } else { 1 + text::width(self.name) };
        let width = width.max(text::width(self.title) + name + 2 + self.dimensions_width(self.shape));
        [width, height].map(|cells| u16::try_from(cells).unwrap_or(MAX_SIZE).min(MAX_SIZE)).into()
    }

    /// Returns the size that [`Self::size`] would return for a tensor of this shape and padding, if it had no title and no name.
    #[must_use]
    pub fn untitled_size(&self, shape: &[usize], padding: [[usize; 2]; 2]) -> (u16, u16) {
        let (width, height) = layout::full_size(&LayoutRequest { shape, padding, has_title: false, ..self.request_of_size() });
        let width = width.max(2 + self.dimensions_width(shape));
        [width, height].map(|cells| u16::try_from(cells).unwrap_or(MAX_SIZE).min(MAX_SIZE)).into()
    }

    /// Returns the number of lines that the tensor fills in an area.
    #[must_use]
    pub fn height_within(&self, area: Rect) -> u16 {
        MatrixLayout::new(&self.request(), area).map_or(1, |layout| u16::try_from(layout.height()).unwrap_or(u16::MAX))
    }

    /// Returns the number of rows of a matrix that are in view in an area.
    #[must_use]
    pub fn rows_within(&self, area: Rect) -> usize {
        MatrixLayout::new(&self.request(), area).map_or(0, |layout| layout.rows.len)
    }

    /// Returns the number of cells of the row indices and the blank after them; 0 if the rows need no indices.
    #[must_use]
    pub fn row_indices_width(&self) -> u16 {
        u16::try_from(layout::row_indices_width(&self.request_of_size())).unwrap_or(MAX_SIZE)
    }

    /// Returns the number of lines that `rows` rows of a matrix fill in an area of this width, with the title and the indices.
    #[must_use]
    pub fn lines_of(&self, rows: usize, width: u16) -> u16 {
        u16::try_from(layout::lines_of(&self.request(), rows, width)).unwrap_or(MAX_SIZE).min(MAX_SIZE)
    }

    /// Returns the row-major index of the entry that is drawn in column `x` and row `y` of the screen, if the tensor is drawn into `area`.
    #[must_use]
    pub fn entry_at(&self, area: Rect, x: u16, y: u16) -> Option<usize> {
        MatrixLayout::new(&self.request(), area)?.entry_at(x, y)
    }

    /// Draws as much of the tensor as fits into an area.
    pub fn render(&self, area: Rect, buf: &mut Buffer, theme: &Theme) {
        let area = area.intersection(buf.area);
        let mut pen = MatrixPen { buf, area, theme };
        let Some(layout) = MatrixLayout::new(&self.request(), area) else {
            self.draw_title(None, &mut pen);
            return;
        };
        if layout.has_title {
            self.draw_title(Some(&layout), &mut pen);
        } else if layout.symbol_cells > 0 {
            pen.text(area.x.into(), area.y.into(), self.title, theme.style(self.role).patch(theme.style(StyleRole::Heading)));
        }
        for (block, x, y) in layout.blocks() {
            match self.image {
                Some(kind) => self.draw_image(kind, &layout, block, (x, y), &mut pen),
                None => self.draw_block(&layout, block, (x, y), &mut pen),
            }
        }
    }

    /// Returns the width of an entry, in cells.
    #[must_use]
    pub fn cell_width(&self) -> usize {
        self.image.map_or(self.format.width() + 2, ImageKind::pitch)
    }

    /// Returns all values on which the layout depends.
    fn request(&self) -> LayoutRequest<'_> {
        LayoutRequest { symbol_width: text::width(self.title), around: self.around.clone(), ..self.request_of_size() }
    }

    /// Returns the same as [`Self::request`] without `symbol_width` and `around`, on which the size of the whole tensor does not depend.
    fn request_of_size(&self) -> LayoutRequest<'_> {
        LayoutRequest {
            shape: self.shape,
            pitch: self.cell_width(),
            per_line: self.image.map_or(1, ImageKind::rows_per_line),
            padding: self.padding,
            turned: self.turned,
            has_title: !self.title.is_empty(),
            symbol_width: 0,
            min_gutter: self.min_gutter,
            focus: self.focus,
            around: None,
            scroll: self.scroll,
            first_index: self.first_index,
        }
    }

    /// Returns the shape as `3×32×32`, or as `32 as 8×32` if a broadcast repeats the tensor; empty for a scalar.
    fn dimensions(&self) -> String {
        match self.shape_before_broadcast {
            Some(own) => format!("{} as {}", shape_on_screen(own), shape_on_screen(self.shape)),
            None if self.shape.is_empty() => String::new(),
            None => shape_on_screen(self.shape),
        }
    }

    /// Returns the width of [`Self::dimensions`] for a tensor of this shape. A frame needs many widths and few texts.
    fn dimensions_width(&self, shape: &[usize]) -> usize {
        match self.shape_before_broadcast {
            Some(own) => width_on_screen(own) + " as ".len() + width_on_screen(shape),
            None if shape.is_empty() => 0,
            None => width_on_screen(shape),
        }
    }

    /// Draws one matrix of the tensor. Its upper left corner, to the right of the row indices, is at the cell (x, y).
    fn draw_block(&self, layout: &MatrixLayout, block: usize, (x, y): (usize, usize), pen: &mut MatrixPen<'_>) {
        let dim = pen.theme.style(StyleRole::Dim);
        let mark_at = |row, col| layout.entry(block, row, col).map_or(Mark::None, |i| (self.mark)(i));
        let width = layout.cols.len * layout.pitch;
        if layout.heading_lines > 0 {
            let heading = self.heading(layout.leading_indices(block), width);
            // the heading begins one cell to the right, above the first number, unless it is as wide as the matrix
            pen.text(x + usize::from(text::width(&heading) < width), y, &heading, dim);
        }
        if layout.header_lines > 0 {
            self.draw_column_indices(layout, x, y + layout.heading_lines, pen);
        }
        // only the leftmost matrices have row indices
        let is_leftmost = x == layout.left();
        for (row, y) in layout.rows.range().zip(y + layout.lines_above()..) {
            if is_leftmost && layout.has_row_indices() {
                let arrow = match () {
                    () if row == layout.rows.start && layout.rows.has_before() => "↑",
                    () if row + 1 == layout.rows.start + layout.rows.len && layout.rows.has_after() => "↓",
                    () => " ",
                };
                pen.text(
                    x - layout.gutter,
                    y,
                    &padded(layout.row_index(row).map(|index| index + self.first_index), layout.gutter - 1),
                    dim,
                );
                pen.text(x - 1, y, arrow, dim);
            }
            for (col, x) in layout.cols.range().zip((x..).step_by(layout.pitch)) {
                if !layout.fits_number() {
                    pen.text(x, y, "…", dim);
                    continue;
                }
                let Some(entry) = layout.entry(block, row, col) else {
                    pen.text(x + 1, y, &self.format.align("░"), dim);
                    continue;
                };
                let neighbours = || [col.checked_sub(1), Some(col + 1)].map(|col| col.map_or(Mark::None, |col| mark_at(row, col)));
                self.draw_entry(entry, neighbours, x, y, pen);
            }
        }
    }

    /// Returns the heading of one matrix among several: `out 2, in 1`, or `(2,1)` if there is less room. `outer` and `inner` are the indices of the matrix in
    /// the leading dimensions, from 0. The numbers in the heading count from `first_index`.
    fn heading(&self, (outer, inner): (Option<usize>, usize), width: usize) -> String {
        if self.leading[0].is_empty() {
            let block = outer.map_or(inner, |outer| outer * self.shape[self.shape.len() - 3] + inner);
            return format!("({})", part::leading_index(block, &self.shape[..self.shape.len() - 2], self.first_index));
        }
        let ([first, second], inner) = (self.leading, inner + self.first_index);
        let (long, short) = match outer.map(|outer| outer + self.first_index) {
            Some(outer) => (format!("{first} {outer}, {second} {inner}"), format!("{outer},{inner}")),
            None => (format!("channel {inner}"), format!("{inner}")),
        };
        if text::width(&long) <= width { long } else { format!("({short})") }
    }

    /// Draws the column indices, each above the units digit of the numbers in its column. If there is no room for all, draws every second one, or every third,
    /// and so on.
    fn draw_column_indices(&self, layout: &MatrixLayout, left: usize, y: usize, pen: &mut MatrixPen<'_>) {
        let dim = pen.theme.style(StyleRole::Dim);
        let (has_before, has_after) = (layout.cols.has_before(), layout.cols.has_after());
        // an index and the blank after it need this number of columns
        let every = (layout::digits(layout.cols.total) + 1).div_ceil(layout.pitch);
        // the arrow to the left is above the row indices; without row indices, it is above the first column
        let arrow = if layout.gutter > 0 { left - 1 } else { left };
        let first_free = if has_before { arrow + 1 } else { left };
        for (col, x) in layout.cols.range().zip((left..).step_by(layout.pitch)) {
            let Some(index) = layout.col_index(col).filter(|i| i % every == 0) else { continue };
            let index = (index + self.first_index).to_string();
            // the first cell is for the mark before the number, and the index ends above the units digit
            let end = x + 2 + self.format.units();
            if let Some(x) = end.checked_sub(index.len()).filter(|&x| x >= first_free) {
                pen.text(x, y, &index, dim);
            }
        }
        if has_before {
            pen.text(arrow, y, "←", dim);
        }
        if has_after {
            pen.text(left + layout.cols.len * layout.pitch - 1, y, "→", dim);
        }
    }

    /// Draws an entry: a mark, the number, and a mark. `neighbours` returns the marks of the entries to the left and to the right.
    fn draw_entry(&self, entry: usize, neighbours: impl Fn() -> [Mark; 2], x: usize, y: usize, pen: &mut MatrixPen<'_>) {
        let theme = pen.theme;
        let value = (self.value)(entry);
        let mark = (self.mark)(entry);
        let tint = self.tint.and_then(|tint| tint(entry)).unwrap_or_default();
        let mut number_style = match value {
            Some(_) => tint,
            None => theme.style(StyleRole::Dim),
        };
        let heat = value.zip(self.heat).map_or(Style::new(), |(v, max)| theme.heat(v, max));
        // the marks before and after the entry, and their style
        let (marks, mark_style) = match mark {
            Mark::None if self.is_copy.is_some_and(|is_copy| is_copy(entry)) => {
                number_style = theme.style(StyleRole::Dim).patch(tint);
                ([COPY, ' '], theme.style(StyleRole::Dim))
            }
            Mark::None => {
                number_style = number_style.patch(heat);
                ([' ', ' '], if value.is_some_and(f64::is_finite) { heat } else { Style::new() })
            }
            Mark::Entry => {
                // the number has the colour of its sign and size, also between marks
                let entry_style = theme.style(StyleRole::Entry);
                number_style = entry_style.patch(number_style).patch(heat);
                // between two marked entries there is no `‹` and no `›`: `‹0  1›`, `‹1 [2]`
                let [opens, closes] = neighbours().map(|neighbour| neighbour == Mark::None);
                ([if opens { '‹' } else { ' ' }, if closes { '›' } else { ' ' }], entry_style.not_underlined())
            }
            Mark::Step => {
                number_style = theme.style(StyleRole::Step);
                (['[', ']'], number_style)
            }
            Mark::Result => {
                number_style = theme.style(StyleRole::Result);
                (['=', ' '], number_style.not_underlined())
            }
        };
        let is_under_cursor = self.cursor == Some(entry);
        if is_under_cursor {
            number_style = number_style.reversed();
        }
        let (marks, mark_style) = if is_under_cursor { (['{', '}'], mark_style.reversed()) } else { (marks, mark_style) };
        // a difference is marked by a sign, because some terminals have no colours
        let differs = value.is_some() && self.differs.is_some_and(|differs| differs(entry));
        let last = if differs { (DIFFERENT, theme.style(StyleRole::Error)) } else { (marks[1], mark_style) };
        // if the current entry has no number, a prediction hides it
        let unknown = if mark == Mark::Result { glyph::HIDDEN } else { glyph::TO_COME };
        let text = value.map_or_else(|| self.format.align(unknown), |v| self.format.cell(v));
        let blank_style = if mark == Mark::Entry && !is_under_cursor { number_style.not_underlined() } else { mark_style };
        // the mark `=` is directly before the number; at the left end of the cell, `9=  −8` would look like an equation
        let blanks = if marks[0] == '=' { text.bytes().take_while(|byte| *byte == b' ').count() } else { 0 };
        let styled = |c: char| (c, if c == ' ' { blank_style } else { number_style });
        let (before, from) = text.split_at(blanks);
        let first = std::iter::once((marks[0], mark_style));
        pen.cells(x, y, before.chars().map(styled).chain(first).chain(from.chars().map(styled)).chain([last]));
    }
}

/// Returns an index, or nothing, with blanks on the left, `cells` cells wide. The text of an index is not on the heap.
fn padded(index: Option<usize>, cells: usize) -> CompactString {
    let digits = index.map_or(0, layout::digits);
    let mut text = CompactString::default();
    text.extend(std::iter::repeat_n(' ', cells.saturating_sub(digits)));
    if let Some(index) = index {
        let _ = write!(text, "{index}"); // writing to a string cannot fail
    }
    text
}

/// Draws into an area, clipped at its edges.
struct MatrixPen<'a> {
    buf: &'a mut Buffer,
    area: Rect,
    theme: &'a Theme,
}

impl MatrixPen<'_> {
    /// Draws characters of one cell each, from a cell to the right.
    fn cells(&mut self, x: usize, y: usize, cells: impl Iterator<Item = (char, Style)>) {
        let (Ok(x), Ok(y)) = (u16::try_from(x), u16::try_from(y)) else { return };
        if x < self.area.x || x >= self.area.right() || y < self.area.y || y >= self.area.bottom() {
            return;
        }
        let first = self.buf.index_of(x, y);
        let room = &mut self.buf.content[first..first + usize::from(self.area.right() - x)];
        for (cell, (c, style)) in room.iter_mut().zip(cells) {
            cell.set_char(c).set_style(style);
        }
    }

    /// Draws a text that begins at a cell.
    fn text(&mut self, x: usize, y: usize, text: &str, style: Style) {
        let (Ok(x), Ok(y)) = (u16::try_from(x), u16::try_from(y)) else { return };
        if x >= self.area.x && x < self.area.right() && y >= self.area.y && y < self.area.bottom() {
            put_text(self.buf, [x, y], text, self.area.right() - x, style);
        }
    }
}

#[cfg(test)]
mod tests;
