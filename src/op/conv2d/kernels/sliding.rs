//! The forward pass, and the error's way back: filters slide over images.

use std::ops::Range;

use super::{Layout, Read, spread};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::op::phase::{Combed, Phase, comb, every, laid_out};
use crate::scratch::Scratch;
use crate::sums::{Init, LANES, Products, Side, add, plain};
use crate::threads;

/// The most channels that are taken together.
const TOGETHER: usize = 4;

/// Lanes that are taken together: the sums of so many channels stay in the nearest cache.
const STRIP: usize = 64 * LANES;

/// The least that a band has, in lanes: below that, registers are not full.
const BAND: usize = if cfg!(test) { 1 } else { 16 * LANES };

/// How filters slide: over the images, or over the errors.
#[derive(Debug)]
pub(super) struct Sliding {
    view: View,
    bands: Vec<Band>,
}

/// Neighbouring rows of all channels. What they read is laid out for them alone, so that it is near to the thread that takes them.
#[derive(Debug)]
struct Band {
    rows: Range<usize>,
    layout: Layout,
    glides: Vec<Glide>,
}

/// Entries of one phase, of the outputs or of the inputs.
#[derive(Debug)]
struct Glide {
    /// The taps of all summed channels, in order: their places in the filters and in the images.
    taps: Vec<(usize, usize)>,
    /// How many of them a channel has.
    chunk: usize,
    /// From one entry of a line to the next.
    step: usize,
    strips: Vec<Strip>,
    /// Whether no line reads padding beside it.
    whole: bool,
}

/// Neighbouring lines that meet the same rows of the filter.
#[derive(Debug)]
struct Strip {
    /// Where they begin in a channel.
    lines: Vec<usize>,
    /// How many entries each has.
    count: usize,
    /// From one line's sums to the next's.
    apart: usize,
    /// Where the sums' lanes lie.
    places: Vec<usize>,
    /// The taps of a channel that they meet.
    part: Range<usize>,
}

/// Neighbouring channels of one group, in a band.
struct Block<'a> {
    band: &'a Band,
    group: usize,
    /// The first channel.
    first: usize,
    /// The band of each.
    out: Vec<&'a mut [f64]>,
}

impl Sliding {
    pub(super) fn new(conv: &Conv2d, view: View) -> Self {
        let [rows, columns] = [comb(&conv.rows, view), comb(&conv.columns, view)];
        let longest = |axis: &Combed| axis.phases.iter().map(|phase| phase.count).max().unwrap_or(0);
        let (all, wide) = (longest(&rows), longest(&columns));
        let count = threads::worth(conv.edges()).min(all).min(all * wide / BAND).max(1);
        let step = rows.phases.first().map_or(1, |phase| phase.step);
        let border = |band: usize| all * band / count;
        let bands = (0..count).map(|band| {
            let end = if band + 1 == count { conv.rows.len(view) } else { border(band + 1) * step };
            let layout = Layout { axes: [rows.part(border(band)..border(band + 1)), columns.clone()] };
            let glides = layout.phases().map(|phase| Glide::new(conv, view, &layout, phase)).collect();
            Band { rows: border(band) * step..end, layout, glides }
        });
        let bands = bands.collect();
        Self { view, bands }
    }

    pub(super) fn run(&self, conv: &Conv2d, filters: &[f64], images: &[f64], out: &mut [f64], init: Init) {
        let read = Read { conv, view: self.view, a: filters, b: images, init };
        threads::share(self.blocks(conv, out), conv.edges(), |blocks| blocks.for_each(|block| block.add(read)));
    }

    /// All entries, band by band; where those are fewer than the threads, some channels at a time.
    fn blocks<'a>(&'a self, conv: &Conv2d, out: &'a mut [f64]) -> Vec<Block<'a>> {
        let channels = if self.view == View::Output { conv.group_outputs() } else { conv.group_inputs() };
        let parts = threads::hands(conv.edges()).div_ceil(conv.groups * self.bands.len());
        let some = channels.div_ceil(parts).next_multiple_of(TOGETHER);
        let parts = channels.div_ceil(some);
        let block = |band, n: usize| {
            let (group, part) = (n / parts, n % parts);
            Block { band, group, first: group * channels + part * some, out: Vec::with_capacity(some.min(channels)) }
        };
        let mut blocks: Vec<_> = self.bands.iter().flat_map(|band| (0..conv.groups * parts).map(move |n| block(band, n))).collect();
        for (channel, mut plane) in out.chunks_exact_mut(conv.area(self.view)).enumerate() {
            let n = channel / channels * parts + channel % channels / some;
            for block in blocks[n..].iter_mut().step_by(conv.groups * parts) {
                let band = plane.split_off_mut(..block.band.rows.len() * conv.columns.len(self.view));
                block.out.push(band.expect("all bands of a channel"));
            }
        }
        blocks
    }
}

impl Block<'_> {
    /// Adds what the entries see.
    fn add(mut self, read: Read<'_>) {
        let Read { conv, view, .. } = read;
        let other = if view == View::Output { View::Input } else { View::Output };
        let images = conv.inner(view) * conv.area(other);
        let laid = laid_out(&read.b[self.group * images..][..images], conv.plane(other).into(), &self.band.layout.axes, LANES);
        let lanes = self.band.glides.iter().flat_map(|glide| &glide.strips).map(|strip| strip.places.len() * LANES).max();
        let mut memory = Scratch::new(TOGETHER * lanes.unwrap_or(0));
        let together = self.out.len().div_ceil(self.out.len().div_ceil(TOGETHER));
        for (n, out) in self.out.chunks_mut(together).enumerate() {
            for glide in &self.band.glides {
                glide.add(read, self.band, self.first + n * together, &laid, &mut memory, out);
            }
        }
    }
}

