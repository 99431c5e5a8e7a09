//! The weight gradient: what each weight saw of the images, times the errors.

use std::ops::Range;

use super::{Begun, Laid, Tap};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::op::phase::{Phase, comb, laid_out};
use crate::sums::{LANES, Products, Side, add};
use crate::threads;

impl Conv2d {
    /// The weight gradient.
    pub(in super::super) fn gather(&self, images: &[f64], errors: &[f64], out: &mut [f64], begun: Begun) {
        let axes = [comb(&self.rows, View::Output), comb(&self.columns, View::Output)];
        let laid = Laid { image: laid_out(images, self.plane(View::Input).into(), &axes, LANES), axes: &axes };
        for rows in &axes[0].phases {
            for columns in &axes[1].phases {
                Gathering::new(self, &laid, [rows, columns], images, errors).run(out, begun);
            }
        }
    }
}

/// Output channels side by side, weights and places of the error that are taken together: what stays in the nearest cache.
const CHANNELS: usize = 4 * LANES;
const WEIGHTS: usize = 64;
const PLACES: usize = 64;

/// All weights.
struct Gathering<'a> {
    conv: &'a Conv2d,
    laid: &'a Laid<'a>,
    images: &'a [f64],
    errors: &'a [f64],
    /// The kernel places, in the order of what they see.
    taps: Vec<Tap>,
}

/// Weights that are used by the same outputs.
struct Alike {
    /// These lines and columns of them.
    window: [Range<usize>; 2],
    /// The weights of one output channel.
    taps: Vec<Tap>,
    /// Whether none of them sees padding.
    whole: bool,
}

/// Some sums.
struct Block<'a> {
    /// Neighbouring output channels: the first of them in their group,
    first: usize,
    /// how many they are,
    channels: usize,
    /// and their errors, place by place.
    errors: &'a [f64],
    alike: &'a Alike,
    /// Weights of each channel.
    taps: &'a [Tap],
    sums: Vec<f64>,
}

