//! The elementary functions, such as sin, max and x / y, each with its value, its derivatives and its notation. Functions without a derivative, such as x < y,
//! are in [`step_functions`].
//!
//! Where a derivative jumps (a kink), its value is PyTorch's: relu′(0) = 0 and abs′(0) = 0. If the arguments of min or max are equal, the derivative with
//! respect to each is ½. The values are computed by the library libm, which gives the same bits on every processor.

pub mod guarded;
pub mod step_functions;

use super::math;
use crate::elementary;
use crate::expr::block::{each, each_pair, map};
use crate::expr::{Case, Definition, Expr, Form, Primitive, Relation, Slot};

/// The argument x of a function of one number.
pub const X: Expr = Expr::Arg(0);
/// The value y = f(x), which many derivatives can be computed from: exp′(x) = y.
pub const Y: Expr = Expr::Entry(Slot::Output);
/// 0
pub const ZERO: Expr = Expr::Number(0.0);
/// 1
pub const ONE: Expr = Expr::Number(1.0);
/// ½
pub const HALF: Expr = Expr::Number(0.5);

/// 2
const TWO: Expr = Expr::Number(2.0);

/// Creates a function whose value is computed by the Rust function `value`. `derivatives` are as in [`Primitive::derivatives`].
const fn computed(name: &'static str, value: fn(&[f64]) -> f64, derivatives: &'static [Expr]) -> Primitive {
    Primitive::differentiable(name, Definition::Computed(value), derivatives)
}

/// eˣ; its derivative is eˣ.
pub const EXP: &Primitive = &computed("exp", |x| libm::exp(x[0]), &[Y]).in_blocks(|x, y| map(x, y, elementary::exp)).numpy("np.exp({0})");
/// eˣ − 1, computed without loss of digits near 0.
pub const EXPM1: &Primitive = &computed("expm1", |x| libm::expm1(x[0]), &[Expr::Of(EXP, &[X])])
    .form(Form::Meaning)
    .meaning(&Expr::Sub(&[Expr::Of(EXP, &[X]), ONE]))
    .in_blocks(|x, y| map(x, y, elementary::expm1))
    .numpy("np.expm1({0})");
/// sin x; its derivative is cos x.
pub const SIN: &Primitive = &computed("sin", |x| libm::sin(x[0]), &[Expr::Of(&COS_VALUE, &[X])]).numpy("np.sin({0})");
/// cos x; its derivative is −sin x.
pub const COS: &Primitive = &Primitive { derivatives: &[Expr::Neg(&Expr::Of(SIN, &[X]))], ..COS_VALUE };
/// cos x without its derivative. The derivative of `SIN` refers to this constant and not to `COS`, because `COS` refers to `SIN`, and a cycle of constants is
/// not possible.
const COS_VALUE: Primitive = computed("cos", |x| libm::cos(x[0]), &[]).numpy("np.cos({0})");
/// tan x; its derivative is 1 + tan² x.
pub const TAN: &Primitive = &computed("tan", |x| libm::tan(x[0]), &[Expr::Add(&[ONE, Expr::Mul(&[Y, Y])])]).numpy("np.tan({0})");
/// The hyperbolic tangent y; its derivative is 1 − y².
pub const TANH: &Primitive = &computed("tanh", |x| libm::tanh(x[0]), &[Expr::Sub(&[ONE, Expr::Mul(&[Y, Y])])])
    .in_blocks(|x, y| map(x, y, elementary::tanh))
    .numpy("np.tanh({0})");
/// The sigmoid y = 1 / (1 + e⁻ˣ); its derivative is y (1 − y).
pub const SIGMOID: &Primitive = &computed("sigmoid", |x| math::sigmoid(x[0]), &[Expr::Mul(&[Y, Expr::Sub(&[ONE, Y])])])
    .in_blocks(|x, y| map(x, y, math::sigmoids))
    .symbol("σ")
    .meaning(&Expr::Div(&[ONE, Expr::Add(&[ONE, Expr::Of(EXP, &[Expr::Neg(&X)])])]));
