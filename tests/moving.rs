//! Moves by units: `l` goes to the last step of a unit, `h` goes back, and every jump can be undone.

mod documents;

use std::sync::Arc;

use gradstep::app::{Action, Document, KeyMeanings, State, Stepper, Visit, update};
use gradstep::command::ScenarioLoader;
use gradstep::command::driver::Driver;
use gradstep::keys;
use gradstep::scenario::Limits;
use gradstep::session::Event;
use gradstep::step::{Kind, Unit};

use documents::{scenarios, small};

/// A scenario with two samples, one in each batch, and four iterations.
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
batch_size = 1
"#;

/// The stepper at a step, with this unit.
fn stepper_at(document: &Arc<Document>, step: u64, unit: Unit) -> State {
    let mut state = documents::at(document, step);
    while state.stepper().unwrap().unit != unit {
        update(&mut state, Action::Coarser);
    }
    state
}

/// Types a count if it is not 1, does an action and finishes its work.
fn act(state: &mut State, count: u64, action: Action) {
    for digit in count.to_string().bytes().filter(|_| count > 1) {
        update(state, Action::Digit(digit - b'0'));
    }
    update(state, action);
    while state.job().is_some() {
        update(state, Action::JobPieces(u64::MAX));
    }
}

/// The iteration and the step on the screen.
fn visit_of(state: &State) -> Visit {
    state.stepper().map(Stepper::current_visit).unwrap()
}

/// The units of a document. A sample is no unit if there is only one, and neither is an iteration.
fn units(document: &Document) -> Vec<Unit> {
    let (has_samples, has_iterations) = (document.trace.samples() > 1, document.iterations() > 1);
    let is_unit = |unit: &Unit| match unit {
        Unit::Sample => has_samples,
        Unit::Iteration => has_iterations,
        _ => true,
    };
    Unit::ALL.into_iter().filter(is_unit).collect()
}

/// The largest number of steps at which a scenario is tested.
const MAX_TESTED: u64 = 12;

/// Returns the steps at which a scenario is tested, evenly spread from the first to the last.
fn tested_steps(document: &Document) -> impl Iterator<Item = u64> {
    let len = document.trace.len();
    (0..MAX_TESTED.min(len)).map(move |n| n * (len - 1) / (MAX_TESTED.min(len) - 1).max(1) + 1)
}

#[test]
fn l_goes_to_the_end_of_the_unit_and_h_to_the_end_of_the_unit_before() {
    for (name, document) in scenarios().into_iter().chain([("trained".to_owned(), small(TRAINED))]) {
        let trace = &document.trace;
        for unit in units(&document).into_iter().filter(|unit| *unit != Unit::Iteration) {
            for step in tested_steps(&document) {
                let span = trace.span(step, unit);
                let mut state = stepper_at(&document, step, unit);
                act(&mut state, 1, Action::Forward);
                if step < trace.len() {
                    // from the last step of a unit, l goes to the end of the next unit
                    let wanted = if step + 1 < span.end { span.end - 1 } else { trace.span(step + 1, unit).end - 1 };
                    assert_eq!(visit_of(&state), Visit { iteration: 1, step: wanted }, "{name}: l from {step}, unit {}", unit.name());
                }
                let mut state = stepper_at(&document, step, unit);
                act(&mut state, 1, Action::Back);
                // h from the first unit goes to step 1
                assert_eq!(
                    visit_of(&state),
                    Visit { iteration: 1, step: span.start.max(2) - 1 },
                    "{name}: h from {step}, unit {}",
                    unit.name()
                );
            }
        }
    }
}

#[test]
fn h_directly_after_l_undoes_it() {
    for (name, document) in scenarios().into_iter().chain([("trained".to_owned(), small(TRAINED))]) {
        for unit in units(&document) {
            for (step, count) in tested_steps(&document).flat_map(|step| [(step, 1), (step, 3), (step, 50)]) {
                for skips_zeros in [false, true] {
                    let mut state = stepper_at(&document, step, unit);
                    if skips_zeros {
                        act(&mut state, 1, Action::CycleSetting(gradstep::app::Setting::SkipZeros, 1));
                    }
                    let before = visit_of(&state);
                    act(&mut state, count, Action::Forward);
                    if visit_of(&state) == before {
                        continue;
                    }
                    act(&mut state, count, Action::Back);
                    assert_eq!(visit_of(&state), before, "{name}: {count}l{count}h from {step}, unit {}", unit.name());
                }
            }
        }
    }
}

