//! Builds the network and the samples of a scenario file. If the file has faults, the result has the parts that are certain in spite of them.

use std::collections::HashMap;

use toml::de::DeValue;

use super::axes::{IMAGE_LAYOUT, LAYOUT};
use super::known::KnownNetwork;
use super::reader::{ScenarioReader, TomlTable};
use super::{Sample, graph, insertion, layers, sample, samples};
use crate::op::layer::Reported;
use crate::op::loss::{BatchLoss, Loss};

/// The network and its samples, as far as they are known in a file that may have faults.
#[derive(Debug)]
pub(super) struct BuiltNetwork {
    pub network: KnownNetwork,
    /// The number of samples, if it is certain.
    pub sample_count: Option<usize>,
    pub samples: Result<Vec<Sample>, Reported>,
    /// The loss of a batch.
    pub batch_loss: Result<BatchLoss, Reported>,
}

/// Reads the network: `[[layer]]` tables with samples and a loss, or a `[graph]`.
pub(super) fn build(reader: &mut ScenarioReader, table: &TomlTable<'_>, text: &str) -> BuiltNetwork {
    match (table.get_key_value("graph"), table.get_key_value("layer")) {
        (Some((graph, value)), layer) => {
            let has_both = layer.is_some();
            let other_keys = ["input", "target", "loss", "sample", "samples", IMAGE_LAYOUT, LAYOUT]
                .into_iter()
                .filter_map(|key| table.get_key_value(key));
            // if the file has a [[layer]], this key is reported; otherwise, each key that is not for a graph is reported
            for (key, _) in layer.map_or_else(|| other_keys.collect(), |layer| vec![layer]) {
                let message = format!("a graph has no {}", key.get_ref());
                let help = "a file has either layers, with input, target and loss, or a graph";
                reader.report_with_note(key.span(), message, help, (graph.span(), "the graph is here"));
            }
            let network = if let DeValue::Table(table) = value.get_ref() {
                graph::graph(reader, table, value.span(), text)
            } else {
                reader.wrong_type("graph", value, "a table", "write [graph] on a line of its own, and its keys below");
                KnownNetwork::Graph { inputs: None, names: None, shapes: HashMap::new() }
            };
            let samples = vec![Sample { name: None, input: None, target: None }];
            // if the file has layers and a graph, it is unknown which of the two the user meant
            let network = if has_both { KnownNetwork::Nothing } else { network };
            BuiltNetwork { network, sample_count: (!has_both).then_some(1), samples: Ok(samples), batch_loss: Ok(BatchLoss::default()) }
        }
        (None, Some(_)) => build_layers(reader, table),
        (None, None) => {
            let help = "add [[layer]] tables with input, target and loss; or a [graph]";
            let reported = reader.report(insertion::at_end(text), "there is no network: neither [[layer]] nor [graph]", help);
            // without a network, the samples and the loss are checked as far as possible
            let (rank, last) = (None, None);
            let has = |key| table.contains_key(key);
            let sample_tables = samples::find_tables(reader, table);
            if has("input") || has("sample") {
                samples::inputs(reader, &sample_tables, rank);
            }
            if has("loss") {
                let objective = sample::objective(reader, table, last);
                samples::targets(reader, &sample_tables, table, last, &objective);
            }
            BuiltNetwork { network: KnownNetwork::Nothing, sample_count: None, samples: Err(reported), batch_loss: Err(reported) }
        }
    }
}

/// Builds a network of `[[layer]]` tables, with its samples and loss.
fn build_layers(reader: &mut ScenarioReader, table: &TomlTable<'_>) -> BuiltNetwork {
    let (tables, all_are_tables) = reader.tables(table, "layer");
    if let Some(empty) = table.get("layer").filter(|_| all_are_tables && tables.is_empty()) {
        reader.report(empty.span(), "a network has at least one layer", "add a [[layer]]");
    }
    let is_complete = all_are_tables && !tables.is_empty();
    let layers = layers::layers(reader, tables, is_complete);
    let sample_tables = samples::find_tables(reader, table);
    let inputs = samples::inputs(reader, &sample_tables, layers::input_rank(&layers.entries));
    let shape = samples::shape(&inputs);
    let shape = shape.as_deref().map_err(|&reported| reported);
    let (layers_builder, last) = layers::build_layers(reader, &layers.entries, shape, is_complete && layers.names.is_complete());
    // if some layers could not be read, the last known layer may not be the last layer of the network
    let last = last.as_ref().filter(|_| is_complete);
    let objective = sample::objective(reader, table, last);
    let targets = samples::targets(reader, &sample_tables, table, last, &objective);
    let network = match layers_builder {
        // after a fault in the loss, a placeholder completes the network, so that addresses can still be checked
        Ok(builder) => KnownNetwork::Complete(builder.finish(objective.loss.unwrap_or_else(|Reported| Loss::placeholder()))),
        Err(tensors) => KnownNetwork::Layers(layers.names, tensors),
    };
    BuiltNetwork {
        network,
        sample_count: sample_tables.count(),
        samples: samples::join(sample_tables, inputs, targets),
        batch_loss: objective.batch_loss,
    }
}
