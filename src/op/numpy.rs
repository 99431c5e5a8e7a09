//! Gradients as NumPy expressions, as in a backward pass that a person writes by hand.

pub mod code;
pub mod product;

use super::slot::Slot;
use crate::expr::{Case, Definition, Expr, Form, Primitive, Relation};
use code::NumPyCode;
pub use product::EinsumLabels;

/// The right-hand side of a gradient, in NumPy.
#[derive(Clone, Debug, PartialEq)]
pub struct NumPyForm {
    /// The expression.
    pub code: NumPyCode,
    /// If the expression lacks axes of the gradient, the tensor to whose shape it is broadcast. In a sum with an expression of the whole shape this is not
    /// needed.
    pub broadcast_to: Option<Slot>,
}

impl NumPyForm {
    /// Creates the form of an expression that has the shape of the gradient.
    #[must_use]
    pub fn new(code: NumPyCode) -> Self {
        Self { code, broadcast_to: None }
    }

    /// The text. `name` returns the name of an operand.
    pub fn text(&self, name: &mut dyn FnMut(Slot) -> String) -> String {
        sum(&[self], &mut |_, slot| name(slot))
    }
}

/// Returns the text of a sum of forms, which is broadcast if every form has [`NumPyForm::broadcast_to`]. `name` returns the name of an operand; its first
/// argument is the index of the form that has this operand.
pub fn sum(forms: &[&NumPyForm], name: &mut dyn FnMut(usize, Slot) -> String) -> String {
    let text = code::signed_sum(forms.iter().enumerate().map(|(n, form)| form.code.unsigned_text(&mut |slot| name(n, slot))));
    match forms.iter().map(|form| form.broadcast_to).collect::<Option<Vec<Slot>>>().as_deref() {
        Some([slot, ..]) => format!("np.broadcast_to({text}, {}.shape)", name(0, *slot)),
        _ => text,
    }
}

/// Returns `term`, which has the given shape, summed over the axes along which an operand is repeated: `(dy * b).sum(0)`. The result has the shape of the
/// operand.
#[must_use]
pub fn summed(term: NumPyCode, operand_shape: &[usize], shape: &[usize]) -> NumPyCode {
    // the number of leading axes that the operand lacks
    let missing_axes = shape.len().saturating_sub(operand_shape.len());
    let repeated: Vec<usize> =
        (missing_axes..shape.len()).filter(|axis| operand_shape[axis - missing_axes] == 1 && shape[*axis] > 1).collect();
    let keepdims = true;
    let code = term.sum_over(&repeated, shape.len(), keepdims);
    let keepdims = false;
    code.sum_over(&(0..missing_axes).collect::<Vec<_>>(), shape.len(), keepdims)
}

/// Returns the derivative of a function by the argument with this index, as an expression of its arguments and of y. `None` if it has no such derivative, or if
/// NumPy lacks a function in it.
#[must_use]
pub fn derivative(function: &Primitive, argument: usize, arguments: &[NumPyCode]) -> Option<NumPyCode> {
    code_of(function.derivatives.get(argument)?, arguments)
}

/// Returns an expression as NumPy code; `None` if NumPy lacks something in it. `arguments` is the code of its arguments.
fn code_of(expr: &Expr, arguments: &[NumPyCode]) -> Option<NumPyCode> {
    let code = |expr: &Expr| code_of(expr, arguments);
    Some(match *expr {
        Expr::Arg(n) => arguments.get(n)?.clone(),
        Expr::Entry(Slot::Output) => NumPyCode::output(),
        Expr::Number(value) => NumPyCode::Number(value),
        Expr::ClosedGate => NumPyCode::Number(0.0),
        Expr::Neg(a) => code(a)?.negative(),
        Expr::Square(a) => code(a)?.to_the(2),
        Expr::Add([a, b]) => code(a)?.plus(code(b)?),
        Expr::Sub([a, b]) => code(a)?.plus(code(b)?.negative()),
        Expr::Mul([a, b]) => code(a)?.times(code(b)?),
        Expr::Div([a, b]) => code(a)?.over(code(b)?),
        Expr::Of(function, operands) => call_of(function, operands.iter().map(code).collect::<Option<_>>()?)?,
        Expr::Cases(cases, other) => choices(cases, other, arguments)?,
        _ => return None,
    })
}

/// Returns a definition by cases: `np.sign(a)`, `a > 0`, `np.where(a > 0, 1, 0.01)`.
fn choices(cases: &[Case], other: &Expr, arguments: &[NumPyCode]) -> Option<NumPyCode> {
    let code = |expr: &Expr| code_of(expr, arguments);
    // 1 above 0, −1 below 0, and 0 otherwise
    if let [Case { left, is: Relation::Greater, right: Expr::Number(0.0), value: Expr::Number(1.0) }, below] = cases
        && let Case { is: Relation::Less, right: Expr::Number(0.0), value: Expr::Number(-1.0), .. } = below
        && (below.left, other) == (*left, &Expr::Number(0.0))
    {
        return Some(NumPyCode::call("np.sign", vec![code(left)?]));
    }
    let mut chosen = code(other)?;
    for Case { left, is, right, value } in cases.iter().rev() {
        chosen = match (code(left)?, code(right)?) {
            // both sides of the comparison are constants, so only one case remains
            (NumPyCode::Number(a), NumPyCode::Number(b)) if holds(*is, a, b) => code(value)?,
            (NumPyCode::Number(_), NumPyCode::Number(_)) => chosen,
            (left, right) => NumPyCode::choice(left.compare(*is, right), code(value)?, chosen),
        };
    }
    Some(chosen)
}

