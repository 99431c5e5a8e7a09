//! The largest and smallest entries over axes, and their indices.
//!
//! As in PyTorch, `max` over one axis sends the derivative to the first of equal entries, also in NumPy's spelling. Equal entries share the derivative evenly
//! in `amax`, in `max` over all entries, and in NumPy's `max` over a tuple of axes.

use crate::graph::call::{self, Call, FunctionRow, Spelling};
use crate::graph::reader::GraphReader;
use crate::graph::value::{AxisExtremum, TensorId, Value};
use crate::op::extremum::{Extreme, Ties, argmax as argmax_function, extremum};
use crate::op::layer::Reported;
use crate::python::tree::Span;

use super::elementwise::extreme as elementwise_extreme;

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    FunctionRow { names: &["max"], parameters: &["input|x|a", "dim|axis|other", "keepdim|keepdims"], build: max },
    FunctionRow { names: &["min"], parameters: &["input|x|a", "dim|axis|other", "keepdim|keepdims"], build: min },
    FunctionRow { names: &["amax"], parameters: &["input|x|a", "dim|axis", "keepdim|keepdims"], build: amax },
    FunctionRow { names: &["amin"], parameters: &["input|x|a", "dim|axis", "keepdim|keepdims"], build: amin },
    FunctionRow { names: &["argmax"], parameters: &["input|x|a", "dim|axis", "keepdim|keepdims"], build: argmax },
    FunctionRow { names: &["argmin"], parameters: &["input|x|a", "dim|axis", "keepdim|keepdims"], build: argmin },
];

fn max(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    over_axes_or_two(reader, call, Extreme::Max)
}

fn min(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    over_axes_or_two(reader, call, Extreme::Min)
}

fn amax(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    over_axes(reader, call, Extreme::Max)
}

fn amin(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    over_axes(reader, call, Extreme::Min)
}

/// `max(a, b)` is elementwise; `x.max(1)` and `torch.max(x, 1)` go over an axis, `x.max()` over all.
fn over_axes_or_two(reader: &mut GraphReader<'_, '_>, call: &Call, extreme: Extreme) -> Result<Value, Reported> {
    let Some((second, second_span)) = call.get(1).map(|(value, span)| (value.clone(), span.clone())) else {
        return over_axes(reader, call, extreme);
    };
    let is_axis = second.as_integer().is_some() && (call.spelling != Spelling::Bare || call.has_torch_keyword || call.has_numpy_keyword);
    let is_axes = matches!(second, Value::Tuple(_)) && call.is_numpy();
    if is_axes {
        return over_axes(reader, call, extreme);
    }
    // an operand may be a list only in Python's own spelling, max(x, [1, 2])
    if let Some(items) = second.items().filter(|_| call.spelling != Spelling::Bare || call.has_torch_keyword || call.has_numpy_keyword) {
        let (_, first_span) = call.required(reader, 0)?;
        let (name, tensor) = (extreme.function(), reader.source(&first_span));
        let axes: Option<Vec<String>> = items.iter().map(|item| item.as_integer().map(|axis| axis.to_string())).collect();
        let help = match axes {
            Some(axes) => format!("a{name}({tensor}, ({})) takes several axes", axes.join(", ")),
            None => format!("{name}imum(a, b) compares two tensors"),
        };
        return Err(reader.fail(&second_span, format!("{name} takes one axis"), help));
    }
    if !is_axis {
        let (first, _) = call.required(reader, 0)?;
        let name = extreme.function();
        if matches!(first, Value::Tensor(_)) && second.as_integer().is_some() && call.spelling == Spelling::Bare {
            let message = format!("{name}(x, {}) compares every entry with {0}", second.as_integer().unwrap_or(0));
            reader.warn(&call.span, message, format!("if an axis is meant, write x.{name}({})", second.as_integer().unwrap_or(0)));
        }
        return elementwise_extreme(reader, extreme, first, second, call);
    }
    let searched = call.tensor(reader, 0)?;
    let rank = reader.shape(searched).len();
    let n = second.as_integer().unwrap_or(0);
    let axis = call::axis(reader, n, rank, &second_span)?;
    let keepdim = call.flag(reader, 2, false)?;
    let function = extremum(reader.shape(searched), &[axis], keepdim, extreme, Ties::First);
    let values = reader.emit(function, &[searched], &call.span)?;
    if call.is_numpy() {
        return Ok(Value::Tensor(values));
    }
    Ok(Value::Extremum(AxisExtremum { values, searched, axis, keepdim, extreme }))
}

/// The extreme entries over some axes, or over all; equal ones share the derivative.
fn over_axes(reader: &mut GraphReader<'_, '_>, call: &Call, extreme: Extreme) -> Result<Value, Reported> {
    // Python's own max of a list
    if let Some((list @ (Value::List(_) | Value::Tuple(_)), _)) = call.get(0)
        && let Some(numbers) = list.items().map(|items| items.iter().map(super::super::value::Value::number).collect::<Option<Vec<_>>>())
        && let Some(numbers) = numbers
        && let Some(best) =
            numbers.into_iter().reduce(|a, b| if (b.value.as_f64() > a.value.as_f64()) == (extreme == Extreme::Max) { b } else { a })
    {
        return Ok(Value::Number(best));
    }
    let id = call.tensor(reader, 0)?;
    let rank = reader.shape(id).len();
    let axes = call.axes(reader, 1, rank)?.unwrap_or_else(|| (0..rank).collect());
    let keepdim = call.flag(reader, 2, false)?;
    let function = extremum(reader.shape(id), &axes, keepdim, extreme, Ties::Shared);
    reader.emit(function, &[id], &call.span).map(Value::Tensor)
}

/// Makes the indices of the extreme entries.
///
/// # Errors
/// If the results exceed the memory limit.
pub fn indices(reader: &mut GraphReader<'_, '_>, extremum: AxisExtremum, span: &Span) -> Result<TensorId, Reported> {
    let AxisExtremum { searched, axis, keepdim, extreme, .. } = extremum;
    let function = argmax_function(reader.shape(searched), Some(axis), keepdim, extreme);
    reader.emit(function, &[searched], span)
}

fn argmax(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    arg_extreme(reader, call, Extreme::Max)
}

fn argmin(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    arg_extreme(reader, call, Extreme::Min)
}

fn arg_extreme(reader: &mut GraphReader<'_, '_>, call: &Call, extreme: Extreme) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let rank = reader.shape(id).len();
    let axis = call.axis(reader, 1, rank)?;
    let keepdim = call.flag(reader, 2, false)?;
    let function = argmax_function(reader.shape(id), axis, keepdim, extreme);
    reader.emit(function, &[id], &call.span).map(Value::Tensor)
}
