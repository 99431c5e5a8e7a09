//! Tests that the stepper always responds: between two checks for a key it does at most one slice of work, in every mode, even if the clock jumps. The tests
//! count the work and do not measure time.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use gradstep::app::{Document, Focus, Job, ScenarioEntry, ScenarioGroup, State, Visit};
use gradstep::command::driver::Driver;
use gradstep::command::replay::{self, Player};
use gradstep::command::{ScenarioLoader, TerminalStepper};
use gradstep::keys::{Code, parse};
use gradstep::scenario::{Limits, Source, read};
use gradstep::session::{Event, Header, Session};
use gradstep::terminal::{Input, TerminalProgram};
use gradstep::ui::RenderOptions;

/// The number of nodes of a graph. With the backward pass, an iteration has more ops than a key computes at once.
const NODES: usize = 6000;
/// The largest number of ops that a key computes at once: the limit of `app/work.rs` divided by the cost of an op.
const AT_ONCE: u64 = 10_000;
/// The time by which the test clock advances at each reading: a slice is always over after one piece.
const LATE: Duration = Duration::from_secs(60);

/// A clock that advances by [`LATE`] at each reading.
fn late() -> Duration {
    thread_local! {
        static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }
    NOW.set(NOW.get() + LATE);
    NOW.get()
}

/// A graph of [`NODES`] nodes. `start` is the line of the scenario that gives its first step, or empty.
fn chain(start: &str) -> String {
    let mut text = format!("title = \"chain\"\n{start}\n[graph]\ninputs = {{ a = 0.5, b = 0.25 }}\nnodes = [\n\"n0 = a + b\",\n");
    for n in 1..NODES {
        writeln!(text, "\"n{n} = n{} {} b\",", n - 1, if n % 2 == 0 { "*" } else { "+" }).unwrap();
    }
    text + "]\n[train]\nlearn = [\"a\"]\nlearning_rate = 1e-9\niterations = 1000000000\n"
}

fn state(text: &str) -> State {
    let source = Source { name: "chain".to_owned(), path_shown: "chain".to_owned(), text: text.to_owned() };
    let entry = |name: &str| ScenarioEntry {
        name: name.to_owned(),
        title: String::new(),
        summary: String::new(),
        source: String::new(),
        group: ScenarioGroup::Bundled,
    };
    let mut state = State::picker(vec![entry("figure-14"), entry("xor")]);
    state.open(Arc::new(Document::new(read(source, Limits::default()).unwrap())), None);
    state
}

fn driver(state: State) -> Driver {
    Driver::new(state, ScenarioLoader::bundled(Limits::default())).with_slice_clock(late)
}

fn input(text: &str) -> Vec<Input> {
    let code = |code| match code {
        Code::Char(c) => KeyCode::Char(c),
        Code::Enter => KeyCode::Enter,
        Code::Esc => KeyCode::Esc,
        other => panic!("{other:?}"),
    };
    parse(text).unwrap().into_iter().map(|key| Input::Key(KeyEvent::new(code(key.code), KeyModifiers::NONE))).collect()
}

/// The number of ops that were computed so far.
fn computed(driver: &Driver) -> u64 {
    driver.state.document().map_or(0, |document| document.descent.computed())
}

/// The stepper with a clock that advances by a minute at each reading.
struct World {
    live: TerminalStepper,
    now: Duration,
}

impl World {
    fn new(text: &str) -> Self {
        Self { live: TerminalStepper::new(driver(state(text)), RenderOptions::default(), None), now: Duration::ZERO }
    }

    fn state(&self) -> &State {
        &self.live.driver().state
    }

    /// Returns the iteration and the step on the screen.
    fn place(&self) -> (u64, u64) {
        (self.state().document().unwrap().trace.iteration(), self.state().stepper().expect("open").step)
    }

    /// Sends an input. Returns the number of ops that it computes.
    fn send(&mut self, input: Input) -> u64 {
        let before = computed(self.live.driver());
        self.now += LATE;
        self.live.input(input, self.now).unwrap();
        let done = computed(self.live.driver()) - before;
        assert!(done <= AT_ONCE, "one event computes {done} ops");
        done
    }

    fn press(&mut self, keys: &str) {
        for input in input(keys) {
            self.send(input);
        }
    }

