//! Floor 1: expressions, as data. What a factor is derived from says by itself which operands it reads, what it is worth, and how it is written.

use std::fmt;
use std::str::FromStr;

/// A place for something that a rule of the function y = f(x₀, x₁, …) reads. In texts it stands in braces: `{0}`, `{1}`, `{y}`, `{dy}`, `{t}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The input xᵢ, from 0.
    Input(usize),
    /// y; backwards alone.
    Output,
    /// ∂C/∂y, which comes from above; backwards alone.
    Upstream,
    /// The target, for the error of an output in one step.
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

/// A function of numbers that a step applies, or by which it selects.
#[derive(Debug, PartialEq, Eq)]
pub struct Primitive {
    /// Its name, as a trace has it.
    pub name: &'static str,
    /// How it is written with its arguments.
    pub form: Form,
    /// Where it is not differentiable.
    pub kink: Option<Kink>,
}

/// How a function is written with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `min(a, b)`
    Call,
    /// `softmax(a | all)`: of its first argument, given the others.
    Given,
    /// `a / b`
    Infix,
    /// `a·b`: it does nothing but to stand for the product.
    Product,
}

/// How the pieces of a function with kinks are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kink {
    /// By the sign of its first argument.
    Sign,
    /// By which of two arguments is larger.
    Order,
    /// By which of its arguments is the largest.
    Winner,
}

impl Primitive {
    /// A function that is smooth, written as [`Form::Given`].
    #[must_use]
    pub const fn smooth(name: &'static str) -> Self {
        Self { name, form: Form::Given, kink: None }
    }

    /// The same with a kink where its first argument is 0.
    #[must_use]
    pub const fn bent_at_0(name: &'static str) -> Self {
        Self { name, form: Form::Given, kink: Some(Kink::Sign) }
    }

    /// The function with its arguments.
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

/// How a function of one number is written, and its derivative.
#[derive(Clone, Copy, Debug)]
pub struct Notation {
    /// The function.
    pub function: &'static Primitive,
    /// Its derivative by the first input.
    pub prime: Expr,
}

impl Notation {
    /// f(x) and f′(x).
    #[must_use]
    pub const fn of(function: &'static Primitive) -> Self {
        Self { function, prime: Expr::Prime(function, &[Expr::Entry(Slot::Input(0))]) }
    }
}

/// log
pub const LOG: &Primitive = &Primitive::smooth("log");
/// The sum of all entries.
pub const SUM: &Primitive = &Primitive::smooth("sum");

/// What is made of entries of operands, all at one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expr {
    /// The entry of the operand in a slot.
    Entry(Slot),
    /// All entries of the operand in a slot.
    All(Slot),
    /// A number.
    Number(f64),
    /// A number of the equation, by its name.
    Name(&'static str),
    /// −a
    Neg(&'static Expr),
    /// a − b
    Sub(&'static [Expr; 2]),
    /// a · b
    Mul(&'static [Expr; 2]),
    /// a / b
    Div(&'static [Expr; 2]),
    /// A function.
    Of(&'static Primitive, &'static [Expr]),
    /// The derivative of a function.
    Prime(&'static Primitive, &'static [Expr]),
    /// ∂y/∂x for the operand x in a slot.
    Partial(Slot),
}

/// How firmly an expression holds together; what is less firm than its surroundings want stands in brackets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Firmness {
    Sum,
    Product,
    Quotient,
    Single,
}

impl Expr {
    fn firmness(&self) -> Firmness {
        match self {
            Self::Neg(_) | Self::Sub(_) => Firmness::Sum,
            Self::Mul(_) => Firmness::Product,
            Self::Div(_) | Self::Partial(_) => Firmness::Quotient,
            _ => Firmness::Single,
        }
    }

    /// Shows each slot whose operand it names, in the order in which they are written, and whether all of the operand is meant.
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

    /// Whether it names the entry of the operand in a slot; with `all`, whether it names all of them.
    #[must_use]
    pub fn names(&self, slot: Slot, all: bool) -> bool {
        let mut found = false;
        self.visit(&mut |named, whole| found |= (named, whole) == (slot, all));
        found
    }

    /// What it is worth, from the entries; `None` where it is more than arithmetic. Its operations are done in the order in which it is written.
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

    /// Whether it is mere arithmetic of entries and numbers.
    #[must_use]
    pub fn is_arithmetic(&self) -> bool {
        self.value(&|_| 0.0).is_some()
    }

    /// The text of a factor, from what the operands are called: the entry at hand, or all of one.
    pub fn text(&self, name: &mut dyn FnMut(Slot, bool) -> String) -> String {
        let mut text = String::new();
        self.write(Firmness::Quotient, name, &mut text);
        text
    }

    fn write(&self, wanted: Firmness, name: &mut dyn FnMut(Slot, bool) -> String, to: &mut String) {
        let own = self.firmness();
        let loose = own < wanted;
        if loose {
            to.push('(');
        }
        match *self {
            Self::Entry(slot) => to.push_str(&name(slot, false)),
            Self::All(slot) => to.push_str(&name(slot, true)),
            Self::Number(number) => to.push_str(&number.to_string()),
            Self::Name(text) => to.push_str(text),
            Self::Neg(a) => {
                to.push('−');
                a.write(Firmness::Product, name, to);
            }
            Self::Sub(both) => Self::joined(both, "−", [Firmness::Sum, Firmness::Product], name, to),
            Self::Mul(both) => Self::joined(both, "·", [Firmness::Product, Firmness::Quotient], name, to),
            Self::Div(both) => Self::joined(both, "/", [Firmness::Single; 2], name, to),
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
        if loose {
            to.push(')');
        }
    }

    fn joined(both: &[Self; 2], sign: &str, wanted: [Firmness; 2], name: &mut dyn FnMut(Slot, bool) -> String, to: &mut String) {
        both[0].write(wanted[0], name, to);
        to.push_str(sign);
        both[1].write(wanted[1], name, to);
    }

    fn arguments(arguments: &[Self], name: &mut dyn FnMut(Slot, bool) -> String) -> Vec<String> {
        let text = |argument: &Self| {
            let mut text = String::new();
            argument.write(Firmness::Sum, name, &mut text);
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
