//! Factors and source texts beside a user's numbers, in the stepper and in `diff`, and marks of wrong numbers in heat maps. Also tests the files that `:mine`
//! and recordings name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gradstep::app::{CompareOptions, Document, GradientComparison, State, Visit};
use gradstep::command::driver::Driver;
use gradstep::command::{ScenarioLoader, replay};
use gradstep::diff::{Choice, FileTensor};
use gradstep::keys;
use gradstep::network::Role;
use gradstep::scenario::Limits;
use gradstep::session::{Event, Header, Session};
use gradstep::ui::theme::{Background, Colours, Theme};
use gradstep::ui::{RenderOptions, export};
use tempfile::tempdir;

use super::document;

fn opened(text: &str) -> Arc<Document> {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("net.toml");
    fs::write(&path, text).expect("a file");
    Arc::new(document(&path.to_string_lossy()))
}

fn tensor(name: &str, shape: &[usize], values: Vec<f64>) -> FileTensor {
    FileTensor { name: name.to_owned(), sample: None, shape: shape.to_vec(), values, is_half: false, choice: Choice::Compared }
}

fn pressed_with(document: &Arc<Document>, tensors: Vec<FileTensor>, keys_pressed: &str) -> Driver {
    let comparison = GradientComparison::new(document, "mine.json".to_owned(), tensors, CompareOptions::default()).expect("gradients");
    let mut state = State::picker(Vec::new());
    state.open(Arc::clone(document), Some(1));
    state.compare_gradients(Arc::new(comparison));
    pressed(state, keys_pressed)
}

fn pressed(state: State, keys_pressed: &str) -> Driver {
    let mut driver = Driver::new(state, ScenarioLoader { limits: Limits::default(), opens_files: true });
    driver.set_screen_size((160, 48));
    for key in keys::parse(keys_pressed).expect("keys") {
        driver.apply(&Event::Key(key), Duration::ZERO);
        driver.finish_all().expect("no job is stopped");
    }
    driver
}

fn text(driver: &Driver) -> String {
    export::text(&driver.frame(&RenderOptions::default(), (160, 48)))
}

/// Returns the right gradients of a tensor in all samples as one tensor, whose first axis is the samples: its shape and its values.
fn right_of_samples(document: &Document, name: &str) -> (Vec<usize>, Vec<f64>) {
    let trace = &document.trace;
    let id = trace.network().find(&format!("grad.{name}")).expect("a gradient");
    let shape = trace.network().tensor(id).shape.clone();
    let values = (0..trace.samples()).flat_map(|run| trace.run(run).values(id).to_vec()).collect();
    ([vec![trace.samples()], shape].concat(), values)
}

/// The user's file has the errors as PyTorch computes them, of the mean loss: a quarter of gradstep's.
#[test]
fn a_factor_is_shown_wherever_both_numbers_are_shown() {
    let document = Arc::new(document("xor"));
    assert_eq!(document.trace.samples(), 4);
    let (shape, right) = right_of_samples(&document, "fc2.z");
    let mine: Vec<f64> = right.iter().enumerate().map(|(at, value)| if at == 1 { 0.5 } else { value / 4.0 }).collect();
    let tensors = || vec![tensor("fc2.z", &shape, mine.clone())];
    let factor = "times 4: your loss is a mean";
    for (keys_pressed, said) in [
        ("D", "yours 2 (4 times the 0.5 of your file), right ".to_owned()),
        ("Di", "≠ yours × 4 is 2 ".to_owned()),
        ("Dd", "yours × 4, different".to_owned()),
        (":mine<CR>", format!("({factor})")),
    ] {
        let shown = text(&pressed_with(&document, tensors(), keys_pressed));
        assert!(shown.contains(&said), "{keys_pressed}: {said}\n{shown}");
    }
    // the pane `why` has the factor too, not only the message
    assert!(text(&pressed_with(&document, tensors(), "D")).matches("4 times the 0.5 of your file").count() > 1);
    // a gradient of the batch has no factor
    let (batch, id) = gradient_of_batch(&document, "fc2.bias");
    let wrong = document.trace.run(batch).values(id)[0] + 1.0;
    let shown = text(&pressed_with(&document, vec![tensor("fc2.bias", &[1], vec![wrong])], "Di"));
    assert!(shown.contains("≠ yours ") && !shown.contains("times 4"), "{shown}");
}

