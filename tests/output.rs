//! Tests of output streams and files. `-o FILE` writes the whole file or leaves it unchanged, and closed streams are reported.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::tempdir;

/// Runs a line of shell commands in a folder. The command `gradstep` is the tested binary.
fn shell(folder: &Path, line: &str) -> Output {
    let line = line.replace("gradstep", env!("CARGO_BIN_EXE_gradstep"));
    let mut command = Command::new("sh");
    command.args(["-c", &line]).current_dir(folder).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    command.output().expect("a shell")
}

/// Runs a line that must succeed, and returns its output.
#[track_caller]
fn succeeds(folder: &Path, line: &str) -> String {
    let output = shell(folder, line);
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_interrupted_write_leaves_the_old_file() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    fs::write(&out, "old").unwrap();
    // a write beyond the limit ends the process by a signal, or fails if the signal is ignored
    let killed = shell(folder.path(), "ulimit -f 4; exec gradstep trace figure-01 -o out");
    assert!(killed.status.signal().is_some(), "{killed:?}");
    assert_eq!((fs::read_to_string(&out).unwrap().as_str(), names(folder.path())), ("old", vec!["out".to_owned()]));
    let failed = shell(folder.path(), "trap '' XFSZ; ulimit -f 4; exec gradstep trace figure-01 -o out");
    assert_eq!(failed.status.code(), Some(2), "{failed:?}");
    assert_eq!((fs::read_to_string(&out).unwrap().as_str(), names(folder.path())), ("old", vec!["out".to_owned()]));
    shell(folder.path(), "ulimit -f 4; exec gradstep trace figure-01 -o new");
    assert_eq!(names(folder.path()), ["out"], "no partial file either");
}

#[test]
fn the_mode_of_a_file_and_a_link_to_it_are_kept() {
    let folder = tempdir().unwrap();
    let (out, link) = (folder.path().join("out"), folder.path().join("link"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let wanted = succeeds(folder.path(), "umask 027; gradstep grads figure-14 -o out; gradstep grads figure-14");
    assert_eq!((fs::read_to_string(&out).unwrap(), mode(&out)), (wanted.clone(), 0o640));
    fs::write(&out, "old").unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o604)).unwrap();
    symlink("out", &link).unwrap();
    succeeds(folder.path(), "gradstep grads figure-14 -o link");
    assert_eq!((fs::read_to_string(&out).unwrap(), mode(&out)), (wanted.clone(), 0o604));
    assert!(link.is_symlink());
    fs::remove_file(&out).unwrap();
    succeeds(folder.path(), "gradstep grads figure-14 -o link");
    assert_eq!(fs::read_to_string(&out).unwrap(), wanted, "a dangling link");
    assert_eq!(names(folder.path()), ["link", "out"]);
}

#[test]
fn devices_and_pipes_are_written_directly() {
    let folder = tempdir().unwrap();
    let wanted = succeeds(folder.path(), "gradstep grads figure-14");
    assert_eq!(succeeds(folder.path(), "gradstep grads figure-14 -o /dev/null"), "");
    assert!(!Path::new("/dev/null").is_file());
    assert_eq!(succeeds(folder.path(), "gradstep grads figure-14 -o /dev/stdout"), wanted);
    assert_eq!(succeeds(folder.path(), "gradstep grads figure-14 -o /dev/stdout > out; cat out"), wanted);
    assert_eq!(succeeds(folder.path(), "mkfifo pipe; gradstep grads figure-14 -o pipe & cat pipe; wait"), wanted);
    assert_eq!(names(folder.path()), ["out", "pipe"]);
}

#[test]
fn a_file_without_permission_is_refused() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    fs::write(&out, "old").unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o444)).unwrap();
    // root may write anything
    if fs::OpenOptions::new().write(true).open(&out).is_err() {
        assert_eq!(shell(folder.path(), "gradstep grads figure-14 -o out").status.code(), Some(2));
        assert_eq!(fs::read_to_string(&out).unwrap(), "old");
    }
    assert_eq!(shell(folder.path(), "gradstep grads figure-14 -o .").status.code(), Some(2));
    assert_eq!(names(folder.path()), ["out"]);
}

/// Commands that print, each with valid arguments.
const COMMANDS: [&str; 22] = [
    "list",
    "check figure-14",
    "grads figure-14",
    "grads figure-14 --format json",
    "gradcheck figure-14",
    "trace figure-14",
    "trace figure-14 --format jsonl",
    "trace figure-14 --format csv",
    "trace figure-14 --format markdown --level op",
    "train xor",
    "show figure-14",
    "show figure-14 --format svg",
    "replay --format text s.session",
    "replay --format plain s.session",
    "replay --format svg s.session",
    "replay --format cast s.session",
    "completions bash",
    "man",
    "--help",
    "--version",
    "help trace",
    "trace --help",
];

/// A temporary folder with a recorded session.
fn folder_with_session() -> tempfile::TempDir {
    let folder = tempdir().unwrap();
    let text = gradstep::command::bundled::find("figure-14").unwrap().text;
    let header =
        gradstep::session::Header::new("figure-14".to_owned(), text.to_owned(), gradstep::app::Visit { iteration: 1, step: 1 }, (80, 24));
    gradstep::session::Recorder::new(fs::File::create(folder.path().join("s.session")).unwrap(), &header).unwrap();
    folder
}

