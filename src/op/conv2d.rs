//! `conv2d`: z = W * a + b, filters that slide over an image (a cross-correlation, as in PyTorch).
//!
//! The input a has C x H x W entries (channels, height, width), the weight W has O x C/groups x kh x kw entries, the bias b has O, and the output z has
//! O x H' x W' entries with H' = ⌊(H + 2 · padding − (kh − 1) · dilation − 1) / stride⌋ + 1, and likewise W'. Each output channel has a filter of
//! C/groups x kh x kw weights. With one group, stride 1, dilation 1 and no padding:
//!
//! | computed | equation |
//! | --- | --- |
//! | output | `z[o, y, x] = Σ w[o, c, i, j] · a[c, y + i, x + j] + b[o]` |
//! | weight gradient | `∂C/∂w[o, c, i, j] = Σ a[c, y + i, x + j] · ∂C/∂z[o, y, x]` |
//! | input gradient | `∂C/∂a[c, u, v] = Σ w[o, c, i, j] · ∂C/∂z[o, u − i, v − j]` |
//!
//! Each sum runs over the indices that its left side lacks. On one channel, the filter (1 2; 3 4) over the window (5 6; 7 8) gives
//! 1 · 5 + 2 · 6 + 3 · 7 + 4 · 8 = 70.
//!
//! Source: PyTorch's `torch.nn.Conv2d`; figures 2 (part 1), 18, 19 and 20 (part 4) of V. Petersen's series "A guided tour through a convolutional
//! neural network".

mod kernels;

use std::sync::Arc;

use super::axis::{Axis, Gap, Misfit};
use super::edges::{Bilinear, Edges, View, W, Weighted, X};
use super::functions::{ROT180, SPREAD};
use super::layer::{Args, Fan, Layer, LayerKind, Reported, weighted_layer};
use super::nest::{Edge, Nest};
use super::padding::Padding;
use super::rule::{Equation, Function, Gist, Window};
use super::slot::Slot::Upstream;
use super::window_sizes::WindowSizes;
use crate::expr::{Expr, Join, whole};
use crate::sums::{Init, LANES};
use crate::tensor::len;
use kernels::Plans;

/// The row of `conv2d` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind {
    name: "conv2d",
    default_name: "conv",
    keys: &["weight", "bias", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"],
    rank: Some(3),
    has_several_inputs: false,
    activation: Some("activation"),
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let is_1d = false;
    convolution_layer(args, is_1d, EQUATIONS)
}

/// Makes the layer `conv2d` with these equations, or `conv1d` if `is_1d` is set. `conv1d` reads channels x length, and its weight has O x C/groups x k entries.
///
/// # Errors
/// If a key is faulty, or the filter does not fit.
pub fn convolution_layer(args: &mut dyn Args, is_1d: bool, equations: [Equation; 3]) -> Result<Layer, Reported> {
    let [channels, height, width] = if is_1d { args.sequence()? } else { args.image()? };
    let weight_rank = if is_1d { 3 } else { 4 };
    let weight_shape = args.shape("weight", weight_rank)?;
    let outputs = args.size("out_channels", weight_shape.as_ref().map(|shape| shape[0]));
    let axis_count = if is_1d { 1 } else { 2 };
    let padding = args.padding("padding", axis_count)?.unwrap_or(Padding::Places([[0; 2]; 2]));
    let Filters { outputs, kernel, stride, dilation, groups } = Filters::read(args, channels, outputs, weight_shape.as_deref(), is_1d)?;
    let padding = args.padding_places(padding, [height, width], kernel, stride, dilation)?;
    let mut axis = |dimension: &str, i: usize, len: usize| {
        Axis::new(len, kernel[i], stride[i], padding[i], dilation[i]).map_err(|Misfit { key, why }| {
            let key = kernel_key(&*args, key);
            args.fail_for_sizes(
                key,
                format!("the filter does not fit the input's {dimension}: {why}"),
                "the filter, with its dilation, must fit into the input with its padding",
            )
        })
    };
    let (rows, columns) = (axis("height", 0, height)?, axis(if is_1d { "length" } else { "width" }, 1, width)?);
    args.claim(&[outputs, rows.output, columns.output])?; // the memory of z
    args.claim(&[outputs, channels / groups, kernel[0], kernel[1]])?; // the memory of the weight
    let kernel_area = kernel[0] * kernel[1];
    let fan = Fan { inputs: channels / groups * kernel_area, outputs: outputs * kernel_area };
    let mut conv = Conv2d::new(channels, outputs, groups, rows, columns);
    conv.is_1d = is_1d;
    let weight_shape = conv.shape(View::Weight).unwrap_or_default();
    weighted_layer(args, function_with(conv, equations), &weight_shape, outputs, fan)
}

