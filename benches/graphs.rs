//! Measures graphs of tensors: `cargo bench --bench graphs`.
//!
//! The first table has the forward and backward pass of exercises of `tests/graphs/exercises`. Environment variables: `PYTHON` is an interpreter with PyTorch;
//! if it is set, the programs take turns: this one, PyTorch (the text of the exercise, then `backward()`) and, for five exercises, NumPy (the text, then
//! derivatives written by hand). The table has the ratios of their times. `THREADS` is the number of threads of each program (default 1).
//!
//! Further tables have the slowest ops of two exercises, and waiting times of the user: from a text to the first frame, and for one step, one jump and one key.
//! An argument selects one of the tables `passes`, `ops`, `opening` and `stepping`: `cargo bench --bench graphs -- opening`.

mod ops;
mod turns;

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::sync::Arc;

use gradstep::app::{Action, Document, State, update};
use gradstep::network::Run;
use gradstep::scenario::{Limits, Scenario, Source, read};
use gradstep::{keys, ui};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use turns::{Script, fastest_and_median, ratios_as_text};

/// The exercises, each with the number of calls in a turn.
const EXERCISES: [(&str, usize); 5] = [
    ("large-language-model-cell", 50),
    ("large-transformer-block", 20),
    ("language-model-batch-norm-lines", 200),
    ("attention-one-head", 200),
    ("lstm", 100),
];

/// Further exercises whose text PyTorch can execute as it is. They have no derivatives by hand.
const OTHER_EXERCISES: [&str; 19] = [
    "attention-call",
    "batch-norm-in-one-go",
    "contrastive-loss",
    "dice-loss",
    "gru",
    "kernel-of-distances",
    "l2-regularisation",
    "label-smoothing",
    "label-smoothing-distribution",
    "language-model-batch-norm-calls",
    "layer-norm",
    "layer-norm-in-one-go",
    "mlp-three-layers",
    "residual-block",
    "rnn",
    "softmax-cross-entropy",
    "vae-loss",
    "variational-autoencoder",
    "word2vec-negative-sampling",
];

/// The number of calls of each of [`OTHER_EXERCISES`] in a turn.
const OTHER_CALLS: usize = 100;

const SCREEN: Rect = Rect { x: 0, y: 0, width: 120, height: 40 };

fn exercise(name: &str) -> String {
    fs::read_to_string(format!("{}/tests/graphs/exercises/{name}.toml", env!("CARGO_MANIFEST_DIR"))).expect("an exercise")
}

fn scenario(text: &str) -> Scenario {
    let source = Source { name: "bench".into(), path_shown: "bench.toml".into(), text: text.into() };
    read(source, Limits::default()).unwrap_or_else(|faults| panic!("{}", faults.render(false)))
}

/// Two products of 128x128 matrices: 2 million terms each, and as many in each gradient.
fn products() -> String {
    let normal = |name: &str, seed: u32| format!("{name} = {{ init = \"normal\", shape = [128, 128], seed = {seed} }}\n");
    let nodes = "[graph]\nnodes = '''\nh = A @ B\ny = h @ C\nJ = y.sum()\n'''\n[graph.inputs]\n";
    format!("title = \"two products of 128x128 matrices\"\n{nodes}{}{}{}", normal("A", 1), normal("B", 2), normal("C", 3))
}

/// A chain of statements on a small tensor: each statement reads the result of the previous one.
fn statements(count: usize) -> String {
    let mut text = "title = \"statements\"\n[graph]\nnodes = '''\nn0 = x * 0.5\n".to_owned();
    for n in 1..count {
        let _ = writeln!(text, "n{n} = n{} {} x", n - 1, if n % 2 == 0 { '*' } else { '+' });
    }
    let _ = writeln!(text, "J = n{}.sum()\n'''\n[graph.inputs]\nx = [0.5, -0.25]", count - 1);
    text
}

fn passes(script: &mut Option<Script>) {
    println!("forward and backward              median call, µs             divided by this, turn by turn: median, least, most");
    println!("{:32}     this  PyTorch    NumPy     PyTorch                           NumPy", "");
    let by_hand = EXERCISES.map(|(name, calls)| (name, calls, &["torch", "numpy"][..]));
    let others = OTHER_EXERCISES.map(|name| (name, OTHER_CALLS, &["torch"][..]));
    for (name, calls, sides) in by_hand.into_iter().chain(others) {
        let scenario = scenario(&exercise(name));
        let given = scenario.sample_tensors(0);
        let mut run = Some(Run::new(&scenario.network, &given));
        let call = || {
            let spare = run.take().expect("one run after the other");
            run = Some(black_box(spare.rerun(&scenario.network, &given)));
        };
        let names: Vec<String> = sides.iter().map(|side| format!("{side}:{name}")).collect();
        let times = turns::measure(calls, call, script.as_mut(), &names);
        let [_, own_median] = fastest_and_median(&times.own);
        let other_median = |n: usize| times.others.get(n).map_or(f64::NAN, |times| fastest_and_median(times)[1]);
        print!("{name:32}{own_median:9.1}{:9.1}{:9.1}", other_median(0), other_median(1));
        println!("  {}", times.ratios.iter().map(|ratios| ratios_as_text(ratios)).collect::<Vec<_>>().join("  "));
    }
}

