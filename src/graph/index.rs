//! Indices: `x[i]`, `x[:, 1:3]`, `x[None]`, `C[ix]`, `logp[range(n), y]`, and the assignment `x[i] = e`.
//!
//! The basic items (numbers, slices, `None`, `...`) give a copy of some entries. The other items are *index tensors*. In an index with an index tensor, the
//! numbers and index tensors must be next to each other. As in NumPy, the index tensors are broadcast to one shape, and the axes of this shape replace the axes
//! that they index.

use super::arithmetic;
use super::reader::GraphReader;
use super::value::{Range, TensorId, Value};
use crate::op::broadcast::Broadcast;
use crate::op::copies::{CopyKind, CopySource, copies, view};
use crate::op::layer::Reported;
use crate::op::lookup::{IndexOperand, LookupKind, lookup};
use crate::python::tree::Span;
use crate::tensor::{flat, len};
use crate::text::counted;

/// An axis of the tensor after the basic items are applied.
#[derive(Clone, Debug)]
enum IndexedAxis {
    /// A new axis of size 1.
    New,
    /// The entries `first`, `first + step`, … of an axis, `count` in all. Neighbours on the axis are `stride` apart in the tensor's data.
    Slice { stride: usize, first: usize, step: i64, count: usize },
    /// A whole axis of this size, which the index tensor `by` indexes.
    Indexed { stride: usize, size: usize, by: IndexTensor },
}

/// An index tensor.
#[derive(Clone, Debug)]
enum IndexTensor {
    /// A tensor.
    Tensor(TensorId),
    /// Known whole numbers.
    Known(Vec<i64>),
}

