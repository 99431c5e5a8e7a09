//! The functions of one number that serve as activations. Their conventions at kinks are PyTorch's: the derivative at 0 is that of the
//! left side.

use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::fmt;

use crate::expr::{Notation, Primitive};
use crate::op::math;
use crate::op::rule::Equation;
use crate::sums::{Begun, put};

/// A function of one number, with its derivative; both are given the activation's keys, in the order of its row.
pub(super) struct Curve {
    pub notation: Notation,
    /// From z.
    pub value: &'static dyn Value,
    /// From z and a.
    pub derivative: &'static dyn Derivative,
    pub equation: Equation,
    pub back: Equation,
}

impl fmt::Debug for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.notation.function.name)
    }
}

/// a = g(z), of one number or of a tensor at once, where the compiler sees loop and formula together.
pub(super) trait Value: Sync {
    fn of(&self, z: f64, keys: &[f64]) -> f64;

    /// Adds g(z) to the sums.
    fn add(&self, z: &[f64], keys: &[f64], sums: &mut [f64], begun: Begun);
}

impl<F: Fn(f64, &[f64]) -> f64 + Sync> Value for F {
    fn of(&self, z: f64, keys: &[f64]) -> f64 {
        self(z, keys)
    }

    fn add(&self, z: &[f64], keys: &[f64], sums: &mut [f64], begun: Begun) {
        put(sums, z.iter().map(|z| self(*z, keys)), begun);
    }
}

/// g′(z), of z and a = g(z).
pub(super) trait Derivative: Sync {
    fn of(&self, z: f64, a: f64, keys: &[f64]) -> f64;

    /// Adds ∂C/∂a · g′(z) to the sums.
    fn add(&self, z: &[f64], a: &[f64], da: &[f64], keys: &[f64], sums: &mut [f64], begun: Begun);

    /// Whether a g′(z) of 0 is a shut gate, as in [`crate::op::rule::Term::gated`].
    fn is_gate(&self) -> bool {
        false
    }
}

/// The derivative of relu.
struct Gate;

impl Derivative for Gate {
    fn of(&self, z: f64, _a: f64, _keys: &[f64]) -> f64 {
        // what is no number passes, as in PyTorch
        if z <= 0.0 { 0.0 } else { 1.0 }
    }

    fn add(&self, z: &[f64], a: &[f64], da: &[f64], keys: &[f64], sums: &mut [f64], begun: Begun) {
        let term = |((z, a), da): ((&f64, &f64), &f64)| {
            let gate = self.of(*z, *a, keys);
            if gate != 0.0 || da.is_finite() { da * gate } else { gate }
        };
        put(sums, z.iter().zip(a).zip(da).map(term), begun);
    }

    fn is_gate(&self) -> bool {
        true
    }
}

impl<F: Fn(f64, f64, &[f64]) -> f64 + Sync> Derivative for F {
    fn of(&self, z: f64, a: f64, keys: &[f64]) -> f64 {
        self(z, a, keys)
    }

    fn add(&self, z: &[f64], a: &[f64], da: &[f64], keys: &[f64], sums: &mut [f64], begun: Begun) {
        put(sums, z.iter().zip(a).zip(da).map(|((z, a), da)| da * self(*z, *a, keys)), begun);
    }
}

const ERROR: &str = "the error δ = ∂C/∂z";

pub(super) const RELU: Curve = Curve {
    notation: Notation::of(&Primitive::bent_at_0("relu")),
    value: &|z: f64, _: &[f64]| math::relu(z),
    derivative: &Gate,
    equation: Equation {
        symbols: "relu({0})",
        name: "activation: relu(z) = max(0, z)",
        words: "What is positive passes; what is negative becomes 0.",
    },
    back: Equation {
        symbols: "{dy} ∘ relu′({0})",
        name: ERROR,
        words: "Where z was positive, relu passed it on, and the derivative passes back unchanged. Where z was not, the neuron was silent and learns nothing: relu′ = 0 (at 0 too).",
    },
};

