//! Questions about the entry under the cursor (`i`), with the keys that answer them: which step computes it (`m`), which steps read it (`r`), which terms it
//! has (`t`), from which inputs and parameters it comes (`w`), what its digits are (`d`), and whether its gradient is right (`x`). All answers are compared
//! with the steps.

mod check;
mod contributions;
#[path = "../documents/mod.rs"]
mod documents;
mod every_key;
mod keep;
mod mistakes;
mod predict;
mod questions;
mod said;
mod worked;
mod zeros;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use gradstep::app::{Action, Document, Overlay, Request, State, update};
use gradstep::command::driver::Driver;
use gradstep::command::{ScenarioLoader, picker_entries};
use gradstep::gradcheck::{CheckOptions, Verdict, check};
use gradstep::network::Role;
use gradstep::number::{exact_on_screen, short};
use gradstep::scenario::{Limits, Source, read};
use gradstep::scene::{EntryState, Grid};
use gradstep::session::Event;
use gradstep::step::{Kind, TensorEntry};
use gradstep::trace::Trace;
use gradstep::ui::{RenderOptions, export};
use gradstep::{keys, tensor};

use documents::{scenarios, small};

fn driver_at(document: &Arc<Document>, step: u64) -> Driver {
    Driver::new(documents::at(document, step), ScenarioLoader::bundled(Limits::default()))
}

fn at_address(document: &Arc<Document>, address: &str) -> Driver {
    driver_at(document, document.trace.resolve(&address.parse().unwrap()).unwrap())
}

fn press(driver: &mut Driver, text: &str) {
    for key in keys::parse(text).unwrap() {
        driver.apply(&Event::Key(key), Duration::ZERO);
        driver.finish_all().unwrap();
    }
}

fn message(driver: &Driver) -> String {
    driver.state.message.as_ref().map_or_else(String::new, |message| message.text.clone())
}

fn step(driver: &Driver) -> u64 {
    driver.state.stepper().unwrap().step
}

/// Returns the rows of the open list: their cells and the steps to which they go.
fn rows(driver: &Driver) -> Vec<(Vec<String>, Option<u64>)> {
    let list = driver.state.overlay.as_ref().and_then(|Overlay { list, .. }| list.as_ref());
    let row = |row: &gradstep::app::ListRow| match row.action {
        Some(Action::GoToStep(step)) => (row.cells.clone(), Some(step)),
        _ => (row.cells.clone(), None),
    };
    list.map_or_else(Vec::new, |list| list.rows.iter().map(row).collect())
}

fn frame(driver: &Driver, size: (u16, u16)) -> String {
    export::text(&driver.frame(&RenderOptions::default(), size))
}

/// The largest number of steps at which a scenario is tested.
const MAX_TESTED: u64 = 9;

/// Returns the steps at which a scenario is tested, evenly spread from the first to the last.
fn tested_steps(document: &Document) -> impl Iterator<Item = u64> + use<> {
    let len = document.trace.len();
    let count = MAX_TESTED.min(len);
    (0..count).map(move |n| n * (len - 1) / (count - 1).max(1) + 1)
}

/// Returns the entry under the cursor or, without a cursor, the entry that the step computes.
fn subject(driver: &Driver) -> TensorEntry {
    let stepper = driver.state.stepper().unwrap();
    stepper.subject(&stepper.scene().unwrap())
}

/// Returns the steps of [`subject`]; `None` if the entry is given.
fn steps_of_subject(driver: &Driver) -> Option<std::ops::Range<u64>> {
    let (trace, position) = driver.state.trace_and_position().unwrap();
    let TensorEntry { tensor, at: entry } = subject(driver);
    trace.entry_steps(position.run_index, tensor, entry)
}

