//! Activations a = g(z), and the layer `activation`.
//!
//! Most activations are functions of one number. They are applied entry by entry, and their derivative is ∂C/∂z = ∂C/∂a ∘ g′(z), where C is the loss and
//! ∘ the product entry by entry (part 4, figure 17 of V. Petersen's series). z, a and both derivatives have the same shape. For the relu, z = (−2, 3)
//! gives a = (0, 3), and ∂C/∂a = (5, 7) gives ∂C/∂z = (0, 7). In a softmax each output depends on all inputs; it is in [`softmax`](super::softmax).
//!
//! Names and formulas are those of PyTorch. A new activation needs a row of [`ACTIVATIONS`].

mod curves;

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use curves::ActivationCurve;

use super::flatten::Identity;
use super::layer::{A, Args, Layer, LayerKind, Reported, Stage, StageSource};
use super::rule::{
    Arguments, Equation, Factors, Function, Gist, Operands, Rule, Term, Use, constant, derived, elementwise_use, entry, one_term_each,
};
use super::slot::Slot::{self, Input, Output, Upstream};
use super::softmax::{Slices, Softmax};
use crate::expr::{Expr, Join, Primitive, whole};
use crate::sums::Init;
use crate::threads::chunks;

/// The row of `activation` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind {
    name: "activation",
    default_name: "act",
    keys: &[],
    rank: None,
    has_several_inputs: false,
    activation: Some("function"), // the key with the activation's name
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.input_shape().to_vec();
    if !args.has("function") {
        return Err(args.fail("function", "function is missing".to_owned(), "add function = \"relu\", or another activation"));
    }
    args.claim(&shape)?; // the memory of a
    let a = Stage::new(A).with_part(args.activation("function", &shape), [StageSource::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}

/// One activation: a row of [`ACTIVATIONS`]. Its *keys* are the numbers that a scenario file can set for it, such as `negative_slope`.
#[derive(Clone, Copy, Debug)]
pub struct Activation {
    /// PyTorch's name.
    pub name: &'static str,
    /// The keys with their defaults.
    pub keys: &'static [(&'static str, f64)],
    /// `true` if the value of each key must be less than the value of the next key.
    pub has_ascending_keys: bool,
    /// The kind of probabilities that the activation returns; `None` if its outputs are not probabilities.
    pub probabilities: Option<Probabilities>,
    /// The function of one number; `None` for the identity, which computes nothing, and for functions of the whole tensor.
    pub primitive: Option<&'static Primitive>,
    /// The definition from which [`Activation::function`] makes the function.
    function: FunctionSource,
}

/// The classes whose probabilities an activation returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probabilities {
    /// Each output is the probability of its own class, as after a sigmoid.
    Independent,
    /// The outputs are the probabilities of classes that exclude one another, as after a softmax.
    Exclusive,
}

/// The definition of an activation's function, without the values of its keys.
#[derive(Clone, Copy, Debug)]
enum FunctionSource {
    /// A function of one number, for each entry.
    Curve(&'static ActivationCurve),
    /// A function of the whole tensor.
    Whole(fn() -> Arc<dyn Function>),
    /// a = z
    Identity,
}

impl Activation {
    /// Creates the row of a function of one number.
    const fn curve(curve: &'static ActivationCurve, keys: &'static [(&'static str, f64)]) -> Self {
        Self {
            name: curve.function.name,
            keys,
            has_ascending_keys: false,
            probabilities: None,
            primitive: Some(curve.function),
            function: FunctionSource::Curve(curve),
        }
    }

    /// Creates the row of a function of the whole tensor.
    const fn whole(name: &'static str, function: fn() -> Arc<dyn Function>) -> Self {
        Self { name, keys: &[], has_ascending_keys: false, probabilities: None, primitive: None, function: FunctionSource::Whole(function) }
    }

    /// Returns `true` for the activation a = z.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        matches!(self.function, FunctionSource::Identity)
    }

    /// Creates the function, with one value for each of the [`Activation::keys`].
    #[must_use]
    pub fn function(&self, keys: &[f64]) -> Arc<dyn Function> {
        match self.function {
            FunctionSource::Curve(curve) => Arc::new(ActivationFunction { curve, keys: SmallVec::from_slice(keys) }),
            FunctionSource::Whole(function) => function(),
            FunctionSource::Identity => identity(),
        }
    }
}

/// The activations that a scenario file can use.
#[rustfmt::skip] // one line for each activation
pub const ACTIVATIONS: &[Activation] = &[
    Activation { name: "identity", keys: &[], has_ascending_keys: false, probabilities: None, primitive: None, function: FunctionSource::Identity },
    Activation::curve(&curves::RELU, &[]),
    Activation::curve(&curves::LEAKY_RELU, &[("negative_slope", 0.01)]),
    Activation::curve(&curves::ELU, &[("alpha", 1.0)]),
    Activation { probabilities: Some(Probabilities::Independent), ..Activation::curve(&curves::SIGMOID, &[]) },
    Activation::curve(&curves::TANH, &[]),
    Activation { has_ascending_keys: true, ..Activation::curve(&curves::HARDTANH, &[("min_val", -1.0), ("max_val", 1.0)]) },
    Activation::curve(&curves::RELU6, &[]),
    Activation::curve(&curves::SOFTPLUS, &[]),
    Activation::curve(&curves::SILU, &[]),
    Activation::curve(&curves::GELU, &[]),
    Activation::curve(&curves::MISH, &[]),
    Activation::curve(&curves::HARDSWISH, &[]),
    Activation { probabilities: Some(Probabilities::Exclusive), ..Activation::whole("softmax", || Arc::new(Softmax::within(Slices::Whole))) },
    Activation::whole("log_softmax", || Arc::new(Softmax::log_within(Slices::Whole))),
];

/// The function a = z, for a layer without an activation.
#[must_use]
pub fn identity() -> Arc<dyn Function> {
    Arc::new(Identity { equation: IDENTITY, back: IDENTITY_BACK })
}

/// Finds an activation by its name.
///
/// ```
/// let relu = gradstep::op::activation::find("relu").expect("a row").primitive.expect("a function of one number");
/// assert_eq!(relu.value(&[-2.0]), Some(0.0));
/// ```
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

/// A function of one number for each entry, with the values of its keys.
#[derive(Clone, Debug)]
struct ActivationFunction {
    curve: &'static ActivationCurve,
    keys: SmallVec<[f64; 1]>,
}

impl Function for ActivationFunction {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(ActivationForward(self.clone()))
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(ActivationBackward(self.clone())))
    }
}

