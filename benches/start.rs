//! Measures `gradstep grads FILE --format json` without the start of the process: `cargo bench --bench start`.
//!
//! N1 has layers of 2, 2 and 2 neurons. N2 has one filter on a 3x3 input. N3 is the network of figure 1, and its weights come from `init`, from the scenario
//! file or from an `.npz` file.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::LazyLock;

use gradstep::command;
use gradstep::scenario::{Limits, Scenario, Source, read};
use gradstep::weights::npz;
use tempfile::TempDir;

const N1: &str = r#"
title = "2-2-2"
input = [0.5, -1.0]
target = [1.0, 0.0]
loss = "squared_error"

[[layer]]
type = "linear"
weight = [[0.1, 0.2], [0.3, 0.4]]
bias = [0.1, 0.2]
activation = "sigmoid"

[[layer]]
type = "linear"
weight = [[0.5, 0.6], [0.7, 0.8]]
bias = [0.3, 0.4]
activation = "sigmoid"
"#;

const N2: &str = r#"
title  = "one filter on a 3x3 input"
input  = [[1, 2, 0], [0, 1, 3], [2, 1, 1]]
target = 1
loss   = "cross_entropy"

[[layer]]
type = "conv2d"
weight = [[1, 0], [0, -1]]
bias = 0.5
activation = "relu"

[[layer]]
type = "flatten"

[[layer]]
type = "linear"
weight = [[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]]
bias = [0, 0]
activation = "softmax"
"#;

const FIGURE_1: &str = include_str!("../scenarios/figure-01.toml");

/// The scenario files in [`FOLDER`].
const FILES: [&str; 5] = ["n1.toml", "n2.toml", "n3-init.toml", "n3-written.toml", "n3-npz.toml"];

fn scenario(text: &str) -> Scenario {
    let source = Source { name: "bench".into(), path_shown: "bench.toml".into(), text: text.into() };
    read(source, Limits::default()).expect("a scenario without faults")
}

/// Appends numbers in row-major order to `text`, as nested arrays of this shape.
fn push_nested(shape: &[usize], values: &[f64], text: &mut String) {
    let Some((n, inner)) = shape.split_first() else {
        write!(text, "{:?}", values[0]).expect("writing to a string succeeds");
        return;
    };
    text.push('[');
    for values in values.chunks(values.len() / n) {
        push_nested(inner, values, text);
        text.push_str(", ");
    }
    text.push(']');
}

/// Returns the text of figure 1 with the `init` of the n-th weight or bias replaced by `tensor(n)`.
fn figure_1(mut tensor: impl FnMut(usize) -> String) -> String {
    let mut number = 0..;
    let lines = FIGURE_1.lines().map(|line| match line.split_once(" = { init") {
        Some((key, _)) => format!("{key} = {}\n", tensor(number.next().expect("endless"))),
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// A folder with [`FILES`] and `weights.npz`.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    let figure = scenario(FIGURE_1);
    let parameters = figure.network.shared_tensors();
    let values = |n: usize| parameters[n].1.as_slice().expect("row by row");
    let named: Vec<npz::NamedTensor<'_>> = (0..parameters.len()).map(|n| (format!("p{n}"), parameters[n].1.shape(), values(n))).collect();
    let mut archive = Vec::new();
    npz::write(&mut archive, &named).expect("an archive");
    fs::write(folder.path().join("weights.npz"), archive).expect("a file");
    write("n1.toml", N1);
    write("n2.toml", N2);
    write("n3-init.toml", FIGURE_1);
    let written = figure_1(|n| {
        let mut text = String::new();
        push_nested(parameters[n].1.shape(), values(n), &mut text);
        text
    });
    write("n3-written.toml", &written);
    write("n3-npz.toml", &figure_1(|n| format!("{{ file = \"weights.npz\", key = \"p{n}\" }}")));
    folder
});

fn main_with(arguments: &[&str], file: &Path) -> ExitCode {
    command::main(["gradstep"].iter().chain(arguments).map(OsString::from).chain([file.into()]))
}

/// Measures reading a scenario, without computing anything. The last file is left out, because this reader opens no `.npz` file.
#[divan::bench(args = &FILES[..4])]
fn reading(bencher: divan::Bencher<'_, '_>, name: &str) {
    let text = fs::read_to_string(FOLDER.path().join(name)).expect("a file");
    bencher.bench(|| scenario(&text));
}

/// Measures the whole command, with its output discarded.
#[divan::bench(args = FILES)]
fn file_to_json(bencher: divan::Bencher<'_, '_>, name: &str) {
    let file = FOLDER.path().join(name);
    bencher.bench(|| main_with(&["grads", "--format", "json", "--output", "/dev/null"], &file));
}

fn main() {
    divan::main();
}
