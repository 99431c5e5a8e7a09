//! The operands and the result in large characters, side by side.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::block_text::{self, FontSize, draw};
use super::{ink, size};
use crate::glyph;
use crate::network::Id;
use crate::scene::{Grid, ShownTensor};
use crate::tensor::shape_on_screen;
use crate::text::{cut, width};
use crate::ui::line::DrawLine as _;
use crate::ui::matrix::{DIFFERENT, Mark, part};
use crate::ui::operands::arrange;
use crate::ui::operands::{self, MarkedEntries};
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// The number of rows and of columns of each matrix that should be visible. If they do not fit, smaller characters are used.
const ENOUGH: usize = 3;

/// Draws the operands and the result. If a matrix does not fit, its part around the entry that this step reads or computes is drawn.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let tensors = view.tensors();
    let marks = operands::marks(view);
    let sizes = size(view, buf.area);
    let fitting = sizes.and_smaller().iter().map(|size| (*size, areas(view, &tensors, *size, area)));
    // the largest characters with which enough rows and columns of all matrices are visible
    let shows_enough = |(size, areas): &(FontSize, Vec<Rect>)| {
        tensors.iter().zip(areas).all(|(shown, area)| Panel::new(view, shown, *size, *area).shows_enough())
    };
    let Some((size, areas)) = fitting.clone().find(shows_enough).or_else(|| fitting.last()) else { return };
    for (shown, area) in tensors.iter().zip(areas).filter(|(_, area)| area.width > 0 && area.height > 1) {
        Panel::new(view, shown, size, area).draw(view, &marks, area, buf);
    }
}

/// Returns the areas of the matrices with characters of this size.
fn areas(view: &StepView<'_>, tensors: &[ShownTensor], size: FontSize, area: Rect) -> Vec<Rect> {
    let requested = |shown: &ShownTensor| {
        let grid = Grid::of(&view.network().tensor(shown.tensor).shape);
        let cell = Cell::of(view, shown.tensor, size);
        // the width and height for at most `most` rows and columns, with one line for the title
        let size_for = |most: usize| {
            let (width, height) = (grid.columns.min(most) * cell.width, grid.rows.min(most) * cell.height + 1);
            [width, height].map(|cells| u16::try_from(cells).unwrap_or(u16::MAX))
        };
        let title_width = u16::try_from(width(&title(view, shown))).unwrap_or(u16::MAX);
        let cell_width = u16::try_from(cell.width).unwrap_or(u16::MAX);
        arrange::RequestedSizes {
            tiers: [size_for(ENOUGH), size_for(2 * ENOUGH), size_for(usize::MAX)],
            gutter: 0,
            cell: cell_width,
            name_width: title_width,
            title_width,
        }
    };
    let requested: Vec<arrange::RequestedSizes> = tensors.iter().map(requested).collect();
    arrange::Candidates::new(&requested, area).best(&requested).areas(&requested).into_vec()
}

/// The size on the screen, in columns and lines, of a number with its brackets and the blanks around it.
#[derive(Clone, Copy)]
struct Cell {
    width: usize,
    height: usize,
    /// The column at which the number begins, behind the opening bracket.
    number_column: usize,
    /// The column of the closing bracket.
    close_column: usize,
}

impl Cell {
    fn of(view: &StepView<'_>, tensor: Id, size: FontSize) -> Self {
        let bracket = size.width("[") + size.gap();
        let number = size.width(&"0".repeat(view.format(tensor).width())) + size.gap();
        Self {
            number_column: bracket,
            close_column: bracket + number,
            width: bracket + number + bracket + size.gap().max(1),
            // rows of ordinary text have no blank line between them
            height: usize::from(size.lines() + u16::from(size != FontSize::Plain)),
        }
    }
}

/// Returns the symbol of a tensor as it is drawn: turned by 180°, or repeated to a larger shape.
fn title(view: &StepView<'_>, shown: &ShownTensor) -> String {
    let title = view.title(shown.tensor);
    match view.repetition(shown.tensor) {
        _ if shown.turned => format!("rot180({title})"),
        // as in the matrices pane: `b  3 as 4×3`
        Some((repetition, _)) => {
            let [own, all] = [&view.network().tensor(shown.tensor).shape[..], repetition.shape()].map(shape_on_screen);
            format!("{title}  {own} as {all}")
        }
        None => title,
    }
}

/// A matrix of a tensor: the size of its characters, and the part of it that is drawn.
struct Panel<'a> {
    shown: &'a ShownTensor,
    grid: Grid,
    size: FontSize,
    cell: Cell,
    /// The index of the matrix among those of the tensor.
    block: usize,
    /// The rows and columns that are drawn.
    rows: Range<usize>,
    columns: Range<usize>,
}

