//! Floor 7: the table of keys. The actions of keys, the help overlay and the key bar (the line of keys at the bottom of the screen) come from this table. Only
//! typed characters, the keys of a list's rows and the keys of old recordings have no row.
//!
//! A key for an existing action needs a row. A key that turns something on and off needs a row and a [`Setting`]. A key with a new effect needs a row, an
//! [`Action`], and a line for this action in `app/update.rs` or `app/motion.rs`.

mod notation;

pub use notation::{Code, Key, parse};

use std::borrow::Cow;
use std::sync::LazyLock;

use smallvec::SmallVec;
use tui_input::InputRequest;

use crate::app::{Action, Command, Commands, Focus, KeyMeanings, ListKind, OverlayKind, Setting, State, Stepper};

/// A row of the table: keys with the same action in a focus.
#[derive(Debug)]
pub struct KeyBinding {
    /// The focus in which the keys have this action.
    pub focus: Focus,
    /// The keys, in the notation of [`parse`].
    pub keys: &'static [&'static str],
    /// The action.
    pub action: Action,
    /// The text in the help.
    pub description: &'static str,
    /// The word in the key bar; empty if the key bar does not show these keys.
    pub bar: &'static str,
    /// The name of the command in the palette. If it is not set, it is the word in the key bar. Only keys of the stepper need a name.
    pub name: &'static str,
}

const fn row(focus: Focus, keys: &'static [&'static str], action: Action, description: &'static str, bar: &'static str) -> KeyBinding {
    KeyBinding { focus, keys, action, description, bar, name: bar }
}

impl KeyBinding {
    /// Returns the row with this name instead of its word in the key bar.
    const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }
}

