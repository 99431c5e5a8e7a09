//! Edits of a scenario's numbers: an edit has the effect of an edited file, undo and redo restore old numbers exactly, and the derivative predicts how much the
//! loss changes.

mod constants;
#[path = "../documents/mod.rs"]
mod documents;
mod reload;
mod values;

use std::sync::Arc;
use std::time::Duration;

use gradstep::app::{Action, Document, Focus, Request, State};
use gradstep::command::driver::{Driver, Effect};
use gradstep::command::{ScenarioLoader, bundled, picker_entries};
use gradstep::keys;
use gradstep::network::Role;
use gradstep::scenario::{GivenNumber, Limits, write_back};
use gradstep::session::Event;
use gradstep::tensor::{index_text, unravel};
use gradstep::ui::{RenderOptions, export};

use documents::{scenario, small};

/// Two samples, and three iterations.
const TRAINED: &str = r#"title = "trained"  # a title
loss = "squared_error"
[[layer]]
type = "linear"
weight = [[0.5, -1], [1, 0]]  # the first row, the second row
bias = [0, 0]
activation = "tanh"
[[sample]]
input = [1, 2]
target = [1, 0]
[[sample]]
input = [0, 3]
target = [0, 1]
[train]
learning_rate = 0.1
iterations = 3
momentum = 0.5
"#;

/// A dropout mask, a class as target, and weights that are not in the text.
const MASKED: &str = r#"title = "masked"
input = [1, 2, 3]
target = 1
loss = "cross_entropy"
[[layer]]
type = "dropout"
mask = [1, 0, 1]
[[layer]]
type = "linear"
out_features = 3
weight = { init = "normal", seed = 1 }
activation = "softmax"
"#;

fn driver(document: Arc<Document>, step: u64) -> Driver {
    let mut state = State::picker(picker_entries::bundled());
    state.open(document, Some(step));
    Driver::new(state, ScenarioLoader::bundled(Limits::default()))
}

fn open(text: &str) -> Driver {
    driver(small(text), 1)
}

/// Presses keys, and finishes the work that each begins. Returns the effect of the last key.
fn press(driver: &mut Driver, text: &str) -> Effect {
    let mut effect = Effect::Nothing;
    for key in keys::parse(text).unwrap() {
        effect = driver.apply(&Event::Key(key), Duration::ZERO);
        driver.finish_all().unwrap();
    }
    effect
}

/// Types a command into the prompt that `:` opens.
fn enter(driver: &mut Driver, command: &str) {
    press(driver, &format!(":{}<Enter>", command.replace('<', "<lt>")));
}

fn message(driver: &Driver) -> &str {
    driver.state.message.as_ref().map_or("", |message| &message.text)
}

fn document(driver: &Driver) -> &Arc<Document> {
    driver.state.document().unwrap()
}

/// Returns the bits of all tensors of the iteration.
fn bits(document: &Document) -> Vec<Vec<u64>> {
    let runs = document.trace.runs();
    let tensors = |run: usize| (0..runs[run].network.tensors().len()).map(move |id| (run, id));
    (0..runs.len()).flat_map(tensors).map(|(run, id)| runs[run].run.values(id).iter().map(|value| value.to_bits()).collect()).collect()
}

/// Returns the addresses and the values of given numbers: the first, the middle and the last entry of each given tensor that can be edited.
fn given_numbers(document: &Document) -> Vec<(String, f64)> {
    let network = document.trace.network();
    let sample = if document.scenario.samples.len() > 1 { "1:" } else { "" };
    let mut numbers = Vec::new();
    let is_given = |id: usize| network.producer(id).is_none() && network.text().structural_use(id).is_none();
    let given = network.tensors().iter().enumerate().filter(|(id, _)| is_given(*id));
    for (id, info) in given {
        let values = document.trace.runs()[0].run.values(id);
        let prefix = if matches!(info.role, Role::Input { learns: false } | Role::Target) { sample } else { "" };
        for at in [0, values.len() / 2, values.len() - 1] {
            numbers.push((format!("{prefix}{}{}", info.name, index_text(&unravel(at, &info.shape))), values[at]));
        }
    }
    numbers
}

fn bundled_documents() -> impl Iterator<Item = (&'static str, Arc<Document>)> {
    let loader = ScenarioLoader::bundled(Limits::default());
    bundled::ALL.iter().map(move |scenario| (scenario.name, Arc::new(loader.open(scenario.name).unwrap())))
}

