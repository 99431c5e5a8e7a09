//! If the tolerance ends a descent, the last iteration has no update. The loss of an iteration decides whether the descent ends, so no frame before this loss
//! shows whether it does.

use std::sync::Arc;

use gradstep::app::{Action, Document, State, Stepper, update};
use gradstep::scenario::{self, Limits, Source};
use gradstep::ui::{RenderOptions, export};

use super::early::{FUTURES, OVERLAYS, Scenarios, difference, draw, sampled_steps, screens};
use super::{frame, layers, press};

const ONE_SAMPLE: &str = "[[sample]]\ninput = [1, 2]\ntarget = [1]\n";
const TWO_SAMPLES: &str = "[[sample]]\ninput = [1, 2]\ntarget = [1]\n[[sample]]\ninput = [-1, 0.5]\ntarget = [0]\n";

/// The settings of a descent that the tolerance ends at iteration 2.
const ENDS: &str = "momentum = 0.5\niterations = 9\ntolerance = 100\n";

/// A graph, whose loss is its output.
const GRAPH: &str = "title = \"graph\"\n[graph]\nnodes = [\"z = a * w + b\", \"loss = (z - 2)**2 + w * b\"]\ninputs = { a = 0.5, w = 0.25, b = 1 }\n\
    [train]\nlearn = [\"w\", \"b\"]\nlearning_rate = 0.01\niterations = 5\ntolerance = 100\n";

/// A network with these samples, this setting of the loss and these settings of the descent.
fn network(samples: &str, loss: &str, train: &str) -> String {
    format!(
        "title = \"ends\"\nloss = {{ type = \"squared_error\"{loss} }}\n[[layer]]\ntype = \"linear\"\nweight = [[0.5, -1]]\nbias = [0.25]\n\
         activation = \"tanh\"\n{samples}[[note]]\nat = \"update:fc1.weight[0,1]\"\ntext = \"a remark on the update\"\n\
         [[note]]\nat = \"last\"\ntext = \"a remark on the last step\"\n[train]\nlearning_rate = 0.01\n{train}"
    )
}

/// The second or the third iteration of descents with a tolerance.
pub fn scenarios() -> Scenarios {
    let all = [
        ("ends", network(TWO_SAMPLES, "", ENDS), ":2/1<Enter>"),
        ("ends, one sample", network(ONE_SAMPLE, "", "iterations = 2\ntolerance = 100\n"), ":2/1<Enter>"),
        ("ends, penalty", network(ONE_SAMPLE, ", l2 = 0.125", "optimizer = \"adam\"\niterations = 9\ntolerance = 100\n"), ":2/1<Enter>"),
        ("ends, graph", GRAPH.to_owned(), ":2/1<Enter>"),
        ("goes on", network(TWO_SAMPLES, "", "momentum = 0.5\niterations = 3\ntolerance = 1e-12\n"), ":2/1<Enter>"),
        ("goes on to the last iteration", network(TWO_SAMPLES, "", "iterations = 3\ntolerance = 1e-12\n"), ":3/1<Enter>"),
    ];
    all.map(|(name, text, keys)| (name.to_owned(), layers::open(&text, keys).document().cloned().expect("open"))).into()
}

/// Draws a step of a document and of the document with another future, in all sizes and with all overlays, and returns the differences.
fn differences(document: &Arc<Document>, altered: &Arc<Document>, step: u64) -> Vec<String> {
    // also the steps that read an entry of the next matrix
    let overlays = OVERLAYS.into_iter().chain(["i<Tab>r"]);
    let screens = screens(step).into_iter().chain(overlays.map(|overlay| ((80, 24), 0, overlay)));
    let drawn = screens.filter_map(|screen| {
        let rows = difference(&draw(document, step, screen), &draw(altered, step, screen))?;
        Some(format!("step {step}, {screen:?}, {rows}\n"))
    });
    drawn.collect()
}

#[test]
fn no_frame_before_the_loss_tells_whether_the_tolerance_ends_the_descent() {
    let mut found = Vec::new();
    for (name, document) in scenarios() {
        let loss_step = document.trace.loss_step();
        let early: Vec<u64> = sampled_steps(&document, 24).into_iter().filter(|step| *step < loss_step).chain([loss_step - 1]).collect();
        for (n, step) in early.into_iter().enumerate() {
            let (what, other) = FUTURES[n % FUTURES.len()];
            let altered = Arc::new(document.with_future(step, other));
            let [shown, other] = [&document, &altered].map(|document| document.trace.len());
            assert_eq!(
                (shown < other, shown > other),
                (name.starts_with("ends"), name.starts_with("goes")),
                "{name}: the future has another length"
            );
            found.extend(differences(&document, &altered, step).iter().map(|rows| format!("{name}, {what}, {rows}")));
        }
    }
    assert!(found.is_empty(), "{} frames tell it:\n{}", found.len(), found[..found.len().min(20)].concat());
}

/// Returns the address on the screen, the step with the number of steps as the status line shows it, and the message.
fn place(state: &State) -> (String, String, String) {
    let address = state.stepper().and_then(Stepper::address_here).expect("a step").to_string();
    let text = export::text(&frame(state, &RenderOptions::default(), 120, 40));
    let steps = text.split_once("  step ").and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or_default().to_owned();
    (address, steps, state.message.as_ref().map_or(String::new(), |message| message.text.clone()))
}

