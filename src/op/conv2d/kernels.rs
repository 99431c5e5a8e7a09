//! The fast kernels: entries run side by side, so that each adds in the order of its own terms. Padding lies in the buffers as 0. A product with it
//! could show only in an entry whose sum is 0 (it may turn its sign) or not finite (0 · ∞): such an entry is added up anew, edge by edge.

use std::ops::Range;

use super::Conv2d;
use crate::op::edges::{Edges, View, Weighted};
use crate::op::phase::{Combed, Phase, Shift, comb, laid_out};
use crate::sums::{LANES, Slide, add, heights};
use crate::threads;

impl Conv2d {
    /// The forward pass, or the error's way back: the filters slide over the images, or over the errors.
    pub(super) fn slide(&self, view: View, filters: &[f64], images: &[f64], out: &mut [f64]) {
        let read = if view == View::Output { View::Input } else { View::Output };
        let axes = [comb(&self.rows, view), comb(&self.columns, view)];
        let laid = Laid { image: laid_out(images, self.plane(read).into(), &axes, LANES), axes: &axes };
        let phases = axes[0].phases.iter().flat_map(|rows| axes[1].phases.iter().map(move |columns| [rows, columns]));
        let phases: Vec<_> = phases.map(|phase| Sliding::new(self, view, &laid, phase, filters, images)).collect();
        threads::share(self.blocks(view, out), self.edges(), |blocks| {
            let (mut factors, mut sums) = (Vec::new(), Vec::new());
            for mut block in blocks {
                for phase in &phases {
                    phase.add(&mut block, &mut factors, &mut sums);
                }
            }
        });
    }

    /// The channels of a view, as many together as are taken at once.
    fn blocks<'a>(&self, view: View, out: &'a mut [f64]) -> Vec<Block<'a>> {
        let channels = if view == View::Output { self.group_outputs() } else { self.group_inputs() };
        let plane = self.area(view);
        let mut blocks = Vec::new();
        for (group, mut rest) in out.chunks_exact_mut(channels * plane).enumerate() {
            let mut first = group * channels;
            for height in heights(channels) {
                let (out, more) = rest.split_at_mut(height * plane);
                blocks.push(Block { group, first, out });
                (rest, first) = (more, first + height);
            }
        }
        blocks
    }

    /// The weight gradient: what each weight saw of the images, times the errors.
    pub(super) fn gather(&self, images: &[f64], errors: &[f64], out: &mut [f64]) {
        let axes = [comb(&self.rows, View::Output), comb(&self.columns, View::Output)];
        let laid = Laid { image: laid_out(images, self.plane(View::Input).into(), &axes, 0), axes: &axes };
        for rows in &axes[0].phases {
            for columns in &axes[1].phases {
                Gathering::new(self, &laid, [rows, columns], images, errors).run(out);
            }
        }
    }

    /// How many entries a channel has.
    fn area(&self, view: View) -> usize {
        self.rows.len(view) * self.columns.len(view)
    }

    /// How many edges there are.
    fn edges(&self) -> u64 {
        self.before(View::Weight, self.outputs * self.group_inputs() * self.area(View::Weight))
    }

    /// An entry that was `start` before, from the sum of its `taps`, some of which may be padding.
    fn exact(&self, view: View, [a, b]: [&[f64]; 2], entry: usize, taps: usize, start: f64, sum: f64) -> f64 {
        if sum != 0.0 && sum.is_finite() {
            return sum;
        }
        let terms = usize::try_from(self.before(view, entry + 1) - self.before(view, entry)).expect("terms of an entry");
        if terms == taps { sum } else { self.add_up(view, a, b, entry, terms, start) }
    }
}

/// Copies as many entries as both have, to every `step`-th place.
fn spread(to: &mut [f64], step: usize, from: &[f64]) {
    if step == 1 {
        let count = to.len().min(from.len());
        to[..count].copy_from_slice(&from[..count]);
        return;
    }
    let mut at = 0;
    for from in from {
        let Some(to) = to.get_mut(at) else { return };
        *to = *from;
        at += step;
    }
}

/// Images laid out in combs of rows and of columns.
struct Laid<'a> {
    image: Vec<f64>,
    axes: &'a [Combed; 2],
}

impl Laid<'_> {
    /// How long one channel is.
    fn channel(&self) -> usize {
        self.axes[0].combs.len() * self.axes[1].combs.len() * self.axes[0].len * self.axes[1].len
    }

    /// How long a line is.
    fn width(&self) -> usize {
        self.axes[1].len
    }

    /// Kernel places of a phase: their place in a filter, and where entry 0 of the phase finds what lies under them.
    fn taps(&self, [rows, columns]: [&Phase; 2], width: usize) -> Vec<(usize, usize)> {
        let [down, across] = self.axes;
        let line = |y: &Shift, comb: usize| (y.comb * across.combs.len() + comb) * down.len + y.by;
        let tap = |y: &Shift, x: &Shift| (y.kernel * width + x.kernel, line(y, x.comb) * across.len + x.by);
        rows.taps.iter().flat_map(|y| columns.taps.iter().map(move |x| tap(y, x))).collect()
    }
}

