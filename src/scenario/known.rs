//! What is known of a network; where the file has faults, what is certain all the same.

use std::collections::BTreeSet;

use super::layers::LayerTensors;
use super::names::LayerNames;
use crate::network::Network;
use crate::words::{suggest, tensors};

/// What the rest of a file may refer to. It is checked by what is certain; what is not known accuses nobody.
#[derive(Debug)]
pub(super) enum KnownNetwork {
    /// All tensors, by name and shape. Where the file has faults, the numbers and the loss may be stand-ins.
    Tensors(Network),
    /// That there are layers, their names, and the tensors of those that are certain, with their shapes.
    Layers(LayerNames, LayerTensors),
    /// That it is a graph, and the names of its inputs, and of these and the nodes that are written down, where they are all certain.
    Graph { inputs: Option<Vec<String>>, names: Option<BTreeSet<String>> },
    /// Not even that.
    Nothing,
}

/// How a file spells a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// As `[[layer]]`.
    Layers,
    /// As `[graph]`.
    Graph,
}

impl KnownNetwork {
    /// The network, where all its tensors are known.
    pub fn tensors(&self) -> Option<&Network> {
        match self {
            Self::Tensors(network) => Some(network),
            _ => None,
        }
    }

    /// How the file spells it, where that is known.
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
                // t1, t2, … of a faulty expression are not known
                let digits = own.strip_prefix('t').filter(|digits| !digits.is_empty());
                let found = names.contains(own) || digits.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
                (!found).then(|| near(suggest::nearest(own, names.iter().map(String::as_str)), ""))
            }
            Self::Layers(..) | Self::Graph { .. } | Self::Nothing => None,
        }
    }

    /// The shape of the tensor of this name, where it is certain.
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

/// The layer, and the part of it, that the name of a tensor has.
fn layer_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(layer, _)| layer)
}

fn part_of(name: &str) -> &str {
    name.split_once('.').map_or("", |(_, part)| part)
}
