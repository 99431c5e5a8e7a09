//! The layers of a file: their types, names and keys.

use std::collections::HashMap;

use toml::Spanned;
use toml::de::DeValue;

use super::excerpt::quoted;
use super::keys::Keys;
use super::names::{Doubt, Names};
use super::reader::{Reader, Span, Table};
use super::wiring::Entry;
use super::{spelling, suggest, wiring};
use crate::network::Chain;
use crate::op::LAYERS;
use crate::op::activation::{self, ACTIVATIONS};
use crate::op::layer::{Faulty, Layer, LayerKind};
use crate::tensor::shape_words;

/// The keys that are tensors.
pub(super) const TENSORS: &[&str] = &["weight", "bias", "mask"];

/// Names that tensors already have.
const RESERVED: [&str; 4] = ["input", "target", "loss", "grad"];

/// The layers of a file, before they are built.
#[derive(Debug)]
pub(super) struct Layers<'t, 'i> {
    pub entries: Vec<Entry<'t, 'i>>,
    pub names: Names,
}

/// The layers with their names, if these are `all`; unknown types and names that clash are reported.
pub(super) fn layers<'t, 'i>(reader: &mut Reader, tables: Vec<(&'t Table<'i>, Span)>, all: bool) -> Layers<'t, 'i> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut taken: HashMap<String, (Span, bool)> = HashMap::new();
    let mut entries = Vec::with_capacity(tables.len());
    let mut faulty = Vec::new();
    let mut doubt = if all { Doubt::Nothing } else { Doubt::Everything };
    for (table, span) in tables {
        let at = table.get("type").map_or(span, Spanned::span);
        let (kind, base) = kind(reader, table, &at);
        let number = counts.entry(base).and_modify(|n| *n += 1).or_insert(1);
        let default = format!("{base}{number}");
        let from = Ok(vec![entries.len().checked_sub(1)]);
        let mut entry = Entry { table, at: at.clone(), name: default, kind, from };
        if kind.is_err() {
            doubt = doubt.max(Doubt::Defaults);
        }
        let given = match given_name(reader, table) {
            Err(name) => {
                if name.is_none() {
                    doubt = Doubt::Everything;
                }
                faulty.extend(name);
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
            && clash(reader, &mut taken, &entry.name, place, given).is_err()
        {
            doubt = Doubt::Everything;
        }
        entries.push(entry);
    }
    let mut names = Names::new(entries.iter().map(|entry| entry.name.clone()).collect(), doubt, faulty);
    wiring::resolve(reader, &mut entries, &names);
    names.missing = wiring::missing(&entries, &names);
    Layers { entries, names }
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
    if let Some(kind) = find(name) {
        return (Ok(kind), kind.base);
    }
    let names: Vec<&str> = LAYERS.iter().map(|kind| kind.name).collect();
    (Err(reader.fault(place, format!("there is no layer of type {}", quoted(name)), suggest::help(name, &names))), "")
}

/// Mends the keys of a layer.
pub(super) fn mend(reader: &mut Reader, table: &mut Table<'_>) {
    let mut known = vec!["type", "name", "from"];
    let own = |kind: &'static LayerKind| kind.keys.iter().chain(&kind.activation).copied();
    let kind = spelling::find(table, "type", &known).and_then(|name| find(name.get_ref().as_str()?));
    let Some(kind) = kind else {
        // whatever it is, it has no others
        known.extend(LAYERS.iter().flat_map(own));
        known.extend(ACTIVATIONS.iter().flat_map(|activation| activation.keys).map(|(key, _)| key));
        return spelling::mend_keys(reader, table, &known, "a layer");
    };
    known.extend(own(kind));
    let activation = kind.activation.and_then(|key| match spelling::find(table, key, &known)?.get_ref() {
        DeValue::String(name) => Some(activation::find(name)),
        _ => None,
    });
    known.extend(activation.flatten().iter().flat_map(|activation| activation.keys).map(|(key, _)| key));
    for (key, place) in spelling::foreign(table, &known) {
        let owner = ACTIVATIONS.iter().find(|activation| activation.keys.iter().any(|(own, _)| *own == key));
        match (owner, activation) {
            (Some(_), Some(None)) => {} // the activation itself is reported
            (Some(owner), _) if kind.activation.is_some() => {
                let other = kind.activation.filter(|key| !table.contains_key(*key));
                let add = other.map_or_else(String::new, |key| format!("add {key} = \"{}\", or ", owner.name));
                let message = format!("{key} belongs to the activation \"{}\"", owner.name);
                reader.fault(place, message, format!("{add}leave it out"));
            }
            _ => {
                let article = if kind.name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
                spelling::mend_key(reader, table, &key, place, &known, &format!("{article} {} layer", kind.name));
            }
        }
    }
}

fn find(name: &str) -> Option<&'static LayerKind> {
    LAYERS.iter().find(|kind| kind.name == name)
}

/// The name that a layer is given; or that text, where it cannot be one.
fn given_name<'t>(reader: &mut Reader, table: &'t Table<'_>) -> Result<Option<(&'t str, Span)>, Option<String>> {
    let Some((name, place)) = reader.string(table, "name").map_err(|Faulty| None)? else { return Ok(None) };
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !starts || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        let help = "a name begins with a letter or _, and goes on with letters, digits, _ and -";
        reader.fault(place, format!("{} cannot be a name", quoted(name)), help);
        return Err(Some(name.to_owned()));
    }
    if RESERVED.contains(&name) {
        reader.fault(place, format!("the name \"{name}\" is taken by gradstep itself"), "choose another name");
        return Err(Some(name.to_owned()));
    }
    Ok(Some((name, place)))
}

