//! The network as far as it is known: if the file has errors, the names and shapes that are certain nevertheless.

use std::collections::BTreeSet;

use super::layers::LayerTensors;
use super::names::LayerNames;
use crate::network::Network;
use crate::words::{suggest, tensors};

/// The network that the rest of the file refers to. References are checked only against what is certain, so that no error follows from another.
#[derive(Debug)]
pub(super) enum KnownNetwork {
    /// The whole network. If the file has errors, its numbers and loss may be placeholders.
    Tensors(Network),
    /// Layers: their names, and the known tensors with their shapes.
    Layers(LayerNames, LayerTensors),
    /// A graph: the names of its inputs, and the names of inputs and nodes; `None` if a list is not complete.
    Graph { inputs: Option<Vec<String>>, names: Option<BTreeSet<String>> },
    /// Nothing: the file may have layers or a graph.
    Nothing,
}

/// The two notations for a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// `[[layer]]` tables.
    Layers,
    /// A `[graph]`.
    Graph,
}

impl KnownNetwork {
    /// Returns the network if all its tensors are known.
    pub fn tensors(&self) -> Option<&Network> {
        match self {
            Self::Tensors(network) => Some(network),
            _ => None,
        }
    }

    /// Returns the network's notation, if it is known.
    pub fn notation(&self) -> Option<Notation> {
        match self {
            Self::Tensors(network) if network.reads_samples() => Some(Notation::Layers),
            Self::Tensors(_) | Self::Graph { .. } => Some(Notation::Graph),
            Self::Layers(..) => Some(Notation::Layers),
            Self::Nothing => None,
        }
    }

    /// Returns the help text for an unknown tensor name, or `None` if the name exists or may exist.
    pub fn lacks(&self, name: &str) -> Option<String> {
        let (before, own) = name.strip_prefix("grad.").map_or(("", name), |own| ("grad.", own));
        let near =
            |near: Option<&str>, after: &str| near.map_or_else(String::new, |near| suggest::question(&format!("{before}{near}{after}")));
        match self {
            Self::Tensors(network) => network.find(name).is_none().then(String::new),
            Self::Layers(_, known) if known.get(layer_of(own)).is_some_and(|parts| !parts.contains_key(part_of(own))) => {
                let all: Vec<String> =
                    known.iter().flat_map(|(layer, parts)| parts.keys().map(move |part| format!("{before}{layer}.{part}"))).collect();
                Some(tensors::help(name, &all.iter().map(String::as_str).collect::<Vec<_>>()))
            }
            Self::Layers(layers, _) if !["input", "target", "loss"].contains(&own) => {
                let lack = |own: &str| own.split_once('.').is_none_or(|(layer, _)| layers.lacks(layer));
                let (layer, after) = own.split_at(own.find('.').unwrap_or(own.len()));
                (lack(own) && own.strip_prefix("velocity.").is_none_or(lack)).then(|| near(layers.nearest(layer), after))
            }
            Self::Graph { names: Some(names), .. } => {
                let own = own.strip_prefix("velocity.").unwrap_or(own);
                // the intermediate names t1, t2, … of a faulty expression are unknown
                let digits = own.strip_prefix('t').filter(|digits| !digits.is_empty());
                let found = names.contains(own) || digits.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
                (!found).then(|| near(suggest::nearest(own, names.iter().map(String::as_str)), ""))
            }
            Self::Layers(..) | Self::Graph { .. } | Self::Nothing => None,
        }
    }

    /// Returns the shape of the tensor of this name, if it is certain.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        match self {
            Self::Tensors(network) => network.find(name).map(|id| network.tensor(id).shape.clone()),
            Self::Layers(_, known) => {
                let own = name.strip_prefix("grad.").or_else(|| name.strip_prefix("velocity.")).unwrap_or(name);
                known.get(layer_of(own))?.get(part_of(own))?.clone()
            }
            Self::Graph { .. } => Some(Vec::new()),
            Self::Nothing => None,
        }
    }
}

/// Returns the layer in the name of a tensor: `fc1` of `fc1.weight`.
fn layer_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(layer, _)| layer)
}

/// Returns the part after the layer: `weight` of `fc1.weight`.
fn part_of(name: &str) -> &str {
    name.split_once('.').map_or("", |(_, part)| part)
}
