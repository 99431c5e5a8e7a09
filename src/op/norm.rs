//! Normalisation: the common code of layer norm, group norm and instance norm. Each group of m neighbouring entries is shifted and scaled to mean 0 and
//! variance 1. Then an optional weight multiplies the result, and an optional bias is added.
//!
//! The layer consists of several stages, each of which is an op. Its backward pass is the chain rule through the stages:
//!
//! ```text
//! mean     μ = Σ x / m
//! centred  c = x − μ
//! var      v = Σ c² / m
//! rstd     r = 1 / √(v + ε)
//! norm     n = c · r
//! a        a = n · w + b
//! ```
//!
//! Here Σ sums over the m entries of a group. The code below and the equations on the screen write n for m. Without weight and bias the last stage is
//! a = c · r.
//!
//! For one group x = (1, 3), ε = 0 and no weight and bias: μ = 2, c = (−1, 1), v = 1, r = 1 and a = (−1, 1).

use std::ops::Range;
use std::sync::Arc;

use smallvec::smallvec;

use super::avg_pool2d::reciprocal;
use super::bias::bias;
use super::constant_weights::{ConstantWeights, Weights};
use super::contraction::Contraction;
use super::edges::Bilinear;
use super::elementwise::{Elementwise, ElementwiseOperand};
use super::layer::{A, Args, BIAS, Fan, Layer, Leaf, Reported, Stage, StageSource, TensorSymbols, WEIGHT};
use super::mismatch::Mismatch;
use super::operator::{NamedFunction, Operator};
use super::rule::{Equation, Function, Gist, Operands, Rule, Term, Use, constant, elementwise_use, entry, one_term_each};
use super::slot::Slot::{self, Input, Output, Upstream};
use crate::expr::{Definition, Expr, Join, MEAN, Primitive, SQRT, SUM, whole};
use crate::tensor::{len, shape_words};

/// The groups of entries that a norm normalises, and the equations with the words for them.
#[derive(Clone, Copy, Debug)]
pub struct NormGroups<'a> {
    /// The shape of the mean and of the variance: both have one entry for each group. A group is a range of neighbouring entries in row-major order.
    pub statistics_shape: &'a [usize],
    /// The shape of weight and bias: the shape of the tensor, or the size of its first axis.
    pub parameters_shape: &'a [usize],
    /// The equations, whose words name the groups.
    pub equations: &'static NormEquations,
}

/// The equations of a norm that differ between layer norm, group norm and instance norm.
#[derive(Debug)]
pub struct NormEquations {
    /// The equation of μ.
    mean: Equation,
    /// The equations of y = c · r, of ∂C/∂r and of ∂C/∂c. In them `whole::X` is c, and `whole::W` is r.
    normalise: [Equation; 3],
    /// The equations of y = n · w, of ∂C/∂w and of ∂C/∂n. In them `whole::X` is n, and `whole::W` is w.
    scale: [Equation; 3],
}

