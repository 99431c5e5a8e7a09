//! `[train]`: how the network learns.

use toml::de::DeValue;

use super::excerpt::quoted;
use super::reader::{Reader, Span, Table};
use super::suggest;
use crate::network::{Id, Network, Rates, Role, Train};
use crate::op::layer::Faulty;

const KEYS: &[&str] = &["learning_rate", "iterations", "momentum", "weight_decay", "batch_size", "tolerance", "freeze", "learn"];

/// Reads `[train]`, for a network and so many samples; `None` where the file has none.
pub(super) fn train(reader: &mut Reader, file: &Table<'_>, network: Option<&Network>, samples: usize) -> Result<Option<Train>, Faulty> {
    let Some((key, value)) = file.get_key_value("train") else { return Ok(None) };
    let DeValue::Table(table) = value.get_ref() else {
        return Err(reader.wrong("train", value, "a table", "write [train] on a line of its own, and its keys below"));
    };
    let at = key.span();
    let before = reader.faults.len();
    reader.unknown(table, KEYS, "[train]");
    let rates = rates(reader, table, &at);
    let iterations = table.get("iterations").map_or(Ok(1), |value| reader.integer("iterations", value, 1));
    let batch_size = batch_size(reader, table, network.map(|_| samples));
    let tolerance = match table.get("tolerance") {
        None => Ok(None),
        Some(value) => match reader.number("tolerance", value) {
            Ok(tolerance) if tolerance < 0.0 => Err(reader.fault(value.span(), "tolerance must be at least 0", "")),
            other => other.map(Some),
        },
    };
    let learned = network.ok_or(Faulty).and_then(|network| learned(reader, table, &at, network));
    if reader.faults.len() > before {
        return Err(Faulty);
    }
    Ok(Some(Train { rates: rates?, iterations: iterations?, batch_size: batch_size?, tolerance: tolerance?, learned: learned? }))
}

fn rates(reader: &mut Reader, table: &Table<'_>, at: &Span) -> Result<Rates, Faulty> {
    let learning_rate = match table.get("learning_rate") {
        None => Err(reader.fault(at.clone(), "learning_rate is missing", "add learning_rate = 0.1, or another step width")),
        Some(value) => match reader.number("learning_rate", value) {
            Ok(0.0) => Err(reader.fault(value.span(), "learning_rate must not be 0", "a positive one descends, a negative one climbs")),
            other => other,
        },
    };
    let mut optional = |key: &str| match table.get(key) {
        None => Ok(0.0),
        Some(value) => match reader.number(key, value) {
            Ok(number) if number < 0.0 => Err(reader.fault(value.span(), format!("{key} must be at least 0"), "")),
            other => other,
        },
    };
    let (momentum, weight_decay) = (optional("momentum"), optional("weight_decay"));
    Ok(Rates { learning_rate: learning_rate?, momentum: momentum?, weight_decay: weight_decay? })
}

fn batch_size(reader: &mut Reader, table: &Table<'_>, samples: Option<usize>) -> Result<usize, Faulty> {
    let Some(value) = table.get("batch_size") else { return Ok(samples.unwrap_or(1)) };
    let size = reader.size("batch_size", value, 1)?;
    match samples {
        Some(samples) if size > samples => {
            let there = if samples == 1 { "there is 1 sample".to_owned() } else { format!("there are {samples} samples") };
            Err(reader.fault(value.span(), format!("batch_size is {size}, but {there}"), "leave it out for a batch of all samples"))
        }
        _ => Ok(size),
    }
}

/// The parameters that are updated: those of a graph that `learn` names, or those of a network that `freeze` does not.
fn learned(reader: &mut Reader, table: &Table<'_>, at: &Span, network: &Network) -> Result<Vec<Id>, Faulty> {
    let ids = |role| network.with_role(role).collect::<Vec<Id>>();
    if network.is_graph() {
        if let Some((key, _)) = table.get_key_value("freeze") {
            return Err(reader.fault(
                key.span(),
                "a graph has no layers to freeze",
                "name the inputs that are updated with learn = [\"a\"]",
            ));
        }
        let inputs = ids(Role::Input);
        if !table.contains_key("learn") {
            let help = "add learn = [\"a\"], with the inputs that are updated";
            return Err(reader.fault(at.clone(), "learn is missing", help));
        }
        let names: Vec<&str> = inputs.iter().map(|id| network.tensor(*id).name.as_ref()).collect();
        let learned = names_of(reader, table, "learn", &names, "input")?;
        return Ok(inputs.into_iter().filter(|id| learned.contains(&network.tensor(*id).name.to_string())).collect());
    }
    if let Some((key, _)) = table.get_key_value("learn") {
        return Err(reader.fault(key.span(), "learn belongs to a graph", "all parameters of layers are updated but those in freeze"));
    }
    let parameters = ids(Role::Parameter);
    let name = |id: &Id| network.tensor(*id).name.to_string();
    let layer = |id: &Id| network.tensor(*id).layer.map(|layer| network.layers()[layer].name.to_string());
    let named: Vec<String> = parameters.iter().map(name).chain(network.layers().iter().map(|layer| layer.name.to_string())).collect();
    let possible: Vec<&str> = named.iter().map(String::as_str).collect();
    let frozen = names_of(reader, table, "freeze", &possible, "parameter or layer")?;
    Ok(parameters.into_iter().filter(|id| !frozen.contains(&name(id)) && layer(id).is_none_or(|layer| !frozen.contains(&layer))).collect())
}

/// A list of names, each of which must be possible.
fn names_of(reader: &mut Reader, table: &Table<'_>, key: &str, possible: &[&str], what: &str) -> Result<Vec<String>, Faulty> {
    let Some(value) = table.get(key) else { return Ok(Vec::new()) };
    let DeValue::Array(items) = value.get_ref() else {
        return Err(reader.wrong(key, value, "a list of names", ""));
    };
    let mut names = Vec::with_capacity(items.len());
    for item in &items[..] {
        match item.get_ref() {
            DeValue::String(name) if possible.contains(&name.as_ref()) => names.push(name.to_string()),
            DeValue::String(name) => {
                reader.fault(item.span(), format!("there is no {what} {}", quoted(name)), suggest::help(name, possible));
            }
            _ => {
                reader.wrong(&format!("each of {key}"), item, "a name", "");
            }
        }
    }
    if names.len() == items.len() { Ok(names) } else { Err(Faulty) }
}
