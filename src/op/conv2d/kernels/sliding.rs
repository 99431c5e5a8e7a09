//! The outputs and the input gradient of a convolution: filters slide over the input, or over the errors of the outputs.
//!
//! Both are the same computation, `sum[n] += weight[k] · image[n + offset[k]]` for all filter positions k. A register holds the sums of neighbouring
//! entries n. For each k it multiplies one weight by a register of neighbouring image entries. The two computations differ in what they read:
//!
//! | computed | image | weights for a computed channel |
//! | --- | --- | --- |
//! | outputs | the input | those between this output channel and each input channel |
//! | input gradient | the errors of the outputs | those between this input channel and each output channel |
//!
//! For a filter (w₀, w₁) over (x₀, …, x₈), a register adds w₀ · (x₀, …, x₇) and then w₁ · (x₁, …, x₈): eight outputs with two multiplications.
//!
//! The work is split in five levels, from the outside in:
//!
//! 1. Bands: neighbouring rows of all channels. Each band has its own laid-out image, which stays in the cache of the thread that computes it.
//! 2. Blocks: some channels of a band. A block is computed by one thread.
//! 3. Channels: up to four of a block at once, which share the loads from the image.
//! 4. Phases: entries that are multiplied by the same filter positions ([`crate::op::phase`]). With stride 1 there is only one phase.
//! 5. Tiles: rows that are multiplied by the same rows of the filter, with about 512 sums for each channel. Rows near the border are multiplied by fewer
//!    filter rows, because the other filter rows are over padding.

use std::ops::Range;

use super::{KernelOperands, PolyphaseLayout, scatter_strided};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::op::phase::{EntryPhase, Polyphase, copy_strided, lay_out, polyphase};
use crate::scratch::Scratch;
use crate::sums::{FactorSource, Init, LANES, Products, add, add_to_rows, all_finite_and_nonzero};
use crate::threads;

/// The largest number of channels that are computed at once.
const CHANNELS_AT_ONCE: usize = 4;

/// The largest number of lanes of a tile of several rows. With it, the sums of [`CHANNELS_AT_ONCE`] channels fit into the first-level cache.
const MAX_TILE_LANES: usize = 64 * LANES;

/// The smallest number of entries of a channel in a band. In a smaller band, many registers would be only partly full.
///
/// Tests have small tensors, and split them into bands of any size.
const MIN_BAND_ENTRIES: usize = if cfg!(test) { 1 } else { 16 * LANES };

/// The plan for the forward pass ([`View::Output`]) or the input gradient ([`View::Input`]).
#[derive(Debug)]
pub(super) struct Sliding {
    view: View,
    bands: Vec<Band>,
}

/// Neighbouring rows of all channels.
#[derive(Debug)]
struct Band {
    /// The rows of the computed tensor.
    rows: Range<usize>,
    /// The layout of the image rows that these rows read.
    layout: PolyphaseLayout,
    /// A kernel for each phase.
    kernels: Vec<PhaseKernel>,
    /// The number of zeros after the laid-out image.
    zeros_after_end: usize,
    /// The largest number of lanes of a tile whose sums are in scratch memory.
    max_lanes: usize,
}

impl Band {
    fn new(rows: Range<usize>, layout: PolyphaseLayout, kernels: Vec<PhaseKernel>) -> Self {
        let tiles = || kernels.iter().flat_map(|kernel| &kernel.tiles);
        // the last register of a row may read past the end, unless it ends with the row
        let zeros_after_end = if tiles().all(|tile| !tile.sum_places.is_empty()) { 0 } else { LANES };
        let max_lanes = tiles().filter(|tile| tile.sum_places.is_empty()).map(|tile| tile.image_firsts.len() * LANES).max().unwrap_or(0);
        Self { rows, layout, kernels, zeros_after_end, max_lanes }
    }
}

/// The kernel for the entries of one phase in a band.
#[derive(Debug)]
struct PhaseKernel {
    /// The products of the phase's first entry, in the order of the terms: each has the index of its weight, and the index of its other factor in the laid-out
    /// image. The products of all summed channels follow one another.
    taps: Vec<(usize, usize)>,
    /// The number of `taps` of one summed channel.
    channel_taps: usize,
    /// The distance in a row of the computed tensor between neighbouring entries of the phase.
    step: usize,
    tiles: Vec<RowTile>,
    /// `true` if no entry reads padding at the left or at the right of the image.
    has_unpadded_columns: bool,
}

