//! Rearranging numbers within vector registers, without a detour through memory.
//!
//! A register of eight lanes consists of four *pairs* of neighbours. The processor has fast instructions that exchange numbers or pairs between two registers
//! a and b:
//!
//! - To exchange numbers: one instruction returns the first number of each pair, a₀ b₀ a₂ b₂ …, and another the second number, a₁ b₁ a₃ b₃ ….
//! - To exchange pairs: one instruction returns the even pairs of both registers, and another the odd pairs.
//!
//! Together they load every second number of two registers, or transpose a block:
//!
//! ```text
//! load every second number
//!   the two registers      0 1 2 3 4 5 6 7 │ 8 9 10 11 12 13 14 15
//!   exchange pairs         0 1 4 5 8 9 12 13 │ 2 3 6 7 10 11 14 15
//!   exchange numbers       0 2 4 6 8 10 12 14 │ …
//!
//! transpose a block of eight rows (four rows and their first two columns are shown)
//!   the rows a, b, c, d    a₀ a₁ … │ b₀ b₁ … │ c₀ c₁ … │ d₀ d₁ …
//!   exchange numbers       a₀ b₀ … │ a₁ b₁ … │ c₀ d₀ … │ c₁ d₁ …
//!   exchange pairs         a₀ b₀ c₀ d₀ … │ a₁ b₁ c₁ d₁ …
//! ```

#![allow(clippy::inline_always)] // a function that is not inlined into `with_simd` would be compiled without the vector instructions chosen there

use pulp::{Arch, Simd, WithSimd};

use crate::sums::LANES;

/// Sorts even from odd pairs, counted from 0, in registers with [`LANES`] lanes. Returns four registers, in this order: the even pairs of a and c, the even
/// pairs of b and d, the odd pairs of a and c, the odd pairs of b and d.
#[inline(always)]
fn exchange_pairs<S: Simd>(simd: S, [a, b, c, d]: [S::f64s; 4]) -> [S::f64s; 4] {
    // on two registers, `deinterleave_shfl_f64s` exchanges numbers; on four, it exchanges numbers and then pairs. The numbers are exchanged twice, which
    // brings them back to their places, so only the pairs are exchanged
    let [a, b] = simd.deinterleave_shfl_f64s([a, b]);
    let [c, d] = simd.deinterleave_shfl_f64s([c, d]);
    simd.deinterleave_shfl_f64s([a, b, c, d])
}

/// A square block of numbers, with a register for each row.
pub trait SquareBlock<S> {
    /// Exchanges rows and columns: lane r of register n becomes lane n of register r.
    #[must_use]
    fn transposed(self, simd: S) -> Self;
}

impl<S: Simd> SquareBlock<S> for [S::f64s; 8] {
    #[inline(always)]
    fn transposed(self, simd: S) -> Self {
        let [a, b, c, d, e, f, g, h] = self;
        // `upper[n]` has the columns n and n + 4 of the rows a to d, and `lower[n]` has the same columns of the rows e to h
        let upper = simd.deinterleave_shfl_f64s([a, b, c, d]);
        let lower = simd.deinterleave_shfl_f64s([e, f, g, h]);
        let [c0, c1, c4, c5] = exchange_pairs(simd, [upper[0], upper[1], lower[0], lower[1]]);
        let [c2, c3, c6, c7] = exchange_pairs(simd, [upper[2], upper[3], lower[2], lower[3]]);
        [c0, c1, c2, c3, c4, c5, c6, c7]
    }
}

impl<S: Simd> SquareBlock<S> for [S::f64s; 4] {
    #[inline(always)]
    fn transposed(self, simd: S) -> Self {
        simd.deinterleave_shfl_f64s(self)
    }
}

/// Transposes the first columns of a matrix: `to[c][r] = from[r][c]`. `from_row_len` and `to_row_len` are the lengths of the rows of `from` and of `to`.
///
/// The number of transposed columns is the number of rows of `to`. Later columns of `from` are not read, and its last row may lack them. If `to_row_len` is
/// larger than the number of rows of `from`, the end of each row of `to` becomes 0.
///
/// ```
/// let mut to = [1.0; 6];
/// gradstep::shuffle::transpose_matrix(&[1.0, 2.0, 3.0, 4.0], 2, &mut to, 3);
/// assert_eq!(to, [1.0, 3.0, 0.0, 2.0, 4.0, 0.0]);
/// ```
pub fn transpose_matrix(from: &[f64], from_row_len: usize, to: &mut [f64], to_row_len: usize) {
    Arch::new().dispatch(TransposeMatrix { from, from_row_len, to, to_row_len });
}

/// The arguments of [`transpose_matrix`].
struct TransposeMatrix<'a> {
    from: &'a [f64],
    from_row_len: usize,
    to: &'a mut [f64],
    to_row_len: usize,
}

