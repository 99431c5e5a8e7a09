//! Prediction: the numbers of the step on the screen are hidden, and the user is asked for them.
//!
//! Each place is a question: in the unit step the value of the term, in larger units the value of the entry. The question is open until the number is typed
//! within the tolerance, or shown. `predicting.rs` asks, judges and counts.

use super::Visit;
use crate::scene::Asked;
use crate::step::Address;

/// The state of prediction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prediction {
    /// `true` while numbers are asked for.
    pub is_on: bool,
    /// The question of the place on the screen.
    pub question: Option<PredictionQuestion>,
    /// The place whose question was closed last: its numbers are shown until the next move.
    pub(super) answered: Option<Visit>,
    /// The counts of all questions that were closed, for each rule in the order of its first question.
    pub score: Vec<RuleScore>,
    /// The question that looks ahead and has been warned of.
    pub(super) warned: Option<LooksAhead>,
}

/// A question.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionQuestion {
    /// The place of the step.
    pub visit: Visit,
    /// The number that is asked for.
    pub asked: Asked,
    /// The wrong numbers that were typed.
    pub wrong: u32,
    /// The last wrong number as it was typed, and the hint about it.
    pub hint: Option<[String; 2]>,
}

/// A command that can show numbers which are asked for later.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LooksAhead {
    Action(super::Action),
    /// A typed command.
    Line(String),
}

/// The way in which a question was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The first number was right.
    AtOnce,
    /// A later number was right.
    AfterHint,
    /// The answer was shown.
    Shown,
}

impl Closed {
    /// All ways, in the order of the score.
    pub const ALL: [Self; 3] = [Self::AtOnce, Self::AfterHint, Self::Shown];
}

/// The counts of a rule's questions.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleScore {
    /// The name of the rule: `weight gradient`.
    pub rule: &'static str,
    /// The number of questions that were closed in each way, in the order of [`Closed::ALL`].
    pub counts: [u32; 3],
    /// The place of the last question that was not right at once.
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
        self.counts[Closed::AtOnce as usize]
    }
}

impl Prediction {
    /// Counts a question.
    pub(super) fn count(&mut self, rule: &'static str, closed: Closed, here: Option<Address>) {
        let number = self.score.iter().position(|score| score.rule == rule).unwrap_or_else(|| {
            self.score.push(RuleScore { rule, counts: [0; 3], missed: None });
            self.score.len() - 1
        });
        let score = &mut self.score[number];
        score.counts[closed as usize] += 1;
        if closed != Closed::AtOnce {
            score.missed = here.or(score.missed.take());
        }
    }

    /// Returns the number of questions that were right at once, and of all.
    #[must_use]
    pub fn totals(&self) -> (u32, u32) {
        self.score.iter().fold((0, 0), |(right, all), score| (right + score.at_once(), all + score.all()))
    }
}
