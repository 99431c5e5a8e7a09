//! `conv_transpose2d`: the transpose of a convolution, which enlarges an image.
//!
//! The input x has C x H x W entries (channels, height, width), the weight C x O/groups x kh x kw, and the output y has O x H' x W' entries with
//! H' = (H − 1) · stride − 2 · padding + (kh − 1) · dilation + `output_padding` + 1, and likewise W'. Each input entry multiplies the filter by its
//! value and adds the result to one window of the output. In one dimension, with stride 1, the input (1, 2) and the filter (3, 4) give
//! y = 1 · (3, 4, 0) + 2 · (0, 3, 4) = (3, 10, 8).
//!
//! Each transposed convolution belongs to a plain convolution, which reads a tensor of y's shape and computes a tensor of x's shape. Both have the same
//! edges ([`super::edges`]), with input and output swapped. So each forward pass is the input gradient of the other convolution:
//!
//! | pass of the transposed convolution | pass of the plain convolution |
//! | --- | --- |
//! | forward | input gradient |
//! | weight gradient | weight gradient |
//! | input gradient | forward |
//!
//! Source: PyTorch's `torch.nn.ConvTranspose2d`.

use std::sync::Arc;

use super::axis::{Axis, Gap, Misfit};
use super::conv2d::{Conv2d, Filters, kernel_key};
use super::edges::{Bilinear, Edges, View, Weighted, X};
use super::functions::ROT180;
use super::layer::{Args, Fan, Layer, LayerKind, Reported, weighted_layer};
use super::nest::{Edge, Nest};
use super::rule::{Equation, Function, Gist, Window};
use super::slot::Slot::Upstream;
use crate::expr::{Expr, Join, whole};

/// The row of `conv_transpose2d` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind {
    name: "conv_transpose2d",
    default_name: "convt",
    keys: &["weight", "bias", "out_channels", "kernel_size", "stride", "padding", "output_padding", "dilation", "groups"],
    rank: Some(3),
    has_several_inputs: false,
    activation: Some("activation"),
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let [channels, height, width] = args.image()?;
    let weight_rank = 4;
    let weight_shape = args.shape("weight", weight_rank)?;
    // the second argument of `integer` and of `pair` is the smallest value that is allowed
    let groups = args.integer("groups", 1)?.unwrap_or(1);
    let outputs = args.size("out_channels", weight_shape.as_ref().map(|shape| shape[1].saturating_mul(groups)));
    let padding = args.pair("padding", 0)?.unwrap_or([0, 0]);
    let is_1d = false;
    let Filters { outputs, kernel, stride, dilation, .. } = Filters::read(args, channels, outputs, weight_shape.as_deref(), is_1d)?;
    let output_padding = args.pair("output_padding", 0)?.unwrap_or([0, 0]);
    if let Some(i) = (0..2).find(|&i| output_padding[i] >= stride[i].max(dilation[i])) {
        let message = format!(
            "output_padding is {}, but must be less than the stride ({}) or the dilation ({})",
            output_padding[i], stride[i], dilation[i]
        );
        return Err(args.fail_for_sizes(
            "output_padding",
            message,
            "with a stride, several output sizes are possible, and output_padding chooses one of them",
        ));
    }
    let mut axis = |dimension: &str, i: usize, len: usize| {
        Axis::transposed_convolution(len, kernel[i], stride[i], padding[i], dilation[i], output_padding[i]).map_err(
            |Misfit { key, why }| {
                let key = kernel_key(&*args, key);
                args.fail_for_sizes(key, format!("the output's {dimension} is not possible: {why}"), &format!("take a smaller {key}"))
            },
        )
    };
    let (rows, columns) = (axis("height", 0, height)?, axis("width", 1, width)?);
    // the axes are the axes of the plain convolution, whose input is the output here
    let output_shape = [outputs, rows.input, columns.input];
    let weight_shape = [channels, outputs / groups, kernel[0], kernel[1]];
    args.claim(&output_shape)?; // the memory of the output
    args.claim(&weight_shape)?; // the memory of the weight
    let kernel_area = kernel[0] * kernel[1];
    // PyTorch computes the fan-out from axis 0 and the fan-in from axis 1 of every weight. In this layer axis 0 has the inputs and axis 1 the outputs, so the
    // two fans are exchanged.
    let fan = Fan { inputs: outputs / groups * kernel_area, outputs: channels * kernel_area };
    let conv = Conv2d::new(outputs, channels, groups, rows, columns);
    weighted_layer(args, transposed_function(conv), &weight_shape, outputs, fan)
}

