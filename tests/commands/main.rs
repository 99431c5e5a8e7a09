//! Runs the binary. Each command has the right output, and each error has its message and its exit status.

mod check;
mod documents;
mod grads;
mod json;
mod plain;
mod questions;
mod replay;
mod settings;
mod show;
mod trace;
mod train;

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::process::Stdio;

use gradstep::command::bundled;
use tempfile::tempdir;

/// The result of a run: exit status, stdout and stderr.
#[derive(Debug)]
struct Run {
    status: i32,
    out: String,
    err: String,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    for name in ["NO_COLOR", "COLORTERM", "COLORFGBG", "LC_CTYPE", "LANG"] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
    command
}

fn finish(mut command: Command) -> Run {
    let output = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Run { status: output.status.code().expect("a status"), out: text(output.stdout), err: text(output.stderr) }
}

fn gradstep(arguments: &[&str]) -> Run {
    finish(command(arguments))
}

/// The output of a successful run.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let run = gradstep(arguments);
    // on a slow machine a command shows its progress
    let said: Vec<&str> = run.err.lines().filter(|line| !line.contains("derivatives, after ")).collect();
    assert!(run.status == 0 && said.is_empty(), "{arguments:?}: {said:?}");
    run.out
}

/// The error message of a run that fails.
#[track_caller]
fn refused(status: i32, arguments: &[&str]) -> String {
    let run = gradstep(arguments);
    assert_eq!((run.status, run.out.as_str()), (status, ""), "{arguments:?}: {}", run.err);
    assert!(!run.err.contains('\u{1b}'), "{arguments:?}");
    run.err
}

/// Runs a command with these bytes as its standard input.
fn with_input(arguments: &[&str], input: &[u8]) -> Run {
    let mut command = command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn help_and_version() {
    insta::assert_snapshot!("help", printed(&["--help"]));
    assert_eq!(printed(&["--version"]), format!("gradstep {}\n", env!("CARGO_PKG_VERSION")));
    for name in ["list", "check", "grads", "gradcheck", "trace", "train", "show", "replay", "completions", "man"] {
        assert!(printed(&[name, "--help"]).contains(&format!("gradstep {name}")), "{name}");
        assert_eq!(printed(&["help", name]), printed(&[name, "--help"]), "{name}");
    }
}

#[test]
fn list_has_a_line_for_each_bundled_scenario() {
    let list = printed(&["list"]);
    let names: Vec<&str> = list.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, bundled::ALL.iter().map(|bundled| bundled.name).collect::<Vec<_>>());
    assert!(!list.contains('…'));
    insta::assert_snapshot!("list", list);
}

#[test]
fn output_to_a_file_is_the_same() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("out");
    let path = file.to_str().unwrap();
    for arguments in [&["show", "figure-18", "--format", "ansi"][..], &["grads", "figure-18"], &["trace", "figure-18", "--format", "text"]]
    {
        assert_eq!(printed(&[arguments, &["-o", path]].concat()), "");
        assert_eq!(fs::read_to_string(&file).unwrap(), printed(arguments), "{arguments:?}");
    }
    let said = refused(2, &["grads", "figure-14", "-o", "no/such/folder/out"]);
    assert!(said.starts_with("error: cannot write no/such/folder/out: "), "{said}");
    fs::copy("scenarios/figure-14.toml", &file).unwrap();
    assert!(refused(2, &["grads", path, "-o", path]).contains("is an input of this command"));
    assert!(fs::read_to_string(&file).unwrap().starts_with("title"), "still there");
}

