//! The address line: typing, completion, going there.

use tui_input::{Input, InputRequest};

use super::State;
use crate::step::Address;

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
    /// The names that begin with what was typed, then those that contain it; after an iteration or a sample those of its ops.
    #[must_use]
    pub fn completions(&self, state: &State) -> Vec<String> {
        let Some(lesson) = &state.lesson else { return Vec::new() };
        let typed = self.completing.as_ref().map_or(self.input.value(), |(typed, _)| typed).trim();
        let (scope, typed) = typed.split_at(typed.rfind(['/', ':']).map_or(0, |end| end + 1));
        let trace = &lesson.trace;
        // what the batch computes has the same names again
        let batch = scope.ends_with("reduce:") || scope.ends_with("update:");
        let of_batch = |stretch: usize| trace.stretches()[stretch].sample.is_none();
        let ops = trace.ops().filter(|(stretch, ..)| if batch { of_batch(*stretch) } else { *stretch == 0 || of_batch(*stretch) });
        let ops = ops.map(|(stretch, id, _)| (trace.network_of(stretch).tensor(id).name.to_string(), of_batch(stretch)));
        let passes = ["reduce:", "update:"].map(|pass| (pass, true));
        let words = ["first", "last", "loss", "backward"].map(|word| (word, false)).into_iter().chain(passes);
        let words = words.filter(|_| !scope.contains(':')).map(|(word, of_batch)| (word.to_owned(), of_batch));
        let exists = |address: &str| address.parse().is_ok_and(|at: Address| trace.resolve(&at.place.into()).is_ok());
        let mut found: Vec<String> = Vec::new();
        for (name, of_batch) in words.chain(ops).filter(|(name, _)| name.contains(typed)) {
            let leads = || match name.strip_suffix(':') {
                Some(pass) => trace.ops().any(|(stretch, id, _)| exists(&format!("{pass}:{}", trace.network_of(stretch).tensor(id).name))),
                None => exists(&format!("{scope}{name}")),
            };
            if !found.contains(&name) && (!of_batch || leads()) {
                found.push(name);
            }
        }
        found.sort_by_key(|name| !name.starts_with(typed));
        found.truncate(OFFERED);
        found.into_iter().map(|name| format!("{scope}{name}")).collect()
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
