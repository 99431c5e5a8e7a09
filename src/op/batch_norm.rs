//! `batch_norm1d` and `batch_norm2d`: PyTorch's `BatchNorm1d` and `BatchNorm2d` in evaluation mode (Ioffe and Szegedy, "Batch Normalization", 2015).
//!
//! a = (x − `running_mean`) / √(`running_var` + ε) · weight + bias. The first axis of x is that of the channels, and each channel has its own running mean,
//! running variance, weight and bias. The running mean and variance were measured in training and are constants now, so each entry of a depends only on
//! the entry of x with the same index:
//!
//! ```text
//! rstd     r = 1 / √(v + ε)        no derivative: v is a constant
//! centred  c = x − μ
//! norm     n = c · r
//! a          = n · w + b           ∂C/∂x = ∂C/∂a · w · r
//! ```
//!
//! For x = 5, μ = 1, v = 4, ε = 0, w = 3 and b = 1: r = 0.5, n = 2, a = 7 and ∂a/∂x = 1.5. In training, mean and variance are those of the batch, so the
//! output for one sample depends on all samples. A layer cannot compute this, because it reads one sample at a time; a graph can.

use std::sync::Arc;

use super::constant_weights::{ConstantWeights, Weights};
use super::contraction::Contraction;
use super::edges::Bilinear;
use super::layer::{Args, Fan, Layer, LayerKind, Leaf, Reported, Stage, StageSource, TensorSymbols};
use super::norm::{NormScale, SCALE_CHANNELS, identity, read_eps, read_parameters, reciprocal_root, scaled_and_shifted};
use super::rule::{Equation, Gist};
use crate::expr::{Expr, Join, SUM, whole};
use crate::tensor::{flat, len, shape_words};

/// The row of `batch_norm1d` in [`LAYERS`](super::LAYERS).
pub const KIND_1D: LayerKind = LayerKind {
    name: "batch_norm1d",
    default_name: "norm",
    keys: KEYS,
    rank: None,
    has_several_inputs: false,
    activation: None,
    build: build_1d,
};

/// The row of `batch_norm2d` in [`LAYERS`](super::LAYERS).
pub const KIND_2D: LayerKind = LayerKind { name: "batch_norm2d", rank: Some(3), build: build_2d, ..KIND_1D };

const KEYS: &[&str] = &["running_mean", "running_var", "weight", "bias", "eps"];

/// The help text for a layer whose file lacks the statistics.
const TRAINING: &str = "evaluation mode needs running_mean and running_var, one number for each channel; training over a batch is a graph, as in `gradstep new batch-norm`";

fn build_1d(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.input_shape().to_vec();
    if shape.len() > 2 {
        let message = format!("this layer reads a vector or channels x length, but its input is {}", shape_words(&shape));
        return Err(args.fail_for_sizes("type", message, "for an image take batch_norm2d"));
    }
    build(args, &shape)
}

fn build_2d(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.image()?;
    build(args, &shape)
}

/// Makes the layer for an input of this shape.
fn build(args: &mut dyn Args, shape: &[usize]) -> Result<Layer, Reported> {
    let eps = read_eps(args)?;
    for key in ["running_mean", "running_var"] {
        if !args.has(key) {
            return Err(args.fail(key, format!("{key} is missing"), TRAINING));
        }
    }
    let channels_shape = [shape.first().copied().unwrap_or(1)];
    // the outputs of the first three stages
    for tensor in [&channels_shape[..], shape, shape] {
        args.claim(tensor)?;
    }
    let mut statistic = |key, letter| {
        args.claim(&channels_shape)?;
        Ok(Leaf::read(args, TensorSymbols::named(key).with_letter(letter), &channels_shape, Fan::of(&channels_shape)))
    };
    let (mean, var) = (statistic("running_mean", "μ")?, statistic("running_var", "v")?);
    if let Some(negative) = flat(&var.value).iter().find(|v| **v < 0.0) {
        return Err(args.fail("running_var", format!("running_var holds {negative}, but a variance is at least 0"), ""));
    }
    let parameters = read_parameters(args, &channels_shape)?;
    // g is the channel, i the entry within the channel
    let sizes = [('g', channels_shape[0]), ('i', len(shape) / channels_shape[0].max(1))];
    let no_weight: &[usize] = &[];
    let repeat = Contraction::einsum("g->gi", &sizes).with_shapes(&channels_shape, no_weight, shape);
    let multiply = Contraction::einsum("g,gi->gi", &sizes).with_shapes(shape, &channels_shape, shape);
    let constant = StageSource::Constant(0);
    let stages = vec![
        Stage::new(TensorSymbols::named("rstd").with_letter("r"))
            .with_constant(var)
            .with_part(Arc::new(reciprocal_root(eps)), [constant])
            .without_derivative(),
        Stage::new(TensorSymbols::named("centred").with_letter("c"))
            .with_constant(mean)
            .with_part(Arc::new(identity(MINUEND, MINUEND_BACK)), [StageSource::Input(0)])
            .with_part(Arc::new(ConstantWeights::new(repeat, Weights::Uniform(-1.0), SUBTRAHEND, SUBTRAHEND_BACK)), [constant]),
    ];
    let [rstd, centred] = [0, 1].map(StageSource::Stage);
    let normalised = |symbols| Stage::new(symbols).with_part(Arc::new(Bilinear::new(multiply, NORMALISE)), [centred, rstd]);
    scaled_and_shifted(args, shape, NormScale { parameters_shape: &channels_shape, scale: SCALE_CHANNELS }, parameters, stages, normalised)
}

// the two parts of c = x − μ
const MINUEND: Equation = Equation {
    right: whole::X,
    name: "the entry minus the running mean",
    gist: Gist::None,
    words: "The running mean of the channel was measured in training. It is a constant now, and is subtracted from every entry.",
};
const MINUEND_BACK: Equation = Equation {
    right: whole::DY,
    name: "the derivative passes on unchanged",
    gist: Gist::None,
    words: "A constant was subtracted, so the derivative is the same before and after.",
};
const SUBTRAHEND: Equation = Equation {
    right: Expr::Neg(&whole::X),
    name: "the entry minus the running mean",
    gist: Gist::None,
    words: "The running mean of the channel was measured in training. It is a constant now, and is subtracted from every entry.",
};
const SUBTRAHEND_BACK: Equation = Equation {
    right: Expr::Neg(&Expr::Of(SUM, &[whole::DY])),
    name: "the mean was subtracted from every entry",
    gist: Gist::None,
    words: "If the mean grows by h, every difference falls by h.",
};

/// The equations of y = c · r, of ∂C/∂r and of ∂C/∂c, where r is a constant for each channel. The second equation is never shown, because r has no derivative.
const NORMALISE: [Equation; 3] = [
    Equation {
        right: Expr::Product(Join::Hadamard, &[whole::W, whole::X]),
        name: "normalised",
        gist: Gist::Words("by the statistics of training"),
        words: "Every difference is divided by the running standard deviation of its channel. In training, the results had about the mean 0 and the variance 1.",
    },
    Equation {
        right: Expr::Of(SUM, &[Expr::Product(Join::Hadamard, &[whole::X, whole::DY])]),
        name: "all entries of a channel were multiplied by the same number",
        gist: Gist::None,
        words: "One number r multiplies all entries of a channel.",
    },
    Equation {
        right: Expr::Product(Join::Hadamard, &[whole::W, whole::DY]),
        name: "the derivative through the product with r",
        gist: Gist::None,
        words: "A difference was multiplied by the r of its channel, so its derivative is too. In evaluation mode r is a constant, so this is the only part: no entry changes the output of another.",
    },
];
