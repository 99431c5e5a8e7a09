//! A comparison can be interrupted: it checks often whether its result is still wanted, and ends soon after it is not. The tests count the work between two
//! checks, and do not measure time.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;

use gradstep::app::{CompareOptions, Document, GradientComparison, State};
use gradstep::command::ScenarioLoader;
use gradstep::command::driver::Driver;
use gradstep::diff::{Choice, FileTensor};
use gradstep::interrupt::{Interrupted, SLICE, TERM, interruptible};
use gradstep::scenario::Limits;
use gradstep::session::Event;
use gradstep::tally;
use gradstep::{keys, threads};
use std::time::Duration;
use tempfile::tempdir;

use super::document;

/// A network with two convolutions of images with `size` x `size` pixels.
fn convolutions(size: usize) -> String {
    let conv = |channels: usize, seed: usize| {
        format!(
            "[[layer]]\ntype = \"conv2d\"\nout_channels = {channels}\nkernel_size = 3\npadding = 1\nactivation = \"relu\"\n\
             weight = {{ init = \"he_normal\", seed = {seed} }}\nbias = {{ init = \"zeros\" }}\n[[layer]]\ntype = \"max_pool2d\"\nkernel_size = 2\n"
        )
    };
    format!(
        "title = \"convolutions\"\nloss = \"squared_error\"\ninput = {{ init = \"normal\", seed = 1, shape = [3, {size}, {size}] }}\ntarget = [0, 1]\n{}{}\
         [[layer]]\ntype = \"flatten\"\n[[layer]]\ntype = \"linear\"\nout_features = 2\nweight = {{ init = \"he_normal\", seed = 4 }}\nbias = {{ init = \"zeros\" }}\n",
        conv(8, 2),
        conv(8, 3)
    )
}

fn opened(size: usize) -> Document {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("net.toml");
    fs::write(&path, convolutions(size)).expect("a file");
    document(&path.to_string_lossy())
}

/// The right gradient of the first filters, with an irregular error in each number, so that no known mistake gives it.
fn unexplained(document: &Document) -> Vec<FileTensor> {
    let network = document.trace.network();
    let id = network.find("grad.conv1.weight").expect("a gradient");
    let numbers = document.trace.run(0).values(id);
    let values = numbers.iter().zip(1..).map(|(right, n)| right + 0.01 * (f64::from(n * n % 17) - 8.5)).collect();
    vec![FileTensor {
        name: "conv1.weight".to_owned(),
        sample: None,
        shape: network.tensor(id).shape.clone(),
        values,
        is_half: false,
        choice: Choice::Compared,
    }]
}

fn compared(document: &Document) -> Result<GradientComparison, String> {
    GradientComparison::new(document, "mine.json".to_owned(), unexplained(document), CompareOptions::default())
}

/// The largest number of factors that are read between two checks. A slice of work has SLICE / TERM terms, and a term has at most four factors; 10,000 are
/// a margin.
const MAX_FACTORS: u64 = 4 * SLICE / TERM + 10_000;

#[test]
fn between_two_checks_there_is_at_most_one_slice_of_work() {
    let document = opened(24);
    let work = Rc::new(RefCell::new(Vec::new()));
    let counted = Rc::clone(&work);
    let _ = tally::take();
    let check = move || {
        counted.borrow_mut().push(tally::take());
        true
    };
    let comparison = interruptible(check, || compared(&document)).expect("it is not interrupted").expect("a gradient");
    assert!(!comparison.report.is_equal() && comparison.causes.is_empty(), "{:?}", comparison.causes);
    let work = work.borrow();
    let (most, all): (u64, u64) = (work.iter().copied().max().expect("checks"), work.iter().sum());
    assert!(most <= MAX_FACTORS, "{most} factors in one slice");
    // one slice would not be enough for this network
    assert!(all > 2 * MAX_FACTORS && work.len() > 50, "{all} factors, {} checks", work.len());
}

