//! Losses. Each loss becomes several operations. As in PyTorch, `reduction` is `"mean"`, `"sum"` or `"none"`.

use crate::graph::call::{Call, FunctionRow};
use crate::graph::index;
use crate::graph::reader::GraphReader;
use crate::graph::value::{TensorId, Value};
use crate::op::layer::Reported;
use crate::op::lookup::{IndexOperand, LookupKind, lookup};
use crate::op::operator::Operator;
use crate::python::tree::Span;
use crate::tensor::{flat, len};
use crate::text::counted;

use super::choices::chosen;
use super::reduce::{named, scaled, softmax_along, sum_over};

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    FunctionRow {
        names: &["cross_entropy"],
        parameters: &["input", "target", "weight", "ignore_index", "reduction", "label_smoothing"],
        build: cross_entropy,
    },
    FunctionRow { names: &["nll_loss"], parameters: &["input", "target", "weight", "ignore_index", "reduction"], build: nll_loss },
    FunctionRow { names: &["mse_loss"], parameters: &["input", "target", "reduction"], build: mse_loss },
    FunctionRow { names: &["l1_loss"], parameters: &["input", "target", "reduction"], build: l1_loss },
    FunctionRow { names: &["smooth_l1_loss"], parameters: &["input", "target", "reduction", "beta"], build: smooth_l1_loss },
    FunctionRow { names: &["huber_loss"], parameters: &["input", "target", "reduction", "delta"], build: huber_loss },
    FunctionRow { names: &["binary_cross_entropy"], parameters: &["input", "target", "weight", "reduction"], build: binary_cross_entropy },
    FunctionRow {
        names: &["binary_cross_entropy_with_logits"],
        parameters: &["input", "target", "weight", "reduction", "pos_weight"],
        build: with_logits,
    },
];

/// The reduction of the losses of the entries to one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    Mean,
    Sum,
    None,
}

fn reduction(reader: &mut GraphReader<'_, '_>, call: &Call, at: usize) -> Result<Reduction, Reported> {
    match call.text(reader, at)?.as_deref() {
        None | Some("mean") => Ok(Reduction::Mean),
        Some("sum") => Ok(Reduction::Sum),
        Some("none") => Ok(Reduction::None),
        Some(other) => {
            Err(reader.fail(&call.span, format!("there is no reduction \"{other}\""), "reduction is \"mean\", \"sum\" or \"none\""))
        }
    }
}

/// Reduces losses, times a factor: `factor` · Σ for "sum", `factor` · Σ / `count` for "mean", and `factor` times each loss for "none".
fn reduced(
    reader: &mut GraphReader<'_, '_>,
    id: TensorId,
    reduction: Reduction,
    (factor, count): (f64, f64),
    span: &Span,
) -> Result<TensorId, Reported> {
    let axes: Vec<usize> = (0..reader.shape(id).len()).collect();
    let (id, factor) = match reduction {
        Reduction::None => (id, factor),
        Reduction::Sum => (sum_over(reader, id, &axes, false, span)?, factor),
        Reduction::Mean => (sum_over(reader, id, &axes, false, span)?, factor / count),
    };
    if factor.to_bits() == 1.0_f64.to_bits() { Ok(id) } else { scaled(reader, id, factor, span) }
}

/// Returns the number of entries of a tensor.
#[allow(clippy::cast_precision_loss)] // a number of entries
fn entries(reader: &GraphReader<'_, '_>, id: TensorId) -> f64 {
    len(reader.shape(id)) as f64
}

/// Returns the axis of the classes: 1, or 0 of a vector.
fn class_axis(reader: &mut GraphReader<'_, '_>, input: TensorId, span: &Span) -> Result<usize, Reported> {
    match reader.shape(input).len() {
        0 => Err(reader.fail(span, "a single number has no classes", "the input has a number for each class")),
        rank => Ok(usize::from(rank > 1)),
    }
}

