//! Finds keys below the wrong `[header]`, such as a `loss` after the last `[[layer]]`. Each such key is reported, and moved to the right table if this
//! is possible. Without this, other faults would follow, such as "loss is missing".
//!
//! The right table of a key is called its home. A table is identified by the vocabulary of its keys. For example, if the home is [`Vocabulary::FileKey`], the
//! key belongs at the top level of the file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::excerpt::quoted;
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use super::spelling::{self, KEYS};
use super::{graph, layers, samples, train};
use crate::words::{self, Vocabulary};

/// A key and its value that were removed from a table.
type RemovedEntry<'i> = (Spanned<std::borrow::Cow<'i, str>>, TomlValue<'i>);

/// The tables in which misplaced keys are searched. Each has its key in the file, the vocabulary of its keys, and its name in messages.
const TABLES: &[(&str, Vocabulary, &str)] = &[
    ("layer", Vocabulary::LayerKey, "a layer"),
    ("train", Vocabulary::TrainKey, "[train]"),
    ("graph", Vocabulary::GraphKey, "[graph]"),
    ("sample", Vocabulary::SampleKey, "[[sample]]"),
    ("samples", Vocabulary::SampleKey, "[samples]"),
    ("note", Vocabulary::NoteKey, "[[note]]"),
    ("expect", Vocabulary::ExpectKey, "[[expect]]"),
];

