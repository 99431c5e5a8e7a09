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
//! Every entry must add its terms in order, so the lanes of a register hold sums of different entries, never terms of one sum. For W x the four lanes
//! hold the sums of four rows of W: a, b, c and d. The entries that they need at the same time, such as a₀, b₀, c₀ and d₀, are far apart in memory.
//! So a block of 4 x 4 entries is loaded row by row and transposed within registers:
//!
//! ```text
//! rows        a₀ a₁ a₂ a₃        columns     a₀ b₀ c₀ d₀   · x₀   added first
//!             b₀ b₁ b₂ b₃   →                a₁ b₁ c₁ d₁   · x₁
//!             c₀ c₁ c₂ c₃                    a₂ b₂ c₂ d₂   · x₂
//!             d₀ d₁ d₂ d₃                    a₃ b₃ c₃ d₃   · x₃   added last
//! ```

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
            View::Output => chunks(out, 2 * LANE_ROWS, inputs as u64, |first_row, out| {
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
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { view, a, b, inputs, out } = self;
        match view {
            View::Output => add_matrix_vector(a, b, out),
            View::Weight => add_outer_product(a, b, out),
            View::Input => add_transposed_matrix_vector(a, b, inputs, out),
        }
    }
}

/// The number of rows whose sums share a register, one in each lane. The transposed blocks have this number of rows and of columns.
const LANE_ROWS: usize = 4;

/// Computes `out += W x`, where each row adds in the order of its columns. Two groups of four rows are computed at once: each addition to a sum waits
/// for the previous one, and meanwhile the other group is added. One group is from the first half of W, the other from the second half.
#[inline(always)]
fn add_matrix_vector(w: &[f64], x: &[f64], out: &mut [f64]) {
    let half = out.len() / (2 * LANE_ROWS) * LANE_ROWS;
    let (out_first, out_rest) = out.split_at_mut(half);
    let (out_second, out_rest) = out_rest.split_at_mut(half);
    let (w_first, w_rest) = w.split_at(half * x.len());
    let (w_second, w_rest) = w_rest.split_at(half * x.len());
    let out_groups = out_first.as_chunks_mut().0.iter_mut().zip(out_second.as_chunks_mut().0);
    let w_groups = w_first.chunks_exact(LANE_ROWS * x.len()).zip(w_second.chunks_exact(LANE_ROWS * x.len()));
    for ((out_1, out_2), (w_1, w_2)) in out_groups.zip(w_groups) {
        add_two_groups([w_1, w_2], x, [out_1, out_2]);
    }
    for (sum, row) in out_rest.iter_mut().zip(w_rest.chunks_exact(x.len())) {
        *sum = row.iter().zip(x).fold(*sum, |sum, (w, x)| sum + w * x);
    }
}

/// Computes `out += W x` for two groups of four rows: rows a to d, and rows e to h. `w` has the rows of each group.
#[inline(always)]
fn add_two_groups(w: [&[f64]; 2], x: &[f64], out: [&mut [f64; LANE_ROWS]; 2]) {
    let (x_blocks, x_rest) = x.as_chunks::<LANE_ROWS>();
    let row_blocks = |group: usize, row: usize| &w[group][row * x.len()..].as_chunks::<LANE_ROWS>().0[..x_blocks.len()];
    let [a, b, c, d] = [row_blocks(0, 0), row_blocks(0, 1), row_blocks(0, 2), row_blocks(0, 3)];
    let [e, f, g, h] = [row_blocks(1, 0), row_blocks(1, 1), row_blocks(1, 2), row_blocks(1, 3)];
    let mut sums = [*out[0], *out[1]];
    for (i, x) in x_blocks.iter().enumerate() {
        add_block([&a[i], &b[i], &c[i], &d[i]], x, &mut sums[0]);
        add_block([&e[i], &f[i], &g[i], &h[i]], x, &mut sums[1]);
    }
    // the columns after the last whole block
    for ((sums, w), out) in sums.into_iter().zip(w).zip(out) {
        for ((sum, row), out) in sums.into_iter().zip(w.chunks_exact(x.len())).zip(out) {
            *out = row[x.len() - x_rest.len()..].iter().zip(x_rest).fold(sum, |sum, (w, x)| sum + w * x);
        }
    }
}

/// Adds the products of a block of 4 x 4 weights to the sums of its four rows, column by column, as in the diagram of this module.
#[inline(always)]
fn add_block(rows: [&[f64; LANE_ROWS]; LANE_ROWS], x: &[f64; LANE_ROWS], sums: &mut [f64; LANE_ROWS]) {
    let columns: [[f64; LANE_ROWS]; LANE_ROWS] = std::array::from_fn(|column| rows.map(|row| row[column]));
    for (column, x) in columns.iter().zip(x) {
        for (sum, w) in sums.iter_mut().zip(column) {
            *sum += w * x;
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
