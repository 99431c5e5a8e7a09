//! Frames after keys, as snapshots. The last line of a snapshot is a hash of the styles.

mod actions;
mod ascii;
mod batch;
#[cfg(debug_assertions)] // a release build does not count the work
mod bounded;
mod boxes;
mod curve;
mod details;
mod early;
mod edits;
mod ends;
mod focus;
mod folds;
mod forms;
mod graphs;
mod heat;
mod layers;
mod map;
mod messages;
mod names;
mod picture;
mod plain;
mod predict;
mod room;
mod still;
mod tensors;
mod walk;
mod zoom;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::{collections::HashMap, fs};

use gradstep::app::{Document, ScenarioEntry, ScenarioGroup, State, update};
use gradstep::scenario::{self, Limits, Source};
use gradstep::ui::theme::{Background, Colours, Theme};
use gradstep::ui::{self, RenderOptions, export};
use gradstep::{keys, trace::Trace};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Every bundled scenario, by its name.
fn bundled_documents() -> &'static HashMap<String, Arc<Document>> {
    static DOCUMENTS: OnceLock<HashMap<String, Arc<Document>>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files = fs::read_dir(folder).expect("the scenarios").map(|entry| entry.expect("an entry").path());
        files
            .filter(|path| path.extension().is_some_and(|end| end == "toml"))
            .map(|path| {
                let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
                let text = fs::read_to_string(&path).expect("a scenario");
                let source = Source { path_shown: name.clone(), name: name.clone(), text };
                (name, Arc::new(Document::new(scenario::read(source, Limits::default()).expect("a valid scenario"))))
            })
            .collect()
    })
}

/// Opens a scenario file of `tests/screen`.
fn screen_document(name: &str) -> Arc<Document> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screen").join(format!("{name}.toml"))).expect(name);
    let source = Source { path_shown: name.to_owned(), name: name.to_owned(), text };
    Arc::new(Document::new(scenario::read(source, Limits::default()).expect("a valid scenario")))
}

/// Opens a scenario at a step.
fn open_at(document: &Arc<Document>, step: u64) -> State {
    let mut state = State::picker(Vec::new());
    state.open(Arc::clone(document), Some(step));
    state
}

fn open(name: &str, keys: &str) -> State {
    let mut state = State::picker(picker_entries());
    state.open(Arc::clone(&bundled_documents()[name]), None);
    press(&mut state, keys);
    state
}

fn picker_entries() -> Vec<ScenarioEntry> {
    let mut names: Vec<&String> = bundled_documents().keys().collect();
    names.sort();
    let entry = |name: &String| {
        let scenario = &bundled_documents()[name].scenario;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        ScenarioEntry {
            name: name.clone(),
            title: scenario.title.clone(),
            summary: text(&scenario.summary),
            source: text(&scenario.source),
            group: ScenarioGroup::Bundled,
        }
    };
    names.into_iter().map(entry).collect()
}

fn press(state: &mut State, text: &str) {
    for key in keys::parse(text).expect(text) {
        if let Some(action) = keys::action(state, key) {
            update(state, action);
        }
    }
}

fn frame(state: &State, options: &RenderOptions, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    ui::render(state, options, area, &mut buffer);
    buffer
}

/// The frame as text, and a hash of its styles.
fn snapshot(state: &State, width: u16, height: u16) -> String {
    let buffer = frame(state, &RenderOptions::default(), width, height);
    let mut hasher = DefaultHasher::new();
    for cell in buffer.content() {
        format!("{:?}", cell.style()).hash(&mut hasher);
    }
    format!("{}styles {:016x}\n", export::text(&buffer), hasher.finish())
}

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

#[test]
fn first_frames_of_all_scenarios() {
    for name in bundled_documents().keys() {
        for (width, height) in SIZES {
            insta::assert_snapshot!(format!("{name}-{width}x{height}"), snapshot(&open(name, ""), width, height));
        }
    }
}

/// A message that does not fit beside the position uses the last line. Esc brings back the keys on this line.
#[test]
fn a_long_message_is_not_cut() {
    let text = |keys: &str| export::text(&frame(&open("figure-19", keys), &RenderOptions::default(), 80, 24));
    let go_to_entry = ":grad.conv1.weight[0,0,0,1]<Enter>";
    let lines = text(&format!("{go_to_entry}:grad.conv1.weight[0,0,9,9]<Enter>"));
    let [status, last] = [1, 0].map(|n| lines.lines().rev().nth(n).unwrap().to_owned());
    assert!(status.starts_with(" grad.conv1.weight[0,0,0,1]  step ") && !status.contains("no entry"), "{lines}");
    assert_eq!(last.trim(), "grad.conv1.weight has no entry [0,0,9,9]; its last entry is [0,0,1,1]");
    assert_eq!(text(&format!("{go_to_entry}:grad.conv1.weight[0,0,9,9]<Enter><Esc>")), text(go_to_entry));
}

