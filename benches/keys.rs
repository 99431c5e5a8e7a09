//! Measures a key press with its frame, in processor time and in bytes to the terminal, at three screen sizes: `cargo bench --bench keys`.
//!
//! The caches of the trace are emptied before each jump to a step, so each key is measured as if it were pressed for the first time. The jump counts as a key.
//!
//! The scenarios are all bundled ones, large networks, and those of `heavy`. `cargo bench --bench keys -- xor chain` measures only the scenarios whose names
//! contain one of these words.

mod heavy;

use std::env;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gradstep::app::{Action, Document, State, update};
use gradstep::keys;
use gradstep::network::Role;
use gradstep::scenario::{Limits, Source, read};
use gradstep::step::{Pass, Unit};
use gradstep::terminal::pen::Pen;
use gradstep::ui::{self, RenderOptions};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// The number of times that each key is pressed from the same step. The shortest time counts: other programs, which use the processor's caches, only make a
/// time longer.
const ROUNDS: usize = 3;

/// The keys at each step: `l` moves forward and `h` back by a unit, at first a step; `k` takes the next larger unit and `j` the next smaller one.
const KEYS: &str = "lllhkllhkllhjj";

/// Keys after those of [`KEYS`]: the map, a fold and an address.
const MORE_KEYS: &str = "MjjF<Esc>FF:loss<Enter>:12345<Enter>";

/// A search, and the next match. The keys `<Enter>` and `n` begin work that grows with the trace: they look at the steps for up to a time slice, and the rest
/// is done between keys. So they have a column of their own.
const SEARCH_KEYS: &str = "/0.25<Enter>n";

/// The cost of one key press.
struct KeyCost {
    /// The key, the step and the size of the screen.
    what: String,
    /// Whether the key was `l` and moved by one step.
    is_step: bool,
    /// Whether the key is one of [`SEARCH_KEYS`].
    is_search: bool,
    /// The processor time until the bytes for the terminal are ready.
    time: Duration,
    /// The number of bytes to the terminal.
    bytes: usize,
}

fn bundled() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(folder).expect("the scenarios").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    files.sort();
    let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).expect("a scenario"))).collect()
}

fn open(text: &str) -> Arc<Document> {
    let source = Source { name: "bench".into(), path_shown: "bench.toml".into(), text: text.into() };
    let scenario = read(source, Limits::default()).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    Arc::new(Document::new(scenario))
}

/// Returns the steps at which keys are pressed, about 60: the first, the middle one, one near the end, and the middle one of many ops. Beyond 40 ops, those of
/// the forward pass are left out, and beyond 80 all but the gradients of parameters.
fn measured_steps(document: &Document) -> Vec<u64> {
    let trace = &document.trace;
    let len = trace.len();
    let mut steps_to_measure = vec![1, len / 2, len.saturating_sub(3)];
    let mut seen = 0;
    for (run_index, id, steps) in trace.ops() {
        let network = trace.network_of(run_index);
        let pass = network.producer(id).map(|op| network.ops()[op].pass);
        let is_parameter_gradient = matches!(network.tensor(id).role, Role::Gradient(of) if network.tensor(of).role == Role::Parameter);
        // the middle step of the middle entry is measured
        let entry = trace.span(steps.start + (steps.end - steps.start) / 2, Unit::Entry);
        // all ops of the first sample, and the ops after the forward pass of the last sample and the batch
        if run_index == 0 || pass != Some(Pass::Forward) && run_index + 2 >= trace.runs().len() {
            seen += 1;
            if seen <= 40 || is_parameter_gradient || pass != Some(Pass::Forward) && seen <= 80 {
                steps_to_measure.push(entry.start + (entry.end - entry.start) / 2);
            }
        }
        if steps_to_measure.len() > 60 {
            break;
        }
    }
    steps_to_measure.retain(|k| (1..=len).contains(k));
    steps_to_measure.sort_unstable();
    steps_to_measure.dedup();
    steps_to_measure
}

/// Returns the processor time of this thread. Unlike wall-clock time, it does not grow while other programs run.
#[cfg(unix)]
fn processor_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let unsigned = |n: i64| u64::try_from(n).unwrap_or_default();
    Duration::from_secs(unsigned(time.tv_sec)) + Duration::from_nanos(unsigned(time.tv_nsec))
}

/// Returns wall-clock time instead: the time since the first call.
#[cfg(not(unix))]
fn processor_time() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed()
}

