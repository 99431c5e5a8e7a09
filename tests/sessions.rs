//! Tests of recorded sessions. A replay shows the frames that the user saw, even if the end of the file is missing.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use gradstep::app::{Action, Focus, State, Visit, update};
use gradstep::command::driver::{Driver, Effect};
use gradstep::command::replay::Player;
use gradstep::command::{ScenarioLoader, TerminalStepper, bundled, picker_entries, replay};
use gradstep::keys;
use gradstep::scenario::Limits;
use gradstep::session::{Event, Header, Recorder, Session};
use gradstep::terminal::{Flow, Input, TerminalProgram};
use gradstep::ui::theme::{Background, Colours, Theme};
use gradstep::ui::{self, RenderOptions, export, svg};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tempfile::tempdir;

const OPTIONS: RenderOptions = RenderOptions { theme: Theme::new(Colours::True, Background::Dark), ascii: false };

/// A script: the name of a scenario, the size of the screen, and inputs with their times in microseconds.
type Script<'a> = (&'a str, (u16, u16), &'a [(u64, Input)]);

fn key(code: KeyCode) -> Input {
    Input::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn typed(c: char) -> Input {
    key(KeyCode::Char(c))
}

fn mouse(kind: MouseEventKind, column: u16, row: u16) -> Input {
    Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

/// Returns the frame that the stepper draws.
fn draw(live: &TerminalStepper, size: (u16, u16)) -> Buffer {
    let area = Rect::new(0, 0, size.0, size.1);
    let mut buffer = Buffer::empty(area);
    live.draw(area, &mut buffer);
    buffer
}

/// Sends the inputs of a script to the stepper, which records them. Returns the frame after each input.
fn record((name, mut size, script): Script<'_>, path: &Path) -> Vec<Buffer> {
    let loader = ScenarioLoader::bundled(Limits::default());
    let document = Arc::new(loader.open(name).unwrap());
    let mut state = State::picker(picker_entries::bundled());
    state.open(Arc::clone(&document), None);
    let header = Header::new(name.to_owned(), document.scenario.text.to_string(), state.stepper().expect("open").current_visit(), size);
    let header = header.with_scenarios(state.scenarios.iter().map(|scenario| scenario.name.clone()).collect());
    let recorder = Recorder::new(Box::new(File::create(path).unwrap()) as Box<dyn Write>, &header).unwrap();
    let mut live = TerminalStepper::new(Driver::new(state, loader), OPTIONS, Some(recorder));
    let mut frames = vec![draw(&live, size)];
    for (time, input) in script {
        let now = Duration::from_micros(*time);
        // the terminal wakes the program at the time that `wake` returns, and then draws
        while let Some(wake) = live.wake().filter(|&wake| wake < now) {
            assert_eq!(live.input(Input::Wake, wake).unwrap(), Flow::Changed);
            frames.push(draw(&live, size));
            assert!(live.wake().is_none_or(|next| next > wake), "time goes on");
        }
        if let Input::Resize(columns, rows) = input {
            size = (*columns, *rows);
        }
        match live.input(input.clone(), now).unwrap() {
            Flow::Same => {}
            Flow::Changed => frames.push(draw(&live, size)),
            Flow::Quit => break,
        }
    }
    frames
}

fn replayed(session: &Session) -> Vec<Buffer> {
    let driver = replay::begin(session, Limits::default()).unwrap();
    let mut frames = Vec::new();
    replay::frames(session, driver, &OPTIONS, |frame| {
        frames.push(frame.buffer);
        Ok(())
    })
    .unwrap();
    frames
}

/// A script with moves, the prompt, the help and the picker.
fn walk() -> Vec<(u64, Input)> {
    let inputs = [
        typed('l'),
        key(KeyCode::Right),
        typed('k'),
        typed('l'),
        Input::Resize(120, 40),
        typed('3'),
        typed('l'),
        typed(':'),
        typed('g'),
        key(KeyCode::Tab),
        Input::Paste("#\n".to_owned()),
        typed('1'),
        key(KeyCode::Enter),
        typed('?'),
        Input::Resize(60, 16),
        typed('j'),
        key(KeyCode::Esc),
        key(KeyCode::F(5)),
        typed('o'),
        key(KeyCode::Down),
        key(KeyCode::Down),
        key(KeyCode::Enter),
        typed('G'),
        Input::Key(KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT)),
        typed('q'),
    ];
    (1..).map(|n| n * 123_457).zip(inputs).collect()
}

/// A script in which the stepper plays.
fn playing() -> Vec<(u64, Input)> {
    let mut script = vec![(500_900, typed(' ')), (2_700_300, typed('+')), (4_000_001, Input::Resize(100, 30)), (4_000_999, typed('+'))];
    script.extend([
        (6_123_456, typed(' ')),
        (6_200_000, typed('j')),
        (7_000_000, typed(' ')),
        (90_000_000, typed('g')),
        (91_000_000, typed('q')),
    ]);
    script
}

/// A script with clicks all over the screen, and the wheel.
fn clicking() -> Vec<(u64, Input)> {
    let mut script = vec![(1, typed('b'))];
    for row in 0..30 {
        for column in (0..100).step_by(7) {
            script.push((u64::from(row) * 1000, mouse(MouseEventKind::Down(MouseButton::Left), column, row)));
        }
        script.push((u64::from(row) * 1000, mouse(MouseEventKind::ScrollDown, 1, 1)));
    }
    script.extend([
        (40_000, mouse(MouseEventKind::ScrollUp, 1, 1)),
        (50_000, typed('?')),
        (60_000, mouse(MouseEventKind::ScrollDown, 1, 1)),
    ]);
    script
}

/// The recording of each script, and the frames that the user saw.
fn recordings() -> Vec<(Vec<u8>, Vec<Buffer>)> {
    let folder = tempdir().unwrap();
    let path = folder.path().join("session");
    let scripts: [Script<'_>; 4] = [
        ("figure-14", (80, 24), &walk()),
        ("figure-18", (80, 24), &playing()),
        ("figure-15", (0, 0), &walk()),
        ("figure-02", (100, 30), &clicking()),
    ];
    scripts
        .into_iter()
        .map(|script| {
            let frames = record(script, &path);
            (fs::read(&path).unwrap(), frames)
        })
        .collect()
}

#[test]
fn a_session_replays_to_the_frames_that_were_seen() {
    for (bytes, seen) in recordings() {
        let session = Session::read(&bytes).unwrap();
        assert!(!session.is_truncated);
        let frames = replayed(&session);
        assert_eq!(frames.len(), seen.len());
        for (n, (replayed, seen)) in frames.iter().zip(&seen).enumerate() {
            assert!(replayed == seen, "frame {n}");
        }
        let different = seen.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(different > 10, "the frames show something: {different}");
    }
}

/// In a replay, the picker has the scenarios, the order and the keys of the program that recorded the session.
#[test]
fn the_picker_of_a_session_has_the_order_at_the_time_of_recording() {
    let scenario = bundled::find("figure-14").unwrap();
    let opened = |format: u64, scenarios: &[&str], keys: &str| {
        let header = Header::new("figure-14".to_owned(), scenario.text.to_owned(), Visit { iteration: 1, step: 1 }, (80, 24));
        let header = Header { format, ..header.with_scenarios(scenarios.iter().map(|&name| name.to_owned()).collect()) };
        let events = keys::parse(keys).unwrap().into_iter().map(|key| (Duration::ZERO, Event::Key(key))).collect();
        let session = Session { header, events, is_truncated: false };
        let mut driver = replay::begin(&session, Limits::default()).unwrap();
        for (time, event) in &session.events {
            driver.apply(event, *time);
        }
        driver.state.document().unwrap().scenario.name.clone()
    };
    for format in [1, 2] {
        // in alphabetical order if the header has no list of scenarios
        assert_eq!(opened(format, &[], "ok<Enter>"), "figure-09");
        assert_eq!(opened(format, &[], "o<Home><Enter>"), "figure-01");
    }
    assert_eq!(opened(2, bundled::LEARNING, "oj<Enter>"), "figure-15");
    assert_eq!(opened(2, bundled::LEARNING, "o<End><Enter>"), "graph-convolution");
    // a scenario that this program lacks keeps its row
    assert_eq!(opened(2, &["figure-14", "gone\u{1b}[2J", "xor"], "ojj<Enter>"), "xor");
    assert_eq!(opened(2, &["figure-14", "gone\u{1b}[2J", "xor"], "oj<Enter>"), "figure-14");
    // the filter of the picker is newer than format 1: in a session of format 1, "/" does nothing, and each j moves down a row
    assert_eq!(opened(1, &[], "o/jjx<Enter>"), "figure-16");
    assert_eq!(opened(2, bundled::LEARNING, "o/xor<Enter>"), "xor");
}

#[test]
fn a_session_cut_at_any_byte_replays_its_beginning() {
    for (bytes, seen) in recordings() {
        let header_length = bytes.iter().position(|&byte| byte == b'\n').unwrap();
        let mut last_count = None;
        for cut in 0..bytes.len() {
            match Session::read(&bytes[..cut]) {
                Err(why) => {
                    assert!(cut < header_length, "at byte {cut}: {why}");
                    let why = why.to_string();
                    assert!(why.starts_with("is empty") || why.starts_with("has an incomplete header"), "at byte {cut}: {why}");
                }
                // drawing is slow, so each number of events is replayed only once
                Ok(session) if last_count != Some(session.events.len()) => {
                    last_count = Some(session.events.len());
                    let frames = replayed(&session);
                    assert!(frames.len() <= seen.len() && frames[..] == seen[..frames.len()], "at byte {cut}");
                }
                // a cut between two lines cannot be noticed
                Ok(session) => assert!(session.is_truncated || bytes[cut - 1] == b'\n' || bytes[cut] == b'\n' || session.events.is_empty()),
            }
        }
    }
}

/// A click goes to the step of the entry under it, in the stepper and in a replay, for tensors of a sample and of the batch.
#[test]
fn a_click_goes_to_the_entry_under_it() {
    let loader = ScenarioLoader::bundled(Limits::default());
    let screen = Rect::new(0, 0, 100, 30);
    for (name, address, tensors) in [
        ("figure-17", "loss", &["loss", "fc2.a", "target"][..]),
        ("xor", "2:grad.fc2.weight", &["grad.fc2.weight", "fc1.a", "grad.fc2.z"]),
        ("xor", "reduce:loss", &["loss", "1:loss", "2:loss", "3:loss", "4:loss"]),
        ("xor", "reduce:grad.fc1.weight[1,0]", &["grad.fc1.weight", "1:grad.fc1.weight", "4:grad.fc1.weight"]),
        ("xor", "update:velocity.fc1.weight[1,0]", &["grad.fc1.weight", "velocity.fc1.weight"]),
        ("xor", "update:fc1.weight[1,0]", &["fc1.weight", "velocity.fc1.weight"]),
    ] {
        let document = Arc::new(loader.open(name).unwrap());
        let mut state = State::picker(Vec::new());
        state.open(Arc::clone(&document), Some(document.trace.resolve(&address.parse().unwrap()).unwrap()));
        let driver = Driver::new(state, loader);
        let mut seen = HashSet::new();
        for cell in screen.positions() {
            let target = ui::click(&driver.state, &RenderOptions::default(), screen, cell.x, cell.y);
            let Some(action @ Action::GoToEntry(..)) = target.and_then(|target| target.action(&driver.state)) else { continue };
            let Event::Click(at) = driver.click_event(&RenderOptions::default(), screen, cell.x, cell.y) else { panic!("no click") };
            let mut state = driver.state.clone();
            update(&mut state, action);
            // the address of the click, and the address that a replay reads from the session
            for at in [&at, &at.to_string().parse().unwrap()] {
                let mut driver = driver.clone();
                assert_eq!(driver.apply(&Event::Click(at.clone()), Duration::ZERO), Effect::Changed, "{name} {address}: {at}");
                assert_eq!(driver.state.stepper().expect("open").step, state.stepper().expect("open").step, "{name} {address}: {at}");
            }
            seen.insert(at.to_string().split('[').next().unwrap().to_owned());
        }
        for tensor in tensors {
            assert!(seen.contains(*tensor), "{name} {address}: {tensor} is not in {seen:?}");
        }
    }
}

#[test]
fn a_file_that_is_not_a_session_is_reported() {
    let header = r#"{"gradstep_session":1,"program":"9","size":[80,24],"name":"n","scenario":"title = 1","at":1}"#;
    let said = |text: &str| Session::read(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(said(""), "is empty: there is nothing to replay");
    assert_eq!(said("title = \"a scenario\"\n"), "is not a session; `gradstep SCENARIO --record FILE` records one");
    assert_eq!(said("{}\n"), "is not a session; `gradstep SCENARIO --record FILE` records one");
    assert_eq!(
        said("{\"gradstep_session\":3,\"cues\":[]}\n"),
        "is a session of format 3, and this program reads only formats up to 2; use a newer version of it"
    );
    assert_eq!(said("{\"gradstep_session\":0}\n"), "is a session of an unknown format; this program reads formats 1 to 2");
    assert_eq!(said(&header[..40]), "has an incomplete header: there is nothing to replay");
    assert!(said("{\"gradstep_session\":1}\n").starts_with("has a header that cannot be read: missing field"));
    let damaged = header.replace("\"at\":1", "\"files\":{\"w.npz\":\"!\"},\"at\":1");
    assert!(said(&format!("{damaged}\n")).starts_with("has a header that cannot be read: "));
    for (line, fault) in [
        ("", "column 1: an event is written as [1250,\"key\",\"l\"]: its time, its kind and its value"),
        ("{}", "column 1: an event is written as [1250,\"key\",\"l\"]: its time, its kind and its value"),
        ("[1,\"key\" \"l\"]", "column 10: an event is written as [1250,\"key\",\"l\"]: its time, its kind and its value"),
        ("[]", "column 2: an event begins with its time, a whole number of milliseconds up to 4294967295"),
        ("[-1,\"quit\"]", "column 2: an event begins with its time, a whole number of milliseconds up to 4294967295"),
        ("[1]", "column 3: after the time comes the kind of the event, such as \"key\""),
        ("[1, \"kye\", \"l\"]", "column 5: there is no event \"kye\": did you mean \"key\"?"),
        ("[1,\"key\",\"ll\"]", "column 10: \"ll\" is not one key: each key is an event"),
        ("[1,\"key\"]", "column 9: \"key\" needs a key in vim's notation, such as \"l\" or \"<Right>\""),
        ("[1,\"work\",-1]", "column 11: \"work\" needs a whole number, at least 0"),
        ("[1,\"wheel\",99999]", "column 12: \"wheel\" needs a whole number from -32768 to 32767"),
        ("[1,\"resize\",[1]]", "column 13: \"resize\" needs the columns and the rows of the screen, such as [80,24]"),
        ("[1,\"quit\",1]", "column 11: \"quit\" has no value"),
        ("[1,\"key\",\"é\",1]", "column 14: this value is too many: the event ends before it"),
        ("[1,\"click\",\"a[\"]", "column 12: "),
        ("[1,\"key\",\"<Nope>\"]", "column 10: there is no key <Nope>; there are "),
    ] {
        let found = said(&format!("{header}\n[1,\"key\",\"l\"]\n{line}\n"));
        let begin = format!("is damaged: line 3, {fault}");
        assert!(if fault.ends_with(' ') { found.starts_with(&begin) } else { found == begin }, "{line}: {found}");
    }
    assert_eq!(
        said(&format!("{header}\n[2,\"quit\"]\n[1,\"quit\"]\n")),
        "is damaged: line 3, column 2: the time is before the 2 ms of an event above it"
    );
    // all faults of a file are reported together
    let two = said(&format!("{header}\n[1,\"kye\",\"l\"]\n[2,\"key\",\"l\"]\n[3,\"play\",0]\n[4,\"quit\"]\n"));
    assert_eq!(
        two,
        "is damaged: 2 of its lines are not events\n  line 2, column 4: there is no event \"kye\": did you mean \"key\"?\n  line 4, column 11: \"play\" has no value"
    );
    let many = said(&format!("{header}\n{}", "[]\n".repeat(100)));
    assert!(many.lines().count() == 12 && many.ends_with("\n  and 90 more"), "{many}");
    let read = |text: String| Session::read(text.as_bytes()).unwrap();
    assert!(read(format!("{header}\n[1,\"key\",\"l\"]\n[2,\"ke")).is_truncated);
    let session = read(format!("{header}\n"));
    let faults = replay::begin(&session, Limits::default()).unwrap_err().to_string();
    assert!(faults.contains("--> n (in the session):1:9"), "{faults}");
}

/// A stepper that opened on a number that is given has the cursor there, and so has its replay.
#[test]
fn a_session_can_begin_at_a_given_number() {
    let text = gradstep::command::bundled::find("figure-19").unwrap().text;
    let header = Header::new("figure-19".to_owned(), text.to_owned(), Visit { iteration: 1, step: 4 }, (80, 24));
    let goal = "conv1.weight[0,0,1,1]".parse().unwrap();
    let session = Session { header: header.with_goal(Some(goal)), events: Vec::new(), is_truncated: false };
    let driver = replay::begin(&session, Limits::default()).unwrap();
    assert_eq!(driver.state.focus(), gradstep::app::Focus::Cursor);
}

#[test]
fn a_step_that_does_not_exist_is_reported() {
    let text = gradstep::command::bundled::find("figure-14").unwrap().text;
    // the scenario has ten steps
    for (at, is_refused) in [(0, true), (1, false), (10, false), (11, true)] {
        let header = Header::new("figure-14".to_owned(), text.to_owned(), Visit { iteration: 1, step: at }, (80, 24));
        let session = Session { header, events: Vec::new(), is_truncated: false };
        assert_eq!(replay::begin(&session, Limits::default()).is_err(), is_refused, "{at}");
    }
}

/// Control characters, invisible characters, and more combining marks than are shown.
const HIDDEN: &str = "\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\u{1b}\u{9b}\u{7}e\u{301}\u{302}\u{303}\u{304}\u{305}";

#[track_caller]
fn assert_visible(frame: &Buffer, what: &str) {
    let (text, ansi) = (export::text(frame), export::ansi(frame));
    assert_eq!(gradstep::text::escape(&text), text, "{what}");
    // the program's own escape sequences are left out
    assert!(gradstep::text::escape(&ansi.replace('\u{1b}', "")) == ansi.replace('\u{1b}', ""), "{what}");
    assert_eq!(ansi.matches('\u{1b}').count(), ansi.matches("\u{1b}[").count(), "{what}");
    let svg = svg::svg(frame, Background::Dark);
    assert!(gradstep::text::escape(&svg) == svg, "{what}");
}

#[test]
fn typed_pasted_and_replayed_text_is_visible_in_every_mode() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("session");
    let hidden = |before: &str| -> Vec<Input> { before.chars().map(typed).chain(HIDDEN.chars().map(typed)).collect() };
    // hidden characters in the prompt: alone, before a completion, moved over, entered as an address, pasted; then in the help and in the picker
    let modes: [Vec<Input>; 8] = [
        hidden(":"),
        [hidden(":"), vec![typed('/'), typed('g'), key(KeyCode::Tab), key(KeyCode::Tab)]].concat(),
        [hidden(":"), vec![typed(':'), key(KeyCode::Home), key(KeyCode::Right)]].concat(),
        [hidden(":"), vec![key(KeyCode::Enter)]].concat(),
        [hidden(":grad.u["), vec![key(KeyCode::Enter)]].concat(),
        vec![typed(':'), Input::Paste(HIDDEN.to_owned()), key(KeyCode::Left), key(KeyCode::Enter)],
        [vec![typed('?'), Input::Paste(HIDDEN.to_owned())], hidden("")].concat(),
        [vec![typed('o'), Input::Paste(HIDDEN.to_owned())], hidden("")].concat(),
    ];
    for (n, mode) in modes.into_iter().enumerate() {
        let script: Vec<(u64, Input)> = (1..).map(|n| n * 1000).zip(mode).collect();
        for frame in record(("figure-14", (80, 24), &script), &path) {
            assert_visible(&frame, &format!("mode {n}"));
        }
        let bytes = fs::read(&path).unwrap();
        for frame in replayed(&Session::read(&bytes).unwrap()) {
            assert_visible(&frame, &format!("mode {n}, replayed"));
        }
        let lines = String::from_utf8(bytes).unwrap();
        for line in lines.lines().skip(1) {
            assert_eq!(gradstep::text::escape(line), line);
        }
    }
    // older recordings have the characters themselves
    let header =
        Header::new("x".to_owned(), bundled::find("figure-14").unwrap().text.to_owned(), Visit { iteration: 1, step: 1 }, (80, 24));
    let mut session = Vec::new();
    Recorder::new(&mut session, &header).unwrap();
    session.extend("[1,\"key\",\":\"]\n[2,\"key\",\"\u{202e}\"]\n[3,\"key\",\"\\u200b\"]\n[4,\"key\",\"<Enter>\"]\n".bytes());
    let frames = replayed(&Session::read(&session).unwrap());
    for frame in &frames {
        assert_visible(frame, "an older recording");
    }
    assert!(export::text(&frames[3]).contains(":<U+202E><U+200B>"), "{}", export::text(&frames[3]));
}

#[test]
fn a_replay_that_goes_back_shows_the_same_frames() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions/figure-14.session");
    let session = Session::read(&fs::read(path).unwrap()).unwrap();
    let events = session.events.len();
    assert!(events > 4);
    let mut player = Player::new(&session, replay::begin(&session, Limits::default()).unwrap(), 1.0, RenderOptions::default());
    let mut now = Duration::ZERO;
    let mut frame = |player: &mut Player, keys: &str| {
        for c in keys.chars() {
            player.input(if c == '\r' { key(KeyCode::Enter) } else { typed(c) }, now).unwrap();
            while player.wake() == Some(Duration::ZERO) {
                now += Duration::from_millis(1);
                player.input(Input::Wake, now).unwrap();
            }
        }
        player.driver().frame(&RenderOptions::default(), (100, 30))
    };
    // Space pauses before the first event, `.` does the next event, and `:N` Enter goes to the place after N events
    let forward: Vec<_> = (0..events).map(|n| frame(&mut player, if n == 0 { " " } else { "." })).collect();
    for (n, before) in forward.iter().enumerate().rev() {
        assert_eq!(&frame(&mut player, &format!(":{n}\r")), before, "event {n}");
    }
    // after `x` Enter has taken over and `T` has given back, the replay is where it was
    let here = frame(&mut player, ":2\r");
    assert_ne!(frame(&mut player, "x\rG"), here);
    assert_eq!(frame(&mut player, "T"), here);
}

