//! Reads the `[[layer]]` tables: their types, names and keys.

use std::collections::HashMap;

use toml::Spanned;
use toml::de::DeValue;

use super::excerpt::quoted;
use super::keys::{TENSORS, TableArgs};
use super::names::{LayerNames, UnknownNames};
use super::reader::{ScenarioReader, Span, TomlTable};
use super::wiring::LayerEntry;
use super::{spelling, wiring};
use crate::network::Chain;
use crate::op::LAYERS;
use crate::op::activation::{self, ACTIVATIONS, Activation};
use crate::op::layer::{Args, Layer, LayerKind, Reported};
use crate::tensor::shape_words;
use crate::words::{self, Vocabulary, suggest};

/// Names that a layer may not have, because tensors and addresses use them.
const RESERVED: [&str; 4] = ["input", "target", "loss", "grad"];

/// The layers of a file before they are built.
#[derive(Debug)]
pub(super) struct Layers<'t, 'i> {
    pub entries: Vec<LayerEntry<'t, 'i>>,
    pub names: LayerNames,
}

/// Reads types and names of the layers, and reports unknown types and name clashes. `all` is false if the file has more `[[layer]]` entries, invalid ones.
pub(super) fn layers<'t, 'i>(reader: &mut ScenarioReader, tables: Vec<(&'t TomlTable<'i>, Span)>, all: bool) -> Layers<'t, 'i> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut taken: HashMap<String, (Span, bool)> = HashMap::new();
    let mut entries = Vec::with_capacity(tables.len());
    let mut faulty = Vec::new();
    let mut unknown = if all { UnknownNames::None } else { UnknownNames::Any };
    for (table, span) in tables {
        let at = table.get("type").map_or(span, Spanned::span);
        let (kind, base) = kind(reader, table, &at);
        let number = counts.entry(base).and_modify(|n| *n += 1).or_insert(1);
        let default = format!("{base}{number}");
        let from = Ok(vec![entries.len().checked_sub(1)]);
        let mut entry = LayerEntry { table, at: at.clone(), name: default, kind, from };
        if kind.is_err() {
            unknown = unknown.max(UnknownNames::Default);
        }
        let given = match given_name(reader, table) {
            Err(name) => {
                if name.is_none() {
                    unknown = UnknownNames::Any;
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
            unknown = UnknownNames::Any;
        }
        entries.push(entry);
    }
    let mut names = LayerNames::new(entries.iter().map(|entry| entry.name.clone()).collect(), unknown, faulty);
    wiring::resolve(reader, &mut entries, &names);
    names.missing = wiring::missing(&entries, &names);
    Layers { entries, names }
}

/// Returns a layer's type and the base of its default name, such as `fc`; the base is empty if the type is unknown.
fn kind(reader: &mut ScenarioReader, table: &TomlTable<'_>, at: &Span) -> (Result<&'static LayerKind, Reported>, &'static str) {
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
    (Err(reader.fault(place, format!("there is no layer of type {}", quoted(name)), unknown(name, table))), "")
}

/// Returns the help text for an unknown type of layer and the keys of that layer.
fn unknown(name: &str, table: &TomlTable<'_>) -> String {
    let activations: Vec<&str> = ACTIVATIONS.iter().map(|activation| activation.name).collect();
    let is_activation = |row: Option<&str>| row.is_some() && words::translated(Vocabulary::Type, name, &types()).is_none();
    let activation = words::meant(Vocabulary::Activation, name, &activations);
    let answer = words::answer(Vocabulary::Type, name, &types(), |_| true);
    if let Some(function) =
        activation.filter(|_| answer.is_none() && suggest::nearest(name, types()).is_none() && is_activation(activation))
    {
        return format!(
            "{function} is an activation: write activation = \"{function}\" in the layer before, or type = \"activation\" and function = \"{function}\""
        );
    }
    let help = answer.unwrap_or_else(|| suggest::help(name, &types()));
    let Some(kind) = words::meant(Vocabulary::Type, name, &types()).and_then(find) else { return help };
    let known = known_keys(kind);
    let renamed = spelling::unknown_keys(table, &known).into_iter().filter_map(|(key, _)| {
        let is = words::meant_where(Vocabulary::Layer, &key, &known, |is| spelling::fits(is, &table[key.as_str()]))?;
        Some(format!("{} is called \"{is}\"", quoted(&key)))
    });
    let renamed: Vec<String> = renamed.collect();
    if renamed.is_empty() { help } else { format!("{help}; {}", renamed.join(", ")) }
}

/// Returns the names of all layer types.
fn types() -> Vec<&'static str> {
    LAYERS.iter().map(|kind| kind.name).collect()
}

