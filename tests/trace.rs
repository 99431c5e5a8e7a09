//! Tests that `trace` prints the steps that `Trace::get` returns, from any step on, with any number of threads. `trace` does not call `Trace::get`, because it
//! has a faster way to make its lines.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use gradstep::app::Document;
use gradstep::command::ScenarioLoader;
use gradstep::number::exact;
use gradstep::scenario::Limits;
use gradstep::step::{Factor, Kind, Step};

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

/// All scenarios with a short trace.
fn scenarios() -> Vec<(String, Document)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let files = ["scenarios", "tests/valid", "tests/oracle"].map(|folder| fs::read_dir(root.join(folder)).expect(folder));
    let mut scenarios: Vec<_> = files
        .into_iter()
        .flatten()
        .map(|file| file.expect("a file").path())
        .filter(|file| file.extension().is_some_and(|end| end == "toml"))
        .map(|file| {
            let file = file.to_str().expect("UTF-8").to_owned();
            let document = ScenarioLoader { limits: Limits::default(), opens_files: true }.open(&file).expect("a valid scenario");
            (file, document)
        })
        .filter(|(_, document)| document.trace.len() < 20_000)
        .collect();
    scenarios.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert!(scenarios.len() > 60, "{}", scenarios.len());
    scenarios
}

fn entry(name: &str, index: &[usize]) -> String {
    let index: Vec<String> = index.iter().map(ToString::to_string).collect();
    if index.is_empty() { name.to_owned() } else { format!("{name}[{}]", index.join(",")) }
}

/// The line of a step in `--format text`.
fn text_line(step: &Step, has_samples: bool) -> String {
    let factor = |factor: &Factor| {
        if let Some(places) = factor.slice {
            return format!("{} of {}", places.len(), factor.name.as_ref().expect("a tensor"));
        }
        let name = factor.name.as_ref().map_or_else(String::new, |name| entry(name, &factor.index) + " ");
        name + &exact(factor.value)
    };
    let factors: Vec<String> = step.factors.iter().map(factor).collect();
    let value = match step.kind {
        Kind::Product => factors.join(" * "),
        Kind::Copy => format!("copy {}", factors.join(", ")),
        Kind::Select | Kind::Apply => format!("{}({})", step.function.expect("a function").name, factors.join(", ")),
    };
    let Step { step, sample, op, index, term, terms, value: result, sum, .. } = step;
    // the sample is named if there are several
    let scope = sample.filter(|_| has_samples).map_or_else(String::new, |sample| format!("{sample}:"));
    format!("{step}  {scope}{}#{term} of {terms}  {value} = {}  sum {}", entry(op, index), exact(*result), exact(*sum))
}

/// Compares the lines of a scenario with its steps.
#[track_caller]
fn check_lines(file: &str, document: &Document) {
    let (mut json, mut text) = (String::new(), String::new());
    for k in 1..=document.trace.len() {
        let step = document.trace.get(k).expect("a step");
        writeln!(json, "{}", serde_json::to_string(&step).expect("JSON")).expect("a string");
        writeln!(text, "{}", text_line(&step, document.trace.samples() > 1)).expect("a string");
    }
    for threads in ["1", "2"] {
        assert!(printed(&[file, "--threads", threads]) == json, "{file} with {threads} threads");
        assert!(printed(&[file, "--threads", threads, "--format", "text"]) == text, "{file} as text with {threads} threads");
    }
}

#[test]
fn every_line_agrees_with_its_step() {
    for (file, document) in scenarios() {
        check_lines(&file, &document);
    }
}

/// Two scenarios with more names of ops and factors than the cache of names holds, and with more steps than a chunk of lines.
#[test]
fn every_line_agrees_with_its_step_in_a_large_scenario() {
    let folder = tempfile::tempdir().expect("a folder");
    let samples = (0..1100).map(|n| format!("[[sample]]\ninput = [{}, {}]\ntarget = 1\n", n % 7, n % 3)).collect::<Vec<_>>().concat();
    let layer = "[[layer]]\ntype = \"linear\"\nweight = [[0.1, 0.2]]\nbias = [0.1]\nactivation = \"tanh\"\n";
    let nodes =
        (1..1200).map(|n| format!("\"n{n} = n{} {} b\",\n", n - 1, if n % 2 == 0 { '*' } else { '+' })).collect::<Vec<_>>().concat();
    let sum: Vec<String> = (0..1200).map(|n| format!("n{n}")).collect();
    let (first, last) = ("\"n0 = sin(a) + b\"", format!("\"J = {}\"", sum.join(" + ")));
    let graph = format!("[graph]\ninputs = {{ a = 0.5, b = 0.25 }}\nnodes = [\n{first},\n{nodes}{last},\n]\n");
    let texts = [
        (
            "samples",
            format!("title = \"samples\"\nloss = \"squared_error\"\n{samples}{layer}[train]\nlearning_rate = 0.1\niterations = 1\n"),
        ),
        ("graph", format!("title = \"graph\"\n{graph}")),
    ];
    for (name, text) in texts {
        let file = folder.path().join(name).with_extension("toml");
        fs::write(&file, text).expect("a file");
        let file = file.to_str().expect("UTF-8");
        let document = ScenarioLoader { limits: Limits::default(), opens_files: true }.open(file).expect("a valid scenario");
        check_lines(file, &document);
    }
}