#[test]
fn a_pasted_text_puts_its_first_line_into_the_open_line() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("session");
    let paste = |text: &str| Input::Paste(text.to_owned());
    for (name, keys, pasted, shown) in [
        ("figure-14", ":", "\n  grad.v\nsecond\n", ":grad.v "),
        ("figure-14", "/", "> 1\r\nsecond", "/> 1 "),
        ("figure-14", ":", "grad.v\rsecond\r", ":grad.v "),
        ("xor", ":", "set fc1.weight[0,1] 1/3\nset fc1.weight[0,1] 2", ":set fc1.weight[0,1] 1/3 "),
        ("figure-14", "p", "6\n7", "= 6 "),
        ("figure-14", "", "q\nq", "step 1/10"), // no line is open
    ] {
        let inputs: Vec<Input> = keys.chars().map(typed).chain([paste(pasted)]).collect();
        let script: Vec<(u64, Input)> = (1..).map(|n| n * 1000).zip(inputs).collect();
        let last = export::text(record((name, (120, 40), &script), &path).last().unwrap());
        assert!(last.contains(shown), "{keys} {pasted:?}:\n{last}");
        assert!(!last.contains("second"), "{last}");
    }
}

/// The user's own keys apply in the normal mode, also with the cursor on the matrices. But after `e`, a digit begins the new value of the number.
#[test]
fn own_keys_apply_with_the_cursor_too() {
    let after = |typed_keys: &str| {
        let loader = ScenarioLoader::bundled(Limits::default());
        let mut state = State::picker(Vec::new());
        state.open(Arc::new(loader.open("figure-01").unwrap()), None);
        let key = |text: &str| keys::parse(text).unwrap()[0];
        let aliases = vec![(key("n"), key("l")), (key("7"), key("l"))];
        let mut live = TerminalStepper::new(Driver::new(state, loader), OPTIONS, None).with_aliases(aliases);
        draw(&live, (120, 40));
        for c in typed_keys.chars() {
            live.input(typed(c), Duration::ZERO).unwrap();
        }
        let state = &live.driver().state;
        (state.focus(), format!("{:?}", state.stepper().unwrap().cursor), state.stepper().unwrap().step)
    };
    assert_eq!(after("in"), after("il"));
    assert_ne!(after("in"), after("i"), "the cursor has moved");
    assert_eq!(after("n"), after("l"));
    assert_eq!(after("e7").0, Focus::Prompt);
}