/// The zoomed matrices mark the wrong numbers too. The largest characters draw the sign with dots.
#[test]
fn a_zoomed_matrix_marks_wrong_numbers() {
    let document =
        opened("title = \"t\"\nloss = \"squared_error\"\ninput = [1, 2]\ntarget = [1]\n[[layer]]\ntype = \"linear\"\nweight = [[3, 4]]\n");
    // the gradient is (3 + 8 − 1) · [1, 2]
    let shown = |mine: &[f64], size: (u16, u16)| {
        let driver = pressed_with(&document, vec![tensor("fc1.weight", &[1, 2], mine.to_vec())], ":grad.fc1.weight[0,1]<CR>Z");
        export::text(&driver.frame(&RenderOptions::default(), size))
    };
    let (right, wrong) = (shown(&[10.0, 20.0], (60, 16)), shown(&[10.0, 21.0], (60, 16)));
    assert_eq!((right.matches('≠').count(), wrong.matches('≠').count()), (0, 1), "{wrong}");
    assert!(wrong.lines().any(|line| line.contains("20≠")), "{wrong}");
    assert_ne!(shown(&[10.0, 20.0], (160, 48)), shown(&[10.0, 21.0], (160, 48)));
}

/// `n` goes to the wrong numbers, also if there was no search and no `D` before. If there are none, it says so.
#[test]
fn n_needs_no_search_before() {
    let document = Arc::new(document("xor"));
    let (batch, id) = gradient_of_batch(&document, "fc2.bias");
    let right = document.trace.run(batch).values(id)[0];
    let shown = |value: f64| text(&pressed_with(&document, vec![tensor("fc2.bias", &[1], vec![value])], "n"));
    assert!(shown(right).contains("no wrong number, the gradient is right"), "{}", shown(right));
    assert!(shown(right + 1.0).contains("wrong number 1 of 1"), "{}", shown(right + 1.0));
}

/// NaN is NaN with every factor.
#[test]
fn nan_has_no_factor() {
    let document = Arc::new(document("xor"));
    let (shape, right) = right_of_samples(&document, "fc2.z");
    let mut mine: Vec<f64> = right.iter().map(|value| value / 4.0).collect();
    mine[0] = f64::NAN;
    let shown = text(&pressed_with(&document, vec![tensor("fc2.z", &shape, mine)], "D"));
    assert!(shown.contains("yours nan, right"), "{shown}");
}

/// A narrow screen also shows the numbers of each difference, the reason why `DD` cannot go to the step at which a mistake was made, and the full text of a row
/// of the list. The gradients of a tensor in several samples are one gradient.
#[test]
fn a_narrow_screen_says_everything() {
    let document = Arc::new(document("xor"));
    let (shape, right) = right_of_samples(&document, "fc2.z");
    // all are wrong, each in another way
    let mine: Vec<f64> = right.iter().enumerate().map(|(at, value)| if at % 2 == 0 { value * 3.7 } else { 0.123_456_7 - value }).collect();
    let tensors = vec![tensor("fc2.z", &shape, mine), tensor("fc2.bias", &[1], vec![7.0])];
    let shown = |keys_pressed: &str| {
        let driver = pressed_with(&document, tensors.clone(), keys_pressed);
        export::text(&driver.frame(&RenderOptions::default(), (80, 24)))
    };
    assert!(shown("D").contains("2 of 2 gradients are wrong"), "{}", shown("D"));
    for keys_pressed in ["DD", "DDD"] {
        assert!(shown(keys_pressed).contains("no mistake that gradstep knows gives these numbers"), "{}", shown(keys_pressed));
    }
    let next = shown("Dn");
    assert!(next.contains("right ") && next.contains("wrong number 2 of 5"), "{next}");
    let list = shown(":mine<CR>");
    assert!(list.contains("fc2.z of samples 1 to 4") && !list.contains("1:fc2.z"), "{list}");
    // the note is longer than the screen is wide, and its end is below the list
    let note = "no entry shows which of the two they are";
    let all = shown(":mine<CR>j");
    let joined: Vec<&str> = all.lines().map(|line| line.trim_matches(|c: char| c == '│' || c == ' ')).collect();
    assert!(joined.join(" ").contains(note), "{all}");
}

/// Returns the batch's run, and the id of a parameter's gradient in it.
fn gradient_of_batch(document: &Document, name: &str) -> (usize, usize) {
    let network = document.trace.batch_network().expect("a run of the batch");
    (document.trace.samples(), network.find(&format!("grad.{name}")).expect("a gradient"))
}