/// Makes the layer that normalises each group of an input of this shape. It reads the keys `weight`, `bias` and `eps`.
///
/// # Errors
/// If the value of a key is not allowed, the network becomes too large, or the groups of a group norm or instance norm have a single entry each.
pub fn norm_layer(args: &mut dyn Args, shape: &[usize], groups: NormGroups<'_>) -> Result<Layer, Reported> {
    let group_count = len(groups.statistics_shape);
    let n = len(shape) / group_count;
    // a layer norm has a single group and the statistics shape `[]`; it may have a single entry
    if n == 1 && !groups.statistics_shape.is_empty() {
        let message = format!("each group must have at least two entries, but the input, {}, has one per group", shape_words(shape));
        return Err(args.fail_for_sizes(
            "type",
            message,
            "a single entry equals its mean, so it would become 0 and only the bias would be left; PyTorch rejects this too",
        ));
    }
    let eps = read_eps(args)?;
    // mean, var and rstd have one entry for each group; centred and the result have the shape of the input
    for tensor in [shape, groups.statistics_shape, groups.statistics_shape, groups.statistics_shape, shape] {
        args.claim(tensor)?;
    }
    let parameters = read_parameters(args, groups.parameters_shape)?;
    // the axes of the contractions: g is the group, i the entry within the group
    let sizes = [('g', group_count), ('i', n)];
    let no_weight: &[usize] = &[];
    let sum_over_group = Contraction::einsum("gi->g", &sizes).with_shapes(shape, no_weight, groups.statistics_shape);
    let repeat = Contraction::einsum("g->gi", &sizes).with_shapes(groups.statistics_shape, no_weight, shape);
    let multiply = Contraction::einsum("g,gi->gi", &sizes).with_shapes(shape, groups.statistics_shape, shape);
    let (input, [mean, centred, var, rstd]) = (StageSource::Input(0), std::array::from_fn(StageSource::Stage));
    let stages = vec![
        Stage::new(TensorSymbols::named("mean").with_letter("μ")).with_part(
            Arc::new(ConstantWeights::new(sum_over_group, Weights::Uniform(reciprocal(n)), groups.equations.mean, MEAN_BACK)),
            [input],
        ),
        Stage::new(TensorSymbols::named("centred").with_letter("c"))
            .with_part(Arc::new(identity(MINUEND, MINUEND_BACK)), [input])
            .with_part(Arc::new(ConstantWeights::new(repeat, Weights::Uniform(-1.0), SUBTRAHEND, SUBTRAHEND_BACK)), [mean]),
        Stage::new(TensorSymbols::named("var").with_letter("v"))
            .with_part(Arc::new(Variance { n, statistics_shape: groups.statistics_shape.into() }), [centred]),
        Stage::new(TensorSymbols::named("rstd").with_letter("r")).with_part(Arc::new(reciprocal_root(eps)), [var]),
    ];
    let normalised =
        |symbols| Stage::new(symbols).with_part(Arc::new(Bilinear::new(multiply, groups.equations.normalise)), [centred, rstd]);
    let parameters_shape = groups.parameters_shape;
    scaled_and_shifted(args, shape, NormScale { parameters_shape, scale: groups.equations.scale }, parameters, stages, normalised)
}

/// The shape of a norm's parameters, and the equations of the product with the weight.
#[derive(Debug)]
pub struct NormScale<'a> {
    /// The shape of weight and bias.
    pub parameters_shape: &'a [usize],
    /// The equations of y = n · w, of ∂C/∂w and of ∂C/∂n.
    pub scale: [Equation; 3],
}

/// Reads the optional weight and bias of a norm, and claims their memory.
///
/// # Errors
/// If the network exceeds the memory limit.
pub fn read_parameters(args: &mut dyn Args, shape: &[usize]) -> Result<Vec<Leaf>, Reported> {
    let mut parameters = Vec::new();
    for symbols in [WEIGHT, BIAS] {
        if args.has(symbols.suffix) {
            args.claim(shape)?;
            parameters.push(Leaf::read(args, symbols, shape, Fan::of(shape)));
        }
    }
    Ok(parameters)
}

/// Adds the last stages to the first `stages` of a norm, and makes the layer. The last stages are n and a = n · w + b, both of this shape. `normalised` makes
/// the stage of n from its symbols. Without parameters the stage of n is the last one, so n is called a.
///
/// # Errors
/// If the network exceeds the memory limit.
pub fn scaled_and_shifted(
    args: &mut dyn Args,
    shape: &[usize],
    NormScale { parameters_shape, scale }: NormScale<'_>,
    parameters: Vec<Leaf>,
    mut stages: Vec<Stage>,
    normalised: impl FnOnce(TensorSymbols) -> Stage,
) -> Result<Layer, Reported> {
    if parameters.is_empty() {
        stages.push(normalised(A));
        return Ok(Layer { parameters, stages });
    }
    args.claim(shape)?;
    let norm = StageSource::Stage(stages.len());
    stages.push(normalised(TensorSymbols::named("norm").with_letter("n")));
    let a = Stage::new(A);
    let channels = len(parameters_shape);
    let a = if args.has("weight") {
        // c: the index of an entry of the weight; a: the index among the entries that this weight multiplies
        let product =
            Contraction::einsum("c,ca->ca", &[('c', channels), ('a', len(shape) / channels)]).with_shapes(shape, parameters_shape, shape);
        a.with_part(Arc::new(Bilinear::new(product, scale)), [norm, StageSource::Parameter(0)])
    } else {
        a.with_part(Arc::new(identity(UNSCALED, UNSCALED_BACK)), [norm])
    };
    // the bias is the last parameter
    let shift = || Arc::new(bias(parameters_shape, shape));
    stages.push(if args.has("bias") { a.with_part(shift(), [StageSource::Parameter(parameters.len() - 1)]) } else { a });
    Ok(Layer { parameters, stages })
}

/// Creates the function y = x with the given equations of y and of ∂C/∂x.
pub fn identity(equation: Equation, back: Equation) -> ConstantWeights<Contraction> {
    ConstantWeights::new(Contraction::elementwise(), Weights::Unweighted, equation, back)
}

