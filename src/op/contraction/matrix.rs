//! Kernels for the product of a matrix and a vector and its two derivatives, in vector registers.
//!
//! With a matrix W of `outputs` rows and `inputs` columns, a vector x of `inputs` entries and the error e = ∂C/∂y of `outputs` entries:
//!
//! | computed | equation | BLAS |
//! | --- | --- | --- |
//! | output | y = W x | gemv |
//! | weight gradient | ∂C/∂W = e xᵀ | ger |
//! | input gradient | ∂C/∂x = Wᵀ e | gemv, transposed |
//!
//! Every entry must add its terms in order, so the lanes of a register hold sums of different entries, never terms of one sum. For W x the lanes hold the sums
//! of neighbouring rows of W. The entries that they need at the same time, such as a₀, b₀, c₀ and d₀, are far apart in memory. So blocks of 4 x 4 entries are
//! loaded row by row and transposed within registers:
//!
//! ```text
//! rows        a₀ a₁ a₂ a₃        columns     a₀ b₀ c₀ d₀   · x₀   added first
//!             b₀ b₁ b₂ b₃   →                a₁ b₁ c₁ d₁   · x₁
//!             c₀ c₁ c₂ c₃                    a₂ b₂ c₂ d₂   · x₂
//!             d₀ d₁ d₂ d₃                    a₃ b₃ c₃ d₃   · x₃   added last
//! ```
//!
//! A register of eight lanes has two such blocks, of eight rows.

// the compiler uses the wide registers of `with_simd` only in code that is inlined into it
#![allow(clippy::inline_always)]

use pulp::{Arch, Simd, WithSimd};

use crate::op::edges::View;
use crate::sums::LANES;
use crate::threads::chunks;

/// The shape of a matrix, `outputs` x `inputs`.
#[derive(Clone, Copy, Debug)]
pub struct MatrixShape {
    /// The number of columns.
    pub inputs: usize,
    /// The number of rows.
    pub outputs: usize,
}

impl MatrixShape {
    /// Adds the products of a view to `out`; `a` and `b` are as in [`crate::op::edges::Weighted::accumulate`]. The entries of `out` are divided among the
    /// threads.
    pub fn accumulate(self, view: View, a: &[f64], b: &[f64], out: &mut [f64]) {
        let Self { inputs, outputs } = self;
        let product_cost = 1; // in the weight gradient an entry is a single product
        match view {
            View::Output => chunks(out, GROUPS * LANES, inputs as u64, |first_row, out| {
                Arch::new().dispatch(MatrixKernel { view, a: &a[first_row * inputs..][..out.len() * inputs], b, inputs, out });
            }),
            View::Weight => chunks(out, inputs, product_cost, |first_entry, out| {
                Arch::new().dispatch(MatrixKernel { view, a, b: &b[first_entry / inputs..], inputs, out });
            }),
            View::Input => chunks(out, LANES, outputs as u64, |first_column, out| {
                Arch::new().dispatch(MatrixKernel { view, a: &a[first_column..], b, inputs, out });
            }),
        }
    }

    /// Overwrites `products` with the outer product e xᵀ, in which each entry is a single product.
    pub fn set_outer_product(self, x: &[f64], e: &[f64], products: &mut [f64]) {
        let product_cost = 1;
        chunks(products, self.inputs, product_cost, |first_entry, products| {
            Arch::new().dispatch(OuterProduct { x, e: &e[first_entry / self.inputs..], products });
        });
    }
}

/// The computation of some neighbouring sums of a view, compiled for each width of vector registers.
struct MatrixKernel<'a> {
    view: View,
    /// The two factors of [`MatrixShape::accumulate`]. `a` and `b` begin at the first entry that these sums read.
    a: &'a [f64],
    b: &'a [f64],
    /// The length of a row of the matrix.
    inputs: usize,
    out: &'a mut [f64],
}

impl WithSimd for MatrixKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { view, a, b, inputs, out } = self;
        match view {
            View::Output => add_matrix_vector(simd, a, b, out),
            View::Weight => add_outer_product(a, b, out),
            View::Input => add_transposed_matrix_vector(a, b, inputs, out),
        }
    }
}

/// The number of rows and of columns of a block that is transposed.
const QUAD: usize = 4;

/// The number of columns that are added between two bounds checks.
const WIDE: usize = 2 * QUAD;

/// The number of groups of rows that are computed at once. Each addition to a sum waits for the previous one; meanwhile the other group is added.
const GROUPS: usize = 2;

