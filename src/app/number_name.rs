//! The names of the numbers of a scenario file, as the user types them: `fc1.weight[0,1]`, `2:input[0]` (the input of sample 2), `learning_rate`.

use crate::network::Id;
use crate::scenario::{GivenNumber, Scenario};
use crate::tensor::{index_text, unravel};

/// Returns the name of a number, as a user types it: `2:input[0]`.
#[must_use]
pub fn number_name(scenario: &Scenario, number: GivenNumber) -> String {
    let index = |tensor: Id, at: usize| index_text(&unravel(at, &scenario.network.tensor(tensor).shape));
    match number {
        GivenNumber::LearningRate => name_without_index(scenario, number),
        GivenNumber::Shared { tensor, at } | GivenNumber::Sample { tensor, at, .. } => {
            format!("{}{}", name_without_index(scenario, number), index(tensor, at))
        }
    }
}

/// Returns the name of a number without the index of its entry: `2:input`, or `learning_rate`.
pub(super) fn name_without_index(scenario: &Scenario, number: GivenNumber) -> String {
    match number {
        GivenNumber::LearningRate => "learning_rate".to_owned(),
        GivenNumber::Shared { tensor, .. } => scenario.network.tensor(tensor).name.to_string(),
        GivenNumber::Sample { sample, tensor, .. } => {
            let name = &scenario.network.tensor(tensor).name;
            if scenario.samples.len() > 1 { format!("{}:{name}", sample + 1) } else { name.to_string() }
        }
    }
}
