//! The input gradient of a small convolution, without the products whose error is 0. (The *error* of an output is the derivative of the loss by it.)
//!
//! If a 2 x 2 max pool reads the convolution's output, three of four errors are 0. If all weights are finite, the products with such an error are 0 or −0.
//! Adding them changes nothing, except that a sum of −0 becomes 0. So these products are left out, and the entries whose sum is 0 or −0 in the end are computed
//! again with all terms.
//!
//! The error of an output adds `w[o, c, i, j] · error` to the place (i, j) of its window, in each input channel c. The terms of an input are in the order of
//! their weights, so the output channels are added in order. An input meets the first weight of a filter in its last window, so the errors of a channel are
//! added from the last to the first. For a filter (w₀, w₁) over (x₀, x₁, x₂) and the errors (e₀, e₁), the gradient of x₁ is w₀ · e₁ + w₁ · e₀.
//!
//! The sums of all channels at a place of the image are neighbours, so each row of a window is a run of neighbouring sums. They are loaded and stored in whole
//! registers at multiples of [`LANES`], because a load that overlaps two earlier stores waits for both. A window can begin within a register. Therefore the
//! weights are prepared for each *shift*, which is the number of places in the register before the window. To keep the picture small, it has two input
//! channels, a and b, instead of at least [`MIN_CHANNELS`]. A row of the filter has the weights (a₀, a₁) in channel a and (b₀, b₁) in channel b:
//!
//! ```text
//! shift 0   a₀ b₀ a₁ b₁ 0  0  0  0  │ 0  0  0  0  0  0  0  0
//! shift 1   0  0  a₀ b₀ a₁ b₁ 0  0  │ 0  0  0  0  0  0  0  0
//! shift 3   0  0  0  0  0  0  a₀ b₀ │ a₁ b₁ 0  0  0  0  0  0
//! ```
//!
//! The zeros beside the weights also add only 0 or −0, if the error is finite.

#![allow(clippy::inline_always)] // a function uses wide vector registers only if it is inlined into `with_simd`

use pulp::{Arch, Simd, WithSimd};

use super::{KernelOperands, MAX_SMALL_PRODUCTS};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::scratch::Scratch;
use crate::shuffle::transpose_matrix;
use crate::sums::{Init, LANES, all_finite, count_zeros, find_nonzero};

/// The smallest number of input channels. With fewer, too many lanes are beside the weights.
const MIN_CHANNELS: usize = 4;

/// The largest number of registers of a row of a window.
const MAX_SPAN: usize = 6;

/// The plan of the kernel.
#[derive(Debug)]
pub(super) struct Skipping {
    /// The number of sums at a place: the number of input channels, rounded up so that each row of the image begins at a multiple of [`LANES`].
    place_len: usize,
    /// The number of registers that a row of a window covers at any shift.
    span: usize,
    /// The number of shifts.
    shifts: usize,
    /// For each error of a channel, the index of the first sum of its window.
    windows: Vec<usize>,
}

/// Some neighbouring sums or weights.
type Register = [f64; LANES];

impl Skipping {
    /// Plans the computation. `None` if the convolution is large, has few input channels or wide windows, or is grouped, padded or dilated.
    pub(super) fn new_if_faster(conv: &Conv2d) -> Option<Self> {
        let Conv2d { rows, columns, inputs, .. } = conv;
        // every window is within the image
        let is_plain = [rows, columns].into_iter().all(|axis| axis.overhang(View::Output) == [0, 0] && axis.dilation == 1);
        let place_len = if *inputs <= LANES / 2 && columns.input.is_multiple_of(2) { LANES / 2 } else { inputs.next_multiple_of(LANES) };
        let shifts = (LANES / place_len).max(1);
        let span = ((shifts - 1 + columns.kernel) * place_len).div_ceil(LANES);
        // a row of a window must not cover more registers than a row of the image
        let fits = span <= MAX_SPAN.min(columns.input * place_len / LANES);
        if conv.groups > 1 || *inputs < MIN_CHANNELS || !is_plain || !fits || conv.edge_count() > MAX_SMALL_PRODUCTS {
            return None;
        }
        let window = |y: usize, x: usize| (y * rows.stride * columns.input + x * columns.stride) * place_len;
        let windows = (0..rows.output).flat_map(|y| (0..columns.output).map(move |x| window(y, x))).collect();
        Some(Self { place_len, span, shifts, windows })
    }