/// Returns the number that an entry has at step `now`: its value, its sum so far, or `None` before its first step.
fn number_of(trace: &Trace, now: u64, tensor: usize, entry: usize) -> Option<f64> {
    let run = trace.position(now).unwrap().run_index;
    let value = trace.run(run).values(tensor)[entry];
    match trace.entry_steps(run, tensor, entry) {
        None => Some(value),
        Some(steps) if steps.contains(&now) => Some(trace.get(now).unwrap().sum),
        Some(steps) if steps.is_empty() => {
            let op = trace.network_of(run).producer(tensor).unwrap();
            let position = trace.position(now).unwrap();
            // an entry without terms is 0 once all terms before it are added: its empty range begins after their steps
            let is_next = op == position.op && steps.start <= now + 1;
            ((op, entry) < (position.op, position.entry) || is_next).then_some(value)
        }
        Some(steps) => (steps.end <= now).then_some(value),
    }
}

/// A convolution of two filters on an image of 3x3.
const CONV: &str = r#"title = "conv"
loss = "squared_error"
input = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
target = [[[1, 0], [0, 1]], [[0, 0], [1, 1]]]
[[layer]]
type = "conv2d"
weight = [[[[1, 0], [0, -1]]], [[[0.5, 1], [1, 0]]]]
bias = [0, 1]
"#;

#[test]
fn the_cursor_shows_the_number_of_the_trace() {
    for (name, document) in scenarios() {
        for now in tested_steps(&document) {
            let mut driver = driver_at(&document, now);
            let result = subject(&driver);
            press(&mut driver, "i");
            assert_eq!(subject(&driver), result, "{name}: the cursor opens at the result's entry");
            let matrices = driver.state.stepper().unwrap().scene().unwrap().tensors().len();
            for keys in std::iter::repeat_n("<Tab>", matrices).chain(["j", "l", "]", "3j", "h", "k", "[", "<S-Tab>"]) {
                press(&mut driver, keys);
                let TensorEntry { tensor, at } = subject(&driver);
                let expected = number_of(&document.trace, now, tensor, at);
                let scene = driver.state.stepper().unwrap().scene().unwrap();
                let found = match scene.state_of(tensor, at) {
                    EntryState::Given(value) | EntryState::Complete { value, .. } | EntryState::Partial { sum: value, .. } => Some(value),
                    EntryState::NoTerms(_) => Some(0.0),
                    EntryState::Pending { .. } => None,
                };
                assert_eq!(found.map(f64::to_bits), expected.map(f64::to_bits), "{name}: {} at step {now}", scene.name(tensor, at));
                let last = frame(&driver, (120, 40)).lines().last().unwrap().to_owned();
                let shown = expected.map_or("not computed yet".to_owned(), |value| exact_on_screen(value + 0.0)); // −0 + 0 = 0: a zero is shown without its sign
                assert!(last.contains(&scene.name(tensor, at)) && last.contains(&shown), "{name}: {last}: {shown}");
            }
            press(&mut driver, "<Esc>");
            assert_eq!(step(&driver), now, "{name}: the cursor does not change the step");
        }
    }
}

#[test]
fn the_cursor_goes_to_neighbours_and_to_the_next_matrix() {
    let document = small(CONV);
    let mut driver = at_address(&document, "conv1.z[1,1,0]");
    press(&mut driver, "i");
    let name = |driver: &Driver| {
        let scene = driver.state.stepper().unwrap().scene().unwrap();
        let TensorEntry { tensor, at } = subject(driver);
        scene.name(tensor, at)
    };
    // the matrices conv1.z[0] and conv1.z[1] are side by side, so [0,1,1] is to the left of [1,1,0]
    for (keys, expected) in [
        ("h", "conv1.z[0,1,1]"),
        ("k", "conv1.z[0,0,1]"),
        ("]", "conv1.z[1,0,1]"),
        ("]", "conv1.z[1,0,1]"),
        ("2[", "conv1.z[0,0,1]"),
        // `<Tab>` goes to the next tensor, to the entry that the step reads: conv1.z[1,1,0]#1 reads these two
        ("<Tab>", "input[0,1,0]"),
        ("<Tab>", "conv1.weight[1,0,0,0]"),
    ] {
        press(&mut driver, keys);
        assert_eq!(name(&driver), expected, "{keys}");
    }
    // entry 5 of a 2x2x2 tensor is in matrix 1, row 0, column 1
    let grid = Grid::of(&[2, 2, 2]);
    assert_eq!(grid.coordinates(5), [1, 0, 1]);
}

