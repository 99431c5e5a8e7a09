//! Tests of seeks: moves to a far iteration. A seek is done in slices, Esc stops it, its result is equal, bit by bit, to that of a direct
//! computation, and a replay repeats it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use gradstep::app::{Action, Document, State, Visit, update};
use gradstep::command::driver::Driver;
use gradstep::command::{ScenarioLoader, TerminalStepper, replay};
use gradstep::keys;
use gradstep::scenario::{Limits, Source, read};
use gradstep::session::{Event, Header, Recorder, Session};
use gradstep::terminal::{Flow, Input, TerminalProgram};
use gradstep::ui::{RenderOptions, export};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// A scenario file. `train` has further lines of `[train]`.
fn text(train: &str) -> String {
    let network = "input = [1, 2]\ntarget = [1]\nloss = \"squared_error\"\n[[layer]]\ntype = \"linear\"\nweight = [[0.5, -1]]\nbias = [0.25]\n\
                   activation = \"tanh\"\n";
    format!("title = \"far\"\n{network}[train]\nlearning_rate = 0.001\nmomentum = 0.5\n{train}\n")
}

fn open(train: &str) -> State {
    let source = Source { name: "far".to_owned(), path_shown: "far".to_owned(), text: text(train) };
    let mut state = State::picker(Vec::new());
    state.open(Arc::new(Document::new(read(source, Limits::default()).unwrap())), None);
    state
}

fn press(state: &mut State, text: &str) {
    for key in keys::parse(text).unwrap() {
        if let Some(action) = keys::action(state, key) {
            update(state, action);
        }
    }
}

/// Returns the iteration and the step on the screen.
fn place(state: &State) -> (u64, u64) {
    (state.document().unwrap().trace.iteration(), state.stepper().expect("open").step)
}

fn said(state: &State) -> &str {
    state.message.as_ref().map_or("", |message| &message.text)
}

#[test]
fn a_far_iteration_is_computed_in_slices_and_can_be_stopped() {
    let mut state = open("iterations = 6000");
    press(&mut state, "ll:5000/2<Enter>");
    // the progress is the iteration that is computed next, and the wanted one
    assert_eq!((place(&state), state.job().unwrap().progress()), ((1, 3), (2, 5_000)));
    update(&mut state, Action::JobIterations(1000));
    assert_eq!((place(&state), state.job().unwrap().progress()), ((1, 3), (1002, 5_000)));
    let frame = |state: &State| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
        gradstep::ui::render(state, &RenderOptions::default(), buffer.area, &mut buffer);
        export::text(&buffer)
    };
    assert!(frame(&state).contains("computing: iteration 1002 of 5000, Esc stops"), "{}", frame(&state));
    press(&mut state, "<Esc>");
    assert_eq!(place(&state), (1, 3));
    assert!(state.job().is_none() && said(&state).starts_with("stopped at iteration 1002 of 5000"));

    press(&mut state, ":5000/2<Enter>");
    assert!(state.job().unwrap().progress().0 > 900, "the seek begins at the last stored state, not at iteration 1");
    while state.job().is_some() {
        update(&mut state, Action::JobIterations(777));
    }
    assert_eq!(place(&state), (5_000, 2));
    let direct = Document::iteration(open("iterations = 6000").document().unwrap(), 5_000);
    assert_eq!(state.document().unwrap().loss.to_bits(), direct.loss.to_bits());
}

