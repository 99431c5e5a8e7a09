//! Maps a tensor's entries to rows and columns, which decide the neighbours of an entry on the screen.

use crate::network::Id;

/// A tensor of a step, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The tensor.
    pub tensor: Id,
    /// Padding: rows above and below, columns left and right.
    pub padding: [usize; 2],
    /// `true` if it is rotated by 180°: each matrix begins with its last entry.
    pub turned: bool,
    /// `true` for the tensor that the op computes.
    pub is_result: bool,
}

impl Shown {
    /// Returns the entry `down` rows below and `right` columns to the right of another one on the screen; `None` outside of its matrix.
    #[must_use]
    pub fn beside(&self, grid: &Grid, entry: usize, [down, right]: [isize; 2]) -> Option<usize> {
        let sign = if self.turned { -1 } else { 1 };
        let [block, row, column] = grid.place(entry);
        let row = row.checked_add_signed(sign * down).filter(|row| *row < grid.rows)?;
        let column = column.checked_add_signed(sign * right).filter(|column| *column < grid.columns)?;
        Some(grid.entry([block, row, column]))
    }
}

/// A tensor as matrices: its last two dimensions are rows and columns; a vector is one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The number of matrices.
    pub blocks: usize,
    /// The size of the third last dimension, for a tensor of four dimensions or more: the number of matrices in a row of matrices.
    pub inner: Option<usize>,
    /// The number of rows of a matrix.
    pub rows: usize,
    /// The number of columns of a matrix.
    pub columns: usize,
}

impl Grid {
    /// Returns the matrices of a tensor of this shape.
    #[must_use]
    pub fn of(shape: &[usize]) -> Self {
        let one = Self { blocks: 1, inner: None, rows: 1, columns: 1 };
        match *shape {
            [] => one,
            [rows] => Self { rows, ..one },
            [rows, columns] => Self { rows, columns, ..one },
            [blocks, rows, columns] => Self { blocks, rows, columns, ..one },
            [ref outer @ .., inner, rows, columns] => {
                Self { blocks: outer.iter().product::<usize>() * inner, inner: Some(inner), rows, columns }
            }
        }
    }

    /// Returns the matrix, row and column of an entry.
    #[must_use]
    pub fn place(&self, entry: usize) -> [usize; 3] {
        let block = (self.rows * self.columns).max(1);
        [entry / block, entry % block / self.columns.max(1), entry % self.columns.max(1)]
    }

    /// Returns the entry that follows over the edge of a matrix: sideways in the matrix before or after it, up or down in the row of matrices above or below;
    /// `None` at the edge of the tensor. `by` is one row or one column.
    #[must_use]
    pub fn over_the_edge(&self, entry: usize, [down, right]: [isize; 2], turned: bool) -> Option<usize> {
        let [block, row, column] = self.place(entry);
        let blocks = if right != 0 { right } else { down * isize::try_from(self.inner?).ok()? };
        let block = block.checked_add_signed(blocks).filter(|block| *block < self.blocks)?;
        let far = |by: isize, count: usize| if (by < 0) == turned { 0 } else { count - 1 };
        let place = if right != 0 { [block, row, far(right, self.columns)] } else { [block, far(down, self.rows), column] };
        Some(self.entry(place))
    }

    /// Returns the entry at a matrix, row and column.
    #[must_use]
    pub fn entry(&self, [block, row, column]: [usize; 3]) -> usize {
        (block * self.rows + row) * self.columns + column
    }
}
