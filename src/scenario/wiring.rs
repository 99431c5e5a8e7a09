//! Resolves the inputs of the layers: `from`, or the layer before.

use std::collections::HashSet;

use toml::de::DeValue;

use super::excerpt::quoted;
use super::names::LayerNames;
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use crate::op::layer::{LayerKind, Reported};
use crate::words::suggest;

/// The name of the network's input.
const INPUT: &str = "input";

/// A layer of the file before it is built.
#[derive(Debug)]
pub(super) struct LayerEntry<'t, 'i> {
    pub table: &'t TomlTable<'i>,
    /// The position that messages point to: the layer's type, or its beginning.
    pub at: Span,
    pub name: String,
    pub kind: Result<&'static LayerKind, Reported>,
    /// The numbers of the layers that it reads; `None` is the network's input.
    pub from: Result<Vec<Option<usize>>, Reported>,
}

/// Reads every `from`, and reports layers that no other layer reads.
pub(super) fn resolve(reader: &mut ScenarioReader, entries: &mut [LayerEntry<'_, '_>], names: &LayerNames) {
    for number in 0..entries.len() {
        if let Some(from) = from(reader, entries, number, names) {
            entries[number].from = from;
        }
    }
    if entries.iter().any(|entry| entry.from.is_err()) {
        return;
    }
    let mut read = vec![false; entries.len()];
    for &number in entries.iter().flat_map(|entry| entry.from.iter().flatten().flatten()) {
        read[number] = true;
    }
    read.pop(); // the last is the output
    let Some(first) = read.iter().position(|read| !read) else { return };
    for (entry, _) in entries.iter().zip(read).filter(|(_, read)| !read) {
        let message = format!("no layer reads the output of {}", quoted(&entry.name));
        reader.fault(entry.at.clone(), message, "name it in the from of a later layer, or remove it");
    }
    // a later `from` may be the wrong one, so do not rely on any
    for entry in entries[first + 1..].iter_mut().filter(|entry| entry.table.contains_key("from")) {
        entry.from = Err(Reported);
    }
}

/// Returns the unknown names in the `from` of the layers.
pub(super) fn missing(entries: &[LayerEntry<'_, '_>], names: &LayerNames) -> HashSet<String> {
    let said = entries.iter().filter(|entry| entry.from.is_err()).filter_map(|entry| Some(entry.table.get("from")?.get_ref()));
    let said = said.flat_map(|said| match said {
        DeValue::Array(items) => items.iter().filter_map(|item| item.get_ref().as_str()).collect(),
        said => said.as_str().into_iter().collect::<Vec<_>>(),
    });
    said.filter(|name| !names.numbers.contains_key(*name)).map(str::to_owned).collect()
}

/// Reads the `from` of a layer; `None` if it has none and needs none.
fn from(
    reader: &mut ScenarioReader,
    entries: &[LayerEntry<'_, '_>],
    number: usize,
    names: &LayerNames,
) -> Option<Result<Vec<Option<usize>>, Reported>> {
    let LayerEntry { table, at, kind, .. } = &entries[number];
    let joins = kind.ok().map(|kind| kind.joins);
    let help = "write from = [\"A\", \"B\"], with the names of two layers or more";
    let Some(value) = table.get("from") else {
        let missing = || Err(reader.fault(at.clone(), "from is missing: which layers should this one add?", help));
        return (joins == Some(true)).then(missing);
    };
    Some(match (value.get_ref(), joins) {
        (DeValue::String(name), Some(false) | None) => before(reader, names, number, name, value.span()).map(|from| vec![from]),
        (DeValue::Array(items), Some(true) | None) => {
            if items.len() < 2 && joins.is_some() {
                return Some(Err(reader.fault(
                    value.span(),
                    format!("an add layer reads at least two layers, and from names {}", items.len()),
                    help,
                )));
            }
            let read = |item: &TomlValue<'_>| match item.get_ref() {
                DeValue::String(name) => before(reader, names, number, name, item.span()),
                _ => Err(reader.wrong_type("each entry of from", item, "the name of a layer", help)),
            };
            // collected first, so that all errors are reported
            let found: Vec<Result<Option<usize>, Reported>> = items.iter().map(read).collect();
            found.into_iter().collect()
        }
        (_, Some(true)) => Err(reader.wrong_type("from", value, "a list of layers", help)),
        _ => Err(reader.wrong_type("from", value, "the name of one layer", "only an add layer reads several")),
    })
}

/// Returns the number of the layer `name`, which must come before layer `number`; `None` for the network's input.
fn before(reader: &mut ScenarioReader, names: &LayerNames, number: usize, name: &str, place: Span) -> Result<Option<usize>, Reported> {
    let help = "a layer reads the input or a layer before it";
    match names.numbers.get(name) {
        _ if name == INPUT => Ok(None),
        Some(&found) if found < number => Ok(Some(found)),
        Some(&found) if found == number => Err(reader.fault(place, format!("{} cannot read itself", quoted(name)), help)),
        Some(_) => Err(reader.fault(place, format!("{} comes after this layer", quoted(name)), help)),
        None if names.may_have(name) || reader.full() => Err(Reported),
        None => {
            let before = names.list[..number].iter().map(String::as_str);
            let near = suggest::nearest(name, std::iter::once(INPUT).chain(before));
            let help = near.map_or_else(|| help.to_owned(), suggest::question);
            Err(reader.fault(place, format!("there is no layer {}", quoted(name)), help))
        }
    }
}