#[test]
fn r_lists_exactly_the_steps_that_read_the_entry() {
    for (name, document) in scenarios() {
        let trace = &document.trace;
        for now in tested_steps(&document) {
            let mut driver = driver_at(&document, now);
            press(&mut driver, "i<Tab>");
            let TensorEntry { tensor, at } = subject(&driver);
            let run = trace.position(now).unwrap().run_index;
            press(&mut driver, "r");
            let listed: Vec<u64> = rows(&driver).into_iter().filter_map(|(_, step)| step).collect();
            let reads = |k: u64| {
                let position = trace.position(k).unwrap();
                let step = trace.get(k).unwrap();
                let is_read = |id: usize| {
                    // a factor that is computed from a whole slice, as in a softmax, has a slice instead of a source
                    let in_slice = |factor: &gradstep::step::Factor| {
                        factor.source.is_some_and(|source| source.tensor == id) && factor.slice.is_some_and(|slice| slice.contains(at))
                    };
                    trace.sources(&position, position.term).contains(&(id, at)) || step.factors.iter().any(in_slice)
                };
                if position.run_index == run {
                    return is_read(tensor);
                }
                // in the batch, the name of a sample's tensor begins with the sample's number, except for a parameter and for the tensor of the only sample
                let (network, sample) = (trace.network_of(position.run_index), trace.runs()[run].sample);
                let name_in_sample = &trace.network_of(run).tensor(tensor).name;
                let is_given = |id: &usize| network.producer(*id).is_none();
                let is_same_tensor = |id: &usize| {
                    let name = &network.tensor(*id).name;
                    name == name_in_sample || sample.is_some_and(|sample| *name == format!("{}:{name_in_sample}", sample + 1))
                };
                let copy_in_batch = (0..network.tensors().len()).filter(is_given).find(is_same_tensor);
                sample.is_some() && trace.runs()[position.run_index].sample.is_none() && copy_in_batch.is_some_and(is_read)
            };
            assert!(listed.iter().all(|k| reads(*k)), "{name}: step {now}: {listed:?}");
            if trace.len() < 3000 {
                let all: Vec<u64> = (1..=trace.len()).filter(|k| reads(*k)).collect();
                let missing: Vec<&u64> = all.iter().filter(|k| !listed.contains(k)).collect();
                assert!(missing.is_empty(), "{name}: {} is read by {missing:?} too", trace.network_of(run).tensor(tensor).name);
            }
        }
    }
}

