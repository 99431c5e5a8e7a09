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
//! of neighbouring rows of W. The entries that they need at the same time, such as a₀, b₀, c₀ and d₀, are far apart in memory. So square blocks of
//! entries, as wide as a register, are loaded row by row and transposed within registers. With four lanes:
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

use crate::op::combination::set_scaled;
use crate::op::edges::View;
use crate::shuffle::SquareBlock;
use crate::sums::{LANES, all_finite, count_negative_zeros, count_zeros, find_nonzero};
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

    /// Overwrites `sums` with Wᵀ e, without reading the rows of W whose error is 0. If such a row is finite, its products are 0 or −0, and adding them changes
    /// only a sum of −0. `y` is the sum of W x and perhaps other parts, as the forward pass computed it. If y is finite, so is W, because an infinite or NaN
    /// term makes its sum infinite or NaN.
    ///
    /// Returns `false`, and leaves arbitrary numbers in `sums`, if W is small, if less than a quarter of the errors are 0, if y is not finite, or if a sum is
    /// −0 without the rows that are left out.
    pub fn set_sparse_input_gradient(self, w: &[f64], e: &[f64], y: &[f64], sums: &mut [f64]) -> bool {
        let Self { inputs, outputs } = self;
        if inputs * outputs < MIN_SPARSE_ENTRIES || count_zeros(e) < outputs / 4 || !all_finite(y) {
            return false;
        }
        let mut rows = Vec::with_capacity(outputs);
        find_nonzero(e, &mut rows);
        let errors: Vec<f64> = rows.iter().map(|row| e[*row]).collect();
        sums.fill(-0.0);
        chunks(sums, LANES, errors.len() as u64, |first_column, out| {
            Arch::new().dispatch(AddRows { w: &w[first_column..], inputs, rows: &rows, errors: &errors, out });
        });
        count_negative_zeros(sums) == 0
    }

    /// Overwrites `products` with neighbouring entries of the outer product e xᵀ, from the entry `first` on. Each entry is a single product.
    pub fn set_part_of_outer_product(self, x: &[f64], e: &[f64], first: usize, products: &mut [f64]) {
        let Self { inputs, .. } = self;
        let (row, column) = (first / inputs, first % inputs);
        let (row_end, next_rows) = products.split_at_mut((inputs - column).min(products.len()));
        set_scaled(Some(e[row]), &x[column..][..row_end.len()], row_end);
        // the last of the next rows may be incomplete
        for (e, products) in e[row + 1..].iter().zip(next_rows.chunks_mut(inputs)) {
            set_scaled(Some(*e), &x[..products.len()], products);
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
            View::Input => add_transposed_matrix_vector(|row| &a[row * inputs..], b, out),
        }
    }
}

/// The number of rows whose sums are computed at once without vector registers.
const QUAD: usize = 4;

/// The number of columns that are added between two bounds checks.
const WIDE: usize = 2 * LANES;

/// The number of groups of rows that are computed at once. A group fills one register: it has a row for each lane. Each addition to a sum waits for the
/// previous one; meanwhile the sums of the other group are added to.
const GROUPS: usize = 2;

/// Computes `out += W x`, where each row adds in the order of its columns.
#[inline(always)]
fn add_matrix_vector<S: Simd>(simd: S, w: &[f64], x: &[f64], out: &mut [f64]) {
    let (w, out) = match S::F64_LANES {
        8 => add_groups::<S, 8>(simd, w, x, out),
        4 => add_groups::<S, 4>(simd, w, x, out),
        _ => (w, out),
    };
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

/// Computes `out += W x` for as many rows as fill registers of L lanes. Returns the remaining rows, and their sums.
#[inline(always)]
fn add_groups<'w, 'o, S: Simd, const L: usize>(simd: S, w: &'w [f64], x: &[f64], out: &'o mut [f64]) -> (&'w [f64], &'o mut [f64])
where
    [S::f64s; L]: SquareBlock<S>,
{
    let round_down = |rows: usize, group_rows: usize| rows / group_rows * group_rows;
    let (blocks, out) = out.split_at_mut(round_down(out.len(), GROUPS * L));
    let (block_rows, w) = w.split_at(blocks.len() * x.len());
    for (out, w) in blocks.chunks_exact_mut(GROUPS * L).zip(block_rows.chunks_exact(GROUPS * L * x.len())) {
        add_block::<S, L, GROUPS>(simd, w, x, out);
    }
    let (groups, out) = out.split_at_mut(round_down(out.len(), L));
    let (group_rows, w) = w.split_at(groups.len() * x.len());
    for (out, w) in groups.chunks_exact_mut(L).zip(group_rows.chunks_exact(L * x.len())) {
        add_block::<S, L, 1>(simd, w, x, out);
    }
    (w, out)
}

/// Computes `out += W x` for the rows of G registers of L lanes.
#[inline(always)]
fn add_block<S: Simd, const L: usize, const G: usize>(simd: S, w: &[f64], x: &[f64], out: &mut [f64])
where
    [S::f64s; L]: SquareBlock<S>,
{
    let mut sums = [simd.splat_f64s(0.0); G];
    sums.copy_from_slice(S::as_simd_f64s(out).0);
    let wide_end = add_columns::<S, L, G, WIDE>(simd, w, x, 0, &mut sums);
    let end = add_columns::<S, L, G, L>(simd, w, x, wide_end, &mut sums);
    S::as_mut_simd_f64s(out).0.copy_from_slice(&sums);
    // the columns after the last whole block
    for (sum, row) in out.iter_mut().zip(w.chunks_exact(x.len())) {
        *sum = row[end..].iter().zip(&x[end..]).fold(*sum, |sum, (w, x)| sum + w * x);
    }
}

/// Adds the products of the columns from `begin` on, as many as are a multiple of WIDTH. Returns the next column.
#[inline(always)]
fn add_columns<S: Simd, const L: usize, const G: usize, const WIDTH: usize>(
    simd: S,
    w: &[f64],
    x: &[f64],
    begin: usize,
    sums: &mut [S::f64s; G],
) -> usize
where
    [S::f64s; L]: SquareBlock<S>,
{
    let columns = x[begin..].as_chunks::<WIDTH>().0;
    let row = |row: usize| &w[row * x.len()..][begin..x.len()].as_chunks::<WIDTH>().0[..columns.len()];
    let rows: [[&[[f64; WIDTH]]; L]; G] = std::array::from_fn(|group| std::array::from_fn(|n| row(group * L + n)));
    let mut totals = *sums;
    #[allow(clippy::needless_range_loop)] // over an index, so that the compiler knows that it is within the columns of each row
    for i in 0..columns.len() {
        for (block, x) in columns[i].as_chunks::<L>().0.iter().enumerate() {
            // the innermost loop is over the groups, so that the compiler unrolls it and keeps the sums in registers
            for (sum, rows) in totals.iter_mut().zip(&rows) {
                let mut registers = [*sum; L];
                for (register, row) in registers.iter_mut().zip(rows) {
                    *register = S::as_simd_f64s(&row[i][block * L..][..L]).0[0];
                }
                for (column, x) in registers.transposed(simd).into_iter().zip(x) {
                    *sum = simd.add_f64s(*sum, simd.mul_f64s(column, simd.splat_f64s(*x)));
                }
            }
        }
    }
    *sums = totals;
    begin + columns.len() * WIDTH
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

/// The smallest number of entries of a matrix of which rows are left out. A smaller matrix is in the first-level cache, and is read as fast as the rows are
/// chosen.
const MIN_SPARSE_ENTRIES: usize = 1 << 11;

/// The computation `out += Wᵀ e` with some rows of W, compiled for each width of vector registers.
struct AddRows<'a> {
    w: &'a [f64],
    /// The length of a row of the matrix.
    inputs: usize,
    /// The indices of the rows, in ascending order.
    rows: &'a [usize],
    /// The entry of e for each of the rows.
    errors: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { w, inputs, rows, errors, out } = self;
        add_transposed_matrix_vector(|row| &w[rows[row] * inputs..], errors, out);
    }
}