#[test]
fn an_edit_has_the_bits_of_the_edited_file_and_undo_has_the_old_ones() {
    for (name, original) in bundled_documents() {
        let old_bits = bits(&original);
        // figure 1 has thousands of weights, and its file is read again for each edit: a few edits are enough
        let numbers = given_numbers(&original);
        for (address, value) in numbers.iter().take(if name == "figure-01" { 6 } else { 100 }) {
            let mut driver = driver(Arc::clone(&original), original.trace.len());
            enter(&mut driver, &format!("set {address} {value} + 3/8"));
            let edited = Arc::clone(document(&driver));
            assert!(driver.state.stepper().unwrap().edits.are_unsaved(), "{name}: {address}: {}", message(&driver));
            assert_eq!(driver.state.stepper().unwrap().step, original.trace.len().min(edited.trace.len()), "{name}: {address}");
            let written = write_back(&edited.scenario, "t", &|_| false).unwrap();
            // a scenario whose tensors are in other files is not read again
            if written.files.is_empty() {
                let reread = Document::new(scenario(&written.text));
                assert!(bits(&reread) == bits(&edited), "{name}: {address}: the file has other numbers");
            }
            press(&mut driver, "u");
            assert!(bits(document(&driver)) == old_bits, "{name}: {address}: undo");
            assert!(!driver.state.stepper().unwrap().edits.are_unsaved());
            press(&mut driver, "U");
            assert!(bits(document(&driver)) == bits(&edited), "{name}: {address}: redo");
        }
    }
}

