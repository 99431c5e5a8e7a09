//! Reads `[train]`, the training settings.

use std::collections::HashSet;

use toml::de::DeValue;

use super::excerpt::quoted;
use super::known::{KnownNetwork, Notation};
use super::names::LayerNames;
use super::reader::{ScenarioReader, Span, TomlTable};
use crate::network::{Id, SgdOptions, Train};
use crate::op::layer::Reported;
use crate::words::suggest;

pub(super) const KEYS: &[&str] = &["learning_rate", "iterations", "momentum", "weight_decay", "batch_size", "tolerance", "freeze", "learn"];

/// The settings of `[train]`, as far as they are valid.
#[derive(Debug)]
pub(super) struct Schedule {
    pub rates: Result<SgdOptions, Reported>,
    pub iterations: Result<u64, Reported>,
    pub batch_size: Result<usize, Reported>,
    tolerance: Result<Option<f64>, Reported>,
    pub learned: Result<Vec<Id>, Reported>,
}

impl Schedule {
    /// Returns the settings if all are valid.
    pub fn whole(self) -> Result<Train, Reported> {
        let Self { rates, iterations, batch_size, tolerance, learned } = self;
        Ok(Train { sgd: rates?, iterations: iterations?, batch_size: batch_size?, tolerance: tolerance?, learned: learned? })
    }
}

/// Reads `[train]` for a network with `samples` samples; `None` if the file has no `[train]`.
pub(super) fn train(reader: &mut ScenarioReader, file: &TomlTable<'_>, network: &KnownNetwork, samples: Option<usize>) -> Option<Schedule> {
    let (key, value) = file.get_key_value("train")?;
    let DeValue::Table(table) = value.get_ref() else {
        let none = reader.wrong_type("train", value, "a table", "write [train] on a line of its own, and its keys below");
        return Some(Schedule { rates: Err(none), iterations: Err(none), batch_size: Err(none), tolerance: Err(none), learned: Err(none) });
    };
    let at = key.span();
    Some(Schedule {
        rates: rates(reader, table, &at),
        iterations: table.get("iterations").map_or(Ok(1), |value| reader.integer("iterations", value, 1)),
        batch_size: batch_size(reader, table, samples),
        tolerance: at_least_0(reader, table, "tolerance"),
        learned: learned(reader, table, &at, network),
    })
}

/// Reads an optional number that must not be negative.
fn at_least_0(reader: &mut ScenarioReader, table: &TomlTable<'_>, key: &str) -> Result<Option<f64>, Reported> {
    let Some(value) = table.get(key) else { return Ok(None) };
    match reader.number(key, value) {
        Ok(number) if number < 0.0 => Err(reader.fault(value.span(), format!("{key} must be at least 0"), "")),
        other => other.map(Some),
    }
}

fn rates(reader: &mut ScenarioReader, table: &TomlTable<'_>, at: &Span) -> Result<SgdOptions, Reported> {
    let learning_rate = match table.get("learning_rate") {
        None => Err(reader.fault(at.clone(), "learning_rate is missing", "add learning_rate = 0.1, or another number")),
        Some(value) => match reader.number("learning_rate", value) {
            Ok(0.0) => Err(reader.fault(value.span(), "learning_rate must not be 0", "a positive one descends, a negative one climbs")),
            other => other,
        },
    };
    let (momentum, weight_decay) = (at_least_0(reader, table, "momentum"), at_least_0(reader, table, "weight_decay"));
    Ok(SgdOptions { learning_rate: learning_rate?, momentum: momentum?.unwrap_or(0.0), weight_decay: weight_decay?.unwrap_or(0.0) })
}

fn batch_size(reader: &mut ScenarioReader, table: &TomlTable<'_>, samples: Option<usize>) -> Result<usize, Reported> {
    let Some(value) = table.get("batch_size") else { return samples.ok_or(Reported) };
    let size = reader.size("batch_size", value, 1)?;
    match samples {
        Some(samples) if size > samples => {
            let there = if samples == 1 { "there is 1 sample".to_owned() } else { format!("there are {samples} samples") };
            Err(reader.fault(value.span(), format!("batch_size is {size}, but {there}"), "leave it out for a batch of all samples"))
        }
        _ => Ok(size),
    }
}

