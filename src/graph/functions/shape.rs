//! Functions that give a tensor another shape or order: copies of entries.

use crate::graph::call::{self, Call, FunctionRow, Spelling};
use crate::graph::reader::GraphReader;
use crate::graph::value::{TensorId, Value};
use crate::op::copies::{CopyKind, CopySource, Copying, copies, detach as detach_function, view};
use crate::op::layer::Reported;
use crate::op::numpy::code::NumPyCode;
use crate::python::tree::Span;
use crate::tensor::{len, ravel, unravel};
use crate::text::{are, counted};

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    FunctionRow { names: &["reshape"], parameters: &["input|a", "*shape|newshape"], build: reshape },
    FunctionRow { names: &["view"], parameters: &["input", "*shape"], build: reshape },
    FunctionRow { names: &["view_as", "reshape_as"], parameters: &["input", "other"], build: view_as },
    FunctionRow { names: &["flatten"], parameters: &["input|a", "start_dim", "end_dim"], build: flatten },
    FunctionRow { names: &["ravel"], parameters: &["input|a"], build: flatten },
    FunctionRow { names: &["unsqueeze", "expand_dims"], parameters: &["input|a", "dim|axis"], build: unsqueeze },
    FunctionRow { names: &["squeeze"], parameters: &["input|a", "dim|axis"], build: squeeze },
    FunctionRow { names: &["transpose"], parameters: &["input|a", "*dims|axes"], build: transpose },
    FunctionRow { names: &["swapaxes", "swapdims"], parameters: &["input|a", "*axes"], build: swapaxes },
    FunctionRow { names: &["permute"], parameters: &["input", "*dims"], build: permute },
    FunctionRow { names: &["moveaxis", "movedim"], parameters: &["input|a", "source", "destination"], build: movedim },
    FunctionRow { names: &["t"], parameters: &["input"], build: t },
    FunctionRow { names: &["detach"], parameters: &["input"], build: detach },
    FunctionRow {
        names: &["clone", "contiguous", "copy", "double", "to", "type", "cpu", "cuda", "numpy", "type_as", "half", "requires_grad_"],
        parameters: &["input|a|x", "*rest"],
        build: same,
    },
    FunctionRow { names: &["float"], parameters: &["input|a|x", "*rest"], build: float },
    FunctionRow { names: &["item", "tolist"], parameters: &["input"], build: item },
];

/// Makes a tensor whose entry at each index is an entry of the input, or 0. `source` returns the flat index of this entry; `None` for 0.
///
/// # Errors
/// If the result exceeds the memory limit.
pub fn rearranged(
    reader: &mut GraphReader<'_, '_>,
    id: TensorId,
    shape: &[usize],
    copying: impl Into<Copying>,
    span: &Span,
    source: impl Fn(&[usize]) -> Option<usize>,
) -> Result<TensorId, Reported> {
    reader.claim_tensor(shape, span)?;
    // the lists of indices: the source of each result, and the results of each source
    reader.claim_tensor(&[len(shape), 2], span)?;
    let sources = (0..len(shape)).map(|at| source(&unravel(at, shape)).map(|flat_index| CopySource { slot: 0, flat_index })).collect();
    let input = reader.shape(id).to_vec();
    reader.emit_copy(copies(sources, &[&input], shape, copying), &[id], span)
}

/// Makes a tensor with the same entries in another shape.
///
/// # Errors
/// If the result exceeds the memory limit.
pub fn viewed(reader: &mut GraphReader<'_, '_>, id: TensorId, shape: &[usize], span: &Span) -> Result<TensorId, Reported> {
    reader.emit_copy(view(shape, CopyKind::View), &[id], span)
}

/// Makes the tensor with its axes in this order: axis n of the result is axis `order[n]` of the input.
///
/// # Errors
/// If the result exceeds the memory limit.
pub fn permuted(reader: &mut GraphReader<'_, '_>, id: TensorId, order: &[usize], span: &Span) -> Result<TensorId, Reported> {
    let input = reader.shape(id).to_vec();
    let shape: Vec<usize> = order.iter().map(|axis| input[*axis]).collect();
    let mut inverse_order = vec![0; order.len()];
    order.iter().enumerate().for_each(|(n, axis)| inverse_order[*axis] = n);
    let copying = CopyKind::Permute.with_gradient(NumPyCode::upstream().permuted(&inverse_order));
    rearranged(reader, id, &shape, copying, span, |index| {
        let mut source = vec![0; input.len()];
        for (n, axis) in order.iter().enumerate() {
            source[*axis] = index[n];
        }
        ravel(&source, &input)
    })
}

/// Makes the transposed tensor: with all axes in reverse order if `reverses` is `true`, as `.T` in NumPy; otherwise with the last two exchanged, as `.mT`.
///
/// # Errors
/// If the result exceeds the memory limit, or the tensor has too few axes.
pub fn transposed(reader: &mut GraphReader<'_, '_>, id: TensorId, reverses: bool, span: &Span) -> Result<TensorId, Reported> {
    let rank = reader.shape(id).len();
    let mut order: Vec<usize> = (0..rank).collect();
    if reverses {
        order.reverse();
    } else if rank < 2 {
        return Err(reader.fail(span, ".mT needs a matrix", "a vector has one axis"));
    } else {
        order.swap(rank - 2, rank - 1);
    }
    permuted(reader, id, &order, span)
}