/// Picks the entry of the class of each row. `axis` counts the classes: if it is 1 in a matrix, result\[n\] is table\[n, classes\[n\]\].
fn picked(reader: &mut GraphReader<'_, '_>, table: TensorId, axis: usize, classes: TensorId, span: &Span) -> Result<TensorId, Reported> {
    let table_shape = reader.shape(table).to_vec();
    let mut shape = table_shape.clone();
    shape.remove(axis);
    let classes_shape = reader.shape(classes).to_vec();
    if classes_shape != shape {
        let message = format!("the target {} does not fit the input {}", reader.describe(classes), reader.describe(table));
        let help = "the target has a class for each row, or a probability for each entry of the input";
        return Err(reader.fail(span, message, help));
    }
    reader.claim_tensor(&shape, span)?;
    let inner = len(&table_shape[axis + 1..]);
    // for each row, the entry of class 0. The row at = before · inner + after has it at (before · classes + 0) · inner + after
    let base = (0..len(&shape)).map(|at| at / inner * inner * table_shape[axis] + at % inner).collect();
    let operand = IndexOperand { shape: classes_shape, stride: inner, size: table_shape[axis], places: (0..len(&shape)).collect() };
    reader.emit_selecting(lookup(&table_shape, &shape, base, vec![operand], LookupKind::Entries), &[table, classes], &[1], span)
}

fn nll_loss(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (logp, target) = (call.tensor(reader, 0)?, call.tensor(reader, 1)?);
    let reduction = reduction(reader, call, 4)?;
    negative_log_likelihood(reader, call, logp, target, (reduction, 0.0)).map(Value::Tensor)
}

fn cross_entropy(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (input, target) = (call.tensor(reader, 0)?, call.tensor(reader, 1)?);
    let reduction = reduction(reader, call, 4)?;
    let smoothing = call.number(reader, 5)?.unwrap_or(0.0);
    let span = &call.span;
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(reader.fail(span, format!("label_smoothing is from 0 to 1, not {smoothing}"), ""));
    }
    let axis = class_axis(reader, input, span)?;
    let logp = softmax_along(reader, input, axis, true, span)?;
    if reader.shape(target) != reader.shape(input) {
        return negative_log_likelihood(reader, call, logp, target, (reduction, smoothing)).map(Value::Tensor);
    }
    // the target has probabilities: a number for each class
    let classes = reader.shape(input)[axis];
    let mut probabilities = target;
    // (1 − smoothing) · target + smoothing / classes
    if smoothing > 0.0 {
        let shrunk = scaled(reader, target, 1.0 - smoothing, span)?;
        #[allow(clippy::cast_precision_loss)] // a number of classes
        let share = Value::float(smoothing / classes as f64);
        probabilities = reader.elementwise(Operator::Add, &[Value::Tensor(shrunk), share], span)?;
    }
    let mut products = reader.elementwise(Operator::Mul, &[Value::Tensor(probabilities), Value::Tensor(logp)], span)?;
    if let Some((weight, _)) = call.get(2).map(|(value, span)| (value.clone(), span.clone())) {
        let weight = class_weights(reader, &weight, logp, axis, span)?;
        products = reader.elementwise(Operator::Mul, &[Value::Tensor(products), Value::Tensor(weight)], span)?;
    }
    #[allow(clippy::cast_precision_loss)] // a number of classes
    let rows = entries(reader, input) / classes as f64;
    if reduction == Reduction::None {
        products = sum_over(reader, products, &[axis], false, span)?;
    }
    reduced(reader, products, reduction, (-1.0, rows), span).map(Value::Tensor)
}

/// Reshapes the weights of the classes so that they are broadcast along the axis of the classes.
fn class_weights(
    reader: &mut GraphReader<'_, '_>,
    weight: &Value,
    table: TensorId,
    axis: usize,
    span: &Span,
) -> Result<TensorId, Reported> {
    let id = reader.tensor(weight, span)?;
    let shape = reader.shape(table).to_vec();
    if reader.shape(id) != [shape[axis]] {
        let message = format!("the weight {} must have one number for each of the {} classes", reader.describe(id), shape[axis]);
        return Err(reader.fail(span, message, ""));
    }
    let mut wide = vec![1; shape.len() - axis];
    wide[0] = shape[axis];
    super::shape::viewed(reader, id, &wide, span)
}

