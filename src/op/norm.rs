//! The stages of a norm over groups: each run of n entries is moved to mean 0 and stretched to variance 1, then scaled and shifted by parameters. Mean,
//! difference, variance, its root's reciprocal and the normalised tensor are ops of their own, so the chain rule alone makes the way back.

use std::sync::Arc;

use smallvec::smallvec;

use super::avg_pool2d::reciprocal;
use super::bias::bias;
use super::constant_weights::{ConstantWeights, Weights};
use super::contraction::Contraction;
use super::edges::Bilinear;
use super::elementwise::{Elementwise, Operand};
use super::layer::{A, Args, BIAS, Called, Fan, Layer, Leaf, Reported, Source, Stage, WEIGHT};
use super::mismatch::Mismatch;
use super::operator::{Named, Operator};
use super::rule::{Equation, Function, Gist, Operands, Rule, Term, Use, constant, entry, one_each, same_place};
use super::slot::Slot::{self, Input, Output, Upstream};
use crate::expr::{Definition, Expr, Join, MEAN, Primitive, SQRT, SUM, whole};
use crate::tensor::{len, shape_words};

/// What is normalised together, and the texts that depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Groups<'a> {
    /// The shape of mean and variance, which have one entry for each group. A group is a run of neighbouring entries.
    pub shape: &'a [usize],
    /// The shape of weight and bias: that of the tensor, or its first axis.
    pub parameters: &'a [usize],
    /// The equations that name the group.
    pub texts: &'static Texts,
}

/// The equations of a norm that name what is normalised together.
#[derive(Debug)]
pub struct Texts {
    mean: Equation,
    stretch: [Equation; 3],
    scale: [Equation; 3],
}

/// The layer that normalises each group of a tensor of this shape, from the keys `weight`, `bias` and `eps`.
///
/// # Errors
/// When a key is faulty, a tensor is larger than allowed, or one of several groups has a single entry.
pub fn normalised(args: &mut dyn Args, shape: &[usize], groups: Groups<'_>) -> Result<Layer, Reported> {
    let (count, n) = (len(groups.shape), len(shape) / len(groups.shape));
    if n == 1 && !groups.shape.is_empty() {
        let message = format!("each group must have several entries, but the input, {}, has one for each group", shape_words(shape));
        return Err(args.fail(
            "type",
            message,
            "a single entry is its own mean, so only the bias would be left of it; PyTorch refuses it too",
        ));
    }
    let eps = args.number("eps")?.unwrap_or(1e-5);
    if eps < 0.0 {
        return Err(args.fail_alone("eps", format!("eps must be at least 0, not {eps}"), "PyTorch's is 1e-5"));
    }
    for tensor in [shape, groups.shape, groups.shape, groups.shape, shape] {
        args.claim(tensor)?;
    }
    let mut parameters = Vec::new();
    for called in [WEIGHT, BIAS] {
        if args.has(called.suffix) {
            args.claim(groups.parameters)?;
            parameters.push(Leaf::read(args, called, groups.parameters, Fan::of(groups.parameters)));
        }
    }
    let sizes = [('g', count), ('i', n)];
    let gather = Contraction::of("gi->g", &sizes).shaped(shape, &[], groups.shape);
    let spread = Contraction::of("g->gi", &sizes).shaped(groups.shape, &[], shape);
    let stretch = Contraction::of("g,gi->gi", &sizes).shaped(shape, groups.shape, shape);
    let (input, [mean, centred, var, rstd, norm]) = (Source::Input(0), std::array::from_fn(Source::Stage));
    let same = |equation, back| Arc::new(ConstantWeights::new(Contraction::elementwise(), Weights::None, equation, back));
    let reciprocal_root = Elementwise::new(Operator::Call(&RSTD_OF), &[Operand::Slot(0), Operand::Constant(eps)]).told(&RSTD_TEXTS);
    let mut stages = vec![
        Stage::new(Called::of("mean").written("μ"))
            .with(Arc::new(ConstantWeights::new(gather, Weights::One(reciprocal(n)), groups.texts.mean, MEAN_BACK)), [input]),
        Stage::new(Called::of("centred").written("c"))
            .with(same(MINUEND, MINUEND_BACK), [input])
            .with(Arc::new(ConstantWeights::new(spread, Weights::One(-1.0), MINUS, MINUS_BACK)), [mean]),
        Stage::new(Called::of("var").written("v")).with(Arc::new(Variance { n, groups: groups.shape.into() }), [centred]),
        Stage::new(Called::of("rstd").written("r")).with(Arc::new(reciprocal_root), [var]),
    ];
    let stretched = |called| Stage::new(called).with(Arc::new(Bilinear::new(stretch, groups.texts.stretch)), [centred, rstd]);
    if parameters.is_empty() {
        stages.push(stretched(A));
        return Ok(Layer { parameters, stages });
    }
    args.claim(shape)?;
    stages.push(stretched(Called::of("norm").written("n")));
    let a = Stage::new(A);
    let channels = len(groups.parameters);
    let a = if args.has("weight") {
        let scale = Contraction::of("c,ca->ca", &[('c', channels), ('a', len(shape) / channels)]).shaped(shape, groups.parameters, shape);
        a.with(Arc::new(Bilinear::new(scale, groups.texts.scale)), [norm, Source::Parameter(0)])
    } else {
        a.with(same(UNSCALED, UNSCALED_BACK), [norm])
    };
    let shift = || Arc::new(bias(groups.parameters, shape));
    stages.push(if args.has("bias") { a.with(shift(), [Source::Parameter(parameters.len() - 1)]) } else { a });
    Ok(Layer { parameters, stages })
}

