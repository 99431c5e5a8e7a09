//! Functions over axes: sums, means, moments, products, softmax.

use std::sync::Arc;

use crate::graph::call::{Call, FunctionRow, Spelling};
use crate::graph::reader::GraphReader;
use crate::graph::value::{TensorId, Value};
use crate::op::cumsum::cumsum as cumsum_function;
use crate::op::einsum::{EinsumKind, einsum};
use crate::op::extremum::{Extreme, Ties, extremum};
use crate::op::layer::Reported;
use crate::op::operator::Operator;
use crate::op::prod::prod as prod_function;
use crate::op::softmax::{Slices, Softmax};
use crate::python::tree::Span;
use crate::tensor::len;
use crate::text::counted;

use super::shape::{detached, viewed};

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    FunctionRow { names: &["sum"], parameters: OVER_AXES, build: sum },
    FunctionRow { names: &["mean", "average"], parameters: OVER_AXES, build: mean },
    FunctionRow { names: &["var"], parameters: MOMENT, build: var },
    FunctionRow { names: &["std"], parameters: MOMENT, build: std },
    FunctionRow { names: &["prod"], parameters: OVER_AXES, build: prod },
    FunctionRow { names: &["logsumexp"], parameters: OVER_AXES, build: logsumexp },
    FunctionRow { names: &["norm", "vector_norm"], parameters: &["input|x", "p|ord", "dim|axis", "keepdim|keepdims"], build: norm },
    FunctionRow { names: &["softmax"], parameters: &["input|x", "dim|axis"], build: |reader, call| softmax_call(reader, call, false) },
    FunctionRow { names: &["log_softmax"], parameters: &["input|x", "dim|axis"], build: |reader, call| softmax_call(reader, call, true) },
    FunctionRow { names: &["cumsum"], parameters: &["input|x|a", "dim|axis"], build: cumsum },
];

/// The parameters of a function that reduces axes.
const OVER_AXES: &[&str] = &["input|x|a", "dim|axis", "keepdim|keepdims"];
/// The parameters of a variance and of a standard deviation.
const MOMENT: &[&str] = &["input|x|a", "dim|axis", "unbiased", "keepdim|keepdims", "correction|ddof"];

/// A tensor with the axes that a function reduces.
struct ReducedAxes {
    id: TensorId,
    axes: Vec<usize>,
    keepdim: bool,
}

/// Reads the tensor and its axes, by default all. `dim` and `keepdim` are the indices of these parameters.
fn reduction(reader: &mut GraphReader<'_, '_>, call: &Call, [dim, keepdim]: [usize; 2]) -> Result<ReducedAxes, Reported> {
    let id = call.tensor(reader, 0)?;
    let rank = reader.shape(id).len();
    let axes = call.axes(reader, dim, rank)?.unwrap_or_else(|| (0..rank).collect());
    let keepdim = call.flag(reader, keepdim, false)?;
    Ok(ReducedAxes { id, axes, keepdim })
}

/// Returns the number of entries that are reduced to one.
fn count(reader: &GraphReader<'_, '_>, id: TensorId, axes: &[usize]) -> usize {
    axes.iter().map(|axis| reader.shape(id)[*axis]).product()
}

/// Sums a tensor over axes.
///
/// # Errors
/// If the result exceeds the memory limit.
pub fn sum_over(reader: &mut GraphReader<'_, '_>, id: TensorId, axes: &[usize], keepdim: bool, span: &Span) -> Result<TensorId, Reported> {
    let mut sizes = reader.shape(id).to_vec();
    let rank = sizes.len();
    let labels: Vec<usize> = (0..rank).collect();
    let mut output = Vec::new();
    for axis in 0..rank {
        if !axes.contains(&axis) {
            output.push(axis);
        } else if keepdim {
            // a new label of size 1
            output.push(sizes.len());
            sizes.push(1);
        }
    }
    let sum = reader.emit(einsum(&[&labels], &output, &sizes, EinsumKind::Sum), &[id], span)?;
    reader.tensors[sum].has_written_shape = keepdim;
    Ok(sum)
}

/// Multiplies a tensor by a number.
///
/// # Errors
/// If the result exceeds the memory limit.
pub fn scaled(reader: &mut GraphReader<'_, '_>, id: TensorId, factor: f64, span: &Span) -> Result<TensorId, Reported> {
    let product = reader.elementwise(Operator::Mul, &[Value::Tensor(id), Value::float(factor)], span)?;
    reader.tensors[product].has_written_shape = reader.tensors[id].has_written_shape;
    Ok(product)
}

/// Takes the mean over axes: the sum, times 1/n.
///
/// # Errors
/// If the result exceeds the memory limit.
pub fn mean_over(reader: &mut GraphReader<'_, '_>, id: TensorId, axes: &[usize], keepdim: bool, span: &Span) -> Result<TensorId, Reported> {
    let n = count(reader, id, axes);
    let sum = sum_over(reader, id, axes, keepdim, span)?;
    scaled(reader, sum, reciprocal(n, 0), span)
}

