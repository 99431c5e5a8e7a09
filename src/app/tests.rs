//! Tests that lists of actions lead to the expected screen, mode, overlay and job.

use std::sync::Arc;
use std::time::Duration;

use tui_input::InputRequest;

use super::{Action, Document, Focus, Mode, OverlayKind, Request, ScenarioEntry, Screen, Setting, State, Stepper, Visit, update};
use crate::scenario::{Limits, Source, read};

const SCENARIO: &str = r#"title = "small"
notes = "Look here."
input = [1, 2]
target = [1]
loss = "squared_error"
[[layer]]
type = "linear"
weight = [[0.5, -1]]
[train]
learning_rate = 0.001
iterations = 100_000
"#;

const HELP: Action = Action::Toggle(OverlayKind::Help);
const NOTES: Action = Action::Toggle(OverlayKind::Notes);

fn document() -> Arc<Document> {
    let source = Source { name: "small".to_owned(), path_shown: "small".to_owned(), text: SCENARIO.to_owned() };
    Arc::new(Document::new(read(source, Limits::default()).expect("a valid scenario")))
}

fn picker() -> State {
    let offer = |name: &str| ScenarioEntry {
        name: name.to_owned(),
        title: name.to_owned(),
        summary: String::new(),
        source: String::new(),
        bundled: true,
    };
    State::picker(vec![offer("large"), offer("small")])
}

fn stepper() -> State {
    let mut state = picker();
    state.open(document(), None);
    state
}

fn act(state: &mut State, actions: &[Action]) -> Option<Request> {
    actions.iter().fold(None, |_, action| update(state, action.clone()))
}

fn typed(text: &str) -> Vec<Action> {
    text.chars().map(|c| Action::Edit(InputRequest::InsertChar(c))).collect()
}

/// A layer of a state. Each variant covers the ones below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScreenLayer {
    Overlay(OverlayKind),
    Picker,
    Prompt,
    Job,
}

/// Returns the layers over the bare stepper, or over the picker if no scenario is open, from the top.
fn layers(state: &State) -> Vec<ScreenLayer> {
    let overlay = state.overlay.as_ref().map(|overlay| ScreenLayer::Overlay(overlay.kind));
    let picker = matches!(&state.screen, Screen::Picker(picker) if picker.over.is_some()).then_some(ScreenLayer::Picker);
    let mode = state.stepper().and_then(|stepper| match stepper.mode {
        Mode::Normal => None,
        Mode::Prompt(_) => Some(ScreenLayer::Prompt),
    });
    let job = state.job().map(|_| ScreenLayer::Job);
    [overlay, picker, mode, job].into_iter().flatten().collect()
}

/// Returns every combination of overlay, screen, mode and job.
fn combinations() -> Vec<State> {
    let mut all = Vec::new();
    for overlay in [None, Some(HELP), Some(NOTES)] {
        for covered in [false, true] {
            for prompt in [false, true] {
                for job in [false, true] {
                    let mut state = stepper();
                    if job {
                        state.go_to("90000/last".parse().expect("an address")).expect("the iteration exists");
                        assert!(state.job().is_some(), "an iteration this far takes a job");
                    }
                    let actions = [prompt.then_some(Action::Prompt), covered.then_some(Action::Pick), overlay.clone()];
                    act(&mut state, &actions.into_iter().flatten().collect::<Vec<_>>());
                    all.push(state);
                }
            }
        }
    }
    all
}

