//! The place where `l` was pressed. `h` directly after `l` returns there, though it lies inside a unit and `h` otherwise stops only at the ends of units.
//!
//! ```text
//! unit op, at step 5 of conv1.z     l      the last step of conv1.z
//!                                   l      the last step of conv1.a
//!                                   2h     step 5 again
//! ```

use super::Visit;
use crate::step::Unit;

/// The place where a run of moves forward began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnPoint {
    /// The place where it began.
    pub from: Visit,
    unit: Unit,
    /// The number of units that were asked for.
    asked: u64,
    /// The number of units that were moved: less than `asked` at the end of the descent.
    moved: u64,
}

/// The meaning of a move back while a return point is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveBack {
    /// It undoes all moves forward and goes to this place.
    To(Visit),
    /// It undoes some of them: the return point stays, and the move goes by units.
    Part,
    /// It has nothing to do with the return point.
    Other,
}

impl ReturnPoint {
    /// Returns a return point for moves by `unit` that begin here.
    #[must_use]
    pub fn new(from: Visit, unit: Unit) -> Self {
        Self { from, unit, asked: 0, moved: 0 }
    }

    /// Returns whether it was made by moves of this unit.
    #[must_use]
    pub fn is_for(&self, unit: Unit) -> bool {
        self.unit == unit
    }

    /// Counts `units` that are asked for.
    pub fn ask(&mut self, units: u64) {
        self.asked = self.asked.saturating_add(units);
    }

    /// Takes back a request that moved nothing.
    pub fn unask(&mut self, units: u64) {
        self.asked = self.asked.saturating_sub(units);
    }

    /// Counts `units` that were moved.
    pub fn advance(&mut self, units: u64) {
        self.moved = self.moved.saturating_add(units);
    }

    /// Returns whether nothing was moved yet.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.moved == 0
    }

    /// Counts a move back by `units`, and returns its meaning.
    pub fn take_back(&mut self, unit: Unit, units: u64) -> MoveBack {
        if self.unit != unit {
            return MoveBack::Other;
        }
        if units == self.asked {
            return MoveBack::To(self.from);
        }
        if units < self.moved {
            self.moved -= units;
            self.asked = self.moved;
            return MoveBack::Part;
        }
        MoveBack::Other
    }
}
