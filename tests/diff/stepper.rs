//! The stepper marks wrong entries of a user's gradients, goes to them with the keys `D`, `n` and `N`, and explains them. No frame shows a number that is
//! computed later.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use gradstep::app::{CompareOptions, Document, GradientComparison, State};
use gradstep::command::ScenarioLoader;
use gradstep::command::driver::Driver;
use gradstep::diff::read;
use gradstep::keys;
use gradstep::scenario::Limits;
use gradstep::session::Event;
use gradstep::ui::{RenderOptions, export};
use ratatui::buffer::Buffer;
use std::time::Duration;

use super::document;

/// A scenario and gradients with one mistake: the filter of conv2 is not turned.
fn opened() -> (Arc<Document>, Arc<GradientComparison>) {
    opened_with("cnn-two", "kernel-not-flipped-1")
}

/// A scenario of the planted mistakes, with the gradients of a student.
fn opened_with(scenario: &str, mine: &str) -> (Arc<Document>, Arc<GradientComparison>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff/plants");
    let document = document(&folder.join(format!("scenarios/{scenario}.toml")).to_string_lossy());
    let mine = format!("mine/{mine}.json");
    let tensors = read(&mine, fs::read(folder.join(&mine)).expect("a file"), None).expect("tensors");
    let comparison = GradientComparison::new(&document, "mine.json".to_owned(), tensors, CompareOptions::default());
    (Arc::new(document), Arc::new(comparison.expect("gradients")))
}

fn state(document: &Arc<Document>, comparison: &Arc<GradientComparison>, step: u64) -> State {
    let mut state = State::picker(Vec::new());
    state.open(Arc::clone(document), Some(step));
    state.compare_gradients(Arc::clone(comparison));
    state
}

/// Presses keys, as the terminal does.
fn pressed(state: State, keys_pressed: &str) -> Driver {
    let loader = ScenarioLoader { limits: Limits::default(), opens_files: false };
    let mut driver = Driver::new(state, loader);
    driver.set_screen_size((120, 40));
    for key in keys::parse(keys_pressed).expect("keys") {
        driver.apply(&Event::Key(key), Duration::ZERO);
        driver.finish_all().expect("no job is stopped");
    }
    driver
}

fn frame(driver: &Driver, size: (u16, u16)) -> Buffer {
    driver.frame(&RenderOptions::default(), size)
}

fn text(driver: &Driver) -> String {
    export::text(&frame(driver, (120, 40)))
}

fn address(driver: &Driver) -> String {
    driver.state.stepper().and_then(gradstep::app::Stepper::address_here).expect("a step").to_string()
}

#[test]
fn d_shows_which_number_is_wrong_and_where_and_why() {
    let (document, comparison) = opened();
    let driver = pressed(state(&document, &comparison, 1), "D");
    assert!(address(&driver).starts_with("grad.conv1.weight[0,0,0,0]"), "{}", address(&driver));
    let shown = text(&driver);
    // the message says which number is wrong and where, and the pane says why; the mark ≠ is a sign, not only a colour
    for said in [
        "2 of 6 gradients are wrong, first here: yours 0.090798, right −0.31945; D again: the step of the mistake",
        "≠ yours 0.090798",
        "the filter of conv2 is not turned",
        "≠",
    ] {
        assert!(shown.contains(said), "{said}\n{shown}");
    }
    // the number of the user is beside ours under the cursor, and in the list of digits
    let shown = text(&pressed(driver.state.clone(), "i"));
    assert!(shown.contains("≠ yours 0.0907977194058"), "{shown}");
    let shown = text(&pressed(driver.state.clone(), "d"));
    assert!(shown.contains("yours, different") && shown.contains("0.0907977194058"), "{shown}");
}

/// On a screen of 80x24, the key D shows which number is wrong, where and why, and the numbers stay in view.
#[test]
fn a_small_screen_shows_the_cause_beside_the_numbers() {
    let (document, comparison) = opened();
    let size = (80, 24);
    let driver = pressed(state(&document, &comparison, 1), "D");
    let shown = export::text(&frame(&driver, size));
    for said in [
        " grad.conv1.weight[0,0,0,0]  step 2335/2960",
        "2 of 6 gradients are wrong, first here; D again: the step of the mistake",
        "▌ ≠ yours 0.090798, right −0.31945",
        "─ why ─",
        "not turned by 180°",
        "=−0.3194≠",
        "all =  −0.3145 + (−0.004936) = −0.3194",
    ] {
        assert!(shown.contains(said), "{said}\n{shown}");
    }
    assert!(!shown.contains('╭'), "no box covers the numbers\n{shown}");
    // Tab shows the next pane
    let shown = export::text(&frame(&pressed(driver.state, "<Tab>"), size));
    assert!(!shown.contains("─ why ─"), "{shown}");
}