/// max(0, x); its derivative is 1 if x > 0, else 0.
///
/// ```
/// assert_eq!(gradstep::op::functions::RELU.derivative(0, &[-2.0], 0.0), Some(0.0));
/// ```
pub const RELU: &Primitive = &Primitive::differentiable(
    "relu",
    Definition::Expr(&Expr::Cases(&[Case { left: X, is: Relation::AtMost, right: ZERO, value: ZERO }], &X)),
    &[Expr::Cases(&[Case { left: X, is: Relation::AtMost, right: ZERO, value: Expr::ClosedGate }], &ONE)],
);
/// The sign of x: 1, 0 or −1.
pub const SIGN: Expr = Expr::Cases(
    &[
        Case { left: X, is: Relation::Greater, right: ZERO, value: ONE },
        Case { left: X, is: Relation::Less, right: ZERO, value: Expr::Number(-1.0) },
    ],
    &ZERO,
);
/// |x|; its derivative is the sign of x, with 0 at 0.
pub const ABS: &Primitive =
    &computed("abs", |x| x[0].abs(), &[SIGN]).form(Form::Bars).in_blocks(|x, y| each(x[0], y, f64::abs)).numpy("np.abs({0})");
/// log(1 + eˣ), accurate for all x; its derivative is the sigmoid.
pub const SOFTPLUS: &Primitive = &computed("softplus", |x| math::softplus(x[0]), &[Expr::Of(SIGMOID, &[X])])
    .in_blocks(|x, y| map(x, y, math::softpluses))
    .meaning(&Expr::Of(crate::expr::LOG, &[Expr::Add(&[ONE, Expr::Of(EXP, &[X])])]));
/// Φ(x) = ½ (1 + erf(x / √2)), the standard normal distribution function, accurate for negative x too; its derivative is φ.
pub const NORMAL_CDF: &Primitive = &computed("normal_cdf", |x| math::normal_cdf(x[0]), &[Expr::Of(NORMAL_PDF, &[X])])
    .in_blocks(|x, y| map(x, y, math::normal_cdfs))
    .symbol("Φ");
/// φ(x) = exp(−x²/2) / √(2π), the standard normal density. It has no derivative, because it only occurs in derivatives itself.
pub const NORMAL_PDF: &Primitive =
    &computed("normal_pdf", |x| math::normal_pdf(x[0]), &[]).in_blocks(|x, y| map(x, y, math::normal_pdfs)).symbol("φ");

/// x²; its derivative is 2x.
pub const SQUARE: &Primitive = &Primitive::differentiable("square", Definition::Expr(&Expr::Square(&X)), &[Expr::Mul(&[TWO, X])]);
/// 1/x; its derivative is −y², where y is the value.
pub const RECIPROCAL: &Primitive =
    &Primitive::differentiable("reciprocal", Definition::Expr(&Expr::Div(&[ONE, X])), &[Expr::Neg(&Expr::Mul(&[Y, Y]))]);
/// 1/√x; its derivative is −½ y³, where y is the value.
pub const RSQRT: &Primitive = &Primitive::differentiable(
    "rsqrt",
    Definition::Expr(&Expr::Div(&[ONE, Expr::Of(crate::expr::SQRT, &[X])])),
    &[Expr::Mul(&[Expr::Mul(&[Expr::Mul(&[Expr::Number(-0.5), Y]), Y]), Y])],
);
/// log(1 + x), accurate near 0; its derivative is 1 / (1 + x).
pub const LOG1P: &Primitive = &computed("log1p", |x| libm::log1p(x[0]), &[Expr::Div(&[ONE, Expr::Add(&[ONE, X])])])
    .meaning(&Expr::Of(crate::expr::LOG, &[Expr::Add(&[ONE, X])]))
    .numpy("np.log1p({0})");
/// The error function; its derivative is 2/√π · exp(−x²).
pub const ERF: &Primitive = &computed(
    "erf",
    |x| libm::erf(x[0]),
    &[Expr::Mul(&[
        Expr::Div(&[TWO, Expr::Of(crate::expr::SQRT, &[Expr::Number(std::f64::consts::PI)])]),
        Expr::Of(EXP, &[Expr::Neg(&Expr::Square(&X))]),
    ])],
)
.in_blocks(|x, y| map(x, y, elementary::erf));
/// log σ(x) = −softplus(−x); its derivative is σ(−x).
pub const LOGSIGMOID: &Primitive = &computed("logsigmoid", |x| -math::softplus(-x[0]), &[Expr::Of(SIGMOID, &[Expr::Neg(&X)])])
    .meaning(&Expr::Of(crate::expr::LOG, &[Expr::Of(SIGMOID, &[X])]));