impl WithSimd for TransposeMatrix<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { from, from_row_len, to, to_row_len } = self;
        let (rows, columns) = (from.len().div_ceil(from_row_len).min(to_row_len), to.len() / to_row_len);
        if S::F64_LANES < LANES || rows < LANES || columns < LANES {
            for (c, column) in to.chunks_exact_mut(to_row_len).enumerate() {
                for (r, entry) in column.iter_mut().enumerate() {
                    *entry = if r < rows { from[r * from_row_len + c] } else { 0.0 };
                }
            }
            return;
        }
        // the last block may overlap the one before, so that all blocks are whole
        let block_begins = |len: usize| (0..len).step_by(LANES).map(move |begin| begin.min(len - LANES));
        for first_column in block_begins(columns) {
            for first_row in block_begins(rows) {
                let mut block = [simd.splat_f64s(0.0); LANES];
                for (n, row) in block.iter_mut().enumerate() {
                    *row = S::as_simd_f64s(&from[(first_row + n) * from_row_len + first_column..][..LANES]).0[0];
                }
                for (n, column) in block.transposed(simd).into_iter().enumerate() {
                    S::as_mut_simd_f64s(&mut to[(first_column + n) * to_row_len + first_row..][..LANES]).0[0] = column;
                }
            }
        }
        if rows < to_row_len {
            to.chunks_exact_mut(to_row_len).for_each(|column| column[rows..].fill(0.0));
        }
    }
}

/// Loads the numbers at the indices 0, 2, 4, … of a slice that fills two registers.
#[inline(always)]
pub fn load_every_second<S: Simd>(simd: S, numbers: &[f64]) -> S::f64s {
    if let (LANES, [first, second]) = (S::F64_LANES, S::as_simd_f64s(numbers).0) {
        // the even and the odd pairs of both registers
        let [even, _, odd, _] = exchange_pairs(simd, [*first, *first, *second, *second]);
        let [first_of_pairs, _] = simd.deinterleave_shfl_f64s([even, odd]);
        return first_of_pairs;
    }
    let mut lanes = [0.0; LANES];
    for (lane, number) in lanes.iter_mut().zip(numbers.iter().step_by(2)) {
        *lane = *number;
    }
    S::as_simd_f64s(&lanes[..S::F64_LANES]).0[0]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_precision_loss)] // small whole numbers

    use super::*;

    #[test]
    fn rows_become_columns() {
        for (rows, columns, to_row) in [
            (8, 8, 8),
            (3, 5, 8),
            (16, 100, 16),
            (100, 16, 100),
            (25, 4, 25),
            (1, 1, 8),
            (9, 17, 16),
            (4, 25, 8),
            (25, 8, 25),
            (3, 9, 24),
            (30, 11, 30),
        ] {
            let from: Vec<f64> = (0..rows * columns).map(|n| n as f64).collect();
            let mut to = vec![-1.0; columns * to_row];
            transpose_matrix(&from, columns, &mut to, to_row);
            for (c, row) in to.chunks(to_row).enumerate() {
                assert!(
                    row.iter().enumerate().all(|(r, entry)| *entry == if r < rows { from[r * columns + c] } else { 0.0 }),
                    "{rows} x {columns}"
                );
            }
        }
    }

    #[test]
    fn the_last_row_may_be_cut_off() {
        let from: Vec<f64> = (0..17).map(f64::from).collect();
        let mut to = [-1.0; 16];
        // one row of 9 entries, of which one column is transposed
        transpose_matrix(&from[8..], 9, &mut to[..8], 8);
        assert_eq!(to[..8], [8.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        // two rows of 9 entries, of which the last lacks one entry. Two columns are transposed
        transpose_matrix(&from, 9, &mut to, 8);
        assert_eq!((&to[..3], &to[8..11]), (&[0.0, 9.0, 0.0][..], &[1.0, 10.0, 0.0][..]));
    }

    struct EverySecond<'a>(&'a [f64]);

    impl WithSimd for EverySecond<'_> {
        type Output = Vec<f64>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<f64> {
            let mut lanes = vec![0.0; S::F64_LANES];
            S::as_mut_simd_f64s(&mut lanes).0[0] = load_every_second(simd, &self.0[..2 * S::F64_LANES]);
            lanes
        }
    }

    #[test]
    fn every_second_number_is_loaded() {
        let numbers: Vec<f64> = (0..2 * LANES).map(|n| n as f64).collect();
        let loaded = Arch::new().dispatch(EverySecond(&numbers));
        assert!(!loaded.is_empty() && loaded.iter().enumerate().all(|(n, number)| *number == 2.0 * n as f64));
    }
}