/// Reads `base[items]`.
///
/// # Errors
/// If an item does not fit.
pub fn get(reader: &mut GraphReader<'_, '_>, base: &Value, items: &[(Value, Span)], span: &Span) -> Result<Value, Reported> {
    match base {
        Value::List(list) | Value::Tuple(list) => return item_of_list(reader, list, items, matches!(base, Value::List(_)), span),
        Value::Range(_) => {
            let list = base.items().unwrap_or_default();
            return item_of_list(reader, &list, items, true, span);
        }
        Value::Extremum(extremum) => {
            if let [(item, _)] = items {
                match item.as_integer() {
                    Some(0) => return Ok(Value::Tensor(extremum.values)),
                    Some(1) => return super::functions::minmax::indices(reader, *extremum, span).map(Value::Tensor),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    let id = reader.tensor(base, span)?;
    select(reader, id, items, span).map(Value::Tensor)
}

fn item_of_list(
    reader: &mut GraphReader<'_, '_>,
    list: &[Value],
    items: &[(Value, Span)],
    is_list: bool,
    span: &Span,
) -> Result<Value, Reported> {
    let [(item, item_span)] = items else { return Err(reader.fail(span, "a list has one index", "")) };
    let size = i64::try_from(list.len()).unwrap_or(i64::MAX);
    if let Value::Slice(slice) = item {
        let (first, step, count) = slice_of(reader, *slice, list.len(), item_span)?;
        let chosen = (0..count).filter_map(|n| {
            let at = i64::try_from(first).ok()? + i64::try_from(n).ok()? * step;
            list.get(usize::try_from(at).ok()?).cloned()
        });
        let chosen: Vec<Value> = chosen.collect();
        return Ok(if is_list { Value::list(chosen) } else { Value::tuple(chosen) });
    }
    let n = arithmetic::integer(reader, item, "the index of a list", item_span)?;
    let at = if n < 0 { n + size } else { n };
    match usize::try_from(at).ok().and_then(|at| list.get(at)) {
        Some(value) => Ok(value.clone()),
        None => Err(reader.fail(item_span, format!("there is no item {n}: there are {size}"), "")),
    }
}

/// Returns the first entry, the step and the number of entries of a slice of an axis of this size.
fn slice_of(
    reader: &mut GraphReader<'_, '_>,
    [start, stop, step]: [Option<i64>; 3],
    size: usize,
    span: &Span,
) -> Result<(usize, i64, usize), Reported> {
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(reader.fail(span, "the step of a slice cannot be 0", ""));
    }
    let n = i64::try_from(size).unwrap_or(i64::MAX);
    // as in Python, an end outside the axis is moved to the end of the axis. A slice with a negative step can stop at −1, before entry 0
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let clamped = |end: i64| if end < 0 { end.saturating_add(n) } else { end }.clamp(low, high);
    let start = start.map_or(if step > 0 { 0 } else { n - 1 }, clamped);
    let stop = stop.map_or(if step > 0 { n } else { -1 }, clamped);
    let count = Range { start, stop, step }.len();
    Ok((usize::try_from(start.max(0)).unwrap_or(0), step, count))
}

/// Reads entries of a tensor.
///
/// # Errors
/// If an item does not fit.
pub fn select(reader: &mut GraphReader<'_, '_>, id: TensorId, items: &[(Value, Span)], span: &Span) -> Result<TensorId, Reported> {
    let (axes, base) = axes(reader, id, items, span)?;
    let is_indexed = |axis: &IndexedAxis| matches!(axis, IndexedAxis::Indexed { .. });
    if !axes.iter().any(is_indexed) {
        let shape = shape_of(&axes);
        reader.claim_tensor(&shape, span)?;
        let places = places(&axes, base);
        let input = reader.shape(id).to_vec();
        let is_whole = places.len() == len(&input) && places.iter().enumerate().all(|(n, place)| n == *place);
        let kind = if is_whole { CopyKind::View } else { CopyKind::Slice };
        let function = if is_whole {
            view(&shape, kind)
        } else {
            copies(places.into_iter().map(|flat_index| Some(CopySource { slot: 0, flat_index })).collect(), &[&input], &shape, kind)
        };
        let result = reader.emit_copy(function, &[id], span)?;
        reader.tensors[result].has_written_shape = axes.iter().any(|axis| matches!(axis, IndexedAxis::New));
        return Ok(result);
    }
    look_up(reader, id, &axes, base, span)
}

/// Reads the items of an index. Returns the axes that they leave, and the flat index to which the items that are numbers lead.
fn axes(
    reader: &mut GraphReader<'_, '_>,
    id: TensorId,
    items: &[(Value, Span)],
    span: &Span,
) -> Result<(Vec<IndexedAxis>, usize), Reported> {
    let shape = reader.shape(id).to_vec();
    let consumed = items.iter().filter(|(item, _)| !matches!(item, Value::None | Value::Ellipsis)).count();
    if consumed > shape.len() {
        let message =
            format!("{} has {}, but the index has {}", reader.describe(id), counted(shape.len(), "axis"), counted(consumed, "item"));
        return Err(reader.fail(span, message, "leave items out, or write None for a new axis"));
    }
    if items.iter().filter(|(item, _)| matches!(item, Value::Ellipsis)).count() > 1 {
        return Err(reader.fail(span, "an index has at most one ...", ""));
    }
    let stride = |axis: usize| len(&shape[axis + 1..]);
    let whole = |axis: usize| IndexedAxis::Slice { stride: stride(axis), first: 0, step: 1, count: shape[axis] };
    let (mut axes, mut base, mut axis) = (Vec::new(), 0, 0);
    for (item, item_span) in items {
        match item {
            Value::None => axes.push(IndexedAxis::New),
            Value::Ellipsis => {
                for _ in 0..shape.len() - consumed {
                    axes.push(whole(axis));
                    axis += 1;
                }
            }
            Value::Slice(slice) => {
                let (first, step, count) = slice_of(reader, *slice, shape[axis], item_span)?;
                if count == 0 {
                    return Err(reader.fail(item_span, "this slice is empty", format!("the axis has {}", counted(shape[axis], "entry"))));
                }
                axes.push(IndexedAxis::Slice { stride: stride(axis), first, step, count });
                axis += 1;
            }
            _ if item.number().is_some() && !matches!(item, Value::Bool(_)) => {
                let n = arithmetic::integer(reader, item, "an index", item_span)?;
                base += entry(reader, n, shape[axis], item_span)? * stride(axis);
                axis += 1;
            }
            _ => {
                let by = index_tensor(reader, item, shape[axis], item_span)?;
                axes.push(IndexedAxis::Indexed { stride: stride(axis), size: shape[axis], by });
                axis += 1;
            }
        }
    }
    axes.extend((axis..shape.len()).map(whole));
    check_neighbours(reader, items, span)?;
    Ok((axes, base))
}

/// Returns the entry of an axis that an index means: −1 is the last one.
fn entry(reader: &mut GraphReader<'_, '_>, n: i64, size: usize, span: &Span) -> Result<usize, Reported> {
    let count = i64::try_from(size).unwrap_or(i64::MAX);
    let at = if n < 0 { n.saturating_add(count) } else { n };
    match usize::try_from(at) {
        Ok(at) if at < size => Ok(at),
        _ => Err(reader.fail(
            span,
            format!("there is no entry {n} on this axis of size {size}"),
            format!("indices go from 0 to {}, or from -{size} to -1", size - 1),
        )),
    }
}

/// Reads an index tensor for an axis of this size.
fn index_tensor(reader: &mut GraphReader<'_, '_>, item: &Value, size: usize, span: &Span) -> Result<IndexTensor, Reported> {
    if let Value::Range(range) = item {
        let known: Vec<i64> = range.each().collect();
        // the numbers of a range between its first and its last are on the axis if these two are
        for end in [known.first(), known.last()].into_iter().flatten() {
            entry(reader, *end, size, span)?;
        }
        return Ok(IndexTensor::Known(known));
    }
    let id = reader.tensor(item, span)?;
    if reader.tensors[id].is_mask {
        let help = "how many entries it has is only known when the numbers are: write where(mask, x, 0), or multiply by the mask";
        return Err(reader.fail(span, "a mask cannot be an index", help));
    }
    check_indices(reader, id, size, span)?;
    Ok(IndexTensor::Tensor(id))
}

/// Checks the numbers of an index tensor, if they are known: whole numbers on an axis of this size.
///
/// # Errors
/// The first wrong one.
pub fn check_indices(reader: &mut GraphReader<'_, '_>, id: TensorId, size: usize, span: &Span) -> Result<(), Reported> {
    check_numbers(reader, id, size, span, true)
}

/// Checks the numbers of a tensor of classes, or of the index of `gather`, if they are known: as [`check_indices`], but as in PyTorch none may be negative.
///
/// # Errors
/// The first wrong one.
pub fn check_classes(reader: &mut GraphReader<'_, '_>, id: TensorId, size: usize, span: &Span) -> Result<(), Reported> {
    check_numbers(reader, id, size, span, false)
}

fn check_numbers(reader: &mut GraphReader<'_, '_>, id: TensorId, size: usize, span: &Span, may_be_negative: bool) -> Result<(), Reported> {
    let Some(data) = reader.tensors[id].data.clone() else { return Ok(()) };
    reader.note_structure(id, if may_be_negative { "an index" } else { "a class" }, span);
    for x in flat(&data) {
        if x.fract() != 0.0 || !x.is_finite() {
            let message = format!("{} is an index, but holds {x}", reader.describe(id));
            return Err(reader.fail(span, message, "an index is a whole number"));
        }
        if *x < 0.0 && !may_be_negative {
            let message = format!("{} holds {x}, which is negative", reader.describe(id));
            return Err(reader.fail(span, message, format!("these indices count from 0 to {}", size.saturating_sub(1))));
        }
        #[allow(clippy::cast_possible_truncation)] // a whole number; larger ones saturate and are refused
        entry(reader, *x as i64, size, span)?;
    }
    Ok(())
}

/// Refuses a slice, `None` or `...` between numbers or index tensors, because NumPy and PyTorch then order the axes of the result in different ways. An index
/// without index tensors is not refused.
fn check_neighbours(reader: &mut GraphReader<'_, '_>, items: &[(Value, Span)], span: &Span) -> Result<(), Reported> {
    // ':' keeps or adds axes, '0' is a number, 't' an index tensor
    let kinds: Vec<char> = items
        .iter()
        .map(|(item, _)| match item {
            Value::Slice(_) | Value::Ellipsis | Value::None => ':',
            _ if item.number().is_some() => '0',
            _ => 't',
        })
        .collect();
    let chosen: Vec<usize> = (0..kinds.len()).filter(|n| kinds[*n] != ':').collect();
    let has_tensor = kinds.contains(&'t');
    let are_neighbours = chosen.windows(2).all(|pair| pair[1] == pair[0] + 1);
    if has_tensor && !are_neighbours {
        let help = "NumPy and PyTorch put the axes of the result in different orders: index in two steps, such as x[0][:, ix]";
        return Err(reader.fail(span, "this index has a slice between numbers or index tensors", help));
    }
    Ok(())
}

fn shape_of(axes: &[IndexedAxis]) -> Vec<usize> {
    axes.iter()
        .map(|axis| match axis {
            IndexedAxis::New => 1,
            IndexedAxis::Slice { count, .. } => *count,
            IndexedAxis::Indexed { size, .. } => *size,
        })
        .collect()
}

/// Returns the flat index in the tensor of each entry of the result, in row-major order. An axis with an index tensor has the index 0.
fn places(axes: &[IndexedAxis], base: usize) -> Vec<usize> {
    let mut places = vec![base];
    for axis in axes {
        let IndexedAxis::Slice { stride, first, step, count } = axis else { continue };
        let offsets: Vec<isize> = (0..*count)
            .map(|n| {
                let at = first.cast_signed() + n.cast_signed() * isize::try_from(*step).unwrap_or(0);
                at * stride.cast_signed()
            })
            .collect();
        places = places.iter().flat_map(|place| offsets.iter().map(move |offset| place.wrapping_add_signed(*offset))).collect();
    }
    places
}

/// Reads the entries that index tensors select.
fn look_up(reader: &mut GraphReader<'_, '_>, id: TensorId, axes: &[IndexedAxis], base: usize, span: &Span) -> Result<TensorId, Reported> {
    let index_tensors: Vec<(usize, usize, &IndexTensor)> = axes
        .iter()
        .filter_map(|axis| if let IndexedAxis::Indexed { stride, size, by } = axis { Some((*stride, *size, by)) } else { None })
        .collect();
    let shapes: Vec<Vec<usize>> = index_tensors
        .iter()
        .map(|(_, _, by)| match by {
            IndexTensor::Tensor(id) => reader.shape(*id).to_vec(),
            IndexTensor::Known(numbers) => vec![numbers.len()],
        })
        .collect();
    let named: Vec<(&'static str, &[usize])> = shapes.iter().map(|shape| ("index", &shape[..])).collect();
    let Ok(broadcast) = Broadcast::new(&named) else {
        let texts: Vec<String> = shapes.iter().map(|shape| crate::tensor::shape_words(shape)).collect();
        let message = format!("the index tensors are {}, which cannot be broadcast to one shape", texts.join(" and "));
        return Err(reader.fail(span, message, ""));
    };
    let chosen_shape = broadcast.shape().to_vec();
    let is_indexed = |axis: &IndexedAxis| matches!(axis, IndexedAxis::Indexed { .. });
    let first = axes.iter().position(is_indexed).unwrap_or(0);
    let after = axes.iter().rposition(is_indexed).map_or(0, |last| last + 1);
    let shape = [shape_of(&axes[..first]), chosen_shape.clone(), shape_of(&axes[after..])].concat();
    reader.claim_tensor(&shape, span)?;
    let (outer, inner) = (places(&axes[..first], base), places(&axes[after..], 0));
    // for each entry of the result: its flat index if all index tensors were 0, and the entry of the broadcast index tensors that selects it
    let mut bases = Vec::with_capacity(len(&shape));
    let mut index_entries = Vec::with_capacity(len(&shape));
    for before in &outer {
        for index_entry in 0..len(&chosen_shape) {
            for within in &inner {
                bases.push(before + within);
                index_entries.push(index_entry);
            }
        }
    }
    let (mut reads, mut indices, mut selectors) = (vec![id], Vec::new(), Vec::new());
    for (n, (stride, size, by)) in index_tensors.into_iter().enumerate() {
        match by {
            IndexTensor::Tensor(index) => {
                selectors.push(reads.len());
                reads.push(*index);
                let places = index_entries.iter().map(|index_entry| broadcast.operand_entry(n, *index_entry)).collect();
                indices.push(IndexOperand { shape: reader.shape(*index).to_vec(), stride, size, places });
            }
            IndexTensor::Known(numbers) => {
                for (base, index_entry) in bases.iter_mut().zip(&index_entries) {
                    let number = numbers[broadcast.operand_entry(n, *index_entry)];
                    *base += entry(reader, number, size, span)? * stride;
                }
            }
        }
    }
    let table = reader.shape(id).to_vec();
    if indices.is_empty() {
        let sources = bases.into_iter().map(|flat_index| Some(CopySource { slot: 0, flat_index })).collect();
        return reader.emit_copy(copies(sources, &[&table], &shape, CopyKind::Slice), &[id], span);
    }
    let function = lookup(&table, &shape, bases, indices, if inner.len() == 1 { LookupKind::Entries } else { LookupKind::Rows });
    reader.emit_selecting(function, &reads, &selectors, span)
}

/// Makes the tensor that `base[mask] = value` assigns.
fn set_by_mask(reader: &mut GraphReader<'_, '_>, id: TensorId, mask: TensorId, value: &Value, span: &Span) -> Result<TensorId, Reported> {
    let (tensor_shape, mask_shape) = (reader.shape(id).to_vec(), reader.shape(mask).to_vec());
    if reader.shape_of(value, span)?.iter().any(|size| *size != 1) || !tensor_shape.starts_with(&mask_shape) {
        let help = "a single number can be assigned under a mask; where(mask, a, b) chooses between tensors";
        return Err(reader.fail(span, "this assignment under a mask is not possible", help));
    }
    // the mask has the first axes of the tensor; axes of size 1 stand for the others
    let full_rank = [&mask_shape[..], &vec![1; tensor_shape.len() - mask_shape.len()]].concat();
    let mask = if full_rank == mask_shape { mask } else { reader.emit_copy(view(&full_rank, CopyKind::View), &[mask], span)? };
    let mut value = value.clone();
    if let Value::Tensor(new) = value
        && !reader.shape(new).is_empty()
    {
        value = Value::Tensor(reader.emit_copy(view(&[], CopyKind::View), &[new], span)?);
    }
    super::functions::choices::chosen(reader, mask, &value, &Value::Tensor(id), span).and_then(|value| reader.tensor(&value, span))
}

/// Makes the tensor that `base[items] = value` assigns: `value` where the index points, the old entries elsewhere.
///
/// # Errors
/// If the index or the value does not fit.
pub fn set(
    reader: &mut GraphReader<'_, '_>,
    id: TensorId,
    items: &[(Value, Span)],
    value: &Value,
    span: &Span,
) -> Result<TensorId, Reported> {
    if let [(Value::Tensor(mask), _)] = items
        && reader.tensors[*mask].is_mask
    {
        return set_by_mask(reader, id, *mask, value, span);
    }
    let (axes, base) = axes(reader, id, items, span)?;
    let shape = reader.shape(id).to_vec();
    reader.claim_tensor(&shape, span)?;
    let (targets, target_shape) = known_places(reader, &axes, base, span)?;
    let new = reader.tensor(value, span)?;
    let new_shape = reader.shape(new).to_vec();
    let broadcast =
        Broadcast::new(&[("index", &target_shape), ("value", &new_shape)]).ok().filter(|broadcast| broadcast.shape() == target_shape);
    let Some(broadcast) = broadcast else {
        let message =
            format!("{} does not fit into the index, which is {}", reader.describe(new), crate::tensor::shape_words(&target_shape));
        return Err(reader.fail(span, message, "the value is broadcast to the shape of the index"));
    };
    let mut sources: Vec<Option<CopySource>> = (0..len(&shape)).map(|flat_index| Some(CopySource { slot: 0, flat_index })).collect();
    for (n, target) in targets.into_iter().enumerate() {
        sources[target] = Some(CopySource { slot: 1, flat_index: broadcast.operand_entry(1, n) });
    }
    let function = copies(sources, &[&shape, &new_shape], &shape, CopyKind::Assign);
    reader.emit_copy(function, &[id, new], span)
}

/// Returns the flat indices that an index points at, and their shape. The numbers of index tensors must be known.
fn known_places(
    reader: &mut GraphReader<'_, '_>,
    axes: &[IndexedAxis],
    base: usize,
    span: &Span,
) -> Result<(Vec<usize>, Vec<usize>), Reported> {
    if !axes.iter().any(|axis| matches!(axis, IndexedAxis::Indexed { .. })) {
        return Ok((places(axes, base), shape_of(axes)));
    }
    // each flat index, with the entry of the index tensors that led to it
    let mut places_so_far: Vec<(usize, usize)> = vec![(base, 0)];
    let mut shape: Vec<usize> = Vec::new();
    // the number of entries of the index tensors, which are vectors
    let mut index_count: Option<usize> = None;
    for axis in axes {
        match axis {
            IndexedAxis::New => shape.push(1),
            IndexedAxis::Slice { count, .. } => {
                let offsets = places(std::slice::from_ref(axis), 0);
                // an offset counts from entry 0 of the axis, so it is not negative, even if the step is
                places_so_far = places_so_far
                    .iter()
                    .flat_map(|(place, index_entry)| offsets.iter().map(move |offset| (place + offset, *index_entry)))
                    .collect();
                shape.push(*count);
            }
            IndexedAxis::Indexed { stride, size, by } => {
                let numbers = match by {
                    IndexTensor::Known(numbers) => numbers.clone(),
                    IndexTensor::Tensor(id) => {
                        let data = reader.tensors[*id].data.clone();
                        let Some(data) = data.filter(|data| data.ndim() == 1) else {
                            let help = "assign with numbers, slices, or index vectors whose numbers are known; where(mask, a, b) chooses by values";
                            return Err(reader.fail(span, "an assignment needs an index that is known", help));
                        };
                        #[allow(clippy::cast_possible_truncation)] // checked: whole numbers on the axis
                        flat(&data).iter().map(|x| *x as i64).collect()
                    }
                };
                let mut offsets = Vec::with_capacity(numbers.len());
                for n in &numbers {
                    offsets.push(entry(reader, *n, *size, span)? * stride);
                }
                match index_count {
                    None => {
                        index_count = Some(offsets.len());
                        shape.push(offsets.len());
                        places_so_far = places_so_far
                            .iter()
                            .flat_map(|(place, _)| {
                                offsets.iter().enumerate().map(move |(index_entry, offset)| (place + offset, index_entry))
                            })
                            .collect();
                    }
                    Some(count) if count == offsets.len() || offsets.len() == 1 => {
                        for (place, index_entry) in &mut places_so_far {
                            *place += offsets[if offsets.len() == 1 { 0 } else { *index_entry }];
                        }
                    }
                    Some(count) => {
                        let message = format!("the index tensors have {count} and {}", counted(offsets.len(), "number"));
                        return Err(reader.fail(span, message, "they must be equally long"));
                    }
                }
            }
        }
    }
    Ok((places_so_far.into_iter().map(|(place, _)| place).collect(), shape))
}