impl<'a> Gathering<'a> {
    fn new(conv: &'a Conv2d, laid: &'a Laid<'a>, phase: [&'a Phase; 2], images: &'a [f64], errors: &'a [f64]) -> Self {
        let mut taps = laid.taps(phase, conv.columns.kernel);
        taps.sort_unstable_by_key(|tap| tap.place);
        Self { conv, laid, images, errors, taps }
    }

    fn run(&self, out: &mut [f64], begun: Begun) {
        let (channels, filter) = (self.conv.group_outputs(), self.conv.filter());
        // lanes are channels, or else weights that lie side by side in the image: where there are few channels
        let runs: Vec<_> = self.taps.chunk_by(|a, b| a.place + 1 == b.place).flat_map(|run| run.chunks(LANES)).collect();
        if runs.len() * channels < self.taps.len() * channels.div_ceil(LANES) {
            let runs: Vec<_> = (0..self.conv.group_inputs()).flat_map(|i| runs.iter().map(move |run| self.channel(i, run))).collect();
            return self.direct(&runs, out, begun);
        }
        let alike = self.alike();
        for (group, out) in out.chunks_exact_mut(channels * filter).enumerate() {
            let firsts = (0..channels).step_by(CHANNELS).map(|first| (first, CHANNELS.min(channels - first)));
            let panels: Vec<_> = firsts.map(|(n, count)| (n, count, self.side_by_side(group * channels + n, count))).collect();
            let mut blocks = Vec::new();
            for (first, count, errors) in &panels {
                for (alike, taps) in alike.iter().flat_map(|alike| alike.taps.chunks(WEIGHTS).map(move |taps| (alike, taps))) {
                    let sums = vec![0.0; taps.len() * count.next_multiple_of(LANES)];
                    blocks.push(Block { first: *first, channels: *count, errors, alike, taps, sums });
                }
            }
            for block in &mut blocks {
                block.each(filter, |sum, place| *sum = begun.before(out[place]));
            }
            threads::share(blocks.iter_mut().collect(), self.conv.edges(), |blocks| {
                for block in blocks {
                    self.add(group, block);
                }
            });
            for block in &mut blocks {
                let (whole, taps) = (block.alike.whole, self.conv.area(View::Output));
                block.each(filter, |sum, place| {
                    out[place] =
                        if whole { *sum } else { self.exact(group * channels * filter + place, taps, begun.before(out[place]), *sum) };
                });
            }
        }
    }

    /// The taps in an input channel of each group.
    fn channel(&self, i: usize, taps: &[Tap]) -> Vec<Tap> {
        let (area, channel) = (self.conv.area(View::Weight), self.laid.channel());
        taps.iter().map(|tap| Tap { weight: i * area + tap.weight, place: i * channel + tap.place }).collect()
    }

    /// All weights of an output channel, so that none sees padding; where there are few input channels, that would make too many small parts.
    fn alike(&self) -> Vec<Alike> {
        let Conv2d { rows, columns, .. } = self.conv;
        let window = |tap: &Tap| [rows.outputs(tap.weight / columns.kernel), columns.outputs(tap.weight % columns.kernel)];
        let mut kinds: Vec<Alike> = Vec::new();
        let all = [0..rows.output, 0..columns.output];
        let few = self.conv.group_inputs() < 4;
        let whole = !few || self.taps.iter().all(|tap| window(tap) == all);
        for tap in &self.taps {
            let window = if few { all.clone() } else { window(tap) };
            match kinds.iter_mut().find(|kind| kind.window == window) {
                Some(kind) => kind.taps.push(*tap),
                None => kinds.push(Alike { window, taps: vec![*tap], whole }),
            }
        }
        for Alike { taps, .. } in &mut kinds {
            *taps = (0..self.conv.group_inputs()).flat_map(|i| self.channel(i, taps)).collect();
        }
        kinds
    }

    /// Adds what the weights of a block see, times the errors.
    fn add(&self, group: usize, Block { channels, errors, alike, taps, sums, .. }: &mut Block<'_>) {
        let stride = channels.next_multiple_of(LANES);
        let [down, across] = &alike.window;
        let mut places = Vec::with_capacity(down.len() * across.len());
        for y in down.clone() {
            places.extend(across.clone().map(|x| (y * self.laid.width() + x, (y * self.conv.columns.output + x) * stride)));
        }
        let weights: Vec<_> = taps.iter().map(|tap| tap.place).collect();
        let registers: Vec<_> = (0..stride).step_by(LANES).collect();
        let rows = Side { numbers: &self.laid.image[group * self.conv.group_inputs() * self.laid.channel()..], firsts: &weights };
        let lanes = Side { numbers: errors, firsts: &registers };
        for places in places.chunks(PLACES) {
            add(&Products { rows, lanes, taps: places, stretch: places.len(), part: 0..places.len() }, sums);
        }
    }

    fn exact(&self, entry: usize, taps: usize, begun: f64, sum: f64) -> f64 {
        self.conv.exact(View::Weight, [self.images, self.errors], entry, taps, begun, sum)
    }

    /// Sums in which the lanes are weights of one channel, in runs that lie side by side in the image.
    fn direct(&self, runs: &[Vec<Tap>], out: &mut [f64], begun: Begun) {
        let (channels, filter, plane) = (self.conv.group_outputs(), self.conv.filter(), self.conv.area(View::Output));
        let width = self.conv.columns.output;
        let places: Vec<_> = (0..plane).map(|n| (n, n / width * self.laid.width() + n % width)).collect();
        let registers: Vec<_> = runs.iter().map(|run| run[0].place).collect();
        let stride = runs.len() * LANES;
        threads::share(out.chunks_exact_mut(channels * filter).enumerate().collect(), self.conv.edges(), |groups| {
            let mut sums = vec![0.0; channels * stride];
            for (group, out) in groups {
                for (sums, filter) in sums.chunks_exact_mut(stride).zip(out.chunks_exact(filter)) {
                    for (sums, run) in sums.chunks_exact_mut(LANES).zip(runs) {
                        for (sum, tap) in sums.iter_mut().zip(run) {
                            *sum = begun.before(filter[tap.weight]);
                        }
                    }
                }
                let outputs: Vec<_> = (0..channels).map(|n| (group * channels + n) * plane).collect();
                let rows = Side { numbers: self.errors, firsts: &outputs };
                let lanes =
                    Side { numbers: &self.laid.image[group * self.conv.group_inputs() * self.laid.channel()..], firsts: &registers };
                add(&Products { rows, lanes, taps: &places, stretch: plane, part: 0..plane }, &mut sums);
                for ((n, sums), out) in sums.chunks_exact(stride).enumerate().zip(out.chunks_exact_mut(filter)) {
                    for (sums, run) in sums.chunks_exact(LANES).zip(runs) {
                        for (sum, tap) in sums.iter().zip(run) {
                            let entry = (group * channels + n) * filter + tap.weight;
                            out[tap.weight] = self.exact(entry, plane, begun.before(out[tap.weight]), *sum);
                        }
                    }
                }
            }
        });
    }

    /// The errors of some channels, place by place, side by side.
    fn side_by_side(&self, first: usize, channels: usize) -> Vec<f64> {
        let plane = self.conv.area(View::Output);
        let stride = channels.next_multiple_of(LANES);
        let mut errors = vec![0.0; plane * stride];
        // a few places at once, so that what is read and what is written is near
        for (n, errors) in errors.chunks_mut(LANES * stride).enumerate() {
            for (lane, channel) in self.errors[first * plane..].chunks_exact(plane).take(channels).enumerate() {
                for (place, error) in errors[lane..].iter_mut().step_by(stride).zip(&channel[n * LANES..]) {
                    *place = *error;
                }
            }
        }
        errors
    }
}

impl Block<'_> {
    /// Shows each sum with its place in the group's weights, channel by channel.
    fn each(&mut self, filter: usize, mut show: impl FnMut(&mut f64, usize)) {
        let stride = self.channels.next_multiple_of(LANES);
        for n in 0..self.channels {
            for (sum, tap) in self.sums[n..].iter_mut().step_by(stride).zip(self.taps) {
                show(sum, (self.first + n) * filter + tap.weight);
            }
        }
    }
}
