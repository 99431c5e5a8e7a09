//! The real binary: every command, its errors and its exit statuses.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use gradstep::app::Lesson;
use gradstep::command::{Shelf, bundled};
use gradstep::op::LAYERS;
use gradstep::op::activation::ACTIVATIONS;
use gradstep::op::loss::LOSSES;
use gradstep::op::operator::{FUNCTIONS, Named};
use gradstep::scenario::Limits;
use gradstep::weights::{kind, npz};
use serde_json::Value;
use tempfile::tempdir;

/// What a run has left: its exit status, what it has printed and what it has said.
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

/// What a run that goes well prints.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let run = gradstep(arguments);
    // on a slow machine a command shows its progress
    let said: Vec<&str> = run.err.lines().filter(|line| !line.contains("derivatives, after ")).collect();
    assert!(run.status == 0 && said.is_empty(), "{arguments:?}: {said:?}");
    run.out
}

/// What a run that is refused says.
#[track_caller]
fn refused(status: i32, arguments: &[&str]) -> String {
    let run = gradstep(arguments);
    assert_eq!((run.status, run.out.as_str()), (status, ""), "{arguments:?}: {}", run.err);
    assert!(!run.err.contains('\u{1b}'), "{arguments:?}");
    run.err
}

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
fn check_verifies_every_bundled_scenario() {
    let files: Vec<String> = bundled::ALL.iter().map(|bundled| format!("scenarios/{}.toml", bundled.name)).collect();
    let arguments: Vec<&str> = ["check", "figure-14"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let lines = printed(&arguments);
    assert_eq!(lines.lines().count(), files.len() + 1);
    assert!(lines.lines().all(|line| line.starts_with("ok  ")), "{lines}");
    assert!(lines.starts_with("ok  figure-14 (8 expected numbers hold)\n"), "{lines}");
}

#[test]
fn check_says_what_differs_and_what_is_invalid() {
    let folder = tempdir().unwrap();
    let graph = "[graph]\ninputs = { a = 3 }\nnodes = [\"u = a * a\"]\n";
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    write("plain.toml", format!("title = \"plain\"\n{graph}"));
    write(
        "wrong.toml",
        format!(
            "title = \"wrong\"\n{graph}[[expect]]\nat = \"grad.a\"\nvalue = 7\nsource = \"a guess\"\n[[expect]]\nat = \"u\"\nvalue = 9\n"
        ),
    );
    write("invalid.toml", "title = \"invalid\"\n".to_owned());
    let run = |names: &[&str]| {
        let arguments: Vec<&str> = [&["check"], names].concat();
        let mut command = command(&arguments);
        command.current_dir(folder.path());
        finish(command)
    };
    let found = run(&["plain.toml", "wrong.toml", "invalid.toml"]);
    assert_eq!((found.status, found.err.as_str()), (1, ""));
    insta::assert_snapshot!("check", found.out);
    let missing = run(&["plain.toml", "missing.toml", "wrong.toml"]);
    assert_eq!((missing.status, missing.err.as_str()), (2, "error: there is no file missing.toml\n"));
    assert_eq!(missing.out.lines().count(), 3, "{}", missing.out);
}

#[test]
fn grads_as_tables() {
    insta::assert_snapshot!("grads-graph", printed(&["grads", "figure-14"]));
    insta::assert_snapshot!("grads-network", printed(&["grads", "figure-18"]));
}

#[test]
fn grads_as_json() {
    insta::assert_snapshot!("grads-graph-json", printed(&["grads", "figure-14", "--format", "json"]));
    insta::assert_snapshot!("grads-network-json", printed(&["grads", "figure-18", "--format", "json"]));
}

#[test]
fn grads_json_agrees_with_pytorch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    for name in ["graph-004", "made-conv-groups", "made-graph-infinite", "made-linear-scalar", "made-softmax-saturated"] {
        let path = folder.join(format!("{name}.toml"));
        let ours: Value = serde_json::from_str(&printed(&["grads", path.to_str().unwrap(), "--format", "json"])).unwrap();
        let expected: Value = serde_json::from_str(&fs::read_to_string(folder.join(format!("{name}.expected.json"))).unwrap()).unwrap();
        for (key, value) in expected.as_object().unwrap() {
            assert!(alike(&ours[key], value), "{name}: {key}: {} and {value}", ours[key]);
        }
    }
}