/// The keys that every layer has.
const EVERY: [&str; 3] = ["type", "name", "from"];

/// Returns the keys of a type of layer, without those of its activation.
fn known_keys(kind: &LayerKind) -> Vec<&'static str> {
    EVERY.iter().chain(kind.keys).chain(&kind.activation).copied().collect()
}

/// Returns the keys of all layers and activations.
#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    LAYERS.iter().flat_map(known_keys).chain(ACTIVATIONS.iter().flat_map(|activation| activation.keys).map(|(key, _)| *key))
}

/// Corrects the keys of a layer.
pub(super) fn mend(reader: &mut ScenarioReader, table: &mut TomlTable<'_>) {
    mend_type(reader, table);
    // a layer of unknown type may have any key
    let Some(kind) = table.get("type").and_then(|name| find(name.get_ref().as_str()?)) else { return };
    let mut known = known_keys(kind);
    let activation = kind.activation.and_then(|key| match spelling::find(table, Vocabulary::Layer, key, &known)?.get_ref() {
        DeValue::String(name) => Some(activation::find(name)),
        _ => None,
    });
    known.extend(activation.flatten().iter().flat_map(|activation| activation.keys).map(|(key, _)| key));
    for (key, place) in spelling::unknown_keys(table, &known) {
        let owner = ACTIVATIONS.iter().find(|activation| activation.keys.iter().any(|(own, _)| *own == key));
        match (owner, activation) {
            (Some(_), Some(None)) => {} // the unknown activation is reported instead
            (Some(owner), _) if kind.activation.is_some() && words::translated(Vocabulary::Layer, &key, &known).is_none() => {
                let other = kind.activation.filter(|key| !table.contains_key(*key));
                let add = other.map_or_else(String::new, |key| format!("add {key} = \"{}\", or ", owner.name));
                let message = format!("{key} belongs to the activation \"{}\"", owner.name);
                reader.fault(place, message, format!("{add}leave it out"));
            }
            _ => {
                let article = if kind.name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
                spelling::mend_key(reader, table, &key, place, &known, Vocabulary::Layer, &format!("{article} {} layer", kind.name));
            }
        }
    }
}

/// Corrects the key `type` if it is misspelt or called by another word.
fn mend_type(reader: &mut ScenarioReader, table: &mut TomlTable<'_>) {
    if table.contains_key("type") {
        return;
    }
    let all: Vec<&str> = LAYERS.iter().flat_map(known_keys).collect();
    let is_type = |key: &str| {
        words::meant_where(Vocabulary::Layer, key, &EVERY, |is| is == "type" && spelling::fits(is, &table[key])) == Some("type")
    };
    let found = spelling::unknown_keys(table, &all).into_iter().find(|(key, _)| is_type(key));
    if let Some((key, place)) = found {
        spelling::mend_key(reader, table, &key, place, &["type"], Vocabulary::Layer, "a layer");
    }
}

fn find(name: &str) -> Option<&'static LayerKind> {
    LAYERS.iter().find(|kind| kind.name == name)
}