#[test]
fn d_again_goes_to_the_step_of_the_mistake_and_back() {
    let (document, comparison) = opened();
    let driver = pressed(state(&document, &comparison, 1), "DD");
    // the first number that the mistake changes; the right one, −0.01091, is the sum of w[0,0] · error over the filters, by hand
    assert!(address(&driver).starts_with("grad.conv1.a[0,0,0]"), "{}", address(&driver));
    let shown = text(&driver);
    for said in
        ["the mistake is made here; D again: the first wrong number", "The mistake is made here: the filter of conv2", "one: −0.01091"]
    {
        assert!(shown.contains(said), "{said}\n{shown}");
    }
    assert!(address(&pressed(driver.state.clone(), "D")).starts_with("grad.conv1.weight[0,0,0,0]"));
    // the first row of the list goes to the same step
    let listed = pressed(state(&document, &comparison, 1), ":mine<CR><CR>");
    assert_eq!(address(&listed), address(&driver));
    assert!(text(&pressed(state(&document, &comparison, 1), "D")).contains("The mistake is made at grad.conv1.a[0,0,0]: the filter"));
}

#[test]
fn two_mistakes_are_counted_and_both_have_their_step() {
    let (document, comparison) = opened_with("cnn-two", "two-1");
    let shown = |keys: &str| {
        let driver = pressed(state(&document, &comparison, 1), keys);
        (address(&driver), text(&driver))
    };
    let (_, first) = shown("D");
    assert!(
        first.contains("Mistake 1 of 2 is made at grad.conv1.a[0,0,0]: the filter of conv2") && first.contains("D again: mistake 1 of 2"),
        "{first}"
    );
    let (place, second) = shown("DD");
    assert!(place.starts_with("grad.conv1.a[0,0,0]") && second.contains("Mistake 1 of 2 is made here"), "{place}\n{second}");
    let (place, third) = shown("DDD");
    assert!(
        place.starts_with("grad.conv1.bias[0]") && third.contains("Mistake 2 of 2 is made here: the bias gradient of conv1 is the mean"),
        "{place}\n{third}"
    );
    assert_eq!(shown("DDDD").0, shown("D").0);
    let (_, list) = shown(":mine<CR>");
    assert!(list.contains("why 1/2") && list.contains("why 2/2"), "{list}");
}

/// The gradients of a batch are added up in `reduce`, but the mistake is made in each sample.
#[test]
fn in_a_batch_the_first_key_goes_to_the_sample_of_the_mistake() {
    let (document, comparison) = opened_with("mlp-tanh", "activation-derivative-missing-1");
    assert!(document.trace.samples() > 1);
    let driver = pressed(state(&document, &comparison, 1), "D");
    assert!(address(&driver).starts_with("1:grad.fc1.z["), "{}", address(&driver));
    let shown = text(&driver);
    for said in [
        "the mistake is made here, in sample 1; D again: the first wrong number",
        "The mistake is made here: the derivative of the activation is missing at fc1",
    ] {
        assert!(shown.contains(said), "{said}\n{shown}");
    }
    let driver = pressed(driver.state, "D");
    assert!(address(&driver).starts_with("reduce:grad.fc1.weight["), "{}", address(&driver));
    assert!(text(&driver).contains("The mistake is made at 1:grad.fc1.z["), "{}", text(&driver));
}

#[test]
fn n_goes_through_all_differences_and_back() {
    let (document, comparison) = opened();
    let wrong: usize = comparison.report.tensors.iter().map(|tensor| tensor.wrong.len()).sum();
    assert_eq!(wrong, 14); // 12 of conv1.weight, 2 of conv1.bias
    let mut driver = pressed(state(&document, &comparison, 1), "D");
    let first = address(&driver);
    let mut seen = vec![first.clone()];
    for _ in 1..wrong {
        driver = pressed(driver.state.clone(), "n");
        assert!(!seen.contains(&address(&driver)), "{} again", address(&driver));
        seen.push(address(&driver));
    }
    assert!(seen.last().expect("a place").starts_with("grad.conv1.bias[1]"), "{seen:?}");
    let wrapped = pressed(driver.state.clone(), "n");
    assert_eq!(address(&wrapped), first);
    assert!(text(&wrapped).contains("wrong number 1 of 14 (from the first one again)"), "{}", text(&wrapped));
    assert_eq!(address(&pressed(driver.state.clone(), "N")), seen[wrong - 2]);
    assert_eq!(address(&pressed(driver.state, "13N")), first);
}

