//! Tests that lists of actions lead to the expected screen, mode, overlay and job.

use std::sync::Arc;
use std::time::Duration;

use tui_input::InputRequest;

use super::{
    Action, Document, Focus, Mode, OverlayKind, Request, ScenarioEntry, ScenarioGroup, Screen, Setting, State, Stepper, Visit, update,
};
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

const HELP: Action = Action::ToggleOverlay(OverlayKind::Help);
const NOTES: Action = Action::ToggleOverlay(OverlayKind::Notes);

/// Returns the scenario `small` at its first iteration.
fn document() -> Arc<Document> {
    let source = Source { name: "small".to_owned(), path_shown: "small".to_owned(), text: SCENARIO.to_owned() };
    Arc::new(Document::new(read(source, Limits::default()).expect("a valid scenario")))
}

/// Returns a state with an open picker of two scenarios.
fn picker() -> State {
    let entry = |name: &str| ScenarioEntry {
        name: name.to_owned(),
        title: name.to_owned(),
        summary: String::new(),
        source: String::new(),
        group: ScenarioGroup::Bundled,
    };
    State::picker(vec![entry("large"), entry("small")])
}

/// Returns a state with the scenario `small` open.
fn stepper() -> State {
    let mut state = picker();
    state.open(document(), None);
    state
}

/// Does the actions, and returns the request of the last one.
fn act(state: &mut State, actions: &[Action]) -> Option<Request> {
    actions.iter().fold(None, |_, action| update(state, action.clone()))
}

/// Returns the actions that type a text into the prompt.
fn typing(text: &str) -> Vec<Action> {
    text.chars().map(|c| Action::EditPrompt(InputRequest::InsertChar(c))).collect()
}

/// A layer of the screen that covers the stepper or keeps it busy. Each variant covers the variants below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScreenLayer {
    Overlay(OverlayKind),
    Picker,
    /// The prompt.
    Prompt,
    Job,
}

/// Returns the layers of a state from top to bottom. The picker is a layer only if it covers a stepper.
fn layers(state: &State) -> Vec<ScreenLayer> {
    let overlay = state.overlay.as_ref().map(|overlay| ScreenLayer::Overlay(overlay.kind));
    let picker = matches!(&state.screen, Screen::Picker(picker) if picker.stepper.is_some()).then_some(ScreenLayer::Picker);
    let mode = state.stepper().and_then(|stepper| match stepper.mode {
        Mode::Normal => None,
        Mode::Prompt(_) => Some(ScreenLayer::Prompt),
    });
    let job = state.job().map(|_| ScreenLayer::Job);
    [overlay, picker, mode, job].into_iter().flatten().collect()
}

/// Returns a state for every combination of overlay, screen, mode and job.
fn combinations() -> Vec<State> {
    let mut all = Vec::new();
    for overlay in [None, Some(HELP), Some(NOTES)] {
        for has_picker in [false, true] {
            for has_prompt in [false, true] {
                for has_job in [false, true] {
                    let mut state = stepper();
                    if has_job {
                        state.go_to("90000/last".parse().expect("an address")).expect("the iteration exists");
                        assert!(state.job().is_some(), "an iteration this far takes a job");
                    }
                    let actions = [has_prompt.then_some(Action::OpenPrompt), has_picker.then_some(Action::OpenPicker), overlay.clone()];
                    act(&mut state, &actions.into_iter().flatten().collect::<Vec<_>>());
                    all.push(state);
                }
            }
        }
    }
    all
}

#[test]
fn actions_lead_to_the_expected_focus() {
    let delete = Action::EditPrompt(InputRequest::DeletePrevChar);
    let cases: &[(State, &[Action], Focus)] = &[
        (picker(), &[], Focus::Picker),
        (picker(), &[Action::Close], Focus::Picker),
        (picker(), &[Action::OpenPrompt], Focus::Picker),
        (picker(), &[HELP], Focus::Overlay),
        (picker(), &[HELP, HELP], Focus::Picker),
        (picker(), &[HELP, Action::Close], Focus::Picker),
        (picker(), &[NOTES], Focus::Picker),
        (stepper(), &[], Focus::Normal),
        (stepper(), &[Action::Accept], Focus::Normal),
        (stepper(), &[Action::OpenPrompt], Focus::Prompt),
        (stepper(), &[Action::OpenPrompt, Action::Complete], Focus::Prompt),
        // a deletion in an empty prompt closes it. After `Complete`, the prompt has a text
        (stepper(), &[Action::OpenPrompt, delete.clone()], Focus::Normal),
        (stepper(), &[Action::OpenPrompt, Action::Complete, delete], Focus::Prompt),
        (stepper(), &[Action::OpenPrompt, Action::Accept], Focus::Normal),
        (stepper(), &[Action::OpenPrompt, HELP], Focus::Overlay),
        (stepper(), &[Action::OpenPrompt, HELP, Action::Accept], Focus::Prompt),
        (stepper(), &[Action::OpenPrompt, Action::OpenPicker, Action::Close], Focus::Prompt),
        (stepper(), &[NOTES], Focus::Overlay),
        // the help lies over the notes, whose keys it lists; closing the help uncovers the notes
        (stepper(), &[NOTES, HELP, Action::Close], Focus::Overlay),
        (stepper(), &[NOTES, HELP, Action::Close, Action::Close], Focus::Normal),
        // opening the prompt closes the help and the notes, which would cover it
        (stepper(), &[NOTES, HELP, Action::OpenPrompt], Focus::Prompt),
        (stepper(), &[Action::OpenPicker], Focus::Picker),
        (stepper(), &[Action::OpenPicker, Action::OpenPicker, Action::Close], Focus::Normal),
        (stepper(), &[Action::OpenPicker, HELP, Action::Close], Focus::Picker),
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
            let place = state.stepper().map(Stepper::current_visit);
            assert_eq!(update(&mut state, Action::Close), None);
            assert_eq!(layers(&state), below, "{top:?}");
            assert_eq!(state.stepper().map(Stepper::current_visit), place, "{top:?}");
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
        assert_eq!(
            request,
            (focus == Focus::Picker).then_some(open),
            "{before:?}: only in the picker Enter is a request: to open the selected scenario, which is the open one"
        );
        let closed_layers = usize::from(matches!(focus, Focus::Overlay | Focus::Prompt));
        assert_eq!(layers(&state), before[closed_layers..], "{before:?}");
    }
    let mut state = stepper();
    act(&mut state, &[&[Action::OpenPrompt][..], &typing("loss"), &[Action::Accept]].concat());
    let loss_step = document().trace.resolve(&"loss".parse().expect("an address"));
    assert_eq!((state.focus(), Ok(state.stepper().expect("open").step)), (Focus::Normal, loss_step));
    act(&mut state, &[&[Action::OpenPrompt][..], &typing("nowhere"), &[Action::Accept]].concat());
    assert!(state.focus() == Focus::Normal && state.message.is_some_and(|message| message.is_error));
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
        update(&mut state, Action::CycleSetting(Setting::Pane, 1));
        let settings = state.settings.clone();
        state.open(document(), Some(3));
        assert_eq!((layers(&state), state.focus(), &state.settings), (Vec::new(), Focus::Normal, &settings));
        assert_eq!(state.stepper().map(Stepper::current_visit), Some(Visit { iteration: 1, step: 3 }));
    }
}

