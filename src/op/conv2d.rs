//! `conv2d`: z = W * a + b, a filter sliding over an image (cross-correlation, as everywhere in the field).

use std::sync::Arc;

use super::axis::Axis;
use super::edges::{Bilinear, DY, Edge, Edges, View, W, Weighted, X};
use super::lanes::Packed;
use super::layer::{Args, Fan, Faulty, Layer, LayerKind, Stage, weighted};
use super::nest::Nest;
use super::rule::{Equation, Window};

/// The row of the registry.
pub const KIND: LayerKind = LayerKind {
    name: "conv2d",
    base: "conv",
    keys: &["weight", "bias", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"],
    rank: Some(3),
    joins: false,
    activation: Some("activation"),
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Faulty> {
    let [channels, height, width] = args.image()?;
    let given = args.shape("weight", 4)?;
    let outputs = args.size("out_channels", given.as_ref().map(|s| s[0]));
    let kernel = args.sizes("kernel_size", given.as_ref().map(|s| [s[2], s[3]]));
    let stride = args.pair("stride", 1)?.unwrap_or([1, 1]);
    let padding = args.pair("padding", 0)?.unwrap_or([0, 0]);
    let dilation = args.pair("dilation", 1)?.unwrap_or([1, 1]);
    let groups = args.integer("groups", 1)?.unwrap_or(1);
    let (outputs, kernel) = (outputs?, kernel?);
    if channels % groups != 0 || outputs % groups != 0 {
        return Err(args.fail(
            "groups",
            format!("{groups} groups do not divide {channels} input channels and {outputs} output channels evenly"),
            "both numbers of channels must be multiples of groups",
        ));
    }
    let mut axis = |what: &str, i: usize, n: usize| {
        Axis::checked(n, kernel[i], stride[i], padding[i], dilation[i]).map_err(|why| {
            let key = if args.has("kernel_size") { "kernel_size" } else { "weight" };
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
    let conv = Conv2d { inputs: channels, outputs, groups, rows: rows.indexed(), columns: columns.indexed() };
    let z = Stage::new("z", &shape);
    weighted(args, z, Arc::new(Bilinear::new(conv)), &weights, outputs, fan)
}

/// The edges of a convolution: input `inputs` x H x W, filters `outputs` x inputs/groups x kh x kw, output `outputs` x H' x W'.
#[derive(Debug)]
pub struct Conv2d {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Groups of channels that see only each other.
    pub groups: usize,
    /// The vertical axis, indexed.
    pub rows: Axis,
    /// The horizontal axis, indexed.
    pub columns: Axis,
}

impl Conv2d {
    fn group_inputs(&self) -> usize {
        self.inputs / self.groups
    }

    fn group_outputs(&self) -> usize {
        self.outputs / self.groups
    }

    /// Pixels of one channel in this view, as rows and columns.
    fn plane(&self, view: View) -> (usize, usize) {
        (self.rows.len(view), self.columns.len(view))
    }

    /// Channels summed over for one entry.
    fn inner(&self, view: View) -> usize {
        match view {
            View::Output => self.group_inputs(),
            View::Weight => 1,
            View::Input => self.group_outputs(),
        }
    }

    /// The edge from its channels and its taps: (input, kernel, output) places on each axis.
    fn join(&self, o: usize, i: usize, [iy, ky, oy]: [usize; 3], [ix, kx, ox]: [usize; 3]) -> Edge {
        let (rows, columns) = (&self.rows, &self.columns);
        let group = o / self.group_outputs();
        Edge {
            input: ((group * self.group_inputs() + i) * rows.input + iy) * columns.input + ix,
            weight: ((o * self.group_inputs() + i) * rows.kernel + ky) * columns.kernel + kx,
            output: (o * rows.output + oy) * columns.output + ox,
        }
    }

    /// Channel, row and column of an entry.
    fn split(&self, view: View, entry: usize) -> (usize, usize, usize) {
        let (h, w) = self.plane(view);
        (entry / (h * w), entry / w % h, entry % w)
    }

    /// The output channel and the input channel within its group, for an entry's leading index and the summed channel.
    fn channels(&self, view: View, lead: usize, summed: usize) -> (usize, usize) {
        match view {
            View::Output => (lead, summed),
            View::Weight => (lead / self.group_inputs(), lead % self.group_inputs()),
            View::Input => (lead / self.group_inputs() * self.group_outputs() + summed, lead % self.group_inputs()),
        }
    }
}

impl Edges for Conv2d {
    fn before(&self, view: View, entry: usize) -> u64 {
        let (rows, columns) = (self.rows.prefix(view), self.columns.prefix(view));
        let (lead, y, x) = self.split(view, entry);
        let (all_rows, all_columns) = (rows[rows.len() - 1], columns[columns.len() - 1]);
        self.inner(view) as u64 * (lead as u64 * all_rows * all_columns + rows[y] * all_columns + (rows[y + 1] - rows[y]) * columns[x])
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

    fn window(&self, view: View) -> Option<Window> {
        let padding = [self.rows.ring(view), self.columns.ring(view)];
        let pitch = [self.rows.pitch(view), self.columns.pitch(view)];
        Some(match view {
            View::Output => Window { image: X, filter: Some(W), turned: false, padding, pitch },
            View::Weight => Window { image: X, filter: Some(DY), turned: false, padding, pitch },
            View::Input => Window { image: DY, filter: Some(W), turned: true, padding, pitch },
        })
    }
}

impl Weighted for Conv2d {
    fn accumulate(&self, view: View, a: &[f64], b: &[f64], out: &mut [f64]) {
        match view {
            View::Output => self.forward(a, b, out),
            View::Weight => self.weight_gradient(a, b, out),
            View::Input => self.input_gradient(a, b, out),
        }
    }

    fn equation(&self, view: View) -> Equation {
        match view {
            View::Output => Equation {
                symbols: "{1} * {0}",
                name: "convolution: the filter slides over the input",
                words: "Each neuron sees one window of the input. It multiplies the window with the filter, entry by entry, and adds up. All neurons of a channel share the same few weights.",
            },
            View::Weight => Equation {
                symbols: "{0} * {3}",
                name: "weight gradient: the input convolved with the error",
                words: "A shared weight is used once at every place of the output. Its gradient is the sum, over all edges that share it, of the input at the edge's beginning times the error at its end.",
            },
            View::Input => Equation {
                symbols: "{3} * rot180({1})",
                name: "the error moves back: convolved with the filter turned by 180°",
                words: "An input pixel was seen through different weights by different outputs. Walking back, the output to its lower right used the filter's upper left, so the filter lies turned by 180° on the error.",
            },
        }
    }
}

/// The fast kernels. Channels run side by side, one entry each, so every entry adds in the order of its own terms; taps that would fall
/// on padding are left out, never multiplied by 0 (0 · ∞ and −0 would show).
impl Conv2d {
    fn forward(&self, weight: &[f64], image: &[f64], out: &mut [f64]) {
        let (rows, columns) = (&self.rows, &self.columns);
        let (group_in, group_out) = (self.group_inputs(), self.group_outputs());
        let (area, plane, pixels) = (rows.kernel * columns.kernel, rows.input * columns.input, rows.output * columns.output);
        for group in 0..self.groups {
            let filters = &weight[group * group_out * group_in * area..][..group_out * group_in * area];
            let packed = Packed::new(filters, group_out, group_in * area);
            let image = &image[group * group_in * plane..][..group_in * plane];
            let out = &mut out[group * group_out * pixels..][..group_out * pixels];
            let mut taps = Vec::with_capacity(area);
            for oy in 0..rows.output {
                for ox in 0..columns.output {
                    taps.clear();
                    for [iy, ky, _] in rows.taps(View::Output, oy).iter() {
                        taps.extend(
                            columns.taps(View::Output, ox).iter().map(|[ix, kx, _]| (iy * columns.input + ix, ky * columns.kernel + kx)),
                        );
                    }
                    packed.add(group_in, image, plane, area, &taps, out, oy * columns.output + ox, pixels);
                }
            }
        }
    }

    fn weight_gradient(&self, image: &[f64], error: &[f64], out: &mut [f64]) {
        let (rows, columns) = (&self.rows, &self.columns);
        let (group_in, group_out) = (self.group_inputs(), self.group_outputs());
        let (area, plane, pixels) = (rows.kernel * columns.kernel, rows.input * columns.input, rows.output * columns.output);
        let mut taps = Vec::with_capacity(pixels);
        for group in 0..self.groups {
            let packed = Packed::new(&error[group * group_out * pixels..][..group_out * pixels], group_out, pixels);
            let out = &mut out[group * group_out * group_in * area..][..group_out * group_in * area];
            for ky in 0..rows.kernel {
                for kx in 0..columns.kernel {
                    taps.clear();
                    for [iy, _, oy] in rows.taps(View::Weight, ky).iter() {
                        taps.extend(
                            columns.taps(View::Weight, kx).iter().map(|[ix, _, ox]| (iy * columns.input + ix, oy * columns.output + ox)),
                        );
                    }
                    for i in 0..group_in {
                        let image = &image[(group * group_in + i) * plane..][..plane];
                        packed.add(1, image, 0, 0, &taps, out, i * area + ky * columns.kernel + kx, group_in * area);
                    }
                }
            }
        }
    }

    fn input_gradient(&self, weight: &[f64], error: &[f64], out: &mut [f64]) {
        let (rows, columns) = (&self.rows, &self.columns);
        let (group_in, group_out) = (self.group_inputs(), self.group_outputs());
        let (area, plane, pixels) = (rows.kernel * columns.kernel, rows.input * columns.input, rows.output * columns.output);
        for group in 0..self.groups {
            let filters = &weight[group * group_out * group_in * area..][..group_out * group_in * area];
            let packed = Packed::by_input(filters, group_in, area);
            let error = &error[group * group_out * pixels..][..group_out * pixels];
            let out = &mut out[group * group_in * plane..][..group_in * plane];
            let mut taps = Vec::with_capacity(area);
            for y in 0..rows.input {
                for x in 0..columns.input {
                    taps.clear();
                    for [_, ky, oy] in rows.taps(View::Input, y).iter() {
                        taps.extend(
                            columns.taps(View::Input, x).iter().map(|[_, kx, ox]| (oy * columns.output + ox, ky * columns.kernel + kx)),
                        );
                    }
                    packed.add(group_out, error, pixels, area, &taps, out, y * columns.input + x, plane);
                }
            }
        }
    }
}