#[test]
fn the_terms_in_the_list_of_t_add_up_to_the_sum_bit_for_bit() {
    for (name, document) in scenarios() {
        let trace = &document.trace;
        for now in tested_steps(&document) {
            let mut driver = driver_at(&document, now);
            let steps = steps_of_subject(&driver).unwrap();
            press(&mut driver, "t");
            let rows = rows(&driver);
            // a row may have several steps; it goes to the first one, and its cells 3 and 4 are the value and the share
            let starts: Vec<u64> = rows.iter().map(|(_, step)| step.unwrap()).collect();
            assert_eq!(starts.first(), Some(&steps.start), "{name}: {now}");
            let mut sum = -0.0; // −0 + x is x, also if x is −0
            for (n, (cells, _)) in rows.iter().enumerate() {
                let end = starts.get(n + 1).copied().unwrap_or(now + 1);
                for k in starts[n]..end {
                    let step = trace.get(k).unwrap();
                    sum += step.value;
                    assert!(
                        end == starts[n] + 1 || step.value == 0.0 && step.kind == Kind::Product,
                        "{name}: only products that are 0 share a row"
                    );
                    let shown: f64 = cells[3].replace('−', "-").parse().unwrap();
                    // the text is rounded, so it may differ by half a unit of its last digit
                    let decimals = cells[3].split('e').next().and_then(|text| text.split_once('.')).map_or(0, |(_, after)| after.len());
                    let exponent: i32 = cells[3].split_once('e').map_or(0, |(_, after)| after.replace('−', "-").parse().unwrap());
                    let unit = 10_f64.powi(exponent - i32::try_from(decimals).unwrap());
                    assert!((shown - step.value).abs() <= 0.500_001 * unit, "{name}: step {k}: {} is not {}", cells[3], step.value);
                }
            }
            assert_eq!(sum.to_bits(), trace.get(now).unwrap().sum.to_bits(), "{name}: step {now}");
            let shares: f64 = rows.iter().map(|(cells, _)| cells[4].trim_end_matches(" %").parse::<f64>().unwrap()).sum();
            // a share is rounded to 0.1 %
            #[allow(clippy::cast_precision_loss)] // few rows
            let rounding = 0.05 * rows.len() as f64 + 1e-9;
            assert!(shares == 0.0 || (shares - 100.0).abs() <= rounding, "{name}: {shares}");
        }
    }
}

#[test]
fn m_goes_to_the_first_step_of_the_entry_and_back_again() {
    for (name, document) in scenarios() {
        for now in tested_steps(&document) {
            let mut driver = driver_at(&document, now);
            press(&mut driver, "i<Tab>");
            for _ in 0..4 {
                press(&mut driver, "<Tab>l");
                let steps = steps_of_subject(&driver);
                press(&mut driver, "m");
                match steps {
                    None if step(&driver) != now => {
                        // a number of the batch that a sample has computed
                        let [sample_run, batch_run] = [step(&driver), now].map(|step| document.trace.position(step).unwrap().run_index);
                        assert!(sample_run < batch_run, "{name}");
                        press(&mut driver, "<C-o>");
                    }
                    None => assert!(message(&driver).contains("is given"), "{name}: {}", message(&driver)),
                    Some(steps) if steps.is_empty() => assert!(message(&driver).contains(" is 0: "), "{name}: {}", message(&driver)),
                    Some(steps) => {
                        assert_eq!(step(&driver), steps.start, "{name}");
                        if steps.start != now {
                            press(&mut driver, "<C-o>");
                        }
                    }
                }
                assert_eq!(step(&driver), now, "{name}");
            }
        }
    }
}

/// Parses a text of the screen as a number.
fn number_in(text: &str) -> f64 {
    text.replace('−', "-").parse().unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn all_digits_read_back_to_the_same_number() {
    for (name, document) in scenarios() {
        for now in tested_steps(&document) {
            let mut driver = driver_at(&document, now);
            press(&mut driver, "d");
            let (rows, step) = (rows(&driver), document.trace.get(now).unwrap());
            let number = |row: usize| number_in(&rows[row].0[1]).to_bits();
            assert_eq!([number(0), number(1)], [step.value.to_bits(), step.sum.to_bits()], "{name}: step {now}");
            // after the last term, row 2 has the complete entry
            assert_eq!(rows.len(), if step.term == step.terms { 3 } else { 2 }, "{name}: step {now}");
        }
    }
}

#[test]
fn an_entry_without_terms_is_0_once_all_terms_before_it_are_added() {
    let (_, document) = scenarios().into_iter().find(|(name, _)| name == "figure-07").unwrap();
    let trace = &document.trace;
    let scene = document.scene(trace.len()).unwrap();
    let op = scene.output;
    let entries: usize = scene.network().tensor(op).shape.iter().product();
    assert!((0..entries).all(|entry| scene.number(op, entry).is_some()), "all entries are known after the last step");
    let first = document.scene(scene.span(gradstep::step::Unit::Op).start).unwrap();
    assert!((0..entries).any(|entry| first.number(op, entry).is_none()), "some entries are unknown at the first step of the op");
}