#[test]
fn job_and_play_continue_under_an_overlay_or_the_picker() {
    for mut state in combinations().into_iter().filter(|state| state.job().is_some()) {
        let before = layers(&state);
        let iteration = |state: &State| state.job().expect("not done yet").progress().0;
        let first = iteration(&state);
        update(&mut state, Action::JobIterations(10));
        assert_eq!((layers(&state), iteration(&state)), (before.clone(), first + 10));
        update(&mut state, Action::Halt);
        assert_eq!(layers(&state), before[..before.len() - 1], "a job is below the other layers");
    }
    for cover in [HELP, NOTES, Action::OpenPicker] {
        let mut state = stepper();
        act(&mut state, &[Action::TogglePlay, cover.clone()]);
        let due = state.wake().expect("play is on");
        update(&mut state, Action::Clock(due));
        assert_eq!(state.stepper().map(Stepper::current_visit), Some(Visit { iteration: 1, step: 2 }), "{cover:?}");
        assert_eq!(state.wake(), Some(due + state.settings.period()), "{cover:?}");
    }
}

#[test]
fn the_clock_and_slices_of_work_keep_the_count_and_the_message() {
    let count = |state: &State| state.stepper().expect("open").count;
    for action in [Action::Clock(Duration::from_secs(1)), Action::JobIterations(1), Action::JobPieces(1), Action::ScrollAtMost(3)] {
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
fn a_setting_cycles_through_its_choices_in_both_directions() {
    let mut state = stepper();
    // moves the setting by `by` choices. Returns the index of its choice twice: for a setting with two choices, and for one with three
    let mut choices_after = |by| {
        update(&mut state, Action::CycleSetting(Setting::Pane, by));
        [2, 3].map(|number_of_choices| state.settings.choice(Setting::Pane, number_of_choices))
    };
    // the sums of the moves are 0, 1, 2, 3, −1 and −4
    assert_eq!([0, 1, 1, 1, -4, -3].map(&mut choices_after), [[0, 0], [1, 1], [0, 2], [1, 0], [1, 2], [0, 2]]);
}

#[test]
fn scroll_acts_in_the_focus() {
    let overlay_scroll = |state: &State| state.overlay.as_ref().map(|overlay| overlay.scroll);
    let matrix_scroll = |state: &State| state.stepper().map(|stepper| stepper.scroll[0]);
    let mut state = stepper();
    act(&mut state, &[Action::Scroll(1)]);
    assert_eq!((matrix_scroll(&state), overlay_scroll(&state)), (Some(1), None));
    act(&mut state, &[HELP, Action::Scroll(3), Action::Page(1), Action::ScrollAtMost(7)]);
    assert_eq!((matrix_scroll(&state), overlay_scroll(&state)), (Some(1), Some(7)));
    // the picker opens at its last row `small`, the open scenario
    act(&mut state, &[Action::Close, Action::OpenPicker, Action::Scroll(-1)]);
    assert_eq!((matrix_scroll(&state), state.selected_scenario().map(|entry| &*entry.name)), (Some(1), Some("large")));
    act(&mut state, &[Action::Page(1)]);
    assert_eq!(state.selected_scenario().map(|entry| &*entry.name), Some("small"), "the selection stops at the last row");
    act(&mut state, &[Action::Close, Action::OpenPrompt, Action::Scroll(1)]);
    assert_eq!(matrix_scroll(&state), Some(1), "in the prompt, a scroll chooses a completion");
}

#[test]
fn a_step_in_the_middle_is_not_called_the_last() {
    let mut state = stepper();
    act(&mut state, &[Action::BackwardPass, Action::BackwardPass]);
    let message = |state: &State| state.message.as_ref().map_or_else(String::new, |message| message.text.clone());
    assert_eq!(message(&state), "this step is already on the screen");
    act(&mut state, &[Action::Last, Action::Last]);
    assert!(message(&state).starts_with("this is the last step"), "{}", message(&state));
    act(&mut state, &[Action::First, Action::First]);
    assert!(message(&state).starts_with("this is the first step"), "{}", message(&state));
}