/// The texts of a norm over the whole tensor.
pub const WHOLE: Texts = Texts {
    mean: Equation {
        right: Expr::Of(MEAN, &[whole::X]),
        name: "the mean of all entries",
        gist: Gist::None,
        words: "Every one of the n entries counts 1/n. What is normalised is the whole tensor at once.",
    },
    stretch: STRETCH_ALL,
    scale: SCALE_ENTRIES,
};

/// The texts of a norm over groups of channels.
pub const GROUPS: Texts = Texts {
    mean: Equation {
        right: Expr::Of(MEAN, &[whole::X]),
        name: "the mean of each group of channels",
        gist: Gist::None,
        words: "Every one of the n entries of a group counts 1/n. A group is some neighbouring channels, and each group is normalised by itself.",
    },
    stretch: STRETCH_GROUPS,
    scale: SCALE_CHANNELS,
};

/// The texts of a norm over single channels.
pub const CHANNELS: Texts = Texts {
    mean: Equation {
        right: Expr::Of(MEAN, &[whole::X]),
        name: "the mean of each channel",
        gist: Gist::None,
        words: "Every one of the n entries of a channel counts 1/n. Each channel is normalised by itself.",
    },
    stretch: STRETCH_GROUPS,
    scale: SCALE_CHANNELS,
};

const MEAN_BACK: Equation = Equation {
    right: Expr::Mul(&[whole::SHARE, whole::DY]),
    name: "every entry has moved the mean",
    gist: Gist::None,
    words: "An entry that grows by a little moves the mean by the n-th part of it, so it gets the n-th part of the mean's derivative.",
};

const MINUEND: Equation = Equation {
    right: whole::X,
    name: "the entry less the mean",
    gist: Gist::None,
    words: "The mean is taken away from every entry, so that what is left has the mean 0.",
};
const MINUEND_BACK: Equation = Equation {
    right: whole::DY,
    name: "the derivative passes on unchanged",
    gist: Gist::None,
    words: "An entry stands in its own difference without a factor. It also moves the mean, and so all differences a little: that is the other part.",
};
const MINUS: Equation = Equation {
    right: Expr::Neg(&whole::X),
    name: "the entry less the mean",
    gist: Gist::None,
    words: "The mean is taken away from every entry, so that what is left has the mean 0.",
};
const MINUS_BACK: Equation = Equation {
    right: Expr::Neg(&Expr::Of(SUM, &[whole::DY])),
    name: "the mean was taken away from every entry",
    gist: Gist::None,
    words: "A larger mean makes every difference smaller by as much: its derivative gathers those of all differences, with a minus.",
};
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