#[test]
fn actions_lead_to_a_focus() {
    let delete = Action::Edit(InputRequest::DeletePrevChar);
    let cases: &[(State, &[Action], Focus)] = &[
        (picker(), &[], Focus::Picker),
        (picker(), &[Action::Close], Focus::Picker),
        (picker(), &[Action::Prompt], Focus::Picker),
        (picker(), &[HELP], Focus::Overlay),
        (picker(), &[HELP, HELP], Focus::Picker),
        (picker(), &[HELP, Action::Close], Focus::Picker),
        (picker(), &[NOTES], Focus::Picker),
        (stepper(), &[], Focus::Normal),
        (stepper(), &[Action::Accept], Focus::Normal),
        (stepper(), &[Action::Prompt], Focus::Prompt),
        (stepper(), &[Action::Prompt, Action::Complete], Focus::Prompt),
        (stepper(), &[Action::Prompt, delete.clone()], Focus::Normal),
        (stepper(), &[Action::Prompt, Action::Complete, delete], Focus::Prompt),
        (stepper(), &[Action::Prompt, Action::Accept], Focus::Normal),
        (stepper(), &[Action::Prompt, HELP], Focus::Overlay),
        (stepper(), &[Action::Prompt, HELP, Action::Accept], Focus::Prompt),
        (stepper(), &[Action::Prompt, Action::Pick, Action::Close], Focus::Prompt),
        (stepper(), &[NOTES], Focus::Overlay),
        (stepper(), &[NOTES, HELP, Action::Close], Focus::Normal),
        (stepper(), &[Action::Pick], Focus::Picker),
        (stepper(), &[Action::Pick, Action::Pick, Action::Close], Focus::Normal),
        (stepper(), &[Action::Pick, HELP, Action::Close], Focus::Picker),
    ];
    for (state, actions, focus) in cases {
        let mut state = state.clone();
        assert_eq!(act(&mut state, actions), None, "{actions:?}");
        assert_eq!(state.focus(), *focus, "{actions:?}");
    }
}

#[test]
fn close_removes_the_top_layer_only() {
    for mut state in combinations() {
        while let [top, below @ ..] = layers(&state).as_slice() {
            let place = state.stepper().map(Stepper::place);
            assert_eq!(update(&mut state, Action::Close), None);
            assert_eq!(layers(&state), below, "{top:?}");
            assert_eq!(state.stepper().map(Stepper::place), place, "{top:?}");
            assert_eq!(state.message.is_some(), *top == ScreenLayer::Job, "{top:?}: only a stopped job leaves a message");
        }
        assert_eq!((update(&mut state, Action::Close), state.focus()), (None, Focus::Normal));
    }
}

#[test]
fn accept_acts_in_the_focus() {
    for mut state in combinations() {
        let (before, focus) = (layers(&state), state.focus());
        let request = update(&mut state, Action::Accept);
        let open = Request::Open("small".to_owned());
        assert_eq!(request, (focus == Focus::Picker).then_some(open), "{before:?}: the picker is on the open scenario");
        let taken = usize::from(matches!(focus, Focus::Overlay | Focus::Prompt));
        assert_eq!(layers(&state), before[taken..], "{before:?}");
    }
    let mut state = stepper();
    act(&mut state, &[&[Action::Prompt][..], &typed("loss"), &[Action::Accept]].concat());
    let there = document().trace.resolve(&"loss".parse().expect("an address"));
    assert_eq!((state.focus(), Ok(state.stepper().expect("open").step)), (Focus::Normal, there));
    act(&mut state, &[&[Action::Prompt][..], &typed("nowhere"), &[Action::Accept]].concat());
    assert!(state.focus() == Focus::Normal && state.message.is_some_and(|message| message.fault));
}

#[test]
fn quit_quits_from_everywhere() {
    for mut state in combinations().into_iter().chain([picker()]) {
        let before = layers(&state);
        assert_eq!(update(&mut state, Action::Quit), Some(Request::Quit));
        assert_eq!(layers(&state), before);
    }
}

#[test]
fn opening_a_scenario_closes_all_layers_and_keeps_settings() {
    for mut state in combinations().into_iter().chain([picker()]) {
        update(&mut state, Action::Turn(Setting::Pane, 1));
        let settings = state.settings.clone();
        state.open(document(), Some(3));
        assert_eq!((layers(&state), state.focus(), &state.settings), (Vec::new(), Focus::Normal, &settings));
        assert_eq!(state.stepper().map(Stepper::place), Some(Visit { iteration: 1, step: 3 }));
    }
}

