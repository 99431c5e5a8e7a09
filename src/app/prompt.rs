//! The prompt: the line in which the user types an address such as `conv1.z`, a command or a search. This file edits and completes its text.

mod candidates;
mod meaning;
mod topics;

use std::borrow::Cow;

use tui_input::{Input, InputRequest};

use super::{Commands, Document};
use crate::scenario::GivenNumber;
use crate::scene::HiddenNumber;
use crate::step::Pass;

pub use candidates::PromptCandidate;
pub(super) use meaning::{Meaning, is_written_in_full};

/// The kind of text that a prompt takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum PromptKind {
    /// Addresses.
    #[default]
    Addresses,
    /// Addresses and commands.
    Palette(Commands),
    /// A search.
    Search,
    /// A new value of a number.
    Value(GivenNumber),
    /// A predicted number.
    Answer(HiddenNumber),
    /// Words that filter the scenarios in the picker.
    Filter,
}

/// The prompt.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    /// The kind of its text.
    pub kind: PromptKind,
    /// The text and its cursor.
    pub input: Input,
    /// `true` if the user pressed Enter, and the text is refused: it is neither an address nor a command, is a command without its argument, or is not the
    /// number that the prompt asks for.
    pub is_refused: bool,
    /// The completion that is shown instead of the typed text; `None` if the typed text is shown.
    completion: Option<ChosenCompletion>,
}

/// A completion that is shown instead of the typed text.
#[derive(Clone, Debug)]
struct ChosenCompletion {
    /// The typed text, from which the completions are found.
    typed: String,
    /// The index of the completion in the list of completions.
    chosen: usize,
}

/// The largest number of offered completions.
const MAX_OFFERED: usize = 12;

impl Prompt {
    /// Returns an empty prompt.
    #[must_use]
    pub fn new(kind: PromptKind) -> Self {
        Self { kind, ..Self::default() }
    }

    /// Returns the text that the user typed, even if a completion is shown instead.
    fn typed(&self) -> &str {
        self.completion.as_ref().map_or(self.input.value(), |completion| &completion.typed).trim_start()
    }

    /// Returns the addresses that complete the typed text.
    #[must_use]
    pub fn completions(&self, document: &Document) -> Vec<String> {
        let (beginning, containing) = completions_of(document, self.typed().trim_end());
        beginning.into_iter().chain(containing).take(MAX_OFFERED).collect()
    }

    /// Returns the index of the completion that is shown; `None` if the typed text is shown.
    #[must_use]
    pub fn chosen(&self) -> Option<usize> {
        self.completion.as_ref().map(|completion| completion.chosen)
    }

    /// Returns whether an edit closes the prompt: Backspace closes an empty one.
    pub(super) fn is_closed_by(&self, request: InputRequest) -> bool {
        request == InputRequest::DeletePrevChar && self.input.value().is_empty()
    }

    /// Edits the text. A completion that is shown becomes the typed text first.
    pub(super) fn edit(&mut self, request: InputRequest) {
        self.completion = None;
        self.is_refused = false;
        self.input.handle(request);
    }

    /// Shows the next completion, or the previous one if `direction` is negative. After the last completion comes the first.
    pub(super) fn complete(&mut self, document: &Document, direction: isize) {
        let Some(last) = self.candidates(document).len().checked_sub(1) else { return };
        let next = match self.chosen() {
            None if direction > 0 => 0,
            None => last,
            Some(chosen) if direction > 0 => {
                if chosen >= last {
                    0
                } else {
                    chosen + 1
                }
            }
            // a job may have changed the iteration, and there may now be fewer completions
            Some(chosen) => chosen.checked_sub(1).unwrap_or(last).min(last),
        };
        self.choose(document, next);
    }

    /// Shows the completion with this index. If there are fewer completions, shows the last one; if there are none, returns `None`.
    pub(super) fn choose(&mut self, document: &Document, chosen: usize) -> Option<()> {
        let mut found = self.candidates(document);
        let chosen = chosen.min(found.len().checked_sub(1)?);
        let typed = self.completion.take().map_or_else(|| self.input.value().to_owned(), |completion| completion.typed);
        self.input = Input::new(found.swap_remove(chosen).text);
        self.completion = Some(ChosenCompletion { typed, chosen });
        Some(())
    }
}