/// Creates the function of a transposed convolution. Its inputs are the image and the weight.
#[must_use]
pub fn transposed_function(conv: Conv2d) -> Arc<dyn Function> {
    Arc::new(Bilinear::new(Transposed(conv), EQUATIONS))
}

/// The edges of a transposed convolution: the edges of the plain convolution, with inputs and outputs swapped.
#[derive(Debug)]
pub struct Transposed(pub Conv2d);

/// Translates a view of the transposed convolution into the view of the plain convolution that computes the same tensor, or the reverse.
fn swapped(view: View) -> View {
    match view {
        View::Output => View::Input,
        View::Weight => View::Weight,
        View::Input => View::Output,
    }
}

/// Turns an edge of the convolution into the edge of the transposed convolution, or the reverse.
fn swapped_edge(edge: Edge) -> Edge {
    Edge { input: edge.output, weight: edge.weight, output: edge.input }
}

impl Edges for Transposed {
    fn shape(&self, view: View) -> Option<Vec<usize>> {
        self.0.shape(swapped(view))
    }

    fn prefix_terms(&self, view: View, entry: usize) -> u64 {
        self.0.prefix_terms(swapped(view), entry)
    }

    fn has_terms(&self, view: View, count: usize) -> Option<Vec<bool>> {
        self.0.has_terms(swapped(view), count)
    }

    fn reason_unreached(&self, view: View, entry: usize) -> &'static str {
        match (view, self.0.gap(entry)) {
            (View::Input, _) => "the padding removes all that it lays on the output",
            (View::Weight, _) => "the padding removes all that it lays on the output, from every input",
            (View::Output, Some(Gap::Stride)) => "no input lays the filter on it: the stride steps over it",
            (View::Output, Some(Gap::Dilation)) => "no input lays a weight on it: it is between the places of the dilated filters",
            (View::Output, _) => "no input lays the filter on it: it is output padding",
        }
    }

    fn nest(&self, view: View, entry: usize) -> Nest {
        let Nest { first, steps, counts } = self.0.nest(swapped(view), entry);
        Nest { first: swapped_edge(first), steps: steps.map(|[input, weight, output]| [output, weight, input]), counts }
    }

    fn rank(&self, view: View, edge: Edge) -> u64 {
        self.0.rank(swapped(view), swapped_edge(edge))
    }

    fn window(&self, view: View) -> Option<Window> {
        let swapped_slot = |slot| match slot {
            X => Upstream,
            Upstream => X,
            slot => slot,
        };
        let window = self.0.window(swapped(view))?;
        Some(Window { image: swapped_slot(window.image), filter: window.filter.map(swapped_slot), ..window })
    }
}

impl Weighted for Transposed {
    fn accumulate(&self, view: View, a: &[f64], b: &[f64], out: &mut [f64]) {
        match view {
            // the factors a and b are the input and the error; the input of one convolution is the error of the other
            View::Weight => self.0.accumulate(View::Weight, b, a, out),
            view => self.0.accumulate(swapped(view), a, b, out),
        }
    }

    fn overwrite(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        match view {
            View::Weight => self.0.overwrite(View::Weight, b, a, sums),
            view => self.0.overwrite(swapped(view), a, b, sums),
        }
    }
}

/// The equations of the output, the weight gradient and the input gradient.
const EQUATIONS: [Equation; 3] = [
    Equation {
        right: Expr::Product(Join::Convolution, &[whole::X, Expr::Of(ROT180, &[whole::W])]),
        name: "transposed convolution",
        gist: Gist::Words("each input lays the filter"),
        words: "Each input pixel multiplies the whole filter, and the products are added to a window of the output. Where windows overlap, their products add up. For one output pixel this is a convolution with the filter turned by 180°, as in the backward pass of a convolution.",
    },
    Equation {
        right: Expr::Product(Join::Convolution, &[whole::DY, whole::X]),
        name: "weight gradient",
        gist: Gist::Words("the error convolved with the input"),
        words: "Every input pixel uses the shared weight once. Its gradient is the sum over all these edges: the input at the start of the edge times the error at its end.",
    },
    Equation {
        right: Expr::Product(Join::Convolution, &[whole::DY, whole::W]),
        name: "the error moves back",
        gist: Gist::Words("convolved with the filter"),
        words: "An input pixel multiplied the filter, and the products were added to a window of the output. So its derivative is the sum of the errors of this window, each times its weight: an ordinary convolution.",
    },
];
