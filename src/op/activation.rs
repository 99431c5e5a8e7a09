//! Activations a = g(z), entry by entry, and their derivatives; a new one is a row of [`ACTIVATIONS`]. And `activation`, the layer that is
//! nothing else. The softmax, which mixes entries, has a file of its own.

mod curves;

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use curves::Curve;

use super::flatten::Copy;
use super::layer::{A, Args, Faulty, Layer, LayerKind, Source, Stage};
use super::rule::{Args as Factors, Equation, Function, Operands, Rule, Term, Use, constant, derived, entry, one_each, same_place};
use super::slot::Slot::{self, Input, Output, Upstream};
use super::softmax::Softmax;
use crate::sums::Begun;
use crate::threads::stretches;

/// The row of the layers' registry.
pub const KIND: LayerKind =
    LayerKind { name: "activation", base: "act", keys: &[], rank: None, joins: false, activation: Some("function"), build };

fn build(args: &mut dyn Args) -> Result<Layer, Faulty> {
    let shape = args.input_shape().to_vec();
    if !args.has("function") {
        return Err(args.fail_alone("function", "function is missing".to_owned(), "add function = \"relu\", or another activation"));
    }
    args.claim(&shape)?;
    let a = Stage::new(A, &shape).with(args.activation("function", &shape), [Source::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}

/// One activation.
#[derive(Clone, Copy, Debug)]
pub struct Activation {
    /// PyTorch's name.
    pub name: &'static str,
    /// Its own keys, which are numbers, with their defaults.
    pub keys: &'static [(&'static str, f64)],
    /// The function, from the values of the keys.
    pub function: fn(&[f64]) -> Arc<dyn Function>,
}

/// All activations.
#[rustfmt::skip]
pub const ACTIVATIONS: &[Activation] = &[
    Activation { name: "identity", keys: &[], function: |_| Arc::new(Copy { equation: IDENTITY, back: IDENTITY_BACK }) },
    Activation { name: "relu", keys: &[], function: |keys| elementwise(&curves::RELU, keys) },
    Activation { name: "leaky_relu", keys: &[("negative_slope", 0.01)], function: |keys| elementwise(&curves::LEAKY_RELU, keys) },
    Activation { name: "elu", keys: &[("alpha", 1.0)], function: |keys| elementwise(&curves::ELU, keys) },
    Activation { name: "sigmoid", keys: &[], function: |keys| elementwise(&curves::SIGMOID, keys) },
    Activation { name: "tanh", keys: &[], function: |keys| elementwise(&curves::TANH, keys) },
    Activation { name: "softplus", keys: &[], function: |keys| elementwise(&curves::SOFTPLUS, keys) },
    Activation { name: "silu", keys: &[], function: |keys| elementwise(&curves::SILU, keys) },
    Activation { name: "gelu", keys: &[], function: |keys| elementwise(&curves::GELU, keys) },
    Activation { name: "softmax", keys: &[], function: |_| Arc::new(Softmax) },
];

/// The activation of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Activation> {
    ACTIVATIONS.iter().find(|activation| activation.name == name)
}

const IDENTITY: Equation =
    Equation { symbols: "{0}", name: "no activation: a = z", words: "This layer has no activation; its output is its weighted input." };
const IDENTITY_BACK: Equation = Equation {
    symbols: "{dy}",
    name: "the error, without an activation",
    words: "Without an activation a = z, so the error δ = ∂C/∂z is ∂C/∂a itself.",
};

/// Output curve with its keys, applied entry by entry.
#[derive(Clone, Debug)]
struct Elementwise {
    curve: &'static Curve,
    keys: SmallVec<[f64; 1]>,
}

fn elementwise(curve: &'static Curve, keys: &[f64]) -> Arc<dyn Function> {
    Arc::new(Elementwise { curve, keys: SmallVec::from_slice(keys) })
}

impl Function for Elementwise {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Applied(self.clone()))
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Slope(self.clone())))
    }
}

#[derive(Debug)]
struct Applied(Elementwise);

/// An entry takes about as long as so many multiplications, where the curve is a simple one.
const EACH: u64 = 8;

impl Applied {
    fn add(&self, x: &Operands<'_>, sums: &mut [f64], begun: Begun) {
        let Elementwise { curve, keys } = &self.0;
        stretches(sums, 1, EACH, |at, sums| curve.value.add(&x.tensors[Input(0)][at..][..sums.len()], keys, sums, begun));
    }
}

impl Rule for Applied {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        self.add(x, out, Begun::Here);
    }

    fn begin(&self, x: &Operands<'_>, sums: &mut [f64]) {
        self.add(x, sums, Begun::Nowhere);
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn reached(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let Elementwise { curve, keys } = &self.0;
        let args: Factors = std::iter::once(entry(x, Input(0), at)).chain(keys.iter().copied().map(constant)).collect();
        Term::apply(curve.notation.function, args, curve.value.of(x.get(Input(0), at), keys))
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        same_place(at)
    }

    fn equation(&self) -> Equation {
        self.0.curve.equation
    }
}

#[derive(Debug)]
struct Slope(Elementwise);

impl Slope {
    fn slope(&self, x: &Operands<'_>, at: usize) -> f64 {
        self.0.curve.derivative.of(x.get(Input(0), at), x.get(Output, at), &self.0.keys)
    }

    fn add(&self, x: &Operands<'_>, sums: &mut [f64], begun: Begun) {
        let Elementwise { curve, keys } = &self.0;
        stretches(sums, 1, EACH, |at, sums| {
            let [z, a, da] = [Input(0), Output, Upstream].map(|slot| &x.tensors[slot][at..][..sums.len()]);
            curve.derivative.add(z, a, da, keys, sums, begun);
        });
    }
}

impl Rule for Slope {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        self.add(x, out, Begun::Here);
    }

    fn begin(&self, x: &Operands<'_>, sums: &mut [f64]) {
        self.add(x, sums, Begun::Nowhere);
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn reached(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let (error, slope) = (entry(x, Upstream, at), derived(&self.0.curve.notation.prime, Input(0), at, self.slope(x, at)));
        if self.0.curve.derivative.is_gate() { Term::gated(error, slope) } else { Term::product(smallvec![error, slope]) }
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let reads = slot == Input(0) || self.term(x, at, 0).args.iter().any(|arg| arg.reads(slot, at));
        if reads { same_place(at) } else { Vec::new() }
    }

    fn equation(&self) -> Equation {
        let Curve { back, .. } = self.0.curve;
        *back
    }
}