impl Glide {
    fn new(conv: &Conv2d, view: View, layout: &Layout, phase: [&Phase; 2]) -> Self {
        let [rows, columns] = phase;
        let taps = layout.taps(phase, conv.columns.kernel);
        let chunk = taps.len();
        // from one summed channel's weights to the next's
        let apart = if view == View::Output { conv.area(View::Weight) } else { conv.filter() };
        let channel = |c: usize| taps.iter().map(move |tap| (c * apart + tap.weight, c * layout.channel() + tap.place));
        let taps = (0..conv.inner(view)).flat_map(channel).collect();
        let met: Vec<_> = layout.met(view, conv, 0, rows).collect();
        // lines that are read alike, and not too many at once
        let most = (STRIP / columns.count.next_multiple_of(LANES)).max(1);
        let alike = met.chunk_by(|a, b| a == b).flat_map(|alike| alike.chunks(most));
        let mut top = 0;
        let strips = alike.map(|alike| {
            let lines = top..top + alike.len();
            top = lines.end;
            Strip::new(conv, view, layout.width(), phase, lines, alike[0].start * columns.taps.len()..alike[0].end * columns.taps.len())
        });
        let strips = strips.filter(|strip| !strip.part.is_empty()).collect();
        let whole = layout.met(view, conv, 1, columns).all(|met| met.len() == columns.taps.len());
        Self { taps, chunk, step: columns.step, strips, whole }
    }

    /// Adds what the phase's entries in a band of some channels see.
    fn add(&self, read: Read<'_>, band: &Band, first: usize, images: &[f64], memory: &mut [f64], out: &mut [&mut [f64]]) {
        let Read { conv, view, .. } = read;
        let weights = |n: usize| {
            let (o, i) = conv.channels(view, first + n, 0);
            (o * conv.group_inputs() + i) * conv.area(View::Weight)
        };
        let filters: [usize; TOGETHER] = std::array::from_fn(weights);
        let rows = Side { numbers: read.a, firsts: &filters[..out.len()] };
        for strip in &self.strips {
            let sums = &mut memory[..out.len() * strip.places.len() * LANES];
            if read.init == Init::Accumulate {
                strip.begin(self.step, sums, out);
            }
            let lanes = Side { numbers: images, firsts: &strip.places };
            add(&Products { rows, lanes, taps: &self.taps, chunk: self.chunk, part: strip.part.clone() }, sums, read.init);
            let entry = first * conv.area(view) + band.rows.start * conv.columns.len(view);
            strip.end(self, read, entry, sums, out);
        }
    }
}

impl Strip {
    /// Some lines of a phase, which lie `width` apart in the laid-out image.
    fn new(conv: &Conv2d, view: View, width: usize, [rows, columns]: [&Phase; 2], lines: Range<usize>, part: Range<usize>) -> Self {
        let count = columns.count;
        let begin = |y: usize| (rows.first + y * rows.step) * conv.columns.len(view) + columns.first;
        // line by line, or all in a row with what lies between the lines, whichever has fewer lanes
        let through = (lines.len() - 1) * width + count;
        if lines.len() * count.div_ceil(LANES) > through.div_ceil(LANES) {
            let places = (0..through).step_by(LANES).map(|x| lines.start * width + x).collect();
            return Self { lines: lines.map(begin).collect(), count, apart: width, places, part };
        }
        let line = |y: usize| (0..count).step_by(LANES).map(move |x| y * width + x);
        let places = lines.clone().flat_map(line).collect();
        if rows.step == 1 && count == conv.columns.len(view) && count.is_multiple_of(LANES) {
            // there is nothing between them
            let all = lines.len() * count;
            return Self { lines: vec![begin(lines.start)], count: all, apart: all, places, part };
        }
        Self { lines: lines.map(begin).collect(), count, apart: count.next_multiple_of(LANES), places, part }
    }

    /// What the sums of some channels were before.
    fn begin(&self, step: usize, sums: &mut [f64], out: &[&mut [f64]]) {
        for (sums, out) in sums.chunks_exact_mut(self.places.len() * LANES).zip(out) {
            for (line, &begin) in sums.chunks_mut(self.apart).zip(&self.lines) {
                every(&mut line[..self.count], step, &out[begin..]);
            }
        }
    }

    /// Puts the sums of some channels where they belong; `entry` is the first one.
    fn end(&self, glide: &Glide, read: Read<'_>, entry: usize, sums: &[f64], out: &mut [&mut [f64]]) {
        let plane = read.conv.area(read.view);
        let taps = read.conv.inner(read.view) * self.part.len();
        for (row, (sums, out)) in sums.chunks_exact(self.places.len() * LANES).zip(out).enumerate() {
            let whole = glide.whole || plain(sums);
            for (line, &begin) in sums.chunks(self.apart).zip(&self.lines) {
                let line = &line[..self.count];
                if whole || plain(line) {
                    spread(&mut out[begin..], glide.step, line);
                    continue;
                }
                for (at, sum) in (begin..).step_by(glide.step).zip(line) {
                    out[at] = read.exact(entry + row * plane + at, taps, out[at], *sum);
                }
            }
        }
    }
}
