//! `gradstep check` compares a scenario with its expected numbers. Also tests the ways to name a scenario, and the error messages for scenarios that cannot be
//! read.

use std::fs;
use std::path::Path;
use std::process::Command;

use gradstep::command::bundled;
use tempfile::tempdir;

use super::{command, finish, printed, refused, with_input};

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
fn check_reports_differences_and_faults() {
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

/// A note names the file with its extension: `h` alone would be the tensor.
#[test]
fn check_names_the_statements_that_are_left_out() {
    let folder = tempdir().unwrap();
    let nodes = "h = x * x\nfor i in range(2):\n    print(i)\n    h = h * x\nloss = h.sum()\nloss.backward()\n";
    fs::write(folder.path().join("h.toml"), format!("title = \"h\"\n[graph]\nnodes = \"\"\"\n{nodes}\"\"\"\n[graph.inputs]\nx = [1, 2]\n"))
        .unwrap();
    let mut command = command(&["check", "h.toml"]);
    command.current_dir(folder.path());
    let found = finish(command);
    let said = "note: h.toml, line 6: print(i) is not needed: left out\nnote: h.toml, line 9: loss.backward() is not needed: left out\n";
    assert_eq!((found.status, found.out.as_str(), found.err.as_str()), (0, "ok  h.toml\n", said));
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
    assert_eq!((large.status, large.err.as_str()), (2, "error: the standard input is larger than 4 MiB, so it is not a scenario\n"));
}

#[test]
fn the_error_for_an_unreadable_file_is_one_sentence() {
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
        "error: /binary.toml is a binary file, but a scenario is a TOML file; `gradstep list` shows the bundled ones\n"
    );
    assert_eq!(said("large.toml"), "error: /large.toml is larger than 4 MiB\n");
    #[cfg(unix)]
    {
        assert_eq!(said("e\u{1b}[2J\n.toml"), "error: there is no file /e<U+001B>[2J<U+000A>.toml\n");
        assert!(Command::new("mkfifo").arg(path("pipe.toml")).status().unwrap().success());
        assert_eq!(said("pipe.toml"), "error: /pipe.toml is not a regular file; write `-` to read the standard input\n");
        assert_eq!(refused(2, &["grads", "/dev/zero"]), "error: /dev/zero is not a regular file; write `-` to read the standard input\n");
        // only a scenario is read from the standard input
        assert!(Command::new("mkfifo").arg(path("pipe.npz")).status().unwrap().success());
        assert_eq!(said("pipe.npz"), "error: /pipe.npz is not a regular file; write what it contains to a file first\n");
        assert_eq!(
            refused(2, &["replay", "/dev/zero"]),
            "error: /dev/zero is not a regular file; write what it contains to a file first\n"
        );
    }
}

#[test]
fn an_invalid_scenario_gives_exit_status_1() {
    let said = refused(1, &["grads", "tests/invalid/bias-wrong-length.toml"]);
    assert!(said.contains("tests/invalid/bias-wrong-length.toml:9:8"), "{said}");
    for command in ["trace", "show"] {
        assert_eq!(refused(1, &[command, "tests/invalid/bias-wrong-length.toml"]), said);
    }
    assert_eq!(refused(1, &["tests/invalid/bias-wrong-length.toml"]), said, "the scenario is read before the terminal is opened");
}

/// `[[expect]]` and `[[note]]` can name any op of the trace: of a sample, of the batch, or of a later iteration.
#[test]
fn expectations_and_notes_can_name_any_op_of_any_iteration() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("t.toml");
    let begin = "title = \"t\"\nloss = \"squared_error\"\n\
        [[sample]]\ninput = [1, 2]\ntarget = 1\n[[sample]]\ninput = [2, -1]\ntarget = 0\n\
        [[layer]]\ntype = \"linear\"\nweight = [[1, 2]]\nbias = 0\n\
        [train]\nlearning_rate = 0.1\niterations = 2\nmomentum = 0.5\n";
    // the outputs are 1·1 + 2·2 = 5 and 2 − 2 = 0, so the errors are 5 − 1 = 4 and 0, and the mean gradients are (2, 4) and 2; the first velocity is the
    // gradient; the second loss is (0.8·1 + 1.6·2 − 0.2 − 1)²/2 = 3.92
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

/// No invalid scenario takes more than a second of processor time or 100 MB. The system enforces both limits: a process beyond them is killed and has no exit
/// status.
#[test]
#[cfg(unix)]
fn an_invalid_scenario_is_refused_with_little_time_and_memory() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invalid");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|end| end != "toml") {
            continue;
        }
        count += 1;
        let mut limited = Command::new("sh");
        // the system counts reserved memory, and large tensors are reserved before the file is known to be invalid
        let kilobytes = if path.ends_with("too-large-in-all.toml") { 1_200_000 } else { 102_400 };
        let script = format!("ulimit -t 1; ulimit -d {kilobytes}; exec \"$0\" check \"$1\"");
        limited.args(["-c", &script, env!("CARGO_BIN_EXE_gradstep")]).arg(&path);
        let run = finish(limited);
        let expected = if run.err.contains("binary file") { 2 } else { 1 };
        assert_eq!(run.status, expected, "{}: {}", path.display(), run.err);
    }
    assert!(count >= 60, "only {count} invalid scenarios");
}

/// `gradstep FILE` lists the tensors of a file, and proposes a scenario that can be opened. Other commands refuse the file, and print the same list.
#[test]
fn a_file_with_weights_is_listed() {
    let folder = tempdir().unwrap();
    let header =
        r#"{"fc1.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"fc1.bias":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}}"#;
    // 8 bytes for the two f32 of the weight, and 8 for the f64 of the bias
    let numbers = [0; 16];
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &numbers].concat();
    fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.current_dir(folder.path());
        finish(command)
    };
    let names = "model.safetensors is not a scenario; it has 2 tensors:\n  fc1.weight  1x2  f32\n  fc1.bias    1  f64\n";
    let list = format!("{names}to use one in a scenario, write weight = {{ file = \"…\", key = \"…\" }}; see docs/pytorch.md\n");
    let found = run(&["model.safetensors"]);
    assert_eq!((found.status, found.err.as_str()), (0, ""));
    let proposed = found.out.strip_prefix(names).and_then(|rest| rest.split_once("\n\ntitle = ")).expect("a scenario").1;
    fs::write(folder.path().join("proposed.toml"), format!("title = {proposed}")).unwrap();
    assert_eq!(run(&["check", "proposed.toml"]).out, "ok  proposed.toml\n");
    for name in ["check", "grads", "gradcheck", "trace", "train", "show"] {
        let found = run(&[name, "model.safetensors"]);
        assert_eq!((found.status, found.out.as_str()), (2, ""), "{name}");
        assert_eq!(found.err, format!("error: {list}"), "{name}");
    }
    let found = run(&["missing.safetensors"]);
    assert_eq!((found.status, found.out.as_str()), (2, ""));
}

/// The beginning of one bundled name opens that scenario, with a remark. The beginning of several names is refused, and the message lists them. A file with
/// exactly this name comes first.
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
    assert_eq!(found.err, "mazur opens mazur-2-2-2, the only bundled scenario whose name begins with it\n");
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
