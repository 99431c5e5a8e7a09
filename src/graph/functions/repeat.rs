//! Functions that repeat, flip, roll, mask and pad the entries of a tensor.

use crate::graph::arithmetic;
use crate::graph::call::{self, Call, FunctionRow};
use crate::graph::reader::GraphReader;
use crate::graph::value::{TensorId, Value};
use crate::op::copies::CopyKind;
use crate::op::layer::Reported;
use crate::op::numpy::code::{NumPyCode, axes_text};
use crate::op::numpy::summed;
use crate::op::operator::Operator;
use crate::python::tree::Span;
use crate::tensor::{len, ravel, unravel};
use crate::text::counted;

use super::shape::{distinct_axes, rearranged, viewed};

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    FunctionRow { names: &["expand"], parameters: &["input", "*sizes"], build: expand },
    FunctionRow { names: &["broadcast_to"], parameters: &["input|x|array", "*shape|size"], build: expand },
    FunctionRow { names: &["expand_as"], parameters: &["input", "other"], build: expand_as },
    FunctionRow { names: &["repeat"], parameters: &["input|a", "*repeats", "axis"], build: repeat },
    FunctionRow { names: &["tile"], parameters: &["input|A", "*reps|dims"], build: tile },
    FunctionRow { names: &["repeat_interleave"], parameters: &["input", "repeats", "dim"], build: repeat_interleave },
    FunctionRow { names: &["flip"], parameters: &["input|m", "*dims|axis"], build: flip },
    FunctionRow { names: &["roll"], parameters: &["input|a", "shifts|shift", "dims|axis"], build: roll },
    FunctionRow { names: &["tril"], parameters: &["input|m", "diagonal|k"], build: |reader, call| triangle(reader, call, CopyKind::Tril) },
    FunctionRow { names: &["triu"], parameters: &["input|m", "diagonal|k"], build: |reader, call| triangle(reader, call, CopyKind::Triu) },
    FunctionRow { names: &["pad"], parameters: &["input|array", "pad|pad_width", "mode", "value|constant_values"], build: pad },
];

/// Repeats a tensor along axes of size 1, and along new axes, to a shape.
fn expanded(reader: &mut GraphReader<'_, '_>, id: TensorId, sizes: &[i64], span: &Span) -> Result<TensorId, Reported> {
    let input = reader.shape(id).to_vec();
    let offset = sizes.len().checked_sub(input.len());
    let shape: Option<Vec<usize>> = offset.and_then(|offset| {
        (0..sizes.len())
            .map(|axis| {
                // a new axis in front counts as one of size 1; −1 keeps the size
                let input_size = axis.checked_sub(offset).map_or(1, |axis| input[axis]);
                let size = if sizes[axis] == -1 { input_size } else { usize::try_from(sizes[axis]).ok()? };
                (input_size == size || input_size == 1).then_some(size)
            })
            .collect()
    });
    let Some((shape, offset)) = shape.zip(offset).filter(|(shape, _)| !shape.contains(&0)) else {
        let text: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        let message = format!("{} cannot be expanded to ({})", reader.describe(id), text.join(", "));
        return Err(reader.fail(span, message, "only axes of size 1 and new axes in front can be repeated"));
    };
    let copying = CopyKind::Expand.with_gradient(summed(NumPyCode::upstream(), &input, &shape));
    rearranged(reader, id, &shape, copying, span, |index| {
        let source: Vec<usize> = index[offset..].iter().zip(&input).map(|(at, size)| if *size == 1 { 0 } else { *at }).collect();
        ravel(&source, &input)
    })
}

fn expand(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let sizes = call.integers(reader, "a size")?;
    expanded(reader, id, &sizes, &call.span).map(Value::Tensor)
}

fn expand_as(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (id, other) = (call.tensor(reader, 0)?, call.tensor(reader, 1)?);
    let sizes: Vec<i64> = reader.shape(other).iter().map(|n| i64::try_from(*n).unwrap_or(i64::MAX)).collect();
    expanded(reader, id, &sizes, &call.span).map(Value::Tensor)
}

