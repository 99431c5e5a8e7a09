//! Random walks: after any sequence of keys and sizes, nothing panics, and the state is within its bounds.

use gradstep::app::{Action, Focus, Screen, update};
use gradstep::step::Unit;
use gradstep::ui::panes::PANES;
use gradstep::ui::theme::{Background, Colours, Theme};
use gradstep::ui::view::StepView;
use gradstep::ui::{self, ClickTarget, RenderOptions};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{frame, open, press};

/// Keys and sequences of keys that reach every mode, and some keys without an action.
const KEYS: &[&str] = &[
    "l",
    "h",
    "j",
    "k",
    "g",
    "G",
    "b",
    "s",
    "S",
    "+",
    "-",
    "n",
    "o",
    "?",
    ":",
    "<Esc>",
    "<Tab>",
    "<S-Tab>",
    "<Enter>",
    "<Space>",
    "<Left>",
    "<Right>",
    "<Up>",
    "<Down>",
    "<Home>",
    "<End>",
    "<PgUp>",
    "<PgDn>",
    "<BS>",
    "<Del>",
    "<C-u>",
    "<C-w>",
    "0",
    "1",
    "9",
    "3l",
    "99999999999999999999l",
    "77G",
    "x",
    "ß",
    ":grad.input<Enter>",
    ":conv1.z[0,1,1]#2<Enter>",
    ":last<Enter>",
    ":1/5<Enter>",
    ":[<Enter>",
    "<F5>",
    "<C-x>",
    "<M-l>",
];

/// The names of scenarios with one sample and one iteration.
const NAMES: &[&str] = &["figure-14", "figure-09", "figure-17", "figure-20", "figure-07", "mazur-2-2-2"];

