//! Reports unknown keys, and mends misspelt ones: an unknown key gets the name of a key of the format that it probably means, if the table does not have this
//! key already. Otherwise, "sride is unknown" could be followed by the false message that the stride is missing.

use toml::de::DeValue;

use super::excerpt::quoted;
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use crate::words::{self, Vocabulary, suggest};

/// The top-level keys of a file.
pub(super) const KEYS: &[&str] = &[
    "title",
    "summary",
    "source",
    "notes",
    "format",
    "start",
    "input",
    "target",
    "loss",
    "layer",
    "graph",
    "note",
    "expect",
    "sample",
    "train",
    "samples",
    "layout",
    "image_layout",
];

/// The top-level keys whose values are arrays of tables, such as `[[layer]]`.
const TABLE_ARRAYS: &[&str] = &["layer", "note", "expect", "sample"];

/// Returns the tables in a value: the value itself if it is a table, or the tables among the items of an array.
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

/// Reports the keys of a table that are not among `known`, and mends probable misspellings. `owner` is the table's name in messages, such as `a layer`.
pub(super) fn mend_keys(reader: &mut ScenarioReader, table: &mut TomlTable<'_>, known: &[&str], vocabulary: Vocabulary, owner: &str) {
    for (key, span) in unknown_keys(table, known) {
        mend_key(reader, table, &key, span, known, vocabulary, owner);
    }
}

/// Returns the keys of a table that are not among `known`, with their positions.
pub(super) fn unknown_keys(table: &TomlTable<'_>, known: &[&str]) -> Vec<(String, Span)> {
    let unknown = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
    unknown.map(|key| (key.get_ref().to_string(), key.span())).collect()
}

/// Reports one key that is not among `known`. Mends it if it is a probable misspelling, or a word of another library. `vocabulary` says
/// which keys of the format these are, such as the keys of a layer.
pub(super) fn mend_key(
    reader: &mut ScenarioReader,
    table: &mut TomlTable<'_>,
    key: &str,
    span: Span,
    known: &[&str],
    vocabulary: Vocabulary,
    owner: &str,
) {
    let Some(value) = table.get(key).filter(|_| !reader.is_full()) else { return };
    // the user can mean only a key that accepts a value of this type
    let takes_value = |candidate: &str| accepts(candidate, value);
    let help = words::table_help(vocabulary, key, known, takes_value).unwrap_or_else(|| suggest::help(key, known));
    let correct_key = words::best_match_where(vocabulary, key, known, takes_value);
    reader.report(span, format!("{owner} has no key {}", quoted(key)), help);
    let Some(correct_key) = correct_key else { return };
    let wants_table_array = TABLE_ARRAYS.contains(&correct_key);
    if is_table_array(value) != wants_table_array {
        return;
    }
    // if the table has the right key too, the two values can be joined only if both are arrays of tables, such as [[layer]]
    if table.get(correct_key).is_some_and(|existing| !(wants_table_array && is_table_array(existing))) {
        return;
    }
    let Some((mut spanned_key, value)) = table.remove_entry(key) else { return };
    if let (Some(DeValue::Array(existing)), DeValue::Array(added)) = (table.get_mut(correct_key).map(TomlValue::get_mut), value.get_ref()) {
        added.iter().cloned().for_each(|table| existing.push(table));
        existing.sort_by_key(|table| table.span().start); // the order of the file
    } else {
        *spanned_key.get_mut() = correct_key.to_owned().into();
        table.insert(spanned_key, value);
    }
}

/// Returns whether a value is an array of tables. Only the first item is checked.
pub(super) fn is_table_array(value: &TomlValue<'_>) -> bool {
    matches!(value.get_ref(), DeValue::Array(items) if items.first().is_some_and(|item| matches!(item.get_ref(), DeValue::Table(_))))
}

/// Returns whether a key accepts a value of this type.
///
/// In other libraries, one word can mean two keys, and the type of the value decides between them: `filters = 8` means `out_channels`, and `filters = [[1, 2],
/// [3, 4]]` means `weight`.
pub(super) fn accepts(key: &str, value: &TomlValue<'_>) -> bool {
    let is_name = |value: &TomlValue<'_>| matches!(value.get_ref(), DeValue::String(_));
    match (key, value.get_ref()) {
        ("from", DeValue::Array(items)) => items.iter().all(is_name),
        ("from" | "function" | "activation" | "name" | "type", _) => is_name(value),
        ("kernel_size", DeValue::Array(items)) => items.iter().all(|item| matches!(item.get_ref(), DeValue::Integer(_))),
        ("kernel_size" | "out_channels" | "out_features", other) => matches!(other, DeValue::Integer(_)),
        ("weight" | "bias" | "input" | "target", other) => {
            !matches!(other, DeValue::String(_) | DeValue::Boolean(_)) && !is_table_array(value)
        }
        ("train" | "graph", other) => matches!(other, DeValue::Table(_)),
        ("layer" | "sample" | "note" | "expect", _) => is_table_array(value),
        _ => true,
    }
}

/// Returns the value of `key`. If the table does not have it, returns the value of an unknown key that probably means `key`.
pub(super) fn find_value<'t, 'i>(table: &'t TomlTable<'i>, vocabulary: Vocabulary, key: &str, known: &[&str]) -> Option<&'t TomlValue<'i>> {
    let means_key = |unknown: &str, value: &TomlValue<'_>| {
        words::best_match_where(vocabulary, unknown, known, |candidate| accepts(candidate, value)) == Some(key)
    };
    let misspelt = || {
        let unknown = unknown_keys(table, known).into_iter();
        unknown.filter_map(|(unknown, _)| Some((table.get(unknown.as_str())?, unknown))).find(|(value, unknown)| means_key(unknown, value))
    };
    table.get(key).or_else(|| Some(misspelt()?.0))
}
