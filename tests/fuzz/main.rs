//! Fuzzing as a test: files of the project with random damage, and random keys. `PROPTEST_CASES` is the number of cases, and `PROPTEST_RNG_SEED` makes a run
//! repeatable; CONTRIBUTING explains how to run for hours. A case that fails is shrunk and printed.

mod mutation;
mod statements;
mod targets;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use gradstep::app::Document;
use gradstep::scenario::{self, Limits, Source};
use mutation::{Mutation, mutations};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

/// The files in these folders with one of these extensions, sorted by path.
fn files(folders: &[&str], extensions: &[&str]) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the project") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted)) {
                let bytes = fs::read(&path).expect("a file of the project");
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

/// The seeds of a target, which are undamaged files of the project. They are read once. Files of 20,000 bytes or more are left out, except sessions.
fn seeds(target: &'static str) -> &'static [(PathBuf, Vec<u8>)] {
    static SCENARIOS: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    static WEIGHTS: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    static SESSIONS: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    static GRADIENTS: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    static GRAPHS: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    let folders = ["scenarios", "tests/valid", "tests/invalid", "tests/published"];
    let small = |(_, bytes): &(PathBuf, Vec<u8>)| bytes.len() < 20_000;
    match target {
        "scenarios" => SCENARIOS.get_or_init(|| files(&folders, &["toml"]).into_iter().filter(small).collect()),
        "weights" => WEIGHTS.get_or_init(|| {
            files(&["tests/valid", "tests/invalid"], &["npy", "npz", "safetensors", "pt", "pth"]).into_iter().filter(small).collect()
        }),
        "gradients" => GRADIENTS.get_or_init(|| {
            let gradients = files(&["tests/diff"], &["json", "npz"]).into_iter();
            gradients.chain(seeds("weights").iter().cloned()).filter(small).collect()
        }),
        "graphs" => GRAPHS.get_or_init(|| files(&["tests/graphs"], &["toml"]).into_iter().filter(small).collect()),
        _ => SESSIONS.get_or_init(|| files(&["tests/sessions"], &["session"])),
    }
}

/// The files with weights that scenarios of the tests name.
fn weight_files() -> &'static Arc<targets::FilesInMemory> {
    static FILES: OnceLock<Arc<targets::FilesInMemory>> = OnceLock::new();
    FILES.get_or_init(|| {
        let named = |(path, bytes): &(PathBuf, Vec<u8>)| Some((format!("weights/{}", path.file_name()?.to_str()?), bytes.clone()));
        let valid = seeds("weights").iter().filter(|(path, _)| path.components().any(|component| component.as_os_str() == "valid"));
        Arc::new(targets::FilesInMemory(valid.filter_map(named).collect::<BTreeMap<_, _>>()))
    })
}

/// The bundled scenarios, open.
fn bundled_documents() -> &'static [Arc<Document>] {
    static DOCUMENTS: OnceLock<Vec<Arc<Document>>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let open = |(path, bytes): &(PathBuf, Vec<u8>)| {
            let name = path.file_stem()?.to_str()?.to_owned();
            let source = Source { path_shown: name.clone(), name, text: String::from_utf8(bytes.clone()).ok()? };
            Some(Arc::new(Document::new(scenario::read(source, Limits::default()).ok()?)))
        };
        files(&["scenarios"], &["toml"]).iter().filter_map(open).collect()
    })
}

/// A seed, and damage to it.
fn damaged() -> impl Strategy<Value = (Index, Vec<Mutation>)> {
    (any::<Index>(), mutations())
}

/// A configuration with this number of cases, unless `PROPTEST_CASES` gives another number.
fn config(cases: u32) -> ProptestConfig {
    let usual = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { usual } else { ProptestConfig { cases, ..usual } }
}

#[test]
fn damaged_scenarios() {
    proptest!(config(12_000), |((seed, damage) in damaged())| {
        let (_, bytes) = seed.get(seeds("scenarios"));
        targets::scenario(&mutation::apply(bytes, &damage), weight_files());
    });
}

/// Exercises and faulty texts of graphs with damage.
#[test]
fn damaged_graphs() {
    proptest!(config(4_000), |((seed, damage) in damaged())| {
        let (_, bytes) = seed.get(seeds("graphs"));
        targets::scenario(&mutation::apply(bytes, &damage), weight_files());
    });
}

#[test]
fn random_statements() {
    proptest!(config(6_000), |(text in statements::statements())| {
        targets::graph(text.as_bytes());
    });
}

/// Some of the random statements are valid, so that their steps are tested, too.
#[test]
fn some_random_statements_are_valid() {
    let mut runner = TestRunner::deterministic();
    let texts = (0..300).map(|_| statements::statements().new_tree(&mut runner).expect("statements").current());
    let valid = texts.filter(|text| targets::is_valid(text.as_bytes())).count();
    assert!(valid > 5, "{valid} of 300");
}

#[test]
fn damaged_weights() {
    proptest!(config(150_000), |((seed, damage) in damaged())| {
        let (path, bytes) = seed.get(seeds("weights"));
        targets::weights(&path.to_string_lossy(), &mutation::apply(bytes, &damage));
    });
}

#[test]
fn damaged_gradients() {
    proptest!(config(6_000), |((seed, damage) in damaged())| {
        let (path, bytes) = seed.get(seeds("gradients"));
        targets::gradients(&path.to_string_lossy(), &mutation::apply(bytes, &damage));
    });
}

#[test]
fn damaged_sessions() {
    proptest!(config(3_000), |((seed, damage) in damaged())| {
        let (_, bytes) = seed.get(seeds("sessions"));
        targets::session(&mutation::apply(bytes, &damage));
    });
}

#[test]
fn random_keys() {
    proptest!(config(1_000), |(document in any::<Index>(), bytes in prop::collection::vec(any::<u8>(), 0..120))| {
        targets::keys(document.get(bundled_documents()), &bytes);
    });
}

/// The targets are also tested with the undamaged seeds.
#[test]
fn undamaged_seeds_pass() {
    for (_, bytes) in seeds("scenarios") {
        targets::scenario(bytes, weight_files());
    }
    for (_, bytes) in seeds("graphs") {
        targets::scenario(bytes, weight_files());
    }
    for (path, bytes) in seeds("weights") {
        targets::weights(&path.to_string_lossy(), bytes);
    }
    for (path, bytes) in seeds("gradients") {
        targets::gradients(&path.to_string_lossy(), bytes);
    }
    for (_, bytes) in seeds("sessions") {
        targets::session(bytes);
    }
}
