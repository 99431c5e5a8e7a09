//! Floor 1: expressions, as data. A derived factor, such as (a − t) or relu′(z), is a tree that lists the operands it reads, evaluates itself and prints
//! itself with the brackets it needs.

use std::fmt;
use std::str::FromStr;

/// The place of an operand of a rule that belongs to the function y = f(x₀, x₁, …). Equation texts name it in braces: `{0}`, `{1}`, `{y}`, `{dy}`, `{t}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The input xᵢ; i counts from 0.
    Input(usize),
    /// The output y; only a backward rule reads it.
    Output,
    /// The upstream gradient ∂C/∂y; only a backward rule reads it.
    Upstream,
    /// The target t, read by the one-step error of an output layer.
    Target,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(input) => write!(f, "{input}"),
            Self::Output => f.write_str("y"),
            Self::Upstream => f.write_str("dy"),
            Self::Target => f.write_str("t"),
        }
    }
}

impl FromStr for Slot {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "y" => Ok(Self::Output),
            "dy" => Ok(Self::Upstream),
            "t" => Ok(Self::Target),
            input => input.parse().map(Self::Input),
        }
    }
}

/// An elementary function: a step applies it or selects by it.
#[derive(Debug, PartialEq, Eq)]
pub struct Primitive {
    /// Name in traces.
    pub name: &'static str,
    /// Notation with arguments.
    pub form: Form,
    /// Kind of kink, if the function has points without a derivative.
    pub kink: Option<Kink>,
}

/// The notation of a function with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `min(a, b)`
    Call,
    /// `softmax(a | all)`: the first argument, given the others.
    Given,
    /// `a / b`
    Infix,
    /// `a·b`: the product of the arguments, without the function's name.
    Product,
}

/// The test that separates the smooth pieces of a function with kinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kink {
    /// The sign of the first argument, as in relu.
    Sign,
    /// The order of two arguments, as in max(a, b).
    Order,
    /// The index of the largest argument, as in a max-pool window.
    Winner,
}

impl Primitive {
    /// A smooth function in the notation [`Form::Given`].
    #[must_use]
    pub const fn smooth(name: &'static str) -> Self {
        Self { name, form: Form::Given, kink: None }
    }

    /// A function with a kink at 0, in the notation [`Form::Given`].
    #[must_use]
    pub const fn bent_at_0(name: &'static str) -> Self {
        Self { name, form: Form::Given, kink: Some(Kink::Sign) }
    }

    /// Text of the function with its arguments.
    #[must_use]
    pub fn text(&self, arguments: &[String]) -> String {
        match (self.form, arguments) {
            (Form::Product, _) => arguments.join("·"),
            (Form::Infix, _) => arguments.join(&format!(" {} ", self.name)),
            (Form::Given, [first, rest @ ..]) if !rest.is_empty() => format!("{}({first} | {})", self.name, rest.join(", ")),
            (Form::Call | Form::Given, _) => format!("{}({})", self.name, arguments.join(", ")),
        }
    }
}

/// A function of one number with its derivative, for use as factors.
#[derive(Clone, Copy, Debug)]
pub struct Notation {
    /// The function.
    pub function: &'static Primitive,
    /// f′(x₀).
    pub prime: Expr,
}

impl Notation {
    /// The notation of f and f′ at the first input.
    #[must_use]
    pub const fn of(function: &'static Primitive) -> Self {
        Self { function, prime: Expr::Prime(function, &[Expr::Entry(Slot::Input(0))]) }
    }
}

/// The natural logarithm.
pub const LOG: &Primitive = &Primitive::smooth("log");
/// The sum over all entries of an operand.
pub const SUM: &Primitive = &Primitive::smooth("sum");

