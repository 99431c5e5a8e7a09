//! The network of a scenario file as far as it is known. If the file has errors, only some names and shapes of tensors are certain.
//!
//! The addresses in the file, such as the `at` of a note, are checked against this knowledge. An address is not reported if its tensor may exist once the other
//! errors are corrected: for example, the weight of a layer whose type is misspelt.

use std::collections::{BTreeSet, HashMap};

use super::layers::LayerTensors;
use super::names::LayerNames;
use crate::network::{Network, parameter_of_state};
use crate::words::{suggest, tensors};

/// The known parts of the network.
#[derive(Debug)]
pub(super) enum KnownNetwork {
    /// The whole network: all its tensors are known. If the file has errors, some numbers and the loss may be placeholders.
    Complete(Network),
    /// A network of layers, some of which are not known completely: the names of the layers, and the known tensors with their shapes.
    Layers(LayerNames, LayerTensors),
    /// A graph with errors. `inputs` has the names of its inputs, and `names` the names of its inputs and nodes; a list is `None` if it is not complete. `shapes` has the shapes that are known.
    Graph { inputs: Option<Vec<String>>, names: Option<BTreeSet<String>>, shapes: HashMap<String, Vec<usize>> },
    /// Nothing: it is unknown whether the network is made of layers or is a graph.
    Nothing,
}

/// The two ways to write a network in a scenario file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
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

    /// Returns the network's notation, if it is known.
    pub fn notation(&self) -> Option<Notation> {
        match self {
            Self::Complete(network) if network.reads_samples() => Some(Notation::Layers),
            Self::Complete(_) | Self::Graph { .. } => Some(Notation::Graph),
            Self::Layers(..) => Some(Notation::Layers),
            Self::Nothing => None,
        }
    }

    /// Returns the help text for a tensor name that certainly does not exist; `None` if the name exists or may exist. The help text may be empty.
    pub fn help_if_missing(&self, name: &str) -> Option<String> {
        // the name of a gradient, `grad.fc1.weight`, has the prefix `grad.` and the base `fc1.weight`; a velocity (of the momentum) is `velocity.fc1.weight`
        let (prefix, base) = name.strip_prefix("grad.").map_or(("", name), |base| ("grad.", base));
        // suggests `near` in place of the wrong part of the name: for `grad.fc9.weight` and the near layer `fc1`, `rest` is `.weight`
        let suggestion =
            |near: Option<&str>, rest: &str| near.map_or_else(String::new, |near| suggest::did_you_mean(&format!("{prefix}{near}{rest}")));
        match self {
            Self::Complete(network) if network.find(name).is_some() => None,
            Self::Complete(network) => {
                Some(old_part(network, base).map_or_else(String::new, |part| format!("it is called \"{prefix}{part}\" now")))
            }
            // the layer is known and has no such tensor
            Self::Layers(_, known) if known.get(layer_of(base)).is_some_and(|tensors| !tensors.contains_key(suffix_of(base))) => {
                let tensor_names =
                    known.iter().flat_map(|(layer, tensors)| tensors.keys().map(move |suffix| format!("{prefix}{layer}.{suffix}")));
                let tensor_names: Vec<String> = tensor_names.collect();
                Some(tensors::help(name, &tensor_names.iter().map(String::as_str).collect::<Vec<_>>()))
            }
            Self::Layers(layers, _) if !["input", "target", "loss"].contains(&base) => {
                // a name without a dot is not the name of a layer's tensor
                let is_missing = |base: &str| base.split_once('.').is_none_or(|(layer, _)| layers.certainly_lacks(layer));
                let (layer, suffix_with_dot) = base.split_at(base.find('.').unwrap_or(base.len()));
                // `velocity.fc1.weight` may be the velocity of `fc1.weight`, or a tensor of a layer called `velocity`
                (is_missing(base) && parameter_of_state(base).is_none_or(is_missing))
                    .then(|| suggestion(layers.nearest(layer), suffix_with_dot))
            }
            Self::Graph { names: Some(names), .. } => {
                let base = parameter_of_state(base).unwrap_or(base);
                // parts of statements are named `u.1`, `u.2`, …, and earlier assignments `u@1`; how many there are is unknown after an error
                let statement = base.split(['.', '@']).next().unwrap_or(base);
                // the names of parts in earlier versions
                let is_old_part =
                    base.strip_prefix('t').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
                let may_exist = is_old_part || names.contains(base) || (statement != base && names.contains(statement));
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

/// Returns the part of a statement that earlier versions called `t1`, `t2`, …: they counted the parts of all statements together, without the names that the
/// graph gives itself.
fn old_part<'n>(network: &'n Network, name: &str) -> Option<&'n str> {
    let number: usize = name.strip_prefix('t')?.parse().ok()?;
    let is_taken = |number: usize| network.find(&format!("t{number}")).is_some();
    let parts_before = (1..number).filter(|number| !is_taken(*number)).count();
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
