//! Where each entry of a tensor stands: what fits into an area, and which part of it is in view.

use std::ops::Range;

use ratatui::layout::Rect;

use crate::scene::Grid;

/// Cells between two matrices side by side.
const GAP: usize = 2;

/// What a layout depends on.
pub(super) struct Wanted<'a> {
    pub shape: &'a [usize],
    /// Cells of a number.
    pub number: usize,
    pub padding: [usize; 2],
    pub turned: bool,
    pub titled: bool,
    pub focus: Option<usize>,
    /// Rows and columns that should be in view with the focus.
    pub around: Option<[Range<usize>; 2]>,
    /// Rows and columns to look further down and right.
    pub scroll: [isize; 2],
}

/// A part of a row of things that is in view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub start: usize,
    pub len: usize,
    pub of: usize,
}

impl Window {
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

    /// `len` of `of`, with the wanted ones in view; it moves in leaps, so that a step seldom moves the picture.
    fn over(of: usize, len: usize, wanted: Option<Range<usize>>, focus: usize, scroll: isize) -> Self {
        let len = len.min(of);
        let wanted = wanted.filter(|w| w.contains(&focus) && w.len() <= len).unwrap_or(focus..focus + 1);
        let spare = len.saturating_sub(wanted.len());
        let leap = spare.div_ceil(2).max(1);
        let context = usize::from(spare >= 2);
        let start = wanted.start.saturating_sub(context) / leap * leap;
        let last = of - len;
        Self { start: start.min(last).saturating_add_signed(scroll).min(last), len, of }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The matrices as they are drawn.
    dims: Grid,
    padding: [usize; 2],
    turned: bool,
    area: Rect,
    pub title: bool,
    /// Lines over each matrix that say which it is: 0 or 1.
    pub heading: usize,
    /// Lines of column indices: 0 or 1.
    pub header: usize,
    /// Cells for the row indices.
    pub gutter: usize,
    /// Cells of an entry: its number and a mark on either side.
    pub pitch: usize,
    pub rows: Window,
    pub cols: Window,
    /// Rows of matrices, and matrices of a row.
    pub grid: [Window; 2],
    per_row: usize,
}

/// The size that shows everything, in cells: width and height without the title's width.
pub(super) fn full_size(wanted: &Wanted<'_>) -> (usize, usize) {
    let (dims, padding) = dims(wanted, false);
    let (h, w) = (dims.rows + 2 * padding[0], dims.columns + 2 * padding[1]);
    let across = dims.inner.unwrap_or(dims.blocks);
    let down = dims.blocks.checked_div(across).unwrap_or(0);
    let heading = usize::from(dims.blocks > 1);
    let width = gutter(&dims) + across.saturating_mul(w.saturating_mul(wanted.number + 2) + GAP).saturating_sub(GAP);
    let height = down.saturating_mul(heading + usize::from(dims.columns > 1) + h + 1).saturating_sub(1);
    (width, height + usize::from(wanted.titled))
}

/// The matrices as they are drawn, and the padding that applies; a vector may lie.
fn dims(wanted: &Wanted<'_>, lying: bool) -> (Grid, [usize; 2]) {
    let grid = Grid::of(wanted.shape);
    let grid = if lying { Grid { rows: grid.columns, columns: grid.rows, ..grid } } else { grid };
    (grid, if wanted.shape.len() > 1 { wanted.padding } else { [0, 0] })
}

fn gutter(dims: &Grid) -> usize {
    if dims.rows > 1 { digits(dims.rows - 1) + 1 } else { 0 }
}

pub(super) fn digits(n: usize) -> usize {
    n.checked_ilog10().map_or(1, |d| d as usize + 1)
}

impl Layout {
    /// None where there is no cell or no entry.
    pub fn new(wanted: &Wanted<'_>, area: Rect) -> Option<Self> {
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        if width == 0 || height == 0 || wanted.shape.contains(&0) {
            return None;
        }
        let title = wanted.titled && height > 1;
        let height = height - usize::from(title);
        let pitch = wanted.number + 2;
        let lying = matches!(*wanted.shape, [n] if n > height && width / pitch > height);
        let (dims, padding) = dims(wanted, lying);
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
        // one of several alone is named by the title
        let alone = title && per_row == 1 && rows(heading).2 == 1;
        let heading = if alone { 0 } else { heading };
        let (header, room, lines) = rows(heading);
        let lines = if alone { 1 } else { lines };
        let across = dims.inner.unwrap_or(per_row);
        let down = dims.blocks.div_ceil(across);

        let focus = wanted.focus.unwrap_or(0).min(dims.blocks * dims.rows * dims.columns - 1);
        let [block, row, col] = dims.place(focus);
        let around = wanted.around.clone().map(|[r, c]| if lying { [c, r] } else { [r, c] });
        let [around_rows, around_cols] = around.map_or([None, None], |a| a.map(Some));
        let shown = |i: usize, n: usize, pad: usize| pad + if wanted.turned { n - 1 - i } else { i };
        let range = |r: Range<usize>, n: usize, pad: usize| {
            let r = r.start.min(n)..r.end.min(n);
            if wanted.turned { pad + n - r.end..pad + n - r.start } else { pad + r.start..pad + r.end }
        };
        let focused = wanted.focus.is_some();
        let view = |of, len, around: Option<Range<usize>>, i, n, pad, scroll| {
            let (around, i) = if focused { (around.map(|r| range(r, n, pad)), shown(i, n, pad)) } else { (None, 0) };
            Window::over(of, len, around, i, scroll)
        };
        Some(Self {
            rows: view(h, room, around_rows, row, dims.rows, padding[0], wanted.scroll[0]),
            cols: view(w, (width / pitch).max(1), around_cols, col, dims.columns, padding[1], wanted.scroll[1]),
            grid: [Window::over(down, lines, None, block / across, 0), Window::over(across, per_row, None, block % across, 0)],
            per_row: across,
            turned: wanted.turned,
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

    /// The matrices in view: which, and where their upper left corner is, headings included.
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

    /// Lines over the first row of a matrix.
    pub fn above(&self) -> usize {
        self.heading + self.header
    }

    /// From one matrix to the next, right and down.
    fn step(&self) -> (usize, usize) {
        (self.cols.len * self.pitch + GAP, self.above() + self.rows.len + 1)
    }

    /// The lines that it fills.
    pub fn height(&self) -> usize {
        usize::from(self.title) + (self.grid[0].len * self.step().1).saturating_sub(1)
    }

    /// Whether a number has room at all.
    pub fn roomy(&self) -> bool {
        self.gutter + self.pitch <= usize::from(self.area.width)
    }

    /// The index of a row as drawn; none in the padding.
    pub fn row(&self, shown: usize) -> Option<usize> {
        index(shown, self.padding[0], self.dims.rows, self.turned)
    }

    /// The index of a column as drawn; none in the padding.
    pub fn col(&self, shown: usize) -> Option<usize> {
        index(shown, self.padding[1], self.dims.columns, self.turned)
    }

    /// The flat index of what is drawn in a row and a column of a matrix; none in the padding and beyond it.
    pub fn entry(&self, block: usize, row: usize, col: usize) -> Option<usize> {
        Some(self.dims.entry([block, self.row(row)?, self.col(col)?]))
    }

    /// The place of a matrix within the tensor: `[channel]` or `[out, in]`.
    pub fn address(&self, block: usize) -> (Option<usize>, usize) {
        match self.dims.inner {
            Some(inner) => (Some(block / inner), block % inner),
            None => (None, block),
        }
    }

    /// Which of its matrices are in view, in three lengths; `None` when all are.
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

    /// The entry under a cell of the screen.
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
