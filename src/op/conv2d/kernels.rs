//! The fast kernels: entries run side by side, so that each adds in the order of its own terms. Padding lies in the buffers as 0. A product with it
//! could show only in an entry whose sum is 0 (it may turn its sign) or not finite (0 · ∞): such an entry is added up anew, edge by edge.
//!
//! How they go depends on the shape alone, and is found out once.

mod gathering;
mod sliding;

use std::ops::Range;
use std::sync::OnceLock;

use gathering::Gathering;
use sliding::Sliding;

use super::Conv2d;
use crate::op::edges::{Edges, View, Weighted};
use crate::op::phase::{Combed, Phase, Shift};
use crate::sums::Init;

/// How the three views of a convolution are computed, each found out when it is first asked for.
#[derive(Debug, Default)]
pub(super) struct Plans {
    output: OnceLock<Sliding>,
    weight: OnceLock<Gathering>,
    input: OnceLock<Sliding>,
}

impl Conv2d {
    /// The sums of a view, from `a` and `b` as in [`Weighted::accumulate`]. Where they were init nowhere every entry has a term.
    pub(super) fn sums(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64], init: Init) {
        let Plans { output, weight, input } = &self.plans;
        match view {
            View::Output => output.get_or_init(|| Sliding::new(self, view)).run(self, a, b, sums, init),
            View::Weight => weight.get_or_init(|| Gathering::new(self)).run(self, a, b, sums, init),
            View::Input => input.get_or_init(|| Sliding::new(self, view)).run(self, a, b, sums, init),
        }
    }

    /// How many entries a channel has.
    fn area(&self, view: View) -> usize {
        self.rows.len(view) * self.columns.len(view)
    }

    /// How many weights an output channel has.
    fn filter(&self) -> usize {
        self.group_inputs() * self.area(View::Weight)
    }

    /// How many edges there are.
    fn edges(&self) -> u64 {
        self.prefix_terms(View::Weight, self.outputs * self.filter())
    }
}

/// What is read: the two other ends' values, as in [`Weighted::accumulate`], and how the sums were init.
#[derive(Clone, Copy)]
struct Read<'a> {
    conv: &'a Conv2d,
    view: View,
    a: &'a [f64],
    b: &'a [f64],
    init: Init,
}

impl Read<'_> {
    /// An entry that was `before`, from the sum of its `taps`, some of which may be padding.
    #[inline]
    fn exact(&self, entry: usize, taps: usize, before: f64, sum: f64) -> f64 {
        let Read { conv, view, .. } = *self;
        let start = self.init.before(before);
        // a sum is -0 only when all that was added was, and what began otherwise cannot become -0 any more
        let negative = (-0.0_f64).to_bits();
        if sum.is_finite() && (sum != 0.0 || sum.to_bits() == negative || start.to_bits() != negative) {
            return sum;
        }
        let terms = usize::try_from(conv.prefix_terms(view, entry + 1) - conv.prefix_terms(view, entry)).expect("terms of an entry");
        if terms == taps { sum } else { conv.add_up(view, self.a, self.b, entry, terms, start) }
    }
}

/// Copies as many entries as both have, to every `step`-th place.
fn spread(to: &mut [f64], step: usize, from: &[f64]) {
    if step == 1 {
        let count = to.len().min(from.len());
        to[..count].copy_from_slice(&from[..count]);
        return;
    }
    for (to, from) in to.iter_mut().step_by(step).zip(from) {
        *to = *from;
    }
}

/// A weight on a place of the image.
#[derive(Clone, Copy, Debug)]
struct Tap {
    /// The weight's place in a filter.
    weight: usize,
    /// Where the image lies under it.
    place: usize,
}

/// How images lie that are laid out in combs of rows and of columns.
#[derive(Debug)]
struct Layout {
    axes: [Combed; 2],
}

impl Layout {
    /// How long one channel is.
    fn channel(&self) -> usize {
        self.axes[0].combs.len() * self.axes[1].combs.len() * self.axes[0].len * self.axes[1].len
    }

    /// How long a line is.
    fn width(&self) -> usize {
        self.axes[1].len
    }

    /// All pairs of a phase of the rows and one of the columns.
    fn phases(&self) -> impl Iterator<Item = [&Phase; 2]> {
        let [rows, columns] = &self.axes;
        rows.phases.iter().flat_map(|rows| columns.phases.iter().map(move |columns| [rows, columns]))
    }

    /// Which taps of a phase of one axis its entries meet, and not padding.
    fn met(&self, view: View, conv: &Conv2d, axis: usize, phase: &Phase) -> impl Iterator<Item = Range<usize>> {
        let len = [&conv.rows, &conv.columns][axis].len(if view == View::Output { View::Input } else { View::Output });
        (0..phase.count).map(move |n| self.axes[axis].met(phase, n, len))
    }

    /// Kernel places of a phase, in the order of the terms, as entry 0 of it meets them.
    fn taps(&self, [rows, columns]: [&Phase; 2], width: usize) -> Vec<Tap> {
        let [down, across] = &self.axes;
        let line = |y: &Shift, comb: usize| (y.comb * across.combs.len() + comb) * down.len + y.by;
        let tap = |y: &Shift, x: &Shift| Tap { weight: y.kernel * width + x.kernel, place: line(y, x.comb) * across.len + x.by };
        rows.taps.iter().flat_map(|y| columns.taps.iter().map(move |x| tap(y, x))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::op::axis::Axis;
    use crate::threads::together;

    fn axis() -> impl Strategy<Value = Axis> {
        let sizes = (1..=14_usize, 1..=5_usize, 1..=3_usize, 0..=3_usize, 1..=2_usize);
        sizes.prop_filter_map("no window fits", |(n, kernel, stride, padding, dilation)| {
            Axis::checked(n, kernel, stride, padding, dilation).ok()
        })
    }

    /// Some numbers of every kind.
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
        // what is no number has no sign
        sums.into_iter().map(|sum| if sum.is_nan() { f64::NAN.to_bits() } else { sum.to_bits() }).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn threads_that_share_add_the_same(
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
                    let sum = |terms| conv.add_up(view, a, b, entry, usize::try_from(terms).expect("few"), start);
                    if terms == 0 { nothing } else { sum(terms) }
                };
                let init = before.iter().enumerate().map(|(entry, start)| plain(entry, *start, *start)).collect();
                let fresh = (0..before.len()).map(|entry| plain(entry, -0.0, 0.0)).collect();
                let expected = [init, fresh].map(bits);
                prop_assert_eq!(&together(sums), &expected, "{:?} shared", view);
                prop_assert_eq!(&sums(), &expected, "{:?} alone", view);
            }
        }
    }
}
