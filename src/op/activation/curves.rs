//! The functions of one number that serve as activations, with their derivatives.
//!
//! An [`ActivationCurve`] has a function g with its derivative g′, and an explanation of each. Functions that are used often also have kernels for whole
//! tensors, which are faster and give the same numbers bit for bit.
//!
//! The formulas are those of PyTorch's modules `ReLU`, `LeakyReLU`, `ELU`, …: for example `relu(−2) = 0`, `leaky_relu(−2) = −0.02` and
//! `hardswish(1) = 1 · 4 / 6 = 0.6667`. At a kink, where the derivative jumps, g′ is PyTorch's choice: for relu, leaky relu and elu the derivative of
//! the left side.
//!
//! In the names below z is the input of the activation, a = g(z) its output, and `da` the derivative ∂C/∂a of the loss C.

use std::fmt;

use crate::expr::block::BLOCK;
use crate::expr::{Case, Definition, Expr, Primitive, Relation, Slot};
// RELU, SIGMOID, TANH and SOFTPLUS are names of curves in this file, so the functions that they use have other names or the prefix `functions`
use crate::op::functions::{self, ONE, SIGMOID as SIGMA, TANH as TANH_OF, X as Z, ZERO};
use crate::op::math;
use crate::scratch::Scratch;
use crate::sums::{Init, put};

/// An activation of one number: a function of z and of the activation's keys. The keys are the numbers that a scenario file can set for the activation, such
/// as `negative_slope`, in the order of its row in [`ACTIVATIONS`](super::ACTIVATIONS).
pub(super) struct ActivationCurve {
    /// The function with its derivative.
    pub function: &'static Primitive,
    /// The expression that stands for g′(z) in the equation of a step.
    pub prime: Expr,
    /// The kernel of g for whole tensors. If there is none, the function is evaluated for blocks of entries.
    value_kernel: Option<&'static dyn ValueKernel>,
    /// The kernel of ∂C/∂a · g′(z) for whole tensors. If there is none, g′ is evaluated for blocks of entries.
    derivative_kernel: Option<&'static dyn DerivativeKernel>,
    /// Explanation of the value.
    pub words: &'static str,
    /// Explanation of the derivative.
    pub back: &'static str,
}

impl fmt::Debug for ActivationCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function.name)
    }
}

/// Calls `function` with the arguments of a curve: z, then the values of the keys.
fn with_arguments<T>(z: f64, keys: &[f64], function: impl FnOnce(&[f64]) -> T) -> T {
    let mut arguments = [z; 1 + MAX_KEYS];
    arguments[1..=keys.len()].copy_from_slice(keys);
    function(&arguments[..=keys.len()])
}

impl ActivationCurve {
    /// Creates a curve; `words` explains the value, and `back` the derivative.
    const fn new(
        function: &'static Primitive,
        value_kernel: Option<&'static dyn ValueKernel>,
        derivative_kernel: Option<&'static dyn DerivativeKernel>,
        words: &'static str,
        back: &'static str,
    ) -> Self {
        Self { function, prime: Expr::Prime(function, &[Expr::Entry(Slot::Input(0))]), value_kernel, derivative_kernel, words, back }
    }

    /// Returns g(z).
    pub fn value(&self, z: f64, keys: &[f64]) -> f64 {
        with_arguments(z, keys, |arguments| self.function.value(arguments)).unwrap_or(f64::NAN)
    }

    /// Returns g′(z), computed from z and a = g(z), and whether this derivative is a closed gate ([`Expr::ClosedGate`]). Through a closed gate nothing passes
    /// back, not even ∞ or NaN.
    pub fn derivative(&self, z: f64, a: f64, keys: &[f64]) -> (f64, bool) {
        with_arguments(z, keys, |arguments| {
            let slope = self.function.derivative(0, arguments, a).unwrap_or(f64::NAN);
            // the value of a closed gate is 0
            let is_closed_gate = slope == 0.0 && self.function.derivatives.first().is_some_and(|slope| slope.is_closed_gate(arguments, a));
            (slope, is_closed_gate)
        })
    }

    /// Adds g(z) to `sums`, or overwrites `sums` with g(z).
    pub fn compute(&self, z: &[f64], keys: &[f64], sums: &mut [f64], init: Init) {
        match self.value_kernel {
            Some(value) => value.compute(z, keys, sums, init),
            None => self.compute_in_blocks(z, keys, sums, init),
        }
    }

