//! The weight gradient of a convolution: each weight sums image · error over all outputs.
//!
//! In one dimension, with one input channel and stride 1, `∂C/∂w[o, k] = Σₙ x[n + k] · e[o, n]`. Here o is the output channel, k the filter position, n the
//! output position, and e = ∂C/∂y the error. The terms of each sum must be added in order, so the lanes of a register do not hold several terms of one sum:
//! each lane holds the sum of another weight. There are two choices. The plan takes the choice with fewer register operations for each output:
//!
//! - Lanes are output channels o ([`LaneAxis::Channels`]): the register (e\[0, n\], …, e\[7, n\]) is multiplied by x\[n + k\]. The errors of 8 channels
//!   at one position must be neighbours in memory, so the errors are transposed first, 256 positions at a time.
//! - Lanes are filter positions k ([`LaneAxis::Weights`]): the register (x\[n\], …, x\[n + 7\]) is multiplied by e\[o, n\]. These image entries are
//!   neighbours already. This choice is better for wide filters and few channels.
//!
//! In two dimensions, n is a *place*: the row-major index `y · width + x` of an output in its channel. The places are the taps of [`Products`]. A [`KernelTap`]
//! is something else: a filter position.

use std::ops::Range;

use super::{KernelOperands, KernelTap, PolyphaseLayout};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::op::phase::{lay_out, polyphase};
use crate::scratch::Scratch;
use crate::shuffle::transpose_matrix;
use crate::sums::{FactorSource, Init, LANES, Products, add};
use crate::threads;

/// The number of weights that are computed together. With [`BLOCK_WEIGHTS`] and [`BLOCK_PLACES`], the sums and the errors fit into the first-level cache.
const BLOCK_WEIGHTS: usize = 64;

/// The number of places whose products are added to these weights before the next weights are computed.
const BLOCK_PLACES: usize = 128;

/// The number of places whose errors are transposed at once.
const TRANSPOSED_PLACES: usize = 256;

/// The largest number of outputs of a channel for which the plan keeps a list of all places.
const MAX_KEPT_PLACES: usize = 4096;

/// The plan for the weights of one group, which is the same for all groups.
#[derive(Debug)]
pub(super) struct Gathering {
    /// The layout of the image that the outputs read.
    layout: PolyphaseLayout,
    /// The weights that the lanes hold, for each phase of the layout ([`crate::op::phase`]). The outputs of a convolution form a single phase, so this has one
    /// element, or none if all weights are over padding.
    phases: Vec<LaneAxis>,
    /// The result of [`Gathering::all_places`] if the outputs are few; otherwise the list is empty, and is made again for each call of [`Gathering::run`],
    /// because it takes more memory than the image.
    kept_places: Vec<(usize, usize)>,
}

/// The weights that the lanes of a register hold.
#[derive(Debug)]
enum LaneAxis {
    /// The same weight of neighbouring output channels.
    Channels(Vec<SharedWindow>),
    /// Neighbouring weights of one output channel.
    Weights(WeightRuns),
}

/// Weights of an output channel whose gradients are sums over the same outputs ([`SharedWindow::all`]).
#[derive(Debug)]
struct SharedWindow {
    /// The index of each weight in the filter of the output channel.
    weights: Vec<usize>,
    /// For each weight, the index in the laid-out image of the entry that is under the weight when the filter computes output 0.
    image_firsts: Vec<usize>,
    /// The rows and the columns of the outputs that each gradient sums over.
    window: [Range<usize>; 2],
    /// `true` if no weight is over padding for any of these outputs.
    is_unpadded: bool,
}

/// All weights of an output channel, in runs of up to [`LANES`] weights that read neighbouring entries of the laid-out image.
#[derive(Debug)]
struct WeightRuns {
    /// The indices of the weights of each run in the filter of the output channel.
    runs: Vec<Vec<usize>>,
    /// For each run, the index in the laid-out image of the entry that is under the run's first weight when the filter computes output 0.
    image_firsts: Vec<usize>,
}

