//! Normalisations and attention. Each call becomes several operations.

use crate::graph::call::{Call, FunctionRow};
use crate::graph::reader::GraphReader;
use crate::graph::value::{TensorId, Value};
use crate::op::layer::Reported;
use crate::op::operator::Operator;
use crate::python::tree::Span;
use crate::tensor::len;
use crate::text::counted;

use super::choices::chosen;
use super::products::matmul;
use super::reduce::{mean_over, moments, named, scaled, softmax_along};
use super::shape::{permuted, viewed};

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    FunctionRow { names: &["layer_norm"], parameters: &["input", "normalized_shape", "weight", "bias", "eps"], build: layer_norm },
    FunctionRow { names: &["rms_norm"], parameters: &["input", "normalized_shape", "weight", "eps"], build: rms_norm },
    FunctionRow {
        names: &["batch_norm"],
        parameters: &["input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"],
        build: batch_norm,
    },
    FunctionRow {
        names: &["instance_norm"],
        parameters: &["input", "running_mean", "running_var", "weight", "bias", "use_input_stats", "momentum", "eps"],
        build: instance_norm,
    },
    FunctionRow { names: &["group_norm"], parameters: &["input", "num_groups", "weight", "bias", "eps"], build: group_norm },
    FunctionRow { names: &["normalize"], parameters: &["input", "p", "dim", "eps"], build: normalize },
    FunctionRow {
        names: &["scaled_dot_product_attention"],
        parameters: &["query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale"],
        build: attention,
    },
    FunctionRow { names: &["dropout"], parameters: &["input", "p", "training"], build: dropout },
];

fn tensor_and_number(
    reader: &mut GraphReader<'_, '_>,
    operator: Operator,
    id: TensorId,
    number: f64,
    span: &Span,
) -> Result<TensorId, Reported> {
    reader.elementwise(operator, &[Value::Tensor(id), Value::float(number)], span)
}

/// `centred` · 1/√(`variance` + ε)
fn divided_by_deviation(
    reader: &mut GraphReader<'_, '_>,
    centred: TensorId,
    variance: TensorId,
    eps: f64,
    span: &Span,
) -> Result<TensorId, Reported> {
    let shifted = tensor_and_number(reader, Operator::Add, variance, eps, span)?;
    let inverse = named(reader, "rsqrt", &[Value::Tensor(shifted)], span)?;
    reader.elementwise(Operator::Mul, &[Value::Tensor(centred), Value::Tensor(inverse)], span)
}

/// Multiplies by the weight and adds the bias, if they are given. `parameters` are the indices of their parameters in the call; `None` if the function has no
/// such parameter. `wide` is the shape to which both are reshaped before they are broadcast; `None` keeps their shapes.
fn affine(
    reader: &mut GraphReader<'_, '_>,
    call: &Call,
    mut id: TensorId,
    parameters: [Option<usize>; 2],
    wide: Option<&[usize]>,
) -> Result<Value, Reported> {
    for (at, operator) in parameters.into_iter().zip([Operator::Mul, Operator::Add]) {
        let Some((value, span)) = at.and_then(|at| call.get(at)).map(|(value, span)| (value.clone(), span.clone())) else { continue };
        let mut parameter = reader.tensor(&value, &span)?;
        if let Some(wide) = wide {
            parameter = per_channel(reader, parameter, wide, &span)?;
        }
        id = reader.elementwise(operator, &[Value::Tensor(id), Value::Tensor(parameter)], &call.span)?;
    }
    Ok(Value::Tensor(id))
}

/// Returns a tensor of one number for each channel in the shape `wide`, in which it is broadcast to all places of a channel.
///
/// # Errors
/// If it has another number of entries.
fn per_channel(reader: &mut GraphReader<'_, '_>, id: TensorId, wide: &[usize], span: &Span) -> Result<TensorId, Reported> {
    if len(wide) != len(reader.shape(id)) {
        let message = format!("{} must have {}, one for each channel", reader.describe(id), counted(len(wide), "number"));
        return Err(reader.fail(span, message, ""));
    }
    if reader.shape(id) == wide { Ok(id) } else { viewed(reader, id, wide, span) }
}

/// Reads `normalized_shape`: the last axes, over which a layer norm goes.
fn last_axes(reader: &mut GraphReader<'_, '_>, call: &Call, id: TensorId) -> Result<Vec<usize>, Reported> {
    let (value, span) = call.required(reader, 1)?;
    let items = value.items().unwrap_or_else(|| vec![value.clone()]);
    let sizes: Vec<usize> =
        items.iter().map(|item| crate::graph::arithmetic::size(reader, item, "a size", &span)).collect::<Result<_, _>>()?;
    let shape = reader.shape(id).to_vec();
    if sizes.is_empty() || !shape.ends_with(&sizes) {
        let text: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        let message = format!("{} does not end with the normalized shape ({})", reader.describe(id), text.join(", "));
        return Err(reader.fail(&span, message, "normalized_shape is the sizes of the last axes"));
    }
    Ok((shape.len() - sizes.len()..shape.len()).collect())
}

