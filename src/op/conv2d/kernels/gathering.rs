//! The weight gradient: what each weight saw of the images, times the errors.

#![allow(clippy::inline_always)] // as in the sums: vector registers are chosen where the loop is built in

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::{Layout, Read, Tap};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::op::phase::{comb, laid_out};
use crate::scratch::Scratch;
use crate::sums::{Init, LANES, Products, Side, add};
use crate::threads;

/// Weights and places of the error that are taken together: what stays in the nearest cache.
const WEIGHTS: usize = 64;
const PLACES: usize = 128;

/// Places whose errors lie side by side at once.
const TURNED: usize = 256;

/// How all weights of a group are summed up.
#[derive(Debug)]
pub(super) struct Gathering {
    layout: Layout,
    ways: Vec<Way>,
}

/// What lies in the lanes.
#[derive(Debug)]
enum Way {
    /// Output channels.
    Channels(Vec<Alike>),
    /// Weights that lie side by side in the image.
    Weights(Direct),
}

/// Weights that are used by the same outputs.
#[derive(Debug)]
struct Alike {
    /// The weights of one output channel.
    weights: Vec<usize>,
    /// Where each lies in the image.
    firsts: Vec<usize>,
    /// The outputs' lines and columns.
    window: [Range<usize>; 2],
    /// Whether none of the weights sees padding.
    whole: bool,
}

/// Weights in runs of neighbours.
#[derive(Debug)]
struct Direct {
    /// The weights of each run.
    runs: Vec<Vec<usize>>,
    /// Where each run lies in the image.
    firsts: Vec<usize>,
}

/// Neighbouring output channels of a group.
struct Block<'a> {
    group: usize,
    /// The first of them.
    first: usize,
    /// Their weights.
    out: &'a mut [f64],
}

impl<'a> Block<'a> {
    /// All channels, at most so many together.
    fn all(conv: &Conv2d, together: usize, out: &'a mut [f64]) -> Vec<Self> {
        let (channels, filter) = (conv.group_outputs(), conv.filter());
        let groups = out.chunks_exact_mut((channels * filter).max(1)).enumerate();
        let block = move |group, n, out| Block { group, first: group * channels + n * together, out };
        groups.flat_map(|(group, out)| out.chunks_mut(together * filter).enumerate().map(move |(n, out)| block(group, n, out))).collect()
    }
}

impl Gathering {
    pub(super) fn new(conv: &Conv2d) -> Self {
        let layout = Layout { axes: [comb(&conv.rows, View::Output), comb(&conv.columns, View::Output)] };
        let ways = layout.phases().map(|phase| {
            // the kernel places, in the order of what they see
            let mut taps = layout.taps(phase, conv.columns.kernel);
            taps.sort_unstable_by_key(|tap| tap.place);
            let runs: Vec<_> = taps.chunk_by(|a, b| a.place + 1 == b.place).flat_map(|run| run.chunks(LANES)).collect();
            // lanes are channels, whose errors must be laid side by side, or else weights that lie so in the image: whichever takes less for an output
            let (channels, inputs) = (conv.group_outputs(), conv.group_inputs());
            if runs.len() * channels * inputs < taps.len() * channels.div_ceil(LANES) * inputs + channels {
                Way::Weights(Direct::new(conv, &layout, &runs))
            } else {
                Way::Channels(Alike::all(conv, &layout, &taps))
            }
        });
        let ways = ways.collect();
        Self { layout, ways }
    }

    pub(super) fn run(&self, conv: &Conv2d, images: &[f64], errors: &[f64], out: &mut [f64], init: Init) {
        let laid = laid_out(images, conv.plane(View::Input).into(), &self.layout.axes, LANES);
        let read = Read { conv, view: View::Weight, a: images, b: errors, init };
        // what the weights of a group see
        let image = |group: usize| &laid[group * conv.group_inputs() * self.layout.channel()..];
        for way in &self.ways {
            match way {
                Way::Channels(alike) => {
                    let work = Block::all(conv, together(conv), out);
                    threads::share(work, conv.edges(), |work| {
                        work.for_each(|block| self.by_channels(alike, read, image(block.group), block));
                    });
                }
                Way::Weights(direct) => {
                    let places = self.places(conv);
                    let work = Block::all(conv, LANES, out);
                    threads::share(work, conv.edges(), |work| work.for_each(|block| direct.add(read, image(block.group), &places, block)));
                }
            }
        }
    }

    /// All places of a channel's errors, and how far the weights have moved on the image there. It is not kept with the rest: for every place of an image
    /// it would take more than the image.
    fn places(&self, conv: &Conv2d) -> Vec<(usize, usize)> {
        let [width, apart] = [conv.columns.output, self.layout.width()];
        (0..conv.rows.output).flat_map(|y| (0..width).map(move |x| (y * width + x, y * apart + x))).collect()
    }

