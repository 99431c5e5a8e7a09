//! The meaning of the text in the prompt when Enter is pressed, such as an address or a command.

use super::topics::{self, TopicMatch};
use super::{Commands, Document, Prompt, PromptKind};
use crate::app::Action;
use crate::app::command::{TYPED_COMMANDS, TypedCommand};
use crate::scenario::GivenNumber;
use crate::step::{Address, Location, Scope};

/// The meaning of the text in the prompt.
#[derive(Debug)]
pub(in crate::app) enum Meaning {
    /// There is no text.
    Nothing,
    /// An address. A text that is nothing else counts as an address too.
    Address(String),
    /// A command with a key.
    Action(Action),
    /// A typed command with its argument.
    TypedCommand(&'static TypedCommand, String),
    /// A search.
    Search(String),
    /// A new value of a number.
    Value(GivenNumber, String),
    /// A predicted number.
    Answer(String),
    /// A word of a topic for which the scenario has no op, such as `padding`.
    NoOp(String),
    /// The text is neither an address nor a command, but there are candidates.
    Unknown,
}

impl Prompt {
    /// Returns the meaning of the text. If a text is both an address and a command, it means the address. With `!` before it, it means the command.
    pub(in crate::app) fn meaning(&self, document: &Document) -> Meaning {
        let line = self.input.value().trim_start();
        let text = line.trim_end();
        let commands = match self.kind {
            PromptKind::Filter => return Meaning::Nothing,
            PromptKind::Search => return if text.is_empty() { Meaning::Nothing } else { Meaning::Search(text.to_owned()) },
            PromptKind::Answer(_) => return Meaning::Answer(text.to_owned()),
            PromptKind::Value(_) | PromptKind::Addresses if text.is_empty() => return Meaning::Nothing,
            PromptKind::Value(number) => return Meaning::Value(number, text.to_owned()),
            PromptKind::Addresses => return Meaning::Address(text.to_owned()),
            PromptKind::Palette(commands) => commands,
        };
        let (is_command, name) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest.trim_start()));
        if name.is_empty() {
            return if is_command { Meaning::Unknown } else { Meaning::Nothing };
        }
        if let Some(meaning) = written_in_full(document, commands, (name, is_command)) {
            return meaning;
        }
        match (self.candidates(document).is_empty(), is_command) {
            (false, _) => Meaning::Unknown,
            (true, true) => Meaning::Action(Action::Say("there is no such command: ? lists the keys")),
            (true, false) => match topics::topic_in_question(text) {
                Some(word) => Meaning::NoOp(word.to_owned()),
                // an address has no blanks
                None if text.split_whitespace().count() > 2 => {
                    Meaning::Action(Action::Say("no place, command or topic has these words: ? lists the keys"))
                }
                None => Meaning::Address(text.to_owned()),
            },
        }
    }
}

/// Returns the meaning of a text that needs no completion: a full address, command or word of a topic (such as `stride`). Returns `None` for any other text.
fn written_in_full(document: &Document, commands: Commands, (text, is_command): (&str, bool)) -> Option<Meaning> {
    if !is_command && is_address(document, text) {
        return Some(Meaning::Address(text.to_owned()));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    if let Some(command) = commands.0.iter().find(|command| command.name.split(' ').eq(words.iter().copied())) {
        return Some(Meaning::Action(command.action.clone()));
    }
    if let Some((command, argument)) = TYPED_COMMANDS.iter().find_map(|command| Some((command, command.argument_in(text)?))) {
        return Some(Meaning::TypedCommand(command, argument.to_owned()));
    }
    let is_exact = true;
    match topics::find(document, text, is_exact).into_iter().next() {
        Some((TopicMatch::Command(action) | TopicMatch::KeylessAction(action, _), _)) => Some(Meaning::Action(action)),
        // the user first chooses the command from the list, and types its argument
        Some((TopicMatch::TypedCommand(_), _)) => Some(Meaning::Unknown),
        Some((TopicMatch::Address(address), _)) => Some(Meaning::Address(address)),
        None if topics::is_topic(text) => Some(Meaning::NoOp(text.to_owned())),
        None => None,
    }
}

/// Returns whether a text needs no completion: it is a full address, command or word of a topic (such as `stride`).
pub(in crate::app) fn is_written_in_full(document: &Document, commands: Commands, text: &str) -> bool {
    let is_command = false;
    !text.trim().is_empty() && written_in_full(document, commands, (text.trim(), is_command)).is_some()
}

/// Returns whether a text is an address: a place such as `loss`, the name of an op, or a text with an iteration, a sample, a pass, an index or a term.
fn is_address(document: &Document, text: &str) -> bool {
    let Ok(Address { iteration, location }) = text.parse() else { return false };
    match location {
        Location::Op { name, .. } if name.contains(char::is_whitespace) => false,
        Location::Op { scope, name, index, term } => {
            iteration.is_some() || scope != Scope::Any || index.is_some() || term.is_some() || document.has_tensor(&name)
        }
        _ => true,
    }
}