/// Returns 1 / (n − `correction`).
#[allow(clippy::cast_precision_loss)] // n is far less than 2⁵³
fn reciprocal(n: usize, correction: i64) -> f64 {
    1.0 / (n as f64 - correction as f64)
}

/// The difference between a tensor and its mean, and the variance.
pub struct Moments {
    /// x − mean
    pub centred: TensorId,
    /// The variance, with n − `correction` in the denominator.
    pub variance: TensorId,
}

/// Computes x − mean, and the variance. If `keepdim` is set, the variance keeps the reduced axes with the size 1.
///
/// # Errors
/// If n is not larger than `correction`.
pub fn moments(
    reader: &mut GraphReader<'_, '_>,
    id: TensorId,
    axes: &[usize],
    (correction, keepdim): (i64, bool),
    span: &Span,
) -> Result<Moments, Reported> {
    let n = count(reader, id, axes);
    if i64::try_from(n).unwrap_or(i64::MAX) <= correction {
        let message = format!("the variance of {} is divided by n − {correction}, which is not positive", counted(n, "number"));
        return Err(reader.fail(span, message, "unbiased=False divides by n"));
    }
    let mean = mean_over(reader, id, axes, true, span)?;
    let centred = reader.elementwise(Operator::Sub, &[Value::Tensor(id), Value::Tensor(mean)], span)?;
    let squares = named(reader, "square", &[Value::Tensor(centred)], span)?;
    let sum = sum_over(reader, squares, axes, keepdim, span)?;
    let variance = scaled(reader, sum, reciprocal(n, correction), span)?;
    Ok(Moments { centred, variance })
}

/// Applies the elementwise function with this name.
///
/// # Errors
/// If the shapes cannot be broadcast.
pub fn named(reader: &mut GraphReader<'_, '_>, name: &str, operands: &[Value], span: &Span) -> Result<TensorId, Reported> {
    let value = reader.named(name, operands, span)?;
    reader.tensor(&value, span)
}

fn sum(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    // Python's own sum of a list of tensors
    if let Some((Value::List(items), _)) = call.get(0)
        && items.iter().any(|item| matches!(item, Value::Tensor(_)))
    {
        let items = items.to_vec();
        let mut total = items[0].clone();
        for item in &items[1..] {
            total = reader.binary(crate::python::tree::BinaryOperator::Add, total, item.clone(), &call.span)?;
        }
        return Ok(total);
    }
    let ReducedAxes { id, axes, keepdim } = reduction(reader, call, [1, 2])?;
    if call.spelling == Spelling::Bare && reader.shape(id).len() > 1 && !call.has(1) {
        let written = reader.name_of(id);
        let name = if written.contains(' ') { format!("({written})") } else { written.clone() };
        let message = format!("sum({written}) adds all entries here; Python's own sum adds the rows");
        reader.warn(&call.span, message, format!("write {name}.sum() for all entries, {name}.sum(0) for the sum of the rows"));
    }
    sum_over(reader, id, &axes, keepdim, &call.span).map(Value::Tensor)
}

fn mean(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let ReducedAxes { id, axes, keepdim } = reduction(reader, call, [1, 2])?;
    mean_over(reader, id, &axes, keepdim, &call.span).map(Value::Tensor)
}