/// Repeats a whole tensor along its axes: [1, 2] twice is [1, 2, 1, 2]. If there are more counts than axes, axes of size 1 are added in front. If there are
/// fewer, counts of 1 are added in front.
fn tiled(reader: &mut GraphReader<'_, '_>, id: TensorId, counts: &[i64], span: &Span) -> Result<TensorId, Reported> {
    let mut input = reader.shape(id).to_vec();
    let mut counts: Vec<usize> = counts.iter().map(|n| usize::try_from(*n).unwrap_or(0)).collect();
    while input.len() < counts.len() {
        input.insert(0, 1);
    }
    while counts.len() < input.len() {
        counts.insert(0, 1);
    }
    if counts.contains(&0) {
        return Err(reader.fail(span, "the number of repetitions must be at least 1", "a tensor has at least one entry"));
    }
    let shape: Vec<usize> = input.iter().zip(&counts).map(|(size, count)| size.saturating_mul(*count)).collect();
    rearranged(reader, id, &shape, CopyKind::Repeat, span, |index| {
        let source: Vec<usize> = index.iter().zip(&input).map(|(at, size)| at % size).collect();
        ravel(&source, &input)
    })
}

/// Repeats each entry along an axis: [1, 2] twice is [1, 1, 2, 2].
fn interleaved(reader: &mut GraphReader<'_, '_>, id: TensorId, count: i64, axis: usize, span: &Span) -> Result<TensorId, Reported> {
    let input = reader.shape(id).to_vec();
    let Some(count) = usize::try_from(count).ok().filter(|count| *count > 0) else {
        return Err(reader.fail(span, "the number of repetitions must be at least 1", ""));
    };
    let mut shape = input.clone();
    shape[axis] = shape[axis].saturating_mul(count);
    rearranged(reader, id, &shape, CopyKind::Repeat, span, |index| {
        let mut source = index.to_vec();
        source[axis] /= count;
        ravel(&source, &input)
    })
}

fn repeat(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    if !call.is_numpy() {
        let counts = call.integers(reader, "a number of repetitions")?;
        if counts.len() < reader.shape(id).len() {
            let [axes, numbers] = [(reader.shape(id).len(), "axis"), (counts.len(), "number")].map(|(count, noun)| counted(count, noun));
            let message = format!("{} has {axes}, but repeat has {numbers}", reader.describe(id));
            return Err(reader.fail(&call.span, message, "PyTorch's repeat takes a number for each axis; np.repeat repeats entries"));
        }
        return tiled(reader, id, &counts, &call.span).map(Value::Tensor);
    }
    let count = match call.starred.first() {
        Some((value, span)) => arithmetic::integer(reader, value, "the number of repetitions", span)?,
        None => return Err(reader.fail(&call.span, "repeat needs a number", "")),
    };
    let rank = reader.shape(id).len();
    let axis = if let Some(axis) = call.axis(reader, 2, rank)? {
        axis
    } else if let Some((value, span)) = call.starred.get(1) {
        let n = arithmetic::integer(reader, value, "an axis", span)?;
        call::axis(reader, n, rank, span)?
    } else {
        let entries = len(reader.shape(id));
        let flat = viewed(reader, id, &[entries], &call.span)?;
        return interleaved(reader, flat, count, 0, &call.span).map(Value::Tensor);
    };
    interleaved(reader, id, count, axis, &call.span).map(Value::Tensor)
}

fn tile(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let counts = call.integers(reader, "a number of repetitions")?;
    tiled(reader, id, &counts, &call.span).map(Value::Tensor)
}

fn repeat_interleave(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let count = call.integer(reader, 1)?.unwrap_or(1);
    let rank = reader.shape(id).len();
    if let Some(axis) = call.axis(reader, 2, rank)? {
        interleaved(reader, id, count, axis, &call.span).map(Value::Tensor)
    } else {
        let entries = len(reader.shape(id));
        let flat = viewed(reader, id, &[entries], &call.span)?;
        interleaved(reader, flat, count, 0, &call.span).map(Value::Tensor)
    }
}

