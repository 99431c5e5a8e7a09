//! The outputs and the input gradient of a convolution: filters slide over images, or over the errors.
//!
//! Both are the same computation, `sum[n] += weight[k] · image[n + offset[k]]` for all kernel places k. They differ in what is read:
//!
//! | computed | image | filters |
//! | --- | --- | --- |
//! | outputs | the input | of one output channel, over all its input channels |
//! | input gradient | the errors of the outputs | of one input channel, over all its output channels |
//!
//! The work is split several times, from the outside in:
//!
//! 1. Bands: neighbouring rows of all channels. Each band has its own laid-out image, which stays in the cache of the thread that computes it.
//! 2. Blocks: some channels of a band, the unit that threads share out.
//! 3. Channels: up to four at once, which share the loads from the image.
//! 4. Phases: entries that meet the same kernel places (see [`crate::op::phase`]); only one if the stride is 1.
//! 5. Tiles: rows that meet the same rows of the filter, about 512 sums a channel. Rows at the border meet fewer filter rows.

use std::ops::Range;

use super::{KernelOperands, PolyphaseLayout, scatter_strided};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::op::phase::{EntryPhase, Polyphase, copy_strided, lay_out, polyphase};
use crate::scratch::Scratch;
use crate::sums::{FactorSource, Init, LANES, Products, add, all_ordinary};
use crate::threads;

/// The largest number of channels that are computed at once.
const CHANNELS_AT_ONCE: usize = 4;

/// The largest number of lanes of a tile: the sums of [`CHANNELS_AT_ONCE`] channels still fit into the first-level cache.
const TILE: usize = 64 * LANES;

/// The smallest size of a band, in lanes. In smaller ones, many registers are only partly full.
const BAND_LANES: usize = if cfg!(test) { 1 } else { 16 * LANES };

/// The plan for one of the two views.
#[derive(Debug)]
pub(super) struct Sliding {
    view: View,
    bands: Vec<Band>,
}

/// Neighbouring rows of all channels, with a layout of only the image rows that they read.
#[derive(Debug)]
struct Band {
    rows: Range<usize>,
    layout: PolyphaseLayout,
    kernels: Vec<PhaseKernel>,
}

/// The kernel for the entries of one phase.
#[derive(Debug)]
struct PhaseKernel {
    /// The indices in filter and image of every product, over all summed channels and in the order of the terms.
    taps: Vec<(usize, usize)>,
    /// The number of `taps` of one channel.
    chunk: usize,
    /// The distance between neighbouring entries of a row.
    step: usize,
    tiles: Vec<LineTile>,
    /// `true` if no entry reads padding to the left or right of the image.
    whole: bool,
}

/// Neighbouring rows that meet the same rows of the filter.
#[derive(Debug)]
struct LineTile {
    /// The index in a channel of each row's first entry.
    lines: Vec<usize>,
    /// The number of entries of each row.
    count: usize,
    /// The distance between the sums of neighbouring rows.
    pitch: usize,
    /// The index in the image of the first lane of each register of sums.
    places: Vec<usize>,
    /// The range of a channel's taps that these rows meet.
    part: Range<usize>,
}

/// Neighbouring channels of one group in a band: one piece of work for a thread.
struct OutputBlock<'a> {
    band: &'a Band,
    group: usize,
    /// The first channel.
    first: usize,
    /// The rows of the band, for each channel.
    out: Vec<&'a mut [f64]>,
}

impl Sliding {
    pub(super) fn new(conv: &Conv2d, view: View) -> Self {
        let [rows, columns] = [polyphase(&conv.rows, view), polyphase(&conv.columns, view)];
        let longest = |axis: &Polyphase| axis.phases.iter().map(|phase| phase.count).max().unwrap_or(0);
        let (all, wide) = (longest(&rows), longest(&columns));
        let count = threads::useful_threads(conv.edges()).min(all).min(all * wide / BAND_LANES).max(1);
        let step = rows.phases.first().map_or(1, |phase| phase.step);
        let border = |band: usize| all * band / count;
        let bands = (0..count).map(|band| {
            let end = if band + 1 == count { conv.rows.len(view) } else { border(band + 1) * step };
            let layout = PolyphaseLayout { axes: [rows.part(border(band)..border(band + 1)), columns.clone()] };
            let kernels = layout.phases().map(|phase| PhaseKernel::new(conv, view, &layout, phase)).collect();
            Band { rows: border(band) * step..end, layout, kernels }
        });
        let bands = bands.collect();
        Self { view, bands }
    }

