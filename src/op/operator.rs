//! The operators and functions that a formula of a scalar graph may contain, such as `v = max(a, 0) / b`. A new function is a row of [`FUNCTIONS`].
//!
//! In the comments v is the value of an operation, u one of its operands, and C the output of the graph.

use std::fmt;

use super::functions::{self, POWER, QUOTIENT};
use super::slot::Slot::{Input, Output, Upstream};
use crate::expr::{Expr, LOG, Primitive, SQRT};

/// The operator of one node of a graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operator {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a · b
    Mul,
    /// −a
    Neg,
    /// a
    Copy,
    /// f(a) or f(a, b); also a / b and aᵇ.
    Call(&'static NamedFunction),
}

impl Operator {
    /// a / b
    pub const DIV: Self = Self::Call(&DIVIDE);
    /// aᵇ
    pub const POW: Self = Self::Call(&RAISE);
}

/// A function that formulas may call, with the explanation of its derivative.
pub struct NamedFunction {
    /// The function.
    pub function: &'static Primitive,
    /// The derivative f′(a) as an expression; only used for a function of one argument.
    pub(super) prime: Expr,
    /// Explanation of the derivative.
    pub(super) words: &'static str,
    /// For each operand u, ∂C/∂v · ∂v/∂u as a single quotient; `None` if this product is not a quotient. The list is empty if no product is a quotient.
    pub(super) quotients: &'static [Option<Quotient>],
}

/// ∂C/∂v · ∂v/∂u as a single quotient. Computed in this way, it can be finite although ∂v/∂u alone overflows or underflows.
///
/// For v = a / b with b = 1e−310 and ∂C/∂v = 1e−20, ∂v/∂a = 1/b is infinite, but the quotient 1e−20 / b is 1e290.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quotient {
    /// The dividend: ∂C/∂v, or a product of ∂C/∂v with v and operands. In this expression, `Input(n)` is operand n.
    pub dividend: Expr,
    /// The dividend as it is printed if the second operand is a constant in the formula, such as the 3 in x^3. A constant has no slot, so this expression
    /// calls the constant b.
    pub with_constant: Expr,
    /// The number of the operand that is the divisor, from 0.
    pub divisor: usize,
}

impl NamedFunction {
    /// A function with the explanation of its derivative.
    pub(super) const fn new(function: &'static Primitive, words: &'static str) -> Self {
        Self { function, prime: Expr::Prime(function, &[Expr::Entry(Input(0))]), words, quotients: &[] }
    }

    /// The same function with quotients for its derivatives.
    const fn quotients(self, quotients: &'static [Option<Quotient>]) -> Self {
        Self { quotients, ..self }
    }

    /// The name in formulas: `relu`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.function.name
    }

    /// The number of arguments.
    #[must_use]
    pub fn arity(&self) -> usize {
        self.function.derivatives.len()
    }
}

impl fmt::Debug for NamedFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.name(), f)
    }
}

impl PartialEq for NamedFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function
    }
}

/// ∂C/∂v, as the dividend of a quotient.
const UPSTREAM: Expr = Expr::Entry(Upstream);
/// ∂C/∂v · v
const UPSTREAM_TIMES_VALUE: Expr = Expr::Mul(&[UPSTREAM, Expr::Entry(Output)]);

/// The quotient of `dividend` and the operand with the number `divisor`.
const fn quotient(dividend: Expr, divisor: usize) -> Quotient {
    Quotient { dividend, with_constant: dividend, divisor }
}

/// v = a / b. ∂C/∂a is the quotient ∂C/∂v / b, and ∂C/∂b is the quotient (−∂C/∂v · v) / b.
const DIVIDE: NamedFunction = NamedFunction::new(QUOTIENT, "For v = a / b: ∂v/∂a = 1/b and ∂v/∂b = −(a/b)/b.")
    .quotients(&[Some(quotient(UPSTREAM, 1)), Some(quotient(Expr::Neg(&UPSTREAM_TIMES_VALUE), 1))]);
/// v = aᵇ. ∂C/∂a is the quotient (b · ∂C/∂v · v) / a; ∂C/∂b is not a quotient.
const RAISE: NamedFunction = NamedFunction::new(POWER, "For v = aᵇ: ∂v/∂a = b aᵇ⁻¹ and ∂v/∂b = aᵇ log a.").quotients(&[
    Some(Quotient {
        dividend: Expr::Mul(&[Expr::Entry(Input(1)), UPSTREAM_TIMES_VALUE]),
        with_constant: Expr::Mul(&[Expr::Name("b"), UPSTREAM_TIMES_VALUE]),
        divisor: 0,
    }),
    None,
]);

/// The functions that a formula may call.
#[rustfmt::skip]
pub const FUNCTIONS: &[NamedFunction] = &[
    NamedFunction::new(functions::EXP, "The exponential function is its own derivative."),
    // for v = log x, ∂C/∂x is the quotient ∂C/∂v / x
    NamedFunction::new(LOG, "The derivative of log x is 1/x.").quotients(&[Some(quotient(UPSTREAM, 0))]),
    NamedFunction::new(SQRT, "The derivative of √x is 1 / (2 √x)."),
    NamedFunction::new(functions::SIN, "The derivative of sin x is cos x."),
    NamedFunction::new(functions::COS, "The derivative of cos x is −sin x."),
    NamedFunction::new(functions::TAN, "The derivative of tan x is 1 + tan² x."),
    NamedFunction::new(functions::TANH, "The derivative of tanh x is 1 − tanh² x."),
    NamedFunction::new(functions::SIGMOID, "The derivative of the sigmoid σ(x) is σ(x) (1 − σ(x))."),
    NamedFunction::new(functions::RELU, "The derivative of relu is 1 where x is positive, else 0 (also at 0)."),
    NamedFunction::new(functions::ABS, "The derivative of |x| is the sign of x, and 0 at 0."),
    NamedFunction::new(functions::MIN, "The smaller argument gets the whole derivative, the other 0. If both are equal, each gets half; if one is NaN, each gets the whole."),
    NamedFunction::new(functions::MAX, "The larger argument gets the whole derivative, the other 0. If both are equal, each gets half; if one is NaN, each gets the whole."),
];

/// Finds a function by its name in formulas.
///
/// ```
/// assert_eq!(gradstep::op::operator::find("max").map(|max| max.arity()), Some(2));
/// ```
#[must_use]
pub fn find(name: &str) -> Option<&'static NamedFunction> {
    FUNCTIONS.iter().find(|function| function.name() == name)
}