    /// Overwrites `out` with the input gradient. Returns `false`, and leaves arbitrary numbers in `out`, if another kernel is faster or a number is not finite.
    pub(super) fn run(&self, conv: &Conv2d, filters: &[f64], errors: &[f64], out: &mut [f64]) -> bool {
        // an operation of this kernel loads and stores a register of sums, which takes twice as long as an operation of the other kernel
        let operations = 2 * (errors.len() - count_zeros(errors)) * conv.rows.kernel * self.span;
        let other_operations = out.len() * conv.outputs * conv.channel_len(View::Weight) / LANES;
        if operations > other_operations || !all_finite(errors) || !all_finite(filters) {
            return false;
        }
        let places = conv.channel_len(View::Input);
        // the last row of the last window may cover registers after the image
        let mut sums = Scratch::new(places * self.place_len + self.span * LANES);
        sums.fill(-0.0);
        let mut weights = Scratch::new(self.shifts * conv.rows.kernel * self.span * LANES);
        weights.fill(0.0);
        let mut nonzero = Vec::with_capacity(self.windows.len());
        for (errors, filter) in errors.chunks_exact(self.windows.len()).zip(filters.chunks_exact(conv.filter_len())) {
            find_nonzero(errors, &mut nonzero);
            self.prepare(conv, filter, &mut weights);
            let pitch = conv.columns.input * self.place_len / LANES;
            let (weights, sums) = (weights.as_chunks().0, sums.as_chunks_mut().0);
            Arch::new().dispatch(AddErrors { plan: self, rows: conv.rows.kernel, pitch, errors, nonzero: &nonzero, weights, sums });
        }
        // `sums` has a row of `place_len` numbers for each place, and `out` has a row of `places` numbers for each input channel
        transpose_matrix(&sums[..places * self.place_len], self.place_len, out, places);
        // `false` if so many sums are 0 that the other kernel is faster
        KernelOperands { conv, view: View::Input, a: filters, b: errors, init: Init::Overwrite }.recompute_zeros(out)
    }

    /// Writes the filter of an output channel at each shift. The zeros beside the weights are there already.
    fn prepare(&self, conv: &Conv2d, filter: &[f64], weights: &mut [f64]) {
        // the weights of all channels at a place become neighbours
        let mut by_place = Scratch::new(conv.channel_len(View::Weight) * self.place_len);
        transpose_matrix(filter, conv.channel_len(View::Weight), &mut by_place, self.place_len);
        let (row_len, weight_count) = (self.span * LANES, conv.columns.kernel * self.place_len);
        for (shift, weights) in weights.chunks_exact_mut(conv.rows.kernel * row_len).enumerate() {
            for (row, weights) in by_place.chunks_exact(weight_count).zip(weights.chunks_exact_mut(row_len)) {
                weights[shift * self.place_len..][..weight_count].copy_from_slice(row);
            }
        }
    }
}

/// Adds the products of one output channel's errors to the sums.
struct AddErrors<'a> {
    plan: &'a Skipping,
    /// The number of rows of a window.
    rows: usize,
    /// The number of registers of a row of the image.
    pitch: usize,
    /// The errors of the channel.
    errors: &'a [f64],
    /// The indices of the errors that are not 0, in ascending order.
    nonzero: &'a [usize],
    weights: &'a [Register],
    sums: &'a mut [Register],
}

impl AddErrors<'_> {
    #[inline(always)]
    fn add<S: Simd, const SPAN: usize>(self, simd: S) {
        let Self { plan, rows, pitch, errors, nonzero, weights, sums } = self;
        let (weights, _) = weights.as_chunks::<SPAN>();
        for output in nonzero.iter().rev() {
            let (first, shift) = (plan.windows[*output] / LANES, plan.windows[*output] % LANES / plan.place_len);
            let error = simd.splat_f64s(errors[*output]);
            for (weights, sums) in weights[shift * rows..][..rows].iter().zip(sums[first..].chunks_mut(pitch)) {
                for (weights, sums) in weights.iter().zip(&mut sums[..SPAN]) {
                    for (weight, sum) in S::as_simd_f64s(weights).0.iter().zip(S::as_mut_simd_f64s(sums).0) {
                        *sum = simd.add_f64s(*sum, simd.mul_f64s(*weight, error));
                    }
                }
            }
        }
    }
}

impl WithSimd for AddErrors<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.plan.span {
            1 => self.add::<S, 1>(simd),
            2 => self.add::<S, 2>(simd),
            3 => self.add::<S, 3>(simd),
            4 => self.add::<S, 4>(simd),
            5 => self.add::<S, 5>(simd),
            _ => self.add::<S, MAX_SPAN>(simd),
        }
    }
}