    /// Adds ∂C/∂a · g′(z) to `sums`, or overwrites `sums` with this product.
    pub fn compute_backward(&self, z: &[f64], a: &[f64], da: &[f64], keys: &[f64], sums: &mut [f64], init: Init) {
        match self.derivative_kernel {
            Some(derivative) => derivative.compute(z, a, da, keys, sums, init),
            None => self.compute_backward_in_blocks([z, a, da], keys, sums, init),
        }
    }

    /// Computes g(z) for one block of entries after another. If there are few entries, or the function has no block form, computes it entry by entry.
    fn compute_in_blocks(&self, z: &[f64], keys: &[f64], sums: &mut [f64], init: Init) {
        if z.len() <= FEW {
            return put(sums, z.iter().map(|z| self.value(*z, keys)), init);
        }
        let keys_of_blocks = KeyBlocks::new(keys, z.len());
        let mut values = [0.0; BLOCK];
        for (z, sums) in z.chunks(BLOCK).zip(sums.chunks_mut(BLOCK)) {
            let values = &mut values[..z.len()];
            let is_computed = keys_of_blocks.with(z, |arguments| self.function.block(arguments, values)).is_some();
            if is_computed {
                put(sums, values.iter().copied(), init);
            } else {
                put(sums, z.iter().map(|z| self.value(*z, keys)), init);
            }
        }
    }

    /// Computes ∂C/∂a · g′(z) for one block of entries after another. A block with a ∂C/∂a that is not finite is computed entry by entry, because of closed
    /// gates.
    fn compute_backward_in_blocks(&self, [z, a, da]: [&[f64]; 3], keys: &[f64], sums: &mut [f64], init: Init) {
        let term = |((z, a), da): ((&f64, &f64), &f64)| {
            let (slope, is_closed_gate) = self.derivative(*z, *a, keys);
            // the slope of a closed gate is 0, but the product ∞ · 0 would be NaN
            if is_closed_gate && !da.is_finite() { slope } else { da * slope }
        };
        if z.len() <= FEW {
            return put(sums, z.iter().zip(a).zip(da).map(term), init);
        }
        let keys_of_blocks = KeyBlocks::new(keys, z.len());
        let mut slopes = [0.0; BLOCK];
        for (n, sums) in sums.chunks_mut(BLOCK).enumerate() {
            let [z, a, da] = [z, a, da].map(|numbers| &numbers[n * BLOCK..][..sums.len()]);
            let slopes = &mut slopes[..z.len()];
            let is_computed = keys_of_blocks.with(z, |arguments| self.function.derivative_block(0, arguments, a, slopes)).is_some();
            if is_computed && da.iter().all(|da| da.is_finite()) {
                put(sums, slopes.iter().zip(da).map(|(slope, da)| da * slope), init);
            } else {
                put(sums, z.iter().zip(a).zip(da).map(term), init);
            }
        }
    }
}

/// Up to this number of entries, computing them one by one costs less than computing a whole block.
const FEW: usize = 4;

/// The largest number of keys of a curve.
const MAX_KEYS: usize = 2;

/// The values of the keys as arguments of a function of blocks: each is repeated for every entry.
struct KeyBlocks {
    /// The blocks, one after another.
    values: Scratch,
    /// The number of keys.
    count: usize,
    /// The number of entries of each block.
    len: usize,
}

impl KeyBlocks {
    /// Creates the blocks for a tensor with this number of entries.
    fn new(keys: &[f64], entries: usize) -> Self {
        let len = BLOCK.min(entries);
        let mut values = Scratch::new(keys.len() * len);
        values.chunks_exact_mut(len.max(1)).zip(keys).for_each(|(block, key)| block.fill(*key));
        Self { values, count: keys.len(), len }
    }

    /// Calls `function` with the arguments for the entries with the numbers `z`.
    fn with<T>(&self, z: &[f64], function: impl FnOnce(&[&[f64]]) -> T) -> T {
        let mut arguments: [&[f64]; 1 + MAX_KEYS] = [z; 1 + MAX_KEYS];
        for (n, argument) in arguments[1..=self.count].iter_mut().enumerate() {
            *argument = &self.values[n * self.len..][..z.len()];
        }
        function(&arguments[..=self.count])
    }
}

/// A kernel for a = g(z). Each closure that returns g(z) for one entry implements this trait. The compiler makes a separate loop for each closure, so that it
/// can optimise the loop and the formula together.
pub(super) trait ValueKernel: Sync {
    /// Adds g(z) to `sums`, or overwrites `sums` with g(z).
    fn compute(&self, z: &[f64], keys: &[f64], sums: &mut [f64], init: Init);
}