pub(super) const LEAKY_RELU: Curve = Curve {
    notation: Notation::of(&Primitive::bent_at_0("leaky_relu")),
    value: &|z: f64, keys: &[f64]| if z > 0.0 { z } else { z * keys[0] },
    derivative: &|z: f64, _: f64, keys: &[f64]| if z > 0.0 { 1.0 } else { keys[0] },
    equation: Equation {
        symbols: "leaky_relu({0})",
        name: "activation: leaky_relu(z) = z, or s z where z ≤ 0",
        words: "What is positive passes; of what is negative a share leaks through: negative_slope s, the second number of this step.",
    },
    back: Equation {
        symbols: "{dy} ∘ leaky_relu′({0})",
        name: ERROR,
        words: "Where z was positive, the derivative passes back unchanged. Elsewhere (at 0 too) it is multiplied by negative_slope, so a neuron that is below 0 can still learn.",
    },
};

pub(super) const ELU: Curve = Curve {
    notation: Notation::of(&Primitive::bent_at_0("elu")),
    value: &|z: f64, keys: &[f64]| if z > 0.0 { z } else { keys[0] * libm::expm1(z) },
    derivative: &|z: f64, _: f64, keys: &[f64]| if z > 0.0 { 1.0 } else { keys[0] * libm::exp(z) },
    equation: Equation {
        symbols: "elu({0})",
        name: "activation: elu(z) = z, or α (eᶻ − 1) where z ≤ 0",
        words: "What is positive passes; what is negative bends towards −α and stays there. The second number of this step is α, the key alpha.",
    },
    back: Equation {
        symbols: "{dy} ∘ elu′({0})",
        name: ERROR,
        words: "Where z was positive, the derivative passes back unchanged. Elsewhere elu′(z) = α eᶻ: α at 0, and the less the further z lies below it.",
    },
};

pub(super) const SIGMOID: Curve = Curve {
    notation: Notation::of(&Primitive::smooth("sigmoid")),
    value: &|z: f64, _: &[f64]| math::sigmoid(z),
    derivative: &|_: f64, a: f64, _: &[f64]| a * (1.0 - a),
    equation: Equation {
        symbols: "σ({0})",
        name: "activation: σ(z) = 1 / (1 + e⁻ᶻ)",
        words: "The sigmoid presses every number into the range from 0 to 1.",
    },
    back: Equation {
        symbols: "{dy} ∘ σ′({0})",
        name: ERROR,
        words: "The derivative of the sigmoid is σ′(z) = a (1 − a): at most ¼, and almost 0 where the neuron is saturated, so that little of the error gets through.",
    },
};

pub(super) const TANH: Curve = Curve {
    notation: Notation::of(&Primitive::smooth("tanh")),
    value: &|z: f64, _: &[f64]| libm::tanh(z),
    derivative: &|_: f64, a: f64, _: &[f64]| 1.0 - a * a,
    equation: Equation {
        symbols: "tanh({0})",
        name: "activation: tanh(z)",
        words: "The hyperbolic tangent presses every number into the range from −1 to 1.",
    },
    back: Equation {
        symbols: "{dy} ∘ tanh′({0})",
        name: ERROR,
        words: "The derivative of tanh is tanh′(z) = 1 − a²: 1 in the middle, almost 0 where the neuron is saturated.",
    },
};

pub(super) const SOFTPLUS: Curve = Curve {
    notation: Notation::of(&Primitive::smooth("softplus")),
    value: &|z: f64, _: &[f64]| math::softplus(z),
    derivative: &|z: f64, _: f64, _: &[f64]| math::sigmoid(z),
    equation: Equation {
        symbols: "softplus({0})",
        name: "activation: softplus(z) = log(1 + eᶻ)",
        words: "A relu with its corner rounded off: nearly z where z is large, nearly 0 where it is very negative, and positive everywhere.",
    },
    back: Equation {
        symbols: "{dy} ∘ softplus′({0})",
        name: ERROR,
        words: "The derivative of softplus is the sigmoid: softplus′(z) = 1 / (1 + e⁻ᶻ). Where z is large the error passes, where it is very negative hardly any of it does.",
    },
};

