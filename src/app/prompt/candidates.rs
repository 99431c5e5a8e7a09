//! The candidates of the prompt: the list above it with the possible meanings of the typed text. Tab chooses them in this order.

use super::topics::{self, TopicMatch};
use super::{Document, Prompt, PromptKind, completions_of};
use crate::app::command::{Command, CommandArgument, TYPED_COMMANDS, TypedCommand};
use crate::words::fuzzy::FuzzyText;
use crate::words::suggest;

/// The largest number of addresses that the palette and the search offer while no text is typed.
const MAX_BEFORE_TYPING: usize = 5;

/// The addresses that are not names of ops, such as `loss`, with their descriptions.
const PLACES: [(&str, &str); 7] = [
    ("first", "the first step"),
    ("last", "the last step"),
    ("reduce:loss", "the loss of the batch"),
    ("loss", "the loss"),
    ("backward", "the start of the backward pass"),
    ("reduce:", "an op of the pass that adds up the samples"),
    ("update:", "an op of the pass that updates the parameters"),
];

/// The offered searches for values, with their descriptions.
const SEARCHES: [(&str, &str); 7] = [
    ("> 1", "values greater than a number; also <, <=, >=, !="),
    ("< 0", "values less than a number"),
    ("== 0", "values equal to a number"),
    ("|x| > 1", "values of a greater magnitude"),
    ("nan", "values that are not a number"),
    ("inf", "infinite values"),
    ("not finite", "both"),
];

/// A row of the list above the prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptCandidate {
    /// The text that the row puts into the prompt.
    pub text: String,
    /// The name in the list, such as `break [ENTRY]`.
    pub label: String,
    /// The keys of its command; empty for none.
    pub keys: String,
    /// A short description; empty for the name of an op.
    pub description: &'static str,
}

impl PromptCandidate {
    fn address(text: String) -> Self {
        let description = PLACES.iter().find(|(place, _)| *place == text).map_or("", |(_, description)| description);
        Self { label: text.clone(), text, description, ..Self::default() }
    }

    /// Returns the candidate for a command. Its text begins with `!` if the user typed `!`, or if an op has the same name as the command.
    fn command(Command { name, keys, description, .. }: &Command, document: &Document, is_marked: bool) -> Self {
        let text = if is_marked || document.has_tensor(name) { format!("!{name}") } else { (*name).to_owned() };
        Self { label: text.clone(), text, keys: keys.clone(), description }
    }

    /// Replaces the description, unless the new one is empty.
    fn with_description(self, description: &'static str) -> Self {
        if description.is_empty() { self } else { Self { description, ..self } }
    }

    fn typed_command(command: &'static TypedCommand, document: &Document, is_marked: bool) -> Self {
        let mark = if is_marked || document.has_tensor(command.name) { "!" } else { "" };
        let blank_before_argument = if command.argument == CommandArgument::Nothing { "" } else { " " };
        Self {
            text: format!("{mark}{}{blank_before_argument}", command.name),
            label: format!("{mark}{}", command.usage()),
            keys: String::new(),
            description: command.description,
        }
    }
}

/// A command with a key, or a typed command.
#[derive(Clone, Copy)]
enum AnyCommand<'a> {
    WithKey(&'a Command),
    Typed(&'static TypedCommand),
}

impl AnyCommand<'_> {
    fn name_and_description(&self) -> (&'static str, &'static str) {
        match self {
            Self::WithKey(command) => (command.name, command.description),
            Self::Typed(command) => (command.name, command.description),
        }
    }
}

/// Returns the commands that match a text, the best match first; all commands for an empty text. If none matches, returns the command with the nearest name; if
/// no name is near, the commands that match the text without its final s.
fn matching_commands<'a>(commands: &'a [Command], typed: &str) -> Vec<AnyCommand<'a>> {
    let all = commands.iter().map(AnyCommand::WithKey).chain(TYPED_COMMANDS.iter().map(AnyCommand::Typed));
    let mut text = FuzzyText::new(typed);
    let mut scored: Vec<(bool, u32, AnyCommand<'_>)> = all
        .clone()
        .filter_map(|command| {
            let (name, description) = command.name_and_description();
            Some((name == typed, text.score(name, description)?, command))
        })
        .collect();
    // equal scores stay in the order of the tables
    scored.sort_by_key(|(is_exact, score, _)| std::cmp::Reverse((*is_exact, *score)));
    if scored.is_empty()
        && let Some(nearest) = suggest::nearest(typed, all.clone().map(|command| command.name_and_description().0))
    {
        return all.filter(|command| command.name_and_description().0 == nearest).collect();
    }
    // the s of the third person: `scrolls` for `scroll`
    if scored.is_empty()
        && let Some(stem) = typed.strip_suffix('s').filter(|stem| !stem.is_empty() && !stem.ends_with('s'))
    {
        return matching_commands(commands, stem);
    }
    scored.into_iter().map(|(.., command)| command).collect()
}

