//! Jobs: long computations that are done in time slices. A job is a seek to a far iteration, or a move by many units.
//!
//! A search, and a move to the next breakpoint, is a *scan* of the steps (`scan_job.rs`).
//!
//! A job is data. [`super::motion::Motion`] begins a job, does it in *pieces* (`work.rs`), and ends it. A piece of a seek is one op, or the start or the end
//! of a run of the network. A piece of a move is a move by one unit. Between two pieces the program can draw the screen and answer keys; Esc stops the job.
//!
//! A seek uses a [`DescentWalk`]: the computation of all iterations from a checkpoint to the wanted one.

use super::check::Check;
use super::document::Experiment;
use super::edits::{PendingEdit, PendingReload};
use super::scan_job::ScanGoal;
use super::walk_state::WalkState;
use super::{Document, ScanJob, TrainJob};
use crate::network::DescentWalk;
use crate::step::{Address, Location, Unit};

/// The smallest cost of an iteration. All costs are counted in computed steps.
const MIN_ITERATION_COST: u64 = 10_000;

/// The smallest cost of an op.
const MIN_OP_COST: u64 = 1_000;

/// The cost of a gradient check for each step of the iteration. Each step is a term that is looked at once and computed some hundred times.
const CHECK_COST: u64 = 300;

/// The smallest cost of a move by one unit.
const MIN_MOVE_COST: u64 = 1_000;

/// The largest cost of one piece of a scan: about a millisecond.
pub(super) const SCAN_COST: u64 = 1_000_000;

/// A long computation in progress. There is at most one job.
#[derive(Clone, Debug)]
pub enum Job {
    /// A seek to another iteration.
    Seek(Seek),
    /// A move by units within the iteration on the screen.
    Move {
        /// The rest of the move.
        units: UnitMove,
        /// The iteration on the screen.
        iteration: u64,
    },
    /// A gradient check of one entry.
    Check(Check),
    /// A search, or a move to a breakpoint, within the iteration on the screen.
    Scan(Box<ScanJob>),
    /// A run of gradient descent, for the curve of the loss.
    Train(Box<TrainJob>),
}

/// A seek: computes another iteration and goes there.
#[derive(Clone, Debug)]
pub struct Seek {
    /// The step to go to.
    pub(super) goal: SeekGoal,
    /// The number of the iteration that has this step.
    pub(super) to: u64,
    pub(super) walk: WalkState<SeekProgress>,
}

/// A move by a number of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitMove {
    pub(super) unit: Unit,
    /// The number of units still to move by, back if negative.
    pub(super) remaining: i64,
}

/// The step that a seek goes to in its iteration.
#[derive(Clone, Debug)]
pub(super) enum SeekGoal {
    /// The step of an address.
    Address(Address),
    /// The first of these places that exists, in that iteration or in the last one if the descent ends earlier. Then the seek goes on by `more` iterations, back
    /// if negative, because the key was pressed again while the seek was in progress.
    Iteration { places: Vec<Location>, more: i64 },
    /// The first of these places that exists, after an edit of the scenario's numbers.
    Edited(Box<PendingEdit>),
    /// The first of these places that exists, in a file that was read again.
    Reloaded(Box<PendingReload>),
    /// The first step of the iteration, or the last one if the scan goes back. A scan for breakpoints follows.
    Scan(ScanGoal),
    /// The first step of the iteration, or the last one if the move goes back. The rest of the move follows.
    Units(UnitMove),
}

/// The result of a seek: a new document, if the step is in another iteration, and the step. An error is a sentence with the reason why there is no such step.
pub(super) type SeekResult = Result<(Option<Document>, u64), String>;

/// The result of one or several pieces of a seek.
#[derive(Debug)]
pub(super) enum SeekProgress {
    /// The wanted iteration is not computed yet.
    Unfinished { walk: Box<DescentWalk>, completed_iteration: bool },
    /// The wanted iteration is computed.
    Arrived(Box<SeekResult>),
}

impl SeekGoal {
    /// Returns the scenario whose iterations the seek computes: the scenario of the document, an edited one, or one that was read again.
    pub fn experiment<'a>(&'a self, document: &'a Document) -> &'a Experiment {
        match self {
            Self::Edited(edit) => &edit.experiment,
            Self::Reloaded(reload) => &reload.experiment,
            _ => document.experiment(),
        }
    }

    /// Does at most `pieces` pieces of the walk to iteration `to`, but not more than one iteration. Subtracts the number of pieces done from `pieces`.
    pub fn advance(&self, document: &Document, to: u64, mut walk: Box<DescentWalk>, pieces: &mut u64) -> SeekProgress {
        let experiment = self.experiment(document);
        let Some(iteration) = experiment.descent.advance(&mut walk, pieces) else {
            return SeekProgress::Unfinished { walk, completed_iteration: false };
        };
        let number = iteration.number;
        if number < to && !iteration.ends_descent() {
            return SeekProgress::Unfinished { walk, completed_iteration: true };
        }
        let found = match self {
            Self::Address(address) => experiment.arrive(to, iteration, address),
            // sessions of the first format go to first steps, and to the last step at the end of the descent
            Self::Iteration { places, .. } if number < to && **places == [Location::First] => {
                experiment.arrive(number, iteration, &Location::Last.into())
            }
            Self::Edited(edit) => Ok(experiment.arrive_at_any(iteration, &edit.places)),
            Self::Reloaded(reload) => Ok(experiment.arrive_at_any(iteration, &reload.places)),
            Self::Iteration { places, .. } => Ok(experiment.arrive_at_any(iteration, places)),
            Self::Scan(goal) if goal.goes_back => experiment.arrive(number, iteration, &Location::Last.into()),
            Self::Units(UnitMove { remaining, .. }) if *remaining < 0 => experiment.arrive(number, iteration, &Location::Last.into()),
            Self::Scan(_) | Self::Units(_) => experiment.arrive(number, iteration, &Location::First.into()),
        };
        SeekProgress::Arrived(Box::new(found))
    }
}

