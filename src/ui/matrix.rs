//! A widget that draws a tensor as one or several matrices, with decimal points aligned and the entries of the current step marked.
//!
//! ```text
//! a⁽⁰⁾  3×3
//!    0  1  2
//! 0 ‹1 [2] 0        [ ] a factor of this step
//! 1 ‹0  1› 3        ‹ › read by other terms of the same entry
//! 2  2  1 =1         =  the entry being computed;  ∙ not computed yet;  ░ padding
//! ```
//!
//! A vector is drawn as a column, or as a row if only the height is too small. Channels are drawn side by side, and the filters of a layer in a
//! grid with one row for each output channel. A matrix that does not fit is scrolled so that the focus is in view, and arrows show that there is
//! more. The cost depends on the number of cells in view, not on the size of the tensor.

mod layout;

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use self::layout::{LayoutRequest, MatrixLayout};
use super::theme::{StyleRole, Theme};
use crate::glyph;
use crate::number::Format;
use crate::text::to_right;

/// The relation of an entry to the current step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Not read and not computed.
    #[default]
    None,
    /// Read by another term of the current entry, not by this one: part of its window, row or column.
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
    /// The style of the title, such as that of its pass.
    pub role: StyleRole,
    /// The shape: `[]`, `[n]`, `[h, w]`, `[c, h, w]` or `[o, i, h, w]`; further leading dimensions are flattened into one.
    pub shape: &'a [usize],
    /// The format of the numbers.
    pub format: Format,
    /// Returns the value at a row-major index; `None` if it is not computed yet.
    pub value: &'a dyn Fn(usize) -> Option<f64>,
    /// Returns the mark of the entry at a row-major index.
    pub mark: &'a dyn Fn(usize) -> Mark,
    /// The entry to scroll into view: the step's factor, or the result.
    pub focus: Option<usize>,
    /// The entry under the cursor, if the cursor is on this tensor.
    pub cursor: Option<usize>,
    /// The rows and columns that should be in view with the focus; a vector uses the first range.
    pub around: Option<[Range<usize>; 2]>,
    /// Padding: rows above and below, columns left and right.
    pub padding: [usize; 2],
    /// Draws each matrix rotated by 180°: the last entry first.
    pub turned: bool,
    /// The names of the two leading dimensions of a filter.
    pub leading: [&'static str; 2],
    /// Returns the style of a single entry, such as the colour of a shared weight.
    pub tint: Option<&'a dyn Fn(usize) -> Option<Style>>,
    /// Shows sign and magnitude as a background colour, on a scale that ends at this magnitude.
    pub heat: Option<f64>,
    /// Rows and columns by which the view is scrolled down and right.
    pub scroll: [isize; 2],
}

/// The largest reported width or height: larger than any terminal, yet small enough to add several.
const LARGEST: u16 = u16::MAX / 16;

impl<'a> Matrix<'a> {
    /// Returns a tensor without focus, padding, tint or heat.
    #[must_use]
    pub fn new(
        title: &'a str,
        shape: &'a [usize],
        format: Format,
        value: &'a dyn Fn(usize) -> Option<f64>,
        mark: &'a dyn Fn(usize) -> Mark,
    ) -> Self {
        Self {
            title,
            name: "",
            role: StyleRole::Plain,
            shape,
            format,
            value,
            mark,
            focus: None,
            cursor: None,
            around: None,
            padding: [0, 0],
            turned: false,
            leading: ["out", "in"],
            tint: None,
            heat: None,
            scroll: [0, 0],
        }
    }

