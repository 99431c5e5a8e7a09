//! The actions of prediction. They ask a question at each new step, judge the typed number, and show the answer. They also warn before a command that shows
//! later numbers.

use std::sync::Arc;

use super::prediction::{LooksAhead, Outcome, PredictionQuestion};
use super::stepper_context::StepperContext;
use super::{Action, Document, Mode, OverlayKind, Prompt, PromptKind, State, Stepper};
use crate::glyph::with_minus_signs;
use crate::mistakes::{Judgement, Question, TypedNumber};
use crate::scene::{HiddenNumber, Scene};
use crate::step::Unit;

impl Stepper {
    /// Returns which number is hidden at the step on the screen; `None` if no number is.
    #[must_use]
    pub fn hidden_number(&self) -> Option<HiddenNumber> {
        let is_asked = self.prediction.is_on && self.prediction.answered != Some(self.current_visit());
        is_asked.then_some(if self.unit == Unit::Step { HiddenNumber::Term } else { HiddenNumber::Entry })
    }

    /// Returns the question at the step on the screen, if it is not answered.
    #[must_use]
    pub fn open_question(&self) -> Option<&PredictionQuestion> {
        let here = self.current_visit();
        self.prediction.question.as_ref().filter(|question| question.visit == here && Some(question.hidden) == self.hidden_number())
    }
}

/// Returns the hidden entry or term in symbols, such as `z₁` or `w₁₂·x₂`.
#[must_use]
pub fn hidden_symbol(scene: &Scene<'_>, hidden: HiddenNumber) -> String {
    match hidden {
        HiddenNumber::Entry => scene.unambiguous_symbol(scene.output, scene.at.entry),
        HiddenNumber::Term => scene.in_symbols(&scene.term(scene.at.term)),
    }
}

impl State {
    /// Asks the question at the step on the screen, unless it was asked already.
    pub(super) fn ask_prediction_at_new_step(&mut self) {
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
        // while the prompt was open, a click may have moved to another step
        if is_answering {
            stepper.mode = Mode::Normal;
        }
        let Some(hidden) = stepper.hidden_number() else { return };
        let visit = stepper.current_visit();
        stepper.prediction.question = Some(PredictionQuestion { visit, hidden, wrong_answers: 0, hint: None });
        stepper.prediction.warned = None;
        stepper.play = None;
        // while the cursor is open, the prompt stays closed, because it would receive the keys of the cursor as text
        if stepper.cursor.is_none() {
            stepper.mode = Mode::Prompt(Prompt::new(PromptKind::Answer(hidden)));
        }
    }

    /// Turns prediction on, or turns it off and shows the score.
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

    /// Shows the score, or resets it.
    pub(super) fn show_or_reset_score(&mut self, argument: &str) {
        match argument {
            "" => self.toggle(OverlayKind::List(super::ListKind::Score)),
            "new" => {
                self.stepper_mut().into_iter().for_each(|stepper| stepper.prediction.score.clear());
                self.say("the score is reset to 0", false);
            }
            _ => self.say("write score or score new", true),
        }
    }

    /// Warns of a command that shows later numbers, while prediction is on. Returns whether it warned. After a warning, the next use of the same command does
    /// not warn, if the question is still the same.
    pub(super) fn warns_of(&mut self, command: LooksAhead) -> bool {
        let Some(stepper) = self.stepper_mut().filter(|stepper| stepper.prediction.is_on) else { return false };
        if stepper.prediction.warned.take_if(|warned| *warned == command).is_some() {
            return false;
        }
        stepper.prediction.warned = Some(command);
        self.say("this may show numbers of later questions: repeat it to do it, p ends prediction", false);
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
            | Action::GoToDifference(_)
            | Action::ContinueToBreakpoint(_)
            | Action::EditNumber(_)
            | Action::Undo
            | Action::Redo
            | Action::ToggleOverlay(OverlayKind::Notes | OverlayKind::Curve)
    )
}

