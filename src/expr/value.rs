//! The value of an expression. The tree is evaluated in the order in which it is printed, so the value has the same bits as the printed formula.

use super::{Case, Definition, Expr, Primitive, Relation, Slot};

impl Relation {
    /// Returns whether the comparison of `a` with `b` is true; `false` if one of them is NaN.
    fn is_true(self, a: f64, b: f64) -> bool {
        match self {
            Self::Less => a < b,
            Self::AtMost => a <= b,
            #[expect(clippy::float_cmp, reason = "two numbers tie only if they are exactly equal")]
            Self::Equal => a == b,
            Self::AtLeast => a >= b,
            Self::Greater => a > b,
        }
    }
}

/// The numbers that an expression reads.
#[derive(Clone, Copy)]
struct EvaluationContext<'a> {
    /// The value of [`Expr::Entry`].
    entry: &'a dyn Fn(Slot) -> f64,
    /// The values of [`Expr::Arg`].
    arguments: &'a [f64],
}

/// The largest number of arguments of a function within an expression. Their values fit into an array on the stack.
const MAX_ARGUMENTS: usize = 8;

impl Expr {
    /// Evaluates the expression. `entry` returns the entry in a slot. Returns `None` if a subexpression is not a number, such as a whole operand or a name.
    pub fn value(&self, entry: &dyn Fn(Slot) -> f64) -> Option<f64> {
        self.evaluate(EvaluationContext { entry, arguments: &[] })
    }

    /// Evaluates an expression whose only variables are arguments ([`Expr::Arg`]).
    #[must_use]
    pub fn value_at(&self, arguments: &[f64]) -> Option<f64> {
        // there are no entries
        self.evaluate(EvaluationContext { entry: &|_| f64::NAN, arguments })
    }

    /// Evaluates the expression. Numbers and variables, which are most of the nodes of a tree, are read in place; only other nodes need a call.
    #[inline]
    fn evaluate(&self, context: EvaluationContext<'_>) -> Option<f64> {
        match self {
            Self::Entry(slot) => Some((context.entry)(*slot)),
            Self::Arg(n) => context.arguments.get(*n).copied(),
            Self::Number(number) => Some(*number),
            Self::ClosedGate => Some(0.0),
            _ => self.evaluate_node(context),
        }
    }

    /// Evaluates an expression that has subexpressions.
    fn evaluate_node(&self, context: EvaluationContext<'_>) -> Option<f64> {
        let both = |[a, b]: &[Self; 2]| Some((a.evaluate(context)?, b.evaluate(context)?));
        match self {
            Self::Neg(a) => a.evaluate(context).map(|a| -a),
            Self::Add(ab) => both(ab).map(|(a, b)| a + b),
            Self::Sub(ab) => both(ab).map(|(a, b)| a - b),
            Self::Mul(ab) => both(ab).map(|(a, b)| a * b),
            Self::Div(ab) => both(ab).map(|(a, b)| a / b),
            Self::Square(a) => a.evaluate(context).map(|a| a * a),
            Self::Cases(cases, other) => Self::matching_case(cases, other, context)?.evaluate(context),
            Self::Of(function, arguments) => Self::with_values(arguments, context, |arguments| function.value(arguments)),
            Self::Prime(function, arguments) => {
                let derivative = function.derivatives.first()?;
                Self::with_values(arguments, context, |arguments| derivative.evaluate(EvaluationContext { arguments, ..context }))
            }
            _ => None,
        }
    }

    /// Evaluates the arguments of a function and calls `function` with their values.
    fn with_values(arguments: &[Self], context: EvaluationContext<'_>, function: impl FnOnce(&[f64]) -> Option<f64>) -> Option<f64> {
        let mut values = [0.0; MAX_ARGUMENTS];
        let values = values.get_mut(..arguments.len())?;
        for (value, argument) in values.iter_mut().zip(arguments) {
            *value = argument.evaluate(context)?;
        }
        function(values)
    }

    /// Returns the value, and the largest absolute value of a rounded number in its computation, in proportion to the value: a number that is multiplied later
    /// is multiplied here too. Arguments and constants are not rounded.
    fn magnitude(&self, context: EvaluationContext<'_>) -> Option<(f64, f64)> {
        let value = self.evaluate(context)?;
        let largest = match self {
            Self::Neg(a) => a.magnitude(context)?.1,
            Self::Add([a, b]) | Self::Sub([a, b]) => value.abs().max(a.magnitude(context)?.1).max(b.magnitude(context)?.1),
            Self::Mul([a, b]) => {
                let ((a, of_a), (b, of_b)) = (a.magnitude(context)?, b.magnitude(context)?);
                value.abs().max(of_a * b.abs()).max(of_b * a.abs())
            }
            Self::Div([a, b]) => {
                let ((_, of_a), (b, of_b)) = (a.magnitude(context)?, b.magnitude(context)?);
                value.abs().max(of_a / b.abs()).max(of_b * (value / b).abs())
            }
            Self::Square(a) => value.abs().max(a.magnitude(context).map(|(a, of_a)| of_a * a.abs())?),
            Self::Cases(cases, other) => Self::matching_case(cases, other, context)?.magnitude(context)?.1,
            Self::Of(..) | Self::Prime(..) => value.abs(),
            _ => 0.0,
        };
        Some((value, largest))
    }

