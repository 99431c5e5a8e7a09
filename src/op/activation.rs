//! Activations a = g(z), entry by entry, and their derivatives; a new one is a row of [`ACTIVATIONS`]. And `activation`, the layer that is
//! nothing else. The softmax, which mixes entries, has a file of its own.

mod curves;

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use curves::Curve;

use super::flatten::Copy;
use super::layer::{A, Args, Layer, LayerKind, Reported, Source, Stage};
use super::rule::{
    Arguments, Equation, Factors, Function, Gist, Operands, Rule, Term, Use, constant, derived, entry, one_each, same_place,
};
use super::slot::Slot::{self, Input, Output, Upstream};
use super::softmax::{Slices, Softmax};
use crate::expr::{Expr, Join, Primitive, whole};
use crate::sums::Init;
use crate::threads::chunks;

/// The row of the layers' registry.
pub const KIND: LayerKind =
    LayerKind { name: "activation", base: "act", keys: &[], rank: None, joins: false, activation: Some("function"), build };

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.input_shape().to_vec();
    if !args.has("function") {
        return Err(args.fail_alone("function", "function is missing".to_owned(), "add function = \"relu\", or another activation"));
    }
    args.claim(&shape)?;
    let a = Stage::new(A).with(args.activation("function", &shape), [Source::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}

/// One activation.
#[derive(Clone, Copy, Debug)]
pub struct Activation {
    /// PyTorch's name.
    pub name: &'static str,
    /// Its own keys, which are numbers, with their defaults.
    pub keys: &'static [(&'static str, f64)],
    /// Whether each key must be less than the next.
    pub ordered: bool,
    /// The probabilities that its outputs are, if they are.
    pub probabilities: Option<Probabilities>,
    /// The function of one number, for an activation that works entry by entry.
    pub primitive: Option<&'static Primitive>,
    /// The function, from the values of the keys.
    function: Apply,
}

/// The classes that outputs are probabilities of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probabilities {
    /// Each output is the probability of its own class, as after a sigmoid.
    Independent,
    /// The outputs are the probabilities of classes that exclude one another, as after a softmax.
    Exclusive,
}

/// How an activation's function is made.
#[derive(Clone, Copy, Debug)]
enum Apply {
    /// Entry by entry.
    Curve(&'static Curve),
    /// Otherwise.
    Whole(fn() -> Arc<dyn Function>),
    /// Not at all: a = z.
    Identity,
}

impl Activation {
    const fn curve(curve: &'static Curve, keys: &'static [(&'static str, f64)]) -> Self {
        Self {
            name: curve.function.name,
            keys,
            ordered: false,
            probabilities: None,
            primitive: Some(curve.function),
            function: Apply::Curve(curve),
        }
    }

    const fn whole(name: &'static str, function: fn() -> Arc<dyn Function>) -> Self {
        Self { name, keys: &[], ordered: false, probabilities: None, primitive: None, function: Apply::Whole(function) }
    }

    /// Returns whether the output is the input as it is.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        matches!(self.function, Apply::Identity)
    }

    /// The function, from the values of the keys.
    #[must_use]
    pub fn function(&self, keys: &[f64]) -> Arc<dyn Function> {
        match self.function {
            Apply::Curve(curve) => Arc::new(Shaped { curve, keys: SmallVec::from_slice(keys) }),
            Apply::Whole(function) => function(),
            Apply::Identity => identity(),
        }
    }
}

/// All activations.
#[rustfmt::skip]
pub const ACTIVATIONS: &[Activation] = &[
    Activation { name: "identity", keys: &[], ordered: false, probabilities: None, primitive: None, function: Apply::Identity },
    Activation::curve(&curves::RELU, &[]),
    Activation::curve(&curves::LEAKY_RELU, &[("negative_slope", 0.01)]),
    Activation::curve(&curves::ELU, &[("alpha", 1.0)]),
    Activation { probabilities: Some(Probabilities::Independent), ..Activation::curve(&curves::SIGMOID, &[]) },
    Activation::curve(&curves::TANH, &[]),
    Activation { ordered: true, ..Activation::curve(&curves::HARDTANH, &[("min_val", -1.0), ("max_val", 1.0)]) },
    Activation::curve(&curves::RELU6, &[]),
    Activation::curve(&curves::SOFTPLUS, &[]),
    Activation::curve(&curves::SILU, &[]),
    Activation::curve(&curves::GELU, &[]),
    Activation::curve(&curves::MISH, &[]),
    Activation::curve(&curves::HARDSWISH, &[]),
    Activation { probabilities: Some(Probabilities::Exclusive), ..Activation::whole("softmax", || Arc::new(Softmax::within(Slices::Whole))) },
    Activation::whole("log_softmax", || Arc::new(Softmax::log_within(Slices::Whole))),
];

/// The function of a layer without an activation.
#[must_use]
pub fn identity() -> Arc<dyn Function> {
    Arc::new(Copy { equation: IDENTITY, back: IDENTITY_BACK })
}

/// The activation of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Activation> {
    ACTIVATIONS.iter().find(|activation| activation.name == name)
}

const IDENTITY: Equation = Equation {
    right: whole::X,
    name: "no activation",
    gist: Gist::Words("a = z"),
    words: "This layer has no activation; its output is its weighted input.",
};
const IDENTITY_BACK: Equation = Equation {
    right: whole::DY,
    name: "the error, without an activation",
    gist: Gist::None,
    words: "Without an activation a = z, so the error δ = ∂C/∂z is ∂C/∂a itself.",
};

/// A curve with its keys.
#[derive(Clone, Debug)]
struct Shaped {
    curve: &'static Curve,
    keys: SmallVec<[f64; 1]>,
}

impl Function for Shaped {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Applied(self.clone()))
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Slope(self.clone())))
    }
}

