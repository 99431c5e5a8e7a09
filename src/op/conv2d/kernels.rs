//! Fast kernels of a convolution: the forward pass, the weight gradient and the input gradient.
//!
//! Each kernel computes several entries at once, one in each lane of a vector register. Each entry adds its own terms in their order, so the result has
//! the same bits as a plain loop over the terms ([`crate::sums`]).
//!
//! - `sliding` computes the outputs and the input gradient: filters slide over an image.
//! - `broadcasting` computes the outputs of a small convolution with many filters.
//! - `skipping` computes the input gradient of a small convolution if most errors are 0.
//! - `row_pairs` computes the input gradient of a small convolution with a single input channel.
//! - `gathering` computes the weight gradient: each weight sums image · error over all outputs.
//!
//! # Padding
//!
//! The kernels read a *laid-out image*: a copy in which padding is 0 and the entries that are read together are neighbours ([`crate::op::phase`]). So the
//! kernels also add products with padding, which are not terms of the sum. Such a product is usually ±0, and adding it changes nothing. There are two
//! exceptions. In both, the entry is computed again from its terms alone ([`KernelOperands::exact`]):
//!
//! - The sum is 0. Adding 0 turns a sum of −0 into 0.
//! - The sum is not finite. If a weight is ∞ or NaN, its product with padding is NaN. For example, if the filter (∞, 1) is over one padding position and
//!   the input 2, the kernel computes ∞ · 0 + 1 · 2 = NaN, but the only term is 1 · 2 = 2.
//!
//! # Plans
//!
//! The layouts, tiles and offsets of a kernel depend only on the shapes, not on the numbers. They are the kernel's plan, which [`Plans`] builds at the
//! first use and keeps.

mod broadcasting;
mod gathering;
mod row_pairs;
mod skipping;
mod sliding;

use std::ops::Range;
use std::sync::OnceLock;

use broadcasting::Broadcasting;
use gathering::Gathering;
use row_pairs::RowPairs;
use skipping::Skipping;
use sliding::Sliding;

use super::Conv2d;
use crate::op::edges::{Edges, View, Weighted};
use crate::op::phase::{EntryPhase, PhaseTap, Polyphase};
use crate::sums::{Init, count_zeros};

/// The plans of the three passes of a convolution, named after the tensor that the pass computes. Each plan is built at its first use. Of two plans, the first
/// overwrites the sums, and the second adds to them.
#[derive(Debug, Default)]
pub(super) struct Plans {
    output: [OnceLock<OutputPlan>; 2],
    weight: OnceLock<Gathering>,
    input: [OnceLock<Sliding>; 2],
    /// Other plans for overwriting the input gradient. They are tried first.
    small_input: OnceLock<(Option<Skipping>, Option<RowPairs>)>,
    /// The result of [`Conv2d::edge_count`].
    edge_count: OnceLock<u64>,
}

/// The largest number of products of a kernel for small convolutions. More are divided among threads, and these kernels do not do that.
const MAX_SMALL_PRODUCTS: u64 = 1 << 18;

/// The plan for the outputs.
#[derive(Debug)]
enum OutputPlan {
    Broadcasting(Broadcasting),
    Sliding(Sliding),
}

impl OutputPlan {
    fn new(conv: &Conv2d, init: Init) -> Self {
        let sliding = || Self::Sliding(Sliding::new(conv, View::Output, init));
        Broadcasting::new_if_faster(conv).map_or_else(sliding, Self::Broadcasting)
    }

    fn run(&self, conv: &Conv2d, filters: &[f64], images: &[f64], out: &mut [f64], init: Init) {
        match self {
            Self::Broadcasting(plan) => plan.run(conv, filters, images, out, init),
            Self::Sliding(plan) => plan.run(conv, filters, images, out, init),
        }
    }
}

