//! The value of an expression, and the piece of it that is in force.

use std::cmp::Ordering;

use super::{Case, Definition, Expr, Kink, Primitive, Relation, Slot};

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

    /// Calls `see` with the two sides of each comparison.
    fn comparisons(&self, scope: Scope<'_>, see: &mut dyn FnMut(f64, f64)) {
        if let Self::Cases(cases, _) = self {
            for Case { left, right, .. } in *cases {
                if let (Some(left), Some(right)) = (left.evaluate(scope), right.evaluate(scope)) {
                    see(left, right);
                }
            }
        }
        self.parts(&mut |part| part.comparisons(scope, see));
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

impl Kink {
    /// The number of the smooth piece that these arguments belong to. A point between two pieces is a piece of its own.
    ///
    /// `argument` gives each of the `count` arguments.
    #[must_use]
    pub fn piece(self, count: usize, argument: impl Fn(usize) -> f64) -> usize {
        match self {
            Self::Pieces(derivatives) => {
                let mut piece = 0;
                Self::each(derivatives, count, argument, |a, b| piece = 4 * piece + order(a, b));
                piece
            }
            Self::Winner => {
                let better = |(best, most), i| if argument(i) > most { (i, argument(i)) } else { (best, most) };
                (1..count).fold((0, argument(0)), better).0
            }
        }
    }

    /// Returns whether these arguments are exactly where one piece meets another.
    #[must_use]
    pub fn is_tie(self, arguments: &[f64]) -> bool {
        match self {
            Self::Pieces(derivatives) => {
                let mut tie = false;
                Self::each(derivatives, arguments.len(), |i| arguments[i], |a, b| tie |= order(a, b) == 1);
                tie
            }
            Self::Winner => {
                let largest = arguments[self.piece(arguments.len(), |i| arguments[i])];
                #[expect(clippy::float_cmp, reason = "a tie is an exact one")]
                let ties = arguments.iter().filter(|argument| **argument == largest).count();
                ties > 1
            }
        }
    }

    /// Calls `see` with the two sides of each comparison in the derivatives.
    fn each(derivatives: &[Expr], count: usize, argument: impl Fn(usize) -> f64, mut see: impl FnMut(f64, f64)) {
        let mut numbers = [0.0; ARGUMENTS];
        let count = count.min(ARGUMENTS);
        for (n, number) in numbers[..count].iter_mut().enumerate() {
            *number = argument(n);
        }
        let scope = Scope { entry: &|_| f64::NAN, arguments: &numbers[..count] };
        for derivative in derivatives {
            derivative.comparisons(scope, &mut see);
        }
    }
}

/// The order of two numbers: 0 less, 1 equal, 2 greater, 3 if one is NaN.
fn order(a: f64, b: f64) -> usize {
    match a.partial_cmp(&b) {
        Some(Ordering::Less) => 0,
        Some(Ordering::Equal) => 1,
        Some(Ordering::Greater) => 2,
        None => 3,
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

    #[test]
    fn a_piece_ends_where_a_comparison_changes() {
        let kink = Kink::Pieces(&[STEP]);
        let piece = |x: f64| kink.piece(1, |_| x);
        assert!(piece(-1e-9) != piece(0.0) && piece(0.0) != piece(1e-9) && piece(-1e-9) != piece(1e-9));
        assert_eq!(piece(1.0), piece(2.0));
        assert!(kink.is_tie(&[-0.0]) && !kink.is_tie(&[1e-300]));
        let winner = |args: &[f64]| Kink::Winner.piece(args.len(), |i| args[i]);
        assert_ne!(winner(&[1.0, 2.0]), winner(&[2.0, 1.0]));
        assert_eq!(winner(&[1.0, 3.0, 3.0]), 1);
        assert!(Kink::Winner.is_tie(&[1.0, 3.0, 3.0]) && !Kink::Winner.is_tie(&[1.0, 1.0, 3.0]));
    }
}