#[test]
fn a_closed_stdout_is_an_error_of_every_command() {
    let folder = folder_with_session();
    // these would open a screen
    let on_a_terminal = ["figure-14", "", "replay s.session", "figure-14 --at loss"];
    for command in COMMANDS.into_iter().chain(on_a_terminal) {
        let run = shell(folder.path(), &format!("exec gradstep {command} >&-"));
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!((run.status.code(), said.lines().count()), (Some(2), 1), "{command}: {said}");
        assert!(said.contains("the standard output is closed"), "{command}: {said}");
        // without stderr only the status is left
        assert_eq!(shell(folder.path(), &format!("exec gradstep {command} >&- 2>&-")).status.code(), Some(2), "{command}");
    }
    // a command that does not exist
    assert_eq!(shell(folder.path(), "exec gradstep trcae >&-").status.code(), Some(2));
    assert_eq!(names(folder.path()), ["s.session"]);
}

#[test]
fn a_null_device_is_not_a_closed_stdout() {
    let folder = folder_with_session();
    for command in COMMANDS {
        for to in ["> /dev/null", "1<> /dev/null", "1<> /dev/null 0<&- 2>&-"] {
            let run = shell(folder.path(), &format!("exec gradstep {command} {to}"));
            assert_eq!(run.status.code(), Some(0), "{command} {to}: {run:?}");
        }
    }
}

#[test]
fn a_file_is_written_even_if_the_standard_streams_are_closed() {
    let folder = folder_with_session();
    for command in ["grads figure-14", "trace figure-14", "train xor", "show figure-14", "replay --format text s.session"] {
        let wanted = succeeds(folder.path(), &format!("gradstep {command}"));
        succeeds(folder.path(), &format!("gradstep {command} -o out 0<&- >&- 2>&-"));
        assert_eq!(fs::read_to_string(folder.path().join("out")).unwrap(), wanted, "{command}");
    }
}

#[test]
fn a_closed_stdin_is_not_an_empty_scenario() {
    let folder = tempdir().unwrap();
    for command in ["check -", "grads -", "show -", "trace -"] {
        let run = shell(folder.path(), &format!("exec gradstep {command} <&-"));
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(2), "{command}: {said}");
        assert!(said.contains("the standard input is closed"), "{command}: {said}");
    }
    // a command that does not read stdin does not need it
    succeeds(folder.path(), "gradstep list <&-");
}

#[test]
fn after_a_kill_the_old_file_is_whole_and_the_next_save_removes_the_temporary_file() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    let wanted = succeeds(folder.path(), "gradstep trace figure-14");
    fs::write(&out, "old").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    command.args(["trace", "figure-14", "-o", "out"]).current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
    let begun = std::time::Instant::now();
    assert!(command.status().unwrap().success());
    let duration = begun.elapsed();
    // kills after 0 to 59 fiftieths of the time that a whole run takes
    for part in 0..60 {
        let mut child = command.spawn().unwrap();
        std::thread::sleep(duration * part / 50);
        child.kill().unwrap();
        child.wait().unwrap();
        let found = fs::read_to_string(&out).unwrap();
        assert!(found == "old" || found == wanted, "killed after {part}/50: {} bytes", found.len());
    }
    assert!(command.status().unwrap().success());
    assert_eq!((fs::read_to_string(&out).unwrap(), names(folder.path())), (wanted, vec!["out".to_owned()]));
}

/// An environment variable that asks for a stack so large that the system refuses every new thread.
const NO_THREADS: (&str, &str) = ("RUST_MIN_STACK", "1152921504606846976");

#[test]
fn without_threads_the_caller_computes_everything() {
    let folder = folder_with_session();
    let scenario = "title = \"large\"\nloss = \"squared_error\"\ntarget = { init = \"normal\", seed = 1 }\n\
        input = { init = \"normal\", shape = [1, 48, 48], seed = 2 }\n\
        [[layer]]\ntype = \"conv2d\"\nout_channels = 4\nkernel_size = 5\nweight = { init = \"he_normal\", seed = 3 }\nactivation = \"relu\"\n\
        [[layer]]\ntype = \"flatten\"\n\
        [[layer]]\ntype = \"linear\"\nout_features = 40\nweight = { init = \"xavier_uniform\", seed = 4 }\n";
    fs::write(folder.path().join("large.toml"), scenario).unwrap();
    let large = ["grads large.toml --format json", "trace large.toml --to 20000", "trace large.toml --format jsonl --to 20000"];
    let gradcheck = ["gradcheck figure-15", "gradcheck xor"];
    for command in COMMANDS.into_iter().chain(large).chain(gradcheck) {
        let line = format!("exec gradstep {command}");
        // `--help`, `--version` and `help` do not accept --threads after them
        let line = if command.starts_with("--") || command.starts_with("help") { line } else { format!("{line} --threads 4") };
        let [with_threads, without_threads] = ["", &format!("{}={} ", NO_THREADS.0, NO_THREADS.1)].map(|environment| {
            let run = shell(folder.path(), &line.replacen("exec ", &format!("{environment}exec "), 1));
            (run.status.code(), run.stdout, String::from_utf8(run.stderr).unwrap())
        });
        assert_eq!(with_threads.0, Some(0), "{command}: {}", with_threads.2);
        assert!(with_threads == without_threads, "{command}: {:?} {}", without_threads.0, without_threads.2);
    }
}