/// Creates the function of a convolution: its inputs are the image and the weight.
#[must_use]
pub fn convolution_function(conv: Conv2d) -> Arc<dyn Function> {
    function_with(conv, EQUATIONS)
}

/// Creates the function of a convolution with these equations.
fn function_with(conv: Conv2d, [forward, weight, input]: [Equation; 3]) -> Arc<dyn Function> {
    let strided_input = Equation { right: STRIDED_INPUT_GRADIENT.right, gist: STRIDED_INPUT_GRADIENT.gist, ..input };
    let is_strided = conv.sizes().is_strided();
    Arc::new(Bilinear::new(conv, [forward, weight, if is_strided { strided_input } else { input }]))
}

/// Returns the key at which to report a [`Misfit`]: `weight` instead of `kernel_size` if the kernel's size comes from the shape of the weight.
pub fn kernel_key(args: &dyn Args, key: &'static str) -> &'static str {
    if key == "kernel_size" && !args.has(key) { "weight" } else { key }
}

/// The keys that `conv2d` and `conv_transpose2d` share.
#[derive(Clone, Copy, Debug)]
pub struct Filters {
    /// The number of output channels.
    pub outputs: usize,
    /// The number of rows and of columns of a filter.
    pub kernel: [usize; 2],
    /// The vertical and horizontal distance between neighbouring windows.
    pub stride: [usize; 2],
    /// The distance on the image between neighbouring rows of the filter, and between its columns.
    pub dilation: [usize; 2],
    /// The number of groups: each output channel reads only the input channels of its group.
    pub groups: usize,
}

impl Filters {
    /// Reads the keys of a layer with `channels` input channels and, if it is known, a weight of the shape `weight_shape`. If `is_1d` is set, the keys have one
    /// number, for the columns; the number for the rows is 1.
    ///
    /// `outputs` is the result of reading `out_channels`. If it is an error, this function reads the other keys before it returns the error, so that their
    /// faults are reported too.
    ///
    /// # Errors
    /// If a key is faulty, a size is missing, or the groups do not divide the channels.
    pub fn read(
        args: &mut dyn Args,
        channels: usize,
        outputs: Result<usize, Reported>,
        weight_shape: Option<&[usize]>,
        is_1d: bool,
    ) -> Result<Self, Reported> {
        let kernel = if is_1d {
            args.size("kernel_size", weight_shape.map(|shape| shape[2])).map(|kernel| [1, kernel])
        } else {
            args.sizes("kernel_size", weight_shape.map(|shape| [shape[2], shape[3]]))
        };
        // the second argument is the smallest value that is allowed
        let stride = args.pair_or_size("stride", 1, is_1d)?.unwrap_or([1, 1]);
        let dilation = args.pair_or_size("dilation", 1, is_1d)?.unwrap_or([1, 1]);
        let groups = args.integer("groups", 1)?.unwrap_or(1);
        let (outputs, kernel) = (outputs?, kernel?);
        if !channels.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            return Err(args.fail_for_sizes(
                "groups",
                format!("{groups} groups do not divide {channels} input channels and {outputs} output channels evenly"),
                "both numbers of channels must be multiples of groups",
            ));
        }
        Ok(Self { outputs, kernel, stride, dilation, groups })
    }
}

/// The edges of a convolution ([`super::edges`]). The input has `inputs` x H x W entries, the weight `outputs` x inputs/groups x kh x kw, and the output
/// `outputs` x H' x W'.
///
/// A *channel* of a view is one image of the view's tensor: H' x W' entries of the output, kh x kw of the weight, H x W of the input. The weight has a
/// channel for each pair of an output channel and an input channel of the same group.
#[derive(Debug)]
pub struct Conv2d {
    /// The number of input channels.
    pub inputs: usize,
    /// The number of output channels.
    pub outputs: usize,
    /// The number of groups: each output channel reads only the input channels of its group.
    pub groups: usize,
    /// The vertical axis, with its prefix counts.
    pub rows: Axis,
    /// The horizontal axis, with its prefix counts.
    pub columns: Axis,
    /// `true` for `conv1d` and the one-dimensional pools: the tensors have no axis of rows. Input and output are channels x length.
    pub is_1d: bool,
    /// The plans of the fast kernels.
    plans: Plans,
}

