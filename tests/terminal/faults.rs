//! If a program in the full screen fails, for example by a panic, the terminal is restored. The test binary is such a program: it starts its own test
//! [`victim`] in a pseudo-terminal.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::Duration;

use crossterm::event::KeyCode;
use gradstep::terminal::{self, Flow, Input, TerminalOptions, TerminalProgram};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use rustix::process::Signal;

use super::pty::Run;

/// The environment variable that makes this process the victim.
const VICTIM: &str = "GRADSTEP_TEST_VICTIM";

/// A program that shows the number of keys, and fails if the key `p`, `t` or `e` is pressed.
struct Victim {
    keys: u64,
    /// `true` after the key `f`: the screen is full of `#`.
    fills_screen: bool,
}

impl TerminalProgram for Victim {
    fn input(&mut self, input: Input, _: Duration) -> anyhow::Result<Flow> {
        let Input::Key(key) = input else {
            return Ok(Flow::Same);
        };
        match key.code {
            KeyCode::Char('p') => panic!("on purpose\x1b[31m"),
            KeyCode::Char('t') => {
                std::thread::spawn(|| panic!("beside the loop"));
            }
            KeyCode::Char('e') => anyhow::bail!("the recording is full"),
            KeyCode::Char('f') => self.fills_screen = true,
            KeyCode::Char('q') => return Ok(Flow::Quit),
            _ => {}
        }
        self.keys += 1;
        Ok(Flow::Changed)
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        if self.fills_screen {
            for cell in &mut buffer.content {
                cell.set_char('#');
            }
        }
        let text = format!("{} keys", self.keys);
        buffer.set_stringn(0, 0, text, usize::from(area.width), Style::default());
    }
}

/// Does nothing if it runs as a test. [`opened`] starts it as the program under test.
#[test]
fn victim() {
    if std::env::var_os(VICTIM).is_some() {
        let mut program = Victim { keys: 0, fills_screen: false };
        terminal::run(&mut program, &TerminalOptions { mouse: true }).unwrap();
    }
}

/// Starts the victim, and waits for its first frame.
fn opened() -> Run {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "faults::victim", "--nocapture"]).env(VICTIM, "1").env("TERM", "xterm-256color").env_remove("RUST_BACKTRACE");
    let mut run = Run::start(command);
    run.wait_for("0 keys");
    run.assert_full_screen();
    run
}

/// The output after the main screen was restored.
fn text_on_the_main_screen(run: &Run) -> String {
    let raw = String::from_utf8_lossy(&run.raw);
    let (_, after) = raw.rsplit_once("\x1b[?1049l").expect("the main screen");
    after.to_string()
}

#[test]
fn a_panic_restores_the_terminal_before_its_message() {
    let mut run = opened();
    run.press("p");
    assert_eq!(run.end().code(), Some(101));
    run.assert_restored();
    let said = text_on_the_main_screen(&run);
    assert!(said.contains("on purpose<U+001B>[31m"), "{said}");
}

#[test]
fn a_panic_in_another_thread_ends_the_program() {
    let mut run = opened();
    run.press("t");
    assert_eq!(run.end().code(), Some(101));
    run.assert_restored();
    let said = text_on_the_main_screen(&run);
    assert!(said.contains("beside the loop"), "{said}");
}

#[test]
fn an_error_restores_the_terminal() {
    let mut run = opened();
    run.press("e");
    assert!(!run.end().success());
    run.assert_restored();
    let said = text_on_the_main_screen(&run);
    assert!(said.contains("the recording is full"), "{said}");
}

#[test]
fn a_burst_of_keys_draws_few_frames() {
    let mut run = opened();
    let before = run.raw.len();
    run.press(&"x".repeat(3000));
    run.wait_for("3000 keys");
    let bytes = run.raw.len() - before;
    assert!(bytes < 20_000, "{bytes} bytes for 3000 keys");
    run.press("q");
    assert_eq!(run.end().code(), Some(0));
    run.assert_restored();
}

#[test]
fn a_pasted_text_is_not_typed() {
    let mut run = opened();
    run.press("\x1b[200~pte q\x1b[201~x");
    run.wait_for("1 keys");
    run.press("q");
    assert_eq!(run.end().code(), Some(0));
}

/// The frame is too large for the buffer of the terminal, and the test does not read it. So the program waits in a write; a signal still ends it.
#[test]
fn a_signal_ends_a_blocked_write() {
    let mut run = opened();
    run.resize(1000, 200);
    run.press("f");
    run.wait_until("the first bytes of a frame", |run| run.screen().contents().contains("##"));
    run.press("f");
    run.signal(Signal::TERM);
    assert_eq!(run.end_unread().signal(), Some(Signal::TERM.as_raw()));
}
