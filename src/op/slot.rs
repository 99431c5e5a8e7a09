//! Slots: the operands of a rule, named by the role that they have in the function y = f(x₀, x₁, …) or in its derivative.
//!
//! The forward rule of y = x₀ · x₁ reads `Input(0)` and `Input(1)`. The rule of ∂C/∂x₀ reads the inputs, `Output` (y) and `Upstream` (∂C/∂y).

use std::ops::{Deref, Index};

use smallvec::SmallVec;

pub use crate::expr::Slot;

/// The operands that a rule reads: one value of type `T` for each slot, such as the tensor in the slot, its id or its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads<T> {
    /// The values of the inputs. For a backward rule the values of y and ∂C/∂y follow, and then the value of the target if there is one.
    all: SmallVec<[T; 4]>,
    /// The number of inputs.
    inputs: usize,
}

impl<'a, T: ?Sized> Reads<&'a T> {
    /// Returns the same references with a shorter lifetime, such as that of a memo beside them in `Operands`.
    #[must_use]
    pub fn reborrow<'short>(&self) -> Reads<&'short T>
    where
        'a: 'short,
    {
        self.map(|tensor| tensor)
    }
}

impl<T: Copy> Reads<T> {
    /// The operands of a forward rule: its inputs.
    pub fn inputs(all: impl IntoIterator<Item = T>) -> Self {
        let all: SmallVec<[T; 4]> = all.into_iter().collect();
        Self { inputs: all.len(), all }
    }

    /// Adds the output y of the function, for its backward rules.
    #[must_use]
    pub fn with_output(self, output: T) -> Self {
        self.push(Slot::Output, output)
    }

    /// Adds ∂C/∂y, after y.
    #[must_use]
    pub fn with_upstream(self, upstream: T) -> Self {
        self.push(Slot::Upstream, upstream)
    }

    /// Adds the target, after ∂C/∂y.
    #[must_use]
    pub fn with_target(self, target: T) -> Self {
        self.push(Slot::Target, target)
    }

    fn push(mut self, slot: Slot, value: T) -> Self {
        debug_assert_eq!(self.position(slot), self.all.len(), "the operands are in the order of the slots");
        self.all.push(value);
        self
    }

    /// The index of a slot in the list of all operands. For a slot that the rule does not read, it is an index past the end of the list.
    #[must_use]
    pub fn position(&self, slot: Slot) -> usize {
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
        self.all.get(self.position(slot)).copied()
    }

    /// Iterates over all slots with their values.
    pub fn each(&self) -> impl Iterator<Item = (Slot, T)> + Clone + '_ {
        let slots = (0..self.inputs).map(Slot::Input).chain([Slot::Output, Slot::Upstream, Slot::Target]);
        slots.zip(self.all.iter().copied())
    }

    /// Applies a function to the value in each slot.
    #[inline]
    pub fn map<U>(&self, mut function: impl FnMut(T) -> U) -> Reads<U> {
        // for so few values, `push` is several times as fast as `collect`. The list is filled where the caller needs it, so that nothing is moved afterwards
        let mut mapped = Reads { all: SmallVec::new(), inputs: self.inputs };
        for value in &self.all {
            mapped.all.push(function(*value));
        }
        mapped
    }

    /// The same operands with another value in a slot that the rule reads.
    #[must_use]
    pub fn with(mut self, slot: Slot, value: T) -> Self {
        let position = self.position(slot);
        if let Some(old) = self.all.get_mut(position) {
            *old = value;
        }
        self
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
        &self.all[self.position(slot)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_the_rule_reads_has_a_value_and_others_have_none() {
        let forward = Reads::inputs([10, 11]);
        assert_eq!((forward[Slot::Input(1)], forward.get(Slot::Input(2)), forward.get(Slot::Output)), (11, None, None));
        let backward = forward.with_output(12).with_upstream(13);
        assert_eq!((backward[Slot::Output], backward[Slot::Upstream], backward.get(Slot::Target)), (12, 13, None));
        assert_eq!(backward.get(Slot::Input(2)), None);
        for (slot, tensor) in backward.each() {
            assert_eq!(backward[slot], tensor);
        }
        assert_eq!(backward.each().count(), 4);
    }
}