/// Returns the name that the file gives a layer, or the written text as an error if it is not a valid name.
fn given_name<'t>(reader: &mut ScenarioReader, table: &'t TomlTable<'_>) -> Result<Option<(&'t str, Span)>, Option<String>> {
    let Some((name, place)) = reader.string(table, "name").map_err(|Reported| None)? else { return Ok(None) };
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

/// Records a layer's name, or reports the layer that has it already. `given` is false for a default name.
fn clash(
    reader: &mut ScenarioReader,
    taken: &mut HashMap<String, (Span, bool)>,
    name: &str,
    place: Span,
    given: bool,
) -> Result<(), Reported> {
    let Some((other, other_given)) = taken.get(name).cloned() else {
        taken.insert(name.to_owned(), (place, given));
        return Ok(());
    };
    let name = quoted(name);
    Err(match (given, other_given) {
        (true, true) => {
            reader.fault_with(place, format!("two layers have the name {name}"), "choose another name", (other, "the first is here"))
        }
        // the default name cannot be changed, so the given one is reported
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

/// The last layer: what the loss needs to know of it.
#[derive(Debug)]
pub(super) struct LastLayer {
    pub name: String,
    pub shape: Result<Vec<usize>, Reported>,
    /// The activation that computes its output; `None` if it has none.
    pub activation: Result<Option<&'static Activation>, Reported>,
}

/// Returns the largest rank that is required by the layers which read the network's input.
pub(super) fn wanted_rank(entries: &[LayerEntry<'_, '_>]) -> Option<usize> {
    let readers = entries.iter().filter(|entry| entry.from.as_ref().is_ok_and(|from| from.contains(&None)));
    readers.filter_map(|entry| entry.kind.ok()?.rank).max()
}

/// The known tensors by layer name and part (`weight`, `z`, …), with their shapes if these are certain.
pub(super) type LayerTensors = HashMap<String, HashMap<&'static str, Option<Vec<usize>>>>;

/// Builds the layers. Returns the network without its loss, the tensors, and the last layer. A layer that cannot be built is reported, and the layers after
/// it are checked as far as possible.
pub(super) fn chain(
    reader: &mut ScenarioReader,
    entries: &[LayerEntry<'_, '_>],
    input: Result<&[usize], Reported>,
) -> (Result<Chain, Reported>, LayerTensors, Option<LastLayer>) {
    let mut chain = input.map(Chain::new);
    let mut shapes: Vec<Result<Vec<usize>, Reported>> = Vec::with_capacity(entries.len());
    let mut tensors = LayerTensors::new();
    let mut last = None;
    for entry in entries {
        let BuiltLayer { layer, tensors: own, shape, activation } = build(reader, entries, entry, &shapes, input);
        shapes.push(shape.clone());
        last = Some(LastLayer { name: entry.name.clone(), shape, activation });
        tensors.extend(own.map(|own| (entry.name.clone(), own)));
        let added = match (layer, &mut chain, &entry.kind, &entry.from) {
            // a mismatch is already reported
            (Ok(layer), Ok(chain), Ok(kind), Ok(from)) => chain.layer(&entry.name, kind.name, layer, from).map_err(|_| Reported),
            _ => Err(Reported),
        };
        if added.is_err() {
            chain = Err(Reported);
        }
    }
    (chain, tensors, last)
}

/// A built layer, as far as it is known.
struct BuiltLayer {
    layer: Result<Layer, Reported>,
    /// The tensors, if all their names are known.
    tensors: Option<HashMap<&'static str, Option<Vec<usize>>>>,
    /// The shape of the output.
    shape: Result<Vec<usize>, Reported>,
    activation: Result<Option<&'static Activation>, Reported>,
}

/// Returns the tensors of a layer, with their shapes if the shapes of the stages are certain.
fn tensors(layer: &Layer, stages: Option<&[Vec<usize>]>) -> HashMap<&'static str, Option<Vec<usize>>> {
    let constants = layer.stages.iter().flat_map(|stage| &stage.constants);
    let given = layer.parameters.iter().chain(constants).map(|leaf| (leaf.symbols.suffix, stages.map(|_| leaf.shape.clone())));
    let shape = |n: usize| stages.map(|shapes| shapes[n].clone());
    given.chain(layer.stages.iter().enumerate().map(|(n, stage)| (stage.symbols.suffix, shape(n)))).collect()
}

/// Returns the shape of the last stage.
fn ends(stages: &Result<Vec<Vec<usize>>, Reported>) -> Result<Option<&Vec<usize>>, &Reported> {
    stages.as_ref().map(|stages| stages.last())
}

/// Returns two assumed lists of input shapes for a layer whose input is unknown: an output shape that is the same for both does not depend on the input.
fn supposed<'a>(kind: Result<&LayerKind, Reported>, lengths: &'a [Vec<usize>; 2]) -> Vec<Vec<&'a [usize]>> {
    let count = kind.map_or(1, |kind| if kind.joins { 2 } else { 1 });
    lengths.iter().map(|shape| vec![shape.as_slice(); count]).collect()
}

/// Builds one layer.
fn build(
    reader: &mut ScenarioReader,
    entries: &[LayerEntry<'_, '_>],
    entry: &LayerEntry<'_, '_>,
    shapes: &[Result<Vec<usize>, Reported>],
    input: Result<&[usize], Reported>,
) -> BuiltLayer {
    let shape_of = |from: &Option<usize>| from.map_or(input, |n| shapes[n].as_deref().map_err(|&fault| fault));
    let inputs: Result<Vec<&[usize]>, Reported> =
        entry.from.as_ref().map_err(|&fault| fault).and_then(|from| from.iter().map(shape_of).collect());
    let known = inputs.is_ok();
    let rank = entry.kind.map_or(1, |kind| kind.rank.unwrap_or(1));
    let lengths = [1, 2].map(|n| vec![n; rank]);
    let supposed = supposed(entry.kind, &lengths);
    let inputs: Vec<Vec<&[usize]>> = inputs.map_or_else(|Reported| supposed.clone(), |inputs| vec![inputs]);
    let from = match entry.from.as_deref() {
        Ok([Some(n), ..]) => format!("the output of {}", entries[*n].name),
        _ => "the input of the network".to_owned(),
    };
    let shape = shape_words(inputs[0].first().copied().unwrap_or(&[]));
    let who = if entry.kind.is_ok() { &entry.name } else { "this layer" };
    let text = format!("its shape follows from the sizes of {} and its input, {shape} ({from})", entry.name);
    let mut keys = TableArgs::new(reader, Some(entry.table), entry.at.clone(), who, &inputs[0], &text);
    let Ok(kind) = entry.kind else {
        keys.read_unread(TENSORS, Some("activation"));
        return BuiltLayer { layer: Err(Reported), tensors: None, shape: Err(Reported), activation: Err(Reported) };
    };
    keys.sized = known;
    keys.reads_input = matches!(entry.from.as_deref(), Ok([None]));
    let mut layer = Err(Reported);
    let mut shapes = Vec::with_capacity(inputs.len());
    for inputs in &inputs {
        keys.inputs = inputs;
        layer = (kind.build)(&mut keys);
        let inferred = layer.as_ref().map_err(|&fault| fault).map(|layer| layer.shapes(inputs));
        shapes.push(inferred.and_then(|shapes| shapes.map_err(|mismatch| keys.fail("type", mismatch.to_string(), ""))));
    }
    // for images, two assumed sizes prove nothing
    let certain = if known { keys.sized && !keys.doubtful } else { kind.rank == Some(1) && ends(&shapes[0]) == ends(&shapes[1]) };
    if known && layer.is_err() {
        // the input does not fit: check the layer's keys with assumed inputs
        keys.sized = false;
        for inputs in &supposed {
            keys.inputs = inputs;
            let _ = (kind.build)(&mut keys);
        }
    }
    keys.read_unread(kind.keys, kind.activation);
    let stages = shapes.swap_remove(0);
    let shape = stages.clone().and_then(|shapes| if certain { shapes.last().cloned().ok_or(Reported) } else { Err(Reported) });
    let whole = keys.sized && !keys.doubtful;
    let tensors = layer.as_ref().ok().map(|layer| tensors(layer, stages.as_deref().ok().filter(|_| whole)));
    BuiltLayer { layer: if whole { layer } else { Err(Reported) }, tensors, shape, activation: keys.activation }
}

impl LastLayer {
    /// Returns the shape in words: "the output of fc1 is a vector of 2 numbers".
    pub fn words(&self, shape: &[usize]) -> String {
        format!("the output of {} is {}", self.name, shape_words(shape))
    }
}
