//! The curves of the loss and of the values of a parameter (key `L`) have the numbers of the iterations. Iterations after the one on the screen are marked as
//! later ones.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use gradstep::app::{ComparedLosses, Curves, Document, Focus, Job, OverlayKind, State};
use gradstep::number::Digits;
use gradstep::scenario::{self, Limits, Scenario, Source};
use gradstep::ui::theme::{Background, Colours, Theme};

use super::{RenderOptions, SIZES, bundled_documents, export, frame, open, press, snapshot};

fn text(state: &State, (width, height): (u16, u16)) -> String {
    export::text(&frame(state, &RenderOptions::default(), width, height))
}

fn curves(state: &State) -> Curves {
    state.curves().expect("several iterations")
}

fn address(state: &State) -> String {
    state.stepper().and_then(gradstep::app::Stepper::address_here).expect("a step").to_string()
}

fn message(state: &State) -> &str {
    state.message.as_ref().map_or("", |message| &message.text)
}

fn bits(points: &[(u64, f64)]) -> Vec<(u64, u64)> {
    points.iter().map(|(iteration, value)| (*iteration, value.to_bits())).collect()
}

/// A graph of `nodes` nodes with gradient descent. With many nodes, one key press does not compute all iterations.
fn graph(train: &str, nodes: usize) -> State {
    let mut text = "title = \"descent\"\n[graph]\ninputs = { a = 0.5, b = 0.25 }\nnodes = [\n\"n0 = a * b\",\n".to_owned();
    for n in 1..nodes {
        writeln!(text, "\"n{n} = n{} + b\",", n - 1).expect("a text");
    }
    text += "]\n";
    text += train;
    let source = Source { name: "descent".to_owned(), path_shown: "descent".to_owned(), text };
    let mut state = State::picker(Vec::new());
    state.open(Arc::new(Document::new(scenario::read(source, Limits::default()).expect("valid"))), Some(1));
    state
}

#[test]
fn the_losses_of_the_curve_have_the_bits_of_the_iterations() {
    let state = open("xor", "L");
    let Curves { current, iterations, is_complete, .. } = curves(&state);
    assert_eq!((current.points.len(), iterations, is_complete), (60, 60, true));
    for n in [1, 2, 3, 7, 20, 31, 59, 60] {
        let document = bundled_documents()["xor"].iteration(n);
        assert_eq!(bits(&current.points)[usize::try_from(n).expect("small") - 1], (n, document.loss.to_bits()));
    }
}

#[test]
fn the_path_of_a_parameter_has_the_values_of_the_iterations() {
    // `i` puts the cursor on the result of the step, and `<Tab>` moves it to the next matrix: the weight
    for (go_to, keys, name) in [(":1:fc1.z[1]#2<Enter>", "i<Tab>Lp", "fc1.weight"), (":update:fc2.bias<Enter>", "iLp", "fc2.bias")] {
        let state = open("xor", &format!("{go_to}{keys}"));
        let Curves { name: entry_name, current, .. } = curves(&state);
        let (tensor, index) = entry_name.split_once('[').expect("an entry");
        assert_eq!(tensor, name);
        assert_eq!(current.points.len(), 60);
        for n in [1, 2, 17, 60] {
            let document = bundled_documents()["xor"].iteration(n);
            let network = document.trace.network();
            let id = network.find(tensor).expect("a tensor");
            let index: Vec<usize> = index.trim_end_matches(']').split(',').map(|n| n.parse().expect("a number")).collect();
            let entry = gradstep::tensor::ravel(&index, &network.tensor(id).shape).expect("an entry");
            let value = document.trace.runs()[0].run.values(id)[entry];
            assert_eq!(bits(&current.points)[usize::try_from(n).expect("small") - 1], (n, value.to_bits()), "{entry_name} in {n}");
        }
    }
    // an activation is not learned, so the first learned entry is drawn
    let at_activation = open("xor", ":1:fc1.a<Enter>iLp");
    assert_eq!(curves(&at_activation).name, "fc1.weight[0,0]");
}

