//! Keys below the wrong [header], such as a `loss` after the last `[[layer]]`. Each is reported, and then read where it belongs, so that nothing follows
//! from it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::excerpt::quoted;
use super::reader::{Reader, Span, Table, Value};
use super::spelling::{self, KEYS};
use super::{graph, samples, train};
use crate::words::{self, At};

/// A key with its value, taken out of a table.
type Taken<'i> = (Spanned<std::borrow::Cow<'i, str>>, Value<'i>);

/// A table that keys are looked for in: its key in the file, its place, and its name in messages.
const TABLES: &[(&str, At, &str)] = &[
    ("layer", At::Layer, "a layer"),
    ("train", At::Train, "[train]"),
    ("graph", At::Graph, "[graph]"),
    ("sample", At::Sample, "[[sample]]"),
    ("note", At::Note, "[[note]]"),
    ("expect", At::Expect, "[[expect]]"),
];

/// Moves every key that is below the wrong header.
pub(super) fn mend<'i>(reader: &mut Reader, file: &mut Table<'i>) {
    let mut taken: Vec<(At, Taken<'i>)> = Vec::new();
    for (key, at, owner) in TABLES {
        let Some(value) = file.get_mut(*key) else { continue };
        for table in spelling::tables(value) {
            for home in [At::File, At::Train] {
                let keys = misplaced(table, *at, home);
                taken.extend(take(reader, table, &keys, owner, home));
            }
        }
    }
    for home in [At::Train, At::Graph] {
        let keys = misplaced(file, At::File, home);
        taken.extend(take(reader, file, &keys, "a scenario", home));
    }
    for (home, (key, value)) in taken {
        if let Some(table) = home_of(file, home, &key) {
            table.entry(key).or_insert(value);
        }
    }
}

/// The table of a home; made where it is not there, if with this key it is whole.
fn home_of<'f, 'i>(file: &'f mut Table<'i>, home: At, key: &Spanned<std::borrow::Cow<'i, str>>) -> Option<&'f mut Table<'i>> {
    let (name, whole) = match home {
        At::Train => ("train", key.get_ref() == "learning_rate"),
        At::Graph => ("graph", true),
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

/// The keys of a table at `at` that are those of `home`, with the words of `home` that they mean.
fn misplaced(table: &Table<'_>, at: At, home: At) -> Vec<(String, &'static str)> {
    let own: &[&str] = match at {
        At::Sample => samples::KEYS,
        At::Expect => super::place::EXPECT,
        At::Note => super::place::NOTE,
        At::Train => train::KEYS,
        // below [graph] these mean something else
        At::Graph => &["inputs", "nodes", "output", "input", "target", "loss"],
        At::File => KEYS,
        _ => &[],
    };
    let keys: &[&'static str] = match home {
        At::File => KEYS,
        At::Train => train::KEYS,
        // only with its nodes is a graph without its header certain
        _ if table.contains_key("nodes") => graph::KEYS,
        _ => &[],
    };
    let is_from = |key: &str| at == At::Layer && key == "input" && table.get(key).is_some_and(|value| spelling::fits("from", value));
    let foreign = table.keys().map(|key| key.get_ref().as_ref()).filter(|key| !own.contains(key) && !is_from(key));
    let meant = |key: &str| match keys.iter().find(|own| **own == key) {
        // words of the training stand in the file where its header was forgotten
        None if at == At::File && home == At::Train => words::translated(home, key, keys),
        found => found.copied(),
    };
    foreign.filter_map(|key| Some((key.to_owned(), meant(key)?))).collect()
}

/// Takes these keys out of a table that is not theirs, with one report of all.
fn take<'i>(reader: &mut Reader, table: &mut Table<'i>, keys: &[(String, &'static str)], owner: &str, home: At) -> Vec<(At, Taken<'i>)> {
    let place = |key: &str| table.get_key_value(key).map(|(key, _)| key.span());
    let first: Option<Span> = keys.iter().filter_map(|(key, _)| place(key)).min_by_key(|span| span.start);
    let Some(first) = first else { return Vec::new() };
    if reader.full() {
        return Vec::new();
    }
    let names: Vec<String> = keys.iter().map(|(key, _)| quoted(key)).collect();
    let (plural, belongs, it) = if keys.len() > 1 { ("keys", "they belong", "them") } else { ("key", "it belongs", "it") };
    let belongs = match home {
        At::File => format!("{belongs} to the whole file: move {it} above the first [header]"),
        At::Train => format!("{belongs} below a line [train]"),
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
