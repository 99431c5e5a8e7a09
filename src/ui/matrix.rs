//! A tensor as a matrix, or several: the numbers, aligned by their points, and what they are to the current step.
//!
//! ```text
//! a⁽⁰⁾  3×3
//!    0  1  2
//! 0 ‹1 [2] 0        [ ] a factor of this step
//! 1 ‹0  1› 3        ‹ › what belongs to this entry
//! 2  2  1 =1         =  the entry being computed;  ∙ not computed yet;  ░ padding
//! ```
//!
//! A vector stands as a column, and lies where only the height is short. Channels stand side by side, the filters of a layer
//! in a grid, a row for each output channel. What does not fit is scrolled so that the focus is in view; arrows tell that there is more.
//! The cost is that of the cells in view, whatever the size of the tensor.

mod layout;

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use self::layout::{Layout, Wanted};
use super::theme::{Role, Theme};
use crate::glyph;
use crate::number::Format;
use crate::text::to_right;

/// What an entry is to the current step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    #[default]
    None,
    /// It belongs to the whole current entry: the window, the row, the column.
    Entry,
    /// It is a factor of this step.
    Step,
    /// It is what is being computed.
    Result,
}

/// A tensor to be drawn. [`Matrix::new`] gives the plain case; the other fields are set by struct update.
#[derive(Clone)]
pub struct Matrix<'a> {
    /// Its symbol, over it; empty for no title.
    pub title: &'a str,
    /// Its name and its shape follow where there is room.
    pub name: &'a str,
    /// The style of the title: its pass, say.
    pub role: Role,
    /// Its shape: `[]`, `[n]`, `[h, w]`, `[c, h, w]`, `[o, i, h, w]`; more leading dimensions count as one.
    pub shape: &'a [usize],
    /// How its numbers are shown.
    pub format: Format,
    /// The entry of a flat, row-major index; none: not computed yet.
    pub value: &'a dyn Fn(usize) -> Option<f64>,
    /// What an entry is to the step.
    pub mark: &'a dyn Fn(usize) -> Mark,
    /// The entry that has to be in view: the step's factor, or the result.
    pub focus: Option<usize>,
    /// The rows and columns that should be in view with it; of a vector the first range counts.
    pub around: Option<[Range<usize>; 2]>,
    /// Rows above and below, columns left and right that are padding and no entries.
    pub padding: [usize; 2],
    /// Drawn turned by 180°: the last entry of each matrix first.
    pub turned: bool,
    /// What the two leading dimensions of a filter count.
    pub leading: [&'static str; 2],
    /// A style of an entry's own, such as the colour of a shared weight.
    pub tint: Option<&'a dyn Fn(usize) -> Option<Style>>,
    /// Sign and magnitude as a background, on a scale that ends at this magnitude.
    pub heat: Option<f64>,
    /// Rows and columns by which the view is moved down and right.
    pub scroll: [isize; 2],
}

/// More cells than a terminal is wide or high.
const LARGEST: u16 = u16::MAX / 16;

