//! The operators and functions of the expression language. A new function is a row of [`FUNCTIONS`].

use std::fmt;

use super::functions::{self, POWER, QUOTIENT};
use super::slot::Slot::{Input, Output, Upstream};
use crate::expr::{Expr, LOG, Primitive, SQRT};

/// What an operation does with its operands.
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
    /// a itself
    Copy,
    /// A function of its operands.
    Call(&'static Named),
}

impl Operator {
    /// a / b
    pub const DIV: Self = Self::Call(&DIVISION);
    /// aᵇ
    pub const POW: Self = Self::Call(&RAISING);
}

/// A function with the words about its derivative.
pub struct Named {
    /// The function.
    pub function: &'static Primitive,
    /// g′ of the first operand, as a factor; for a function with one derivative.
    pub(super) prime: Expr,
    /// Explanation of the derivative.
    pub(super) words: &'static str,
    /// For each operand, its derivative as a quotient, where there is one.
    pub(super) quotients: &'static [Option<Quotient>],
}

/// ∂C/∂v · ∂v/∂u as one quotient. It stays finite where ∂v/∂u overflows or underflows and the product does not: 1/b is infinite for b = 1e−310, but 1e−20 / b
/// is 1e290.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quotient {
    /// The dividend, in the operands of the derivative: ∂C/∂v alone, or times something.
    pub dividend: Expr,
    /// The dividend where the second operand is a number of the graph's text.
    pub with_constant: Expr,
    /// The operand that divides.
    pub by: usize,
}

impl Named {
    /// A function with the words about its derivative.
    pub(super) const fn new(function: &'static Primitive, words: &'static str) -> Self {
        Self { function, prime: Expr::Prime(function, &[Expr::Entry(Input(0))]), words, quotients: &[] }
    }

    const fn quotients(self, quotients: &'static [Option<Quotient>]) -> Self {
        Self { quotients, ..self }
    }

    /// The name.
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

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.name(), f)
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function
    }
}

/// ∂C/∂v, as the dividend of a quotient.
const ARRIVING: Expr = Expr::Entry(Upstream);
/// ∂C/∂v · v
const MOVED: Expr = Expr::Mul(&[ARRIVING, Expr::Entry(Output)]);

const fn quotient(dividend: Expr, by: usize) -> Option<Quotient> {
    Some(Quotient { dividend, with_constant: dividend, by })
}

/// ∂C/∂v / b, and −∂C/∂v · v / b.
const DIVISION: Named = Named::new(QUOTIENT, "For v = a / b: ∂v/∂a = 1/b and ∂v/∂b = −(a/b)/b.")
    .quotients(&[quotient(ARRIVING, 1), quotient(Expr::Neg(&MOVED), 1)]);
/// b · ∂C/∂v · v / a
const RAISING: Named = Named::new(POWER, "For v = aᵇ: ∂v/∂a = b aᵇ⁻¹ and ∂v/∂b = aᵇ log a.").quotients(&[
    Some(Quotient { dividend: Expr::Mul(&[Expr::Entry(Input(1)), MOVED]), with_constant: Expr::Mul(&[Expr::Name("b"), MOVED]), by: 0 }),
    None,
]);

/// All functions of the expression language.
#[rustfmt::skip]
pub const FUNCTIONS: &[Named] = &[
    Named::new(functions::EXP, "The exponential function is its own derivative."),
    // ∂C/∂v / x
    Named::new(LOG, "The derivative of log x is 1/x.").quotients(&[quotient(ARRIVING, 0)]),
    Named::new(SQRT, "The derivative of √x is 1 / (2 √x)."),
    Named::new(functions::SIN, "The derivative of sin x is cos x."),
    Named::new(functions::COS, "The derivative of cos x is −sin x."),
    Named::new(functions::TAN, "The derivative of tan x is 1 + tan² x."),
    Named::new(functions::TANH, "The derivative of tanh x is 1 − tanh² x."),
    Named::new(functions::SIGMOID, "The derivative of the sigmoid y is y (1 − y)."),
    Named::new(functions::RELU, "The derivative of relu is 1 where x is positive, else 0 (at 0 too)."),
    Named::new(functions::ABS, "The derivative of |x| is the sign of x, and 0 at 0."),
    Named::new(functions::MIN, "The smaller argument passes the derivative on, the other gets 0; equal ones share it, half each; where one is NaN each gets it whole."),
    Named::new(functions::MAX, "The larger argument passes the derivative on, the other gets 0; equal ones share it, half each; where one is NaN each gets it whole."),
];

/// The function of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Named> {
    FUNCTIONS.iter().find(|function| function.name() == name)
}
