//! Arithmetic on numbers that are known while the text is read, such as sizes, and on lists, as in Python.

use super::reader::GraphReader;
use super::value::{Number, Scalar, Value};
use crate::op::layer::Reported;
use crate::python::tree::{BinaryOperator, Span};

/// Returns a value as a whole number. `what` names it in the message.
///
/// # Errors
/// If it is something else.
pub fn integer(reader: &mut GraphReader<'_, '_>, value: &Value, what: &str, span: &Span) -> Result<i64, Reported> {
    reader.note_use(value, what);
    if let Some(n) = value.as_integer() {
        return Ok(n);
    }
    if let Some(Number { value: Scalar::Float(x), .. }) = value.number() {
        let help = if x.fract() == 0.0 { "a / b is a decimal number, as in Python: write a // b" } else { "" };
        return Err(reader.fail(span, format!("{what} must be a whole number, not {x:?}"), help));
    }
    let message = format!("{what} must be a whole number that is known, not {}", value.kind());
    Err(reader.fail(span, message, "sizes are literals, shapes, constants, and + - * // % of them"))
}

/// Returns a value as a size: a whole number of at least 0.
///
/// # Errors
/// If it is something else.
pub fn size(reader: &mut GraphReader<'_, '_>, value: &Value, what: &str, span: &Span) -> Result<usize, Reported> {
    let n = integer(reader, value, what, span)?;
    usize::try_from(n).map_err(|_| reader.fail(span, format!("{what} must be at least 0, not {n}"), ""))
}

/// Returns −a.
///
/// # Errors
/// If the result is too large.
pub fn negated(reader: &mut GraphReader<'_, '_>, a: Number, span: &Span) -> Result<Value, Reported> {
    match a.value {
        Scalar::Integer(n) => n.checked_neg().map(Value::integer).ok_or_else(|| too_large(reader, span)),
        Scalar::Float(x) => Ok(Value::float(-x)),
    }
}

/// Returns the value of an integer literal.
///
/// # Errors
/// If no f64 is equal to the literal.
pub fn integer_literal(reader: &mut GraphReader<'_, '_>, n: i64, span: &Span) -> Result<Value, Reported> {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // converting back shows whether `n as f64` is rounded
    let nearest = n as f64 as i128;
    if nearest != i128::from(n) {
        let help = "write the nearest, or add a decimal point to have it rounded";
        return Err(reader.fail(span, format!("f64 cannot hold {n}; the nearest is {nearest}"), help));
    }
    Ok(Value::integer(n))
}

fn too_large(reader: &mut GraphReader<'_, '_>, span: &Span) -> Reported {
    reader.fail(span, "this whole number is too large", "whole numbers have at most 64 bits; write a decimal number, such as 1e20")
}

/// Returns a ** b.
///
/// # Errors
/// If the result is too large, or has no value, as (−8) ** 0.5.
pub fn power(reader: &mut GraphReader<'_, '_>, a: Number, b: Number, span: &Span) -> Result<Value, Reported> {
    if let (Scalar::Integer(base), Scalar::Integer(exponent @ 0..)) = (a.value, b.value) {
        let power = u32::try_from(exponent).ok().and_then(|exponent| base.checked_pow(exponent));
        return power.map(Value::integer).ok_or_else(|| too_large(reader, span));
    }
    finite(reader, libm::pow(a.value.as_f64(), b.value.as_f64()), [a, b], span)
}

/// Returns the number; fails if it is infinite or NaN although its operands are finite.
fn finite(reader: &mut GraphReader<'_, '_>, value: f64, operands: [Number; 2], span: &Span) -> Result<Value, Reported> {
    if !value.is_finite() && operands.iter().all(|operand| operand.value.as_f64().is_finite()) {
        let text = if value.is_nan() { "this has no value" } else { "this number is too large" };
        return Err(reader.fail(span, text, "numbers are at most about 1.8e308"));
    }
    Ok(Value::float(value))
}