/// Checks that the classes of a target are whole numbers from 0 to `classes` − 1 or `ignore_index`, if they are known. Returns `ignore_index`; `None` if the
/// classes are known and differ from it.
fn ignored_class(reader: &mut GraphReader<'_, '_>, call: &Call, target: TensorId, classes: usize) -> Result<Option<f64>, Reported> {
    #[allow(clippy::cast_precision_loss)] // a class
    let (ignored, count) = (call.integer(reader, 3)?.unwrap_or(-100) as f64, classes as f64);
    #[allow(clippy::float_cmp)] // whole numbers
    let is_ignored = |class: f64| class == ignored;
    let Some(data) = reader.tensors[target].data.clone() else { return Ok(Some(ignored)) };
    reader.note_structure(target, "a class", &call.span);
    let mut has_ignored = false;
    for &class in flat(&data) {
        // an ignored class may be negative, as −100 is
        if is_ignored(class) {
            has_ignored = true;
        } else if class.fract() != 0.0 || class < 0.0 {
            let message = format!("{} holds {class}, which is not a class", reader.describe(target));
            return Err(reader.fail(&call.span, message, "classes are whole numbers from 0"));
        } else if class >= count {
            let message = format!("{} holds the class {class}, but there are {}", reader.describe(target), counted(classes, "class"));
            return Err(reader.fail(&call.span, message, format!("classes go from 0 to {}", classes - 1)));
        }
    }
    Ok(has_ignored.then_some(ignored))
}

/// Makes the losses −log p of the classes of the target, with label smoothing, weights and reduction. `logp` has the logarithms of all probabilities.
fn negative_log_likelihood(
    reader: &mut GraphReader<'_, '_>,
    call: &Call,
    logp: TensorId,
    target: TensorId,
    (reduction, smoothing): (Reduction, f64),
) -> Result<TensorId, Reported> {
    let span = &call.span;
    let axis = class_axis(reader, logp, span)?;
    let classes = reader.shape(logp)[axis];
    let ignored = ignored_class(reader, call, target, classes)?;
    let logp_of_class = picked(reader, logp, axis, target, span)?;
    let weight = call.get(2).map(|(value, _)| value.clone());
    // true where the class is not ignored
    let mask = match ignored {
        Some(class) => Some(reader.mask("!=", &[Value::Tensor(target), Value::float(class)], span)?),
        None => None,
    };
    let weights = match &weight {
        Some(weight) => {
            let vector = reader.tensor(weight, span)?;
            let items = [(Value::Tensor(target), span.clone())];
            Some(index::select(reader, vector, &items, span)?)
        }
        None => None,
    };
    let mut weighted = logp_of_class;
    // the factor of each log p: the weight of its class, or 0 for an ignored class
    let mut factors = weights;
    if let Some(Value::Tensor(mask)) = mask {
        factors = Some(match factors {
            Some(weights) => reader.elementwise(Operator::Mul, &[Value::Tensor(weights), Value::Tensor(mask)], span)?,
            None => mask,
        });
        // the choice of 0, and not a product with 0, because log p of an ignored class may be infinite
        let Value::Tensor(masked) = chosen(reader, mask, &Value::Tensor(logp_of_class), &Value::float(0.0), span)? else {
            return Err(Reported);
        };
        weighted = masked;
    }
    if let Some(weights) = weights {
        weighted = reader.elementwise(Operator::Mul, &[Value::Tensor(weighted), Value::Tensor(weights)], span)?;
    }
    let smoothed =
        if smoothing > 0.0 { Some(summed_over_classes(reader, logp, axis, (weight.as_ref(), mask.as_ref()), span)?) } else { None };
    // before the reduction, the loss is −Σ factor · tensor, over the pairs (tensor, factor) of `parts`
    #[allow(clippy::cast_precision_loss)] // a number of classes
    let parts = [Some((weighted, 1.0 - smoothing)), smoothed.map(|total| (total, smoothing / classes as f64))];
    let rows = entries(reader, logp_of_class);
    let axes: Vec<usize> = (0..reader.shape(weighted).len()).collect();
    // PyTorch's mean of weighted losses is Σ losses / Σ factors
    let divisor = match (reduction, factors) {
        (Reduction::Mean, Some(factors)) => Some(sum_over(reader, factors, &axes, false, span)?),
        _ => None,
    };
    let mut loss: Option<TensorId> = None;
    for (part, factor) in parts.into_iter().flatten() {
        let part = match divisor {
            Some(divisor) => {
                let total = sum_over(reader, part, &axes, false, span)?;
                let mean = reader.elementwise(Operator::DIV, &[Value::Tensor(total), Value::Tensor(divisor)], span)?;
                scaled(reader, mean, -factor, span)?
            }
            None => reduced(reader, part, reduction, (-factor, rows), span)?,
        };
        loss = Some(match loss {
            Some(loss) => reader.elementwise(Operator::Add, &[Value::Tensor(loss), Value::Tensor(part)], span)?,
            None => part,
        });
    }
    loss.ok_or(Reported)
}

