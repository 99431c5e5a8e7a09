//! The acts of prediction: asking at each new place, judging a typed number, showing the answer, and warnings before a command that looks ahead.

use std::sync::Arc;

use super::motion::Motion;
use super::prediction::{Closed, LooksAhead, PredictionQuestion};
use super::{Action, Document, Mode, OverlayKind, Prompt, PromptKind, State, Stepper};
use crate::glyph::with_minus_signs;
use crate::mistakes::{Question, TypedNumber, Verdict};
use crate::scene::{Asked, Scene};
use crate::step::Unit;

impl Stepper {
    /// Returns the number that is asked for at the step on the screen, if one is.
    #[must_use]
    pub fn asked(&self) -> Option<Asked> {
        let is_asked = self.prediction.is_on && self.prediction.answered != Some(self.visit());
        is_asked.then_some(if self.unit == Unit::Step { Asked::Term } else { Asked::Entry })
    }

    /// Returns the question of the place on the screen, while it is open.
    #[must_use]
    pub fn open_question(&self) -> Option<&PredictionQuestion> {
        let here = self.visit();
        self.prediction.question.as_ref().filter(|question| question.visit == here && Some(question.asked) == self.asked())
    }
}

/// Returns what is asked for in symbols: the entry, or the term.
#[must_use]
pub fn asked_symbol(scene: &Scene<'_>, asked: Asked) -> String {
    match asked {
        Asked::Entry => scene.disambiguated(scene.output, scene.at.entry),
        Asked::Term => scene.in_symbols(&scene.term(scene.at.term)),
    }
}

impl State {
    /// Asks for the number of the place on the screen, if the place is new.
    pub(super) fn ask_at_a_new_place(&mut self) {
        if self.overlay.is_some() {
            return;
        }
        let super::Screen::Stepper(stepper) = &mut self.screen else { return };
        let is_answering = match &stepper.mode {
            Mode::Normal => false,
            Mode::Prompt(prompt) if matches!(prompt.kind, PromptKind::Answer(_)) => true,
            Mode::Prompt(_) => return,
        };
        if stepper.open_question().is_some() || stepper.job.is_some() {
            return;
        }
        // a click may have left the place of the line
        if is_answering {
            stepper.mode = Mode::Normal;
        }
        let Some(asked) = stepper.asked() else { return };
        let visit = stepper.visit();
        stepper.prediction.question = Some(PredictionQuestion { visit, asked, wrong: 0, hint: None });
        stepper.prediction.warned = None;
        stepper.play = None;
        // the keys of the cursor would be text
        if stepper.cursor.is_none() {
            stepper.mode = Mode::Prompt(Prompt::new(PromptKind::Answer(asked)));
        }
    }

    /// Turns prediction on, or off with the score.
    pub(super) fn toggle_prediction(&mut self) {
        let Some(stepper) = self.stepper_mut() else { return };
        let prediction = &mut stepper.prediction;
        prediction.is_on = !prediction.is_on;
        (prediction.question, prediction.answered) = (None, None);
        let is_empty = prediction.score.is_empty();
        if prediction.is_on {
            stepper.cursor = None;
        } else if is_empty {
            self.say("prediction is off", false);
        } else {
            self.toggle(OverlayKind::List(super::ListKind::Score));
        }
    }

    /// Shows the score, or begins at 0.
    pub(super) fn score(&mut self, argument: &str) {
        match argument {
            "" => self.toggle(OverlayKind::List(super::ListKind::Score)),
            "new" => {
                self.stepper_mut().into_iter().for_each(|stepper| stepper.prediction.score.clear());
                self.say("the score begins at 0", false);
            }
            _ => self.say("write score or score new", true),
        }
    }

    /// Warns of a command that looks ahead, where numbers are asked for. Returns `false` if the command was given again after the warning.
    pub(super) fn warns_of(&mut self, command: LooksAhead) -> bool {
        let Some(stepper) = self.stepper_mut().filter(|stepper| stepper.prediction.is_on) else { return false };
        if stepper.prediction.warned.take_if(|warned| *warned == command).is_some() {
            return false;
        }
        stepper.prediction.warned = Some(command);
        self.say("this may show what you are asked for later: again to do it, p ends prediction", false);
        true
    }
}