fn flip(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let input = reader.shape(id).to_vec();
    let axes = distinct_axes(reader, call, input.len())?;
    let axes = if call.starred.is_empty() { (0..input.len()).collect() } else { axes };
    let gradient = NumPyCode::Call(format!("np.flip({{0}}, {})", axes_text(&axes)), vec![NumPyCode::upstream()]);
    let flipped = rearranged(reader, id, &input, CopyKind::Flip.with_gradient(gradient), &call.span, |index| {
        let source: Vec<usize> =
            (0..input.len()).map(|axis| if axes.contains(&axis) { input[axis] - 1 - index[axis] } else { index[axis] }).collect();
        ravel(&source, &input)
    })?;
    Ok(Value::Tensor(flipped))
}

fn roll(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let shape = reader.shape(id).to_vec();
    let (value, span) = call.required(reader, 1)?;
    let shift = arithmetic::integer(reader, &value, "the shift", &span)?;
    let axis = call.axis(reader, 2, shape.len())?;
    // without an axis, the entries of the flattened tensor move
    let (id, input, axis) = match axis {
        Some(axis) => (id, shape.clone(), axis),
        None => (viewed(reader, id, &[len(&shape)], &call.span)?, vec![len(&shape)], 0),
    };
    let size = i64::try_from(input[axis]).unwrap_or(i64::MAX);
    let rolled = rearranged(reader, id, &input, CopyKind::Permute, &call.span, |index| {
        let mut source = index.to_vec();
        let at = i64::try_from(source[axis]).unwrap_or(0);
        source[axis] = usize::try_from((at - shift % size).rem_euclid(size)).unwrap_or(0);
        ravel(&source, &input)
    })?;
    if input == shape { Ok(Value::Tensor(rolled)) } else { viewed(reader, rolled, &shape, &call.span).map(Value::Tensor) }
}

/// Keeps the entries on and below a diagonal (`CopyKind::Tril`), or on and above it (`CopyKind::Triu`).
fn triangle(reader: &mut GraphReader<'_, '_>, call: &Call, kind: CopyKind) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let input = reader.shape(id).to_vec();
    let diagonal = call.integer(reader, 1)?.unwrap_or(0);
    if input.len() < 2 {
        return Err(reader.fail(&call.span, format!("{} needs a matrix", call.name), ""));
    }
    let is_lower = kind == CopyKind::Tril;
    let name = if is_lower { "np.tril" } else { "np.triu" };
    let arguments = if diagonal == 0 { String::new() } else { format!(", {diagonal}") };
    let gradient = NumPyCode::Call(format!("{name}({{0}}{arguments})"), vec![NumPyCode::upstream()]);
    let triangle = rearranged(reader, id, &input, kind.with_gradient(gradient), &call.span, |index| {
        let [row, column] = [index[index.len() - 2], index[index.len() - 1]].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let is_kept = if is_lower { column - row <= diagonal } else { column - row >= diagonal };
        is_kept.then(|| ravel(index, &input)).flatten()
    })?;
    Ok(Value::Tensor(triangle))
}

