//! The address line: typing, completion, going there.

use tui_input::{Input, InputRequest};

use super::State;
use crate::step::{Address, Pass};

/// The address line.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    /// What is typed.
    pub input: Input,
    /// What was typed before completions replaced it, and which completion is in the line.
    completing: Option<(String, usize)>,
}

/// How many completions the screen offers.
const OFFERED: usize = 12;

impl Prompt {
    /// The names that begin with what was typed, then those that contain it; after an iteration or a sample those of its ops. Each list is cut before it
    /// is compared, so a key costs the same however many ops there are.
    #[must_use]
    pub fn completions(&self, state: &State) -> Vec<String> {
        let Some(lesson) = &state.lesson else { return Vec::new() };
        let typed = self.completing.as_ref().map_or(self.input.value(), |(typed, _)| typed).trim();
        let (scope, typed) = typed.split_at(typed.rfind(['/', ':']).map_or(0, |end| end + 1));
        let [samples, reduce, update] = [lesson.names(), lesson.batch_names(Pass::Reduce), lesson.batch_names(Pass::Update)];
        // what the batch computes has the same names again
        let sources = match &scope[scope.rfind('/').map_or(0, |end| end + 1)..] {
            "reduce:" => vec![reduce],
            "update:" => vec![update],
            "" => vec![samples, update],
            _ => vec![samples],
        };
        let mut words: Vec<&str> = Vec::new();
        if !scope.contains(':') {
            words.extend(["first", "last"]);
            // the batch's loss is what is mostly meant
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

    /// Which completion is in the line.
    #[must_use]
    pub fn chosen(&self) -> Option<usize> {
        self.completing.as_ref().map(|(_, chosen)| *chosen)
    }
}

impl State {
    pub(super) fn edit(&mut self, request: InputRequest) {
        let Some(prompt) = &mut self.prompt else { return };
        if request == InputRequest::DeletePrevChar && prompt.input.value().is_empty() {
            self.prompt = None;
            return;
        }
        prompt.completing = None;
        prompt.input.handle(request);
    }

    pub(super) fn complete(&mut self, by: isize) {
        let Some(prompt) = &self.prompt else { return };
        let found = prompt.completions(self);
        if found.is_empty() {
            return;
        }
        let last = found.len() - 1;
        let (typed, chosen) = match &prompt.completing {
            None => (prompt.input.value().to_owned(), if by > 0 { 0 } else { last }),
            Some((typed, chosen)) if by > 0 => (typed.clone(), if *chosen == last { 0 } else { chosen + 1 }),
            Some((typed, chosen)) => (typed.clone(), chosen.checked_sub(1).unwrap_or(last)),
        };
        self.prompt = Some(Prompt { input: Input::new(found[chosen].clone()), completing: Some((typed, chosen)) });
    }

    pub(super) fn go_to_prompt(&mut self) {
        let Some(prompt) = self.prompt.take() else { return };
        let typed = prompt.input.value().trim();
        if typed.is_empty() {
            return;
        }
        self.play = None;
        if let Err(why) = typed.parse::<Address>().map_err(|why| why.to_string()).and_then(|address| self.set_out(address)) {
            self.say(why, true);
        }
    }
}
