//! The outputs of a small convolution with many filters: an entry of the image is multiplied by the weights of 8 filters at once.
//!
//! The lanes of a register hold the sums of neighbouring output channels at one place. For each filter position k, a register adds x · (w₀\[k\], …, w₇\[k\]),
//! where x is the entry of the image under position k. So the weights of 8 filters must be neighbours in memory: they are transposed first, and so are the
//! sums in the end.
//!
//! For two filters (w₀, w₁) and (v₀, v₁) over (x₀, x₁, x₂), the register of output 0 adds x₀ · (w₀, v₀) and then x₁ · (w₁, v₁); that of output 1 adds
//! x₁ · (w₀, v₀) and x₂ · (w₁, v₁).
//!
//! Unlike in `sliding`, all lanes are used however short the rows of the image are, and the image is read where it is. Images with padding are computed by
//! `sliding`.

use super::MAX_SMALL_PRODUCTS;
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::scratch::Scratch;
use crate::shuffle::transpose_matrix;
use crate::sums::{FactorSource, Init, LANES, Products, add};

/// The largest number of sums. With more, `sliding` is as fast, and its blocks are better for the cache.
const MAX_SUMS: usize = 4096;

/// The plan for the outputs.
#[derive(Debug)]
pub(super) struct Broadcasting {
    /// For each place of an output channel, the index of the first entry of its window.
    window_firsts: Vec<usize>,
    /// For each weight of a filter, two numbers: the offset of its image entry from the first entry of the window, and its index in the transposed weights for
    /// the first filter. The weights of the other filters at this position follow that index.
    taps: Vec<(usize, usize)>,
    /// The filter in the first lane of each register.
    lane_firsts: Vec<usize>,
}

impl Broadcasting {
    /// Plans the computation. `None` if `sliding` is probably faster, or if the convolution has padding or several groups.
    pub(super) fn new_if_faster(conv: &Conv2d) -> Option<Self> {
        let Conv2d { rows, columns, outputs, .. } = conv;
        let has_padding = [rows, columns].into_iter().any(|axis| axis.overhang(View::Output) != [0; 2]);
        let places = conv.channel_len(View::Output);
        let has_whole_registers = outputs.is_multiple_of(LANES);
        // of the lanes of `sliding`, those after the end of a row are not used
        let is_faster = has_whole_registers && !columns.output.is_multiple_of(LANES) && columns.output < 2 * LANES;
        let is_small = places * outputs <= MAX_SUMS && conv.edge_count() <= MAX_SMALL_PRODUCTS;
        if has_padding || conv.groups > 1 || !is_faster || !is_small {
            return None;
        }
        let window_first = |y: usize, x: usize| y * rows.stride * columns.input + x * columns.stride;
        let window_firsts = (0..rows.output).flat_map(|y| (0..columns.output).map(move |x| window_first(y, x))).collect();
        let filter_taps = (0..rows.kernel).flat_map(|y| (0..columns.kernel).map(move |x| (y, x)));
        let image_offset = |y: usize, x: usize| y * rows.dilation * columns.input + x * columns.dilation;
        let offsets = |i: usize| filter_taps.clone().map(move |(y, x)| i * conv.channel_len(View::Input) + image_offset(y, x));
        let taps = (0..conv.inputs).flat_map(offsets).enumerate().map(|(n, offset)| (offset, n * outputs)).collect();
        Some(Self { window_firsts, taps, lane_firsts: (0..*outputs).step_by(LANES).collect() })
    }

    /// Computes all outputs.
    pub(super) fn run(&self, conv: &Conv2d, filters: &[f64], image: &[f64], out: &mut [f64], init: Init) {
        let (places, channels, weights) = (self.window_firsts.len(), conv.outputs, self.taps.len());
        let mut transposed_filters = Scratch::new(weights * channels);
        transpose_matrix(filters, weights, &mut transposed_filters, channels);
        let mut sums = Scratch::new(places * channels);
        if init == Init::Accumulate {
            transpose_matrix(out, places, &mut sums, channels);
        }
        let rows = FactorSource { numbers: image, firsts: &self.window_firsts };
        let lanes = FactorSource { numbers: &transposed_filters, firsts: &self.lane_firsts };
        add(&Products { rows, lanes, taps: &self.taps, chunk_len: weights, used_taps: 0..weights }, &mut sums, init);
        transpose_matrix(&sums, channels, out, places);
    }
}
