//! Opens and computes scenarios for the tests: the bundled ones, and those that a test has as a text.

#![allow(dead_code, reason = "not every test needs all of them")]

use std::sync::Arc;

use gradstep::app::{Document, State};
use gradstep::command::{ScenarioLoader, bundled, picker_entries};
use gradstep::scenario::{Limits, Scenario, Source, read};

/// Returns all bundled scenarios, each with its name.
pub fn scenarios() -> Vec<(String, Arc<Document>)> {
    let loader = ScenarioLoader::bundled(Limits::default());
    let open = |name: &str| Arc::new(loader.open(name).expect("a bundled scenario"));
    bundled::ALL.iter().map(|scenario| (scenario.name.to_owned(), open(scenario.name))).collect()
}

/// Reads a scenario.
pub fn scenario(text: &str) -> Scenario {
    let source = Source { name: "small".to_owned(), path_shown: "small".to_owned(), text: text.to_owned() };
    read(source, Limits::default()).unwrap_or_else(|faults| panic!("{}", faults.render(false)))
}

/// Reads a scenario, and computes its first iteration.
pub fn small(text: &str) -> Arc<Document> {
    Arc::new(Document::new(scenario(text)))
}

/// Opens a document at a step.
pub fn at(document: &Arc<Document>, step: u64) -> State {
    let mut state = State::picker(picker_entries::bundled());
    state.open(Arc::clone(document), Some(step));
    state
}
