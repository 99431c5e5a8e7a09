//! The layers of a file: their types, names and keys.

use std::collections::HashMap;

use toml::Spanned;
use toml::de::DeValue;

use super::excerpt::quoted;
use super::keys::Keys;
use super::reader::{Reader, Span, Table};
use super::wiring::Entry;
use super::{suggest, wiring};
use crate::network::Chain;
use crate::op::LAYERS;
use crate::op::activation::{self, ACTIVATIONS};
use crate::op::layer::{Faulty, Layer, LayerKind};
use crate::tensor::shape_words;

/// Names that tensors already have.
const RESERVED: [&str; 4] = ["input", "target", "loss", "grad"];

/// The layers with their names; unknown types, keys and names that clash are reported.
pub(super) fn entries<'t, 'i>(reader: &mut Reader, tables: Vec<(&'t Table<'i>, Span)>) -> Vec<Entry<'t, 'i>> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut taken: HashMap<String, (Span, bool)> = HashMap::new();
    let mut entries = Vec::with_capacity(tables.len());
    // whether all names are known
    let mut sure = true;
    for (table, span) in tables {
        let at = table.get("type").map_or(span, Spanned::span);
        let (kind, base) = kind(reader, table, &at);
        let number = counts.entry(base).and_modify(|n| *n += 1).or_insert(1);
        let default = format!("{base}{number}");
        let from = Ok(vec![entries.len().checked_sub(1)]);
        let mut entry = Entry { table, at: at.clone(), name: default, kind, from };
        match kind {
            Ok(kind) => keys(reader, table, kind),
            Err(Faulty) => sure = false,
        }
        let given = match given_name(reader, table) {
            Err(Faulty) => {
                sure = false;
                None
            }
            Ok(None) => Some((at, false)),
            Ok(Some((name, place))) => {
                name.clone_into(&mut entry.name);
                Some((place, true))
            }
        };
        if let Some((place, given)) = given
            && (given || !base.is_empty())
        {
            clash(reader, &mut taken, &entry.name, place, given);
        }
        entries.push(entry);
    }
    wiring::resolve(reader, &mut entries, sure);
    entries
}

/// The type, and the base of its names; empty when it is not known.
fn kind(reader: &mut Reader, table: &Table<'_>, at: &Span) -> (Result<&'static LayerKind, Faulty>, &'static str) {
    let (name, place) = match reader.string(table, "type") {
        Ok(Some(found)) => found,
        Err(fault) => return (Err(fault), ""),
        Ok(None) => {
            let fault = reader.fault(at.clone(), "the type of this layer is missing", "add type = \"linear\", or another kind of layer");
            return (Err(fault), "");
        }
    };
    if let Some(kind) = LAYERS.iter().find(|kind| kind.name == name) {
        return (Ok(kind), kind.base);
    }
    let names: Vec<&str> = LAYERS.iter().map(|kind| kind.name).collect();
    (Err(reader.fault(place, format!("there is no layer of type {}", quoted(name)), suggest::help(name, &names))), "")
}

/// Reports the keys that a layer does not have.
fn keys(reader: &mut Reader, table: &Table<'_>, kind: &LayerKind) {
    let mut known = vec!["type", "name", "from"];
    known.extend(kind.keys);
    known.extend(kind.activation);
    let activation = kind.activation.and_then(|key| match table.get(key)?.get_ref() {
        DeValue::String(name) => Some(activation::find(name)),
        _ => None,
    });
    let own = activation.flatten().map_or(&[][..], |activation| activation.keys);
    known.extend(own.iter().map(|(key, _)| key));
    for (key, _) in table {
        let name = key.get_ref().as_ref();
        if known.contains(&name) {
            continue;
        }
        let owner = ACTIVATIONS.iter().find(|activation| activation.keys.iter().any(|(key, _)| *key == name));
        match (owner, activation) {
            (Some(_), Some(None)) => {} // the activation itself is reported
            (Some(owner), _) if kind.activation.is_some() => {
                let other = kind.activation.filter(|key| !table.contains_key(*key));
                let add = other.map_or_else(String::new, |key| format!("add {key} = \"{}\", or ", owner.name));
                let message = format!("{name} belongs to the activation \"{}\"", owner.name);
                reader.fault(key.span(), message, format!("{add}leave it out"));
            }
            _ => {
                let article = if kind.name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
                let message = format!("{article} {} layer has no key {}", kind.name, quoted(name));
                reader.fault(key.span(), message, suggest::help(name, &known));
            }
        }
    }
}