impl<F: Fn(f64, &[f64]) -> f64 + Sync> ValueKernel for F {
    fn compute(&self, z: &[f64], keys: &[f64], sums: &mut [f64], init: Init) {
        put(sums, z.iter().map(|z| self(*z, keys)), init);
    }
}

/// A kernel for ∂C/∂a · g′(z). Each closure that returns g′(z) for one entry, from z and a = g(z), implements this trait.
pub(super) trait DerivativeKernel: Sync {
    /// Adds ∂C/∂a · g′(z) to `sums`, or overwrites `sums` with this product.
    fn compute(&self, z: &[f64], a: &[f64], da: &[f64], keys: &[f64], sums: &mut [f64], init: Init);
}

/// The kernel for ∂C/∂a · relu′(z), which is exactly 0 for z ≤ 0, even if ∂C/∂a is infinite or NaN.
struct ReluGate;

impl DerivativeKernel for ReluGate {
    fn compute(&self, z: &[f64], _a: &[f64], da: &[f64], _keys: &[f64], sums: &mut [f64], init: Init) {
        let term = |(z, da): (&f64, &f64)| {
            // as in PyTorch, a z that is NaN leaves the gate open
            let gate = if *z <= 0.0 { 0.0 } else { 1.0 };
            // for an infinite or NaN `da` the product with a closed gate would be NaN
            if gate != 0.0 || da.is_finite() { da * gate } else { gate }
        };
        put(sums, z.iter().zip(da).map(term), init);
    }
}

impl<F: Fn(f64, f64, &[f64]) -> f64 + Sync> DerivativeKernel for F {
    fn compute(&self, z: &[f64], a: &[f64], da: &[f64], keys: &[f64], sums: &mut [f64], init: Init) {
        put(sums, z.iter().zip(a).zip(da).map(|((z, a), da)| da * self(*z, *a, keys)), init);
    }
}

/// Creates a function of z from the expressions of its value and its derivative.
const fn of_z(name: &'static str, value: &'static Expr, derivative: &'static [Expr]) -> Primitive {
    Primitive::differentiable(name, Definition::Expr(value), derivative).arguments(&["z"])
}

/// Creates a case of a piecewise function: `value` if `left` and `right` are in the relation `is`.
const fn case(left: Expr, is: Relation, right: Expr, value: Expr) -> Case {
    Case { left, is, right, value }
}

/// The value of the activation's first key: argument 1, because argument 0 is z.
const FIRST_KEY: Expr = Expr::Arg(1);
/// The value of the activation's second key.
const SECOND_KEY: Expr = Expr::Arg(2);
const TANH_OF_SOFTPLUS: Expr = Expr::Of(TANH_OF, &[Expr::Of(functions::SOFTPLUS, &[Z])]);
const HALF: Expr = Expr::Number(0.5);
const THREE: Expr = Expr::Number(3.0);
const MINUS_THREE: Expr = Expr::Number(-3.0);
const SIX: Expr = Expr::Number(6.0);

pub(super) const RELU: ActivationCurve = ActivationCurve::new(
    functions::RELU,
    Some(&|z: f64, _: &[f64]| math::relu(z)),
    Some(&ReluGate),
    "Positive numbers pass unchanged; negative ones become 0.",
    "Where z was positive, relu passed it on, and the derivative passes back unchanged. Elsewhere the output was 0 and no derivative passes: relu′ = 0 (also at 0).",
);

pub(super) const LEAKY_RELU: ActivationCurve = ActivationCurve::new(
    functions::LEAKY_RELU,
    Some(&|z: f64, keys: &[f64]| if z > 0.0 { z } else { z * keys[0] }),
    Some(&|z: f64, _: f64, keys: &[f64]| if z > 0.0 { 1.0 } else { keys[0] }),
    "Positive numbers pass unchanged; negative ones are multiplied by negative_slope s, the second number of this step.",
    "Where z was positive, the derivative passes back unchanged. Elsewhere (also at 0) it is multiplied by negative_slope, so a neuron that is below 0 can still learn.",
);

pub(super) const ELU: ActivationCurve = ActivationCurve::new(
    functions::ELU,
    None,
    None,
    "Positive numbers pass unchanged; for negative ones the curve falls towards −α. The second number of this step is α, the key alpha.",
    "Where z was positive, the derivative passes back unchanged. Elsewhere elu′(z) = α eᶻ: α at 0, and smaller the further z is below 0.",
);

