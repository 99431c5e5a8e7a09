//! Kernels of the product of a matrix and a vector, and of its two derivatives, in vector registers. Every entry adds in the order of its terms.

#![allow(clippy::inline_always)] // vector registers are chosen where the loops are built in, and nowhere else

use pulp::{Arch, Simd, WithSimd};

use crate::op::edges::View;
use crate::sums::LANES;
use crate::threads::chunks;

/// The shape of a matrix: `outputs` x `inputs`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    /// Columns.
    pub inputs: usize,
    /// Rows.
    pub outputs: usize,
}

impl Matrix {
    /// Adds the products of this view to each entry, as [`crate::op::edges::Weighted::accumulate`].
    pub fn accumulate(self, view: View, a: &[f64], b: &[f64], out: &mut [f64]) {
        let Self { inputs, outputs } = self;
        match view {
            View::Output => chunks(out, 2 * ROWS, inputs as u64, |at, out| {
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

    /// The outer product e xᵀ, which has one term for each entry.
    pub fn outer(self, x: &[f64], e: &[f64], products: &mut [f64]) {
        chunks(products, self.inputs, 1, |at, products| Arch::new().dispatch(Outer { x, e: &e[at / self.inputs..], products }));
    }
}

/// The plain loops, for some of the sums, built anew for each kind of vector registers.
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

/// Rows of sums that share a register: a block of so many columns is turned within registers, so that each row adds in its own lane.
const ROWS: usize = 4;

/// out += W x, each row adding in the order of its columns. Two blocks at once, far apart: one alone would wait for its own sums.
#[inline(always)]
fn matrix_vector(w: &[f64], x: &[f64], out: &mut [f64]) {
    let half = out.len() / (2 * ROWS) * ROWS;
    let (first, out) = out.split_at_mut(half);
    let (second, out) = out.split_at_mut(half);
    let (w_first, w) = w.split_at(half * x.len());
    let (w_second, w) = w.split_at(half * x.len());
    let w_both = w_first.chunks_exact(ROWS * x.len()).zip(w_second.chunks_exact(ROWS * x.len()));
    for ((a, b), (u, v)) in first.as_chunks_mut().0.iter_mut().zip(second.as_chunks_mut().0).zip(w_both) {
        two_blocks([u, v], x, [a, b]);
    }
    for (sum, row) in out.iter_mut().zip(w.chunks_exact(x.len())) {
        *sum = row.iter().zip(x).fold(*sum, |sum, (w, x)| sum + w * x);
    }
}

#[inline(always)]
fn two_blocks(w: [&[f64]; 2], x: &[f64], out: [&mut [f64; ROWS]; 2]) {
    let (blocks, rest) = x.as_chunks::<ROWS>();
    let row = |half: usize, row: usize| &w[half][row * x.len()..].as_chunks::<ROWS>().0[..blocks.len()];
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
fn add_block(rows: [&[f64; ROWS]; ROWS], x: &[f64; ROWS], sums: &mut [f64; ROWS]) {
    let turned: [[f64; ROWS]; ROWS] = std::array::from_fn(|column| rows.map(|row| row[column]));
    for (column, x) in turned.iter().zip(x) {
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

/// Rows of W that a sum takes before it goes back to memory.
const TALL: usize = 8;

/// out += Wᵀ e for some columns, of which W begins with the first, some rows at once, in order; a row is so long.
#[inline(always)]
fn transposed_vector(w: &[f64], e: &[f64], long: usize, out: &mut [f64]) {
    let n = out.len();
    let row = |row: usize| &w[row * long..][..n];
    let (blocks, rest) = e.as_chunks::<TALL>();
    for (block, e) in blocks.iter().enumerate() {
        let rows: [&[f64]; TALL] = std::array::from_fn(|n| row(block * TALL + n));
        for (j, out) in out.iter_mut().enumerate() {
            let mut sum = *out;
            for (row, e) in rows.iter().zip(e) {
                sum += row[j] * e;
            }
            *out = sum;
        }
    }
    for (n, e) in (blocks.len() * TALL..).zip(rest) {
        for (sum, w) in out.iter_mut().zip(row(n)) {
            *sum += w * e;
        }
    }
}