#[test]
fn an_impossible_address_is_refused_at_once() {
    let mut state = open("iterations = 6000");
    let computed = |state: &State| state.document().unwrap().descent.computed();
    let before = computed(&state);
    for (address, why) in [
        ("reduce:loss", "there is no reduce pass: the batch has one sample"),
        ("2:loss", "there is no sample 2 in this iteration: it has the sample 1"),
        ("fc1.z[7]", "fc1.z has no entry [7]; its last entry is [0]"),
        ("update:fc1.z", "there is no op fc1.z"),
    ] {
        press(&mut state, &format!(":5000/{address}<Enter>"));
        assert!(state.job().is_none() && computed(&state) == before, "{address}");
        assert_eq!(said(&state), why, "{address}");
        press(&mut state, "<Esc>");
    }
    // fc1.z[0] has three terms, but the number of terms may differ between iterations: a term is checked when its iteration is computed
    for address in ["fc1.weight", "1:fc1.weight", "input", "velocity.fc1.weight[0,1]", "update:fc1.bias", "loss", "1:loss", "fc1.z[0]#9"] {
        press(&mut state, &format!(":5000/{address}<Enter>"));
        assert!(state.job().is_some(), "{address}: {}", said(&state));
        press(&mut state, "<Esc>");
    }
}

#[test]
fn an_earlier_update_is_reached_from_an_iteration_without_update() {
    // the tolerance ends the descent at the second iteration
    let mut state = open("iterations = 6000\ntolerance = 100");
    press(&mut state, ":2/loss<Enter>");
    assert_eq!((place(&state).0, state.document().unwrap().is_last_iteration), (2, true));
    press(&mut state, ":1/velocity.fc1.weight<Enter>");
    assert_eq!((place(&state).0, said(&state)), (1, ""));
}

#[test]
fn a_near_iteration_is_reached_at_once() {
    let mut state = open("iterations = 6000");
    press(&mut state, ":100/1<Enter>");
    assert_eq!((place(&state), state.job().is_none()), ((100, 1), true));
    press(&mut state, ":20000/1<Enter>");
    assert!(state.job().is_none() && said(&state).contains("the last is 6000"));
}

#[test]
fn a_descent_that_ends_early_is_reported() {
    let mut state = open("iterations = 6000\ntolerance = 1e-6");
    press(&mut state, ":5900/1<Enter>");
    update(&mut state, Action::JobIterations(u64::MAX));
    assert_eq!(place(&state), (1, 1));
    assert!(said(&state).starts_with("there is no iteration 5900: the tolerance ends the descent at "), "{}", said(&state));
    // `kkkkk` chooses the unit iteration; a count past the end stops at the last iteration, and keeps the step
    press(&mut state, "kkkkk5900l");
    update(&mut state, Action::JobIterations(u64::MAX));
    let document = state.document().unwrap();
    assert!(document.is_last_iteration && place(&state).0 > 100 && place(&state).1 == 1, "{:?}", place(&state));
}

#[test]
fn a_move_by_many_iterations_is_a_seek() {
    let mut state = open("iterations = 6000");
    // `kkkkk` chooses the unit iteration, `j` a smaller unit, and `k` the iteration again
    press(&mut state, "kkkkk2000l");
    assert_eq!((place(&state), state.job().unwrap().progress().1), ((1, 1), 2_001));
    press(&mut state, "j");
    assert!(state.job().is_some(), "a change of the unit does not stop the seek");
    update(&mut state, Action::JobIterations(u64::MAX));
    assert_eq!(place(&state), (2_001, 1));
    press(&mut state, "kl3h");
    assert_eq!(place(&state), (1_999, 1)); // 2001 + 1 − 3
    press(&mut state, "s2h");
    assert_eq!(place(&state), (1_997, 2), "the step is kept");
    press(&mut state, "9999l");
    update(&mut state, Action::JobIterations(5));
    press(&mut state, "s");
    assert_eq!((place(&state), state.job().is_none()), ((1_997, 3), true), "a move ends the seek");
    press(&mut state, "9999l");
    update(&mut state, Action::JobIterations(u64::MAX));
    assert_eq!(place(&state), (6_000, 3));
}

/// A file in memory, which the recorder and the test share.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const SIZE: (u16, u16) = (80, 24);

fn drawn(live: &TerminalStepper) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
    live.draw(buffer.area, &mut buffer);
    export::text(&buffer)
}