#[test]
fn the_step_of_the_mistake_shows_the_wrong_and_the_right_rule() {
    let (document, comparison) = opened();
    // conv2 moves the error back to conv1
    let step = document.trace.resolve(&"grad.conv1.a[0,0,0]".parse().expect("an address")).expect("a step");
    let last_term = document.trace.span(step, gradstep::step::Unit::Entry).end - 1;
    let shown = text(&pressed(state(&document, &comparison, last_term), ""));
    assert!(shown.contains("The mistake is made here: the filter of conv2"), "{shown}");
    assert!(shown.contains("The wrong rule:"), "{shown}");
    let list = text(&pressed(state(&document, &comparison, 1), ":mine<CR>"));
    for said in ["conv1.weight", "different", "12 of 12", "the filter of conv2"] {
        assert!(list.contains(said), "{said}\n{list}");
    }
}

#[test]
fn without_gradients_and_after_an_edit_the_keys_show_the_reason() {
    let (document, comparison) = opened();
    let mut without_gradients = State::picker(Vec::new());
    without_gradients.open(Arc::clone(&document), Some(1));
    assert!(text(&pressed(without_gradients, "D")).contains("no gradients of your own are loaded"), "D");
    let edited = pressed(state(&document, &comparison, 1), ":set conv1.bias[0] 1<CR>");
    assert!(text(&pressed(edited.state.clone(), "D")).contains("compared before the edits"), "{}", text(&edited));
    assert!(!text(&pressed(edited.state, "G")).contains('≠'), "no mark after an edit");
    // this driver opens no files, like that of a replay
    let loaded = pressed(state(&document, &comparison, 1), ":mine other.json<CR>");
    assert!(text(&loaded).contains("a recorded session reads no file"), "{}", text(&loaded));
}

/// A frame with the user's gradients does not change if the numbers of all later steps are replaced.
#[test]
fn no_frame_shows_a_comparison_before_its_step() {
    let (document, comparison) = opened();
    let backward = document.trace.resolve(&"grad.fc1.z".parse().expect("an address")).expect("a step");
    let steps = (backward..=document.trace.len()).step_by(37).chain([1, 400]);
    let mut marks = 0;
    for step in steps {
        for size in [(80, 24), (120, 40)] {
            let shown = frame(&pressed(state(&document, &comparison, step), ""), size);
            let with_other_future = Arc::new(document.with_future(step, |x| if x == 0.0 { -0.375 } else { -3.0 * x }));
            let other = frame(&pressed(state(&with_other_future, &comparison, step), ""), size);
            assert_eq!(export::text(&shown), export::text(&other), "step {step}");
            marks += export::text(&shown).matches('≠').count();
        }
    }
    assert!(marks > 10, "{marks} marks");
}

/// While prediction asks for a number, the screen has neither the mark ≠ nor the user's number, which would give the answer away.
#[test]
fn prediction_hides_the_right_number_in_the_comparison_too() {
    let (document, comparison) = opened();
    let step = document.trace.resolve(&"grad.conv1.bias[1]".parse().expect("an address")).expect("a step");
    let last = document.trace.span(step, gradstep::step::Unit::Entry).end - 1;
    let told = text(&pressed(state(&document, &comparison, last), ""));
    assert!(told.contains("≠ yours"), "{told}");
    // k chooses the unit entry, p asks for its value
    let hidden = text(&pressed(state(&document, &comparison, last), "kp"));
    assert!(!hidden.contains("≠ yours") && !hidden.contains("your number"), "{hidden}");
}

#[test]
fn plain_mode_describes_the_comparison_in_sentences() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff/plants");
    let path = |name: &str| folder.join(name).into_os_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_gradstep"))
        .args([&*path("scenarios/cnn-two.toml"), OsStr::new("--mine"), &*path("mine/kernel-not-flipped-1.json"), OsStr::new("--plain")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdin.take().expect("a pipe").write_all(b"D\nmatrices\n:mine\n").expect("written");
    let out = String::from_utf8(child.wait_with_output().expect("an end").stdout).expect("UTF-8");
    for said in ["Different: yours 0.090798", "The mistake is made at", "(yours 0.0907977194058)", "conv1.bias, different, 2 of 2"] {
        assert!(out.contains(said), "{said}\n{out}");
    }
}