/// Whether all that is expected is there, to 1e-10.
fn alike(ours: &Value, expected: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    };
    match (ours, expected) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Value::Object(a), Value::Object(b)) => b.iter().all(|(key, b)| a.get(key).is_some_and(|a| alike(a, b))),
        (a, b) if a == b => true,
        (a, b) => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.to_bits() == b.to_bits() || (a - b).abs() <= 1e-10 * b.abs().max(1e-3),
            _ => false,
        },
    }
}

/// The law of the trace: what is printed adds up to what `grads` prints, with nothing but multiplication and addition.
#[test]
#[allow(clippy::float_cmp)] // bit for bit is the point
fn the_printed_trace_adds_up_to_the_printed_gradients() {
    let grads: Value = serde_json::from_str(&printed(&["grads", "figure-15", "--format", "json"])).unwrap();
    let sample = &grads["samples"][0];
    let mut sum = f64::NAN;
    let mut last = 0;
    for line in printed(&["trace", "figure-15"]).lines() {
        let step: Value = serde_json::from_str(line).unwrap();
        last += 1;
        assert_eq!(step["step"], last);
        let value = step["value"].as_f64().unwrap();
        if step["kind"] == "product" {
            let factors = step["factors"].as_array().unwrap().iter().map(|factor| factor["value"].as_f64().unwrap());
            assert_eq!(factors.reduce(|product, factor| product * factor).unwrap().to_bits(), value.to_bits(), "{line}");
        }
        sum = if step["term"] == 1 { value } else { sum + value };
        assert_eq!(sum.to_bits(), step["sum"].as_f64().unwrap().to_bits(), "{line}");
        if step["term"] == step["terms"] {
            let op = step["op"].as_str().unwrap();
            let tensor = match op.strip_prefix("grad.") {
                Some(of) => &sample["gradients"][of],
                None if op == "loss" => &sample["loss"],
                None => &sample["values"][op],
            };
            let entry = step["index"].as_array().unwrap().iter().fold(tensor, |at, i| &at[usize::try_from(i.as_u64().unwrap()).unwrap()]);
            assert_eq!(entry.as_f64().unwrap().to_bits(), sum.to_bits(), "{line}");
        }
    }
    assert_eq!(printed(&["trace", "figure-15", "--from", &last.to_string()]).lines().count(), 1);
}

/// The same for every bundled scenario, without the printing.
#[test]
fn every_bundled_trace_adds_up_to_its_tensors() {
    for bundled in bundled::ALL {
        let lesson: Lesson = Shelf::bundled(Limits::default()).open(bundled.name).unwrap();
        let trace = &lesson.trace;
        let (mut sum, mut entries) = (f64::NAN, 0);
        let mut k = 1;
        while let Some(mut at) = trace.position(k) {
            let tensor = trace.run(at.stretch).values(trace.op_at(&at).output);
            for term in 0..at.terms {
                (at.term, at.step) = (term, k);
                let step = trace.step(&at);
                sum = if term == 0 { step.value } else { sum + step.value };
                assert_eq!(sum.to_bits(), step.sum.to_bits(), "{}: step {k}", bundled.name);
                k += 1;
            }
            assert_eq!(sum.to_bits(), tensor[at.entry].to_bits(), "{}: before step {k}", bundled.name);
            entries += 1;
        }
        assert_eq!(k, trace.len() + 1, "{}", bundled.name);
        assert!(entries > 0);
    }
}

#[test]
fn a_mask_is_a_factor_and_no_parameter() {
    let scenario = "tests/oracle/made-dropout.toml";
    let lines = printed(&["trace", scenario, "--op", "drop1.a"]);
    let masks = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["factors"][1].clone());
    let masks: Vec<Value> = masks.collect();
    assert!(!masks.is_empty() && masks.iter().all(|mask| mask["name"] == "drop1.mask" && mask["value"] == 1.0), "{masks:?}");
    for arguments in [&["grads", scenario, "--format", "json"][..], &["grads", scenario], &["gradcheck", scenario]] {
        let text = printed(arguments);
        assert!(text.contains("drop1.a") && !text.contains("mask"), "{text}");
    }
    let training = format!("{}\n[train]\nlearning_rate = 0.1\n", fs::read_to_string(scenario).unwrap());
    let learned = with_input(&["train", "-", "--format", "json"], training.as_bytes());
    assert!(learned.out.contains("fc1.weight") && !learned.out.contains("mask"), "{}{}", learned.out, learned.err);
}

