//! Computes the positions of a tensor's entries in an area, and the part of the tensor that is visible.
//!
//! ```text
//! a  4×2×2  channels 2–3     the title, with the range of matrices in view
//!    (2)       (3)           a heading line for each row of matrices
//!     1   2     1   2        a header line: the column indices
//! 1   4   5     8   9        the gutter on the left has the row indices 1 and 2; the entries are 4 to 11
//! 2   6   7    10  11        the pitch is the width of an entry, 4 cells
//! ```

use std::ops::Range;

use ratatui::layout::Rect;

use super::part;
use crate::scene::Grid;

/// The number of cells between two matrices that are side by side.
const GAP: usize = 2;

/// The values on which a layout depends. The fields without a description have one in [`super::Matrix`].
pub(super) struct LayoutRequest<'a> {
    pub shape: &'a [usize],
    /// The width of an entry, in cells: its number and a mark on either side, or its part of an image.
    pub pitch: usize,
    /// The number of rows that are drawn in one line: 2 in an image of half-block characters, otherwise 1.
    pub per_line: usize,
    pub padding: [[usize; 2]; 2],
    pub turned: bool,
    pub has_title: bool,
    /// The width of the symbol in the title, in cells.
    pub symbol_width: usize,
    pub min_gutter: usize,
    pub focus: Option<usize>,
    pub around: Option<[Range<usize>; 2]>,
    pub scroll: [isize; 2],
    pub first_index: usize,
}

/// The visible part of a sequence of `total` items: `len` items from `start` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VisibleRange {
    pub start: usize,
    pub len: usize,
    pub total: usize,
}

impl VisibleRange {
    pub fn range(self) -> Range<usize> {
        self.start..self.start + self.len
    }

    /// Returns whether items before the range are hidden.
    pub fn has_before(self) -> bool {
        self.start > 0
    }

    /// Returns whether items after the range are hidden.
    pub fn has_after(self) -> bool {
        self.start + self.len < self.total
    }

    /// Returns whether any items are hidden.
    pub fn is_partial(self) -> bool {
        self.len < self.total
    }

    /// Returns a range of `len` items, scrolled by `scroll` items. Without scrolling, it contains the item `focus`. It contains all items of `around` if the
    /// focus is one of them and all fit.
    ///
    /// Without scrolling, the start is a multiple of half of the items that are visible beside `around`, or the last possible start. So the view does not move
    /// at every step. For example, if 5 of 20 items are visible, 4 of them beside the focus, the start is 0, 2, 4, …, 14 or 15.
    fn over(total: usize, len: usize, around: Option<Range<usize>>, focus: usize, scroll: isize) -> Self {
        let len = len.min(total);
        let around = around.filter(|around| around.contains(&focus) && around.len() <= len).unwrap_or(focus..focus + 1);
        let spare = len.saturating_sub(around.len());
        let leap = spare.div_ceil(2).max(1);
        // if there is room, one item before `around` is visible too
        let context = usize::from(spare >= 2);
        let start = around.start.saturating_sub(context) / leap * leap;
        let last = total - len;
        Self { start: start.min(last).saturating_add_signed(scroll).min(last), len, total }
    }
}

/// The layout of a tensor in an area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MatrixLayout {
    /// The number of matrices, visible or not, and the rows and columns of each as they are drawn.
    dims: Grid,
    padding: [[usize; 2]; 2],
    turned: bool,
    area: Rect,
    pub has_title: bool,
    /// The number of cells for the symbol to the left of the matrix, if the area is one line high and so has no title; otherwise 0.
    pub symbol_cells: usize,
    /// The number of lines above each matrix for its leading indices, such as `(2)`: 0 or 1.
    pub heading_lines: usize,
    /// The number of lines for column indices, below the heading: 0 or 1.
    pub header_lines: usize,
    /// The number of cells that are reserved for the row indices and the blank after them.
    pub gutter: usize,
    /// `true` if rows need indices. There may be no room for them.
    needs_indices: bool,
    /// The width of an entry, in cells.
    pub pitch: usize,
    /// The number of rows that are drawn in one line.
    pub per_line: usize,
    /// The visible rows of each matrix, including the padding.
    pub rows: VisibleRange,
    pub cols: VisibleRange,
    /// The matrices are arranged in a grid. These are the visible rows and the visible columns of the grid.
    pub visible_blocks: [VisibleRange; 2],
    /// The number of matrices in a row of the grid, visible or not.
    per_row: usize,
    /// The sizes of all dimensions but the last two.
    leading: Vec<usize>,
}

