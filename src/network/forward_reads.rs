//! The tensors that each op of the forward pass reads, in one list. The map of a graph, which may have 50,000 nodes, is made from it when a key opens the map.
//! The list lies in one piece of memory, and the ops do not, so it is read faster.

use super::{Id, Op};
use crate::step::Pass;

/// The operands of the ops of the forward pass and the loss.
#[derive(Debug, Default)]
pub struct ForwardReads {
    /// For each op, in the order of computation: its output, the number of its operands, and its operands.
    numbers: Vec<u32>,
    /// The number of operands of all ops.
    operand_count: usize,
}

impl ForwardReads {
    /// Collects the operands of a network's ops. Those of the backward pass and of a batch are left out.
    #[must_use]
    pub fn of(ops: &[Op]) -> Self {
        // the limits of a scenario allow far fewer tensors than u32::MAX
        let stored = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (mut numbers, mut operand_count) = (Vec::new(), 0);
        for op in ops.iter().take_while(|op| matches!(op.pass, Pass::Forward | Pass::Loss)) {
            let count = op.parts.iter().map(|part| part.operands.len()).sum();
            operand_count += count;
            numbers.extend([stored(op.output), stored(count)]);
            numbers.extend(op.parts.iter().flat_map(|part| part.operands.iter().copied()).map(stored));
        }
        Self { numbers, operand_count }
    }

    /// Returns the number of operands of all ops. A tensor that is read twice counts twice.
    #[must_use]
    pub fn operand_count(&self) -> usize {
        self.operand_count
    }

    /// Iterates over the ops. Each item is the output and the operands; a tensor that is read twice is there twice.
    pub fn iter(&self) -> impl Iterator<Item = (Id, impl Iterator<Item = Id> + '_)> + '_ {
        let mut rest = self.numbers.as_slice();
        std::iter::from_fn(move || {
            let [output, count, later @ ..] = rest else { return None };
            let (operands, later) = later.split_at(*count as usize);
            rest = later;
            Some((*output as Id, operands.iter().map(|id| *id as Id)))
        })
    }
}
