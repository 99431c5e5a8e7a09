//! The part of a network that is known in spite of faults in its file: the certain names and shapes of tensors.
//!
//! The addresses in the file, such as the `at` of a note, are checked with this knowledge. An address is not reported if its tensor may exist after the other
//! faults are corrected. For example, a layer whose type is misspelt may have a tensor `weight`.

use std::collections::{BTreeSet, HashMap};

use super::layers::LayerTensors;
use super::names::LayerNames;
use crate::network::{Network, parameter_of_state};
use crate::words::{suggest, tensors};

/// The known parts of the network.
#[derive(Debug)]
pub(super) enum KnownNetwork {
    /// The whole network. If the file has faults, some numbers and the loss may be placeholders.
    Complete(Network),
    /// A network of layers. Some layers have faults. The names of the layers are known, and some tensors with their shapes.
    Layers(LayerNames, LayerTensors),
    /// A graph with faults. `inputs` has the names of its inputs, and `names` those of its inputs and nodes. A list is `None` if some of its names are unknown.
    /// `shapes` has the known shapes.
    Graph { inputs: Option<Vec<String>>, names: Option<BTreeSet<String>>, shapes: HashMap<String, Vec<usize>> },
    /// It is unknown whether the network consists of layers or is a graph.
    Nothing,
}

/// The two ways to write a network in a scenario file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NetworkNotation {
    /// `[[layer]]` tables.
    Layers,
    /// A `[graph]`.
    Graph,
}

impl KnownNetwork {
    /// Returns the network if all its tensors are known.
    pub fn complete(&self) -> Option<&Network> {
        match self {
            Self::Complete(network) => Some(network),
            _ => None,
        }
    }

    /// Returns whether the file describes layers or a graph, if this is known.
    pub fn notation(&self) -> Option<NetworkNotation> {
        match self {
            Self::Complete(network) if network.reads_samples() => Some(NetworkNotation::Layers),
            Self::Complete(_) | Self::Graph { .. } => Some(NetworkNotation::Graph),
            Self::Layers(..) => Some(NetworkNotation::Layers),
            Self::Nothing => None,
        }
    }

    /// Returns the help text for a tensor name that certainly does not exist. The text may be empty. Returns `None` if the name exists or may exist.
    pub fn help_if_missing(&self, name: &str) -> Option<String> {
        // a name consists of a base and perhaps the prefix `grad.`: the base of `grad.fc1.weight` is `fc1.weight`
        let (prefix, base) = name.strip_prefix("grad.").map_or(("", name), |base| ("grad.", base));
        // returns a suggestion with `near` in place of the wrong part of the name: `grad.fc1.weight` for `grad.fc9.weight`, with the near layer `fc1` and the
        // rest `.weight`
        let suggestion =
            |near: Option<&str>, rest: &str| near.map_or_else(String::new, |near| suggest::did_you_mean(&format!("{prefix}{near}{rest}")));
        match self {
            Self::Complete(network) if network.find(name).is_some() => None,
            Self::Complete(network) => {
                Some(part_with_old_name(network, base).map_or_else(String::new, |part| format!("it is called \"{prefix}{part}\" now")))
            }
            // the layer is known, and it has no tensor of this name
            Self::Layers(_, known) if known.get(layer_of(base)).is_some_and(|tensors| !tensors.contains_key(suffix_of(base))) => {
                let tensor_names =
                    known.iter().flat_map(|(layer, tensors)| tensors.keys().map(move |suffix| format!("{prefix}{layer}.{suffix}")));
                let tensor_names: Vec<String> = tensor_names.collect();
                Some(tensors::help(name, &tensor_names.iter().map(String::as_str).collect::<Vec<_>>()))
            }
            Self::Layers(layers, _) if !["input", "target", "loss"].contains(&base) => {
                // the name of a layer's tensor has a dot
                let is_missing = |base: &str| base.split_once('.').is_none_or(|(layer, _)| layers.certainly_lacks(layer));
                let (layer, suffix_with_dot) = base.split_at(base.find('.').unwrap_or(base.len()));
                // `velocity.fc1.weight` may be the velocity of `fc1.weight`, or a tensor of a layer with the name `velocity`
                (is_missing(base) && parameter_of_state(base).is_none_or(is_missing))
                    .then(|| suggestion(layers.nearest(layer), suffix_with_dot))
            }
            Self::Graph { names: Some(names), .. } => {
                let base = parameter_of_state(base).unwrap_or(base);
                // the parts of a statement u are called `u.1`, `u.2`, …. If u is assigned again, its earlier tensors are called `u@1`, …. After a fault, their
                // number is unknown
                let statement = base.split(['.', '@']).next().unwrap_or(base);
                // `t3` may be an old name: see [`part_with_old_name`]
                let is_old_name =
                    base.strip_prefix('t').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
                let may_exist = is_old_name || names.contains(base) || (statement != base && names.contains(statement));
                (!may_exist).then(|| suggestion(suggest::nearest(base, names.iter().map(String::as_str)), ""))
            }
            Self::Layers(..) | Self::Graph { .. } | Self::Nothing => None,
        }
    }

    /// Returns the shape of the tensor of this name, if it is certain.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        match self {
            Self::Complete(network) => network.find(name).map(|id| network.tensor(id).shape.clone()),
            Self::Layers(_, known) => {
                let base = name.strip_prefix("grad.").or_else(|| parameter_of_state(name)).unwrap_or(name);
                known.get(layer_of(base))?.get(suffix_of(base))?.clone()
            }
            Self::Graph { shapes, .. } => {
                let base = name.strip_prefix("grad.").or_else(|| parameter_of_state(name)).unwrap_or(name);
                shapes.get(base).cloned()
            }
            Self::Nothing => None,
        }
    }
}

/// Returns the name that a statement's part has now, such as `u.1`, for its name in earlier versions of gradstep, such as `t3`. Those versions called the parts
/// of all statements `t1`, `t2`, …, and skipped a number if the graph had a tensor of this name.
fn part_with_old_name<'n>(network: &'n Network, name: &str) -> Option<&'n str> {
    let number: usize = name.strip_prefix('t')?.parse().ok()?;
    let is_taken = |number: usize| network.find(&format!("t{number}")).is_some();
    let parts_before = (1..number).filter(|number| !is_taken(*number)).count();
    // returns the name if it is that of a part, such as `u.1`
    let part = |name: &'n str| name.rsplit_once('.').filter(|(_, number)| number.bytes().all(|b| b.is_ascii_digit())).map(|_| name);
    network
        .ops()
        .iter()
        .filter(|op| op.pass == crate::step::Pass::Forward)
        .filter_map(|op| part(&network.tensor(op.output).name))
        .nth(parts_before)
}

/// Returns the layer's name in the name of a tensor: `fc1` for `fc1.weight`.
fn layer_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(layer, _)| layer)
}

/// Returns the tensor's own name after the layer's name: `weight` for `fc1.weight`.
fn suffix_of(name: &str) -> &str {
    name.split_once('.').map_or("", |(_, suffix)| suffix)
}
