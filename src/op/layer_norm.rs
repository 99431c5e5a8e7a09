//! `layer_norm`: the tensor moved to mean 0 and stretched to variance 1, then scaled and shifted by parameters. Mean, difference, variance,
//! its root's reciprocal and the normalised tensor are ops of their own, so the chain rule alone makes the way back.

use std::sync::Arc;

use smallvec::smallvec;

use super::avg_pool2d::reciprocal;
use super::bias::Bias;
use super::edges::{Bilinear, Edges, View, Weighted};
use super::fixed::{Fixed, Pairs, Weights};
use super::layer::{A, Args, BIAS, Called, Fan, Faulty, Layer, LayerKind, Source, Stage, WEIGHT};
use super::linear::Linear;
use super::nest::{Edge, Nest};
use super::rule::{Equation, Function, Gist, Operands, Rule, Term, Use, constant, derived, entry, one_each, same_place};
use super::slot::Slot::{self, Input, Output, Upstream};
use crate::expr::{Definition, Expr, Join, MEAN, Primitive, SQRT, SUM, whole};
use crate::tensor::len;

/// The row of the registry.
pub const KIND: LayerKind =
    LayerKind { name: "layer_norm", base: "norm", keys: &["weight", "bias", "eps"], rank: None, joins: false, activation: None, build };

fn build(args: &mut dyn Args) -> Result<Layer, Faulty> {
    let shape = args.input_shape().to_vec();
    let n = len(&shape);
    let eps = args.number("eps")?.unwrap_or(1e-5);
    if eps < 0.0 {
        return Err(args.fail_alone("eps", format!("eps must be at least 0, not {eps}"), "PyTorch's is 1e-5"));
    }
    for tensor in [&shape, &vec![], &vec![], &vec![], &shape] {
        args.claim(tensor)?;
    }
    let mut parameters = Vec::new();
    for called in [WEIGHT, BIAS] {
        let key = called.suffix;
        if args.has(key) {
            args.claim(&shape)?;
            parameters.push((called, args.tensor(key, &shape, Fan::of(&shape))));
        }
    }
    let (input, [mean, centred, var, rstd, norm]) = (Source::Input(0), std::array::from_fn(Source::Stage));
    let mut stages = vec![
        Stage::new(Called::of("mean").written("μ"), &[]).with(Arc::new(self::mean(n)), [input]),
        Stage::new(Called::of("centred").written("c"), &shape)
            .with(Arc::new(Fixed::new(Pairs, Weights::None, MINUEND, MINUEND_BACK)), [input])
            .with(Arc::new(Fixed::new(Linear { inputs: 1, outputs: n }, Weights::One(-1.0), MINUS, MINUS_BACK)), [mean]),
        Stage::new(Called::of("var").written("v"), &[]).with(Arc::new(Variance(reciprocal(n))), [centred]),
        Stage::new(Called::of("rstd").written("r"), &[]).with(Arc::new(Rstd { eps }), [var]),
    ];
    let product = |shared, equations| Arc::new(Bilinear::new(Product { entries: n, shared, equations }));
    let norm_stage = |called| Stage::new(called, &shape).with(product(true, STRETCH), [centred, rstd]);
    if parameters.is_empty() {
        stages.push(norm_stage(A));
        return Ok(Layer { parameters, stages });
    }
    args.claim(&shape)?;
    stages.push(norm_stage(Called::of("norm").written("n")));
    let a = Stage::new(A, &shape);
    let a = if args.has("weight") {
        a.with(product(false, SCALE), [norm, Source::Parameter(0)])
    } else {
        a.with(Arc::new(Fixed::new(Pairs, Weights::None, UNSCALED, UNSCALED_BACK)), [norm])
    };
    let shift = || Arc::new(Bias { channels: n, area: 1 });
    stages.push(if args.has("bias") { a.with(shift(), [Source::Parameter(parameters.len() - 1)]) } else { a });
    Ok(Layer { parameters, stages })
}

/// The mean of n entries.
fn mean(n: usize) -> Fixed<Linear> {
    let equation = Equation {
        right: Expr::Of(MEAN, &[whole::X]),
        name: "the mean of all entries",
        gist: Gist::None,
        words: "Every one of the n entries counts 1/n. What is normalised is the whole tensor at once.",
    };
    let back = Equation {
        right: Expr::Mul(&[whole::SHARE, whole::DY]),
        name: "every entry has moved the mean",
        gist: Gist::None,
        words: "An entry that grows by a little moves the mean by the n-th part of it, so it gets the n-th part of the mean's derivative.",
    };
    Fixed::new(Linear { inputs: n, outputs: 1 }, Weights::One(reciprocal(n)), equation, back)
}

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