fn opening() {
    println!("\nfrom the text to the first frame    shortest, ms   median, ms    forward steps   all steps");
    let texts = ["large-language-model-cell", "large-transformer-block"].map(|name| (name.to_owned(), exercise(name)));
    let chains = [12_500, 25_000, 49_990].map(|count| (format!("{count} statements"), statements(count)));
    for (name, text) in texts.into_iter().chain([("128x128x128 twice".to_owned(), products())]).chain(chains) {
        // the steps of the forward pass, and all steps
        let mut steps = [0, 0];
        let times: Vec<u64> = (0..15)
            .map(|_| {
                turns::time(|| {
                    let document = Document::new(scenario(&text));
                    let trace = &document.trace;
                    steps = [trace.resolve(&"backward".parse().expect("an address")).expect("a backward pass") - 1, trace.len()];
                    let mut state = State::picker(Vec::new());
                    state.open(Arc::new(document), None);
                    let mut buffer = Buffer::empty(SCREEN);
                    ui::render(&state, &ui::RenderOptions::default(), SCREEN, &mut buffer);
                    black_box(buffer);
                })
            })
            .collect();
        // from microseconds to milliseconds
        let [fastest, median] = fastest_and_median(&times).map(|time| time / 1e3);
        println!("{name:32} {fastest:15.2} {median:12.2} {:16} {:11}", steps[0], steps[1]);
    }
}

/// Prints the times of steps, of jumps to a step with their frame, and of the key `l` there with its frame.
fn stepping() {
    println!(
        "\nat places spread over all steps, µs      step: median    99 %   worst   jump and frame: median    99 %   key and frame: median    99 %"
    );
    let cell = exercise("large-language-model-cell");
    for (name, text) in [("128x128x128 twice", products()), ("large-language-model-cell", cell), ("49990 statements", statements(49_990))] {
        let document = Arc::new(Document::new(scenario(&text)));
        let trace = &document.trace;
        // multiples of 2⁶⁴ divided by the golden ratio are spread evenly
        let place = |n: u64| 1 + n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % trace.len();
        let mut steps: Vec<u64> = (1..20_000).map(|n| turns::time(|| drop(black_box(trace.get(place(n)))))).collect();
        let mut state = State::picker(Vec::new());
        state.open(Arc::clone(&document), Some(1));
        let mut buffer = Buffer::empty(SCREEN);
        let mut time_with_frame = |state: &mut State, action: Option<Action>| {
            turns::time(|| {
                if let Some(action) = action {
                    update(state, action);
                }
                buffer.reset();
                ui::render(state, &ui::RenderOptions::default(), SCREEN, &mut buffer);
            })
        };
        let (mut jumps, mut pressed) = (Vec::new(), Vec::new());
        let key = keys::parse("l").expect("a key")[0];
        for n in 1..2000 {
            jumps.push(time_with_frame(&mut state, Some(Action::GoToStep(place(n)))));
            let action = keys::action(&state, key);
            pressed.push(time_with_frame(&mut state, action));
        }
        let [steps, jumps, pressed] = [&mut steps, &mut jumps, &mut pressed].map(|times| {
            times.sort_unstable();
            #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ nanoseconds
            [50, 99, 100].map(|percent| times[(times.len() - 1) * percent / 100] as f64 / 1e3)
        });
        print!("{name:40} {:13.2} {:7.2} {:7.2}", steps[0], steps[1], steps[2]);
        println!(" {:23.0} {:7.0} {:22.0} {:7.0}", jumps[0], jumps[1], pressed[0], pressed[1]);
    }
}

fn main() {
    let threads = turns::threads();
    let mut script = Script::start("graphs.py", threads);
    println!("{threads} threads");
    let wanted = turns::wanted();
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    if is_wanted("passes") {
        passes(&mut script);
    }
    if is_wanted("ops") {
        EXERCISES[..2].iter().for_each(|(name, _)| ops::print_slowest(name, &scenario(&exercise(name))));
    }
    if is_wanted("opening") {
        opening();
    }
    if is_wanted("stepping") {
        stepping();
    }
}