#[test]
fn enter_goes_to_the_iteration_of_the_marker_and_keeps_the_entry() {
    let mut state = open("xor", ":3/2:fc1.z[1]#2<Enter>L5l");
    assert!(text(&state, (80, 24)).contains("◆ iteration 8: loss 0.6"), "{}", text(&state, (80, 24)));
    press(&mut state, "hh<Enter>");
    assert_eq!((address(&state).as_str(), state.focus()), ("6/2:fc1.z[1]#2", Focus::Normal));
    let document = state.document().expect("open");
    assert_eq!(document.loss.to_bits(), bundled_documents()["xor"].iteration(6).loss.to_bits());
    press(&mut state, "<C-o>");
    assert_eq!(address(&state), "3/2:fc1.z[1]#2");
    for (keys, marker) in [("g", 1), ("G", 60), ("57G", 57), ("99G", 60), ("g<PgDn>", 11), ("G<PgUp>", 50), ("ghhh", 1), ("100l", 60)] {
        let mut state = open("xor", "L");
        press(&mut state, keys);
        let iteration = state.overlay.as_ref().and_then(|overlay| overlay.curve).expect("the curve").iteration;
        assert_eq!(iteration, marker, "{keys}");
    }
    let mut state = open("xor", "L<Enter>");
    assert_eq!((message(&state), state.focus()), ("this is already the iteration", Focus::Normal));
    press(&mut state, "LL");
    assert!(state.overlay.is_none(), "a second L closes the curve");
}

/// At a step before the loss of its iteration, this loss is marked as computed ahead.
#[test]
fn iterations_after_the_one_on_the_screen_are_marked_in_the_curve() {
    for (address, known) in
        [("1", 0), ("reduce:loss#4", 1), ("7/1", 6), ("7/reduce:loss#3", 6), ("7/reduce:loss#4", 7), ("60/update:fc2.bias[0]", 60)]
    {
        let state = open("xor", &format!(":{address}<Enter>L"));
        assert_eq!(curves(&state).known, known, "{address}");
        let frame = text(&state, (120, 40));
        assert_eq!(frame.contains("dashed: ahead of this step"), known < 60, "{frame}");
        assert_eq!(frame.contains(", computed ahead │"), curves(&state).here > known, "{frame}");
    }
}

#[test]
fn after_an_edit_both_curves_are_drawn() {
    let mut state = open("xor", "L<Esc>");
    let before = curves(&state).current;
    press(&mut state, ":set learning_rate 1<Enter>L");
    let Curves { current, others: earlier, .. } = curves(&state);
    assert_eq!((current.points.len(), earlier.len()), (60, 1));
    assert_eq!((bits(&earlier[0].points), earlier[0].edit.is_none()), (bits(&before.points), true));
    assert!(current.points[0] == before.points[0] && current.points[59] != before.points[59], "the rate acts from the second iteration on");
    let drawn = text(&state, (120, 40));
    assert!(drawn.contains("a (now): learning_rate 0.5 → 1 │ b (dotted): as in the file"), "{drawn}");
    // only the rows of the plot, because the legend has the letters too
    let plot: Vec<&str> = drawn.lines().skip(2).take(33).collect();
    assert!(
        ['a', 'b'].iter().all(|letter| plot.iter().any(|line| line.contains(*letter))),
        "the letters at the ends of the curves\n{drawn}"
    );
    // undo returns to the numbers of the file
    press(&mut state, "<Esc>uL");
    let Curves { current, others: earlier, .. } = curves(&state);
    assert_eq!((bits(&current.points), earlier.len()), (bits(&before.points), 1));
    assert_eq!(earlier[0].edit.as_ref().map(|edit| edit.summary(Digits::default())).as_deref(), Some("learning_rate 0.5 → 1"));
    // after many edits, only the curves of the latest ones are kept
    for n in 0..9 {
        press(&mut state, &format!("<Esc>:set learning_rate 0.{}<Enter>L", 10 + n));
    }
    assert_eq!(curves(&state).others.len(), 5);
}

/// The scenario xor with another optimizer.
fn xor_with(name: &str, settings: &str) -> Scenario {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/xor.toml")).expect("xor");
    let network = text.split("[[note]]").next().expect("the network").split("[[expect]]").next().expect("the network");
    let text = network.replace("learning_rate = 0.5\n", "").replace("momentum = 0.9\n", settings);
    let source = Source { name: name.to_owned(), path_shown: format!("{name}.toml"), text };
    scenario::read(source, Limits::default()).unwrap_or_else(|faults| panic!("{faults}"))
}

fn compare(state: &mut State, name: &str, settings: &str) {
    let run = ComparedLosses::of(xor_with(name, settings), &mut || true).expect("a descent").expect("wanted");
    state.compare_losses(run);
}

