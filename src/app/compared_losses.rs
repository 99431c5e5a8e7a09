//! The losses of other scenarios, for a comparison with those of the open one. For example, the other scenario has the same network and another learning rate.
//! The losses of all scenarios are curves in one chart.

use std::sync::Arc;

use super::{Curve, OverlayKind, State};
use crate::network::{Optimizer, Series};
use crate::scenario::Scenario;

/// The largest number of other scenarios in the chart.
const MAX_COMPARED: usize = 8;

/// The losses of another scenario, from the first iteration of its gradient descent to the last.
#[derive(Clone, Debug)]
pub struct ComparedLosses {
    /// The name of the scenario, such as that of its file without `.toml`.
    name: String,
    optimizer: Optimizer,
    /// The losses of the iterations.
    losses: Series,
}

impl ComparedLosses {
    /// Runs the gradient descent of a scenario, and returns its losses. `go_on` is called after each iteration. If it returns `false`, the descent ends, and
    /// this function returns `None`.
    ///
    /// # Errors
    /// A sentence if the scenario has no gradient descent, or too little memory.
    pub fn of(scenario: Scenario, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Self>, String> {
        let (name, file_name) = (scenario.name.clone(), scenario.file_name());
        let Some(optimizer) = scenario.train.as_ref().map(|train| train.optimizer) else {
            return Err(format!("{file_name} has no [train]: it has one iteration, and no curve"));
        };
        let mut losses = Series::new(Arc::clone(&scenario.budget));
        let (mut descent, mut is_wanted) = (scenario.into_descent(), true);
        let result = descent.run(|number, loss| {
            losses.push(number, loss);
            is_wanted = go_on();
            is_wanted
        });
        result.map_err(|why| format!("{file_name}: the training run {why}"))?;
        Ok(is_wanted.then_some(Self { name, optimizer, losses }))
    }

    /// Returns the losses as a curve.
    pub(super) fn curve(&self) -> Curve {
        Curve {
            edit: None,
            other_scenario: Some(format!("{}: {}", self.name, self.optimizer.summary())),
            points: self.losses.up_to(u64::MAX),
            not_finite: self.losses.not_finite_up_to(u64::MAX),
        }
    }
}

impl State {
    /// Adds the losses of another scenario to the chart, and opens the chart. They replace earlier losses of a scenario with the same name.
    pub fn compare_losses(&mut self, losses: ComparedLosses) {
        let Some(stepper) = self.stepper_mut() else { return };
        let compared = &mut stepper.training.compared;
        match compared.iter().position(|other| other.name == losses.name) {
            Some(same) => compared[same] = losses,
            None if compared.len() >= MAX_COMPARED => {
                return self.say(format!("{MAX_COMPARED} training runs are compared already: compare without a name removes them"), true);
            }
            None => compared.push(losses),
        }
        self.message = None;
        if self.overlay.as_ref().is_none_or(|overlay| overlay.kind != OverlayKind::Curve) {
            self.toggle(OverlayKind::Curve);
        }
    }

    /// Removes the losses of all other scenarios from the chart.
    pub(super) fn forget_compared_losses(&mut self) {
        let Some(stepper) = self.stepper_mut() else { return };
        let count = std::mem::take(&mut stepper.training.compared).len();
        let sentence =
            if count == 0 { "no other training run is in the chart: compare FILE adds one" } else { "the other training runs are removed" };
        self.say(sentence, false);
    }
}
