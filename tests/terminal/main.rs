//! The binary in a pseudo-terminal. The terminal is restored at any end of the program.

#![cfg(unix)]

mod faults;
mod keys;
mod lecture;
mod pty;
mod saving;
mod settings;
mod stepper;
mod work;

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use pty_process::blocking::{Command as PtyCommand, Pts};
use rustix::fd::AsFd as _;
use rustix::process::Signal;

use pty::Run;

/// The arguments of the program.
const ARGUMENTS: &[&str] = &["figure-14"];
/// A text of the first frame.
const OPENED: &str = "step 1/";
/// The right arrow, which goes one step forward.
const FORWARD: &str = "\x1b[C";
/// A text of the frame after [`FORWARD`] or a move of play.
const MOVED: &str = "step 2/";
const PLAY: &str = " ";
const QUIT: &str = "q";

fn gradstep() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    command.args(ARGUMENTS).env("TERM", "xterm-256color");
    // no settings and no recent files of the user
    command.env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR")).env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

fn opened() -> Run {
    let mut run = Run::start(gradstep());
    run.wait_for(OPENED);
    run.assert_full_screen();
    run
}

#[track_caller]
fn assert_quits(mut run: Run) {
    run.press(QUIT);
    assert_eq!(run.end().code(), Some(0));
    run.assert_restored();
}

#[test]
fn opens_steps_resizes_and_quits() {
    let mut run = opened();
    run.press(FORWARD);
    run.wait_for(MOVED);
    run.resize(120, 40);
    run.wait_for(MOVED);
    for (columns, rows) in [(1, 1), (0, 0), (300, 1), (1, 100), (3, 2)] {
        run.resize(columns, rows);
    }
    run.resize(100, 30);
    run.wait_for(MOVED);
    assert_quits(run);
}

#[test]
fn plays_without_a_key() {
    let mut run = opened();
    run.press(PLAY);
    run.wait_for(MOVED);
    assert_quits(run);
}

#[test]
fn a_step_costs_few_bytes() {
    let mut run = opened();
    let before = run.raw.len();
    run.press(FORWARD);
    run.wait_for(MOVED);
    let bytes = run.raw.len() - before;
    assert!(bytes < 1500, "{bytes} bytes");
    assert_quits(run);
}

#[test]
fn ctrl_c_is_a_key_that_quits() {
    let mut run = opened();
    run.press("\x03");
    assert_eq!(run.end().code(), Some(0));
    run.assert_restored();
}

#[test]
fn ctrl_z_does_nothing_without_a_shell() {
    let mut run = opened();
    run.press("\x1a");
    run.press(FORWARD);
    run.wait_for(MOVED);
    assert_quits(run);
}

#[test]
fn signals_restore_the_terminal_and_end_the_program() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let mut run = opened();
        run.signal(signal);
        assert_eq!(run.end().signal(), Some(signal.as_raw()));
        run.assert_restored();
    }
}

#[test]
fn suspends_and_resumes_in_a_shell() {
    let mut shell = Command::new("sh");
    shell.arg("-i").env("PS1", "ready> ").env("TERM", "xterm-256color").env_remove("ENV");
    let mut run = Run::start(shell);
    run.wait_for("ready>");
    let words: Vec<_> =
        std::iter::once(env!("CARGO_BIN_EXE_gradstep")).chain(ARGUMENTS.iter().copied()).map(|word| format!("'{word}'")).collect();
    run.press(&format!("{}\r", words.join(" ")));
    run.wait_for(OPENED);
    run.press(FORWARD);
    run.wait_for(MOVED);

    run.press("\x1a");
    run.wait_until("the main screen", |run| !run.screen().alternate_screen());
    // the typed line, which is on the screen too, does not contain the printed word
    run.press("echo in''between\r");
    run.wait_for("inbetween");
    assert!(!run.screen().hide_cursor());
    assert!(!run.screen().bracketed_paste());

    run.press("fg\r");
    run.wait_for(MOVED);
    run.assert_full_screen();
    run.press(QUIT);
    run.wait_until("the main screen", |run| !run.screen().alternate_screen());
    run.press("exit\r");
    run.end();
    run.assert_restored();
}

#[test]
fn closing_the_terminal_ends_the_process() {
    let status = opened().hang_up();
    assert_eq!(status.signal(), Some(Signal::HUP.as_raw()));
}

/// If the process is not in a session of this terminal, it gets no signal when the terminal is closed.
#[test]
fn closing_the_terminal_ends_a_process_that_gets_no_signal() {
    let mut run = Run::start_with(|slave| gradstep().stdin(terminal(slave)).stdout(terminal(slave)).spawn().unwrap());
    run.wait_for(OPENED);
    assert_eq!(run.hang_up().signal(), Some(Signal::HUP.as_raw()));
}

#[test]
fn keys_come_from_the_terminal_when_stdin_is_a_pipe() {
    let mut run = Run::start_with(|slave| {
        let command = PtyCommand::from(gradstep());
        command.stdin(Stdio::null()).spawn_borrowed(slave).unwrap()
    });
    run.wait_for(OPENED);
    run.press(FORWARD);
    run.wait_for(MOVED);
    assert_quits(run);
}

#[test]
fn without_a_terminal_the_error_is_one_clear_sentence() {
    let full = || std::fs::File::create("/dev/full").unwrap().into();
    for stdout in [full, || Stdio::null(), broken_pipe] {
        let mut run = Run::start_with(|slave| {
            let command = PtyCommand::from(gradstep());
            command.stdout(stdout()).spawn_borrowed(slave).unwrap()
        });
        assert_eq!(run.end().code(), Some(2));
        run.assert_restored();
        let said = run.screen().contents();
        assert!(said.contains("gradstep show"), "{said}");
        assert!(!run.raw.contains(&0x1b), "{said}");
    }
}

fn broken_pipe() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

fn terminal(slave: &Pts) -> Stdio {
    slave.as_fd().try_clone_to_owned().unwrap().into()
}