#[rustfmt::skip]
static TABLE: &[KeyBinding] = &[
    row(Focus::Normal, &["l", "<Right>"], Action::Forward, "forward by one unit: to the last step of this unit or, from there, of the next one (j and k choose the unit)", "forward"),
    row(Focus::Normal, &["h", "<Left>"], Action::Back, "back by one unit: to the last step of the unit before this one; directly after l, to the step where l was pressed", "back"),
    row(Focus::Normal, &["j", "<Down>"], Action::Finer, "smaller unit: iteration → sample → pass → op → entry → step", "finer"),
    row(Focus::Normal, &["k", "<Up>"], Action::Coarser, "larger unit: step → entry → op → pass → sample → iteration", "coarser"),
    row(Focus::Normal, &["s"], Action::StepForward, "one step forward, in any unit", "").named("step forward"),
    row(Focus::Normal, &["S"], Action::StepBack, "one step back, in any unit", "").named("step back"),
    row(Focus::Normal, &["f"], Action::StepOut, "step out: to the last step of this op", "").named("step out"),
    row(Focus::Normal, &["z"], Action::CycleSetting(Setting::SkipZeros, 1), "let moves skip products that are 0, or not", "").named("skip zeros"),
    row(Focus::Normal, &["<C-o>", "<BS>", "<M-Left>"], Action::JumpBack, "back to the place before the last jump", "").named("jump back"),
    row(Focus::Normal, &["<C-n>", "<M-Right>"], Action::JumpForward, "redo the jump that Ctrl-O has undone", "").named("jump forward"),
    row(Focus::Normal, &["<Space>"], Action::TogglePlay, "play and pause", "play"),
    row(Focus::Normal, &["+", "="], Action::Faster, "play faster", "").named("faster"),
    row(Focus::Normal, &["-"], Action::Slower, "play slower", "").named("slower"),
    row(Focus::Normal, &["b"], Action::BackwardPass, "to the start of the backward pass", "backward").named("backward pass"),
    row(Focus::Normal, &["g", "<Home>"], Action::First, "to the first step", "first").named("first step"),
    row(Focus::Normal, &["G", "<End>"], Action::Last, "to the last step; 57G goes to step 57", "last").named("last step"),
    row(Focus::Normal, &[":"], Action::OpenPalette(COMMANDS), "a command by its name, or an address: 57, conv1.z, grad.fc1.weight[0,1]#2, 2:fc1.a, reduce:loss, 3/57, backward", "command"),
    row(Focus::Normal, &["/"], Action::OpenSearch, "search: a part of an op's name, or values: > 1, < 0, == 0, nan, inf, |x| > 1", "").named("search"),
    row(Focus::Normal, &["<Tab>"], Action::CycleSetting(Setting::Pane, 1), "on a small screen, show another pane: the picture of the network, the reason for the step, or only the matrices", "").named("next pane"),
    row(Focus::Normal, &["<S-Tab>"], Action::CycleSetting(Setting::Pane, -1), "on a small screen, the previous pane", "").named("previous pane"),
    row(Focus::Normal, &["<PgDn>", "<C-f>"], Action::Page(1), "scroll the matrices down by 5 rows", "").named("page down"),
    row(Focus::Normal, &["<PgUp>", "<C-b>"], Action::Page(-1), "scroll the matrices up by 5 rows", "").named("page up"),
    row(Focus::Normal, &["<C-d>"], Action::ScrollMatrices([3, 0]), "scroll the matrices down by 3 rows", "").named("scroll down"),
    row(Focus::Normal, &["<C-u>"], Action::ScrollMatrices([-3, 0]), "scroll the matrices up by 3 rows", "").named("scroll up"),
    row(Focus::Normal, &["<S-Right>"], Action::ScrollMatrices([0, 3]), "scroll the matrices to the right", "").named("scroll right"),
    row(Focus::Normal, &["<S-Left>"], Action::ScrollMatrices([0, -3]), "scroll the matrices to the left", "").named("scroll left"),
    row(Focus::Normal, &["]"], Action::Channel(1), "show the next channel or filter", "").named("next channel"),
    row(Focus::Normal, &["["], Action::Channel(-1), "show the previous channel or filter", "").named("previous channel"),
    row(Focus::Normal, &["i"], Action::Inspect, "inspect: opens a cursor on the matrices", "inspect"),
    row(Focus::Normal, &["m"], Action::GoToProducer, "what made this: to the first step that computes an entry: the one under the cursor or, without a cursor, the largest factor of this step", "").named("what made this"),
    row(Focus::Normal, &["r"], Action::ToggleOverlay(OverlayKind::List(ListKind::Reads)), "what reads this: the steps that read the entry", "").named("what reads this"),
    row(Focus::Normal, &["t"], Action::ToggleOverlay(OverlayKind::List(ListKind::Terms)), "the terms of the entry, with values and shares", "").named("terms"),
    row(Focus::Normal, &["d"], Action::ToggleOverlay(OverlayKind::List(ListKind::Digits)), "every digit of the numbers of this step, or of the entry under the cursor", "").named("all digits"),
    row(Focus::Normal, &["I"], Action::CycleSetting(Setting::Index, 1), "count subscripts, headings and channels from 0, or from 1", "").named("count from zero"),
    row(Focus::Normal, &["Z"], Action::CycleSetting(Setting::Zoom, 1), "zoom: only the equation and the operands, as large as possible", "").named("zoom"),
    row(Focus::Normal, &["H"], Action::CycleSetting(Setting::HeatMap, 1), "large matrices as heat maps, or as numbers", "").named("heat map"),
    row(Focus::Normal, &["w"], Action::ToggleOverlay(OverlayKind::List(ListKind::Contributions)), "what contributes most to the entry: its largest terms, the largest terms of their factors, and so on down to inputs and parameters", "").named("contributions"),
    row(Focus::Normal, &["x"], Action::CheckGradient, "check the derivative by the entry with finite differences of the loss", "").named("gradient check"),
    row(Focus::Normal, &["y"], Action::ToggleOverlay(OverlayKind::List(ListKind::Copy)), "copy the value, address, equation, NumPy or LaTeX", "").named("copy"),
    row(Focus::Normal, &["e"], Action::EditNumber(None), "edit the number under the cursor: 0.5, 1/3, += 0.1, -= 0.1, *= 2, /= 2; without a cursor, e opens one: type a value, or first move the cursor", "").named("edit"),
    row(Focus::Normal, &["u"], Action::Undo, "undo the last edit", "").named("undo"),
    row(Focus::Normal, &["<C-r>", "U"], Action::Redo, "redo the edit that was undone last", "").named("redo"),
    row(Focus::Normal, &["W"], Action::WriteEdits, "write the edits to the scenario file; a bundled scenario to the current folder", "").named("write edits"),
    row(Focus::Normal, &["p"], Action::TogglePrediction, "predict: hides the value of each entry (of each term, if the unit is a step) until you type it; p again ends this, and shows the score", "").named("predict"),
    row(Focus::Normal, &["<Enter>"], Action::NextQuestion, "in prediction, type the hidden number, or go to the next one", "").named("next prediction"),
    row(Focus::Normal, &["v"], Action::ToggleWatch, "watch: always show the value of the entry; v again ends it", "").named("toggle watch"),
    row(Focus::Normal, &["'"], Action::ToggleOverlay(OverlayKind::List(ListKind::Bookmarks)), "the list of the bookmarks; its first row adds this step, or removes it", "").named("bookmarks"),
    row(Focus::Normal, &["M"], Action::ToggleOverlay(OverlayKind::Map), "the map of the network, with the progress of each layer or node", "map"),
    row(Focus::Normal, &["F"], Action::ToggleFold, "in a graph, show the operations of a statement or a call as nodes, or as one node", "").named("open parts"),
    row(Focus::Normal, &["L"], Action::ToggleOverlay(OverlayKind::Curve), "run gradient descent ahead, and draw the loss or the values of a parameter over the iterations", "").named("loss curve"),
    row(Focus::Normal, &["a"], Action::ToggleOverlay(OverlayKind::Notes), "about: the scenario's notes", "about"),
    row(Focus::Normal, &["n"], Action::NextMatch(1), "next match of the search", "").named("next match"),
    row(Focus::Normal, &["N"], Action::NextMatch(-1), "previous match of the search", "").named("previous match"),
    row(Focus::Normal, &["B"], Action::ToggleBreakpoint, "set or remove a breakpoint at the entry under the cursor or of this step; if the unit is larger than an entry, at its op", "").named("breakpoint"),
    row(Focus::Normal, &["c"], Action::ContinueToBreakpoint(1), "continue: run to the next breakpoint, through samples and iterations", "").named("continue"),
    row(Focus::Normal, &["C"], Action::ContinueToBreakpoint(-1), "run back to the previous breakpoint", "").named("continue back"),
    row(Focus::Normal, &["D"], Action::FirstDifference, "in turn to the first wrong entry in the gradients of your own program (--mine or :mine FILE) and to the steps of the mistakes; n and N: the next and the previous wrong entry", "").named("first difference"),
    row(Focus::Normal, &["o"], Action::OpenPicker, "open another scenario", "").named("open"),
    row(Focus::Normal, &["?"], Action::ToggleOverlay(OverlayKind::Help), "these keys", "help"),
    row(Focus::Normal, &["<Esc>"], Action::Close, "close what is open, stop a computation, or clear the typed number", "").named("stop"),
    row(Focus::Normal, &["q"], Action::Quit, "quit; asks about unsaved edits", "quit"),
    row(Focus::Normal, &["<C-c>"], Action::QuitAtOnce, "quit at once; unsaved edits are offered again when the scenario is opened", "").named("quit at once"),

    row(Focus::Cursor, &["l", "<Right>"], Action::MoveCursor([0, 1]), "the cursor to the right", ""),
    row(Focus::Cursor, &["h", "<Left>"], Action::MoveCursor([0, -1]), "the cursor to the left", ""),
    row(Focus::Cursor, &["j", "<Down>"], Action::MoveCursor([1, 0]), "the cursor down", ""),
    row(Focus::Cursor, &["k", "<Up>"], Action::MoveCursor([-1, 0]), "the cursor up", ""),
    row(Focus::Cursor, &["<Tab>"], Action::NextMatrix(1), "to the next matrix", "next matrix"),
    row(Focus::Cursor, &["<S-Tab>"], Action::NextMatrix(-1), "to the previous matrix", ""),
    row(Focus::Cursor, &["m"], Action::GoToProducer, "what made this entry", "made by"),
    row(Focus::Cursor, &["r"], Action::ToggleOverlay(OverlayKind::List(ListKind::Reads)), "what reads this entry", "read by"),
    row(Focus::Cursor, &["t"], Action::ToggleOverlay(OverlayKind::List(ListKind::Terms)), "the terms of this entry", "terms"),
    row(Focus::Cursor, &["e"], Action::EditNumber(None), "edit this number; outside prediction, Enter does the same", "edit"),
    row(Focus::Cursor, &["d"], Action::ToggleOverlay(OverlayKind::List(ListKind::Digits)), "all digits of this entry", "digits"),
    row(Focus::Cursor, &["<Esc>"], Action::Close, "close the cursor", "end"),

    row(Focus::List, &["j", "<Down>"], Action::Scroll(1), "the next row", "down"),
    row(Focus::List, &["k", "<Up>"], Action::Scroll(-1), "the previous row", "up"),
    row(Focus::List, &["<PgDn>", "<Space>", "<C-f>", "<C-d>"], Action::Page(1), "ten rows down", ""),
    row(Focus::List, &["<PgUp>", "<C-b>", "<C-u>"], Action::Page(-1), "ten rows up", ""),
    row(Focus::List, &["g", "<Home>"], Action::Scroll(i16::MIN), "the first row", ""),
    row(Focus::List, &["G", "<End>"], Action::Scroll(i16::MAX), "the last row", ""),
    row(Focus::List, &["<Enter>"], Action::Accept, "choose the row: go there, or copy it", "choose"),
    row(Focus::List, &["<Esc>"], Action::Close, "close", "close"),
    row(Focus::List, &[":"], Action::OpenPalette(COMMANDS), "closes the list, and opens the prompt for a command or an address", ""),
    row(Focus::List, &["/"], Action::OpenSearch, "closes the list, and opens the prompt for a search: names of ops, or values", ""),
    row(Focus::List, &["?"], Action::ToggleOverlay(OverlayKind::Help), "these keys", "help"),
    row(Focus::List, &["q"], Action::Quit, "quit; asks about unsaved edits", "quit"),
    row(Focus::List, &["<C-c>"], Action::QuitAtOnce, "quit at once; unsaved edits are offered again when the scenario is opened", ""),

    row(Focus::Map, &["j", "<Down>"], Action::Scroll(1), "the next block", "next"),
    row(Focus::Map, &["k", "<Up>"], Action::Scroll(-1), "the previous block", "before"),
    row(Focus::Map, &["l", "<Right>"], Action::FollowLine { back: false }, "along a line: the last block that reads this one", "reader"),
    row(Focus::Map, &["h", "<Left>"], Action::FollowLine { back: true }, "along a line: the first block that this one reads", "source"),
    row(Focus::Map, &["<PgDn>", "<Space>", "<C-f>", "<C-d>"], Action::Page(1), "ten blocks on", ""),
    row(Focus::Map, &["<PgUp>", "<C-b>", "<C-u>"], Action::Page(-1), "ten blocks back", ""),
    row(Focus::Map, &["g", "<Home>"], Action::Scroll(i16::MIN), "the first block", ""),
    row(Focus::Map, &["G", "<End>"], Action::Scroll(i16::MAX), "the last block", ""),
    row(Focus::Map, &["<Enter>"], Action::Accept, "go to the block's first step: in the current pass, if it has one there", "go"),
    row(Focus::Map, &["F"], Action::ToggleFold, "show the operations of the block as blocks, or as one block", "open"),
    row(Focus::Map, &["<Esc>", "M"], Action::Close, "close", "close"),
    row(Focus::Map, &[":"], Action::OpenPalette(COMMANDS), "closes the map, and opens the prompt for a command or an address", ""),
    row(Focus::Map, &["/"], Action::OpenSearch, "closes the map, and opens the prompt for a search: names of ops, or values", ""),
    row(Focus::Map, &["?"], Action::ToggleOverlay(OverlayKind::Help), "these keys", "help"),
    row(Focus::Map, &["q"], Action::Quit, "quit; asks about unsaved edits", "quit"),
    row(Focus::Map, &["<C-c>"], Action::QuitAtOnce, "quit at once; unsaved edits are offered again when the scenario is opened", ""),

    row(Focus::Curve, &["l", "<Right>"], Action::MoveMarker(1), "the marker to the next iteration; 5l: by five. A long curve leaves iterations out, and the marker skips them", "next"),
    row(Focus::Curve, &["h", "<Left>"], Action::MoveMarker(-1), "the marker to the previous iteration", "before"),
    row(Focus::Curve, &["<PgDn>", "<C-f>", "<C-d>"], Action::Page(1), "ten iterations on", ""),
    row(Focus::Curve, &["<PgUp>", "<C-b>", "<C-u>"], Action::Page(-1), "ten iterations back", ""),
    row(Focus::Curve, &["g", "<Home>"], Action::First, "the first iteration", ""),
    row(Focus::Curve, &["G", "<End>"], Action::Last, "the last iteration so far; 57G: iteration 57, or the nearest one of a long curve", ""),
    row(Focus::Curve, &["<Enter>"], Action::Accept, "go to the iteration of the marker", "go"),
    row(Focus::Curve, &["<Space>"], Action::RunOrPauseDescent, "continue the descent, or pause it", "run"),
    row(Focus::Curve, &["s"], Action::CycleSetting(Setting::LogScale, 1), "a logarithmic or a linear scale", "scale"),
    row(Focus::Curve, &["p"], Action::CycleSetting(Setting::ParameterPath, 1), "the values of a parameter, or the loss", "values"),
    row(Focus::Curve, &["<Esc>", "L"], Action::Close, "close, and pause the descent", "close"),
    row(Focus::Curve, &[":"], Action::OpenPalette(COMMANDS), "closes the curve, and opens the prompt for a command or an address", ""),
    row(Focus::Curve, &["/"], Action::OpenSearch, "closes the curve, and opens the prompt for a search: names of ops, or values", ""),
    row(Focus::Curve, &["?"], Action::ToggleOverlay(OverlayKind::Help), "these keys", "help"),
    row(Focus::Curve, &["q"], Action::Quit, "quit; asks about unsaved edits", "quit"),
    row(Focus::Curve, &["<C-c>"], Action::QuitAtOnce, "quit at once; unsaved edits are offered again when the scenario is opened", ""),

    row(Focus::Prompt, &["<Enter>", "<C-j>"], Action::Accept, "go to the address, or do the command", "go"),
    row(Focus::Prompt, &["<Tab>", "<Down>"], Action::Complete, "complete; again for the next name", "complete"),
    row(Focus::Prompt, &["<S-Tab>", "<Up>"], Action::CompleteBack, "the previous completion", ""),
    row(Focus::Prompt, &["<Left>"], Action::EditPrompt(InputRequest::GoToPrevChar), "one character left", ""),
    row(Focus::Prompt, &["<Right>"], Action::EditPrompt(InputRequest::GoToNextChar), "one character right", ""),
    row(Focus::Prompt, &["<Home>", "<C-a>"], Action::EditPrompt(InputRequest::GoToStart), "to the beginning of the line", ""),
    row(Focus::Prompt, &["<End>", "<C-e>"], Action::EditPrompt(InputRequest::GoToEnd), "to the end of the line", ""),
    row(Focus::Prompt, &["<BS>"], Action::EditPrompt(InputRequest::DeletePrevChar), "delete the character before the cursor", ""),
    row(Focus::Prompt, &["<Del>"], Action::EditPrompt(InputRequest::DeleteNextChar), "delete the character under the cursor", ""),
    row(Focus::Prompt, &["<C-w>", "<M-BS>"], Action::EditPrompt(InputRequest::DeletePrevWord), "delete the word before the cursor", ""),
    row(Focus::Prompt, &["<C-u>"], Action::EditPrompt(InputRequest::DeleteLine), "delete the line", ""),
    row(Focus::Prompt, &["<Esc>", "<C-c>"], Action::Close, "close the line", "close"),

    row(Focus::Answer, &["<Enter>"], Action::Accept, "check the number: two digits are enough; 1/3 works too", "judge"),
    row(Focus::Answer, &["<Tab>"], Action::ShowAnswer, "show the number", "show"),
    row(Focus::Answer, &["<Esc>", "<C-c>"], Action::Close, "close the prompt; the number stays hidden: Enter opens the prompt again, p ends prediction", "leave"),

    row(Focus::Overlay, &["j", "<Down>"], Action::Scroll(1), "down", "down"),
    row(Focus::Overlay, &["k", "<Up>"], Action::Scroll(-1), "up", "up"),
    row(Focus::Overlay, &["<PgDn>", "<Space>", "<C-f>", "<C-d>"], Action::Page(1), "ten lines down", "ten lines"),
    row(Focus::Overlay, &["<PgUp>", "<C-b>", "<C-u>"], Action::Page(-1), "ten lines up", ""),
    row(Focus::Overlay, &["g", "<Home>"], Action::Scroll(i16::MIN), "the first line", ""),
    row(Focus::Overlay, &["G", "<End>"], Action::Scroll(i16::MAX), "the last line", "last"),
    row(Focus::Overlay, &["<Esc>", "<Enter>"], Action::Close, "close", "close"),
    row(Focus::Overlay, &["?"], Action::ToggleOverlay(OverlayKind::Help), "show or close the keys", ""),
    row(Focus::Overlay, &["a"], Action::ToggleOverlay(OverlayKind::Notes), "show or close the scenario's notes", ""),
    row(Focus::Overlay, &["/", ":"], Action::OpenPalette(COMMANDS), "closes the text, and opens the prompt for a command or an address", "find"),
    row(Focus::Overlay, &["q"], Action::Quit, "quit; asks about unsaved edits", "quit"),
    row(Focus::Overlay, &["<C-c>"], Action::QuitAtOnce, "quit at once; unsaved edits are offered again when the scenario is opened", ""),

    row(Focus::Picker, &["j", "<Down>"], Action::Scroll(1), "the next scenario", "down"),
    row(Focus::Picker, &["k", "<Up>"], Action::Scroll(-1), "the previous scenario", "up"),
    row(Focus::Picker, &["<PgDn>"], Action::Page(1), "ten scenarios down", ""),
    row(Focus::Picker, &["<PgUp>"], Action::Page(-1), "ten scenarios up", ""),
    row(Focus::Picker, &["g", "<Home>"], Action::Scroll(i16::MIN), "the first scenario", ""),
    row(Focus::Picker, &["G", "<End>"], Action::Scroll(i16::MAX), "the last scenario", ""),
    row(Focus::Picker, &["<Enter>", "l", "<Right>"], Action::Accept, "open it", "open"),
    row(Focus::Picker, &["/"], Action::OpenSearch, "lists only scenarios with the typed words in name, title or summary", "filter"),
    row(Focus::Picker, &[":"], Action::OpenPalette(COMMANDS), "commands and addresses work in an open scenario only", ""),
    row(Focus::Picker, &["?"], Action::ToggleOverlay(OverlayKind::Help), "these keys", "help"),
    row(Focus::Picker, &["<Esc>"], Action::Close, "back to the open scenario", "back"),
    row(Focus::Picker, &["q"], Action::Quit, "quit; asks about unsaved edits", "quit"),
    row(Focus::Picker, &["<C-c>"], Action::QuitAtOnce, "quit at once; unsaved edits are offered again when the scenario is opened", ""),

    row(Focus::Filter, &["<Enter>"], Action::Accept, "open the selected scenario", "open"),
    row(Focus::Filter, &["<Down>", "<Tab>"], Action::Scroll(1), "the next scenario", "down"),
    row(Focus::Filter, &["<Up>", "<S-Tab>"], Action::Scroll(-1), "the previous scenario", "up"),
    row(Focus::Filter, &["<PgDn>"], Action::Page(1), "ten scenarios down", ""),
    row(Focus::Filter, &["<PgUp>"], Action::Page(-1), "ten scenarios up", ""),
    row(Focus::Filter, &["<Home>"], Action::Scroll(i16::MIN), "the first scenario", ""),
    row(Focus::Filter, &["<End>"], Action::Scroll(i16::MAX), "the last scenario", ""),
    row(Focus::Filter, &["<Esc>", "<C-c>"], Action::Close, "close the filter: list all scenarios again", "end"),
];

