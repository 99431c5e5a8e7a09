//! Floor 7: the one table of keys. It dispatches, it is the help, and it is the line at the bottom of the screen.

mod notation;

pub use notation::{Code, Key, parse};

use tui_input::InputRequest;

use crate::app::{Action, Mode, State};

/// One row: in a mode, these keys do this.
#[derive(Debug)]
pub struct Row {
    /// Where it holds.
    pub mode: Mode,
    /// The keys, in vim's notation.
    pub keys: &'static [&'static str],
    /// What they do.
    pub action: Action,
    /// What the help says.
    pub words: &'static str,
    /// What the bottom line says; empty where it does not.
    pub bar: &'static str,
}

const fn row(mode: Mode, keys: &'static [&'static str], action: Action, words: &'static str, bar: &'static str) -> Row {
    Row { mode, keys, action, words, bar }
}

#[rustfmt::skip]
static TABLE: &[Row] = &[
    row(Mode::Stepper, &["l", "<Right>"], Action::Forward, "one unit forward", "forward"),
    row(Mode::Stepper, &["h", "<Left>"], Action::Back, "one unit back", "back"),
    row(Mode::Stepper, &["j", "<Down>"], Action::Finer, "finer unit: iteration, sample, pass, op, entry, step", "finer"),
    row(Mode::Stepper, &["k", "<Up>"], Action::Coarser, "coarser unit: step, entry, op, pass, sample, iteration", "coarser"),
    row(Mode::Stepper, &["s"], Action::StepForward, "one step forward, whatever the unit", ""),
    row(Mode::Stepper, &["S"], Action::StepBack, "one step back, whatever the unit", ""),
    row(Mode::Stepper, &["<Space>"], Action::Play, "play and pause", "play"),
    row(Mode::Stepper, &["+", "="], Action::Faster, "play faster", ""),
    row(Mode::Stepper, &["-"], Action::Slower, "play slower", ""),
    row(Mode::Stepper, &["b"], Action::BackwardPass, "to the start of the backward pass", "backward"),
    row(Mode::Stepper, &["g", "<Home>"], Action::First, "to the first step", "first"),
    row(Mode::Stepper, &["G", "<End>"], Action::Last, "to the last step; 57G goes to step 57", "last"),
    row(Mode::Stepper, &[":"], Action::Prompt, "go to an address: 57, conv1.z, grad.fc1.weight[0,1]#2, 2:fc1.a, reduce:loss, 3/57, backward", "address"),
    row(Mode::Stepper, &["<Tab>"], Action::NextPane, "on a small screen: the picture, the words, or the matrices alone", ""),
    row(Mode::Stepper, &["<S-Tab>"], Action::PreviousPane, "the same, the other way", ""),
    row(Mode::Stepper, &["<PgDn>"], Action::PageDown, "scroll the matrices down", ""),
    row(Mode::Stepper, &["<PgUp>"], Action::PageUp, "scroll the matrices up", ""),
    row(Mode::Stepper, &["n"], Action::Notes, "the scenario's notes", "notes"),
    row(Mode::Stepper, &["o"], Action::Pick, "open another scenario", ""),
    row(Mode::Stepper, &["?"], Action::Help, "these keys", "help"),
    row(Mode::Stepper, &["<Esc>"], Action::Close, "close what is open, stop a computation, forget a number", ""),
    row(Mode::Stepper, &["q", "<C-c>"], Action::Quit, "quit", "quit"),

    row(Mode::Prompt, &["<Enter>"], Action::Accept, "go there", "go"),
    row(Mode::Prompt, &["<Tab>", "<Down>"], Action::Complete, "complete; again for the next name", "complete"),
    row(Mode::Prompt, &["<S-Tab>", "<Up>"], Action::CompleteBack, "the completion before", ""),
    row(Mode::Prompt, &["<Left>"], Action::Edit(InputRequest::GoToPrevChar), "one character left", ""),
    row(Mode::Prompt, &["<Right>"], Action::Edit(InputRequest::GoToNextChar), "one character right", ""),
    row(Mode::Prompt, &["<Home>", "<C-a>"], Action::Edit(InputRequest::GoToStart), "to the beginning of the line", ""),
    row(Mode::Prompt, &["<End>", "<C-e>"], Action::Edit(InputRequest::GoToEnd), "to the end of the line", ""),
    row(Mode::Prompt, &["<BS>"], Action::Edit(InputRequest::DeletePrevChar), "delete the character before", ""),
    row(Mode::Prompt, &["<Del>"], Action::Edit(InputRequest::DeleteNextChar), "delete the character under the cursor", ""),
    row(Mode::Prompt, &["<C-w>"], Action::Edit(InputRequest::DeletePrevWord), "delete the word before", ""),
    row(Mode::Prompt, &["<C-u>"], Action::Edit(InputRequest::DeleteLine), "delete the line", ""),
    row(Mode::Prompt, &["<Esc>", "<C-c>"], Action::Close, "close the line", "close"),

    row(Mode::Overlay, &["j", "<Down>"], Action::Down, "down", "down"),
    row(Mode::Overlay, &["k", "<Up>"], Action::Up, "up", "up"),
    row(Mode::Overlay, &["<PgDn>", "<Space>"], Action::PageDown, "a page down", ""),
    row(Mode::Overlay, &["<PgUp>"], Action::PageUp, "a page up", ""),
    row(Mode::Overlay, &["<Esc>", "<Enter>", "?", "n"], Action::Close, "close", "close"),
    row(Mode::Overlay, &["q", "<C-c>"], Action::Quit, "quit", "quit"),

    row(Mode::Picker, &["j", "<Down>"], Action::Down, "the next scenario", "down"),
    row(Mode::Picker, &["k", "<Up>"], Action::Up, "the scenario before", "up"),
    row(Mode::Picker, &["<PgDn>"], Action::PageDown, "ten down", ""),
    row(Mode::Picker, &["<PgUp>"], Action::PageUp, "ten up", ""),
    row(Mode::Picker, &["<Enter>", "l", "<Right>"], Action::Accept, "open it", "open"),
    row(Mode::Picker, &["?"], Action::Help, "these keys", "help"),
    row(Mode::Picker, &["<Esc>"], Action::Close, "back to the open scenario", "back"),
    row(Mode::Picker, &["q", "<C-c>"], Action::Quit, "quit", "quit"),
];