/// Returns the width and height that show the whole tensor, in cells. The width of the title is ignored.
pub(super) fn full_size(request: &LayoutRequest<'_>) -> (usize, usize) {
    let (dims, padding) = dims(request, false);
    let (h, w) = (dims.rows + padding[0][0] + padding[0][1], dims.columns + padding[1][0] + padding[1][1]);
    let across = per_row(&dims).unwrap_or(dims.blocks);
    let down = dims.blocks.checked_div(across).unwrap_or(0);
    let heading = usize::from(dims.blocks > 1);
    let width = gutter(&dims, request) + across.saturating_mul(w.saturating_mul(request.pitch) + GAP).saturating_sub(GAP);
    let lines = h.div_ceil(request.per_line);
    let height = down.saturating_mul(heading + usize::from(dims.columns > 1) + lines + 1).saturating_sub(1);
    (width, height + usize::from(request.has_title))
}

/// Returns the number of lines that show `rows` rows of a matrix in an area of this width, with the title, the column indices and, if several matrices fit side
/// by side, the heading.
pub(super) fn lines_of(request: &LayoutRequest<'_>, rows: usize, width: u16) -> usize {
    let (dims, _) = dims(request, false);
    let lines = usize::from(request.has_title) + usize::from(dims.columns > 1) + rows.div_ceil(request.per_line);
    // with a line for the heading
    let area = Rect { width, height: u16::try_from(lines + 1).unwrap_or(u16::MAX), ..Rect::default() };
    let heading =
        MatrixLayout::new(request, area).filter(|layout| layout.visible_blocks[1].len > 1).map_or(0, |layout| layout.heading_lines);
    lines + heading
}

/// Returns the number of matrices, their rows and columns, and the padding around each. A vector is one row if `is_lying`, otherwise one column.
fn dims(request: &LayoutRequest<'_>, is_lying: bool) -> (Grid, [[usize; 2]; 2]) {
    let grid = Grid::of(request.shape);
    let grid = if is_lying { Grid { rows: grid.columns, columns: grid.rows, ..grid } } else { grid };
    (grid, if request.shape.len() > 1 { request.padding } else { [[0; 2]; 2] })
}

/// Returns the number of matrices in a row of the grid, if the shape decides it: for filters, it is the number of input channels. Returns `None` if the width
/// of the area decides it, as for filters with one input channel and for tensors with fewer than four axes.
fn per_row(dims: &Grid) -> Option<usize> {
    dims.inner.filter(|inner| *inner > 1)
}

/// Returns the number of cells of the row indices and the blank after them; 0 if the rows need no indices. A line with two rows has both indices: `1–2`.
fn gutter(dims: &Grid, request: &LayoutRequest<'_>) -> usize {
    let digits = digits((dims.rows + request.first_index).saturating_sub(1));
    // one cell after each index: a dash or, after the last one, the blank
    if needs_row_indices(dims, request.shape) { (digits + 1) * request.per_line } else { 0 }
}

/// Returns whether rows need indices. Only a scalar, and a vector that is one row, need none.
fn needs_row_indices(dims: &Grid, shape: &[usize]) -> bool {
    dims.rows > 1 || shape.len() > 1
}

/// Returns [`gutter`] for a tensor whose vectors are columns.
pub(super) fn row_indices_width(request: &LayoutRequest<'_>) -> usize {
    gutter(&dims(request, false).0, request)
}

/// Returns two numbers for a width: the number of matrices that fit side by side, and the number of columns of each that fit.
fn columns_within(width: usize, columns: usize, pitch: usize) -> (usize, usize) {
    let all = columns * pitch;
    if all > width { (1, width / pitch) } else { ((width + GAP) / (all + GAP), columns) }
}

/// Returns the number of decimal digits.
pub(super) fn digits(n: usize) -> usize {
    n.checked_ilog10().map_or(1, |d| d as usize + 1)
}

