//! The texts of the derivative of an elementwise operation: the gradient as a line of NumPy, the gradient with letters for indices, and the local derivative as
//! an expression.

use super::{ElementwiseBackward, ElementwiseOperand};
use crate::expr::{Expr, Form};
use crate::op::numpy::code::NumPyCode;
use crate::op::numpy::{self, NumPyForm};
use crate::op::operator::{NamedFunction, Operator};
use crate::op::slot::Slot::Input;
use crate::op::written::IndexForm;

impl ElementwiseBackward {
    /// The gradient as NumPy text.
    pub(super) fn in_numpy(&self) -> Option<NumPyForm> {
        let operands: Vec<NumPyCode> = self.operation.operands.iter().map(|operand| operand.numpy()).collect();
        let dy = NumPyCode::upstream();
        let term = match (self.operation.operator, self.operand) {
            (Operator::Add | Operator::Copy, _) | (Operator::Sub, 0) => dy,
            (Operator::Sub | Operator::Neg, _) => dy.negative(),
            (Operator::Mul, operand) => dy.times(operands[1 - operand].clone()),
            (Operator::Call(called), operand) => dy.times(numpy::derivative(called.function, operand, &operands)?),
        };
        Some(NumPyForm::new(match &self.operation.broadcast {
            Some(broadcast) => broadcast.summed_in_numpy(self.slot, term),
            None => term,
        }))
    }

    /// The gradient with letters for the indices, for an operand of a sum, a difference or a product that a broadcast repeats; else `None`.
    pub(super) fn indexed(&self) -> Option<IndexForm> {
        let broadcast = self.operation.broadcast.as_ref().filter(|_| self.operation.reader_count(self.slot) > 1)?;
        let mut form = broadcast.indexed(self.slot)?;
        // only a function has a third operand, and it has no such form
        let other_operand = self.operation.operands.get(1 - self.operand.min(1));
        match (self.operation.operator, other_operand) {
            (Operator::Add, _) => {}
            (Operator::Sub, _) => form.is_negative = self.operand == 1,
            (Operator::Mul, Some(ElementwiseOperand::Input(other))) => form.factors.push((Input(*other), broadcast.index_of(*other)?)),
            _ => return None,
        }
        Some(form)
    }

    /// The local derivative: f′(u) if f has one argument, or is written f(u | a, b) with constants a and b; otherwise ∂y/∂u.
    pub(super) fn local_expr(&self, called: &'static NamedFunction) -> &'static Expr {
        let are_parameters = || self.operation.operands[1..].iter().all(|operand| matches!(operand, ElementwiseOperand::Constant(_)));
        match self.slot {
            0 if called.function.form == Form::Given && self.operand == 0 && are_parameters() => &called.prime,
            _ if called.function.derivatives.len() == 1 => &called.prime,
            slot if self.operation.reader_count(slot) > 1 => &REPEATED_PARTIALS[slot.min(2)],
            slot => &PARTIALS[slot.min(2)],
        }
    }
}

/// ∂y/∂u, for the operand u in each slot.
const PARTIALS: &[Expr; 3] = &[Expr::Partial(Input(0)), Expr::Partial(Input(1)), Expr::Partial(Input(2))];
/// ∂y/∂u, for an operand u that a broadcast repeats.
const REPEATED_PARTIALS: &[Expr; 3] = &[Expr::RepeatedPartial(Input(0)), Expr::RepeatedPartial(Input(1)), Expr::RepeatedPartial(Input(2))];
