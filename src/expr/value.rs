//! The value of an expression, and the piece of it that is in force.

use super::{Case, Definition, Expr, Primitive, Relation, Slot};

impl Relation {
    fn holds(self, a: f64, b: f64) -> bool {
        match self {
            Self::Less => a < b,
            Self::AtMost => a <= b,
            #[expect(clippy::float_cmp, reason = "a tie is an exact one")]
            Self::Equal => a == b,
            Self::AtLeast => a >= b,
            Self::Greater => a > b,
        }
    }
}

/// The numbers that an expression reads.
#[derive(Clone, Copy)]
struct Scope<'a> {
    entry: &'a dyn Fn(Slot) -> f64,
    arguments: &'a [f64],
}

/// The most arguments of a function within an expression.
const ARGUMENTS: usize = 8;

impl Expr {
    /// Evaluates the expression in printing order, from the entry in each slot; `None` if it contains whole operands or names.
    pub fn value(&self, entry: &dyn Fn(Slot) -> f64) -> Option<f64> {
        self.evaluate(Scope { entry, arguments: &[] })
    }

    /// Evaluates the expression of a function's arguments alone.
    #[must_use]
    pub fn of(&self, arguments: &[f64]) -> Option<f64> {
        self.evaluate(Scope { entry: &|_| f64::NAN, arguments })
    }

    fn evaluate(&self, scope: Scope<'_>) -> Option<f64> {
        let both = |[a, b]: &[Self; 2]| Some((a.evaluate(scope)?, b.evaluate(scope)?));
        match self {
            Self::Entry(slot) => Some((scope.entry)(*slot)),
            Self::Arg(n) => scope.arguments.get(*n).copied(),
            Self::Number(number) => Some(*number),
            Self::Shut => Some(0.0),
            Self::Neg(a) => a.evaluate(scope).map(|a| -a),
            Self::Add(ab) => both(ab).map(|(a, b)| a + b),
            Self::Sub(ab) => both(ab).map(|(a, b)| a - b),
            Self::Mul(ab) => both(ab).map(|(a, b)| a * b),
            Self::Div(ab) => both(ab).map(|(a, b)| a / b),
            Self::Square(a) => a.evaluate(scope).map(|a| a * a),
            Self::Cases(cases, other) => Self::case(cases, other, scope)?.evaluate(scope),
            Self::Of(function, arguments) => Self::with(arguments, scope, |arguments| function.value(arguments)),
            Self::Prime(function, arguments) => {
                let derivative = function.derivatives.first()?;
                Self::with(arguments, scope, |arguments| derivative.evaluate(Scope { arguments, ..scope }))
            }
            _ => None,
        }
    }

    /// Evaluates the arguments of a function, and then `of` from them.
    fn with(arguments: &[Self], scope: Scope<'_>, of: impl FnOnce(&[f64]) -> Option<f64>) -> Option<f64> {
        let mut numbers = [0.0; ARGUMENTS];
        let numbers = numbers.get_mut(..arguments.len())?;
        for (number, argument) in numbers.iter_mut().zip(arguments) {
            *number = argument.evaluate(scope)?;
        }
        of(numbers)
    }

    /// The case in force.
    fn case<'e>(cases: &'e [Case], other: &'e Self, scope: Scope<'_>) -> Option<&'e Self> {
        for Case { left, is, right, value } in cases {
            if is.holds(left.evaluate(scope)?, right.evaluate(scope)?) {
                return Some(value);
            }
        }
        Some(other)
    }

    /// Returns whether the case in force is a closed gate, for a derivative of a function with these arguments and this value.
    #[must_use]
    pub fn is_shut(&self, arguments: &[f64], value: f64) -> bool {
        let scope = Scope { entry: &|_| value, arguments };
        match self {
            Self::Shut => true,
            Self::Cases(cases, other) => Self::case(cases, other, scope).is_some_and(|case| case.is_shut(arguments, value)),
            _ => false,
        }
    }
}

impl Primitive {
    /// The value of the function, if it is one of its arguments alone.
    #[must_use]
    pub fn value(&self, arguments: &[f64]) -> Option<f64> {
        match self.definition {
            Definition::Computed(function) => Some(function(arguments)),
            Definition::Expr(expr) => expr.of(arguments),
            Definition::Largest | Definition::Rule => None,
        }
    }

    /// The derivative by argument `by`, from the arguments and the value of the function.
    #[must_use]
    pub fn derivative(&self, by: usize, arguments: &[f64], value: f64) -> Option<f64> {
        self.derivatives.get(by)?.evaluate(Scope { entry: &|_| value, arguments })
    }
}

#[cfg(test)]
mod tests {
    use super::Slot::{Input, Output, Upstream};
    use super::*;
    use crate::expr::LOG;

    const A: Expr = Expr::Entry(Input(0));
    const T: Expr = Expr::Entry(Input(1));
    const ONE: Expr = Expr::Number(1.0);
    const X: Expr = Expr::Arg(0);
    const ZERO: Expr = Expr::Number(0.0);
    const STEP: Expr = Expr::Cases(&[Case { left: X, is: Relation::AtMost, right: ZERO, value: Expr::Shut }], &ONE);

    #[test]
    fn arithmetic_is_done_in_the_order_in_which_it_is_written() {
        let entry = |slot| if slot == Input(0) { 3.0 } else { 0.5 };
        assert_eq!(Expr::Div(&[Expr::Sub(&[ONE, T]), Expr::Sub(&[ONE, A])]).value(&entry), Some(0.5 / -2.0));
        assert_eq!(Expr::Mul(&[A, Expr::Add(&[T, A])]).value(&entry), Some(3.0 * 3.5));
        assert_eq!(Expr::Partial(Input(0)).value(&entry), None);
        assert_eq!(Expr::Of(LOG, &[A]).value(&entry), Some(libm::log(3.0)));
        assert_eq!(Expr::Prime(LOG, &[A]).value(&entry), Some(1.0 / 3.0));
        assert!(Expr::Neg(&A).is_arithmetic() && !Expr::Name("b").is_arithmetic() && !Expr::Neg(&Expr::Name("b")).is_arithmetic());
        assert!(Expr::Sub(&[A, T]).names(Input(1), false) && !Expr::Sub(&[A, T]).names(Input(1), true));
        assert!(Expr::Mul(&[Expr::Entry(Upstream), Expr::Entry(Output)]).is_arithmetic());
    }

    #[test]
    fn a_closed_gate_is_a_case_and_not_a_number() {
        assert!(STEP.is_shut(&[-1.0], 0.0) && STEP.is_shut(&[0.0], 0.0) && !STEP.is_shut(&[1.0], 1.0));
        assert!(!STEP.is_shut(&[f64::NAN], 0.0) && !ZERO.is_shut(&[1.0], 0.0));
    }
}
