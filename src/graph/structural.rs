//! The given numbers on which the structure of a graph depends: sizes, axes, indices, classes, counts of turns, and numbers that are folded into others while
//! the text is read. They cannot be edited in an open graph.
//!
//! The numbers of a tensor belong to them if they are read with the text. A single number belongs to them unless each *mention* in the text becomes the operand
//! of an operation. The mention of `n` in `x / n` does; those in `n - 1` and in `x.reshape(n, 2)` do not.

use std::collections::HashMap;

use super::value::TensorId;
use crate::python::tree::Span;

/// A use on which the structure of a graph depends.
#[derive(Clone, Debug)]
pub struct PendingStructure {
    /// The use: "a size".
    pub what: String,
    /// The index of the source text, and the position in it.
    pub at: (usize, Span),
}

/// The name of a single number in the text.
#[derive(Clone, Debug)]
pub struct Mention {
    /// The tensor.
    pub tensor: TensorId,
    /// `true` if the number became the operand of an operation.
    pub is_operand: bool,
    /// The use, if it is another one.
    pub structure: PendingStructure,
}

/// The uses of given numbers.
#[derive(Debug, Default)]
pub struct StructuralUses {
    /// The mentions of single numbers.
    pub mentions: Vec<Mention>,
    /// The tensors whose numbers are read with the text.
    pub tensors: HashMap<TensorId, PendingStructure>,
}

impl StructuralUses {
    /// Returns the first use of each tensor on which the structure depends.
    pub fn each(&self) -> HashMap<TensorId, PendingStructure> {
        let mut all = self.tensors.clone();
        for mention in self.mentions.iter().filter(|mention| !mention.is_operand) {
            all.entry(mention.tensor).or_insert_with(|| mention.structure.clone());
        }
        all
    }
}
