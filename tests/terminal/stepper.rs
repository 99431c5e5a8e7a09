//! The picker, a recording and its replay work in a pseudo-terminal.

use std::fs;
use std::process::Command;

use gradstep::weights::npz;
use tempfile::tempdir;

use crate::pty::Run;

fn gradstep(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    command.args(arguments).env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
    // no settings and no recent files of the user
    command.env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR")).env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

#[track_caller]
fn assert_quits(mut run: Run) {
    run.press("q");
    assert_eq!(run.end().code(), Some(0));
    run.assert_restored();
}

#[test]
fn the_picker_lists_bundled_scenarios_and_those_of_the_folder() {
    let folder = tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("mine.toml", "title = \"My own graph\"\n[graph]\ninputs = { a = 3 }\nnodes = [\"u = a * a\"]\n");
    write("broken.toml", "title = \"Broken\"\n[graph]\n");
    write("Cargo.toml", "[package]\nname = \"other\"\n");
    let mut command = gradstep(&[]);
    command.current_dir(folder.path()).env("XDG_STATE_HOME", folder.path().join("state"));
    let mut run = Run::start(command);
    run.wait_for("▸ figure-14");
    run.press("\r");
    run.wait_for("step 1/10");
    run.press("o");
    run.wait_for("figure-01");
    // PgDn to the end, where the files of the folder are
    for _ in 0..3 {
        run.press("\x1b[6~");
    }
    run.wait_for("mine.toml");
    assert!(!run.screen().contents().contains("Cargo.toml"));
    run.press("\r");
    run.wait_for("My own graph");
    run.wait_for("step 1/");
    run.press("o");
    run.wait_for("figure-01");
    for _ in 0..3 {
        run.press("\x1b[6~");
    }
    run.press("k\r");
    run.wait_for("broken.toml is not valid");
    assert_quits(run);
}

#[test]
fn files_that_were_opened_before_come_first() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let graph = |title: &str| format!("title = \"{title}\"\n[graph]\ninputs = {{ a = 3 }}\nnodes = [\"u = a * a\"]\n");
    fs::create_dir(path("lab")).unwrap();
    for (name, title) in [("lab/one.toml", "The first"), ("two.toml", "The second"), ("three.toml", "The third")] {
        fs::write(path(name), graph(title)).unwrap();
    }
    let start = |arguments: &[&str]| {
        let mut command = gradstep(arguments);
        command.current_dir(folder.path()).env("XDG_STATE_HOME", path("state"));
        Run::start(command)
    };
    // a recording does not add files to the list
    for arguments in [&["lab/one.toml"][..], &["two.toml"], &["figure-14"], &["three.toml", "--record", "session"]] {
        let mut run = start(arguments);
        run.wait_for("step 1/");
        assert_quits(run);
    }
    let mut run = start(&[]);
    run.wait_for("▸ two.toml");
    let screen = run.screen().contents();
    let rows: Vec<&str> = screen.lines().skip(2).take(4).map(str::trim_end).collect();
    assert_eq!(rows[0], "opened before");
    assert!(rows[1].contains("The second") && rows[2].contains("lab/one.toml") && rows[3] == "bundled", "{screen}");
    // each file is listed once
    run.press("\x1b[F");
    run.wait_for("▸ three.toml");
    assert_eq!(run.screen().contents().matches("in this folder").count(), 1);
    // a file that is opened again, here with the filter, becomes the newest
    run.press("/first one");
    run.wait_for("▸ lab/one.toml");
    assert!(!run.screen().contents().contains("figure-"), "{}", run.screen().contents());
    run.press("\r");
    run.wait_for("The first");
    run.wait_for("step 1/");
    assert_quits(run);
    // a file that is gone is not listed
    fs::remove_file(path("two.toml")).unwrap();
    let mut run = start(&["figure-14"]);
    run.wait_for("step 1/");
    run.press("o");
    run.wait_for("▸ figure-14");
    assert!(run.screen().contents().contains("lab/one.toml") && !run.screen().contents().contains("two.toml"));
    run.press("q");
    run.end();
}

