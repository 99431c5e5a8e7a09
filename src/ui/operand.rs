//! One matrix of the operands pane.

use crate::number::Format;
use crate::scene::Shown;

/// A matrix of the pane.
#[derive(Debug)]
pub(super) struct Operand {
    pub shown: Shown,
    /// Its symbol, and its name where that is another.
    pub title: String,
    pub name: String,
    /// How its numbers are drawn, and how they are where room is shared out: the same at every step of an op.
    pub format: Format,
    pub reserved: Format,
    /// Where the scale of its colours ends.
    pub largest: f64,
}