/// c · r.
const STRETCH: [Equation; 3] = [
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

/// n · w.
const SCALE: [Equation; 3] = [
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

/// Products entry by entry: xᵢ with a weight of its own, or with one that all share.
#[derive(Debug)]
struct Product {
    entries: usize,
    shared: bool,
    /// What it says of the output, the weight and the input.
    equations: [Equation; 3],
}

impl Product {
    fn join(&self, at: usize) -> Edge {
        Edge { input: at, weight: if self.shared { 0 } else { at }, output: at }
    }

    /// Whether all edges end at one entry.
    fn gathers(&self, view: View) -> bool {
        view == View::Weight && self.shared
    }
}

impl Edges for Product {
    fn before(&self, view: View, entry: usize) -> u64 {
        entry as u64 * if self.gathers(view) { self.entries as u64 } else { 1 }
    }

    fn nest(&self, view: View, entry: usize) -> Nest {
        if self.gathers(view) { Nest::line(self.join(0), [1, 0, 1], self.entries) } else { Nest::line(self.join(entry), [0; 3], 1) }
    }

    fn rank(&self, view: View, edge: Edge) -> u64 {
        if self.gathers(view) { edge.output as u64 } else { 0 }
    }
}

impl Weighted for Product {
    fn accumulate(&self, view: View, a: &[f64], b: &[f64], out: &mut [f64]) {
        for at in 0..self.entries {
            let edge = self.join(at);
            let (i, j) = match view {
                View::Output => (edge.weight, edge.input),
                View::Weight => (edge.input, edge.output),
                View::Input => (edge.weight, edge.output),
            };
            out[edge.end(view)] += a[i] * b[j];
        }
    }

    fn equation(&self, view: View) -> Equation {
        match view {
            View::Output => self.equations[0],
            View::Weight => self.equations[1],
            View::Input => self.equations[2],
        }
    }
}

/// v = Σ 1/n · c · c, from 1/n.
#[derive(Clone, Copy, Debug)]
struct Variance(f64);

impl Function for Variance {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Squares(self.0))
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Doubled(2.0 * self.0)))
    }
}

#[derive(Debug)]
struct Squares(f64);

impl Rule for Squares {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        out[0] = x.tensors[Input(0)].iter().fold(out[0], |sum, c| sum + self.0 * c * c);
    }

    fn before(&self, x: &Operands<'_>, at: usize) -> u64 {
        (at * x.tensors[Input(0)].len()) as u64
    }

    fn term(&self, x: &Operands<'_>, _at: usize, term: u64) -> Term {
        let c = entry(x, Input(0), usize::try_from(term).expect("a term of an entry"));
        Term::product(smallvec![constant(self.0), c.clone(), c])
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        vec![Use { entry: 0, term: at as u64 }]
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
struct Doubled(f64);

impl Rule for Doubled {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (sum, c) in out.iter_mut().zip(x.tensors[Input(0)]) {
            *sum += self.0 * c * x.get(Upstream, 0);
        }
    }

    fn before(&self, _x: &Operands<'_>, at: usize) -> u64 {
        one_each(at)
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        Term::product(smallvec![constant(self.0), entry(x, Input(0), at), entry(x, Upstream, 0)])
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        match slot {
            Input(0) => same_place(at),
            Upstream => (0..x.tensors[Input(0)].len()).map(|entry| Use { entry, term: 0 }).collect(),
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

/// r = 1 / √(v + ε).
#[derive(Clone, Copy, Debug)]
struct Rstd {
    eps: f64,
}

impl Rstd {
    fn value(self, v: f64) -> f64 {
        1.0 / (v + self.eps).sqrt()
    }
}

impl Function for Rstd {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(*self)
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(RstdSlope))
    }
}

impl Rule for Rstd {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        out[0] += self.value(x.get(Input(0), 0));
    }

    fn before(&self, _x: &Operands<'_>, at: usize) -> u64 {
        one_each(at)
    }

    fn term(&self, x: &Operands<'_>, _at: usize, _term: u64) -> Term {
        Term::apply(RSTD, smallvec![entry(x, Input(0), 0), constant(self.eps)], self.value(x.get(Input(0), 0)))
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        same_place(at)
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Div(&[whole::ONE, Expr::Of(SQRT, &[Expr::Add(&[whole::X, Expr::Name("ε")])])]),
            name: "one over the standard deviation",
            gist: Gist::None,
            words: "The root of the variance is the standard deviation; its reciprocal, rstd(v | ε) = 1 / √(v + ε), is what every entry is multiplied by. The small ε keeps it finite where all entries are alike.",
        }
    }
}

/// ∂C/∂v = ∂C/∂r · rstd′(v), with rstd′(v) = −r³ / 2.
#[derive(Debug)]
struct RstdSlope;

impl RstdSlope {
    fn slope(x: &Operands<'_>) -> f64 {
        let r = x.get(Output, 0);
        -0.5 * r * r * r
    }
}

impl Rule for RstdSlope {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        out[0] += x.get(Upstream, 0) * Self::slope(x);
    }

    fn before(&self, _x: &Operands<'_>, at: usize) -> u64 {
        one_each(at)
    }

    fn term(&self, x: &Operands<'_>, _at: usize, _term: u64) -> Term {
        Term::product(smallvec![entry(x, Upstream, 0), derived(&Expr::Prime(RSTD, &[Expr::Entry(Input(0))]), Input(0), 0, Self::slope(x))])
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if matches!(slot, Input(0) | Upstream) { same_place(at) } else { Vec::new() }
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Mul(&[whole::DY, Expr::Prime(RSTD, &[whole::X])]),
            name: "the derivative of one over the root",
            gist: Gist::None,
            words: "The derivative of r = rstd(v) = 1 / √(v + ε) is rstd′(v) = −r³ / 2: more variance, less stretching.",
        }
    }
}
