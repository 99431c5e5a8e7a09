//! Error recovery for keys: reports unknown keys of the whole file, and corrects those that are misspelt or below the wrong header.

use toml::de::DeValue;

use super::keys::TENSORS;
use super::reader::{ScenarioReader, TomlTable, TomlValue};
use super::spelling::{KEYS, is_list, mend_key, mend_keys, tables, unknown_keys};
use super::{graph, init, layers, misplaced, place, sample, samples, train};
use crate::words::Vocabulary;

/// Corrects the keys of a whole file.
pub(super) fn mend(reader: &mut ScenarioReader, file: &mut TomlTable<'_>) {
    let reported = mend_headers(reader, file);
    misplaced::mend(reader, file);
    for (key, span) in unknown_keys(file, KEYS).into_iter().filter(|(key, _)| !reported.contains(key)) {
        mend_key(reader, file, &key, span, KEYS, Vocabulary::File, "a scenario");
    }
    mend_tensors(reader, file, samples::TENSORS);
    for (key, value) in file.iter_mut() {
        let (own, tensors): (fn(&mut ScenarioReader, &mut TomlTable<'_>), &[&str]) = match key.get_ref().as_ref() {
            "graph" => (|reader, table| mend_keys(reader, table, graph::KEYS, Vocabulary::Graph, "[graph]"), &[]),
            "train" => (|reader, table| mend_keys(reader, table, train::KEYS, Vocabulary::Train, "[train]"), &[]),
            "sample" => (|reader, table| mend_keys(reader, table, samples::KEYS, Vocabulary::Sample, "[[sample]]"), samples::TENSORS),
            "note" => (|reader, table| mend_keys(reader, table, place::NOTE, Vocabulary::Note, "[[note]]"), &[]),
            "expect" => (|reader, table| mend_keys(reader, table, place::EXPECT, Vocabulary::Expect, "[[expect]]"), &["value"]),
            "loss" => (sample::mend, &["gradient"]),
            "layer" => (layers::mend, TENSORS),
            _ => continue,
        };
        for table in tables(value) {
            own(reader, table);
            mend_tensors(reader, table, tensors);
        }
    }
}

/// Corrects misspelt headers, so that the keys below them are checked too. Returns the keys that it reported.
fn mend_headers(reader: &mut ScenarioReader, file: &mut TomlTable<'_>) -> Vec<String> {
    let is_header = |value: &TomlValue<'_>| is_list(value) || matches!(value.get_ref(), DeValue::Table(_));
    let mut headers = unknown_keys(file, KEYS);
    // `inputs` beside `nodes` belongs to a graph whose header is missing
    let is_graphs = |key: &str| key == "inputs" && file.contains_key("nodes");
    headers.retain(|(key, _)| file.get(key.as_str()).is_some_and(is_header) && !is_graphs(key));
    for (key, span) in &headers {
        mend_key(reader, file, key, span.clone(), KEYS, Vocabulary::File, "a scenario");
    }
    headers.into_iter().map(|(key, _)| key).collect()
}

/// Corrects the keys of the tensors `{ init = … }` and `{ file = … }` under these keys.
fn mend_tensors(reader: &mut ScenarioReader, table: &mut TomlTable<'_>, keys: &[&str]) {
    for key in keys {
        if let Some(DeValue::Table(tensor)) = table.get_mut(*key).map(TomlValue::get_mut) {
            init::mend(reader, tensor);
        }
    }
}
