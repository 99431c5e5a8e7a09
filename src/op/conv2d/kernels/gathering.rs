//! The weight gradient of a convolution: each weight sums image · error over all outputs.
//!
//! For a 1-d convolution of stride 1, `∂C/∂w[o, k] = Σₙ x[n + k] · e[o, n]`, with output channel o, kernel place k and output n. The sum over n must
//! stay in order, so a register cannot run along n. There are two other choices for its lanes, and the plan takes the one with fewer steps for an
//! output:
//!
//! - Output channels ([`LaneAxis::Channels`]): one lane for each o, all multiplied by the same x\[n + k\]. The errors of 8 channels must lie side by
//!   side, so the errors are transposed first, 256 places at a time.
//! - Weights ([`LaneAxis::Weights`]): one lane for each k, all multiplied by the same e\[o, n\]. The image values x\[n\], x\[n + 1\], … lie side by
//!   side already. This wins for wide kernels and few channels.

#![allow(clippy::inline_always)] // as in the sums: vector registers are chosen where the loop is built in

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::{KernelOperands, KernelTap, PolyphaseLayout};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::op::phase::{lay_out, polyphase};
use crate::scratch::Scratch;
use crate::sums::{FactorSource, Init, LANES, Products, add};
use crate::threads;

/// Block sizes in weights and in places of the errors: both blocks fit into the first-level cache.
const WEIGHTS: usize = 64;
const PLACES: usize = 128;

/// The number of places whose errors are transposed at once.
const TRANSPOSED: usize = 256;

/// The plan for the weights of a group.
#[derive(Debug)]
pub(super) struct Gathering {
    layout: PolyphaseLayout,
    phases: Vec<LaneAxis>,
}

/// The axis along which vector lanes run.
#[derive(Debug)]
enum LaneAxis {
    /// Output channels, with the weights by window.
    Channels(Vec<SharedWindow>),
    /// Weights that read neighbouring places of the image.
    Weights(WeightRuns),
}

/// Weights that are used by the same outputs, and so have the same number of terms.
#[derive(Debug)]
struct SharedWindow {
    /// The indices of the weights in an output channel.
    weights: Vec<usize>,
    /// The index in the image that each weight reads for output 0.
    firsts: Vec<usize>,
    /// The rows and columns of these outputs.
    window: [Range<usize>; 2],
    /// `true` if no weight reads padding.
    whole: bool,
}

/// Runs of weights that read neighbouring places of the image.
#[derive(Debug)]
struct WeightRuns {
    /// The weights of each run.
    runs: Vec<Vec<usize>>,
    /// The index in the image that the first weight of each run reads for output 0.
    firsts: Vec<usize>,
}

/// Neighbouring output channels of a group: one piece of work for a thread.
struct ChannelBlock<'a> {
    group: usize,
    /// The first of them.
    first: usize,
    /// Their weights.
    out: &'a mut [f64],
}

impl<'a> ChannelBlock<'a> {
    /// Splits all channels into blocks of at most `channels_at_once`.
    fn all(conv: &Conv2d, channels_at_once: usize, out: &'a mut [f64]) -> Vec<Self> {
        let (channels, filter) = (conv.group_outputs(), conv.filter());
        let groups = out.chunks_exact_mut((channels * filter).max(1)).enumerate();
        let block = move |group, n, out| ChannelBlock { group, first: group * channels + n * channels_at_once, out };
        groups
            .flat_map(|(group, out)| out.chunks_mut(channels_at_once * filter).enumerate().map(move |(n, out)| block(group, n, out)))
            .collect()
    }
}

impl Gathering {
    pub(super) fn new(conv: &Conv2d) -> Self {
        let layout = PolyphaseLayout { axes: [polyphase(&conv.rows, View::Output), polyphase(&conv.columns, View::Output)] };
        let phases = layout.phases().map(|phase| {
            // the kernel places, in the order of the image places that they read
            let mut taps = layout.taps(phase, conv.columns.kernel);
            taps.sort_unstable_by_key(|tap| tap.place);
            let runs: Vec<_> = taps.chunk_by(|a, b| a.place + 1 == b.place).flat_map(|run| run.chunks(LANES)).collect();
            // steps for one output: a register for each run and channel, or for each weight and 8 channels plus the transposition of the errors
            let (channels, inputs) = (conv.group_outputs(), conv.group_inputs());
            if runs.len() * channels * inputs < taps.len() * channels.div_ceil(LANES) * inputs + channels {
                LaneAxis::Weights(WeightRuns::new(conv, &layout, &runs))
            } else {
                LaneAxis::Channels(SharedWindow::all(conv, &layout, &taps))
            }
        });
        let phases = phases.collect();
        Self { layout, phases }
    }

