//! The mouse: a click on a term, on a key in the bottom line or on a row of a list does the same as the key or the command for it, and is recorded.

use std::sync::Arc;
use std::time::Duration;

use gradstep::app::{Focus, State};
use gradstep::command::driver::{Driver, Effect};
use gradstep::command::{ScenarioLoader, bundled, picker_entries};
use gradstep::keys::{self, Code};
use gradstep::scenario::Limits;
use gradstep::session::Event;
use gradstep::ui::RenderOptions;
use gradstep::ui::export;
use ratatui::layout::Rect;

const SIZE: (u16, u16) = (120, 40);
const SCREEN: Rect = Rect::new(0, 0, SIZE.0, SIZE.1);

/// Opens a bundled scenario at the step of an address.
fn open(name: &str, at: &str) -> Driver {
    let loader = ScenarioLoader::bundled(Limits::default());
    let document = Arc::new(loader.open(name).unwrap());
    let mut state = State::picker(picker_entries::bundled());
    state.open(document, Some(1));
    state.go_to(at.parse().unwrap()).unwrap();
    let mut driver = Driver::new(state, loader);
    driver.finish_all().unwrap();
    driver
}

fn press(driver: &mut Driver, keys: &str) {
    for key in keys::parse(keys).unwrap() {
        driver.apply(&Event::Key(key), Duration::ZERO);
        driver.finish_all().unwrap();
    }
}

/// Returns the rows of the screen, each as its characters.
fn lines(driver: &Driver) -> Vec<Vec<char>> {
    export::text(&driver.frame(&RenderOptions::default(), SIZE)).lines().map(|line| line.chars().collect()).collect()
}

fn step(driver: &Driver) -> u64 {
    driver.state.stepper().unwrap().step
}

/// A click on a term goes to its step, and the prompt then asks for the number of this step. What was typed is dropped, and is no wrong answer.
#[test]
fn in_prediction_a_click_on_a_term_asks_for_that_term() {
    let mut driver = open("figure-19", "grad.conv1.weight[0,0,0,0]#3");
    // a prediction, with a 1 typed
    press(&mut driver, "p1");
    // row 5 shows the terms
    let events = (0..60).map(|x| driver.click_event(&RenderOptions::default(), SCREEN, x, 5));
    let term = events.into_iter().find(|event| *event != Event::Miss).expect("a term");
    driver.apply(&term, Duration::ZERO);
    let stepper = driver.state.stepper().unwrap();
    assert_eq!(stepper.address_here().unwrap().to_string(), "grad.conv1.weight[0,0,0,0]#1");
    assert!(stepper.open_question().is_some_and(|question| question.wrong_answers == 0));
    assert_eq!((driver.state.focus(), driver.state.prompt().unwrap().input.value()), (Focus::Answer, ""));
}

/// Returns the text between the brackets of a line: the term of this step.
fn bracketed(line: &[char]) -> Option<String> {
    let line: String = line.iter().collect();
    let (_, rest) = line.split_once('[')?;
    Some(rest.split_once(']')?.0.trim().to_owned())
}

#[test]
fn a_click_on_a_term_goes_to_that_term() {
    for (name, at) in [
        ("figure-18", "grad.conv1.weight[0,0,1,1]"),
        ("figure-19", "conv1.z[0,1,0]"),
        ("xor", "grad.fc2.a[0]"),
        ("figure-01", "fc1.z[0]#20"),
    ] {
        let mut driver = open(name, at);
        // one step forward
        press(&mut driver, "s");
        let row = lines(&driver).iter().position(|line| bracketed(line).is_some()).unwrap();
        let line = lines(&driver)[row].clone();
        let mut clicked = 0;
        for x in 0..SIZE.0 {
            let event @ Event::Click(_) = driver.click_event(&RenderOptions::default(), SCREEN, x, u16::try_from(row).unwrap()) else {
                continue;
            };
            if line.get(usize::from(x)).is_none_or(|c| c.is_whitespace()) {
                continue;
            }
            let mut clicked_driver = driver.clone();
            assert_eq!(clicked_driver.apply(&event, Duration::ZERO), Effect::Changed);
            // the word under the click, from `begin` on, is in the brackets now
            let is_in_word = |c: &char| !c.is_whitespace() && !matches!(c, '[' | ']');
            let begin = (0..=usize::from(x)).rev().take_while(|&at| is_in_word(&line[at])).last();
            let Some(begin) = begin else { continue };
            let word: String = line[begin..].iter().take_while(|c| is_in_word(c)).collect();
            let term = bracketed(&lines(&clicked_driver)[row]).unwrap();
            assert!(term.contains(&word), "{name}: {word} at column {x}, but {term}");
            let [before, after] = [&driver, &clicked_driver].map(|driver| driver.state.trace_and_position().unwrap().1);
            assert_eq!((before.op, before.entry), (after.op, after.entry));
            clicked += usize::from(before.term != after.term);
        }
        assert!(clicked > 3, "{name}: {clicked} cells of other terms");
    }
}

