//! What `trace` writes fast is what a step says: line by line, from any step on, with any number of threads.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use gradstep::app::Lesson;
use gradstep::command::Shelf;
use gradstep::scenario::Limits;
use gradstep::step::{Factor, Kind, Step};
use gradstep::ui::number::exact;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    command.arg("trace").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    command
}

#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = command(arguments).output().expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Every scenario whose trace is short.
fn scenarios() -> Vec<(String, Lesson)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let files = ["scenarios", "tests/valid", "tests/oracle"].map(|folder| fs::read_dir(root.join(folder)).expect(folder));
    let mut scenarios: Vec<_> = files
        .into_iter()
        .flatten()
        .map(|file| file.expect("a file").path())
        .filter(|file| file.extension().is_some_and(|end| end == "toml"))
        .map(|file| {
            let file = file.to_str().expect("UTF-8").to_owned();
            let lesson = Shelf { limits: Limits::default(), files: true }.open(&file).expect("a valid scenario");
            (file, lesson)
        })
        .filter(|(_, lesson)| lesson.trace.len() < 20_000)
        .collect();
    scenarios.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert!(scenarios.len() > 60, "{}", scenarios.len());
    scenarios
}

fn entry(name: &str, index: &[usize]) -> String {
    let index: Vec<String> = index.iter().map(ToString::to_string).collect();
    if index.is_empty() { name.to_owned() } else { format!("{name}[{}]", index.join(",")) }
}

/// A step as a line for people.
fn told(step: &Step) -> String {
    let factor = |factor: &Factor| {
        let name = factor.name.as_ref().map_or_else(String::new, |name| entry(name, &factor.index) + " ");
        name + &exact(factor.value)
    };
    let factors: Vec<String> = step.factors.iter().map(factor).collect();
    let value = match step.kind {
        Kind::Product => factors.join(" * "),
        Kind::Copy => format!("copy {}", factors.join(", ")),
        Kind::Select => format!("max({})", factors.join(", ")),
        Kind::Apply => format!("{}({})", step.function.expect("a function"), factors.join(", ")),
    };
    let Step { step, op, index, term, terms, value: result, sum, .. } = step;
    format!("{step}  {}#{term} of {terms}  {value} = {}  sum {}", entry(op, index), exact(*result), exact(*sum))
}

#[test]
fn every_line_is_its_step() {
    for (file, lesson) in scenarios() {
        let (mut json, mut text) = (String::new(), String::new());
        for k in 1..=lesson.trace.len() {
            let step = lesson.trace.get(k).expect("a step");
            writeln!(json, "{}", serde_json::to_string(&step).expect("JSON")).expect("a string");
            writeln!(text, "{}", told(&step)).expect("a string");
        }
        for threads in ["1", "2"] {
            assert!(printed(&[&file, "--threads", threads]) == json, "{file} with {threads} threads");
            assert!(printed(&[&file, "--threads", threads, "--format", "text"]) == text, "{file} as text with {threads} threads");
        }
    }
}

/// From the middle of an entry on, the sum before it is there; and every thread begins in some middle.
#[test]
fn a_part_is_a_part_of_the_whole() {
    let threads = ["1", "2", "3", "9"];
    let whole: Vec<String> = threads.iter().map(|threads| printed(&["figure-09", "--threads", threads])).collect();
    assert!(whole.iter().all(|other| *other == whole[0]));
    let large = ["figure-01", "--from", "300000", "--to", "310007"];
    let lines = printed(&[&large[..], &["--threads", "1"]].concat());
    assert_eq!(lines.lines().count(), 10_008);
    for threads in &threads[1..] {
        assert!(printed(&[&large[..], &["--threads", threads]].concat()) == lines, "{threads} threads");
    }
    for (from, to) in [(300_000, 300_000), (300_001, 300_002), (303_333, 306_666), (310_007, 310_007)] {
        let part: String = lines.split_inclusive('\n').skip(from - 300_000).take(to - from + 1).collect();
        assert!(printed(&["figure-01", "--from", &from.to_string(), "--to", &to.to_string()]) == part, "{from} to {to}");
    }
}

/// Three lines of more than a megabyte each, among many short ones.
#[test]
fn long_lines_are_the_same_with_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pool.toml");
    let text = r#"
title = "pools as large as their image"
input = { init = "normal", seed = 1, shape = [3, 140, 140] }
target = { init = "normal", seed = 2 }
loss = "upstream"
[[layer]]
type = "activation"
function = "relu"
[[layer]]
type = "max_pool2d"
kernel_size = 140
"#;
    fs::write(&file, text).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let range = ["--from", "56000", "--to", "62000"];
    let lines = printed(&[&[file, "--threads", "1"], &range[..]].concat());
    assert_eq!(lines.lines().filter(|line| line.len() > 1 << 20).count(), 3);
    assert!(printed(&[&[file, "--threads", "2"], &range[..]].concat()) == lines);
}

/// As `trace | head -1`: the reader goes away long before the end, and nobody waits for anybody.
#[test]
fn a_reader_of_one_line_ends_the_writing() {
    for threads in ["1", "2"] {
        let mut child =
            command(&["figure-01", "--threads", threads]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert!(line.starts_with("{\"iteration\":1,\"sample\":1,\"step\":1,"));
        let output = child.wait_with_output().expect("an end");
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{threads} threads");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_with_any_number_of_threads() {
    for threads in ["1", "2"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let mut command = command(&["figure-01", "--threads", threads]);
        let output = command.stdout(full).stderr(Stdio::piped()).spawn().expect("it runs").wait_with_output().expect("an end");
        assert_eq!(output.status.code(), Some(2), "{threads} threads");
        assert!(String::from_utf8(output.stderr).expect("UTF-8").contains("No space left"), "{threads} threads");
    }
}

/// Ctrl-C, while the writing waits for a reader who does not read.
#[test]
#[cfg(unix)]
fn an_interrupt_ends_the_writing() {
    use std::os::unix::process::ExitStatusExt as _;

    for threads in ["1", "2"] {
        let mut child = command(&["figure-01", "--threads", threads]).stdout(Stdio::piped()).spawn().expect("it runs");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        out.read_line(&mut line).expect("a line");
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
        assert_eq!(child.wait().expect("an end").signal(), Some(2), "{threads} threads");
    }
}