impl Conv2d {
    /// Computes one of the three passes. `view` names the tensor that is computed: the output, the weight gradient or the input gradient. Its entries are added
    /// to `sums`, or replace the numbers in `sums`, as `init` says. The factors `a` and `b` are as in [`Weighted::accumulate`].
    ///
    /// With [`Init::Overwrite`] every entry must have a term, because the kernels write only entries with terms.
    pub(super) fn run_kernel(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64], init: Init) {
        let Plans { output, weight, input, .. } = &self.plans;
        let plan_index = usize::from(init == Init::Accumulate);
        match view {
            View::Output => output[plan_index].get_or_init(|| OutputPlan::new(self, init)).run(self, a, b, sums, init),
            View::Weight => weight.get_or_init(|| Gathering::new(self)).run(self, a, b, sums, init),
            View::Input => {
                let is_computed = init == Init::Overwrite && self.overwrite_small_input_gradient(a, b, sums);
                if !is_computed {
                    input[plan_index].get_or_init(|| Sliding::new(self, view, init)).run(self, a, b, sums, init);
                }
            }
        }
    }

    /// Overwrites `sums` with the input gradient by a kernel for small convolutions. Returns `false`, and leaves arbitrary numbers in `sums`, if there is no
    /// such kernel or if another one is faster.
    fn overwrite_small_input_gradient(&self, filters: &[f64], errors: &[f64], sums: &mut [f64]) -> bool {
        let plans = || (Skipping::new_if_faster(self), RowPairs::new_if_faster(self));
        match self.plans.small_input.get_or_init(plans) {
            (Some(plan), _) => plan.run(self, filters, errors, sums),
            (None, Some(plan)) => {
                plan.run(self, filters, errors, sums);
                true
            }
            (None, None) => false,
        }
    }

    /// Returns the number of weights of the filter of one output channel.
    fn filter_len(&self) -> usize {
        self.group_inputs() * self.channel_len(View::Weight)
    }

    /// Returns the number of edges: the products w · x of all outputs. Each of the three passes has this number of multiplications.
    fn edge_count(&self) -> u64 {
        // the number of terms of all weights in the weight gradient
        *self.plans.edge_count.get_or_init(|| self.prefix_terms(View::Weight, self.outputs * self.filter_len()))
    }
}

/// The operands of a kernel: the two factors as in [`Weighted::accumulate`], and whether the kernel adds to the sums or overwrites them.
#[derive(Clone, Copy)]
struct KernelOperands<'a> {
    conv: &'a Conv2d,
    view: View,
    a: &'a [f64],
    b: &'a [f64],
    init: Init,
}

impl KernelOperands<'_> {
    /// Returns the sum of an entry without the products with padding. `sum` is the sum of all `product_count` products, also those with padding. `before` is
    /// the number that the entry had before this computation.
    #[inline]
    fn exact(&self, entry: usize, product_count: usize, before: f64, sum: f64) -> f64 {
        let KernelOperands { conv, view, .. } = *self;
        let start = self.init.start(before);
        // If the sum is finite, all products with padding were ±0. Adding ±0 changes a running sum only in one case: −0 + 0 = 0. So a finite sum is exact in
        // three cases:
        // - The sum is not 0. If padding changed a running sum from −0 to 0, a later term x was not zero, and 0 + x = −0 + x.
        // - The sum is −0, so it was not changed to 0.
        // - The sum did not start at −0. Then no running sum was −0, because only −0 + −0 is −0.
        let negative_zero = (-0.0_f64).to_bits();
        if sum.is_finite() && (sum != 0.0 || sum.to_bits() == negative_zero || start.to_bits() != negative_zero) {
            return sum;
        }
        // if each product is a term, no product is with padding
        let term_count = self.term_count(entry);
        if term_count == product_count { sum } else { conv.add_terms(view, self.a, self.b, entry, term_count, start) }
    }

    /// Returns the number of terms of an entry.
    fn term_count(&self, entry: usize) -> usize {
        let Self { conv, view, .. } = self;
        usize::try_from(conv.prefix_terms(*view, entry + 1) - conv.prefix_terms(*view, entry)).expect("the terms of an entry fit in memory")
    }

    /// Computes the sums again that are 0 or −0, with all their terms. A kernel that leaves out terms of 0 and −0 calls this function, because such a term
    /// changes a running sum in one case: −0 + 0 = 0. Returns `false` if so many sums are 0 that a kernel with all terms is faster.
    fn recompute_zeros(&self, sums: &mut [f64]) -> bool {
        const MAX_ZEROS: usize = 16;
        let count = count_zeros(sums);
        if count > 0 && count <= MAX_ZEROS {
            for (entry, sum) in sums.iter_mut().enumerate().filter(|(_, sum)| **sum == 0.0) {
                *sum = self.conv.add_terms(self.view, self.a, self.b, entry, self.term_count(entry), -0.0);
            }
        }
        count <= MAX_ZEROS
    }
}