/// Neighbouring rows of a phase that are multiplied by the same rows of the filter.
///
/// The sums of its entries are in the lanes of registers. Usually each row begins a new register, and the registers are stored directly in the row. With 8
/// lanes, a row of 28 entries has four registers: for the entries 0 to 7, 8 to 15, 16 to 23 and 20 to 27. The last two overlap, and compute the same numbers
/// for 20 to 23.
///
/// In four cases the sums are computed in scratch memory, and then copied:
///
/// - The rows are shorter than a register.
/// - One run of registers over all rows, with the gaps between them, needs fewer registers than a run for each row. The rows are then usually short.
/// - The sums are added to the previous numbers of the entries. With overlapping registers, the last one would read numbers that are changed already.
/// - The entries of a phase are not neighbours.
///
/// In scratch memory, the lanes after the last entry of a row are not used. In one run over all rows, these are the lanes between two rows.
#[derive(Debug)]
struct RowTile {
    /// For each row, the index of its first entry in the band's part of a channel.
    row_firsts: Vec<usize>,
    /// The number of entries of each row.
    row_len: usize,
    /// The distance in lanes between the sums of neighbouring rows.
    row_pitch: usize,
    /// For each register's worth of [`LANES`] neighbouring sums, an index `first` in the laid-out image. Sum n of the register reads, for each tap, the entry
    /// `first + n + (the tap's image index)`.
    image_firsts: Vec<usize>,
    /// For each of these registers, the index of its first entry in the band's part of a channel; empty if the sums are computed in scratch memory.
    sum_places: Vec<usize>,
    /// The range of the taps of each summed channel that these rows use.
    used_taps: Range<usize>,
}

/// Neighbouring channels of one group in a band, computed by one thread.
struct OutputBlock<'a> {
    band: &'a Band,
    group: usize,
    /// The index of the first channel, counted over all groups.
    first_channel: usize,
    /// For each channel, its entries in the rows of the band.
    out: Vec<&'a mut [f64]>,
}

impl Sliding {
    /// Plans the computation of the tensor that `view` names, for calls of [`Sliding::run`] with this `init`. There is a band for each thread that makes the
    /// computation faster, or fewer bands if they would be too small.
    pub(super) fn new(conv: &Conv2d, view: View, init: Init) -> Self {
        let [rows, columns] = [polyphase(&conv.rows, view), polyphase(&conv.columns, view)];
        // Bands are planned in rows of a phase. In the input gradient with stride 2, for example, the even rows are one phase and the odd rows another:
        // rows 0 to 9 of a phase are rows 0 to 19 of the image.
        let longest_phase = |axis: &Polyphase| axis.phases.iter().map(|phase| phase.count).max().unwrap_or(0);
        let (phase_rows, phase_columns) = (longest_phase(&rows), longest_phase(&columns));
        let max_bands = phase_rows.min(phase_rows * phase_columns / MIN_BAND_ENTRIES);
        let band_count = threads::useful_threads(conv.edge_count()).min(max_bands).max(1);
        // all row phases have the same step
        let step = rows.phases.first().map_or(1, |phase| phase.step);
        let first_phase_row = |band: usize| phase_rows * band / band_count;
        let bands = (0..band_count).map(|band| {
            let (start, end) = (first_phase_row(band), first_phase_row(band + 1));
            let layout = PolyphaseLayout { axes: [rows.restricted_to(start..end), columns.clone()] };
            let kernels = layout.phases().map(|phase| PhaseKernel::new(conv, view, init, &layout, phase)).collect();
            // the last band ends with the tensor
            let end_row = if band + 1 == band_count { conv.rows.len(view) } else { end * step };
            Band::new(start * step..end_row, layout, kernels)
        });
        let bands = bands.collect();
        Self { view, bands }
    }

