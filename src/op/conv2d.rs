//! `conv2d`: z = W * a + b, filters that slide over an image (a cross-correlation, as in PyTorch).
//!
//! The input a has C x H x W entries, the weight O x C/groups x kh x kw, and z has O x H' x W' with H' = ⌊(H + 2 · padding − (kh − 1) · dilation − 1)
//! / stride⌋ + 1. With stride 1 and no padding:
//!
//! | computed | equation |
//! | --- | --- |
//! | output | `z[o, y, x] = Σ w[o, c, i, j] · a[c, y + i, x + j] + b[o]` |
//! | weight gradient | `∂C/∂w[o, c, i, j] = Σ a[c, y + i, x + j] · ∂C/∂z[o, y, x]` |
//! | input gradient | `∂C/∂a[c, u, v] = Σ w[o, c, i, j] · ∂C/∂z[o, u − i, v − j]` |
//!
//! On one channel, the filter (1 2; 3 4) over the window (5 6; 7 8) gives 1 · 5 + 2 · 6 + 3 · 7 + 4 · 8 = 70.
//!
//! Source: PyTorch's `torch.nn.Conv2d`; figures 2 (part 1), 18, 19 and 20 (part 4) of V. Petersen's series "A guided tour through a convolutional
//! neural network".

mod kernels;

use std::sync::Arc;

use super::axis::{Axis, Misfit};
use super::edges::{Bilinear, Edges, View, W, Weighted, X};
use super::functions::ROT180;
use super::layer::{Args, Fan, Layer, LayerKind, Reported, weighted};
use super::nest::{Edge, Nest};
use super::rule::{Equation, Gist, Window};
use super::slot::Slot::Upstream;
use crate::expr::{Expr, Join, whole};
use crate::sums::{Init, LANES};
use crate::tensor::len;
use kernels::Plans;

/// The entry of the layer registry.
pub const KIND: LayerKind = LayerKind {
    name: "conv2d",
    base: "conv",
    keys: &["weight", "bias", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"],
    rank: Some(3),
    joins: false,
    activation: Some("activation"),
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let [channels, height, width] = args.image()?;
    let given = args.shape("weight", 4)?;
    let outputs = args.size("out_channels", given.as_ref().map(|s| s[0]));
    let Filters { outputs, kernel, stride, padding, dilation, groups } = Filters::read(args, channels, outputs, given.as_deref())?;
    let mut axis = |what: &str, i: usize, n: usize| {
        Axis::checked(n, kernel[i], stride[i], padding[i], dilation[i]).map_err(|Misfit { key, why }| {
            let key = kernel_key(&*args, key);
            args.fail(
                key,
                format!("the filter does not fit the input's {what}: {why}"),
                "the filter, with its dilation, must fit into the input with its padding",
            )
        })
    };
    let (rows, columns) = (axis("height", 0, height)?, axis("width", 1, width)?);
    let shape = [outputs, rows.output, columns.output];
    let weights = [outputs, channels / groups, kernel[0], kernel[1]];
    args.claim(&shape)?;
    args.claim(&weights)?;
    let area = kernel[0] * kernel[1];
    let fan = Fan { inputs: channels / groups * area, outputs: outputs * area };
    let conv = Conv2d::new(channels, outputs, groups, rows, columns);
    weighted(args, Arc::new(Bilinear::new(conv, EQUATIONS)), &weights, outputs, fan)
}

/// Returns the key at which to report a [`Misfit`]: `weight` if the kernel's size comes from the weight's shape.
pub fn kernel_key(args: &dyn Args, key: &'static str) -> &'static str {
    if key == "kernel_size" && !args.has(key) { "weight" } else { key }
}

/// The keys that `conv2d` and `conv_transpose2d` share.
#[derive(Clone, Copy, Debug)]
pub struct Filters {
    /// The number of output channels.
    pub outputs: usize,
    /// The rows and columns of a filter.
    pub kernel: [usize; 2],
    /// The vertical and horizontal distance between neighbouring windows.
    pub stride: [usize; 2],
    /// The rows and columns of padding at each end.
    pub padding: [usize; 2],
    /// The distance on the image between neighbouring rows and columns of the filter.
    pub dilation: [usize; 2],
    /// The number of groups: each output channel reads only the input channels of its group.
    pub groups: usize,
}

impl Filters {
    /// Reads the keys of a layer with `channels` input channels. `outputs` is the result of reading `out_channels`, and `weight` the shape of the
    /// weight, if it is given.
    ///
    /// # Errors
    /// If a key is faulty, a size is missing, or the groups do not divide the channels.
    pub fn read(
        args: &mut dyn Args,
        channels: usize,
        outputs: Result<usize, Reported>,
        weight: Option<&[usize]>,
    ) -> Result<Self, Reported> {
        let kernel = args.sizes("kernel_size", weight.map(|shape| [shape[2], shape[3]]));
        let stride = args.pair("stride", 1)?.unwrap_or([1, 1]);
        let padding = args.pair("padding", 0)?.unwrap_or([0, 0]);
        let dilation = args.pair("dilation", 1)?.unwrap_or([1, 1]);
        let groups = args.integer("groups", 1)?.unwrap_or(1);
        let (outputs, kernel) = (outputs?, kernel?);
        if !channels.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            return Err(args.fail(
                "groups",
                format!("{groups} groups do not divide {channels} input channels and {outputs} output channels evenly"),
                "both numbers of channels must be multiples of groups",
            ));
        }
        Ok(Self { outputs, kernel, stride, padding, dilation, groups })
    }
}

/// The edges of a convolution: input `inputs` x H x W, filters `outputs` x inputs/groups x kh x kw, output `outputs` x H' x W'.
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
    plans: Plans,
}

