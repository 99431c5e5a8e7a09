//! The given numbers on which the structure of a graph depends: sizes, axes, indices, classes, counts of turns, and numbers that are folded into others while
//! the text is read. They cannot be edited in an open graph.
//!
//! The structure depends on a tensor if the numbers of this tensor are needed while the text is read. It depends on a single number such as `n` if the text
//! mentions `n` at least once without making it the operand of an operation. In `x / n`, `n` becomes an operand, which is read when the division is computed.
//! In `n - 1` and in `x.reshape(n, 2)`, `n` is read with the text.

use std::collections::HashMap;

use super::value::TensorId;
use crate::python::tree::Span;

/// A use of a given number while the text is read, with its place in the text.
#[derive(Clone, Debug)]
pub struct UseInText {
    /// The use in words, such as "a size".
    pub what: String,
    /// The index of the source text, and the position in it.
    pub at: (usize, Span),
}

/// A place in the text that names a single number.
#[derive(Clone, Debug)]
pub struct Mention {
    /// The tensor that has the number.
    pub tensor: TensorId,
    /// `true` if the number became the operand of an operation.
    pub is_operand: bool,
    /// The use of the number while the text is read. It counts only if the number did not become an operand.
    pub structure: UseInText,
}

/// The uses of given numbers.
#[derive(Debug, Default)]
pub struct StructuralUses {
    /// The mentions of single numbers.
    pub mentions: Vec<Mention>,
    /// The tensors whose numbers are read with the text.
    pub tensors: HashMap<TensorId, UseInText>,
}

impl StructuralUses {
    /// Returns a use of each tensor on which the structure depends.
    pub fn each(&self) -> HashMap<TensorId, UseInText> {
        let mut all = self.tensors.clone();
        for mention in self.mentions.iter().filter(|mention| !mention.is_operand) {
            all.entry(mention.tensor).or_insert_with(|| mention.structure.clone());
        }
        all
    }
}
