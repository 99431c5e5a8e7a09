//! Fast kernels of a convolution: the forward pass, the weight gradient and the input gradient.
//!
//! Each kernel computes several entries at once, one in each lane of a vector register. An entry adds its own terms in their order, so the result has
//! the same bits as a plain loop over the terms.
//!
//! - `sliding` computes the outputs and the input gradient: a filter slides over an image.
//! - `gathering` computes the weight gradient: each weight sums image · error over all outputs.
//!
//! The kernels read a copy of the image in which padding is 0 ([`crate::op::phase`] explains its layout), so they also add products with padding,
//! which are no terms. Such a product is ±0 or, if the weight is ∞ or NaN, NaN. It can change a sum only if the sum is 0 (its sign) or not finite.
//! Those entries are computed again from their terms alone ([`KernelOperands::exact`]): with padding 1, the sum ∞ · 0 + 1 · 2 of a corner is NaN, but
//! its only term gives 2.
//!
//! The plan of a kernel (its layouts, tiles and offsets) depends on the shapes alone. [`Plans`] builds it at the first use and keeps it.

mod gathering;
mod sliding;

use std::ops::Range;
use std::sync::OnceLock;

use gathering::Gathering;
use sliding::Sliding;

use super::Conv2d;
use crate::op::edges::{Edges, View, Weighted};
use crate::op::phase::{EntryPhase, Polyphase, Shift};
use crate::sums::Init;

/// The plans for computing the three views of a convolution, each built at its first use.
#[derive(Debug, Default)]
pub(super) struct Plans {
    output: OnceLock<Sliding>,
    weight: OnceLock<Gathering>,
    input: OnceLock<Sliding>,
}

impl Conv2d {
    /// Computes the sums of a view from `a` and `b` as in [`Weighted::accumulate`]. With [`Init::Overwrite`], every entry must have a term.
    pub(super) fn sums(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64], init: Init) {
        let Plans { output, weight, input } = &self.plans;
        match view {
            View::Output => output.get_or_init(|| Sliding::new(self, view)).run(self, a, b, sums, init),
            View::Weight => weight.get_or_init(|| Gathering::new(self)).run(self, a, b, sums, init),
            View::Input => input.get_or_init(|| Sliding::new(self, view)).run(self, a, b, sums, init),
        }
    }

    /// The number of entries of a channel.
    fn area(&self, view: View) -> usize {
        self.rows.len(view) * self.columns.len(view)
    }

    /// The number of weights of an output channel.
    fn filter(&self) -> usize {
        self.group_inputs() * self.area(View::Weight)
    }

    /// The number of edges.
    fn edges(&self) -> u64 {
        self.prefix_terms(View::Weight, self.outputs * self.filter())
    }
}

/// The operands of a kernel: the two factors as in [`Weighted::accumulate`], and whether it adds to the sums or overwrites them.
#[derive(Clone, Copy)]
struct KernelOperands<'a> {
    conv: &'a Conv2d,
    view: View,
    a: &'a [f64],
    b: &'a [f64],
    init: Init,
}

impl KernelOperands<'_> {
    /// Returns the exact sum of an entry, where `sum` was computed over `taps` products, some of which may be padding, and the entry was `before`
    /// until then.
    #[inline]
    fn exact(&self, entry: usize, taps: usize, before: f64, sum: f64) -> f64 {
        let KernelOperands { conv, view, .. } = *self;
        let start = self.init.before(before);
        // padding adds ±0, which only turns a sum of -0 into 0: not if the result is -0, and not if the start was something else, as no sum becomes
        // -0
        let negative = (-0.0_f64).to_bits();
        if sum.is_finite() && (sum != 0.0 || sum.to_bits() == negative || start.to_bits() != negative) {
            return sum;
        }
        let terms = usize::try_from(conv.prefix_terms(view, entry + 1) - conv.prefix_terms(view, entry))
            .expect("the terms of an entry fit in memory");
        if terms == taps { sum } else { conv.add_terms(view, self.a, self.b, entry, terms, start) }
    }
}

/// Copies entries to every `step`-th place, until either slice ends.
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

/// A weight and the place of the image that it is multiplied with.
#[derive(Clone, Copy, Debug)]
struct KernelTap {
    /// The index of the weight in its filter.
    weight: usize,
    /// The index in the laid-out image.
    place: usize,
}

/// The layout of images that are split into components of rows and of columns.
#[derive(Debug)]
struct PolyphaseLayout {
    axes: [Polyphase; 2],
}

impl PolyphaseLayout {
    /// The number of entries of a laid-out channel.
    fn channel(&self) -> usize {
        self.axes[0].components.len() * self.axes[1].components.len() * self.axes[0].len * self.axes[1].len
    }

