//! Functions that join tensors, and split them.

use crate::graph::arithmetic;
use crate::graph::call::{Call, FunctionRow};
use crate::graph::index;
use crate::graph::reader::GraphReader;
use crate::graph::value::{TensorId, Value};
use crate::op::copies::{CopyKind, CopySource, Copying, copies};
use crate::op::layer::Reported;
use crate::op::numpy::code::NumPyCode;
use crate::python::tree::Span;
use crate::tensor::{len, ravel, unravel};

use super::shape::{rearranged, viewed};

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    FunctionRow { names: &["cat", "concatenate", "concat"], parameters: &["tensors|arrays", "dim|axis"], build: cat },
    FunctionRow { names: &["hstack"], parameters: &["tensors|tup"], build: hstack },
    FunctionRow { names: &["vstack"], parameters: &["tensors|tup"], build: vstack },
    FunctionRow { names: &["stack"], parameters: &["tensors|arrays", "dim|axis"], build: stack },
    FunctionRow {
        names: &["split"],
        parameters: &["input|tensor|ary", "split_size_or_sections|split_size|indices_or_sections", "dim|axis"],
        build: split,
    },
    FunctionRow { names: &["chunk"], parameters: &["input", "chunks", "dim"], build: chunk },
    FunctionRow { names: &["unbind"], parameters: &["input", "dim"], build: unbind },
];

/// The largest number of tensors that one operation joins. For each of the tensors, the operation may need a list as long as the result.
const MAX_JOINED: usize = 16;

/// Claims the memory of an operation that joins tensors: of its result, and of a list of the same length for each tensor.
fn claim_lists(reader: &mut GraphReader<'_, '_>, shape: &[usize], tensors: usize, span: &Span) -> Result<(), Reported> {
    reader.claim_tensor(shape, span)?;
    reader.claim_tensor(&[len(shape), tensors], span)
}