/// Computes `out += W x`, where each row adds in the order of its columns.
#[inline(always)]
fn add_matrix_vector<S: Simd>(simd: S, w: &[f64], x: &[f64], out: &mut [f64]) {
    let (mut w, mut out) = (w, out);
    if S::F64_LANES.is_multiple_of(QUAD) {
        (w, out) = add_groups::<S, GROUPS>(simd, w, x, out);
        (w, out) = add_groups::<S, 1>(simd, w, x, out);
    }
    let (out_quads, out_rest) = out.as_chunks_mut::<QUAD>();
    let (w_quads, w_rest) = w.split_at(out_quads.len() * QUAD * x.len());
    for (out, w) in out_quads.iter_mut().zip(w_quads.chunks_exact(QUAD * x.len())) {
        // independent sums of four rows
        let rows: [&[f64]; QUAD] = std::array::from_fn(|row| &w[row * x.len()..][..x.len()]);
        let mut sums = *out;
        for (i, x) in x.iter().enumerate() {
            for (sum, row) in sums.iter_mut().zip(&rows) {
                *sum += row[i] * x;
            }
        }
        *out = sums;
    }
    for (sum, row) in out_rest.iter_mut().zip(w_rest.chunks_exact(x.len())) {
        *sum = row.iter().zip(x).fold(*sum, |sum, (w, x)| sum + w * x);
    }
}

/// Computes `out += W x` for as many rows as fit into blocks of G groups, a group for each register. Returns the other rows, and their sums.
#[inline(always)]
fn add_groups<'w, 'o, S: Simd, const G: usize>(simd: S, w: &'w [f64], x: &[f64], out: &'o mut [f64]) -> (&'w [f64], &'o mut [f64]) {
    let rows = G * S::F64_LANES;
    let count = out.len() / rows * rows;
    let (out, out_rest) = out.split_at_mut(count);
    let (w, w_rest) = w.split_at(count * x.len());
    for (out, w) in out.chunks_exact_mut(rows).zip(w.chunks_exact(rows * x.len())) {
        add_block::<S, G>(simd, w, x, out);
    }
    (w_rest, out_rest)
}

/// Returns the columns of the blocks of one register: column n has entry n of `quad(row)` for each of the register's rows. The order of the rows in the lanes is
/// [`lane_rows`].
#[inline(always)]
fn transposed<S: Simd>(simd: S, quad: impl Fn(usize) -> [f64; QUAD]) -> [S::f64s; QUAD] {
    let mut rows = [simd.splat_f64s(0.0); QUAD];
    for (n, row) in rows.iter_mut().enumerate() {
        // one row of each block
        let mut numbers = [[0.0; QUAD]; LANES / QUAD];
        for (block, numbers) in numbers.iter_mut().enumerate().take(S::F64_LANES / QUAD) {
            *numbers = quad(block * QUAD + n);
        }
        *row = S::as_simd_f64s(&numbers.as_flattened()[..S::F64_LANES]).0[0];
    }
    simd.deinterleave_shfl_f64s(rows)
}

/// Returns the row that each lane of [`transposed`] has.
#[inline(always)]
fn lane_rows<S: Simd>(simd: S) -> [usize; LANES] {
    let mut rows = [0.0; LANES];
    let numbers: [f64; LANES] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
    S::as_mut_simd_f64s(&mut rows[..S::F64_LANES]).0[0] = transposed(simd, |row| [numbers[row]; QUAD])[0];
    rows.map(|row| numbers.iter().position(|number| *number == row).unwrap_or(0))
}

/// Computes `out += W x` for the rows of G registers.
#[inline(always)]
fn add_block<S: Simd, const G: usize>(simd: S, w: &[f64], x: &[f64], out: &mut [f64]) {
    let lane_rows = lane_rows(simd);
    let (x_blocks, x_rest) = x.as_chunks::<WIDE>();
    let row_begin = |group: usize, row: usize| (group * S::F64_LANES + row) * x.len();
    let mut sums = [simd.splat_f64s(0.0); G];
    for (sum, out) in sums.iter_mut().zip(out.chunks_exact(S::F64_LANES)) {
        let mut lanes = [0.0; LANES];
        for (lane, row) in lanes.iter_mut().zip(lane_rows).take(S::F64_LANES) {
            *lane = out[row];
        }
        *sum = S::as_simd_f64s(&lanes[..S::F64_LANES]).0[0];
    }
    for (i, x) in x_blocks.iter().enumerate() {
        let w = &w[i * WIDE..];
        for (group, sum) in sums.iter_mut().enumerate() {
            let mut rows: [&[f64; WIDE]; LANES] = [w.first_chunk().expect("a whole block"); LANES];
            for (n, row) in rows.iter_mut().enumerate().take(S::F64_LANES) {
                *row = w[row_begin(group, n)..].first_chunk().expect("a whole block");
            }
            for (quad, x) in x.as_chunks::<QUAD>().0.iter().enumerate() {
                let columns = transposed(simd, |row| rows[row].as_chunks().0[quad]);
                for (column, x) in columns.into_iter().zip(x) {
                    *sum = simd.add_f64s(*sum, simd.mul_f64s(column, simd.splat_f64s(*x)));
                }
            }
        }
    }
    // the columns after the last whole block
    for (group, (sum, out)) in sums.into_iter().zip(out.chunks_exact_mut(S::F64_LANES)).enumerate() {
        let mut lanes = [0.0; LANES];
        S::as_mut_simd_f64s(&mut lanes[..S::F64_LANES]).0[0] = sum;
        for (lane, row) in lanes.into_iter().zip(lane_rows).take(S::F64_LANES) {
            let rest = &w[row_begin(group, row)..][..x.len()][x.len() - x_rest.len()..];
            out[row] = rest.iter().zip(x_rest).fold(lane, |sum, (w, x)| sum + w * x);
        }
    }
}