/// The number of rows of W that are added to each sum in one pass over the sums. More rows save loads and stores of the sums.
const ROWS_PER_PASS: usize = 8;

/// Computes `out += Wᵀ e` for the first `out.len()` columns of W. `row` returns a row of W from its index. Rows are added in order, [`ROWS_PER_PASS`] in each
/// pass over `out`.
#[inline(always)]
fn add_transposed_matrix_vector<'w>(row: impl Fn(usize) -> &'w [f64], e: &[f64], out: &mut [f64]) {
    let columns = out.len();
    let (blocks, rest) = e.as_chunks::<ROWS_PER_PASS>();
    for (block, e) in blocks.iter().enumerate() {
        let rows: [&[f64]; ROWS_PER_PASS] = std::array::from_fn(|n| &row(block * ROWS_PER_PASS + n)[..columns]);
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
    fn rows_without_an_error_are_left_out_only_if_no_bit_changes() {
        let (inputs, outputs) = (67, 90);
        let shape = MatrixShape { inputs, outputs };
        let number = |n: usize| ((n * 7919 + 13) % 1009) as f64 / 77.0 - 6.5;
        let mut left_out = 0;
        let mut check = |rows_with_error: &[usize], weight: Option<f64>, factor: f64, row: usize| {
            let mut w: Vec<f64> = (0..outputs * inputs).map(|n| weight.unwrap_or_else(|| number(n))).collect();
            w[row * inputs + 3] *= factor;
            let e: Vec<f64> = (0..outputs).map(|n| if rows_with_error.contains(&n) { number(n) } else { [0.0, -0.0][n % 2] }).collect();
            let x: Vec<f64> = (0..inputs).map(|n| number(n + 5) * f64::from(u8::from(n % 3 > 0))).collect();
            let y: Vec<f64> = w.chunks(inputs).map(|row| row.iter().zip(&x).map(|(w, x)| w * x).sum()).collect();
            let (mut expected, mut sums) = (vec![-0.0; inputs], vec![1.0; inputs]);
            shape.accumulate(View::Input, &w, &e, &mut expected);
            if shape.set_sparse_input_gradient(&w, &e, &y, &mut sums) {
                // every NaN counts as equal
                let bits = |sums: &[f64]| sums.iter().map(|sum| if sum.is_nan() { 0 } else { sum.to_bits() }).collect::<Vec<_>>();
                assert_eq!(bits(&sums), bits(&expected), "{} errors, {weight:?} {factor} {row}", rows_with_error.len());
                left_out += 1;
            }
        };
        for rows_with_error in [(3..outputs).step_by(5).collect(), vec![3]] {
            // all weights are equal, or all are different
            for weight in [Some(1.0), Some(-1.0), Some(0.0), Some(-0.0), None] {
                // one weight is perhaps not finite, in the row 7, which has no error, or in the row 8, which may have one
                for factor in [1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
                    check(&rows_with_error, weight, factor, 7);
                    check(&rows_with_error, weight, factor, 8);
                }
            }
        }
        assert!(left_out > 10, "{left_out}");
    }

    #[test]
    fn each_view_has_the_bits_of_plain_sums_for_all_small_shapes() {
        // arbitrary numbers
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