impl Conv2d {
    /// Creates the edges from the numbers of channels and groups, and from both axes.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, groups: usize, rows: Axis, columns: Axis) -> Self {
        Self { inputs, outputs, groups, rows: rows.indexed(), columns: columns.indexed(), plans: Plans::default() }
    }

    /// Returns the shape of a filter with the same weight everywhere, for windows so large that the kernels of a convolution pay off; otherwise
    /// `None`.
    #[must_use]
    pub fn constant_filter(&self) -> Option<[usize; 4]> {
        let Self { rows, columns, .. } = self;
        let worth = rows.kernel * columns.kernel >= 9 && columns.output >= LANES;
        worth.then(|| [self.outputs, self.group_inputs(), rows.kernel, columns.kernel])
    }

    fn group_inputs(&self) -> usize {
        self.inputs / self.groups
    }

    fn group_outputs(&self) -> usize {
        self.outputs / self.groups
    }

    /// Returns the rows and columns of one channel in this view.
    fn plane(&self, view: View) -> (usize, usize) {
        (self.rows.len(view), self.columns.len(view))
    }

    /// Returns the number of channels that an entry sums over.
    fn inner(&self, view: View) -> usize {
        match view {
            View::Output => self.group_inputs(),
            View::Weight => 1,
            View::Input => self.group_outputs(),
        }
    }

    /// Returns the edge of an output channel, an input channel of its group, and a tap (input, kernel and output place) of each axis.
    fn join(&self, o: usize, i: usize, [iy, ky, oy]: [usize; 3], [ix, kx, ox]: [usize; 3]) -> Edge {
        let (rows, columns) = (&self.rows, &self.columns);
        let group = o / self.group_outputs();
        Edge {
            input: ((group * self.group_inputs() + i) * rows.input + iy) * columns.input + ix,
            weight: ((o * self.group_inputs() + i) * rows.kernel + ky) * columns.kernel + kx,
            output: (o * rows.output + oy) * columns.output + ox,
        }
    }

    /// Returns the channel, row and column of an entry.
    fn split(&self, view: View, entry: usize) -> (usize, usize, usize) {
        let (h, w) = self.plane(view);
        (entry / (h * w), entry / w % h, entry % w)
    }

    /// Returns the output channel and the input channel within its group, from an entry's leading index and the channel that is summed over.
    fn channels(&self, view: View, lead: usize, summed: usize) -> (usize, usize) {
        match view {
            View::Output => (lead, summed),
            View::Weight => (lead / self.group_inputs(), lead % self.group_inputs()),
            View::Input => (lead / self.group_inputs() * self.group_outputs() + summed, lead % self.group_inputs()),
        }
    }
}

impl Edges for Conv2d {
    fn shape(&self, view: View) -> Option<Vec<usize>> {
        let (rows, columns) = self.plane(view);
        Some(match view {
            View::Output => vec![self.outputs, rows, columns],
            View::Weight => vec![self.outputs, self.group_inputs(), rows, columns],
            View::Input => vec![self.inputs, rows, columns],
        })
    }

    fn prefix_terms(&self, view: View, entry: usize) -> u64 {
        let (rows, columns) = (self.rows.prefix(view), self.columns.prefix(view));
        let (lead, y, x) = self.split(view, entry);
        let (all_rows, all_columns) = (rows[rows.len() - 1], columns[columns.len() - 1]);
        self.inner(view) as u64 * (lead as u64 * all_rows * all_columns + rows[y] * all_columns + (rows[y + 1] - rows[y]) * columns[x])
    }

    fn has_terms(&self, view: View, count: usize) -> Option<Vec<bool>> {
        let some = |axis: &Axis| axis.prefix(view).windows(2).map(|places| places[0] < places[1]).collect::<Vec<_>>();
        let all = |axis: &Axis| axis.prefix(view).windows(2).all(|places| places[0] < places[1]);
        if all(&self.rows) && all(&self.columns) {
            return None;
        }
        let (rows, columns) = (some(&self.rows), some(&self.columns));
        let channel = rows.iter().flat_map(|row| columns.iter().map(move |column| *row && *column));
        Some(channel.cycle().take(count).collect())
    }

