//! Measures the forward and backward pass of networks from tiny to large, and compares it with PyTorch: `cargo bench --bench networks`.
//!
//! gradstep and PyTorch reuse their memory from call to call, as in training. Environment variables: `PYTHON` is an interpreter with PyTorch; if it is set,
//! both programs take turns, and the table has the ratio of their times. `THREADS` is the number of threads of each program (default 1).
//!
//! The row `n3-train` is an iteration of gradient descent on N3: the pass, and the update of the parameters.
//!
//! `cargo bench --bench networks -- ops` prints the slowest ops of N3 and N4 instead.

mod ops;
mod turns;

use std::hint::black_box;
use std::time::Instant;

use gradstep::network::Run;
use gradstep::scenario::{Limits, Scenario, Source, read};
use turns::{Script, Times, fastest_and_median, ratios_as_text};

/// The name of a network, its scenario, and the number of calls in a turn.
const NETWORKS: [(&str, &str, usize); 7] = [
    ("n1", include_str!("networks/n1.toml"), 1000),
    ("n2", include_str!("networks/n2.toml"), 1000),
    ("n3", include_str!("networks/n3.toml"), 300),
    ("n4", include_str!("networks/n4.toml"), 300),
    ("n5", include_str!("networks/n5.toml"), 20),
    ("n6", include_str!("networks/n6.toml"), 2),
    ("pool", include_str!("networks/pool.toml"), 2),
];

/// N3 with gradient descent. The learning rate is so small that the last iteration computes with numbers of the same size as the first.
const TRAINING: &str = concat!(include_str!("networks/n3.toml"), "\n[train]\nlearning_rate = 1e-6\niterations = 1000\n");

/// The number of iterations of a turn.
const ITERATIONS: usize = 300;

fn scenario(name: &str, text: &str) -> Scenario {
    let source = Source { name: name.into(), path_shown: name.into(), text: text.into() };
    read(source, Limits::default()).expect("a scenario without faults")
}

fn main() {
    let threads = turns::threads();
    let wanted = turns::wanted();
    if wanted.as_deref() == Some("ops") {
        // N3 and N4
        return NETWORKS[2..4].iter().for_each(|(name, text, _)| ops::print_slowest(name, &scenario(name, text)));
    }
    let mut torch = Script::start("networks.py", threads);
    println!(
        "{:43}   fastest call, µs      median call, µs    PyTorch's medians divided by this, turn by turn",
        format!("{threads} threads")
    );
    println!("{:43}     this  PyTorch      this  PyTorch        median     least      most", "");
    for (name, text, calls) in NETWORKS.into_iter().filter(|(name, ..)| wanted.as_ref().is_none_or(|wanted| wanted == name)) {
        let scenario = scenario(name, text);
        let given = scenario.sample_tensors(0);
        let mut run = Some(Run::new(&scenario.network, &given));
        let call = || {
            let spare = run.take().expect("one run after the other");
            run = Some(black_box(spare.rerun(&scenario.network, &given)));
        };
        let times = turns::measure(calls, call, torch.as_mut(), &[name.to_owned()]);
        print_row(name, &scenario.title, &times);
    }
    let name = "n3-train";
    if wanted.is_none_or(|wanted| wanted == name) {
        let scenario = scenario(name, TRAINING);
        let times = turns::measure_times(ITERATIONS, || iteration_times(&scenario), torch.as_mut(), &[name.to_owned()]);
        print_row(name, "an iteration of training N3", &times);
    }
}

/// Prints the times of a network.
fn print_row(name: &str, title: &str, times: &Times) {
    let ([our_best, our_median], [their_best, their_median]) =
        (fastest_and_median(&times.own), fastest_and_median(times.others.first().map_or(&[], Vec::as_slice)));
    print!("{name:8} {title:34} {our_best:9.1}{their_best:9.1} {our_median:9.1}{their_median:9.1}");
    println!("     {}", times.ratios.first().map_or_else(String::new, |ratios| ratios_as_text(ratios)));
}

/// Returns the times of [`ITERATIONS`] iterations of gradient descent in nanoseconds. The first iterations allocate memory and are left out.
fn iteration_times(scenario: &Scenario) -> Vec<u64> {
    const LEFT_OUT: usize = 10;
    let mut times = Vec::with_capacity(ITERATIONS + LEFT_OUT);
    let mut begin = Instant::now();
    let observe = |_: u64, loss: f64| {
        black_box(loss);
        times.push(u64::try_from(begin.elapsed().as_nanos()).expect("not for centuries"));
        begin = Instant::now();
        times.len() < ITERATIONS + LEFT_OUT
    };
    scenario.descent().run(observe).expect("enough memory");
    times.split_off(LEFT_OUT)
}