#[test]
fn a_click_goes_to_the_entry_under_it() {
    let mut run = Run::start(gradstep(&["figure-14", "--at", "grad.a"]));
    run.wait_for("step 9/10");
    // the first cell of the timeline
    run.press("\x1b[<0;10;2M\x1b[<0;10;2m");
    run.wait_for("step 1/10");
    assert_quits(run);
    let mut run = Run::start(gradstep(&["figure-14", "--no-mouse"]));
    run.wait_for("step 1/10");
    assert_eq!(run.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    assert_quits(run);
}

#[test]
fn a_recording_is_replayed_and_can_be_stopped() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("session");
    let file = path.to_str().unwrap();
    let mut run = Run::start(gradstep(&["figure-14", "--record", file]));
    run.wait_for("step 1/10");
    run.press("ll");
    run.wait_for("step 3/10");
    assert_eq!(fs::read_to_string(&path).unwrap().matches("\"key\",\"l\"").count(), 2, "written at once");
    run.press("\x1b[F");
    run.wait_for("step 10/10");
    assert_quits(run);

    let mut run = Run::start(gradstep(&["figure-14", "--record", file]));
    assert_eq!(run.end().code(), Some(2));
    assert!(run.screen().contents().contains("--record does not overwrite files"));
    run.assert_restored();

    // at the end of the replay, keys work again
    let mut run = Run::start(gradstep(&["replay", file, "--speed", "50"]));
    run.wait_for("the end of the session");
    run.wait_for("step 10/10");
    run.press("h");
    run.wait_for("step 9/10");
    assert_quits(run);

    // any key opens the question whether to take over; T returns to the replay
    let recorded = fs::read_to_string(&path).unwrap();
    let header = recorded.lines().next().unwrap();
    fs::write(&path, format!("{header}\n[0,\"key\",\"l\"]\n[3600000,\"key\",\"l\"]\n")).unwrap();
    let mut run = Run::start(gradstep(&["replay", file]));
    run.wait_for("step 2/10");
    run.wait_for("replay 1/2");
    run.press("G");
    run.wait_for("take over here?");
    run.wait_for("step 2/10");
    run.press("\r");
    run.wait_for("by hand, replay 1/2");
    run.press("lll");
    run.wait_for("step 5/10");
    run.press("T");
    run.wait_for("step 2/10");
    // pause, move by one event forward and back, and go to an event by its number
    run.press(" ");
    run.wait_for("replay 1/2, paused");
    run.press(",");
    run.wait_for("replay 0/2, paused");
    run.wait_for("step 1/10");
    run.press("..");
    run.wait_for("replay 2/2, paused");
    run.wait_for("step 3/10");
    run.press(":1\r");
    run.wait_for("replay 1/2, paused");
    run.wait_for("step 2/10");
    assert_quits(run);

    let mut run = Run::start(gradstep(&["replay", file]));
    run.wait_for("step 2/10");
    assert_quits(run);

    // in the prompt that the recording has opened, `q` is a letter
    fs::write(&path, format!("{header}\n[0,\"key\",\":\"]\n[1,\"key\",\"5\"]\n[3600000,\"key\",\"l\"]\n")).unwrap();
    let mut run = Run::start(gradstep(&["replay", file]));
    run.wait_for(":5");
    run.press("x\r");
    run.wait_for("by hand, replay 2/3");
    run.press("q");
    run.wait_for(":5q");
    run.press("\x1b");
    run.wait_for("Space");
    assert_quits(run);
}

#[test]
fn a_recording_contains_its_weights() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (net, weights, session) = (path("net.toml"), path("w.npz"), path("session"));
    let text = "title = \"t\"\ninput = [1, 2]\ntarget = [1]\nloss = \"squared_error\"\n[[layer]]\ntype = \"linear\"\n\
                weight = { file = \"w.npz\", key = \"fc1.weight\" }\n";
    fs::write(&net, text).unwrap();
    let named = [("fc1.weight".to_owned(), &[1, 2][..], &[0.5, -0.8125][..])];
    npz::write(&mut fs::File::create(&weights).unwrap(), &named).unwrap();
    let mut run = Run::start(gradstep(&[&net, "--record", &session]));
    run.wait_for("step 1/");
    run.press("l");
    run.wait_for("step 2/");
    assert_quits(run);

    // a replay needs neither the scenario nor the file with weights
    fs::remove_file(&net).unwrap();
    fs::remove_file(&weights).unwrap();
    let played = gradstep(&["replay", &session, "--format", "text"]).output().unwrap();
    let frames = String::from_utf8(played.stdout).expect("UTF-8");
    assert!(played.status.success() && frames.contains("(−0.8125)·2"), "{frames}");

    // a session without its files is refused
    let recorded = fs::read_to_string(&session).unwrap();
    let (before, rest) = recorded.split_once(",\"files\":{").unwrap();
    fs::write(&session, format!("{before}{}", rest.split_once('}').unwrap().1)).unwrap();
    let played = gradstep(&["replay", &session, "--format", "text"]).output().unwrap();
    let said = String::from_utf8(played.stderr).unwrap();
    assert!(played.status.code() == Some(1) && said.contains("the session does not contain the file \"w.npz\""), "{said}");
}

#[test]
fn keys_work_while_a_far_iteration_is_computed() {
    let folder = tempdir().unwrap();
    let net = folder.path().join("net.toml");
    let text = "title = \"t\"\ninput = [1, 2]\ntarget = [1]\nloss = \"squared_error\"\n[[layer]]\ntype = \"linear\"\n\
                weight = [[0.5, 1]]\n[train]\nlearning_rate = 1e-9\niterations = 1000000000\n";
    fs::write(&net, text).unwrap();
    let mut run = Run::start(gradstep(&[net.to_str().unwrap()]));
    run.wait_for("step 1/");
    run.press(":1000000000/1\r");
    run.wait_for("computing: iteration ");
    let shown = run.screen().contents();
    run.wait_until("it goes on", |run| run.screen().contents() != shown);
    run.press("\x1b");
    run.wait_for("stopped at iteration ");
    run.press("l");
    run.wait_for("step 2/");
    assert_quits(run);
}