/// Reads the arguments of `var` and `std`, and computes the variance.
fn variance(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<TensorId, Reported> {
    // PyTorch's old form var(x, unbiased) has the flag in the place of the axis. Then no parameter has the axis, and so its index is usize::MAX
    let has_flag_as_axis = matches!(call.get(1), Some((Value::Bool(_), _)));
    let (dim, unbiased) = if has_flag_as_axis { (usize::MAX, 1) } else { (1, 2) };
    let ReducedAxes { id, axes, keepdim } = reduction(reader, call, [dim, 3])?;
    if call.has(unbiased) && call.has(4) {
        return Err(reader.fail(&call.span, "unbiased and correction say the same", "write one of them"));
    }
    let correction = if let Some(correction) = call.integer(reader, 4)? {
        correction
    } else {
        // PyTorch divides by n − 1, NumPy by n
        let default = i64::from(!call.is_numpy());
        let is_divisor_chosen = call.has(unbiased) || call.has_numpy_keyword || call.has_torch_keyword;
        if !is_divisor_chosen && call.spelling == Spelling::Method {
            let message = format!("{}() of a tensor divides by n − 1, as in PyTorch; NumPy divides by n", call.name);
            reader.warn(&call.span, message, "write unbiased=True or unbiased=False");
        }
        if call.has(unbiased) { i64::from(call.flag(reader, unbiased, true)?) } else { default }
    };
    moments(reader, id, &axes, (correction, keepdim), &call.span).map(|moments| moments.variance)
}

fn var(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    variance(reader, call).map(Value::Tensor)
}

fn std(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let variance = variance(reader, call)?;
    named(reader, "root_of_squares", &[Value::Tensor(variance)], &call.span).map(Value::Tensor)
}

fn prod(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let ReducedAxes { id, axes, keepdim } = reduction(reader, call, [1, 2])?;
    let function = prod_function(reader.shape(id), &axes, keepdim);
    reader.emit(function, &[id], &call.span).map(Value::Tensor)
}

/// log Σ exp x = m + log Σ exp(x − m), where m is the largest entry. m counts as a constant, because the result does not depend on it.
fn logsumexp(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let ReducedAxes { id, axes, keepdim } = reduction(reader, call, [1, 2])?;
    let span = &call.span;
    let function = extremum(reader.shape(id), &axes, true, Extreme::Max, Ties::Shared);
    let largest = reader.emit(function, &[id], span)?;
    // m: each reduced axis has the size 1
    let largest = detached(reader, largest, span)?;
    let shifted = reader.elementwise(Operator::Sub, &[Value::Tensor(id), Value::Tensor(largest)], span)?;
    let exponentials = named(reader, "exp", &[Value::Tensor(shifted)], span)?;
    let sum = sum_over(reader, exponentials, &axes, keepdim, span)?;
    let log = named(reader, "log", &[Value::Tensor(sum)], span)?;
    let largest = if keepdim {
        largest
    } else {
        let shape = reader.shape(log).to_vec();
        reader.emit(crate::op::copies::view(&shape, crate::op::copies::CopyKind::View), &[largest], span)?
    };
    reader.elementwise(Operator::Add, &[Value::Tensor(log), Value::Tensor(largest)], span).map(Value::Tensor)
}

fn norm(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let ReducedAxes { id, axes, keepdim } = reduction(reader, call, [2, 3])?;
    let span = &call.span;
    let order = match call.get(1) {
        Some((Value::Text(text), _)) if text == "fro" => None,
        _ => call.number(reader, 1)?,
    };
    let order = order.unwrap_or(2.0);
    if order.to_bits() == 1.0_f64.to_bits() {
        let sizes = named(reader, "abs", &[Value::Tensor(id)], span)?;
        return sum_over(reader, sizes, &axes, keepdim, span).map(Value::Tensor);
    }
    if order.is_infinite() {
        let sizes = named(reader, "abs", &[Value::Tensor(id)], span)?;
        let extreme = if order > 0.0 { Extreme::Max } else { Extreme::Min };
        let function = extremum(reader.shape(sizes), &axes, keepdim, extreme, Ties::Shared);
        return reader.emit(function, &[sizes], span).map(Value::Tensor);
    }
    if order.to_bits() != 2.0_f64.to_bits() {
        if order == 0.0 || order.is_nan() {
            return Err(reader.fail(span, format!("a norm of the order {order} has no derivative"), "p is a positive number, or inf"));
        }
        let sizes = named(reader, "abs", &[Value::Tensor(id)], span)?;
        let powers = reader.elementwise(Operator::POW, &[Value::Tensor(sizes), Value::float(order)], span)?;
        let sum = sum_over(reader, powers, &axes, keepdim, span)?;
        return reader.elementwise(Operator::POW, &[Value::Tensor(sum), Value::float(1.0 / order)], span).map(Value::Tensor);
    }
    let squares = named(reader, "square", &[Value::Tensor(id)], span)?;
    let sum = sum_over(reader, squares, &axes, keepdim, span)?;
    named(reader, "root_of_squares", &[Value::Tensor(sum)], span).map(Value::Tensor)
}

fn softmax_call(reader: &mut GraphReader<'_, '_>, call: &Call, is_log: bool) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let rank = reader.shape(id).len();
    let Some(axis) = call.axis(reader, 1, rank)? else {
        let message = format!("{} needs its axis", call.name);
        return Err(reader.fail(&call.span, message, format!("write {}(x, dim=-1) for the last axis", call.name)));
    };
    softmax_along(reader, id, axis, is_log, &call.span).map(Value::Tensor)
}

/// Applies softmax or log-softmax along an axis.
///
/// # Errors
/// If the result exceeds the memory limit.
pub fn softmax_along(reader: &mut GraphReader<'_, '_>, id: TensorId, axis: usize, is_log: bool, span: &Span) -> Result<TensorId, Reported> {
    let slices = Slices::along(reader.shape(id), axis);
    let function = if is_log { Softmax::log_within(slices) } else { Softmax::within(slices) };
    reader.emit(Arc::new(function), &[id], span)
}

fn cumsum(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let rank = reader.shape(id).len();
    let axis = call.axis(reader, 1, rank)?;
    let (id, axis) = match axis {
        Some(axis) => (id, axis),
        None if call.spelling == Spelling::NumPy => {
            let entries = len(reader.shape(id));
            (viewed(reader, id, &[entries], &call.span)?, 0)
        }
        None => return Err(reader.fail(&call.span, "cumsum needs its axis", "write cumsum(x, dim=0)")),
    };
    let function = cumsum_function(reader.shape(id), axis);
    reader.emit(function, &[id], &call.span).map(Value::Tensor)
}