/// The commands of the palette: the rows of the stepper's normal mode.
pub const COMMANDS: Commands = Commands(&COMMAND_LIST);

static COMMAND_LIST: LazyLock<Vec<Command>> = LazyLock::new(|| {
    let command = |row: &'static KeyBinding| {
        // the palette shows at most two keys of a command
        let keys: Vec<_> = row.keys.iter().take(2).map(|key| shown(key)).collect();
        Command { name: row.name, keys: keys.join(" "), description: row.description, action: row.action.clone() }
    };
    rows(Focus::Normal).map(command).collect()
});

/// Returns the action of a key in the current focus; `None` if the key has no action there.
#[must_use]
pub fn action(state: &State, key: Key) -> Option<Action> {
    action_in(state, state.focus(), key)
}

fn action_in(state: &State, focus: Focus, key: Key) -> Option<Action> {
    if let Some(action) = earlier_meaning(state, focus, key) {
        return Some(action);
    }
    if is_letter_in_place_of_value(state, focus, key) {
        return Some(Action::Say("a number is needed, such as 0.5, 1/3 or += 0.1; Esc ends this"));
    }
    if let Some(row) = rows(focus).find(|row| row.keys.iter().any(|text| parse(text).is_ok_and(|keys| keys == [key]))) {
        return Some(row.action.clone());
    }
    match (focus, key) {
        (Focus::Cursor, Key { code: Code::Char(c), ctrl: false, alt: false, .. }) if begins_value(state, c) => {
            Some(Action::EditNumber(Some(c)))
        }
        // keys that have no row for the cursor act as in the normal mode
        (Focus::Cursor, _) => action_in(state, Focus::Normal, key),
        // a key without a row for the answer or the filter acts as in the prompt
        (Focus::Answer | Focus::Filter, _) => action_in(state, Focus::Prompt, key),
        (Focus::List, Key { code: Code::Char(c), ctrl: false, alt: false, .. }) => {
            let list = state.overlay.as_ref().and_then(|overlay| overlay.list.as_ref());
            list.and_then(|list| list.row_of_key(c)).map(Action::Choose)
        }
        (Focus::Prompt, Key { code: Code::Char(c), ctrl: false, alt: false, .. }) => Some(Action::EditPrompt(InputRequest::InsertChar(c))),
        (Focus::Normal | Focus::Curve, Key { code: Code::Char(c @ '0'..='9'), ctrl: false, alt: false, .. }) => {
            Some(Action::Digit(c as u8 - b'0'))
        }
        _ => None,
    }
}

