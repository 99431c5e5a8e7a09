//! The training runs that are drawn as curves: the one with the current edits, those before the last edits, and those of other scenarios. A training run is a
//! run of gradient descent through all iterations. An edit of a number starts a new training run, so that the user sees the effect of the edit on the loss.

use std::sync::Arc;

use super::{ComparedLosses, Edit};
use crate::memory_budget::MemoryBudget;
use crate::network::{Losses, NotFinite, Series};
use crate::number::Digits;
use crate::step::TensorEntry;

/// The largest number of stored earlier training runs.
const MAX_EARLIER: usize = 5;

/// The training run with the current edits, and other training runs.
#[derive(Clone, Debug)]
pub struct Training {
    /// The training run with the current edits.
    pub(super) current: TrainingRun,
    /// The training runs before the last edits, the oldest first.
    pub(super) earlier: Vec<TrainingRun>,
    /// The training runs of other scenarios, in the order in which they were added.
    pub(super) compared: Vec<ComparedLosses>,
}

/// A run of gradient descent through all iterations.
#[derive(Clone, Debug)]
pub(super) struct TrainingRun {
    /// The edits of the scenario's numbers.
    edits: Vec<Edit>,
    losses: Arc<Losses>,
    /// The last iteration that the key `L` has computed; 0 before the key was pressed. For an earlier training run, the last iteration whose loss is drawn.
    pub reached: u64,
    /// The last iteration of the descent, if it is known.
    pub end: Option<u64>,
    /// The stored values of an entry of a parameter ([`Self::follow`]); `None` before the key `L` was pressed.
    pub followed: Option<FollowedParameter>,
}

/// The values of an entry of a learned parameter, one for each iteration: the value before the update of this iteration.
#[derive(Clone, Debug)]
pub(super) struct FollowedParameter {
    /// The entry, in the network of the samples.
    pub entry: TensorEntry,
    /// The values.
    pub values: Series,
}

/// A curve: the values of a number over the iterations.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The last edit before the training run; `None` if there is no edit.
    pub edit: Option<Edit>,
    /// The name and the optimizer of another scenario; `None` for a curve of the open scenario.
    pub other_scenario: Option<String>,
    /// The iterations with the values, in order.
    pub points: Vec<(u64, f64)>,
    /// The iterations in which the number is not finite; `None` if there is none.
    pub not_finite: Option<NotFinite>,
}

/// The curves of a number in all training runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// The name of the number: `loss`, or the address of a parameter's entry.
    pub name: String,
    /// `true` if the number is the loss.
    pub shows_loss: bool,
    /// The curve with the current edits.
    pub current: Curve,
    /// The curves of other scenarios, and those before the last edits, the oldest first.
    pub others: Vec<Curve>,
    /// The iteration on the screen; 0 if no iteration is on the screen.
    pub here: u64,
    /// The last iteration whose value is known at the step on the screen. Values of later iterations are drawn dashed.
    pub known: u64,
    /// The last iteration of the current curve. [`Self::current`] need not have a point for it, because a long curve keeps only some iterations.
    pub computed: u64,
    /// The last iteration of the descent if it is known, otherwise the largest possible one.
    pub iterations: u64,
    /// `true` if no further iteration can be computed.
    pub is_complete: bool,
    /// The optimizer of the open scenario with its settings; empty without training.
    pub optimizer: String,
}

impl TrainingRun {
    fn new(edits: Vec<Edit>, losses: Arc<Losses>) -> Self {
        Self { edits, losses, reached: 0, end: None, followed: None }
    }

    /// Starts to store the values of an entry, and drops those of another entry. Does nothing if the values of this entry are already stored.
    pub fn follow(&mut self, entry: TensorEntry, budget: &Arc<MemoryBudget>) {
        if self.followed.as_ref().is_none_or(|followed| followed.entry != entry) {
            self.followed = Some(FollowedParameter { entry, values: Series::new(Arc::clone(budget)) });
        }
    }

    /// Returns the curve of the loss up to an iteration.
    pub fn loss_curve(&self, until: u64) -> Curve {
        self.curve(self.losses.up_to(until), self.losses.not_finite_up_to(until))
    }

    /// Returns the curve of an entry, if its values are stored.
    pub fn parameter_curve(&self, entry: TensorEntry) -> Option<Curve> {
        let followed = self.followed.as_ref().filter(|followed| followed.entry == entry)?;
        Some(self.curve(followed.values.up_to(u64::MAX), followed.values.not_finite_up_to(u64::MAX)))
    }

    fn curve(&self, points: Vec<(u64, f64)>, not_finite: Option<NotFinite>) -> Curve {
        Curve { edit: self.edits.last().cloned(), other_scenario: None, points, not_finite }
    }
}

impl Training {
    /// Returns the training runs of a scenario without edits.
    pub(super) fn new(losses: &Arc<Losses>) -> Self {
        Self { current: TrainingRun::new(Vec::new(), Arc::clone(losses)), earlier: Vec::new(), compared: Vec::new() }
    }

    /// Starts a training run with other edits. The current one, whose losses are known up to iteration `known`, becomes an earlier one if it has more than one
    /// point.
    pub(super) fn begin(&mut self, edits: Vec<Edit>, losses: &Arc<Losses>, known: u64) {
        let mut old = std::mem::replace(&mut self.current, TrainingRun::new(edits, Arc::clone(losses)));
        old.reached = old.reached.max(known);
        if old.reached > 1 {
            self.earlier.push(old);
        }
        // after undo or redo, an earlier training run may have the same edits as the new one
        self.earlier.retain(|run| run.edits != self.current.edits);
        let surplus = self.earlier.len().saturating_sub(MAX_EARLIER);
        self.earlier.drain(..surplus);
    }
}

impl Curve {
    /// Returns the label of the curve: its last edit, or the name and the optimizer of another scenario.
    #[must_use]
    pub fn label(&self, digits: Digits) -> String {
        match (&self.other_scenario, &self.edit) {
            (Some(scenario), _) => scenario.clone(),
            (None, Some(edit)) => edit.summary(digits),
            (None, None) => "as in the file".to_owned(),
        }
    }
}

impl Curves {
    /// Returns whether curves of other scenarios are drawn.
    #[must_use]
    pub fn has_other_scenarios(&self) -> bool {
        self.others.iter().any(|curve| curve.other_scenario.is_some())
    }

    /// Returns the points of all curves.
    pub fn points(&self) -> impl Iterator<Item = (u64, f64)> + '_ {
        self.others.iter().chain([&self.current]).flat_map(|curve| curve.points.iter().copied())
    }

    /// Returns the sentence that says in which iterations the current curve has no finite value, and what to do about it; `None` if all values are finite.
    #[must_use]
    pub fn not_finite_sentence(&self) -> Option<String> {
        let name = if self.shows_loss { "the loss" } else { &self.name };
        self.current.not_finite.map(|not_finite| format!("{}; try a smaller learning rate", not_finite.sentence(name)))
    }

    /// Returns the point of the current curve that is nearest to an iteration.
    #[must_use]
    pub fn nearest(&self, iteration: u64) -> Option<(u64, f64)> {
        self.current.points.iter().copied().min_by_key(|(number, _)| number.abs_diff(iteration))
    }
}
