//! Elementwise functions: `exp(x)`, `x.clamp(min=0)`, `maximum(a, b)`.

use crate::graph::call::{Build, Call, FunctionRow};
use crate::graph::reader::GraphReader;
use crate::graph::value::Value;
use crate::op::extremum::Extreme;
use crate::op::layer::Reported;
use crate::op::operator::{self, Operator};
use crate::python::tree::BinaryOperator;

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    unary(&["exp"]),
    unary(&["log", "ln"]),
    unary(&["log1p"]),
    unary(&["expm1"]),
    unary(&["sqrt"]),
    unary(&["rsqrt"]),
    unary(&["square"]),
    unary(&["abs", "absolute", "fabs"]),
    unary(&["sin"]),
    unary(&["cos"]),
    unary(&["tan"]),
    unary(&["tanh"]),
    unary(&["sigmoid", "expit"]),
    unary(&["relu", "relu_"]),
    unary(&["silu", "swish"]),
    unary(&["reciprocal"]),
    unary(&["erf"]),
    unary(&["logsigmoid"]),
    unary(&["sign", "sgn"]),
    unary(&["floor"]),
    unary(&["ceil"]),
    unary(&["trunc", "fix"]),
    FunctionRow { names: &["softplus"], parameters: &["input|x", "beta", "threshold"], build: softplus },
    FunctionRow { names: &["leaky_relu"], parameters: &["input|x", "negative_slope"], build: leaky_relu },
    FunctionRow { names: &["elu"], parameters: &["input|x", "alpha"], build: elu },
    FunctionRow { names: &["gelu"], parameters: &["input|x", "approximate"], build: gelu },
    FunctionRow { names: &["clamp", "clip", "clamp_"], parameters: &["input|x|a", "min|a_min", "max|a_max"], build: clamp },
    FunctionRow { names: &["clamp_min"], parameters: &["input|x", "min"], build: clamp_min },
    FunctionRow { names: &["clamp_max"], parameters: &["input|x", "max"], build: clamp_max },
    binary(&["add"], |reader, call| arithmetic(reader, call, BinaryOperator::Add)),
    binary(&["sub", "subtract"], |reader, call| arithmetic(reader, call, BinaryOperator::Sub)),
    binary(&["mul", "multiply"], |reader, call| arithmetic(reader, call, BinaryOperator::Mul)),
    binary(&["div", "divide", "true_divide"], |reader, call| arithmetic(reader, call, BinaryOperator::Div)),
    binary(&["pow", "power", "float_power"], |reader, call| arithmetic(reader, call, BinaryOperator::Pow)),
    binary(&["maximum", "fmax"], |reader, call| extreme_of_two(reader, call, Extreme::Max)),
    binary(&["minimum", "fmin"], |reader, call| extreme_of_two(reader, call, Extreme::Min)),
    FunctionRow { names: &["neg", "negative"], parameters: &["input|x"], build: negative },
];

const fn unary(names: &'static [&'static str]) -> FunctionRow {
    FunctionRow { names, parameters: &["input|x"], build: unary_function }
}

const fn binary(names: &'static [&'static str], build: Build) -> FunctionRow {
    FunctionRow { names, parameters: &["input|x1", "other|x2|exponent"], build }
}

/// Applies the function with this name in the table of [`operator`] to the first argument of the call, and to `numbers` as its other arguments.
fn apply(reader: &mut GraphReader<'_, '_>, call: &Call, name: &str, numbers: &[f64]) -> Result<Value, Reported> {
    let (value, _) = call.required(reader, 0)?;
    if let Some(number) = value.number().filter(|number| number.tensor.is_none()) {
        // the number has no tensor, so the result is a known number too: `math.sqrt(head_size)`
        let arguments: Vec<f64> = std::iter::once(number.value.as_f64()).chain(numbers.iter().copied()).collect();
        if let Some(Operator::Call(function)) = operator::named(name)
            && let Some(value) = function.function.value(&arguments)
        {
            return Ok(Value::float(value));
        }
    }
    let operands: Vec<Value> = std::iter::once(value).chain(numbers.iter().map(|x| Value::float(*x))).collect();
    reader.named(name, &operands, &call.span)
}