#[test]
fn trace_by_level_and_range() {
    insta::assert_snapshot!("trace-text", printed(&["trace", "figure-09", "--format", "text"]));
    insta::assert_snapshot!("trace-jsonl", printed(&["trace", "figure-14", "--from", "2", "--to", "3"]));
    insta::assert_snapshot!("trace-op", printed(&["trace", "figure-18", "--level", "op"]));
    let entries = printed(&["trace", "figure-07", "--level", "element", "--op", "grad.input"]);
    assert_eq!(entries.lines().count(), 16);
    assert_eq!(entries.lines().filter(|line| line.contains("\"first\":null,\"terms\":0,\"value\":0.0")).count(), 12);
    let entry = printed(&["trace", "figure-20", "--format", "text", "--op", "grad.input[0,1,1]"]);
    assert_eq!(entry.lines().count(), 4, "{entry}");
    assert_eq!(printed(&["trace", "figure-18", "--op", "loss", "--level", "op", "--format", "text"]).lines().count(), 1);
}

#[test]
fn show_prints_a_frame() {
    // what is odd at first sight is explained there, and only there
    let left_out = |step: &str| {
        printed(&["show", "tests/corners/cross-entropy-minus-inf-midway-logits.toml", "--at", step, "--size", "120x40"])
            .contains("0 · −∞ has no value, so the term")
    };
    assert!(left_out("loss#1") && !left_out("loss#2"));
    assert!(printed(&["show", "figure-14", "--at", "grad.a", "--size", "80x24"]).contains("step 9/10"));
    let frame = printed(&["show", "figure-14", "--at", "8", "--keys", "l", "--size", "80x24"]);
    assert_eq!(frame.lines().count(), 24);
    assert!(frame.contains("step 9/10") && frame.contains("grad.a"), "{frame}");
    assert_eq!(frame, printed(&["show", "figure-14", "--keys", ":grad.a<Enter>", "--size", "80x24"]));
    assert_eq!(frame, printed(&["show", "figure-14", "--keys", "<End>hqll", "--size", "80x24"]), "what follows q is not played");
    assert_eq!(printed(&["show", "figure-14", "--size", "1x1"]).lines().count(), 1);
    assert_eq!(printed(&["show", "figure-14", "--size", "1000x1000"]).lines().count(), 1000);
    assert!(printed(&["show", "figure-14", "--format", "ansi"]).contains("\u{1b}[0;"));
    assert!(!printed(&["show", "figure-14", "--format", "ansi", "--color", "never"]).contains("38;"));
    assert!(printed(&["show", "figure-14", "--format", "svg"]).starts_with("<svg"));
}

/// At the end of the help one key back is one line back, however often the end was passed.
#[test]
fn the_help_ends_where_it_ends() {
    let help = |keys: &str| printed(&["show", "figure-14", "--size", "80x24", "--keys", &format!("?{keys}")]);
    let end = help(&"j".repeat(60));
    assert_eq!(end, help(&"j".repeat(90)));
    assert_ne!(end, help(&format!("{}k", "j".repeat(90))));
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
    assert!(refused(2, &["grads", path, "-o", path]).contains("is what is read"));
    assert!(fs::read_to_string(&file).unwrap().starts_with("title"), "still there");
}

#[test]
fn a_scenario_comes_from_a_name_a_path_or_stdin() {
    let by_name = printed(&["grads", "figure-14", "--format", "json"]);
    assert_eq!(printed(&["grads", "scenarios/figure-14.toml", "--format", "json"]), by_name);
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/figure-14.toml")).unwrap();
    let run = with_input(&["grads", "-", "--format", "json"], &text);
    assert_eq!((run.status, run.out, run.err), (0, by_name, String::new()));
    let wrong = with_input(&["grads", "-"], b"title = 1");
    assert_eq!(wrong.status, 1);
    assert!(wrong.err.contains("--> <stdin>"), "{}", wrong.err);
    let large = with_input(&["grads", "-"], &vec![b'#'; (4 << 20) + 1]);
    assert_eq!((large.status, large.err.as_str()), (2, "error: the standard input is no scenario: it has more than 4 MiB\n"));
}

