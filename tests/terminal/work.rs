//! Commands that take a while: how far they are, and Ctrl-C.

use std::fs;
use std::process::Command;

use tempfile::tempdir;

use crate::pty::Run;

/// Two convolutions and a linear layer: some 130 000 derivatives.
const LONG: &str = r#"
title = "Long"
input = { init = "uniform", low = -1.0, high = 1.0, shape = [3, 24, 24], seed = 1 }
target = 1
loss = "cross_entropy"
[[layer]]
type = "conv2d"
out_channels = 16
kernel_size = 3
padding = 1
weight = { init = "he_normal", seed = 2 }
bias = { init = "zeros" }
activation = "relu"
[[layer]]
type = "conv2d"
out_channels = 16
kernel_size = 3
padding = 1
weight = { init = "he_normal", seed = 3 }
bias = { init = "zeros" }
activation = "relu"
[[layer]]
type = "flatten"
[[layer]]
type = "linear"
out_features = 10
weight = { init = "xavier_uniform", seed = 4 }
bias = { init = "zeros" }
activation = "softmax"
"#;

/// A descent without an end that anybody sees.
const ENDLESS: &str = r#"
title = "Endless"
[graph]
inputs = { x = 3 }
nodes = ["J = x * x"]
[train]
learn = ["x"]
learning_rate = 1e-9
iterations = 1_000_000_000
"#;

/// It shows how far it is, on one line, and Ctrl-C ends it; what is then on the screen.
fn interrupted(command: &str, text: &str, shown: &str) -> String {
    let folder = tempdir().unwrap();
    let file = folder.path().join("long.toml");
    fs::write(&file, text).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    program.args([command.as_ref(), file.as_os_str()]).env("LC_ALL", "C.UTF-8");
    let mut run = Run::start(program);
    run.wait_for(shown);
    let rows: Vec<String> = run.screen().rows(0, 80).collect();
    assert!(rows[0].starts_with('[') && rows[0].contains(shown), "{rows:?}");
    assert!(rows[1..].iter().all(String::is_empty), "{rows:?}");
    run.press("\x03");
    assert_eq!(run.end().code(), Some(130));
    run.assert_restored();
    let screen = run.screen().contents();
    assert!(!screen.contains('[') && !screen.contains("^C"), "{screen}");
    screen
}

#[test]
fn gradcheck_says_how_far_it_is_and_where_it_was_stopped() {
    let said = interrupted("gradcheck", LONG, "derivatives");
    let (done, rest) = said.strip_prefix("stopped after ").and_then(|rest| rest.split_once(" of ")).expect(&said);
    assert!(done.parse::<u64>().is_ok_and(|done| done < 135_000), "{said}");
    assert!(rest.contains(" derivatives, in grad.") && rest.contains("; none of them off"), "{said}");
}

#[test]
fn train_says_how_far_it_is_and_where_it_was_stopped() {
    let said = interrupted("train", ENDLESS, "/1000000000  loss ");
    assert!(said.starts_with("stopped after iteration ") && said.contains("the loss of its batch was "), "{said}");
}
