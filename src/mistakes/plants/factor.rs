//! The constant factor of an operation.

use super::super::site::Site;
use crate::network::Role;
use crate::op::elementwise::{ElementwiseBackward, ElementwiseOperand};
use crate::op::operator::Operator;
use crate::op::slot::Slot::Input;

/// The constant by which a site's operand is multiplied or divided.
pub(super) fn constant_factor(site: &Site<'_>) -> Option<f64> {
    let rule = site.rule_as::<ElementwiseBackward>()?;
    let [_, _] = rule.operation.operands[..] else { return None };
    let value = match rule.operation.operands[1 - rule.operand] {
        ElementwiseOperand::Constant(value) => value,
        // a number that the user gives a name
        ElementwiseOperand::Input(slot) => {
            let id = site.operands[Input(slot)];
            let [value] = site.subject.values(id) else { return None };
            (site.subject.network.tensor(id).role == Role::Constant).then_some(*value)?
        }
    };
    match rule.operation.operator {
        Operator::Mul => Some(value),
        operator if operator == Operator::DIV && rule.operand == 0 => Some(1.0 / value),
        _ => None,
    }
}