    /// Computes all entries of the tensor.
    pub(super) fn run(&self, conv: &Conv2d, filters: &[f64], images: &[f64], out: &mut [f64], init: Init) {
        let operands = KernelOperands { conv, view: self.view, a: filters, b: images, init };
        threads::share(self.blocks(conv, out), conv.edge_count(), |blocks| blocks.for_each(|block| block.compute(operands)));
    }

    /// Splits all entries into blocks: one for each band and group of channels, or several if there would be fewer blocks than threads.
    fn blocks<'a>(&'a self, conv: &Conv2d, out: &'a mut [f64]) -> Vec<OutputBlock<'a>> {
        let group_channels = if self.view == View::Output { conv.group_outputs() } else { conv.group_inputs() };
        let wanted_parts = threads::threads_for(conv.edge_count()).div_ceil(conv.groups * self.bands.len());
        let part_channels = group_channels.div_ceil(wanted_parts).next_multiple_of(CHANNELS_AT_ONCE);
        let parts = group_channels.div_ceil(part_channels);
        let band_blocks = conv.groups * parts;
        let block = |band, n: usize| {
            let (group, part) = (n / parts, n % parts);
            let first_channel = group * group_channels + part * part_channels;
            OutputBlock { band, group, first_channel, out: Vec::with_capacity(part_channels.min(group_channels)) }
        };
        let mut blocks: Vec<_> = self.bands.iter().flat_map(|band| (0..band_blocks).map(move |n| block(band, n))).collect();
        for (channel, mut remaining_rows) in out.chunks_exact_mut(conv.channel_len(self.view)).enumerate() {
            let (group, channel) = (channel / group_channels, channel % group_channels);
            let n = group * parts + channel / part_channels;
            // block n of each band gets the band's rows of this channel
            for block in blocks[n..].iter_mut().step_by(band_blocks) {
                let band_rows = remaining_rows.split_off_mut(..block.band.rows.len() * conv.columns.len(self.view));
                block.out.push(band_rows.expect("the bands cover the channel"));
            }
        }
        blocks
    }
}

impl OutputBlock<'_> {
    /// Computes all entries of the block.
    fn compute(mut self, operands: KernelOperands<'_>) {
        let KernelOperands { conv, view, b: images, .. } = operands;
        let image_view = if view == View::Output { View::Input } else { View::Output };
        let group_len = conv.summed_channels(view) * conv.channel_len(image_view);
        let group_images = &images[self.group * group_len..][..group_len];
        let Band { layout, zeros_after_end, max_lanes, .. } = self.band;
        let mut memory = Scratch::default();
        let laid_out = lay_out(group_images, conv.channel_shape(image_view).into(), &layout.axes, *zeros_after_end, &mut memory);
        let mut scratch = Scratch::new(self.out.len().min(CHANNELS_AT_ONCE) * max_lanes);
        // the channels are split evenly: 5 channels into 3 + 2, not into 4 + 1
        let chunks = self.out.len().div_ceil(CHANNELS_AT_ONCE);
        let chunk_len = self.out.len().div_ceil(chunks);
        for (n, out) in self.out.chunks_mut(chunk_len).enumerate() {
            for kernel in &self.band.kernels {
                kernel.compute(operands, self.band, self.first_channel + n * chunk_len, laid_out, &mut scratch, out);
            }
        }
    }
}