/// Creates the function rstd(v) = 1 / √(v + ε), entry by entry.
pub fn reciprocal_root(eps: f64) -> Elementwise {
    Elementwise::new(Operator::Call(&RSTD_FUNCTION), &[ElementwiseOperand::Input(0), ElementwiseOperand::Constant(eps)])
        .with_equations(&RSTD_EQUATIONS)
}

/// Reads the key `eps`, which is 1e-5 if it is absent.
///
/// # Errors
/// If it is negative.
pub fn read_eps(args: &mut dyn Args) -> Result<f64, Reported> {
    let eps = args.number("eps")?.unwrap_or(1e-5);
    if eps < 0.0 {
        return Err(args.fail("eps", format!("eps must be at least 0, not {eps}"), "PyTorch's default is 1e-5"));
    }
    Ok(eps)
}

/// The equations of a norm over the whole tensor, as in layer norm.
pub const OVER_ALL: NormEquations = NormEquations {
    mean: Equation {
        right: Expr::Of(MEAN, &[whole::X]),
        name: "the mean of all entries",
        gist: Gist::None,
        words: "Each of the n entries counts 1/n. The whole tensor is normalised at once.",
    },
    normalise: NORMALISE_ALL,
    scale: SCALE_ENTRIES,
};

/// The equations of a norm over groups of channels, as in group norm.
pub const PER_GROUP: NormEquations = NormEquations {
    mean: Equation {
        right: Expr::Of(MEAN, &[whole::X]),
        name: "the mean of each group of channels",
        gist: Gist::None,
        words: "Each of the n entries of a group counts 1/n. A group consists of neighbouring channels, and each group is normalised by itself.",
    },
    normalise: NORMALISE_GROUPS,
    scale: SCALE_CHANNELS,
};

/// The equations of a norm over single channels, as in instance norm.
pub const PER_CHANNEL: NormEquations = NormEquations {
    mean: Equation {
        right: Expr::Of(MEAN, &[whole::X]),
        name: "the mean of each channel",
        gist: Gist::None,
        words: "Each of the n entries of a channel counts 1/n. Each channel is normalised by itself.",
    },
    normalise: NORMALISE_GROUPS,
    scale: SCALE_CHANNELS,
};

const MEAN_BACK: Equation = Equation {
    right: Expr::Mul(&[whole::SHARE, whole::DY]),
    name: "the derivative through the mean",
    gist: Gist::None,
    words: "If an entry grows by h, the mean grows by h/n, so each entry gets 1/n of the mean's derivative.",
};

// the two parts of c = x − μ: the minuend x and the subtrahend μ
const MINUEND: Equation = Equation {
    right: whole::X,
    name: "the entry minus the mean",
    gist: Gist::None,
    words: "The mean is subtracted from every entry, so that the differences have the mean 0.",
};
const MINUEND_BACK: Equation = Equation {
    right: whole::DY,
    name: "the derivative passes on unchanged",
    gist: Gist::None,
    words: "An entry occurs in its own difference without a factor. It also changes the mean, and with it all differences: that is the other part.",
};
const SUBTRAHEND: Equation = Equation {
    right: Expr::Neg(&whole::X),
    name: "the entry minus the mean",
    gist: Gist::None,
    words: "The mean is subtracted from every entry, so that the differences have the mean 0.",
};
const SUBTRAHEND_BACK: Equation = Equation {
    right: Expr::Neg(&Expr::Of(SUM, &[whole::DY])),
    name: "the mean was subtracted from every entry",
    gist: Gist::None,
    words: "If the mean grows by h, every difference falls by h: its derivative is minus the sum of the derivatives of all differences.",
};
// a = n + b, for a norm with a bias and without a weight
const UNSCALED: Equation = Equation {
    right: whole::X,
    name: "the normalised tensor, shifted",
    gist: Gist::None,
    words: "Without a weight the normalised tensor is only shifted by the bias.",
};
const UNSCALED_BACK: Equation = Equation {
    right: whole::DY,
    name: "the derivative passes on unchanged",
    gist: Gist::None,
    words: "Without a weight there is no factor.",
};

