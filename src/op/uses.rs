//! The terms that read an entry of an operand.

use super::slot::Slot;

/// One term that reads the entry of an operand that a caller asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The place of the entry of the result that has the term.
    pub entry: usize,
    /// The index of the term among the terms of this entry, from 0.
    pub term: u64,
}

/// One term that reads the entry, or may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PossibleUse {
    /// The term.
    pub found: Use,
    /// `false` if numbers that are not known yet decide whether the term reads the entry.
    pub is_certain: bool,
}

impl PossibleUse {
    /// Returns a term that reads the entry.
    #[must_use]
    pub fn certain(found: Use) -> Self {
        Self { found, is_certain: true }
    }
}

/// Returns whether the entry of an operand, given by its slot and its place, is known.
pub type IsKnown<'a> = &'a dyn Fn(Slot, usize) -> bool;
