//! Kernels for the product of a matrix and a vector and its two derivatives, in vector registers: y = W x (BLAS: gemv), ∂C/∂W = e xᵀ (ger) and ∂C/∂x
//! = Wᵀ e.
//!
//! Every entry adds its terms in order, so a register never runs along a sum. For W x that means four rows in a register, one in each lane. The rows
//! lie far apart in memory, so blocks of 4 x 4 entries are loaded row by row and transposed within registers:
//!
//! ```text
//! rows        a₀ a₁ a₂ a₃        columns     a₀ b₀ c₀ d₀   · x₀   added first
//!             b₀ b₁ b₂ b₃   →                a₁ b₁ c₁ d₁   · x₁
//!             c₀ c₁ c₂ c₃                    a₂ b₂ c₂ d₂   · x₂
//!             d₀ d₁ d₂ d₃                    a₃ b₃ c₃ d₃   · x₃   added last
//! ```

#![allow(clippy::inline_always)] // vector registers are chosen where the loops are built in, and nowhere else

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
    /// Adds the products of this view to each entry, as in [`crate::op::edges::Weighted::accumulate`].
    pub fn accumulate(self, view: View, a: &[f64], b: &[f64], out: &mut [f64]) {
        let Self { inputs, outputs } = self;
        match view {
            View::Output => chunks(out, 2 * LANE_ROWS, inputs as u64, |at, out| {
                Arch::new().dispatch(Kernel { view, a: &a[at * inputs..][..out.len() * inputs], b, inputs, out });
            }),
            View::Weight => chunks(out, inputs, 1, |at, out| {
                Arch::new().dispatch(Kernel { view, a, b: &b[at / inputs..], inputs, out });
            }),
            View::Input => chunks(out, LANES, outputs as u64, |at, out| {
                Arch::new().dispatch(Kernel { view, a: &a[at..], b, inputs, out });
            }),
        }
    }

    /// Sets `products` to the outer product e xᵀ, which has one term for each entry.
    pub fn outer(self, x: &[f64], e: &[f64], products: &mut [f64]) {
        chunks(products, self.inputs, 1, |at, products| Arch::new().dispatch(Outer { x, e: &e[at / self.inputs..], products }));
    }
}

/// The computation of some of the sums, compiled for each kind of vector registers.
struct Kernel<'a> {
    view: View,
    a: &'a [f64],
    b: &'a [f64],
    inputs: usize,
    out: &'a mut [f64],
}

impl WithSimd for Kernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { view, a, b, inputs, out } = self;
        match view {
            View::Output => matrix_vector(a, b, out),
            View::Weight => outer(a, b, out),
            View::Input => transposed_vector(a, b, inputs, out),
        }
    }
}

/// The number of rows that share a register, one in each lane; also the size of the transposed blocks.
const LANE_ROWS: usize = 4;

/// out += W x, where each row adds in the order of its columns. Two blocks of rows are computed at once, as the additions of one would wait for each
/// other.
#[inline(always)]
fn matrix_vector(w: &[f64], x: &[f64], out: &mut [f64]) {
    let half = out.len() / (2 * LANE_ROWS) * LANE_ROWS;
    let (first, out) = out.split_at_mut(half);
    let (second, out) = out.split_at_mut(half);
    let (w_first, w) = w.split_at(half * x.len());
    let (w_second, w) = w.split_at(half * x.len());
    let w_both = w_first.chunks_exact(LANE_ROWS * x.len()).zip(w_second.chunks_exact(LANE_ROWS * x.len()));
    for ((a, b), (u, v)) in first.as_chunks_mut().0.iter_mut().zip(second.as_chunks_mut().0).zip(w_both) {
        two_blocks([u, v], x, [a, b]);
    }
    for (sum, row) in out.iter_mut().zip(w.chunks_exact(x.len())) {
        *sum = row.iter().zip(x).fold(*sum, |sum, (w, x)| sum + w * x);
    }
}

#[inline(always)]
fn two_blocks(w: [&[f64]; 2], x: &[f64], out: [&mut [f64; LANE_ROWS]; 2]) {
    let (blocks, rest) = x.as_chunks::<LANE_ROWS>();
    let row = |half: usize, row: usize| &w[half][row * x.len()..].as_chunks::<LANE_ROWS>().0[..blocks.len()];
    let [a, b, c, d] = [row(0, 0), row(0, 1), row(0, 2), row(0, 3)];
    let [e, f, g, h] = [row(1, 0), row(1, 1), row(1, 2), row(1, 3)];
    let mut sums = [*out[0], *out[1]];
    for (i, x) in blocks.iter().enumerate() {
        add_block([&a[i], &b[i], &c[i], &d[i]], x, &mut sums[0]);
        add_block([&e[i], &f[i], &g[i], &h[i]], x, &mut sums[1]);
    }
    for ((sums, w), out) in sums.into_iter().zip(w).zip(out) {
        for ((sum, w), out) in sums.into_iter().zip(w.chunks_exact(x.len())).zip(out) {
            *out = w[x.len() - rest.len()..].iter().zip(rest).fold(sum, |sum, (w, x)| sum + w * x);
        }
    }
}

#[inline(always)]
fn add_block(rows: [&[f64; LANE_ROWS]; LANE_ROWS], x: &[f64; LANE_ROWS], sums: &mut [f64; LANE_ROWS]) {
    let columns: [[f64; LANE_ROWS]; LANE_ROWS] = std::array::from_fn(|column| rows.map(|row| row[column]));
    for (column, x) in columns.iter().zip(x) {
        for (sum, w) in sums.iter_mut().zip(column) {
            *sum += w * x;
        }
    }
}

/// out += e xᵀ.
#[inline(always)]
fn outer(x: &[f64], e: &[f64], out: &mut [f64]) {
    for (row, e) in out.chunks_exact_mut(x.len()).zip(e) {
        for (w, x) in row.iter_mut().zip(x) {
            *w += x * e;
        }
    }
}

/// e xᵀ.
struct Outer<'a> {
    x: &'a [f64],
    e: &'a [f64],
    products: &'a mut [f64],
}

impl WithSimd for Outer<'_> {
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

/// The number of rows of W that are added to a sum between a load and a store of it.
const ROWS_PER_PASS: usize = 8;

/// out += Wᵀ e for `out.len()` columns from the start of `w`, whose rows are `inputs` long. Rows are added in order, [`ROWS_PER_PASS`] in each pass
/// over `out`.
#[inline(always)]
fn transposed_vector(w: &[f64], e: &[f64], inputs: usize, out: &mut [f64]) {
    let n = out.len();
    let row = |row: usize| &w[row * inputs..][..n];
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
