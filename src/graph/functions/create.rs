//! Constants: `arange(3)`, `zeros(2, 3)`, `tensor([1, 2])`, `one_hot(y, 27)`, and Python's own `range`, `len`, `int`.

use crate::graph::arithmetic;
use crate::graph::call::{Call, FunctionRow};
use crate::graph::index;
use crate::graph::reader::GraphReader;
use crate::graph::value::{Number, Range, Scalar, Value};
use crate::op::layer::Reported;
use crate::python::tree::Span;
use crate::tensor::{flat, len};

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    FunctionRow { names: &["range"], parameters: &["*ends"], build: range },
    FunctionRow { names: &["arange"], parameters: &["*ends", "start", "end|stop", "step"], build: arange },
    FunctionRow { names: &["zeros"], parameters: &["*size|shape"], build: |reader, call| filled(reader, call, 0.0) },
    FunctionRow { names: &["ones"], parameters: &["*size|shape"], build: |reader, call| filled(reader, call, 1.0) },
    FunctionRow { names: &["full"], parameters: &["size|shape", "fill_value"], build: full },
    FunctionRow { names: &["zeros_like"], parameters: &["input|a"], build: |reader, call| like(reader, call, 0.0) },
    FunctionRow { names: &["ones_like"], parameters: &["input|a"], build: |reader, call| like(reader, call, 1.0) },
    FunctionRow { names: &["full_like"], parameters: &["input|a", "fill_value"], build: full_like },
    FunctionRow { names: &["eye", "identity"], parameters: &["n|N", "m|M"], build: eye },
    FunctionRow {
        names: &["tensor", "array", "asarray", "as_tensor", "Tensor", "from_numpy", "LongTensor", "FloatTensor"],
        parameters: &["data|object"],
        build: tensor,
    },
    FunctionRow { names: &["one_hot"], parameters: &["input|tensor", "num_classes"], build: one_hot },
    FunctionRow { names: &["len"], parameters: &["value"], build: length },
    FunctionRow { names: &["size"], parameters: &["input|a", "dim|axis"], build: size },
    FunctionRow { names: &["numel", "nelement"], parameters: &["input"], build: numel },
    FunctionRow { names: &["dim", "ndimension"], parameters: &["input"], build: rank },
    FunctionRow { names: &["list"], parameters: &["items"], build: list },
    FunctionRow { names: &["tuple"], parameters: &["items"], build: tuple },
    FunctionRow { names: &["int"], parameters: &["value"], build: int },
    FunctionRow { names: &["long"], parameters: &["input"], build: int },
    FunctionRow { names: &["round"], parameters: &["value"], build: rounded },
    FunctionRow { names: &["bool"], parameters: &["input"], build: bool_mask },
    FunctionRow { names: &["enumerate"], parameters: &["items"], build: enumerate },
    FunctionRow { names: &["zip"], parameters: &["*items"], build: zip },
    FunctionRow { names: &["reversed"], parameters: &["items"], build: reversed },
];

/// The largest number of numbers in a `range`, and in an `arange` of decimal numbers.
const MAX_ITEMS: usize = 1 << 20;

