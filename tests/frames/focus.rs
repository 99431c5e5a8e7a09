//! A frame shows the screen, mode, overlay and job of the state, after any sequence of actions.

use std::sync::Arc;
use std::time::Duration;

use gradstep::app::{Action, Document, Focus, OverlayKind, Request, Screen, Setting, State, update};
use gradstep::scenario::{self, Limits, Source};
use gradstep::ui::{RenderOptions, export};
use proptest::prelude::*;
use tui_input::InputRequest;

use super::{bundled_documents, frame, picker_entries, press};

/// A scenario with notes, and with an iteration so far away that a seek to it is a job.
const FAR: &str = r#"title = "far"
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

#[derive(Clone, Debug)]
enum Event {
    Do(Action),
    /// Keys for the stepper in its normal mode.
    Keys(&'static str),
}

fn event() -> impl Strategy<Value = Event> {
    let actions = vec![
        Action::Forward,
        Action::Back,
        Action::Coarser,
        Action::Finer,
        Action::Last,
        Action::TogglePlay,
        Action::Digit(3),
        Action::CycleSetting(Setting::Pane, 1),
        Action::CycleSetting(Setting::Pane, -1),
        Action::OpenPrompt,
        Action::OpenSearch,
        Action::OpenPalette(gradstep::keys::COMMANDS),
        Action::ToggleBreakpoint,
        Action::ContinueToBreakpoint(1),
        Action::ContinueToBreakpoint(-1),
        Action::EditPrompt(InputRequest::InsertChar('b')),
        Action::EditPrompt(InputRequest::DeletePrevChar),
        Action::Complete,
        Action::ToggleOverlay(OverlayKind::Help),
        Action::ToggleOverlay(OverlayKind::Notes),
        Action::Scroll(3),
        Action::Page(-1),
        Action::OpenPicker,
        Action::Accept,
        Action::Close,
        Action::Halt,
        Action::JobPieces(1),
    ];
    prop_oneof![
        8 => proptest::sample::select(actions).prop_map(Event::Do),
        1 => Just(Event::Keys(":90000/last<Enter>")),
        1 => (0_u64..600).prop_map(|ms| Event::Do(Action::Clock(Duration::from_millis(ms)))),
    ]
}

/// Handles an event as the driver does. Counts how often the pane in the shared area of a small screen was switched.
fn act(state: &mut State, event: Event, pane_switches: &mut i64) {
    match event {
        Event::Keys(keys) => {
            if state.focus() == Focus::Normal {
                press(state, keys);
            }
        }
        Event::Do(action) => {
            if let Action::CycleSetting(Setting::Pane, count) = action {
                *pane_switches += count;
            }
            if let Some(Request::Open(name)) = update(state, action) {
                state.open(Arc::clone(&bundled_documents()[&name]), None);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_frame_shows_the_state(events in proptest::collection::vec(event(), 1..40)) {
        let mut state = State::picker(picker_entries());
        let source = Source { name: "far".to_owned(), path_shown: "far".to_owned(), text: FAR.to_owned() };
        state.open(Arc::new(Document::new(scenario::read(source, Limits::default()).expect("a valid scenario"))), None);
        let mut pane_switches = 0;
        for event in events {
            act(&mut state, event, &mut pane_switches);
            let shown = |width, height| export::text(&frame(&state, &RenderOptions::default(), width, height));
            let wide = shown(200, 60);
            let lines: Vec<&str> = wide.lines().collect();
            let (first, status, last) = (lines[0], lines[58], lines[59]);
            let stepper = state.stepper().expect("it stays open");

            let picker = matches!(state.screen, Screen::Picker(_));
            prop_assert_eq!(first.starts_with("gradstep  step through"), picker, "{}", wide);
            prop_assert_eq!(first.starts_with(&stepper.document.scenario.title), !picker, "{}", wide);

            let overlay = state.overlay.as_ref().map(|overlay| overlay.kind);
            prop_assert_eq!(wide.contains("╭ help: keys, mouse, marks and colours ─"), overlay == Some(OverlayKind::Help), "{}", wide);
            prop_assert_eq!(wide.contains("╭ notes ─"), overlay == Some(OverlayKind::Notes), "{}", wide);

            let has = |word: &str| last.split("  ").any(|key| key.trim_end().ends_with(word));
            let keys = [last.starts_with([':', '/']), has(" forward"), has(" open"), has(" close")];
            let wanted = match state.focus() {
                Focus::Prompt => [true, false, false, true],
                Focus::Answer => [false; 4],
                Focus::Normal | Focus::Cursor => [false, true, false, false],
                Focus::Picker => [false, false, true, false],
                Focus::Filter => [true, false, true, false],
                Focus::Overlay | Focus::List | Focus::Map | Focus::Curve => [false, false, false, true],
            };
            // in the normal mode the last line may be a long message
            if state.focus() != Focus::Normal || state.message.is_none() {
                prop_assert_eq!(keys, wanted, "{}", wide);
            }

            if !picker {
                prop_assert_eq!(status.contains("computing: "), stepper.job.is_some(), "{}", wide);
                let has_room_for_facts = stepper.job.is_none() && state.message.is_none();
                prop_assert_eq!(status.contains("playing "), has_room_for_facts && stepper.play.is_some(), "{}", wide);
                prop_assert!(status.contains(&format!("step {}/", stepper.step)), "{}", wide);
            }
            // the picture, the pane why and the matrices alone share an area; the list above the prompt may cover it
            if !picker && overlay.is_none() && state.focus() != Focus::Prompt {
                let small = shown(80, 24);
                let in_front = [("─ picture", 0), ("─ why", 1)].map(|(title, pane)| (small.contains(title), pane_switches.rem_euclid(3) == pane));
                prop_assert!(in_front.iter().all(|(is, wanted)| is == wanted), "{}", small);
            }
        }
    }
}

/// On a screen that is too small for the panes, the picker over an open scenario is drawn, not the scenario below it.
#[test]
fn the_picker_over_a_scenario_is_drawn_on_a_small_screen() {
    let mut state = State::picker(picker_entries());
    state.open(Arc::clone(&bundled_documents()["xor"]), Some(1));
    let text = |state: &State| export::text(&frame(state, &RenderOptions::default(), 50, 12));
    assert!(text(&state).contains("needs 60x16"), "{}", text(&state));
    press(&mut state, "o");
    assert_eq!(state.focus(), Focus::Picker);
    let shown = text(&state);
    assert!(shown.contains("▸ xor") && !shown.contains("needs 60x16"), "{shown}");
}
