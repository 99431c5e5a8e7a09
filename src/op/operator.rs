//! The operators and functions that a formula of a graph may contain, such as `v = max(a, 0) / b`. A new function is a row of [`FUNCTIONS`], or of
//! [`STEP_FUNCTIONS`] if it has no derivative.
//!
//! In the comments v is the value of an operation, u one of its operands, and C the output of the graph.

use std::fmt;

use super::functions::{self, POWER, QUOTIENT, guarded, step_functions};
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
    /// f(a), f(a, b) or f(a, b, c); also a / b and aᵇ.
    Call(&'static NamedFunction),
}

impl Operator {
    /// a / b
    pub const DIV: Self = Self::Call(&DIVIDE);
    /// aᵇ
    pub const POW: Self = Self::Call(&RAISE);

    /// The number of operands.
    #[must_use]
    pub fn arity(self) -> usize {
        match self {
            Self::Add | Self::Sub | Self::Mul => 2,
            Self::Neg | Self::Copy => 1,
            Self::Call(called) => called.arity(),
        }
    }
}

/// A function that formulas may call, with the explanation of its derivative.
pub struct NamedFunction {
    /// The function.
    pub function: &'static Primitive,
    /// The derivative f′(a) as an expression. It is used if the function has no further arguments, or these are constants.
    pub(super) prime: Expr,
    /// Explanation of the derivative.
    pub(super) words: &'static str,
    /// For each operand u, ∂C/∂v · ∂v/∂u as a single quotient; `None` if this product is not a quotient. The list is empty if no product is a quotient.
    pub(super) quotients: &'static [Option<Quotient>],
}

/// ∂C/∂v · ∂v/∂u written as a single quotient. Computed in this form, it can be finite even if ∂v/∂u alone overflows or underflows.
///
/// For v = a / b with b = 1e−310 and ∂C/∂v = 1e−20, ∂v/∂a = 1/b is infinite, but the quotient 1e−20 / b is 1e290.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quotient {
    /// The dividend: ∂C/∂v, or a product of ∂C/∂v with v and operands. In this expression, `Input(n)` is operand n.
    pub dividend: Expr,
    /// The dividend as it is printed if an operand is a constant in the formula, such as the 3 in x^3, or is repeated by a broadcast. The second operand then
    /// has the name b, because it has no entry with the index of the entry of v.
    pub with_constant: Expr,
    /// The index of the operand that is the divisor, from 0.
    pub divisor: usize,
}

impl NamedFunction {
    /// Creates the row of a function, with the explanation of its derivative.
    pub(super) const fn new(function: &'static Primitive, words: &'static str) -> Self {
        Self { function, prime: Expr::Prime(function, &[Expr::Entry(Input(0))]), words, quotients: &[] }
    }

    /// Returns the same function with quotients for its derivatives.
    const fn with_quotients(self, quotients: &'static [Option<Quotient>]) -> Self {
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
        self.function.arguments.len()
    }

