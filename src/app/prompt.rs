//! The address line: editing and completion.

use tui_input::{Input, InputRequest};

use super::Document;
use crate::step::Pass;

/// The address line.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    /// The text with its cursor.
    pub input: Input,
    /// The typed text that completions replace, and the number of the completion in the line.
    completing: Option<(String, usize)>,
}

/// The most completions that are offered.
const OFFERED: usize = 12;

impl Prompt {
    /// Returns the names that begin with the typed text, then those that contain it; after an iteration or a sample, the names of its ops. Each list is limited
    /// before duplicates are removed, so a key costs the same for any number of ops.
    #[must_use]
    pub fn completions(&self, document: &Document) -> Vec<String> {
        let typed = self.completing.as_ref().map_or(self.input.value(), |(typed, _)| typed).trim();
        let (scope, typed) = typed.split_at(typed.rfind(['/', ':']).map_or(0, |end| end + 1));
        let [samples, reduce, update] = [document.names(), document.batch_names(Pass::Reduce), document.batch_names(Pass::Update)];
        // the batch computes tensors with the same names again
        let sources = match &scope[scope.rfind('/').map_or(0, |end| end + 1)..] {
            "reduce:" => vec![reduce],
            "update:" => vec![update],
            "" => vec![samples, update],
            _ => vec![samples],
        };
        let mut words: Vec<&str> = Vec::new();
        if !scope.contains(':') {
            words.extend(["first", "last"]);
            // users mostly mean the loss of the batch
            words.extend((reduce.has("loss") && "loss".starts_with(typed)).then_some("reduce:loss"));
            words.extend(["loss", "backward"]);
            words.extend([("reduce:", reduce), ("update:", update)].iter().filter(|(_, names)| !names.is_empty()).map(|(word, _)| *word));
        }
        let begins = |word: &&str| word.starts_with(typed) || *word == "reduce:loss";
        let mut found: Vec<&str> = words.iter().copied().filter(begins).collect();
        found.extend(sources.iter().flat_map(|names| names.beginning(typed, OFFERED)).map(|name| &**name));
        found.extend(words.iter().filter(|word| word.contains(typed)));
        found.extend(sources.iter().flat_map(|names| names.within(typed, OFFERED)).map(|name| &**name));
        let mut offered: Vec<&str> = Vec::new();
        for name in found {
            if offered.len() < OFFERED && !offered.contains(&name) {
                offered.push(name);
            }
        }
        offered.into_iter().map(|name| format!("{scope}{name}")).collect()
    }

    /// Returns the number of the completion in the line; `None` if the line has the typed text.
    #[must_use]
    pub fn chosen(&self) -> Option<usize> {
        self.completing.as_ref().map(|(_, chosen)| *chosen)
    }

    /// Returns whether this request closes the line: a deletion in the empty line.
    pub(super) fn closes_on(&self, request: InputRequest) -> bool {
        request == InputRequest::DeletePrevChar && self.input.value().is_empty()
    }

    pub(super) fn edit(&mut self, request: InputRequest) {
        self.completing = None;
        self.input.handle(request);
    }

    /// Puts the next completion into the line, or the previous one if `by` is negative.
    pub(super) fn complete(&mut self, document: &Document, by: isize) {
        let found = self.completions(document);
        if found.is_empty() {
            return;
        }
        let last = found.len() - 1;
        let (typed, chosen) = match &self.completing {
            None => (self.input.value().to_owned(), if by > 0 { 0 } else { last }),
            Some((typed, chosen)) if by > 0 => (typed.clone(), if *chosen == last { 0 } else { chosen + 1 }),
            Some((typed, chosen)) => (typed.clone(), chosen.checked_sub(1).unwrap_or(last)),
        };
        *self = Self { input: Input::new(found[chosen].clone()), completing: Some((typed, chosen)) };
    }
}