    fn by_channels(&self, alike: &[Alike], read: Read<'_>, image: &[f64], Block { first, out, .. }: Block<'_>) {
        let Read { conv, init, .. } = read;
        let (plane, filter) = (conv.area(View::Output), conv.filter());
        let channels: Vec<_> = read.b.chunks_exact(plane).skip(first).take(out.len() / filter).collect();
        let registers: Vec<_> = (0..channels.len()).step_by(LANES).collect();
        let stride = registers.len() * LANES;
        let mut sums = Scratch::new(alike.iter().map(|alike| alike.weights.len()).sum::<usize>() * stride);
        sums.fill(-0.0);
        if init == Init::Accumulate {
            each_sum(conv, alike, &mut sums, channels.len(), |sum, place| *sum = out[place]);
        }
        let mut turned = Scratch::new(TURNED * stride);
        for from in (0..plane).step_by(TURNED) {
            let places = from..plane.min(from + TURNED);
            let turned = &mut turned[..places.len() * stride];
            Arch::new().dispatch(Turn { channels: &channels, from, places: turned, stride });
            let lanes = Side { numbers: turned, firsts: &registers };
            for (alike, sums) in parts(alike, stride, &mut sums) {
                let taps = alike.places(&places, [conv.columns.output, self.layout.width()], stride);
                for (firsts, sums) in alike.firsts.chunks(WEIGHTS).zip(sums.chunks_mut(WEIGHTS * stride)) {
                    for taps in taps.chunks(PLACES) {
                        let rows = Side { numbers: image, firsts };
                        add(&Products { rows, lanes, taps, chunk: taps.len(), part: 0..taps.len() }, sums, Init::Accumulate);
                    }
                }
            }
        }
        if alike.iter().all(|alike| alike.whole) {
            each_sum(conv, alike, &mut sums, channels.len(), |sum, place| out[place] = *sum);
        } else {
            let exact = |before, sum, place| read.exact(first * filter + place, plane, before, sum);
            each_sum(conv, alike, &mut sums, channels.len(), |sum, place| out[place] = exact(out[place], *sum, place));
        }
    }
}

/// How many channels lie side by side: the more, the faster, but not so many that there is nothing for a thread.
fn together(conv: &Conv2d) -> usize {
    let (hands, channels) = (threads::hands(conv.edges()), conv.group_outputs());
    let blocks = |registers: usize| conv.groups * channels.div_ceil(registers * LANES);
    [4, 2].into_iter().find(|&registers| hands == 1 || blocks(registers) >= hands).unwrap_or(1) * LANES
}

/// The sums of all weights, weight by weight.
fn parts<'a>(alike: &'a [Alike], stride: usize, mut sums: &'a mut [f64]) -> impl Iterator<Item = (&'a Alike, &'a mut [f64])> {
    alike.iter().map_while(move |alike| Some((alike, sums.split_off_mut(..alike.weights.len() * stride)?)))
}

/// Shows the sums of all weights of some channels, each with its place among the weights.
fn each_sum(conv: &Conv2d, alike: &[Alike], sums: &mut [f64], channels: usize, mut show: impl FnMut(&mut f64, usize)) {
    /// Input channels that are taken together, so that what is read and what is written is near.
    const INPUTS: usize = 4;
    let (stride, filter, inputs) = (channels.next_multiple_of(LANES), conv.filter(), conv.group_inputs());
    for from in (0..inputs).step_by(INPUTS) {
        for (alike, sums) in parts(alike, stride, sums) {
            let taps = alike.weights.len() / inputs;
            let some = from * taps..inputs.min(from + INPUTS) * taps;
            let (sums, weights) = (&mut sums[some.start * stride..some.end * stride], &alike.weights[some]);
            for n in 0..channels {
                for (sums, weight) in sums.chunks_exact_mut(stride).zip(weights) {
                    show(&mut sums[n], n * filter + weight);
                }
            }
        }
    }
}

/// The taps in an input channel of each group.
fn in_channel<'a>(conv: &Conv2d, layout: &Layout, i: usize, taps: &'a [Tap]) -> impl Iterator<Item = Tap> + use<'a> {
    let (area, channel) = (conv.area(View::Weight), layout.channel());
    taps.iter().map(move |tap| Tap { weight: i * area + tap.weight, place: i * channel + tap.place })
}

