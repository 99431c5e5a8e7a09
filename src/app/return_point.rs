//! The return point: the step at which `l` was pressed. Usually `h` goes to the end of the previous unit. Directly after `l`, it returns to the step at which
//! `l` was pressed.
//!
//! ```text
//! unit op, at step 5 of conv1.z     l      the last step of conv1.z
//!                                   l      the last step of conv1.a
//!                                   2h     step 5 again
//! ```

use super::Visit;
use crate::step::Unit;

/// The largest number of stored moves; the oldest are dropped first.
const MAX_MOVES: usize = 1000;

/// The last moves forward by one unit. Any other move clears this list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPoint {
    unit: Unit,
    moves: Vec<ForwardMove>,
}

/// A move forward: one press of `l`, perhaps with a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ForwardMove {
    /// The step at which it began.
    from: Visit,
    /// The requested number of units.
    requested: u64,
    /// The number of units by which it moved. At the end of the descent, it is less than `requested`.
    moved: u64,
}

/// The effect of a move back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveBack {
    /// It undoes whole moves forward: the stepper goes to the step at which the first of them began.
    To(Visit),
    /// It undoes only a part of the last move forward: the stepper moves back by units.
    Part,
    /// There is no move forward to undo: the stepper moves back by units.
    Other,
}

impl ReturnPoint {
    /// Returns a return point without moves, for moves by `unit`.
    #[must_use]
    pub fn new(unit: Unit) -> Self {
        Self { unit, moves: Vec::new() }
    }

    /// Returns whether its moves are by this unit.
    #[must_use]
    pub fn is_for(&self, unit: Unit) -> bool {
        self.unit == unit
    }

    /// Returns whether there is no move to undo.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty()
    }

    /// Adds a move by a number of units that begins at `from`.
    pub fn begin(&mut self, from: Visit, units: u64) {
        if self.moves.len() == MAX_MOVES {
            self.moves.remove(0);
        }
        self.moves.push(ForwardMove { from, requested: units, moved: 0 });
    }

    /// Adds units to the last move. This happens when the key is pressed again before the move is done.
    pub fn extend(&mut self, units: u64) {
        if let Some(last) = self.moves.last_mut() {
            last.requested = last.requested.saturating_add(units);
        }
    }

    /// Removes the last move, because nothing moved.
    pub fn cancel(&mut self) {
        self.moves.pop();
    }

    /// Counts units that the last move has done.
    pub fn advance(&mut self, units: u64) {
        if let Some(last) = self.moves.last_mut() {
            last.moved = last.moved.saturating_add(units);
        }
    }

    /// Removes the moves forward that a move back by `units` undoes, and returns its effect.
    pub fn undo(&mut self, unit: Unit, units: u64) -> MoveBack {
        if self.unit != unit {
            return MoveBack::Other;
        }
        let mut requested: u64 = 0;
        for number in (0..self.moves.len()).rev() {
            requested = requested.saturating_add(self.moves[number].requested);
            if requested == units {
                let from = self.moves[number].from;
                self.moves.truncate(number);
                return MoveBack::To(from);
            }
        }
        match self.moves.last_mut() {
            Some(last) if units < last.moved => {
                last.moved -= units;
                last.requested = last.moved;
                MoveBack::Part
            }
            _ => MoveBack::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: u64) -> Visit {
        Visit { iteration: 1, step }
    }

    #[test]
    fn a_move_back_undoes_whole_moves_forward_or_a_part_of_the_last() {
        let mut point = ReturnPoint::new(Unit::Op);
        for (from, units) in [(5, 1), (9, 3), (30, 1)] {
            point.begin(at(from), units);
            point.advance(units);
        }
        assert_eq!(point.clone().undo(Unit::Op, 5), MoveBack::To(at(5)), "all three");
        assert_eq!(point.undo(Unit::Op, 1), MoveBack::To(at(30)));
        assert_eq!(point.undo(Unit::Op, 2), MoveBack::Part);
        assert_eq!(point.undo(Unit::Op, 1), MoveBack::To(at(9)), "the rest of the second");
        assert_eq!(point.undo(Unit::Entry, 1), MoveBack::Other, "another unit");
        assert_eq!(point.undo(Unit::Op, 1), MoveBack::To(at(5)));
        assert_eq!(point.undo(Unit::Op, 1), MoveBack::Other);
    }

    #[test]
    fn a_count_past_the_end_is_undone_by_the_same_count() {
        let mut point = ReturnPoint::new(Unit::Op);
        point.begin(at(5), 5);
        point.advance(2);
        assert_eq!(point.clone().undo(Unit::Op, 5), MoveBack::To(at(5)));
        assert_eq!(point.undo(Unit::Op, 3), MoveBack::Other, "only two units were moved");
    }
}