/// Jumps to a step that was not visited before, and presses the keys there. Returns the cost of the jump and of each key.
fn press(document: &Arc<Document>, step: u64, (width, height): (u16, u16)) -> Vec<KeyCost> {
    let screen = Rect::new(0, 0, width, height);
    let (mut shown, mut next) = (Buffer::empty(screen), Buffer::empty(screen));
    document.trace.clear_caches();
    let mut state = State::picker(Vec::new());
    state.open(Arc::clone(document), Some(1));
    ui::render(&state, &RenderOptions::default(), screen, &mut shown);
    let mut pen = Pen::default();
    let mut measured = |state: &mut State, what: &str, act: &mut dyn FnMut(&mut State)| {
        let before = state.stepper().expect("open").step;
        let begin = processor_time();
        act(state);
        next.reset();
        ui::render(state, &RenderOptions::default(), screen, &mut next);
        pen.draw(&shown, &next);
        let time = processor_time().saturating_sub(begin);
        let bytes = pen.take().len();
        std::mem::swap(&mut shown, &mut next);
        let what = format!("{what} at {}, {width}x{height}", if what == "jump" { state.stepper().expect("open").step } else { before });
        KeyCost { what, is_step: false, is_search: false, time, bytes }
    };
    let mut pressed = vec![measured(&mut state, "jump", &mut |state| {
        update(state, Action::GoToStep(step));
    })];
    let moves = KEYS.chars().map(String::from).zip(keys::parse(KEYS).expect("keys"));
    let named = |keys: &str| keys::parse(keys).expect("keys").into_iter().map(|key| (format!("{:?}", key.code), key));
    let others = moves.chain(named(MORE_KEYS)).map(|(name, key)| (name, key, false));
    let searches = named(SEARCH_KEYS).map(|(name, key)| (name, key, true));
    for (name, key, is_search) in others.chain(searches) {
        // at the last step, `l` would compute the next iteration
        if state.stepper().expect("open").step >= document.trace.len() {
            update(&mut state, Action::GoToStep(step.saturating_sub(1).max(1)));
        }
        let unit = state.stepper().expect("open").unit;
        let mut cost = measured(&mut state, &name, &mut |state| {
            if let Some(action) = keys::action(state, key) {
                update(state, action);
            }
        });
        cost.is_step = unit == Unit::Step && name == "l";
        cost.is_search = is_search;
        pressed.push(cost);
    }
    pressed
}

/// Returns the value at `percent` % of the way from the smallest to the largest of the sorted values, rounded up to the next of them.
fn quantile<T: Copy + Ord + Default>(values: impl Iterator<Item = T>, percent: usize) -> T {
    let mut all: Vec<T> = values.collect();
    all.sort_unstable();
    all.get(((all.len().saturating_sub(1)) * percent).div_ceil(100)).copied().unwrap_or_default()
}

/// Measures all keys at all steps, each with its shortest time.
fn measure(document: &Arc<Document>, size: (u16, u16)) -> Vec<KeyCost> {
    let all = measured_steps(document).into_iter().flat_map(|step| {
        let mut rounds = (0..ROUNDS).map(|_| press(document, step, size));
        let mut keys = rounds.next().unwrap_or_default();
        for round in rounds {
            for (key, again) in keys.iter_mut().zip(round) {
                key.time = key.time.min(again.time);
            }
        }
        keys
    });
    all.collect()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Prints a line of the table.
fn print_line(name: &str, (width, height): (u16, u16), keys: &[KeyCost]) {
    let slowest = |of_searches: bool| keys.iter().filter(|key| key.is_search == of_searches).max_by_key(|key| key.time);
    let (Some(slowest), Some(search), Some(longest)) = (slowest(false), slowest(true), keys.iter().max_by_key(|key| key.bytes)) else {
        return;
    };
    let others = || keys.iter().filter(|key| !key.is_search).map(|key| key.time);
    let steps = || keys.iter().filter(|key| key.is_step);
    println!(
        "{name:20} {width:3}x{height:<3} {:5} {:8.0} {:8.0} {:8.0} {:9.0} {:8.0} {:7} {:7} {:7}   {}; {}",
        keys.len(),
        micros(quantile(steps().map(|key| key.time), 50)),
        micros(quantile(others(), 50)),
        micros(quantile(others(), 99)),
        micros(slowest.time),
        micros(search.time),
        quantile(steps().map(|key| key.bytes), 50),
        quantile(steps().map(|key| key.bytes), 100),
        longest.bytes,
        slowest.what,
        longest.what,
    );
}

fn main() {
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let is_wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let small = bundled();
    let networks = [("n5", include_str!("networks/n5.toml")), ("n6", include_str!("networks/n6.toml"))];
    let large = networks.map(|(name, text)| (name.to_owned(), text.to_owned())).into_iter().chain(heavy::all());
    println!(
        "µs, and bytes                        keys        l      all     99 %     worst   search   bytes: l, worst l, all   worst by time; by bytes"
    );
    // the keys of all bundled scenarios, by the size of the screen
    let mut all: [Vec<KeyCost>; SIZES.len()] = Default::default();
    for (n, (name, text)) in small.iter().cloned().chain(large).enumerate().filter(|(_, (name, _))| is_wanted(name)) {
        let begin = Instant::now();
        let document = open(&text);
        for (size, all_of_size) in SIZES.into_iter().zip(&mut all) {
            let keys = measure(&document, size);
            print_line(&name, size, &keys);
            if n < small.len() {
                all_of_size.extend(keys);
            }
        }
        eprintln!("{name}: {:.1} s", begin.elapsed().as_secs_f64());
    }
    for (size, keys) in SIZES.into_iter().zip(&all) {
        print_line("all bundled", size, keys);
    }
}
