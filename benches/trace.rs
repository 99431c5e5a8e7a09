//! `gradstep trace` of figure 1, a million lines: the program with one thread and with two, beside two yardsticks over the same lines. `cargo bench`

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use gradstep::command::Shelf;
use gradstep::scenario::Limits;
use gradstep::trace::Trace;

const SCENARIO: &str = "figure-01";

fn program(threads: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    command.args(["trace", SCENARIO, "--threads", threads]);
    command
}

static LINES: LazyLock<Vec<u8>> = LazyLock::new(|| program("1").output().expect("the program runs").stdout);
static TRACE: LazyLock<Trace> = LazyLock::new(|| Shelf::bundled(Limits::default()).open(SCENARIO).expect("a scenario").trace);

/// The whole program, its start among it.
#[divan::bench(args = ["1", "2"], sample_count = 20, sample_size = 1)]
fn threads(bencher: Bencher<'_, '_>, threads: &str) {
    let bencher = bencher.counter(BytesCount::of_slice(&**LINES));
    bencher.bench(|| program(threads).stdout(Stdio::null()).status().expect("the program runs"));
}

/// The steps, each found by itself and written by `serde_json`.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn serde_json_of_each_step(bencher: Bencher<'_, '_>) {
    let (trace, mut to) = (&*TRACE, Vec::with_capacity(LINES.len()));
    bencher.counter(BytesCount::of_slice(&**LINES)).bench_local(|| {
        to.clear();
        for k in 1..=trace.len() {
            serde_json::to_writer(&mut to, &trace.get(k)).expect("a vector takes everything");
            to.push(b'\n');
        }
        assert!(to == *LINES);
    });
}

/// The same bytes, copied in chunks.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn copy(bencher: Bencher<'_, '_>) {
    let mut to = Vec::with_capacity(1 << 20);
    bencher.counter(BytesCount::of_slice(&**LINES)).bench_local(|| {
        for chunk in LINES.chunks(1 << 19) {
            to.clear();
            to.write_all(divan::black_box(chunk)).expect("a vector takes everything");
        }
    });
}

fn main() {
    divan::main();
}
