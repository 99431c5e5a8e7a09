//! The commands of the palette: those of the table of keys, and the *typed commands*, which have no key and can take an argument, such as `break conv1.z`.

use std::fmt;
use std::sync::LazyLock;

use super::Action;

/// A command with a key.
#[derive(Debug)]
pub struct Command {
    /// The name, in lower case.
    pub name: &'static str,
    /// Its keys, as the screen shows them.
    pub keys: String,
    /// A sentence about its effect.
    pub words: &'static str,
    /// Its action.
    pub action: Action,
}

/// The commands with a key. The table of keys makes them when they are first needed.
#[derive(Clone, Copy)]
pub struct Commands(pub &'static LazyLock<Vec<Command>>);

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Commands")
    }
}

impl PartialEq for Commands {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

/// The effect of a typed command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordKind {
    /// Sets a breakpoint.
    Break,
    /// Lists the breakpoints.
    Breaks,
    /// Removes a breakpoint.
    Delete,
    /// Searches for the first value that is not finite.
    NotFinite,
    /// Watches an entry.
    Watch,
    /// Sets a bookmark.
    Mark,
    /// Chooses whether subscripts and headings count from 0 or from 1.
    Index,
    /// Chooses the speed of play.
    Speed,
    /// Opens a scenario, or reads the file of the open one again.
    Open,
    /// Ends the program.
    Quit,
    /// Ends the program, and gives up the edits that are not written.
    DiscardAndQuit,
    /// As `Open`, and gives up the edits that are not written.
    DiscardAndOpen,
    /// Edits a number.
    Set,
    /// Writes the edits to a file.
    Write,
    /// Writes the edits, then ends the program.
    WriteAndQuit,
    /// Shows the score of prediction, or begins another one.
    Score,
    /// Compares the user's own gradients, or lists them.
    Compare,
}

/// The argument of a typed command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// No argument.
    Nothing,
    /// An entry or an op. Without an argument, the command uses the op or the entry of this step.
    AddressOrHere,
    /// An entry or an op.
    Address,
    /// Another argument, which the text describes.
    Words(&'static str),
    /// As `Words`, but it can be left out.
    OptionalWords(&'static str),
}

/// A typed command.
#[derive(Debug)]
pub struct WordCommand {
    /// The name, which is one word unless the command takes no argument.
    pub name: &'static str,
    /// Its argument.
    pub argument: Argument,
    /// A sentence about its effect.
    pub words: &'static str,
    /// Its effect.
    pub kind: WordKind,
}

const fn row(name: &'static str, argument: Argument, kind: WordKind, words: &'static str) -> WordCommand {
    WordCommand { name, argument, words, kind }
}

/// The commands that are written after a colon.
#[rustfmt::skip]
pub static WORD_COMMANDS: &[WordCommand] = &[
    row("break", Argument::AddressOrHere, WordKind::Break, "breakpoint at an op, an entry or a condition: |grad.fc1.z| > 1"),
    row("breaks", Argument::Nothing, WordKind::Breaks, "list the breakpoints"),
    row("delete", Argument::Words("NUMBER"), WordKind::Delete, "remove a breakpoint: its number, or all"),
    row("first value that is not finite", Argument::Nothing, WordKind::NotFinite, "search this iteration for the first nan or infinity"),
    row("watch", Argument::Address, WordKind::Watch, "keep a value in sight"),
    row("mark", Argument::Words("NAME"), WordKind::Mark, "bookmark this place"),
    row("index", Argument::Words("0 or 1"), WordKind::Index, "count subscripts and headings from 0 or from 1"),
    row("speed", Argument::Words("UNITS"), WordKind::Speed, "play this many units a second"),
    row("e", Argument::OptionalWords("FILE"), WordKind::Open, "read the scenario file again, and keep the unsaved edits; or open a file or a bundled name"),
    row("e!", Argument::OptionalWords("FILE"), WordKind::DiscardAndOpen, "as e, and give up the unsaved edits"),
    row("reload", Argument::Nothing, WordKind::Open, "read the scenario file again, and keep the unsaved edits"),
    row("q", Argument::Nothing, WordKind::Quit, "quit"),
    row("q!", Argument::Nothing, WordKind::DiscardAndQuit, "quit, and give up the unsaved edits"),
    row("set", Argument::Words("ENTRY VALUE"), WordKind::Set, "edit a number: fc1.weight[0,1] 1/3, fc1.bias[0] += 0.1, 2:input[0] *= 2, target 2, learning_rate 0.1"),
    row("write", Argument::OptionalWords("FILE"), WordKind::Write, "write the edits to the scenario file, or to another one"),
    row("w", Argument::OptionalWords("FILE"), WordKind::Write, "as write"),
    row("wq", Argument::OptionalWords("FILE"), WordKind::WriteAndQuit, "write the edits and quit"),
    row("score", Argument::OptionalWords("new"), WordKind::Score, "the score of prediction by rule, and what to practise; score new begins at 0"),
    row("mine", Argument::OptionalWords("FILE"), WordKind::Compare, "compare your own gradients, a file of JSON, .npz or .safetensors: which is wrong, where first, and why; without a file, list them"),
];

impl WordCommand {
    /// Returns the name with its argument in capitals, such as `break ENTRY`.
    #[must_use]
    pub fn usage(&self) -> String {
        match self.argument {
            Argument::Nothing => self.name.to_owned(),
            Argument::AddressOrHere => format!("{} [ENTRY]", self.name),
            Argument::Address => format!("{} ENTRY", self.name),
            Argument::Words(what) => format!("{} {what}", self.name),
            Argument::OptionalWords(what) => format!("{} [{what}]", self.name),
        }
    }

    /// Returns whether the name alone is not enough.
    #[must_use]
    pub fn needs_argument(&self) -> bool {
        matches!(self.argument, Argument::Address | Argument::Words(_))
    }

    /// Returns the argument if a line is this command: the rest after its name, or an empty text.
    #[must_use]
    pub fn argument_in<'a>(&self, line: &'a str) -> Option<&'a str> {
        if line.trim_end() == self.name {
            return Some("");
        }
        let rest = line.strip_prefix(self.name)?;
        (self.argument != Argument::Nothing && rest.starts_with(char::is_whitespace)).then_some(rest.trim())
    }
}
