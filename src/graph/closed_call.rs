//! A call of a function whose derivative has a closed form, while the text is read.

use std::ops::Range;

use super::value::TensorId;
use crate::op::closed_form::ClosedForm;

/// A call whose derivative by its input has a closed form.
#[derive(Debug)]
pub struct PendingClosedCall {
    /// The closed form.
    pub form: ClosedForm,
    /// The input.
    pub input: TensorId,
    /// The result.
    pub output: TensorId,
    /// The operands after the derivative by the result.
    pub operands: Vec<TensorId>,
    /// The operations of the call.
    pub nodes: Range<usize>,
}