    /// Returns whether the function has a derivative with respect to the argument with this index.
    #[must_use]
    pub fn has_derivative(&self, argument: usize) -> bool {
        argument < self.function.derivatives.len()
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

/// Creates the quotient of `dividend` and an operand. `divisor` is the operand's index.
const fn quotient(dividend: Expr, divisor: usize) -> Quotient {
    Quotient { dividend, with_constant: dividend, divisor }
}

/// v = a / b. ∂C/∂a is the quotient ∂C/∂v / b, and ∂C/∂b is the quotient (−∂C/∂v · v) / b.
const DIVIDE: NamedFunction = NamedFunction::new(QUOTIENT, "For v = a / b: ∂v/∂a = 1/b and ∂v/∂b = −(a/b)/b.")
    .with_quotients(&[Some(quotient(UPSTREAM, 1)), Some(quotient(Expr::Neg(&UPSTREAM_TIMES_VALUE), 1))]);
/// v = aᵇ. ∂C/∂a is the quotient (b · ∂C/∂v · v) / a; ∂C/∂b is not a quotient.
const RAISE: NamedFunction = NamedFunction::new(POWER, "For v = aᵇ: ∂v/∂a = b aᵇ⁻¹ and ∂v/∂b = aᵇ log a.").with_quotients(&[
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
    NamedFunction::new(LOG, "The derivative of log x is 1/x.").with_quotients(&[Some(quotient(UPSTREAM, 0))]),
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
    NamedFunction::new(functions::SQUARE, "The derivative of x² is 2x."),
    // for v = 1/x, ∂C/∂x is the quotient (−∂C/∂v · v) / x
    NamedFunction::new(functions::RECIPROCAL, "The derivative of 1/x is −1/x².").with_quotients(&[Some(quotient(Expr::Neg(&UPSTREAM_TIMES_VALUE), 0))]),
    NamedFunction::new(functions::RSQRT, "The derivative of 1/√x is −½ y³, where y = 1/√x."),
    NamedFunction::new(functions::LOG1P, "The derivative of log(1 + x) is 1 / (1 + x)."),
    NamedFunction::new(functions::EXPM1, "The derivative of exp x − 1 is exp x."),
    NamedFunction::new(functions::ERF, "The derivative of erf x is 2/√π · exp(−x²), a bell curve."),
    NamedFunction::new(functions::LOGSIGMOID, "The derivative of log σ(x) is σ(−x) = 1 − σ(x)."),
    NamedFunction::new(functions::SOFTPLUS, "The derivative of softplus, log(1 + exp x), is the sigmoid σ(x)."),
    NamedFunction::new(functions::SILU, "The derivative of x σ(x) has a part for each factor: σ(x) + x σ(x) (1 − σ(x))."),
    NamedFunction::new(functions::GELU, "The derivative of x Φ(x) has a part for each factor: Φ(x) + x φ(x), where Φ is the normal distribution and φ its bell curve."),
    NamedFunction::new(functions::GELU_TANH, "With t = tanh(√(2/π) (x + 0.044715 x³)), gelu is ½ x (1 + t). Its derivative has a part for each factor: ½ (1 + t), and ½ x times the derivative of t."),
    NamedFunction::new(functions::LEAKY_RELU, "The derivative of leaky relu is 1 where x is positive, else the slope (also at 0)."),
    NamedFunction::new(functions::ELU, "The derivative of elu is 1 where x is positive, else α exp x (also at 0)."),
    NamedFunction::new(functions::CLAMP, "The derivative of clamp is 1 between the bounds. Where x is cut off or exactly on a bound, nothing passes: it is 0."),
    NamedFunction::new(functions::CLAMP_MIN, "The derivative is 1 above the bound. Where x is cut off or exactly on the bound, nothing passes: it is 0."),
    NamedFunction::new(functions::CLAMP_MAX, "The derivative is 1 below the bound. Where x is cut off or exactly on the bound, nothing passes: it is 0."),
];

/// Functions from which the program makes functions of graphs, such as a norm. [`named`] finds them, but formulas cannot call them.
const INNER_FUNCTIONS: &[NamedFunction] = &[
    NamedFunction::new(
        guarded::ROOT_OF_SQUARES,
        "The derivative of √x is 1 / (2 √x). Here x is a sum or a mean of squares. If x is 0, all of them are 0, and nothing passes.",
    ),
    NamedFunction::new(guarded::BINARY_CROSS_ENTROPY, "The derivative with respect to the probability a is (a − t) / (a (1 − a))."),
];

/// The explanation of a function that is constant except for jumps.
const STEP_WORDS: &str =
    "A small change of the argument changes nothing, except at a jump. So the derivative is 0, and nothing is passed on.";

/// The functions that are constant except for jumps: comparisons, the logic of masks, and rounding. They have no backward rule.
pub const STEP_FUNCTIONS: &[NamedFunction] = &[
    NamedFunction::new(step_functions::LESS, STEP_WORDS),
    NamedFunction::new(step_functions::AT_MOST, STEP_WORDS),
    NamedFunction::new(step_functions::GREATER, STEP_WORDS),
    NamedFunction::new(step_functions::AT_LEAST, STEP_WORDS),
    NamedFunction::new(step_functions::EQUAL, STEP_WORDS),
    NamedFunction::new(step_functions::NOT_EQUAL, STEP_WORDS),
    NamedFunction::new(step_functions::AND, STEP_WORDS),
    NamedFunction::new(step_functions::OR, STEP_WORDS),
    NamedFunction::new(step_functions::NOT, STEP_WORDS),
    NamedFunction::new(step_functions::BOOL, STEP_WORDS),
    NamedFunction::new(step_functions::FLOOR, STEP_WORDS),
    NamedFunction::new(step_functions::CEIL, STEP_WORDS),
    NamedFunction::new(step_functions::TRUNC, STEP_WORDS),
    NamedFunction::new(step_functions::ROUND, STEP_WORDS),
    NamedFunction::new(step_functions::SIGN, STEP_WORDS),
];

/// Further names of operators and functions, which PyTorch or NumPy uses.
const SECOND_NAMES: &[(&str, &str)] = &[
    ("subtract", "sub"),
    ("multiply", "mul"),
    ("divide", "div"),
    ("true_divide", "div"),
    ("power", "pow"),
    ("negative", "neg"),
    ("absolute", "abs"),
    ("maximum", "max"),
    ("minimum", "min"),
    ("clip", "clamp"),
];

/// Finds an elementwise operator by its name in PyTorch or NumPy, by its sign, or by the name of an inner function such as `root_of_squares`.
///
/// ```
/// use gradstep::op::operator::{Operator, named};
///
/// assert_eq!(named("multiply"), Some(Operator::Mul));
/// assert_eq!(named("<=").map(Operator::arity), Some(2));
/// ```
#[must_use]
pub fn named(name: &str) -> Option<Operator> {
    let name = SECOND_NAMES.iter().find(|(second, _)| *second == name).map_or(name, |(_, first)| first);
    match name {
        "add" | "+" => Some(Operator::Add),
        "sub" | "-" => Some(Operator::Sub),
        "mul" | "*" => Some(Operator::Mul),
        "div" | "/" => Some(Operator::DIV),
        "pow" | "^" | "**" => Some(Operator::POW),
        "neg" => Some(Operator::Neg),
        _ => {
            let find_in_other_tables = || STEP_FUNCTIONS.iter().chain(INNER_FUNCTIONS).find(|function| function.name() == name);
            find(name).or_else(find_in_other_tables).map(Operator::Call)
        }
    }
}

/// Finds a function of [`FUNCTIONS`] by its name in formulas.
///
/// ```
/// assert_eq!(gradstep::op::operator::find("max").map(|max| max.arity()), Some(2));
/// ```
#[must_use]
pub fn find(name: &str) -> Option<&'static NamedFunction> {
    FUNCTIONS.iter().find(|function| function.name() == name)
}