const SGD: &str = "learning_rate = 0.5\n";
const ADAM: &str = "optimizer = \"adam\"\nlearning_rate = 0.1\n";

#[test]
fn curves_of_other_scenarios_have_the_bits_of_their_own_descent() {
    let mut state = open("xor", "");
    compare(&mut state, "sgd", SGD);
    compare(&mut state, "adam", ADAM);
    assert_eq!(state.overlay.as_ref().map(|overlay| overlay.kind), Some(OverlayKind::Curve));
    let Curves { current, others, .. } = curves(&state);
    assert_eq!(bits(&current.points), bits(&curves(&open("xor", "L")).current.points));
    for (curve, settings) in others.iter().zip([SGD, ADAM]) {
        let alone = Document::new(xor_with("alone", settings));
        assert_eq!(curve.points.len(), 60);
        for n in [1, 2, 17, 60] {
            let loss = alone.iteration(n).loss.to_bits();
            assert_eq!(bits(&curve.points)[usize::try_from(n).expect("small") - 1], (n, loss), "{settings}");
        }
    }
    let drawn = text(&state, (120, 40));
    for line in [
        "a  0.6928 → 0.009727 │ now, as in the file: sgd, learning_rate 0.5, momentum 0.9",
        "b  0.6928 → 0.5862 │ sgd: sgd, learning_rate 0.5",
        "c  0.6928 → 0.01527 │ adam: adam, learning_rate 0.1",
    ] {
        assert!(drawn.contains(line), "{line}\n{drawn}");
    }
    // after an edit, the compared curves and the curve before the edit stay
    press(&mut state, "<Esc>:set learning_rate 1<Enter>L");
    let labels: Vec<String> = curves(&state).others.iter().map(|curve| curve.label(Digits::default())).collect();
    assert_eq!(labels, ["sgd: sgd, learning_rate 0.5", "adam: adam, learning_rate 0.1", "as in the file"]);
    // a scenario with the same name replaces the curve
    compare(&mut state, "adam", SGD);
    assert_eq!(curves(&state).others.len(), 3);
    assert_eq!(bits(&curves(&state).others[1].points), bits(&curves(&state).others[0].points));
    press(&mut state, "<Esc>:compare<Enter>L");
    assert_eq!(curves(&state).others.len(), 1);
    for n in 0..9 {
        compare(&mut state, &format!("run {n}"), SGD);
    }
    // 8 compared curves, and the one before the edit
    assert_eq!((curves(&state).others.len(), message(&state).starts_with("8 training runs are compared already")), (9, true));
}

#[test]
fn compared_curves_have_letters_without_colours_and_in_ascii() {
    let mut state = open("xor", "");
    compare(&mut state, "sgd", SGD);
    compare(&mut state, "adam", ADAM);
    let theme = Theme::new(Colours::None, Background::Dark);
    for ascii in [false, true] {
        let drawn = export::text(&frame(&state, &RenderOptions { theme, ascii }, 80, 24));
        let plot: String = drawn.lines().skip(4).take(16).collect();
        assert!(['b', 'c'].into_iter().all(|letter| plot.matches(letter).count() >= 3), "{drawn}");
        // curves that end in one place have their letters beside each other
        assert!(plot.contains("a c"), "{drawn}");
        assert!(!ascii || drawn.is_ascii(), "{drawn}");
    }
    for (width, height) in SIZES {
        insta::assert_snapshot!(format!("curve-compared-{width}x{height}"), snapshot(&state, width, height));
    }
    for (width, height) in [(60, 16), (30, 8), (24, 5), (10, 3), (1, 1)] {
        let _ = text(&state, (width, height));
    }
}

#[test]
fn a_scenario_without_gradient_descent_is_not_compared() {
    let text = "title = \"t\"\n[graph]\ninputs = { a = 1 }\nnodes = [\"J = a * a\"]\n";
    let source = Source { name: "square".into(), path_shown: "square.toml".into(), text: text.into() };
    let scenario = scenario::read(source, Limits::default()).expect("valid");
    let refused = ComparedLosses::of(scenario, &mut || true).expect_err("no [train]");
    assert_eq!(refused, "square has no [train]: it has one iteration, and no curve");
    assert!(ComparedLosses::of(xor_with("xor", SGD), &mut || false).expect("a descent").is_none(), "Esc stops it");
}