/// A clock that advances by 5 µs at each reading, so that slices are the same on every machine.
fn steady() -> Duration {
    static READINGS: AtomicU64 = AtomicU64::new(0);
    Duration::from_micros(5 * READINGS.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn a_replay_shows_the_same_seek() {
    let state = open("iterations = 9000");
    let header = Header::new("far".to_owned(), text("iterations = 9000"), Visit { iteration: 1, step: 1 }, SIZE);
    let file = Shared::default();
    let recorder = Recorder::new(Box::new(file.clone()) as Box<dyn io::Write>, &header).unwrap();
    let driver = Driver::new(state, ScenarioLoader::bundled(Limits::default())).with_slice_clock(steady);
    let mut live = TerminalStepper::new(driver, RenderOptions::default(), Some(recorder));
    let mut seen = drawn(&live);
    // time passes between two events, because a replay does at most the work that fits into this time
    let mut now = Duration::from_secs(1);
    let mut give = |live: &mut TerminalStepper, input: Input| {
        now += Duration::from_millis(20);
        assert_eq!(live.input(input, now).unwrap(), Flow::Changed);
        seen += &drawn(live);
    };
    let key = |code| Input::Key(KeyEvent::new(code, KeyModifiers::NONE));
    // the first seek is stopped, the second finishes
    let mut slices = 0;
    for (address, max_slices) in [(":9000/1", 3), (":4000/3", u64::MAX)] {
        address.chars().for_each(|c| give(&mut live, key(KeyCode::Char(c))));
        give(&mut live, key(KeyCode::Enter));
        let before = slices;
        while live.wake() == Some(Duration::ZERO) && slices - before < max_slices {
            slices += 1;
            give(&mut live, Input::Wake);
        }
        give(&mut live, key(KeyCode::Esc));
    }
    drop(live);
    let bytes = file.0.lock().unwrap().clone();
    let session = Session::read(&bytes).unwrap();
    assert_eq!(session.events.iter().filter(|(_, event)| matches!(event, Event::Pieces(_))).count() as u64, slices);
    assert!((4..100).contains(&slices), "{slices} slices");
    let driver = replay::begin(&session, Limits::default()).unwrap();
    let mut replayed = String::new();
    replay::frames(&session, driver, &RenderOptions::default(), |frame| {
        replayed += &export::text(&frame.buffer);
        Ok(())
    })
    .unwrap();
    assert!(seen == replayed && seen.contains("stopped at iteration") && seen.contains("iteration 4000"));
}

/// If there are several samples, the address `loss` is the loss of one sample. The status line then shows the address of the batch's loss.
#[test]
fn the_status_line_at_a_samples_loss_shows_the_address_of_the_batchs_loss() {
    let text = "title = \"two\"\nloss = \"squared_error\"\n[[sample]]\ninput = [1]\ntarget = [2]\n[[sample]]\ninput = [2]\ntarget = [3]\n\
                [[layer]]\ntype = \"linear\"\nweight = [[0.5]]\n[train]\nlearning_rate = 0.1\niterations = 200\n";
    let source = Source { name: "two".to_owned(), path_shown: "two".to_owned(), text: text.to_owned() };
    let mut state = State::picker(Vec::new());
    state.open(Arc::new(Document::new(read(source, Limits::default()).unwrap())), None);
    press(&mut state, ":100/loss<Enter>");
    assert_eq!(said(&state), "this is the loss of one sample; the batch's is 100/reduce:loss");
    press(&mut state, ":100/reduce:loss<Enter>");
    assert_eq!(said(&state), "");
    press(&mut state, ":2:loss<Enter>");
    assert_eq!(said(&state), "this is the loss of one sample; the batch's is 100/reduce:loss");
    let mut with_one_sample = open("iterations = 10");
    press(&mut with_one_sample, ":2/loss<Enter>");
    assert_eq!(said(&with_one_sample), "");
}