/// x σ(x), where σ is the sigmoid; its derivative is σ(x) (1 + x σ(−x)).
pub const SILU: &Primitive = &Primitive::differentiable(
    "silu",
    Definition::Expr(&Expr::Mul(&[X, Expr::Of(SIGMOID, &[X])])),
    &[Expr::Mul(&[Expr::Of(SIGMOID, &[X]), Expr::Add(&[ONE, Expr::Mul(&[X, Expr::Of(SIGMOID, &[Expr::Neg(&X)])])])])],
);
/// x Φ(x); its derivative is Φ(x) + x φ(x).
pub const GELU: &Primitive = &Primitive::differentiable(
    "gelu",
    Definition::Expr(&Expr::Mul(&[X, Expr::Of(NORMAL_CDF, &[X])])),
    &[Expr::Add(&[Expr::Of(NORMAL_CDF, &[X]), Expr::Mul(&[X, Expr::Of(NORMAL_PDF, &[X])])])],
);
/// ½ x (1 + tanh u) with u = √(2/π) (x + 0.044715 x³), which is nearly x Φ(x). Its derivative is ½ (1 + tanh u) + ½ x (1 − tanh² u) u′.
pub const GELU_TANH: &Primitive = &Primitive::differentiable(
    "gelu_tanh",
    Definition::Expr(&Expr::Mul(&[Expr::Mul(&[HALF, X]), Expr::Add(&[ONE, TANH_U])])),
    &[Expr::Add(&[
        Expr::Mul(&[HALF, Expr::Add(&[ONE, TANH_U])]),
        Expr::Mul(&[Expr::Mul(&[Expr::Mul(&[HALF, X]), Expr::Sub(&[ONE, Expr::Square(&TANH_U)])]), U_PRIME]),
    ])],
);
/// √(2/π)
const ROOT_2_BY_PI: Expr = Expr::Of(crate::expr::SQRT, &[Expr::Div(&[TWO, Expr::Number(std::f64::consts::PI)])]);
/// 0.044715, the coefficient of x³ in the argument of tanh.
const CUBIC: Expr = Expr::Number(0.044_715);
const TANH_U: Expr = Expr::Of(TANH, &[Expr::Mul(&[ROOT_2_BY_PI, Expr::Add(&[X, Expr::Mul(&[Expr::Mul(&[CUBIC, X]), Expr::Square(&X)])])])]);
const U_PRIME: Expr = Expr::Mul(&[ROOT_2_BY_PI, Expr::Add(&[ONE, Expr::Mul(&[Expr::Number(3.0 * 0.044_715), Expr::Square(&X)])])]);
/// x if x > 0, else s x; its derivative is 1 or s. The derivative with respect to s is 0 or x.
pub const LEAKY_RELU: &Primitive = &Primitive::differentiable(
    "leaky_relu",
    Definition::Expr(&Expr::Cases(&[if_positive(X)], &Expr::Mul(&[SECOND, X]))),
    &[Expr::Cases(&[if_positive(ONE)], &SECOND), Expr::Cases(&[if_positive(Expr::ClosedGate)], &X)],
)
.arguments(&["z", "s"]);
/// x if x > 0, else α (eˣ − 1); its derivative is 1 or α eˣ. The derivative with respect to α is 0 or eˣ − 1.
pub const ELU: &Primitive = &Primitive::differentiable(
    "elu",
    Definition::Expr(&Expr::Cases(&[if_positive(X)], &Expr::Mul(&[SECOND, Expr::Of(EXPM1, &[X])]))),
    &[
        Expr::Cases(&[if_positive(ONE)], &Expr::Mul(&[SECOND, Expr::Of(EXP, &[X])])),
        Expr::Cases(&[if_positive(Expr::ClosedGate)], &Expr::Of(EXPM1, &[X])),
    ],
)
.arguments(&["z", "α"]);
/// The second argument: a parameter of the function.
const SECOND: Expr = Expr::Arg(1);
/// The third argument.
const THIRD: Expr = Expr::Arg(2);

/// Creates a case that applies if `left` and `right` are in the relation `is`.
const fn case(left: Expr, is: Relation, right: Expr, value: Expr) -> Case {
    Case { left, is, right, value }
}

/// Creates a case that applies if x > 0.
const fn if_positive(value: Expr) -> Case {
    case(X, Relation::Greater, ZERO, value)
}

/// Creates a derivative that is 1 in these cases. In all other cases it is a closed gate ([`Expr::ClosedGate`]): nothing passes back.
const fn open_if(cases: &'static [Case]) -> Expr {
    Expr::Cases(cases, &Expr::ClosedGate)
}