/// Computes `out += e xᵀ`.
#[inline(always)]
fn add_outer_product(x: &[f64], e: &[f64], out: &mut [f64]) {
    for (row, e) in out.chunks_exact_mut(x.len()).zip(e) {
        for (w, x) in row.iter_mut().zip(x) {
            *w += x * e;
        }
    }
}

/// The computation `products = e xᵀ`, compiled for each width of vector registers.
struct OuterProduct<'a> {
    x: &'a [f64],
    e: &'a [f64],
    products: &'a mut [f64],
}

impl WithSimd for OuterProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for (row, e) in self.products.chunks_exact_mut(self.x.len()).zip(self.e) {
            for (product, x) in row.iter_mut().zip(self.x) {
                *product = x * e;
            }
        }
    }
}

/// The number of rows of W that are added to each sum in one pass over the sums. More rows save loads and stores of the sums.
const ROWS_PER_PASS: usize = 8;

/// Computes `out += Wᵀ e` for the first `out.len()` columns of `w`, whose rows are `inputs` apart. Rows are added in order, [`ROWS_PER_PASS`] in each
/// pass over `out`.
#[inline(always)]
fn add_transposed_matrix_vector(w: &[f64], e: &[f64], inputs: usize, out: &mut [f64]) {
    let columns = out.len();
    let row = |row: usize| &w[row * inputs..][..columns];
    let (blocks, rest) = e.as_chunks::<ROWS_PER_PASS>();
    for (block, e) in blocks.iter().enumerate() {
        let rows: [&[f64]; ROWS_PER_PASS] = std::array::from_fn(|n| row(block * ROWS_PER_PASS + n));
        for (j, out) in out.iter_mut().enumerate() {
            let mut sum = *out;
            for (row, e) in rows.iter().zip(e) {
                sum += row[j] * e;
            }
            *out = sum;
        }
    }
    for (n, e) in (blocks.len() * ROWS_PER_PASS..).zip(rest) {
        for (sum, w) in out.iter_mut().zip(row(n)) {
            *sum += w * e;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_precision_loss)] // small whole numbers

    use super::*;

    #[test]
    fn each_view_has_the_bits_of_plain_sums_for_all_small_shapes() {
        let number = |n: usize| ((n * 7919 + 13) % 1009) as f64 / 77.0 - 6.5;
        for (outputs, inputs) in (1..40).flat_map(|outputs| [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31].map(|inputs| (outputs, inputs))) {
            let shape = MatrixShape { inputs, outputs };
            let w: Vec<f64> = (0..outputs * inputs).map(number).collect();
            let x: Vec<f64> = (0..inputs).map(|n| number(n + 5)).collect();
            let e: Vec<f64> = (0..outputs).map(|n| number(n + 11)).collect();
            let before = |n: usize| number(n + 17);
            let y = (0..outputs).map(|o| (0..inputs).fold(before(o), |sum, i| sum + w[o * inputs + i] * x[i])).collect::<Vec<_>>();
            let dw = (0..outputs * inputs).map(|n| before(n) + x[n % inputs] * e[n / inputs]).collect();
            let dx = (0..inputs).map(|i| (0..outputs).fold(before(i), |sum, o| sum + w[o * inputs + i] * e[o])).collect();
            for (view, a, b, expected) in [(View::Output, &w, &x, y), (View::Weight, &x, &e, dw), (View::Input, &w, &e, dx)] {
                let mut sums: Vec<f64> = (0..expected.len()).map(before).collect();
                shape.accumulate(view, a, b, &mut sums);
                assert_eq!(sums, expected, "{view:?} of {outputs} x {inputs}");
            }
        }
    }
}
