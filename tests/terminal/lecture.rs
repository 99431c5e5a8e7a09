//! A recorded lecture of twenty steps is replayed. The user pauses it, takes over, returns to the replay, and it plays to its end.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use tempfile::tempdir;

use crate::pty::Run;

/// The number of steps of the lecture. It begins at step 33, at which figure-19 opens.
const STEPS: usize = 20;

fn gradstep(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
    for folder in ["XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
        command.env(folder, concat!(env!("CARGO_TARGET_TMPDIR"), "/no-settings"));
    }
    command
}

#[track_caller]
fn assert_quits(mut run: Run) {
    run.press("q");
    assert_eq!(run.end().code(), Some(0));
    run.assert_restored();
}

#[test]
fn a_lecture_of_twenty_steps_is_replayed_paused_taken_over_and_given_back() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("lecture.session");
    let file = path.to_str().unwrap();
    // the lecture: twenty steps of the filter's gradient and of the input's, one key each
    let mut run = Run::start(gradstep(&["figure-19", "--record", file]));
    run.wait_for("step 33/64");
    for step in 1..=STEPS {
        run.press("l");
        run.wait_for(&format!("step {}/64", 33 + step));
    }
    assert_quits(run);
    let recorded = fs::read_to_string(&path).unwrap();
    assert_eq!(recorded.matches("\"key\",\"l\"").count(), STEPS);
    // the same lecture at the pace of a lecturer: a step each half second
    let (header, _) = recorded.split_once('\n').unwrap();
    let steps = (1..=STEPS).map(|step| format!("[{},\"key\",\"l\"]\n", step * 500)).collect::<Vec<_>>().concat();
    fs::write(&path, format!("{header}\n{steps}[{},\"quit\"]\n", (STEPS + 2) * 500)).unwrap();

    let mut run = Run::start(gradstep(&["replay", file, "--speed", "4"]));
    run.wait_until("some steps", |run| (4..=8).any(|step| run.screen().contents().contains(&format!("step {}/64", 33 + step))));
    // paused: the screen stays as it is
    run.press(" ");
    // 21 events: 20 keys, and the end
    run.wait_for("/21, paused");
    let place = |run: &Run| -> usize {
        let screen = run.screen().contents();
        screen.split_once("replay ").unwrap().1.split_once('/').unwrap().0.parse().unwrap()
    };
    let paused = place(&run);
    run.wait_for(&format!("step {}/64", 33 + paused));
    std::thread::sleep(std::time::Duration::from_millis(600));
    run.press(".");
    run.wait_for(&format!("replay {}/21, paused", paused + 1));
    run.wait_for(&format!("step {}/64", 33 + paused + 1));
    run.press(",");
    run.wait_for(&format!("replay {paused}/21, paused"));
    run.wait_for(&format!("step {}/64", 33 + paused));
    // taken over: the keys are those of the stepper
    run.press("b");
    run.wait_for("take over here?");
    run.wait_for(&format!("step {}/64", 33 + paused));
    run.press("\r");
    run.wait_for(&format!("by hand, replay {paused}/21"));
    run.press("b");
    run.wait_for("step 25/64");
    run.press("t");
    run.wait_for("terms of grad.conv1.a");
    run.press("\x1b");
    run.wait_until("the list is closed", |run| !run.screen().contents().contains("terms of"));
    // back to the replay, which continues from where it was to its end
    run.press("T");
    run.wait_for(&format!("step {}/64", 33 + paused));
    run.wait_until("the replay goes on", |run| run.screen().contents().contains("▶ replay") && place(run) > paused);
    run.wait_for("the end of the session");
    run.wait_for("step 53/64");
    run.press("h");
    run.wait_for("step 52/64");
    assert_quits(run);

    // --at: paused at an event
    let mut run = Run::start(gradstep(&["replay", file, "--at", "12"]));
    run.wait_for("replay 12/21, paused");
    run.wait_for("step 45/64");
    run.press(" ");
    run.wait_for("step 46/64");
    assert_quits(run);
}

#[test]
fn a_session_of_the_plain_mode_is_replayed_on_the_screen() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("plain.session");
    let file = path.to_str().unwrap();
    let mut command = gradstep(&["figure-19", "--plain", "--record", file]);
    let mut plain = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    plain.stdin.take().unwrap().write_all(b"lll\ngrad.input[0,1,1]\n ll\nt\n").unwrap();
    assert!(plain.wait().unwrap().success());
    let mut run = Run::start(gradstep(&["replay", file, "--speed", "1000"]));
    run.wait_for("the end of the session");
    run.wait_for("terms of grad.input[0,1,1]");
    run.wait_for("step 57/64");
    run.press("\x1b");
    run.wait_until("the list is closed", |run| !run.screen().contents().contains("terms of"));
    assert_quits(run);
}