/// Reads a list of tensors.
fn tensors(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Vec<TensorId>, Reported> {
    let (value, span) = call.required(reader, 0)?;
    let items = match (&value, value.items()) {
        (_, Some(items)) if !items.is_empty() => items,
        // a tensor is the list of its rows
        (Value::Tensor(id), _) if !reader.shape(*id).is_empty() => {
            let rows = reader.shape(*id).first().copied().unwrap_or(0);
            (0..rows)
                .map(|row| index::select(reader, *id, &[(Value::size(row), span.clone())], &span).map(Value::Tensor))
                .collect::<Result<_, _>>()?
        }
        _ => {
            let help = format!("write {}([a, b])", call.name);
            return Err(reader.fail(&span, format!("{} takes a list of tensors, with at least one", call.name), help));
        }
    };
    items.iter().map(|item| reader.tensor(item, &span)).collect()
}

/// Joins tensors along an axis.
///
/// # Errors
/// If their other axes differ.
pub fn joined(reader: &mut GraphReader<'_, '_>, ids: &[TensorId], axis: usize, kind: CopyKind, span: &Span) -> Result<TensorId, Reported> {
    let shapes: Vec<Vec<usize>> = ids.iter().map(|id| reader.shape(*id).to_vec()).collect();
    let first = shapes[0].clone();
    let other_sizes = |shape: &[usize]| shape.iter().enumerate().filter(|(n, _)| *n != axis).map(|(_, size)| *size).collect::<Vec<_>>();
    if let Some(n) = shapes.iter().position(|shape| shape.len() != first.len() || other_sizes(shape) != other_sizes(&first)) {
        let message = format!("{} and {} cannot be joined along axis {axis}", reader.describe(ids[0]), reader.describe(ids[n]));
        return Err(reader.fail(span, message, "all other axes must have the same size"));
    }
    let mut shape = first.clone();
    if ids.len() > MAX_JOINED {
        let chunks: Vec<TensorId> =
            ids.chunks(MAX_JOINED).map(|chunk| joined(reader, chunk, axis, kind, span)).collect::<Result<_, _>>()?;
        return joined(reader, &chunks, axis, kind, span);
    }
    shape[axis] = shapes.iter().map(|shape| shape[axis]).sum();
    claim_lists(reader, &shape, ids.len(), span)?;
    let mut starts = Vec::with_capacity(ids.len());
    let mut start = 0;
    for shape in &shapes {
        starts.push(start);
        start += shape[axis];
    }
    let sources = (0..len(&shape))
        .map(|at| {
            let mut index = unravel(at, &shape);
            // the last tensor that starts at this index or before it
            let slot = starts.partition_point(|start| *start <= index[axis]) - 1;
            index[axis] -= starts[slot];
            ravel(&index, &shapes[slot]).map(|flat_index| CopySource { slot, flat_index })
        })
        .collect();
    let inputs: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    // the gradient of an input is a slice of the upstream gradient, in NumPy `g[:, 2:5]`. A bound at the edge of the tensor is left out
    let all_of_axes_before = ":, ".repeat(axis);
    let slice_of_upstream = |(start, input_shape): (&usize, &Vec<usize>)| {
        let bound = |at: usize, is_edge: bool| if is_edge { String::new() } else { at.to_string() };
        let end = start + input_shape[axis];
        NumPyCode::upstream().then(format!("[{all_of_axes_before}{}:{}]", bound(*start, *start == 0), bound(end, end == shape[axis])))
    };
    let gradients = starts.iter().zip(&shapes).map(slice_of_upstream).collect();
    reader.emit_copy(copies(sources, &inputs, &shape, Copying { kind, gradients }), ids, span)
}

fn cat(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let ids = tensors(reader, call)?;
    let rank = reader.shape(ids[0]).len();
    let axis = call.axis(reader, 1, rank)?.unwrap_or(0);
    if rank == 0 {
        return Err(reader.fail(&call.span, "single numbers cannot be joined", "stack makes a vector of them"));
    }
    joined(reader, &ids, axis, CopyKind::Cat, &call.span).map(Value::Tensor)
}

fn hstack(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let ids = tensors(reader, call)?;
    let axis = usize::from(reader.shape(ids[0]).len() > 1);
    let ids = with_rank(reader, ids, 1, &call.span)?;
    joined(reader, &ids, axis, CopyKind::Cat, &call.span).map(Value::Tensor)
}

fn vstack(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let ids = tensors(reader, call)?;
    let ids = with_rank(reader, ids, 2, &call.span)?;
    joined(reader, &ids, 0, CopyKind::Cat, &call.span).map(Value::Tensor)
}

/// Gives tensors at least this rank, by new axes in front.
fn with_rank(reader: &mut GraphReader<'_, '_>, ids: Vec<TensorId>, rank: usize, span: &Span) -> Result<Vec<TensorId>, Reported> {
    ids.into_iter()
        .map(|id| {
            let mut shape = reader.shape(id).to_vec();
            if shape.len() >= rank {
                return Ok(id);
            }
            while shape.len() < rank {
                shape.insert(0, 1);
            }
            viewed(reader, id, &shape, span)
        })
        .collect()
}

fn stack(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let ids = tensors(reader, call)?;
    let inner = reader.shape(ids[0]).to_vec();
    let axis = call.axis(reader, 1, inner.len() + 1)?.unwrap_or(0);
    if let Some(other) = ids.iter().find(|id| reader.shape(**id) != inner) {
        let message = format!("{} and {} cannot be stacked", reader.describe(ids[0]), reader.describe(*other));
        return Err(reader.fail(&call.span, message, "they must have the same shape"));
    }
    stacked(reader, &ids, axis, &call.span).map(Value::Tensor)
}

/// Stacks tensors of one shape along a new axis.
///
/// # Errors
/// If the result exceeds the memory limit.
pub fn stacked(reader: &mut GraphReader<'_, '_>, ids: &[TensorId], axis: usize, span: &Span) -> Result<TensorId, Reported> {
    if ids.len() > MAX_JOINED {
        let chunks: Vec<TensorId> = ids.chunks(MAX_JOINED).map(|chunk| stacked(reader, chunk, axis, span)).collect::<Result<_, _>>()?;
        return joined(reader, &chunks, axis, CopyKind::Cat, span);
    }
    let inner = reader.shape(ids[0]).to_vec();
    let mut shape = inner.clone();
    shape.insert(axis, ids.len());
    claim_lists(reader, &shape, ids.len(), span)?;
    let sources = (0..len(&shape))
        .map(|at| {
            let mut index = unravel(at, &shape);
            let slot = index.remove(axis);
            ravel(&index, &inner).map(|flat_index| CopySource { slot, flat_index })
        })
        .collect();
    let inputs = vec![&inner[..]; ids.len()];
    let all_of_axes_before = ":, ".repeat(axis);
    let gradients = (0..ids.len()).map(|n| NumPyCode::upstream().then(format!("[{all_of_axes_before}{n}]"))).collect();
    reader.emit_copy(copies(sources, &inputs, &shape, Copying { kind: CopyKind::Stack, gradients }), ids, span)
}

/// Makes the part of a tensor whose indices on an axis are in `range`.
///
/// # Errors
/// If the result exceeds the memory limit.
pub fn narrowed(
    reader: &mut GraphReader<'_, '_>,
    id: TensorId,
    axis: usize,
    range: std::ops::Range<usize>,
    span: &Span,
) -> Result<TensorId, Reported> {
    let input = reader.shape(id).to_vec();
    let mut shape = input.clone();
    shape[axis] = range.len();
    rearranged(reader, id, &shape, CopyKind::Slice, span, |index| {
        let mut source = index.to_vec();
        source[axis] += range.start;
        ravel(&source, &input)
    })
}

/// Splits a tensor along an axis into the parts from 0 to the first end, from there to the second end, and so on.
fn pieces(reader: &mut GraphReader<'_, '_>, id: TensorId, axis: usize, ends: &[usize], span: &Span) -> Result<Value, Reported> {
    let mut start = 0;
    let mut pieces = Vec::with_capacity(ends.len());
    for end in ends {
        if *end <= start {
            return Err(reader.fail(span, "a piece would be empty", ""));
        }
        pieces.push(Value::Tensor(narrowed(reader, id, axis, start..*end, span)?));
        start = *end;
    }
    Ok(Value::tuple(pieces))
}

fn split(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let shape = reader.shape(id).to_vec();
    let axis = call.axis(reader, 2, shape.len())?.unwrap_or(0);
    let size = shape.get(axis).copied().unwrap_or(0);
    let (value, span) = call.required(reader, 1)?;
    let sizes = match value.items() {
        Some(items) => Some(items.iter().map(|item| arithmetic::size(reader, item, "a size", &span)).collect::<Result<Vec<_>, _>>()?),
        None => None,
    };
    let ends: Vec<usize> = match sizes {
        // NumPy gives the places of the cuts, PyTorch the sizes of the pieces
        Some(cuts) if call.is_numpy() => cuts.into_iter().chain([size]).collect(),
        Some(sizes) => {
            if sizes.iter().sum::<usize>() != size {
                let message = format!("these sizes add up to {}, but the axis has {size}", sizes.iter().sum::<usize>());
                return Err(reader.fail(&span, message, ""));
            }
            sizes
                .iter()
                .scan(0, |end, size| {
                    *end += size;
                    Some(*end)
                })
                .collect()
        }
        None => {
            // NumPy: the number of pieces; PyTorch: the size of a piece
            let n = arithmetic::size(reader, &value, "the number", &span)?;
            if n == 0 || (call.is_numpy() && size % n != 0) {
                let help = "np.split takes a number of equal pieces; torch.split takes the size of a piece";
                return Err(reader.fail(&span, format!("an axis of {size} cannot be split into {n} equal pieces"), help));
            }
            let piece_size = if call.is_numpy() { size / n } else { n };
            (1..=size.div_ceil(piece_size)).map(|piece| (piece * piece_size).min(size)).collect()
        }
    };
    pieces(reader, id, axis, &ends, &call.span)
}

fn chunk(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let shape = reader.shape(id).to_vec();
    let axis = call.axis(reader, 2, shape.len())?.unwrap_or(0);
    let (value, span) = call.required(reader, 1)?;
    let count = arithmetic::size(reader, &value, "the number of pieces", &span)?;
    if count == 0 || shape.is_empty() {
        return Err(reader.fail(&span, "the number of pieces must be at least 1", ""));
    }
    let piece_size = shape[axis].div_ceil(count);
    let ends: Vec<usize> = (1..=shape[axis].div_ceil(piece_size)).map(|piece| (piece * piece_size).min(shape[axis])).collect();
    pieces(reader, id, axis, &ends, &call.span)
}

fn unbind(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let id = call.tensor(reader, 0)?;
    let shape = reader.shape(id).to_vec();
    let axis = call.axis(reader, 1, shape.len())?.unwrap_or(0);
    if shape.is_empty() {
        return Err(reader.fail(&call.span, "a single number cannot be split", ""));
    }
    // the index `[:, :, n]` for axis 2
    let mut items = vec![(Value::Slice([None; 3]), call.span.clone()); axis];
    items.push((Value::size(0), call.span.clone()));
    let mut slices = Vec::with_capacity(shape[axis]);
    for n in 0..shape[axis] {
        items[axis].0 = Value::size(n);
        slices.push(Value::Tensor(index::select(reader, id, &items, &call.span)?));
    }
    Ok(Value::tuple(slices))
}
