//! A long command shows its progress, and Ctrl-C ends it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::{TempDir, tempdir};

use crate::pty::Run;

/// Two convolutions and a linear layer, with about 130 000 derivatives.
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

/// A descent that would not end within a test.
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

/// Checks that a command shows `progress` on one line and that Ctrl-C ends it. Returns the screen after that.
fn interrupted(command: &str, text: &str, progress: &str) -> String {
    let folder = tempdir().unwrap();
    let file = folder.path().join("long.toml");
    fs::write(&file, text).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    program.args([command.as_ref(), file.as_os_str()]).env("LC_ALL", "C.UTF-8");
    let mut run = Run::start(program);
    run.wait_for(progress);
    let rows: Vec<String> = run.screen().rows(0, 80).collect();
    assert!(rows[0].starts_with('[') && rows[0].contains(progress), "{rows:?}");
    assert!(rows[1..].iter().all(String::is_empty), "{rows:?}");
    run.press("\x03");
    assert_eq!(run.end().code(), Some(130));
    run.assert_restored();
    let screen = run.screen().contents();
    assert!(!screen.contains('[') && !screen.contains("^C"), "{screen}");
    screen
}

#[test]
fn gradcheck_shows_its_progress_and_where_it_stopped() {
    let said = interrupted("gradcheck", LONG, "derivatives");
    let (done, rest) = said.strip_prefix("stopped after ").and_then(|rest| rest.split_once(" of ")).expect(&said);
    assert!(done.parse::<u64>().is_ok_and(|done| done < 135_000), "{said}");
    assert!(rest.contains(" derivatives, in grad.") && rest.contains("; 0 off"), "{said}");
}

#[test]
fn train_shows_its_progress_and_where_it_stopped() {
    let said = interrupted("train", ENDLESS, "/1000000000  loss ");
    assert!(said.starts_with("stopped after iteration ") && said.contains("the loss of its batch was "), "{said}");
}

/// A descent with 10¹² iterations. The title is added in front.
const FAR: &str = r#"
loss = "squared_error"
target = [1]
input = [1]
[[layer]]
type = "linear"
weight = [[0.5]]
[train]
learning_rate = 1e-9
iterations = 1_000_000_000_000
"#;

/// A scenario that starts in a very far iteration, and one with an expected number there.
fn far() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempdir().unwrap();
    let (start, expects) = (folder.path().join("start.toml"), folder.path().join("expects.toml"));
    fs::write(&start, format!("title = \"far start\"\nstart = \"1000000000/loss\"{FAR}")).unwrap();
    fs::write(&expects, format!("title = \"far\"{FAR}[[expect]]\nat = \"100000000000/loss\"\nvalue = 0\n")).unwrap();
    (folder, start, expects)
}

fn gradstep(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    command.args(arguments).env("LC_ALL", "C.UTF-8");
    command.env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR")).env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

#[test]
fn a_seek_of_a_command_shows_its_progress_and_ctrl_c_ends_it() {
    let (_folder, start, expects) = far();
    let (start, expects) = (start.to_str().unwrap(), expects.to_str().unwrap());
    let session = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sessions/iter.session");
    for (arguments, progress) in [
        (&["show", start][..], "/1000000000  iterations"),
        (&["show", expects, "--at", "2000000000/loss"], "/2000000000  iterations"),
        (&["show", expects, "--keys", ":3000000000/loss<Enter>"], "/3000000000  iterations"),
        (&["check", expects], "/100000000000  iterations"),
        (&["grads", expects, "--iteration", "4000000000"], "/4000000000  iterations"),
        (&["trace", expects, "--iteration", "5000000000"], "/5000000000  iterations"),
        (&["replay", session, "--format", "text"], "/1000000000  iterations"),
    ] {
        // without a terminal, each report of progress is a line of its own
        let mut child = gradstep(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = said.next().unwrap().unwrap();
        assert!(line.contains(progress) && line.ends_with(", after 1 s"), "{arguments:?}: {line}");
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let line = said.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("stopped"))).unwrap().unwrap();
        assert!(line.starts_with("stopped at iteration "), "{arguments:?}: {line}");
        assert_eq!(child.wait().unwrap().code(), Some(130), "{arguments:?}");
    }
    // on a terminal, the report is one line, which is overwritten
    let mut run = Run::start(gradstep(&["check", expects]));
    run.wait_for("/100000000000  iterations");
    run.press("\x03");
    assert_eq!(run.end().code(), Some(130));
    run.assert_restored();
    assert!(run.screen().contents().starts_with("stopped at iteration "), "{}", run.screen().contents());
}

#[test]
fn a_far_start_opens_at_once_and_keys_work_meanwhile() {
    let (folder, start, expects) = far();
    for (arguments, keys) in [
        (vec![start.to_str().unwrap()], ""),
        (vec![expects.to_str().unwrap(), "--at", "1000000000/loss"], ""),
        // the files of the folder are the last in the picker
        (vec![], "\x1b[6~\x1b[6~\x1b[6~\r"),
    ] {
        for quit in ["q", "\x03"] {
            let mut command = gradstep(&arguments);
            // nothing was opened before
            let state = tempdir().unwrap();
            command.current_dir(folder.path()).env("XDG_STATE_HOME", state.path());
            let mut run = Run::start(command);
            if !keys.is_empty() {
                run.wait_for("figure-01");
                run.press(keys);
            }
            run.wait_for("of 1000000000, Esc stops");
            run.wait_for("step 1/");
            if quit == "q" {
                run.press("\x1b");
                run.wait_for("stopped at iteration");
            }
            run.press(quit);
            assert_eq!(run.end().code(), Some(0));
            run.assert_restored();
        }
    }
    let session = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sessions/iter.session");
    let mut run = Run::start(gradstep(&["replay", session]));
    run.wait_for("of 1000000000, Esc stops");
    run.press("q");
    assert_eq!(run.end().code(), Some(0));
    run.assert_restored();
}
