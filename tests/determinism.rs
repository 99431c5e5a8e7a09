//! Tests that the output for a scenario has the same bytes in every run and build, on every machine, and with any number of threads.

use std::fs;
use std::process::Command;

use tempfile::tempdir;

/// The output of the program.
fn printed(arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    let output = command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn every_run_prints_the_same_bytes() {
    for scenario in ["figure-19", "mazur-2-2-2", "tests/valid/every-layer.toml", "tests/valid/every-init.toml", "tests/oracle/net-010.toml"]
    {
        for command in [&["grads", "--format", "json"][..], &["grads", "--format", "npz"], &["trace"], &["gradcheck", "--format", "json"]] {
            let arguments: Vec<&str> = command.iter().copied().chain([scenario]).collect();
            let first = printed(&arguments);
            assert!(first.len() > 100, "{arguments:?}");
            assert_eq!(first, printed(&arguments), "{arguments:?}");
        }
    }
    // momentum, weight decay, several samples
    for scenario in ["tests/oracle/net-010.toml", "tests/oracle/net-012.toml", "tests/oracle/net-033.toml"] {
        let arguments = ["train", "--format", "json", scenario];
        assert_eq!(printed(&arguments), printed(&arguments), "{scenario}");
    }
}

/// A scenario so large that kernels, random numbers and JSON are computed by several threads.
const LARGE: &str = r#"
title = "Much work"
loss = "squared_error"
target = [1]
input = { init = "normal", seed = 1, shape = [3, 64, 64] }
[train]
learning_rate = 1e-3
iterations = 2
[[layer]]
type = "conv2d"
weight = { init = "he_normal", seed = 2 }
out_channels = 40
kernel_size = 3
padding = 1
activation = "relu"
[[layer]]
type = "conv2d"
weight = { init = "he_normal", seed = 3 }
out_channels = 16
kernel_size = 3
stride = 2
[[layer]]
type = "flatten"
[[layer]]
type = "linear"
weight = { init = "uniform", low = -1, high = 1, seed = 4 }
out_features = 1
"#;

#[test]
fn any_number_of_threads_prints_the_same_bytes() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("large.toml");
    fs::write(&file, LARGE).expect("a scenario");
    let file = file.to_str().expect("a path");
    for arguments in [
        &["grads", file, "--format", "json"][..],
        &["grads", file, "--format", "npz"],
        &["train", file, "--format", "json"],
        &["gradcheck", file, "--format", "json", "--entries", "3"],
        &["gradcheck", "figure-01", "--format", "json", "--entries", "70"],
    ] {
        let printed_with = |threads| printed(&[arguments, &["--threads", threads]].concat());
        let one = printed_with("1");
        for threads in ["2", "3", "8"] {
            assert!(printed_with(threads) == one, "{arguments:?} with {threads} threads");
        }
    }
}

/// Compares with snapshots, which do not depend on the build or the processor. The scenarios call every elementary function.
#[test]
fn every_build_prints_the_same_bytes() {
    for (name, arguments) in [
        ("grads-all-activations", ["grads", "tests/oracle/made-all-activations.toml"]),
        ("grads-graph-functions", ["grads", "tests/oracle/made-graph-functions.toml"]),
        ("train-momentum", ["train", "tests/oracle/net-012.toml"]),
        ("gradcheck-samples", ["gradcheck", "tests/oracle/net-012.toml"]),
    ] {
        let text = String::from_utf8(printed(&[arguments[0], "--format", "json", arguments[1]])).expect("UTF-8");
        insta::assert_snapshot!(name, text);
    }
}