/// Takes a name that nobody has taken.
fn clash(reader: &mut Reader, taken: &mut HashMap<String, (Span, bool)>, name: &str, place: Span, given: bool) -> Result<(), Faulty> {
    let Some((other, other_given)) = taken.get(name).cloned() else {
        taken.insert(name.to_owned(), (place, given));
        return Ok(());
    };
    let name = quoted(name);
    Err(match (given, other_given) {
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
    })
}

/// The last layer, as a loss sees it.
#[derive(Debug)]
pub(super) struct Last {
    pub name: String,
    pub shape: Result<Vec<usize>, Faulty>,
    /// The activation that computes its output; `None` for a layer without one.
    pub activation: Result<Option<&'static str>, Faulty>,
}

/// The highest rank that a layer which reads the network's input wants of it.
pub(super) fn wanted_rank(entries: &[Entry<'_, '_>]) -> Option<usize> {
    let readers = entries.iter().filter(|entry| entry.from.as_ref().is_ok_and(|from| from.contains(&None)));
    readers.filter_map(|entry| entry.kind.ok()?.rank).max()
}

/// The layers as a network without its loss, and the last one; what cannot be built is reported, and what comes after it is checked as far as possible.
pub(super) fn chain(
    reader: &mut Reader,
    entries: &[Entry<'_, '_>],
    input: Result<&[usize], Faulty>,
) -> (Result<Chain, Faulty>, Option<Last>) {
    let mut chain = input.map(Chain::new);
    let mut shapes: Vec<Result<Vec<usize>, Faulty>> = Vec::with_capacity(entries.len());
    let mut last = None;
    for entry in entries {
        let Made { layer, shape, activation } = build(reader, entries, entry, &shapes, input);
        shapes.push(shape.clone());
        last = Some(Last { name: entry.name.clone(), shape, activation });
        match (layer, &mut chain, &entry.kind, &entry.from) {
            (Ok(layer), Ok(chain), Ok(kind), Ok(from)) => chain.layer(&entry.name, kind.name, layer, from),
            _ => chain = Err(Faulty),
        }
    }
    (chain, last)
}

/// What is known of a layer.
struct Made {
    layer: Result<Layer, Faulty>,
    /// The shape of its output.
    shape: Result<Vec<usize>, Faulty>,
    activation: Result<Option<&'static str>, Faulty>,
}

/// The shape of what a layer computes.
fn output(layer: &Layer) -> Vec<usize> {
    layer.stages.last().map_or_else(Vec::new, |stage| stage.shape.clone())
}

/// One layer.
fn build(
    reader: &mut Reader,
    entries: &[Entry<'_, '_>],
    entry: &Entry<'_, '_>,
    shapes: &[Result<Vec<usize>, Faulty>],
    input: Result<&[usize], Faulty>,
) -> Made {
    let shape_of = |from: &Option<usize>| from.map_or(input, |n| shapes[n].as_deref().map_err(|&fault| fault));
    let inputs: Result<Vec<&[usize]>, Faulty> =
        entry.from.as_ref().map_err(|&fault| fault).and_then(|from| from.iter().map(shape_of).collect());
    let known = inputs.is_ok();
    // where they are not known, two suppositions: what is the same with both does not depend on them
    let (rank, count) = entry.kind.map_or((1, 1), |kind| (kind.rank.unwrap_or(1), if kind.joins { 2 } else { 1 }));
    let lengths = [1, 2].map(|n| vec![n; rank]);
    let suppositions = || lengths.iter().map(|shape| vec![shape.as_slice(); count]).collect();
    let inputs: Vec<Vec<&[usize]>> = inputs.map_or_else(|Faulty| suppositions(), |inputs| vec![inputs]);
    let from = match entry.from.as_deref() {
        Ok([Some(n), ..]) => format!("the output of {}", entries[*n].name),
        _ => "the input of the network".to_owned(),
    };
    let shape = shape_words(inputs[0].first().copied().unwrap_or(&[]));
    let who = if entry.kind.is_ok() { &entry.name } else { "this layer" };
    let text = format!("its shape follows from the sizes of {} and its input, {shape} ({from})", entry.name);
    let mut keys = Keys::new(reader, Some(entry.table), entry.at.clone(), who, &inputs[0], &text);
    let Ok(kind) = entry.kind else {
        keys.look_at_rest(TENSORS, Some("activation"));
        return Made { layer: Err(Faulty), shape: Err(Faulty), activation: Err(Faulty) };
    };
    keys.sized = known;
    let mut layer = Err(Faulty);
    let mut shapes = Vec::with_capacity(inputs.len());
    for inputs in &inputs {
        keys.inputs = inputs;
        layer = (kind.build)(&mut keys);
        shapes.push(layer.as_ref().map(output).map_err(|&fault| fault));
    }
    keys.look_at_rest(kind.keys, kind.activation);
    // of an image, two sizes say too little
    let certain = if known { keys.sized } else { kind.rank == Some(1) && shapes[0] == shapes[1] };
    let shape = shapes.swap_remove(0).and_then(|shape| if certain { Ok(shape) } else { Err(Faulty) });
    Made { layer: if keys.sized { layer } else { Err(Faulty) }, shape, activation: keys.activation }
}

impl Last {
    /// Its shape in words, with its name.
    pub fn words(&self, shape: &[usize]) -> String {
        format!("the output of {} is {}", self.name, shape_words(shape))
    }
}
