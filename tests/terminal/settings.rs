//! The settings file of the user can change keys and options. A fault in it is a message, and the program starts anyway.

use std::fs;
use std::process::Command;

use tempfile::{TempDir, tempdir};

use crate::pty::Run;

/// A folder with a settings file of this text.
fn home(text: &str) -> TempDir {
    let folder = tempdir().unwrap();
    fs::create_dir_all(folder.path().join("config/gradstep")).unwrap();
    fs::write(folder.path().join("config/gradstep/settings.toml"), text).unwrap();
    folder
}

fn gradstep(home: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    command.args(arguments).current_dir(home.path()).env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
    command.env("XDG_CONFIG_HOME", home.path().join("config")).env("XDG_STATE_HOME", home.path().join("state"));
    command
}

#[track_caller]
fn assert_quits(mut run: Run) -> String {
    run.press("q");
    assert_eq!(run.end().code(), Some(0));
    run.assert_restored();
    run.screen().contents()
}

#[test]
fn a_users_own_key_acts_and_is_recorded_as_the_key_for_which_it_stands() {
    let home = home("unit = \"op\"\nmouse = false\nindex = 0\n[keys]\nn = \"l\"\n");
    let mut run = Run::start(gradstep(&home, &["figure-14", "--record", "session"]));
    run.wait_for("step 1/10");
    assert_eq!(run.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    run.press("n");
    run.wait_for("unit: op");
    // in the prompt, n is a letter
    run.press(":n");
    run.wait_for(":n");
    run.press("\x1b");
    run.wait_until("the line is closed", |run| !run.screen().contents().contains("Esc close"));
    assert_quits(run);
    let session = fs::read_to_string(home.path().join("session")).unwrap();
    // the only n is the letter in the prompt
    assert!(session.contains("\"key\",\"l\"]") && session.matches("\"key\",\"n\"]").count() == 1, "{session}");
    // the recording has the unit and the index of the settings, so its replay does not need the settings file
    fs::remove_dir_all(home.path().join("config")).unwrap();
    let replayed = gradstep(&home, &["replay", "session", "--format", "text"]).output().unwrap();
    let frames = String::from_utf8(replayed.stdout).unwrap();
    assert!(frames.contains("unit: op"), "{frames}");
}

#[test]
fn an_option_overrides_the_settings() {
    let home = home("index = 0\nascii = true\ndigits = 6\npalette = \"red-blue\"\n");
    let mut run = Run::start(gradstep(&home, &["figure-16"]));
    run.wait_for("dC/dw01 =");
    assert!(run.screen().contents().is_ascii());
    assert_quits(run);
    let mut run = Run::start(gradstep(&home, &["figure-16", "--index", "1"]));
    run.wait_for("dC/dw12 =");
    assert_quits(run);
    let contains = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    for (options, number, colour) in [
        (&[][..], "0.593270", "48;2;85;165;214"),
        (&["--digits", "3", "--palette", "purple-green", "--record", "session"], "0.593 ", "48;2;90;174;97"),
    ] {
        let mut command = gradstep(&home, &[&["mazur-2-2-2", "--at", "fc1.a[0]"], options].concat());
        command.env("COLORTERM", "truecolor");
        let mut run = Run::start(command);
        run.wait_for(number);
        assert!(contains(&run.raw, colour), "{options:?}");
        assert_quits(run);
    }
    // a recording has the digits of the option
    let replayed = gradstep(&home, &["replay", "session", "--format", "text"]).output().unwrap();
    let frames = String::from_utf8(replayed.stdout).unwrap();
    assert!(frames.contains("0.593 ") && !frames.contains("0.5932"), "{frames}");
}

#[test]
fn a_fault_is_a_message_and_never_a_failure() {
    let home = home("\nzooom = true\n");
    let fault = "settings.toml, line 2, column 1: there is no setting \"zooom\": did you mean \"zoom\"?";
    for arguments in [&["figure-14"][..], &[]] {
        let mut run = Run::start(gradstep(&home, arguments));
        run.resize(200, 30);
        run.wait_for("did you mean \"zoom\"?");
        run.press("\r");
        let after = assert_quits(run);
        assert!(after.replace('\n', "").contains(fault), "also on stderr: {after}");
    }
    // of several faults, the message has the first one and the command that shows all
    fs::write(home.path().join("config/gradstep/settings.toml"), "zooom = true\nindex = 3\nmouse = 1\n").unwrap();
    let mut run = Run::start(gradstep(&home, &[]));
    run.wait_for("; and 2 more:");
    run.wait_for("`gradstep settings`");
    assert_quits(run);
    // the output of a command does not depend on the file
    let shown = gradstep(&home, &["show", "figure-14"]).output().unwrap();
    assert!(shown.status.success() && shown.stderr.is_empty());
}

#[test]
fn the_help_and_the_key_bar_show_the_keys_of_the_user() {
    let home = home("[keys]\nn = \"l\"\nl = \"h\"\nh = \"l\"\n\"<C-x>\" = \"<Space>\"\n");
    let mut run = Run::start(gradstep(&home, &["figure-14"]));
    run.wait_for("step 1/10");
    run.wait_for(" n → forward  l ← back  j ↓ finer");
    assert!(run.screen().contents().contains("Ctrl-x play"));
    run.press("h");
    run.wait_for("step 2/10");
    // a click on "forward" in the key bar executes the command, even if the user has assigned its built-in key to another command
    run.press("\x1b[<0;8;24M\x1b[<0;8;24m");
    run.wait_for("step 3/10");
    run.press("l");
    run.wait_for("step 2/10");
    run.press("?");
    run.wait_for("n  h  →");
    let help = run.screen().contents();
    assert!(help.contains("l  ←") && !help.contains("l  →"), "{help}");
    // the command "next match" has no key any more
    run.resize(120, 150);
    run.press(&"j".repeat(30));
    run.wait_for(":next match");
    run.press("\x1b");
    run.wait_for("n → forward");
    assert_quits(run);
}