/// Makes a copy through which no derivative flows.
///
/// # Errors
/// If the result exceeds the memory limit.
pub fn detached(reader: &mut GraphReader<'_, '_>, id: TensorId, span: &Span) -> Result<TensorId, Reported> {
    let shape = reader.shape(id).to_vec();
    reader.emit(detach_function(&shape), &[id], span)
}

fn detach(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    detached(reader, id, &call.span).map(Value::Tensor)
}

fn same(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    unchanged(reader, call, false)
}

/// Python's `float(2)` is a floating-point number; a tensor stays as it is.
fn float(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    unchanged(reader, call, true)
}

/// Returns the first argument as it is. A string becomes the number that it spells. If `is_float` is `true`, a whole number becomes a decimal number, unless it
/// is a tensor of the graph.
fn unchanged(reader: &mut GraphReader<'_, '_>, call: &Call, is_float: bool) -> Result<Value, Reported> {
    let (value, span) = call.required(reader, 0)?;
    if let Value::Text(text) = &value {
        // float('-inf')
        let number = match text.trim() {
            "inf" | "+inf" | "infinity" => Some(f64::INFINITY),
            "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
            "nan" => Some(f64::NAN),
            text => text.parse().ok(),
        };
        return match number {
            Some(x) => Ok(Value::float(x)),
            None => Err(reader.fail(&span, "this string is not a number", "")),
        };
    }
    if let Some(number) = value.number() {
        return Ok(if is_float && number.tensor.is_none() { Value::float(number.value.as_f64()) } else { value });
    }
    reader.tensor(&value, &span).map(Value::Tensor)
}

fn item(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (value, span) = call.required(reader, 0)?;
    if value.number().is_some() {
        return Ok(value);
    }
    let id = reader.tensor(&value, &span)?;
    if len(reader.shape(id)) != 1 {
        let message = format!("{} is not a single number", reader.describe(id));
        return Err(reader.fail(&span, message, "item() is for a tensor with one entry"));
    }
    let number = viewed(reader, id, &[], &call.span)?;
    detached(reader, number, &call.span).map(Value::Tensor)
}

/// Replaces a size of −1 by the size that gives the tensor's number of entries.
fn completed(reader: &mut GraphReader<'_, '_>, id: TensorId, sizes: &[i64], span: &Span) -> Result<Vec<usize>, Reported> {
    let entries = len(reader.shape(id));
    let known_product: i128 = sizes.iter().filter(|n| **n != -1).map(|n| i128::from(*n)).fold(1, i128::saturating_mul);
    let unknown = sizes.iter().filter(|n| **n == -1).count();
    let total = i128::try_from(entries).unwrap_or(i128::MAX);
    let fits = match unknown {
        0 => known_product == total,
        1 => known_product > 0 && total % known_product == 0,
        _ => false,
    };
    if !fits || sizes.iter().any(|n| *n < -1) {
        let text: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        let message =
            format!("{} has {}, which do not fit into the shape ({})", reader.describe(id), counted(entries, "entry"), text.join(", "));
        let help = if unknown > 1 { "only one size can be -1" } else { "the product of the sizes must be the number of entries" };
        return Err(reader.fail(span, message, help));
    }
    let missing_size = if known_product > 0 { total / known_product } else { 0 };
    Ok(sizes.iter().map(|n| usize::try_from(if *n == -1 { missing_size } else { i128::from(*n) }).unwrap_or(0)).collect())
}

fn reshape(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let sizes = call.integers(reader, "a size")?;
    if sizes.is_empty() && call.starred.is_empty() {
        return Err(reader.fail(&call.span, format!("{} needs a shape", call.name), format!("for example x.{}(2, -1)", call.name)));
    }
    let shape = completed(reader, id, &sizes, &call.span)?;
    with_written_shape(reader, id, &shape, call)
}

/// Gives a tensor a shape that the call contains, and marks this shape as intended: if a vector is broadcast with a column, there is no warning.
fn with_written_shape(reader: &mut GraphReader<'_, '_>, id: TensorId, shape: &[usize], call: &Call) -> Result<Value, Reported> {
    let id = viewed(reader, id, shape, &call.span)?;
    reader.mark_written_shape(id);
    Ok(Value::Tensor(id))
}

fn view_as(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (id, other) = (call.tensor(reader, 0)?, call.tensor(reader, 1)?);
    let sizes: Vec<i64> = reader.shape(other).iter().map(|n| i64::try_from(*n).unwrap_or(i64::MAX)).collect();
    let shape = completed(reader, id, &sizes, &call.span)?;
    viewed(reader, id, &shape, &call.span).map(Value::Tensor)
}

