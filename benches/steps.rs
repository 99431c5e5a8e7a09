//! Measures waiting times of the user: from a scenario to the first frame, from a key to its frame, and for step k of traces with 1.44 and 1.8 · 10⁹ steps:
//! `cargo bench --bench steps`.

use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use divan::Bencher;
use gradstep::app::{Document, State, update};
use gradstep::network::Run;
use gradstep::scenario::{Limits, Scenario, Source, read};
use gradstep::trace::Trace;
use gradstep::{keys, ui};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const FIGURE_1: &str = include_str!("../scenarios/figure-01.toml");

const LARGE: &str = r#"
title = "two 64-filter 3x3 convolutions on 3x112x112"
input = { init = "normal", seed = 1, shape = [3, 112, 112] }
target = { init = "normal", seed = 2 }
loss = "upstream"

[[layer]]
type = "conv2d"
out_channels = 64
kernel_size = 3
padding = 1
weight = { init = "he_normal", seed = 3 }
activation = "relu"

[[layer]]
type = "conv2d"
out_channels = 64
kernel_size = 3
padding = 1
weight = { init = "he_normal", seed = 4 }
activation = "relu"
"#;

const SCREEN: Rect = Rect { x: 0, y: 0, width: 120, height: 40 };

fn scenario(text: &str) -> Scenario {
    let source = Source { name: "bench".into(), path_shown: "bench.toml".into(), text: text.into() };
    read(source, Limits::default()).expect("a scenario without faults")
}

fn open(text: &str, address: Option<&str>) -> State {
    let document = Document::new(scenario(text));
    let step = address.map(|address| document.trace.resolve(&address.parse().expect("an address")).expect("a step"));
    let mut state = State::picker(Vec::new());
    state.open(Arc::new(document), step);
    state
}

const ALEXNET: &str = include_str!("alexnet.toml");

fn trace(text: &str) -> Trace {
    let scenario = scenario(text);
    let run = Run::new(&scenario.network, &scenario.sample_tensors(0));
    Trace::new(scenario.network, vec![run])
}

static LARGE_TRACE: LazyLock<Trace> = LazyLock::new(|| trace(LARGE));
static ALEXNET_TRACE: LazyLock<Trace> = LazyLock::new(|| trace(ALEXNET));

/// Measures the time from the text of a scenario to its first frame.
#[divan::bench(sample_size = 1)]
fn open_figure_1(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let state = open(FIGURE_1, None);
        let mut buffer = Buffer::empty(SCREEN);
        ui::render(&state, &ui::RenderOptions::default(), SCREEN, &mut buffer);
        buffer
    });
}

#[divan::bench(sample_size = 1)]
fn read_figure_1() -> Scenario {
    scenario(FIGURE_1)
}

#[divan::bench]
fn forward_and_backward_of_figure_1(bencher: Bencher<'_, '_>) {
    let scenario = scenario(FIGURE_1);
    let given = scenario.sample_tensors(0);
    bencher.bench(|| Run::new(&scenario.network, &given));
}

/// Measures the key `l`, from its action to the frame of the new state. The first key is pressed at the first step of the entry `address`, and each later key
/// one step farther.
#[divan::bench(args = ["conv1.z[0,13,8]", "pool1.a[0,3,3]", "fc1.z[3]", "fc2.a[0]", "grad.fc1.weight[3,7]", "grad.flat1.a[5]", "grad.conv2.weight[3,1,2,2]", "grad.conv1.a[2,5,5]"])]
fn key_to_frame(bencher: Bencher<'_, '_>, address: &str) {
    let mut state = open(FIGURE_1, Some(address));
    let key = keys::parse("l").expect("a key")[0];
    let mut buffer = Buffer::empty(SCREEN);
    bencher.bench_local(|| {
        if let Some(action) = keys::action(&state, key) {
            update(&mut state, action);
        }
        buffer.reset();
        ui::render(&state, &ui::RenderOptions::default(), SCREEN, &mut buffer);
        black_box(&buffer);
    });
}

/// Returns an endless sequence of steps in `from..to`. Neighbours in the sequence are far from each other in the trace.
fn scattered_steps(from: u64, to: u64) -> impl Iterator<Item = u64> {
    // the constant is 2⁶⁴ divided by the golden ratio: its multiples modulo 2⁶⁴ are spread evenly
    (1_u64..).map(move |n| from + n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (to - from))
}

#[divan::bench(args = ["two-convolutions", "alexnet"], sample_size = 100)]
fn any_step_of_a_billion(bencher: Bencher<'_, '_>, network: &str) {
    let trace = if network == "alexnet" { &*ALEXNET_TRACE } else { &*LARGE_TRACE };
    let mut steps = scattered_steps(1, trace.len() + 1);
    bencher.with_inputs(|| steps.next().expect("endless")).bench_local_values(|k| trace.get(k));
}

#[divan::bench(args = ["conv2.z", "grad.conv2.weight", "grad.conv1.a"], sample_size = 20)]
fn step_of(bencher: Bencher<'_, '_>, op: &str) {
    let trace = &*LARGE_TRACE;
    let tensor = trace.network().find(op).expect("an op");
    let (.., span) = trace.ops().find(|(_, id, _)| *id == tensor).expect("an op with steps");
    let mut steps = scattered_steps(span.start, span.end);
    bencher.with_inputs(|| steps.next().expect("endless")).bench_local_values(|k| trace.get(k));
}

/// Prints the median, the 99 % quantile and the maximum of single calls, for all steps and for those of each op. divan's table does not have the quantile.
fn print_quantiles(trace: &Trace) {
    println!("\none step of {}, µs   median    99 %   worst", trace.len());
    let mut spans = vec![("all".to_owned(), 1..trace.len() + 1)];
    spans.extend(trace.ops().map(|(_, id, span)| (trace.network().tensor(id).name.to_string(), span)));
    for (name, span) in spans {
        let mut times: Vec<Duration> = scattered_steps(span.start, span.end)
            .take(20_000)
            .map(|k| {
                let begin = Instant::now();
                black_box(trace.get(k));
                begin.elapsed()
            })
            .collect();
        times.sort_unstable();
        let micros = |index: usize| times[index].as_secs_f64() * 1e6;
        println!("{name:24} {:7.2} {:7.2} {:7.2}", micros(times.len() / 2), micros(times.len() * 99 / 100), micros(times.len() - 1));
    }
}

fn main() {
    divan::main();
    // cargo passes `--bench`; any other argument selects benchmarks, and then the quantiles are not printed
    if std::env::args().skip(1).all(|arg| arg == "--bench") {
        print_quantiles(&LARGE_TRACE);
        print_quantiles(&ALEXNET_TRACE);
    }
}