impl Prompt {
    /// Returns the candidates for the typed text.
    #[must_use]
    pub fn candidates(&self, document: &Document) -> Vec<PromptCandidate> {
        let typed = self.typed();
        let commands = match self.kind {
            PromptKind::Addresses => return self.completions(document).into_iter().map(PromptCandidate::address).collect(),
            PromptKind::Search => return searches(document, typed),
            PromptKind::Value(_) | PromptKind::Answer(_) | PromptKind::Filter => return Vec::new(),
            PromptKind::Palette(commands) => &**commands.0,
        };
        let (mark, unmarked) = typed.strip_prefix('!').map_or(("", typed), |unmarked| ("!", unmarked));
        if let Some(found) = address_arguments(document, mark, unmarked) {
            return found;
        }
        let matched = matching_commands(commands, unmarked.trim_end()).into_iter().map(|command| match command {
            AnyCommand::WithKey(command) => PromptCandidate::command(command, document, !mark.is_empty()),
            AnyCommand::Typed(command) => PromptCandidate::typed_command(command, document, !mark.is_empty()),
        });
        if !mark.is_empty() {
            return matched.collect();
        }
        let (mut beginning, containing) = completions_of(document, typed.trim_end());
        if typed.is_empty() {
            beginning.truncate(MAX_BEFORE_TYPING);
        }
        let addresses = |texts: Vec<String>| texts.into_iter().map(PromptCandidate::address);
        let mut all: Vec<PromptCandidate> = addresses(beginning).collect();
        // a command with exactly this name comes before the topics with this word
        let (named, matched): (Vec<PromptCandidate>, Vec<PromptCandidate>) =
            matched.partition(|candidate| candidate.text.trim_end() == typed.trim_end());
        let others = named.into_iter().chain(topic_candidates(commands, document, typed)).chain(matched).chain(addresses(containing));
        for candidate in others {
            if !all.iter().any(|other| other.text == candidate.text) {
                all.push(candidate);
            }
        }
        if all.is_empty() && typed.contains(' ') { commands_in_question(commands, document, typed) } else { all }
    }
}

/// Returns the commands whose names have a word of a question.
fn commands_in_question(commands: &[Command], document: &Document, typed: &str) -> Vec<PromptCandidate> {
    let is_marked = false;
    let with_key = commands.iter().filter(|command| topics::has_word_of(typed, command.name));
    let with_key = with_key.map(|command| PromptCandidate::command(command, document, is_marked));
    let typed_commands = TYPED_COMMANDS.iter().filter(|command| topics::has_word_of(typed, command.name));
    with_key.chain(typed_commands.map(|command| PromptCandidate::typed_command(command, document, is_marked))).collect()
}

/// Returns the candidates for a word of the topics, such as `stride`.
fn topic_candidates(commands: &[Command], document: &Document, typed: &str) -> Vec<PromptCandidate> {
    let candidate = |(found, description): (TopicMatch, &'static str)| match found {
        TopicMatch::Address(address) => Some(PromptCandidate { label: address.clone(), text: address, description, keys: String::new() }),
        TopicMatch::KeylessAction(_, name) => {
            Some(PromptCandidate { label: name.to_owned(), text: name.to_owned(), description, keys: String::new() })
        }
        TopicMatch::TypedCommand(name) => {
            let command = TYPED_COMMANDS.iter().find(|command| command.name == name)?;
            Some(PromptCandidate::typed_command(command, document, false).with_description(description))
        }
        TopicMatch::Command(action) => {
            let command = commands.iter().find(|command| command.action == action)?;
            Some(PromptCandidate::command(command, document, false).with_description(description))
        }
    };
    let is_exact = false;
    topics::find(document, typed, is_exact).into_iter().filter_map(candidate).collect()
}

/// Returns the addresses that complete the argument of a command; `None` if the text is not a command that takes an address.
fn address_arguments(document: &Document, mark: &str, unmarked: &str) -> Option<Vec<PromptCandidate>> {
    let takes_address = |command: &&TypedCommand| matches!(command.argument, CommandArgument::Address | CommandArgument::AddressOrHere);
    let command = TYPED_COMMANDS
        .iter()
        .filter(takes_address)
        .find(|command| unmarked.strip_prefix(command.name).is_some_and(|rest| rest.starts_with(char::is_whitespace)))?;
    // a condition on an absolute value begins with a bar: `break |fc1`
    let argument = unmarked[command.name.len()..].trim_start();
    let (bar, argument) = argument.strip_prefix('|').map_or(("", argument), |rest| ("|", rest));
    let (beginning, containing) = completions_of(document, argument.trim_end());
    let all = beginning.into_iter().chain(containing).take(super::MAX_OFFERED);
    Some(all.map(|address| PromptCandidate::address(format!("{mark}{} {bar}{address}", command.name))).collect())
}

/// Returns the searches that complete a text: conditions on values that begin with it, and names of ops that contain it.
fn searches(document: &Document, typed: &str) -> Vec<PromptCandidate> {
    let typed = typed.trim_end();
    let of_values = SEARCHES.into_iter().filter(|(text, _)| text.starts_with(typed)).map(|(text, description)| PromptCandidate {
        text: text.to_owned(),
        label: text.to_owned(),
        keys: String::new(),
        description,
    });
    let names = document.names();
    let (beginning, containing) = (names.starting_with(typed, super::MAX_OFFERED), names.containing(typed, super::MAX_OFFERED));
    let of_names = beginning.into_iter().chain(containing).take(if typed.is_empty() { MAX_BEFORE_TYPING } else { super::MAX_OFFERED });
    of_values.chain(of_names.map(|name| PromptCandidate::address(name.to_string()))).collect()
}