/// A graph whose tensors have names that are not in its text: parts of statements, such as `h@2.1`, and versions of the name h, such as `h@2`.
const GRAPH: &str = "title = \"parts\"\n[graph]\nnodes = '''\nh = x @ W\nh = (h + 1) / d**0.5    # the \\u001b name again\nfor i in range(2):\n    h = h * h - b\nJ = h.sum()\n'''\n\
    [graph.inputs]\nx = [[1, 2], [3, 4]]\nW = [[0.5, 1], [-1, 0.25]]\nb = [0.125, 2]\n[graph.constants]\nd = 4\n";

#[test]
fn names_that_are_not_in_the_text_have_their_source_beside_them() {
    let document = opened(GRAPH);
    let network = document.trace.network();
    let names_not_in_text: Vec<String> = (0..network.tensors().len())
        .filter(|id| network.gradient_of(*id).is_some() && !matches!(network.tensor(*id).role, Role::Gradient(_) | Role::Loss))
        .map(|id| network.tensor(id).name.to_string())
        .filter(|name| name.contains(['.', '@']))
        .collect();
    assert!(
        names_not_in_text.iter().any(|name| name.contains('.')) && names_not_in_text.iter().any(|name| name.contains('@')),
        "{names_not_in_text:?}"
    );
    let part = names_not_in_text.iter().find(|name| name.contains('.') && name.contains('@')).expect("a part of a version");
    let mine = tensor(part, &[2, 2], vec![7.0; 4]);
    let shown = text(&pressed_with(&document, vec![mine.clone()], "D"));
    let source = "h + 1, line 5";
    assert!(shown.contains(&format!("first grad.{part}[0,0] ({source}): yours 7")), "{part}\n{shown}");
    let shown = text(&pressed_with(&document, vec![mine], ":mine<CR>"));
    assert!(shown.contains(&format!("({source})")), "{shown}");
}

#[test]
fn the_program_prints_a_source_text_once_and_in_json() {
    let folder = tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    fs::write(path("net.toml"), GRAPH).expect("a file");
    let document = document(&path("net.toml"));
    let network = document.trace.network();
    let part = network.tensors().iter().map(|tensor| tensor.name.to_string()).find(|name| name.starts_with("h@2.")).expect("a part");
    fs::write(path("mine.json"), format!("{{\"{part}\": [[7, 7], [7, 7]]}}")).expect("a file");
    let run = |more: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_gradstep"))
            .args([&["diff", &path("net.toml"), &path("mine.json")], more].concat())
            .output()
            .expect("the program runs");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let out = run(&[]);
    let first = out.find(&part).expect("the name");
    assert!(out[first + part.len()..].starts_with(" ("), "{out}");
    assert_eq!(out.matches(", line 5)").count(), 1, "{out}");
    let json: serde_json::Value = serde_json::from_str(&run(&["--format", "json"])).expect("JSON");
    let source = json["tensors"][0]["source"].as_str().expect("a text");
    assert!(source.ends_with(", line 5"), "{source}");
}

/// A convolution whose gradients are images that do not fit as numbers.
const IMAGE: &str = "title = \"image\"\nloss = \"squared_error\"\ninput = { init = \"normal\", seed = 1, shape = [1, 40, 40] }\ntarget = [0]\n\
    [[layer]]\ntype = \"conv2d\"\nout_channels = 1\nkernel_size = 3\npadding = 1\nweight = { init = \"he_normal\", seed = 2 }\n\
    [[layer]]\ntype = \"flatten\"\n[[layer]]\ntype = \"linear\"\nout_features = 1\nweight = { init = \"he_normal\", seed = 3 }\n";

#[test]
fn heat_maps_mark_what_differs_with_and_without_colours() {
    let document = opened(IMAGE);
    let id = document.trace.network().find("grad.conv1.z").expect("a gradient");
    let right = document.trace.run(0).values(id).to_vec();
    let wrong: Vec<f64> = right.iter().enumerate().map(|(at, value)| if at % 3 == 1 { value + 1.0 } else { *value }).collect();
    let mine = |values: &[f64]| vec![tensor("conv1.z", &[1, 40, 40], values.to_vec())];
    let at_the_end = ":grad.conv1.z[0,39,39]<CR>H";
    for (colours, ascii, mark) in
        [(Colours::True, false, '≠'), (Colours::Indexed, false, '≠'), (Colours::None, false, '≠'), (Colours::None, true, '!')]
    {
        let options = RenderOptions { theme: Theme::new(colours, Background::Dark), ascii };
        let marks = |values: &[f64]| {
            let frame = pressed_with(&document, mine(values), at_the_end).frame(&options, (120, 40));
            // the most marks in one line: the lines of text have one or two, the lines of the map have more
            export::text(&frame).lines().map(|line| line.matches(mark).count()).max().unwrap_or(0)
        };
        assert!(marks(&right) <= 2, "{colours:?}: right numbers have no marks");
        assert!(marks(&wrong) > 3, "{colours:?} {ascii}: {}", marks(&wrong));
    }
}

