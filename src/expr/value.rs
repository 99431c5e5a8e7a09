//! The value of an expression, and the case that applies among its cases.

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
struct EvaluationContext<'a> {
    entry: &'a dyn Fn(Slot) -> f64,
    arguments: &'a [f64],
}

/// The largest number of arguments of a function within an expression.
const ARGUMENTS: usize = 8;

impl Expr {
    /// Evaluates the expression in printing order; `entry` returns the entry in a slot. `None` if it contains whole operands or names.
    pub fn value(&self, entry: &dyn Fn(Slot) -> f64) -> Option<f64> {
        self.evaluate(EvaluationContext { entry, arguments: &[] })
    }

    /// Evaluates an expression that reads only arguments.
    #[must_use]
    pub fn of(&self, arguments: &[f64]) -> Option<f64> {
        self.evaluate(EvaluationContext { entry: &|_| f64::NAN, arguments })
    }

    fn evaluate(&self, context: EvaluationContext<'_>) -> Option<f64> {
        let both = |[a, b]: &[Self; 2]| Some((a.evaluate(context)?, b.evaluate(context)?));
        match self {
            Self::Entry(slot) => Some((context.entry)(*slot)),
            Self::Arg(n) => context.arguments.get(*n).copied(),
            Self::Number(number) => Some(*number),
            Self::Shut => Some(0.0),
            Self::Neg(a) => a.evaluate(context).map(|a| -a),
            Self::Add(ab) => both(ab).map(|(a, b)| a + b),
            Self::Sub(ab) => both(ab).map(|(a, b)| a - b),
            Self::Mul(ab) => both(ab).map(|(a, b)| a * b),
            Self::Div(ab) => both(ab).map(|(a, b)| a / b),
            Self::Square(a) => a.evaluate(context).map(|a| a * a),
            Self::Cases(cases, other) => Self::case(cases, other, context)?.evaluate(context),
            Self::Of(function, arguments) => Self::with(arguments, context, |arguments| function.value(arguments)),
            Self::Prime(function, arguments) => {
                let derivative = function.derivatives.first()?;
                Self::with(arguments, context, |arguments| derivative.evaluate(EvaluationContext { arguments, ..context }))
            }
            _ => None,
        }
    }

    /// Evaluates the arguments of a function and calls `of` with their values.
    fn with(arguments: &[Self], context: EvaluationContext<'_>, of: impl FnOnce(&[f64]) -> Option<f64>) -> Option<f64> {
        let mut numbers = [0.0; ARGUMENTS];
        let numbers = numbers.get_mut(..arguments.len())?;
        for (number, argument) in numbers.iter_mut().zip(arguments) {
            *number = argument.evaluate(context)?;
        }
        of(numbers)
    }

    /// The value of the first case whose comparison holds, else `other`.
    fn case<'e>(cases: &'e [Case], other: &'e Self, context: EvaluationContext<'_>) -> Option<&'e Self> {
        for Case { left, is, right, value } in cases {
            if is.holds(left.evaluate(context)?, right.evaluate(context)?) {
                return Some(value);
            }
        }
        Some(other)
    }

    /// Returns whether this derivative of a function is a closed gate, for these arguments and this value of the function.
    #[must_use]
    pub fn is_shut(&self, arguments: &[f64], value: f64) -> bool {
        let context = EvaluationContext { entry: &|_| value, arguments };
        match self {
            Self::Shut => true,
            Self::Cases(cases, other) => Self::case(cases, other, context).is_some_and(|case| case.is_shut(arguments, value)),
            _ => false,
        }
    }
}

impl Primitive {
    /// The value of the function; `None` if it does not follow from single arguments.
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
        self.derivatives.get(by)?.evaluate(EvaluationContext { entry: &|_| value, arguments })
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
    fn an_expression_is_evaluated_in_printing_order() {
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