#[test]
fn three_single_h_undo_3l_and_stop_at_the_ends_of_units() {
    let document = small(TRAINED);
    let trace = &document.trace;
    let begin = trace.resolve(&"fc1.z[1]#2".parse().unwrap()).unwrap();
    let mut state = stepper_at(&document, begin, Unit::Op);
    act(&mut state, 3, Action::Forward);
    let ends: Vec<u64> = (0..2)
        .map(|_| {
            act(&mut state, 1, Action::Back);
            visit_of(&state).step
        })
        .collect();
    assert!(ends.iter().all(|step| trace.span(*step, Unit::Op).end - 1 == *step), "{ends:?}");
    act(&mut state, 1, Action::Back);
    assert_eq!(visit_of(&state).step, begin);
    act(&mut state, 1, Action::Back);
    assert_eq!(visit_of(&state).step, 1, "the first op has no op before it");
}

#[test]
fn after_another_move_h_does_not_undo_l() {
    let document = small(TRAINED);
    for other_move in [Action::StepForward, Action::StepBack, Action::StepOut, Action::BackwardPass] {
        let mut state = stepper_at(&document, 5, Unit::Op);
        act(&mut state, 1, Action::Forward);
        act(&mut state, 1, other_move.clone());
        let span = document.trace.span(visit_of(&state).step, Unit::Op);
        act(&mut state, 1, Action::Back);
        // the end of the op before, or step 1
        assert_eq!(visit_of(&state).step, span.start.max(2) - 1, "{other_move:?}");
    }
}

#[test]
fn a_move_by_an_iteration_keeps_op_entry_and_term() {
    let document = small(TRAINED);
    for address in ["fc1.z[1]#2", "grad.fc1.weight[1,1]", "update:fc1.weight[0,1]#2", "loss"] {
        let step = document.trace.resolve(&address.parse().unwrap()).unwrap();
        let mut state = stepper_at(&document, step, Unit::Iteration);
        let text = |state: &State| {
            let (trace, at) = state.trace_and_position().unwrap();
            // each iteration has the other sample
            trace.address(&at).to_string().trim_start_matches("1:").trim_start_matches("2:").to_owned()
        };
        let before = text(&state);
        for iteration in 2..=4 {
            act(&mut state, 1, Action::Forward);
            assert_eq!((visit_of(&state).iteration, text(&state)), (iteration, before.clone()), "{address}");
        }
        act(&mut state, 1, Action::Forward);
        assert_eq!((visit_of(&state).iteration, text(&state)), (4, before.clone()), "there is no fifth");
        act(&mut state, 3, Action::Back);
        assert_eq!((visit_of(&state).iteration, text(&state)), (1, before), "{address}");
    }
}

#[test]
fn step_out_goes_to_the_last_step_of_the_op() {
    let document = small(TRAINED);
    let mut state = stepper_at(&document, 1, Unit::Step);
    let end = document.trace.span(1, Unit::Op).end - 1;
    act(&mut state, 1, Action::StepOut);
    assert_eq!(visit_of(&state).step, end);
    act(&mut state, 1, Action::StepOut);
    assert_eq!((visit_of(&state).step, state.message.unwrap().text.as_str()), (end, "this is the last step of the op"));
}

#[test]
fn skipping_zeros_stops_at_no_product_of_value_zero() {
    for (name, document) in scenarios() {
        let mut state = stepper_at(&document, 1, Unit::Step);
        act(&mut state, 1, Action::CycleSetting(gradstep::app::Setting::SkipZeros, 1));
        let last = document.trace.len().min(2000);
        let not_skipped = (2..=last).filter(|k| document.trace.get(*k).is_some_and(|step| step.kind != Kind::Product || step.value != 0.0));
        for wanted in not_skipped {
            act(&mut state, 1, Action::Forward);
            assert_eq!(visit_of(&state), Visit { iteration: 1, step: wanted }, "{name}");
        }
    }
}