impl MatrixLayout {
    /// Returns the layout; `None` if the area has no cells or the tensor no entries.
    pub fn new(request: &LayoutRequest<'_>, area: Rect) -> Option<Self> {
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        if width == 0 || height == 0 || request.shape.contains(&0) {
            return None;
        }
        let has_title = request.has_title && height > 1;
        let height = height - usize::from(has_title);
        let (pitch, per_line) = (request.pitch, request.per_line);
        // a vector is drawn as a row if not all of it fits into a column, and more of it fits into a row
        let is_lying = matches!(*request.shape, [n] if n > height && width / pitch > height);
        let (dims, padding) = dims(request, is_lying);
        let (h, w) = (dims.rows + padding[0][0] + padding[0][1], dims.columns + padding[1][0] + padding[1][1]);
        let h_lines = h.div_ceil(per_line);
        let needs_indices = needs_row_indices(&dims, request.shape);
        // a single row has an index only if the index hides none of its numbers
        let has_room = |gutter: &usize| {
            width >= gutter + pitch && (dims.rows > 1 || columns_within(width - gutter, w, pitch) == columns_within(width, w, pitch))
        };
        let gutter = Some(gutter(&dims, request)).filter(has_room).unwrap_or(0);
        let symbol_cells = if request.has_title && !has_title { request.symbol_width + 1 } else { 0 };
        let symbol_cells = Some(symbol_cells).filter(|cells| width >= cells + gutter + pitch).unwrap_or(0);
        // a wider gutter is used only if it hides no numbers
        let fitting = |gutter: usize| columns_within(width.saturating_sub(gutter + symbol_cells), w, pitch);
        let hides_none = |wider: &usize| width >= wider + symbol_cells + pitch && fitting(*wider) == fitting(gutter);
        let gutter = Some(gutter.max(request.min_gutter)).filter(hides_none).unwrap_or(gutter);
        let width = width - gutter - symbol_cells;
        let fitting_matrices = columns_within(width, w, pitch).0.min(per_row(&dims).unwrap_or(dims.blocks));
        // for a number of heading lines: the number of header lines, the number of lines for the rows of a matrix, and the number of matrices below each other
        let vertical = |heading_lines: usize| {
            let header_lines = usize::from(dims.columns > 1 && height > heading_lines + 1);
            let row_lines = height - heading_lines - header_lines;
            // a blank line is between two matrices
            let block_rows = if h_lines > row_lines { 1 } else { (height + 1) / (heading_lines + header_lines + h_lines + 1) };
            (header_lines, row_lines, block_rows)
        };
        let heading_lines = usize::from(dims.blocks > 1 && height > 2);
        // if only one of several matrices is visible, the title names it, and there is no heading
        let is_alone = has_title && fitting_matrices == 1 && vertical(heading_lines).2 == 1;
        let heading_lines = if is_alone { 0 } else { heading_lines };
        let (header_lines, row_lines, block_rows) = vertical(heading_lines);
        // without the heading, there can be room for a second matrix, but the title names only one
        let block_rows = if is_alone { 1 } else { block_rows };
        let across = per_row(&dims).unwrap_or(fitting_matrices);
        let down = dims.blocks.div_ceil(across);

        let focus = request.focus.unwrap_or(0).min(dims.blocks * dims.rows * dims.columns - 1);
        let [block, row, col] = dims.coordinates(focus);
        let around = request.around.clone().map(|[rows, cols]| if is_lying { [cols, rows] } else { [rows, cols] });
        let [around_rows, around_cols] = around.map_or([None, None], |ranges| ranges.map(Some));
        let drawn = |range, n, pad| drawn_range(range, n, pad, request.turned);
        let has_focus = request.focus.is_some();
        // the visible range of the rows (or columns): `len` of `total` rows are visible, both with the padding; the focus is in row i of n, which are without
        // the padding; `pad` rows of padding come before row 0
        let view = |total, len, around: Option<Range<usize>>, i, n, pad, scroll| {
            let (around, i) = if has_focus { (around.map(|range| drawn(range, n, pad)), drawn(i..i + 1, n, pad).start) } else { (None, 0) };
            VisibleRange::over(total, len, around, i, scroll)
        };
        Some(Self {
            rows: view(h, row_lines * per_line, around_rows, row, dims.rows, padding[0][0], request.scroll[0]),
            cols: view(w, (width / pitch).max(1), around_cols, col, dims.columns, padding[1][0], request.scroll[1]),
            visible_blocks: [
                VisibleRange::over(down, block_rows, None, block / across, 0),
                VisibleRange::over(across, fitting_matrices, None, block % across, 0),
            ],
            per_row: across,
            leading: request.shape[..request.shape.len().saturating_sub(2)].to_vec(),
            turned: request.turned,
            dims,
            padding,
            area,
            has_title,
            symbol_cells,
            heading_lines,
            header_lines,
            gutter,
            needs_indices,
            pitch,
            per_line,
        })
    }

