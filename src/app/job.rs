//! Long work that is done in time slices: a seek to a far iteration, or a move by many units.
//!
//! A job is data. [`super::motion::Motion`] begins it, does it piece by piece (`work.rs`), and ends it, so that the screen responds meanwhile and Esc stops
//! it. Each kind of work is a variant of [`Job`].

use super::Document;
use crate::network::DescentWalk;
use crate::step::{Address, Place, Unit};
use crate::threads::BackgroundTask;

/// The smallest cost of an iteration, of one of its ops, and of a move by one unit, counted in computed steps.
const ITERATION: u64 = 10_000;
const OP: u64 = 1_000;
const MOVE: u64 = 1_000;

/// Work in progress. There is at most one job.
#[derive(Clone, Debug)]
pub enum Job {
    /// A seek to another iteration.
    Seek(Seek),
    /// A move by units within the iteration on the screen.
    Move {
        /// The rest of the move.
        units: Units,
        /// The iteration on the screen.
        iteration: u64,
    },
}

/// A seek: computes another iteration and goes there.
#[derive(Clone, Debug)]
pub struct Seek {
    pub(super) goal: SeekGoal,
    /// The number of that iteration.
    pub(super) to: u64,
    pub(super) walk: Walking,
}

/// A number of units to move by, back if negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    pub(super) unit: Unit,
    pub(super) left: i64,
}

/// The place that a seek goes to in its iteration.
#[derive(Clone, Debug)]
pub(super) enum SeekGoal {
    /// An address.
    Address(Address),
    /// The first of these places that exists, in that iteration or in the last one if the descent ends earlier. From there it goes on by `more` iterations,
    /// back if negative, because the key was pressed again meanwhile.
    Iteration { places: Vec<Place>, more: i64 },
    /// The first step of the iteration, or the last one if the move goes back; then the rest of a move by units.
    Units(Units),
}

/// The computation of the iterations up to the wanted one.
#[derive(Clone, Debug)]
pub(super) enum Walking {
    /// This thread does the next piece.
    Here(Box<DescentWalk>),
    /// Another thread does the next piece, of this iteration.
    Elsewhere(u64, BackgroundTask<JobPiece>),
}

/// The result of a seek: the document, if it is another one, and the step; or a sentence if there is no such step.
pub(super) type SeekResult = Result<(Option<Document>, u64), String>;

/// The result of one or several pieces of a seek.
#[derive(Debug)]
pub(super) enum JobPiece {
    /// There is more to do. `true` if an iteration was completed.
    On(Box<DescentWalk>, bool),
    /// The wanted iteration is computed.
    Arrived(Box<SeekResult>),
}

impl Walking {
    /// Returns the next iteration to compute.
    fn next(&self) -> u64 {
        match self {
            Self::Here(walk) => walk.next(),
            Self::Elsewhere(next, _) => *next,
        }
    }
}

impl SeekGoal {
    /// Does at most `pieces` pieces of the walk to iteration `to`, stops at the end of an iteration, and subtracts the pieces done from `pieces`.
    pub fn advance(&self, document: &Document, to: u64, mut walk: Box<DescentWalk>, pieces: &mut u64) -> JobPiece {
        let Some(iteration) = document.descent.advance(&mut walk, pieces) else { return JobPiece::On(walk, false) };
        let number = iteration.number;
        if number < to && !iteration.ends() {
            return JobPiece::On(walk, true);
        }
        let found = match self {
            Self::Address(address) => document.arrive(to, iteration, address),
            // sessions of the first format go to first steps, and to the last step at the end of the descent
            Self::Iteration { places, .. } if number < to && **places == [Place::First] => {
                document.arrive(number, iteration, &Place::Last.into())
            }
            Self::Iteration { places, .. } => Ok(document.arrive_at_any(iteration, places)),
            Self::Units(Units { left, .. }) if *left < 0 => document.arrive(number, iteration, &Place::Last.into()),
            Self::Units(_) => document.arrive(number, iteration, &Place::First.into()),
        };
        JobPiece::Arrived(Box::new(found))
    }
}

impl Seek {
    /// Returns a seek that begins with this walk.
    pub(super) fn new(goal: SeekGoal, to: u64, walk: DescentWalk) -> Self {
        Self { goal, to, walk: Walking::Here(Box::new(walk)) }
    }

    /// Returns the number of iterations still to compute.
    pub fn remaining(&self) -> u64 {
        self.to - self.walk.next().min(self.to) + 1
    }

    /// Returns whether the next piece needs so much memory that another thread does it.
    pub fn is_large(&self) -> bool {
        matches!(&self.walk, Walking::Here(walk) if walk.is_large())
    }
}

impl Units {
    /// Returns the same unit with another number to move by.
    pub fn with(self, left: i64) -> Self {
        Self { left, ..self }
    }

    /// Moves on by `by` more units, if this is a move by the same unit in the same direction. Returns whether it is.
    fn extend(&mut self, unit: Unit, by: i64) -> bool {
        let same = self.unit == unit && self.left.signum() == by.signum();
        if same {
            self.left = self.left.saturating_add(by);
        }
        same
    }
}

impl Job {
    /// Returns the next iteration to compute, and the last one.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        match self {
            Self::Seek(Seek { to, walk, .. }) => (walk.next().min(*to), *to),
            Self::Move { iteration, .. } => (*iteration, *iteration),
        }
    }

    /// Returns the move by units that this job is, or is a part of; `None` for other seeks.
    pub(super) fn units(&self) -> Option<Units> {
        match self {
            Self::Seek(Seek { goal: SeekGoal::Units(units), .. }) | Self::Move { units, .. } => Some(*units),
            Self::Seek(_) => None,
        }
    }

    /// Returns one clause about the progress.
    #[must_use]
    pub fn describe(&self) -> String {
        let (next, to) = self.progress();
        match self.units() {
            Some(Units { unit, left }) if left.unsigned_abs() > 1 => {
                format!("iteration {next}, {} {} to go", left.unsigned_abs(), unit.plural())
            }
            _ => format!("iteration {next} of {to}"),
        }
    }

    /// Moves on by `by` more units, if this is a move by the same unit in the same direction. Returns whether it is.
    pub(super) fn extend(&mut self, unit: Unit, by: i64) -> bool {
        match self {
            Self::Seek(Seek { goal: SeekGoal::Units(units), .. }) | Self::Move { units, .. } => units.extend(unit, by),
            Self::Seek(Seek { goal: SeekGoal::Iteration { more, .. }, .. }) if unit == Unit::Iteration => {
                *more = more.saturating_add(by);
                true
            }
            Self::Seek(_) => false,
        }
    }

    /// Returns the cost of the rest of a seek, or of the next unit of a move, counted in computed steps.
    pub(super) fn cost(&self, document: &Document) -> u64 {
        let ops = document.trace.op_count() as u64;
        match self {
            Self::Seek(seek) => seek.remaining().saturating_mul(document.trace.len().max(ITERATION).max(ops.saturating_mul(OP))),
            // these units scan all ops
            Self::Move { units: Units { unit: Unit::Pass | Unit::Sample, .. }, .. } => ops.max(MOVE),
            Self::Move { .. } => MOVE,
        }
    }
}
