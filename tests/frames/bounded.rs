//! The cost of a frame depends on the screen, not on the size of the scenario: a frame of a larger scenario of the same kind makes no more requests to
//! the trace.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use gradstep::app::{Action, Document, State, update};
use gradstep::scenario::{self, Limits, Source};
use gradstep::step::Unit;
use gradstep::tally;
use gradstep::ui::RenderOptions;

use super::{export, frame, open_at, press};

/// The largest number of requests of a frame. A request asks the trace for one factor, one term, one op or one pass.
const MOST_REQUESTS: u64 = 40_000;

/// The lines of a target and a loss.
const UPSTREAM: &str = "target = { init = \"normal\", seed = 2 }\nloss = \"upstream\"\n";
const SQUARED: &str = "target = { init = \"normal\", seed = 2 }\nloss = \"squared_error\"\n";

fn head(shape: &[usize]) -> String {
    format!("title = \"larger\"\ninput = {{ init = \"normal\", seed = 1, shape = {shape:?} }}\n")
}

fn conv(channels: usize, further_keys: &str) -> String {
    format!(
        "[[layer]]\ntype = \"conv2d\"\nout_channels = {channels}\nkernel_size = 3\npadding = 1\n\
        weight = {{ init = \"he_normal\", seed = 3 }}\nbias = {{ init = \"zeros\" }}\nactivation = \"relu\"\n{further_keys}"
    )
}

fn linear(features: usize) -> String {
    format!("[[layer]]\ntype = \"linear\"\nout_features = {features}\nweight = {{ init = \"he_normal\", seed = 3 }}\n")
}

fn graph(count: usize, node: impl Fn(usize) -> String) -> String {
    let nodes: Vec<String> = (1..count).map(|i| format!("\"n{i} = {}\"", node(i))).collect();
    let sum = (0..count).map(|i| format!("n{i}")).collect::<Vec<_>>().join(" + ");
    format!("title = \"graph\"\n[graph]\ninputs = {{ a = 0.5, b = 0.25 }}\nnodes = [\"n0 = a + b\", {}, \"J = {sum}\"]\n", nodes.join(", "))
}

fn samples(count: usize) -> String {
    let mut text = "title = \"samples\"\nloss = \"squared_error\"\n".to_owned();
    for i in 0..count {
        let _ = writeln!(text, "[[sample]]\ninput = [{}, {}]\ntarget = 1", i % 7, i % 3);
    }
    text + "[[layer]]\ntype = \"linear\"\nweight = [[0.1, 0.2]]\nbias = [0.1]\n[train]\nlearning_rate = 0.01\niterations = 2\n"
}

pub fn document(text: &str) -> Arc<Document> {
    let source = Source { name: "larger".into(), path_shown: "larger.toml".into(), text: text.into() };
    Arc::new(Document::new(scenario::read(source, Limits::default()).unwrap_or_else(|faults| panic!("{faults}\n{text}"))))
}

/// Returns the number of requests of a frame, and the step of the frame, by pass and op, for the first and last ops and some between. The step is in the middle
/// of the op's middle entry. If a pass has several ops of one name, as with several samples, the frame with the most requests counts.
fn costs(text: &str, (width, height): (u16, u16)) -> HashMap<String, (u64, u64)> {
    let document = document(text);
    let (trace, mut state) = (&document.trace, State::picker(Vec::new()));
    state.open(Arc::clone(&document), Some(1));
    let ops: Vec<_> = trace.ops().collect();
    let distance = ops.len().div_ceil(8);
    let chosen = ops.iter().enumerate().filter(|(n, _)| *n < 6 || n % distance == 0 || *n + 8 > ops.len());
    let mut costs = HashMap::new();
    for (_, (run_index, id, steps)) in chosen {
        let entry = trace.span(steps.start + (steps.end - steps.start) / 2, Unit::Entry);
        let k = entry.start + (entry.end - entry.start) / 2;
        update(&mut state, Action::GoToStep(k));
        let draw = || {
            let _ = frame(&state, &RenderOptions::default(), width, height);
            tally::take()
        };
        // the first frame adds up the running sum up to here, which the trace then stores
        draw();
        let network = trace.network_of(*run_index);
        let pass = network.producer(*id).map(|op| network.ops()[op].pass.name()).unwrap_or_default();
        let cost = costs.entry(format!("{pass}:{}", network.tensor(*id).name)).or_insert((0, k));
        *cost = (*cost).max((draw(), k));
    }
    costs
}