#[test]
fn a_paused_descent_continues_where_it_was() {
    let train = "[train]\nlearn = [\"a\"]\nlearning_rate = 1e-3\niterations = 100000\n";
    let mut state = graph(train, 400);
    press(&mut state, "L");
    let reached = |state: &State| curves(state).current.points.len();
    assert!(matches!(state.job(), Some(Job::Train(_))) && reached(&state) < 1000, "a key computes only a few iterations");
    let at_first = reached(&state);
    gradstep::app::update(&mut state, gradstep::app::Action::JobIterations(5));
    assert_eq!(reached(&state), at_first + 5);
    assert!(text(&state, (120, 40)).contains(&format!("running: {} of 100000 iterations", at_first + 5)));
    press(&mut state, "<Space>");
    assert!(state.job().is_none());
    assert!(text(&state, (120, 40)).contains("paused: "));
    press(&mut state, "<Space>");
    assert!(reached(&state) > at_first + 5 && state.job().is_some());
    press(&mut state, "<Esc>");
    assert!(state.job().is_none() && state.overlay.is_none(), "Esc closes and pauses");
    let all = curves(&state).current.points;
    assert!(all.iter().zip(1..).all(|((iteration, _), n)| *iteration == n), "no iteration is missing or twice");
    for n in [1, 20, all.len()] {
        let document = state.document().expect("open").iteration(n as u64);
        assert_eq!(all[n - 1].1.to_bits(), document.loss.to_bits());
    }
}

/// During another computation, the title has its progress, as the status line has. Without values, no sentence is about the scale.
#[test]
fn the_curve_waits_for_another_computation() {
    let train = "[train]\nlearn = [\"a\"]\nlearning_rate = 1e-3\niterations = 100000\n";
    for before in ["", "L<Esc>"] {
        let mut state = graph(train, 400);
        press(&mut state, &format!("{before}:100000/n3<Enter>L"));
        assert!(matches!(state.job(), Some(Job::Seek(_))));
        gradstep::app::update(&mut state, gradstep::app::Action::JobIterations(5));
        let progress = state.job().expect("a job").describe();
        let drawn = text(&state, (120, 40));
        assert_eq!(drawn.matches(&format!("computing: {progress}, ")).count(), 2, "{drawn}");
        assert!(!drawn.contains("paused") && !drawn.contains("this scale"), "{drawn}");
        assert_eq!(drawn.contains("no values yet"), before.is_empty(), "{drawn}");
    }
}

/// A long curve keeps only some iterations, but its title counts all.
#[test]
fn the_count_of_iterations_does_not_decrease() {
    let mut state = graph("[train]\nlearn = [\"a\"]\nlearning_rate = 1e-3\niterations = 100000\n", 3);
    press(&mut state, "L");
    let first = curves(&state).computed;
    for n in 1..=20 {
        gradstep::app::update(&mut state, gradstep::app::Action::JobIterations(333));
        assert_eq!(curves(&state).computed, first + 333 * n);
    }
    press(&mut state, "<Space>");
    let drawn = text(&state, (120, 40));
    assert!(drawn.contains(&format!("paused: {} of 100000 iterations", first + 6660)), "{drawn}");
}

#[test]
fn the_tolerance_ends_the_curve() {
    let train = "[train]\nlearn = [\"b\"]\nlearning_rate = 1e-5\niterations = 1000\ntolerance = 0.0001\n";
    let mut state = graph(train, 3);
    press(&mut state, "L");
    let Curves { current, iterations, is_complete, .. } = curves(&state);
    assert!(is_complete && iterations < 1000 && current.points.len() as u64 == iterations, "{iterations}");
    assert!(text(&state, (120, 40)).contains("iterations, ended by the tolerance"));
    press(&mut state, "<Space>");
    assert!(message(&state).contains("nothing more to compute"));
}

#[test]
fn a_scenario_with_one_iteration_has_no_curve() {
    let state = open("figure-19", "L");
    assert!(state.overlay.is_none());
    assert_eq!(message(&state), "the scenario has no [train]: it has one iteration, and no curve");
    let mut once = graph("[train]\nlearn = [\"a\"]\nlearning_rate = 1\niterations = 1\n", 3);
    press(&mut once, "L");
    assert!(once.overlay.is_none() && message(&once).starts_with("the descent has one iteration"), "{}", message(&once));
}