/// The entries that a max-pool has not chosen have no step, but may be wrong.
#[test]
fn the_first_difference_may_be_an_entry_without_a_step() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff/plants/scenarios");
    let document = Arc::new(document(&folder.join("cnn-pool.toml").to_string_lossy()));
    let trace = &document.trace;
    let network = trace.network();
    // a tensor, its gradient, and an entry without steps in this gradient, which also has entries with steps
    let found = (0..network.tensors().len()).find_map(|of| {
        let gradient = network.gradient_of(of)?;
        let entries = trace.run(0).values(gradient).len();
        let has_steps = |at: &usize| trace.entry_steps(0, gradient, *at).is_some_and(|steps| !steps.is_empty());
        let at = (0..entries).find(|at| !has_steps(at))?;
        (0..entries).any(|at| has_steps(&at)).then_some((of, gradient, at))
    });
    let (of, gradient, unreached) = found.expect("a max-pool");
    let mut values = trace.run(0).values(gradient).to_vec();
    values[unreached] = 0.75;
    let info = network.tensor(of);
    let driver = pressed_with(&document, vec![tensor(&info.name, &info.shape, values)], "D");
    let shown = text(&driver);
    assert!(driver.state.stepper().expect("open").cursor.is_some(), "{shown}");
    assert!(shown.contains("yours 0.75, right 0"), "{shown}");
    assert!(!shown.contains("not computed yet: step"), "{shown}");
    // n and N go to entries with steps. They also go to entries without steps, and open the cursor there
    let mut values = trace.run(0).values(gradient).to_vec();
    let reached = (unreached + 1..values.len()).find(|at| trace.entry_steps(0, gradient, *at).is_some_and(|steps| !steps.is_empty()));
    let reached = reached.expect("a maximum");
    let later_unreached = (reached + 1..values.len()).find(|at| trace.entry_steps(0, gradient, *at).is_some_and(|steps| steps.is_empty()));
    for at in [unreached, reached, later_unreached.expect("an entry that is no maximum")] {
        values[at] += 0.75;
    }
    let mine = || vec![tensor(&info.name, &info.shape, values.clone())];
    for (keys, number, has_cursor) in [
        ("D", 1, true),
        ("Dn", 2, false),
        ("Dnn", 3, true),
        ("Dnnn", 1, true),
        ("DN", 3, true),
        ("DNN", 2, false),
        // with 3 wrong numbers, 1000n is the same as n, and 1001N as NN
        ("D1000n", 2, false),
        ("D1001N", 2, false),
    ] {
        let driver = pressed_with(&document, mine(), keys);
        let shown = text(&driver);
        assert_eq!(driver.state.stepper().expect("open").cursor.is_some(), has_cursor, "{keys}\n{shown}");
        assert!(keys == "D" || shown.contains(&format!("wrong number {number} of 3")), "{keys}\n{shown}");
        assert_eq!(shown.contains("no step computes it"), has_cursor && keys != "D", "{keys}\n{shown}");
    }
}

/// The notes of `diff` about names, layouts and precisions are rows of the list, and the message gives their number.
#[test]
fn notes_are_listed() {
    let document = Arc::new(document("xor"));
    let (batch, id) = gradient_of_batch(&document, "fc2.bias");
    let right = document.trace.run(batch).values(id)[0];
    let tensors = || vec![tensor("db2", &[1], vec![right + 1.0]), tensor("what", &[7], vec![0.0; 7])];
    let said = text(&pressed_with(&document, tensors(), ""));
    assert!(said.contains("the gradient is wrong: D goes to the first difference; :mine lists 2 notes"), "{said}");
    let listed = text(&pressed_with(&document, tensors(), ":mine<CR>"));
    for note in ["matched by order and shape: db2", "what is left out"] {
        assert!(listed.lines().any(|line| line.contains("note") && line.contains(note)), "{note}\n{listed}");
    }
}