/// Entries of one phase, of the outputs or of the inputs.
struct Sliding<'a> {
    conv: &'a Conv2d,
    view: View,
    laid: &'a Laid<'a>,
    phase: [&'a Phase; 2],
    filters: &'a [f64],
    images: &'a [f64],
    /// The summed channels' taps, in order.
    taps: Vec<(usize, usize)>,
    starts: Vec<usize>,
}

/// Neighbouring channels of one group.
struct Block<'a> {
    group: usize,
    /// The first of them.
    first: usize,
    out: &'a mut [f64],
}

impl<'a> Sliding<'a> {
    fn new(conv: &'a Conv2d, view: View, laid: &'a Laid<'a>, phase: [&'a Phase; 2], filters: &'a [f64], images: &'a [f64]) -> Self {
        let taps = laid.taps(phase, conv.columns.kernel);
        let starts = (0..conv.inner(view)).flat_map(|c| taps.iter().map(move |(_, start)| c * laid.channel() + start)).collect();
        Self { conv, view, laid, phase, filters, images, taps, starts }
    }

    /// How far the entries of the phase go, with what lies between their rows.
    fn count(&self) -> usize {
        let [rows, columns] = self.phase;
        (rows.count - 1) * self.laid.width() + columns.count
    }

    /// Adds what the phase's entries of some channels see, in memory that serves block after block.
    fn add(&self, Block { group, first, out }: &mut Block<'_>, factors: &mut Vec<f64>, sums: &mut Vec<f64>) {
        let (group, first) = (*group, *first);
        let (conv, view) = (self.conv, self.view);
        let plane = conv.area(view);
        let (rows, stride) = (out.len() / plane, self.count().next_multiple_of(LANES));
        self.filters(first..first + rows, factors);
        sums.resize(rows * stride, 0.0);
        let (&Phase { step, count, .. }, len) = (self.phase[1], self.laid.width());
        for (sums, out) in sums.chunks_exact_mut(stride).zip(out.chunks_exact(plane)) {
            for (line, begin) in sums.chunks_mut(len).zip(self.lines()) {
                for (sum, begun) in line[..count].iter_mut().zip(out[begin..].chunks(step)) {
                    *sum = begun[0];
                }
            }
        }
        let lanes = &self.laid.image[group * conv.inner(view) * self.laid.channel()..];
        add(&Slide { rows: factors, lanes, starts: &self.starts }, sums, self.count());
        for (row, (sums, out)) in sums.chunks_exact(stride).zip(out.chunks_exact_mut(plane)).enumerate() {
            for (line, begin) in sums.chunks(len).zip(self.lines()) {
                let line = &line[..count];
                // without a branch, and as wide as the sums, so that it is done in registers
                let odd = line.iter().fold(0, |odd, sum| odd | u64::from(*sum == 0.0) | u64::from(!sum.is_finite()));
                if odd == 0 {
                    spread(&mut out[begin..], step, line);
                    continue;
                }
                for (at, sum) in (begin..).step_by(step).zip(line) {
                    let entry = (first + row) * plane + at;
                    out[at] = conv.exact(view, [self.filters, self.images], entry, self.starts.len(), out[at], *sum);
                }
            }
        }
    }

    /// Where the lines of the phase's entries begin in a channel.
    fn lines(&self) -> impl Iterator<Item = usize> {
        let [rows, columns] = self.phase;
        let width = self.conv.columns.len(self.view);
        (0..rows.count).map(move |y| (rows.first + y * rows.step) * width + columns.first)
    }

    /// The weights of some channels, side by side, in the order of the taps.
    fn filters(&self, leads: Range<usize>, factors: &mut Vec<f64>) {
        let (conv, area) = (self.conv, self.conv.area(View::Weight));
        let rows = leads.len();
        factors.resize(self.starts.len() * rows, 0.0);
        for (row, lead) in leads.enumerate() {
            let mut factors = factors[row..].iter_mut().step_by(rows);
            let (o, i) = conv.channels(self.view, lead, 0);
            let filters = &self.filters[(o * conv.group_inputs() + i) * area..];
            let apart = if self.view == View::Output { area } else { conv.group_inputs() * area };
            for filter in filters.chunks(apart).take(conv.inner(self.view)) {
                for ((tap, _), factor) in self.taps.iter().zip(factors.by_ref()) {
                    *factor = filter[*tap];
                }
            }
        }
    }
}

/// Weights that are added up side by side, and places of the error that are laid out for them at once: what stays in the nearest caches.
const WIDE: usize = 4 * LANES;
const PLACES: usize = 512;

/// All weights.
struct Gathering<'a> {
    conv: &'a Conv2d,
    laid: &'a Laid<'a>,
    phase: [&'a Phase; 2],
    images: &'a [f64],
    errors: &'a [f64],
    /// The weights of one output channel, and what they see first.
    taps: Vec<(usize, usize)>,
}

