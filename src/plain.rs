//! Floor 8: the plain mode, which is the stepper without a screen. It is for screen readers, dumb terminals and scripts. Functions without side effects turn a
//! [`State`] into lines of words, without boxes and colours. The numbers of tensors come from the scene of the step.
//!
//! ```text
//! grad.conv1.weight[0,0,0,1]  step 39/64, backward, layer 1/1 conv2d conv1, unit step
//! weight gradient: the input convolved with the error. d C by d W of layer 1 equals a of layer 0 convolved with delta of layer 1.
//! d C by d w 1 2 equals a 1 2 times delta 1 1 plus a 1 3 times delta 1 2 plus a 2 2 times delta 2 1 plus a 2 3 times delta 2 2.
//! Term 3 of 4 of d C by d w 1 2: a 2 2 times delta 2 1 equals 3 times 3 equals 9.
//! a 2 2 is input[0,1,1], given: 3.
//! delta 2 1 is grad.conv1.z[0,1,0], from step 31: 3.
//! So far: 2 plus 9 equals 11.
//! Why: …
//! ```

mod matrix;
mod overlay;
mod step;

pub use matrix::{matrices, matrix};

use crate::app::{Focus, ListRow, PromptCandidate, PromptKind, State, Visit};
use crate::glyph::{spoken, spoken_sentence};
use crate::text::line;
use crate::ui::RenderOptions;
use crate::ui::status::{line_sign, under_cursor};
use crate::ui::view::StepView;
use crate::ui::{header, words};

/// The facts that were already read out, so that they are not repeated.
#[derive(Debug, Default)]
pub struct PlainReader {
    /// The last step that was read out.
    step: Option<Visit>,
    /// The last effect of an edit that was read out.
    effect: Vec<String>,
    /// The last list that was read out, if it is still open.
    list: Option<Vec<ListRow>>,
}

impl PlainReader {
    /// Returns the answer to a line of input: the status line, the message if there is one, and the picker, the overlay or the prompt if one is open. If none
    /// is open, or if the prompt asks for a prediction, the answer also has the step and the effect of the last edit. If both were read out before, they are
    /// left out, unless `again` is set.
    pub fn answer(&mut self, state: &State, options: RenderOptions, again: bool) -> Vec<String> {
        let Some(view) = StepView::of(state, options) else {
            let mut lines = vec!["gradstep: no scenario is open".to_owned()];
            lines.extend(message(state));
            lines.extend(overlay::picker(state));
            return lines;
        };
        let mut lines = vec![status(&view)];
        lines.extend(message(state));
        let focus = state.focus();
        match focus {
            Focus::Picker | Focus::Filter => lines.extend(overlay::picker(state)),
            Focus::List => lines.extend(self.list(state)),
            Focus::Overlay | Focus::Map | Focus::Curve => lines.extend(overlay::open(&view)),
            Focus::Normal | Focus::Cursor | Focus::Prompt | Focus::Answer => {}
        }
        if focus != Focus::List {
            self.list = None;
        }
        let visit = view.stepper.current_visit();
        let effect = step::effect(&view);
        let is_new = self.step != Some(visit) || !effect.is_empty() && self.effect != effect;
        if matches!(focus, Focus::Normal | Focus::Cursor | Focus::Answer) && (is_new || again) {
            self.step = Some(visit);
            lines.extend(effect.iter().cloned().chain(step::sentences(&view)));
            self.effect = effect;
        }
        match focus {
            Focus::Cursor => lines.extend(under_cursor(&view).map(|text| format!("the cursor: {}", spoken(&text.replace("  ", ", "))))),
            Focus::Prompt | Focus::Answer => lines.extend(open_prompt(&view)),
            _ => {}
        }
        lines
    }
}

impl PlainReader {
    /// Returns the rows of the open list. If they were read out before, returns only the selected row.
    fn list(&mut self, state: &State) -> Vec<String> {
        let Some(list) = state.overlay.as_ref().and_then(|overlay| overlay.list.as_ref()) else { return Vec::new() };
        if self.list.as_ref() == Some(&list.rows) {
            return list.rows.get(list.selected).map(|row| overlay::row(list.selected, row)).into_iter().collect();
        }
        self.list = Some(list.rows.clone());
        overlay::list(list)
    }
}

/// Returns the keys with their descriptions.
#[must_use]
pub fn help() -> Vec<String> {
    overlay::keys_in_words()
}

/// Returns the status line: the address of the step, its number, and the facts of the screen's first and last lines.
#[must_use]
pub fn status(view: &StepView<'_>) -> String {
    let mut facts = header::fact_texts(view);
    facts.push(format!("unit {}", view.stepper.unit.name()));
    let prediction = &view.stepper.prediction;
    if prediction.is_on {
        let (right, all) = prediction.totals();
        facts.push(format!("predicted {right}/{all}"));
    }
    line(&format!("{}  step {}/{}, {}", view.address(), view.at.step, view.step_count(), facts.join(", ")))
}

/// Returns the message as a sentence.
fn message(state: &State) -> Option<String> {
    state.message.as_ref().map(|message| spoken_sentence(&message.text))
}

/// Returns the lines of the open prompt: the question that it asks and, in the palette, the candidates for the typed text.
fn open_prompt(view: &StepView<'_>) -> Vec<String> {
    let Some(prompt) = view.state.prompt() else { return Vec::new() };
    match prompt.kind {
        PromptKind::Answer(_) => {
            // a new hint is also the text of the message, which `answer` has already added, so the hint is left out here
            let hint = |question| words::hint_text(question).filter(|_| view.state.message.is_none());
            let texts =
                view.stepper.open_question().map(|question| hint(question).into_iter().chain([words::question_text(view, question)]));
            let keys = "<Tab> shows the answer, <Esc> leaves the question.".to_owned();
            texts.into_iter().flatten().map(|text| spoken(&text)).chain([keys]).collect()
        }
        PromptKind::Value(_) => vec![format!("type the new value of {}", spoken(line_sign(view.state, prompt).trim()))],
        _ => {
            let candidates = prompt.candidates(view.document);
            let rows = candidates.iter().map(candidate_text);
            // the user has pressed Enter at a command whose arguments are missing
            if let Some(chosen) = prompt.chosen().and_then(|chosen| candidates.get(chosen)).filter(|_| prompt.is_refused) {
                return vec![format!("type the whole line, with your own text for the words in capitals: {}", candidate_text(chosen))];
            }
            if prompt.is_refused {
                let question = "there is no such place or command; did you mean:".to_owned();
                let rows = rows.zip(1..).map(|(row, number)| format!("{number}: {row}"));
                let choice_help = (!candidates.is_empty()).then(|| "A number chooses its row.".to_owned());
                return std::iter::once(question).chain(rows).chain(choice_help).collect();
            }
            std::iter::once("type an address, a command or a topic:".to_owned()).chain(rows).collect()
        }
    }
}

/// Returns the name and the description of a candidate: only the name if there is no description, and only the description if it begins with the name.
fn candidate_text(candidate: &PromptCandidate) -> String {
    let PromptCandidate { label, description, .. } = candidate;
    let name = line(label);
    match description.strip_prefix(label.as_str()) {
        _ if description.is_empty() => name,
        Some(after_name) if after_name.is_empty() || after_name.starts_with(':') => (*description).to_owned(),
        _ => format!("{name}: {description}"),
    }
}