#[test]
fn a_click_on_the_key_bar_presses_the_key() {
    for (keys, word, key) in [
        ("", "l → forward", 'l'),
        ("", "b backward", 'b'),
        ("", ": command", ':'),
        ("", "? help", '?'),
        ("i", "t terms", 't'),
        ("r", "q quit", 'q'),
    ] {
        let mut driver = open("figure-19", "conv1.z[0,1,0]");
        press(&mut driver, keys);
        let last: String = lines(&driver)[39].iter().collect();
        let at = last.find(word).unwrap_or_else(|| panic!("{word} is not in {last}"));
        let at = u16::try_from(last[..at].chars().count()).unwrap();
        for x in at..at + u16::try_from(word.chars().count()).unwrap() {
            assert_eq!(driver.click_event(&RenderOptions::default(), SCREEN, x, 39), Event::Key(Code::Char(key).into()), "{word} at {x}");
        }
    }
    // between two keys, on a message and in the prompt, a click says that there is nothing
    let mut driver = open("figure-19", "conv1.z[0,1,0]");
    assert_eq!(driver.click_event(&RenderOptions::default(), SCREEN, 0, 39), Event::Miss);
    press(&mut driver, ":");
    assert_eq!(driver.click_event(&RenderOptions::default(), SCREEN, 3, 39), Event::Miss);
}

#[test]
fn a_click_on_a_row_of_a_list_chooses_it() {
    let mut driver = open("figure-19", "conv1.z[0,1,0]");
    press(&mut driver, "gr");
    assert_eq!(driver.state.focus(), Focus::List);
    let rows: Vec<(u16, u16, u64)> = (0..SIZE.1)
        .flat_map(|y| (0..SIZE.0).map(move |x| (x, y)))
        .filter_map(|(x, y)| match driver.click_event(&RenderOptions::default(), SCREEN, x, y) {
            Event::Row(row) => Some((x, y, row)),
            _ => None,
        })
        .collect();
    let list = driver.state.overlay.as_ref().unwrap().list.clone().unwrap();
    let shown = lines(&driver);
    for (row, wanted) in list.rows.iter().enumerate() {
        let (_, y, _) = *rows.iter().find(|(.., at)| *at == row as u64).expect("a row in view");
        let line: String = shown[usize::from(y)].iter().collect();
        // the first cells of a row are the name of the entry and the step that reads it
        assert!(line.contains(&wanted.cells[0]), "{line}");
        let mut clicked_driver = driver.clone();
        clicked_driver.apply(&Event::Row(row as u64), Duration::ZERO);
        assert_eq!(clicked_driver.state.focus(), Focus::Normal);
        assert!(format!("step {}", step(&clicked_driver)) == wanted.cells[1], "{:?}", wanted.cells);
    }
}

#[test]
fn the_wheel_with_shift_scrolls_sideways() {
    let mut driver = open("figure-01", "conv1.z[0,20,20]");
    // the message is gone after the first key
    press(&mut driver, "<Esc>");
    let before = lines(&driver);
    driver.apply(&Event::WheelSideways(3), Duration::ZERO);
    assert_eq!(driver.state.stepper().unwrap().scroll, [0, 3]);
    assert!(lines(&driver) != before);
    driver.apply(&Event::WheelSideways(-3), Duration::ZERO);
    assert!(lines(&driver) == before);
}