/// Copies the numbers of `from` to every `step`-th index of `to`, until one of the slices ends.
fn scatter_strided(to: &mut [f64], step: usize, from: &[f64]) {
    if step == 1 {
        let count = to.len().min(from.len());
        to[..count].copy_from_slice(&from[..count]);
        return;
    }
    for (to, from) in to.iter_mut().step_by(step).zip(from) {
        *to = *from;
    }
}

/// The layout of a laid-out image: polyphase along both axes ([`crate::op::phase`]).
///
/// *Components* divide the image that the kernel reads. In a forward pass with stride 2, one component along the rows has the even rows, and another has the
/// odd rows. A channel has a plane for each pair of a row component and a column component.
///
/// *Phases* divide the entries that the kernel computes. In an input gradient with stride 2, the even rows are one phase and the odd rows another.
#[derive(Debug)]
struct PolyphaseLayout {
    /// The layouts along the rows and along the columns.
    axes: [Polyphase; 2],
}

/// One product of the first entry of a phase: a weight times an entry of the laid-out image.
#[derive(Clone, Copy, Debug)]
struct KernelTap {
    /// The index of the weight in the channel of its filter.
    weight: usize,
    /// The index in the channel of the laid-out image.
    image: usize,
}

impl PolyphaseLayout {
    /// Returns the number of entries of a laid-out channel.
    fn channel_len(&self) -> usize {
        let [rows, columns] = &self.axes;
        rows.components.len() * columns.components.len() * rows.len * columns.len
    }

    /// Returns the number of entries of a laid-out row.
    fn row_len(&self) -> usize {
        self.axes[1].len
    }

    /// Iterates over the phases of the computed entries: all pairs of a row phase and a column phase.
    fn phases(&self) -> impl Iterator<Item = [&EntryPhase; 2]> {
        let [rows, columns] = &self.axes;
        rows.phases.iter().flat_map(|rows| columns.phases.iter().map(move |columns| [rows, columns]))
    }

    /// Returns, for each entry of a phase of one axis (0 for rows, 1 for columns), the range of its taps that are not padding.
    fn unpadded_taps(&self, view: View, conv: &Conv2d, axis: usize, phase: &EntryPhase) -> impl Iterator<Item = Range<usize>> {
        let image_view = if view == View::Output { View::Input } else { View::Output };
        let image_len = [&conv.rows, &conv.columns][axis].len(image_view);
        (0..phase.count).map(move |n| self.axes[axis].unpadded_taps(phase, n, image_len))
    }

