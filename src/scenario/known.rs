//! The network and its samples; where the file has faults, what is certain of them all the same.

use std::collections::BTreeSet;

use toml::de::DeValue;

use super::layers::Tensors;
use super::names::Names;
use super::reader::{Reader, Table};
use super::{Sample, gap, graph, layers, sample, samples};
use crate::network::Network;
use crate::op::layer::Faulty;
use crate::op::loss::{BatchReduction, Loss};
use crate::words::{suggest, tensors};

/// What the rest of a file may refer to. It is checked by what is certain; what is not known accuses nobody.
#[derive(Debug)]
pub(super) enum Known {
    /// All tensors, by name and shape. Where the file has faults, the numbers and the loss may be stand-ins.
    Tensors(Network),
    /// That there are layers, their names, and the tensors of those that are certain, with their shapes.
    Layers(Names, Tensors),
    /// That it is a graph, and the names of its inputs, and of these and the nodes that are written down, where they are all certain.
    Graph { inputs: Option<Vec<String>>, names: Option<BTreeSet<String>> },
    /// Not even that.
    Nothing,
}

/// How a file spells a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelt {
    /// As `[[layer]]`.
    Layers,
    /// As `[graph]`.
    Graph,
}

/// What is known of the network and of its samples.
#[derive(Debug)]
pub(super) struct Built {
    pub network: Known,
    /// How many samples there are.
    pub count: Option<usize>,
    pub samples: Result<Vec<Sample>, Faulty>,
    /// How several are reduced.
    pub reduction: Result<BatchReduction, Faulty>,
}

impl Known {
    /// The network, where all its tensors are known.
    pub fn tensors(&self) -> Option<&Network> {
        match self {
            Self::Tensors(network) => Some(network),
            _ => None,
        }
    }

    /// How the file spells it, where that is known.
    pub fn spelt(&self) -> Option<Spelt> {
        match self {
            Self::Tensors(network) if network.reads_samples() => Some(Spelt::Layers),
            Self::Tensors(_) | Self::Graph { .. } => Some(Spelt::Graph),
            Self::Layers(..) => Some(Spelt::Layers),
            Self::Nothing => None,
        }
    }

    /// What to do about the name of a tensor that there is none of; `None` where there is one, or may be.
    pub fn lacks(&self, name: &str) -> Option<String> {
        let (before, own) = name.strip_prefix("grad.").map_or(("", name), |own| ("grad.", own));
        let near =
            |near: Option<&str>, after: &str| near.map_or_else(String::new, |near| format!("did you mean \"{before}{near}{after}\"?"));
        match self {
            Self::Tensors(network) => network.find(name).is_none().then(String::new),
            Self::Layers(_, known) if known.get(layer_of(own)).is_some_and(|parts| !parts.contains_key(part_of(own))) => {
                let all: Vec<String> =
                    known.iter().flat_map(|(layer, parts)| parts.keys().map(move |part| format!("{before}{layer}.{part}"))).collect();
                Some(tensors::help(name, &all.iter().map(String::as_str).collect::<Vec<_>>()))
            }
            Self::Layers(layers, _) if !["input", "target", "loss"].contains(&own) => {
                let lack = |own: &str| own.split_once('.').is_none_or(|(layer, _)| layers.lack(layer));
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

/// Reads `[[layer]]` with its samples and loss, or `[graph]`.
pub(super) fn built(reader: &mut Reader, table: &Table<'_>, text: &str) -> Built {
    match (table.get_key_value("graph"), table.get_key_value("layer")) {
        (Some((graph, value)), both) => {
            let rest = ["input", "target", "loss", "sample"].into_iter().filter_map(|key| table.get_key_value(key));
            for (key, _) in both.map_or_else(|| rest.collect(), |both| vec![both]) {
                let message = format!("a graph has no {}", key.get_ref());
                let help = "a file has either layers, with input, target and loss, or a graph";
                reader.fault_with(key.span(), message, help, (graph.span(), "the graph is here"));
            }
            let network = if let DeValue::Table(table) = value.get_ref() {
                graph::graph(reader, table, value.span(), text)
            } else {
                reader.wrong("graph", value, "a table", "write [graph] on a line of its own, and its keys below");
                Known::Graph { inputs: None, names: None }
            };
            let samples = vec![Sample { name: None, input: None, target: None }];
            // with layers beside it, it is not known which of the two is meant
            let network = if both.is_some() { Known::Nothing } else { network };
            Built { network, count: both.is_none().then_some(1), samples: Ok(samples), reduction: Ok(BatchReduction::default()) }
        }
        (None, Some(_)) => chain(reader, table),
        (None, None) => {
            let help = "add [[layer]] tables with input, target and loss; or a [graph]";
            let none = reader.fault(gap::after_all(text), "there is no network: neither [[layer]] nor [graph]", help);
            let has = |key| table.contains_key(key);
            let rows = samples::rows(reader, table);
            if has("input") || has("sample") {
                samples::inputs(reader, &rows, None);
            }
            if has("loss") {
                let goal = sample::goal(reader, table, None);
                samples::targets(reader, &rows, table, None, &goal);
            }
            Built { network: Known::Nothing, count: None, samples: Err(none), reduction: Err(none) }
        }
    }
}

fn chain(reader: &mut Reader, table: &Table<'_>) -> Built {
    let (tables, all) = reader.tables(table, "layer");
    if let Some(none) = table.get("layer").filter(|_| all && tables.is_empty()) {
        reader.fault(none.span(), "a network has at least one layer", "add a [[layer]]");
    }
    // whether these are the layers that there are, the last one too
    let all = all && !tables.is_empty();
    let layers = layers::layers(reader, tables, all);
    let rows = samples::rows(reader, table);
    let inputs = samples::inputs(reader, &rows, layers::wanted_rank(&layers.entries));
    let shape = samples::shape(&inputs);
    let (chain, tensors, last) = layers::chain(reader, &layers.entries, shape.as_deref().map_err(|&fault| fault));
    let last = last.as_ref().filter(|_| all);
    let goal = sample::goal(reader, table, last);
    let targets = samples::targets(reader, &rows, table, last, &goal);
    let network = match chain {
        Ok(chain) if all && layers.names.are_certain() => Known::Tensors(chain.finish(goal.loss.unwrap_or_else(|Faulty| Loss::stand_in()))),
        _ => Known::Layers(layers.names, tensors),
    };
    Built { network, count: rows.count(), samples: samples::joined(rows, inputs, targets), reduction: goal.reduction }
}
