//! Functions whose derivatives are guarded: where the usual formula overflows or has no value, they have another value. Functions of graphs, such as `norm`,
//! are built from them.

use super::{A, B, MAX, ONE, X, Y, ZERO, computed};
use crate::expr::{Case, Expr, Form, LOG, Primitive, Relation};

/// √x, where x is a sum or a mean of squares. Its derivative is that of √x, but for x = 0, where all squares are 0, it is a closed gate
/// ([`Expr::ClosedGate`]). So the derivatives of the norm of zeros, and of the standard deviation of equal numbers, are 0, as in PyTorch.
///
/// ```
/// assert_eq!(gradstep::op::functions::guarded::ROOT_OF_SQUARES.derivative(0, &[0.0], 0.0), Some(0.0));
/// ```
pub const ROOT_OF_SQUARES: &Primitive = &Primitive {
    derivatives: &[Expr::Cases(
        &[Case { left: X, is: Relation::Equal, right: ZERO, value: Expr::ClosedGate }],
        &Expr::Div(&[ONE, Expr::Mul(&[Expr::Number(2.0), Y])]),
    )],
    ..ROOT_VALUE
};
/// √x without its derivative.
const ROOT_VALUE: Primitive = computed("root_of_squares", |x| x[0].sqrt(), &[]).symbol("√").form(Form::Root).numpy("np.sqrt({0})");

/// PyTorch's smallest denominator in the derivative of the binary cross-entropy: 10⁻¹², rounded to 32 bits.
const EPSILON: f64 = 1e-12_f32 as f64;
/// 1 − a
const ONE_MINUS_A: Expr = Expr::Sub(&[ONE, A]);

/// The arguments of max in max(log x, −100), where `of` is x.
const fn bounded_log(of: &'static [Expr; 1]) -> [Expr; 2] {
    [Expr::Of(LOG, of), Expr::Number(-100.0)]
}

/// −(t log a + (1 − t) log(1 − a)), the binary cross-entropy of a probability a and a target t. A logarithm below −100 is replaced by −100. As in PyTorch, the
/// derivative with respect to a is (a − t) / max(a (1 − a), 10⁻¹²).
pub const BINARY_CROSS_ENTROPY: &Primitive = &computed(
    "binary_cross_entropy",
    |x| -(x[1] * libm::log(x[0]).max(-100.0) + (1.0 - x[1]) * libm::log1p(-x[0]).max(-100.0)),
    &[
        Expr::Div(&[Expr::Sub(&[A, B]), Expr::Of(MAX, &[Expr::Mul(&[A, ONE_MINUS_A]), Expr::Number(EPSILON)])]),
        Expr::Sub(&[Expr::Of(MAX, &bounded_log(&[ONE_MINUS_A])), Expr::Of(MAX, &bounded_log(&[A]))]),
    ],
)
.form(Form::Call)
.arguments(&["a", "t"])
.smooth();