impl<'a> Panel<'a> {
    fn new(view: &StepView<'_>, shown: &'a ShownTensor, size: FontSize, area: Rect) -> Self {
        let grid = Grid::of(&view.network().tensor(shown.tensor).shape);
        let cell = Cell::of(view, shown.tensor, size);
        let columns = usize::from(area.width) / cell.width;
        // one line is for the title; there is no blank line after the last row
        let blank = cell.height - usize::from(size.lines());
        let rows = (usize::from(area.height) + blank).saturating_sub(1) / cell.height;
        let focus = if shown.is_result {
            view.at.entry
        } else {
            view.sources_now().iter().find(|source| source.tensor == shown.tensor).map_or(0, |source| source.at)
        };
        let [block, row, column] = grid.coordinates(focus);
        Self { shown, size, cell, block, rows: window(row, rows, grid.rows), columns: window(column, columns, grid.columns), grid }
    }

    /// Returns whether enough rows and columns are in view.
    fn shows_enough(&self) -> bool {
        self.rows.len() >= self.grid.rows.min(ENOUGH) && self.columns.len() >= self.grid.columns.min(ENOUGH)
    }

    fn draw(&self, view: &StepView<'_>, marks: &MarkedEntries, area: Rect, buf: &mut Buffer) {
        let heading = view.theme.style(StyleRole::Heading);
        Line::styled(cut(&self.title(view), area.width.into()), heading).draw(Rect { height: 1, ..area }, buf);
        let order = |range: &Range<usize>| -> Vec<usize> {
            if self.shown.turned { range.clone().rev().collect() } else { range.clone().collect() }
        };
        for (down, row) in order(&self.rows).into_iter().enumerate() {
            for (right, column) in order(&self.columns).into_iter().enumerate() {
                let at = self.grid.entry([self.block, row, column]);
                let cell = right_and_below(area, right * self.cell.width, 1 + down * self.cell.height);
                self.draw_entry(view, marks.mark(view, self.shown, at), at, cell, buf);
            }
        }
    }

    /// Draws the number of entry `at` with its mark: `[3]` is read by this step, `=3` is being computed, `3≠` differs from the number in the user's gradient
    /// file.
    fn draw_entry(&self, view: &StepView<'_>, mark: Mark, at: usize, cell: Rect, buf: &mut Buffer) {
        let format = view.format(self.shown.tensor);
        let unknown = if self.shown.is_result && at == view.at.entry && view.hides_number() { glyph::HIDDEN } else { glyph::TO_COME };
        let text = view.number(self.shown.tensor, at).map_or_else(|| format.align(unknown), |number| format.cell(number));
        let (brackets, role) = match mark {
            Mark::Step => (["[", "]"], StyleRole::Step),
            Mark::Result => (["=", ""], StyleRole::Result),
            Mark::Entry => (["", ""], StyleRole::Plain),
            Mark::None => (["", ""], StyleRole::Dim),
        };
        let style = ink(view, role);
        let differs = view.compared_entry(self.shown.tensor, at).is_some_and(|user| user.differs);
        let different = DIFFERENT.to_string();
        let last = if differs { (&*different, ink(view, StyleRole::Error)) } else { (brackets[1], style) };
        // the blanks that align a column are as wide as a digit
        let text: String = text.chars().map(|c| if c == ' ' { block_text::BLANK } else { c }).collect();
        for (column, (text, style)) in
            [(0, (brackets[0], style)), (self.cell.number_column, (&*text, style)), (self.cell.close_column, last)]
        {
            draw(text, self.size, style, right_and_below(cell, column, 0), buf);
        }
    }

    /// Returns the title: the symbol, and the part of the tensor that is in view.
    fn title(&self, view: &StepView<'_>) -> String {
        let title = title(view, self.shown);
        let first = view.first_index;
        let in_view = |range: &Range<usize>, all: usize, what: &str| {
            if range.len() == all || range.is_empty() {
                return String::new();
            }
            let plural = if range.len() == 1 { "" } else { "s" };
            format!("  {what}{plural} {} of {}", part::index_range(range, first), part::all_indices(all, first))
        };
        let info = view.network().tensor(self.shown.tensor);
        let [outer, inner] = view.leading_names(info);
        let next = self.block + 1;
        let block = self.block..next;
        // the same text as in the matrices pane
        let block_text = match self.grid.inner {
            _ if self.grid.blocks == 1 => String::new(),
            _ if outer.is_empty() => format!("  {}", part::matrices(&block, &info.shape[..info.shape.len() - 2], first)[0]),
            None => in_view(&block, self.grid.blocks, "channel"),
            Some(1) => in_view(&block, self.grid.blocks, outer),
            Some(inner_count) => format!("  {outer} {}, {inner} {}", self.block / inner_count + first, self.block % inner_count + first),
        };
        format!("{title}{block_text}{}{}", in_view(&self.rows, self.grid.rows, "row"), in_view(&self.columns, self.grid.columns, "column"))
    }
}

/// Returns the part of an area that is right of a number of columns and below a number of lines.
fn right_and_below(area: Rect, column: usize, line: usize) -> Rect {
    let [column, line] = [(column, area.width), (line, area.height)].map(|(n, most)| u16::try_from(n).unwrap_or(u16::MAX).min(most));
    Rect { x: area.x + column, y: area.y + line, width: area.width - column, height: area.height - line }
}

/// Returns `count` of `all` indices, with `at` near their middle.
fn window(at: usize, count: usize, all: usize) -> Range<usize> {
    let count = count.min(all);
    let start = at.saturating_sub(count / 2).min(all - count);
    start..start + count
}
