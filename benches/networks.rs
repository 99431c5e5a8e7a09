//! Measures the forward and backward pass of networks from tiny to large, and compares it with PyTorch: `cargo bench --bench networks`.
//!
//! gradstep and PyTorch reuse their memory from call to call, as in training. Environment variables: `PYTHON` is an interpreter with PyTorch; if it is set,
//! both programs take turns, and the table has the ratio of their times. `THREADS` is the number of threads of each program (default 1).

use std::env;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::num::NonZeroUsize;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use gradstep::network::Run;
use gradstep::scenario::{Limits, Source, read};
use gradstep::threads;

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

/// The number of turns of each program.
const ROUNDS: usize = 9;

/// PyTorch in another process, which runs `networks.py`.
struct Torch {
    _child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Torch {
    fn start(threads: usize) -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/networks.py");
        let mut command = Command::new(env::var_os("PYTHON")?);
        let mut child = command.arg(script).arg(threads.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("PYTHON");
        let (questions, answers) = (child.stdin.take().expect("piped"), BufReader::new(child.stdout.take().expect("piped")));
        Some(Self { _child: child, questions, answers })
    }

    /// Returns the times of calls in nanoseconds, shortest first.
    fn times(&mut self, name: &str, calls: usize) -> Vec<u64> {
        writeln!(self.questions, "{name} {calls}").expect("PyTorch listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("PyTorch answers");
        line.split_whitespace().map(|time| time.parse().expect("nanoseconds")).collect()
    }
}

fn median(times: &[u64]) -> u64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ nanoseconds
fn main() {
    let most = env::var("THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(NonZeroUsize::MIN);
    threads::set_limit(most);
    let mut torch = Torch::start(most.get());
    println!("{:42}   fastest call, µs      median call, µs    PyTorch's medians divided by this, turn by turn", format!("{most} threads"));
    println!("{:42}     this  PyTorch      this  PyTorch        median     least      most", "");
    // the first argument that is not an option selects one network
    let wanted = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    for (name, text, calls) in NETWORKS.into_iter().filter(|(name, ..)| wanted.as_ref().is_none_or(|wanted| wanted == name)) {
        let source = Source { name: name.into(), path_shown: name.into(), text: text.into() };
        let scenario = read(source, Limits::default()).expect("a scenario without faults");
        let given = scenario.sample_tensors(0);
        let mut run = Some(Run::new(&scenario.network, &given));
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let turn: Vec<u64> = (0..calls)
                .map(|_| {
                    let spare = run.take().expect("one run after the other");
                    let (time, again) = time(|| black_box(spare.rerun(&scenario.network, &given)));
                    run = Some(again);
                    time
                })
                .collect();
            let torch = torch.as_mut().map(|torch| torch.times(name, calls));
            // the first turn is a warm-up
            if round > 0 {
                ratios.extend(torch.iter().map(|torch| median(torch) as f64 / median(&turn) as f64));
                ours.extend(turn);
                theirs.extend(torch.into_iter().flatten());
            }
        }
        ratios.sort_unstable_by(f64::total_cmp);
        let micros = |times: &[u64]| match times.iter().min() {
            Some(fastest) => [*fastest, median(times)].map(|time| time as f64 / 1e3),
            None => [f64::NAN; 2],
        };
        let ([our_best, our_median], [their_best, their_median]) = (micros(&ours), micros(&theirs));
        print!("{name} {:39} {our_best:9.1}{their_best:9.1} {our_median:9.1}{their_median:9.1}", scenario.title);
        match ratios.as_slice() {
            [least, .., most] => println!("     {:9.2} {least:9.2} {most:9.2}", ratios[ratios.len() / 2]),
            _ => println!(),
        }
    }
}

/// Returns the time of `work` in nanoseconds, and its result.
fn time<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let begin = Instant::now();
    let result = work();
    (u64::try_from(begin.elapsed().as_nanos()).expect("not for centuries"), result)
}