impl StepperContext<'_> {
    /// Opens the prompt for the hidden number. If no number is hidden, goes to the next question; without prediction, edits the number under the cursor.
    pub(super) fn next_question(&mut self) {
        match self.stepper.hidden_number() {
            Some(hidden) => self.stepper.mode = Mode::Prompt(Prompt::new(PromptKind::Answer(hidden))),
            None if self.stepper.prediction.is_on => self.do_action(&Action::Forward, None),
            None if self.stepper.cursor.is_some() => self.begin_edit(None),
            None => self.say("Enter does nothing here: p starts prediction, ? lists the keys", false),
        }
    }

    /// Judges a typed number, and shows the result.
    pub(super) fn judge(&mut self, text: &str) {
        if text.is_empty() {
            return self.say("write the number: Tab shows it, Esc leaves", false);
        }
        let typed = match TypedNumber::parse(text) {
            Ok(typed) => typed,
            Err(why) => return self.refuse(why),
        };
        let document = Arc::clone(self.stepper.shown());
        let Some((question, scene)) = self.asked_question(&document) else { return };
        // `None` if the number is right
        let hint = match question.judge(typed, &scene) {
            Judgement::Right => None,
            Judgement::Wrong(hint) => Some(hint.map_or_else(|| question.nudge(typed, &scene), |hint| hint.words)),
        };
        let Some(open_question) = &mut self.stepper.prediction.question else { return };
        match hint {
            None => {
                let outcome = if open_question.wrong_answers == 0 { Outcome::AtOnce } else { Outcome::AfterHint };
                self.finish_question(&question, outcome);
            }
            Some(words) => {
                open_question.wrong_answers += 1;
                open_question.hint = Some([text.to_owned(), words.clone()]);
                if open_question.wrong_answers == 1 {
                    // the question counts even if it is left without a further answer
                    let here = self.stepper.address_here();
                    self.stepper.prediction.count(question.rule(), Outcome::Wrong, None, here);
                }
                self.stepper.mode = Mode::Prompt(Prompt::new(PromptKind::Answer(question.hidden())));
                self.say(with_minus_signs(&format!("{text}: {words}")), false);
            }
        }
    }

    /// Returns the question at the step on the screen, and its scene.
    fn asked_question<'d>(&self, document: &'d Document) -> Option<(Question<'d>, Scene<'d>)> {
        let hidden = self.stepper.hidden_number()?;
        let scene = self.settings.applied_to(document.scene(self.stepper.step)?.with_hidden(Some(hidden)));
        Some((Question::of(&document.trace, &scene.at, hidden), scene))
    }

    /// Shows the hidden number.
    pub(super) fn show_the_answer(&mut self) {
        let document = Arc::clone(self.stepper.shown());
        let Some((question, _)) = self.asked_question(&document) else { return };
        self.finish_question(&question, Outcome::Shown);
    }

    /// Adds an answered question to the score and shows its number. The number is the value of the step or, if the question is about an entry, the value of the
    /// entry at its last step.
    fn finish_question(&mut self, question: &Question<'_>, outcome: Outcome) {
        // the step at which the question was asked
        let here = self.stepper.address_here();
        self.stepper.mode = Mode::Normal;
        if question.hidden() == HiddenNumber::Entry {
            self.go_to_step(question.last_step());
        }
        let visit = self.stepper.current_visit();
        let wrong_answers = self.stepper.prediction.question.take().map_or(0, |question| question.wrong_answers);
        self.stepper.prediction.answered = Some(visit);
        self.stepper.prediction.count(question.rule(), outcome, (wrong_answers > 0).then_some(Outcome::Wrong), here);
        // the number in the format of the frame
        let value = self.stepper.scene().and_then(|scene| match question.hidden() {
            HiddenNumber::Term => scene.term_text(&scene.term(scene.at.term)),
            HiddenNumber::Entry => scene.entry_text(scene.output, scene.at.entry),
        });
        let value = value.unwrap_or_default();
        let judged = match outcome {
            Outcome::AtOnce => "right",
            Outcome::AfterHint => "right now",
            Outcome::Shown | Outcome::Wrong => "the answer is",
        };
        let colon = if outcome == Outcome::Shown { "" } else { ":" };
        let next = if self.is_at_last_step() { "this was the last step, p shows the score" } else { "Enter goes on" };
        self.say(format!("{judged}{colon} {value}; {next}"), false);
    }
}