#[test]
fn every_bundled_scenario_has_a_clickable_equation() {
    for scenario in bundled::ALL {
        let driver = open(scenario.name, "backward");
        // the equation with numbers is below the equation in symbols; in a graph, both are one row further down, below the statement
        let rows = lines(&driver);
        let is_statement = |row: &Vec<char>| row.iter().collect::<String>().starts_with("back through line ");
        let equation_row = if rows.iter().any(is_statement) { 6 } else { 5 };
        let hits = (0..SIZE.0)
            .filter(|&x| matches!(driver.click_event(&RenderOptions::default(), SCREEN, x, equation_row), Event::Click(_)))
            .count();
        assert!(hits > 2, "{}", scenario.name);
    }
}

/// Returns the column at which the picture begins.
fn left_edge(lines: &[Vec<char>]) -> usize {
    lines.iter().find_map(|line| line.windows(9).position(|cells| cells.iter().collect::<String>() == "─ picture")).unwrap()
}

/// Returns the cells (x, y) of the picture whose character fulfils a condition, and the event of a click on each.
fn clicks_on(driver: &Driver, is_shown: impl Fn(char) -> bool) -> Vec<((u16, u16), Event)> {
    let lines = lines(driver);
    let left = left_edge(&lines);
    let mut clicks = Vec::new();
    for (y, line) in lines.iter().enumerate() {
        for (x, _) in line.iter().enumerate().skip(left).filter(|(_, c)| is_shown(**c)) {
            let at = (u16::try_from(x).unwrap(), u16::try_from(y).unwrap());
            clicks.push((at, driver.click_event(&RenderOptions::default(), SCREEN, at.0, at.1)));
        }
    }
    clicks
}

/// Returns the address of the entry on the screen after an event, such as `fc1.z[1]`, and the message.
fn address_after(driver: &Driver, event: &Event) -> (String, String) {
    let mut clicked_driver = driver.clone();
    clicked_driver.apply(event, Duration::ZERO);
    let (trace, at) = clicked_driver.state.trace_and_position().unwrap();
    // the address of the first term ends with `#1` if the entry has several terms
    let address = trace.address(&at.with_term(0)).to_string();
    let message = clicked_driver.state.message.as_ref().map(|message| message.text.clone()).unwrap_or_default();
    (address.trim_end_matches("#1").to_owned(), message)
}

/// Returns the address and the message after a click on a text of the picture.
fn after_click_on(driver: &Driver, text: &str) -> (String, String) {
    let lines = lines(driver);
    let wanted: Vec<char> = text.chars().collect();
    let left = left_edge(&lines);
    let find = |line: &Vec<char>| (left..line.len()).rev().find(|&x| line[x..].starts_with(&wanted));
    let (y, x) = lines.iter().enumerate().find_map(|(y, line)| Some((y, find(line)?))).unwrap_or_else(|| panic!("{text} is not shown"));
    let event = driver.click_event(&RenderOptions::default(), SCREEN, u16::try_from(x).unwrap(), u16::try_from(y).unwrap());
    assert_ne!(event, Event::Miss, "{text} is no target");
    address_after(driver, &event)
}