/// min(max(x, low), high). Its derivative is 1 between the bounds, and 0 beyond them and at them. If x is at or beyond a bound, the derivative with respect to
/// that bound is 1. If low ≥ high, the value is high for every x, so only the derivative with respect to high is 1.
pub const CLAMP: &Primitive = &Primitive::differentiable(
    "clamp",
    Definition::Expr(&Expr::Of(MIN, &[Expr::Of(MAX, &[X, SECOND]), THIRD])),
    &[
        open_if(&[case(X, Relation::Greater, SECOND, open_if(&[case(X, Relation::Less, THIRD, ONE)]))]),
        open_if(&[case(X, Relation::AtMost, SECOND, open_if(&[case(SECOND, Relation::Less, THIRD, ONE)]))]),
        open_if(&[case(X, Relation::AtLeast, THIRD, ONE), case(SECOND, Relation::AtLeast, THIRD, ONE)]),
    ],
)
.arguments(&["z", "min", "max"]);
/// max(x, low), with the derivatives of [`CLAMP`].
pub const CLAMP_MIN: &Primitive = &Primitive::differentiable(
    "clamp_min",
    Definition::Expr(&Expr::Of(MAX, &[X, SECOND])),
    &[open_if(&[case(X, Relation::Greater, SECOND, ONE)]), open_if(&[case(X, Relation::AtMost, SECOND, ONE)])],
)
.arguments(&["z", "min"]);
/// min(x, high), with the derivatives of [`CLAMP`].
pub const CLAMP_MAX: &Primitive = &Primitive::differentiable(
    "clamp_max",
    Definition::Expr(&Expr::Of(MIN, &[X, SECOND])),
    &[open_if(&[case(X, Relation::Less, SECOND, ONE)]), open_if(&[case(X, Relation::AtLeast, SECOND, ONE)])],
)
.arguments(&["z", "max"]);

/// a / b; its derivatives are 1/b and −(a/b)/b. The second is not computed as −a/(b·b), because b·b can overflow or underflow although the derivative does
/// not.
pub const QUOTIENT: &Primitive =
    &Primitive::differentiable("/", Definition::Expr(&RATIO), &[Expr::Div(&[ONE, B]), Expr::Div(&[Expr::Neg(&RATIO), B])])
        .form(Form::Infix)
        .arguments(&["a", "b"])
        .meaning(&RATIO);
const RATIO: Expr = Expr::Div(&[A, B]);
/// aᵇ. The derivative with respect to a is b aᵇ⁻¹; for b = 0 it is a closed gate, because a⁰ = 1 for all a. The derivative with respect to b is aᵇ log a; for
/// a = 0 and b ≥ 0 it is 0.
///
/// ```
/// assert_eq!(gradstep::op::functions::POWER.derivative(0, &[3.0, 2.0], 9.0), Some(6.0));
/// ```
pub const POWER: &Primitive = &Primitive {
    derivatives: &[
        Expr::Cases(
            &[Case { left: B, is: Relation::Equal, right: ZERO, value: Expr::ClosedGate }],
            &Expr::Mul(&[B, Expr::Of(&POWER_VALUE, &[A, Expr::Sub(&[B, ONE])])]),
        ),
        Expr::Cases(&[Case { left: A, is: Relation::Equal, right: ZERO, value: POWER_OF_0 }], &POWER_BY_EXPONENT),
    ],
    ..POWER_VALUE
};
/// aᵇ without its derivatives. The derivatives of `POWER` refer to this constant, because a constant cannot refer to itself.
const POWER_VALUE: Primitive = computed("^", |x| libm::pow(x[0], x[1]), &[])
    .form(Form::Power)
    .arguments(&["a", "b"])
    .smooth()
    .in_blocks(|x, y| {
        y.copy_from_slice(x[0]);
        elementary::pow(y, x[1]);
    })
    .numpy("{0}**{1}");
/// aᵇ log a, the derivative of aᵇ with respect to b, except for a = 0 and b ≥ 0.
const POWER_BY_EXPONENT: Expr = Expr::Mul(&[Y, Expr::Of(crate::expr::LOG, &[A])]);
/// The derivative of aᵇ with respect to b for a = 0.
const POWER_OF_0: Expr = Expr::Cases(&[Case { left: B, is: Relation::AtLeast, right: ZERO, value: ZERO }], &POWER_BY_EXPONENT);

