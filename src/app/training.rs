//! The runs of gradient descent whose losses are drawn as curves: that of the open scenario with its edits, and those before the last edits.

use std::sync::Arc;

use super::Edit;
use crate::memory_budget::MemoryBudget;
use crate::network::{Losses, Series};
use crate::step::TensorEntry;

/// The largest number of earlier runs that are kept.
const MAX_EARLIER: usize = 5;

/// The run of gradient descent with the edits in force, and earlier runs.
#[derive(Clone, Debug)]
pub struct Training {
    /// The run with the edits in force.
    pub(super) current: TrainingRun,
    /// The runs before the last edits, the oldest first.
    pub(super) earlier: Vec<TrainingRun>,
}

/// A run of gradient descent.
#[derive(Clone, Debug)]
pub(super) struct TrainingRun {
    /// The edits of the scenario's numbers.
    edits: Vec<Edit>,
    losses: Arc<Losses>,
    /// The last iteration that `L` has computed; 0 before the first `L`.
    pub reached: u64,
    /// The last iteration, if it is known that no further one follows.
    pub end: Option<u64>,
    /// The values of a parameter; `None` before the first `L`.
    pub path: Option<ParameterPath>,
}

/// The values of an entry of a learned parameter in the iterations, before each update.
#[derive(Clone, Debug)]
pub(super) struct ParameterPath {
    /// The entry, in the network of the samples.
    pub entry: TensorEntry,
    /// The values.
    pub values: Series,
}

/// A curve: iterations with the value of a number in each of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The last edit of the run; `None` for the run of the file.
    pub edit: Option<Edit>,
    /// The iterations with the values, in order.
    pub points: Vec<(u64, f64)>,
}

/// The curves of a number in all runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// The name of the number: `loss`, or the address of a parameter's entry.
    pub name: String,
    /// The curve of the run with the edits in force.
    pub current: Curve,
    /// The curves of earlier runs, the oldest first.
    pub earlier: Vec<Curve>,
    /// The iteration on the screen.
    pub here: u64,
    /// The last iteration whose value is known at the step on the screen. All later ones are computed ahead.
    pub known: u64,
    /// The last iteration of the descent, or the largest possible one as long as that is not known.
    pub iterations: u64,
    /// Whether no further iteration can be computed.
    pub is_complete: bool,
}

impl TrainingRun {
    fn new(edits: Vec<Edit>, losses: Arc<Losses>) -> Self {
        Self { edits, losses, reached: 0, end: None, path: None }
    }

    /// Begins to collect the values of an entry, unless the run already collects them.
    pub fn follow(&mut self, entry: TensorEntry, budget: &Arc<MemoryBudget>) {
        if self.path.as_ref().is_none_or(|path| path.entry != entry) {
            self.path = Some(ParameterPath { entry, values: Series::new(Arc::clone(budget)) });
        }
    }

    /// Returns the curve of the loss up to an iteration.
    pub fn loss(&self, until: u64) -> Curve {
        self.curve(self.losses.up_to(until))
    }

    /// Returns the curve of an entry, if the run collects its values.
    pub fn path_of(&self, entry: TensorEntry) -> Option<Curve> {
        let path = self.path.as_ref().filter(|path| path.entry == entry)?;
        Some(self.curve(path.values.up_to(u64::MAX)))
    }

    fn curve(&self, points: Vec<(u64, f64)>) -> Curve {
        Curve { edit: self.edits.last().cloned(), points }
    }
}

impl Training {
    /// Returns the run of a scenario without edits.
    pub(super) fn new(losses: &Arc<Losses>) -> Self {
        Self { current: TrainingRun::new(Vec::new(), Arc::clone(losses)), earlier: Vec::new() }
    }

    /// Begins a run with other edits. The run so far, of which `known` iterations are known, becomes an earlier one, if it is a curve.
    pub(super) fn begin(&mut self, edits: Vec<Edit>, losses: &Arc<Losses>, known: u64) {
        let mut old = std::mem::replace(&mut self.current, TrainingRun::new(edits, Arc::clone(losses)));
        old.reached = old.reached.max(known);
        if old.reached > 1 {
            self.earlier.push(old);
        }
        // undo and redo return to the numbers of an earlier run
        self.earlier.retain(|run| run.edits != self.current.edits);
        let surplus = self.earlier.len().saturating_sub(MAX_EARLIER);
        self.earlier.drain(..surplus);
    }
}

impl Curves {
    /// Returns the points of all curves.
    pub fn points(&self) -> impl Iterator<Item = (u64, f64)> + '_ {
        self.earlier.iter().chain([&self.current]).flat_map(|curve| curve.points.iter().copied())
    }

    /// Returns the point of the current run that is nearest to an iteration.
    #[must_use]
    pub fn nearest(&self, iteration: u64) -> Option<(u64, f64)> {
        self.current.points.iter().copied().min_by_key(|(number, _)| number.abs_diff(iteration))
    }
}
