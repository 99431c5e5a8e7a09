//! The repetition of an operand of an elementwise operation or of a choice. In x + b, where x has 4 x 3 entries and b has 3, b is repeated in four rows.

use std::sync::Arc;

use super::broadcast::Broadcast;
use super::choose;
use super::downcast::downcast;
use super::elementwise::{ElementwiseBackward, ElementwiseForward};
use super::rule::Rule;
use super::slot::Slot;

/// An operand that a broadcast repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Repetition {
    broadcast: Arc<Broadcast>,
    /// The index of the operand in the broadcast.
    operand: usize,
}

impl Repetition {
    /// Returns the repetition of an operand of a rule; `None` if each of its entries is read once.
    #[must_use]
    pub fn of(rule: &Arc<dyn Rule>, slot: Slot) -> Option<Self> {
        let Slot::Input(operand) = slot else { return None };
        let of_operation = || {
            let operation = match downcast::<ElementwiseForward>(rule) {
                Some(forward) => &forward.0,
                None => &downcast::<ElementwiseBackward>(rule)?.operation,
            };
            operation.broadcast.clone()
        };
        let broadcast = choose::broadcast_of(rule).cloned().or_else(of_operation)?;
        (broadcast.reader_count(operand) > 1).then_some(Self { broadcast, operand })
    }

    /// Returns the shape of the repeated operand.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.broadcast.shape()
    }

    /// Returns the entry of the operand that the repeated operand has at its entry `at`, for example entry 1 of b at entry 4 of a 2 x 3 repetition.
    #[must_use]
    pub fn entry(&self, at: usize) -> usize {
        self.broadcast.operand_entry(self.operand, at)
    }

    /// Returns the first entry of the repeated operand that is a copy of an entry of the operand.
    #[must_use]
    pub fn first_copy(&self, entry: usize) -> usize {
        self.broadcast.reader(self.operand, entry, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::elementwise::{Elementwise, ElementwiseOperand};
    use crate::op::operator::Operator;
    use crate::op::rule::Function;

    #[test]
    fn a_row_is_repeated_in_each_row_of_the_sum() {
        let operands = [ElementwiseOperand::Input(0), ElementwiseOperand::Input(1)];
        let sum = Elementwise::new(Operator::Add, &operands).broadcast(&[&[2, 3], &[3]]).expect("shapes that fit");
        assert_eq!(Repetition::of(&sum.forward(), Slot::Input(0)), None);
        for rule in [sum.forward(), sum.backward(0).expect("a derivative")] {
            let row = Repetition::of(&rule, Slot::Input(1)).expect("a repetition");
            assert_eq!(row.shape(), [2, 3]);
            assert_eq!((0..6).map(|at| row.entry(at)).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
            assert_eq!((0..3).map(|entry| row.first_copy(entry)).collect::<Vec<_>>(), [0, 1, 2]);
        }
        // where(mask, x, b) with a mask of 2 x 1 and b of 3 entries
        let chosen = choose::choose([0, 1, 2].map(ElementwiseOperand::Input), &[&[2, 1], &[2, 3], &[3]], choose::Mask::Given)
            .expect("shapes that fit");
        let [mask, x, row] = [0, 1, 2].map(|operand| Repetition::of(&chosen.forward(), Slot::Input(operand)));
        let entries = |repetition: Option<Repetition>| repetition.map(|it| (0..6).map(|at| it.entry(at)).collect::<Vec<_>>());
        assert_eq!((entries(mask), entries(x), entries(row)), (Some(vec![0, 0, 0, 1, 1, 1]), None, Some(vec![0, 1, 2, 0, 1, 2])));
    }
}