pub(super) const SIGMOID: ActivationCurve = ActivationCurve::new(
    functions::SIGMOID,
    None,
    Some(&|_: f64, a: f64, _: &[f64]| a * (1.0 - a)),
    "The sigmoid maps every number into the range from 0 to 1.",
    "The derivative of the sigmoid is σ′(z) = σ(z) (1 − σ(z)): at most ¼, and almost 0 where the neuron is saturated, so that little of the error gets through.",
);

pub(super) const TANH: ActivationCurve = ActivationCurve::new(
    functions::TANH,
    None,
    Some(&|_: f64, a: f64, _: &[f64]| 1.0 - a * a),
    "The hyperbolic tangent maps every number into the range from −1 to 1.",
    "The derivative of tanh is tanh′(z) = 1 − tanh² z: 1 in the middle, almost 0 where the neuron is saturated.",
);

pub(super) const SOFTPLUS: ActivationCurve = ActivationCurve::new(
    functions::SOFTPLUS,
    None,
    None,
    "A relu with its corner rounded off: nearly z where z is large, nearly 0 where it is very negative, and positive everywhere.",
    "The derivative of softplus is the sigmoid: softplus′(z) = 1 / (1 + e⁻ᶻ). Where z is large the error passes; where z is very negative almost none of it does.",
);

pub(super) const SILU: ActivationCurve = ActivationCurve::new(
    functions::SILU,
    None,
    None,
    "Every number is multiplied by its own sigmoid σ(z) = 1 / (1 + e⁻ᶻ): large ones pass, very negative ones vanish, and in between the curve dips below 0.",
    "The derivative of z σ(z) has two parts, one for each factor: silu′(z) = σ(z) + z σ(z) (1 − σ(z)). It is nearly 1 where z is large, nearly 0 where it is very negative, and negative left of the dip.",
);

pub(super) const GELU: ActivationCurve = ActivationCurve::new(
    functions::GELU,
    None,
    None,
    "Every number is multiplied by Φ(z) = ½ (1 + erf(z / √2)), the probability that a normally distributed number is below it: large ones pass, very negative ones vanish, and in between the curve dips below 0.",
    "The derivative of z Φ(z) has two parts, one for each factor: gelu′(z) = Φ(z) + z φ(z), where φ(z) = e^(−z²/2) / √(2π) is the bell curve, the derivative of Φ.",
);

/// The function min(max(z, low), high). Its derivative is 1 between the bounds, and 0 beyond them and on them.
macro_rules! clamped {
    ($name:literal, $low:expr, $high:expr, $arguments:expr) => {
        of_z(
            $name,
            &Expr::Cases(&[case(Z, Relation::AtMost, $low, $low), case(Z, Relation::AtLeast, $high, $high)], &Z),
            &[Expr::Cases(&[case(Z, Relation::AtMost, $low, Expr::ClosedGate), case(Z, Relation::AtLeast, $high, Expr::ClosedGate)], &ONE)],
        )
        .arguments($arguments)
    };
}

pub(super) const HARDTANH: ActivationCurve = ActivationCurve::new(
    &clamped!("hardtanh", FIRST_KEY, SECOND_KEY, &["z", "min_val", "max_val"]),
    None,
    None,
    "Between min_val and max_val, the second and third number of this step, every number passes; beyond them it is cut off.",
    "Where z was between min_val and max_val, the derivative passes back unchanged. Where z was cut off, or is exactly on a bound, nothing passes: hardtanh′ = 0.",
);

pub(super) const RELU6: ActivationCurve = ActivationCurve::new(
    &clamped!("relu6", ZERO, SIX, &["z"]),
    None,
    None,
    "A relu that stops at 6: negative numbers become 0, those above 6 become 6, and those between pass unchanged.",
    "Where z was between 0 and 6, the derivative passes back unchanged. Elsewhere, also at 0 and at 6, nothing passes: relu6′ = 0.",
);

