//! Finding commands, values, names and breakpoints. Searches and moves to breakpoints are compared with a simple scan of all steps.

mod addresses;
mod breakpoints;
mod commands;
#[path = "../documents/mod.rs"]
mod documents;
mod picker;
mod searches;
mod time;

use gradstep::app::{Action, Request, State, Stepper, Visit, update};
use gradstep::keys;

use documents::{at, small};

/// Two samples in one batch, and four iterations.
const TRAINED: &str = r#"title = "trained"
loss = "squared_error"
[[layer]]
type = "linear"
weight = [[0.5, -1], [1, 0]]
bias = [0, 0]
activation = "relu"
[[sample]]
input = [1, 2]
target = [1, 0]
[[sample]]
input = [0, 3]
target = [0, 1]
[train]
learning_rate = 0.1
iterations = 4
"#;

fn finish(state: &mut State) {
    while state.job().is_some() {
        update(state, Action::JobPieces(u64::MAX));
    }
}

/// Presses keys, and finishes the work of each.
fn press(state: &mut State, text: &str) -> Option<Request> {
    let mut last = None;
    for key in keys::parse(text).unwrap() {
        let action = keys::action(state, key).unwrap_or_else(|| panic!("{text}: {key} does nothing"));
        last = update(state, action);
        finish(state);
    }
    last
}

/// Types a text into the prompt, and presses Enter.
fn enter(state: &mut State, text: &str) -> Option<Request> {
    press(state, &format!("{}<Enter>", text.replace('<', "<lt>")))
}

fn place(state: &State) -> Visit {
    state.stepper().map(Stepper::current_visit).unwrap()
}

fn message(state: &State) -> String {
    state.message.as_ref().map_or_else(String::new, |message| message.text.clone())
}

/// The step on the screen, as an address.
fn address(state: &State) -> String {
    let (trace, at) = state.trace_and_position().unwrap();
    trace.address(&at).to_string()
}