/// A filter rotated by 180°.
pub const ROT180: &Primitive = &Primitive::new("rot180");
/// An image whose entries are moved apart by the stride, with empty places between them.
pub const SPREAD: &Primitive = &Primitive::new("spread");
/// The entries of a tensor as one vector, in row-major order.
pub const VEC: &Primitive = &Primitive::new("vec");
/// The inverse of `vec`.
pub const UNVEC: &Primitive = &Primitive::new("unvec");

/// The cases of the derivative of min or max with respect to the argument `own`. If both arguments are equal, it is ½. If `own` and `other` are in the relation
/// `loses_if`, the function returns `other`, and the derivative is a closed gate. In all other cases the derivative is 1, also if an argument is NaN.
const fn tie_cases(own: Expr, other: Expr, loses_if: Relation) -> [Case; 2] {
    [
        Case { left: own, is: Relation::Equal, right: other, value: HALF },
        Case { left: own, is: loses_if, right: other, value: Expr::ClosedGate },
    ]
}

/// The first argument of a function of two numbers.
const A: Expr = Expr::Arg(0);
/// The second argument of a function of two numbers.
const B: Expr = Expr::Arg(1);
/// The cases of the derivatives of min, with respect to a and to b.
const MIN_CASES: [[Case; 2]; 2] = [tie_cases(A, B, Relation::Greater), tie_cases(B, A, Relation::Greater)];
/// The cases of the derivatives of max, with respect to a and to b.
const MAX_CASES: [[Case; 2]; 2] = [tie_cases(A, B, Relation::Less), tie_cases(B, A, Relation::Less)];