/// Neighbouring output channels of a group, computed by one thread.
struct ChannelBlock<'a> {
    group: usize,
    /// The index of the first channel, counted over all groups.
    first_channel: usize,
    /// The gradients of the weights of these channels.
    out: &'a mut [f64],
}

impl<'a> ChannelBlock<'a> {
    /// Splits all output channels into blocks of at most `max_channels`.
    fn all(conv: &Conv2d, max_channels: usize, out: &'a mut [f64]) -> Vec<Self> {
        let (group_channels, filter_len) = (conv.group_outputs(), conv.filter_len());
        let mut blocks = Vec::new();
        for (group, out) in out.chunks_exact_mut((group_channels * filter_len).max(1)).enumerate() {
            for (n, out) in out.chunks_mut(max_channels * filter_len).enumerate() {
                blocks.push(ChannelBlock { group, first_channel: group * group_channels + n * max_channels, out });
            }
        }
        blocks
    }
}

impl Gathering {
    /// Plans the computation of the weight gradient.
    pub(super) fn new(conv: &Conv2d) -> Self {
        let layout = PolyphaseLayout { axes: [polyphase(&conv.rows, View::Output), polyphase(&conv.columns, View::Output)] };
        let phases = layout.phases().map(|phase| {
            // the taps are sorted by their image entries; taps of neighbouring entries then form a run
            let mut taps = layout.taps(phase, conv.columns.kernel);
            taps.sort_unstable_by_key(|tap| tap.image);
            let runs: Vec<_> = taps.chunk_by(|a, b| a.image + 1 == b.image).flat_map(|run| run.chunks(LANES)).collect();
            let (outputs, inputs) = (conv.group_outputs(), conv.group_inputs());
            // The cost of one place, in register operations. If lanes are weights: one operation for each run of an output channel. If lanes are channels: one
            // for each weight of 8 output channels, and one for each output channel to transpose the errors.
            let cost_of_weight_lanes = runs.len() * outputs * inputs;
            let cost_of_channel_lanes = taps.len() * outputs.div_ceil(LANES) * inputs + outputs;
            if cost_of_weight_lanes < cost_of_channel_lanes {
                LaneAxis::Weights(WeightRuns::new(conv, &layout, &runs))
            } else {
                LaneAxis::Channels(SharedWindow::all(conv, &layout, &taps))
            }
        });
        let phases = phases.collect();
        let plan = Self { layout, phases, kept_places: Vec::new() };
        let has_few_outputs = conv.channel_len(View::Output) <= MAX_KEPT_PLACES;
        Self { kept_places: if has_few_outputs { plan.all_places(conv) } else { Vec::new() }, ..plan }
    }

    /// Computes the gradients of all weights.
    pub(super) fn run(&self, conv: &Conv2d, images: &[f64], errors: &[f64], out: &mut [f64], init: Init) {
        // if lanes are weights, a register loads `LANES` image entries even for a shorter run, so it may read past the end of the laid-out image
        let zeros_after_end = if self.phases.iter().any(|phase| matches!(phase, LaneAxis::Weights(_))) { LANES } else { 0 };
        let mut memory = Scratch::default();
        let laid_out = lay_out(images, conv.channel_shape(View::Input).into(), &self.layout.axes, zeros_after_end, &mut memory);
        let operands = KernelOperands { conv, view: View::Weight, a: images, b: errors, init };
        // the laid-out input channels of a group, and all after them
        let group_image = |group: usize| &laid_out[group * conv.group_inputs() * self.layout.channel_len()..];
        for phase in &self.phases {
            match phase {
                LaneAxis::Channels(windows) => {
                    let blocks = ChannelBlock::all(conv, max_block_channels(conv), out);
                    threads::share(blocks, conv.edge_count(), |blocks| {
                        blocks.for_each(|block| self.compute_by_channels(windows, operands, group_image(block.group), block));
                    });
                }
                LaneAxis::Weights(runs) => {
                    let new_places = if self.kept_places.is_empty() { self.all_places(conv) } else { Vec::new() };
                    let taps = if self.kept_places.is_empty() { &new_places } else { &self.kept_places };
                    let blocks = ChannelBlock::all(conv, LANES, out);
                    threads::share(blocks, conv.edge_count(), |blocks| {
                        blocks.for_each(|block| runs.compute(operands, group_image(block.group), taps, block));
                    });
                }
            }
        }
    }

