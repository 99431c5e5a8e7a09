//! Activations a = g(z), entry by entry, and their derivatives; a new one is a row of [`ACTIVATIONS`]. And `activation`, the layer that is
//! nothing else. The softmax, which mixes entries, has a file of its own.

use std::sync::Arc;

use smallvec::smallvec;

use super::flatten::Copy;
use super::layer::{Args, Faulty, Layer, LayerKind, Source, Stage};
use super::math;
use super::rule::{Equation, Function, Operands, Rule, Term, Use, derived, entry, one_each, same_place};
use super::softmax::Softmax;

/// The row of the layers' registry.
pub const KIND: LayerKind = LayerKind { name: "activation", base: "act", keys: &[], activation: Some("function"), build };

fn build(args: &mut dyn Args) -> Result<Layer, Faulty> {
    let shape = args.input_shape().to_vec();
    args.claim(&shape)?;
    if !args.has("function") {
        return Err(args.fail("function", "function is missing".to_owned(), "add function = \"relu\", or another activation"));
    }
    let a = Stage::new("a", &shape).with(args.activation("function", &shape), [Source::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}

/// One activation.
#[derive(Clone, Copy, Debug)]
pub struct Activation {
    /// PyTorch's name.
    pub name: &'static str,
    /// The function for a tensor of this activation's input.
    pub function: fn() -> Arc<dyn Function>,
}

/// All activations.
#[rustfmt::skip]
pub const ACTIVATIONS: &[Activation] = &[
    Activation { name: "identity", function: || Arc::new(Copy { equation: IDENTITY, back: IDENTITY_BACK }) },
    Activation { name: "relu", function: || Arc::new(Elementwise(&RELU)) },
    Activation { name: "sigmoid", function: || Arc::new(Elementwise(&SIGMOID)) },
    Activation { name: "softmax", function: || Arc::new(Softmax) },
    Activation { name: "tanh", function: || Arc::new(Elementwise(&TANH)) },
];

/// The activation of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Activation> {
    ACTIVATIONS.iter().find(|activation| activation.name == name)
}

const IDENTITY: Equation =
    Equation { symbols: "{0}", name: "no activation: a = z", words: "This layer has no activation; its output is its weighted input." };
const IDENTITY_BACK: Equation = Equation {
    symbols: "{2}",
    name: "the error, without an activation",
    words: "Without an activation a = z, so the error δ = ∂C/∂z is ∂C/∂a itself.",
};

/// A function of one number, with its derivative.
#[derive(Debug)]
struct Curve {
    name: &'static str,
    value: fn(f64) -> f64,
    /// From z and a.
    derivative: fn(f64, f64) -> f64,
    prime: &'static str,
    equation: Equation,
    back: Equation,
}

const RELU: Curve = Curve {
    name: "relu",
    value: math::relu,
    derivative: |z, _| if z > 0.0 { 1.0 } else { 0.0 },
    prime: "relu′({0})",
    equation: Equation {
        symbols: "relu({0})",
        name: "activation: relu(z) = max(0, z)",
        words: "What is positive passes; what is negative becomes 0.",
    },
    back: Equation {
        symbols: "{2} ∘ relu′({0})",
        name: "the error δ = ∂C/∂z",
        words: "Where z was positive, relu passed it on, and the derivative passes back unchanged. Where z was not, the neuron was silent and learns nothing: relu′ = 0 (at 0 too).",
    },
};

const SIGMOID: Curve = Curve {
    name: "sigmoid",
    value: math::sigmoid,
    derivative: |_, a| a * (1.0 - a),
    prime: "sigmoid′({0})",
    equation: Equation {
        symbols: "σ({0})",
        name: "activation: σ(z) = 1 / (1 + e⁻ᶻ)",
        words: "The sigmoid presses every number into the range from 0 to 1.",
    },
    back: Equation {
        symbols: "{2} ∘ σ′({0})",
        name: "the error δ = ∂C/∂z",
        words: "The derivative of the sigmoid is σ′(z) = a (1 − a): at most ¼, and almost 0 where the neuron is saturated, so that little of the error gets through.",
    },
};

const TANH: Curve = Curve {
    name: "tanh",
    value: libm::tanh,
    derivative: |_, a| 1.0 - a * a,
    prime: "tanh′({0})",
    equation: Equation {
        symbols: "tanh({0})",
        name: "activation: tanh(z)",
        words: "The hyperbolic tangent presses every number into the range from −1 to 1.",
    },
    back: Equation {
        symbols: "{2} ∘ tanh′({0})",
        name: "the error δ = ∂C/∂z",
        words: "The derivative of tanh is tanh′(z) = 1 − a²: 1 in the middle, almost 0 where the neuron is saturated.",
    },
};

#[derive(Debug)]
struct Elementwise(&'static Curve);

impl Function for Elementwise {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Applied(self.0))
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Slope(self.0)))
    }
}

#[derive(Debug)]
struct Applied(&'static Curve);

impl Rule for Applied {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (a, z) in out.iter_mut().zip(x.tensors[0]) {
            *a += (self.0.value)(*z);
        }
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        Term::apply(self.0.name, smallvec![entry(x, 0, at)], (self.0.value)(x.get(0, at)))
    }

    fn uses(&self, _x: &Operands<'_>, _slot: usize, at: usize) -> Vec<Use> {
        same_place(at)
    }

    fn equation(&self) -> Equation {
        self.0.equation
    }
}

/// The slots of the backward rule.
const Z: usize = 0;
const A: usize = 1;
const DA: usize = 2;

#[derive(Debug)]
struct Slope(&'static Curve);

impl Rule for Slope {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (at, sum) in out.iter_mut().enumerate() {
            *sum += x.get(DA, at) * (self.0.derivative)(x.get(Z, at), x.get(A, at));
        }
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let slope = (self.0.derivative)(x.get(Z, at), x.get(A, at));
        Term::product(smallvec![entry(x, DA, at), derived(self.0.prime, Z, at, slope)])
    }

    fn uses(&self, _x: &Operands<'_>, slot: usize, at: usize) -> Vec<Use> {
        if slot == A { Vec::new() } else { same_place(at) }
    }

    fn equation(&self) -> Equation {
        self.0.back
    }
}
