//! Keys work again after a sequence of bytes that was cut off, and each kind of terminal gets the colours that it can show.

use std::collections::BTreeSet;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::pty::Run;

fn gradstep(arguments: &[&str], term: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    command.env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR")).env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.args(arguments).env("LC_ALL", "C.UTF-8").env("TERM", term).env_remove("COLORTERM").env_remove("NO_COLOR");
    command
}

fn opened() -> Run {
    let mut run = Run::start(gradstep(&["figure-14"], "xterm-256color"));
    run.wait_for("step 1/");
    run
}

/// Beginnings of mouse reports, of an answer of the terminal to a query, of pastes, of an old mouse report, of keys and of a character (`€`), in this order.
const HALVES: [&[u8]; 9] =
    [b"\x1b[<", b"\x1b[<0;12", b"\x1b[?", b"\x1b[200~", b"\x1b[200~text\x1b[20", b"\x1b[M ", b"\x1b[1;", b"\x1bO", b"\xe2\x82"];

/// A time longer than the silence after which an incomplete sequence is dropped.
const SILENCE: Duration = Duration::from_millis(1500);

#[test]
fn keys_work_again_a_second_after_an_incomplete_sequence() {
    let mut runs: Vec<(&[u8], Run)> = HALVES.iter().map(|half| (*half, opened())).collect();
    // Esc closes the help, or the prompt that a paste has opened in its place, so its effect is visible
    for (half, run) in &mut runs {
        run.press("?");
        run.wait_for("Esc: close");
        run.press_bytes(half);
    }
    sleep(SILENCE);
    for (_, run) in &mut runs {
        run.press("\x1b");
    }
    for (half, run) in &mut runs {
        run.wait_until(&format!("the end of the help after {half:?}"), |run| !run.screen().contents().contains("Esc: close"));
        run.press("l");
        run.wait_for("step 2/");
        run.press_bytes(half);
    }
    sleep(SILENCE);
    for (n, (half, run)) in runs.iter_mut().enumerate() {
        // Esc closes the prompt if a paste without an end has opened it; then q or Ctrl-C quits
        run.press(if n % 2 == 0 { "\x1bq" } else { "\x1b\x03" });
        assert_eq!(run.end().code(), Some(0), "{half:?}");
        run.assert_restored();
    }
}

#[test]
fn a_sequence_that_arrives_in_pieces_is_one_key() {
    let mut run = opened();
    for piece in ["\x1b[", "C"] {
        run.press(piece);
        sleep(Duration::from_millis(50));
    }
    run.wait_for("step 2/");
    for piece in [":\x1b[200", "~gr", "ad\x1b[2", "01~"] {
        run.press(piece);
        sleep(Duration::from_millis(50));
    }
    run.wait_for(":grad");
    run.press("\x1b");
    // Ctrl-C is not part of a mouse report, so it has an effect at once
    run.press("\x1b[<0;1\x03");
    assert_eq!(run.end().code(), Some(0));
}

/// A terminal sends Alt and a key as Esc and the key. No command has a key of Alt and a letter, so these bytes count as Esc, and then the letter.
#[test]
fn a_key_directly_after_esc_is_not_a_key_with_alt() {
    let mut run = opened();
    run.press("?");
    run.wait_for("Esc: close");
    run.press("\x1b:");
    run.wait_until("the prompt instead of the help", |run| {
        let screen = run.screen().contents();
        screen.contains("commands and places") && !screen.contains("Esc: close")
    });
    run.press("loss\x1bl");
    run.wait_for("step 2/");
    // Alt and the left arrow is a key: it goes back to the place before the jump
    run.press(":9\r");
    run.wait_for("step 9/");
    run.press("\x1b[1;3D");
    run.wait_for("step 2/");
    run.press("\x1b\x03");
    assert_eq!(run.end().code(), Some(0));
}