    /// Returns the matrices in view, each as three numbers: its index, and the column x and the row y of its upper left corner on the screen, where its heading
    /// begins.
    pub fn blocks(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let [down, across] = self.visible_blocks;
        down.range().enumerate().flat_map(move |(i, block_row)| {
            across.range().enumerate().filter_map(move |(j, block_col)| {
                let block = block_row * self.per_row + block_col;
                let (block_width, block_height) = self.block_distance();
                (block < self.dims.blocks).then_some((block, self.left() + j * block_width, self.top() + i * block_height))
            })
        })
    }

    /// Returns the first column of the screen to the right of the row indices.
    pub fn left(&self) -> usize {
        usize::from(self.area.x) + self.symbol_cells + self.gutter
    }

    /// Returns the first row of the screen below the title.
    fn top(&self) -> usize {
        usize::from(self.area.y) + usize::from(self.has_title)
    }

    /// Returns the number of lines above the first row of a matrix.
    pub fn lines_above(&self) -> usize {
        self.heading_lines + self.header_lines
    }

    /// Returns the distance from one matrix to the next on the right, and to the next below.
    fn block_distance(&self) -> (usize, usize) {
        (self.cols.len * self.pitch + GAP, self.lines_above() + self.rows.len.div_ceil(self.per_line) + 1)
    }

    /// Returns the number of lines that the layout fills.
    pub fn height(&self) -> usize {
        usize::from(self.has_title) + (self.visible_blocks[0].len * self.block_distance().1).saturating_sub(1)
    }

    /// Returns whether the area is wide enough for one number.
    pub fn fits_number(&self) -> bool {
        self.symbol_cells + self.gutter + self.pitch <= usize::from(self.area.width)
    }

    /// Returns whether row indices are drawn.
    pub fn has_row_indices(&self) -> bool {
        self.gutter > 0 && self.needs_indices
    }

    /// Returns the index of a drawn row in the tensor; `None` in the padding.
    pub fn row_index(&self, drawn: usize) -> Option<usize> {
        index(drawn, self.padding[0][0], self.dims.rows, self.turned)
    }

    /// Returns the index of a drawn column in the tensor; `None` in the padding.
    pub fn col_index(&self, drawn: usize) -> Option<usize> {
        index(drawn, self.padding[1][0], self.dims.columns, self.turned)
    }

    /// Returns the row-major index of the entry drawn in a row and a column of a matrix; `None` in the padding and outside of the matrix.
    pub fn entry(&self, block: usize, row: usize, col: usize) -> Option<usize> {
        Some(self.dims.entry([block, self.row_index(row)?, self.col_index(col)?]))
    }

    /// Returns the leading indices of a matrix in the tensor: `(None, channel)` or `(Some(out), in)`.
    pub fn leading_indices(&self, block: usize) -> (Option<usize>, usize) {
        match self.dims.inner {
            Some(inner) => (Some(block / inner), block % inner),
            None => (None, block),
        }
    }

