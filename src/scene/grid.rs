//! A tensor as matrices on the screen. The last two dimensions are rows and columns: a tensor of shape `[2, 3, 4]` is two matrices of three rows and four
//! columns. Two entries are neighbours if they are neighbours in a matrix.

use crate::network::Id;

/// A tensor of a step, with the way in which the screen shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownTensor {
    /// The tensor.
    pub tensor: Id,
    /// The padding around each matrix: the numbers of rows above and below, then the numbers of columns on the left and on the right.
    pub padding: [[usize; 2]; 2],
    /// `true` if each matrix is rotated by 180°, so that it begins with its last entry.
    pub turned: bool,
    /// `true` for the tensor that the op computes.
    pub is_result: bool,
}

impl ShownTensor {
    /// Returns the entry that is `down` rows below and `right` columns to the right of `entry` on the screen; negative numbers are above and to the left.
    /// Returns `None` if the matrix of `entry` has no such entry.
    #[must_use]
    pub fn neighbour(&self, grid: &Grid, entry: usize, [down, right]: [isize; 2]) -> Option<usize> {
        let sign = if self.turned { -1 } else { 1 };
        let [block, row, column] = grid.coordinates(entry);
        let row = row.checked_add_signed(sign * down).filter(|row| *row < grid.rows)?;
        let column = column.checked_add_signed(sign * right).filter(|column| *column < grid.columns)?;
        Some(grid.entry([block, row, column]))
    }
}

/// The matrices of a tensor. A vector is one matrix with one column, and a scalar is one matrix with one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The number of matrices.
    pub blocks: usize,
    /// The size of the third dimension from the end, if there are at least four dimensions. If it is greater than 1, it is the number of matrices that are
    /// drawn in one row.
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
        let scalar = Self { blocks: 1, inner: None, rows: 1, columns: 1 };
        match *shape {
            [] => scalar,
            [rows] => Self { rows, ..scalar },
            [rows, columns] => Self { rows, columns, ..scalar },
            [blocks, rows, columns] => Self { blocks, rows, columns, ..scalar },
            [ref outer @ .., inner, rows, columns] => {
                Self { blocks: outer.iter().product::<usize>() * inner, inner: Some(inner), rows, columns }
            }
        }
    }

    /// Returns the matrix, row and column of an entry, given its offset in row-major order.
    #[must_use]
    pub fn coordinates(&self, entry: usize) -> [usize; 3] {
        let block_len = (self.rows * self.columns).max(1);
        [entry / block_len, entry % block_len / self.columns.max(1), entry % self.columns.max(1)]
    }

    /// Returns the entry to which a move beyond the edge of a matrix leads: in the same row or column, the one at the near edge of the next matrix in the
    /// direction of the move. Returns `None` if there is no such matrix.
    #[must_use]
    pub fn over_the_edge(&self, entry: usize, [down, right]: [isize; 2], turned: bool) -> Option<usize> {
        let [block, row, column] = self.coordinates(entry);
        let distance = if right != 0 { right } else { down * isize::try_from(self.inner?).ok()? };
        let block = block.checked_add_signed(distance).filter(|block| *block < self.blocks)?;
        // the row or column at which the move enters the next matrix; a turned matrix begins with its last one
        let entered = |direction: isize, count: usize| if (direction < 0) == turned { 0 } else { count - 1 };
        let place = if right != 0 { [block, row, entered(right, self.columns)] } else { [block, entered(down, self.rows), column] };
        Some(self.entry(place))
    }

    /// Returns the offset in row-major order of the entry with this matrix, row and column.
    #[must_use]
    pub fn entry(&self, [block, row, column]: [usize; 3]) -> usize {
        (block * self.rows + row) * self.columns + column
    }
}
