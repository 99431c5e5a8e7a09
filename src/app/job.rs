//! Jobs: long computations that run in short time slices. Between two slices, the program draws the screen and answers keys. Esc stops a job.
//!
//! ```text
//! job      computes                                                               piece
//! seek     the iterations from a checkpoint to the wanted one                     an op, or the start or end of a run of the network
//! move     a move by many units                                                   a move by one unit
//! scan     a search, or a move to the next breakpoint (`scan_job.rs`)             some steps
//! check    the gradient check of an entry                                         the whole check, on another thread
//! train    gradient descent for the curve of the loss (`train_job.rs`)            as for a seek
//! ```
//!
//! A job is data. [`super::stepper_context::StepperContext`] starts a job, does as many *pieces* of it as fit into a time slice (`work.rs`), and ends it.

use super::check::Check;
use super::computation_state::ComputationState;
use super::document::Experiment;
use super::edits::{PendingEdit, PendingReload};
use super::scan_job::ScanGoal;
use super::{Document, ScanJob, TrainJob};
use crate::network::DescentComputation;
use crate::step::{Address, Location, Unit};

/// The smallest cost of an iteration. The cost of a computation is its time, divided by the time to compute one step.
const MIN_ITERATION_COST: u64 = 10_000;

/// The smallest cost of an op.
const MIN_OP_COST: u64 = 1_000;

/// The cost of a gradient check, for each step of the iteration. A check computes the network some hundred times.
const CHECK_COST: u64 = 300;

/// The smallest cost of a move by one unit.
const MIN_MOVE_COST: u64 = 1_000;

/// The largest cost of one piece of a scan: about a millisecond.
pub(super) const MAX_SCAN_COST: u64 = 1_000_000;

/// A long computation in progress. There is at most one job.
#[derive(Clone, Debug)]
pub enum Job {
    /// A seek to another iteration, or to this one after an edit or a change of the file.
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

/// A seek: computes an iteration, and goes to a step of it.
#[derive(Clone, Debug)]
pub struct Seek {
    /// The step to go to.
    pub(super) goal: SeekGoal,
    /// The number of the iteration that has this step.
    pub(super) to: u64,
    pub(super) computation: ComputationState<SeekProgress>,
}

/// A move by a number of units, such as 3 ops forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitMove {
    pub(super) unit: Unit,
    /// The number of units still to move by, back if negative.
    pub(super) remaining: i64,
}

/// The goal of a seek: the step to go to in the wanted iteration.
#[derive(Clone, Debug)]
pub(super) enum SeekGoal {
    /// The step of an address.
    Address(Address),
    /// The first of these locations that the iteration has. If the descent ends before the wanted iteration, the seek goes to its last iteration. If the user
    /// presses `l` or `h` during the seek, the iterations of these moves are added up in `more` (negative for moves back). After the seek, the stepper moves on
    /// by this number of iterations.
    Iteration { locations: Vec<Location>, more: i64 },
    /// The first of these locations that the iteration has, after an edit of the scenario's numbers.
    Edited(Box<PendingEdit>),
    /// The first of these locations that the iteration has, after the file was read again.
    Reloaded(Box<PendingReload>),
    /// The first step of the iteration. If the scan goes back, it is the last step. The scan continues from there.
    Scan(ScanGoal),
    /// The first step of the iteration. If the move goes back, it is the last step. The rest of the move continues from there.
    Units(UnitMove),
}

/// The result of a seek: the step, and a new document if the step is in another iteration. If there is no such step, it is a sentence with the reason.
pub(super) type SeekResult = Result<(Option<Document>, u64), String>;

/// The result of one or several pieces of a seek.
#[derive(Debug)]
pub(super) enum SeekProgress {
    /// The wanted iteration is not computed yet.
    Unfinished { computation: Box<DescentComputation>, completed_iteration: bool },
    /// The wanted iteration is computed.
    Complete(Box<SeekResult>),
}

impl SeekGoal {
    /// Returns the scenario whose iterations the seek computes: the scenario of the document, an edited one, or a reread one.
    pub fn experiment<'a>(&'a self, document: &'a Document) -> &'a Experiment {
        match self {
            Self::Edited(edit) => &edit.experiment,
            Self::Reloaded(reload) => &reload.experiment,
            _ => document.experiment(),
        }
    }

    /// Does at most `pieces` pieces of the computation to iteration `to`, and at most one iteration. Subtracts the number of done pieces from `pieces`.
    pub fn advance(&self, document: &Document, to: u64, mut computation: Box<DescentComputation>, pieces: &mut u64) -> SeekProgress {
        let experiment = self.experiment(document);
        let Some(iteration) = experiment.descent.advance(&mut computation, pieces) else {
            return SeekProgress::Unfinished { computation, completed_iteration: false };
        };
        let number = iteration.number;
        if number < to && !iteration.ends_descent() {
            return SeekProgress::Unfinished { computation, completed_iteration: true };
        }
        let found = match self {
            Self::Address(address) => experiment.document_at(to, iteration, address),
            // a session of format 1 (`session.rs`) asks for `First` alone. It wants the first step of the iteration `to` or, if the descent ends before it, the
            // last step of the descent
            Self::Iteration { locations, .. } if number < to && **locations == [Location::First] => {
                experiment.document_at(number, iteration, &Location::Last.into())
            }
            Self::Edited(edit) => Ok(experiment.document_at_first_of(iteration, &edit.locations)),
            Self::Reloaded(reload) => Ok(experiment.document_at_first_of(iteration, &reload.locations)),
            Self::Iteration { locations, .. } => Ok(experiment.document_at_first_of(iteration, locations)),
            Self::Scan(goal) if goal.goes_back => experiment.document_at(number, iteration, &Location::Last.into()),
            Self::Units(UnitMove { remaining, .. }) if *remaining < 0 => experiment.document_at(number, iteration, &Location::Last.into()),
            Self::Scan(_) | Self::Units(_) => experiment.document_at(number, iteration, &Location::First.into()),
        };
        SeekProgress::Complete(Box::new(found))
    }
}

