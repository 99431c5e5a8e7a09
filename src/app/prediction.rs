//! Prediction: the screen hides a number of the step, and the user types it.
//!
//! Each step on the screen is a question. If the unit of moves is the step, the hidden number is the value of the term. For larger units it is the value of the
//! entry. A question is open until the user types a number within the tolerance, or asks for the answer. `predicting.rs` has the actions.

use super::Visit;
use crate::scene::HiddenNumber;
use crate::step::Address;

/// The state of prediction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prediction {
    /// `true` if prediction is on.
    pub is_on: bool,
    /// The question that was asked last, until it is answered. It may be about an earlier step ([`super::Stepper::open_question`] checks this).
    pub question: Option<PredictionQuestion>,
    /// The step whose question was answered last. Its numbers are shown until the next move.
    pub(super) answered: Option<Visit>,
    /// The score of each rule, such as `weight gradient`. The rules are in the order of their first questions.
    pub score: Vec<RuleScore>,
    /// The command about which the last warning was.
    pub(super) warned: Option<LooksAhead>,
}

/// A question: predict the hidden number of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionQuestion {
    /// The step.
    pub visit: Visit,
    /// The hidden number: the value of the term, or of the entry.
    pub hidden: HiddenNumber,
    /// The number of wrong answers.
    pub wrong_answers: u32,
    /// The last wrong answer as it was typed, and the hint about it.
    pub hint: Option<[String; 2]>,
}

/// A command that may show the numbers of later questions.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LooksAhead {
    Action(super::Action),
    /// A typed command.
    Line(String),
}

/// The outcome of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first typed number was right.
    AtOnce,
    /// A later typed number was right.
    AfterHint,
    /// The answer was shown.
    Shown,
    /// All typed numbers were wrong, and the question is not answered.
    Wrong,
}

impl Outcome {
    /// All variants, in the order of the score.
    pub const ALL: [Self; 4] = [Self::AtOnce, Self::AfterHint, Self::Shown, Self::Wrong];
}

/// The score of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleScore {
    /// The name of the rule: `weight gradient`.
    pub rule: &'static str,
    /// The number of questions with each outcome, in the order of [`Outcome::ALL`].
    pub counts: [u32; 4],
    /// The address of the last question that was not answered at once.
    pub missed: Option<Address>,
}

impl RuleScore {
    /// Returns the number of all questions.
    #[must_use]
    pub fn all(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// Returns the number of questions that were right at once.
    #[must_use]
    pub fn at_once(&self) -> u32 {
        self.counts[Outcome::AtOnce as usize]
    }
}

impl Prediction {
    /// Counts a question, whose step has the address `here`. A question is counted after its first answer. `earlier` is the outcome with which it was counted
    /// before.
    pub(super) fn count(&mut self, rule: &'static str, outcome: Outcome, earlier: Option<Outcome>, here: Option<Address>) {
        let number = self.score.iter().position(|score| score.rule == rule).unwrap_or_else(|| {
            self.score.push(RuleScore { rule, counts: [0; 4], missed: None });
            self.score.len() - 1
        });
        let score = &mut self.score[number];
        if let Some(earlier) = earlier {
            let count = &mut score.counts[earlier as usize];
            *count = count.saturating_sub(1); // the score may have been reset after the earlier answer
        }
        score.counts[outcome as usize] += 1;
        if outcome != Outcome::AtOnce {
            score.missed = here.or(score.missed.take());
        }
    }

    /// Returns the number of questions that were right at once, and the number of all questions.
    #[must_use]
    pub fn totals(&self) -> (u32, u32) {
        self.score.iter().fold((0, 0), |(right, all), score| (right + score.at_once(), all + score.all()))
    }
}