    /// Wakes the stepper, and checks that it does at most one piece of work, or one move of play. Returns the number of ops that it computes.
    fn wake(&mut self) -> u64 {
        let (has_job, before) = (self.state().job().is_some(), self.place());
        let done = self.send(Input::Wake);
        if has_job {
            assert!(done <= 1, "a slice without time computes {done} ops");
        } else {
            let trace = &self.state().document().unwrap().trace;
            // at the end of a unit, play moves over the next one
            let span = trace.span((before.1 + 1).min(trace.len()), self.state().stepper().expect("open").unit);
            let (after, starts_job) = (self.place(), self.state().job().is_some());
            assert!(starts_job || after.0 > before.0 || after.1 <= span.end, "{before:?} to {after:?} is more than one unit");
        }
        done
    }
}

#[test]
fn play_makes_one_unit_or_slice_at_each_wake() {
    for (coarser, opens, focus) in [
        ("", "", Focus::Normal),
        ("k", "?", Focus::Overlay),
        ("kk", "M", Focus::Map),
        ("kkk", "o", Focus::Picker),
        ("kkkk", "", Focus::Normal),
    ] {
        let mut world = World::new(&chain(""));
        world.press(&format!("{coarser}++++++++<Space>{opens}"));
        assert_eq!(world.state().focus(), focus);
        let begin = world.place();
        for _ in 0..200 {
            assert!(world.live.wake().is_some(), "play goes on");
            world.wake();
        }
        assert!(world.place() > begin || world.state().job().is_some(), "{focus:?} {:?}", world.place());
        // keys still work
        world.press(if opens.is_empty() { "<Space>" } else { "<Esc><Space>" });
        assert!(world.state().wake().is_none() && world.state().job().is_none(), "{focus:?}");
    }
}

#[test]
fn a_long_unit_of_play_is_done_in_slices_and_the_next_is_a_period_later() {
    let mut world = World::new(&chain(""));
    world.press("kkkk<Space>");
    world.wake();
    assert!(world.state().job().is_some());
    let mut pieces = 0;
    while world.state().job().is_some() {
        pieces += world.wake();
    }
    assert_eq!(world.place(), (2, 1));
    assert!(pieces > 10_000, "{pieces}");
    assert_eq!(
        world.state().wake(),
        Some(world.now + world.state().settings.period()),
        "the next unit is a period later, however long this one took"
    );
    // Esc stops the current unit, and play
    world.wake();
    world.wake();
    assert!(world.state().job().is_some());
    world.press("<Esc>");
    assert!(world.state().job().is_none() && world.state().wake().is_none());
    assert_eq!(world.place(), (2, 1));
}

#[test]
fn a_key_leaves_long_work_to_slices() {
    let mut world = World::new(&chain(""));
    let all = "3G kkk99999l <Esc> 99999h :1000000/loss<Enter> <Esc> kkkk5l <Esc> h jjjjG l <Esc> L lhspsp <Space> <Space> <Esc>";
    for keys in all.split(' ') {
        world.press(keys);
        for _ in 0..20 {
            world.wake();
        }
    }
    world.press("g5l");
    assert!(world.place() == (1, 6) && world.state().job().is_none(), "a near step is reached at once");
}

/// A move by several passes and iterations that is done in slices ends at the right step.
#[test]
fn a_move_by_many_passes_in_slices_arrives() {
    let mut world = World::new(&chain(""));
    world.press("kkk7l");
    assert!(world.state().job().is_some());
    let mut wakes = 0;
    while world.state().job().is_some() {
        world.wake();
        wakes += 1;
    }
    // seven passes: forward, backward and update of two iterations, then forward of the third
    assert_eq!(world.place().0, 3);
    let trace = &world.state().document().unwrap().trace;
    assert_eq!(trace.passes().next().unwrap().2.end - 1, world.place().1);
    assert!(wakes > 20_000, "{wakes}");
    world.press("7h");
    while world.state().job().is_some() {
        world.wake();
    }
    assert_eq!(world.place(), (1, 1));
}