    /// Returns the value of the first case whose comparison is true, as an expression. If none is true, returns `other`.
    fn matching_case<'e>(cases: &'e [Case], other: &'e Self, context: EvaluationContext<'_>) -> Option<&'e Self> {
        for Case { left, is, right, value } in cases {
            if is.is_true(left.evaluate(context)?, right.evaluate(context)?) {
                return Some(value);
            }
        }
        Some(other)
    }

    /// Returns whether this derivative of a function is [`Expr::ClosedGate`] for these arguments. `value` is the function's value.
    #[must_use]
    pub fn is_closed_gate(&self, arguments: &[f64], value: f64) -> bool {
        // in a derivative, the only entry is the function's value
        let context = EvaluationContext { entry: &|_| value, arguments };
        match self {
            Self::ClosedGate => true,
            Self::Cases(cases, other) => {
                Self::matching_case(cases, other, context).is_some_and(|case| case.is_closed_gate(arguments, value))
            }
            _ => false,
        }
    }
}

impl Primitive {
    /// The value of the function. For [`Definition::Rule`], [`Definition::Largest`] and [`Definition::Smallest`] it is `None`, because the rule that applies
    /// the function computes the value.
    #[must_use]
    pub fn value(&self, arguments: &[f64]) -> Option<f64> {
        match self.definition {
            Definition::Computed(function) => Some(function(arguments)),
            Definition::Expr(expr) => expr.value_at(arguments),
            Definition::Largest | Definition::Smallest | Definition::Rule => None,
        }
    }

    /// The largest absolute value of a rounded number in the computation of the value. It is larger than the value if large numbers cancel: ½ x (1 + tanh u)
    /// is rounded like ½ x, also if tanh u is nearly −1. `None` if the function is not defined by an expression.
    ///
    /// ```
    /// use gradstep::op::functions::GELU_TANH;
    ///
    /// let x = -5.0;
    /// assert!(GELU_TANH.rounded_magnitude(&[x]).unwrap() > 2.4);
    /// assert!(GELU_TANH.value(&[x]).unwrap().abs() < 1e-6);
    /// ```
    #[must_use]
    pub fn rounded_magnitude(&self, arguments: &[f64]) -> Option<f64> {
        let Definition::Expr(expr) = self.definition else { return None };
        expr.magnitude(EvaluationContext { entry: &|_| f64::NAN, arguments }).map(|(_, largest)| largest)
    }

    /// The derivative by the argument with index `argument`, given all arguments and the value of the function. `None` if the function has no such derivative.
    #[must_use]
    pub fn derivative(&self, argument: usize, arguments: &[f64], value: f64) -> Option<f64> {
        self.derivatives.get(argument)?.evaluate(EvaluationContext { entry: &|_| value, arguments })
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
    /// The derivative of relu: a closed gate for x ≤ 0, else 1.
    const RELU_DERIVATIVE: Expr = Expr::Cases(&[Case { left: X, is: Relation::AtMost, right: ZERO, value: Expr::ClosedGate }], &ONE);

    #[test]
    fn an_expression_is_evaluated_in_printing_order() {
        let entry = |slot| if slot == Input(0) { 3.0 } else { 0.5 };
        assert_eq!(Expr::Div(&[Expr::Sub(&[ONE, T]), Expr::Sub(&[ONE, A])]).value(&entry), Some(0.5 / -2.0));
        assert_eq!(Expr::Mul(&[A, Expr::Add(&[T, A])]).value(&entry), Some(3.0 * 3.5));
        assert_eq!(Expr::Partial(Input(0)).value(&entry), None);
        assert_eq!(Expr::Of(LOG, &[A]).value(&entry), Some(libm::log(3.0)));
        assert_eq!(Expr::Prime(LOG, &[A]).value(&entry), Some(1.0 / 3.0));
    }

    #[test]
    fn arithmetic_has_no_names_and_an_entry_is_no_whole_operand() {
        assert!(Expr::Neg(&A).is_arithmetic() && !Expr::Name("b").is_arithmetic() && !Expr::Neg(&Expr::Name("b")).is_arithmetic());
        assert!(Expr::Sub(&[A, T]).names_entry(Input(1)) && !Expr::Sub(&[A, T]).names_whole(Input(1)));
        assert!(Expr::Mul(&[Expr::Entry(Upstream), Expr::Entry(Output)]).is_arithmetic());
    }

    #[test]
    fn a_derivative_is_a_closed_gate_if_the_case_that_holds_is_one() {
        assert!(
            RELU_DERIVATIVE.is_closed_gate(&[-1.0], 0.0)
                && RELU_DERIVATIVE.is_closed_gate(&[0.0], 0.0)
                && !RELU_DERIVATIVE.is_closed_gate(&[1.0], 1.0)
        );
        // a comparison with NaN is never true, and the number 0 is not a gate
        assert!(!RELU_DERIVATIVE.is_closed_gate(&[f64::NAN], 0.0) && !ZERO.is_closed_gate(&[1.0], 0.0));
    }
}