impl Seek {
    /// Returns a seek to a step of iteration `to`, by a walk that has not begun.
    pub(super) fn new(goal: SeekGoal, to: u64, walk: DescentWalk) -> Self {
        Self { goal, to, walk: WalkState::Ready(Box::new(walk)) }
    }

    /// Returns the number of iterations still to compute.
    pub fn remaining_iterations(&self) -> u64 {
        self.to - self.walk.next().min(self.to) + 1
    }

    /// Returns whether an iteration is so large that allocating its memory takes milliseconds. A key does not wait for such an iteration.
    pub fn is_large(&self) -> bool {
        self.walk.is_large()
    }
}

impl UnitMove {
    /// Returns a move by another number of the same unit.
    pub fn with_remaining(self, remaining: i64) -> Self {
        Self { remaining, ..self }
    }

    /// Adds `count` units to the move (a negative count means back), if its unit and its direction are the same. Returns whether the units were added.
    fn extend(&mut self, unit: Unit, count: i64) -> bool {
        let is_same = self.unit == unit && self.remaining.signum() == count.signum();
        if is_same {
            self.remaining = self.remaining.saturating_add(count);
        }
        is_same
    }
}

impl Job {
    /// Returns the iteration in progress and the wanted iteration.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        match self {
            Self::Seek(Seek { to, walk, .. }) => (walk.next().min(*to), *to),
            Self::Move { iteration, .. } => (*iteration, *iteration),
            Self::Check(check) => (check.iteration, check.iteration),
            Self::Scan(scan) => (scan.progress.0, scan.progress.0),
            Self::Train(train) => (train.walk.next().min(train.iterations), train.iterations),
        }
    }

    /// Returns the move by units, if this job is one, or is a seek that is a part of one.
    pub(super) fn unit_move(&self) -> Option<UnitMove> {
        match self {
            Self::Seek(Seek { goal: SeekGoal::Units(units), .. }) | Self::Move { units, .. } => Some(*units),
            Self::Seek(_) | Self::Scan(_) | Self::Check(_) | Self::Train(_) => None,
        }
    }

    /// Returns whether this is a move by units or by iterations, such as one of play.
    pub(super) fn is_move(&self) -> bool {
        self.unit_move().is_some() || matches!(self, Self::Seek(Seek { goal: SeekGoal::Iteration { .. }, .. }))
    }

    /// Returns the goal of a search or of a move to a breakpoint, for a change.
    pub(super) fn scan_goal(&mut self) -> Option<&mut ScanGoal> {
        match self {
            Self::Scan(scan) => Some(&mut scan.goal),
            Self::Seek(Seek { goal: SeekGoal::Scan(goal), .. }) => Some(goal),
            Self::Seek(_) | Self::Move { .. } | Self::Check(_) | Self::Train(_) => None,
        }
    }

    /// Returns a clause about the progress: `iteration 3 of 90`, or `iteration 3, 20 ops to go`.
    #[must_use]
    pub fn describe(&self) -> String {
        if let Self::Check(check) = self {
            return format!("the check of {}", check.name);
        }
        if let Self::Scan(scan) = self {
            return scan.describe();
        }
        let (next, to) = self.progress();
        match self.unit_move() {
            Some(UnitMove { unit, remaining }) if remaining.unsigned_abs() > 1 => {
                format!("iteration {next}, {} {} to go", remaining.unsigned_abs(), unit.plural())
            }
            _ => format!("iteration {next} of {to}"),
        }
    }

    /// Adds `count` units to the job (a negative count means back), if it is a move by the same unit in the same direction, or if both are moves by iterations.
    /// Returns whether the units were added.
    pub(super) fn extend(&mut self, unit: Unit, count: i64) -> bool {
        match self {
            Self::Seek(Seek { goal: SeekGoal::Units(units), .. }) | Self::Move { units, .. } => units.extend(unit, count),
            Self::Seek(Seek { goal: SeekGoal::Iteration { more, .. }, .. }) if unit == Unit::Iteration => {
                *more = more.saturating_add(count);
                true
            }
            Self::Seek(_) | Self::Scan(_) | Self::Check(_) | Self::Train(_) => false,
        }
    }

    /// Returns the cost of the whole rest of a seek, of the next unit of a move, or of the next iteration of a run.
    pub(super) fn cost(&self, document: &Document) -> u64 {
        let ops = document.trace.op_count() as u64;
        let iteration_cost = document.trace.len().max(MIN_ITERATION_COST).max(ops.saturating_mul(MIN_OP_COST));
        match self {
            Self::Seek(seek) => seek.remaining_iterations().saturating_mul(iteration_cost),
            Self::Train(_) => iteration_cost,
            // a move by one of these units scans all ops
            Self::Move { units: UnitMove { unit: Unit::Pass | Unit::Sample, .. }, .. } => ops.max(MIN_MOVE_COST),
            Self::Move { .. } => MIN_MOVE_COST,
            Self::Check(_) => document.trace.len().saturating_mul(CHECK_COST),
            Self::Scan(_) => SCAN_COST,
        }
    }
}