#[test]
fn a_scenario_with_a_far_start_opens_at_once() {
    let mut world = World::new(&chain("start = \"1000000000/n5\""));
    assert_eq!((world.place(), world.state().job().unwrap().progress()), ((1, 1), (2, 1_000_000_000)));
    assert!(computed(world.live.driver()) < 2 * AT_ONCE + 100, "only the first iteration is computed");
    assert_eq!(world.live.wake(), Some(Duration::ZERO));
    for _ in 0..50 {
        world.wake();
    }
    world.press("<Esc>");
    assert!(world.state().job().is_none());
    assert_eq!(world.place(), (1, 1));
}

/// Ops of nine million multiplications each.
const WIDE: &str = r#"
title = "wide"
input = { init = "normal", seed = 1, shape = [3000] }
target = { init = "zeros" }
loss = "squared_error"
[[layer]]
type = "linear"
out_features = 3000
weight = { init = "he_normal", seed = 2 }
bias = { init = "zeros" }
activation = "identity"
[train]
learning_rate = 1e-7
iterations = 1000
"#;

/// The bits of the sum of the step on the screen.
fn bits(world: &World) -> u64 {
    let document = world.state().document().unwrap();
    document.trace.get(world.state().stepper().expect("open").step).unwrap().sum.to_bits()
}

#[test]
fn no_slice_waits_for_a_long_op() {
    let mut world = World::new(WIDE);
    world.press(":3/loss<Enter>");
    let before = computed(world.live.driver());
    // the numbers of ops that were computed before each slice that ended before its op was finished
    let mut unfinished = Vec::new();
    while let Some(progress) = world.state().job().map(Job::progress) {
        let at = computed(world.live.driver());
        world.send(Input::Wake);
        if world.state().job().map(Job::progress) == Some(progress) && computed(world.live.driver()) == at {
            unfinished.push(at - before);
        }
        // between two slices, keys work
        world.press("?");
        world.press("?");
    }
    unfinished.dedup();
    // there were such slices after 1 to 7 ops: within an iteration, and not only at its ends
    assert!(unfinished.iter().any(|ops| (1..8).contains(ops)), "{unfinished:?}");
    assert_eq!(world.place().0, 3);
    let mut direct = World::new(WIDE);
    let document = direct.state().document().unwrap().iteration(3);
    let there = document.trace.resolve(&"3/loss".parse::<gradstep::step::Address>().unwrap()).unwrap();
    assert_eq!(world.state().stepper().expect("open").step, there);
    assert_eq!(bits(&world), document.trace.get(there).unwrap().sum.to_bits());
    // Esc stops an op in progress, and the next move starts from the same numbers
    for _ in 0..3 {
        direct.press(":3/loss<Enter>");
        direct.send(Input::Wake);
        direct.press("<Esc>");
        assert!(direct.state().job().is_none());
    }
    // a clone of the driver arrives too
    direct.press(":3/loss<Enter>");
    direct.send(Input::Wake);
    let mut cloned = World { live: TerminalStepper::new(direct.live.driver().clone(), RenderOptions::default(), None), now: direct.now };
    for world in [&mut direct, &mut cloned] {
        while world.state().job().is_some() {
            world.send(Input::Wake);
        }
    }
    assert_eq!((direct.place(), bits(&direct)), (world.place(), bits(&world)));
    assert_eq!((cloned.place(), bits(&cloned)), (world.place(), bits(&world)));
}

/// A key that is pressed again during a seek moves the goal of the seek. A seek is a job that computes another iteration and goes there.
#[test]
fn keys_during_a_seek_add_up() {
    let arrive = |world: &mut World| {
        while world.state().job().is_some() {
            world.send(Input::Wake);
        }
        world.place()
    };
    for text in [WIDE.to_owned(), chain("")] {
        let mut world = World::new(&text);
        world.press("kkkkkklllll"); // five moves by an iteration
        assert_eq!(arrive(&mut world), (6, 1));
        world.press("hh2h");
        assert_eq!(arrive(&mut world), (2, 1));
        // forward and back
        world.press("llh");
        assert_eq!(arrive(&mut world), (3, 1));
        // a move to the first step ends the job, and so does Esc
        world.press("lljg");
        assert!(world.state().job().is_none());
        world.press("kl<Esc>");
        assert!(world.state().job().is_none());
    }
    // by passes, over the end of an iteration
    let mut world = World::new(&chain(""));
    world.press("jjjjjjkkkG");
    let mut counted = World::new(&chain(""));
    counted.press("jjjjjjkkkG4l");
    world.press("llll");
    assert_eq!(arrive(&mut world), arrive(&mut counted));
}

