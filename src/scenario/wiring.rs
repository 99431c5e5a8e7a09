//! Finds the inputs of each layer. They are the layers under its key `from`; without this key, it is the previous layer.

use std::collections::HashSet;

use toml::de::DeValue;

use super::excerpt::quoted;
use super::names::LayerNames;
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use crate::op::layer::{LayerKind, Reported};
use crate::words::suggest;

/// The name of the network's input in `from`.
const INPUT: &str = "input";

/// A `[[layer]]` table of the file, before the layer is built.
#[derive(Debug)]
pub(super) struct LayerEntry<'t, 'i> {
    pub table: &'t TomlTable<'i>,
    /// The position for messages: the value of `type`, or the beginning of the table if it has no `type`.
    pub at: Span,
    pub name: String,
    pub kind: Result<&'static LayerKind, Reported>,
    /// The inputs of the layer: for each one the index of a layer, or `None` for the network's input.
    pub from: Result<Vec<Option<usize>>, Reported>,
}

/// Reads the `from` of every layer. Reports a layer whose output no other layer reads.
pub(super) fn resolve(reader: &mut ScenarioReader, entries: &mut [LayerEntry<'_, '_>], names: &LayerNames) {
    // a layer without the key keeps the previous layer, which its `from` has already
    for index in 0..entries.len() {
        if let Some(from) = read_from(reader, entries, index, names) {
            entries[index].from = from;
        }
    }
    if entries.iter().any(|entry| entry.from.is_err()) {
        return;
    }
    let mut is_read = vec![false; entries.len()];
    for &index in entries.iter().flat_map(|entry| entry.from.iter().flatten().flatten()) {
        is_read[index] = true;
    }
    is_read.pop(); // the last layer is the output of the network, so no layer reads it
    let Some(first_unread) = is_read.iter().position(|read| !read) else { return };
    for (entry, _) in entries.iter().zip(is_read).filter(|(_, read)| !read) {
        let message = format!("no layer reads the output of {}", quoted(&entry.name));
        reader.report(entry.at.clone(), message, "name it in the from of a later layer, or remove it");
    }
    // probably a later `from` should have named this layer, so the inputs of all later layers with a `from` are uncertain
    for entry in entries[first_unread + 1..].iter_mut().filter(|entry| entry.table.contains_key("from")) {
        entry.from = Err(Reported);
    }
}

/// Returns the names in faulty `from` keys that are not names of layers.
pub(super) fn missing(entries: &[LayerEntry<'_, '_>], names: &LayerNames) -> HashSet<String> {
    let values = entries.iter().filter(|entry| entry.from.is_err()).filter_map(|entry| Some(entry.table.get("from")?.get_ref()));
    let used_names = values.flat_map(|value| match value {
        DeValue::Array(items) => items.iter().filter_map(|item| item.get_ref().as_str()).collect(),
        value => value.as_str().into_iter().collect::<Vec<_>>(),
    });
    used_names.filter(|name| !names.indices.contains_key(*name)).map(str::to_owned).collect()
}

/// Reads the `from` of the layer with this index. Returns `None` if the layer has no `from` and needs none. The result has the index of each layer that this
/// layer reads; `None` stands for the network's input.
fn read_from(
    reader: &mut ScenarioReader,
    entries: &[LayerEntry<'_, '_>],
    index: usize,
    names: &LayerNames,
) -> Option<Result<Vec<Option<usize>>, Reported>> {
    let LayerEntry { table, at, kind, .. } = &entries[index];
    // `None` if the type of the layer is unknown
    let reads_several = kind.ok().map(|kind| kind.has_several_inputs);
    let help = "write from = [\"A\", \"B\"], with the names of two layers or more";
    let Some(value) = table.get("from") else {
        let missing = || Err(reader.report(at.clone(), "from is missing: which layers should this one read?", help));
        return (reads_several == Some(true)).then(missing);
    };
    Some(match (value.get_ref(), reads_several) {
        (DeValue::String(name), Some(false) | None) => layer_before(reader, names, index, name, value.span()).map(|from| vec![from]),
        (DeValue::Array(items), Some(true) | None) => {
            if items.len() < 2
                && let Ok(kind) = kind
            {
                return Some(Err(reader.report(
                    value.span(),
                    format!("a layer of type {} reads at least two layers, and from names {}", kind.name, items.len()),
                    help,
                )));
            }
            let read = |item: &TomlValue<'_>| match item.get_ref() {
                DeValue::String(name) => layer_before(reader, names, index, name, item.span()),
                _ => Err(reader.wrong_type("each entry of from", item, "the name of a layer", help)),
            };
            // all items are read before an error is returned, so that all their faults are reported
            let found: Vec<Result<Option<usize>, Reported>> = items.iter().map(read).collect();
            found.into_iter().collect()
        }
        (_, Some(true)) => Err(reader.wrong_type("from", value, "a list of layers", help)),
        _ => Err(reader.wrong_type("from", value, "the name of one layer", "only layers of the types add and cat read several")),
    })
}

/// Returns the index of the layer `name`, or `None` for the network's input. A layer can read only earlier layers, so a layer at or after `index` is a fault.
fn layer_before(reader: &mut ScenarioReader, names: &LayerNames, index: usize, name: &str, span: Span) -> Result<Option<usize>, Reported> {
    let help = "a layer reads the input or a layer before it";
    match names.indices.get(name) {
        _ if name == INPUT => Ok(None),
        Some(&found) if found < index => Ok(Some(found)),
        Some(&found) if found == index => Err(reader.report(span, format!("{} cannot read itself", quoted(name)), help)),
        Some(_) => Err(reader.report(span, format!("{} comes after this layer", quoted(name)), help)),
        // a layer whose name has a fault, or was not read, may have this name; or the list of faults is full. Then no fault is reported
        None if names.may_have(name) || reader.is_full() => Err(Reported),
        None => {
            let earlier = names.list[..index].iter().map(String::as_str);
            let near = suggest::nearest(name, std::iter::once(INPUT).chain(earlier));
            let help = near.map_or_else(|| help.to_owned(), suggest::did_you_mean);
            Err(reader.report(span, format!("there is no layer {}", quoted(name)), help))
        }
    }
}