impl Seek {
    /// Returns a seek to a step of iteration `to`. The computation has not begun.
    pub(super) fn new(goal: SeekGoal, to: u64, computation: DescentComputation) -> Self {
        Self { goal, to, computation: ComputationState::Ready(Box::new(computation)) }
    }

    /// Returns the number of iterations still to compute, with the one in progress.
    pub fn remaining_iterations(&self) -> u64 {
        self.to - self.computation.iteration().min(self.to) + 1
    }

    /// Returns whether the next piece must not be done while a key waits, because it allocates much memory ([`ComputationState::would_block_key`]).
    pub fn would_block_key(&self) -> bool {
        self.computation.would_block_key()
    }
}

impl UnitMove {
    /// Returns the same move with another number of units.
    pub fn with_remaining(self, remaining: i64) -> Self {
        Self { remaining, ..self }
    }

    /// Adds `count` units (back if negative) if the unit and the direction are those of this move. Returns whether they were added.
    fn extend(&mut self, unit: Unit, count: i64) -> bool {
        let is_same = self.unit == unit && self.remaining.signum() == count.signum();
        if is_same {
            self.remaining = self.remaining.saturating_add(count);
        }
        is_same
    }
}

impl Job {
    /// Returns the iteration that the job computes at the moment, and the last iteration that it has to compute. For a job within the iteration on the screen,
    /// both are this iteration.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        match self {
            Self::Seek(Seek { to, computation, .. }) => (computation.iteration().min(*to), *to),
            Self::Move { iteration, .. } => (*iteration, *iteration),
            Self::Check(check) => (check.iteration, check.iteration),
            Self::Scan(scan) => (scan.progress.iteration, scan.progress.iteration),
            Self::Train(train) => (train.computation.iteration().min(train.iterations), train.iterations),
        }
    }

    /// Returns the move by units that this job does. It may be a seek that is only a part of a longer move.
    pub(super) fn unit_move(&self) -> Option<UnitMove> {
        match self {
            Self::Seek(Seek { goal: SeekGoal::Units(units), .. }) | Self::Move { units, .. } => Some(*units),
            Self::Seek(_) | Self::Scan(_) | Self::Check(_) | Self::Train(_) => None,
        }
    }

    /// Returns whether this job moves by units or by iterations. Play does such moves.
    pub(super) fn is_move(&self) -> bool {
        self.unit_move().is_some() || matches!(self, Self::Seek(Seek { goal: SeekGoal::Iteration { .. }, .. }))
    }

    /// Returns the goal of a scan mutably; `None` for other jobs.
    pub(super) fn scan_goal(&mut self) -> Option<&mut ScanGoal> {
        match self {
            Self::Scan(scan) => Some(&mut scan.goal),
            Self::Seek(Seek { goal: SeekGoal::Scan(goal), .. }) => Some(goal),
            Self::Seek(_) | Self::Move { .. } | Self::Check(_) | Self::Train(_) => None,
        }
    }

    /// Describes the progress: `iteration 3 of 90`, or `iteration 3, 20 ops to go`.
    #[must_use]
    pub fn describe(&self) -> String {
        if let Self::Check(check) = self {
            return format!("the check of {}", check.name);
        }
        if let Self::Scan(scan) = self {
            return scan.describe();
        }
        let (iteration, to) = self.progress();
        match self.unit_move() {
            Some(UnitMove { unit, remaining }) if remaining.unsigned_abs() > 1 => {
                format!("iteration {iteration}, {} {} to go", remaining.unsigned_abs(), unit.plural())
            }
            _ => format!("iteration {iteration} of {to}"),
        }
    }

    /// Adds `count` units to the job, back if negative. This is possible if the job moves by the same unit in the same direction, or if the job moves by
    /// iterations and `unit` is the iteration. Returns whether they were added.
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

    /// Returns the cost of the work until the screen changes. For a seek, it is the whole rest of the work. For a move it is the next unit, and for a training
    /// run the next iteration.
    pub(super) fn cost(&self, document: &Document) -> u64 {
        let ops = document.trace.op_count() as u64;
        let iteration_cost = document.trace.len().max(MIN_ITERATION_COST).max(ops.saturating_mul(MIN_OP_COST));
        match self {
            Self::Seek(seek) => seek.remaining_iterations().saturating_mul(iteration_cost),
            Self::Train(_) => iteration_cost,
            // a move by a pass or a sample looks at all ops
            Self::Move { units: UnitMove { unit: Unit::Pass | Unit::Sample, .. }, .. } => ops.max(MIN_MOVE_COST),
            Self::Move { .. } => MIN_MOVE_COST,
            Self::Check(_) => document.trace.len().saturating_mul(CHECK_COST),
            Self::Scan(_) => MAX_SCAN_COST,
        }
    }
}