    /// Returns the range of visible matrices as a text in three lengths: `channels 2–3 of 4`, `channels 2–3` and `(2–3)`. Returns `None` if all matrices are
    /// visible. The first matrix has the number `first_index`; if it is 0, the same matrices are `channels 1–2 of 0–3`. `first` and `second` are the names of
    /// the leading dimensions of a filter; for a tensor of a graph, they are empty.
    pub fn range_in_view(&self, [first, second]: [&str; 2], first_index: usize) -> Option<[String; 3]> {
        let [down, across] = self.visible_blocks;
        if !down.is_partial() && !across.is_partial() {
            return None;
        }
        if first.is_empty() {
            return Some(self.matrices_in_view(first_index));
        }
        let range = |from: usize, len: usize| part::index_range(&(from..from + len), first_index);
        if self.dims.inner.is_some_and(|inner| inner > 1) {
            let [outer, inner] = [down, across].map(|window| range(window.start, window.len));
            let long = format!("{first} {outer}, {second} {inner}");
            return Some([long.clone(), long, format!("({outer},{inner})")]);
        }
        let n = self.dims.blocks;
        let from = down.start * self.per_row;
        let to = ((down.start + down.len) * self.per_row).min(n);
        let shown = range(from, to - from);
        let short = match (self.dims.inner, to - from) {
            (Some(_), _) => format!("{first} {shown}"),
            (None, 1) => format!("channel {shown}"),
            (None, _) => format!("channels {shown}"),
        };
        Some([format!("{short} of {}", part::all_indices(n, first_index)), short, format!("({shown})")])
    }

    /// Returns the three texts of [`MatrixLayout::range_in_view`] for a tensor of a graph. The longest is, for example, `matrix 2,1 of 3×4`.
    fn matrices_in_view(&self, first_index: usize) -> [String; 3] {
        let [down, across] = self.visible_blocks;
        let from = down.start * self.per_row + across.start;
        let end = (down.start + down.len - 1) * self.per_row + across.start + across.len;
        part::matrices(&(from..end), &self.leading, first_index)
    }

    /// Returns the rows and columns in view as a text: `rows 2–7, columns 1–9`. Returns `None` if all of them, or only padding, are in view. Indices count from
    /// `first_index`.
    pub fn rows_and_columns_in_view(&self, first_index: usize) -> Option<String> {
        if !self.rows.is_partial() && !self.cols.is_partial() {
            return None;
        }
        let range = |indices: &mut dyn Iterator<Item = usize>| {
            let indices: Vec<usize> = indices.collect();
            Some(format!("{}–{}", indices.iter().min()? + first_index, indices.iter().max()? + first_index))
        };
        let rows = range(&mut self.rows.range().filter_map(|row| self.row_index(row)))?;
        let columns = range(&mut self.cols.range().filter_map(|col| self.col_index(col)))?;
        Some(format!("rows {rows}, columns {columns}"))
    }

    /// Returns the row-major index of the entry in column `x` and row `y` of the screen; `None` if there is no entry. In a cell with two entries, it is the
    /// upper one.
    pub fn entry_at(&self, x: u16, y: u16) -> Option<usize> {
        let (x, y) = (usize::from(x), usize::from(y));
        if x >= usize::from(self.area.right()) || y >= usize::from(self.area.bottom()) {
            return None;
        }
        let (x, y) = (x.checked_sub(self.left())?, y.checked_sub(self.top())?);
        let (block_width, block_height) = self.block_distance();
        let (block_col, block_row) = (x / block_width, y / block_height);
        let (col, row) = (x % block_width / self.pitch, (y % block_height).checked_sub(self.lines_above())? * self.per_line);
        let [down, across] = self.visible_blocks;
        let block = (down.start + block_row) * self.per_row + across.start + block_col;
        let is_block = block_row < down.len && block_col < across.len && block < self.dims.blocks;
        let is_inside = is_block && col < self.cols.len && row < self.rows.len;
        is_inside.then(|| self.entry(block, self.rows.start + row, self.cols.start + col)).flatten()
    }
}

/// Returns the index in the tensor of a drawn row or column; `None` in the padding. `n` is the number of rows or columns without the padding.
fn index(drawn: usize, padding: usize, n: usize, turned: bool) -> Option<usize> {
    let i = drawn.checked_sub(padding).filter(|&i| i < n)?;
    Some(if turned { n - 1 - i } else { i })
}

/// Returns where the rows (or columns) in `range` are drawn. A matrix has `n` rows, and `pad` rows of padding are drawn before them. If the matrix is rotated,
/// the order of the rows is reversed.
fn drawn_range(range: Range<usize>, n: usize, pad: usize, is_turned: bool) -> Range<usize> {
    let (start, end) = (range.start.min(n), range.end.min(n));
    if is_turned { pad + n - end..pad + n - start } else { pad + start..pad + end }
}
