//! Tests that read the bundled scenarios, the valid and invalid scenarios of `tests`, and randomly changed copies of valid ones.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use gradstep::app::Document;
use gradstep::files::Folder;
use gradstep::network::Run;
use gradstep::scenario::{Faults, Limits, Scenario, Source, read, read_with_files};
use gradstep::tensor::flat;
use proptest::prelude::*;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder.display());
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn read_bytes(path: &Path, bytes: Vec<u8>) -> Result<Scenario, Faults> {
    let name = stem(path);
    let source = Source::from_bytes(name.clone(), format!("{name}.toml"), bytes)?;
    read_with_files(source, Limits::default(), Arc::new(Folder::of(path).unwrap()))
}

#[test]
fn every_valid_scenario_reads_and_meets_its_expectations() {
    for path in files("scenarios").into_iter().chain(files("tests/valid")).chain(files("tests/exported")) {
        let shown = path.display();
        let scenario = read_bytes(&path, fs::read(&path).unwrap()).unwrap_or_else(|faults| panic!("{shown}:\n{faults}"));
        let document = Document::new(scenario);
        for expectation in &document.scenario.expectations {
            let trace = document.iteration(expectation.at.iteration.unwrap_or(1)).trace;
            let (run_index, tensor) = trace.tensor(&expectation.at).unwrap_or_else(|why| panic!("{shown}: {why}"));
            let values = trace.run(run_index).values(tensor);
            let values = expectation.entry.map_or(values, |at| &values[at..=at]);
            let are_close = values.iter().zip(flat(&expectation.value)).all(|(a, b)| (a - b).abs() <= expectation.tolerance);
            assert!(are_close, "{shown}:{}: {} is {values:?}, not {}", expectation.line, expectation.at, expectation.value);
        }
    }
}

/// Checks that the scenarios of `tests/exported` are those of the exporter in `docs`, and that each has PyTorch's gradients.
#[test]
fn the_exported_scenarios_are_those_of_the_exporter() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let exporter = fs::read(folder.join("docs/to_gradstep.py")).unwrap();
    let checksum = fs::read_to_string(folder.join("tests/exported/exporter.crc32")).unwrap();
    let help = "run python tests/exported/generate.py again, and look at the scenarios that it writes";
    assert_eq!(checksum.trim(), format!("{:08x}", crc32fast::hash(&exporter)), "{help}");
    let paths = files("tests/exported");
    assert!(paths.len() >= 12);
    // the expectations are PyTorch's gradients
    for path in paths {
        let expected =
            read_bytes(&path, fs::read(&path).unwrap()).unwrap_or_else(|faults| panic!("{}:\n{faults}", path.display())).expectations;
        assert!(expected.len() >= 3 && expected.iter().all(|expected| expected.tolerance <= 1e-10), "{}", path.display());
    }
}

#[test]
fn every_invalid_scenario_has_its_one_error() {
    let mut wrong = Vec::new();
    for path in files("tests/invalid") {
        let begin = Instant::now();
        match read_bytes(&path, fs::read(&path).unwrap()) {
            Ok(_) => wrong.push(format!("{} reads without a fault", path.display())),
            Err(faults) => {
                if faults.faults().len() != 1 {
                    wrong.push(format!("{} has {} faults:\n{faults}", path.display(), faults.faults().len()));
                }
                let text = faults.to_string();
                assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
                let took = begin.elapsed();
                assert!(took < Duration::from_secs(1), "{} took {took:?}", path.display());
                insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                    insta::assert_snapshot!(stem(&path), text);
                });
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Typical mistakes of people who know PyTorch, Keras, NumPy or a textbook. Each whole error message is a snapshot.
#[test]
fn mistakes_of_newcomers_are_explained() {
    for path in files("tests/newcomer") {
        let faults = read_bytes(&path, fs::read(&path).unwrap()).expect_err(&path.display().to_string());
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "snapshots/newcomer" }, {
            insta::assert_snapshot!(stem(&path), faults.to_string());
        });
    }
}

/// Mistakes with files of tensors, made by `tests/newcomer/files.py`: a scenario is checked, and any other file is opened. The snapshot has all messages.
#[test]
fn mistakes_with_files_of_tensors_are_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/newcomer/files");
    let mut names: Vec<String> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut text = String::new();
    for name in names {
        let is_scenario = Path::new(&name).extension().is_some_and(|end| end == "toml");
        let arguments: &[&str] = if is_scenario { &["check", &name] } else { &[&name] };
        let output = Command::new(env!("CARGO_BIN_EXE_gradstep")).args(arguments).current_dir(&folder).output().unwrap();
        assert!(matches!(output.status.code(), Some(0..=2)), "{name}: {:?}", output.status);
        let printed = [output.stdout, output.stderr].concat();
        writeln!(text, "$ gradstep {}\n{}", arguments.join(" "), String::from_utf8(printed).unwrap()).unwrap();
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "snapshots/newcomer" }, {
        insta::assert_snapshot!("files-of-tensors", text);
    });
}

