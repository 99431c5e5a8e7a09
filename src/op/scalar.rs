//! The operations of a scalar graph: arithmetic and functions of one or two numbers, with their derivatives. Conventions at kinks are
//! PyTorch's: abs and relu have derivative 0 at 0, a tie of min or max gives each half, and where an argument is NaN each gets the whole.
//!
//! A local derivative may overflow or underflow where its product with the upstream derivative does not: 1/b is infinite for b = 1e−310, but 1e−20 / b is 1e290.
//! Then the step is the quotient itself.

use std::fmt;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::functions;
use super::rule::{Arg, Args, Arguments, Equation, Function, Gist, Operands, Rule, Term, Use, constant, derived, entry, one_each};
use super::slot::Slot::{self, Input, Output, Upstream};
use crate::expr::{Expr, Form, LOG, Primitive, SQRT, whole};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operator {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a · b
    Mul,
    /// a / b
    Div,
    /// a to the power b
    Pow,
    /// −a
    Neg,
    /// a itself
    Copy,
    /// A named function: a row of [`FUNCTIONS`].
    Call(&'static Named),
}

/// What an operation reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    /// The input in this slot; slots are numbered in the order in which they are read.
    Slot(usize),
    /// A number of the expression.
    Constant(f64),
}

/// One operation on numbers.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// What it does.
    pub operator: Operator,
    /// On what: one operand, or two.
    pub operands: SmallVec<[Operand; 2]>,
}

/// A function that expressions may call: one row of [`FUNCTIONS`].
pub struct Named {
    /// The function.
    pub function: &'static Primitive,
    /// Its derivative at the first input, as a factor.
    prime: Expr,
    /// Explanation of the derivative.
    words: &'static str,
}

impl Named {
    const fn new(function: &'static Primitive, words: &'static str) -> Self {
        Self { function, prime: Expr::Prime(function, &[Expr::Entry(Input(0))]), words }
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

/// a / b
const QUOTIENT: &Primitive = &Primitive::new("/").form(Form::Infix);
/// aᵇ
const POWER: &Primitive = &Primitive::new("^").form(Form::Infix);
/// ∂C/∂v · v
const MOVED: Expr = Expr::Mul(&[Expr::Entry(Upstream), Expr::Entry(Output)]);

/// All functions of the expression language.
#[rustfmt::skip]
pub const FUNCTIONS: &[Named] = &[
    Named::new(functions::EXP, "The exponential function is its own derivative."),
    Named::new(LOG, "The derivative of log x is 1/x."),
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

impl Scalar {
    /// How many terms its value has.
    fn terms(&self) -> u64 {
        if matches!(self.operator, Operator::Add | Operator::Sub) { 2 } else { 1 }
    }

    fn inputs(&self) -> usize {
        self.operands.iter().filter(|operand| matches!(operand, Operand::Slot(_))).count()
    }

    fn arg(&self, x: &Operands<'_>, i: usize) -> Arg {
        match self.operands[i] {
            Operand::Slot(slot) => entry(x, Input(slot), 0),
            Operand::Constant(value) => constant(value),
        }
    }

    fn number(&self, x: &Operands<'_>, i: usize) -> f64 {
        match self.operands.get(i) {
            Some(&Operand::Slot(slot)) => x.get(Input(slot), 0),
            Some(&Operand::Constant(value)) => value,
            None => 0.0,
        }
    }

    /// The operands, as expressions.
    fn arguments(&self) -> Arguments {
        let expr = |operand: &Operand| match *operand {
            Operand::Slot(slot) => Expr::All(Input(slot)),
            Operand::Constant(value) => Expr::Number(value),
        };
        self.operands.iter().map(expr).collect()
    }

    /// Which operand the input in `slot` is.
    fn position(&self, slot: usize) -> usize {
        self.operands.iter().position(|operand| *operand == Operand::Slot(slot)).expect("a slot of this operation")
    }
}

impl Function for Scalar {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Computed(self.clone()))
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Differentiated { scalar: self.clone(), by: self.position(slot), slot }))
    }
}

#[derive(Debug)]
struct Computed(Scalar);

