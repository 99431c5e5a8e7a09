//! Builds the network and the samples of a file, as far as the file is valid.

use toml::de::DeValue;

use super::known::KnownNetwork;
use super::reader::{ScenarioReader, TomlTable};
use super::{Sample, gap, graph, layers, sample, samples};
use crate::op::layer::Reported;
use crate::op::loss::{BatchReduction, Loss};

/// The network and its samples, as far as they are known.
#[derive(Debug)]
pub(super) struct BuiltNetwork {
    pub network: KnownNetwork,
    /// The number of samples, if it is certain.
    pub count: Option<usize>,
    pub samples: Result<Vec<Sample>, Reported>,
    /// The reduction of the samples' losses to one loss.
    pub reduction: Result<BatchReduction, Reported>,
}

/// Reads `[[layer]]` with its samples and loss, or `[graph]`.
pub(super) fn build(reader: &mut ScenarioReader, table: &TomlTable<'_>, text: &str) -> BuiltNetwork {
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
                reader.wrong_type("graph", value, "a table", "write [graph] on a line of its own, and its keys below");
                KnownNetwork::Graph { inputs: None, names: None }
            };
            let samples = vec![Sample { name: None, input: None, target: None }];
            // a file with layers and a graph does not tell which of the two is meant
            let network = if both.is_some() { KnownNetwork::Nothing } else { network };
            BuiltNetwork { network, count: both.is_none().then_some(1), samples: Ok(samples), reduction: Ok(BatchReduction::default()) }
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
            BuiltNetwork { network: KnownNetwork::Nothing, count: None, samples: Err(none), reduction: Err(none) }
        }
    }
}

fn chain(reader: &mut ScenarioReader, table: &TomlTable<'_>) -> BuiltNetwork {
    let (tables, all) = reader.tables(table, "layer");
    if let Some(none) = table.get("layer").filter(|_| all && tables.is_empty()) {
        reader.fault(none.span(), "a network has at least one layer", "add a [[layer]]");
    }
    // true if the list of layers is complete
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
        Ok(chain) if all && layers.names.are_certain() => {
            KnownNetwork::Tensors(chain.finish(goal.loss.unwrap_or_else(|Reported| Loss::stand_in())))
        }
        _ => KnownNetwork::Layers(layers.names, tensors),
    };
    BuiltNetwork { network, count: rows.count(), samples: samples::joined(rows, inputs, targets), reduction: goal.reduction }
}
