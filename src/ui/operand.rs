//! One matrix of the matrices pane: an operand of the op, or its result.

use crate::network::Id;
use crate::number::ColumnFormat;
use crate::op::repetition::Repetition;
use crate::scene::ShownTensor;

/// A matrix of the pane.
#[derive(Debug)]
pub(super) struct OperandMatrix {
    /// The tensor, and how it is shown.
    pub shown: ShownTensor,
    /// The symbol of the tensor, such as `W` or `rot180(W)`.
    pub symbol: String,
    /// The name of the tensor; empty if the symbol is the same.
    pub name: String,
    /// The names of the axes, such as `example × feature`; empty if not all axes have names.
    pub axes: String,
    /// The format in which the numbers are drawn.
    pub format: ColumnFormat,
    /// The format for which space is reserved. It does not change while the step moves through an op, so that the matrices do not move.
    pub reserved: ColumnFormat,
    /// The absolute value at the end of the colour scale.
    pub largest: f64,
    /// For an operand that a broadcast repeats, such as the bias b in x + b: the repetition, and the tensor to whose shape the operand is
    /// repeated. In the forward pass it is the result of the op, in a derivative the upstream derivative.
    pub repetition: Option<(Repetition, Id)>,
}