#[test]
fn no_key_waits_for_a_file_of_the_picker() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("wide.toml"), WIDE).unwrap();
    fs::write(path("wrong.toml"), "title = 1").unwrap();
    let entry = |name: String| ScenarioEntry {
        name,
        title: String::new(),
        summary: String::new(),
        source: String::new(),
        group: ScenarioGroup::Folder,
    };
    let state = State::picker(["wide.toml", "wrong.toml", "none.toml"].map(|name| entry(path(name))).to_vec());
    let loader = ScenarioLoader { limits: Limits::default(), opens_files: true };
    let mut world = World {
        live: TerminalStepper::new(Driver::new(state, loader).with_slice_clock(late), RenderOptions::default(), None),
        now: Duration::ZERO,
    };
    let said = |world: &World| world.state().message.as_ref().map_or_else(String::new, |message| message.text.clone());
    let opened = |world: &mut World, keys: &str| {
        world.press(keys);
        while said(world).starts_with("opening ") {
            assert_eq!(world.live.wake(), Some(Duration::ZERO));
            world.send(Input::Wake);
        }
        said(world)
    };
    // Esc stops the opening of a file, or another file is opened instead
    world.press("<Enter>");
    assert!(said(&world).ends_with("wide.toml: Esc stops this"), "{}", said(&world));
    world.press("<Esc>");
    assert!(said(&world).starts_with("stopped opening ") && world.live.wake().is_none(), "{}", said(&world));
    assert!(opened(&mut world, "j<Enter>").contains("is not valid"), "{}", said(&world));
    world.press("k<Enter>");
    assert!(opened(&mut world, "jj<Enter>").contains("there is no file"), "{}", said(&world));
    assert_eq!(world.state().focus(), Focus::Picker);
    assert_eq!(opened(&mut world, "kkk<Enter>"), "");
    assert_eq!((world.state().focus(), world.place()), (Focus::Normal, (1, 1)));
}

/// A session with these keys, one per second. It has no events for slices of work.
fn inexact_session(text: &str, keys: &str) -> Session {
    let mut header = Header::new("chain".to_owned(), text.to_owned(), Visit { iteration: 1, step: 1 }, (80, 24));
    header.exact = false;
    let keys = (1..).map(Duration::from_secs).zip(parse(keys).unwrap());
    Session { header, events: keys.map(|(time, key)| (time, Event::Key(key))).collect(), is_truncated: false }
}

#[test]
fn a_replay_does_one_event_or_one_slice_at_each_wake() {
    let session = inexact_session(&chain(""), "kkkk<Space>?l:9/1<Enter>jjj");
    let driver = replay::begin(&session, Limits::default()).unwrap().with_slice_clock(late);
    let mut player = Player::new(&session, driver, 1000.0, RenderOptions::default());
    let mut now = Duration::ZERO;
    let mut wakes = 0;
    while player.driver().state.message.as_ref().is_none_or(|message| !message.text.starts_with("the recording breaks off here")) {
        let before = computed(player.driver());
        now += LATE;
        player.input(Input::Wake, now).unwrap();
        let done = computed(player.driver()) - before;
        assert!(done <= 1, "a wake computes {done} ops");
        wakes += 1;
        // a slice that waits for another thread computes nothing, so there may be very many
        assert!(wakes < 1_000_000_000);
    }
    assert!(wakes > 15, "{wakes}");
}

fn stored(name: &str) -> Session {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions").join(name);
    Session::read(&fs::read(path).unwrap()).unwrap()
}

/// Returns the frames of a replay. Each has its number, the number of frames left out before it, and its event.
fn frames(session: &Session) -> Vec<(u64, u64, String)> {
    let driver = replay::begin(session, Limits::default()).unwrap();
    let mut frames = Vec::new();
    replay::frames(session, driver, &RenderOptions::default(), |frame| {
        frames.push((frame.number, frame.left_out, frame.event));
        Ok(())
    })
    .unwrap();
    frames
}

