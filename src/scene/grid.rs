//! Rows and columns: which entries of a tensor are beside which on the screen.

use crate::network::Id;

/// A tensor of a step as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The tensor.
    pub tensor: Id,
    /// Rows above and below, and columns left and right, that are padding and no entries.
    pub padding: [usize; 2],
    /// Whether it is turned by 180°: each matrix begins with its last entry.
    pub turned: bool,
    /// Whether it is the tensor that the op computes.
    pub is_result: bool,
}

impl Shown {
    /// The entry so many rows down and columns to the right of another one as it is shown; `None` outside of its matrix.
    #[must_use]
    pub fn beside(&self, grid: &Grid, entry: usize, [down, right]: [isize; 2]) -> Option<usize> {
        let way = if self.turned { -1 } else { 1 };
        let [block, row, column] = grid.place(entry);
        let row = row.checked_add_signed(way * down).filter(|row| *row < grid.rows)?;
        let column = column.checked_add_signed(way * right).filter(|column| *column < grid.columns)?;
        Some(grid.entry([block, row, column]))
    }
}

/// A tensor as matrices: the last two dimensions are rows and columns, a vector is one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The number of matrices.
    pub blocks: usize,
    /// The number of matrices in a row of them, for a tensor of four dimensions or more.
    pub inner: Option<usize>,
    /// Rows of a matrix.
    pub rows: usize,
    /// Columns of a matrix.
    pub columns: usize,
}

impl Grid {
    /// The matrices of a tensor of this shape.
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

    /// The matrix, row and column of an entry.
    #[must_use]
    pub fn place(&self, entry: usize) -> [usize; 3] {
        let block = (self.rows * self.columns).max(1);
        [entry / block, entry % block / self.columns.max(1), entry % self.columns.max(1)]
    }

    /// The entry at a matrix, row and column.
    #[must_use]
    pub fn entry(&self, [block, row, column]: [usize; 3]) -> usize {
        (block * self.rows + row) * self.columns + column
    }
}