fn unary_function(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    apply(reader, call, call.canonical, &[])
}

/// softplus(β x) / β
fn softplus(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let Some(beta) = call.number(reader, 1)?.filter(|beta| beta.to_bits() != 1.0_f64.to_bits()) else {
        return apply(reader, call, "softplus", &[]);
    };
    let (value, _) = call.required(reader, 0)?;
    let scaled = reader.elementwise(Operator::Mul, &[value, Value::float(beta)], &call.span)?;
    let soft = reader.named("softplus", &[Value::Tensor(scaled)], &call.span)?;
    reader.elementwise(Operator::DIV, &[soft, Value::float(beta)], &call.span).map(Value::Tensor)
}

fn leaky_relu(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let slope = call.number(reader, 1)?.unwrap_or(0.01);
    apply(reader, call, "leaky_relu", &[slope])
}

fn elu(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let alpha = call.number(reader, 1)?.unwrap_or(1.0);
    apply(reader, call, "elu", &[alpha])
}

fn gelu(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    match call.text(reader, 1)?.as_deref() {
        None | Some("none") => apply(reader, call, "gelu", &[]),
        Some("tanh") => apply(reader, call, "gelu_tanh", &[]),
        Some(other) => {
            let message = format!("gelu has no approximation \"{other}\"");
            Err(reader.fail(&call.span, message, "approximate is \"none\" or \"tanh\""))
        }
    }
}

fn clamp(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let low = call.number(reader, 1)?;
    let high = call.number(reader, 2)?;
    clamp_between(reader, call, low, high)
}

fn clamp_min(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let low = call.number(reader, 1)?;
    clamp_between(reader, call, low, None)
}

fn clamp_max(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let high = call.number(reader, 1)?;
    clamp_between(reader, call, None, high)
}

fn clamp_between(reader: &mut GraphReader<'_, '_>, call: &Call, low: Option<f64>, high: Option<f64>) -> Result<Value, Reported> {
    match (low, high) {
        (Some(low), Some(high)) => apply(reader, call, "clamp", &[low, high]),
        (Some(low), None) => apply(reader, call, "clamp_min", &[low]),
        (None, Some(high)) => apply(reader, call, "clamp_max", &[high]),
        (None, None) => Err(reader.fail(&call.span, format!("{} needs a bound", call.name), "for example clamp(x, min=0)")),
    }
}

fn negative(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (value, _) = call.required(reader, 0)?;
    reader.elementwise(Operator::Neg, &[value], &call.span).map(Value::Tensor)
}

fn arithmetic(reader: &mut GraphReader<'_, '_>, call: &Call, operator: BinaryOperator) -> Result<Value, Reported> {
    let (left, _) = call.required(reader, 0)?;
    let (right, _) = call.required(reader, 1)?;
    reader.binary(operator, left, right, &call.span)
}

fn extreme_of_two(reader: &mut GraphReader<'_, '_>, call: &Call, kind: Extreme) -> Result<Value, Reported> {
    let (left, _) = call.required(reader, 0)?;
    let (right, _) = call.required(reader, 1)?;
    extreme(reader, kind, left, right, call)
}

/// Makes the larger or smaller of two tensors, entry by entry.
///
/// # Errors
/// If their shapes cannot be broadcast.
pub fn extreme(reader: &mut GraphReader<'_, '_>, extreme: Extreme, left: Value, right: Value, call: &Call) -> Result<Value, Reported> {
    if let Some((a, b)) = left.number().zip(right.number()) {
        let (x, y) = (a.value.as_f64(), b.value.as_f64());
        return Ok(if (x >= y) == (extreme == Extreme::Max) { left } else { right });
    }
    reader.named(extreme.function(), &[left, right], &call.span)
}