/// Returns whether two numbers are in this relation.
#[allow(clippy::float_cmp)] // the relation is exact
fn holds(is: Relation, a: f64, b: f64) -> bool {
    match is {
        Relation::Less => a < b,
        Relation::AtMost => a <= b,
        Relation::Equal => a == b,
        Relation::AtLeast => a >= b,
        Relation::Greater => a > b,
    }
}

/// Returns the call of a function, or the function's definition if NumPy lacks it; `None` if a function in the definition is lacking too.
fn call_of(function: &Primitive, mut operands: Vec<NumPyCode>) -> Option<NumPyCode> {
    if function.form == Form::Power && operands.len() == 2 {
        let exponent = operands.pop()?;
        return Some(operands.pop()?.power(exponent));
    }
    if !function.numpy.is_empty() {
        return Some(NumPyCode::Call(function.numpy.to_owned(), operands));
    }
    let definition = if let Definition::Expr(expr) = function.definition { Some(expr) } else { None };
    code_of(function.meaning.or(definition)?, &operands)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::functions;

    fn text(code: NumPyCode) -> String {
        let name = &mut |slot: Slot| match slot {
            Slot::Input(n) => ["a", "b", "c"][n].to_owned(),
            Slot::Output => "y".to_owned(),
            _ => "dy".to_owned(),
        };
        NumPyForm::new(code).text(name)
    }

    #[test]
    fn a_gradient_is_summed_over_the_axes_of_the_broadcast() {
        let product = || NumPyCode::upstream().times(NumPyCode::input(1));
        assert_eq!(text(summed(product(), &[3], &[4, 3])), "(dy * b).sum(0)");
        assert_eq!(text(summed(NumPyCode::upstream(), &[4, 1], &[4, 3])), "dy.sum(1, keepdims=True)");
        assert_eq!(text(summed(NumPyCode::upstream(), &[1, 3], &[2, 4, 3])), "dy.sum(1, keepdims=True).sum(0)");
        assert_eq!(text(summed(NumPyCode::upstream(), &[], &[2, 4])), "dy.sum()");
        assert_eq!(text(summed(product(), &[4, 3], &[4, 3])), "dy * b");
    }

    #[test]
    fn derivatives_are_written_in_numpy() {
        let gradient =
            |function, arguments: &[NumPyCode]| derivative(function, 0, arguments).map(|code| text(NumPyCode::upstream().times(code)));
        let a = || NumPyCode::input(0);
        assert_eq!(gradient(functions::TANH, &[a()]).as_deref(), Some("dy * (1 - y**2)"));
        assert_eq!(gradient(functions::RELU, &[a()]).as_deref(), Some("dy * (a > 0)"));
        assert_eq!(gradient(functions::POWER, &[a(), NumPyCode::Number(2.0)]).as_deref(), Some("2 * dy * a"));
        assert_eq!(gradient(functions::POWER, &[a(), NumPyCode::Number(-0.5)]).as_deref(), Some("-0.5 * dy * a**-1.5"));
        assert_eq!(gradient(functions::ABS, &[a()]).as_deref(), Some("dy * np.sign(a)"));
        assert_eq!(gradient(functions::QUOTIENT, &[a(), NumPyCode::input(1)]).as_deref(), Some("dy / b"));
        assert_eq!(gradient(functions::SOFTPLUS, &[a()]).as_deref(), Some("dy / (1 + np.exp(-a))"));
        assert_eq!(
            gradient(functions::CLAMP, &[a(), NumPyCode::Number(-1.0), NumPyCode::Number(2.0)]).as_deref(),
            Some("dy * ((a > -1) & (a < 2))")
        );
        // NumPy has no erf
        assert_eq!(gradient(functions::GELU, &[a()]), None);
    }

    #[test]
    fn a_term_of_the_whole_shape_broadcasts_the_others() {
        let repeated = NumPyForm { code: NumPyCode::upstream().then("[:, None]"), broadcast_to: Some(Slot::Input(0)) };
        let whole = NumPyForm::new(NumPyCode::output().negative());
        let name = &mut |n: usize, slot: Slot| match slot {
            Slot::Input(_) => "x".to_owned(),
            _ => ["da", "db"][n].to_owned(),
        };
        assert_eq!(sum(&[&repeated, &whole], name), "da[:, None] - db");
        assert_eq!(sum(&[&repeated, &repeated], name), "np.broadcast_to(da[:, None] + db[:, None], x.shape)");
        assert_eq!(sum(&[&repeated], name), "np.broadcast_to(da[:, None], x.shape)");
    }
}
