//! Random keys in every bundled scenario, on screens of changing size. After each key the status line shows the address and the step of the state. After some
//! keys the digits are compared with the trace, or a move is made and undone. The environment variable `ACTIONS` is the number of keys for each scenario.

use std::env;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gradstep::app::{Focus, State, Visit};
use gradstep::command::driver::{Driver, Effect};
use gradstep::command::{ScenarioLoader, bundled, picker_entries};
use gradstep::keys;
use gradstep::number::exact_on_screen;
use gradstep::scenario::Limits;
use gradstep::session::Event;
use gradstep::ui::{RenderOptions, export};

const SIZES: [(u16, u16); 7] = [(80, 24), (120, 40), (200, 60), (60, 16), (20, 5), (1, 1), (97, 31)];

/// A linear congruential generator, so that a run can be repeated.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

/// All keys of the table, except those that leave the stepper, and some sequences of keys.
fn keys_of_the_table() -> Vec<String> {
    let focuses = [Focus::Normal, Focus::Cursor, Focus::List, Focus::Overlay, Focus::Map, Focus::Curve, Focus::Prompt, Focus::Answer];
    let keys = focuses.into_iter().flat_map(keys::rows).flat_map(|row| row.keys.iter().map(|key| (*key).to_owned()));
    let quits = ["q", "<C-c>", "o"];
    let sequences = [
        ":backward<Enter>",
        ":loss<Enter>",
        ":last<Enter>",
        "/grad<Enter>",
        "/ > 0<Enter>",
        "/ == 0<Enter>",
        "n",
        "N",
        "7l",
        "3h",
        "kkk",
        "jjj",
        "B",
        "c",
        "C",
        "M",
        "MjF",
    ];
    keys.filter(|key| !quits.contains(&key.as_str())).chain(sequences.map(str::to_owned)).collect()
}

fn press(driver: &mut Driver, text: &str) {
    for key in keys::parse(text).unwrap() {
        assert_ne!(driver.apply(&Event::Key(key), Duration::ZERO), Effect::Quit, "{text}");
        driver.finish_all().unwrap();
    }
}

/// The pressed keys. If a check panics, they are printed, so that the failure can be repeated.
struct Trail {
    scenario: &'static str,
    keys: Vec<String>,
}

impl Drop for Trail {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("after these keys in {}: {}", self.scenario, self.keys.join(" "));
        }
    }
}

fn visit(driver: &Driver) -> Visit {
    driver.state.stepper().unwrap().current_visit()
}

/// Returns a copy in which nothing covers the stepper, play is paused and prediction is off.
fn uncovered_copy(driver: &Driver) -> Driver {
    let mut copy = driver.clone();
    for _ in 0..5 {
        if copy.state.focus() != Focus::Normal {
            press(&mut copy, "<Esc>");
        }
    }
    assert_eq!(copy.state.focus(), Focus::Normal);
    if copy.state.stepper().unwrap().prediction.is_on {
        // ends prediction, which may open the score
        press(&mut copy, "p<Esc>");
    }
    if copy.state.wake().is_some() {
        press(&mut copy, "<Space>");
    }
    copy
}

/// The status line has the address and the step of the state.
fn check_status_line(driver: &Driver, size: (u16, u16)) {
    let text = export::text(&driver.frame(&RenderOptions::default(), size));
    // on a screen smaller than 60x16, there is no stepper
    if size.0 < 60 || size.1 < 16 {
        return;
    }
    let (trace, position) = driver.state.trace_and_position().unwrap();
    // the status line names the entry, not the term: the address of its first term without the `#1` at the end
    let address = trace.address(&position.with_term(0)).to_string();
    let line = text.lines().nth(usize::from(size.1) - 2).unwrap();
    let status = format!(" {}  step {}/{}", address.trim_end_matches("#1"), position.step, trace.len());
    let shown: String = line.chars().take(status.chars().count().min(usize::from(size.0) - 1)).collect();
    assert!(status.starts_with(&shown), "{shown:?} instead of {status:?}\n{text}");
}

/// The key `d` shows all digits of the numbers in the trace.
fn check_digits(driver: &Driver) {
    let mut driver = uncovered_copy(driver);
    press(&mut driver, "d");
    let list = driver.state.overlay.as_ref().unwrap().list.clone().unwrap();
    let (trace, position) = driver.state.trace_and_position().unwrap();
    let step = trace.step(&position);
    assert_eq!(list.rows[0].cells[1], exact_on_screen(step.value));
    assert_eq!(list.rows[1].cells[1], exact_on_screen(step.sum));
}

/// `h` undoes `l`, in the unit of the state.
fn check_forward_and_back(driver: &Driver) {
    let mut driver = uncovered_copy(driver);
    let before = visit(&driver);
    press(&mut driver, "l");
    if visit(&driver) != before {
        press(&mut driver, "h");
        assert_eq!(visit(&driver), before, "unit {}", driver.state.stepper().unwrap().unit.name());
    }
}

/// After a jump, Ctrl-O goes back, and Ctrl-N repeats the jump.
fn check_jump(driver: &Driver, to: u64) {
    let mut driver = uncovered_copy(driver);
    let before = visit(&driver);
    press(&mut driver, &format!(":{to}<Enter>"));
    let after_jump = visit(&driver);
    if after_jump != before {
        press(&mut driver, "<C-o>");
        assert_eq!(visit(&driver), before);
        press(&mut driver, "<C-n>");
        assert_eq!(visit(&driver), after_jump);
    }
}

#[test]
fn after_random_keys_the_screen_shows_the_state() {
    let count: usize = env::var("ACTIONS").map_or(250, |text| text.parse().unwrap());
    let (keys, loader) = (keys_of_the_table(), ScenarioLoader::bundled(Limits::default()));
    for (seed, scenario) in bundled::ALL.iter().enumerate() {
        let mut random = Random(seed as u64 + 1);
        let document = Arc::new(loader.open(scenario.name).unwrap());
        let mut state = State::picker(picker_entries::bundled());
        state.open(document, Some(1));
        let mut driver = Driver::new(state, loader);
        let mut size = SIZES[0];
        let mut trail = Trail { scenario: scenario.name, keys: Vec::new() };
        for _ in 0..count {
            if random.below(8) == 0 {
                size = SIZES[random.below(SIZES.len())];
                driver.apply(&Event::Resize(size.0, size.1), Duration::ZERO);
            }
            let key = &keys[random.below(keys.len())];
            trail.keys.push(key.clone());
            press(&mut driver, key);
            check_status_line(&driver, size);
            // one more check after a quarter of the keys
            match random.below(12) {
                0 => check_digits(&driver),
                1 => check_forward_and_back(&driver),
                2 => check_jump(&driver, 1 + random.below(100_000) as u64 % driver.state.trace_and_position().unwrap().0.len()),
                _ => {}
            }
        }
    }
}
