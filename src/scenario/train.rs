//! Reads `[train]`: the settings of gradient descent.

use std::collections::HashSet;

use toml::de::DeValue;

use super::excerpt::quoted;
use super::known::{KnownNetwork, NetworkNotation};
use super::names::LayerNames;
use super::optimizer;
use super::reader::{ScenarioReader, Span, TomlTable};
use crate::network::{Id, Optimizer, Train};
use crate::op::layer::Reported;
use crate::text::{are, counted};
use crate::words::suggest;

/// The keys of `[train]`.
pub(super) const KEYS: &[&str] = &[
    "learning_rate",
    "iterations",
    "momentum",
    "weight_decay",
    "batch_size",
    "tolerance",
    "freeze",
    "learn",
    "optimizer",
    "nesterov",
    "dampening",
    "betas",
    "eps",
    "alpha",
    "centered",
    "lr_decay",
    "initial_accumulator_value",
    "lr_schedule",
];

/// The settings of `[train]`. Each setting is a separate result, so that after a fault in one of them the others are still known.
#[derive(Debug)]
pub(super) struct TrainSettings {
    /// The optimizer with its settings.
    pub optimizer: Result<Optimizer, Reported>,
    /// The largest number of iterations: 1 without the key.
    pub iterations: Result<u64, Reported>,
    /// The number of samples of a batch: all samples without the key.
    pub batch_size: Result<usize, Reported>,
    /// The descent ends early when |loss − previous loss| is less than this; `None` without the key.
    tolerance: Result<Option<f64>, Reported>,
    /// The parameters that are updated.
    pub learned: Result<Vec<Id>, Reported>,
}

impl TrainSettings {
    /// Returns the settings if all of them are valid.
    pub fn into_train(self) -> Result<Train, Reported> {
        let Self { optimizer, iterations, batch_size, tolerance, learned } = self;
        Ok(Train { optimizer: optimizer?, iterations: iterations?, batch_size: batch_size?, tolerance: tolerance?, learned: learned? })
    }
}

/// Reads `[train]`; `None` if the file has no `[train]`. `samples` is the number of samples, if it is known.
pub(super) fn train(
    reader: &mut ScenarioReader,
    file: &TomlTable<'_>,
    network: &KnownNetwork,
    samples: Option<usize>,
) -> Option<TrainSettings> {
    let (key, value) = file.get_key_value("train")?;
    let DeValue::Table(table) = value.get_ref() else {
        let error = reader.wrong_type("train", value, "a table", "write [train] on a line of its own, and its keys below");
        return Some(TrainSettings {
            optimizer: Err(error),
            iterations: Err(error),
            batch_size: Err(error),
            tolerance: Err(error),
            learned: Err(error),
        });
    };
    let header = key.span();
    Some(TrainSettings {
        optimizer: optimizer::read(reader, table, &header),
        iterations: table.get("iterations").map_or(Ok(1), |value| reader.integer("iterations", value, 1)),
        batch_size: batch_size(reader, table, samples),
        tolerance: optimizer::non_negative(reader, table, "tolerance"),
        learned: learned(reader, table, &header, network),
    })
}

/// Reads the batch size: by default all samples.
fn batch_size(reader: &mut ScenarioReader, table: &TomlTable<'_>, samples: Option<usize>) -> Result<usize, Reported> {
    let Some(value) = table.get("batch_size") else { return samples.ok_or(Reported) };
    let size = reader.size("batch_size", value, 1)?;
    match samples {
        Some(samples) if size > samples => {
            let are = are(samples);
            let message = format!("batch_size is {size}, but there {are} {}", counted(samples, "sample"));
            Err(reader.report(value.span(), message, "leave it out for a batch of all samples"))
        }
        _ => Ok(size),
    }
}