#[test]
fn an_interrupted_comparison_ends_within_a_slice() {
    let document = opened(24);
    for checks in [1, 2, 10, 25] {
        let left = Rc::new(Cell::new(checks));
        let counted = Rc::clone(&left);
        let check = move || {
            let _ = tally::take();
            counted.set(counted.get() - 1);
            counted.get() > 0
        };
        assert_eq!(interruptible(check, || compared(&document)).map(|_| ()), Err(Interrupted));
        let after = tally::take();
        assert!(left.get() == 0 && after <= MAX_FACTORS, "{after} factors after check {checks}");
    }
    // the document is as it was: a comparison finds all 8·3·3·3 entries of conv1.weight wrong
    assert_eq!(compared(&document).expect("a gradient").report.tensors[0].wrong.len(), 216);
}

/// Esc, q and Ctrl-C in the stepper while it compares.
#[test]
fn keys_work_while_the_stepper_compares() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("mine.json");
    let document = Arc::new(opened(32));
    let tensor = unexplained(&document).remove(0);
    fs::write(&file, format!("{{\"conv1.weight\": {:?}}}", nested(&tensor))).expect("a file");
    // begins a comparison, and presses keys before it ends; returns the effect of the last key too
    let begin = |keys_pressed: &str| {
        let mut state = State::picker(Vec::new());
        state.open(Arc::clone(&document), Some(1));
        let mut driver = Driver::new(state, ScenarioLoader { limits: Limits::default(), opens_files: true });
        let pressed = format!(":mine {}<CR>{keys_pressed}", file.display());
        let effects = keys::parse(&pressed).expect("keys").into_iter().map(|key| driver.apply(&Event::Key(key), Duration::ZERO));
        let last = effects.last().expect("a key");
        (driver, last)
    };
    let said = |driver: &Driver| driver.state.message.as_ref().map_or_else(String::new, |message| message.text.clone());
    let (driver, _) = begin("");
    assert!(said(&driver).starts_with("comparing with ") && driver.has_work(Duration::ZERO), "{}", said(&driver));
    let (driver, _) = begin("<Esc>");
    assert!(said(&driver).starts_with("stopped comparing with ") && !driver.has_work(Duration::ZERO), "{}", said(&driver));
    // meanwhile, the key `s` still moves by one step
    let (driver, _) = begin("ss");
    assert_eq!(driver.state.stepper().expect("open").step, 3);
    for quits in ["q", "<C-c>"] {
        assert_eq!(begin(quits).1, gradstep::command::driver::Effect::Quit, "{quits}");
    }
    // the abandoned comparisons end
    threads::wait_until_idle();
}

/// The numbers of a tensor of rank 4 as nested arrays.
fn nested(tensor: &FileTensor) -> Vec<Vec<Vec<Vec<f64>>>> {
    let [_, channels, rows, columns] = tensor.shape[..] else { panic!("{:?}", tensor.shape) };
    let rows_of = |channel: &[f64]| channel.chunks(columns).map(<[f64]>::to_vec).collect::<Vec<_>>();
    let channels_of = |filter: &[f64]| filter.chunks(rows * columns).map(rows_of).collect::<Vec<_>>();
    tensor.values.chunks(channels * rows * columns).map(channels_of).collect()
}

/// The lines `which` and `where` are printed before the search for the mistakes. Ctrl-C stops the search.
#[cfg(unix)]
#[test]
fn the_comparison_is_printed_first_and_ctrl_c_stops_the_search() {
    let folder = tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("net.toml"), convolutions(64)).expect("a file");
    let tensor = unexplained(&document(&path("net.toml").to_string_lossy())).remove(0);
    fs::write(path("mine.json"), format!("{{\"conv1.weight\": {:?}}}", nested(&tensor))).expect("a file");
    let mut child = Command::new(env!("CARGO_BIN_EXE_gradstep"))
        .arg("diff")
        .args([path("net.toml"), path("mine.json")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let lines: Vec<String> = out.by_ref().take(4).map(|line| line.expect("UTF-8")).collect();
    assert_eq!(&lines[..3], ["convolutions: the gradient is wrong; 5 others are not compared", "", "which   conv1.weight"]);
    assert!(lines[3].starts_with("where   seen first at conv1.weight[0,0,0,0]: yours "), "{lines:?}");
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("a signal");
    let status = child.wait().expect("an end");
    let (rest, mut err) = (out.map(|line| line.expect("UTF-8")).collect::<Vec<_>>(), String::new());
    child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("UTF-8");
    assert_eq!((status.code(), rest.len()), (Some(130), 0), "{rest:?}{err}");
    assert!(err.contains("stopped after ") || err.contains("stopped before the first mistake"), "{err}");
}