/// Reads NumPy's `pad_width`, which is broadcast to a pair for each axis: a number, `[n]`, a pair for all axes, or a number or a pair for each axis.
fn padding_by_axis(reader: &mut GraphReader<'_, '_>, value: &Value, id: TensorId, span: &Span) -> Result<Vec<[usize; 2]>, Reported> {
    let rank = reader.shape(id).len();
    let items = value.items().unwrap_or_else(|| vec![value.clone()]);
    // the numbers of each axis, or of all axes
    let rows: Option<Vec<Vec<Value>>> =
        if items.iter().any(|item| item.items().is_some()) { items.iter().map(Value::items).collect() } else { Some(vec![items]) };
    let pairs: Option<Vec<[Value; 2]>> = rows
        .filter(|rows| (rows.len() == 1 || rows.len() == rank) && rows.windows(2).all(|rows| rows[0].len() == rows[1].len()))
        .and_then(|rows| {
            let pair = |row: Vec<Value>| match &row[..] {
                [both] => Some([both.clone(), both.clone()]),
                [before, after] => Some([before.clone(), after.clone()]),
                _ => None,
            };
            rows.into_iter().map(pair).collect()
        });
    let Some(pairs) = pairs else {
        let message = format!("pad_width does not fit the {} of {}", counted(rank, "axis"), reader.describe(id));
        return Err(reader.fail(span, message, "write one number, one pair (before, after) for all axes, or a pair for each axis"));
    };
    let mut by_axis = Vec::with_capacity(rank);
    for [before, after] in &pairs {
        by_axis.push([arithmetic::size(reader, before, "a padding", span)?, arithmetic::size(reader, after, "a padding", span)?]);
    }
    if let [pair] = by_axis[..] {
        by_axis.resize(rank, pair);
    }
    Ok(by_axis)
}

/// Reads PyTorch's `pad`: two numbers for each axis, beginning with the last axis.
fn padding_from_last_axis(reader: &mut GraphReader<'_, '_>, value: &Value, rank: usize, span: &Span) -> Result<Vec<[usize; 2]>, Reported> {
    let items = value.items().unwrap_or_else(|| vec![value.clone()]);
    let sizes: Vec<usize> = items.iter().map(|item| arithmetic::size(reader, item, "a padding", span)).collect::<Result<_, _>>()?;
    if sizes.len() % 2 == 1 || sizes.len() / 2 > rank {
        let help = "for example pad(x, (1, 1))";
        return Err(reader.fail(span, "pad has two numbers for each axis, beginning with the last axis", help));
    }
    let mut by_axis = vec![[0; 2]; rank];
    for (pair, numbers) in by_axis.iter_mut().rev().zip(sizes.chunks_exact(2)) {
        *pair = [numbers[0], numbers[1]];
    }
    Ok(by_axis)
}

fn pad(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let input = reader.shape(id).to_vec();
    if let Some(mode) = call.text(reader, 2)?
        && mode != "constant"
    {
        return Err(reader.fail(&call.span, format!("padding in the mode \"{mode}\" is not possible"), "mode is \"constant\""));
    }
    let fill = call.number(reader, 3)?.unwrap_or(0.0);
    let (value, span) = call.required(reader, 1)?;
    // for each axis, the numbers of entries before and after the input
    let around = if call.is_numpy() {
        padding_by_axis(reader, &value, id, &span)?
    } else {
        padding_from_last_axis(reader, &value, input.len(), &span)?
    };
    let shape: Vec<usize> =
        input.iter().zip(&around).map(|(size, [before, after])| size.saturating_add(*before).saturating_add(*after)).collect();
    let padded = rearranged(reader, id, &shape, CopyKind::Pad, &call.span, |index| {
        let source: Option<Vec<usize>> =
            index.iter().zip(&around).zip(&input).map(|((at, [before, _]), size)| at.checked_sub(*before).filter(|at| at < size)).collect();
        ravel(&source?, &input)
    })?;
    if fill.to_bits() == 0 {
        return Ok(Value::Tensor(padded));
    }
    // the padding of `padded` is 0: a constant adds the fill value there
    let fill_outside = (0..len(&shape)).map(|at| {
        let index = unravel(at, &shape);
        let is_inside =
            index.iter().zip(&around).zip(&input).all(|((at, [before, _]), size)| at.checked_sub(*before).is_some_and(|at| at < *size));
        if is_inside { 0.0 } else { fill }
    });
    let fill_outside = fill_outside.collect();
    let fill_outside = reader.constant(&shape, fill_outside, &call.span)?;
    reader.elementwise(Operator::Add, &[Value::Tensor(padded), Value::Tensor(fill_outside)], &call.span).map(Value::Tensor)
}
