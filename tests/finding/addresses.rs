//! An address that the program copies leads back to the entry that it was copied from.

use std::collections::BTreeMap;

use gradstep::app::{CopyFormat, Document};
use gradstep::step::TensorEntry;
use gradstep::tensor::{index_text, len, unravel};

use super::*;

/// Returns the entry under the cursor or, without a cursor, the entry that the step computes: its name with the index, and its number.
fn subject(state: &State) -> (String, u64) {
    let stepper = state.stepper().unwrap();
    let scene = stepper.scene().unwrap();
    let TensorEntry { tensor, at } =
        stepper.cursor.map_or(TensorEntry { tensor: scene.output, at: scene.at.entry }, |cursor| cursor.entry(&scene));
    let info = scene.network().tensor(tensor);
    // in the batch, the name of a sample's tensor begins with the sample
    let name = info.name.rsplit(':').next().unwrap_or_default();
    let number = stepper.document.trace.run(scene.at.run_index).values(tensor)[at];
    (format!("{name}{}", index_text(&unravel(at, &info.shape))), number.to_bits())
}

/// Returns the addresses that are copied in an iteration, each with its [`subject`]: of each entry on the screen at the first step of each op.
fn copied(document: &Document, number: u64) -> BTreeMap<String, (String, u64)> {
    let document = std::sync::Arc::new(document.iteration(number));
    let mut addresses = BTreeMap::new();
    let (mut step, last) = (1, document.trace.len());
    while step <= last {
        let mut state = at(&document, step);
        press(&mut state, "i");
        let tensors: Vec<usize> = document.scene(step).unwrap().tensors().iter().map(|shown| shown.tensor).collect();
        for tensor in tensors {
            for at in 0..len(&document.scene(step).unwrap().network().tensor(tensor).shape) {
                update(&mut state, Action::GoToEntry(tensor, at));
                let Some(Request::Copy(address)) = update(&mut state, Action::Copy(CopyFormat::Address)) else { panic!("no address") };
                addresses.insert(address, subject(&state));
            }
        }
        step = document.trace.span(step, gradstep::step::Unit::Op).end;
    }
    addresses
}

/// In each scenario all entries have steps, or are read by steps.
#[test]
fn a_copied_address_leads_back_to_its_entry() {
    let all_at_once = TRAINED.to_owned();
    let with_momentum = TRAINED.replace("iterations = 4", "iterations = 3\nmomentum = 0.5");
    let one_by_one = with_momentum.replace("iterations = 3", "iterations = 3\nbatch_size = 1");
    let without_training = TRAINED.split("[train]").next().unwrap().to_owned();
    for text in [all_at_once, with_momentum, one_by_one, without_training] {
        let document = small(&text);
        let iterations = document.iterations();
        let mut count = 0;
        for number in 1..=iterations {
            let addresses = copied(&document, number);
            count += addresses.len();
            // the address is typed in its own iteration and in another one
            for from in [number, number % iterations + 1] {
                let there = std::sync::Arc::new(document.iteration(from));
                let mut state = at(&there, there.trace.len());
                for (address, copied_from) in &addresses {
                    press(&mut state, "<Esc>");
                    enter(&mut state, &format!(":{address}"));
                    let is_error = state.message.as_ref().is_some_and(|message| message.is_error);
                    assert!(!is_error, "{address}: {}", message(&state));
                    assert_eq!(subject(&state), *copied_from, "{address} from iteration {from}");
                }
            }
        }
        assert!(count > 30, "{count} addresses");
    }
}

/// The options `--at` of the commands read addresses as the prompt does.
#[test]
fn the_address_of_an_input_opens_every_iteration() {
    for (address, entry) in [("1/input[1]", "input[1]"), ("4/2:target[0]", "target[0]"), ("3/2:fc1.weight[1,0]", "fc1.weight[1,0]")] {
        let scenario = documents::scenario(TRAINED);
        let (document, step) = Document::open(scenario, &address.parse().unwrap(), &mut |_, _| true).unwrap().unwrap();
        let scene = document.scene(step).unwrap();
        let (given, first) = document.given_entry(&address.parse().unwrap()).unwrap();
        assert_eq!((scene.name(given.tensor, given.at), first), (entry.to_owned(), step), "{address}");
    }
}