    fn nest(&self, view: View, entry: usize) -> Nest {
        let (lead, y, x) = self.split(view, entry);
        let (rows, columns) = (self.rows.taps(view, y), self.columns.taps(view, x));
        let (o, i) = self.channels(view, lead, 0);
        let width = [self.columns.input, self.columns.kernel, self.columns.output].map(usize::cast_signed);
        let [image, filter, error] = [self.rows.input, self.rows.kernel, self.rows.output].map(usize::cast_signed);
        let plane = match view {
            View::Output => [image * width[0], filter * width[1], 0],
            View::Weight => [0; 3],
            View::Input => [0, self.group_inputs().cast_signed() * filter * width[1], error * width[2]],
        };
        Nest {
            first: self.join(o, i, rows.first, columns.first),
            steps: [plane, std::array::from_fn(|end| rows.step[end] * width[end]), columns.step],
            counts: [self.inner(view), rows.count, columns.count],
        }
    }

    fn rank(&self, view: View, edge: Edge) -> u64 {
        let (lead, y, x) = self.split(view, edge.end(view));
        let (height, width) = (self.rows.taps(view, y).count, self.columns.taps(view, x).count);
        let (_, ky, kx) = self.split(View::Weight, edge.weight);
        let (o, oy, ox) = self.split(View::Output, edge.output);
        let summed = match view {
            View::Output => edge.weight / (self.rows.kernel * self.columns.kernel) % self.group_inputs(),
            View::Weight => 0,
            View::Input => o - lead / self.group_inputs() * self.group_outputs(),
        };
        let (down, across) = (self.rows.rank(view, y, ky, oy), self.columns.rank(view, x, kx, ox));
        ((summed * height + down) * width + across) as u64
    }

    fn sweep(&self, _view: View, _count: usize, mut show: impl FnMut(Edge, [isize; 3], usize)) {
        let (rows, columns) = (&self.rows, &self.columns);
        let forwards: Vec<_> = (0..columns.kernel).map(|kx| columns.taps(View::Weight, kx)).collect();
        // with few outputs of large windows, the runs are rows of a window; outputs go backwards then, so that each input still meets the kernel
        // places in order
        let backwards: Vec<_> = (0..columns.output).rev().map(|ox| columns.taps(View::Output, ox)).collect();
        let across = if columns.kernel > columns.output { backwards } else { forwards };
        for (o, i) in (0..self.outputs).flat_map(|o| (0..self.group_inputs()).map(move |i| (o, i))) {
            for down in (0..rows.kernel).flat_map(|ky| rows.taps(View::Weight, ky).iter()) {
                for taps in across.iter().filter(|taps| taps.count > 0) {
                    show(self.join(o, i, down, taps.first), taps.step, taps.count);
                }
            }
        }
    }

    fn sum_by_kernel(&self, view: View, weight: Option<f64>, read: &[f64], sums: &mut [f64], init: Init) -> bool {
        let (Some(weight), Some(filter)) = (weight, self.constant_filter().filter(|_| view != View::Weight)) else { return false };
        let filter = vec![weight; len(&filter)];
        match init {
            Init::Accumulate => self.accumulate(view, &filter, read, sums),
            Init::Overwrite => self.begin(view, &filter, read, sums),
        }
        true
    }

    fn window(&self, view: View) -> Option<Window> {
        let padding = [self.rows.overhang(view), self.columns.overhang(view)];
        let pitch = [self.rows.spacing(view), self.columns.spacing(view)];
        Some(match view {
            View::Output => Window { image: X, filter: Some(W), turned: false, padding, pitch },
            View::Weight => Window { image: X, filter: Some(Upstream), turned: false, padding, pitch },
            View::Input => Window { image: Upstream, filter: Some(W), turned: true, padding, pitch },
        })
    }
}

impl Weighted for Conv2d {
    fn accumulate(&self, view: View, a: &[f64], b: &[f64], out: &mut [f64]) {
        self.sums(view, a, b, out, Init::Accumulate);
    }

    fn begin(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        if self.has_terms(view, sums.len()).is_some() {
            return self.begin_from_zero(view, a, b, sums);
        }
        self.sums(view, a, b, sums, Init::Overwrite);
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
        words: "A shared weight is used once at every place of the output. Its gradient is the sum, over all edges that share it, of the input at the edge's beginning times the error at its end.",
    },
    Equation {
        right: Expr::Product(Join::Convolution, &[whole::DY, Expr::Of(ROT180, &[whole::W])]),
        name: "the error moves back",
        gist: Gist::Words("the filter turned by 180°"),
        words: "An input pixel was seen through different weights by different outputs. Walking back, the output to its lower right used the filter's upper left, so the filter lies turned by 180° on the error.",
    },
];