/// The smaller of two numbers; NaN if one of them is NaN.
pub const MIN: &Primitive = &computed(
    "min",
    |x| if x[0].is_nan() || x[0] < x[1] { x[0] } else { x[1] },
    &[Expr::Cases(&MIN_CASES[0], &ONE), Expr::Cases(&MIN_CASES[1], &ONE)],
)
.in_blocks(|x, y| each_pair(x[0], x[1], y, |a, b| if a.is_nan() || a < b { a } else { b }))
.form(Form::Call)
.arguments(&["a", "b"])
.numpy("np.minimum({0}, {1})");
/// The larger of two numbers; NaN if one of them is NaN.
pub const MAX: &Primitive = &computed(
    "max",
    |x| if x[0].is_nan() || x[0] > x[1] { x[0] } else { x[1] },
    &[Expr::Cases(&MAX_CASES[0], &ONE), Expr::Cases(&MAX_CASES[1], &ONE)],
)
.in_blocks(|x, y| each_pair(x[0], x[1], y, |a, b| if a.is_nan() || a > b { a } else { b }))
.form(Form::Call)
.arguments(&["a", "b"])
.numpy("np.maximum({0}, {1})");

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_precision_loss, clippy::cast_sign_loss)] // small whole numbers

    use super::*;
    use crate::expr::block::BLOCK;
    use crate::expr::{LOG, SQRT};
    use crate::op::activation::ACTIVATIONS;
    use crate::op::operator::FUNCTIONS;

    /// All functions that have a derivative. Each comes with values for its parameters, which are its second and further
    /// arguments.
    fn differentiable() -> Vec<(&'static Primitive, Vec<f64>)> {
        let activations =
            ACTIVATIONS.iter().filter_map(|row| Some((row.primitive?, row.keys.iter().map(|(_, default)| *default).collect())));
        let functions = FUNCTIONS.iter().map(|row| (row.function, [0.25, 1.75][..row.function.derivatives.len() - 1].to_vec()));
        activations.chain(functions).chain([(EXPM1, vec![]), (NORMAL_CDF, vec![]), (QUOTIENT, vec![0.7]), (POWER, vec![1.5])]).collect()
    }

    #[test]
    fn every_derivative_agrees_with_a_difference_quotient() {
        let all = differentiable();
        // a mistake in the list must not make this test empty
        assert!(all.len() > 20 && [LOG, SQRT, RELU].iter().all(|function| all.iter().any(|(other, _)| other == function)));
        for (function, parameters) in all {
            for x in [-4.1, -2.3, -0.7, -0.1, 0.31, 0.9, 2.2, 3.7] {
                let mut arguments = vec![x];
                arguments.extend(&parameters);
                let value = |arguments: &[f64]| function.value(arguments).expect("a function of numbers");
                let y = value(&arguments);
                for argument in 0..function.derivatives.len() {
                    let value_moved_by = |h: f64| {
                        let mut moved = arguments.clone();
                        moved[argument] += h;
                        value(&moved)
                    };
                    let slope = (value_moved_by(1e-6) - value_moved_by(-1e-6)) / 2e-6;
                    let derivative = function.derivative(argument, &arguments, y).expect("a derivative");
                    // log, √ and some powers have no value for x < 0
                    let agrees = y.is_nan() || (slope - derivative).abs() <= 1e-7 * derivative.abs().max(1.0);
                    assert!(agrees, "{function:?}{arguments:?} by argument {argument}: {derivative}, but the slope is {slope}");
                }
            }
        }
    }

    #[test]
    fn derivatives_jump_only_where_two_pieces_meet() {
        for (function, parameters) in differentiable() {
            let arguments_at = |x: f64| [vec![x], parameters.clone()].concat();
            for n in -1000..1000_i32 {
                let x = f64::from(n) / 200.0;
                let slope = |x: f64| {
                    let arguments = arguments_at(x);
                    function.derivative(0, &arguments, function.value(&arguments).unwrap_or(f64::NAN)).expect("a derivative")
                };
                let jumps = (slope(x - 1e-9) - slope(x + 1e-9)).abs() > 1e-3;
                // near a pole the derivative of tan, log or √x changes by as much as at a kink
                let is_near_pole = slope(x - 1e-9).abs() >= 1e3 || slope(x + 1e-9).abs() >= 1e3;
                let is_tie = function.pieces().is_some_and(|pieces| pieces.is_tie(&arguments_at(x)));
                assert!(!jumps || is_near_pole || is_tie, "{function:?} has a kink at {x}, but no two pieces meet there");
            }
        }
    }

    #[test]
    fn the_meaning_and_the_computation_give_the_same_value() {
        for (function, parameters) in differentiable() {
            let Some(meaning) = function.meaning else { continue };
            for x in [-1.3, -0.4, 0.2, 1.9] {
                let arguments = [vec![x], parameters.clone()].concat();
                let (value, by_meaning) = (function.value(&arguments).expect("a value"), meaning.value_at(&arguments).expect("a value"));
                // log(1 + x) has no value for x < −1
                assert!(
                    value.is_nan() && by_meaning.is_nan() || (value - by_meaning).abs() <= 1e-14 * value.abs().max(1.0),
                    "{function:?}({x}): {value}, but {by_meaning}"
                );
            }
        }
    }

    #[test]
    fn a_block_has_the_bits_of_single_values() {
        let bits = |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
        let special = [0.0, -0.0, 1.0, -1.0, 1e-310, -1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 20.0, -38.9, 0.5];
        for (function, parameters) in differentiable() {
            for seed in 0..40_i32 {
                let count = [1, 7, 32, BLOCK][seed as usize % 4];
                // the numbers of an argument for all entries
                let numbers = |argument: usize| -> Vec<f64> {
                    let number = |n: usize| {
                        let place = n + 7 * argument;
                        let wave = (f64::from(seed) + place as f64 * 0.37).sin() * 4.0;
                        if seed % 3 == 0 && place.is_multiple_of(5) { special[(place / 5 + seed as usize) % special.len()] } else { wave }
                    };
                    (0..count).map(number).collect()
                };
                // for even seeds, the parameters are the same for all entries
                let mut blocks = vec![numbers(0)];
                blocks.extend((1..=parameters.len()).map(|n| if seed % 2 == 0 { vec![parameters[n - 1]; count] } else { numbers(n) }));
                let arguments: Vec<&[f64]> = blocks.iter().map(Vec::as_slice).collect();
                let (mut values, mut derivatives) = (vec![0.0; count], vec![0.0; count]);
                function.block(&arguments, &mut values).expect("a function of numbers");
                let arguments_of = |n: usize| -> Vec<f64> { blocks.iter().map(|block| block[n]).collect() };
                for (n, value) in values.iter().copied().enumerate() {
                    let expected = function.value(&arguments_of(n)).expect("a value");
                    assert_eq!(bits(value), bits(expected), "{function:?}{:?}: {value:e}, not {expected:e}", arguments_of(n));
                }
                for argument in 0..function.derivatives.len() {
                    function.derivative_block(argument, &arguments, &values, &mut derivatives).expect("a derivative");
                    for (n, derivative) in derivatives.iter().copied().enumerate() {
                        let expected = function.derivative(argument, &arguments_of(n), values[n]).expect("a derivative");
                        assert_eq!(
                            bits(derivative),
                            bits(expected),
                            "{function:?}{:?} by {argument}: {derivative:e}, not {expected:e}",
                            arguments_of(n)
                        );
                    }
                }
            }
        }
    }
}