    /// The number of entries of a laid-out row.
    fn width(&self) -> usize {
        self.axes[1].len
    }

    /// Iterates over all pairs of a row phase and a column phase.
    fn phases(&self) -> impl Iterator<Item = [&EntryPhase; 2]> {
        let [rows, columns] = &self.axes;
        rows.phases.iter().flat_map(|rows| columns.phases.iter().map(move |columns| [rows, columns]))
    }

    /// For each entry of a phase of one axis, returns the range of its reads that are not padding.
    fn unpadded_taps(&self, view: View, conv: &Conv2d, axis: usize, phase: &EntryPhase) -> impl Iterator<Item = Range<usize>> {
        let len = [&conv.rows, &conv.columns][axis].len(if view == View::Output { View::Input } else { View::Output });
        (0..phase.count).map(move |n| self.axes[axis].unpadded_taps(phase, n, len))
    }

    /// Returns the kernel places of a phase in the order of the terms, each with the place that entry 0 reads.
    fn taps(&self, [rows, columns]: [&EntryPhase; 2], width: usize) -> Vec<KernelTap> {
        let [down, across] = &self.axes;
        let line = |y: &Shift, component: usize| (y.component * across.components.len() + component) * down.len + y.offset;
        let tap =
            |y: &Shift, x: &Shift| KernelTap { weight: y.kernel * width + x.kernel, place: line(y, x.component) * across.len + x.offset };
        rows.taps.iter().flat_map(|y| columns.taps.iter().map(move |x| tap(y, x))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::op::axis::Axis;
    use crate::threads::parallel;

    fn axis() -> impl Strategy<Value = Axis> {
        let sizes = (1..=14_usize, 1..=5_usize, 1..=3_usize, 0..=3_usize, 1..=2_usize);
        sizes.prop_filter_map("no window fits", |(n, kernel, stride, padding, dilation)| {
            Axis::checked(n, kernel, stride, padding, dilation).ok()
        })
    }

    /// Returns `count` numbers, among them 0, −0 and ∞.
    fn numbers(seed: usize, count: usize) -> Vec<f64> {
        let number = |n: usize| match n.wrapping_mul(0x9e37_79b9) >> 7 & 63 {
            0 => -0.0,
            1 => 0.0,
            2 => f64::INFINITY,
            #[allow(clippy::cast_precision_loss)] // six bits
            n => (n as f64 - 31.5) / 7.0,
        };
        (seed..seed + count).map(number).collect()
    }

    fn bits(sums: Vec<f64>) -> Vec<u64> {
        // the sign of a NaN does not matter
        sums.into_iter().map(|sum| if sum.is_nan() { f64::NAN.to_bits() } else { sum.to_bits() }).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn kernels_match_plain_sums_on_one_thread_and_on_several(
            (groups, inputs, outputs) in (1..=2_usize, 1..=6_usize, 1..=40_usize),
            (rows, columns) in (axis(), axis()),
            seed in 0..1000_usize,
        ) {
            let conv = Conv2d::new(groups * inputs, groups * outputs, groups, rows, columns);
            let x = numbers(seed, conv.inputs * conv.area(View::Input));
            let w = numbers(seed + 1, conv.outputs * conv.filter());
            let y = numbers(seed + 2, conv.outputs * conv.area(View::Output));
            for (view, a, b, before) in [(View::Output, &w, &x, &y), (View::Weight, &x, &y, &w), (View::Input, &w, &y, &x)] {
                let sums = || {
                    let (mut init, mut fresh) = (before.clone(), before.clone());
                    conv.accumulate(view, a, b, &mut init);
                    conv.begin(view, a, b, &mut fresh);
                    [init, fresh].map(bits)
                };
                let plain = |entry: usize, start: f64, nothing: f64| {
                    let terms = conv.prefix_terms(view, entry + 1) - conv.prefix_terms(view, entry);
                    let sum = |terms| conv.add_terms(view, a, b, entry, usize::try_from(terms).expect("the terms fit in memory"), start);
                    if terms == 0 { nothing } else { sum(terms) }
                };
                let init = before.iter().enumerate().map(|(entry, start)| plain(entry, *start, *start)).collect();
                let fresh = (0..before.len()).map(|entry| plain(entry, -0.0, 0.0)).collect();
                let expected = [init, fresh].map(bits);
                prop_assert_eq!(&parallel(sums), &expected, "{:?} shared", view);
                prop_assert_eq!(&sums(), &expected, "{:?} alone", view);
            }
        }
    }
}