    /// Returns, for each place, its index in the errors of a channel and its offset in the laid-out image.
    fn all_places(&self, conv: &Conv2d) -> Vec<(usize, usize)> {
        let [width, image_width] = [conv.columns.output, self.layout.row_len()];
        (0..conv.rows.output).flat_map(|y| (0..width).map(move |x| (y * width + x, y * image_width + x))).collect()
    }

    /// Computes the weights of a block, with a lane for each channel. In the terms of [`Products`], rows are weights and taps are places.
    fn compute_by_channels(&self, windows: &[SharedWindow], operands: KernelOperands<'_>, image: &[f64], block: ChannelBlock<'_>) {
        let KernelOperands { conv, b: errors, init, .. } = operands;
        let ChannelBlock { first_channel, out, .. } = block;
        let (places, filter_len) = (conv.channel_len(View::Output), conv.filter_len());
        let channels = out.len() / filter_len;
        let errors = &errors[first_channel * places..][..channels * places];
        // the first lane of each block of lanes
        let lane_firsts: Vec<_> = (0..channels).step_by(LANES).collect();
        let lane_count = lane_firsts.len() * LANES;
        let mut sums = Scratch::new(windows.iter().map(|window| window.weights.len()).sum::<usize>() * lane_count);
        sums.fill(-0.0); // the start of a new sum, as in [`Init::start`]
        if init == Init::Accumulate {
            for_each_sum(conv, windows, &mut sums, channels, |sum, weight| *sum = out[weight]);
        }
        let mut transposed = Scratch::new(TRANSPOSED_PLACES * lane_count);
        for first_place in (0..places).step_by(TRANSPOSED_PLACES) {
            let transposed_places = first_place..places.min(first_place + TRANSPOSED_PLACES);
            let transposed = &mut transposed[..transposed_places.len() * lane_count];
            // the errors of all channels at one place become neighbours
            transpose_matrix(&errors[first_place..], places, transposed, lane_count);
            let lanes = FactorSource { numbers: transposed, firsts: &lane_firsts };
            for (window, sums) in sums_by_window(windows, lane_count, &mut sums) {
                let taps = window.place_offsets(&transposed_places, [conv.columns.output, self.layout.row_len()], lane_count);
                for (firsts, sums) in window.image_firsts.chunks(BLOCK_WEIGHTS).zip(sums.chunks_mut(BLOCK_WEIGHTS * lane_count)) {
                    for taps in taps.chunks(BLOCK_PLACES) {
                        let rows = FactorSource { numbers: image, firsts };
                        // chunks are only needed to leave out some taps of each; here none is left out, so all taps are one chunk
                        add(&Products { rows, lanes, taps, chunk_len: taps.len(), used_taps: 0..taps.len() }, sums, Init::Accumulate);
                    }
                }
            }
        }
        let has_all_weights_in_order = |window: &SharedWindow| window.weights.iter().copied().eq(0..filter_len);
        if let [window] = windows
            && window.is_unpadded
            && has_all_weights_in_order(window)
        {
            transpose_matrix(&sums, lane_count, out, filter_len);
        } else if windows.iter().all(|window| window.is_unpadded) {
            for_each_sum(conv, windows, &mut sums, channels, |sum, weight| out[weight] = *sum);
        } else {
            let exact = |before, sum, weight| operands.exact(first_channel * filter_len + weight, places, before, sum);
            for_each_sum(conv, windows, &mut sums, channels, |sum, weight| out[weight] = exact(out[weight], *sum, weight));
        }
    }
}