/// Corrects the scope of an address, such as `3/2:` (sample 2 of iteration 3). If the iteration does not exist, the nearest one replaces it. If the sample does
/// not exist, the first one replaces it.
fn existing_scope<'a>(document: &Document, scope: &'a str) -> Cow<'a, str> {
    let (iteration, sample_or_pass) =
        scope.split_once('/').map_or((None, scope), |(iteration, after_slash)| (iteration.parse::<u64>().ok(), after_slash));
    let sample = sample_or_pass.strip_suffix(':').and_then(|number| number.parse::<usize>().ok());
    let typed_iteration = iteration.unwrap_or(document.trace.iteration());
    let nearest = typed_iteration.clamp(1, document.iterations().max(1));
    // the list of samples may be long, so it is made only if the scope names a sample
    let samples = sample.map(|_| document.descent.samples(nearest)).unwrap_or_default();
    let first_sample = samples.first();
    // addresses count samples from 1
    let has_sample = sample.is_none_or(|number| samples.iter().any(|sample| sample + 1 == number));
    if nearest == typed_iteration && has_sample {
        return scope.into();
    }
    let iteration = iteration.filter(|_| document.iterations() > 1).map(|_| format!("{nearest}/")).unwrap_or_default();
    let sample = sample.zip(first_sample).map(|(_, first)| format!("{}:", first + 1)).unwrap_or_default();
    // a scope without a sample, such as `3/reduce:`
    let pass = if sample.is_empty() { sample_or_pass } else { "" };
    format!("{iteration}{sample}{pass}").into()
}

/// Returns the addresses that complete a text, in two lists: those whose name begins with it, and those whose name contains it. The scope of the typed address
/// stays before each name: the completions of `2:fc1` begin with `2:`.
///
/// Each list of names is cut before duplicates are removed, so that a key takes the same time for any number of ops.
fn completions_of(document: &Document, typed: &str) -> (Vec<String>, Vec<String>) {
    // `3/2:fc1` consists of the scope `3/2:` and the beginning of a name
    let (scope, typed_name) = typed.split_at(typed.rfind(['/', ':']).map_or(0, |end| end + 1));
    let scope = &*existing_scope(document, scope);
    let after_iteration = &scope[scope.rfind('/').map_or(0, |end| end + 1)..];
    let [samples, reduce, update] = [document.names(), document.batch_names(Pass::Reduce), document.batch_names(Pass::Update)];
    // tensors of the reduce pass have the same names as tensors of a sample, so they are offered only after `reduce:`
    let sources = match after_iteration {
        "reduce:" => vec![reduce],
        "update:" => vec![update],
        "" => vec![samples, update],
        _ => vec![samples],
    };
    let mut words: Vec<&str> = Vec::new();
    if !scope.contains(':') {
        words.extend(["first", "last"]);
        // `reduce:loss` comes before `loss`, because users usually mean the loss of the batch
        words.extend((reduce.contains("loss") && "loss".starts_with(typed_name)).then_some("reduce:loss"));
        words.extend(["loss", "backward"]);
        let passes = [("reduce:", reduce), ("update:", update)];
        words.extend(passes.iter().filter(|(_, names)| !names.is_empty()).map(|(word, _)| *word));
    }
    // `reduce:loss` is in the list only if it is a match
    let is_match = |word: &&str| word.starts_with(typed_name) || *word == "reduce:loss";
    let beginning = words.iter().copied().filter(is_match);
    let beginning = beginning.chain(sources.iter().flat_map(|names| names.starting_with(typed_name, MAX_OFFERED)).map(|name| &**name));
    let containing = words.iter().copied().filter(|word| word.contains(typed_name));
    let containing = containing.chain(sources.iter().flat_map(|names| names.containing(typed_name, MAX_OFFERED)).map(|name| &**name));
    let mut offered: Vec<&str> = Vec::new();
    for name in beginning {
        if offered.len() < MAX_OFFERED && !offered.contains(&name) {
            offered.push(name);
        }
    }
    let beginning_count = offered.len();
    for name in containing {
        if offered.len() < MAX_OFFERED && !offered.contains(&name) {
            offered.push(name);
        }
    }
    let mut scoped: Vec<String> = offered.into_iter().map(|name| format!("{scope}{name}")).collect();
    let containing = scoped.split_off(beginning_count);
    (scoped, containing)
}