/// The sum of log p over all classes, with the weights of the classes, and 0 where the target is ignored.
fn summed_over_classes(
    reader: &mut GraphReader<'_, '_>,
    logp: TensorId,
    axis: usize,
    (weight, mask): (Option<&Value>, Option<&Value>),
    span: &Span,
) -> Result<TensorId, Reported> {
    let mut weighted = logp;
    if let Some(weight) = weight {
        let weight = class_weights(reader, weight, logp, axis, span)?;
        weighted = reader.elementwise(Operator::Mul, &[Value::Tensor(logp), Value::Tensor(weight)], span)?;
    }
    let total = sum_over(reader, weighted, &[axis], false, span)?;
    let Some(Value::Tensor(mask)) = mask else { return Ok(total) };
    let masked = chosen(reader, *mask, &Value::Tensor(total), &Value::float(0.0), span)?;
    reader.tensor(&masked, span)
}

/// Reads the input and the target of a loss, and computes their difference.
fn difference(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<TensorId, Reported> {
    let ((input, _), (target, _)) = (call.required(reader, 0)?, call.required(reader, 1)?);
    reader.elementwise(Operator::Sub, &[input, target], &call.span)
}

fn mse_loss(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let difference = difference(reader, call)?;
    let reduction = reduction(reader, call, 2)?;
    let squares = named(reader, "square", &[Value::Tensor(difference)], &call.span)?;
    let n = entries(reader, squares);
    reduced(reader, squares, reduction, (1.0, n), &call.span).map(Value::Tensor)
}

fn l1_loss(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let difference = difference(reader, call)?;
    let reduction = reduction(reader, call, 2)?;
    let sizes = named(reader, "abs", &[Value::Tensor(difference)], &call.span)?;
    let n = entries(reader, sizes);
    reduced(reader, sizes, reduction, (1.0, n), &call.span).map(Value::Tensor)
}

fn smooth_l1_loss(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let beta = call.number(reader, 3)?.unwrap_or(1.0);
    if beta == 0.0 {
        return l1_loss(reader, call);
    }
    // |d| < β: d² / (2 β), else |d| − β/2
    bent(reader, call, (beta, "beta must be at least 0"), [0.5 / beta, 1.0])
}

fn huber_loss(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let delta = call.number(reader, 3)?.unwrap_or(1.0);
    // |d| < δ: d²/2, else δ (|d| − δ/2)
    bent(reader, call, (delta, "delta must be greater than 0"), [0.5, delta])
}

/// A loss of the difference d that is the parabola `square` · d² for |d| < `bend`, else the line `slope` · (|d| − `bend`/2). `rule` is the message for a `bend`
/// that is not greater than 0.
fn bent(reader: &mut GraphReader<'_, '_>, call: &Call, (bend, rule): (f64, &str), [square, slope]: [f64; 2]) -> Result<Value, Reported> {
    let span = &call.span;
    let difference = difference(reader, call)?;
    let reduction = reduction(reader, call, 2)?;
    if bend <= 0.0 {
        return Err(reader.fail(span, format!("{rule}, not {bend}"), ""));
    }
    let size = named(reader, "abs", &[Value::Tensor(difference)], span)?;
    let is_small = reader.mask("<", &[Value::Tensor(size), Value::float(bend)], span)?;
    let squares = named(reader, "square", &[Value::Tensor(difference)], span)?;
    let parabola = scaled(reader, squares, square, span)?;
    let shifted = reader.elementwise(Operator::Sub, &[Value::Tensor(size), Value::float(bend / 2.0)], span)?;
    let line = scaled(reader, shifted, slope, span)?;
    let Value::Tensor(mask) = is_small else { return Err(Reported) };
    let Value::Tensor(losses) = chosen(reader, mask, &Value::Tensor(parabola), &Value::Tensor(line), span)? else { return Err(Reported) };
    let n = entries(reader, losses);
    reduced(reader, losses, reduction, (1.0, n), span).map(Value::Tensor)
}

/// −(t log a + (1 − t) log(1 − a)), with logarithms of at least −100.
fn binary_cross_entropy(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let span = &call.span;
    let ((input, _), (target, _)) = (call.required(reader, 0)?, call.required(reader, 1)?);
    let reduction = reduction(reader, call, 3)?;
    let mut losses = named(reader, "binary_cross_entropy", &[input, target], span)?;
    if let Some((weight, _)) = call.get(2) {
        losses = reader.elementwise(Operator::Mul, &[Value::Tensor(losses), weight.clone()], span)?;
    }
    let n = entries(reader, losses);
    reduced(reader, losses, reduction, (1.0, n), span).map(Value::Tensor)
}

/// softplus(z) − t z; with `pos_weight` p: (1 − t) z + (1 + (p − 1) t) softplus(−z).
fn with_logits(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let span = &call.span;
    let ((input, _), (target, _)) = (call.required(reader, 0)?, call.required(reader, 1)?);
    let reduction = reduction(reader, call, 3)?;
    let mut losses = if let Some((weight, _)) = call.get(4).map(|(value, span)| (value.clone(), span.clone())) {
        let one_minus_t = reader.elementwise(Operator::Sub, &[Value::float(1.0), target.clone()], span)?;
        let line = reader.elementwise(Operator::Mul, &[Value::Tensor(one_minus_t), input.clone()], span)?;
        let p_minus_one = reader.elementwise(Operator::Sub, &[weight, Value::float(1.0)], span)?;
        let p_minus_one_times_t = reader.elementwise(Operator::Mul, &[Value::Tensor(p_minus_one), target], span)?;
        let factor = reader.elementwise(Operator::Add, &[Value::float(1.0), Value::Tensor(p_minus_one_times_t)], span)?;
        let negative = reader.elementwise(Operator::Neg, &[input], span)?;
        let soft = named(reader, "softplus", &[Value::Tensor(negative)], span)?;
        let soft = reader.elementwise(Operator::Mul, &[Value::Tensor(factor), Value::Tensor(soft)], span)?;
        reader.elementwise(Operator::Add, &[Value::Tensor(line), Value::Tensor(soft)], span)?
    } else {
        let soft = named(reader, "softplus", std::slice::from_ref(&input), span)?;
        let product = reader.elementwise(Operator::Mul, &[target, input], span)?;
        reader.elementwise(Operator::Sub, &[Value::Tensor(soft), Value::Tensor(product)], span)?
    };
    if let Some((weight, _)) = call.get(2) {
        losses = reader.elementwise(Operator::Mul, &[Value::Tensor(losses), weight.clone()], span)?;
    }
    let n = entries(reader, losses);
    reduced(reader, losses, reduction, (1.0, n), span).map(Value::Tensor)
}