/// c · r, with one r.
const STRETCH_ALL: [Equation; 3] = [
    Equation {
        right: Expr::Product(Join::Matrix, &[whole::W, whole::X]),
        name: "normalised",
        gist: Gist::Words("mean 0 and variance 1"),
        words: "Every difference is divided by the standard deviation, all by the same one: what is left has the variance 1, but for ε.",
    },
    Equation {
        right: Expr::Of(SUM, &[Expr::Product(Join::Hadamard, &[whole::X, whole::DY])]),
        name: "every entry was stretched by the same number",
        gist: Gist::None,
        words: "One number stretches all entries, so its derivative gathers over all of them: what was stretched times the derivative of what became of it.",
    },
    Equation {
        right: Expr::Product(Join::Matrix, &[whole::W, whole::DY]),
        name: "the derivative through the stretching",
        gist: Gist::None,
        words: "A difference was stretched by r, so is its derivative. It stands in the variance too: that is the other part.",
    },
];

/// c · r, with one r for each group.
const STRETCH_GROUPS: [Equation; 3] = [
    Equation {
        right: Expr::Product(Join::Matrix, &[whole::W, whole::X]),
        name: "normalised",
        gist: Gist::Words("mean 0 and variance 1"),
        words: "Every difference is divided by the standard deviation of its group: what is left of each group has the variance 1, but for ε.",
    },
    Equation {
        right: Expr::Of(SUM, &[Expr::Product(Join::Hadamard, &[whole::X, whole::DY])]),
        name: "all entries of a group were stretched by the same number",
        gist: Gist::None,
        words: "One number stretches all entries of a group, so its derivative gathers over them: what was stretched times the derivative of what became of it.",
    },
    Equation {
        right: Expr::Product(Join::Matrix, &[whole::W, whole::DY]),
        name: "the derivative through the stretching",
        gist: Gist::None,
        words: "A difference was stretched by the r of its group, so is its derivative. It stands in the variance too: that is the other part.",
    },
];

/// n · w, with one w for each channel.
const SCALE_CHANNELS: [Equation; 3] = [
    Equation {
        right: Expr::Product(Join::Hadamard, &[whole::W, whole::X]),
        name: "scaled and shifted by parameters",
        gist: Gist::None,
        words: "The network may learn how large and where each channel should be: times the weight of the channel, plus its bias.",
    },
    Equation {
        right: Expr::Of(SUM, &[Expr::Product(Join::Hadamard, &[whole::X, whole::DY])]),
        name: "weight gradient",
        gist: Gist::Words("normalised entries times their errors"),
        words: "Each weight is used on all normalised entries of its channel, so its gradient gathers over them.",
    },
    Equation {
        right: Expr::Product(Join::Hadamard, &[whole::W, whole::DY]),
        name: "the error through the scaling",
        gist: Gist::None,
        words: "Each normalised entry was scaled by the weight of its channel, so the error comes back times the same weight.",
    },
];

/// n · w, entry by entry.
const SCALE_ENTRIES: [Equation; 3] = [
    Equation {
        right: Expr::Product(Join::Hadamard, &[whole::W, whole::X]),
        name: "scaled and shifted by parameters",
        gist: Gist::None,
        words: "The network may learn how large and where each entry should be: times a weight of its own, plus a bias of its own.",
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

/// v = Σ 1/n · c · c over each run of n entries.
#[derive(Clone, Debug)]
struct Variance {
    n: usize,
    /// The shape of v.
    groups: Arc<[usize]>,
}

impl Function for Variance {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(self.groups.to_vec())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Squares(self.clone()))
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(SquaresBackward(self.clone())))
    }
}