    /// Returns the width and height that show the whole tensor, each at most `LARGEST`.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let (width, height) = layout::full_size(&self.request());
        let width = width.max(self.full_name().width() + 2 + self.dimensions().width());
        [width, height].map(|cells| u16::try_from(cells).unwrap_or(LARGEST).min(LARGEST)).into()
    }

    /// Returns the number of lines that the tensor fills in an area.
    #[must_use]
    pub fn height_within(&self, area: Rect) -> u16 {
        MatrixLayout::new(&self.request(), area).map_or(1, |layout| u16::try_from(layout.height()).unwrap_or(u16::MAX))
    }

    /// Returns the row-major index of the entry drawn at a cell, for a matrix rendered into `area`.
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
        if layout.title {
            self.draw_title(Some(&layout), &mut pen);
        }
        for (block, x, y) in layout.blocks() {
            self.draw_block(&layout, block, (x, y), &mut pen);
        }
    }

    fn request(&self) -> LayoutRequest<'_> {
        LayoutRequest {
            shape: self.shape,
            number: self.format.width(),
            padding: self.padding,
            turned: self.turned,
            titled: !self.title.is_empty(),
            focus: self.focus,
            around: self.around.clone(),
            scroll: self.scroll,
        }
    }

    /// Returns the shape as `3×32×32`; empty for a scalar.
    fn dimensions(&self) -> String {
        self.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
    }

    fn full_name(&self) -> String {
        if self.name.is_empty() { self.title.to_owned() } else { format!("{} {}", self.title, self.name) }
    }

    /// Draws as much of symbol, name, shape and visible range as fits. A shape or an index is dropped rather than cut: `3×3` cut from `3×32` would be wrong.
    fn draw_title(&self, layout: Option<&MatrixLayout>, pen: &mut MatrixPen<'_>) {
        let (x, y) = (usize::from(pen.area.x), usize::from(pen.area.y));
        let room = usize::from(pen.area.width);
        let (name, shape) = (self.full_name(), self.dimensions());
        let title = self.title.to_owned();
        let forms: Vec<(&str, String)> = match layout.and_then(|layout| layout.in_view(self.leading)) {
            Some([long, short, least]) => vec![
                (&name, format!("{shape}  {long}")),
                (&name, format!("{shape}  {short}")),
                (&name, short.clone()),
                (&title, format!("{shape}  {short}")),
                (&title, short),
                (&title, least),
                (&name, String::new()),
            ],
            None => vec![(&name, shape.clone()), (&name, String::new()), (&title, shape), (&title, String::new())],
        };
        let wide = |(name, more): &(&str, String)| name.width() + if more.is_empty() { 0 } else { 2 + more.width() };
        let (name, more) = forms.into_iter().find(|form| wide(form) <= room).unwrap_or((&title, String::new()));
        pen.text(x, y, &crate::text::cut(name, room), pen.theme.style(self.role).patch(pen.theme.style(StyleRole::Heading)));
        pen.text(x + name.width() + 2, y, &more, pen.theme.style(StyleRole::Dim));
    }

    fn draw_block(&self, layout: &MatrixLayout, block: usize, (x, y): (usize, usize), pen: &mut MatrixPen<'_>) {
        let dim = pen.theme.style(StyleRole::Dim);
        let marks = |row, col| layout.entry(block, row, col).map_or(Mark::None, |i| (self.mark)(i));
        let width = layout.cols.len * layout.pitch;
        if layout.heading > 0 {
            pen.text(x + 1, y, &heading(layout.address(block), self.leading, width), dim);
        }
        if layout.header > 0 {
            self.draw_header(layout, x, y + layout.heading, pen);
        }
        let first = x == usize::from(pen.area.x) + layout.gutter;
        for (row, y) in layout.rows.range().zip(y + layout.above()..) {
            if first && layout.gutter > 0 {
                let arrow = match () {
                    () if row == layout.rows.start && layout.rows.before() => "↑",
                    () if row + 1 == layout.rows.start + layout.rows.len && layout.rows.after() => "↓",
                    () => " ",
                };
                let index = layout.row(row).map_or(String::new(), |r| r.to_string());
                pen.text(x - layout.gutter, y, &(to_right(&index, layout.gutter - 1) + arrow), dim);
            }
            for (col, x) in layout.cols.range().zip((x..).step_by(layout.pitch)) {
                if !layout.roomy() {
                    pen.text(x, y, "…", dim);
                    continue;
                }
                let Some(entry) = layout.entry(block, row, col) else {
                    pen.text(x + 1, y, &self.format.align("░"), dim);
                    continue;
                };
                let beside = [col.checked_sub(1), Some(col + 1)].map(|c| c.map_or(Mark::None, |c| marks(row, c)));
                self.draw_entry(entry, beside, x, y, pen);
            }
        }
    }

    /// Draws the column indices, each above the units digit of its numbers; if not all fit, every n-th.
    fn draw_header(&self, layout: &MatrixLayout, left: usize, y: usize, pen: &mut MatrixPen<'_>) {
        let dim = pen.theme.style(StyleRole::Dim);
        let (before, after) = (layout.cols.before(), layout.cols.after());
        let every = (layout::digits(layout.cols.of) + 1).div_ceil(layout.pitch);
        // the left arrow is above the row indices, or above the first column if there are none
        let arrow = if layout.gutter > 0 { left - 1 } else { left };
        let free = if before { arrow + 1 } else { left };
        for (col, x) in layout.cols.range().zip((left..).step_by(layout.pitch)) {
            let Some(index) = layout.col(col).filter(|i| i % every == 0) else { continue };
            let index = index.to_string();
            let end = x + 2 + self.format.units();
            if let Some(x) = end.checked_sub(index.len()).filter(|&x| x >= free) {
                pen.text(x, y, &index, dim);
            }
        }
        if before {
            pen.text(arrow, y, "←", dim);
        }
        if after {
            pen.text(left + layout.cols.len * layout.pitch - 1, y, "→", dim);
        }
    }

    fn draw_entry(&self, entry: usize, beside: [Mark; 2], x: usize, y: usize, pen: &mut MatrixPen<'_>) {
        let theme = pen.theme;
        let value = (self.value)(entry);
        let mark = (self.mark)(entry);
        let tint = self.tint.and_then(|tint| tint(entry)).unwrap_or_default();
        let mut number = match value {
            Some(_) => tint,
            None => theme.style(StyleRole::Dim),
        };
        // the marks on either side and their style
        let (marks, style) = match mark {
            Mark::None => {
                let heat = value.zip(self.heat).map_or(Style::new(), |(v, max)| theme.heat(v, max));
                number = number.patch(heat);
                ([' ', ' '], if value.is_some_and(f64::is_finite) { heat } else { Style::new() })
            }
            Mark::Entry => {
                let entry = theme.style(StyleRole::Entry);
                number = entry.patch(number);
                let [open, close] = beside.map(|m| m == Mark::None);
                ([if open { '‹' } else { ' ' }, if close { '›' } else { ' ' }], entry.not_underlined())
            }
            Mark::Step => {
                number = theme.style(StyleRole::Step);
                (['[', ']'], number)
            }
            Mark::Result => {
                number = theme.style(StyleRole::Result);
                (['=', ' '], number.not_underlined())
            }
        };
        let (marks, style) = if self.cursor == Some(entry) {
            number = number.reversed();
            (['{', '}'], style.reversed())
        } else {
            (marks, style)
        };
        let text = value.map_or_else(|| self.format.align(glyph::TO_COME), |v| self.format.cell(v));
        let around = text.chars().map(|c| (c, if c == ' ' { style } else { number }));
        pen.cells(x, y, std::iter::once((marks[0], style)).chain(around).chain([(marks[1], style)]));
    }
}