#[test]
fn independent_faults_are_reported_together() {
    let text = r#"
titel = "two"
title = "many"
input = [[1, 2], [3]]
target = [1, "x"]
loss = "squared_eror"
start = "conv1.z["

[[layer]]
type = "linear"
weight = [[1, 2], [3]]
activation = "rellu"

[[layer]]
type = "lineer"

[[note]]
at = "fc1.z"
"#;
    let faults = read(Source { name: "many".into(), path_shown: "many.toml".into(), text: text.into() }, Limits::default()).unwrap_err();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("independent-faults", faults.to_string());
    });
}

/// The valid scenario files of less than 5000 bytes, with their texts.
static VALID: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| {
    let paths = files("tests/valid").into_iter().chain(files("scenarios"));
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).filter(|(_, bytes)| bytes.len() < 5_000).collect()
});

/// Tokens that have a meaning in a scenario.
const TOKENS: [&str; 16] =
    ["[", "]", "\"", "=", "-", "\n", "1e400", "{", "}", "0", "9999999999", "input", "[[layer]]\n", "#", "(", "\u{202e}"];

/// Replacements for a word or a number.
const WORDS: [&str; 40] = [
    "0",
    "-1",
    "1",
    "2",
    "3",
    "7",
    "1.5",
    "9223372036854775807",
    "1000000000",
    "40000",
    "[]",
    "[[1]]",
    "[1, 2]",
    "[0, 0]",
    "{ init = \"ones\" }",
    "{ init = \"uniform\", seed = 1, shape = [1, 3, 3] }",
    "true",
    "\"relu\"",
    "conv2d",
    "linear",
    "max_pool2d",
    "flatten",
    "activation",
    "softmax",
    "sigmoid",
    "weight",
    "bias",
    "stride",
    "padding",
    "dilation",
    "groups",
    "kernel_size",
    "out_channels",
    "out_features",
    "input",
    "target",
    "cross_entropy",
    "upstream",
    "exp",
    "max",
];

/// Replaces the `nth` word or number of a text by the word `WORDS[word_index]`.
fn reworded(text: &str, nth: prop::sample::Index, word_index: usize) -> String {
    let word = WORDS[word_index];
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let starts: Vec<usize> =
        text.char_indices().filter(|&(at, c)| is_word(c) && !text[..at].ends_with(is_word)).map(|(at, _)| at).collect();
    if starts.is_empty() {
        return text.to_owned();
    }
    let start = starts[nth.index(starts.len())];
    let end = text[start..].find(|c| !is_word(c)).map_or(text.len(), |length| start + length);
    format!("{}{word}{}", &text[..start], &text[end..])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reworded_scenarios_never_panic(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
    ) {
        let (path, bytes) = file.get(&VALID);
        let mut text = String::from_utf8(bytes.clone()).unwrap();
        for (nth, word) in changes {
            text = reworded(&text, nth, word.index(WORDS.len()));
        }
        match read_bytes(path, text.into_bytes()) {
            Ok(scenario) => drop(Run::new(&scenario.network, &scenario.sample_tensors(0))),
            Err(faults) => prop_assert!(!faults.faults().is_empty() && !faults.to_string().is_empty()),
        }
    }

    #[test]
    fn mutated_scenarios_never_panic(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8, any::<prop::sample::Index>()), 1..6),
    ) {
        let (path, bytes) = file.get(&VALID);
        let mut bytes = bytes.clone();
        for (at, byte, kind, token) in changes {
            let at = at.index(bytes.len().max(1)).min(bytes.len());
            // replaces a byte, removes one, cuts the file off, or inserts a token
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => { bytes.remove(at); }
                2 => bytes.truncate(at.max(1)),
                _ => { bytes.splice(at..at, token.get(&TOKENS).bytes()); }
            }
        }
        if let Err(faults) = read_bytes(path, bytes) {
            prop_assert!(!faults.faults().is_empty());
            let plain = faults.to_string();
            prop_assert!(!plain.chars().any(|c| c.is_control() && c != '\n'));
            let _ = faults.render(true);
        }
    }
}
