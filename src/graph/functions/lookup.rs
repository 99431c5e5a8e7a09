//! Lookups by index: `gather`, `index_select`, `embedding`.

use crate::graph::call::{Call, FunctionRow};
use crate::graph::index;
use crate::graph::reader::GraphReader;
use crate::graph::value::{TensorId, Value};
use crate::op::layer::Reported;
use crate::op::lookup::{IndexOperand, LookupKind, lookup};
use crate::python::tree::Span;
use crate::tensor::{len, ravel, unravel};

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    FunctionRow { names: &["gather"], parameters: &["input", "dim", "index"], build: gather },
    FunctionRow { names: &["take_along_axis"], parameters: &["arr", "indices", "axis"], build: take_along_axis },
    FunctionRow { names: &["index_select"], parameters: &["input", "dim", "index"], build: index_select },
    FunctionRow { names: &["take"], parameters: &["a", "indices", "axis"], build: take },
    FunctionRow { names: &["embedding"], parameters: &["input", "weight"], build: embedding },
];

fn gather(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (table, ix) = (call.tensor(reader, 0)?, call.tensor(reader, 2)?);
    let rank = reader.shape(table).len();
    let axis = call.axis(reader, 1, rank)?.unwrap_or(0);
    gathered(reader, table, axis, ix, call).map(Value::Tensor)
}

fn take_along_axis(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (table, ix) = (call.tensor(reader, 0)?, call.tensor(reader, 1)?);
    let rank = reader.shape(table).len();
    let Some(axis) = call.axis(reader, 2, rank)? else { return Err(reader.fail(&call.span, "take_along_axis needs its axis", "")) };
    gathered(reader, table, axis, ix, call).map(Value::Tensor)
}

/// PyTorch's `gather`: result\[i, j\] is table\[ix\[i, j\], j\] along the axis 0, and table\[i, ix\[i, j\]\] along the axis 1.
fn gathered(reader: &mut GraphReader<'_, '_>, table: TensorId, axis: usize, ix: TensorId, call: &Call) -> Result<TensorId, Reported> {
    let span = &call.span;
    let (table_shape, shape) = (reader.shape(table).to_vec(), reader.shape(ix).to_vec());
    let fits = table_shape.len() == shape.len()
        && table_shape.iter().zip(&shape).enumerate().all(|(n, (table_size, size))| n == axis || size <= table_size);
    if !fits {
        let message = format!("the index {} does not fit {}", reader.describe(ix), reader.describe(table));
        return Err(reader.fail(span, message, "both have the same number of axes, and the index is not larger on the other axes"));
    }
    if call.is_numpy() {
        index::check_indices(reader, ix, table_shape[axis], span)?;
    } else {
        index::check_classes(reader, ix, table_shape[axis], span)?;
    }
    reader.claim_tensor(&shape, span)?;
    // for each entry of the result, the entry of the table that the index 0 would pick
    let base = (0..len(&shape))
        .map(|at| {
            let mut place = unravel(at, &shape);
            place[axis] = 0;
            ravel(&place, &table_shape).unwrap_or(0)
        })
        .collect();
    let stride = len(&table_shape[axis + 1..]);
    let operand = IndexOperand { shape: shape.clone(), stride, size: table_shape[axis], places: (0..len(&shape)).collect() };
    let function = lookup(&table_shape, &shape, base, vec![operand], LookupKind::Entries);
    reader.emit_selecting(function, &[table, ix], &[1], span)
}

/// Reads the slices of a table along an axis: `table[:, ix]` for axis 1.
fn slices(reader: &mut GraphReader<'_, '_>, table: TensorId, axis: usize, ix: Value, span: &Span) -> Result<Value, Reported> {
    let mut items = vec![(Value::Slice([None; 3]), span.clone()); axis];
    items.push((ix, span.clone()));
    index::select(reader, table, &items, span).map(Value::Tensor)
}

fn index_select(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let table = call.tensor(reader, 0)?;
    let rank = reader.shape(table).len();
    let axis = call.axis(reader, 1, rank)?.unwrap_or(0);
    let (ix, _) = call.required(reader, 2)?;
    slices(reader, table, axis, ix, &call.span)
}

fn take(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let table = call.tensor(reader, 0)?;
    let rank = reader.shape(table).len();
    let (ix, _) = call.required(reader, 1)?;
    if let Some(axis) = call.axis(reader, 2, rank)? {
        slices(reader, table, axis, ix, &call.span)
    } else {
        let entries = len(reader.shape(table));
        let flat = super::shape::viewed(reader, table, &[entries], &call.span)?;
        slices(reader, flat, 0, ix, &call.span)
    }
}

fn embedding(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (ix, _) = call.required(reader, 0)?;
    let table = call.tensor(reader, 1)?;
    slices(reader, table, 0, ix, &call.span)
}