    /// Returns the taps of a phase, in the order of the terms. `filter_width` is the length of a row of the filter.
    fn taps(&self, [row_phase, column_phase]: [&EntryPhase; 2], filter_width: usize) -> Vec<KernelTap> {
        let [rows, columns] = &self.axes;
        let tap = |y: &PhaseTap, x: &PhaseTap| {
            let plane = y.component * columns.components.len() + x.component;
            let row = plane * rows.len + y.offset;
            KernelTap { weight: y.kernel * filter_width + x.kernel, image: row * columns.len + x.offset }
        };
        row_phase.taps.iter().flat_map(|y| column_phase.taps.iter().map(move |x| tap(y, x))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::op::axis::Axis;
    use crate::threads::parallel;

    fn axis() -> impl Strategy<Value = Axis> {
        let sizes = (1..=14_usize, 1..=5_usize, 1..=3_usize, [0..=3_usize, 0..=3_usize], 1..=2_usize);
        sizes.prop_filter_map("no window fits", |(n, kernel, stride, padding, dilation)| {
            Axis::new(n, kernel, stride, padding, dilation).ok()
        })
    }

    /// Returns `count` numbers, among them 0, −0 and ∞.
    fn numbers(seed: usize, count: usize) -> Vec<f64> {
        // six pseudo-random bits: some bits of n times a large odd constant
        let number = |n: usize| match n.wrapping_mul(0x9e37_79b9) >> 7 & 63 {
            0 => -0.0,
            1 => 0.0,
            2 => f64::INFINITY,
            #[allow(clippy::cast_precision_loss)] // six bits
            n => (n as f64 - 31.5) / 7.0,
        };
        (seed..seed + count).map(number).collect()
    }

    /// Returns the bits of the sums. All NaNs get the same bits, because their sign and payload do not matter.
    fn bits(sums: Vec<f64>) -> Vec<u64> {
        sums.into_iter().map(|sum| if sum.is_nan() { f64::NAN.to_bits() } else { sum.to_bits() }).collect()
    }

    /// Compares the kernels with plain sums, on one thread and on several.
    fn check(conv: &Conv2d, seed: usize) {
        let x = numbers(seed, conv.inputs * conv.channel_len(View::Input));
        let w = numbers(seed + 1, conv.outputs * conv.filter_len());
        let y = numbers(seed + 2, conv.outputs * conv.channel_len(View::Output));
        check_numbers(conv, [&x, &w, &y]);
    }

    /// Compares the kernels with plain sums of these inputs, weights and outputs.
    fn check_numbers(conv: &Conv2d, [x, w, y]: [&Vec<f64>; 3]) {
        for (view, a, b, before) in [(View::Output, w, x, y), (View::Weight, x, y, w), (View::Input, w, y, x)] {
            let by_kernel = || {
                let (mut accumulated, mut overwritten) = (before.clone(), before.clone());
                conv.accumulate(view, a, b, &mut accumulated);
                conv.overwrite(view, a, b, &mut overwritten);
                [accumulated, overwritten].map(bits)
            };
            let plain = |entry: usize, start: f64, without_terms: f64| {
                let terms = conv.prefix_terms(view, entry + 1) - conv.prefix_terms(view, entry);
                let terms = usize::try_from(terms).expect("the terms fit in memory");
                if terms == 0 { without_terms } else { conv.add_terms(view, a, b, entry, terms, start) }
            };
            let accumulated = before.iter().enumerate().map(|(entry, start)| plain(entry, *start, *start)).collect();
            let overwritten = (0..before.len()).map(|entry| plain(entry, -0.0, 0.0)).collect();
            let expected = [accumulated, overwritten].map(bits);
            assert_eq!(parallel(by_kernel), expected, "{view:?} on several threads of {conv:?}");
            assert_eq!(by_kernel(), expected, "{view:?} on one thread of {conv:?}");
        }
    }

    #[test]
    fn small_convolutions_with_many_filters_match_plain_sums() {
        for (inputs, outputs, n, kernel, stride, dilation) in
            [(1, 8, 5, 2, 1, 1), (4, 16, 14, 5, 1, 1), (6, 16, 9, 3, 2, 1), (3, 24, 13, 3, 1, 2), (2, 40, 7, 3, 3, 2)]
        {
            let axis = || Axis::new(n, kernel, stride, [0, 0], dilation).expect("the filter fits");
            let conv = Conv2d::new(inputs, outputs, 1, axis(), axis());
            assert!(Broadcasting::new_if_faster(&conv).is_some(), "{conv:?}");
            check(&conv, n);
        }
    }

    #[test]
    fn sparse_errors_match_plain_sums() {
        let (mut skipped, mut paired) = (0, 0);
        // input channels, output channels, length of the image, length of the filter, stride, padding, dilation
        let sizes = [
            [4, 16, 14, 5, 1, 0, 1],
            [6, 12, 9, 5, 1, 0, 1],
            [4, 12, 8, 3, 2, 0, 1],
            [5, 12, 7, 2, 1, 0, 1],
            [16, 12, 7, 3, 1, 0, 1],
            [4, 12, 8, 2, 3, 0, 1],
            [4, 12, 4, 4, 1, 0, 1],
            [1, 3, 12, 5, 1, 2, 1],
            [1, 2, 9, 3, 1, 0, 1],
            [4, 9, 8, 3, 2, 1, 2],
        ];
        for (n, [inputs, outputs, len, kernel, stride, padding, dilation]) in sizes.into_iter().enumerate() {
            let axis = || Axis::new(len, kernel, stride, [padding, padding], dilation).expect("the filter fits");
            let conv = Conv2d::new(inputs, outputs, 1, axis(), axis());
            let finite =
                |seed: usize, count: usize| numbers(seed, count).into_iter().map(|x| if x.is_finite() { x } else { 0.5 }).collect();
            let x: Vec<f64> = finite(n, conv.inputs * conv.channel_len(View::Input));
            let w: Vec<f64> = finite(n + 1, conv.outputs * conv.filter_len());
            let y: Vec<f64> = finite(n + 2, conv.outputs * conv.channel_len(View::Output));
            let plan = Skipping::new_if_faster(&conv);
            paired += usize::from(RowPairs::new_if_faster(&conv).is_some());
            // zeros of one sign, or of both, between the other errors
            let zeros: [fn(usize) -> f64; 3] = [|_| 0.0, |_| -0.0, |n| if n.is_multiple_of(2) { 0.0 } else { -0.0 }];
            for (zero, every) in zeros.iter().flat_map(|zero| [3, 5, usize::MAX].map(|every| (zero, every))) {
                let sparse: Vec<f64> = y.iter().enumerate().map(|(n, y)| if n % every == 2 { *y } else { zero(n) }).collect();
                skipped += usize::from(plan.as_ref().is_some_and(|plan| plan.run(&conv, &w, &sparse, &mut x.clone())));
                check_numbers(&conv, [&x, &w, &sparse]);
                // sums of −0, and sums that cancel out to 0: `signum` is 1 for 0 and −1 for −0
                for weight in [1.0, -1.0] {
                    let signs = sparse.iter().map(|e| e.signum()).collect::<Vec<_>>();
                    check_numbers(&conv, [&vec![weight; x.len()], &vec![weight; w.len()], &sparse]);
                    check_numbers(&conv, [&vec![weight; x.len()], &vec![weight; w.len()], &signs]);
                    check_numbers(&conv, [&x, &vec![weight; w.len()], &signs.iter().map(|e| e * 0.0).collect()]);
                }
                for special in [f64::INFINITY, f64::NAN, 1e308].into_iter().filter(|_| every == 3) {
                    let with = |numbers: &[f64], at: usize| {
                        let mut numbers = numbers.to_vec();
                        numbers[at] = special;
                        numbers
                    };
                    // special inputs and weights: times an error of 0, ∞ gives NaN, so the product must not be left out
                    check_numbers(&conv, [&with(&x, x.len() - 1), &with(&w, w.len() - 1), &sparse]);
                    check_numbers(&conv, [&with(&x, 0), &with(&w, 0), &sparse]);
                    // a special error in place of one that is not 0
                    check_numbers(&conv, [&x, &w, &with(&sparse, 2)]);
                    // both
                    check_numbers(&conv, [&with(&x, 0), &with(&w, 0), &with(&sparse, 2)]);
                }
            }
        }
        // the two sizes with a single input channel have a plan for `RowPairs`
        assert!(skipped > 8 && paired == 2, "{skipped} {paired}");
    }

    /// `gradstep diff` computes with mistakes, such as a padding that is not cropped. Their windows can reach beyond the end of the image.
    #[test]
    fn windows_beyond_the_image_match_plain_sums() {
        for (inputs, outputs, len, kernel, padding) in [(4, 12, 8, 3, 1), (6, 12, 9, 5, 2), (1, 3, 12, 5, 2), (1, 2, 9, 3, 1)] {
            let axis = || Axis::new(len, kernel, 1, [padding, padding], 1).expect("the filter fits");
            // windows that begin at 0, not at −padding, so the last ones end beyond the image
            let shifted = || axis().with_steps(1, 0, 1);
            for (rows, columns) in [(shifted(), shifted()), (axis(), shifted()), (shifted(), axis())] {
                check(&Conv2d::new(inputs, outputs, 1, rows.clone(), columns.clone()), len);
                let conv = Conv2d::new(inputs, outputs, 1, rows, columns);
                let x = vec![0.5; conv.inputs * conv.channel_len(View::Input)];
                let w = (0..conv.outputs * conv.filter_len()).map(|n| if n % 3 == 0 { 0.25 } else { -1.5 }).collect();
                let sparse = (0..conv.outputs * conv.channel_len(View::Output)).map(|n| if n % 4 == 3 { 2.0 } else { 0.0 }).collect();
                check_numbers(&conv, [&x, &w, &sparse]);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn kernels_match_plain_sums_on_one_thread_and_on_several(
            (groups, inputs, outputs) in (1..=2_usize, 1..=6_usize, 1..=40_usize),
            (rows, columns) in (axis(), axis()),
            seed in 0..1000_usize,
        ) {
            check(&Conv2d::new(groups * inputs, groups * outputs, groups, rows, columns), seed);
        }
    }
}