#[derive(Clone, Debug)]
enum Event {
    Key(&'static str),
    Size(u16, u16),
    Clock(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => proptest::sample::select(KEYS).prop_map(Event::Key),
        2 => (0_u16..220, 0_u16..80).prop_map(|(w, h)| Event::Size(w, h)),
        // sizes around the smallest screen of the stepper, 60x16
        1 => proptest::sample::select(&[(0_u16, 0_u16), (1, 1), (20, 6), (60, 16), (59, 16), (60, 15)][..]).prop_map(|(w, h)| Event::Size(w, h)),
        1 => (0_u64..5000).prop_map(Event::Clock),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn after_any_keys_the_state_is_within_its_bounds(name in proptest::sample::select(NAMES), events in proptest::collection::vec(event(), 1..60)) {
        let mut state = open(name, "");
        let options = RenderOptions { theme: Theme::new(Colours::Indexed, Background::Light), ascii: false };
        let (mut size, mut now) = ((80, 24), std::time::Duration::ZERO);
        for event in events {
            match event {
                Event::Key(keys) => press(&mut state, keys),
                Event::Size(width, height) => size = (width, height),
                Event::Clock(ms) => {
                    now += std::time::Duration::from_millis(ms);
                    update(&mut state, Action::Clock(now));
                }
            }
            let trace = &state.document().expect("it stays open").trace;
            prop_assert!((1..=trace.len()).contains(&state.stepper().expect("open").step));
            // these scenarios have one sample and one iteration, so a pass is the largest unit
            prop_assert!(state.stepper().expect("open").unit <= Unit::Pass);
            // in the picker, a scenario is selected; but while the user types a filter, perhaps no scenario matches it
            prop_assert!(matches!(&state.screen, Screen::Stepper(_)) || state.selected_scenario().is_some() || state.focus() == Focus::Filter);
            frame(&state, &options, size.0, size.1);
        }
    }
}

/// Every pane is drawn alone, also on areas that are smaller than the stepper's smallest screen. It draws nothing outside its area.
#[test]
fn every_pane_draws_on_any_area() {
    let options = RenderOptions::default();
    for name in NAMES {
        for keys in ["", "b", "G", ":loss<Enter>"] {
            let state = open(name, keys);
            let view = StepView::of(&state, options).expect("a step");
            for pane in PANES {
                for (width, height) in [(0, 0), (1, 1), (20, 6), (6, 20), (1, 40), (200, 1)] {
                    let screen = Rect::new(0, 0, width + 4, height + 4);
                    let mut buffer = Buffer::empty(screen);
                    let place = Rect::new(2, 2, width, height);
                    (pane.draw)(&view, place, &mut buffer);
                    for (x, y) in screen.positions().map(|p| (p.x, p.y)).filter(|p| !place.contains((*p).into())) {
                        assert_eq!(buffer[(x, y)].symbol(), " ", "{name} {keys}: {pane:?} drew outside of {width}x{height}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_click_on_any_cell_leads_to_a_step_of_the_trace() {
    for name in NAMES {
        for (width, height) in [(60, 16), (80, 24), (120, 40), (200, 60)] {
            let state = open(name, "b");
            let trace = &state.document().expect("open").trace;
            let screen = Rect::new(0, 0, width, height);
            // the number of cells on which a click goes to an entry
            let mut entries = 0;
            for cell in screen.positions() {
                let mut clicked = state.clone();
                let Some(target) = ui::click(&state, &RenderOptions::default(), screen, cell.x, cell.y) else { continue };
                entries += usize::from(matches!(target, ClickTarget::Entry(..)));
                update(&mut clicked, target.action(&state).expect("a target has an action"));
                assert!((1..=trace.len()).contains(&clicked.stepper().expect("open").step));
            }
            assert!(entries > 0, "{name} at {width}x{height} has no matrix to click");
            // row 1 is the timeline. After `forward ` in the columns 0 to 7, its first bar begins with the first step
            assert_eq!(ui::click(&state, &RenderOptions::default(), screen, 8, 1), Some(ClickTarget::Step(1)), "{name}");
        }
    }
}

#[test]
fn every_small_screen_can_be_drawn() {
    for name in NAMES {
        for keys in ["", "b", "<Tab>", "?", "n", ":g", "o"] {
            let state = open(name, keys);
            for (width, height) in [(0, 0), (1, 1), (1, 100), (300, 1), (20, 6), (59, 16), (60, 16), (61, 17), (79, 23)] {
                frame(&state, &RenderOptions::default(), width, height);
            }
        }
    }
}

#[test]
fn play_makes_one_step_per_period_and_stops_at_the_last_step() {
    let mut state = open("figure-14", "g<Space>");
    let period = state.settings.period();
    let len = state.document().expect("open").trace.len();
    for turn in 1..=2 * u32::try_from(len).expect("few") {
        update(&mut state, Action::Clock(period * turn));
        assert_eq!(state.stepper().expect("open").step, len.min(u64::from(turn) + 1));
    }
    assert!(state.wake().is_none());
}

#[test]
fn a_delayed_play_moves_by_one_unit_and_does_not_make_up_for_missed_moves() {
    let mut state = open("figure-14", "g<Space>");
    let period = state.settings.period();
    update(&mut state, Action::Clock(period * 1000));
    assert_eq!((state.stepper().expect("open").step, state.wake()), (2, Some(period * 1001)));
    update(&mut state, Action::Clock(period * 1001 + period / 2));
    assert_eq!(
        (state.stepper().expect("open").step, state.wake()),
        (3, Some(period * 1002)),
        "after a small delay the next unit is still on time"
    );
}

#[test]
fn h_goes_back_through_the_steps_that_l_reached() {
    for name in NAMES {
        let len = open(name, "").document().expect("open").trace.len();
        // each k chooses the next larger unit
        for unit_keys in ["", "k", "kk", "kkk"] {
            let mut state = open(name, &format!("g{unit_keys}"));
            let mut seen = vec![state.stepper().expect("open").step];
            while state.stepper().expect("open").step < len {
                let before = state.stepper().expect("open").step;
                press(&mut state, "l");
                // in the last unit of the trace, `l` has nowhere to go
                if state.stepper().expect("open").step == before {
                    break;
                }
                seen.push(state.stepper().expect("open").step);
            }
            while let Some(step) = seen.pop() {
                assert_eq!(state.stepper().expect("open").step, step, "{name} by {unit_keys:?}");
                press(&mut state, "h");
            }
        }
    }
}
