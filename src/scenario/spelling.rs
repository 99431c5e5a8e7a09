//! Keys that no table of the format has. Each is reported; one that is likely a misspelling of a key that is not there is read as that, so that nothing
//! follows from it.

use toml::de::DeValue;

use super::excerpt::quoted;
use super::reader::{Reader, Span, Table, Value};
use super::{graph, init, layers, place, sample, samples, suggest, train};

/// The keys of the file itself.
const KEYS: &[&str] = &[
    "title", "summary", "source", "notes", "format", "start", "input", "target", "loss", "layer", "graph", "note", "expect", "sample",
    "train",
];

/// Those of them that are lists of tables.
const LISTS: &[&str] = &["layer", "note", "expect", "sample"];

/// Mends the keys of a whole file.
pub(super) fn mend(reader: &mut Reader, file: &mut Table<'_>) {
    mend_keys(reader, file, KEYS, "a scenario");
    mend_tensors(reader, file, samples::TENSORS);
    for (key, value) in file.iter_mut() {
        let (own, tensors): (fn(&mut Reader, &mut Table<'_>), &[&str]) = match key.get_ref().as_ref() {
            "graph" => (|reader, table| mend_keys(reader, table, graph::KEYS, "[graph]"), &[]),
            "train" => (|reader, table| mend_keys(reader, table, train::KEYS, "[train]"), &[]),
            "sample" => (|reader, table| mend_keys(reader, table, samples::KEYS, "[[sample]]"), samples::TENSORS),
            "note" => (|reader, table| mend_keys(reader, table, place::NOTE, "[[note]]"), &[]),
            "expect" => (|reader, table| mend_keys(reader, table, place::EXPECT, "[[expect]]"), &["value"]),
            "loss" => (sample::mend, &["gradient"]),
            "layer" => (layers::mend, layers::TENSORS),
            _ => continue,
        };
        for table in tables(value) {
            own(reader, table);
            mend_tensors(reader, table, tensors);
        }
    }
}

/// The table that a value is, or the tables of a list.
fn tables<'v, 'i>(value: &'v mut Value<'i>) -> Vec<&'v mut Table<'i>> {
    let values = match value.get_mut() {
        DeValue::Array(items) => items.iter_mut().map(Value::get_mut).collect(),
        value => vec![value],
    };
    let tables = values.into_iter().filter_map(|value| match value {
        DeValue::Table(table) => Some(table),
        _ => None,
    });
    tables.collect()
}

/// Mends the tables under these keys, which say how tensors are made.
fn mend_tensors(reader: &mut Reader, table: &mut Table<'_>, keys: &[&str]) {
    for key in keys {
        if let Some(DeValue::Table(tensor)) = table.get_mut(*key).map(Value::get_mut) {
            init::mend(reader, tensor);
        }
    }
}

/// Mends the keys of a table that are not among `known`.
pub(super) fn mend_keys(reader: &mut Reader, table: &mut Table<'_>, known: &[&str], owner: &str) {
    for (key, span) in foreign(table, known) {
        mend_key(reader, table, &key, span, known, owner);
    }
}

/// The keys of a table that are not among `known`, with their places.
pub(super) fn foreign(table: &Table<'_>, known: &[&str]) -> Vec<(String, Span)> {
    let foreign = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
    foreign.map(|key| (key.get_ref().to_string(), key.span())).collect()
}

/// Mends a key that is not among `known`.
pub(super) fn mend_key(reader: &mut Reader, table: &mut Table<'_>, key: &str, span: Span, known: &[&str], owner: &str) {
    if reader.full() {
        return;
    }
    reader.fault(span, format!("{owner} has no key {}", quoted(key)), suggest::help(key, known));
    let Some(meant) = suggest::nearest(key, known.iter().copied()) else { return };
    // [[layer]] may stand beside another [[layer]], and nothing else beside its like
    let listed = LISTS.contains(&meant);
    if table.get(key).is_none_or(|value| is_list(value) != listed) || table.get(meant).is_some_and(|value| !(listed && is_list(value))) {
        return;
    }
    let Some((mut place, value)) = table.remove_entry(key) else { return };
    if let (Some(DeValue::Array(all)), DeValue::Array(more)) = (table.get_mut(meant).map(Value::get_mut), value.get_ref()) {
        more.iter().cloned().for_each(|table| all.push(table));
        all.sort_by_key(|table| table.span().start);
    } else {
        *place.get_mut() = meant.to_owned().into();
        table.insert(place, value);
    }
}

/// Whether a value is a list of tables.
fn is_list(value: &Value<'_>) -> bool {
    matches!(value.get_ref(), DeValue::Array(items) if items.first().is_some_and(|item| matches!(item.get_ref(), DeValue::Table(_))))
}

/// What stands under a key, or under one that is a misspelling of it.
pub(super) fn find<'t, 'i>(table: &'t Table<'i>, key: &str, known: &[&str]) -> Option<&'t Value<'i>> {
    let is_meant = |other: &str| suggest::nearest(other, known.iter().copied()) == Some(key);
    let misspelt = || foreign(table, known).into_iter().find(|(other, _)| is_meant(other));
    table.get(key).or_else(|| table.get(misspelt()?.0.as_str()))
}