/// Returns whether a key is a letter, the key `e` has asked for a new value of the number under the cursor, and the letter does not move the cursor.
fn is_letter_in_place_of_value(state: &State, focus: Focus, key: Key) -> bool {
    let Key { code: Code::Char(c), ctrl: false, alt: false, .. } = key else { return false };
    let is_letter = focus == Focus::Cursor && c.is_alphabetic() && !matches!(c, 'h' | 'j' | 'k' | 'l' | 'e');
    is_letter && state.stepper().is_some_and(Stepper::awaits_value_here)
}

/// Returns whether a character begins the new value for which the key `e` has asked.
fn begins_value(state: &State, c: char) -> bool {
    let begins = |stepper: &Stepper| match c {
        '0'..='9' | '.' | '-' | '+' | '*' | '(' => stepper.awaits_value,
        '/' => stepper.awaits_value_here(), // on a computed number, it is the search
        _ => false,
    };
    state.stepper().is_some_and(begins)
}

/// Returns the name of a key's command in the current focus, or its description if it has no name; `None` for a key without a row, such as a typed character.
#[must_use]
pub fn command_name(state: &State, key: Key) -> Option<&'static str> {
    let focuses = match state.focus() {
        Focus::Cursor => &[Focus::Cursor, Focus::Normal][..],
        focus => &[focus],
    };
    let is_bound = |row: &&KeyBinding| row.keys.iter().any(|text| parse(text).is_ok_and(|keys| keys == [key]));
    let row = focuses.iter().find_map(|focus| rows(*focus).find(is_bound))?;
    Some(if row.name.is_empty() { row.description } else { row.name })
}