/// The pane with the loss ends at the step on the screen, even if the key `L` has computed later iterations.
#[test]
fn the_pane_does_not_show_losses_of_later_iterations() {
    for address in ["1", "7/1", "7/reduce:loss#4", "20/update:fc2.bias[0]"] {
        let before = open("xor", &format!(":{address}<Enter>"));
        let mut after = open("xor", &format!(":{address}<Enter>"));
        press(&mut after, "L<Esc>");
        assert_eq!(text(&before, (200, 60)), text(&after, (200, 60)), "{address}");
    }
    // a hidden loss is not drawn
    for (keys, known) in [("", 7), ("p<Esc>", 6)] {
        let state = open("xor", &format!(":7/reduce:loss#4<Enter>{keys}"));
        assert_eq!(state.stepper().and_then(gradstep::app::Stepper::curve_so_far).map(|curves| curves.known), Some(known), "{keys}");
    }
    let has_pane = |state: &State| text(state, (200, 60)).contains(" loss so far ");
    assert!(has_pane(&open("xor", "")) && !has_pane(&open("figure-19", "")));
}

#[test]
fn the_curve_is_readable_without_colours_and_in_ascii() {
    let state = open("xor", ":9/1<Enter>L20G");
    let theme = Theme::new(Colours::None, Background::Dark);
    let plain = export::text(&frame(&state, &RenderOptions { theme, ascii: false }, 80, 24));
    assert_eq!(plain.matches('◉').count(), 2, "in the curve and in its explanation\n{plain}");
    assert_eq!(plain.matches('◆').count(), 2, "{plain}");
    let ascii = export::text(&frame(&state, &RenderOptions { theme, ascii: true }, 80, 24));
    assert!(ascii.is_ascii() && ascii.contains('@') && ascii.contains('*'), "{ascii}");
}

#[test]
fn frames_of_the_curve() {
    for (width, height) in SIZES {
        let state = open("xor", ":9/1<Enter>L20G");
        insta::assert_snapshot!(format!("curve-loss-{width}x{height}"), snapshot(&state, width, height));
        let state = open("xor", ":9/reduce:loss#4<Enter>L20Gs");
        insta::assert_snapshot!(format!("curve-log-{width}x{height}"), snapshot(&state, width, height));
    }
    let state = open("xor", ":set fc1.weight[0,0] 2<Enter>L<Esc>:set learning_rate 1<Enter>Lp");
    assert_eq!(state.overlay.as_ref().map(|overlay| overlay.kind), Some(OverlayKind::Curve));
    insta::assert_snapshot!("curve-path-120x40", snapshot(&state, 120, 40));
    // 60x16 is the smallest screen of the stepper; smaller screens must not panic
    for (width, height) in [(60, 16), (30, 8), (24, 5), (10, 3), (1, 1)] {
        let _ = text(&state, (width, height));
    }
}

/// The steps of the descent of J = a⁴ are a ← a − 4 a³: from 3 on, a grows until a⁴ is not finite.
#[test]
fn the_curve_says_from_which_iteration_on_the_loss_is_not_finite() {
    let text = "title = \"diverging\"\n[graph]\ninputs = { a = 3 }\nnodes = [\"J = a * a * a * a\"]\n[train]\nlearn = [\"a\"]\nlearning_rate = 1\niterations = 20\n";
    let source = Source { name: "diverging".to_owned(), path_shown: "diverging".to_owned(), text: text.to_owned() };
    let mut state = State::picker(Vec::new());
    state.open(Arc::new(Document::new(scenario::read(source, Limits::default()).expect("valid"))), Some(1));
    let steps = std::iter::successors(Some(3.0_f64), |a| Some(a - 4.0 * a.powi(3)));
    let first = 1 + steps.take_while(|a| a.powi(4).is_finite()).count();
    assert!((2..20).contains(&first), "{first}");
    press(&mut state, "L");
    for size in SIZES {
        let sentence = format!("from iteration {first} on the loss is not finite; try a smaller learning rate");
        assert!(text_of_curve(&state, size).contains(&sentence), "{}", text_of_curve(&state, size));
    }
    // the values of the parameter, which the key `p` draws
    press(&mut state, "p");
    let shown = text_of_curve(&state, (120, 40));
    assert!(shown.contains("on a is not finite"), "{shown}");
    // a curve whose values are finite has no such line
    let finite = open("xor", "L");
    assert!(!text_of_curve(&finite, (120, 40)).contains("not finite"));
}

fn text_of_curve(state: &State, size: (u16, u16)) -> String {
    assert!(state.overlay.as_ref().is_some_and(|overlay| overlay.kind == OverlayKind::Curve));
    text(state, size)
}
