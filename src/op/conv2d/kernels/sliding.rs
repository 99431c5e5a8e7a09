//! The forward pass, and the error's way back: filters slide over images.

use std::ops::Range;

use super::{Begun, Laid, spread};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::op::phase::{Phase, comb, every, laid_out};
use crate::sums::{LANES, Products, Side, add};
use crate::threads;

impl Conv2d {
    /// The forward pass, or the error's way back: the filters slide over the images, or over the errors.
    pub(in super::super) fn slide(&self, view: View, filters: &[f64], images: &[f64], out: &mut [f64], begun: Begun) {
        let read = if view == View::Output { View::Input } else { View::Output };
        let axes = [comb(&self.rows, view), comb(&self.columns, view)];
        let laid = Laid { image: laid_out(images, self.plane(read).into(), &axes, LANES), axes: &axes };
        let phases = axes[0].phases.iter().flat_map(|rows| axes[1].phases.iter().map(move |columns| [rows, columns]));
        let phases: Vec<_> = phases.map(|phase| Sliding::new(self, view, &laid, phase, filters, images)).collect();
        threads::share(self.blocks(view, out), self.edges(), |blocks| {
            let mut sums = Vec::new();
            for mut block in blocks {
                for phase in &phases {
                    phase.add(&mut block, &mut sums, begun);
                }
            }
        });
    }

    /// The channels of a view, as many together as are taken at once.
    fn blocks<'a>(&self, view: View, out: &'a mut [f64]) -> Vec<Block<'a>> {
        let channels = if view == View::Output { self.group_outputs() } else { self.group_inputs() };
        let plane = self.area(view);
        let block = |group, n, out| Block { group, first: group * channels + n * TOGETHER, out };
        let groups = out.chunks_exact_mut(channels * plane).enumerate();
        groups.flat_map(|(group, out)| out.chunks_mut(TOGETHER * plane).enumerate().map(move |(n, out)| block(group, n, out))).collect()
    }
}

/// Channels that are taken together.
const TOGETHER: usize = 4;

/// Entries of one phase, of the outputs or of the inputs.
struct Sliding<'a> {
    conv: &'a Conv2d,
    view: View,
    laid: &'a Laid<'a>,
    phase: [&'a Phase; 2],
    filters: &'a [f64],
    images: &'a [f64],
    /// The taps of all summed channels, in order: their places in the filters and in the images.
    taps: Vec<(usize, usize)>,
    /// How many of them a channel has.
    stretch: usize,
    bands: Vec<Band>,
    /// Whether no line reads padding.
    whole: bool,
}

/// Neighbouring lines that meet the same rows of the filter.
struct Band {
    /// Where they begin in a channel.
    lines: Vec<usize>,
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

impl<'a> Sliding<'a> {
    fn new(conv: &'a Conv2d, view: View, laid: &'a Laid<'a>, phase: [&'a Phase; 2], filters: &'a [f64], images: &'a [f64]) -> Self {
        let [rows, columns] = phase;
        let taps = laid.taps(phase, conv.columns.kernel);
        let stretch = taps.len();
        // from one summed channel's weights to the next's
        let apart = if view == View::Output { conv.area(View::Weight) } else { conv.filter() };
        let channel = |c: usize| taps.iter().map(move |tap| (c * apart + tap.weight, c * laid.channel() + tap.place));
        let taps = (0..conv.inner(view)).flat_map(channel).collect();
        let met: Vec<_> = laid.met(view, conv, 0, rows).collect();
        let mut top = 0;
        let bands = met.chunk_by(|a, b| a == b).map(|band| {
            let lines = top..top + band.len();
            top = lines.end;
            Band::new(conv, view, laid.width(), phase, lines, band[0].start * columns.taps.len()..band[0].end * columns.taps.len())
        });
        let bands = bands.filter(|band| !band.part.is_empty()).collect();
        let whole = laid.met(view, conv, 1, columns).all(|met| met.len() == columns.taps.len());
        Self { conv, view, laid, phase, filters, images, taps, stretch, bands, whole }
    }