#[test]
fn every_jump_can_be_undone_and_redone() {
    let document = small(TRAINED);
    let mut state = stepper_at(&document, 7, Unit::Step);
    let jump = |state: &mut State, address: &str| {
        update(state, Action::OpenPrompt);
        address.chars().for_each(|c| {
            update(state, Action::EditPrompt(tui_input::InputRequest::InsertChar(c)));
        });
        act(state, 1, Action::Accept);
    };
    let mut visited = vec![visit_of(&state)];
    for address in ["loss", "3/backward", "3/fc1.z[1]", "4/last", "1/1"] {
        jump(&mut state, address);
        visited.push(visit_of(&state));
    }
    for action in [Action::Last, Action::First, Action::BackwardPass, Action::GoToStep(9)] {
        act(&mut state, 1, action);
        visited.push(visit_of(&state));
    }
    for visit in visited.iter().rev().skip(1) {
        act(&mut state, 1, Action::JumpBack);
        assert_eq!(visit_of(&state), *visit);
    }
    act(&mut state, 1, Action::JumpBack);
    assert_eq!(state.message.as_ref().unwrap().text, "this is the first place visited");
    for visit in &visited[1..] {
        act(&mut state, 1, Action::JumpForward);
        assert_eq!(visit_of(&state), *visit);
    }
    // from the last place, four places back
    act(&mut state, 4, Action::JumpBack);
    assert_eq!(visit_of(&state), visited[visited.len() - 5]);
}

#[test]
fn a_move_by_iterations_that_goes_no_further_names_the_iteration() {
    let document = small(TRAINED);
    let last_step = document.trace.len();
    let mut state = stepper_at(&document, 1, Unit::Iteration);
    let mut said = |step: u64, action: Action| {
        act(&mut state, 1, Action::GoToStep(step));
        act(&mut state, 1, action);
        state.message.as_ref().unwrap().text.clone()
    };
    assert_eq!(said(2, Action::Back), "this is the first iteration");
    assert_eq!(said(last_step, Action::Back), "this is the first iteration");
    assert_eq!(said(1, Action::Back), "this is the first step of iteration 1");
    assert_eq!(said(1, Action::StepBack), "this is the first step of iteration 1");
    act(&mut state, 3, Action::Forward);
    assert_eq!(visit_of(&state).iteration, 4);
    let last_step = state.document().unwrap().trace.len();
    let mut said = |step: u64, action: Action| {
        act(&mut state, 1, Action::GoToStep(step));
        act(&mut state, 1, action);
        state.message.as_ref().unwrap().text.clone()
    };
    assert_eq!(said(1, Action::Forward), "this is the last iteration");
    assert_eq!(said(2, Action::Forward), "this is the last iteration");
    assert_eq!(said(last_step, Action::Forward), "this is the last step of iteration 4");
    assert_eq!(said(last_step, Action::StepForward), "this is the last step of iteration 4");
}

#[test]
fn keys_of_the_first_format_keep_their_meaning() {
    let document = small(TRAINED);
    let press = |state: State, keys: &str| {
        let mut driver = Driver::new(state, ScenarioLoader::bundled(Limits::default()));
        for key in keys::parse(keys).unwrap() {
            driver.apply(&Event::Key(key), std::time::Duration::ZERO);
            driver.finish_all().unwrap();
        }
        driver.state
    };
    // in a session of the first format, l goes to the first step of the next unit, not to the last step of this unit
    let mut old = stepper_at(&document, 2, Unit::Op);
    old.settings.key_meanings = KeyMeanings::ToFirstSteps;
    let ops: Vec<u64> = document.trace.ops().map(|(.., span)| span.start).collect();
    assert_eq!(visit_of(&press(old.clone(), "l")).step, ops[1]);
    assert_eq!(visit_of(&press(old.clone(), "ll")).step, ops[2]);
    assert_eq!(visit_of(&press(old.clone(), "llh")).step, ops[1]);
    // kkk chooses the iteration as the unit
    assert_eq!(visit_of(&press(old, "kkkl")), Visit { iteration: 2, step: 1 });
    assert_eq!(visit_of(&press(stepper_at(&document, 2, Unit::Op), "l")).step, ops[1] - 1);
}
