//! Runs of other scenarios, for a comparison with the open one. For example, the other scenario has the same network and another learning rate. The losses of
//! all runs are curves in one chart.

use std::sync::Arc;

use super::{Curve, OverlayKind, State};
use crate::network::{Optimizer, Series};
use crate::scenario::Scenario;

/// The largest number of compared runs.
const MAX_COMPARED: usize = 8;

/// A run of gradient descent of another scenario, from its first iteration to its last.
#[derive(Clone, Debug)]
pub struct ComparedLosses {
    /// The name of the scenario, such as that of its file without `.toml`.
    name: String,
    optimizer: Optimizer,
    /// The losses of the iterations.
    losses: Series,
}

impl ComparedLosses {
    /// Computes the run of a scenario. `go_on` is called after each iteration; returns `None` if it returns `false`.
    ///
    /// # Errors
    /// A sentence if the scenario has no gradient descent, or too little memory.
    pub fn of(scenario: Scenario, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Self>, String> {
        let name = scenario.name.clone();
        let Some(optimizer) = scenario.train.as_ref().map(|train| train.optimizer) else {
            return Err(format!("{name} has no [train]: it has one iteration, and no curve"));
        };
        let mut losses = Series::new(Arc::clone(&scenario.budget));
        let (mut descent, mut is_wanted) = (scenario.into_descent(), true);
        let result = descent.run(|number, loss| {
            losses.push(number, loss);
            is_wanted = go_on();
            is_wanted
        });
        result.map_err(|short| format!("{name}: the run {short}"))?;
        Ok(is_wanted.then_some(Self { name, optimizer, losses }))
    }

    /// Returns the curve of its losses.
    pub(super) fn curve(&self) -> Curve {
        Curve { edit: None, run: Some(format!("{}: {}", self.name, self.optimizer.summary())), points: self.losses.up_to(u64::MAX) }
    }
}

impl State {
    /// Adds a run to the chart and opens the chart. The run replaces an earlier one with the same name.
    pub fn compare_losses(&mut self, run: ComparedLosses) {
        let Some(stepper) = self.stepper_mut() else { return };
        let runs = &mut stepper.training.compared;
        match runs.iter().position(|other| other.name == run.name) {
            Some(same) => runs[same] = run,
            None if runs.len() >= MAX_COMPARED => {
                return self.say(format!("{MAX_COMPARED} runs are compared already: compare without a name takes them away"), true);
            }
            None => runs.push(run),
        }
        self.message = None;
        if self.overlay.as_ref().is_none_or(|overlay| overlay.kind != OverlayKind::Curve) {
            self.toggle(OverlayKind::Curve);
        }
    }

    /// Removes all compared runs.
    pub(super) fn forget_compared_losses(&mut self) {
        let Some(stepper) = self.stepper_mut() else { return };
        let count = std::mem::take(&mut stepper.training.compared).len();
        let sentence = if count == 0 { "no run is compared: compare FILE adds one" } else { "the compared runs are taken away" };
        self.say(sentence, false);
    }
}