/// Returns the action that a key had in sessions of format 1. Returns `None` if it is the same as today.
fn earlier_meaning(state: &State, focus: Focus, key: Key) -> Option<Action> {
    // `ToFirstSteps` stands for format 1; keys with Ctrl, Alt or Shift have kept their meaning
    if state.settings.key_meanings != KeyMeanings::ToFirstSteps || key != key.code.into() {
        return None;
    }
    match (focus, key.code) {
        (Focus::Normal, Code::Char('n')) => Some(Action::ToggleOverlay(OverlayKind::Notes)),
        (Focus::Overlay, Code::Char('n')) => Some(Action::Close),
        // in format 1, the prompt accepted only addresses
        (Focus::Normal, Code::Char(':')) => Some(Action::OpenPrompt),
        (Focus::Picker, Code::Char('/')) => Some(Action::OpenPalette(COMMANDS)),
        _ => None,
    }
}

/// Returns the rows of a focus, in the order of the help.
pub fn rows(focus: Focus) -> impl Iterator<Item = &'static KeyBinding> {
    TABLE.iter().filter(move |row| row.focus == focus)
}

/// Returns the keys of a row in vim's notation, with the user's settings. First come the user's own keys for this row. Then come the keys of the row that the
/// user has not given to other rows.
#[must_use]
pub fn user_keys<'a>(state: &'a State, row: &'a KeyBinding) -> SmallVec<[&'a str; 6]> {
    let aliases = if matches!(row.focus, Focus::Normal | Focus::Cursor) { state.settings.aliases.as_slice() } else { &[] };
    let are_same = |a: &str, b: &str| parse(a).is_ok_and(|keys| Ok(keys) == parse(b));
    let own = aliases.iter().filter(|(_, acts_as)| row.keys.iter().any(|key| are_same(key, acts_as))).map(|(alias, _)| alias.as_str());
    let built_in = row.keys.iter().copied().filter(|key| !aliases.iter().any(|(alias, _)| are_same(alias, key)));
    own.chain(built_in).collect()
}

/// Converts vim's notation of a key to the name on the screen: `→` for `<Right>`, `Ctrl-c` for `<C-c>`, `Shift-Tab` for `<S-Tab>`.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    match text {
        "<Right>" => "→".into(),
        "<Left>" => "←".into(),
        "<Up>" => "↑".into(),
        "<Down>" => "↓".into(),
        _ => match text.strip_prefix("<C-").and_then(|rest| rest.strip_suffix('>')) {
            Some(letter) => format!("Ctrl-{letter}").into(),
            // a name in angle brackets, such as `<Tab>`: it is longer than a character such as é, which has two bytes
            None if text.len() > 2 => {
                let name = text.trim_matches(['<', '>']);
                if name.contains('-') { name.replace("S-", "Shift-").replace("M-", "Alt-").into() } else { name.into() }
            }
            None => text.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_key_of_the_table_is_valid_and_has_one_action_in_a_focus() {
        let mut bound = HashSet::new();
        for row in TABLE {
            for text in row.keys {
                let keys = parse(text).expect(text);
                assert_eq!(keys.len(), 1, "{text}");
                assert!(bound.insert((row.focus, keys[0])), "{text} is bound twice in {:?}", row.focus);
            }
        }
    }
}
