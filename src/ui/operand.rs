//! One matrix of the operands pane.

use crate::network::Id;
use crate::number::Format;

/// A matrix of the pane.
#[derive(Debug)]
pub(super) struct Operand {
    pub id: Id,
    /// Its symbol, and its name where that is another.
    pub title: String,
    pub name: String,
    pub format: Format,
    pub padding: [usize; 2],
    pub turned: bool,
    pub largest: f64,
    pub result: bool,
}