/// Reports each key that is below the wrong header, and moves it to its right table. If that table has the key already, or must not be added (see
/// [`home_table`]), the key is dropped.
pub(super) fn mend<'i>(reader: &mut ScenarioReader, file: &mut TomlTable<'i>) {
    // the misplaced keys, each with its home
    let mut removed: Vec<(Vocabulary, RemovedEntry<'i>)> = Vec::new();
    // a key of one of these tables may belong at the top level or in [train]
    for (key, vocabulary, owner) in TABLES {
        let Some(value) = file.get_mut(*key) else { continue };
        for table in spelling::tables(value) {
            for home in [Vocabulary::FileKey, Vocabulary::TrainKey] {
                let keys = misplaced(table, *vocabulary, home);
                removed.extend(remove(reader, table, &keys, owner, home));
            }
        }
    }
    // a key at the top level may belong in [train] or [graph]
    for home in [Vocabulary::TrainKey, Vocabulary::GraphKey] {
        let keys = misplaced(file, Vocabulary::FileKey, home);
        removed.extend(remove(reader, file, &keys, "a scenario", home));
    }
    for (home, (key, value)) in removed {
        if let Some(table) = home_table(file, home, &key) {
            table.entry(key).or_insert(value); // if the home already has the key, it keeps its value
        }
    }
}

/// Returns the table `home`, to which `key` is moved.
///
/// If the file has no such table, an empty one is added. But `[train]` is added only for the key `learning_rate`: for any other key, a second fault would
/// follow, "`learning_rate` is missing".
fn home_table<'f, 'i>(
    file: &'f mut TomlTable<'i>,
    home: Vocabulary,
    key: &Spanned<std::borrow::Cow<'i, str>>,
) -> Option<&'f mut TomlTable<'i>> {
    let (name, may_add) = match home {
        Vocabulary::TrainKey => ("train", key.get_ref() == "learning_rate"),
        Vocabulary::GraphKey => ("graph", true),
        _ => return Some(file),
    };
    if !file.contains_key(name) && may_add {
        file.insert(Spanned::new(key.span(), name.into()), Spanned::new(key.span(), DeValue::Table(DeTable::new())));
    }
    match file.get_mut(name)?.get_mut() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

/// Returns the keys of `table` that belong in the table `home`. Each comes with its right name there: a top-level `lr` becomes the `learning_rate` of
/// `[train]`.
fn misplaced(table: &TomlTable<'_>, vocabulary: Vocabulary, home: Vocabulary) -> Vec<(String, &'static str)> {
    let own_keys: &[&str] = match vocabulary {
        Vocabulary::SampleKey => samples::KEYS,
        Vocabulary::ExpectKey => super::addresses::EXPECT_KEYS,
        Vocabulary::NoteKey => super::addresses::NOTE_KEYS,
        Vocabulary::TrainKey => train::KEYS,
        // `input`, `target` and `loss` are no keys of [graph], but do not belong at the top level either: they probably mean `inputs` and `output`
        Vocabulary::GraphKey => &["inputs", "nodes", "output", "input", "target", "loss"],
        Vocabulary::FileKey => KEYS,
        _ => &[],
    };
    let home_keys: &[&'static str] = match home {
        Vocabulary::FileKey => KEYS,
        Vocabulary::TrainKey => train::KEYS,
        // only the key `nodes` shows that the header [graph] is missing
        _ if table.contains_key("nodes") => graph::KEYS,
        _ => &[],
    };
    // below [[layer]], `input = "conv1"` probably means `from`, not the input of the network
    let is_from = |key: &str| {
        vocabulary == Vocabulary::LayerKey && key == "input" && table.get(key).is_some_and(|value| spelling::accepts("from", value))
    };
    // `eps` and `alpha` are keys of [train], but of some layers too
    let is_of_layer = |key: &str| vocabulary == Vocabulary::LayerKey && layers::keys().any(|layer_key| layer_key == key);
    let foreign = table.keys().map(|key| key.get_ref().as_ref()).filter(|key| !own_keys.contains(key));
    let name_at_home = |key: &str| match home_keys.iter().find(|home_key| **home_key == key) {
        // words of other libraries, such as `lr`, are translated only at the top of the file, where the header [train] may be missing
        None if vocabulary == Vocabulary::FileKey && home == Vocabulary::TrainKey => words::translation(home, key, home_keys),
        found => found.copied(),
    };
    // layers have many keys, so a key is searched among them only if it has a name at home
    let misplaced = foreign.filter_map(|key| Some((key, name_at_home(key)?))).filter(|(key, _)| !is_from(key) && !is_of_layer(key));
    misplaced.map(|(key, name)| (key.to_owned(), name)).collect()
}

/// Removes misplaced keys from a table, and reports all of them in one fault. `keys` has each key with its name in the table `home`. Returns each removed key
/// with `home`.
fn remove<'i>(
    reader: &mut ScenarioReader,
    table: &mut TomlTable<'i>,
    keys: &[(String, &'static str)],
    owner: &str,
    home: Vocabulary,
) -> Vec<(Vocabulary, RemovedEntry<'i>)> {
    let span_of = |key: &str| table.get_key_value(key).map(|(key, _)| key.span());
    let first: Option<Span> = keys.iter().filter_map(|(key, _)| span_of(key)).min_by_key(|span| span.start);
    let Some(first) = first else { return Vec::new() };
    if reader.is_full() {
        return Vec::new();
    }
    let names: Vec<String> = keys.iter().map(|(key, _)| quoted(key)).collect();
    // the words of the message, in the plural or the singular
    let (noun, it_belongs, them) = if keys.len() > 1 { ("keys", "they belong", "them") } else { ("key", "it belongs", "it") };
    let belongs = match home {
        Vocabulary::FileKey => format!("{it_belongs} to the whole file: move {them} above the first [header]"),
        Vocabulary::TrainKey => format!("{it_belongs} below a line [train]"),
        _ => format!("{it_belongs} below a line [graph]"),
    };
    let renamed = keys.iter().filter(|(key, name)| key != name).map(|(key, name)| format!("{} is called \"{name}\" here", quoted(key)));
    let renamed: Vec<String> = renamed.collect();
    let new_names = if renamed.is_empty() { String::new() } else { format!("{}, and ", renamed.join(", ")) };
    reader.report(first, format!("{owner} has no {noun} {}", names.join(", ")), format!("{new_names}{belongs}"));
    let mut removed = Vec::with_capacity(keys.len());
    for (key, name) in keys {
        if let Some((mut key, value)) = table.remove_entry(key.as_str()) {
            *key.get_mut() = (*name).into();
            removed.push((home, (key, value)));
        }
    }
    removed
}
