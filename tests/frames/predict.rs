//! While prediction hides a number, nothing on the screen depends on it: each frame is drawn from the real run and from runs in which the hidden number and all
//! later numbers are replaced, and the frames must be equal, cell by cell.

use std::env;
use std::sync::Arc;

use gradstep::app::{Action, Document, Setting, State, update};
use gradstep::scene::HiddenNumber;
use gradstep::step::Unit;
use gradstep::ui::{RenderOptions, export};
use ratatui::buffer::Buffer;

use super::early::{FUTURES, SIZES, Scenarios, bundled, difference, other_scenarios, sampled_steps};
use super::{frame, press};

/// The number of checked steps of a scenario, unless `EARLY_STEPS` is set.
const STEPS: u64 = LOOKS.len() as u64;

/// Keys that start prediction: by term, by entry, and by entry in a larger unit. The second part is the unit whose number is hidden.
const ASKED: [(&str, Unit); 3] = [("p", Unit::Step), ("kp", Unit::Entry), ("kkp", Unit::Entry)];

/// Keys that close the prompt and open something: the cursor, lists, the map, texts to copy, watches, breakpoints, settings, the palette, the score; and keys
/// that would show later numbers, of which prediction warns first.
const LOOKS: [&str; 29] = [
    "",
    "i",
    "it",
    "d",
    "t",
    "w",
    "y",
    "r",
    "m",
    "M",
    "v",
    "iv<Esc>",
    "x",
    "L",
    "/",
    "n",
    "c",
    "a",
    "e",
    "u",
    "H",
    "I",
    "'",
    "?",
    "B:breaks<Enter>",
    ":",
    ":grad",
    ":score<Enter>",
    "id",
];

fn draw(document: &Arc<Document>, step: u64, (size, pane): ((u16, u16), i64), keys: &str) -> Buffer {
    let mut state = State::picker(Vec::new());
    state.open(Arc::clone(document), Some(step));
    update(&mut state, Action::CycleSetting(Setting::Pane, pane));
    press(&mut state, keys);
    frame(&state, &RenderOptions::default(), size.0, size.1)
}

/// Draws questions with the real and with replaced numbers, and returns the differences.
fn revealing_frames(scenarios: Scenarios) -> Vec<String> {
    let most = env::var("EARLY_STEPS").ok().map_or(STEPS, |number| number.parse().expect("EARLY_STEPS is a number"));
    let mut found = Vec::new();
    for (name, document) in scenarios {
        for (n, step) in sampled_steps(&document, most).into_iter().enumerate() {
            let (asks, unit) = ASKED[n % ASKED.len()];
            let last_known = document.trace.span(step, unit).start - 1;
            let (what, other) = FUTURES[n / ASKED.len() % FUTURES.len()];
            let altered = Arc::new(document.with_future(last_known, other));
            let look = LOOKS[n % LOOKS.len()];
            let looks = [asks.to_owned(), format!("{asks}<Esc>{look}")];
            for (size, pane) in SIZES.into_iter().flat_map(|size| (0..if size.0 < 120 { 3 } else { 1 }).map(move |pane| (size, pane))) {
                for keys in &looks {
                    let [shown, other] = [&document, &altered].map(|document| draw(document, step, (size, pane), keys));
                    if let Some(rows) = difference(&shown, &other) {
                        found.push(format!("{name} at step {step}, {size:?}, pane {pane}, keys {keys}, {what}, {rows}\n"));
                    }
                }
            }
        }
    }
    found
}

#[test]
fn no_frame_of_a_bundled_scenario_depends_on_the_hidden_number() {
    let found = revealing_frames(bundled());
    assert!(found.is_empty(), "{} frames depend on the hidden number:\n{}", found.len(), found[..found.len().min(20)].concat());
}

#[test]
fn no_frame_of_another_scenario_depends_on_the_hidden_number() {
    let found = revealing_frames(other_scenarios());
    assert!(found.is_empty(), "{} frames depend on the hidden number:\n{}", found.len(), found[..found.len().min(20)].concat());
}

/// The inputs of a hidden maximum are known, so the comparison could not notice a frame that marks the largest one.
#[test]
fn no_frame_marks_the_hidden_maximum() {
    let document = &bundled().into_iter().find(|(name, _)| name == "figure-07").expect("a max pool").1;
    for step in 1..=4 {
        let at = |keys: &str| draw(document, step, ((120, 40), 0), keys);
        // each number that the step reads is in [ ]
        let marked =
            |frame: &Buffer| export::text(frame).lines().skip(12).filter(|line| line.contains('[') && !line.contains("[0,")).count();
        assert_eq!((marked(&at("p")), marked(&at("p<Tab>"))), (0, 1), "step {step}");
        let scene = document.scene(step).expect("a step");
        assert_eq!((scene.sources_now().len(), scene.with_hidden(Some(HiddenNumber::Term)).sources_now().len()), (1, 0));
    }
}

/// A test of the comparison: after the answer is shown, the frames differ.
#[test]
fn after_the_answer_the_frame_depends_on_the_number() {
    for (name, document) in bundled() {
        for (n, step) in sampled_steps(&document, 12).into_iter().enumerate() {
            let (asks, unit) = ASKED[n % ASKED.len()];
            let altered = Arc::new(document.with_future(document.trace.span(step, unit).start - 1, FUTURES[3].1));
            let keys = format!("{asks}<Tab>");
            let [shown, other] = [&document, &altered].map(|document| draw(document, step, ((120, 40), 0), &keys));
            assert!(difference(&shown, &other).is_some(), "{name} at step {step}: the answer is not on the screen");
        }
    }
}