#[test]
fn a_click_on_a_node_goes_to_the_step_that_computes_it() {
    for (name, at, node, wanted) in [
        ("figure-19", "grad.conv1.weight[0,0,0,1]#3", "δ₂₂ 0.5", "grad.conv1.z[0,1,1]"),
        ("figure-17", "grad.fc1.bias[1]", "∂C/∂b₁", "grad.fc1.bias[0]"),
        // a scalar graph: the name and the derivative in the backward pass, the value, the name in the forward pass
        ("figure-14", "grad.a", "(v)", "grad.v"),
        ("figure-14", "grad.a", "10", "v"),
        ("figure-14", "v", "[u]", "u"),
    ] {
        assert_eq!(after_click_on(&open(name, at), node).0, wanted, "{name} {node}");
    }
    // a click on a given number opens the cursor on it, and shows the message of the key m
    for (name, at, node, given) in
        [("figure-19", "grad.conv1.weight[0,0,0,1]#3", "a₁₂ 2", "input[0,0,1]"), ("xor", "1:fc1.z[0]", "a₁ 0", "input[0]")]
    {
        let mut driver = open(name, at);
        let (address, message) = after_click_on(&driver, node);
        assert_eq!(address, at.split('#').next().unwrap(), "{name}");
        assert_eq!(message, format!("{given} is given: no step computes it; r lists what reads it, e edits it"));
        driver.apply(&Event::Click(given.parse().unwrap()), Duration::ZERO);
        assert_eq!(driver.state.focus(), Focus::Cursor);
        press(&mut driver, "m");
        assert_eq!(driver.state.message.as_ref().unwrap().text, format!("{given} is given: no step computes it"));
    }
    // a click on an entry without steps shows why it has none
    let driver = open("figure-07", "grad.input");
    let (address, message) = after_click_on(&driver, "∂C/∂a⁽⁰⁾₁₂");
    assert_eq!(address, "grad.input[0,0,0]");
    assert!(message.starts_with("grad.input[0,0,1] is 0: "), "{message}");
}

/// The lines of a convolution stand for all terms of its gradients: clicks on them lead to each term.
#[test]
fn a_click_on_a_line_goes_to_its_term() {
    let is_line = |c: char| ('\u{2801}'..='\u{28ff}').contains(&c);
    // all lines lead to addresses that begin with `op`; there are at most `count` of them
    for (name, at, op, count) in [
        ("figure-19", "conv1.z[0,1,0]", "conv1.z", 16),
        ("figure-19", "grad.conv1.weight[0,0,0,1]#3", "grad.conv1.weight", 16),
        ("figure-19", "grad.input[0,1,1]#2", "grad.input", 16),
        ("xor", "fc1.z[1]", "fc1.z", 6),
        ("xor", "grad.fc1.weight[0,1]", "grad.fc1.weight", 4),
        ("mazur-2-2-2", "grad.fc1.a[0]", "grad.fc1.a", 4),
        ("figure-14", "grad.a", "", 5),
    ] {
        let driver = open(name, at);
        let mut reached = std::collections::BTreeSet::new();
        for (cell, event) in clicks_on(&driver, is_line) {
            assert!(matches!(event, Event::Click(_)), "{name} {at}: the line at {cell:?} is no target");
            let mut clicked_driver = driver.clone();
            clicked_driver.apply(&event, Duration::ZERO);
            let (trace, position) = clicked_driver.state.trace_and_position().unwrap();
            let address = trace.address(&position).to_string();
            assert!(address.split(':').next_back().unwrap().starts_with(op), "{name} {at}: {address}");
            reached.insert(address);
        }
        // some lines of a convolution are hidden by others
        assert!(reached.len() <= count && reached.len() * 4 >= count * 3, "{name} {at}: {reached:?}");
    }
    // the name of the weight is on the line of this step
    let driver = open("figure-19", "conv1.z[0,1,0]#2");
    assert_eq!(after_click_on(&driver, " w₁₂ ").0, "conv1.z[0,1,0]");
}

#[test]
fn a_click_on_the_filter_and_its_image_goes_to_the_entry() {
    let driver = open("figure-19", "grad.conv1.weight[0,0,0,1]#3");
    assert_eq!(after_click_on(&driver, "δ₁₂ ").0, "grad.conv1.z[0,0,1]");
    // the number below is that of the pixel, which is given
    assert!(after_click_on(&driver, "−2     6").1.starts_with("input[0,2,1] is given"));
}

/// With an open cursor, a click puts the cursor on an entry of a matrix. A click on a node that is in no matrix goes to its step.
#[test]
fn a_click_on_a_node_outside_the_matrices_goes_there_with_a_cursor_too() {
    let mut driver = open("figure-17", "grad.fc1.weight[0,1]");
    press(&mut driver, "i");
    assert_eq!(after_click_on(&driver, "δ₂").0, "grad.fc1.weight[0,1]");
    let mut driver = open("figure-14", "grad.a");
    press(&mut driver, "i");
    assert_eq!(after_click_on(&driver, "(v)").0, "grad.v");
}