#[test]
fn what_cannot_be_read_is_one_sentence() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let said = |name: &str| refused(2, &["grads", &path(name)]).replace(folder.path().to_str().unwrap(), "");
    fs::create_dir(path("a.toml")).unwrap();
    fs::write(path("binary.toml"), b"\x7fELF\x00\xff\xfe").unwrap();
    fs::write(path("large.toml"), vec![b'#'; (4 << 20) + 1]).unwrap();
    assert_eq!(said("none.toml"), "error: there is no file /none.toml\n");
    assert_eq!(said("a.toml"), "error: /a.toml is a folder; name a file in it\n");
    assert_eq!(
        said("binary.toml"),
        "error: /binary.toml is a binary file; a scenario is a TOML file, and `gradstep list` shows those inside the program\n"
    );
    assert_eq!(said("large.toml"), "error: /large.toml is too large: it may have 4 MiB\n");
    #[cfg(unix)]
    {
        assert_eq!(said("e\u{1b}[2J\n.toml"), "error: there is no file /e<U+001B>[2J<U+000A>.toml\n");
        assert!(Command::new("mkfifo").arg(path("pipe.toml")).status().unwrap().success());
        assert_eq!(said("pipe.toml"), "error: /pipe.toml is not a regular file; `-` reads the standard input\n");
        assert_eq!(refused(2, &["grads", "/dev/zero"]), "error: /dev/zero is not a regular file; `-` reads the standard input\n");
    }
}

#[test]
fn an_invalid_scenario_is_status_1() {
    let said = refused(1, &["grads", "tests/invalid/bias-wrong-length.toml"]);
    assert!(said.contains("tests/invalid/bias-wrong-length.toml:9:8"), "{said}");
    for command in ["trace", "show"] {
        assert_eq!(refused(1, &[command, "tests/invalid/bias-wrong-length.toml"]), said);
    }
    assert_eq!(refused(1, &["tests/invalid/bias-wrong-length.toml"]), said, "before the terminal is looked for");
}

/// What samples, batches and later iterations compute can be expected, and has notes: everything that the trace names.
#[test]
fn an_expectation_may_be_of_any_op_of_any_iteration() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("t.toml");
    let begin = "title = \"t\"\nloss = \"squared_error\"\n\
        [[sample]]\ninput = [1, 2]\ntarget = 1\n[[sample]]\ninput = [2, -1]\ntarget = 0\n\
        [[layer]]\ntype = \"linear\"\nweight = [[1, 2]]\nbias = 0\n\
        [train]\nlearning_rate = 0.1\niterations = 2\nmomentum = 0.5\n";
    let right = [
        ("loss", "8"),
        ("2:loss", "0"),
        ("reduce:loss", "4"),
        ("2/loss", "3.92"),
        ("grad.fc1.weight", "[[4, 8]]"),
        ("reduce:grad.fc1.weight[0,1]", "4"),
        ("velocity.fc1.weight", "[[2, 4]]"),
        ("1/update:velocity.fc1.bias[0]", "2"),
        ("fc1.weight", "[[1, 2]]"),
        ("update:fc1.weight", "[[0.8, 1.6]]"),
    ];
    let expect =
        |(at, value): (&str, &str)| format!("[[expect]]\nat = \"{at}\"\nvalue = {value}\n[[note]]\nat = \"{at}\"\ntext = \"here\"\n");
    let text = begin.to_owned() + &right.map(expect).concat();
    fs::write(&file, &text).unwrap();
    let name = file.to_str().unwrap();
    assert_eq!(printed(&["check", name]), format!("ok  {name} ({} expected numbers hold)\n", right.len()));
    fs::write(&file, text.replace("[[0.8, 1.6]]", "[[0.8, 1.7]]")).unwrap();
    let said = command(&["check", name]).output().unwrap();
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8(said.stdout).unwrap().contains("update:fc1.weight[0,1] is 1.6, expected 1.7"));
}

