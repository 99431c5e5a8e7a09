//! The operands of a rule, by slot.

use std::ops::{Deref, Index};

use smallvec::SmallVec;

pub use crate::expr::Slot;

/// One value of type `T` for each slot of a rule, such as the tensor in that slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads<T> {
    /// The inputs; for a backward rule also y, ∂C/∂y and the target, in this order, as far as it reads them.
    all: SmallVec<[T; 4]>,
    inputs: usize,
}

impl<T: Copy> Reads<T> {
    /// The operands of a forward rule: its inputs.
    pub fn inputs(all: impl IntoIterator<Item = T>) -> Self {
        let all: SmallVec<[T; 4]> = all.into_iter().collect();
        Self { inputs: all.len(), all }
    }

    /// Appends the other operands of a backward rule: y, then ∂C/∂y, then the target.
    #[must_use]
    pub fn then(mut self, more: impl IntoIterator<Item = T>) -> Self {
        self.all.extend(more);
        self
    }

    /// The index of a slot in the list of all operands.
    #[must_use]
    pub fn place(&self, slot: Slot) -> usize {
        match slot {
            Slot::Input(input) if input < self.inputs => input,
            Slot::Input(_) => usize::MAX,
            Slot::Output => self.inputs,
            Slot::Upstream => self.inputs + 1,
            Slot::Target => self.inputs + 2,
        }
    }

    /// The value in a slot, or `None` if the rule does not read that slot.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<T> {
        self.all.get(self.place(slot)).copied()
    }

    /// Iterates over all slots with their values.
    pub fn each(&self) -> impl Iterator<Item = (Slot, T)> + '_ {
        let slots = (0..self.inputs).map(Slot::Input).chain([Slot::Output, Slot::Upstream, Slot::Target]);
        slots.zip(self.all.iter().copied())
    }

    /// Applies `of` to the value in each slot.
    pub fn map<U>(&self, of: impl FnMut(T) -> U) -> Reads<U> {
        Reads { all: self.all.iter().copied().map(of).collect(), inputs: self.inputs }
    }

    /// Removes the last input of a forward rule.
    pub fn forget_last_input(&mut self) {
        self.all.pop();
        self.inputs = self.all.len();
    }
}

impl<T> Deref for Reads<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.all
    }
}

impl<T: Copy> Index<Slot> for Reads<T> {
    type Output = T;

    fn index(&self, slot: Slot) -> &T {
        &self.all[self.place(slot)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_found_by_its_name() {
        let forward = Reads::inputs([10, 11]);
        assert_eq!((forward[Slot::Input(1)], forward.get(Slot::Input(2)), forward.get(Slot::Output)), (11, None, None));
        let backward = forward.then([12, 13]);
        assert_eq!((backward[Slot::Output], backward[Slot::Upstream], backward.get(Slot::Target)), (12, 13, None));
        assert_eq!(backward.get(Slot::Input(2)), None);
        for (slot, tensor) in backward.each() {
            assert_eq!(backward[slot], tensor);
        }
        assert_eq!(backward.each().count(), 4);
    }
}