impl PhaseKernel {
    /// Plans the kernel of a pair of a row phase and a column phase.
    fn new(conv: &Conv2d, view: View, init: Init, layout: &PolyphaseLayout, phase: [&EntryPhase; 2]) -> Self {
        let [rows, columns] = phase;
        let first_channel_taps = layout.taps(phase, conv.columns.kernel);
        // the distance between the weights of neighbouring summed channels
        let weight_step = if view == View::Output { conv.channel_len(View::Weight) } else { conv.filter_len() };
        let taps_of_channel = |channel: usize| {
            let offsets = (channel * weight_step, channel * layout.channel_len());
            first_channel_taps.iter().map(move |tap| (offsets.0 + tap.weight, offsets.1 + tap.image))
        };
        let taps = (0..conv.summed_channels(view)).flat_map(taps_of_channel).collect();
        // for each row of the phase, the range of filter rows that are not over padding
        let (row_axis, column_axis) = (0, 1);
        let filter_rows: Vec<_> = layout.unpadded_taps(view, conv, row_axis, rows).collect();
        let max_tile_rows = (MAX_TILE_LANES / columns.count.next_multiple_of(LANES)).max(1);
        let filter_rows_by_tile = filter_rows.chunk_by(|a, b| a == b).flat_map(|equal| equal.chunks(max_tile_rows));
        let mut next_row = 0;
        let tiles = filter_rows_by_tile.map(|filter_rows| {
            let tile_rows = next_row..next_row + filter_rows.len();
            next_row = tile_rows.end;
            // the rows of a tile all have the same filter rows, each with a tap for each filter column
            let used_taps = filter_rows[0].start * columns.taps.len()..filter_rows[0].end * columns.taps.len();
            RowTile::new(conv, (view, init), layout.row_len(), phase, tile_rows, used_taps)
        });
        let tiles = tiles.filter(|tile| !tile.used_taps.is_empty()).collect();
        let has_unpadded_columns = layout.unpadded_taps(view, conv, column_axis, columns).all(|taps| taps.len() == columns.taps.len());
        Self { taps, channel_taps: first_channel_taps.len(), step: columns.step, tiles, has_unpadded_columns }
    }

    /// Computes the phase's entries in the band for `out.len()` channels from `first_channel` on, at most [`CHANNELS_AT_ONCE`]. `images` are laid out.
    fn compute(
        &self,
        operands: KernelOperands<'_>,
        band: &Band,
        first_channel: usize,
        images: &[f64],
        scratch: &mut [f64],
        out: &mut [&mut [f64]],
    ) {
        let KernelOperands { conv, view, a: weights, init, .. } = operands;
        let first_weight = |n: usize| {
            let first_summed = 0;
            let (o, i) = conv.channel_pair(view, first_channel + n, first_summed);
            (o * conv.group_inputs() + i) * conv.channel_len(View::Weight)
        };
        let weight_firsts: [usize; CHANNELS_AT_ONCE] = std::array::from_fn(first_weight);
        let rows = FactorSource { numbers: weights, firsts: &weight_firsts[..out.len()] };
        let first_entry = first_channel * conv.channel_len(view) + band.rows.start * conv.columns.len(view);
        for tile in &self.tiles {
            let lanes = FactorSource { numbers: images, firsts: &tile.image_firsts };
            let products = Products { rows, lanes, taps: &self.taps, chunk_len: self.channel_taps, used_taps: tile.used_taps.clone() };
            if !tile.sum_places.is_empty() {
                add_to_rows(&products, out, &tile.sum_places, init);
                tile.correct(self, operands, first_entry, out);
                continue;
            }
            let sums = &mut scratch[..out.len() * tile.image_firsts.len() * LANES];
            if init == Init::Accumulate {
                tile.load(self.step, sums, out);
            }
            add(&products, sums, init);
            tile.store(self, operands, first_entry, sums, out);
        }
    }
}