#[test]
fn wrong_usage_is_status_2() {
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
        &["replay", "none", "--format", "cast"],
        &["replay", "none", "--speed", "0"],
        &["replay", "none", "-o", "file"],
    ];
    let texts: Vec<String> = cases.iter().map(|case| format!("$ gradstep {}\n{}", case.join(" "), refused(2, case))).collect();
    insta::assert_snapshot!("usage", texts.join("\n"));
}

#[test]
fn without_a_terminal_the_stepper_says_what_to_do() {
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
fn replay_prints_the_frames() {
    let text = printed(&["replay", "tests/sessions/figure-14.session", "--format", "text"]);
    let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("--- ")).collect();
    insta::assert_snapshot!("replay-heads", heads.join("\n"));
    let last = text.rsplit("--- ").next().unwrap().split_once('\n').unwrap().1;
    assert_eq!(last, printed(&["show", "figure-14", "--keys", "l<End>h", "--size", "60x16"]));
}

#[test]
fn a_torn_session_is_replayed_with_a_remark() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("session");
    let whole = fs::read("tests/sessions/figure-14.session").unwrap();
    fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    let run = gradstep(&["replay", path.to_str().unwrap(), "--format", "text"]);
    assert_eq!(run.status, 0);
    assert!(run.err.starts_with("note: the last line of "), "{}", run.err);
    assert_eq!(run.out, printed(&["replay", "tests/sessions/figure-14.session", "--format", "text"]), "only the end was torn off");
}

