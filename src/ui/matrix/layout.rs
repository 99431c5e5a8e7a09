//! Computes the cell of each entry of a tensor in an area, and the part of the tensor that is in view.

use std::ops::Range;

use ratatui::layout::Rect;

use crate::scene::Grid;

/// Cells between two matrices side by side.
const GAP: usize = 2;

/// The inputs of a layout.
pub(super) struct LayoutRequest<'a> {
    pub shape: &'a [usize],
    /// The width of a number, in cells.
    pub number: usize,
    pub padding: [usize; 2],
    pub turned: bool,
    pub titled: bool,
    pub focus: Option<usize>,
    /// Rows and columns that should be in view with the focus.
    pub around: Option<[Range<usize>; 2]>,
    /// Rows and columns by which the view is scrolled down and right.
    pub scroll: [isize; 2],
}

/// The visible part of a sequence: `len` items from `start`, out of `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VisibleRange {
    pub start: usize,
    pub len: usize,
    pub of: usize,
}

impl VisibleRange {
    pub fn range(self) -> Range<usize> {
        self.start..self.start + self.len
    }

    pub fn before(self) -> bool {
        self.start > 0
    }

    pub fn after(self) -> bool {
        self.start + self.len < self.of
    }

    pub fn partial(self) -> bool {
        self.len < self.of
    }

    /// Returns `len` of `of` items, with `around` in view. The start moves in jumps, so that a step seldom moves the picture.
    fn over(of: usize, len: usize, around: Option<Range<usize>>, focus: usize, scroll: isize) -> Self {
        let len = len.min(of);
        let around = around.filter(|w| w.contains(&focus) && w.len() <= len).unwrap_or(focus..focus + 1);
        let spare = len.saturating_sub(around.len());
        let leap = spare.div_ceil(2).max(1);
        let context = usize::from(spare >= 2);
        let start = around.start.saturating_sub(context) / leap * leap;
        let last = of - len;
        Self { start: start.min(last).saturating_add_signed(scroll).min(last), len, of }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MatrixLayout {
    /// The matrices as they are drawn.
    dims: Grid,
    padding: [usize; 2],
    turned: bool,
    area: Rect,
    pub title: bool,
    /// Lines above each matrix for its indices in the tensor: 0 or 1.
    pub heading: usize,
    /// Lines of column indices: 0 or 1.
    pub header: usize,
    /// The width of the row indices, in cells.
    pub gutter: usize,
    /// The width of an entry, in cells: its number and a mark on either side.
    pub pitch: usize,
    pub rows: VisibleRange,
    pub cols: VisibleRange,
    /// The visible rows of matrices, and the visible matrices of a row.
    pub grid: [VisibleRange; 2],
    per_row: usize,
}

/// Returns the width and height that show the whole tensor, in cells. The title counts for the height only.
pub(super) fn full_size(request: &LayoutRequest<'_>) -> (usize, usize) {
    let (dims, padding) = dims(request, false);
    let (h, w) = (dims.rows + 2 * padding[0], dims.columns + 2 * padding[1]);
    let across = dims.inner.unwrap_or(dims.blocks);
    let down = dims.blocks.checked_div(across).unwrap_or(0);
    let heading = usize::from(dims.blocks > 1);
    let width = gutter(&dims) + across.saturating_mul(w.saturating_mul(request.number + 2) + GAP).saturating_sub(GAP);
    let height = down.saturating_mul(heading + usize::from(dims.columns > 1) + h + 1).saturating_sub(1);
    (width, height + usize::from(request.titled))
}

/// Returns the matrices as they are drawn, and their padding. `lying` draws a vector as a row.
fn dims(request: &LayoutRequest<'_>, lying: bool) -> (Grid, [usize; 2]) {
    let grid = Grid::of(request.shape);
    let grid = if lying { Grid { rows: grid.columns, columns: grid.rows, ..grid } } else { grid };
    (grid, if request.shape.len() > 1 { request.padding } else { [0, 0] })
}

fn gutter(dims: &Grid) -> usize {
    if dims.rows > 1 { digits(dims.rows - 1) + 1 } else { 0 }
}

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
        let title = request.titled && height > 1;
        let height = height - usize::from(title);
        let pitch = request.number + 2;
        let lying = matches!(*request.shape, [n] if n > height && width / pitch > height);
        let (dims, padding) = dims(request, lying);
        let (h, w) = (dims.rows + 2 * padding[0], dims.columns + 2 * padding[1]);

        let gutter = Some(gutter(&dims)).filter(|g| width >= g + pitch).unwrap_or(0);
        let width = width - gutter;
        let per_row = if w * pitch > width { 1 } else { ((width + GAP) / (w * pitch + GAP)).min(dims.inner.unwrap_or(dims.blocks)) };
        let rows = |heading: usize| {
            let header = usize::from(dims.columns > 1 && height > heading + h.min(2));
            let room = height - heading - header;
            (header, room, if h > room { 1 } else { (height + 1) / (heading + header + h + 1) })
        };
        let heading = usize::from(dims.blocks > 1 && height > 2);
        // if a single matrix of several is in view, the title names it
        let alone = title && per_row == 1 && rows(heading).2 == 1;
        let heading = if alone { 0 } else { heading };
        let (header, room, lines) = rows(heading);
        let lines = if alone { 1 } else { lines };
        let across = dims.inner.unwrap_or(per_row);
        let down = dims.blocks.div_ceil(across);

        let focus = request.focus.unwrap_or(0).min(dims.blocks * dims.rows * dims.columns - 1);
        let [block, row, col] = dims.place(focus);
        let around = request.around.clone().map(|[r, c]| if lying { [c, r] } else { [r, c] });
        let [around_rows, around_cols] = around.map_or([None, None], |a| a.map(Some));
        let shown = |i: usize, n: usize, pad: usize| pad + if request.turned { n - 1 - i } else { i };
        let range = |r: Range<usize>, n: usize, pad: usize| {
            let r = r.start.min(n)..r.end.min(n);
            if request.turned { pad + n - r.end..pad + n - r.start } else { pad + r.start..pad + r.end }
        };
        let focused = request.focus.is_some();
        let view = |of, len, around: Option<Range<usize>>, i, n, pad, scroll| {
            let (around, i) = if focused { (around.map(|r| range(r, n, pad)), shown(i, n, pad)) } else { (None, 0) };
            VisibleRange::over(of, len, around, i, scroll)
        };
        Some(Self {
            rows: view(h, room, around_rows, row, dims.rows, padding[0], request.scroll[0]),
            cols: view(w, (width / pitch).max(1), around_cols, col, dims.columns, padding[1], request.scroll[1]),
            grid: [VisibleRange::over(down, lines, None, block / across, 0), VisibleRange::over(across, per_row, None, block % across, 0)],
            per_row: across,
            turned: request.turned,
            dims,
            padding,
            area,
            title,
            heading,
            header,
            gutter,
            pitch,
        })
    }

