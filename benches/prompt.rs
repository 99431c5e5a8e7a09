//! Measures a key in the prompt for commands and addresses, with the search for its candidates: `cargo bench --bench prompt`. The time of a key should not
//! depend on the number of samples, nodes or layers.

use std::fmt::Write as _;
use std::sync::Arc;

use divan::Bencher;
use gradstep::app::{Document, State, update};
use gradstep::keys;
use gradstep::scenario::{Limits, Source, read};

fn main() {
    divan::main();
}

fn open(text: String) -> State {
    let source = Source { name: "bench".into(), path_shown: "bench.toml".into(), text };
    let mut state = State::picker(Vec::new());
    state.open(Arc::new(Document::new(read(source, Limits::default()).expect("a scenario without faults"))), None);
    state
}

/// Opens a graph with this number of nodes.
fn chain(nodes: usize) -> State {
    let mut text = "title = \"chain\"\n[graph]\ninputs = { a = 0.5, b = 0.25 }\nnodes = [\n\"n0 = a + b\",\n".to_owned();
    for n in 1..nodes {
        let _ = writeln!(text, "\"n{n} = n{} {} b\",", n - 1, if n % 2 == 0 { "*" } else { "+" });
    }
    open(text + "]\n")
}

/// Opens a network that learns from this number of samples.
fn samples(count: usize) -> State {
    let mut text = "title = \"samples\"\nloss = \"squared_error\"\n".to_owned();
    for n in 0..count {
        let _ = writeln!(text, "[[sample]]\ninput = [{}, {}]\ntarget = 1", n % 7, n % 3);
    }
    text += "[[layer]]\ntype = \"linear\"\nweight = [[0.1, 0.2]]\nbias = [0.1]\nactivation = \"tanh\"\n";
    open(text + "[train]\nlearning_rate = 0.01\niterations = 10\n")
}

/// Opens a network with this number of layers.
fn layers(count: usize) -> State {
    let head = "title = \"layers\"\ninput = [0.5, 0.25]\ntarget = [0.1, 0.9]\nloss = \"squared_error\"\n";
    let parameters = "weight = { init = \"he_normal\", seed = 3 }\nbias = { init = \"zeros\" }\nactivation = \"tanh\"\n";
    let layer = format!("[[layer]]\ntype = \"linear\"\nout_features = 2\n{parameters}");
    open(head.to_owned() + &layer.repeat(count))
}

/// Measures typing ten keys in the prompt, with the search for the candidates after each.
fn measure_typing(bencher: Bencher<'_, '_>, state: &State) {
    let keys = keys::parse(":gra<BS><BS><BS>n9<Tab>").expect("keys");
    bencher.bench_local(|| {
        let mut state = state.clone();
        let mut candidates = 0;
        for key in &keys {
            if let Some(action) = keys::action(&state, *key) {
                update(&mut state, action);
            }
            candidates += state.prompt().map_or(0, |prompt| prompt.candidates(state.document().expect("open")).len());
        }
        candidates
    });
}

#[divan::bench(args = [100, 1000, 10_000, 50_000])]
fn of_nodes(bencher: Bencher<'_, '_>, count: usize) {
    measure_typing(bencher, &chain(count));
}

#[divan::bench(args = [10, 1000, 100_000])]
fn of_samples(bencher: Bencher<'_, '_>, count: usize) {
    measure_typing(bencher, &samples(count));
}

#[divan::bench(args = [10, 100, 1000])]
fn of_layers(bencher: Bencher<'_, '_>, count: usize) {
    measure_typing(bencher, &layers(count));
}
