//! Reports unknown keys. A key that is likely a misspelling of a missing key is renamed to it, so that no other errors follow from it.

use toml::de::DeValue;

use super::excerpt::quoted;
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use crate::words::{self, Vocabulary, suggest};

/// The top-level keys of a file.
pub(super) const KEYS: &[&str] = &[
    "title", "summary", "source", "notes", "format", "start", "input", "target", "loss", "layer", "graph", "note", "expect", "sample",
    "train",
];

/// The top-level keys that are arrays of tables.
const LISTS: &[&str] = &["layer", "note", "expect", "sample"];

/// Returns the value itself if it is a table, or the tables of an array.
pub(super) fn tables<'v, 'i>(value: &'v mut TomlValue<'i>) -> Vec<&'v mut TomlTable<'i>> {
    let values = match value.get_mut() {
        DeValue::Array(items) => items.iter_mut().map(TomlValue::get_mut).collect(),
        value => vec![value],
    };
    let tables = values.into_iter().filter_map(|value| match value {
        DeValue::Table(table) => Some(table),
        _ => None,
    });
    tables.collect()
}

/// Reports the keys of a table that are not among `known`, and corrects likely misspellings.
pub(super) fn mend_keys(reader: &mut ScenarioReader, table: &mut TomlTable<'_>, known: &[&str], at: Vocabulary, owner: &str) {
    for (key, span) in unknown_keys(table, known) {
        mend_key(reader, table, &key, span, known, at, owner);
    }
}

/// Returns the keys of a table that are not among `known`, with their positions.
pub(super) fn unknown_keys(table: &TomlTable<'_>, known: &[&str]) -> Vec<(String, Span)> {
    let foreign = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
    foreign.map(|key| (key.get_ref().to_string(), key.span())).collect()
}

/// Reports one key that is not among `known`, and corrects it if it is likely a misspelling.
pub(super) fn mend_key(
    reader: &mut ScenarioReader,
    table: &mut TomlTable<'_>,
    key: &str,
    span: Span,
    known: &[&str],
    at: Vocabulary,
    owner: &str,
) {
    let Some(value) = table.get(key).filter(|_| !reader.full()) else { return };
    let fits = |is: &str| fits(is, value);
    let help = words::answer(at, key, known, fits).unwrap_or_else(|| suggest::help(key, known));
    let meant = words::meant_where(at, key, known, fits);
    reader.fault(span, format!("{owner} has no key {}", quoted(key)), help);
    let Some(meant) = meant else { return };
    // only an array of tables, such as [[layer]], may be added to one that exists
    let listed = LISTS.contains(&meant);
    if table.get(key).is_none_or(|value| is_list(value) != listed) || table.get(meant).is_some_and(|value| !(listed && is_list(value))) {
        return;
    }
    let Some((mut place, value)) = table.remove_entry(key) else { return };
    if let (Some(DeValue::Array(all)), DeValue::Array(more)) = (table.get_mut(meant).map(TomlValue::get_mut), value.get_ref()) {
        more.iter().cloned().for_each(|table| all.push(table));
        all.sort_by_key(|table| table.span().start);
    } else {
        *place.get_mut() = meant.to_owned().into();
        table.insert(place, value);
    }
}

/// Returns whether a value is an array of tables.
pub(super) fn is_list(value: &TomlValue<'_>) -> bool {
    matches!(value.get_ref(), DeValue::Array(items) if items.first().is_some_and(|item| matches!(item.get_ref(), DeValue::Table(_))))
}

/// Returns whether a key takes a value of this type. It tells keys apart that have the same foreign word, such as `filters`.
pub(super) fn fits(key: &str, value: &TomlValue<'_>) -> bool {
    let is_name = |value: &TomlValue<'_>| matches!(value.get_ref(), DeValue::String(_));
    match (key, value.get_ref()) {
        ("from", DeValue::Array(items)) => items.iter().all(is_name),
        ("from" | "function" | "activation" | "name" | "type", _) => is_name(value),
        ("kernel_size", DeValue::Array(items)) => items.iter().all(|item| matches!(item.get_ref(), DeValue::Integer(_))),
        ("kernel_size" | "out_channels" | "out_features", other) => matches!(other, DeValue::Integer(_)),
        ("weight" | "bias" | "input" | "target", other) => !matches!(other, DeValue::String(_) | DeValue::Boolean(_)) && !is_list(value),
        ("train" | "graph", other) => matches!(other, DeValue::Table(_)),
        ("layer" | "sample" | "note" | "expect", _) => is_list(value),
        _ => true,
    }
}

/// Returns the value of a key, or of a misspelling of it.
pub(super) fn find<'t, 'i>(table: &'t TomlTable<'i>, at: Vocabulary, key: &str, known: &[&str]) -> Option<&'t TomlValue<'i>> {
    let is_meant =
        |other: &str| table.get(other).is_some_and(|value| words::meant_where(at, other, known, |is| fits(is, value)) == Some(key));
    let misspelt = || unknown_keys(table, known).into_iter().find(|(other, _)| is_meant(other));
    table.get(key).or_else(|| table.get(misspelt()?.0.as_str()))
}