/// Returns the parameters that are updated: of a graph those in `learn`, of layers those not in `freeze`.
fn learned(reader: &mut ScenarioReader, table: &TomlTable<'_>, at: &Span, network: &KnownNetwork) -> Result<Vec<Id>, Reported> {
    let graph = network.notation().ok_or(Reported)? == Notation::Graph;
    let (key, other) = if graph { ("learn", "freeze") } else { ("freeze", "learn") };
    let foreign = table.get_key_value(other).map(|(other, _)| {
        let (message, help) = if graph {
            ("a graph has no layers to freeze", "name the inputs that are updated with learn = [\"a\"]")
        } else {
            ("learn belongs to a graph", "all parameters of layers are updated but those in freeze")
        };
        reader.fault(other.span(), message, help)
    });
    if graph && foreign.is_none() && !table.contains_key(key) {
        return Err(reader.fault(at.clone(), "learn is missing", "add learn = [\"a\"], with the inputs that are updated"));
    }
    let names = names_of(reader, table, key, network);
    let (Some(network), None) = (network.tensors(), foreign) else { return Err(Reported) };
    let names = names?;
    let listed = |id: &Id| {
        let tensor = network.tensor(*id);
        let layer = tensor.layer.map(|layer| &network.layers()[layer].name);
        names.contains(&*tensor.name) || layer.is_some_and(|layer| names.contains(&**layer))
    };
    Ok(network.learnable().filter(|id| listed(id) == graph).collect())
}

/// Reads a list of names, each of which must be an input of the graph, or a parameter or layer.
fn names_of<'t>(
    reader: &mut ScenarioReader,
    table: &'t TomlTable<'_>,
    key: &str,
    network: &KnownNetwork,
) -> Result<HashSet<&'t str>, Reported> {
    let Some(value) = table.get(key) else { return Ok(HashSet::new()) };
    let DeValue::Array(items) = value.get_ref() else {
        return Err(reader.wrong_type(key, value, "a list of names", ""));
    };
    let possible: Vec<&str> = match network {
        KnownNetwork::Tensors(network) => {
            let tensors = network.learnable().map(|id| &*network.tensor(id).name);
            tensors.chain(network.layers().iter().map(|layer| &*layer.name)).collect()
        }
        KnownNetwork::Layers(LayerNames { list: names, .. }, _) | KnownNetwork::Graph { inputs: Some(names), .. } => {
            names.iter().map(String::as_str).collect()
        }
        KnownNetwork::Graph { inputs: None, .. } | KnownNetwork::Nothing => Vec::new(),
    };
    let all: HashSet<&str> = possible.iter().copied().collect();
    let is_possible = |name: &str| match network {
        KnownNetwork::Tensors(_) | KnownNetwork::Graph { inputs: Some(_), .. } => all.contains(name),
        // the layers' parameters are unknown, so only the layer is checked
        KnownNetwork::Layers(layers, _) => !layers.lacks(name.split_once('.').map_or(name, |(layer, _)| layer)),
        KnownNetwork::Graph { inputs: None, .. } | KnownNetwork::Nothing => true,
    };
    let what = if network.notation() == Some(Notation::Graph) { "input" } else { "parameter or layer" };
    let mut names = HashSet::new();
    let mut whole = Ok(());
    for item in &items[..] {
        if reader.full() {
            break;
        }
        match item.get_ref() {
            DeValue::String(name) if is_possible(name) => {
                names.insert(name.as_ref());
            }
            DeValue::String(name) => {
                whole = Err(reader.fault(item.span(), format!("there is no {what} {}", quoted(name)), suggest::help(name, &possible)));
            }
            _ => whole = Err(reader.wrong_type(&format!("each of {key}"), item, "a name", "")),
        }
    }
    whole.map(|()| names)
}