/// Clicks on a text of the screen.
fn click_on(driver: &mut Driver, text: &str) {
    let (lines, wanted) = (lines(driver), text.chars().collect::<Vec<_>>());
    let find = |line: &Vec<char>| (0..line.len()).find(|&x| line[x..].starts_with(&wanted));
    let (y, x) = lines.iter().enumerate().find_map(|(y, line)| Some((y, find(line)?))).unwrap_or_else(|| panic!("{text} is not shown"));
    let event = driver.click_event(&RenderOptions::default(), SCREEN, u16::try_from(x).unwrap(), u16::try_from(y).unwrap());
    assert_ne!(event, Event::Miss, "{text} is no target");
    driver.apply(&event, Duration::ZERO);
    driver.finish_all().unwrap();
}

#[test]
fn a_click_opens_a_scenario_of_the_picker() {
    let loader = ScenarioLoader::bundled(Limits::default());
    let mut driver = Driver::new(State::picker(picker_entries::bundled()), loader);
    assert_eq!(driver.click_event(&RenderOptions::default(), SCREEN, 3, 2), Event::Miss, "the title of a group");
    click_on(&mut driver, "figure-14");
    assert_eq!(driver.state.document().unwrap().scenario.name, "figure-14");
    // the same with an open scenario behind the picker, and in a scrolled list
    press(&mut driver, "o");
    click_on(&mut driver, "xor");
    assert_eq!(driver.state.document().unwrap().scenario.name, "xor");
    press(&mut driver, "o");
    click_on(&mut driver, "Esc back");
    assert_eq!(driver.state.focus(), Focus::Normal);
}

#[test]
fn a_click_on_a_row_of_the_palette_runs_it() {
    let mut driver = open("figure-19", "conv1.z[0,1,0]");
    press(&mut driver, ":");
    // the backward pass begins with step 25
    click_on(&mut driver, "backward  ");
    assert_eq!((driver.state.focus(), step(&driver)), (Focus::Normal, 25));
    press(&mut driver, ":bre");
    click_on(&mut driver, "breaks");
    assert_eq!(
        driver.state.message.as_ref().map(|message| message.text.as_str()),
        Some("there is no breakpoint: B sets one here, :break ENTRY elsewhere")
    );
    // a command whose argument is missing stays in the prompt
    press(&mut driver, ":set");
    click_on(&mut driver, "set ENTRY");
    assert_eq!((driver.state.focus(), driver.state.prompt().unwrap().input.value()), (Focus::Prompt, "set "));
    click_on(&mut driver, "Esc close");
    assert_eq!(driver.state.focus(), Focus::Normal);
    // a long text leaves no room for the key Esc in the bottom line
    press(&mut driver, &format!(":{}", "a".repeat(110)));
    assert_eq!(driver.click_event(&RenderOptions::default(), SCREEN, 117, 39), Event::Miss);
    press(&mut driver, "<Esc>/");
    click_on(&mut driver, "< 0");
    assert!(driver.state.focus() == Focus::Normal && driver.state.stepper().unwrap().search.is_some());
}

#[test]
fn the_wheel_moves_through_the_list_that_is_open() {
    for (keys, list) in [
        (":", "the palette"),
        ("/", "the searches"),
        ("?", "the help"),
        ("w", "a list"),
        ("M", "the map"),
        ("L", "the curve"),
        // four rows up, so that the wheel can go down
        ("okkkk", "the picker"),
    ] {
        let mut driver = open("xor", "1:fc2.z[0]");
        driver.set_screen_size(SIZE);
        press(&mut driver, keys);
        let before = lines(&driver);
        driver.apply(&Event::Wheel(3), Duration::ZERO);
        assert!(lines(&driver) != before, "{list}");
        driver.apply(&Event::Wheel(-3), Duration::ZERO);
        // on the curve, the wheel moves along the iterations; the matrices behind an overlay do not move
        driver.apply(&Event::WheelSideways(1), Duration::ZERO);
        assert_eq!(driver.state.stepper().unwrap().scroll, [0, 0], "{list}");
    }
}

