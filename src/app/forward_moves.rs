//! The moves forward that `h` can undo. `l` goes to the last step of a unit. Usually `h` goes to the last step of the previous unit, which need not be the step
//! at which `l` was pressed. Directly after `l`, `h` returns to this step, the *return point*.
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

/// The last moves forward, all by the same unit, the oldest first. Any other move clears them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardMoves {
    unit: Unit,
    moves: Vec<ForwardMove>,
}

/// A move forward: one press of `l`, perhaps with a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ForwardMove {
    /// The return point: the step at which the move began.
    from: Visit,
    /// The requested number of units.
    requested: u64,
    /// The number of units by which the stepper has moved. It is less than `requested` until the move is done, or if the descent ends first.
    done: u64,
}

/// The effect of a move back: which recorded moves forward it undoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveBack {
    /// It undoes whole moves forward. The stepper returns to the step at which the first of them began.
    ReturnTo(Visit),
    /// It undoes only a part of the last move forward. The stepper moves back by units, and the rest of that move stays recorded.
    WithinMove,
    /// It corresponds to no recorded move forward. The stepper moves back by units.
    NotRecorded,
}

impl ForwardMoves {
    /// Returns an empty list, for moves by `unit`.
    #[must_use]
    pub fn new(unit: Unit) -> Self {
        Self { unit, moves: Vec::new() }
    }

    /// Returns whether the moves are by this unit.
    #[must_use]
    pub fn are_by(&self, unit: Unit) -> bool {
        self.unit == unit
    }

    /// Returns whether no move is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty()
    }

    /// Records a move by a number of units that begins at `from`.
    pub fn push(&mut self, from: Visit, units: u64) {
        if self.moves.len() == MAX_MOVES {
            self.moves.remove(0);
        }
        self.moves.push(ForwardMove { from, requested: units, done: 0 });
    }

    /// Adds requested units to the last move. This happens when the key is pressed again before the move is done.
    pub fn extend_last(&mut self, units: u64) {
        if let Some(last) = self.moves.last_mut() {
            last.requested = last.requested.saturating_add(units);
        }
    }

    /// Removes the last move, because it did not leave its step.
    pub fn remove_last(&mut self) {
        self.moves.pop();
    }

    /// Counts units by which the last move has moved the stepper.
    pub fn count_done(&mut self, units: u64) {
        if let Some(last) = self.moves.last_mut() {
            last.done = last.done.saturating_add(units);
        }
    }

    /// Removes the moves forward that a move back by `units` undoes, and returns the effect of the move back.
    pub fn undo(&mut self, unit: Unit, units: u64) -> MoveBack {
        if self.unit != unit {
            return MoveBack::NotRecorded;
        }
        let mut requested: u64 = 0;
        for number in (0..self.moves.len()).rev() {
            requested = requested.saturating_add(self.moves[number].requested);
            if requested == units {
                let from = self.moves[number].from;
                self.moves.truncate(number);
                return MoveBack::ReturnTo(from);
            }
        }
        match self.moves.last_mut() {
            Some(last) if units < last.done => {
                last.done -= units;
                last.requested = last.done;
                MoveBack::WithinMove
            }
            _ => MoveBack::NotRecorded,
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
        let mut moves = ForwardMoves::new(Unit::Op);
        for (from, units) in [(5, 1), (9, 3), (30, 1)] {
            moves.push(at(from), units);
            moves.count_done(units);
        }
        assert_eq!(moves.clone().undo(Unit::Op, 5), MoveBack::ReturnTo(at(5)), "all three");
        assert_eq!(moves.undo(Unit::Op, 1), MoveBack::ReturnTo(at(30)));
        assert_eq!(moves.undo(Unit::Op, 2), MoveBack::WithinMove);
        assert_eq!(moves.undo(Unit::Op, 1), MoveBack::ReturnTo(at(9)), "the rest of the second");
        assert_eq!(moves.undo(Unit::Entry, 1), MoveBack::NotRecorded, "another unit");
        assert_eq!(moves.undo(Unit::Op, 1), MoveBack::ReturnTo(at(5)));
        assert_eq!(moves.undo(Unit::Op, 1), MoveBack::NotRecorded);
    }

    #[test]
    fn a_count_past_the_end_is_undone_by_the_same_count() {
        let mut moves = ForwardMoves::new(Unit::Op);
        moves.push(at(5), 5);
        moves.count_done(2);
        assert_eq!(moves.clone().undo(Unit::Op, 5), MoveBack::ReturnTo(at(5)));
        assert_eq!(moves.undo(Unit::Op, 3), MoveBack::NotRecorded, "only two units were moved");
    }
}