#[test]
fn job_and_play_continue_under_an_overlay_or_the_picker() {
    for mut state in combinations().into_iter().filter(|state| state.job().is_some()) {
        let before = layers(&state);
        let next = |state: &State| state.job().expect("not done yet").progress().0;
        let computed = next(&state);
        update(&mut state, Action::Work(10));
        assert_eq!((layers(&state), next(&state)), (before.clone(), computed + 10));
        update(&mut state, Action::Halt);
        assert_eq!(layers(&state), before[..before.len() - 1], "a job is below the other layers");
    }
    for cover in [HELP, NOTES, Action::Pick, Action::Prompt] {
        let mut state = stepper();
        act(&mut state, &[Action::Play, cover.clone()]);
        let due = state.wake().expect("play is on");
        update(&mut state, Action::Clock(due));
        assert_eq!(state.stepper().map(Stepper::place), Some(Visit { iteration: 1, step: 2 }), "{cover:?}");
        assert_eq!(state.wake(), Some(due + state.settings.period()), "{cover:?}");
    }
}

#[test]
fn time_and_work_keep_the_count_and_the_message() {
    let count = |state: &State| state.stepper().expect("open").count;
    for action in [Action::Clock(Duration::from_secs(1)), Action::Work(1), Action::Pieces(1), Action::ScrollAtMost(3)] {
        let mut state = stepper();
        act(&mut state, &[Action::Digit(4), Action::Digit(2)]);
        state.say("here", false);
        update(&mut state, action.clone());
        assert_eq!((count(&state), state.message.is_some()), (Some(42), true), "{action:?}");
        update(&mut state, Action::Finer);
        assert_eq!(count(&state), None);
    }
}

#[test]
fn a_setting_turns_through_its_choices_both_ways() {
    let mut state = stepper();
    let mut turned = |by| {
        update(&mut state, Action::Turn(Setting::Pane, by));
        [2, 3].map(|count| state.settings.choice(Setting::Pane, count))
    };
    assert_eq!([0, 1, 1, 1, -4, -3].map(&mut turned), [[0, 0], [1, 1], [0, 2], [1, 0], [1, 2], [0, 2]]);
}

#[test]
fn scroll_acts_in_the_focus() {
    let overlay = |state: &State| state.overlay.as_ref().map(|overlay| overlay.scroll);
    let rows = |state: &State| state.stepper().map(|stepper| stepper.scroll[0]);
    let mut state = stepper();
    act(&mut state, &[Action::Scroll(1)]);
    assert_eq!((rows(&state), overlay(&state)), (Some(1), None));
    act(&mut state, &[HELP, Action::Scroll(3), Action::Page(1), Action::ScrollAtMost(7)]);
    assert_eq!((rows(&state), overlay(&state)), (Some(1), Some(7)));
    act(&mut state, &[Action::Close, Action::Pick, Action::Scroll(-1)]);
    assert_eq!((rows(&state), state.selected().map(|offer| &*offer.name)), (Some(1), Some("large")));
    act(&mut state, &[Action::Page(1)]);
    assert_eq!(state.selected().map(|offer| &*offer.name), Some("small"), "no further than there are rows");
    act(&mut state, &[Action::Close, Action::Prompt, Action::Scroll(1)]);
    assert_eq!(rows(&state), Some(1));
}

#[test]
fn a_step_in_the_middle_is_not_called_the_last() {
    let mut state = stepper();
    act(&mut state, &[Action::BackwardPass, Action::BackwardPass]);
    let message = |state: &State| state.message.as_ref().map_or_else(String::new, |message| message.text.clone());
    assert_eq!(message(&state), "this is already the step");
    act(&mut state, &[Action::Last, Action::Last]);
    assert!(message(&state).starts_with("this is the last step"), "{}", message(&state));
    act(&mut state, &[Action::First, Action::First]);
    assert!(message(&state).starts_with("this is the first step"), "{}", message(&state));
}