impl Conv2d {
    /// Creates the edges from the numbers of channels and groups, and from both axes.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, groups: usize, rows: Axis, columns: Axis) -> Self {
        let (rows, columns) = (rows.with_prefix_counts(), columns.with_prefix_counts());
        Self { inputs, outputs, groups, rows, columns, is_1d: false, plans: Plans::default() }
    }

    /// Returns the sizes of the windows.
    fn sizes(&self) -> WindowSizes {
        WindowSizes::new(if self.is_1d { None } else { Some(&self.rows) }, &self.columns, self.groups)
    }

    /// Returns the shape of a weight tensor that holds the same number everywhere, such as the 1/n of a mean. With such a tensor, the fast kernels of a
    /// convolution also compute a pool. `None` if this is not faster, because the windows or the rows of the output are too short.
    #[must_use]
    pub fn constant_filter_shape(&self) -> Option<[usize; 4]> {
        let Self { rows, columns, .. } = self;
        // with fewer than LANES outputs in a row, the vector registers of the kernel are not full
        let is_faster = rows.kernel * columns.kernel >= 9 && columns.output >= LANES;
        is_faster.then(|| [self.outputs, self.group_inputs(), rows.kernel, columns.kernel])
    }

    /// Returns the number of input channels of a group.
    fn group_inputs(&self) -> usize {
        self.inputs / self.groups
    }

    /// Returns the number of output channels of a group.
    fn group_outputs(&self) -> usize {
        self.outputs / self.groups
    }

    /// Returns the number of rows and of columns of a channel of this view.
    fn channel_shape(&self, view: View) -> (usize, usize) {
        (self.rows.len(view), self.columns.len(view))
    }

    /// Returns the number of entries of a channel of this view.
    fn channel_len(&self, view: View) -> usize {
        self.rows.len(view) * self.columns.len(view)
    }

    /// Returns the number of channels that an entry of this view sums over.
    fn summed_channels(&self, view: View) -> usize {
        match view {
            View::Output => self.group_inputs(),
            View::Weight => 1,
            View::Input => self.group_outputs(),
        }
    }

    /// Returns the edge of output channel `o`, input channel `i` of its group, and a tap of each axis: the input, kernel and output row
    /// `[iy, ky, oy]`, and the input, kernel and output column `[ix, kx, ox]`.
    fn edge_of_taps(&self, o: usize, i: usize, [iy, ky, oy]: [usize; 3], [ix, kx, ox]: [usize; 3]) -> Edge {
        let (rows, columns) = (&self.rows, &self.columns);
        let group = o / self.group_outputs();
        Edge {
            input: ((group * self.group_inputs() + i) * rows.input + iy) * columns.input + ix,
            weight: ((o * self.group_inputs() + i) * rows.kernel + ky) * columns.kernel + kx,
            output: (o * rows.output + oy) * columns.output + ox,
        }
    }

    /// Returns the channel, row and column of an entry of this view.
    fn channel_row_column(&self, view: View, entry: usize) -> (usize, usize, usize) {
        let (height, width) = self.channel_shape(view);
        (entry / (height * width), entry / width % height, entry % width)
    }

    /// Returns the reason why no window covers an entry of the input, in its row or in its column; `None` if windows cover both.
    #[must_use]
    pub fn gap(&self, input: usize) -> Option<Gap> {
        let (_, y, x) = self.channel_row_column(View::Input, input);
        self.rows.gap(y).or_else(|| self.columns.gap(x))
    }

    /// Returns the two channels of some edges: the output channel, and the input channel within its group.
    ///
    /// One of the two is `channel`, the channel of an entry of this view. The entry sums over several channels, and the other channel is number `summed`, from
    /// 0, among the summed channels. In the weight gradient, `channel` is the number of the pair, and nothing is summed.
    fn channel_pair(&self, view: View, channel: usize, summed: usize) -> (usize, usize) {
        match view {
            View::Output => (channel, summed),
            View::Weight => (channel / self.group_inputs(), channel % self.group_inputs()),
            View::Input => {
                let group = channel / self.group_inputs();
                (group * self.group_outputs() + summed, channel % self.group_inputs())
            }
        }
    }
}

impl Edges for Conv2d {
    fn shape(&self, view: View) -> Option<Vec<usize>> {
        let (rows, columns) = self.channel_shape(view);
        let mut shape = match view {
            View::Output => vec![self.outputs],
            View::Weight => vec![self.outputs, self.group_inputs()],
            View::Input => vec![self.inputs],
        };
        shape.extend((!self.is_1d).then_some(rows));
        shape.push(columns);
        Some(shape)
    }