    pub(super) fn run(&self, conv: &Conv2d, images: &[f64], errors: &[f64], out: &mut [f64], init: Init) {
        let laid = lay_out(images, conv.plane(View::Input).into(), &self.layout.axes, LANES);
        let read = KernelOperands { conv, view: View::Weight, a: images, b: errors, init };
        // the images that the weights of a group read
        let image = |group: usize| &laid[group * conv.group_inputs() * self.layout.channel()..];
        for phase in &self.phases {
            match phase {
                LaneAxis::Channels(shared) => {
                    let work = ChannelBlock::all(conv, channels_at_once(conv), out);
                    threads::share(work, conv.edges(), |work| {
                        work.for_each(|block| self.by_channels(shared, read, image(block.group), block));
                    });
                }
                LaneAxis::Weights(runs) => {
                    let places = self.places(conv);
                    let work = ChannelBlock::all(conv, LANES, out);
                    threads::share(work, conv.edges(), |work| work.for_each(|block| runs.add(read, image(block.group), &places, block)));
                }
            }
        }
    }

    /// Returns the index in the errors and the offset in the image of every output of a channel. It is not part of the plan, where it would take more
    /// memory than the image.
    fn places(&self, conv: &Conv2d) -> Vec<(usize, usize)> {
        let [width, apart] = [conv.columns.output, self.layout.width()];
        (0..conv.rows.output).flat_map(|y| (0..width).map(move |x| (y * width + x, y * apart + x))).collect()
    }

    fn by_channels(
        &self,
        shared: &[SharedWindow],
        read: KernelOperands<'_>,
        image: &[f64],
        ChannelBlock { first, out, .. }: ChannelBlock<'_>,
    ) {
        let KernelOperands { conv, init, .. } = read;
        let (plane, filter) = (conv.area(View::Output), conv.filter());
        let channels: Vec<_> = read.b.chunks_exact(plane).skip(first).take(out.len() / filter).collect();
        let registers: Vec<_> = (0..channels.len()).step_by(LANES).collect();
        let stride = registers.len() * LANES;
        let mut sums = Scratch::new(shared.iter().map(|shared| shared.weights.len()).sum::<usize>() * stride);
        sums.fill(-0.0);
        if init == Init::Accumulate {
            each_sum(conv, shared, &mut sums, channels.len(), |sum, place| *sum = out[place]);
        }
        let mut transposed = Scratch::new(TRANSPOSED * stride);
        for from in (0..plane).step_by(TRANSPOSED) {
            let places = from..plane.min(from + TRANSPOSED);
            let transposed = &mut transposed[..places.len() * stride];
            Arch::new().dispatch(Transpose { channels: &channels, from, places: transposed, stride });
            let lanes = FactorSource { numbers: transposed, firsts: &registers };
            for (shared, sums) in parts(shared, stride, &mut sums) {
                let taps = shared.places(&places, [conv.columns.output, self.layout.width()], stride);
                for (firsts, sums) in shared.firsts.chunks(WEIGHTS).zip(sums.chunks_mut(WEIGHTS * stride)) {
                    for taps in taps.chunks(PLACES) {
                        let rows = FactorSource { numbers: image, firsts };
                        add(&Products { rows, lanes, taps, chunk: taps.len(), part: 0..taps.len() }, sums, Init::Accumulate);
                    }
                }
            }
        }
        if shared.iter().all(|shared| shared.whole) {
            each_sum(conv, shared, &mut sums, channels.len(), |sum, place| out[place] = *sum);
        } else {
            let exact = |before, sum, place| read.exact(first * filter + place, plane, before, sum);
            each_sum(conv, shared, &mut sums, channels.len(), |sum, place| out[place] = exact(out[place], *sum, place));
        }
    }
}

/// Returns the number of channels of a block: 32 or 16 are fastest, but there should be a block for every thread.
fn channels_at_once(conv: &Conv2d) -> usize {
    let (hands, channels) = (threads::threads_for(conv.edges()), conv.group_outputs());
    let blocks = |registers: usize| conv.groups * channels.div_ceil(registers * LANES);
    [4, 2].into_iter().find(|&registers| hands == 1 || blocks(registers) >= hands).unwrap_or(1) * LANES
}

/// Splits the sums of all weights by window.
fn parts<'a>(
    shared: &'a [SharedWindow],
    stride: usize,
    mut sums: &'a mut [f64],
) -> impl Iterator<Item = (&'a SharedWindow, &'a mut [f64])> {
    shared.iter().map_while(move |shared| Some((shared, sums.split_off_mut(..shared.weights.len() * stride)?)))
}

