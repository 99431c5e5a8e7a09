//! Error recovery for keys: reports the unknown keys of a file, and mends those whose meaning is clear.
//!
//! To mend a key means to report it, and then to change the parsed TOML as if the user had written the right key. For example, `sride = 2` becomes `stride =
//! 2`, and a `loss` below the wrong header is moved. Without this, a second fault would follow from the first, such as "loss is missing".

use toml::de::DeValue;

use super::keys::TENSORS;
use super::reader::{ScenarioReader, TomlTable, TomlValue};
use super::spelling::{KEYS, is_table_array, mend_key, mend_keys, tables, unknown_keys};
use super::{addresses, graph, init, layers, misplaced, sample, samples, stacked, train};
use crate::words::Vocabulary;

/// Reports and mends the unknown keys of a whole file. It begins with misspelt headers, continues with keys below the wrong header, and ends with misspelt
/// keys.
pub(super) fn mend(reader: &mut ScenarioReader, file: &mut TomlTable<'_>) {
    mend_sample_headers(reader, file);
    let reported_headers = mend_headers(reader, file);
    misplaced::mend(reader, file);
    for (key, span) in unknown_keys(file, KEYS).into_iter().filter(|(key, _)| !reported_headers.contains(key)) {
        mend_key(reader, file, &key, span, KEYS, Vocabulary::FileKey, "a scenario");
    }
    mend_tensors(reader, file, samples::TENSORS);
    for (key, value) in file.iter_mut() {
        // the function that mends one table under this key, and those keys of the table that are tensors
        let (mend_table, tensors): (fn(&mut ScenarioReader, &mut TomlTable<'_>), &[&str]) = match key.get_ref().as_ref() {
            "graph" => (|reader, table| mend_keys(reader, table, graph::KEYS, Vocabulary::GraphKey, "[graph]"), &[]),
            "train" => (|reader, table| mend_keys(reader, table, train::KEYS, Vocabulary::TrainKey, "[train]"), &[]),
            "sample" => (|reader, table| mend_keys(reader, table, samples::KEYS, Vocabulary::SampleKey, "[[sample]]"), samples::TENSORS),
            "samples" => (|reader, table| mend_keys(reader, table, stacked::KEYS, Vocabulary::SampleKey, "[samples]"), samples::TENSORS),
            "note" => (|reader, table| mend_keys(reader, table, addresses::NOTE_KEYS, Vocabulary::NoteKey, "[[note]]"), &[]),
            "expect" => (|reader, table| mend_keys(reader, table, addresses::EXPECT_KEYS, Vocabulary::ExpectKey, "[[expect]]"), &["value"]),
            "loss" => (sample::mend, &["gradient"]),
            "layer" => (layers::mend, TENSORS),
            _ => continue,
        };
        for table in tables(value) {
            mend_table(reader, table);
            mend_tensors(reader, table, tensors);
        }
    }
}

/// Reports and mends the header `[[samples]]`. It is probably `[[sample]]`, one table for each sample; the header `[samples]` begins one table for all samples.
fn mend_sample_headers(reader: &mut ScenarioReader, file: &mut TomlTable<'_>) {
    let Some((key, value)) = file.get_key_value("samples") else { return };
    if is_table_array(value) {
        let span = key.span();
        mend_key(reader, file, "samples", span, &["sample"], Vocabulary::FileKey, "a scenario");
    }
}

/// Reports and mends misspelt headers, so that the keys below them are checked too. Returns the headers that were reported.
fn mend_headers(reader: &mut ScenarioReader, file: &mut TomlTable<'_>) -> Vec<String> {
    let is_header = |value: &TomlValue<'_>| is_table_array(value) || matches!(value.get_ref(), DeValue::Table(_));
    let mut headers = unknown_keys(file, KEYS);
    // if the file also has `nodes` at the top level, `inputs` is not a misspelt header: it is a key of a graph whose header is missing
    let is_graph_key = |key: &str| key == "inputs" && file.contains_key("nodes");
    headers.retain(|(key, _)| file.get(key.as_str()).is_some_and(is_header) && !is_graph_key(key));
    for (key, span) in &headers {
        mend_key(reader, file, key, span.clone(), KEYS, Vocabulary::FileKey, "a scenario");
    }
    headers.into_iter().map(|(key, _)| key).collect()
}

/// Mends the keys inside `{ init = … }` and `{ file = … }`. `keys` are the keys of `table` whose values are tensors.
fn mend_tensors(reader: &mut ScenarioReader, table: &mut TomlTable<'_>, keys: &[&str]) {
    for key in keys {
        if let Some(DeValue::Table(tensor)) = table.get_mut(*key).map(TomlValue::get_mut) {
            init::mend(reader, tensor);
        }
    }
}
