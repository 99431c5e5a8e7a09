//! The constant factor of an operation.

use super::super::site::{RightIteration, Site};
use crate::network::{Id, Role};
use crate::op::elementwise::{ElementwiseBackward, ElementwiseOperand};
use crate::op::operator::Operator;
use crate::op::slot::Slot::Input;

/// The value of a single number that is the same in all samples and depends on constants alone, such as √d; `None` for another tensor.
fn constant(iteration: &RightIteration<'_>, id: Id) -> Option<f64> {
    let [value] = *iteration.values(id) else { return None };
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        match iteration.producer(id) {
            Some((_, op)) => open.extend(op.parts.iter().flat_map(|part| part.operands.iter().copied())),
            None if iteration.network.tensor(id).role == Role::Constant => {}
            None => return None,
        }
    }
    let is_same = |run: usize| iteration.trace.run(run).values(id)[0].to_bits() == value.to_bits();
    (0..iteration.trace.samples()).all(is_same).then_some(value)
}

/// The constant by which a site's operand is multiplied, or the reciprocal of the constant by which it is divided.
pub(super) fn constant_factor(site: &Site<'_>) -> Option<f64> {
    let rule = site.rule_as::<ElementwiseBackward>()?;
    let [_, _] = rule.operation.operands[..] else { return None };
    let value = match rule.operation.operands[1 - rule.operand] {
        ElementwiseOperand::Constant(value) => value,
        // a number with a name, or one that is computed from such numbers
        ElementwiseOperand::Input(slot) => constant(&site.iteration, site.operands[Input(slot)])?,
    };
    match rule.operation.operator {
        Operator::Mul => Some(value),
        operator if operator == Operator::DIV && rule.operand == 0 => Some(1.0 / value),
        _ => None,
    }
}
