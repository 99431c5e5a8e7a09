//! The operations of a scalar graph: arithmetic and functions of one or two numbers, with their derivatives. Conventions at kinks are
//! PyTorch's: abs and relu have derivative 0 at 0, a tie of min or max gives each half, and where an argument is NaN each gets the whole.
//!
//! A local derivative may overflow or underflow where its product with the upstream derivative does not: 1/b is infinite for b = 1e−310, but 1e−20 / b is 1e290.
//! Then the step is the quotient itself.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::math;
use super::rule::{Arg, Args, Equation, Function, Operands, Rule, Term, Use, constant, derived, entry, one_each};
use super::slot::Slot::{self, Input, Output, Upstream};
use crate::expr::{Expr, Form, Kink, LOG, Notation, Primitive};

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

/// A function that expressions may call.
pub struct Named {
    /// How it is written.
    pub notation: Notation,
    /// How many arguments it takes.
    pub arity: usize,
    /// Its value; a function of one argument ignores the second.
    pub value: fn(f64, f64) -> f64,
    /// Its derivatives by each argument, from the arguments and the value.
    pub derivative: [fn(f64, f64, f64) -> f64; 2],
    /// Whether a derivative of 0 is a shut gate, as in [`Term::gated`]: what it does not choose has no part in the value.
    pub gate: bool,
    /// What the derivative is.
    pub words: &'static str,
}

impl Named {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.notation.function.name
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.name(), f)
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

fn none(_: f64, _: f64, _: f64) -> f64 {
    0.0
}

/// The share of the derivative that an argument of min or max gets: ½ at a tie, 0 where it loses, else 1. NaN neither ties nor loses.
fn share(loses: bool, tie: bool) -> f64 {
    if tie {
        0.5
    } else if loses {
        0.0
    } else {
        1.0
    }
}

/// a / b
const QUOTIENT: &Primitive = &Primitive { name: "/", form: Form::Infix, kink: None };
/// aᵇ
const POWER: &Primitive = &Primitive { name: "^", form: Form::Infix, kink: None };
/// ∂C/∂v · v
const MOVED: Expr = Expr::Mul(&[Expr::Entry(Upstream), Expr::Entry(Output)]);