#[test]
fn wrong_usage_gives_exit_status_2() {
    let cases: &[&[&str]] = &[
        &["trcae", "figure-14"],
        &["figure-41"],
        &["nothing-like-it"],
        &["show", "figure-41"],
        &["train", "figure-14"],
        &["new"],
        &["grads"],
        &["check"],
        &["grads", "figure-14", "--format", "yaml"],
        &["grads", "figure-14", "--iteration", "2"],
        &["grads", "figure-14", "--iteration", "0"],
        &["trace", "figure-14", "--format", "cvs"],
        &["train", "xor", "--format", "csv"],
        &["completions", "csh"],
        &["trace", "figure-14", "--from", "11"],
        &["trace", "figure-14", "--from", "0"],
        &["trace", "figure-14", "--from", "3", "--to", "2"],
        &["trace", "figure-14", "--op", "gard.a"],
        &["trace", "figure-14", "--op", "57"],
        &["trace", "figure-14", "--op", "u", "--from", "5"],
        &["show", "figure-14", "--at", "99"],
        &["show", "figure-14", "--at", "-1"],
        &["show", "figure-18", "--at", "conv1.z[0,2,0]"],
        &["show", "figure-14", "--at", "u["],
        &["show", "figure-14", "--size", "0x24"],
        &["show", "figure-14", "--size", "80x1001"],
        &["show", "figure-14", "--size", "+80x24"],
        &["show", "figure-14", "--keys", "<Nope>"],
        &["figure-14", "--at", "u[0]"],
        &["--at", "9"],
        &["--asci", "list"],
        &["list", "--memory-limit", "many"],
        &["list", "--threads", "0"],
        &["gradcheck", "figure-14", "--entries", "0"],
        &["replay", "Cargo.toml"],
        &["replay", "none"],
        &["replay", "none", "--format", "gif"],
        &["replay", "none", "--speed", "0"],
        &["replay", "none", "-o", "file"],
    ];
    let texts: Vec<String> = cases.iter().map(|case| format!("$ gradstep {}\n{}", case.join(" "), refused(2, case))).collect();
    insta::assert_snapshot!("usage", texts.join("\n"));
}

#[test]
fn without_a_terminal_the_stepper_suggests_show() {
    for arguments in [&[][..], &["figure-14"], &["--ascii", "figure-14"], &["--at", "grad.a", "figure-14"]] {
        assert!(refused(2, arguments).contains("`gradstep show`"), "{arguments:?}");
    }
    let folder = tempdir().unwrap();
    let path = folder.path().join("session");
    assert!(refused(2, &["figure-14", "--record", path.to_str().unwrap()]).contains("`gradstep show`"));
    assert!(!path.exists(), "nothing is recorded");
}

#[test]
fn a_recording_overwrites_nothing_even_without_a_terminal() {
    let session = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sessions/figure-14.session");
    let before = fs::read(session).unwrap();
    refused(2, &["figure-14", "--record", session]);
    assert_eq!(fs::read(session).unwrap(), before);
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let mut child = command(&["trace", "figure-02"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    // short outputs, which fail only when the program flushes them at its end, and outputs so large that an earlier write fails
    for arguments in [
        &["list"][..],
        &["check", "figure-14"],
        &["gradcheck", "figure-14"],
        &["show", "figure-14"],
        &["train", "xor"],
        &["grads", "figure-14", "--format", "json"],
        &["grads", "figure-01"],
        &["grads", "figure-01", "--format", "json"],
        &["grads", "figure-01", "--format", "npz"],
        &["trace", "xor"],
        &["trace", "xor", "--format", "text"],
        &["trace", "xor", "--format", "csv"],
        &["man"],
        &["completions", "bash"],
        &["trace", "figure-01", "--level", "entry"],
        &["trace", "figure-01", "--level", "entry", "--format", "text"],
        &["trace", "figure-02"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = command(arguments);
        let output = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "error: cannot write the output: No space left on device (os error 28)\n", "{arguments:?}");
    }
}

#[test]
fn a_template_is_printed_and_no_file_is_overwritten() {
    let text = printed(&["new", "convolution"]);
    assert!(text.starts_with("# A convolution") && text.contains("[[layer]]"));
    assert_eq!(printed(&["new", "xor"]), include_str!("../../scenarios/xor.toml"));
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("mine.toml");
    let path = file.to_str().expect("UTF-8");
    for kind in ["graph", "fully-connected", "convolution", "classifier", "training"] {
        assert_eq!(printed(&["new", kind, "-o", path]), "");
        // the expected numbers in the templates were computed by hand; `check` compares them
        assert!(printed(&["check", path]).starts_with(&format!("ok  {path}")), "{kind}");
        fs::remove_file(&file).expect("a file");
    }
    fs::write(&file, "mine").expect("a file");
    let said = refused(2, &["new", "training", "-o", path]);
    assert!(said.contains("does not overwrite files") && fs::read_to_string(&file).expect("a file") == "mine", "{said}");
    assert!(refused(2, &["new", "clasifier"]).contains("classifier?"), "{}", refused(2, &["new", "clasifier"]));
}