impl<'a> Gathering<'a> {
    fn new(conv: &'a Conv2d, laid: &'a Laid<'a>, phase: [&'a Phase; 2], images: &'a [f64], errors: &'a [f64]) -> Self {
        let (taps, area) = (laid.taps(phase, conv.columns.kernel), conv.area(View::Weight));
        let channel = |i: usize| taps.iter().map(move |(tap, start)| (i * area + tap, i * laid.channel() + start));
        Self { conv, laid, phase, images, errors, taps: (0..conv.group_inputs()).flat_map(channel).collect() }
    }

    /// Weights of one output channel.
    fn filter(&self) -> usize {
        self.conv.group_inputs() * self.conv.area(View::Weight)
    }

    fn run(&self, out: &mut [f64]) {
        let (channels, filter, plane) = (self.conv.group_outputs(), self.filter(), self.conv.area(View::Output));
        let [rows, columns] = self.phase;
        let lines = (PLACES / columns.count).max(1);
        for (group, out) in out.chunks_exact_mut(channels * filter).enumerate() {
            let first = group * channels;
            let stretches = (0..rows.count).step_by(lines).map(|top| top..(top + lines).min(rows.count));
            let errors: Vec<_> = stretches.map(|lines| (self.errors(first, channels, &lines), lines)).collect();
            let mut panels: Vec<_> = self.taps.chunks(WIDE).map(|taps| (taps, self.begun(taps, out))).collect();
            threads::share(panels.iter_mut().collect(), self.conv.edges(), |panels| {
                let mut seen = Vec::new();
                for (taps, sums) in panels {
                    for (errors, lines) in &errors {
                        self.see(group, lines, taps, &mut seen);
                        Self::add(errors, &seen, taps.len(), sums);
                    }
                }
            });
            for (taps, sums) in panels {
                for ((n, filter), sums) in
                    out.chunks_exact_mut(filter).enumerate().zip(sums.chunks_exact(taps.len().next_multiple_of(LANES)))
                {
                    for ((tap, _), sum) in taps.iter().zip(sums) {
                        let at = (first + n) * self.filter() + tap;
                        filter[*tap] = self.conv.exact(View::Weight, [self.images, self.errors], at, plane, filter[*tap], *sum);
                    }
                }
            }
        }
    }

    /// What some weights of all filters begin with, a row for each filter.
    fn begun(&self, taps: &[(usize, usize)], filters: &[f64]) -> Vec<f64> {
        let stride = taps.len().next_multiple_of(LANES);
        let mut sums = vec![0.0; filters.len() / self.filter() * stride];
        for (sums, filter) in sums.chunks_exact_mut(stride).zip(filters.chunks_exact(self.filter())) {
            for (sum, (tap, _)) in sums.iter_mut().zip(taps) {
                *sum = filter[*tap];
            }
        }
        sums
    }

    /// Adds what some weights see, times the errors of the channels, to a row of sums for each channel.
    fn add(errors: &[f64], seen: &[f64], weights: usize, sums: &mut [f64]) {
        let stride = weights.next_multiple_of(LANES);
        let starts: Vec<usize> = (0..seen.len()).step_by(stride).collect();
        let (mut errors, mut sums) = (errors, sums);
        for height in heights(sums.len() / stride) {
            let (rows, more) = errors.split_at(height * starts.len());
            let (block, rest) = sums.split_at_mut(height * stride);
            add(&Slide { rows, lanes: seen, starts: &starts }, block, weights);
            (errors, sums) = (more, rest);
        }
    }

    /// The errors of some lines of some channels, as many side by side as are taken at once.
    fn errors(&self, first: usize, channels: usize, lines: &Range<usize>) -> Vec<f64> {
        let (plane, width) = (self.conv.area(View::Output), self.phase[1].count);
        let mut errors = vec![0.0; channels * lines.len() * width];
        let mut rest = errors.as_mut_slice();
        let mut channels_left = self.errors[first * plane..].chunks_exact(plane);
        for height in heights(channels) {
            let (block, more) = rest.split_at_mut(height * lines.len() * width);
            rest = more;
            for (row, channel) in channels_left.by_ref().take(height).enumerate() {
                spread(&mut block[row..], height, &channel[lines.start * width..lines.end * width]);
            }
        }
        errors
    }

    /// What some weights see of the image, side by side for each place of some lines.
    fn see(&self, group: usize, lines: &Range<usize>, taps: &[(usize, usize)], seen: &mut Vec<f64>) {
        let image = &self.laid.image[group * self.conv.group_inputs() * self.laid.channel()..];
        let (stride, width) = (taps.len().next_multiple_of(LANES), self.phase[1].count);
        seen.resize(lines.len() * width * stride, 0.0);
        for (y, line) in lines.clone().zip(seen.chunks_exact_mut(width * stride)) {
            for (lane, (_, start)) in taps.iter().enumerate() {
                spread(&mut line[lane..], stride, &image[start + y * self.laid.width()..]);
            }
        }
    }
}