fn layer_norm(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let axes = last_axes(reader, call, id)?;
    let eps = call.number(reader, 4)?.unwrap_or(1e-5);
    let moments = moments(reader, id, &axes, (0, true), &call.span)?;
    let normalised = divided_by_deviation(reader, moments.centred, moments.variance, eps, &call.span)?;
    affine(reader, call, normalised, [Some(2), Some(3)], None)
}

fn rms_norm(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let axes = last_axes(reader, call, id)?;
    let eps = call.number(reader, 3)?.unwrap_or(f64::EPSILON);
    let squares = named(reader, "square", &[Value::Tensor(id)], &call.span)?;
    let mean = mean_over(reader, squares, &axes, true, &call.span)?;
    let normalised = divided_by_deviation(reader, id, mean, eps, &call.span)?;
    affine(reader, call, normalised, [Some(2), None], None)
}

fn batch_norm(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let shape = reader.shape(id).to_vec();
    if shape.len() < 2 {
        return Err(reader.fail(
            &call.span,
            "batch_norm needs a batch: at least two axes",
            "the axis 0 counts the examples, the axis 1 the channels",
        ));
    }
    if call.flag(reader, 5, false)? {
        let axes: Vec<usize> = (0..shape.len()).filter(|axis| *axis != 1).collect();
        return by_own_moments(reader, call, id, &axes);
    }
    by_statistics(reader, call, id, "training=True")
}

fn instance_norm(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let shape = reader.shape(id).to_vec();
    if shape.len() < 3 {
        let message = format!("instance_norm normalises the places of each channel, but {} has no axis of places", reader.describe(id));
        return Err(reader.fail(&call.span, message, "the axis 0 counts the examples, the axis 1 the channels, and the others the places"));
    }
    if !call.flag(reader, 5, true)? {
        return by_statistics(reader, call, id, "use_input_stats=True");
    }
    if len(&shape[2..]) == 1 {
        let message =
            format!("instance_norm takes the mean of each channel of each example, and {} has one number there", reader.describe(id));
        return Err(reader.fail(&call.span, message, "a channel needs at least two places"));
    }
    by_own_moments(reader, call, id, &(2..shape.len()).collect::<Vec<_>>())
}

/// The shape in which a tensor of one number for each channel is broadcast to a tensor of this shape. The axis 1 counts the channels.
fn wide_shape(shape: &[usize]) -> Vec<usize> {
    std::iter::once(shape[1]).chain(shape[2..].iter().map(|_| 1)).collect()
}

/// Normalises by the mean and the variance over some axes of the input itself. The weight and the bias have one number for each channel.
fn by_own_moments(reader: &mut GraphReader<'_, '_>, call: &Call, id: TensorId, axes: &[usize]) -> Result<Value, Reported> {
    let eps = call.number(reader, 7)?.unwrap_or(1e-5);
    let wide = wide_shape(reader.shape(id));
    let moments = moments(reader, id, axes, (0, true), &call.span)?;
    let normalised = divided_by_deviation(reader, moments.centred, moments.variance, eps, &call.span)?;
    affine(reader, call, normalised, [Some(3), Some(4)], Some(&wide))
}

/// Normalises by the statistics that the call gives for each channel. `flag` is the argument that would take those of the input instead.
fn by_statistics(reader: &mut GraphReader<'_, '_>, call: &Call, id: TensorId, flag: &str) -> Result<Value, Reported> {
    let eps = call.number(reader, 7)?.unwrap_or(1e-5);
    let wide = wide_shape(reader.shape(id));
    if !call.has(1) || !call.has(2) {
        let message = format!("{} needs {flag} here: it has no statistics of its own", call.name);
        return Err(reader.fail(&call.span, message, format!("write {flag}, or give running_mean and running_var")));
    }
    let [mean, variance] = [1, 2].map(|at| call.tensor(reader, at));
    let (mean, variance) = (mean?, variance?);
    if [mean, variance].iter().any(|id| reader.tensors[*id].flows) {
        let message = format!("running_mean and running_var are statistics, and have no derivative in {}", call.name);
        return Err(reader.fail(&call.span, message, "give them under [graph.constants], or write the norm out"));
    }
    let (mean, variance) = (per_channel(reader, mean, &wide, &call.span)?, per_channel(reader, variance, &wide, &call.span)?);
    let centred = reader.elementwise(Operator::Sub, &[Value::Tensor(id), Value::Tensor(mean)], &call.span)?;
    let normalised = divided_by_deviation(reader, centred, variance, eps, &call.span)?;
    affine(reader, call, normalised, [Some(3), Some(4)], Some(&wide))
}

