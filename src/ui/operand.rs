//! One matrix of the operands pane.

use crate::number::Format;
use crate::scene::Shown;

/// A matrix of the pane.
#[derive(Debug)]
pub(super) struct OperandMatrix {
    pub shown: Shown,
    /// Its symbol, and its name; the name is empty if it equals the symbol.
    pub title: String,
    pub name: String,
    /// The format of its numbers as drawn, and the format that the arrangement uses: the same at every step of an op.
    pub format: Format,
    pub reserved: Format,
    /// The magnitude at which the colour scale ends.
    pub largest: f64,
}