/// In a locale that is not UTF-8, and with `--ascii`, there is no byte above 0x7F.
#[test]
fn ascii_is_ascii() {
    let cases: &[&[&str]] = &[
        &["list"],
        &["grads", "figure-15"],
        &["trace", "figure-15", "--format", "text"],
        &["man"],
        &["completions", "zsh"],
        &["show", "figure-18", "--size", "80x24"],
        &["show", "figure-01", "--keys", "n"],
        &["check", "tests/invalid/bidi-raw-in-a-value.toml", "figure-14"],
        &["grads", "tests/invalid/homoglyph-in-a-key.toml"],
        &["show", "figure-14", "--at", "∂"],
        &["∂"],
    ];
    for case in cases {
        let mut latin = command(case);
        latin.env("LC_ALL", "C");
        for run in [finish(latin), gradstep(&[case, &["--ascii"][..]].concat())] {
            assert!(run.out.is_ascii() && run.err.is_ascii(), "{case:?}: {run:?}");
            assert!(!run.out.is_empty() || !run.err.is_empty(), "{case:?}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = command(&["trace", "figure-02"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    // what fails at the end, and what is too much to wait for it
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
        &["trace", "figure-01", "--level", "element"],
        &["trace", "figure-01", "--level", "element", "--format", "text"],
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

/// The tensors of an .npz by name.
fn unpacked(bytes: Vec<u8>) -> HashMap<String, (Vec<usize>, Vec<f64>)> {
    let archive = kind("x.npz").unwrap()(bytes).unwrap();
    let names = archive.names().unwrap().list().to_vec();
    let tensor = |place| {
        let layout = archive.layout(place).unwrap();
        (layout.shape().to_vec(), layout.numbers(&archive.bytes(place).unwrap()).unwrap())
    };
    names.into_iter().enumerate().map(|(place, name)| (name, tensor(place))).collect()
}

/// The shape and the numbers of nested arrays.
fn flattened(value: &Value) -> (Vec<usize>, Vec<f64>) {
    let Value::Array(items) = value else { return (Vec::new(), vec![value.as_f64().unwrap()]) };
    let items: Vec<_> = items.iter().map(flattened).collect();
    let shape = [&[items.len()], &items[0].0[..]].concat();
    (shape, items.into_iter().flat_map(|(_, numbers)| numbers).collect())
}

#[test]
fn grads_as_npz_are_those_of_the_json() {
    for name in ["figure-14", "mazur-2-2-2", "figure-20"] {
        let mut npz = unpacked(command(&["grads", name, "--format", "npz"]).output().unwrap().stdout);
        let json: Value = serde_json::from_str(&printed(&["grads", name, "--format", "json"])).unwrap();
        let sample = &json["samples"][0];
        let groups = [
            ("", &json["gradients"]),
            ("parameters.", &json["parameters"]),
            ("values.", &sample["values"]),
            ("gradients.", &sample["gradients"]),
        ];
        for (group, tensors) in groups {
            for (tensor, value) in tensors.as_object().into_iter().flatten() {
                assert_eq!(npz.remove(&format!("{group}{tensor}")), Some(flattened(value)), "{group}{tensor} of {name}");
            }
        }
        let rest: Vec<&str> = npz.keys().map(String::as_str).collect();
        if name == "figure-14" {
            assert!(rest.is_empty(), "{rest:?}"); // a graph's loss is the value of its output
        } else {
            assert_eq!((rest, &npz["loss"]), (vec!["loss"], &flattened(&json["loss"])));
        }
    }
}

#[test]
fn weights_beside_a_scenario_are_read_and_not_written_over() {
    let folder = tempdir().unwrap();
    let (net, weights) = (folder.path().join("net.toml"), folder.path().join("w.npz"));
    fs::write(
        &net,
        "title = \"t\"\ninput = [1, 2]\ntarget = [1]\nloss = \"squared_error\"\n[[layer]]\ntype = \"linear\"\n\
         weight = { file = \"w.npz\", key = \"fc1.weight\" }\n",
    )
    .unwrap();
    let named = [("fc1.weight".to_owned(), &[1, 2][..], &[0.5, -1.0][..])];
    npz::write(&mut fs::File::create(&weights).unwrap(), &named).unwrap();
    let before = fs::read(&weights).unwrap();
    let (net, weights) = (net.to_str().unwrap(), weights.to_str().unwrap());
    assert_eq!(printed(&["check", net]), format!("ok  {net}\n"));
    for verb in [&["grads", net, "--format", "npz"][..], &["trace", net], &["show", net, "--at", "first"]] {
        let said = refused(2, &[verb, &["-o", weights]].concat());
        assert!(said.contains("would be lost"), "{said}");
    }
    assert_eq!(fs::read(weights).unwrap(), before);
    // what is piped in has no folder
    let piped = with_input(&["check", "-"], &fs::read(net).unwrap());
    assert_eq!(piped.status, 1);
    assert!(piped.out.contains("it comes from the standard input, so it has no folder"), "{}", piped.out);
}

/// No invalid scenario takes longer than a second of the processor, or more than 100 MB: the limits are the system's, so that what goes
/// beyond them ends without its own exit status.
#[test]
#[cfg(unix)]
fn what_is_invalid_costs_little() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invalid");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|end| end != "toml") {
            continue;
        }
        seen += 1;
        let mut limited = Command::new("sh");
        // the system counts what is asked for, touched or not; large tensors are asked for before the file is known to be invalid
        let kilobytes = if path.ends_with("too-large-in-all.toml") { 1_200_000 } else { 102_400 };
        let script = format!("ulimit -t 1; ulimit -d {kilobytes}; exec \"$0\" check \"$1\"");
        limited.args(["-c", &script, env!("CARGO_BIN_EXE_gradstep")]).arg(&path);
        let run = finish(limited);
        let refused = if run.err.contains("binary file") { 2 } else { 1 };
        assert_eq!(run.status, refused, "{}: {}", path.display(), run.err);
    }
    assert!(seen >= 60, "{seen} invalid scenarios");
}

/// What a table leaves out is said, and a descent that has run away too.
#[test]
fn the_table_of_a_descent_says_what_it_leaves_out() {
    let folder = tempdir().expect("a folder");
    let train = |rate: &str, iterations: u32| {
        let file = folder.path().join("line.toml");
        let text = format!(
            "title = \"a line\"\ninput = [1]\ntarget = [2]\nloss = \"squared_error\"\n[train]\nlearning_rate = {rate}\niterations = {iterations}\n\
             [[layer]]\ntype = \"linear\"\nweight = [[1]]\nbias = [0]\n"
        );
        fs::write(&file, text).expect("a file");
        printed(&["train", file.to_str().expect("a name")])
    };
    let (one, many, away) = (train("0.1", 1), train("0.1", 50), train("1e9", 50));
    assert!(one.contains("\n1 iteration\n"), "{one}");
    assert!(many.contains("\n50 iterations; one in 3 is shown, and the last\n") && !many.contains("finite"), "{many}");
    assert_eq!(many.lines().filter(|line| line.contains("  loss  ") && !line.contains("after")).count(), 18, "{many}");
    let first = away.lines().find_map(|line| line.strip_prefix("from iteration ")?.split(' ').next()?.parse().ok());
    let shown = |line: &str| Some((line.trim().split(' ').next()?.parse::<usize>().ok()?, line.contains("inf") || line.contains("nan")));
    let first: usize = first.expect("a warning");
    let rows: Vec<(usize, bool)> = away.lines().filter(|line| line.contains("  loss  ")).filter_map(shown).collect();
    assert!(rows.len() > 10 && rows.iter().all(|(n, lost)| *lost == (*n >= first)), "{first}: {away}");
}

/// The picture in the README is a frame of this program.
#[test]
fn the_picture_of_the_readme_is_a_real_frame() {
    let picture = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/frame.svg")).expect("the picture");
    let frame = printed(&["show", "figure-19", "--at", "grad.conv1.weight[0,0,0,1]#3", "--size", "100x32", "--format", "svg"]);
    assert!(
        picture == frame,
        "draw it anew: gradstep show figure-19 --at 'grad.conv1.weight[0,0,0,1]#3' --size 100x32 --format svg -o docs/frame.svg"
    );
}

/// The scenario in the README is valid, and the fault that it shows is what is said.
#[test]
fn the_readme_is_true() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README");
    let block = |kind: &str| {
        let (_, after) = readme.split_once(&format!("```{kind}\n")).expect("a block");
        after.split_once("```").expect("its end").0.to_owned()
    };
    let run = with_input(&["check", "-"], block("toml").as_bytes());
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let wrong = block("toml").replace("bias = 0.5\n", "kernel_sise = 2\n");
    let run = with_input(&["check", "-"], wrong.as_bytes());
    for line in block("text").lines().filter(|line| !line.contains("-->") && !line.trim_start().starts_with(|c: char| c.is_ascii_digit())) {
        assert!(run.out.contains(line.trim()), "{line:?} is not said:\n{}", run.out);
    }
}