impl RowTile {
    /// Plans a tile of the rows `tile_rows` of a phase. The rows of the laid-out image are `image_row_len` long.
    fn new(
        conv: &Conv2d,
        (view, init): (View, Init),
        image_row_len: usize,
        [rows, columns]: [&EntryPhase; 2],
        tile_rows: Range<usize>,
        used_taps: Range<usize>,
    ) -> Self {
        let row_len = columns.count;
        let row_first = |y: usize| (rows.first + y * rows.step) * conv.columns.len(view) + columns.first;
        // the registers cover either all rows and the gaps between the rows in one run, or each row in a run of its own: the choice with fewer registers
        let lanes_of_one_run = (tile_rows.len() - 1) * image_row_len + row_len;
        if tile_rows.len() * row_len.div_ceil(LANES) > lanes_of_one_run.div_ceil(LANES) {
            let image_firsts = (0..lanes_of_one_run).step_by(LANES).map(|x| tile_rows.start * image_row_len + x).collect();
            let (row_firsts, sum_places) = (tile_rows.map(row_first).collect(), Vec::new());
            return Self { row_firsts, row_len, row_pitch: image_row_len, image_firsts, sum_places, used_taps };
        }
        let has_whole_rows = rows.step == 1 && row_len == conv.columns.len(view);
        // a tile whose rows follow each other without a gap, as a single long row
        let one_row = |image_firsts, sum_places| {
            let len = tile_rows.len() * row_len;
            Self {
                row_firsts: vec![row_first(tile_rows.start)],
                row_len: len,
                row_pitch: len,
                image_firsts,
                sum_places,
                used_taps: used_taps.clone(),
            }
        };
        if has_whole_rows && row_len >= LANES && init == Init::Overwrite {
            // the last register of a row ends with the row
            let columns = || (0..row_len).step_by(LANES).map(move |x| x.min(row_len - LANES));
            let image_firsts = tile_rows.clone().flat_map(|y| columns().map(move |x| y * image_row_len + x)).collect();
            let sum_places = tile_rows.clone().flat_map(|y| columns().map(move |x| row_first(y) + x)).collect();
            return one_row(image_firsts, sum_places);
        }
        let row_image_firsts = |y: usize| (0..row_len).step_by(LANES).map(move |x| y * image_row_len + x);
        let image_firsts = tile_rows.clone().flat_map(row_image_firsts).collect();
        let sum_places = Vec::new();
        if has_whole_rows && row_len.is_multiple_of(LANES) {
            // entries and sums are contiguous over all rows, which can be loaded and stored as a single long row
            return one_row(image_firsts, sum_places);
        }
        let row_firsts = tile_rows.map(row_first).collect();
        Self { row_firsts, row_len, row_pitch: row_len.next_multiple_of(LANES), image_firsts, sum_places, used_taps }
    }

    /// Loads the previous numbers of the entries into `sums`, for each channel of `out`. `step` is the step of the phase.
    fn load(&self, step: usize, sums: &mut [f64], out: &[&mut [f64]]) {
        for (sums, out) in sums.chunks_exact_mut(self.image_firsts.len() * LANES).zip(out) {
            for (row, &first) in sums.chunks_mut(self.row_pitch).zip(&self.row_firsts) {
                copy_strided(&mut row[..self.row_len], step, &out[first..]);
            }
        }
    }

    /// Computes the entries again for which products with padding have changed the sum, if their sums are not in scratch memory.
    fn correct(&self, kernel: &PhaseKernel, operands: KernelOperands<'_>, first_entry: usize, out: &mut [&mut [f64]]) {
        if kernel.has_unpadded_columns {
            return;
        }
        let channel_len = operands.conv.channel_len(operands.view);
        let product_count = operands.conv.summed_channels(operands.view) * self.used_taps.len();
        for (channel, out) in out.iter_mut().enumerate() {
            for &first in &self.row_firsts {
                let sums = &mut out[first..][..self.row_len];
                // padding changes only sums that are 0 or not finite
                if !all_finite_and_nonzero(sums) {
                    for (at, sum) in (first..).zip(sums) {
                        // these sums are overwritten, so the number before them is not read
                        *sum = operands.exact(first_entry + channel * channel_len + at, product_count, *sum, *sum);
                    }
                }
            }
        }
    }

    /// Stores the sums into each channel of `out`. `first_entry` is the index of the entry at the start of `out[0]`, in the whole computed tensor.
    fn store(&self, kernel: &PhaseKernel, operands: KernelOperands<'_>, first_entry: usize, sums: &[f64], out: &mut [&mut [f64]]) {
        let channel_len = operands.conv.channel_len(operands.view);
        let product_count = operands.conv.summed_channels(operands.view) * self.used_taps.len();
        for (channel, (sums, out)) in sums.chunks_exact(self.image_firsts.len() * LANES).zip(out).enumerate() {
            // padding changes only sums that are 0 or not finite
            let is_exact = kernel.has_unpadded_columns || all_finite_and_nonzero(sums);
            for (row, &first) in sums.chunks(self.row_pitch).zip(&self.row_firsts) {
                let row = &row[..self.row_len];
                if is_exact || all_finite_and_nonzero(row) {
                    scatter_strided(&mut out[first..], kernel.step, row);
                    continue;
                }
                for (at, sum) in (first..).step_by(kernel.step).zip(row) {
                    out[at] = operands.exact(first_entry + channel * channel_len + at, product_count, out[at], *sum);
                }
            }
        }
    }
}
