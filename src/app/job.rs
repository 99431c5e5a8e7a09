//! Long work in slices: a seek to a far iteration, or a move through many units.
//!
//! A job is data. [`super::motion::Motion`] begins it, does it piece by piece (`work.rs`), and ends it, so that the screen stays alive meanwhile and Esc stops
//! it. A kind of work is a variant of [`Job`].

use super::Document;
use crate::network::Walk;
use crate::step::{Address, Place, Unit};
use crate::threads::Elsewhere;

/// The least cost of an iteration, of one of its ops, and of a move by one unit.
const ITERATION: u64 = 10_000;
const OP: u64 = 1_000;
const MOVE: u64 = 1_000;

/// Work in progress, of which there is at most one.
#[derive(Clone, Debug)]
pub enum Job {
    /// A way to another iteration.
    Seek(Seek),
    /// A move by units within the iteration on the screen, in front of its next unit.
    Move {
        /// The rest of the move.
        units: Units,
        /// The iteration on the screen.
        iteration: u64,
    },
}

/// A way to another iteration, which is computed for it.
#[derive(Clone, Debug)]
pub struct Seek {
    pub(super) goal: Goal,
    /// The iteration that it leads to.
    pub(super) to: u64,
    pub(super) walk: Walking,
}

/// A number of units to move by, back if negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    pub(super) unit: Unit,
    pub(super) left: i64,
}

/// The place in the iteration that a seek leads to.
#[derive(Clone, Debug)]
pub(super) enum Goal {
    /// An address.
    Address(Address),
    /// A place, or the last step if the descent ends before that iteration. From there `more` iterations on, back if negative: the same key was pressed
    /// again meanwhile.
    Iteration { place: Place, more: i64 },
    /// The first step of the iteration, or the last on the way back; then the rest of a move by units.
    Units(Units),
}

/// The computation of the iterations on the way.
#[derive(Clone, Debug)]
pub(super) enum Walking {
    /// This thread does the next piece.
    Here(Box<Walk>),
    /// Another thread does the next piece, of this iteration.
    Elsewhere(u64, Elsewhere<Piece>),
}

/// The document at the end of a seek, if it is another one, and the step there; or the reason why there is no such step.
pub(super) type Found = Result<(Option<Document>, u64), String>;

/// The result of one or several pieces of a seek.
#[derive(Debug)]
pub(super) enum Piece {
    /// There is more to do; `true` if an iteration was completed.
    On(Box<Walk>, bool),
    /// The last iteration of the way is computed.
    Arrived(Box<Found>),
}

impl Walking {
    /// The next iteration to compute.
    fn next(&self) -> u64 {
        match self {
            Self::Here(walk) => walk.next(),
            Self::Elsewhere(next, _) => *next,
        }
    }
}

impl Goal {
    /// Does at most `pieces` pieces of the way to iteration `to`, no further than to the end of one iteration, and takes them off `pieces`.
    pub fn advance(&self, document: &Document, to: u64, mut walk: Box<Walk>, pieces: &mut u64) -> Piece {
        let Some(iteration) = document.descent.advance(&mut walk, pieces) else { return Piece::On(walk, false) };
        let number = iteration.number;
        if number < to && !iteration.ends() {
            return Piece::On(walk, true);
        }
        let place = match self {
            Self::Address(address) => return Piece::Arrived(Box::new(document.arrive(to, iteration, address))),
            Self::Iteration { .. } if number < to => Place::Last,
            Self::Iteration { place, .. } => place.clone(),
            Self::Units(Units { left, .. }) if *left < 0 => Place::Last,
            Self::Units(_) => Place::First,
        };
        Piece::Arrived(Box::new(document.arrive(number, iteration, &place.into())))
    }
}

impl Seek {
    /// A seek that begins with this walk.
    pub(super) fn new(goal: Goal, to: u64, walk: Walk) -> Self {
        Self { goal, to, walk: Walking::Here(Box::new(walk)) }
    }

    /// The number of iterations to compute.
    pub fn far(&self) -> u64 {
        self.to - self.walk.next().min(self.to) + 1
    }

    /// Whether the next piece takes so much memory that another thread does it.
    pub fn is_large(&self) -> bool {
        matches!(&self.walk, Walking::Here(walk) if walk.is_large())
    }
}

impl Units {
    /// The same unit with another number to move by.
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
    /// The next iteration to compute, and the last.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        match self {
            Self::Seek(Seek { to, walk, .. }) => (walk.next().min(*to), *to),
            Self::Move { iteration, .. } => (*iteration, *iteration),
        }
    }

    /// The move by units that this is, or is a part of.
    pub(super) fn units(&self) -> Option<Units> {
        match self {
            Self::Seek(Seek { goal: Goal::Units(units), .. }) | Self::Move { units, .. } => Some(*units),
            Self::Seek(_) => None,
        }
    }

    /// One clause about its progress.
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
            Self::Seek(Seek { goal: Goal::Units(units), .. }) | Self::Move { units, .. } => units.extend(unit, by),
            Self::Seek(Seek { goal: Goal::Iteration { more, .. }, .. }) if unit == Unit::Iteration => {
                *more = more.saturating_add(by);
                true
            }
            Self::Seek(_) => false,
        }
    }

    /// The cost of the rest of a seek, or of the next unit of a move, counted in steps that are computed.
    pub(super) fn cost(&self, document: &Document) -> u64 {
        let ops = document.trace.op_count() as u64;
        match self {
            Self::Seek(seek) => seek.far().saturating_mul(document.trace.len().max(ITERATION).max(ops.saturating_mul(OP))),
            // these look at the ops one by one
            Self::Move { units: Units { unit: Unit::Pass | Unit::Sample, .. }, .. } => ops.max(MOVE),
            Self::Move { .. } => MOVE,
        }
    }
}