    pub(super) fn run(&self, conv: &Conv2d, filters: &[f64], images: &[f64], out: &mut [f64], init: Init) {
        let read = KernelOperands { conv, view: self.view, a: filters, b: images, init };
        threads::share(self.blocks(conv, out), conv.edges(), |blocks| blocks.for_each(|block| block.add(read)));
    }

    /// Splits all entries into bands, and further into groups of channels if there are fewer bands than threads.
    fn blocks<'a>(&'a self, conv: &Conv2d, out: &'a mut [f64]) -> Vec<OutputBlock<'a>> {
        let channels = if self.view == View::Output { conv.group_outputs() } else { conv.group_inputs() };
        let parts = threads::threads_for(conv.edges()).div_ceil(conv.groups * self.bands.len());
        let some = channels.div_ceil(parts).next_multiple_of(CHANNELS_AT_ONCE);
        let parts = channels.div_ceil(some);
        let block = |band, n: usize| {
            let (group, part) = (n / parts, n % parts);
            OutputBlock { band, group, first: group * channels + part * some, out: Vec::with_capacity(some.min(channels)) }
        };
        let mut blocks: Vec<_> = self.bands.iter().flat_map(|band| (0..conv.groups * parts).map(move |n| block(band, n))).collect();
        for (channel, mut plane) in out.chunks_exact_mut(conv.area(self.view)).enumerate() {
            let n = channel / channels * parts + channel % channels / some;
            for block in blocks[n..].iter_mut().step_by(conv.groups * parts) {
                let band = plane.split_off_mut(..block.band.rows.len() * conv.columns.len(self.view));
                block.out.push(band.expect("the bands cover the channel"));
            }
        }
        blocks
    }
}

impl OutputBlock<'_> {
    /// Computes all entries of the block.
    fn add(mut self, read: KernelOperands<'_>) {
        let KernelOperands { conv, view, .. } = read;
        let other = if view == View::Output { View::Input } else { View::Output };
        let images = conv.inner(view) * conv.area(other);
        let laid = lay_out(&read.b[self.group * images..][..images], conv.plane(other).into(), &self.band.layout.axes, LANES);
        let lanes = self.band.kernels.iter().flat_map(|kernel| &kernel.tiles).map(|tile| tile.places.len() * LANES).max();
        let mut memory = Scratch::new(CHANNELS_AT_ONCE * lanes.unwrap_or(0));
        let together = self.out.len().div_ceil(self.out.len().div_ceil(CHANNELS_AT_ONCE));
        for (n, out) in self.out.chunks_mut(together).enumerate() {
            for kernel in &self.band.kernels {
                kernel.add(read, self.band, self.first + n * together, &laid, &mut memory, out);
            }
        }
    }
}

impl PhaseKernel {
    fn new(conv: &Conv2d, view: View, layout: &PolyphaseLayout, phase: [&EntryPhase; 2]) -> Self {
        let [rows, columns] = phase;
        let taps = layout.taps(phase, conv.columns.kernel);
        let chunk = taps.len();
        // the distance between the weights of neighbouring summed channels
        let pitch = if view == View::Output { conv.area(View::Weight) } else { conv.filter() };
        let channel = |c: usize| taps.iter().map(move |tap| (c * pitch + tap.weight, c * layout.channel() + tap.place));
        let taps = (0..conv.inner(view)).flat_map(channel).collect();
        let met: Vec<_> = layout.unpadded_taps(view, conv, 0, rows).collect();
        // neighbouring rows that meet the same filter rows, up to the size of a tile
        let most = (TILE / columns.count.next_multiple_of(LANES)).max(1);
        let alike = met.chunk_by(|a, b| a == b).flat_map(|alike| alike.chunks(most));
        let mut top = 0;
        let tiles = alike.map(|alike| {
            let lines = top..top + alike.len();
            top = lines.end;
            LineTile::new(conv, view, layout.width(), phase, lines, alike[0].start * columns.taps.len()..alike[0].end * columns.taps.len())
        });
        let tiles = tiles.filter(|tile| !tile.part.is_empty()).collect();
        let whole = layout.unpadded_taps(view, conv, 1, columns).all(|met| met.len() == columns.taps.len());
        Self { taps, chunk, step: columns.step, tiles, whole }
    }

