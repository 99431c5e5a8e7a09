//! The mouse: a click on a term, on a key of the key bar or on a row of a list does what it shows, and is recorded.

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

fn lines(driver: &Driver) -> Vec<Vec<char>> {
    export::text(&driver.frame(&RenderOptions::default(), SIZE)).lines().map(|line| line.chars().collect()).collect()
}

fn step(driver: &Driver) -> u64 {
    driver.state.stepper().unwrap().step
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
        press(&mut driver, "s");
        let row = lines(&driver).iter().position(|line| bracketed(line).is_some()).unwrap();
        let line = lines(&driver)[row].clone();
        let mut clicked = 0;
        for x in 0..SIZE.0 {
            let Some(event @ Event::Click(_)) = driver.click_event(&RenderOptions::default(), SCREEN, x, u16::try_from(row).unwrap())
            else {
                continue;
            };
            if line.get(usize::from(x)).is_none_or(|c| c.is_whitespace()) {
                continue;
            }
            let mut there = driver.clone();
            assert_eq!(there.apply(&event, Duration::ZERO), Effect::Changed);
            // the word under the click is in the brackets now
            let is_in_word = |c: &char| !c.is_whitespace() && !matches!(c, '[' | ']');
            let begin = (0..=usize::from(x)).rev().take_while(|&at| is_in_word(&line[at])).last();
            let Some(begin) = begin else { continue };
            let word: String = line[begin..].iter().take_while(|c| is_in_word(c)).collect();
            let term = bracketed(&lines(&there)[row]).unwrap();
            assert!(term.contains(&word), "{name}: {word} at column {x}, but {term}");
            let [before, after] = [&driver, &there].map(|driver| driver.state.trace_and_position().unwrap().1);
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
            assert_eq!(
                driver.click_event(&RenderOptions::default(), SCREEN, x, 39),
                Some(Event::Key(Code::Char(key).into())),
                "{word} at {x}"
            );
        }
    }
    // between two keys, on a message and in the address line, a click does nothing
    let mut driver = open("figure-19", "conv1.z[0,1,0]");
    assert_eq!(driver.click_event(&RenderOptions::default(), SCREEN, 0, 39), None);
    press(&mut driver, ":");
    assert_eq!(driver.click_event(&RenderOptions::default(), SCREEN, 3, 39), None);
}

#[test]
fn a_click_on_a_row_of_a_list_chooses_it() {
    let mut driver = open("figure-19", "conv1.z[0,1,0]");
    press(&mut driver, "gr");
    assert_eq!(driver.state.focus(), Focus::List);
    let rows: Vec<(u16, u16, u64)> = (0..SIZE.1)
        .flat_map(|y| (0..SIZE.0).map(move |x| (x, y)))
        .filter_map(|(x, y)| match driver.click_event(&RenderOptions::default(), SCREEN, x, y) {
            Some(Event::Row(row)) => Some((x, y, row)),
            _ => None,
        })
        .collect();
    let list = driver.state.overlay.as_ref().unwrap().list.clone().unwrap();
    let shown = lines(&driver);
    for (row, wanted) in list.rows.iter().enumerate() {
        let (_, y, _) = *rows.iter().find(|(.., at)| *at == row as u64).expect("a row in view");
        let line: String = shown[usize::from(y)].iter().collect();
        assert!(line.contains(&wanted.cells[0]), "{line}");
        let mut there = driver.clone();
        there.apply(&Event::Row(row as u64), Duration::ZERO);
        assert_eq!(there.state.focus(), Focus::Normal);
        assert!(format!("step {}", step(&there)) == wanted.cells[1], "{:?}", wanted.cells);
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
        let equation_row = 5;
        let hits = (0..SIZE.0)
            .filter(|&x| matches!(driver.click_event(&RenderOptions::default(), SCREEN, x, equation_row), Some(Event::Click(_))))
            .count();
        assert!(hits > 2, "{}", scenario.name);
    }
}