    /// Adds what the phase's entries of some channels see, in memory that serves block after block.
    fn add(&self, Block { group, first, out }: &mut Block<'_>, sums: &mut Vec<f64>, begun: Begun) {
        let (conv, view) = (self.conv, self.view);
        let weights = |lead: usize| {
            let (o, i) = conv.channels(view, lead, 0);
            (o * conv.group_inputs() + i) * conv.area(View::Weight)
        };
        let filters: Vec<_> = (*first..*first + out.len() / conv.area(view)).map(weights).collect();
        let rows = Side { numbers: self.filters, firsts: &filters };
        let images = &self.laid.image[*group * conv.inner(view) * self.laid.channel()..];
        for band in &self.bands {
            sums.resize(filters.len() * band.places.len() * LANES, 0.0);
            match begun {
                Begun::Here => self.begin(band, sums, out),
                Begun::Nowhere => sums.fill(-0.0),
            }
            let lanes = Side { numbers: images, firsts: &band.places };
            add(&Products { rows, lanes, taps: &self.taps, stretch: self.stretch, part: band.part.clone() }, sums);
            self.end(band, sums, *first, out, begun);
        }
    }

    /// What the sums of some channels were before.
    fn begin(&self, band: &Band, sums: &mut [f64], out: &[f64]) {
        let &Phase { step, count, .. } = self.phase[1];
        for (sums, out) in sums.chunks_exact_mut(band.places.len() * LANES).zip(out.chunks_exact(self.conv.area(self.view))) {
            for (line, &begin) in sums.chunks_mut(band.apart).zip(&band.lines) {
                every(&mut line[..count], step, &out[begin..]);
            }
        }
    }

    /// Puts the sums of the channels from `first` on where they belong.
    fn end(&self, band: &Band, sums: &[f64], first: usize, out: &mut [f64], begun: Begun) {
        let &Phase { step, count, .. } = self.phase[1];
        let (plane, terms) = (self.conv.area(self.view), self.conv.inner(self.view) * band.part.len());
        for (row, (sums, out)) in sums.chunks_exact(band.places.len() * LANES).zip(out.chunks_exact_mut(plane)).enumerate() {
            for (line, &begin) in sums.chunks(band.apart).zip(&band.lines) {
                let line = &line[..count];
                // without a branch, and as wide as the sums, so that it is done in registers
                let odd = |odd, sum: &f64| odd | u64::from(*sum == 0.0) | u64::from(!sum.is_finite());
                if self.whole || line.iter().fold(0, odd) == 0 {
                    spread(&mut out[begin..], step, line);
                    continue;
                }
                for (at, sum) in (begin..).step_by(step).zip(line) {
                    let entry = (first + row) * plane + at;
                    out[at] = self.conv.exact(self.view, [self.filters, self.images], entry, terms, begun.before(out[at]), *sum);
                }
            }
        }
    }
}

impl Band {
    /// Some lines of a phase, which lie `width` apart in the laid-out image.
    fn new(conv: &Conv2d, view: View, width: usize, [rows, columns]: [&Phase; 2], lines: Range<usize>, part: Range<usize>) -> Self {
        let count = columns.count;
        // line by line, or all in a row with what lies between the lines, whichever has fewer lanes
        let through = (lines.len() - 1) * width + count;
        let (apart, places): (_, Vec<_>) = if lines.len() * count.div_ceil(LANES) <= through.div_ceil(LANES) {
            let line = |y: usize| (0..count).step_by(LANES).map(move |x| y * width + x);
            (count.next_multiple_of(LANES), lines.clone().flat_map(line).collect())
        } else {
            (width, (0..through).step_by(LANES).map(|x| lines.start * width + x).collect())
        };
        let begin = |y: usize| (rows.first + y * rows.step) * conv.columns.len(view) + columns.first;
        Self { lines: lines.map(begin).collect(), apart, places, part }
    }
}