/// A .npy file has no name for its tensor: `:mine w.npy --tensor NAME` gives it one, like the option of `diff`.
#[test]
fn the_command_mine_names_the_tensor_of_an_npy_file() {
    let document = Arc::new(document("xor"));
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("w file.npy");
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }";
    // 118 bytes, and 10 before them: the numbers begin at a multiple of 64
    let header = format!("{header:<117}\n");
    fs::write(&file, [b"\x93NUMPY\x01\x00", &[118, 0][..], header.as_bytes(), &2.5_f64.to_le_bytes()].concat()).expect("a file");
    let compared = |more: &str| {
        let mut state = State::picker(Vec::new());
        state.open(Arc::clone(&document), Some(1));
        let driver = pressed(state, &format!(":mine {}{more}<CR>", file.display()));
        let message = driver.state.message.as_ref().map_or_else(String::new, |message| message.text.clone());
        (message, driver.state.stepper().is_some_and(|stepper| stepper.comparison.is_some()))
    };
    let (said, is_loaded) = compared(" --tensor fc2.bias");
    assert!(is_loaded && said.contains("the gradient is wrong"), "{said}");
    let (said, is_loaded) = compared("");
    assert!(!is_loaded && said.contains("say which one it is: --tensor"), "{said}");
}

/// A session with a file of gradients, and the keys D, n and i.
fn session(mine: &str) -> Session {
    let text = gradstep::command::bundled::find("xor").expect("a scenario").text;
    let mine = BTreeMap::from([("mine.json".to_owned(), mine.as_bytes().to_vec())]);
    let header = Header::new("xor".to_owned(), text.to_owned(), Visit { iteration: 1, step: 1 }, (120, 40)).with_mine(mine);
    let events = keys::parse("Dni").expect("keys").into_iter().zip(1..).map(|(key, n)| (Duration::from_secs(n), Event::Key(key)));
    Session { header, events: events.collect(), is_truncated: false }
}

#[test]
fn a_recording_with_gradients_is_replayed_without_their_file() {
    let valid = "{\"fc2.bias\": [0.5], \"fc1.bias\": [1, 2]}";
    let frames = |session: &Session| {
        let driver = replay::begin(session, Limits::default()).expect("a valid session");
        let mut all = String::new();
        replay::frames(session, driver, &RenderOptions::default(), |frame| {
            writeln!(all, "{}", export::text(&frame.buffer)).expect("a text");
            Ok(())
        })
        .expect("frames");
        all
    };
    let recorded = session(valid);
    // the header is written and read again
    let mut bytes = Vec::new();
    let mut writer = gradstep::session::Recorder::new(&mut bytes, &recorded.header).expect("a recorder");
    for (time, event) in &recorded.events {
        writer.add(*time, event).expect("an event");
    }
    let reread = Session::read(&bytes).expect("a session");
    assert_eq!(reread.header.mine, recorded.header.mine);
    let shown = frames(&reread);
    assert_eq!(shown, frames(&reread), "a second replay has the same frames");
    assert!(shown.contains("≠ yours 0.5") && shown.contains("reduce:grad.fc2.bias[0]"), "{shown}");
}

/// A session whose file of gradients was changed by hand says what is wrong with the file.
#[test]
fn a_recording_with_a_faulty_gradient_file_is_refused_with_the_reason() {
    for (mine, said) in [
        ("{}", "mine.json: no tensor of the file can be compared: it has no tensors"),
        ("{\"fc2.bias\": [0.5", "mine.json: line 1, column 18: expected a comma or ], not the end of the file"),
        ("{\"fc9.bias\": [[1, 2, 3]]}", "mine.json: no tensor of the file can be compared: fc9.bias is left out"),
    ] {
        let error = replay::begin(&session(mine), Limits::default()).map(|_| ()).expect_err("a fault").to_string();
        assert!(error.starts_with(said), "{error}");
    }
}

/// The bias gradient of a convolution with 64 × 128 outputs has 8192 terms. Only a few are shown, but the number of the wrong rule is the sum of all.
#[test]
fn the_number_of_a_wrong_rule_is_the_sum_of_all_its_terms() {
    let document = opened(&format!(
        "title = \"t\"\nloss = \"squared_error\"\ninput = [[{}]]\ntarget = {{ init = \"zeros\", shape = [1, 64, 128] }}\n\
         [[layer]]\ntype = \"conv2d\"\nweight = [[[[2]]]]\nbias = [1]\n",
        vec![format!("[{}]", ["1"; 128].join(", ")); 64].join(", ")
    ));
    // each error is 2 · 1 + 1 = 3, and so is their mean; 1.221e−4 is 1/8192
    let shown = text(&pressed_with(&document, vec![tensor("conv1.bias", &[1], vec![3.0])], "D"));
    assert!(shown.contains("3·1.221e−4 + 3·1.221e−4 + 3·1.221e−4 + … = 3, the right one: 24576."), "{shown}");
}