/// The equations of y = c · r, of ∂C/∂r and of ∂C/∂c, with a single r for the whole tensor.
const NORMALISE_ALL: [Equation; 3] = [
    Equation {
        right: Expr::Product(Join::Juxtaposed, &[whole::W, whole::X]),
        name: "normalised",
        gist: Gist::Words("mean 0 and variance 1"),
        words: "Every difference is divided by the same standard deviation: the results have the variance 1, apart from the effect of ε.",
    },
    Equation {
        right: Expr::Of(SUM, &[Expr::Product(Join::Hadamard, &[whole::X, whole::DY])]),
        name: "every entry was multiplied by the same number",
        gist: Gist::None,
        words: "One number r multiplies all entries, so its derivative is a sum over all of them: each difference times the derivative of its product.",
    },
    Equation {
        right: Expr::Product(Join::Juxtaposed, &[whole::W, whole::DY]),
        name: "the derivative through the product with r",
        gist: Gist::None,
        words: "A difference was multiplied by r, so its derivative is too. The difference also occurs in the variance: that is the other part.",
    },
];

/// The equations of y = c · r, of ∂C/∂r and of ∂C/∂c, with one r for each group.
const NORMALISE_GROUPS: [Equation; 3] = [
    Equation {
        right: Expr::Product(Join::Juxtaposed, &[whole::W, whole::X]),
        name: "normalised",
        gist: Gist::Words("mean 0 and variance 1"),
        words: "Every difference is divided by the standard deviation of its group: the results have the variance 1 in each group, apart from the effect of ε.",
    },
    Equation {
        right: Expr::Of(SUM, &[Expr::Product(Join::Hadamard, &[whole::X, whole::DY])]),
        name: "all entries of a group were multiplied by the same number",
        gist: Gist::None,
        words: "One number r multiplies all entries of a group, so its derivative is a sum over them: each difference times the derivative of its product.",
    },
    Equation {
        right: Expr::Product(Join::Juxtaposed, &[whole::W, whole::DY]),
        name: "the derivative through the product with r",
        gist: Gist::None,
        words: "A difference was multiplied by the r of its group, so its derivative is too. The difference also occurs in the variance: that is the other part.",
    },
];

/// The equations of y = n · w, of ∂C/∂w and of ∂C/∂n, with one w for each channel.
pub const SCALE_CHANNELS: [Equation; 3] = [
    Equation {
        right: Expr::Product(Join::Hadamard, &[whole::W, whole::X]),
        name: "scaled and shifted by parameters",
        gist: Gist::None,
        words: "The network can learn the scale and the mean of each channel: times the weight of the channel, plus its bias.",
    },
    Equation {
        right: Expr::Of(SUM, &[Expr::Product(Join::Hadamard, &[whole::X, whole::DY])]),
        name: "weight gradient",
        gist: Gist::Words("normalised entries times their errors"),
        words: "Each weight is used on all normalised entries of its channel, so its gradient is a sum over them.",
    },
    Equation {
        right: Expr::Product(Join::Hadamard, &[whole::W, whole::DY]),
        name: "the error through the scaling",
        gist: Gist::None,
        words: "Each normalised entry was scaled by the weight of its channel, so the error comes back times the same weight.",
    },
];

/// The equations of y = n · w, of ∂C/∂w and of ∂C/∂n, with one w for each entry.
const SCALE_ENTRIES: [Equation; 3] = [
    Equation {
        right: Expr::Product(Join::Hadamard, &[whole::W, whole::X]),
        name: "scaled and shifted by parameters",
        gist: Gist::None,
        words: "The network can learn the scale and the mean of each entry: each has its own weight and its own bias.",
    },
    Equation {
        right: Expr::Product(Join::Hadamard, &[whole::X, whole::DY]),
        name: "weight gradient",
        gist: Gist::Words("normalised entry times the error"),
        words: "Each weight is used once, on the normalised entry at its place.",
    },
    Equation {
        right: Expr::Product(Join::Hadamard, &[whole::W, whole::DY]),
        name: "the error through the scaling",
        gist: Gist::None,
        words: "Each normalised entry was scaled by its weight, so the error comes back times the same weight.",
    },
];

/// The variance v = Σ c² / n of each group of n centred entries.
#[derive(Clone, Debug)]
struct Variance {
    /// The number of entries of a group.
    n: usize,
    /// The shape of v, with one entry for each group.
    statistics_shape: Arc<[usize]>,
}

impl Function for Variance {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(self.statistics_shape.to_vec())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(VarianceForward(self.clone()))
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(VarianceBackward(self.clone())))
    }
}

/// The rule of v, with the terms 1/n · c · c.
#[derive(Debug)]
pub struct VarianceForward(Variance);

impl VarianceForward {
    /// The number of entries of a group.
    #[must_use]
    pub fn n(&self) -> usize {
        self.0.n
    }
}