/// Calls `show` with each sum of some channels and the index of its weight.
fn each_sum(conv: &Conv2d, shared: &[SharedWindow], sums: &mut [f64], channels: usize, mut show: impl FnMut(&mut f64, usize)) {
    /// Input channels that are visited together, so that reads and writes stay in the cache.
    const INPUTS: usize = 4;
    let (stride, filter, inputs) = (channels.next_multiple_of(LANES), conv.filter(), conv.group_inputs());
    for from in (0..inputs).step_by(INPUTS) {
        for (shared, sums) in parts(shared, stride, sums) {
            let taps = shared.weights.len() / inputs;
            let some = from * taps..inputs.min(from + INPUTS) * taps;
            let (sums, weights) = (&mut sums[some.start * stride..some.end * stride], &shared.weights[some]);
            for n in 0..channels {
                for (sums, weight) in sums.chunks_exact_mut(stride).zip(weights) {
                    show(&mut sums[n], n * filter + weight);
                }
            }
        }
    }
}

/// Moves the taps of input channel 0 to input channel `i` of the group.
fn in_channel<'a>(conv: &Conv2d, layout: &PolyphaseLayout, i: usize, taps: &'a [KernelTap]) -> impl Iterator<Item = KernelTap> + use<'a> {
    let (area, channel) = (conv.area(View::Weight), layout.channel());
    taps.iter().map(move |tap| KernelTap { weight: i * area + tap.weight, place: i * channel + tap.place })
}

impl SharedWindow {
    /// Splits the weights of an output channel by window, so that no weight reads padding. With fewer than 4 input channels the parts would be too
    /// small, and all weights share the window of all outputs.
    fn all(conv: &Conv2d, layout: &PolyphaseLayout, taps: &[KernelTap]) -> Vec<Self> {
        let Conv2d { rows, columns, .. } = conv;
        let window = |tap: &KernelTap| [rows.outputs(tap.weight / columns.kernel), columns.outputs(tap.weight % columns.kernel)];
        let all = [0..rows.output, 0..columns.output];
        let few = conv.group_inputs() < 4;
        let whole = !few || taps.iter().all(|tap| window(tap) == all);
        let mut kinds: Vec<(_, Vec<KernelTap>)> = Vec::new();
        for tap in taps {
            let window = if few { all.clone() } else { window(tap) };
            match kinds.iter_mut().find(|(of, _)| *of == window) {
                Some((_, taps)) => taps.push(*tap),
                None => kinds.push((window, vec![*tap])),
            }
        }
        let shared = kinds.into_iter().map(|(window, taps)| {
            let taps = (0..conv.group_inputs()).flat_map(|i| in_channel(conv, layout, i, &taps));
            let (weights, firsts) = taps.map(|tap| (tap.weight, tap.place)).unzip();
            Self { weights, firsts, window, whole }
        });
        shared.collect()
    }

    /// Returns the offset in the image and the index in the transposed errors of each output in the window, as far as it is in `places`. `width` and
    /// `apart` are the lengths of a row of errors and of a row of the image.
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

impl WeightRuns {
    fn new(conv: &Conv2d, layout: &PolyphaseLayout, runs: &[&[KernelTap]]) -> Self {
        let runs = (0..conv.group_inputs()).flat_map(|i| runs.iter().map(move |run| in_channel(conv, layout, i, run).collect::<Vec<_>>()));
        let (runs, firsts) = runs.map(|run| (run.iter().map(|tap| tap.weight).collect(), run[0].place)).unzip();
        Self { runs, firsts }
    }

    /// Computes the weights of a block of channels.
    fn add(&self, read: KernelOperands<'_>, image: &[f64], places: &[(usize, usize)], ChannelBlock { first, out, .. }: ChannelBlock<'_>) {
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
        let rows = FactorSource { numbers: read.b, firsts: &errors };
        let lanes = FactorSource { numbers: image, firsts };
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

/// Transposes the errors of some channels, so that those at one place lie side by side.
struct Transpose<'a> {
    channels: &'a [&'a [f64]],
    from: usize,
    places: &'a mut [f64],
    /// The distance between neighbouring places in the result.
    stride: usize,
}

impl WithSimd for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { channels, from, places, stride } = self;
        // tiles of 8 places by 8 channels are transposed within registers
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
                    let place = place[lane..].first_chunk_mut::<LANES>().expect("a place has whole registers");
                    for (error, row) in place.iter_mut().zip(&tile) {
                        *error = row[n];
                    }
                }
            }
        }
    }
}