#[test]
fn frames_after_keys() {
    let cases = [
        ("figure-14", "g", "first"),
        ("figure-14", "b", "backward"),
        ("figure-14", "G", "last"),
        ("figure-14", ":grad.a<Enter>", "address"),
        ("figure-14", ":gra<Tab><Tab>", "completion"),
        ("figure-14", ":gard.a<Enter>", "no-such-op"),
        ("figure-14", "?", "help"),
        ("figure-14", "n", "notes"),
        ("figure-14", "kkl", "by-op"),
        ("figure-14", "<Space>", "playing"),
        ("figure-17", ":fc2.a<Enter>", "softmax"),
        ("figure-17", ":loss#2<Enter>", "loss"),
        ("figure-17", ":grad.fc2.a<Enter>", "loss-derivative"),
        ("figure-17", ":grad.fc2.z#2<Enter>", "jacobian-no-entry"),
        ("figure-17", ":grad.fc2.z[0]#2<Enter>", "jacobian"),
        ("figure-17", ":grad.fc1.bias[1]<Enter>", "bias"),
        ("figure-17", "<Tab>", "words"),
        ("figure-17", "<Tab><Tab>", "matrices"),
        ("figure-19", "lll", "last-term"),
        ("figure-19", "12", "count"),
        ("figure-20", "jjkl", "units"),
        ("figure-07", ":grad.input<Enter>", "pool-back"),
        ("figure-01", ":grad.conv2.weight[3,2,1,1]#40<Enter>", "shared-weight"),
        ("figure-01", ":grad.pool1.a[2,5,5]#17<Enter>", "error-back"),
        ("figure-01", ":fc1.z[100]#200<Enter>", "linear"),
    ];
    for (name, keys, what) in cases {
        insta::assert_snapshot!(format!("keys-{name}-{what}"), snapshot(&open(name, keys), 100, 30));
    }
}

/// The terms of a batch's sum are drawn as bars, negative ones to the left of the axis.
#[test]
fn terms_without_neurons_are_bars() {
    let shown = snapshot(&open("xor", ":reduce:grad.fc2.weight[0,0]#4<Enter>"), 120, 40);
    let rows = shown.lines().filter_map(|line| line.rsplit_once('│').filter(|(left, _)| left.contains("/∂w₁₁ ")));
    let bar = |side: &str| side.chars().filter(|c| *c == '━').count();
    let bars: Vec<(usize, usize)> = rows.map(|(left, right)| (bar(left), bar(right))).collect();
    // the lengths to the left and to the right of the axis, for 0.013, −0.055, −0.067, 0.109 and their sum, −0.0008
    let [(0, a), (b, 0), (c, 0), (0, d), (1, 0)] = bars[..] else { panic!("{bars:?}\n{shown}") };
    assert!(0 < a && a < b && b < c && c < d, "{bars:?}\n{shown}");
}

#[test]
fn frames_of_the_picker() {
    let mut state = State::picker(picker_entries());
    insta::assert_snapshot!("picker", snapshot(&state, 80, 24));
    press(&mut state, "jj?");
    insta::assert_snapshot!("picker-help", snapshot(&state, 80, 24));
}

#[test]
fn the_status_line_always_has_the_entry_and_the_step() {
    for name in bundled_documents().keys() {
        for (width, height) in SIZES {
            for keys in ["", "l", "b", "G", "<Space>", "5", "?", ":", "n"] {
                let state = open(name, keys);
                let text = export::text(&frame(&state, &RenderOptions::default(), width, height));
                let trace: &Trace = &state.document().expect("a document").trace;
                let position = trace.position(state.stepper().expect("open").step).expect("a step");
                // the entry without its term: the address of its first term without the `#1` at the end
                let address = trace.address(&position.with_term(0)).to_string();
                let entry = address.trim_end_matches("#1");
                let wanted = format!("{entry}  step {}/{}", state.stepper().expect("open").step, trace.len());
                assert!(text.contains(&wanted), "{name} {keys} at {width}x{height}: {wanted}\n{text}");
            }
        }
    }
}

#[test]
fn ascii_frames_are_ascii_and_keep_the_layout() {
    for name in bundled_documents().keys() {
        for keys in ["", "b", "?", "n", ":g"] {
            let state = open(name, keys);
            let plain = frame(&state, &RenderOptions::default(), 120, 40);
            let ascii = frame(&state, &RenderOptions { ascii: true, ..RenderOptions::default() }, 120, 40);
            assert!(export::text(&ascii).is_ascii(), "{name} {keys}");
            // only the panes: the equation above them and the text below row 33 may be longer in ASCII
            let first_pane_row = export::text(&plain).lines().position(|line| line.contains("matrices")).unwrap_or(0);
            for (n, (a, b)) in plain.content().iter().zip(ascii.content()).enumerate().take(33 * 120).skip(first_pane_row * 120) {
                assert_eq!(a.symbol() == " ", b.symbol() == " ", "{name} {keys}, cell {n}: {:?} {:?}", a.symbol(), b.symbol());
                assert_eq!(a.style(), b.style());
            }
        }
    }
}

/// Two steps of one entry look different in plain text, without colours.
#[test]
fn steps_differ_without_colours() {
    let options = RenderOptions { theme: Theme::new(Colours::None, Background::Dark), ascii: false };
    let text = |keys: &str| export::text(&frame(&open("figure-19", keys), &options, 120, 40));
    // the upper left part of the pane of the matrices
    let matrices = |text: String| text.lines().skip(11).take(12).map(|line| line.chars().take(70).collect::<String>()).collect::<Vec<_>>();
    assert_ne!(matrices(text("")), matrices(text("l")));
    let plain = frame(&open("figure-19", ""), &options, 120, 40);
    assert!(plain.content().iter().all(|cell| cell.fg == ratatui::style::Color::Reset && cell.bg == ratatui::style::Color::Reset));
}