/// Returns the largest number of channels of a block, for lanes that are channels. 32 and 16 are fastest, and 32 is tried first. If even 16 gives fewer
/// blocks than threads, the number is 8.
fn max_block_channels(conv: &Conv2d) -> usize {
    let (threads, channels) = (threads::threads_for(conv.edge_count()), conv.group_outputs());
    let block_count = |registers: usize| conv.groups * channels.div_ceil(registers * LANES);
    let registers = [4, 2].into_iter().find(|&registers| threads == 1 || block_count(registers) >= threads).unwrap_or(1);
    registers * LANES
}

/// Splits the sums of all weights by window. Each weight has `lane_count` sums.
fn sums_by_window<'a>(
    windows: &'a [SharedWindow],
    lane_count: usize,
    mut sums: &'a mut [f64],
) -> impl Iterator<Item = (&'a SharedWindow, &'a mut [f64])> {
    windows.iter().map_while(move |window| Some((window, sums.split_off_mut(..window.weights.len() * lane_count)?)))
}

/// Calls `visit` with each sum of `channels` channels and with the index of the sum's weight. Indices are counted from the first weight of the first channel.
fn for_each_sum(conv: &Conv2d, windows: &[SharedWindow], sums: &mut [f64], channels: usize, mut visit: impl FnMut(&mut f64, usize)) {
    /// The number of input channels that are visited together. It is small, so that reads and writes stay in the cache.
    const INPUTS_AT_ONCE: usize = 4;
    let (lane_count, filter_len, inputs) = (channels.next_multiple_of(LANES), conv.filter_len(), conv.group_inputs());
    for first_input in (0..inputs).step_by(INPUTS_AT_ONCE) {
        for (window, sums) in sums_by_window(windows, lane_count, sums) {
            // the weights of a window are ordered by input channel
            let input_weights = window.weights.len() / inputs;
            let range = first_input * input_weights..inputs.min(first_input + INPUTS_AT_ONCE) * input_weights;
            let (sums, weights) = (&mut sums[range.start * lane_count..range.end * lane_count], &window.weights[range]);
            for channel in 0..channels {
                for (lanes, weight) in sums.chunks_exact_mut(lane_count).zip(weights) {
                    visit(&mut lanes[channel], channel * filter_len + weight);
                }
            }
        }
    }
}

/// Iterates over the taps of input channel `i` of the group, given those of input channel 0.
fn taps_of_input<'a>(
    conv: &Conv2d,
    layout: &PolyphaseLayout,
    i: usize,
    taps: &'a [KernelTap],
) -> impl Iterator<Item = KernelTap> + use<'a> {
    let (first_weight, first_image) = (i * conv.channel_len(View::Weight), i * layout.channel_len());
    taps.iter().map(move |tap| KernelTap { weight: first_weight + tap.weight, image: first_image + tap.image })
}

impl SharedWindow {
    /// Splits the weights of an output channel by the outputs at which they are not over padding. `taps` are the taps of input channel 0.
    ///
    /// With a 3x3 filter and padding 1, each of the nine weights has a window of its own: the upper left weight, for example, is over padding in the first row
    /// and the first column of the outputs. With fewer than 4 input channels each window would have too few weights. Then all weights share the window of all
    /// outputs, and may be over padding.
    fn all(conv: &Conv2d, layout: &PolyphaseLayout, taps: &[KernelTap]) -> Vec<Self> {
        let Conv2d { rows, columns, .. } = conv;
        let window_of =
            |tap: &KernelTap| [rows.output_range(tap.weight / columns.kernel), columns.output_range(tap.weight % columns.kernel)];
        let all_outputs = [0..rows.output, 0..columns.output];
        let is_split = conv.group_inputs() >= 4;
        let is_unpadded = is_split || taps.iter().all(|tap| window_of(tap) == all_outputs);
        let mut taps_by_window: Vec<(_, Vec<KernelTap>)> = Vec::new();
        for tap in taps {
            let window = if is_split { window_of(tap) } else { all_outputs.clone() };
            match taps_by_window.iter_mut().find(|(known, _)| *known == window) {
                Some((_, taps)) => taps.push(*tap),
                None => taps_by_window.push((window, vec![*tap])),
            }
        }
        let windows = taps_by_window.into_iter().map(|(window, taps)| {
            let taps = (0..conv.group_inputs()).flat_map(|i| taps_of_input(conv, layout, i, &taps));
            let (weights, image_firsts) = taps.map(|tap| (tap.weight, tap.image)).unzip();
            Self { weights, image_firsts, window, is_unpadded }
        });
        windows.collect()
    }