pub(super) const MISH: ActivationCurve = ActivationCurve::new(
    &of_z(
        "mish",
        &Expr::Mul(&[Z, TANH_OF_SOFTPLUS]),
        &[Expr::Add(&[
            TANH_OF_SOFTPLUS,
            Expr::Mul(&[Expr::Mul(&[Z, Expr::Of(SIGMA, &[Z])]), Expr::Sub(&[ONE, Expr::Mul(&[TANH_OF_SOFTPLUS, TANH_OF_SOFTPLUS])])]),
        ])],
    ),
    None,
    None,
    "Every number is multiplied by tanh(softplus(z)), which is nearly 1 where z is large and nearly 0 where it is very negative: a smooth curve that dips below 0 in between.",
    "The derivative of z tanh(softplus(z)) has two parts, one for each factor; the derivative of tanh is 1 − tanh², that of softplus the sigmoid.",
);

pub(super) const HARDSWISH: ActivationCurve = ActivationCurve::new(
    &of_z(
        "hardswish",
        &Expr::Cases(
            &[case(Z, Relation::AtMost, MINUS_THREE, ZERO), case(Z, Relation::AtLeast, THREE, Z)],
            &Expr::Div(&[Expr::Mul(&[Z, Expr::Add(&[Z, THREE])]), SIX]),
        ),
        &[Expr::Cases(
            &[case(Z, Relation::AtMost, MINUS_THREE, Expr::ClosedGate), case(Z, Relation::AtLeast, THREE, ONE)],
            &Expr::Add(&[Expr::Div(&[Z, THREE]), HALF]),
        )],
    ),
    None,
    None,
    "A swish (z σ(z)) made of straight lines and a parabola: 0 for z ≤ −3, z itself for z ≥ 3, and z (z + 3) / 6 between.",
    "For z ≤ −3 nothing passes, for z ≥ 3 the derivative passes back unchanged; between, the slope of the parabola is z / 3 + ½.",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(actual: f64, expected: f64, what: &str) {
        assert!((actual - expected).abs() <= 1e-12 * expected.abs(), "{what}: {actual:e}, not {expected:e}");
    }

    #[test]
    #[allow(clippy::unreadable_literal, clippy::approx_constant)] // computed with 60 digits
    fn values_and_derivatives_are_accurate_in_the_tails() {
        // z, then value and derivative of softplus, silu and gelu
        let expected = [
            (-700.0, [9.85967654375977e-305, 9.85967654375977e-305, -6.90177358063184e-302, -6.891913904088079e-302, 0.0, 0.0]),
            (
                -30.0,
                [
                    9.357622968839737e-14,
                    9.357622968839299e-14,
                    -2.8072868906517896e-12,
                    -2.713710660963134e-12,
                    -1.472014178144456e-196,
                    -4.416031690708495e-195,
                ],
            ),
            (
                -6.5,
                [
                    0.0015023101597542838,
                    0.0015011822567369915,
                    -0.009757684668790446,
                    -0.008241854348961832,
                    -2.6104003795084267e-10,
                    -1.6950517937572625e-09,
                ],
            ),
            (
                -0.75,
                [
                    0.38687100611489994,
                    0.320821300824607,
                    -0.24061597561845527,
                    0.1574000555032465,
                    -0.16997051428265114,
                    0.0007742782607648957,
                ],
            ),
            (0.0, [0.6931471805599453, 0.5, 0.0, 0.5, 0.0, 0.5]),
            (2.25, [2.350206558916747, 0.9046505351008906, 2.035463703977004, 1.0987309100966571, 2.2224949365261493, 1.059189743975207]),
            (20.0, [20.000000002061153, 0.9999999979388464, 19.99999995877693, 1.0000000391619186, 20.0, 1.0]),
            (40.0, [40.0, 1.0, 40.0, 1.0000000000000002, 40.0, 1.0]),
        ];
        for (z, numbers) in expected {
            for (curve, pair) in [&SOFTPLUS, &SILU, &GELU].into_iter().zip(numbers.chunks_exact(2)) {
                let a = curve.value(z, &[]);
                assert_near(a, pair[0], &format!("{}({z})", curve.function.name));
                assert_near(curve.derivative(z, a, &[]).0, pair[1], &format!("{}′({z})", curve.function.name));
            }
        }
    }

    #[test]
    fn relu_leaky_relu_and_elu_have_the_derivative_of_the_left_side_at_0() {
        for (curve, keys, expected) in [(&RELU, &[][..], 0.0), (&LEAKY_RELU, &[0.2], 0.2), (&ELU, &[1.5], 1.5)] {
            for zero in [0.0, -0.0] {
                assert_near(curve.derivative(zero, zero, keys).0, expected, curve.function.name);
                assert_near(curve.value(zero, keys), 0.0, curve.function.name);
            }
        }
    }
}