/// Returns the parameters that are updated. In a graph, they are the inputs under the key `learn`. In a network of layers, they are all parameters except those
/// under `freeze`. `header` is the position of `[train]`.
fn learned(reader: &mut ScenarioReader, table: &TomlTable<'_>, header: &Span, network: &KnownNetwork) -> Result<Vec<Id>, Reported> {
    let is_graph = network.notation().ok_or(Reported)? == NetworkNotation::Graph;
    let (key, wrong_key) = if is_graph { ("learn", "freeze") } else { ("freeze", "learn") };
    let wrong_key_reported = table.get_key_value(wrong_key).map(|(wrong_key, _)| {
        let (message, help) = if is_graph {
            ("a graph has no layers to freeze", "name the inputs that are updated with learn = [\"a\"]")
        } else {
            ("learn belongs to a graph", "all parameters of layers are updated, except those in freeze")
        };
        reader.report(wrong_key.span(), message, help)
    });
    if is_graph && wrong_key_reported.is_none() && !table.contains_key(key) {
        return Err(reader.report(header.clone(), "learn is missing", "add learn = [\"a\"], with the inputs that are updated"));
    }
    let names = read_names(reader, table, key, network);
    let (Some(network), None) = (network.complete(), wrong_key_reported) else { return Err(Reported) };
    let names = names?;
    // a parameter is listed by its name or by the name of its layer
    let is_listed = |id: &Id| {
        let tensor = network.tensor(*id);
        let layer = tensor.layer.map(|layer| &network.layers()[layer].name);
        names.contains(&*tensor.name) || layer.is_some_and(|layer| names.contains(&**layer))
    };
    // `learn` lists the parameters that are updated; `freeze` lists those that are not
    Ok(network.learnable().filter(|id| is_listed(id) == is_graph).collect())
}

/// Reads the list of names under `key`. In a graph, each name must be an input. In a network of layers, it must be a parameter or a layer.
fn read_names<'t>(
    reader: &mut ScenarioReader,
    table: &'t TomlTable<'_>,
    key: &str,
    network: &'t KnownNetwork,
) -> Result<HashSet<&'t str>, Reported> {
    let Some(value) = table.get(key) else { return Ok(HashSet::new()) };
    let DeValue::Array(items) = value.get_ref() else {
        return Err(reader.wrong_type(key, value, "a list of names", ""));
    };
    // the names that may be in the list, as far as they are known
    let possible: Vec<&str> = match network {
        KnownNetwork::Complete(network) => {
            let tensors = network.learnable().map(|id| &*network.tensor(id).name);
            tensors.chain(network.layers().iter().map(|layer| &*layer.name)).collect()
        }
        KnownNetwork::Layers(LayerNames { list: names, .. }, _) | KnownNetwork::Graph { inputs: Some(names), .. } => {
            names.iter().map(String::as_str).collect()
        }
        KnownNetwork::Graph { inputs: None, .. } | KnownNetwork::Nothing => Vec::new(),
    };
    let possible_set: HashSet<&str> = possible.iter().copied().collect();
    let is_possible = |name: &str| match network {
        KnownNetwork::Complete(_) | KnownNetwork::Graph { inputs: Some(_), .. } => possible_set.contains(name),
        // the parameters of the layers are unknown, so only the name of the layer is checked: `fc1` in `fc1.weight`
        KnownNetwork::Layers(layers, _) => !layers.certainly_lacks(name.split_once('.').map_or(name, |(layer, _)| layer)),
        KnownNetwork::Graph { inputs: None, .. } | KnownNetwork::Nothing => true,
    };
    let kind = if network.notation() == Some(NetworkNotation::Graph) { "input" } else { "parameter or layer" };
    let mut names = HashSet::new();
    let mut result = Ok(());
    for item in &items[..] {
        if reader.is_full() {
            break;
        }
        match item.get_ref() {
            DeValue::String(name) if is_possible(name) => {
                names.insert(name.as_ref());
            }
            // the name of an input x that is assigned again is `x@0`; only this input can be meant, because the new value cannot be updated
            DeValue::String(name) if let Some(input) = possible.iter().find(|input| input.strip_suffix("@0") == Some(&**name)) => {
                names.insert(*input);
            }
            DeValue::String(name) => {
                result = Err(reader.report(item.span(), format!("there is no {kind} {}", quoted(name)), suggest::help(name, &possible)));
            }
            _ => result = Err(reader.wrong_type(&format!("each of {key}"), item, "a name", "")),
        }
    }
    result.map(|()| names)
}