    /// Returns, for each place of the window that is among the places `transposed`, its offset in the laid-out image and the index of its errors in the
    /// transposed errors. `width` is the length of a row of errors, `image_width` that of a row of the laid-out image.
    fn place_offsets(&self, transposed: &Range<usize>, [width, image_width]: [usize; 2], lane_count: usize) -> Vec<(usize, usize)> {
        let [rows, columns] = &self.window;
        let offsets_of_row = |y: usize| {
            // the transposed places may begin and end in the middle of a row
            let column = |place: usize| place.saturating_sub(y * width);
            let row_columns = columns.start.max(column(transposed.start))..columns.end.min(column(transposed.end));
            row_columns.map(move |x| (y * image_width + x, (y * width + x - transposed.start) * lane_count))
        };
        let first_row = rows.start.max(transposed.start / width);
        let end_row = rows.end.min(transposed.end.div_ceil(width));
        let mut offsets = Vec::with_capacity(transposed.len());
        offsets.extend((first_row..end_row).flat_map(offsets_of_row));
        offsets
    }
}

impl WeightRuns {
    /// Creates the runs of all input channels from those of input channel 0.
    fn new(conv: &Conv2d, layout: &PolyphaseLayout, runs: &[&[KernelTap]]) -> Self {
        let runs =
            (0..conv.group_inputs()).flat_map(|i| runs.iter().map(move |run| taps_of_input(conv, layout, i, run).collect::<Vec<_>>()));
        let (runs, image_firsts) = runs.map(|run| (run.iter().map(|tap| tap.weight).collect(), run[0].image)).unzip();
        Self { runs, image_firsts }
    }

    /// Computes the weights of a block, with a lane for each weight of a run. In the terms of [`Products`], rows are channels and `taps` are places.
    fn compute(&self, operands: KernelOperands<'_>, image: &[f64], taps: &[(usize, usize)], block: ChannelBlock<'_>) {
        let Self { runs, image_firsts } = self;
        let KernelOperands { conv, b: errors, init, .. } = operands;
        let ChannelBlock { first_channel, out, .. } = block;
        let (places, filter_len) = (taps.len(), conv.filter_len());
        let error_firsts: Vec<_> = (first_channel..).take(out.len() / filter_len).map(|channel| channel * places).collect();
        let lane_count = runs.len() * LANES;
        let mut sums = Scratch::new(error_firsts.len() * lane_count);
        if init == Init::Accumulate {
            for (sums, out) in sums.chunks_exact_mut(lane_count).zip(out.chunks_exact(filter_len)) {
                for (sums, run) in sums.chunks_exact_mut(LANES).zip(runs) {
                    sums.iter_mut().zip(run).for_each(|(sum, weight)| *sum = out[*weight]);
                }
            }
        }
        let rows = FactorSource { numbers: errors, firsts: &error_firsts };
        let lanes = FactorSource { numbers: image, firsts: image_firsts };
        add(&Products { rows, lanes, taps, chunk_len: places, used_taps: 0..places }, &mut sums, init);
        for ((channel, sums), out) in (first_channel..).zip(sums.chunks_exact(lane_count)).zip(out.chunks_exact_mut(filter_len)) {
            for (sums, run) in sums.chunks_exact(LANES).zip(runs) {
                for (sum, &weight) in sums.iter().zip(run) {
                    out[weight] = operands.exact(channel * filter_len + weight, places, out[weight], *sum);
                }
            }
        }
    }
}