    fn prefix_terms(&self, view: View, entry: usize) -> u64 {
        let (row_taps, column_taps) = (self.rows.prefix_taps(view), self.columns.prefix_taps(view));
        let (channel, y, x) = self.channel_row_column(view, entry);
        let (all_row_taps, all_column_taps) = (row_taps[row_taps.len() - 1], column_taps[column_taps.len() - 1]);
        // for each summed channel, an edge is a pair of a row tap and a column tap; those before the entry are in earlier channels, in earlier rows of its
        // channel, or earlier in its row
        let in_earlier_channels = channel as u64 * all_row_taps * all_column_taps;
        let in_earlier_rows = row_taps[y] * all_column_taps;
        let earlier_in_row = (row_taps[y + 1] - row_taps[y]) * column_taps[x];
        self.summed_channels(view) as u64 * (in_earlier_channels + in_earlier_rows + earlier_in_row)
    }

    fn has_terms(&self, view: View, count: usize) -> Option<Vec<bool>> {
        // a flag for each position of an axis: `true` if the position has a tap
        let has_taps = |axis: &Axis| axis.prefix_taps(view).windows(2).map(|counts| counts[0] < counts[1]).collect::<Vec<_>>();
        let all_have_taps = |axis: &Axis| axis.prefix_taps(view).windows(2).all(|counts| counts[0] < counts[1]);
        if all_have_taps(&self.rows) && all_have_taps(&self.columns) {
            return None;
        }
        let (rows, columns) = (has_taps(&self.rows), has_taps(&self.columns));
        let channel = rows.iter().flat_map(|row| columns.iter().map(move |column| *row && *column));
        Some(channel.cycle().take(count).collect())
    }

    fn reason_unreached(&self, view: View, entry: usize) -> &'static str {
        match view {
            View::Output => "its whole window is padding",
            View::Weight => "it is over padding in every window",
            View::Input => match self.gap(entry) {
                Some(Gap::Stride) => "no window covers it: the stride steps over it",
                Some(Gap::Dilation) => "no window covers it: it is between the places of the dilated windows",
                _ => "no window covers it: the last window ends before it",
            },
        }
    }

    fn nest(&self, view: View, entry: usize) -> Nest {
        let (channel, y, x) = self.channel_row_column(view, entry);
        let (rows, columns) = (self.rows.taps(view, y), self.columns.taps(view, x));
        let first_summed = 0;
        let (o, i) = self.channel_pair(view, channel, first_summed);
        // the length of a row and the length of a channel, both of the input, the weight and the output
        let widths = [self.columns.input, self.columns.kernel, self.columns.output].map(usize::cast_signed);
        let [input_area, kernel_area, output_area] =
            [View::Input, View::Weight, View::Output].map(|view| self.channel_len(view).cast_signed());
        let channel_step = match view {
            // an output sums over the input channels of its group, and its filter has a channel for each
            View::Output => [input_area, kernel_area, 0],
            View::Weight => [0; 3],
            // an input sums over the output channels of its group, each of which has a filter of its own
            View::Input => [0, self.group_inputs().cast_signed() * kernel_area, output_area],
        };
        Nest {
            first: self.edge_of_taps(o, i, rows.first, columns.first),
            steps: [channel_step, std::array::from_fn(|end| rows.step[end] * widths[end]), columns.step],
            counts: [self.summed_channels(view), rows.count, columns.count],
        }
    }

    fn rank(&self, view: View, edge: Edge) -> u64 {
        let (channel, y, x) = self.channel_row_column(view, edge.index_in(view));
        let (row_taps, column_taps) = (self.rows.taps(view, y).count, self.columns.taps(view, x).count);
        let (weight_channel, ky, kx) = self.channel_row_column(View::Weight, edge.weight);
        let (o, oy, ox) = self.channel_row_column(View::Output, edge.output);
        // the iteration of each of the three loops of the nest
        let summed = match view {
            View::Output => weight_channel % self.group_inputs(),
            View::Weight => 0,
            View::Input => {
                let group = channel / self.group_inputs();
                o - group * self.group_outputs()
            }
        };
        let (row_tap, column_tap) = (self.rows.rank(view, y, ky, oy), self.columns.rank(view, x, kx, ox));
        ((summed * row_taps + row_tap) * column_taps + column_tap) as u64
    }

    fn size_words(&self, view: View) -> String {
        self.sizes().words(view)
    }

    fn sweep(&self, _view: View, _count: usize, mut visit: impl FnMut(Edge, [isize; 3], usize)) {
        // all edges are visited, in an order that is right both for the outputs and for the inputs
        let (rows, columns) = (&self.rows, &self.columns);
        // the runs follow the column taps of each kernel column, or those of each output column: the choice with the longer runs
        let by_kernel: Vec<_> = (0..columns.kernel).map(|kx| columns.taps(View::Weight, kx)).collect();
        // output columns from right to left: the farther right an output is, the farther left is the kernel column through which it reads an input; so each
        // input still meets the kernel columns in order
        let by_output: Vec<_> = (0..columns.output).rev().map(|ox| columns.taps(View::Output, ox)).collect();
        let column_runs = if columns.kernel > columns.output { by_output } else { by_kernel };
        for (o, i) in (0..self.outputs).flat_map(|o| (0..self.group_inputs()).map(move |i| (o, i))) {
            for row_tap in (0..rows.kernel).flat_map(|ky| rows.taps(View::Weight, ky).iter()) {
                for taps in column_runs.iter().filter(|taps| taps.count > 0) {
                    visit(self.edge_of_taps(o, i, row_tap, taps.first), taps.step, taps.count);
                }
            }
        }
    }

    fn sum_by_kernel(&self, view: View, weight: Option<f64>, read: &[f64], sums: &mut [f64], init: Init) -> bool {
        // a constant filter has no weight gradient
        let filter_shape = self.constant_filter_shape().filter(|_| view != View::Weight);
        let (Some(weight), Some(filter_shape)) = (weight, filter_shape) else { return false };
        let filter = vec![weight; len(&filter_shape)];
        match init {
            Init::Accumulate => self.accumulate(view, &filter, read, sums),
            Init::Overwrite => self.overwrite(view, &filter, read, sums),
        }
        true
    }

    fn window(&self, view: View) -> Option<Window> {
        let padding = [self.rows.overhang(view), self.columns.overhang(view)];
        let pitch = [self.rows.spacing(view), self.columns.spacing(view)];
        let spread = [self.rows.spread(view), self.columns.spread(view)];
        let (image, filter) = match view {
            View::Output => (X, W),
            View::Weight => (X, Upstream),
            View::Input => (Upstream, W),
        };
        Some(Window { image, filter: Some(filter), turned: view == View::Input, is_1d: self.is_1d, padding, spread, pitch })
    }
}