fn group_norm(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let shape = reader.shape(id).to_vec();
    call.required(reader, 1)?;
    let groups = call.integer(reader, 1)?.and_then(|groups| usize::try_from(groups).ok()).unwrap_or(0);
    let eps = call.number(reader, 4)?.unwrap_or(1e-5);
    if shape.len() < 2 || groups == 0 || !shape[1].is_multiple_of(groups) {
        let message = format!("{groups} groups do not divide the channels of {} evenly", reader.describe(id));
        return Err(reader.fail(&call.span, message, "the axis 1 counts the channels"));
    }
    let grouped = [shape[0], groups, len(&shape) / (shape[0] * groups)];
    let view = viewed(reader, id, &grouped, &call.span)?;
    let moments = moments(reader, view, &[2], (0, true), &call.span)?;
    let normalised = divided_by_deviation(reader, moments.centred, moments.variance, eps, &call.span)?;
    let normalised = viewed(reader, normalised, &shape, &call.span)?;
    affine(reader, call, normalised, [Some(2), Some(3)], Some(&wide_shape(&shape)))
}

/// x / max(‖x‖, ε)
fn normalize(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let rank = reader.shape(id).len();
    let axis = call.axis(reader, 2, rank)?.unwrap_or(1);
    if axis >= rank || call.number(reader, 1)?.is_some_and(|p| p.to_bits() != 2.0_f64.to_bits()) {
        return Err(reader.fail(&call.span, "normalize divides by the 2-norm along an axis", "write normalize(x, dim=-1)"));
    }
    let eps = call.number(reader, 3)?.unwrap_or(1e-12);
    let squares = named(reader, "square", &[Value::Tensor(id)], &call.span)?;
    let sum = super::reduce::sum_over(reader, squares, &[axis], true, &call.span)?;
    let norm = named(reader, "root_of_squares", &[Value::Tensor(sum)], &call.span)?;
    let norm = named(reader, "clamp_min", &[Value::Tensor(norm), Value::float(eps)], &call.span)?;
    reader.elementwise(Operator::DIV, &[Value::Tensor(id), Value::Tensor(norm)], &call.span).map(Value::Tensor)
}

fn attention(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let span = &call.span;
    let [query, key, value] = [0, 1, 2].map(|at| call.tensor(reader, at));
    let (query, key, value) = (query?, key?, value?);
    let (query_shape, key_shape) = (reader.shape(query).to_vec(), reader.shape(key).to_vec());
    let ([.., rows, size], [.., columns, _]) = (&query_shape[..], &key_shape[..]) else {
        return Err(reader.fail(
            span,
            "attention needs matrices of queries, keys and values",
            "the last two axes are positions and features",
        ));
    };
    if call.number(reader, 4)?.is_some_and(|p| p != 0.0) {
        return Err(reader.fail(span, "attention with dropout is not possible", "leave dropout_p out"));
    }
    #[allow(clippy::cast_precision_loss)] // a number of features
    let scale = call.number(reader, 6)?.unwrap_or(1.0 / (*size as f64).sqrt());
    let mut order: Vec<usize> = (0..key_shape.len()).collect();
    order.swap(key_shape.len() - 2, key_shape.len() - 1);
    let transposed = permuted(reader, key, &order, span)?;
    let Value::Tensor(scores) = matmul(reader, &Value::Tensor(query), &Value::Tensor(transposed), span)? else { return Err(Reported) };
    let mut scores = scaled(reader, scores, scale, span)?;
    let mut mask = None;
    if call.flag(reader, 5, false)? {
        if call.has(3) {
            return Err(reader.fail(span, "attn_mask and is_causal=True exclude each other", "leave one of them out"));
        }
        reader.claim_tensor(&[*rows, *columns], span)?;
        // a query sees the keys up to its own position: 1 on and below the diagonal
        let lower_triangle = (0..rows * columns).map(|at| if at % columns <= at / columns { 1.0 } else { 0.0 }).collect();
        mask = Some(reader.constant(&[*rows, *columns], lower_triangle, span)?);
    } else if call.has(3) {
        let attn_mask = call.tensor(reader, 3)?;
        if reader.tensors[attn_mask].is_mask {
            mask = Some(attn_mask);
        } else {
            scores = reader.elementwise(Operator::Add, &[Value::Tensor(scores), Value::Tensor(attn_mask)], span)?;
        }
    }
    if let Some(mask) = mask {
        let Value::Tensor(masked) = chosen(reader, mask, &Value::Tensor(scores), &Value::float(f64::NEG_INFINITY), span)? else {
            return Err(Reported);
        };
        scores = masked;
    }
    let axis = reader.shape(scores).len() - 1;
    let weights = softmax_along(reader, scores, axis, false, span)?;
    matmul(reader, &Value::Tensor(weights), &Value::Tensor(value), span)
}

fn dropout(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let p = call.number(reader, 1)?.unwrap_or(0.5);
    if p != 0.0 && call.flag(reader, 2, true)? {
        let help = "write x * mask / (1 - p), with a mask of 0 and 1 under constants; or training=False";
        return Err(reader.fail(&call.span, "dropout is random", help));
    }
    call.required(reader, 0).map(|(value, _)| value)
}