impl Rule for Computed {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        out[0] = self.partial(x, 0, self.before(x, 1), out[0]);
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        entry as u64 * self.0.terms()
    }

    fn each(&self) -> Option<u64> {
        Some(self.0.terms())
    }

    fn term(&self, x: &Operands<'_>, _entry: usize, term: u64) -> Term {
        let scalar = &self.0;
        let arg = |i| scalar.arg(x, i);
        let (a, b) = (scalar.number(x, 0), scalar.number(x, 1));
        match (scalar.operator, term) {
            (Operator::Add | Operator::Sub, 0) => Term::product(smallvec![arg(0)]),
            (Operator::Add, _) => Term::product(smallvec![arg(1)]),
            (Operator::Sub, _) => Term::product(smallvec![constant(-1.0), arg(1)]),
            (Operator::Mul, _) => Term::product(smallvec![arg(0), arg(1)]),
            (Operator::Neg, _) => Term::product(smallvec![constant(-1.0), arg(0)]),
            (Operator::Copy, _) => Term::copy(arg(0)),
            (Operator::Div, _) => Term::apply(QUOTIENT, smallvec![arg(0), arg(1)], a / b),
            (Operator::Pow, _) => Term::apply(POWER, smallvec![arg(0), arg(1)], libm::pow(a, b)),
            (Operator::Call(called), _) => {
                let args: Args = (0..scalar.operands.len()).map(arg).collect();
                let value = called.function.value(&[a, b][..called.arity()]).unwrap_or(f64::NAN);
                Term::apply(called.function, args, value)
            }
        }
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, _at: usize) -> Vec<Use> {
        let second = matches!(self.0.operator, Operator::Add | Operator::Sub) && matches!(slot, Input(slot) if self.0.position(slot) == 1);
        vec![Use { entry: 0, term: u64::from(second) }]
    }

    fn equation(&self) -> Equation {
        let right = match self.0.operator {
            Operator::Add => Expr::Add(BOTH),
            Operator::Sub => Expr::Sub(BOTH),
            Operator::Mul => Expr::Mul(BOTH),
            Operator::Div => Expr::Div(BOTH),
            Operator::Pow => Expr::Of(POWER, BOTH),
            Operator::Neg => Expr::Neg(&BOTH[0]),
            Operator::Copy => BOTH[0],
            Operator::Call(called) => Expr::Of(called.function, &BOTH[..called.arity()]),
        };
        let words = "Forward, every node computes its value from the nodes that it reads.";
        Equation { right, name: "a node of the graph", gist: Gist::None, words }
    }

    fn arguments(&self) -> Arguments {
        self.0.arguments()
    }
}

/// Both operands.
const BOTH: &[Expr; 2] = &[Expr::Arg(0), Expr::Arg(1)];

/// ∂C/∂u = ∂C/∂v · ∂v/∂u, for the operand u of v.
#[derive(Debug)]
struct Differentiated {
    scalar: Scalar,
    /// Which operand u is.
    by: usize,
    /// Which slot it stands in.
    slot: usize,
}

impl Differentiated {
    /// ∂v/∂u as a factor.
    fn local(&self, x: &Operands<'_>) -> Arg {
        let scalar = &self.scalar;
        let (a, b, v) = (scalar.number(x, 0), scalar.number(x, 1), x.get(Output, 0));
        let local = |value| derived(self.expr(), Input(self.slot), 0, value);
        match (scalar.operator, self.by) {
            (Operator::Add | Operator::Copy, _) | (Operator::Sub, 0) => constant(1.0),
            (Operator::Sub | Operator::Neg, _) => constant(-1.0),
            (Operator::Mul, by) => scalar.arg(x, 1 - by),
            (Operator::Div, 0) => local(1.0 / b),
            // b · b would overflow and underflow where the derivative does not
            (Operator::Div, _) => local(-(a / b) / b),
            (Operator::Pow, 0) => local(if b == 0.0 { 0.0 } else { b * libm::pow(a, b - 1.0) }),
            (Operator::Pow, _) => local(if a == 0.0 && b >= 0.0 { 0.0 } else { v * libm::log(a) }),
            (Operator::Call(called), by) => local(called.function.derivative(by, &[a, b][..called.arity()], v).unwrap_or(f64::NAN)),
        }
    }