/// Returns whether an action can show numbers of later steps.
pub(super) fn looks_ahead(action: &Action) -> bool {
    matches!(
        action,
        Action::CheckGradient
            | Action::OpenSearch
            | Action::NextMatch(_)
            | Action::FirstDifference
            | Action::ContinueToBreakpoint(_)
            | Action::EditNumber
            | Action::Undo
            | Action::Redo
            | Action::Toggle(OverlayKind::Notes | OverlayKind::Curve)
    )
}

impl Motion<'_> {
    /// Opens the line for the number that is asked for; where none is, goes on to the next one.
    pub(super) fn next_question(&mut self) {
        match self.stepper.asked() {
            Some(asked) => self.stepper.mode = Mode::Prompt(Prompt::new(PromptKind::Answer(asked))),
            None if self.stepper.prediction.is_on => self.do_action(&Action::Forward, None),
            None => self.say("Enter does nothing here: p asks for the numbers, ? lists the keys", false),
        }
    }

    /// Judges a typed number.
    pub(super) fn judge(&mut self, text: &str) {
        if text.is_empty() {
            return self.say("write the number: Tab shows it, Esc leaves", false);
        }
        let typed = match TypedNumber::parse(text) {
            Ok(typed) => typed,
            // the line stays open, with the reason above it
            Err(why) => return self.say(why, true),
        };
        let document = Arc::clone(&self.stepper.document);
        let Some((question, scene)) = self.asked_question(&document) else { return };
        let hint = match question.judge(typed, &scene) {
            Verdict::Right => None,
            Verdict::Wrong(hint) => Some(hint.map_or_else(|| question.nudge(typed, &scene), |hint| hint.words)),
        };
        let Some(open) = &mut self.stepper.prediction.question else { return };
        match hint {
            None => {
                let closed = if open.wrong == 0 { Closed::AtOnce } else { Closed::AfterHint };
                self.close_question(&question, closed);
            }
            Some(words) => {
                open.wrong += 1;
                open.hint = Some([text.to_owned(), words.clone()]);
                self.stepper.mode = Mode::Prompt(Prompt::new(PromptKind::Answer(question.asked())));
                self.say(with_minus_signs(&format!("{text}: {words}")), false);
            }
        }
    }

    /// Returns the question of the place on the screen, and its scene.
    fn asked_question<'d>(&self, document: &'d Document) -> Option<(Question<'d>, Scene<'d>)> {
        let asked = self.stepper.asked()?;
        let scene = self.settings.applied_to(document.scene(self.stepper.step)?.asking(Some(asked)));
        Some((Question::of(&document.trace, &scene.at, asked), scene))
    }

    /// Shows the number that is asked for.
    pub(super) fn show_the_answer(&mut self) {
        let document = Arc::clone(&self.stepper.document);
        let Some((question, _)) = self.asked_question(&document) else { return };
        self.close_question(&question, Closed::Shown);
    }

    /// Counts a question, and shows the numbers of its step. The value of an entry is shown at its last step.
    fn close_question(&mut self, question: &Question<'_>, closed: Closed) {
        let here = self.stepper.address_here();
        self.stepper.mode = Mode::Normal;
        if question.asked() == Asked::Entry {
            self.go(question.last_step());
        }
        let visit = self.stepper.visit();
        self.stepper.prediction.question = None;
        self.stepper.prediction.answered = Some(visit);
        self.stepper.prediction.count(question.rule(), closed, here);
        // as the frame shows it
        let value = self.stepper.scene().and_then(|scene| match question.asked() {
            Asked::Term => scene.term_text(&scene.term(scene.at.term)),
            Asked::Entry => scene.entry_text(scene.output, scene.at.entry),
        });
        let value = value.unwrap_or_default();
        let judged = match closed {
            Closed::AtOnce => "right",
            Closed::AfterHint => "right now",
            Closed::Shown => "the answer is",
        };
        let colon = if closed == Closed::Shown { "" } else { ":" };
        let next = if self.is_at_the_end() { "this was the last step, p shows the score" } else { "Enter goes on" };
        self.say(format!("{judged}{colon} {value}; {next}"), false);
    }
}
