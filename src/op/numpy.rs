//! Gradients as expressions of `NumPy`: the lines of a backward pass that is written by hand.

use std::fmt::Write as _;

use super::slot::Slot;
use crate::expr::{Case, Expr, Form, Primitive, Relation};

/// The right-hand side of a gradient in `NumPy`. `{0}` is the first input, `{1}` the second and so on, `{y}` is y and `{dy}` is ∂C/∂y: `{0}.T @ {dy}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumPyForm(String);

impl NumPyForm {
    /// Creates the form of a template.
    #[must_use]
    pub fn new(template: impl Into<String>) -> Self {
        Self(template.into())
    }

    /// The text with the names of the operands.
    #[must_use]
    pub fn text(&self, name: &mut dyn FnMut(Slot) -> String) -> String {
        let mut text = String::new();
        let mut rest = self.0.as_str();
        while let Some((before, (slot, after))) = rest.split_once('{').and_then(|(before, after)| Some((before, after.split_once('}')?))) {
            text.push_str(before);
            text.push_str(&name(match slot {
                "dy" => Slot::Upstream,
                "y" => Slot::Output,
                input => Slot::Input(input.parse().unwrap_or(0)),
            }));
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

/// Returns a number as Python reads it.
#[must_use]
pub fn number(value: f64) -> String {
    let text = if value.is_nan() {
        "np.nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "np.inf".to_owned() } else { "-np.inf".to_owned() }
    } else if (1e-5..1e16).contains(&value.abs()) || value == 0.0 {
        value.to_string()
    } else {
        format!("{value:e}")
    };
    if value < 0.0 { format!("({text})") } else { text }
}

/// Returns `term` summed over the axes along which an operand of the shape `own` is repeated in a result of the shape `shape`: `({dy} * {1}).sum(0)`.
#[must_use]
pub fn summed(term: &str, own: &[usize], shape: &[usize]) -> String {
    let lacking = shape.len().saturating_sub(own.len());
    let repeated: Vec<usize> = (lacking..shape.len()).filter(|axis| own[axis - lacking] == 1 && shape[*axis] > 1).collect();
    let mut text = if term.contains(' ') && (lacking > 0 || !repeated.is_empty()) { format!("({term})") } else { term.to_owned() };
    if !repeated.is_empty() {
        let _ = write!(text, ".sum({}, keepdims=True)", axes(&repeated));
    }
    match lacking {
        0 => {}
        _ if own.is_empty() => text.push_str(".sum()"),
        _ => {
            let _ = write!(text, ".sum({})", axes(&(0..lacking).collect::<Vec<_>>()));
        }
    }
    text
}

/// Returns axes as an argument: `1`, `(0, 1)`.
fn axes(all: &[usize]) -> String {
    match all {
        [only] => only.to_string(),
        _ => format!("({})", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// Returns a shape as Python reads it: `(3,)`.
fn shape_text(shape: &[usize]) -> String {
    match shape {
        [size] => format!("({size},)"),
        _ => axes(shape),
    }
}

/// Returns the derivative of a function as an expression of its arguments and of `{y}`; `None` if it has a function that `NumPy` lacks.
#[must_use]
pub fn derivative(function: &Primitive, argument: usize, arguments: &[String]) -> Option<String> {
    text_of(function.derivatives.get(argument)?, arguments)
}

/// Returns an expression in `NumPy`, with the texts of its arguments.
fn text_of(expr: &Expr, arguments: &[String]) -> Option<String> {
    let of = |expr: &Expr| text_of(expr, arguments);
    Some(match *expr {
        Expr::Arg(n) => arguments.get(n)?.clone(),
        Expr::Entry(Slot::Output) => "{y}".to_owned(),
        Expr::Number(value) => number(value),
        Expr::ClosedGate => "0".to_owned(),
        Expr::Neg(a) => format!("(-{})", of(a)?),
        Expr::Square(a) => format!("{}**2", of(a)?),
        Expr::Add([a, b]) => format!("({} + {})", of(a)?, of(b)?),
        Expr::Sub([a, b]) => difference(&of(a)?, &of(b)?).unwrap_or(format!("({} - {})", of(a)?, of(b)?)),
        Expr::Mul([a, b]) if a == b => format!("{}**2", of(a)?),
        Expr::Mul([a, b]) => format!("({} * {})", of(a)?, of(b)?),
        Expr::Div([a, b]) => format!("({} / {})", of(a)?, of(b)?),
        Expr::Of(function, operands) => {
            let operands: Vec<String> = operands.iter().map(of).collect::<Option<_>>()?;
            called(function, &operands)?
        }
        Expr::Cases(cases, other) => {
            let mut text = of(other)?;
            for Case { left, is, right, value } in cases.iter().rev() {
                let (left, right) = (of(left)?, of(right)?);
                let [left_number, right_number] = [&left, &right].map(|text| read(text));
                if let (Some(a), Some(b)) = (left_number, right_number) {
                    // the comparison of two constants is decided here
                    text = if holds(*is, a, b) { of(value)? } else { text };
                    continue;
                }
                text = format!("np.where({left} {} {right}, {}, {text})", sign(*is), of(value)?);
            }
            text
        }
        _ => return None,
    })
}

/// Parses a text that [`number`] has written; `None` for another text.
fn read(text: &str) -> Option<f64> {
    text.trim_matches(['(', ')']).parse().ok()
}

/// Returns the difference of two constants.
fn difference(a: &str, b: &str) -> Option<String> {
    Some(number(read(a)? - read(b)?))
}

/// Returns whether two numbers are in a relation.
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

/// Returns the sign of a relation.
fn sign(is: Relation) -> &'static str {
    match is {
        Relation::Less => "<",
        Relation::AtMost => "<=",
        Relation::Equal => "==",
        Relation::AtLeast => ">=",
        Relation::Greater => ">",
    }
}

/// Returns the call of a function; `None` if `NumPy` lacks it.
fn called(function: &Primitive, operands: &[String]) -> Option<String> {
    if let (Form::Power, [base, exponent]) = (function.form, operands)
        && exponent == "1"
    {
        return Some(base.clone());
    }
    let is_known = function.numpy.contains("{0}") && function.numpy.contains("{1}") == (operands.len() == 2) && operands.len() <= 2;
    is_known.then(|| {
        let text = function.numpy.replace("{0}", operands.first().map_or("", String::as_str));
        text.replace("{1}", operands.get(1).map_or("", String::as_str))
    })
}

/// The letters of labels.
const LETTERS: &str = "ijklmnopqrstuvwxyzabcdefgh";

/// The labels of an einsum: those of each operand and of the output, and the size of each label.
#[derive(Clone, Copy, Debug)]
pub struct EinsumLabels<'a> {
    /// The labels of the axes of each operand.
    pub operands: &'a [&'a [usize]],
    /// The labels of the axes of the output.
    pub output: &'a [usize],
    /// The size of each label.
    pub sizes: &'a [usize],
}

impl EinsumLabels<'_> {
    /// Returns the gradient of an operand; `None` if there is no short expression of it. A product of matrices is written with `@`.
    #[must_use]
    pub fn gradient(&self, operand: usize, is_matrix_product: bool) -> Option<NumPyForm> {
        if is_matrix_product && let Some(text) = self.matrix_product(operand) {
            return Some(NumPyForm(text));
        }
        let target = self.operands[operand];
        let others = || (0..self.operands.len()).filter(|other| *other != operand);
        let letters = |labels: &[usize]| labels.iter().map(|label| LETTERS.chars().nth(*label)).collect::<Option<String>>();
        let has_twice = |labels: &[usize]| labels.iter().enumerate().any(|(n, label)| labels[..n].contains(label));
        if has_twice(target) || has_twice(self.output) {
            return None;
        }
        let is_read = |label: &usize| self.output.contains(label) || others().any(|other| self.operands[other].contains(label));
        let kept: Vec<usize> = target.iter().copied().filter(is_read).collect();
        let mut text = if others().next().is_none() && kept == self.output {
            "{dy}".to_owned()
        } else {
            let subscripts: Vec<String> =
                std::iter::once(letters(self.output)).chain(others().map(|other| letters(self.operands[other]))).collect::<Option<_>>()?;
            let names: Vec<String> = std::iter::once("{dy}".to_owned()).chain(others().map(|other| format!("{{{other}}}"))).collect();
            format!("np.einsum(\"{}->{}\", {})", subscripts.join(","), letters(&kept)?, names.join(", "))
        };
        // the gradient of a sum is the same for all entries that were added
        let added: Vec<usize> = (0..target.len()).filter(|axis| !is_read(&target[*axis])).collect();
        if !added.is_empty() {
            let shape: Vec<usize> = target.iter().map(|label| self.sizes[*label]).collect();
            let is_number = kept.is_empty();
            let spread = if is_number { text } else { format!("np.expand_dims({text}, {})", axes(&added)) };
            text = format!("np.broadcast_to({spread}, {})", shape_text(&shape));
        }
        Some(NumPyForm(text))
    }

    /// Returns the gradient of an operand of a product of two matrices, with `@`; `None` if `@` would pair the wrong axes of a batch.
    fn matrix_product(&self, operand: usize) -> Option<String> {
        let [left, right] = *self.operands else { return None };
        let batch = |labels: &[usize]| labels[..labels.len().saturating_sub(2)].to_vec();
        let [own, other] = if operand == 0 { [left, right] } else { [right, left] };
        let all = batch(self.output);
        // `@` aligns the axes of the batches at the last one, so both operands may lack only leading axes
        let is_end = |labels: &[usize]| all.ends_with(&batch(labels));
        if left.len() < 2 || right.len() < 2 || !is_end(own) || !is_end(other) {
            return None;
        }
        let transposed = if other.len() == 2 { ".T" } else { ".swapaxes(-1, -2)" };
        let product = if operand == 0 { format!("{{dy}} @ {{1}}{transposed}") } else { format!("{{0}}{transposed} @ {{dy}}") };
        let lacking: Vec<usize> = (0..all.len() - batch(own).len()).collect();
        Some(if lacking.is_empty() { product } else { format!("({product}).sum({})", axes(&lacking)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::functions;

    #[test]
    fn a_gradient_is_summed_over_the_axes_of_the_broadcast() {
        assert_eq!(summed("{dy} * {1}", &[3], &[4, 3]), "({dy} * {1}).sum(0)");
        assert_eq!(summed("{dy}", &[4, 1], &[4, 3]), "{dy}.sum(1, keepdims=True)");
        assert_eq!(summed("{dy}", &[1, 3], &[2, 4, 3]), "{dy}.sum(1, keepdims=True).sum(0)");
        assert_eq!(summed("{dy}", &[], &[2, 4]), "{dy}.sum()");
        assert_eq!(summed("{dy} * {1}", &[4, 3], &[4, 3]), "{dy} * {1}");
    }

    #[test]
    fn derivatives_are_written_in_numpy() {
        let text = |function, arguments: &[&str]| derivative(function, 0, &arguments.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(text(functions::TANH, &["{0}"]).as_deref(), Some("(1 - {y}**2)"));
        assert_eq!(text(functions::RELU, &["{0}"]).as_deref(), Some("np.where({0} <= 0, 0, 1)"));
        assert_eq!(text(functions::POWER, &["{0}", "2"]).as_deref(), Some("(2 * {0})"));
        assert_eq!(text(functions::GELU, &["{0}"]), None);
    }

    #[test]
    fn a_product_of_matrices_has_transposes() {
        let labels = EinsumLabels { operands: &[&[0, 2], &[2, 1]], output: &[0, 1], sizes: &[2, 4, 3] };
        assert_eq!(labels.gradient(0, true), Some(NumPyForm::new("{dy} @ {1}.T")));
        assert_eq!(labels.gradient(1, true), Some(NumPyForm::new("{0}.T @ {dy}")));
        let batch = EinsumLabels { operands: &[&[3, 0, 2], &[2, 1]], output: &[3, 0, 1], sizes: &[2, 4, 3, 5] };
        assert_eq!(batch.gradient(1, true), Some(NumPyForm::new("({0}.swapaxes(-1, -2) @ {dy}).sum(0)")));
        let sum = EinsumLabels { operands: &[&[0, 1]], output: &[0], sizes: &[2, 4] };
        assert_eq!(sum.gradient(0, false), Some(NumPyForm::new("np.broadcast_to(np.expand_dims({dy}, 1), (2, 4))")));
    }
}