/// What a key does now; `None` where it does nothing.
#[must_use]
pub fn action(state: &State, key: Key) -> Option<Action> {
    let mode = state.mode();
    if let Some(row) = TABLE.iter().find(|row| row.mode == mode && row.keys.iter().any(|text| parse(text).is_ok_and(|keys| keys == [key])))
    {
        return Some(row.action.clone());
    }
    match (mode, key) {
        (Mode::Prompt, Key { code: Code::Char(c), ctrl: false, alt: false, .. }) => Some(Action::Edit(InputRequest::InsertChar(c))),
        (Mode::Stepper, Key { code: Code::Char(c @ '0'..='9'), ctrl: false, alt: false, .. }) => {
            let digit = c as u8 - b'0';
            (digit > 0 || state.count.is_some()).then_some(Action::Digit(digit))
        }
        _ => None,
    }
}

/// The rows of a mode, in order: the help.
pub fn rows(mode: Mode) -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(move |row| row.mode == mode)
}

/// A key as the screen shows it.
#[must_use]
pub fn shown(text: &str) -> String {
    match text {
        "<Right>" => "→".to_owned(),
        "<Left>" => "←".to_owned(),
        "<Up>" => "↑".to_owned(),
        "<Down>" => "↓".to_owned(),
        _ => match text.strip_prefix("<C-").and_then(|rest| rest.strip_suffix('>')) {
            Some(letter) => format!("Ctrl-{letter}"),
            None if text.len() > 2 => text.trim_matches(['<', '>']).replace("S-", "Shift-"),
            None => text.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_key_of_the_table_can_be_typed_and_means_one_thing() {
        let mut seen = HashSet::new();
        for row in TABLE {
            for text in row.keys {
                let keys = parse(text).expect(text);
                assert_eq!(keys.len(), 1, "{text}");
                assert!(seen.insert((row.mode, keys[0])), "{text} twice in {:?}", row.mode);
            }
        }
    }
}