#[test]
fn a_gap_of_weeks_counts_as_a_minute_and_a_thousand_frames() {
    let frames = frames(&stored("play.session"));
    let (last, before) = (&frames[frames.len() - 1], &frames[frames.len() - 2]);
    // the opening and 15 keys, then at most 999 moves of play, then the last key
    assert_eq!(frames.len(), 16 + 999 + 1);
    assert_eq!(last.2, "?");
    // play makes 64 units a second, so the minute has about 3840
    assert!((3750..=3900).contains(&last.0), "{last:?}");
    // of the last.0 − 1 − 15 moves of play, all but 999 are left out
    assert_eq!(before.1, last.0 - 1 - 15 - 999, "{before:?}");
}

#[test]
fn endless_work_ends_at_the_next_event() {
    let session = stored("work.session");
    let driver = replay::begin(&session, Limits::default()).unwrap();
    let mut player = Player::new(&session, driver.with_slice_clock(late), 1.0, RenderOptions::default());
    // in the player, the work is done in slices
    let mut now = Duration::from_secs(1);
    for _ in 0..200 {
        let before = computed(player.driver());
        player.input(Input::Wake, now).unwrap();
        assert!(computed(player.driver()) - before <= AT_ONCE);
        now += Duration::from_millis(20);
    }
    assert!(player.driver().state.job().is_some());
    assert_eq!(frames(&session).last().unwrap().2, "l");
}

#[test]
fn a_session_with_a_far_start_opens_at_once() {
    let session = stored("iter.session");
    let driver = replay::begin(&session, Limits::default()).unwrap().with_slice_clock(late);
    assert!(computed(&driver) < 100, "{}", computed(&driver));
    let mut player = Player::new(&session, driver, 1.0, RenderOptions::default());
    for n in 1..200 {
        player.input(Input::Wake, LATE * n).unwrap();
    }
    // the first key waits until the iteration is reached
    assert!(player.driver().state.job().is_some());
    assert!((10..1000).contains(&computed(player.driver())), "{}", computed(player.driver()));
}

/// The completions of the prompt after some keys.
fn offered(world: &mut World, typed: &str) -> Vec<String> {
    world.press(&format!(":{typed}"));
    let offered = world.state().prompt().unwrap().completions(world.state().document().unwrap());
    world.press("<Esc>");
    offered
}

#[test]
fn completions_begin_with_prefix_matches_and_the_loss_of_the_batch() {
    let mut xor = World::new(gradstep::command::bundled::find("xor").unwrap().text);
    let all = ["first", "last", "reduce:loss", "loss", "backward", "reduce:", "update:", "fc1.z", "fc1.a", "fc2.z", "fc2.a", "grad.fc2.a"];
    assert_eq!(offered(&mut xor, ""), all);
    assert_eq!(offered(&mut xor, "3/los"), ["3/reduce:loss", "3/loss"]);
    assert_eq!(
        offered(&mut xor, "l"),
        ["last", "reduce:loss", "loss", "velocity.fc1.weight", "velocity.fc1.bias", "velocity.fc2.weight", "velocity.fc2.bias"]
    );
    assert_eq!(offered(&mut xor, "reduce:l"), ["reduce:loss"]);
    assert_eq!(offered(&mut xor, "2:lo"), ["2:loss"]);
    assert_eq!(
        offered(&mut xor, "update:fc1"),
        ["update:fc1.weight", "update:fc1.bias", "update:velocity.fc1.weight", "update:velocity.fc1.bias"]
    );
    let weights = ["grad.fc2.weight", "grad.fc1.weight", "velocity.fc1.weight", "fc1.weight", "velocity.fc2.weight", "fc2.weight"];
    assert_eq!(offered(&mut xor, "eight"), weights);
    assert_eq!(offered(&mut xor, "nothing"), Vec::<String>::new());
    let mut one = World::new(gradstep::command::bundled::find("figure-17").unwrap().text);
    assert_eq!(offered(&mut one, "lo")[0], "loss");
    // the first of many names are found without a search through all
    let mut chain = World::new(&chain(""));
    assert_eq!(offered(&mut chain, "n59")[..3], ["n59", "n590", "n591"]);
    assert_eq!(offered(&mut chain, "grad.n5999"), ["grad.n5999"]);
    assert_eq!(offered(&mut chain, "n5999"), ["n5999", "grad.n5999"]);
}