#[derive(Debug)]
struct Squares(Variance);

impl Rule for Squares {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let share = reciprocal(self.0.n);
        for (sum, run) in out.iter_mut().zip(x.tensors[Input(0)].chunks_exact(self.0.n)) {
            *sum = run.iter().fold(*sum, |sum, c| sum + share * c * c);
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, at: usize) -> u64 {
        (at * self.0.n) as u64
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let c = entry(x, Input(0), at * self.0.n + usize::try_from(term).expect("a term of an entry"));
        Term::product(smallvec![constant(reciprocal(self.0.n)), c.clone(), c])
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        vec![Use { entry: at / self.0.n, term: (at % self.0.n) as u64 }]
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Of(MEAN, &[Expr::Square(&whole::X)]),
            name: "the variance",
            gist: Gist::Words("the mean of the squares"),
            words: "How far the entries lie from their mean, squared so that both sides count: each of the n squares counts 1/n (PyTorch's biased variance).",
        }
    }
}

#[derive(Debug)]
struct SquaresBackward(Variance);

impl Rule for SquaresBackward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let n = self.0.n;
        let runs = out.chunks_exact_mut(n).zip(x.tensors[Input(0)].chunks_exact(n));
        for ((sums, run), dv) in runs.zip(x.tensors[Upstream]) {
            for (sum, c) in sums.iter_mut().zip(run) {
                *sum += 2.0 * reciprocal(n) * c * dv;
            }
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, at: usize) -> u64 {
        one_each(at)
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        Term::product(smallvec![constant(2.0 * reciprocal(self.0.n)), entry(x, Input(0), at), entry(x, Upstream, at / self.0.n)])
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        match slot {
            Input(0) => same_place(at),
            Upstream => (at * self.0.n..(at + 1) * self.0.n).map(|entry| Use { entry, term: 0 }).collect(),
            _ => Vec::new(),
        }
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Mul(&[Expr::Div(&[Expr::Number(2.0), whole::N]), Expr::Product(Join::Matrix, &[whole::X, whole::DY])]),
            name: "the derivative of the squares",
            gist: Gist::None,
            words: "The derivative of c² is 2c, and every square counts 1/n: those that lie far from the mean move the variance most.",
        }
    }
}

/// rstd(v) = 1 / √(v + ε); its derivative is −r³ / 2.
const RSTD: &Primitive = &Primitive::differentiable(
    "rstd",
    Definition::Expr(&Expr::Div(&[whole::ONE, Expr::Of(SQRT, &[Expr::Add(&[Expr::Arg(0), Expr::Arg(1)])])])),
    &[Expr::Mul(&[Expr::Mul(&[Expr::Mul(&[Expr::Number(-0.5), R]), R]), R])],
)
.of(&["v", "ε"]);
const R: Expr = Expr::Entry(Output);
static RSTD_OF: Named = Named::new(RSTD, RSTD_TEXTS[1].words);
/// r = rstd(v), and ∂C/∂v = ∂C/∂r · rstd′(v).
const RSTD_TEXTS: [Equation; 2] = [
    Equation {
        right: Expr::Div(&[whole::ONE, Expr::Of(SQRT, &[Expr::Add(&[whole::X, Expr::Name("ε")])])]),
        name: "one over the standard deviation",
        gist: Gist::None,
        words: "The root of the variance is the standard deviation; its reciprocal, rstd(v | ε) = 1 / √(v + ε), is what every entry is multiplied by. The small ε keeps it finite where all entries are alike.",
    },
    Equation {
        right: Expr::Mul(&[whole::DY, Expr::Prime(RSTD, &[whole::X])]),
        name: "the derivative of one over the root",
        gist: Gist::None,
        words: "The derivative of r = rstd(v) = 1 / √(v + ε) is rstd′(v) = −r³ / 2: more variance, less stretching.",
    },
];