/// The page on scenario files names everything that there is, and its examples are valid.
#[test]
fn the_page_on_scenarios_is_true_and_whole() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenarios.md")).expect("the page");
    let examples: Vec<&str> = page.split("```toml\n").skip(1).map(|after| after.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let run = with_input(&["check", "-"], example.as_bytes());
        assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    }
    let words: HashSet<&str> = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let layers = LAYERS.iter().flat_map(|kind| kind.keys.iter().copied().chain([kind.name]));
    let activations = ACTIVATIONS.iter().flat_map(|kind| kind.keys.iter().map(|(key, _)| *key).chain([kind.name]));
    let losses = LOSSES.iter().flat_map(|kind| kind.keys.iter().copied().chain([kind.name]));
    let missing: Vec<&str> =
        layers.chain(activations).chain(losses).chain(FUNCTIONS.iter().map(Named::name)).filter(|name| !words.contains(name)).collect();
    assert!(missing.is_empty(), "docs/scenarios.md is silent about {missing:?}");
}

#[test]
fn gradcheck_prints_a_row_for_each_tensor() {
    let text = printed(&["gradcheck", "figure-01", "--entries", "20"]);
    assert!(text.contains("only 326 of 94806 derivatives were looked at\n"), "{text}");
    assert!(text.contains(" of 326 derivatives agree with central differences within 1e-6\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let text = printed(&["gradcheck", "figure-19"]);
    assert!(!text.contains("looked at") && text.contains("agree with central differences within 1e-6\n"), "{text}");
    let json: Value = serde_json::from_str(&printed(&["gradcheck", "figure-19", "--format", "json"])).unwrap();
    assert_eq!((&json["passed"], &json["tolerance"]), (&Value::Bool(true), &Value::from(1e-6)));
    let tensors = json["tensors"].as_array().unwrap();
    let weight = tensors.iter().find(|tensor| tensor["name"] == "grad.conv1.weight").expect("the weight");
    assert_eq!((&weight["entries"], &weight["off"], &weight["kinks"]), (&Value::from(4), &Value::from(0), &Value::from(0)));
    assert!(weight["worst"]["at"].as_str().unwrap().starts_with("grad.conv1.weight[0,0,"), "{weight}");
}

/// A name may be as long as its file: wider than any width that a column is printed in.
#[test]
fn a_name_without_end_is_printed() {
    let name = "a".repeat(65_536);
    let graph = format!(
        "title = \"long\"\n[graph]\ninputs = {{ {name} = 2, b = 3 }}\nnodes = [\"J = {name} * b\"]\n[train]\nlearning_rate = 1\nlearn = [\"{name}\"]\n"
    );
    let layers = format!(
        "title = \"long\"\ninput = [1]\ntarget = 0\nloss = \"squared_error\"\n[train]\nlearning_rate = 1\n\
         [[layer]]\nname = \"{}\"\ntype = \"linear\"\nweight = [[1]]\n",
        &name[2..]
    );
    for (text, name) in [(&graph, &name[..]), (&layers, &name[2..])] {
        for arguments in [
            &["check", "-"][..],
            &["grads", "-"],
            &["grads", "-", "--format", "json"],
            &["gradcheck", "-"],
            &["train", "-"],
            &["trace", "-"],
            &["trace", "-", "--format", "text"],
            &["trace", "-", "--format", "csv"],
            &["trace", "-", "--format", "markdown"],
            &["trace", "-", "--format", "text", "--level", "element"],
            &["show", "-"],
            &["show", "-", "--at", "last"],
        ] {
            let run = with_input(arguments, text.as_bytes());
            assert_eq!((run.status, run.err.as_str()), (0, ""), "{arguments:?}");
            assert!(run.out.contains(name) || matches!(arguments[0], "check" | "show"), "{arguments:?}");
        }
    }
}

/// A file with weights is listed where a scenario opens, and refused with the list by the commands.
#[test]
fn a_file_with_weights_is_listed() {
    let folder = tempdir().unwrap();
    let header =
        r#"{"fc1.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"fc1.bias":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 16]].concat();
    fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.current_dir(folder.path());
        finish(command)
    };
    let list = "model.safetensors holds 2 tensors, and no scenario:\n  fc1.weight  1x2  f32\n  fc1.bias    1  f64\n\
        a scenario takes its tensors from it: weight = { file = \"…\", key = \"…\" }; docs/pytorch.md says how\n";
    let found = run(&["model.safetensors"]);
    assert_eq!((found.status, found.out.as_str(), found.err.as_str()), (0, list, ""));
    for name in ["check", "grads", "gradcheck", "trace", "train", "show"] {
        let found = run(&[name, "model.safetensors"]);
        assert_eq!((found.status, found.out.as_str()), (2, ""), "{name}");
        assert_eq!(found.err, format!("error: {list}"), "{name}");
    }
    let found = run(&["missing.safetensors"]);
    assert_eq!((found.status, found.out.as_str()), (2, ""));
}

/// The beginning of the one bundled name opens it, and says so; several are listed, and a file of that name wins.
#[test]
fn the_beginning_of_a_bundled_name_is_enough() {
    let folder = tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.current_dir(folder.path());
        finish(command)
    };
    let found = run(&["check", "mazur"]);
    assert_eq!(found.status, 0, "{}", found.err);
    assert_eq!(found.err, "mazur is mazur-2-2-2, the only bundled scenario whose name begins so\n");
    let found = run(&["show", "figure-1"]);
    assert_eq!((found.status, found.out.as_str()), (2, ""));
    assert!(found.err.starts_with("error: 6 bundled scenarios begin with figure-1: figure-14, figure-15,"), "{}", found.err);
    let found = run(&["figure"]);
    assert_eq!(found.status, 2);
    assert!(found.err.contains("11 bundled scenarios begin with figure: figure-01,"), "{}", found.err);
    fs::write(folder.path().join("mazur"), "title = \"mine\"\n").unwrap();
    let found = run(&["show", "mazur"]);
    assert_eq!(found.status, 1, "{}", found.err);
    assert!(found.err.contains("there is no network"), "{}", found.err);
}

#[test]
fn zero_has_no_sign_in_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zero.toml");
    std::fs::write(&path, "title = \"zero\"\n[graph]\ninputs = { a = -0.0, b = 2.0 }\nnodes = [\"J = a * b\"]\n").unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(printed(&["grads", path]), "zero\n\n   value  gradient\na      0         2\nb      2         0\nJ      0         1\n");
    // what another program reads has it
    assert!(printed(&["grads", path, "--format", "json"]).contains("-0.0"));
}
