//! Finds keys below the wrong `[header]`, such as a `loss` after the last `[[layer]]`. Each is reported and then moved to the table where it belongs, so that
//! no other errors follow from it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::excerpt::quoted;
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use super::spelling::{self, KEYS};
use super::{graph, samples, train};
use crate::words::{self, Vocabulary};

/// A key and its value, removed from a table.
type Taken<'i> = (Spanned<std::borrow::Cow<'i, str>>, TomlValue<'i>);

/// The tables that are searched: the key in the file, the vocabulary of the table's keys, and the name in messages.
const TABLES: &[(&str, Vocabulary, &str)] = &[
    ("layer", Vocabulary::Layer, "a layer"),
    ("train", Vocabulary::Train, "[train]"),
    ("graph", Vocabulary::Graph, "[graph]"),
    ("sample", Vocabulary::Sample, "[[sample]]"),
    ("note", Vocabulary::Note, "[[note]]"),
    ("expect", Vocabulary::Expect, "[[expect]]"),
];

/// Moves every key that is below the wrong header to its own table.
pub(super) fn mend<'i>(reader: &mut ScenarioReader, file: &mut TomlTable<'i>) {
    let mut taken: Vec<(Vocabulary, Taken<'i>)> = Vec::new();
    for (key, at, owner) in TABLES {
        let Some(value) = file.get_mut(*key) else { continue };
        for table in spelling::tables(value) {
            for home in [Vocabulary::File, Vocabulary::Train] {
                let keys = misplaced(table, *at, home);
                taken.extend(take(reader, table, &keys, owner, home));
            }
        }
    }
    for home in [Vocabulary::Train, Vocabulary::Graph] {
        let keys = misplaced(file, Vocabulary::File, home);
        taken.extend(take(reader, file, &keys, "a scenario", home));
    }
    for (home, (key, value)) in taken {
        if let Some(table) = home_of(file, home, &key) {
            table.entry(key).or_insert(value);
        }
    }
}

/// Returns the table that `key` belongs to. A missing table is made if this key alone makes it complete.
fn home_of<'f, 'i>(
    file: &'f mut TomlTable<'i>,
    home: Vocabulary,
    key: &Spanned<std::borrow::Cow<'i, str>>,
) -> Option<&'f mut TomlTable<'i>> {
    let (name, whole) = match home {
        Vocabulary::Train => ("train", key.get_ref() == "learning_rate"),
        Vocabulary::Graph => ("graph", true),
        _ => return Some(file),
    };
    if !file.contains_key(name) && whole {
        file.insert(Spanned::new(key.span(), name.into()), Spanned::new(key.span(), DeValue::Table(DeTable::new())));
    }
    match file.get_mut(name)?.get_mut() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

/// Returns the keys of a table that belong to the table `home`, each with the right word for it there.
fn misplaced(table: &TomlTable<'_>, at: Vocabulary, home: Vocabulary) -> Vec<(String, &'static str)> {
    let own: &[&str] = match at {
        Vocabulary::Sample => samples::KEYS,
        Vocabulary::Expect => super::place::EXPECT,
        Vocabulary::Note => super::place::NOTE,
        Vocabulary::Train => train::KEYS,
        // these words have another meaning below [graph]
        Vocabulary::Graph => &["inputs", "nodes", "output", "input", "target", "loss"],
        Vocabulary::File => KEYS,
        _ => &[],
    };
    let keys: &[&'static str] = match home {
        Vocabulary::File => KEYS,
        Vocabulary::Train => train::KEYS,
        // only `nodes` proves that the header [graph] is missing
        _ if table.contains_key("nodes") => graph::KEYS,
        _ => &[],
    };
    let is_from =
        |key: &str| at == Vocabulary::Layer && key == "input" && table.get(key).is_some_and(|value| spelling::fits("from", value));
    let foreign = table.keys().map(|key| key.get_ref().as_ref()).filter(|key| !own.contains(key) && !is_from(key));
    let meant = |key: &str| match keys.iter().find(|own| **own == key) {
        // words for training settings are searched only at the top, where the header [train] may be missing
        None if at == Vocabulary::File && home == Vocabulary::Train => words::translated(home, key, keys),
        found => found.copied(),
    };
    foreign.filter_map(|key| Some((key.to_owned(), meant(key)?))).collect()
}

/// Removes keys from a table where they do not belong, and reports all of them in one error.
fn take<'i>(
    reader: &mut ScenarioReader,
    table: &mut TomlTable<'i>,
    keys: &[(String, &'static str)],
    owner: &str,
    home: Vocabulary,
) -> Vec<(Vocabulary, Taken<'i>)> {
    let place = |key: &str| table.get_key_value(key).map(|(key, _)| key.span());
    let first: Option<Span> = keys.iter().filter_map(|(key, _)| place(key)).min_by_key(|span| span.start);
    let Some(first) = first else { return Vec::new() };
    if reader.full() {
        return Vec::new();
    }
    let names: Vec<String> = keys.iter().map(|(key, _)| quoted(key)).collect();
    let (plural, belongs, it) = if keys.len() > 1 { ("keys", "they belong", "them") } else { ("key", "it belongs", "it") };
    let belongs = match home {
        Vocabulary::File => format!("{belongs} to the whole file: move {it} above the first [header]"),
        Vocabulary::Train => format!("{belongs} below a line [train]"),
        _ => format!("{belongs} below a line [graph]"),
    };
    let renamed: Vec<String> =
        keys.iter().filter(|(key, is)| key != is).map(|(key, is)| format!("{} is called \"{is}\" here", quoted(key))).collect();
    let renamed = if renamed.is_empty() { String::new() } else { format!("{}, and ", renamed.join(", ")) };
    reader.fault(first, format!("{owner} has no {plural} {}", names.join(", ")), format!("{renamed}{belongs}"));
    let mut taken = Vec::with_capacity(keys.len());
    for (key, is) in keys {
        if let Some((mut key, value)) = table.remove_entry(key.as_str()) {
            *key.get_mut() = (*is).into();
            taken.push((home, (key, value)));
        }
    }
    taken
}