#[test]
fn a_move_goes_to_a_step_that_exists() {
    let text = network(TWO_SAMPLES, "", ENDS);
    let ends = "the tolerance ends the descent at iteration 2";
    // keys, and the place after them
    let moves = [
        ("", "2/1:fc1.z[0]#1", "1/44", String::new()),
        ("G", "2/reduce:grad.fc1.bias[0]#2", "32/32", String::new()),
        ("G<BS>", "2/1:fc1.z[0]#1", "1/44", String::new()),
        ("25G", "2/reduce:loss#1", "25/44", String::new()),
        ("25Gs", "2/reduce:loss#2", "26/32", String::new()),
        ("25GsS", "2/reduce:loss#1", "25/44", String::new()),
        ("26G99s", "2/reduce:grad.fc1.bias[0]#2", "32/32", String::new()),
        ("Gl", "2/reduce:grad.fc1.bias[0]#2", "32/32", format!("this is the last step: {ends}")),
        ("Gs", "2/reduce:grad.fc1.bias[0]#2", "32/32", format!("this is the last step: {ends}")),
        ("40G", "2/reduce:grad.fc1.bias[0]#2", "32/32", "this iteration has 32 steps: this is the last".to_owned()),
        (":last<Enter>", "2/reduce:grad.fc1.bias[0]#2", "32/32", String::new()),
        (":40<Enter>", "2/1:fc1.z[0]#1", "1/44", "there is no step 40: the last is 32".to_owned()),
        (":update:fc1.weight<Enter>", "2/1:fc1.z[0]#1", "1/44", format!("{ends}, which has no update")),
        (":2/velocity.fc1.weight[0,1]<Enter>", "2/1:fc1.z[0]#1", "1/44", format!("{ends}, which has no update")),
        (":3/1<Enter>", "2/1:fc1.z[0]#1", "1/44", format!("there is no iteration 3: {ends}").replace("iteration 2", "2")),
        // the last step that reads a weight is in the planned update
        (
            ":fc1.weight[0,1]<Enter>rG<Enter>",
            "2/reduce:grad.fc1.bias[0]#2",
            "32/32",
            format!("{ends}, which has no update: this is its last step"),
        ),
    ];
    for (keys, address, steps, message) in moves {
        let state = layers::open(&text, &format!(":2/1<Enter>{keys}"));
        assert_eq!(place(&state), (address.to_owned(), steps.to_owned(), message), "{keys}");
    }
}

#[test]
fn a_click_on_a_planned_update_says_that_there_is_none() {
    let text = network(TWO_SAMPLES, "", ENDS);
    let why = "the tolerance ends the descent at iteration 2, which has no update";
    let mut state = layers::open(&text, ":2/25<Enter>");
    let (trace, at) = state.trace_and_position().expect("a step");
    let network = trace.network_of(at.run_index);
    let new_weight = network.find("fc1.weight").expect("an update");
    assert!(network.producer(new_weight).is_some());
    update(&mut state, Action::GoToEntry(new_weight, 0));
    assert_eq!(place(&state), ("2/reduce:loss#1".to_owned(), "25/44".to_owned(), why.to_owned()));
    // a click on the end of the timeline
    update(&mut state, Action::GoToStep(44));
    assert_eq!(place(&state), ("2/reduce:grad.fc1.bias[0]#2".to_owned(), "32/32".to_owned(), format!("{why}: this is its last step")));
    press(&mut state, "<BS>");
    assert_eq!(place(&state).1, "25/44");
}

/// Without memory for an update, the descent ends at iteration 1. Neither the header nor the curve says that the tolerance ended it.
#[test]
fn a_descent_that_ends_for_lack_of_memory_says_so() {
    let text = "title = \"large\"\nloss = \"squared_error\"\ninput = { init = \"normal\", seed = 1, shape = [64] }\ntarget = 0\n[[layer]]\n\
                type = \"linear\"\nout_features = 64\nweight = { init = \"normal\", seed = 2 }\n[[layer]]\ntype = \"linear\"\nout_features = 1\n\
                weight = { init = \"normal\", seed = 3 }\n[train]\nlearning_rate = 0.001\nmomentum = 0.9\niterations = 9\ntolerance = 1e-9\n";
    let opened = |kib: u64| {
        let source = Source { name: "large".to_owned(), path_shown: "large".to_owned(), text: text.to_owned() };
        Some(Arc::new(Document::new(scenario::read(source, Limits { memory: kib << 10 }).ok()?)))
    };
    // the smallest memory with which the scenario can be opened
    let document = (32..1024).step_by(8).find_map(opened).expect("a megabyte is enough");
    assert!(document.shortage.is_some());
    let mut state = State::picker(Vec::new());
    state.open(document, Some(1));
    let shown = |state: &State| export::text(&frame(state, &RenderOptions::default(), 120, 40));
    for keys in ["", "G"] {
        press(&mut state, keys);
        let text = shown(&state);
        assert!(text.contains("iteration 1/9 (no memory for the next)") && !text.contains("(tolerance)"), "{keys}: {text}");
    }
    press(&mut state, "L");
    let text = shown(&state);
    assert!(text.contains("iteration 9 needs ") && !text.contains("tolerance"), "{text}");
}