    /// Computes the phase's entries in a band of up to [`CHANNELS_AT_ONCE`] channels, of which `first` is the first.
    fn add(&self, read: KernelOperands<'_>, band: &Band, first: usize, images: &[f64], memory: &mut [f64], out: &mut [&mut [f64]]) {
        let KernelOperands { conv, view, .. } = read;
        let weights = |n: usize| {
            let (o, i) = conv.channels(view, first + n, 0);
            (o * conv.group_inputs() + i) * conv.area(View::Weight)
        };
        let filters: [usize; CHANNELS_AT_ONCE] = std::array::from_fn(weights);
        let rows = FactorSource { numbers: read.a, firsts: &filters[..out.len()] };
        for tile in &self.tiles {
            let sums = &mut memory[..out.len() * tile.places.len() * LANES];
            if read.init == Init::Accumulate {
                tile.load(self.step, sums, out);
            }
            let lanes = FactorSource { numbers: images, firsts: &tile.places };
            add(&Products { rows, lanes, taps: &self.taps, chunk: self.chunk, part: tile.part.clone() }, sums, read.init);
            let entry = first * conv.area(view) + band.rows.start * conv.columns.len(view);
            tile.store(self, read, entry, sums, out);
        }
    }
}

impl LineTile {
    /// Plans a tile for a range of a phase's rows; the rows of the laid-out image are `width` long.
    fn new(conv: &Conv2d, view: View, width: usize, [rows, columns]: [&EntryPhase; 2], lines: Range<usize>, part: Range<usize>) -> Self {
        let count = columns.count;
        let begin = |y: usize| (rows.first + y * rows.step) * conv.columns.len(view) + columns.first;
        // one run of registers for each row, or one over all rows and the gaps between them, whichever has fewer registers
        let through = (lines.len() - 1) * width + count;
        if lines.len() * count.div_ceil(LANES) > through.div_ceil(LANES) {
            let places = (0..through).step_by(LANES).map(|x| lines.start * width + x).collect();
            return Self { lines: lines.map(begin).collect(), count, pitch: width, places, part };
        }
        let line = |y: usize| (0..count).step_by(LANES).map(move |x| y * width + x);
        let places = lines.clone().flat_map(line).collect();
        if rows.step == 1 && count == conv.columns.len(view) && count.is_multiple_of(LANES) {
            // the rows are contiguous
            let all = lines.len() * count;
            return Self { lines: vec![begin(lines.start)], count: all, pitch: all, places, part };
        }
        Self { lines: lines.map(begin).collect(), count, pitch: count.next_multiple_of(LANES), places, part }
    }

    /// Loads the previous sums of some channels.
    fn load(&self, step: usize, sums: &mut [f64], out: &[&mut [f64]]) {
        for (sums, out) in sums.chunks_exact_mut(self.places.len() * LANES).zip(out) {
            for (line, &begin) in sums.chunks_mut(self.pitch).zip(&self.lines) {
                copy_strided(&mut line[..self.count], step, &out[begin..]);
            }
        }
    }

    /// Stores the sums of some channels. `entry` is the index of the band's first entry in the first channel.
    fn store(&self, kernel: &PhaseKernel, read: KernelOperands<'_>, entry: usize, sums: &[f64], out: &mut [&mut [f64]]) {
        let plane = read.conv.area(read.view);
        let taps = read.conv.inner(read.view) * self.part.len();
        for (row, (sums, out)) in sums.chunks_exact(self.places.len() * LANES).zip(out).enumerate() {
            let whole = kernel.whole || all_ordinary(sums);
            for (line, &begin) in sums.chunks(self.pitch).zip(&self.lines) {
                let line = &line[..self.count];
                if whole || all_ordinary(line) {
                    scatter_strided(&mut out[begin..], kernel.step, line);
                    continue;
                }
                for (at, sum) in (begin..).step_by(kernel.step).zip(line) {
                    out[at] = read.exact(entry + row * plane + at, taps, out[at], *sum);
                }
            }
        }
    }
}