/// Applies an operator to two numbers, as Python does.
///
/// # Errors
/// If the result is too large or has no value, a number is divided by 0, or the operator does not fit.
pub fn binary(reader: &mut GraphReader<'_, '_>, operator: BinaryOperator, a: Number, b: Number, span: &Span) -> Result<Value, Reported> {
    use BinaryOperator::{Add, And, Div, FloorDiv, MatMul, Mod, Mul, Or, Pow, Sub};
    for number in [a, b] {
        reader.note_use(&Value::Number(number), "a part of another number");
    }
    if operator == Pow {
        return power(reader, a, b, span);
    }
    if operator == MatMul {
        return Err(reader.fail(span, "@ multiplies matrices and vectors, not numbers", "write *"));
    }
    let divides = matches!(operator, Div | FloorDiv | Mod);
    if divides && b.value.as_f64() == 0.0 {
        return Err(reader.fail(span, "this divides a number by 0", ""));
    }
    if let (Scalar::Integer(a), Scalar::Integer(b)) = (a.value, b.value) {
        let result = match operator {
            Add => a.checked_add(b),
            Sub => a.checked_sub(b),
            Mul => a.checked_mul(b),
            // a = q·b + r. In Python r has the sign of b, and q is rounded down. In Rust's Euclidean division r is never negative. So if b < 0 and r > 0,
            // Python has a = (q − 1)·b + (r + b). For 7 and −2, Rust has 7 = (−3)·(−2) + 1, and Python has 7 = (−4)·(−2) − 1
            FloorDiv => a.checked_div_euclid(b).map(|q| if b < 0 && a.rem_euclid(b) != 0 { q - 1 } else { q }),
            // the wrapping remainder is right also for the smallest number and −1, whose quotient is too large
            Mod => {
                let r = a.wrapping_rem_euclid(b);
                Some(if b < 0 && r != 0 { r + b } else { r })
            }
            And => Some(a & b),
            Or => Some(a | b),
            Div | MatMul | Pow => None,
        };
        if operator != Div {
            return result.map(Value::integer).ok_or_else(|| too_large(reader, span));
        }
    }
    let (x, y) = (a.value.as_f64(), b.value.as_f64());
    let value = match operator {
        Add => x + y,
        Sub => x - y,
        Mul => x * y,
        Div => x / y,
        FloorDiv => (x / y).floor(),
        Mod => x - (x / y).floor() * y,
        And | Or | MatMul | Pow => {
            return Err(reader.fail(span, "& and | join masks", "for example (a > 0) & (b > 0)"));
        }
    };
    finite(reader, value, [a, b], span)
}

/// Applies `+` to two lists or two tuples, or `*` to a list and a number; `None` for other values.
///
/// # Errors
/// If the list becomes too long.
pub fn lists(
    reader: &mut GraphReader<'_, '_>,
    operator: BinaryOperator,
    left: &Value,
    right: &Value,
    span: &Span,
) -> Result<Option<Value>, Reported> {
    const MAX_ITEMS: usize = 1 << 16;
    match (operator, left, right) {
        (BinaryOperator::Add, Value::List(a), Value::List(b)) => Ok(Some(Value::list([&a[..], &b[..]].concat()))),
        (BinaryOperator::Add, Value::Tuple(a), Value::Tuple(b)) => Ok(Some(Value::tuple([&a[..], &b[..]].concat()))),
        (BinaryOperator::Mul, Value::List(items), count) | (BinaryOperator::Mul, count, Value::List(items)) => {
            let Some(count) = count.as_integer() else { return Ok(None) };
            let copies = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
            if items.len().saturating_mul(copies) > MAX_ITEMS {
                return Err(reader.fail(span, "this list is too long", format!("a list has at most {MAX_ITEMS} items")));
            }
            Ok(Some(Value::list(std::iter::repeat_n(&items[..], copies).flatten().cloned().collect())))
        }
        _ => Ok(None),
    }
}
