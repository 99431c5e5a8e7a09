//! No key is silent: in every overlay and mode, each key of the keyboard changes the screen or shows a message why it does nothing.

use gradstep::command::driver::Effect;
use gradstep::keys::{Code, Key};

use super::*;

/// All keys: characters, characters with Ctrl, keys with names, and some of them with Shift and Alt.
fn keyboard() -> Vec<Key> {
    use Code::{Backspace, Char, Delete, Down, End, Enter, Esc, F, Home, Insert, Left, PageDown, PageUp, Right, Tab, Up};
    let named =
        [Enter, Esc, Tab, Backspace, Delete, Insert, Up, Down, Left, Right, Home, End, PageUp, PageDown].into_iter().chain((1..=12).map(F));
    let characters = (' '..='~').chain(['é', '∂']).map(Char);
    let plain: Vec<Key> = named.chain(characters).map(Key::from).collect();
    let control = ('a'..='y').map(|c| Key { ctrl: true, ..Char(c).into() });
    let others =
        [Tab, Left, Right, Up, Down].into_iter().flat_map(|code| [Key { shift: true, ..code.into() }, Key { alt: true, ..code.into() }]);
    plain.iter().copied().chain(control).chain(others).collect()
}

#[test]
fn a_key_changes_the_screen_or_shows_why_it_does_nothing() {
    let scenarios = scenarios();
    let mut silent = Vec::new();
    // a scenario, a step, and the keys that lead to the mode or overlay
    for (name, at, prefix) in [
        ("xor", "2:fc2.z[0]", ""),
        ("xor", "1:fc1.z[0]", ""),
        ("figure-19", "conv1.z[0,1,0]#2", ""),
        ("figure-14", "J", ""),
        ("xor", "2:fc2.z[0]", "i"),
        ("xor", "2:fc2.z[0]", "r"),
        ("xor", "2:fc2.z[0]", "t"),
        ("xor", "reduce:loss", "w"),
        ("xor", "2:fc2.z[0]", "d"),
        ("xor", "2:fc2.z[0]", "x"),
        ("xor", "2:fc2.z[0]", "y"),
        ("xor", "2:fc2.z[0]", "'"),
        ("xor", "2:fc2.z[0]", "M"),
        ("figure-14", "J", "M"),
        ("xor", "2:fc2.z[0]", "L"),
        ("xor", "2:fc2.z[0]", "?"),
        ("xor", "2:fc2.z[0]", "M?"),
        ("xor", "2:fc2.z[0]", "a"),
        ("xor", "2:fc2.z[0]", "o"),
        ("xor", "2:fc2.z[0]", "o/fig<Left>"),
        ("xor", "2:fc2.z[0]", "p"),
        ("xor", "2:fc2.z[0]", "p1<Left>2<Left>"),
        ("xor", "2:fc2.z[0]", ":grad<Left><Left>"),
        ("xor", "2:fc2.z[0]", ":"),
        ("xor", "2:fc2.z[0]", "/fc<Left>"),
        ("xor", "2:fc2.z[0]", "i<Tab>e0.5<Left><Left>"),
        ("xor", "2:fc2.z[0]", "i<Tab>e1<Enter>"),
        ("xor", "2:fc2.z[0]", "i<Tab>e1<Enter>q"),
    ] {
        let (_, document) = scenarios.iter().find(|(other, _)| other == name).unwrap();
        let mut driver = at_address(document, at);
        driver.set_screen_size((120, 40));
        press(&mut driver, prefix);
        driver.state.message = None;
        // frames are compared with their colours, which show the cursor of the prompt
        let shown = |driver: &Driver| driver.frame(&RenderOptions::default(), (120, 40));
        let before = shown(&driver);
        for key in keyboard() {
            let mut pressed = driver.clone();
            let effect = pressed.apply(&Event::Key(key), Duration::ZERO);
            pressed.finish_all().unwrap();
            let has_answer = effect == Effect::Quit || pressed.take_copied().is_some() || shown(&pressed) != before;
            if !has_answer {
                silent.push(format!("{name} {at} {prefix}: {key}"));
            }
        }
    }
    assert!(silent.is_empty(), "silent keys:\n{}", silent.join("\n"));
}

#[test]
fn the_help_says_by_how_many_rows_a_key_scrolls_the_matrices() {
    let scenarios = scenarios();
    let (_, document) = scenarios.iter().find(|(name, _)| name == "figure-01").unwrap();
    let mut described = 0;
    for row in keys::rows(gradstep::app::Focus::Normal) {
        let Some(rows) = row.description.strip_prefix("scroll the matrices ").and_then(|text| text.strip_suffix(" rows")) else { continue };
        for key in row.keys {
            let mut driver = at_address(document, "conv1.z[0,0,0]");
            press(&mut driver, key);
            let scrolled = driver.state.stepper().unwrap().scroll[0];
            let direction = if scrolled < 0 { "up" } else { "down" };
            assert_eq!(format!("{direction} by {}", scrolled.abs()), rows, "{key}");
            described += 1;
        }
    }
    assert_eq!(described, 6);
}