/// All functions of the expression language.
#[rustfmt::skip]
pub const FUNCTIONS: &[Named] = &[
    Named { notation: Notation::of(&Primitive::smooth("exp")), arity: 1, value: |x, _| libm::exp(x), derivative: [|_, _, y| y, none], gate: false, words: "The exponential function is its own derivative." },
    Named { notation: Notation::of(&Primitive::smooth("log")), arity: 1, value: |x, _| libm::log(x), derivative: [|x, _, _| 1.0 / x, none], gate: false, words: "The derivative of log x is 1/x." },
    Named { notation: Notation::of(&Primitive::smooth("sqrt")), arity: 1, value: |x, _| x.sqrt(), derivative: [|_, _, y| 1.0 / (2.0 * y), none], gate: false, words: "The derivative of √x is 1 / (2 √x)." },
    Named { notation: Notation::of(&Primitive::smooth("sin")), arity: 1, value: |x, _| libm::sin(x), derivative: [|x, _, _| libm::cos(x), none], gate: false, words: "The derivative of sin x is cos x." },
    Named { notation: Notation::of(&Primitive::smooth("cos")), arity: 1, value: |x, _| libm::cos(x), derivative: [|x, _, _| -libm::sin(x), none], gate: false, words: "The derivative of cos x is −sin x." },
    Named { notation: Notation::of(&Primitive::smooth("tan")), arity: 1, value: |x, _| libm::tan(x), derivative: [|_, _, y| 1.0 + y * y, none], gate: false, words: "The derivative of tan x is 1 + tan² x." },
    Named { notation: Notation::of(&Primitive::smooth("tanh")), arity: 1, value: |x, _| libm::tanh(x), derivative: [|_, _, y| 1.0 - y * y, none], gate: false, words: "The derivative of tanh x is 1 − tanh² x." },
    Named { notation: Notation::of(&Primitive::smooth("sigmoid")), arity: 1, value: |x, _| math::sigmoid(x), derivative: [|_, _, y| y * (1.0 - y), none], gate: false, words: "The derivative of the sigmoid y is y (1 − y)." },
    Named { notation: Notation::of(&Primitive::bent_at_0("relu")), arity: 1, value: |x, _| math::relu(x), derivative: [|x, _, _| if x <= 0.0 { 0.0 } else { 1.0 }, none], gate: true, words: "The derivative of relu is 1 where x is positive, else 0 (at 0 too)." },
    Named { notation: Notation::of(&Primitive::bent_at_0("abs")), arity: 1, value: |x, _| x.abs(), derivative: [|x, _, _| if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { 0.0 }, none], gate: false, words: "The derivative of |x| is the sign of x, and 0 at 0." },
    Named { notation: Notation::of(&Primitive { name: "min", form: Form::Call, kink: Some(Kink::Order) }), arity: 2, value: |a, b| if a.is_nan() || a < b { a } else { b }, derivative: [|a, b, _| share(a > b, a == b), |a, b, _| share(b > a, a == b)], gate: true, words: "The smaller argument passes the derivative on, the other gets 0; equal ones share it, half each; where one is NaN each gets it whole." },
    Named { notation: Notation::of(&Primitive { name: "max", form: Form::Call, kink: Some(Kink::Order) }), arity: 2, value: |a, b| if a.is_nan() || a > b { a } else { b }, derivative: [|a, b, _| share(a < b, a == b), |a, b, _| share(b < a, a == b)], gate: true, words: "The larger argument passes the derivative on, the other gets 0; equal ones share it, half each; where one is NaN each gets it whole." },
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

    fn text(&self, i: usize) -> String {
        match self.operands[i] {
            Operand::Slot(slot) => format!("{{{slot}}}"),
            Operand::Constant(value) => format!("{value:?}").trim_end_matches(".0").to_owned(),
        }
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
                Term::apply(called.notation.function, args, (called.value)(a, b))
            }
        }
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, _at: usize) -> Vec<Use> {
        let second = matches!(self.0.operator, Operator::Add | Operator::Sub) && matches!(slot, Input(slot) if self.0.position(slot) == 1);
        vec![Use { entry: 0, term: u64::from(second) }]
    }

    fn equation(&self) -> Equation {
        Equation { symbols: "", name: "a node of the graph", words: "Forward, every node computes its value from the nodes that it reads." }
    }

    fn symbols(&self, _x: &Operands<'_>) -> Cow<'static, str> {
        let text = |i| self.0.text(i);
        Cow::Owned(match self.0.operator {
            Operator::Add => format!("{} + {}", text(0), text(1)),
            Operator::Sub => format!("{} − {}", text(0), text(1)),
            Operator::Mul => format!("{} · {}", text(0), text(1)),
            Operator::Div => format!("{} / {}", text(0), text(1)),
            Operator::Pow => format!("{} ^ {}", text(0), text(1)),
            Operator::Neg => format!("−{}", text(0)),
            Operator::Copy => text(0),
            Operator::Call(called) => format!("{}({})", called.name(), (0..self.0.operands.len()).map(text).collect::<Vec<_>>().join(", ")),
        })
    }
}

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
            (Operator::Call(called), by) => local((called.derivative[by])(a, b, v)),
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
            (Operator::Call(called), _) if called.notation.function == LOG => (upstream.clone(), 0),
            _ => return None,
        };
        let divisor = scalar.arg(x, by);
        let value = dividend.value / divisor.value;
        (divisor.value != 0.0 && value.is_finite()).then(|| Term::apply(QUOTIENT, smallvec![dividend, divisor], value))
    }

    /// ∂v/∂u, as it is written.
    fn expr(&self) -> &'static Expr {
        match self.scalar.operator {
            Operator::Call(called) if called.arity == 1 => &called.notation.prime,
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
            Operator::Call(called) => called.gate,
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
        Equation { symbols: "", name: "the chain rule: upstream times local derivative", words }
    }

    fn symbols(&self, _x: &Operands<'_>) -> Cow<'static, str> {
        Cow::Owned(format!("{{dy}} · ∂{{y}}/∂{{{}}}", self.slot))
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
            symbols: "1",
            name: "the backward pass begins",
            words: "The derivative of the output by itself is 1. From here the derivatives move back along the edges.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_a_kink_where_its_slope_jumps() {
        for function in FUNCTIONS {
            let (kink, at, other) = if function.arity == 1 { (Kink::Sign, 0.0, 0.0) } else { (Kink::Order, 1.0, 1.0) };
            let [left, right] = [-1e-9, 1e-9].map(|by| (function.derivative[0])(at + by, other, (function.value)(at + by, other)));
            let expected = ((left - right).abs() > 1e-3).then_some(kink);
            // log and sqrt have no slope to the left of 0
            let expected = expected.filter(|_| (function.value)(-1e-9, 1.0).is_finite());
            assert_eq!(function.notation.function.kink, expected, "{}", function.name());
        }
    }
}
