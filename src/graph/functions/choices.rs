//! Choices by a mask: `where`, `masked_fill`.

use crate::graph::call::{Call, FunctionRow, Spelling};
use crate::graph::reader::{GraphReader, GraphTensor, TensorOrigin};
use crate::graph::value::{Operand, TensorId, Value};
use crate::op::choose::{Mask, choose};
use crate::op::elementwise::ElementwiseOperand;
use crate::op::layer::Reported;
use crate::python::tree::Span;

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    FunctionRow { names: &["where"], parameters: &["condition", "input|x", "other|y"], build: choice },
    FunctionRow { names: &["masked_fill", "masked_fill_"], parameters: &["input", "mask", "value"], build: masked_fill },
];

fn choice(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    // in `x.where(mask, other)`, the tensor comes before the mask
    let order = if call.spelling == Spelling::Method { [1, 0, 2] } else { [0, 1, 2] };
    if !call.has(1) || !call.has(2) {
        let help = "write where(mask, a, b)";
        return Err(reader.fail(
            &call.span,
            "where needs both values: the places where a mask is true are only known when the numbers are",
            help,
        ));
    }
    let mask = call.tensor(reader, order[0])?;
    let ((a, _), (b, _)) = (call.required(reader, order[1])?, call.required(reader, order[2])?);
    chosen(reader, mask, &a, &b, &call.span)
}

fn masked_fill(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (input, _) = call.required(reader, 0)?;
    let mask = call.tensor(reader, 1)?;
    let (value, _) = call.required(reader, 2)?;
    chosen(reader, mask, &value, &input, &call.span)
}

/// Makes the tensor that has the entries of `a` where the mask is true, and the entries of `b` elsewhere.
///
/// # Errors
/// If the shapes cannot be broadcast.
pub fn chosen(reader: &mut GraphReader<'_, '_>, mask: TensorId, a: &Value, b: &Value, span: &Span) -> Result<Value, Reported> {
    let mut reads = vec![mask];
    let mut operands = vec![ElementwiseOperand::Input(0)];
    for value in [a, b] {
        operands.push(match reader.operand(value, span)? {
            Operand::Tensor(id) => {
                reads.push(id);
                ElementwiseOperand::Input(reads.len() - 1)
            }
            Operand::Number(number) => ElementwiseOperand::Constant(number),
        });
    }
    let shapes: Vec<&[usize]> = reads.iter().map(|id| reader.shape(*id)).collect();
    let GraphTensor { origin, is_constant, .. } = reader.tensors[mask];
    let origin = if is_constant || matches!(origin, TensorOrigin::Leaf(_)) { Mask::Given } else { Mask::Computed };
    match choose([operands[0], operands[1], operands[2]], &shapes, origin) {
        Ok(function) => reader.emit_selecting(function, &reads, &[0], span).map(Value::Tensor),
        Err(_) => Err(reader.fail_broadcast(&reads, span)),
    }
}