#[test]
fn the_derivative_predicts_the_change_of_the_loss() {
    let (mut compared, mut at_kinks) = (0, Vec::new());
    for (name, original) in bundled_documents() {
        for (address, value) in given_numbers(&original) {
            let change = 1e-6 * value.abs().max(1.0);
            let effect_of_setting = |new_value: f64| {
                let mut driver = driver(Arc::clone(&original), 1);
                enter(&mut driver, &format!("set {address} {new_value:?}"));
                driver.state.stepper().unwrap().shown_effect().unwrap_or_else(|| panic!("{name}: {address}: {}", message(&driver))).clone()
            };
            let effect = effect_of_setting(value + change);
            let [before, after] = effect.loss;
            let Some(estimate) = effect.estimate else { continue };
            // the loss has rounding errors of some units of its last digit, which hide a smaller change
            if estimate.abs() <= 1e-9 * before.abs().max(1.0) {
                continue;
            }
            let effect_of_decrease = effect_of_setting(value - change);
            let [left_difference, right_difference] = [effect_of_decrease.loss[0] - effect_of_decrease.loss[1], after - before];
            if (right_difference / left_difference - 1.0).abs() > 1e-2 {
                at_kinks.push(format!("{name} {address}"));
                continue;
            }
            let ratio = (after - before) / estimate;
            assert!((ratio - 1.0).abs() < 1e-3, "{name}: {address}: ΔC / (∂C/∂w · Δw) = {ratio}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
    // where the image is black, z = b = 0 is at the kink of the relu: the loss has two slopes there, and the backward pass uses the one that PyTorch uses
    assert!(at_kinks.iter().all(|number| number.starts_with("figure-01 ")), "{at_kinks:?}");
}

#[test]
fn a_computed_number_cannot_be_edited() {
    let mut driver = open(TRAINED);
    for (command, said) in [
        ("set fc1.z[0] 1", "fc1.z[0] is computed from input, fc1.weight, fc1.bias: edit one of these"),
        ("set grad.fc1.weight[0,0] 1", "grad.fc1.weight[0,0] is computed from input, fc1.weight, fc1.bias and 1 more: edit one of these"),
        ("set 3:input[0] 1", "there is no sample 3: there are 2"),
        ("set fc2.weight[0,0] 1", "there is no tensor fc2.weight"),
        ("set fc1.z 1", "fc1.z is computed from input, fc1.weight, fc1.bias: edit one of these"),
        ("set fc1.weight[0,9] 1", "fc1.weight[0,9] is not an entry: fc1.weight has the shape 2x2; its first entry is fc1.weight[0,0]"),
        ("set fc1.weight[0,0] x", "x is not a number: write numbers only, such as 1/3"),
        ("set fc1.weight[0,0] 1/0", "the number is not finite"),
        ("set fc1.weight[0,0] 0.5", "fc1.weight[0,0] is already 0.5"),
        ("set learning_rate 0", "the learning rate must not be 0"),
        ("set target 2", "the target has 2 entries: write a class from 0 to 1, or an entry such as target[0]"),
    ] {
        enter(&mut driver, command);
        assert_eq!(message(&driver), said, "{command}");
        assert!(driver.state.stepper().unwrap().edits.done().is_empty());
    }
    enter(&mut driver, "2/1:fc1.z[0]");
    enter(&mut driver, "set fc1.weight[0,0] 2");
    assert_eq!(message(&driver), "edit fc1.weight[0,0] in iteration 1: here it was computed by the update of iteration 1");
    let mut masked = open(MASKED);
    enter(&mut masked, "set drop1.mask[1] 0.5");
    assert_eq!(message(&masked), "the entries of a mask are 0 or 1");
}

#[test]
fn e_edits_the_number_under_the_cursor() {
    let mut driver = open(TRAINED);
    press(&mut driver, "e");
    assert_eq!(driver.state.focus(), Focus::Cursor);
    press(&mut driver, "e");
    assert_eq!(driver.state.focus(), Focus::Prompt);
    // after a text that is not a number, the prompt stays open
    press(&mut driver, "2*<Enter>");
    assert_eq!(driver.state.focus(), Focus::Prompt);
    assert!(!message(&driver).is_empty());
    press(&mut driver, "<BS><BS>-1/4<Enter>");
    assert_eq!(driver.state.focus(), Focus::Cursor);
    let [edit] = driver.state.stepper().unwrap().edits.done() else { panic!("one edit") };
    assert_eq!((edit.name.as_str(), edit.changes[0].old, edit.changes[0].new), ("fc1.weight[0,0]", 0.5, -0.25));
    // Esc leaves the number as it is
    press(&mut driver, "e7<Esc>");
    assert_eq!(driver.state.stepper().unwrap().edits.done().len(), 1);
    // the cursor is on the result of the step, which is computed; typed digits do not hide this reason
    press(&mut driver, "<Esc>ie");
    assert!(message(&driver).starts_with("fc1.z[0] is computed"), "{}", message(&driver));
    press(&mut driver, "0.5<Enter>");
    assert!(message(&driver).starts_with("fc1.z[0] is computed"), "{}", message(&driver));
    // another action ends the edit: digits are a count again
    press(&mut driver, "<Esc>i");
    press(&mut driver, "3");
    assert_eq!(driver.state.stepper().unwrap().count, Some(3));
}

/// Digits directly after `e` are the value, also after the cursor has moved: no digit is lost.
#[test]
fn a_value_can_be_typed_directly_after_e() {
    for (keys, value) in [("e0.25<Enter>", 0.25), ("e-3<Enter>", -3.0), ("e1/4<Enter>", 0.25), ("ee2<Enter>", 2.0), ("e+= 1<Enter>", 1.5)] {
        let mut driver = open(TRAINED);
        press(&mut driver, keys);
        let [edit] = driver.state.stepper().unwrap().edits.done() else { panic!("one edit: {keys}") };
        assert_eq!((edit.name.as_str(), edit.changes[0].new), ("fc1.weight[0,0]", value), "{keys}");
    }
    let mut driver = open(TRAINED);
    press(&mut driver, "e<Right>7<Enter>");
    let [edit] = driver.state.stepper().unwrap().edits.done() else { panic!("one edit") };
    assert_eq!((edit.name.as_str(), edit.changes[0].new), ("fc1.weight[0,1]", 7.0));
    // Enter edits the number under the cursor too
    let mut driver = open(TRAINED);
    press(&mut driver, ":input[1]<Enter><Enter>0.5<Enter>");
    assert_eq!(driver.state.stepper().unwrap().edits.done().len(), 1);
    // an address opens the cursor, and i does not close it
    let mut driver = open(TRAINED);
    press(&mut driver, ":input[1]<Enter>ie0.5<Enter>");
    let [edit] = driver.state.stepper().unwrap().edits.done() else { panic!("one edit") };
    assert_eq!((edit.name.as_str(), edit.changes[0].new), ("1:input[1]", 0.5));
}

#[test]
fn a_class_and_the_learning_rate_are_edited() {
    let mut driver = open(MASKED);
    enter(&mut driver, "set target 2");
    let written = write_back(&document(&driver).scenario, "t", &|_| false).unwrap();
    assert_eq!(written.text, MASKED.replace("target = 1", "target = 2"));
    let mut driver = open(TRAINED);
    enter(&mut driver, "3/first");
    let before = document(&driver).loss;
    enter(&mut driver, "set learning_rate 0.25");
    assert_eq!((document(&driver).trace.iteration(), document(&driver).scenario.given_value(GivenNumber::LearningRate)), (3, 0.25));
    assert_ne!(document(&driver).loss, before);
    let effect = driver.state.stepper().unwrap().shown_effect().unwrap();
    assert_eq!((effect.loss[0], effect.estimate), (before, None));
    let written = write_back(&document(&driver).scenario, "t", &|_| false).unwrap();
    assert_eq!(written.text, TRAINED.replace("learning_rate = 0.1", "learning_rate = 0.25"));
}

#[test]
fn undo_and_redo_go_through_all_edits() {
    let mut driver = open(TRAINED);
    let mut states = vec![bits(document(&driver))];
    for command in ["set fc1.weight[0,0] 2", "set 2:input[1] -1", "set learning_rate 1", "set fc1.bias[1] 1e-3", "set 1:target[0] 0"] {
        enter(&mut driver, command);
        states.push(bits(document(&driver)));
    }
    for state in states.iter().rev().skip(1) {
        press(&mut driver, "u");
        assert!(bits(document(&driver)) == *state);
    }
    press(&mut driver, "u");
    assert_eq!(message(&driver), "there is no edit to undo");
    for state in &states[1..] {
        press(&mut driver, "<C-r>");
        assert!(bits(document(&driver)) == *state);
    }
    press(&mut driver, "U");
    assert_eq!(message(&driver), "there is no edit to redo");
    // a new edit ends redo
    press(&mut driver, "uu");
    enter(&mut driver, "set fc1.bias[0] 1");
    press(&mut driver, "U");
    assert_eq!(message(&driver), "there is no edit to redo");
    assert_eq!(driver.state.stepper().unwrap().edits.done().len(), 4, "5 edits, 2 of them undone, and the new one");
}

#[test]
fn old_values_can_be_looked_up() {
    let mut driver = open(TRAINED);
    enter(&mut driver, "set fc1.weight[0,0] 2");
    // presses `d`, and returns the value before the last edit in the list that opens
    let old = |driver: &mut Driver| {
        press(driver, "d");
        let list = driver.state.overlay.as_ref().and_then(|overlay| overlay.list.clone()).unwrap();
        press(driver, "<Esc>");
        list.rows.iter().find(|row| row.cells[0] == "before the last edit").map(|row| row.cells[1].clone())
    };
    assert_eq!(old(&mut driver), None, "the entry is not complete yet");
    press(&mut driver, "f"); // to the last step of this op, in z₂
    // z₂ = 1 · 1 + 0 · 2 + 0 has not changed
    assert_eq!(old(&mut driver), None);
    enter(&mut driver, "1:fc1.z[0]");
    assert_eq!(old(&mut driver), None, "this is the first step of the entry");
    // z₁ = 0.5 · 1 − 1 · 2 + 0 is complete two steps later
    press(&mut driver, "ss");
    assert_eq!(old(&mut driver).as_deref(), Some("−1.5"));
}

#[test]
fn q_asks_about_unsaved_edits() {
    let mut driver = open(TRAINED);
    assert_eq!(press(&mut driver, "q"), Effect::Quit);
    enter(&mut driver, "set fc1.weight[0,0] 2");
    assert_eq!(press(&mut driver, "q"), Effect::Changed);
    assert_eq!(driver.state.focus(), Focus::List);
    press(&mut driver, "<Esc>");
    assert_eq!(driver.state.focus(), Focus::Normal);
    // in a copy, because these keys discard the edits
    for keys in ["qd", ":q!<Enter>"] {
        let mut copy = driver.clone();
        assert_eq!(press(&mut copy, keys), Effect::Quit);
        assert!(copy.state.stepper().unwrap().edits.done().is_empty());
    }
    // Ctrl-C quits without a question
    assert_eq!(press(&mut driver.clone(), "<C-c>"), Effect::Quit);
    // this driver writes no files, like that of a replay, and so does not quit
    assert_eq!(press(&mut driver, "qw"), Effect::Changed);
    assert_eq!(message(&driver), "show and replay write no files");
    let mut state = driver.state.clone();
    assert_eq!(
        {
            gradstep::app::update(&mut state, Action::Quit);
            gradstep::app::update(&mut state, Action::WriteAndLeave)
        },
        Some(Request::Write { path: None, then: Some(Box::new(Request::Quit)) })
    );
    // without edits there is nothing to ask
    press(&mut driver, "u");
    assert_eq!(press(&mut driver, "q"), Effect::Quit);
}

#[test]
fn the_effect_of_an_edit_is_in_sight_until_the_next_move() {
    let frame = |driver: &Driver, size: (u16, u16)| export::text(&driver.frame(&RenderOptions::default(), size));
    let document = ScenarioLoader::bundled(Limits::default()).open("figure-18").unwrap();
    let mut driver = driver(Arc::new(document), 1);
    // ∂C/∂w₂₁ = 12, and C is linear in w₂₁: 3 → 0.6 changes C by 12 · (−2.4)
    enter(&mut driver, "set conv1.weight[0,0,1,0] 0.6");
    let effect = driver.state.stepper().unwrap().shown_effect().unwrap();
    let [before, after] = effect.loss;
    for size in [(80, 24), (120, 40), (200, 60)] {
        let text = frame(&driver, size);
        assert!(text.contains("ΔC = −28.80") && text.contains("∂C/∂w₂₁·Δw₂₁ = 12·(−2.4) = −28.80"), "{text}");
        assert!(text.lines().next().unwrap().trim_end().ends_with("│ edited"), "the header has a word for unsaved edits\n{text}");
    }
    assert!((after - before + 28.8).abs() < 1e-12);
    press(&mut driver, "l");
    for size in [(80, 24), (120, 40), (200, 60)] {
        assert!(!frame(&driver, size).contains("ΔC"));
    }
}

#[test]
fn a_count_undoes_and_redoes_several_edits() {
    let mut driver = open(TRAINED);
    let mut states = vec![bits(document(&driver))];
    for command in ["set fc1.weight[0,0] 2", "set fc1.weight[0,0] 3", "set fc1.bias[0] 1"] {
        enter(&mut driver, command);
        states.push(bits(document(&driver)));
    }
    press(&mut driver, "2u");
    assert!(bits(document(&driver)) == states[1]);
    assert_eq!(driver.state.stepper().unwrap().edits.done().len(), 1);
    press(&mut driver, "9u");
    assert!(bits(document(&driver)) == states[0] && !driver.state.stepper().unwrap().edits.are_unsaved());
    press(&mut driver, "3U");
    assert!(bits(document(&driver)) == states[3]);
    press(&mut driver, "u");
    assert!(bits(document(&driver)) == states[2]);
}

#[test]
fn another_scenario_is_opened_only_after_a_question() {
    for keys in [":e xor<Enter>", "o<Enter>"] {
        let mut driver = open(TRAINED);
        enter(&mut driver, "set fc1.weight[0,0] 2");
        press(&mut driver, keys);
        assert_eq!((driver.state.focus(), document(&driver).scenario.title.as_str()), (Focus::List, "trained"), "{keys}");
        // after Esc, the scenario stays open, and the edits are kept
        press(&mut driver, "<Esc>");
        assert!(driver.state.stepper().unwrap().edits.are_unsaved());
        press(&mut driver, if keys.starts_with('o') { "<Enter>d" } else { ":e xor<Enter>d" });
        assert_ne!(document(&driver).scenario.title, "trained", "{keys}");
        assert!(!driver.state.stepper().unwrap().edits.are_unsaved());
    }
    let mut driver = open(TRAINED);
    enter(&mut driver, "set fc1.weight[0,0] 2");
    enter(&mut driver, "e! xor");
    assert_ne!(document(&driver).scenario.title, "trained");
    // q in the picker asks too
    let mut driver = open(TRAINED);
    enter(&mut driver, "set fc1.weight[0,0] 2");
    assert_eq!(press(&mut driver, "oq"), Effect::Changed);
    assert_eq!(press(&mut driver, "d"), Effect::Quit);
}

#[test]
fn a_note_of_the_file_is_marked_after_an_edit() {
    let frame = |driver: &Driver| export::text(&driver.frame(&RenderOptions::default(), (120, 40)));
    let mut driver = open(&format!("{TRAINED}[[note]]\nat = \"1:fc1.z\"\ntext = \"The first weight is one half.\"\n"));
    assert!(frame(&driver).contains("▌ The first weight"));
    enter(&mut driver, "set fc1.weight[0,0] 2");
    press(&mut driver, "s");
    assert!(frame(&driver).contains("▌ before the edits: The first weight"), "{}", frame(&driver));
    press(&mut driver, "u<Esc>");
    press(&mut driver, "s");
    assert!(frame(&driver).contains("▌ The first weight"));
}

#[test]
fn esc_a_prompt_and_the_cursor_stop_play() {
    for keys in ["<Esc>", ":", "/", "e"] {
        let mut driver = open(TRAINED);
        press(&mut driver, "<Space>");
        assert!(driver.state.wake().is_some());
        press(&mut driver, keys);
        assert!(driver.state.wake().is_none(), "{keys}");
    }
}
