//! The closed form of an entry of a derivative, beside the sum of its terms.

use smallvec::SmallVec;

use super::{Position, Trace};
use crate::network::{ClosedCall, Role};
use crate::op::closed_form::Quantities;
use crate::op::slot::Slot;

/// A closed form at an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedEntry {
    /// The quantities of the formula.
    pub quantities: Quantities,
    /// The value of the formula.
    pub value: f64,
}

impl Trace {
    /// Returns the call whose closed form is the whole derivative that the op at a position computes: it is the only reader of its input. `None` if there is none.
    #[must_use]
    pub fn closed_call(&self, at: &Position) -> Option<&ClosedCall> {
        let network = self.network_of(at.sample_run);
        let op = self.op_at(at);
        let Role::Gradient(input) = network.tensor(op.output).role else { return None };
        let is_inside = |call: &ClosedCall| {
            let uses =
                op.first_16_parts().iter().map(|part| part.operands.each().find(|(slot, _)| *slot == Slot::Output).map(|(_, id)| id));
            op.parts.len() <= 16 && uses.into_iter().all(|id| id.is_some_and(|id| call.members.contains(&id)))
        };
        network.text().closed_calls_of(input).find(|call| call.form.is_short() && is_inside(call))
    }

    /// Computes the closed form of the entry at a position.
    #[must_use]
    pub fn closed_entry(&self, at: &Position, call: &ClosedCall) -> Option<ClosedEntry> {
        let network = self.network_of(at.sample_run);
        let run = &self.sample_runs()[at.sample_run].run;
        let upstream = network.gradient_of(call.output)?;
        let operands: SmallVec<[&[f64]; 4]> =
            std::iter::once(upstream).chain(call.operands.iter().copied()).map(|id| run.values(id)).collect();
        let quantities = call.form.quantities(&operands, at.entry)?;
        let number = |slot: Slot| match slot {
            Slot::Input(n) => quantities.get(n).copied().unwrap_or(f64::NAN),
            _ => f64::NAN,
        };
        let value = call.form.formula().value(&number)?;
        Some(ClosedEntry { quantities, value })
    }
}
