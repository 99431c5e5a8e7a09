//! The forward pass, and the error's way back: filters slide over images.

use std::ops::Range;

use super::{Layout, Read, spread};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::op::phase::{Phase, comb, every, laid_out};
use crate::scratch::Scratch;
use crate::sums::{Begun, LANES, Products, Side, add, plain};
use crate::threads;

/// The most channels that are taken together.
const TOGETHER: usize = 4;

/// Lanes that are taken together: the sums of so many channels stay in the nearest cache.
const STRIP: usize = 64 * LANES;

/// How filters slide: over the images, or over the errors.
#[derive(Debug)]
pub(super) struct Sliding {
    view: View,
    layout: Layout,
    glides: Vec<Glide>,
}

/// Entries of one phase, of the outputs or of the inputs.
#[derive(Debug)]
struct Glide {
    /// The taps of all summed channels, in order: their places in the filters and in the images.
    taps: Vec<(usize, usize)>,
    /// How many of them a channel has.
    stretch: usize,
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

/// Neighbouring channels of one group.
struct Block<'a> {
    group: usize,
    /// The first of them.
    first: usize,
    out: &'a mut [f64],
}

impl Sliding {
    pub(super) fn new(conv: &Conv2d, view: View) -> Self {
        let layout = Layout { axes: [comb(&conv.rows, view), comb(&conv.columns, view)] };
        let glides = layout.phases().map(|phase| Glide::new(conv, view, &layout, phase)).collect();
        Self { view, layout, glides }
    }

    pub(super) fn run(&self, conv: &Conv2d, filters: &[f64], images: &[f64], out: &mut [f64], begun: Begun) {
        let other = if self.view == View::Output { View::Input } else { View::Output };
        let laid = laid_out(images, conv.plane(other).into(), &self.layout.axes, LANES);
        let read = Read { conv, view: self.view, a: filters, b: images, laid: &laid, begun };
        let longest = self.glides.iter().flat_map(|glide| &glide.strips).map(|strip| strip.places.len()).max().unwrap_or(0);
        threads::share(self.blocks(conv, out), conv.edges(), |blocks| {
            let mut sums = Scratch::new(TOGETHER * longest * LANES);
            for mut block in blocks {
                for glide in &self.glides {
                    self.add(glide, read, &mut block, &mut sums);
                }
            }
        });
    }

    /// The channels of a view, some together, and in every block about as many.
    fn blocks<'a>(&self, conv: &Conv2d, out: &'a mut [f64]) -> Vec<Block<'a>> {
        let channels = if self.view == View::Output { conv.group_outputs() } else { conv.group_inputs() };
        let plane = conv.area(self.view);
        let most = TOGETHER.min((conv.groups * channels).div_ceil(threads::hands(conv.edges())));
        let together = channels.div_ceil(channels.div_ceil(most));
        let block = |group, n, out| Block { group, first: group * channels + n * together, out };
        let groups = out.chunks_exact_mut(channels * plane).enumerate();
        groups.flat_map(|(group, out)| out.chunks_mut(together * plane).enumerate().map(move |(n, out)| block(group, n, out))).collect()
    }

    /// Adds what a phase's entries of some channels see, in memory that serves block after block.
    fn add(&self, glide: &Glide, read: Read<'_>, block: &mut Block<'_>, memory: &mut [f64]) {
        let Read { conv, begun, .. } = read;
        let weights = |n: usize| {
            let (o, i) = conv.channels(self.view, block.first + n, 0);
            (o * conv.group_inputs() + i) * conv.area(View::Weight)
        };
        let filters: [usize; TOGETHER] = std::array::from_fn(weights);
        let filters = &filters[..block.out.len() / conv.area(self.view)];
        let rows = Side { numbers: read.a, firsts: filters };
        let images = &read.laid[block.group * conv.inner(self.view) * self.layout.channel()..];
        for strip in &glide.strips {
            let sums = &mut memory[..filters.len() * strip.places.len() * LANES];
            if begun == Begun::Here {
                strip.begin(glide.step, conv.area(self.view), sums, block.out);
            }
            let lanes = Side { numbers: images, firsts: &strip.places };
            add(&Products { rows, lanes, taps: &glide.taps, stretch: glide.stretch, part: strip.part.clone() }, sums, begun);
            strip.end(glide, read, sums, block);
        }
    }
}

impl Glide {
    fn new(conv: &Conv2d, view: View, layout: &Layout, phase: [&Phase; 2]) -> Self {
        let [rows, columns] = phase;
        let taps = layout.taps(phase, conv.columns.kernel);
        let stretch = taps.len();
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
        Self { taps, stretch, step: columns.step, strips, whole }
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
    /// What the sums of some channels of so many entries were before.
    fn begin(&self, step: usize, plane: usize, sums: &mut [f64], out: &[f64]) {
        for (sums, out) in sums.chunks_exact_mut(self.places.len() * LANES).zip(out.chunks_exact(plane)) {
            for (line, &begin) in sums.chunks_mut(self.apart).zip(&self.lines) {
                every(&mut line[..self.count], step, &out[begin..]);
            }
        }
    }

    /// Puts the sums of some channels where they belong.
    fn end(&self, glide: &Glide, read: Read<'_>, sums: &[f64], block: &mut Block<'_>) {
        let plane = read.conv.area(read.view);
        let taps = read.conv.inner(read.view) * self.part.len();
        for (row, (sums, out)) in sums.chunks_exact(self.places.len() * LANES).zip(block.out.chunks_exact_mut(plane)).enumerate() {
            let whole = glide.whole || plain(sums);
            for (line, &begin) in sums.chunks(self.apart).zip(&self.lines) {
                let line = &line[..self.count];
                if whole || plain(line) {
                    spread(&mut out[begin..], glide.step, line);
                    continue;
                }
                for (at, sum) in (begin..).step_by(glide.step).zip(line) {
                    out[at] = read.exact((block.first + row) * plane + at, taps, out[at], *sum);
                }
            }
        }
    }
}
