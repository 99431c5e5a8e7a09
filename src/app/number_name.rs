//! The names of the numbers that a scenario file gives, as a user types them: `fc1.weight[0,1]`, `2:input[0]`, `learning_rate`.

use crate::network::Id;
use crate::scenario::{GivenNumber, Scenario};
use crate::tensor::{index_text, unravel};

/// Returns the name of a number, as a user types it: `2:input[0]`.
#[must_use]
pub fn number_name(scenario: &Scenario, place: GivenNumber) -> String {
    let index = |tensor: Id, at: usize| index_text(&unravel(at, &scenario.network.tensor(tensor).shape));
    match place {
        GivenNumber::LearningRate => scope_name(scenario, place),
        GivenNumber::Fixed { tensor, at } | GivenNumber::Sample { tensor, at, .. } => {
            format!("{}{}", scope_name(scenario, place), index(tensor, at))
        }
    }
}

/// Returns the name of the tensor of a number: `2:input`.
pub(super) fn scope_name(scenario: &Scenario, place: GivenNumber) -> String {
    match place {
        GivenNumber::LearningRate => "learning_rate".to_owned(),
        GivenNumber::Fixed { tensor, .. } => scenario.network.tensor(tensor).name.to_string(),
        GivenNumber::Sample { sample, tensor, .. } => {
            let name = &scenario.network.tensor(tensor).name;
            if scenario.samples.len() > 1 { format!("{}:{name}", sample + 1) } else { name.to_string() }
        }
    }
}
