//! Attributes such as `x.T` and `x.shape`, and the constants of modules such as `math.pi`.

use std::f64::consts;

use super::functions::{minmax, shape};
use super::reader::GraphReader;
use super::value::Value;
use crate::op::layer::Reported;
use crate::python::tree::{Span, Word};
use crate::words::suggest;

/// The modules whose names may precede a function: `torch.exp(x)` is `exp(x)`.
pub const MODULES: &[&str] = &["torch", "nn", "F", "np", "numpy", "math"];
/// The submodules of these modules.
pub const SUBMODULES: &[&str] = &["nn", "functional", "linalg", "special", "random", "init"];

/// Names in modules that have no effect in a graph, such as data types.
const IGNORED: &[&str] = &[
    "float", "float16", "float32", "float64", "double", "half", "bfloat16", "int", "int8", "int16", "int32", "int64", "long", "bool",
    "bool_", "uint8", "cpu", "cuda", "strided",
];

/// Returns the constant of a name that is possible with and without a module: `inf`, `nan`, `newaxis`.
pub fn constant(name: &str) -> Option<Value> {
    match name {
        "inf" => Some(Value::float(f64::INFINITY)),
        "nan" => Some(Value::float(f64::NAN)),
        "newaxis" => Some(Value::None),
        _ => None,
    }
}

/// Returns the constant of a name that is possible only with a module: `math.pi`, `math.e`, and data types, which have no effect.
pub fn of_module(name: &str) -> Option<Value> {
    match name {
        "pi" => Some(Value::float(consts::PI)),
        "e" => Some(Value::float(consts::E)),
        _ => IGNORED.contains(&name).then_some(Value::None),
    }
}

/// Returns an attribute of a value.
///
/// # Errors
/// If there is no such attribute.
pub fn get(reader: &mut GraphReader<'_, '_>, value: &Value, word: &Word, span: &Span) -> Result<Value, Reported> {
    const KNOWN: &[&str] = &["T", "mT", "shape", "ndim", "size", "data", "values", "indices", "real", "dtype", "device"];
    if let Value::Extremum(extremum) = value {
        match word.text.as_str() {
            "values" => return Ok(Value::Tensor(extremum.values)),
            "indices" => return minmax::indices(reader, *extremum, span).map(Value::Tensor),
            // as everywhere, a pair that is used as a tensor is its values, with a warning
            _ => {
                let values = Value::Tensor(reader.tensor(value, span)?);
                return get(reader, &values, word, span);
            }
        }
    }
    let name = word.text.as_str();
    match name {
        "dtype" | "device" => return Ok(Value::None),
        "real" => return Ok(value.clone()),
        _ => {}
    }
    if !matches!(value, Value::Tensor(_) | Value::Number(_)) {
        let message = format!("{} has no attribute {name}", value.kind());
        return Err(reader.fail(&word.span, message, ""));
    }
    let dimensions = reader.shape_of(value, span)?;
    match name {
        "shape" => Ok(Value::tuple(dimensions.iter().map(|n| Value::size(*n)).collect())),
        "ndim" => Ok(Value::size(dimensions.len())),
        "size" => Ok(Value::size(dimensions.iter().product())),
        "T" | "mT" => {
            let id = reader.tensor(value, span)?;
            shape::transposed(reader, id, name == "T", span).map(Value::Tensor)
        }
        "data" => {
            let id = reader.tensor(value, span)?;
            shape::detached(reader, id, span).map(Value::Tensor)
        }
        "grad" => {
            Err(reader.fail(&word.span, "the gradients are computed by gradstep, and are not values of the forward pass", "leave it out"))
        }
        _ => {
            let help = suggest::nearest(name, KNOWN.iter().copied()).map_or_else(String::new, suggest::did_you_mean);
            Err(reader.fail(&word.span, format!("a tensor has no attribute {name}"), help))
        }
    }
}
