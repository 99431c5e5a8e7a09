//! Compares the time of a call of this program with that of a Python script. The two programs take turns: the speed of a machine varies from minute to minute,
//! but hardly between two neighbouring turns, so the ratio of their times is reliable.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::num::NonZeroUsize;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use gradstep::threads;

/// The number of turns of each program.
const ROUNDS: usize = 9;

/// A Python script in another process. Each line of its standard input is a name and a number of calls; its answer is a line with the times of the calls in
/// nanoseconds.
pub struct Script {
    _child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// The times of this program and of the others in nanoseconds, without the first turn, which is a warm-up.
pub struct Times {
    /// The times of this program.
    pub own: Vec<u64>,
    /// For each other program, its times.
    pub others: Vec<Vec<u64>>,
    /// For each other program, its median divided by this program's median in each turn, in ascending order.
    pub ratios: Vec<Vec<f64>>,
}

/// Sets the number of threads of this program to the environment variable `THREADS`, by default 1, and returns it.
pub fn threads() -> NonZeroUsize {
    let count = env::var("THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(NonZeroUsize::MIN);
    threads::set_limit(count);
    count
}

/// Returns the first argument that is not an option: the name of the only part of the benchmark to run.
pub fn wanted() -> Option<String> {
    env::args().skip(1).find(|argument| !argument.starts_with('-'))
}

impl Script {
    /// Starts a script of `benches/` with the interpreter of the environment variable `PYTHON`; `None` if it is not set.
    pub fn start(script: &str, threads: NonZeroUsize) -> Option<Self> {
        let script = format!("{}/benches/{script}", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(env::var_os("PYTHON")?);
        let mut child = command.arg(script).arg(threads.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("PYTHON");
        let (questions, answers) = (child.stdin.take().expect("piped"), BufReader::new(child.stdout.take().expect("piped")));
        Some(Self { _child: child, questions, answers })
    }

    /// Lets the script call what it knows by `name`, and returns the times of the calls in nanoseconds.
    fn times(&mut self, name: &str, calls: usize) -> Vec<u64> {
        writeln!(self.questions, "{name} {calls}").expect("the script listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the script answers");
        line.split_whitespace().map(|time| time.parse().expect("nanoseconds")).collect()
    }
}

/// Measures `call` and, for each of `names`, what the script calls by this name. They take turns; in a turn, each is called `calls` times.
pub fn measure(calls: usize, mut call: impl FnMut(), script: Option<&mut Script>, names: &[String]) -> Times {
    measure_times(calls, || (0..calls).map(|_| time(&mut call)).collect(), script, names)
}

/// Does the same as [`measure`], but `own_times` makes all calls of this program in a turn, and returns their times in nanoseconds.
pub fn measure_times(calls: usize, mut own_times: impl FnMut() -> Vec<u64>, script: Option<&mut Script>, names: &[String]) -> Times {
    let mut script = script;
    let names = if script.is_some() { names } else { &[] };
    let mut times = Times { own: Vec::new(), others: vec![Vec::new(); names.len()], ratios: vec![Vec::new(); names.len()] };
    for round in 0..=ROUNDS {
        let own = own_times();
        for (n, name) in names.iter().enumerate() {
            let Some(script) = script.as_mut() else { continue };
            let other = script.times(name, calls);
            // the first turn is a warm-up
            if round > 0 {
                #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ nanoseconds
                times.ratios[n].push(median(&other) as f64 / median(&own) as f64);
                times.others[n].extend(other);
            }
        }
        if round > 0 {
            times.own.extend(own);
        }
    }
    times.ratios.iter_mut().for_each(|ratios| ratios.sort_unstable_by(f64::total_cmp));
    times
}

/// Returns the time of `work` in nanoseconds.
pub fn time(work: impl FnOnce()) -> u64 {
    let begin = Instant::now();
    work();
    u64::try_from(begin.elapsed().as_nanos()).expect("not for centuries")
}

/// Returns the median of times; 0 if there are none.
pub fn median(times: &[u64]) -> u64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(0)
}

/// Returns the shortest and the median of times, converted from nanoseconds to microseconds.
#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ nanoseconds
pub fn fastest_and_median(times: &[u64]) -> [f64; 2] {
    match times.iter().min() {
        Some(fastest) => [*fastest, median(times)].map(|time| time as f64 / 1e3),
        None => [f64::NAN; 2],
    }
}

/// Returns the median, the least and the greatest of sorted ratios as text; empty if there are fewer than two.
pub fn ratios_as_text(ratios: &[f64]) -> String {
    match ratios {
        [least, .., most] => format!("{:9.2} {least:9.2} {most:9.2}", ratios[ratios.len() / 2]),
        _ => String::new(),
    }
}