    /// Returns the matrices in view: the number of each, and the cell of its upper left corner with its heading.
    pub fn blocks(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let [down, across] = self.grid;
        down.range().zip(0..).flat_map(move |(r, i)| {
            across.range().zip(0..).filter_map(move |(c, j)| {
                let block = r * self.per_row + c;
                let (w, h) = self.step();
                (block < self.dims.blocks).then_some((block, self.left() + j * w, self.top() + i * h))
            })
        })
    }

    fn left(&self) -> usize {
        usize::from(self.area.x) + self.gutter
    }

    fn top(&self) -> usize {
        usize::from(self.area.y) + usize::from(self.title)
    }

    /// Returns the number of lines above the first row of a matrix.
    pub fn above(&self) -> usize {
        self.heading + self.header
    }

    /// Returns the distance from one matrix to the next, right and down.
    fn step(&self) -> (usize, usize) {
        (self.cols.len * self.pitch + GAP, self.above() + self.rows.len + 1)
    }

    /// Returns the number of lines that the layout fills.
    pub fn height(&self) -> usize {
        usize::from(self.title) + (self.grid[0].len * self.step().1).saturating_sub(1)
    }

    /// Returns whether a single number fits.
    pub fn roomy(&self) -> bool {
        self.gutter + self.pitch <= usize::from(self.area.width)
    }

    /// Returns the index of a drawn row; `None` in the padding.
    pub fn row(&self, shown: usize) -> Option<usize> {
        index(shown, self.padding[0], self.dims.rows, self.turned)
    }

    /// Returns the index of a drawn column; `None` in the padding.
    pub fn col(&self, shown: usize) -> Option<usize> {
        index(shown, self.padding[1], self.dims.columns, self.turned)
    }

    /// Returns the row-major index of the entry drawn in a row and a column of a matrix; `None` in the padding and beyond it.
    pub fn entry(&self, block: usize, row: usize, col: usize) -> Option<usize> {
        Some(self.dims.entry([block, self.row(row)?, self.col(col)?]))
    }

    /// Returns the leading indices of a matrix in the tensor: `[channel]` or `[out, in]`.
    pub fn address(&self, block: usize) -> (Option<usize>, usize) {
        match self.dims.inner {
            Some(inner) => (Some(block / inner), block % inner),
            None => (None, block),
        }
    }

    /// Returns a text for the matrices in view, in three lengths; `None` if all are in view.
    pub fn in_view(&self, [first, second]: [&str; 2]) -> Option<[String; 3]> {
        let [down, across] = self.grid;
        if !down.partial() && !across.partial() {
            return None;
        }
        let range = |from: usize, len: usize| if len > 1 { format!("{from}–{}", from + len - 1) } else { from.to_string() };
        if self.dims.inner.is_some() {
            let [outer, inner] = [down, across].map(|window| range(window.start, window.len));
            let long = format!("{first} {outer}, {second} {inner}");
            return Some([long.clone(), long, format!("[{outer},{inner}]")]);
        }
        let n = self.dims.blocks;
        let from = down.start * self.per_row;
        let to = ((down.start + down.len) * self.per_row).min(n);
        let shown = range(from, to - from);
        let short = if to - from > 1 { format!("channels {shown}") } else { format!("channel {shown}") };
        Some([format!("{short} of {n}"), short, format!("[{shown}]")])
    }

    /// Returns the entry under a cell of the screen.
    pub fn entry_at(&self, x: u16, y: u16) -> Option<usize> {
        let (x, y) = (usize::from(x), usize::from(y));
        if x >= usize::from(self.area.right()) || y >= usize::from(self.area.bottom()) {
            return None;
        }
        let (x, y) = (x.checked_sub(self.left())?, y.checked_sub(self.top())?);
        let (across, down) = self.step();
        let (right, below) = (x / across, y / down);
        let (col, row) = (x % across / self.pitch, (y % down).checked_sub(self.above())?);
        let block = (self.grid[0].start + below) * self.per_row + self.grid[1].start + right;
        let inside =
            below < self.grid[0].len && right < self.grid[1].len && col < self.cols.len && row < self.rows.len && block < self.dims.blocks;
        inside.then(|| self.entry(block, self.rows.start + row, self.cols.start + col)).flatten()
    }
}

fn index(shown: usize, padding: usize, n: usize, turned: bool) -> Option<usize> {
    let i = shown.checked_sub(padding).filter(|&i| i < n)?;
    Some(if turned { n - 1 - i } else { i })
}