#[derive(Debug)]
struct Applied(Shaped);

/// An entry takes about as long as so many multiplications, where the curve is a simple one.
const EACH: u64 = 8;

impl Applied {
    fn add(&self, x: &Operands<'_>, sums: &mut [f64], init: Init) {
        let Shaped { curve, keys } = &self.0;
        chunks(sums, 1, EACH, |at, sums| curve.add(&x.tensors[Input(0)][at..][..sums.len()], keys, sums, init));
    }
}

impl Rule for Applied {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        self.add(x, out, Init::Accumulate);
    }

    fn begin(&self, x: &Operands<'_>, sums: &mut [f64]) {
        self.add(x, sums, Init::Overwrite);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let Shaped { curve, keys } = &self.0;
        let args: Factors = std::iter::once(entry(x, Input(0), at)).chain(keys.iter().copied().map(constant)).collect();
        Term::apply(curve.function, args, curve.value(x.get(Input(0), at), keys))
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        same_place(at)
    }

    fn equation(&self) -> Equation {
        let Curve { function, words, .. } = self.0.curve;
        Equation { right: Expr::Of(function, &[whole::X]), name: "activation", gist: Gist::Definition(function), words }
    }
}

#[derive(Debug)]
struct Slope(Shaped);

impl Slope {
    fn add(&self, x: &Operands<'_>, sums: &mut [f64], init: Init) {
        let Shaped { curve, keys } = &self.0;
        chunks(sums, 1, EACH, |at, sums| {
            let [z, a, da] = [Input(0), Output, Upstream].map(|slot| &x.tensors[slot][at..][..sums.len()]);
            curve.add_derivative(z, a, da, keys, sums, init);
        });
    }
}

impl Rule for Slope {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        self.add(x, out, Init::Accumulate);
    }

    fn begin(&self, x: &Operands<'_>, sums: &mut [f64]) {
        self.add(x, sums, Init::Overwrite);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let Shaped { curve, keys } = &self.0;
        let (slope, shut) = curve.derivative(x.get(Input(0), at), x.get(Output, at), keys);
        let (error, slope) = (entry(x, Upstream, at), derived(&curve.prime, Input(0), at, slope));
        if shut { Term::gated(error, slope) } else { Term::product(smallvec![error, slope]) }
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let reads = slot == Input(0) || self.term(x, at, 0).args.iter().any(|arg| arg.reads(slot, at));
        if reads { same_place(at) } else { Vec::new() }
    }

    fn equation(&self) -> Equation {
        let right = Expr::Product(Join::Hadamard, &[whole::DY, Expr::Arg(0)]);
        Equation { right, name: "the error δ = ∂C/∂z", gist: Gist::None, words: self.0.curve.back }
    }

    fn arguments(&self) -> Arguments {
        smallvec![Expr::Prime(self.0.curve.function, &[whole::X])]
    }
}