impl Rule for VarianceForward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (at, sum) in out.iter_mut().enumerate() {
            *sum = self.add_first_terms(x, at, self.0.n as u64, *sum);
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, at: usize) -> u64 {
        (at * self.0.n) as u64
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let c = entry(x, Input(0), at * self.0.n + usize::try_from(term).expect("the number of a term fits into usize"));
        Term::product(smallvec![constant(reciprocal(self.0.n)), c.clone(), c])
    }

    fn add_terms(&self, x: &Operands<'_>, at: usize, terms: Range<u64>, sum: f64) -> f64 {
        let [first, end] = [terms.start, terms.end].map(|term| usize::try_from(term).expect("the number of a term fits into usize"));
        let share = reciprocal(self.0.n);
        x.tensors[Input(0)][at * self.0.n..][first..end].iter().fold(sum, |sum, c| sum + share * c * c)
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        vec![Use { entry: at / self.0.n, term: (at % self.0.n) as u64 }]
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Of(MEAN, &[Expr::Square(&whole::X)]),
            name: "the variance",
            gist: Gist::Words("the mean of the squares"),
            words: "The mean squared distance of the entries from their mean: each of the n squares counts 1/n (PyTorch's biased variance).",
        }
    }
}

/// The rule of ∂C/∂c = 2/n · c · ∂C/∂v.
#[derive(Debug)]
pub struct VarianceBackward(Variance);

impl Rule for VarianceBackward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let n = self.0.n;
        let groups = out.chunks_exact_mut(n).zip(x.tensors[Input(0)].chunks_exact(n));
        for ((sums, group), dv) in groups.zip(x.tensors[Upstream]) {
            for (sum, c) in sums.iter_mut().zip(group) {
                *sum += 2.0 * reciprocal(n) * c * dv;
            }
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, at: usize) -> u64 {
        one_term_each(at)
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        Term::product(smallvec![constant(2.0 * reciprocal(self.0.n)), entry(x, Input(0), at), entry(x, Upstream, at / self.0.n)])
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        match slot {
            Input(0) => elementwise_use(at),
            Upstream => (at * self.0.n..(at + 1) * self.0.n).map(|entry| Use { entry, term: 0 }).collect(),
            _ => Vec::new(),
        }
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Mul(&[Expr::Div(&[Expr::Number(2.0), whole::N]), Expr::Product(Join::Juxtaposed, &[whole::X, whole::DY])]),
            name: "the derivative of the squares",
            gist: Gist::None,
            words: "The derivative of c² is 2c, and every square counts 1/n: entries far from the mean change the variance most.",
        }
    }
}

/// r = rstd(v) = 1 / √(v + ε), the reciprocal of the standard deviation; its derivative is −r³ / 2.
const RSTD: &Primitive = &Primitive::differentiable(
    "rstd",
    Definition::Expr(&Expr::Div(&[whole::ONE, Expr::Of(SQRT, &[Expr::Add(&[Expr::Arg(0), Expr::Arg(1)])])])),
    &[Expr::Mul(&[Expr::Mul(&[Expr::Mul(&[Expr::Number(-0.5), R]), R]), R])],
)
.arguments(&["v", "ε"]);
/// r, as an expression in the derivative of [`RSTD`].
const R: Expr = Expr::Entry(Output);
/// [`RSTD`] as the operator of an elementwise operation.
static RSTD_FUNCTION: NamedFunction = NamedFunction::new(RSTD, RSTD_EQUATIONS[1].words);
/// The equations of r = rstd(v) and of ∂C/∂v = ∂C/∂r · rstd′(v).
const RSTD_EQUATIONS: [Equation; 2] = [
    Equation {
        right: Expr::Div(&[whole::ONE, Expr::Of(SQRT, &[Expr::Add(&[whole::X, Expr::Name("ε")])])]),
        name: "one over the standard deviation",
        gist: Gist::None,
        words: "The root of the variance is the standard deviation. Every difference is multiplied by its reciprocal, rstd(v) = 1 / √(v + ε). The small ε keeps it finite if all entries are equal.",
    },
    Equation {
        right: Expr::Mul(&[whole::DY, Expr::Prime(RSTD, &[whole::X])]),
        name: "the derivative of one over the root",
        gist: Gist::None,
        words: "The derivative of r = rstd(v) = 1 / √(v + ε) is rstd′(v) = −r³ / 2: the larger the variance, the smaller the factor r.",
    },
];