/// The rule of a = g(z).
#[derive(Debug)]
pub struct ActivationForward(ActivationFunction);

/// The approximate cost of one entry, in multiplications: that of a simple function such as the relu.
const COST_OF_ENTRY: u64 = 8;

impl ActivationForward {
    /// Adds g(z) to `sums`, or overwrites `sums` with g(z). The entries are divided among the threads.
    fn compute(&self, x: &Operands<'_>, sums: &mut [f64], init: Init) {
        let ActivationFunction { curve, keys } = &self.0;
        let chunk_unit = 1; // a chunk may have any number of entries
        chunks(sums, chunk_unit, COST_OF_ENTRY, |first_entry, sums| {
            let z = &x.tensors[Input(0)][first_entry..][..sums.len()];
            curve.compute(z, keys, sums, init);
        });
    }
}

impl Rule for ActivationForward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        self.compute(x, out, Init::Accumulate);
    }

    fn overwrite(&self, x: &Operands<'_>, sums: &mut [f64]) {
        self.compute(x, sums, Init::Overwrite);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_term_each(entry)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None // every entry has a term
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let ActivationFunction { curve, keys } = &self.0;
        let args: Factors = std::iter::once(entry(x, Input(0), at)).chain(keys.iter().copied().map(constant)).collect();
        Term::apply(curve.function, args, curve.value(x.get(Input(0), at), keys))
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        elementwise_use(at)
    }

    fn equation(&self) -> Equation {
        let ActivationCurve { function, words, .. } = self.0.curve;
        Equation { right: Expr::Of(function, &[whole::X]), name: "activation", gist: Gist::Definition(function), words }
    }
}

/// The rule of ∂C/∂z = ∂C/∂a ∘ g′(z).
#[derive(Debug)]
pub struct ActivationBackward(ActivationFunction);

impl ActivationBackward {
    /// The function g.
    #[must_use]
    pub fn function(&self) -> &'static Primitive {
        self.0.curve.function
    }

    /// The values of the activation's keys.
    #[must_use]
    pub fn keys(&self) -> &[f64] {
        &self.0.keys
    }

    /// Adds ∂C/∂a ∘ g′(z) to `sums`, or overwrites `sums` with this product. The entries are divided among the threads.
    fn compute(&self, x: &Operands<'_>, sums: &mut [f64], init: Init) {
        let ActivationFunction { curve, keys } = &self.0;
        let chunk_unit = 1; // a chunk may have any number of entries
        chunks(sums, chunk_unit, COST_OF_ENTRY, |first_entry, sums| {
            let [z, a, da] = [Input(0), Output, Upstream].map(|slot| &x.tensors[slot][first_entry..][..sums.len()]);
            curve.compute_backward(z, a, da, keys, sums, init);
        });
    }
}

impl Rule for ActivationBackward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        self.compute(x, out, Init::Accumulate);
    }

    fn overwrite(&self, x: &Operands<'_>, sums: &mut [f64]) {
        self.compute(x, sums, Init::Overwrite);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_term_each(entry)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None // every entry has a term
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let ActivationFunction { curve, keys } = &self.0;
        let (slope, is_closed_gate) = curve.derivative(x.get(Input(0), at), x.get(Output, at), keys);
        let (error, slope) = (entry(x, Upstream, at), derived(&curve.prime, Input(0), at, slope));
        // a closed gate is a g′(z) that is 0 by definition, such as relu′(z) for z ≤ 0. Its term is 0, even for an infinite or NaN error
        if is_closed_gate { Term::gated(error, slope) } else { Term::product(smallvec![error, slope]) }
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        // every term reads z. A term reads the error ∂C/∂a only if the error is one of its factors, and the output only if g′ is written with the output
        let reads = slot == Input(0) || self.term(x, at, 0).args.iter().any(|arg| arg.reads(slot, at));
        if reads { elementwise_use(at) } else { Vec::new() }
    }

    fn equation(&self) -> Equation {
        let right = Expr::Product(Join::Hadamard, &[whole::DY, Expr::Arg(0)]);
        Equation { right, name: "the error δ = ∂C/∂z", gist: Gist::None, words: self.0.curve.back }
    }

    fn arguments(&self) -> Arguments {
        smallvec![Expr::Prime(self.0.curve.function, &[whole::X])]
    }
}
