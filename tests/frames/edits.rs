//! Random edits, undo, redo, moves and prediction in every bundled scenario, on screens of changing size.
//!
//! - After an edit, the numbers are equal, bit for bit, to those of the file that `W` would write.
//! - After all edits are undone, they are equal to those at the start.
//! - While prediction hides a number, no cell of the screen depends on it.
//!
//! The environment variable `ACTIONS` is the number of actions for each scenario.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use gradstep::app::{Document, Focus, PromptKind, Screen, State, number_name};
use gradstep::command::driver::{Driver, Effect};
use gradstep::command::{ScenarioLoader, bundled};
use gradstep::keys;
use gradstep::network::Role;
use gradstep::scenario::{self, GivenNumber, Limits, Source, write_back};
use gradstep::session::Event;
use gradstep::ui::RenderOptions;

use super::actions::Random;
use super::early::{FUTURES, difference};

const SIZES: [(u16, u16); 6] = [(80, 24), (120, 40), (200, 60), (60, 16), (20, 5), (97, 31)];

/// Values to type. For a mask, all values except 0 and 1 are refused.
const VALUES: [&str; 10] = ["0.5", "-2", "1/3", "0", "-0", "1", "+= 0.25", "*= 2", "-= 1/7", "1e-3"];

/// Moves and prediction.
const OTHERS: [&str; 16] =
    ["l", "h", "s", "S", "j", "k", "G", "g", ":backward<Enter>", ":loss<Enter>", ":2/1<Enter>", "p", "p", "i", "<Esc>", "<Tab>"];

/// Presses keys. If prediction warns of them, presses them again.
fn press(driver: &mut Driver, text: &str) {
    let once = |driver: &mut Driver| {
        for key in keys::parse(text).unwrap() {
            assert_ne!(driver.apply(&Event::Key(key), Duration::ZERO), Effect::Quit, "{text}");
            driver.finish_all().unwrap();
        }
    };
    once(driver);
    if driver.state.message.as_ref().is_some_and(|message| message.text.starts_with("this may show")) {
        once(driver);
    }
}

/// Presses keys, and returns them.
fn pressed(driver: &mut Driver, text: &str) -> String {
    press(driver, text);
    text.to_owned()
}

/// Closes what is open over the stepper.
fn close(driver: &mut Driver) {
    for _ in 0..5 {
        if driver.state.focus() != Focus::Normal {
            press(driver, "<Esc>");
        }
    }
}

fn document(driver: &Driver) -> &Arc<Document> {
    driver.state.document().unwrap()
}

/// Returns the bits of all numbers of the iteration.
fn bits(document: &Document) -> Vec<u64> {
    let runs = document.trace.runs().iter();
    runs.flat_map(|run| (0..run.network.tensors().len()).flat_map(|id| run.run.values(id)).map(|value| value.to_bits())).collect()
}

/// Returns the name of a random number of the file.
fn random_number(document: &Document, random: &mut Random) -> String {
    let network = &document.scenario.network;
    let given: Vec<_> = (0..network.tensors().len()).filter(|id| network.producer(*id).is_none()).collect();
    let tensor = given[random.below(given.len())];
    let info = network.tensor(tensor);
    let at = random.below(info.shape.iter().product());
    let sample = random.below(document.scenario.samples.len());
    let number = match info.role {
        Role::Input { learns: false } | Role::Target => GivenNumber::Sample { sample, tensor, at },
        _ => GivenNumber::Shared { tensor, at },
    };
    let picks_rate = document.scenario.train.is_some() && random.below(8) == 0;
    number_name(&document.scenario, if picks_rate { GivenNumber::LearningRate } else { number })
}

/// Edits a random number by its name, or the one under the cursor. Returns the pressed keys.
fn edit(driver: &mut Driver, random: &mut Random) -> String {
    close(driver);
    let value = VALUES[random.below(VALUES.len())];
    if random.below(3) == 0 {
        let mut keys = pressed(driver, "e");
        if driver.state.prompt().is_none() {
            keys += &pressed(driver, "e");
        }
        let is_open = driver.state.prompt().is_some_and(|prompt| matches!(prompt.kind, PromptKind::Value(_)));
        if is_open {
            keys += &pressed(driver, &format!("{value}<Enter>"));
        }
        return keys;
    }
    pressed(driver, &format!(":set {} {value}<Enter>", random_number(document(driver), random)))
}

