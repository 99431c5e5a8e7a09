//! The closed form of an entry of a derivative. A closed form is a formula, such as that of a batch norm's gradient; it is shown beside the sum of the entry's
//! terms.

use smallvec::SmallVec;

use super::{Position, Trace};
use crate::network::{ClosedBlock, Id, Role};
use crate::op::closed_form::Quantities;
use crate::op::slot::Slot;

/// A closed form at an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedEntry {
    /// The numbers that appear in the formula.
    pub quantities: Quantities,
    /// The value of the formula.
    pub value: f64,
}

impl Trace {
    /// Returns the block of ops whose closed form gives the derivative that the op at a position computes. The block must contain all ops that read its input,
    /// and the constants that the closed form assumes, such as the n of `x.sum() / n` (`fixed`), must still have their values. Returns `None` if there is no
    /// such block.
    #[must_use]
    pub fn closed_block(&self, at: &Position) -> Option<&ClosedBlock> {
        let network = self.network_of(at.run_index);
        let run = &self.runs()[at.run_index].run;
        let op = self.op_at(at);
        let Role::Gradient(input) = network.tensor(op.output).role else { return None };
        // a derivative with more parts has no closed form
        if op.parts.len() > 16 {
            return None;
        }
        let is_inside = |block: &ClosedBlock| {
            // for each part of the gradient, the output of the op that reads the input
            let readers =
                op.first_16_parts().iter().map(|part| part.operands.each().find(|(slot, _)| *slot == Slot::Output).map(|(_, id)| id));
            let is_member = |id: Id| block.members.binary_search(&id).is_ok();
            readers.into_iter().all(|id| id.is_some_and(is_member))
        };
        let has_fixed_numbers = |block: &ClosedBlock| {
            block.fixed.iter().all(|(id, value)| run.values(*id).first().is_some_and(|now| now.to_bits() == value.to_bits()))
        };
        network.text().closed_blocks_of(input).find(|block| block.form.is_short() && is_inside(block) && has_fixed_numbers(block))
    }

    /// Computes the closed form for the entry at a position.
    #[must_use]
    pub fn closed_entry(&self, at: &Position, block: &ClosedBlock) -> Option<ClosedEntry> {
        let network = self.network_of(at.run_index);
        let run = &self.runs()[at.run_index].run;
        let upstream = network.gradient_of(block.output)?;
        let operands: SmallVec<[&[f64]; 4]> =
            std::iter::once(upstream).chain(block.operands.iter().copied()).map(|id| run.values(id)).collect();
        let quantities = block.form.quantities(&operands, at.entry)?;
        let number = |slot: Slot| match slot {
            Slot::Input(n) => quantities.get(n).copied().unwrap_or(f64::NAN),
            _ => f64::NAN,
        };
        let value = block.form.formula().value(&number)?;
        Some(ClosedEntry { quantities, value })
    }
}
