//! The input gradient of a small convolution with a single input channel: two rows at a time share their loads.
//!
//! With several input channels, each register of errors that is loaded is multiplied by a weight of each channel (`sliding`). With one channel it is used once,
//! and loading takes longer than computing. But neighbouring rows read almost the same errors. For a filter of two rows (w₀, w₁), the gradients of the rows x₁
//! and x₂ are
//!
//! | errors | x₁ | x₂ |
//! | --- | --- | --- |
//! | row 2 | 0 · e₂ | w₀ · e₂ |
//! | row 1 | + w₀ · e₁ | + w₁ · e₁ |
//! | row 0 | + w₁ · e₀ | + 0 · e₀ |
//!
//! So each filter gets a row of zeros before it and one after it, and x₁ begins one row of the filter earlier than x₂. The products with these zeros are not
//! terms of the sum, as those with padding. [`KernelOperands::exact`] computes the entries again that they may have changed.

use super::{KernelOperands, MAX_SMALL_PRODUCTS, PolyphaseLayout};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::op::phase::{lay_out, polyphase};
use crate::scratch::Scratch;
use crate::sums::{FactorSource, Init, LANES, Products, add, all_finite_and_nonzero};

/// The number of rows that share their loads.
const ROWS: usize = 2;

/// The plan of the kernel.
#[derive(Debug)]
pub(super) struct RowPairs {
    /// The layout of the errors.
    layout: PolyphaseLayout,
    /// The products of the first pair: each has the index of its weight in the filters with zeros, and that of its error in the laid-out errors.
    taps: Vec<(usize, usize)>,
    /// For each register of the sums of each pair, the index in the laid-out errors that belongs to its first sum.
    error_firsts: Vec<usize>,
}

/// Returns the first row of a pair. The last pair may overlap the one before.
fn first_row(conv: &Conv2d, pair: usize) -> usize {
    (pair * ROWS).min(conv.rows.input - ROWS)
}

impl RowPairs {
    /// Plans the computation. `None` if the convolution is large or has several input channels, a stride, a dilation, a single row, rows shorter than a
    /// register, or a filter row or column that is only over padding.
    pub(super) fn new_if_faster(conv: &Conv2d) -> Option<Self> {
        let Conv2d { rows, columns, outputs, .. } = conv;
        let layout = PolyphaseLayout { axes: [polyphase(rows, View::Input), polyphase(columns, View::Input)] };
        // a filter row or column that is only over padding has no tap
        let has_all_taps = |axis: usize, kernel: usize| matches!(&layout.axes[axis].phases[..], [phase] if phase.taps.len() == kernel);
        let is_plain = [rows, columns].into_iter().all(|axis| axis.stride == 1 && axis.dilation == 1);
        let has_long_rows = rows.input >= ROWS && columns.input >= LANES;
        let is_small = conv.edge_count() <= MAX_SMALL_PRODUCTS;
        if conv.inputs > 1 || !is_plain || !has_long_rows || !is_small || !has_all_taps(0, rows.kernel) || !has_all_taps(1, columns.kernel)
        {
            return None;
        }
        let row_len = layout.row_len();
        let weights = (0..*outputs).flat_map(|o| (0..=rows.kernel).flat_map(move |y| (0..columns.kernel).map(move |x| (o, y, x))));
        let tap = |(o, y, x)| {
            let weight = (o * (rows.kernel + ROWS) + y) * columns.kernel + x;
            (weight, o * layout.channel_len() + (rows.kernel - y) * row_len + columns.kernel - 1 - x)
        };
        let registers = || (0..columns.input).step_by(LANES).map(|x| x.min(columns.input - LANES));
        let pairs = 0..rows.input.div_ceil(ROWS);
        let error_firsts = pairs.flat_map(|pair| registers().map(move |x| first_row(conv, pair) * row_len + x)).collect();
        let taps = weights.map(tap).collect();
        Some(Self { layout, taps, error_firsts })
    }

    /// Overwrites `out` with the input gradient.
    pub(super) fn run(&self, conv: &Conv2d, filters: &[f64], errors: &[f64], out: &mut [f64]) {
        let (filter_len, width) = (conv.filter_len(), conv.columns.kernel);
        let mut weights = Scratch::new(conv.outputs * (filter_len + ROWS * width));
        weights.fill(0.0);
        for (weights, filter) in weights.chunks_exact_mut(filter_len + ROWS * width).zip(filters.chunks_exact(filter_len)) {
            weights[width..][..filter_len].copy_from_slice(filter);
        }
        let mut memory = Scratch::default();
        let zeros_after_end = 0;
        let laid_out = lay_out(errors, conv.channel_shape(View::Output).into(), &self.layout.axes, zeros_after_end, &mut memory);
        let rows = FactorSource { numbers: &weights, firsts: &[0, width] };
        let lanes = FactorSource { numbers: laid_out, firsts: &self.error_firsts };
        let mut sums = Scratch::new(ROWS * self.error_firsts.len() * LANES);
        let taps = &self.taps;
        add(&Products { rows, lanes, taps, chunk_len: taps.len(), used_taps: 0..taps.len() }, &mut sums, Init::Overwrite);
        let operands = KernelOperands { conv, view: View::Input, a: filters, b: errors, init: Init::Overwrite };
        let row_len = conv.columns.input;
        for (n, sums) in sums.chunks_exact(self.error_firsts.len() * LANES).enumerate() {
            for (pair, sums) in sums.chunks_exact(row_len.next_multiple_of(LANES)).enumerate() {
                let first = (first_row(conv, pair) + n) * row_len;
                let row = &mut out[first..][..row_len];
                let (whole, last) = sums.split_at(sums.len() - LANES);
                row[..whole.len()].copy_from_slice(whole);
                row[row_len - LANES..].copy_from_slice(last);
                if !all_finite_and_nonzero(row) {
                    // each entry has products with zeros, so the number of its taps is never that of its terms
                    let taps = 0;
                    for (entry, sum) in (first..).zip(row) {
                        *sum = operands.exact(entry, taps, *sum, *sum);
                    }
                }
            }
        }
    }
}