impl<'a> Matrix<'a> {
    /// A tensor without focus, padding, tint and heat.
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
            role: Role::Plain,
            shape,
            format,
            value,
            mark,
            focus: None,
            around: None,
            padding: [0, 0],
            turned: false,
            leading: ["out", "in"],
            tint: None,
            heat: None,
            scroll: [0, 0],
        }
    }

    /// The width and height that show all of it; of what no terminal has as much as leaves room to reckon with several.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let (width, height) = layout::full_size(&self.wanted());
        let width = width.max(self.full_name().width() + 2 + self.dimensions().width());
        [width, height].map(|cells| u16::try_from(cells).unwrap_or(LARGEST).min(LARGEST)).into()
    }

    /// The lines of an area that it fills.
    #[must_use]
    pub fn height_within(&self, area: Rect) -> u16 {
        Layout::new(&self.wanted(), area).map_or(1, |layout| u16::try_from(layout.height()).unwrap_or(u16::MAX))
    }

    /// The flat index of the entry drawn at a cell, for a matrix rendered into `area`.
    #[must_use]
    pub fn entry_at(&self, area: Rect, x: u16, y: u16) -> Option<usize> {
        Layout::new(&self.wanted(), area)?.entry_at(x, y)
    }

    /// Draws what fits of it into an area.
    pub fn render(&self, area: Rect, buf: &mut Buffer, theme: &Theme) {
        let area = area.intersection(buf.area);
        let mut pen = Pen { buf, area, theme };
        let Some(layout) = Layout::new(&self.wanted(), area) else {
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

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
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

    /// `3×32×32`; nothing for a scalar.
    fn dimensions(&self) -> String {
        self.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
    }

    fn full_name(&self) -> String {
        if self.name.is_empty() { self.title.to_owned() } else { format!("{} {}", self.title, self.name) }
    }

    /// What fits of symbol, name, shape and what is in view of it; a shape or an index that is cut would be a false one.
    fn draw_title(&self, layout: Option<&Layout>, pen: &mut Pen<'_>) {
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
        pen.text(x, y, &crate::text::cut(name, room), pen.theme.style(self.role).patch(pen.theme.style(Role::Heading)));
        pen.text(x + name.width() + 2, y, &more, pen.theme.style(Role::Dim));
    }

    fn draw_block(&self, layout: &Layout, block: usize, (x, y): (usize, usize), pen: &mut Pen<'_>) {
        let dim = pen.theme.style(Role::Dim);
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

    /// The indices of the columns, each over the units of its numbers; some where there is no room for all.
    fn draw_header(&self, layout: &Layout, left: usize, y: usize, pen: &mut Pen<'_>) {
        let dim = pen.theme.style(Role::Dim);
        let (before, after) = (layout.cols.before(), layout.cols.after());
        let every = (layout::digits(layout.cols.of) + 1).div_ceil(layout.pitch);
        // The arrow to the left stands beside the row indices, and over the first column where there are none.
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

    fn draw_entry(&self, entry: usize, beside: [Mark; 2], x: usize, y: usize, pen: &mut Pen<'_>) {
        let theme = pen.theme;
        let value = (self.value)(entry);
        let mark = (self.mark)(entry);
        let tint = self.tint.and_then(|tint| tint(entry)).unwrap_or_default();
        let mut number = match value {
            Some(_) => tint,
            None => theme.style(Role::Dim),
        };
        // The style of the number, and of the cells around it.
        let (marks, style) = match mark {
            Mark::None => {
                let heat = value.zip(self.heat).map_or(Style::new(), |(v, max)| theme.heat(v, max));
                number = number.patch(heat);
                ([' ', ' '], if value.is_some_and(f64::is_finite) { heat } else { Style::new() })
            }
            Mark::Entry => {
                let entry = theme.style(Role::Entry);
                number = entry.patch(number);
                let [open, close] = beside.map(|m| m == Mark::None);
                ([if open { '‹' } else { ' ' }, if close { '›' } else { ' ' }], entry.not_underlined())
            }
            Mark::Step => {
                number = theme.style(Role::Step);
                (['[', ']'], number)
            }
            Mark::Result => {
                number = theme.style(Role::Result);
                (['=', ' '], number.not_underlined())
            }
        };
        let text = value.map_or_else(|| self.format.align(glyph::TO_COME), |v| self.format.cell(v));
        let around = text.chars().map(|c| (c, if c == ' ' { style } else { number }));
        pen.cells(x, y, std::iter::once((marks[0], style)).chain(around).chain([(marks[1], style)]));
    }
}

/// What a matrix among several is called, as far as there is room.
fn heading((outer, inner): (Option<usize>, usize), [first, second]: [&str; 2], width: usize) -> String {
    let (long, short) = match outer {
        Some(outer) => (format!("{first} {outer}, {second} {inner}"), format!("{outer},{inner}")),
        None => (format!("channel {inner}"), format!("{inner}")),
    };
    if long.width() <= width { long } else { format!("[{short}]") }
}

/// Draws into an area and never outside it.
struct Pen<'a> {
    buf: &'a mut Buffer,
    area: Rect,
    theme: &'a Theme,
}

impl Pen<'_> {
    /// Characters of one cell each, from a cell on.
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
