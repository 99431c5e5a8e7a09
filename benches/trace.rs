//! Measures `gradstep trace` with one and two threads: `cargo bench --bench trace`. The scenarios are figure 1 (a million lines) and scenarios with many
//! samples, nodes or layers. For comparison, other benchmarks write the lines of figure 1 with `serde_json`, or only copy them.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use gradstep::command::ScenarioLoader;
use gradstep::scenario::Limits;
use gradstep::trace::Trace;

const SCENARIO: &str = "figure-01";

fn program(threads: &str) -> Command {
    program_on(SCENARIO, threads)
}

fn program_on(scenario: &str, threads: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    command.args(["trace", scenario, "--threads", threads]);
    command
}

/// Kinds of scenarios, with the number of samples, nodes or layers.
const MANY: [(&str, usize); 6] =
    [("samples", 10_000), ("chain", 10_000), ("chain", 49_000), ("fan", 10_000), ("fan", 30_000), ("layers", 1000)];

/// The scenarios of [`MANY`] with one and two threads.
fn of_many_arguments() -> impl Iterator<Item = String> {
    MANY.iter().flat_map(|(what, many)| [1, 2].map(|threads| format!("{what} {many} {threads}")))
}

/// Writes a scenario with many samples, nodes or layers to a file. In a `chain`, each node reads the previous one; in a `fan`, the last node reads all others.
/// The `layers` have 8 samples.
fn many(what: &str, count: usize) -> tempfile::NamedTempFile {
    let graph = |first: &str, node: &dyn Fn(usize) -> String, last: &str| {
        let nodes = (1..count).map(|n| format!("\"{}\",\n", node(n))).collect::<Vec<_>>().concat();
        format!("title = \"nodes\"\n[graph]\ninputs = {{ a = 0.5, b = 0.25 }}\nnodes = [\n\"{first}\",\n{nodes}{last}]\n")
    };
    let text = match what {
        "samples" => {
            let samples =
                (0..count).map(|n| format!("[[sample]]\ninput = [{}, {}]\ntarget = 1\n", n % 7, n % 3)).collect::<Vec<_>>().concat();
            let layer = "[[layer]]\ntype = \"linear\"\nweight = [[0.1, 0.2]]\nbias = [0.1]\nactivation = \"tanh\"\n";
            format!("title = \"samples\"\nloss = \"squared_error\"\n{samples}{layer}")
        }
        "chain" => graph("n0 = a + b", &|n| format!("n{n} = n{} {} b", n - 1, if n % 2 == 0 { '*' } else { '+' }), ""),
        "layers" => {
            let samples = (0..8).map(|n| format!("[[sample]]\ninput = [0.{n}, 0.25]\ntarget = [0.1, 0.9]\n")).collect::<Vec<_>>().concat();
            let layer = "[[layer]]\ntype = \"linear\"\nout_features = 2\nweight = { init = \"he_normal\", seed = 3 }\n\
                         bias = { init = \"zeros\" }\nactivation = \"tanh\"\n";
            format!("title = \"layers\"\nloss = \"squared_error\"\n{samples}{}", layer.repeat(count))
        }
        _ => {
            let sum: Vec<String> = (0..count).map(|n| format!("n{n}")).collect();
            graph("n0 = a + b", &|n| format!("n{n} = a * b"), &format!("\"J = {}\",\n", sum.join(" + ")))
        }
    };
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
    file.write_all(text.as_bytes()).expect("a file");
    file
}

/// Writes the scenario with a text such as `chain 10000`.
fn many_of(scenario: &str) -> tempfile::NamedTempFile {
    let (what, count) = scenario.split_once(' ').expect("a number");
    many(what, count.parse().expect("a number"))
}

/// The output of `gradstep trace` for [`SCENARIO`].
static LINES: LazyLock<Vec<u8>> = LazyLock::new(|| program("1").output().expect("the program runs").stdout);
static TRACE: LazyLock<Trace> = LazyLock::new(|| ScenarioLoader::bundled(Limits::default()).open(SCENARIO).expect("a scenario").trace);

/// Measures the whole program, including its start.
#[divan::bench(args = ["1", "2"], sample_count = 20, sample_size = 1)]
fn threads(bencher: Bencher<'_, '_>, threads: &str) {
    let bencher = bencher.counter(BytesCount::of_slice(&**LINES));
    bencher.bench(|| program(threads).stdout(Stdio::null()).status().expect("the program runs"));
}

/// Measures the whole program for many samples, nodes or layers, with one and two threads. Most of the time is its start, which `start_of_many` measures:
/// subtract it.
#[divan::bench(args = of_many_arguments(), sample_count = 20, sample_size = 1)]
fn of_many(bencher: Bencher<'_, '_>, scenario: &str) {
    let (scenario, threads) = scenario.rsplit_once(' ').expect("a number of threads");
    let file = many_of(scenario);
    let path = file.path().to_str().expect("UTF-8");
    let lines = program_on(path, "1").output().expect("the program runs").stdout;
    let bencher = bencher.counter(BytesCount::of_slice(&*lines));
    bencher.bench(|| program_on(path, threads).stdout(Stdio::null()).status().expect("the program runs"));
}

/// Measures the same scenarios with a single line of output.
#[divan::bench(args = MANY.iter().map(|(what, many)| format!("{what} {many}")), sample_count = 20, sample_size = 1)]
fn start_of_many(bencher: Bencher<'_, '_>, scenario: &str) {
    let file = many_of(scenario);
    let path = file.path().to_str().expect("UTF-8");
    bencher.bench(|| program_on(path, "1").args(["--to", "1"]).stdout(Stdio::null()).status().expect("the program runs"));
}

/// Finds each step by a search, and writes it with `serde_json`.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn serde_json_of_each_step(bencher: Bencher<'_, '_>) {
    let (trace, mut to) = (&*TRACE, Vec::with_capacity(LINES.len()));
    bencher.counter(BytesCount::of_slice(&**LINES)).bench_local(|| {
        to.clear();
        for k in 1..=trace.len() {
            serde_json::to_writer(&mut to, &trace.get(k)).expect("writing to a vector succeeds");
            to.push(b'\n');
        }
        assert!(to == *LINES);
    });
}

/// Copies the bytes of [`LINES`] in chunks.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn copy(bencher: Bencher<'_, '_>) {
    let mut to = Vec::with_capacity(1 << 20);
    bencher.counter(BytesCount::of_slice(&**LINES)).bench_local(|| {
        for chunk in LINES.chunks(1 << 19) {
            to.clear();
            to.write_all(divan::black_box(chunk)).expect("writing to a vector succeeds");
        }
    });
}

fn main() {
    divan::main();
}
