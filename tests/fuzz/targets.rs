//! The fuzz targets: functions of bytes that panic if a guarantee is broken. `main.rs` beside this file drives them with mutated files,
//! `fuzz/` with libFuzzer.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gradstep::app::{Action, CompareOptions, Document, Focus, GradientComparison, Screen, State, update};
use gradstep::command::{picker_entries, replay};
use gradstep::diff;
use gradstep::keys;
use gradstep::scenario::{self, Files, Limits, Scenario, Source};
use gradstep::session::Session;
use gradstep::step::{Address, Kind};
use gradstep::text::escape;
use gradstep::trace::Trace;
use gradstep::ui::theme::{Background, Colours, Theme};
use gradstep::ui::{self, RenderOptions, export};
use gradstep::weights::{self, WeightsError};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Limits large enough for every seed, and small enough to compute a scenario within milliseconds.
const LIMITS: Limits = Limits { memory: 2 << 20 };

/// The last iteration at which a replayed session may begin.
const LAST_FIRST_ITERATION: u64 = 1000;

/// The number of bytes that no error message reaches, because a message has only the excerpt around the fault.
const LONGEST_MESSAGE: usize = 1 << 20;

/// Checks that a text has no control characters and no invisible characters.
fn check_visible(text: &str) {
    assert_eq!(escape(text), text, "a character reaches the screen without being escaped");
}

/// Files that a scenario may name, by their paths.
#[derive(Debug)]
pub struct FilesInMemory(pub BTreeMap<String, Vec<u8>>);

impl Files for FilesInMemory {
    fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, WeightsError> {
        let bytes = self.0.get(path).filter(|bytes| bytes.len() <= most);
        bytes.cloned().ok_or_else(|| WeightsError::new("there is no such file", ""))
    }
}

fn read(text: &[u8], files: &Arc<FilesInMemory>) -> Option<Scenario> {
    let source = Source::from_bytes("fuzz".to_owned(), "fuzz.toml".to_owned(), text.to_vec());
    match source.and_then(|source| scenario::read_with_files(source, LIMITS, Arc::clone(files) as _)) {
        Ok(scenario) => Some(scenario),
        Err(faults) => {
            assert!(!faults.faults().is_empty(), "a refused file without a fault");
            let message = faults.render(false);
            check_visible(&message);
            assert!(message.len() < LONGEST_MESSAGE, "{} bytes of message", message.len());
            None
        }
    }
}

/// Target: the text of a scenario file. It is refused with a message, or its steps add up and its frames are drawn.
pub fn scenario(text: &[u8], files: &Arc<FilesInMemory>) {
    let Some(scenario) = read(text, files) else { return };
    let document = Arc::new(Document::new(scenario));
    let count = document.trace.len();
    for k in [1, 2, count / 3, count / 2, count.saturating_sub(1), count] {
        check_step(&document.trace, k);
    }
    let mut state = State::picker(Vec::new());
    for step in [1, count.div_ceil(2), count] {
        state.open(Arc::clone(&document), Some(step));
        for (width, height) in [(80, 24), (130, 45)] {
            check_visible(&export::text(&frame(&state, width, height)));
        }
    }
}

/// Target: the statements of a graph with inputs and constants of several shapes. They are refused with a message, or treated as a scenario.
pub fn graph(statements: &[u8]) {
    scenario(text_of_graph(statements).as_bytes(), &Arc::new(FilesInMemory(BTreeMap::new())));
}

/// Returns whether statements of the target [`graph`] have no fault.
pub fn is_valid(statements: &[u8]) -> bool {
    read(text_of_graph(statements).as_bytes(), &Arc::new(FilesInMemory(BTreeMap::new()))).is_some()
}

fn text_of_graph(statements: &[u8]) -> String {
    // TOML ends the text at three quotes
    let statements = String::from_utf8_lossy(statements).replace("'''", "'' '");
    format!("title = \"fuzz\"\n[graph]\nnodes = '''\n{statements}\n'''\n{GIVEN}")
}