fn given_name<'t>(reader: &mut Reader, table: &'t Table<'_>) -> Result<Option<(&'t str, Span)>, Faulty> {
    let Some((name, place)) = reader.string(table, "name")? else { return Ok(None) };
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !starts || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        let help = "a name begins with a letter or _, and goes on with letters, digits, _ and -";
        return Err(reader.fault(place, format!("{} cannot be a name", quoted(name)), help));
    }
    if RESERVED.contains(&name) {
        return Err(reader.fault(place, format!("the name \"{name}\" is taken by gradstep itself"), "choose another name"));
    }
    Ok(Some((name, place)))
}

fn clash(reader: &mut Reader, taken: &mut HashMap<String, (Span, bool)>, name: &str, place: Span, given: bool) {
    let Some((other, other_given)) = taken.get(name).cloned() else {
        taken.insert(name.to_owned(), (place, given));
        return;
    };
    let name = quoted(name);
    match (given, other_given) {
        (true, true) => {
            reader.fault_with(place, format!("two layers have the name {name}"), "choose another name", (other, "the first is here"))
        }
        // the given name is the one that can be changed
        (true, false) => {
            let also = (other, "this layer has it by default");
            reader.fault_with(place, format!("the name {name} is already taken"), "choose another name, or name both layers", also)
        }
        (false, _) => {
            let also = (place, "this layer has it by default");
            reader.fault_with(
                other,
                format!("the name {name} is the default name of another layer"),
                "choose another name, or name both layers",
                also,
            )
        }
    };
}

/// The last layer, as a loss sees it.
#[derive(Debug)]
pub(super) struct Last {
    pub name: String,
    pub shape: Vec<usize>,
    pub activation: Option<&'static str>,
}

/// The highest rank that a layer which reads the network's input wants of it.
pub(super) fn wanted_rank(entries: &[Entry<'_, '_>]) -> Option<usize> {
    let readers = entries.iter().filter(|entry| entry.from.as_ref().is_ok_and(|from| from.contains(&None)));
    readers.filter_map(|entry| entry.kind.ok()?.rank).max()
}

/// The layers as a network without its loss; what cannot be built is reported, and what comes after it is checked as far as possible.
pub(super) fn chain(reader: &mut Reader, entries: &[Entry<'_, '_>], input: Result<&[usize], Faulty>) -> Result<(Chain, Last), Faulty> {
    let mut chain = input.map(Chain::new);
    let mut shapes: Vec<Result<Vec<usize>, Faulty>> = Vec::with_capacity(entries.len());
    let mut last = input.map(|shape| Last { name: "the input".to_owned(), shape: shape.to_vec(), activation: None });
    for entry in entries {
        let (layer, activation) = build(reader, entries, entry, &shapes, input);
        shapes.push(
            layer.as_ref().map(|layer| layer.stages.last().map_or_else(Vec::new, |stage| stage.shape.clone())).map_err(|&fault| fault),
        );
        last = shapes[shapes.len() - 1].clone().map(|shape| Last { name: entry.name.clone(), shape, activation });
        match (layer, &mut chain, &entry.kind, &entry.from) {
            (Ok(layer), Ok(chain), Ok(kind), Ok(from)) => chain.layer(&entry.name, kind.name, layer, from),
            _ => chain = Err(Faulty),
        }
    }
    Ok((chain?, last?))
}

/// One layer, and its activation.
fn build(
    reader: &mut Reader,
    entries: &[Entry<'_, '_>],
    entry: &Entry<'_, '_>,
    shapes: &[Result<Vec<usize>, Faulty>],
    input: Result<&[usize], Faulty>,
) -> (Result<Layer, Faulty>, Option<&'static str>) {
    let shape_of = |from: &Option<usize>| from.map_or(input, |n| shapes[n].as_deref().map_err(|&fault| fault));
    let inputs: Result<Vec<&[usize]>, Faulty> =
        entry.from.as_ref().map_err(|&fault| fault).and_then(|from| from.iter().map(shape_of).collect());
    let known = inputs.is_ok();
    let inputs = inputs.unwrap_or_default();
    let from = match entry.from.as_deref() {
        Ok([Some(n), ..]) => format!("the output of {}", entries[*n].name),
        _ => "the input of the network".to_owned(),
    };
    let shape = shape_words(inputs.first().copied().unwrap_or(&[]));
    let text = format!("its shape follows from the sizes of {} and its input, {shape} ({from})", entry.name);
    let mut keys = Keys::new(reader, Some(entry.table), entry.at.clone(), &entry.name, &inputs, &text);
    let Ok(kind) = entry.kind else { return (Err(Faulty), None) };
    if !known {
        keys.check_alone(kind.keys, kind.activation);
        return (Err(Faulty), None);
    }
    let layer = (kind.build)(&mut keys);
    (layer, keys.activation)
}

impl Last {
    /// Its shape in words, with its name.
    pub fn words(&self) -> String {
        format!("the output of {} is {}", self.name, shape_words(&self.shape))
    }
}