/// The output, or the chunk of a thread, may start in the middle of an entry. Its first line still has the right sum so far.
#[test]
fn a_range_is_part_of_the_whole_trace() {
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

/// A scenario with short lines, and with lines so long that a thread's buffer is full before its chunk ends.
#[test]
fn long_lines_are_the_same_with_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("long.toml");
    let text = format!(
        r#"
title = "a long name"
input = {{ init = "normal", seed = 1, shape = [3000] }}
target = {{ init = "normal", seed = 2 }}
loss = "upstream"
[[layer]]
type = "activation"
function = "relu"
[[layer]]
name = "{}"
type = "activation"
function = "relu"
"#,
        "long".repeat(1000)
    );
    fs::write(&file, text).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let lines = printed(&[file, "--threads", "1"]);
    // 1024 long lines have more than 4 MiB, so the 512 lines of a chunk do not fit into the 1 MiB of a buffer
    assert!(lines.lines().filter(|line| line.len() > 4000).take(1024).map(str::len).sum::<usize>() > 4 << 20);
    assert!(printed(&[file, "--threads", "2"]) == lines);
}

/// A function lists its arguments one by one if there are at most 16, and as one slice if there are more.
#[test]
fn a_step_lists_a_large_slice_as_one_factor() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = |n: usize, kernel: usize| {
        let file = folder.path().join(format!("{n}-{kernel}.toml"));
        let text = format!(
            r#"
title = "a pool and a softmax"
input = {{ init = "normal", seed = 1, shape = [1, {kernel}, {kernel}] }}
target = {{ init = "normal", seed = 2 }}
loss = "upstream"
[[layer]]
type = "max_pool2d"
kernel_size = {kernel}
[[layer]]
type = "flatten"
[[layer]]
type = "linear"
out_features = {n}
weight = {{ init = "normal", seed = 3 }}
bias = {{ init = "zeros" }}
activation = "softmax"
"#
        );
        fs::write(&file, text).expect("a file");
        file.to_str().expect("UTF-8").to_owned()
    };
    let lines = |file: &str, op: &str, format: &str| printed(&[file, "--op", op, "--format", format]);

    // 16 entries in the window of the pool, and 16 in the softmax
    let few = scenario(16, 4);
    for op in ["pool1.a[0,0,0]", "fc1.a[3]"] {
        let line: serde_json::Value = serde_json::from_str(&lines(&few, op, "jsonl")).expect("JSON");
        let factors = line["factors"].as_array().expect("a list");
        assert_eq!(factors.len(), 16, "{op}");
        assert!(factors.iter().all(|factor| factor["index"].is_array() && factor.get("of").is_none()), "{op}");
    }

    let many = scenario(17, 5);
    // the first factor is one entry, and the second is all `of` entries of the slice
    for (op, of, named) in [("pool1.a[0,0,0]", 25, "input"), ("fc1.a[3]", 17, "fc1.z")] {
        let line: serde_json::Value = serde_json::from_str(&lines(&many, op, "jsonl")).expect("JSON");
        let [entry, slice] = line["factors"].as_array().expect("a list").as_slice() else { panic!("{line}") };
        assert_eq!(*slice, serde_json::json!({"name": named, "index": null, "value": null, "of": of}));
        assert_eq!(entry["name"], named);
        assert!(entry["value"].is_number(), "{line}");
        assert!(lines(&many, op, "text").contains(&format!(", {of} of {named}) = ")), "{op}");
        assert!(lines(&many, op, "csv").contains(&format!(", {of} of {named}\",")), "{op}");
        assert!(lines(&many, op, "markdown").contains(&format!(", {of} of {named} | ")), "{op}");
    }
    let line: serde_json::Value = serde_json::from_str(&lines(&many, "fc1.a[3]", "jsonl")).expect("JSON");
    assert_eq!(line["factors"][0]["index"], serde_json::json!([3]));

    for (at, says) in [("fc1.a[3]", [" | z⁽³⁾)", " | 17 numbers)"]), ("pool1.a[0,0,0]", [", a⁽⁰⁾)", ", 25 numbers)"])] {
        let mut show = Command::new(env!("CARGO_BIN_EXE_gradstep"));
        let frame = show.args(["show", &many, "--at", at, "--size", "120x40"]).env("LC_ALL", "C.UTF-8").output().expect("the binary runs");
        let frame = String::from_utf8(frame.stdout).expect("UTF-8");
        assert!(says.iter().all(|says| frame.contains(says)), "{frame}");
    }

    let large = scenario(3000, 60);
    let longest = |op: &str| lines(&large, op, "jsonl").lines().map(str::len).max();
    assert!(longest("pool1.a").max(longest("fc1.a")) < Some(500));
}

/// In `trace | head -1` the reader stops long before the end. No thread must wait for ever.
#[test]
fn the_program_ends_when_the_reader_of_a_pipe_stops() {
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

/// Ctrl-C ends the program while it waits for a reader that does not read.
#[test]
#[cfg(unix)]
fn ctrl_c_ends_the_program_while_it_waits_for_a_reader() {
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