/// An expression of operand entries, all at one index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expr {
    /// One entry of the operand in a slot.
    Entry(Slot),
    /// All entries of the operand in a slot.
    All(Slot),
    /// A constant.
    Number(f64),
    /// A constant that is printed by name.
    Name(&'static str),
    /// −a
    Neg(&'static Expr),
    /// a − b
    Sub(&'static [Expr; 2]),
    /// a · b
    Mul(&'static [Expr; 2]),
    /// a / b
    Div(&'static [Expr; 2]),
    /// A function applied to arguments.
    Of(&'static Primitive, &'static [Expr]),
    /// The derivative of a function, applied to arguments.
    Prime(&'static Primitive, &'static [Expr]),
    /// The local derivative ∂y/∂x of the output by the operand x in a slot.
    Partial(Slot),
}

/// Operator precedence. An expression is bracketed if its own is lower than its context requires.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precedence {
    Sum,
    Product,
    Quotient,
    Single,
}

impl Expr {
    fn precedence(&self) -> Precedence {
        match self {
            Self::Neg(_) | Self::Sub(_) => Precedence::Sum,
            Self::Mul(_) => Precedence::Product,
            Self::Div(_) | Self::Partial(_) => Precedence::Quotient,
            _ => Precedence::Single,
        }
    }

    /// Calls `see` for each slot in printing order, with `true` if the expression names the whole operand.
    pub fn visit(&self, see: &mut impl FnMut(Slot, bool)) {
        match *self {
            Self::Entry(slot) => see(slot, false),
            Self::All(slot) => see(slot, true),
            Self::Number(_) | Self::Name(_) => {}
            Self::Neg(a) => a.visit(see),
            Self::Sub(both) | Self::Mul(both) | Self::Div(both) => both.iter().for_each(|a| a.visit(see)),
            Self::Of(_, arguments) | Self::Prime(_, arguments) => arguments.iter().for_each(|a| a.visit(see)),
            Self::Partial(slot) => [Slot::Output, slot].into_iter().for_each(|slot| see(slot, false)),
        }
    }

    /// Returns whether the expression names the operand in `slot`: one entry of it, or with `all` the whole.
    #[must_use]
    pub fn names(&self, slot: Slot, all: bool) -> bool {
        let mut found = false;
        self.visit(&mut |named, whole| found |= (named, whole) == (slot, all));
        found
    }

    /// Evaluates the expression in printing order, from the entry in each slot; `None` if it contains more than arithmetic.
    pub fn value(&self, entry: &impl Fn(Slot) -> f64) -> Option<f64> {
        let both = |[a, b]: &[Self; 2]| Some((a.value(entry)?, b.value(entry)?));
        match self {
            Self::Entry(slot) => Some(entry(*slot)),
            Self::Number(number) => Some(*number),
            Self::Neg(a) => a.value(entry).map(|a| -a),
            Self::Sub(ab) => both(ab).map(|(a, b)| a - b),
            Self::Mul(ab) => both(ab).map(|(a, b)| a * b),
            Self::Div(ab) => both(ab).map(|(a, b)| a / b),
            Self::All(_) | Self::Name(_) | Self::Of(..) | Self::Prime(..) | Self::Partial(_) => None,
        }
    }

    /// Returns whether the expression is only arithmetic of entries and constants.
    #[must_use]
    pub fn is_arithmetic(&self) -> bool {
        self.value(&|_| 0.0).is_some()
    }

    /// Text of the expression as one factor of a product. `name` gives the name of the operand in a slot: of one entry, or with `true` of the whole.
    pub fn text(&self, name: &mut dyn FnMut(Slot, bool) -> String) -> String {
        let mut text = String::new();
        self.write(Precedence::Quotient, name, &mut text);
        text
    }

    fn write(&self, wanted: Precedence, name: &mut dyn FnMut(Slot, bool) -> String, to: &mut String) {
        let own = self.precedence();
        let bracketed = own < wanted;
        if bracketed {
            to.push('(');
        }
        match *self {
            Self::Entry(slot) => to.push_str(&name(slot, false)),
            Self::All(slot) => to.push_str(&name(slot, true)),
            Self::Number(number) => to.push_str(&number.to_string()),
            Self::Name(text) => to.push_str(text),
            Self::Neg(a) => {
                to.push('−');
                a.write(Precedence::Product, name, to);
            }
            Self::Sub(both) => Self::joined(both, "−", [Precedence::Sum, Precedence::Product], name, to),
            Self::Mul(both) => Self::joined(both, "·", [Precedence::Product, Precedence::Quotient], name, to),
            Self::Div(both) => Self::joined(both, "/", [Precedence::Single; 2], name, to),
            Self::Of(function, arguments) => to.push_str(&function.text(&Self::arguments(arguments, name))),
            Self::Prime(function, arguments) => {
                to.push_str(function.name);
                to.push_str("′(");
                to.push_str(&Self::arguments(arguments, name).join(", "));
                to.push(')');
            }
            Self::Partial(slot) => {
                let [y, x] = [Slot::Output, slot].map(|slot| name(slot, false));
                to.extend(["∂", &y, "/∂", &x]);
            }
        }
        if bracketed {
            to.push(')');
        }
    }

    fn joined(both: &[Self; 2], sign: &str, wanted: [Precedence; 2], name: &mut dyn FnMut(Slot, bool) -> String, to: &mut String) {
        both[0].write(wanted[0], name, to);
        to.push_str(sign);
        both[1].write(wanted[1], name, to);
    }

    fn arguments(arguments: &[Self], name: &mut dyn FnMut(Slot, bool) -> String) -> Vec<String> {
        let text = |argument: &Self| {
            let mut text = String::new();
            argument.write(Precedence::Sum, name, &mut text);
            text
        };
        arguments.iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Slot::{Input, Output, Upstream};
    use super::*;

    const A: Expr = Expr::Entry(Input(0));
    const T: Expr = Expr::Entry(Input(1));
    const ONE: Expr = Expr::Number(1.0);

    #[test]
    fn brackets_stand_where_they_are_needed() {
        const SOFTMAX: &Primitive = &Primitive::smooth("softmax");
        let text = |expr: Expr| expr.text(&mut |slot, all| if all { format!("[{slot}]") } else { slot.to_string() });
        assert_eq!(text(Expr::Sub(&[A, T])), "(0−1)");
        assert_eq!(text(Expr::Div(&[T, A])), "1/0");
        assert_eq!(text(Expr::Div(&[Expr::Sub(&[ONE, T]), Expr::Sub(&[ONE, A])])), "(1−1)/(1−0)");
        assert_eq!(text(Expr::Of(LOG, &[Expr::Sub(&[ONE, A])])), "log(1−0)");
        assert_eq!(text(Expr::Of(LOG, &[Expr::Of(SOFTMAX, &[A, Expr::All(Input(0))])])), "log(softmax(0 | [0]))");
        let moved = Expr::Mul(&[Expr::Entry(Upstream), Expr::Entry(Output)]);
        assert_eq!(text(moved), "(dy·y)");
        assert_eq!(text(Expr::Neg(&Expr::Mul(&[Expr::Entry(Upstream), Expr::Entry(Output)]))), "(−dy·y)");
        assert_eq!(text(Expr::Mul(&[T, Expr::Mul(&[Expr::Entry(Upstream), Expr::Entry(Output)])])), "(1·(dy·y))");
        assert_eq!(text(Expr::Partial(Input(1))), "∂y/∂1");
        assert_eq!(text(Expr::Prime(LOG, &[A])), "log′(0)");
    }

    #[test]
    fn arithmetic_is_done_in_the_order_in_which_it_is_written() {
        let entry = |slot| if slot == Input(0) { 3.0 } else { 0.5 };
        assert_eq!(Expr::Div(&[Expr::Sub(&[ONE, T]), Expr::Sub(&[ONE, A])]).value(&entry), Some(0.5 / -2.0));
        assert_eq!(Expr::Partial(Input(0)).value(&entry), None);
        assert!(Expr::Neg(&A).is_arithmetic() && !Expr::Name("b").is_arithmetic());
        assert!(Expr::Sub(&[A, T]).names(Input(1), false) && !Expr::Sub(&[A, T]).names(Input(1), true));
    }

    #[test]
    fn a_slot_is_found_by_its_name() {
        for slot in [Input(0), Input(12), Output, Upstream, Slot::Target] {
            assert_eq!(slot.to_string().parse(), Ok(slot));
        }
        assert!("x".parse::<Slot>().is_err());
    }
}