impl Weighted for Conv2d {
    fn accumulate(&self, view: View, a: &[f64], b: &[f64], out: &mut [f64]) {
        self.run_kernel(view, a, b, out, Init::Accumulate);
    }

    fn overwrite(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        if self.has_terms(view, sums.len()).is_some() {
            // some entries have no terms, so the kernel would not overwrite them
            return self.overwrite_by_accumulate(view, a, b, sums);
        }
        self.run_kernel(view, a, b, sums, Init::Overwrite);
    }
}

/// The equations of the output, the weight gradient and the input gradient.
pub const EQUATIONS: [Equation; 3] = [
    Equation {
        right: Expr::Product(Join::Convolution, &[whole::W, whole::X]),
        name: "convolution",
        gist: Gist::Words("the filter slides over the input"),
        words: "Each neuron sees one window of the input. It multiplies the window with the filter, entry by entry, and adds up. All neurons of a channel share the same few weights.",
    },
    Equation {
        right: Expr::Product(Join::Convolution, &[whole::X, whole::DY]),
        name: "weight gradient",
        gist: Gist::Words("the input convolved with the error"),
        words: "Every output of the channel uses the shared weight once. Its gradient is the sum over all these edges: the input at the start of the edge times the error at its end.",
    },
    Equation {
        right: Expr::Product(Join::Convolution, &[whole::DY, Expr::Of(ROT180, &[whole::W])]),
        name: "the error moves back",
        gist: Gist::Words("the filter turned by 180°"),
        words: "Each output multiplied an input pixel by another weight: the output at its lower right used the upper left weight of the filter. So the filter lies on the error turned by 180°.",
    },
];

/// The equation of the input gradient if the stride is more than 1: the error is spread before it meets the turned filter.
const STRIDED_INPUT_GRADIENT: Equation = Equation {
    right: Expr::Product(Join::Convolution, &[Expr::Of(SPREAD, &[whole::DY]), Expr::Of(ROT180, &[whole::W])]),
    gist: Gist::Words("the error is spread, the filter turned by 180°"),
    ..EQUATIONS[2]
};