#[test]
fn a_frame_of_a_larger_scenario_costs_no_more() {
    // a kind of scenario in two sizes. Neither size fits into a pane, and both have sums longer than the distance between two stored running sums
    type Family = (&'static str, [usize; 2], fn(usize) -> String);
    let families: [Family; 10] = [
        ("images", [72, 200], |n| head(&[1, n, n]) + SQUARED + &conv(1, "")),
        ("filters", [72, 144], |n| head(&[2, 10, 10]) + UPSTREAM + &conv(n, "") + &conv(n, "stride = 2\n")),
        ("pools", [33, 39], |n| {
            head(&[2, 40, 40]) + UPSTREAM + &format!("[[layer]]\ntype = \"max_pool2d\"\nkernel_size = {n}\nstride = 1\n")
        }),
        ("classes", [1200, 2400], |n| {
            head(&[n]) + "target = 3\nloss = \"cross_entropy\"\n[[layer]]\ntype = \"activation\"\nfunction = \"softmax\"\n"
        }),
        ("norms", [1500, 4500], |n| head(&[n]) + UPSTREAM + "[[layer]]\ntype = \"layer_norm\"\n"),
        ("features", [1100, 1500], |n| head(&[n]) + SQUARED + &linear(n)),
        ("layers", [40, 160], |n| head(&[2]) + SQUARED + &linear(2).repeat(n)),
        ("samples", [2000, 16_000], samples),
        ("chains", [2000, 10_000], |n| graph(n, |i| format!("n{} * b", i - 1))),
        ("fans", [2000, 10_000], |n| graph(n, |_| "a * b".to_owned())),
    ];
    let mut grown = Vec::new();
    for (name, sizes, text) in families {
        let [small, large] = sizes.map(|n| costs(&text(n), super::SIZES[1]));
        let most = |costs: &HashMap<String, (u64, u64)>| costs.values().max().copied().unwrap_or_default();
        let mut pairs = vec![("any op", most(&small), most(&large))];
        pairs.extend(large.iter().filter_map(|(op, large)| Some((op.as_str(), *small.get(op)?, *large))));
        assert!(pairs.len() > 1, "{name}: no op has the same name in both sizes");
        for (op, small, large) in pairs {
            // a tolerance, because the drawing and the distance from the last stored running sum differ a little
            if large.0 > MOST_REQUESTS || large.0 > small.0 + small.0 / 4 + 1200 {
                grown.push(format!("{name}, {op}: {small:?}, then {large:?}"));
            }
        }
    }
    assert!(grown.is_empty(), "{grown:#?}");
}

/// A frame of the map asks only for the blocks on the screen.
#[test]
fn the_cost_of_the_map_depends_on_the_blocks_in_view() {
    let layer = "[[layer]]\ntype = \"linear\"\nout_features = 2\nweight = { init = \"he_normal\", seed = 3 }\nactivation = \"relu\"\n";
    let chain = |count: usize| {
        let head = "title = \"chain\"\ninput = [1, 2]\ntarget = [1, 2]\nloss = \"squared_error\"\n";
        document(&format!("{head}{}", layer.repeat(count)))
    };
    let nodes = |count: usize| {
        let nodes: Vec<String> = (1..count).map(|n| format!("\"n{n} = n{} * b\"", n - 1)).collect();
        document(&format!("title = \"nodes\"\n[graph]\ninputs = {{ a = 0.5, b = 0.25 }}\nnodes = [\"n0 = a + b\", {}]\n", nodes.join(", ")))
    };
    for [small, large] in [[chain(30), chain(1000)], [nodes(60), nodes(10_000)]] {
        let cost = |document: &Arc<Document>| {
            let mut state = open_at(document, document.trace.len() / 2);
            press(&mut state, "M");
            let _ = tally::take();
            let map = export::text(&frame(&state, &RenderOptions::default(), 120, 40));
            assert!(map.contains("blocks"), "{map}");
            let cost = tally::take();
            // the title of the map has the blocks in view, such as `9–18 of 31 blocks`
            let is_last_in_view = |state: &State| {
                let text = export::text(&frame(state, &RenderOptions::default(), 80, 24));
                let (before, _) = text.split_once(" blocks").unwrap_or_else(|| panic!("{text}"));
                let (before, all) = before.rsplit_once(" of ").unwrap_or_else(|| panic!("{text}"));
                before.ends_with(&format!("–{all}"))
            };
            assert!(!is_last_in_view(&state), "the last block is not in view before G");
            press(&mut state, "G");
            assert!(is_last_in_view(&state), "the last block is in view after G");
            cost
        };
        let (small, large) = (cost(&small), cost(&large));
        assert!(large <= 2 * small + 100 && large < 5000, "{small} and {large}");
    }
}