/// Returns the heading of one matrix among several, in the longest form that fits.
fn heading((outer, inner): (Option<usize>, usize), [first, second]: [&str; 2], width: usize) -> String {
    let (long, short) = match outer {
        Some(outer) => (format!("{first} {outer}, {second} {inner}"), format!("{outer},{inner}")),
        None => (format!("channel {inner}"), format!("{inner}")),
    };
    if long.width() <= width { long } else { format!("[{short}]") }
}

/// Draws into an area, clipped at its edges.
struct MatrixPen<'a> {
    buf: &'a mut Buffer,
    area: Rect,
    theme: &'a Theme,
}

impl MatrixPen<'_> {
    /// Draws characters that are one cell wide each, from a cell on.
    fn cells(&mut self, x: usize, y: usize, cells: impl Iterator<Item = (char, Style)>) {
        let Ok(y) = u16::try_from(y) else { return };
        for (x, (c, style)) in (x..).zip(cells) {
            let Some(position) = u16::try_from(x).ok().map(|x| (x, y)).filter(|&p| self.area.contains(p.into())) else { return };
            if let Some(cell) = self.buf.cell_mut(position) {
                cell.set_char(c).set_style(style);
            }
        }
    }

    fn text(&mut self, x: usize, y: usize, text: &str, style: Style) {
        let (Ok(x), Ok(y)) = (u16::try_from(x), u16::try_from(y)) else { return };
        if x >= self.area.x && x < self.area.right() && y >= self.area.y && y < self.area.bottom() {
            self.buf.set_stringn(x, y, text, usize::from(self.area.right() - x), style);
        }
    }
}

#[cfg(test)]
mod tests;