pub(super) const SILU: Curve = Curve {
    notation: Notation::of(&Primitive::smooth("silu")),
    value: &|z: f64, _: &[f64]| z * math::sigmoid(z),
    // 1 − σ(z) as σ(−z), which keeps its digits
    derivative: &|z: f64, _: f64, _: &[f64]| math::sigmoid(z) * (1.0 + z * math::sigmoid(-z)),
    equation: Equation {
        symbols: "silu({0})",
        name: "activation: silu(z) = z σ(z)",
        words: "Every number is weighted with its own sigmoid σ(z) = 1 / (1 + e⁻ᶻ): large ones pass, very negative ones vanish, and in between the curve dips below 0.",
    },
    back: Equation {
        symbols: "{dy} ∘ silu′({0})",
        name: ERROR,
        words: "The derivative of z σ(z) has two parts, one for each factor: silu′(z) = σ(z) + z σ(z) (1 − σ(z)). It is nearly 1 where z is large, nearly 0 where it is very negative, and negative left of the dip.",
    },
};

pub(super) const GELU: Curve = Curve {
    notation: Notation::of(&Primitive::smooth("gelu")),
    value: &|z: f64, _: &[f64]| z * below(z),
    derivative: &|z: f64, _: f64, _: &[f64]| below(z) + z * (libm::exp(-0.5 * z * z) / (2.0 * PI).sqrt()),
    equation: Equation {
        symbols: "gelu({0})",
        name: "activation: gelu(z) = z Φ(z), Φ(z) = ½ (1 + erf(z / √2))",
        words: "Every number is weighted with Φ(z), the chance that a normally distributed number is below it: large ones pass, very negative ones vanish, and in between the curve dips below 0.",
    },
    back: Equation {
        symbols: "{dy} ∘ gelu′({0})",
        name: ERROR,
        words: "The derivative of z Φ(z) has two parts, one for each factor: gelu′(z) = Φ(z) + z φ(z), where φ(z) = e^(−z²/2) / √(2π) is the bell curve, the derivative of Φ.",
    },
};

/// Φ(z) = ½ (1 + erf(z / √2)), through 1 − erf, which keeps its digits where z is negative.
fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(ours: f64, right: f64, what: &str) {
        assert!((ours - right).abs() <= 1e-12 * right.abs(), "{what}: {ours:e}, not {right:e}");
    }

    #[test]
    #[allow(clippy::unreadable_literal, clippy::approx_constant)] // as they were computed, with 60 digits
    fn tails_keep_their_digits() {
        let right = [
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
        for (z, numbers) in right {
            for (curve, pair) in [&SOFTPLUS, &SILU, &GELU].into_iter().zip(numbers.chunks_exact(2)) {
                let a = curve.value.of(z, &[]);
                near(a, pair[0], &format!("{}({z})", curve.notation.function.name));
                near(curve.derivative.of(z, a, &[]), pair[1], &format!("{}′({z})", curve.notation.function.name));
            }
        }
    }

    #[test]
    fn a_curve_has_a_kink_where_its_slope_jumps() {
        let curves: [(&Curve, &[f64]); 8] = [
            (&RELU, &[]),
            (&LEAKY_RELU, &[0.2]),
            (&ELU, &[1.5]),
            (&SIGMOID, &[]),
            (&TANH, &[]),
            (&SOFTPLUS, &[]),
            (&SILU, &[]),
            (&GELU, &[]),
        ];
        for (curve, keys) in curves {
            let [left, right] = [-1e-9, 1e-9].map(|z| curve.derivative.of(z, curve.value.of(z, keys), keys));
            let function = curve.notation.function;
            assert_eq!(function.kink.is_some(), (left - right).abs() > 1e-3, "{}", function.name);
        }
    }

    #[test]
    fn a_derivative_at_a_kink_is_that_of_the_left_side() {
        for (curve, keys, right) in [(&RELU, &[][..], 0.0), (&LEAKY_RELU, &[0.2], 0.2), (&ELU, &[1.5], 1.5)] {
            for zero in [0.0, -0.0] {
                near(curve.derivative.of(zero, zero, keys), right, curve.notation.function.name);
                near(curve.value.of(zero, keys), 0.0, curve.notation.function.name);
            }
        }
    }
}
