//! The picker lists the easiest scenario first, filters scenarios by words, and moves its selection among the listed ones.

use gradstep::app::{Focus, Request, Screen, State};
use gradstep::command::{bundled, picker_entries};

use crate::{message, press};

fn picker() -> State {
    State::picker(picker_entries::bundled())
}

/// The names that the picker lists.
fn listed(state: &State) -> Vec<&str> {
    let Screen::Picker(picker) = &state.screen else { panic!("no picker") };
    picker.listed_indices(&state.scenarios).into_iter().map(|index| &*state.scenarios[index].name).collect()
}

fn selected(state: &State) -> Option<&str> {
    state.selected_scenario().map(|entry| &*entry.name)
}

#[test]
fn the_first_scenario_is_the_easiest() {
    let mut state = picker();
    assert_eq!(listed(&state)[..4], ["figure-14", "figure-15", "figure-16", "figure-17"]);
    assert_eq!(press(&mut state, "<Enter>"), Some(Request::Open("figure-14".to_owned())));
}

#[test]
fn the_filter_finds_words_of_name_title_and_summary() {
    // a name, a part of a name, a word of a title, a word of a summary, two words in any order
    for (typed, names) in [
        ("xor", &["xor"][..]),
        ("14", &["figure-14"]),
        ("gure-1", &["figure-14", "figure-15"]),
        ("graph", &["figure-14"]),
        ("smallest", &["figure-14"]),
        ("chain GRAPH", &["figure-14"]),
        ("", &["figure-14", "figure-15"]),
        ("no such words", &[]),
    ] {
        let mut state = picker();
        press(&mut state, &format!("/{}", typed.replace(' ', "<Space>")));
        assert_eq!(state.focus(), Focus::Filter);
        let found = listed(&state);
        assert!(names.iter().all(|name| found.contains(name)), "{typed}: {found:?}");
        assert_eq!(selected(&state), found.first().copied(), "{typed}");
        let opened = press(&mut state, "<Enter>");
        match names.first() {
            Some(name) => assert_eq!(opened, Some(Request::Open((*name).to_owned()))),
            None => assert_eq!((opened, message(&state).as_str()), (None, "no scenario has these words")),
        }
    }
}

#[test]
fn the_selection_moves_among_the_listed_scenarios() {
    let mut state = picker();
    press(&mut state, "jj/figure");
    assert_eq!(selected(&state), Some("figure-16"), "the selection stays if the filter lists it");
    for (key, name) in [
        ("<Down>", "figure-17"),
        ("<Up>", "figure-16"),
        ("<PgDn>", "figure-01"),
        ("<Home>", "figure-14"),
        ("<End>", "figure-01"),
        ("<PgUp>", "figure-14"),
    ] {
        press(&mut state, key);
        assert_eq!(selected(&state), Some(name), "{key}");
    }
    press(&mut state, "<C-u>xo");
    assert_eq!((selected(&state), listed(&state)), (Some("xor"), vec!["xor"]));
    press(&mut state, "q");
    assert_eq!(selected(&state), None, "q is a letter of the filter: no name has xoq");
    press(&mut state, "<Esc>");
    assert_eq!((state.focus(), selected(&state), listed(&state).len()), (Focus::Picker, Some("xor"), bundled::LEARNING.len()));
    // Backspace in an empty filter closes it too
    press(&mut state, "/<BS>");
    assert_eq!(state.focus(), Focus::Picker);
    for (key, name) in
        [("<Home>", "figure-14"), ("<PgDn>", "mazur-2-2-2"), ("<End>", "graph-convolution"), ("<PgUp>", "softmax-cross-entropy")]
    {
        press(&mut state, key);
        assert_eq!(selected(&state), Some(name), "{key}");
    }
}