    /// The same as one quotient, where ∂v/∂u overflows or underflows and ∂C/∂v · ∂v/∂u need not: ∂C/∂v / b, −∂C/∂v · v / b, b · ∂C/∂v · v / a for
    /// v = aᵇ, ∂C/∂v / x for v = log x.
    fn quotient(&self, x: &Operands<'_>, upstream: &Arg, local: f64) -> Option<Term> {
        let scalar = &self.scalar;
        let alone = scalar.inputs() == 1;
        let v = x.get(Output, 0);
        if local.is_normal() {
            return None;
        }
        let of = |expr, value| derived(expr, Input(self.slot), 0, value);
        let (dividend, by) = match (scalar.operator, self.by) {
            (Operator::Div, 0) => (upstream.clone(), 1),
            (Operator::Div, _) if v != 0.0 => (of(&Expr::Neg(&MOVED), -(upstream.value * v)), 1),
            // for b = 0 the derivative is 0, not too small
            (Operator::Pow, 0) if v != 0.0 && scalar.number(x, 1) != 0.0 => {
                let b = scalar.number(x, 1);
                let expr = if alone { &Expr::Mul(&[Expr::Name("b"), MOVED]) } else { &Expr::Mul(&[Expr::Entry(Input(1)), MOVED]) };
                (of(expr, b * (upstream.value * v)), 0)
            }
            (Operator::Call(called), _) if called.function == LOG => (upstream.clone(), 0),
            _ => return None,
        };
        let divisor = scalar.arg(x, by);
        let value = dividend.value / divisor.value;
        (divisor.value != 0.0 && value.is_finite()).then(|| Term::apply(QUOTIENT, smallvec![dividend, divisor], value))
    }

    /// Returns whether the function lets nothing through to this operand.
    fn is_shut(&self, called: &Named, x: &Operands<'_>) -> bool {
        let arguments = &[self.scalar.number(x, 0), self.scalar.number(x, 1)][..called.arity()];
        called.function.derivatives[self.by].is_shut(arguments, x.get(Output, 0))
    }

    /// ∂v/∂u, as it is written.
    fn expr(&self) -> &'static Expr {
        match self.scalar.operator {
            Operator::Call(called) if called.arity() == 1 => &called.prime,
            _ if self.slot == 0 => &Expr::Partial(Input(0)),
            _ => &Expr::Partial(Input(1)),
        }
    }
}

impl Rule for Differentiated {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        out[0] += self.term(x, 0, 0).value;
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn each(&self) -> Option<u64> {
        Some(1)
    }

    fn term(&self, x: &Operands<'_>, _entry: usize, _term: u64) -> Term {
        let (upstream, local) = (entry(x, Upstream, 0), self.local(x));
        if let Some(term) = self.quotient(x, &upstream, local.value) {
            return term;
        }
        // what these do not choose has no part in the value, and x⁰ does not depend on x
        let chooses = match self.scalar.operator {
            Operator::Call(called) => self.is_shut(called, x),
            Operator::Pow => self.by == 0 && self.scalar.number(x, 1) == 0.0,
            _ => false,
        };
        if chooses { Term::gated(upstream, local) } else { Term::product(smallvec![upstream, local]) }
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let reads = self.term(x, 0, 0).args.iter().any(|arg| arg.reads(slot, at));
        if reads { vec![Use { entry: 0, term: 0 }] } else { Vec::new() }
    }

    fn equation(&self) -> Equation {
        let words = match self.scalar.operator {
            Operator::Add => "A sum passes the derivative on unchanged: the local derivative is 1.",
            Operator::Sub => "A difference passes the derivative on: unchanged to the first, with a minus to the second.",
            Operator::Mul => "A product passes the derivative on times the other factor.",
            Operator::Div => "For v = a / b: ∂v/∂a = 1/b and ∂v/∂b = −(a/b)/b.",
            Operator::Pow => "For v = aᵇ: ∂v/∂a = b aᵇ⁻¹ and ∂v/∂b = aᵇ log a.",
            Operator::Neg => "A minus turns the derivative's sign.",
            Operator::Copy => "A copy passes the derivative on unchanged.",
            Operator::Call(called) => called.words,
        };
        let right = Expr::Mul(if self.slot == 0 { &[whole::DY, Expr::Partial(Input(0))] } else { &[whole::DY, Expr::Partial(Input(1))] });
        Equation { right, name: "the chain rule", gist: Gist::Words("upstream times local derivative"), words }
    }
}

/// The derivative of the output by itself: 1, where the backward pass begins.
#[derive(Debug)]
pub struct Seed;

impl Rule for Seed {
    fn accumulate(&self, _x: &Operands<'_>, out: &mut [f64]) {
        out[0] += 1.0;
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn term(&self, _x: &Operands<'_>, _entry: usize, _term: u64) -> Term {
        Term::product(smallvec![constant(1.0)])
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, _at: usize) -> Vec<Use> {
        Vec::new()
    }

    fn equation(&self) -> Equation {
        Equation {
            right: whole::ONE,
            name: "the backward pass begins",
            gist: Gist::None,
            words: "The derivative of the output by itself is 1. From here the derivatives move back along the edges.",
        }
    }
}