/// Reads whole numbers as a range: its end, or its start and end, or its start, end and step.
fn ends(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Range, Reported> {
    let numbers = call.integers(reader, "an end of a range")?;
    let (start, stop, step) = match numbers[..] {
        [stop] => (0, stop, 1),
        [start, stop] => (start, stop, 1),
        [_, _, 0] => {
            return Err(reader.fail(
                &call.span,
                format!("the step of {} is 0", call.name),
                "a step is a positive or a negative whole number",
            ));
        }
        [start, stop, step] => (start, stop, step),
        _ => {
            return Err(reader.fail(
                &call.span,
                format!("{} takes one to three whole numbers", call.name),
                format!("for example {}(3)", call.name),
            ));
        }
    };
    Ok(Range { start, stop, step })
}

fn range(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let range = ends(reader, call)?;
    if range.len() > MAX_ITEMS {
        let help = format!("a range has at most {MAX_ITEMS} numbers; use operations on whole tensors");
        return Err(reader.fail(&call.span, format!("this range has {} numbers", range.len()), help));
    }
    Ok(Value::Range(range))
}

/// Returns the arguments of `arange` as if none had a keyword: for `arange(5, step=2)`, those of `arange(0, 5, 2)`.
fn positional_ends(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Vec<(Value, Span)>, Reported> {
    let [_, keywords @ ..] = &call.values[..] else { return Ok(call.starred.clone()) };
    if keywords.iter().all(Option::is_none) {
        return Ok(call.starred.clone());
    }
    let mut positional = call.starred.iter().cloned();
    // start, end and step. A single argument without a keyword is the end, unless the keyword `end` is given
    let mut ends = match call.starred.len() {
        1 if keywords[1].is_none() => [None, positional.next(), None],
        _ => [positional.next(), positional.next(), positional.next()],
    };
    for (end, keyword) in ends.iter_mut().zip(keywords) {
        if end.is_some() && keyword.is_some() {
            return Err(reader.fail(&call.span, format!("{} has an argument twice", call.name), "write arange(start, end, step)"));
        }
        *end = end.take().or_else(|| keyword.clone());
    }
    let [start, Some(end), step] = ends else {
        return Err(reader.fail(&call.span, format!("{} needs its argument end", call.name), "write arange(start, end, step)"));
    };
    let or_default = |end: Option<(Value, Span)>, n: i64| end.unwrap_or_else(|| (Value::integer(n), call.span.clone()));
    Ok(vec![or_default(start, 0), end, or_default(step, 1)])
}

fn arange(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let starred = positional_ends(reader, call)?;
    let call = &Call { starred, ..call.clone() };
    let numbers: Vec<Option<f64>> = call.starred.iter().map(|(value, _)| value.number().map(|number| number.value.as_f64())).collect();
    let is_whole = call.starred.iter().all(|(value, _)| value.as_integer().is_some());
    if !is_whole && let Some(numbers) = numbers.into_iter().collect::<Option<Vec<f64>>>() {
        let (start, stop, step) = match numbers[..] {
            [stop] => (0.0, stop, 1.0),
            [start, stop] => (start, stop, 1.0),
            [_, _, 0.0] => return Err(reader.fail(&call.span, "the step of arange is 0", "a step is a positive or a negative number")),
            [start, stop, step] => (start, stop, step),
            _ => return Err(reader.fail(&call.span, "arange takes one to three numbers", "")),
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, and is checked below
        let count = ((stop - start) / step).ceil().max(0.0) as usize;
        reader.claim_tensor(&[count.max(1)], &call.span)?;
        if count == 0 || count > MAX_ITEMS {
            return Err(reader.fail(&call.span, format!("this range has {count} numbers"), "a tensor has at least one entry"));
        }
        #[allow(clippy::cast_precision_loss)] // a small count
        let data = (0..count).map(|n| start + n as f64 * step).collect();
        return reader.written_constant(&[count], data, &call.span).map(Value::Tensor);
    }
    let range = ends(reader, call)?;
    if range.len() == 0 {
        return Err(reader.fail(&call.span, "this range is empty", "a tensor has at least one entry"));
    }
    reader.claim_tensor(&[range.len()], &call.span)?;
    #[allow(clippy::cast_precision_loss)] // as in Python
    let data = range.each().map(|n| n as f64).collect();
    reader.written_constant(&[range.len()], data, &call.span).map(Value::Tensor)
}

/// Makes a constant whose entries are all the same.
fn constant(reader: &mut GraphReader<'_, '_>, call: &Call, shape: &[usize], value: f64) -> Result<Value, Reported> {
    if shape.contains(&0) {
        return Err(reader.fail(&call.span, "a tensor has at least one entry", "every size must be at least 1"));
    }
    reader.claim_tensor(shape, &call.span)?;
    reader.written_constant(shape, vec![value; len(shape)], &call.span).map(Value::Tensor)
}

/// Converts numbers to sizes. A negative number is a fault; the caller refuses 0.
fn sizes(reader: &mut GraphReader<'_, '_>, call: &Call, numbers: &[i64]) -> Result<Vec<usize>, Reported> {
    let sizes: Option<Vec<usize>> = numbers.iter().map(|n| usize::try_from(*n).ok()).collect();
    sizes.ok_or_else(|| reader.fail(&call.span, "a size must be at least 1", ""))
}

fn filled(reader: &mut GraphReader<'_, '_>, call: &Call, fill: f64) -> Result<Value, Reported> {
    let numbers = call.integers(reader, "a size")?;
    let shape = sizes(reader, call, &numbers)?;
    constant(reader, call, &shape, fill)
}

fn full(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (value, span) = call.required(reader, 0)?;
    let items = value.items().unwrap_or_else(|| vec![value.clone()]);
    let numbers: Vec<i64> = items.iter().map(|item| arithmetic::integer(reader, item, "a size", &span)).collect::<Result<_, _>>()?;
    let shape = sizes(reader, call, &numbers)?;
    call.required(reader, 1)?;
    let fill = call.number(reader, 1)?.unwrap_or(0.0);
    constant(reader, call, &shape, fill)
}

/// Makes a constant with the shape of the first argument.
fn like(reader: &mut GraphReader<'_, '_>, call: &Call, fill: f64) -> Result<Value, Reported> {
    let (value, span) = call.required(reader, 0)?;
    let shape = reader.shape_of(&value, &span)?;
    constant(reader, call, &shape, fill)
}

fn full_like(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    call.required(reader, 1)?;
    let fill = call.number(reader, 1)?.unwrap_or(0.0);
    like(reader, call, fill)
}

fn eye(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    call.required(reader, 0)?;
    let rows = call.integer(reader, 0)?.unwrap_or(1);
    let columns = call.integer(reader, 1)?.unwrap_or(rows);
    let shape = sizes(reader, call, &[rows, columns])?;
    if shape.contains(&0) {
        return Err(reader.fail(&call.span, "a size must be at least 1", ""));
    }
    reader.claim_tensor(&shape, &call.span)?;
    let data = (0..shape[0] * shape[1]).map(|at| if at / shape[1] == at % shape[1] { 1.0 } else { 0.0 }).collect();
    reader.written_constant(&shape, data, &call.span).map(Value::Tensor)
}

fn tensor(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (value, span) = call.required(reader, 0)?;
    if let Some(items) = value.items()
        && items.iter().any(|item| matches!(item, Value::Tensor(_)))
    {
        let ids = items.iter().map(|item| reader.tensor(item, &span)).collect::<Result<Vec<_>, _>>()?;
        if ids.iter().any(|id| reader.shape(*id) != reader.shape(ids[0])) {
            return Err(reader.fail(&span, "these tensors have different shapes", ""));
        }
        return super::join::stacked(reader, &ids, 0, &call.span).map(Value::Tensor);
    }
    reader.tensor(&value, &span).map(Value::Tensor)
}

fn one_hot(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    // PyTorch's default is −1: the largest class + 1
    let num_classes = call.integer(reader, 1)?.filter(|classes| *classes >= 0);
    let data = reader.tensors[id].data.clone().filter(|_| reader.tensors[id].is_constant);
    let classes = match (num_classes, &data) {
        (Some(classes), _) => usize::try_from(classes).unwrap_or(0),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates; indices are checked below
        (None, Some(data)) => flat(data).iter().fold(0.0_f64, |largest, x| largest.max(*x)) as usize + 1,
        (None, None) => {
            let help = "write one_hot(y, num_classes=10)";
            return Err(reader.fail(&call.span, "one_hot needs num_classes: the classes are only known when the numbers are", help));
        }
    };
    index::check_classes(reader, id, classes, &call.span)?;
    reader.claim_tensor(&[classes.max(1)], &call.span)?;
    // compares each class with the numbers 0, 1, …: a mask of 0 and 1
    let shape = reader.shape(id).to_vec();
    let column = super::shape::viewed(reader, id, &[&shape[..], &[1]].concat(), &call.span)?;
    // as many classes as examples are no accident
    reader.mark_written_shape(column);
    #[allow(clippy::cast_precision_loss)] // few classes
    let numbers = (0..classes).map(|n| n as f64).collect();
    let numbers = reader.constant(&[classes], numbers, &call.span)?;
    reader.mask("==", &[Value::Tensor(column), Value::Tensor(numbers)], &call.span)
}

fn length(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (value, span) = call.required(reader, 0)?;
    if let Value::Range(range) = value {
        return Ok(Value::size(range.len()));
    }
    if let Some(items) = value.items() {
        return Ok(Value::size(items.len()));
    }
    if let Value::Extremum(_) = value {
        // a pair: the values and their indices
        return Ok(Value::size(2));
    }
    let shape = reader.shape_of(&value, &span)?;
    match shape.first() {
        Some(rows) => Ok(Value::size(*rows)),
        None => Err(reader.fail(&span, format!("{} has no length", value.kind()), "")),
    }
}

fn size(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (value, span) = call.required(reader, 0)?;
    let shape = reader.shape_of(&value, &span)?;
    if let Some(axis) = call.axis(reader, 1, shape.len())? {
        return Ok(Value::size(shape[axis]));
    }
    if call.is_numpy() {
        return Ok(Value::size(len(&shape)));
    }
    Ok(Value::tuple(shape.into_iter().map(Value::size).collect()))
}

fn numel(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (value, span) = call.required(reader, 0)?;
    Ok(Value::size(len(&reader.shape_of(&value, &span)?)))
}

fn rank(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (value, span) = call.required(reader, 0)?;
    Ok(Value::size(reader.shape_of(&value, &span)?.len()))
}

/// Reads the first parameter as a list of values; an empty list if it is not given.
fn items(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Vec<Value>, Reported> {
    if call.get(0).is_none() {
        return Ok(Vec::new());
    }
    let (value, span) = call.required(reader, 0)?;
    items_of(reader, &value, &span)
}

/// Returns the items of a list, a tuple or a range, or the rows of a tensor.
fn items_of(reader: &mut GraphReader<'_, '_>, value: &Value, span: &crate::python::tree::Span) -> Result<Vec<Value>, Reported> {
    if let Some(items) = value.items() {
        return Ok(items);
    }
    if let Value::Tensor(id) = value
        && let Some(&rows) = reader.shape(*id).first()
    {
        return (0..rows).map(|row| index::select(reader, *id, &[(Value::size(row), span.clone())], span).map(Value::Tensor)).collect();
    }
    Err(reader.fail(span, format!("{} is not a list", value.kind()), ""))
}

fn list(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    items(reader, call).map(Value::list)
}

fn tuple(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    items(reader, call).map(Value::tuple)
}

fn reversed(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let mut items = items(reader, call)?;
    items.reverse();
    Ok(Value::list(items))
}

fn enumerate(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let items = items(reader, call)?;
    Ok(Value::list(items.into_iter().enumerate().map(|(n, item)| Value::tuple(vec![Value::size(n), item])).collect()))
}

fn zip(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let lists: Vec<Vec<Value>> = call.starred.iter().map(|(value, span)| items_of(reader, value, span)).collect::<Result<_, _>>()?;
    let count = lists.iter().map(Vec::len).min().unwrap_or(0);
    Ok(Value::list((0..count).map(|n| Value::tuple(lists.iter().map(|list| list[n].clone()).collect())).collect()))
}

/// Cuts off the digits after the point. A known number becomes a known whole number. For a tensor, the operation counts as a copy, so `x[i.int()]` uses i as
/// an index.
fn int(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (value, span) = call.required(reader, 0)?;
    if let Some(Number { value, .. }) = value.number() {
        let truncated = value.as_f64().trunc();
        if let Scalar::Integer(n) = value {
            return Ok(Value::integer(n));
        }
        if truncated.abs() < 9e18 {
            #[allow(clippy::cast_possible_truncation)] // checked
            return Ok(Value::integer(truncated as i64));
        }
        return Err(reader.fail(&span, "this number is not a whole number of 64 bits", ""));
    }
    let id = reader.tensor(&value, &span)?;
    let truncated = reader.named("trunc", &[Value::Tensor(id)], &call.span)?;
    let truncated = reader.tensor(&truncated, &call.span)?;
    reader.mark_copy(truncated);
    Ok(Value::Tensor(truncated))
}

fn rounded(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    reader.named("round", &[Value::Tensor(id)], &call.span)
}

fn bool_mask(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (value, _) = call.required(reader, 0)?;
    if let Some(number) = value.number() {
        return Ok(Value::Bool(number.value.as_f64() != 0.0));
    }
    // a cast of a mask is a mask
    let mask = reader.mask("!=", &[value, Value::integer(0)], &call.span)?;
    let id = reader.tensor(&mask, &call.span)?;
    reader.mark_copy(id);
    Ok(mask)
}