/// The tensors of the target [`graph`]: names that are usual in exercises.
const GIVEN: &str = "
[graph.inputs]
x = [[1, -2, 0.5], [0.25, 3, -1]]
w = [0.5, -1, 2]
W = [[1, 2], [-0.5, 0.25], [0, 1]]
b = 0.5
h = [[[1, 2, 3], [4, 5, 6]], [[-1, -2, -3], [0, 0.5, 1]]]
C = { init = \"normal\", seed = 1, shape = [4, 2] }
G = { init = \"ones\", shape = [2, 3] }
[graph.constants]
n = 2
eps = 1e-5
y = [0, 2]
ix = [[0, 1], [3, 2]]
mask = [[true, false, true], [false, true, true]]
";

/// Checks step k: its value is the product of its factors, its sum is that of the step before plus the value, and its address leads back to it.
fn check_step(trace: &Trace, k: u64) {
    let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    let (Some(step), Some(at)) = (trace.get(k), trace.position(k)) else {
        assert!(k == 0 || k > trace.len(), "there is no step {k} of {}", trace.len());
        return;
    };
    if step.kind == Kind::Product {
        let product = step.factors.iter().map(|factor| factor.value).reduce(|product, factor| product * factor);
        assert!(product.is_some_and(|product| same(product, step.value)), "step {k} is not the product of its factors: {step:?}");
    }
    // an empty sum is −0, because −0 + x has the bits of x
    let before = (step.term > 1).then(|| trace.get(k - 1)).flatten().map_or(-0.0, |before| before.sum);
    assert!(same(before + step.value, step.sum), "step {k} does not add up: {step:?}");
    if step.term == step.terms {
        let entry = trace.run(at.run_index).values(trace.op_at(&at).output)[at.entry];
        assert!(same(step.sum, entry), "step {k} ends at another value than its entry's, {entry:?}: {step:?}");
    }
    let address = trace.address(&at).to_string();
    let found = address.parse::<Address>().map_err(|error| error.to_string()).and_then(|address| trace.resolve(&address));
    assert_eq!(found, Ok(k), "the address {address} of step {k}");
}

fn frame(state: &State, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    ui::render(state, &RenderOptions { theme: Theme::new(Colours::True, Background::Dark), ascii: false }, area, &mut buffer);
    buffer
}

/// Target: the bytes of a file with tensors. It is refused, or each tensor has the numbers of its shape.
pub fn weights(name: &str, bytes: &[u8]) {
    let Err(wrong) = tensors(name, bytes) else { return };
    assert!(!wrong.message.is_empty(), "a refused file without a message");
    assert!(wrong.message.len() < LONGEST_MESSAGE, "{} bytes of message", wrong.message.len());
}

fn tensors(name: &str, bytes: &[u8]) -> Result<(), WeightsError> {
    let archive = weights::opener(name)?(bytes.to_vec())?;
    // a file without names is one tensor
    let count = archive.names().map_or(1, |names| names.list().len());
    for index in 0..count {
        let layout = archive.layout(index)?;
        let numbers = layout.numbers(&archive.bytes(index)?)?;
        assert_eq!(numbers.len(), layout.shape().iter().product::<usize>(), "{name}: tensor {index} of shape {:?}", layout.shape());
    }
    Ok(())
}

/// The network that files of gradients are compared with.
fn compared_network() -> &'static Document {
    static NETWORK: OnceLock<Document> = OnceLock::new();
    NETWORK.get_or_init(|| {
        let text = gradstep::command::bundled::find("xor").expect("a bundled scenario").text;
        let source = Source { name: "fuzz".to_owned(), path_shown: "fuzz".to_owned(), text: text.to_owned() };
        Document::new(scenario::read(source, Limits::default()).expect("a valid scenario"))
    })
}

/// Target: the bytes of a file with a user's gradients. It is refused with a message, or its tensors have the numbers of their shapes and are compared.
pub fn gradients(name: &str, bytes: &[u8]) {
    for only in [None, Some("fc1.weight")] {
        let tensors = match diff::read(name, bytes.to_vec(), only) {
            Ok(tensors) => tensors,
            Err(WeightsError { message, help }) => {
                assert!(!message.is_empty(), "a refused file without a message");
                assert!(message.len() + help.len() < LONGEST_MESSAGE, "{} bytes of message", message.len());
                continue;
            }
        };
        for tensor in &tensors {
            assert_eq!(tensor.values.len(), tensor.shape.iter().product::<usize>(), "{} of shape {:?}", tensor.name, tensor.shape);
        }
        match GradientComparison::without_causes(compared_network(), "fuzz".to_owned(), tensors, CompareOptions::default()) {
            Ok(comparison) => comparison.user.notes.iter().for_each(|note| check_visible(note)),
            Err(why) => check_visible(&why),
        }
    }
}

/// Target: the bytes of a session file. It is refused with a sentence, or its first hundred frames are drawn.
pub fn session(bytes: &[u8]) {
    let session = match Session::read(bytes) {
        Ok(session) => session,
        Err(why) => return check_visible(&escape(&why.to_string())),
    };
    if session.header.iteration > LAST_FIRST_ITERATION || session.header.goal.is_some() {
        return; // a replay would first compute the iteration, or train up to the goal, which can take long
    }
    let Ok(driver) = replay::begin(&session, LIMITS) else { return };
    let options = RenderOptions { theme: Theme::new(Colours::Indexed, Background::Light), ascii: true };
    let mut drawn = 0;
    // the error after 100 frames only ends the replay
    let _ = replay::frames(&session, driver, &options, |frame| {
        check_visible(&export::text(&frame.buffer));
        drawn += 1;
        anyhow::ensure!(drawn < 100, "enough frames");
        Ok(())
    });
}

/// Target: inputs for a stepper with an open scenario. Each two bytes are one input: another size of the screen, a time, a slice of work, a click or a key.
/// Every byte string is valid.
pub fn keys(document: &Arc<Document>, bytes: &[u8]) {
    let mut state = State::picker(picker_entries::bundled());
    state.open(Arc::clone(document), None);
    let (mut size, mut now) = ((80, 24), Duration::ZERO);
    for input in bytes.chunks(2) {
        let (kind, value) = (input[0], input.get(1).copied().unwrap_or(0));
        match kind {
            0..=15 => size = (u16::from(kind) * 16 + u16::from(value) % 16, u16::from(value) % 70),
            16..=31 => {
                now += Duration::from_millis(u64::from(value) << (kind - 16));
                update(&mut state, Action::Clock(now));
            }
            32..=47 => {
                update(&mut state, Action::JobIterations(u64::from(value)));
            }
            48..=79 => {
                let screen = Rect::new(0, 0, size.0, size.1);
                let (x, y) = (u16::from(kind - 48) * size.0 / 32, u16::from(value) * size.1 / 256);
                let target = ui::click(&state, &RenderOptions::default(), screen, x, y);
                if let Some(action) = target.and_then(|target| target.action(&state)) {
                    update(&mut state, action);
                }
            }
            _ => press(&mut state, value),
        }
        let trace = &state.document().expect("a document stays open").trace;
        assert!(
            (1..=trace.len()).contains(&state.stepper().expect("open").step),
            "step {} of {}",
            state.stepper().expect("open").step,
            trace.len()
        );
        // in the picker a scenario is selected, except while the picker's filter is typed: then perhaps no scenario matches
        assert!(matches!(&state.screen, Screen::Stepper(_)) || state.selected_scenario().is_some() || state.focus() == Focus::Filter);
        check_visible(&export::text(&frame(&state, size.0, size.1)));
    }
}

/// Presses the key of a byte: an ASCII character, one of four other characters, or a key from `NAMED`.
fn press(state: &mut State, byte: u8) {
    const NAMED: &str = "<Esc> <Enter> <Tab> <S-Tab> <Left> <Right> <Up> <Down> <Home> <End> <PgUp> <PgDn> <BS> <Del> <Space> <C-u> <C-w> <C-d> \
        <C-f> <C-b> <M-l> <S-Left> <S-Right> <F5>";
    let text = match byte {
        b' '..=b'~' if byte != b'<' => char::from(byte).to_string(),
        128..=131 => ["\u{202e}", "ß", "∂", "\u{200b}"][usize::from(byte - 128)].to_owned(),
        _ => NAMED.split(' ').cycle().nth(byte.into()).unwrap_or_default().to_owned(),
    };
    for key in keys::parse(&text).expect("a key") {
        if let Some(action) = keys::action(state, key) {
            update(state, action);
        }
    }
}