/// The numbers on the screen are those of the file that the edits would write.
fn check_file(driver: &Driver, context: &str) {
    let document = document(driver);
    let written = write_back(&document.scenario, "t", &|_| false).unwrap();
    if written.files.is_empty() {
        let source = Source { name: "t".to_owned(), path_shown: "t".to_owned(), text: written.text };
        let reread = Document::new(scenario::read(source, Limits::default()).unwrap()).iteration(document.trace.iteration());
        assert!(bits(&reread) == bits(document), "{context}: the file has other numbers");
    }
}

/// No cell of the screen depends on the hidden number, or on later numbers.
fn check_prediction(driver: &Driver, size: (u16, u16), future: usize, context: &str) {
    let mut altered = driver.clone();
    let Screen::Stepper(stepper) = &mut altered.state.screen else { return };
    if stepper.hidden_number().is_some() && stepper.job.is_none() {
        // the step before the hidden term or, in a larger unit, before the hidden entry
        let last_known = stepper.document.trace.span(stepper.step, stepper.unit.min(gradstep::step::Unit::Entry)).start - 1;
        let (what, replacement) = FUTURES[future % FUTURES.len()];
        stepper.document = Arc::new(stepper.document.with_future(last_known, replacement));
        let [shown, altered_frame] = [driver, &altered].map(|driver| driver.frame(&RenderOptions::default(), size));
        let found = difference(&shown, &altered_frame);
        assert!(found.is_none(), "{context}, {what}: {}", found.unwrap_or_default());
    }
}

#[test]
fn random_edits_are_undone_written_and_hidden() {
    let count: usize = env::var("ACTIONS").map_or(60, |text| text.parse().unwrap());
    let (mut edited, mut hidden) = (0, 0);
    let loader = ScenarioLoader::bundled(Limits::default());
    for (seed, name) in bundled::ALL.iter().map(|scenario| scenario.name).enumerate() {
        // a separate document, because other tests count the iterations that theirs compute
        let original = Arc::new(loader.open(name).unwrap());
        let mut random = Random(seed as u64 + 7);
        let mut state = State::picker(Vec::new());
        state.open(Arc::clone(&original), Some(1));
        let mut driver = Driver::new(state, loader);
        let (mut size, mut trail) = (SIZES[0], Vec::new());
        for _ in 0..count {
            if random.below(6) == 0 {
                size = SIZES[random.below(SIZES.len())];
                driver.apply(&Event::Resize(size.0, size.1), Duration::ZERO);
            }
            let keys = match random.below(10) {
                0..4 => edit(&mut driver, &mut random),
                4 => pressed(&mut driver, ["u", "U", "<C-r>", "3u", "2U"][random.below(5)]),
                _ => pressed(&mut driver, OTHERS[random.below(OTHERS.len())]),
            };
            trail.push(keys);
            let context = format!("{name}: {}", trail.join(" "));
            let stepper = driver.state.stepper().unwrap();
            edited += usize::from(stepper.edits.are_unsaved());
            hidden += usize::from(stepper.hidden_number().is_some());
            check_prediction(&driver, size, trail.len(), &context);
            // figure 1 has thousands of weights
            if random.below(if name == "figure-01" { 30 } else { 6 }) == 0 {
                check_file(&driver, &context);
            }
        }
        let context = format!("{name}: {}", trail.join(" "));
        close(&mut driver);
        check_file(&driver, &context);
        let before = bits(document(&driver));
        let done = driver.state.stepper().unwrap().edits.done().len();
        press(&mut driver, "9999u");
        let stepper = driver.state.stepper().unwrap();
        assert!(!stepper.edits.are_unsaved() && stepper.edits.done().is_empty(), "{context}");
        let at_start = original.iteration(document(&driver).trace.iteration());
        assert!(bits(document(&driver)) == bits(&at_start), "{context}: undo");
        press(&mut driver, &format!("{}U", done.max(1)));
        // an edit can end the descent earlier, so that undo and redo are in an earlier iteration
        if document(&driver).trace.iteration() == at_start.trace.iteration() && done > 0 && before.len() == bits(document(&driver)).len() {
            assert!(bits(document(&driver)) == before, "{context}: redo");
        }
    }
    assert!(edited > 100 && hidden > 100, "{edited} {hidden}");
}
