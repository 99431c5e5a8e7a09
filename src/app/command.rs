//! The commands of the palette, the prompt that `:` opens. A command with a key, such as `first`, comes from the table of keys. A *typed command* has no key
//! and can take an argument: `break conv1.z`.

use std::fmt;
use std::sync::LazyLock;

use super::Action;
use crate::weights::tensor_files;

/// A command with a key.
#[derive(Debug)]
pub struct Command {
    /// The name, in lower case.
    pub name: &'static str,
    /// At most two of its keys, as the screen shows them: `Ctrl-o BS`.
    pub keys: String,
    /// A sentence about its effect.
    pub description: &'static str,
    /// Its action.
    pub action: Action,
}

/// The commands with a key. They are made from the table of keys when they are first needed.
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
pub enum TypedCommandKind {
    /// Sets a breakpoint.
    Break,
    /// Lists the breakpoints.
    Breaks,
    /// Removes a breakpoint, or all breakpoints.
    Delete,
    /// Searches for the first value that is not finite.
    NotFinite,
    /// Watches an entry.
    Watch,
    /// Sets a bookmark.
    Mark,
    /// Sets whether subscripts and headings count from 0 or from 1.
    Index,
    /// Sets the speed of play.
    Speed,
    /// Opens a scenario, or reads the file of the open one again.
    Open,
    /// Ends the program.
    Quit,
    /// Ends the program and discards the unsaved edits.
    DiscardAndQuit,
    /// Does the same as `Open`, and discards the unsaved edits.
    DiscardAndOpen,
    /// Edits a number.
    Set,
    /// Writes the scenario with the edits to its own file, or to another file.
    Write,
    /// Writes the edits, then ends the program.
    WriteAndQuit,
    /// Shows the score of prediction, or resets it.
    Score,
    /// Compares the gradients that the user's own program computed with the right ones, or lists the last comparison. This is the command `mine`.
    CompareGradients,
    /// Draws the losses of another scenario in the chart of the open one, or removes all such curves. This is the command `compare`.
    CompareLosses,
}

/// The argument of a typed command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandArgument {
    /// No argument.
    Nothing,
    /// An entry or an op, perhaps with a condition on the value. Without an argument, the command is about the entry under the cursor or, without a cursor,
    /// about this step's entry or op, depending on the unit.
    AddressOrHere,
    /// An entry or an op.
    Address,
    /// Another argument. The text names it in the list of commands, such as `NUMBER`.
    Required(&'static str),
    /// An argument like [`CommandArgument::Required`] that can be left out.
    Optional(&'static str),
}

/// A typed command.
#[derive(Debug)]
pub struct TypedCommand {
    /// The name. It is one word if the command takes an argument.
    pub name: &'static str,
    /// Its argument.
    pub argument: CommandArgument,
    /// A sentence about its effect.
    pub description: &'static str,
    /// Its effect.
    pub kind: TypedCommandKind,
}

const fn row(name: &'static str, argument: CommandArgument, kind: TypedCommandKind, description: &'static str) -> TypedCommand {
    TypedCommand { name, argument, description, kind }
}

/// All typed commands.
#[rustfmt::skip]
pub static TYPED_COMMANDS: &[TypedCommand] = &[
    row("break", CommandArgument::AddressOrHere, TypedCommandKind::Break, "set a breakpoint at an op, at an entry, or where a condition is true: |grad.fc1.z| > 1"),
    row("breaks", CommandArgument::Nothing, TypedCommandKind::Breaks, "list the breakpoints"),
    row("delete", CommandArgument::Required("NUMBER"), TypedCommandKind::Delete, "remove a breakpoint: its number, or all"),
    row("first value that is not finite", CommandArgument::Nothing, TypedCommandKind::NotFinite, "search this iteration for the first NaN or infinity"),
    row("watch", CommandArgument::Address, TypedCommandKind::Watch, "always show the value of an entry"),
    row("mark", CommandArgument::Required("NAME"), TypedCommandKind::Mark, "bookmark this place"),
    row("index", CommandArgument::Required("0 or 1"), TypedCommandKind::Index, "count subscripts and headings from 0 or from 1"),
    row("speed", CommandArgument::Required("UNITS"), TypedCommandKind::Speed, "play this many units a second"),
    row("e", CommandArgument::Optional("FILE"), TypedCommandKind::Open, "read the scenario file again, and keep the unsaved edits; or open a file or a bundled name"),
    row("e!", CommandArgument::Optional("FILE"), TypedCommandKind::DiscardAndOpen, "like e, but discard the unsaved edits"),
    row("reload", CommandArgument::Nothing, TypedCommandKind::Open, "read the scenario file again, and keep the unsaved edits"),
    row("q", CommandArgument::Nothing, TypedCommandKind::Quit, "quit"),
    row("q!", CommandArgument::Nothing, TypedCommandKind::DiscardAndQuit, "quit, and discard the unsaved edits"),
    row("set", CommandArgument::Required("ENTRY VALUE"), TypedCommandKind::Set, "edit a number: fc1.weight[0,1] 1/3, fc1.bias[0] += 0.1, 2:input[0] *= 2, target 2, learning_rate 0.1"),
    row("write", CommandArgument::Optional("FILE"), TypedCommandKind::Write, "write the edits to the scenario file, or to another one"),
    row("w", CommandArgument::Optional("FILE"), TypedCommandKind::Write, "the same as write"),
    row("wq", CommandArgument::Optional("FILE"), TypedCommandKind::WriteAndQuit, "write the edits and quit"),
    row("score", CommandArgument::Optional("new"), TypedCommandKind::Score, "the score of prediction for each rule, and what to practise; score new resets it to 0"),
    row("compare", CommandArgument::Optional("FILE"), TypedCommandKind::CompareLosses, "draw the loss of another scenario in the same chart, such as one with another learning rate; without a file, remove these curves"),
    row("mine", CommandArgument::Optional("FILE"), TypedCommandKind::CompareGradients, concat!("compare the gradients of your own program with the right ones: marks the numbers that differ, and names the mistake; FILE can be .json, ", tensor_files!(), "; for an .npy file, write FILE --tensor NAME; without a file, list the comparison")),
];

impl TypedCommand {
    /// Returns the name with the name of its argument, such as `delete NUMBER`.
    #[must_use]
    pub fn usage(&self) -> String {
        match self.argument {
            CommandArgument::Nothing => self.name.to_owned(),
            CommandArgument::AddressOrHere => format!("{} [ENTRY]", self.name),
            CommandArgument::Address => format!("{} ENTRY", self.name),
            CommandArgument::Required(what) => format!("{} {what}", self.name),
            CommandArgument::Optional(what) => format!("{} [{what}]", self.name),
        }
    }

    /// Returns whether the argument must not be left out.
    #[must_use]
    pub fn needs_argument(&self) -> bool {
        matches!(self.argument, CommandArgument::Address | CommandArgument::Required(_))
    }

    /// If a line is this command, returns its argument: the text after the name, which can be empty.
    #[must_use]
    pub fn argument_in<'a>(&self, line: &'a str) -> Option<&'a str> {
        if line.trim_end() == self.name {
            return Some("");
        }
        let rest = line.strip_prefix(self.name)?;
        (self.argument != CommandArgument::Nothing && rest.starts_with(char::is_whitespace)).then_some(rest.trim())
    }
}