/// A pasted text opens the prompt or, in the picker, the filter, so that it is neither lost nor read as keys.
#[test]
fn a_paste_opens_the_prompt() {
    let mut run = opened();
    run.press("\x1b[200~grad.u\nq\x1b[201~");
    run.wait_for(":grad.u");
    run.press("\r");
    run.wait_for("step 7/");
    // also in the help
    run.press("?");
    run.wait_for("Esc: close");
    run.press("\x1b[200~loss\x1b[201~");
    run.wait_for(":loss");
    run.press("\x1bq");
    assert_eq!(run.end().code(), Some(0));
    let mut run = Run::start(gradstep(&[], "xterm-256color"));
    run.wait_for("figure-15");
    run.press("\x1b[200~mazur\x1b[201~");
    run.wait_until("the filtered list", |run| {
        let screen = run.screen().contents();
        screen.contains("/mazur") && !screen.contains("figure-15")
    });
    run.press("\x1bq");
    assert_eq!(run.end().code(), Some(0));
}

#[test]
fn a_paste_without_an_end_is_kept() {
    let mut run = opened();
    run.press(":\x1b[200~loss");
    run.wait_for(":loss");
    run.press("\x1b");
    run.wait_until("the end of the prompt", |run| !run.screen().contents().contains(":loss"));
    run.press("q");
    assert_eq!(run.end().code(), Some(0));
}

/// The kinds of colours in the output: `30` for 8 colours, `90` for 8 bright colours, `38;5` for 256 colours, `38;2` for true colour.
fn colours(raw: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(raw);
    let mut found = BTreeSet::new();
    for sequence in text.split("\x1b[").skip(1) {
        let end = sequence.find(|c: char| !matches!(c, '0'..='9' | ';')).unwrap_or(sequence.len());
        if !sequence[end..].starts_with('m') {
            continue;
        }
        let mut numbers = sequence[..end].split(';').filter_map(|number| number.parse::<u8>().ok());
        while let Some(number) = numbers.next() {
            match number {
                // the next numbers are 2 and three components of a colour, or 5 and one number of a colour
                38 | 48 => {
                    let kind = numbers.next().unwrap_or(0);
                    numbers.by_ref().take(if kind == 2 { 3 } else { 1 }).for_each(drop);
                    found.insert(format!("38;{kind}"));
                }
                30..=37 | 40..=47 => {
                    found.insert("30".to_owned());
                }
                90..=97 | 100..=107 => {
                    found.insert("90".to_owned());
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn a_terminal_is_drawn_with_the_colours_that_it_has() {
    let shown = |term: &str, truecolour: bool| {
        let mut command = gradstep(&["figure-14"], term);
        if truecolour {
            command.env("COLORTERM", "truecolor");
        }
        let mut run = Run::start(command);
        run.wait_for("step 1/");
        run.press("l?");
        run.wait_for("Esc: close");
        run.press("qq");
        assert_eq!(run.end().code(), Some(0), "{term}");
        colours(&run.raw)
    };
    assert_eq!(shown("vt100", false), BTreeSet::new());
    for term in ["linux", "xterm-16color", "ansi", "rxvt", "xterm"] {
        let found = shown(term, false);
        assert!(!found.is_empty() && found.iter().all(|kind| kind == "30" || kind == "90"), "{term}: {found:?}");
    }
    let found = shown("xterm-256color", false);
    assert!(found.contains("38;5") && !found.contains("38;2"), "{found:?}");
    assert!(shown("xterm-256color", true).contains("38;2"));
}

#[test]
fn a_terminal_that_cannot_be_drawn_on_gets_no_escape_sequences() {
    let mut run = Run::start(gradstep(&["figure-14"], "dumb"));
    assert_eq!(run.end().code(), Some(2));
    let said = run.screen().contents();
    assert!(said.contains("cannot be drawn on") && said.contains("gradstep show"), "{said}");
    assert!(!run.raw.contains(&0x1b), "{said}");
}