#[test]
fn a_click_on_a_block_of_the_map_goes_there() {
    let mut driver = open("figure-19", "conv1.z[0,1,0]");
    press(&mut driver, "M");
    // the block of the loss
    click_on(&mut driver, "C = ");
    let (trace, at) = driver.state.trace_and_position().unwrap();
    assert_eq!((driver.state.focus(), trace.address(&at).to_string().as_str()), (Focus::Normal, "loss#1"));
}

#[test]
fn a_click_on_a_key_in_a_border_presses_it() {
    for (keys, text) in
        [("?", "Esc: close"), ("a", "Esc: close"), ("M", "Esc: close"), ("r", "Esc: close"), ("t", "Enter: go"), ("M", "Enter: go")]
    {
        let mut driver = open("xor", "fc1.z[0]#2");
        press(&mut driver, keys);
        assert_ne!(driver.state.focus(), Focus::Normal, "{keys}");
        click_on(&mut driver, text);
        assert_eq!(driver.state.focus(), Focus::Normal, "{keys} {text}");
    }
    let mut driver = open("xor", "fc1.z[0]#2");
    press(&mut driver, "?");
    driver.set_screen_size(SIZE);
    // a click on a text presses its first key; each click scrolls on from the one before it
    for (text, scroll) in [("PgDn PgUp", 10), ("j k PgDn", 11), ("k PgDn", 10), ("PgUp g G", 0)] {
        click_on(&mut driver, text);
        assert_eq!(driver.state.overlay.as_ref().unwrap().scroll, scroll, "{text}");
    }
}

#[test]
fn a_click_on_a_part_of_the_header_opens_or_goes_to_it() {
    for (text, focus) in [("Learning", Focus::Overlay), ("iteration 1/60", Focus::Curve), ("layer 1/2", Focus::Map)] {
        let mut driver = open("xor", "2:fc1.z[1]#2");
        click_on(&mut driver, text);
        assert_eq!(driver.state.focus(), focus, "{text}");
    }
    for (at, text, wanted) in [
        ("2:grad.fc1.z[1]", "sample 2/4", "2:fc1.z[0]#1"),
        ("2:grad.fc1.z[1]", "backward │", "2:grad.fc2.a[0]#1"),
        ("reduce:grad.fc1.bias[1]", "reduce │", "reduce:loss#1"),
    ] {
        let mut driver = open("xor", at);
        click_on(&mut driver, text);
        let (trace, position) = driver.state.trace_and_position().unwrap();
        assert_eq!(trace.address(&position).to_string(), wanted, "{text}");
    }
}

#[test]
fn a_click_on_the_curve_moves_its_marker() {
    let mut driver = open("xor", "fc1.z[1]");
    press(&mut driver, "L");
    let marker = |driver: &Driver| driver.state.overlay.as_ref().unwrap().curve.unwrap().iteration;
    let mut last = 0;
    for x in [20, 60, 100, 115] {
        let event = driver.click_event(&RenderOptions::default(), SCREEN, x, 20);
        driver.apply(&event, Duration::ZERO);
        assert!(marker(&driver) > last, "column {x}: {}", marker(&driver));
        last = marker(&driver);
    }
    // column 115 is near the end of the 60 iterations
    assert!(last > 55);
}

#[test]
fn a_click_on_nothing_shows_a_message() {
    for keys in ["", "i", "?", "r", "M", ":"] {
        let mut driver = open("xor", "fc1.z[1]");
        press(&mut driver, keys);
        // the right end of the last line
        let event = driver.click_event(&RenderOptions::default(), SCREEN, 119, 39);
        assert_eq!(event, Event::Miss, "{keys}");
        let before = lines(&driver);
        driver.apply(&event, Duration::ZERO);
        assert!(lines(&driver) != before, "{keys}");
    }
}

#[test]
fn the_loss_of_the_timeline_is_that_of_the_sample_or_of_the_batch() {
    for (at, wanted) in [("2:fc1.z", "2:loss#1"), ("reduce:grad.fc2.weight", "reduce:loss#1"), ("update:fc2.weight", "reduce:loss#1")] {
        let mut driver = open("xor", at);
        // the first loss on the screen is that of the timeline
        click_on(&mut driver, "loss ");
        let (trace, at) = driver.state.trace_and_position().unwrap();
        assert_eq!(trace.address(&at).to_string(), wanted);
    }
}