impl Alike {
    /// All weights of an output channel, so that none sees padding; where there are few input channels, that would make too many small parts.
    fn all(conv: &Conv2d, layout: &Layout, taps: &[Tap]) -> Vec<Self> {
        let Conv2d { rows, columns, .. } = conv;
        let window = |tap: &Tap| [rows.outputs(tap.weight / columns.kernel), columns.outputs(tap.weight % columns.kernel)];
        let all = [0..rows.output, 0..columns.output];
        let few = conv.group_inputs() < 4;
        let whole = !few || taps.iter().all(|tap| window(tap) == all);
        let mut kinds: Vec<(_, Vec<Tap>)> = Vec::new();
        for tap in taps {
            let window = if few { all.clone() } else { window(tap) };
            match kinds.iter_mut().find(|(of, _)| *of == window) {
                Some((_, taps)) => taps.push(*tap),
                None => kinds.push((window, vec![*tap])),
            }
        }
        let alike = kinds.into_iter().map(|(window, taps)| {
            let taps = (0..conv.group_inputs()).flat_map(|i| in_channel(conv, layout, i, &taps));
            let (weights, firsts) = taps.map(|tap| (tap.weight, tap.place)).unzip();
            Self { weights, firsts, window, whole }
        });
        alike.collect()
    }

    /// Which of these places of a channel's errors the weights meet: how far they have moved on the image there, and where the errors lie. Lines of the
    /// errors and of the image are so long.
    fn places(&self, places: &Range<usize>, [width, apart]: [usize; 2], stride: usize) -> Vec<(usize, usize)> {
        let [down, across] = &self.window;
        let line = |y: usize| {
            let inside = |place: usize| place.saturating_sub(y * width);
            let across = across.start.max(inside(places.start))..across.end.min(inside(places.end));
            across.map(move |x| (y * apart + x, (y * width + x - places.start) * stride))
        };
        (down.start.max(places.start / width)..down.end.min(places.end.div_ceil(width))).flat_map(line).collect()
    }
}

impl Direct {
    fn new(conv: &Conv2d, layout: &Layout, runs: &[&[Tap]]) -> Self {
        let runs = (0..conv.group_inputs()).flat_map(|i| runs.iter().map(move |run| in_channel(conv, layout, i, run).collect::<Vec<_>>()));
        let (runs, firsts) = runs.map(|run| (run.iter().map(|tap| tap.weight).collect(), run[0].place)).unzip();
        Self { runs, firsts }
    }

    /// Adds what the weights see, times the errors at all the places.
    fn add(&self, read: Read<'_>, image: &[f64], places: &[(usize, usize)], Block { first, out, .. }: Block<'_>) {
        let Self { runs, firsts } = self;
        let (plane, filter) = (places.len(), read.conv.filter());
        let errors: Vec<_> = (first..).take(out.len() / filter).map(|channel| channel * plane).collect();
        let stride = runs.len() * LANES;
        let mut sums = Scratch::new(errors.len() * stride);
        if read.init == Init::Accumulate {
            for (sums, out) in sums.chunks_exact_mut(stride).zip(out.chunks_exact(filter)) {
                for (sums, run) in sums.chunks_exact_mut(LANES).zip(runs) {
                    sums.iter_mut().zip(run).for_each(|(sum, weight)| *sum = out[*weight]);
                }
            }
        }
        let rows = Side { numbers: read.b, firsts: &errors };
        let lanes = Side { numbers: image, firsts };
        add(&Products { rows, lanes, taps: places, chunk: plane, part: 0..plane }, &mut sums, read.init);
        for ((channel, sums), out) in (first..).zip(sums.chunks_exact(stride)).zip(out.chunks_exact_mut(filter)) {
            for (sums, run) in sums.chunks_exact(LANES).zip(runs) {
                for (sum, &weight) in sums.iter().zip(run) {
                    out[weight] = read.exact(channel * filter + weight, plane, out[weight], *sum);
                }
            }
        }
    }
}

/// Places from one on, of all channels, that are laid side by side.
struct Turn<'a> {
    channels: &'a [&'a [f64]],
    from: usize,
    places: &'a mut [f64],
    /// How far one place is from the next.
    stride: usize,
}

impl WithSimd for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { channels, from, places, stride } = self;
        // of a few places some channels at once, which are turned within registers
        for (lane, channels) in (0..).step_by(LANES).zip(channels.chunks(LANES)) {
            for (n, places) in places.chunks_mut(LANES * stride).enumerate() {
                let mut tile = [[0.0; LANES]; LANES];
                for (row, channel) in tile.iter_mut().zip(channels) {
                    let channel = &channel[from + n * LANES..];
                    match channel.first_chunk() {
                        Some(errors) => *row = *errors,
                        None => row[..channel.len()].copy_from_slice(channel),
                    }
                }
                for (n, place) in places.chunks_mut(stride).enumerate() {
                    let place = place[lane..].first_chunk_mut::<LANES>().expect("a register of a place");
                    for (error, row) in place.iter_mut().zip(&tile) {
                        *error = row[n];
                    }
                }
            }
        }
    }
}