fn flatten(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let shape = reader.shape(id).to_vec();
    if shape.is_empty() {
        return viewed(reader, id, &[1], &call.span).map(Value::Tensor);
    }
    let first = call.axis(reader, 1, shape.len())?.unwrap_or(0);
    let last = call.axis(reader, 2, shape.len())?.unwrap_or(shape.len() - 1);
    if first > last {
        return Err(reader.fail(&call.span, "start_dim comes after end_dim", ""));
    }
    let flat = [&shape[..first], &[len(&shape[first..=last])], &shape[last + 1..]].concat();
    viewed(reader, id, &flat, &call.span).map(Value::Tensor)
}

fn unsqueeze(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let mut shape = reader.shape(id).to_vec();
    let Some(axis) = call.axis(reader, 1, shape.len() + 1)? else {
        return Err(reader.fail(&call.span, format!("{} needs its axis", call.name), format!("write {}(x, 0)", call.name)));
    };
    shape.insert(axis, 1);
    with_written_shape(reader, id, &shape, call)
}

fn squeeze(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let shape = reader.shape(id).to_vec();
    let axes = call.axes(reader, 1, shape.len())?;
    if call.is_numpy()
        && let Some(axis) = axes.iter().flatten().find(|axis| shape[**axis] != 1)
    {
        let message = format!("axis {axis} of {} has {}", reader.describe(id), counted(shape[*axis], "entry"));
        return Err(reader.fail(&call.span, message, "only an axis of one entry is squeezed"));
    }
    let stays = |axis: usize| shape[axis] != 1 || axes.as_ref().is_some_and(|axes| !axes.contains(&axis));
    let squeezed: Vec<usize> = (0..shape.len()).filter(|axis| stays(*axis)).map(|axis| shape[axis]).collect();
    viewed(reader, id, &squeezed, &call.span).map(Value::Tensor)
}

/// Reads the axes from the arguments of a call.
///
/// # Errors
/// If an axis does not exist, or is given twice.
pub fn distinct_axes(reader: &mut GraphReader<'_, '_>, call: &Call, rank: usize) -> Result<Vec<usize>, Reported> {
    let mut axes = Vec::new();
    for n in call.integers(reader, "an axis")? {
        let axis = call::axis(reader, n, rank, &call.span)?;
        if axes.contains(&axis) {
            return Err(reader.fail(&call.span, format!("axis {n} is given twice"), ""));
        }
        axes.push(axis);
    }
    Ok(axes)
}

fn transpose(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let rank = reader.shape(id).len();
    let count = call.integers(reader, "an axis")?.len();
    // PyTorch's transpose takes two axes, NumPy's takes all axes or none. x.transpose(…) is PyTorch's if it has two axes
    if !call.is_numpy() && (call.spelling != Spelling::Method || count == 2) {
        return swapaxes(reader, call);
    }
    if call.starred.is_empty() {
        return transposed(reader, id, true, &call.span).map(Value::Tensor);
    }
    let given = distinct_axes(reader, call, rank)?;
    permuted_by(reader, id, &given, call)
}

fn swapaxes(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let rank = reader.shape(id).len();
    let axes = call.integers(reader, "an axis")?;
    if let [a, b] = axes[..]
        && call::axis(reader, a, rank, &call.span)? == call::axis(reader, b, rank, &call.span)?
    {
        return Ok(Value::Tensor(id));
    }
    let given = distinct_axes(reader, call, rank)?;
    let [a, b] = given[..] else {
        let help = format!("write {}(x, 0, 1); permute takes all axes", call.name);
        return Err(reader.fail(&call.span, format!("{} takes two axes, not {}", call.name, given.len()), help));
    };
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(a, b);
    permuted(reader, id, &order, &call.span).map(Value::Tensor)
}

/// Puts the axes in this order, which must have each axis once.
fn permuted_by(reader: &mut GraphReader<'_, '_>, id: TensorId, order: &[usize], call: &Call) -> Result<Value, Reported> {
    let rank = reader.shape(id).len();
    if order.len() != rank {
        let are = are(order.len());
        let message = format!("{} has {}, but {} {are} given", reader.describe(id), counted(rank, "axis"), order.len());
        return Err(reader.fail(&call.span, message, "each axis is given once"));
    }
    permuted(reader, id, order, &call.span).map(Value::Tensor)
}

fn permute(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let rank = reader.shape(id).len();
    let order = distinct_axes(reader, call, rank)?;
    permuted_by(reader, id, &order, call)
}

fn movedim(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let rank = reader.shape(id).len();
    let (Some(source), Some(destination)) = (call.axis(reader, 1, rank)?, call.axis(reader, 2, rank)?) else {
        return Err(reader.fail(&call.span, format!("{} needs two axes", call.name), ""));
    };
    let mut order: Vec<usize> = (0..rank).filter(|axis| *axis != source).collect();
    order.insert(destination, source);
    permuted(reader, id, &order, &call.span).map(Value::Tensor)
}

fn t(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    if reader.shape(id).len() > 2 {
        return Err(reader.fail(&call.span, "t() transposes a matrix", "write transpose(x, 0, 1), or .mT for the last two axes"));
    }
    transposed(reader, id, true, &call.span).map(Value::Tensor)
}
