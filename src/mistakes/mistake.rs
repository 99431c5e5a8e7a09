//! The form of a row in the table of mistakes.

use super::planting::Planter;
use super::question::{Question, WrongNumber};

/// A known mistake.
#[derive(Debug)]
pub struct Mistake {
    /// The name of the mistake in JSON: `sign-flipped`.
    pub id: &'static str,
    /// A clause about the wrong rule in a backward pass. `{}` stands for the names of the layers with the mistake. Of `[is|are]`, the first form is for one
    /// layer and the second for several. Empty if the mistake is known only for predicted numbers.
    pub words: &'static str,
    /// A clause about the right rule; empty if `words` is enough.
    pub right: &'static str,
    /// A change of the network's sizes or settings that separates this mistake from others with the same numbers, such as `another number of samples`; empty if
    /// none is known.
    pub apart: &'static str,
    /// `true` if the planted rule contains numbers that were computed from this scenario. For other weights or inputs, this rule would not be the mistake.
    pub(super) has_fixed_numbers: bool,
    /// The specificity of the explanation.
    pub specificity: Specificity,
    /// The function that plants the mistake in a backward pass.
    pub(super) planter: Planter,
    /// The hint about a predicted number; `None` for a mistake that concerns a whole pass.
    pub hint: Option<HintRow>,
}

/// The specificity of an explanation, the most specific first. If several mistakes give the user's numbers, the more specific one is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Specificity {
    /// A wrong rule at a known place.
    Rule,
    /// A well-known factor, such as −1. The same factor at another place can give the same numbers, so only the first place is named.
    Factor,
    /// A number that is fitted to the user's numbers, such as the factor 0.37. It is named only if no other single mistake explains them.
    Fitted,
}

/// The hint about a predicted number.
#[derive(Debug)]
pub struct HintRow {
    /// The mistake as a clause. Its subject replaces `{}`.
    pub words: &'static str,
    /// A clause about the right rule; empty if `words` describes it.
    pub instead: &'static str,
    /// `true` for a pattern of the number, such as twice the right one. It is named only if no other mistake gives the number.
    pub is_pattern: bool,
    /// Computes the numbers that the wrong rule gives.
    pub(super) wrong: WrongNumbers,
}

/// The form of a function that computes the numbers of a wrong rule.
pub(super) type WrongNumbers = fn(&Question<'_>) -> Vec<WrongNumber>;

impl Mistake {
    /// Returns the clause about the wrong rule at its places.
    #[must_use]
    pub fn words_at(&self, places: &[impl AsRef<str>]) -> String {
        let mut words = String::new();
        let mut rest = self.words;
        while let Some((before, (forms, after))) = rest.split_once('[').and_then(|(before, rest)| Some((before, rest.split_once(']')?))) {
            let (one, several) = forms.split_once('|').unwrap_or((forms, forms));
            words.extend([before, if places.len() > 1 { several } else { one }]);
            rest = after;
        }
        (words + rest).replace("{}", &list(places))
    }

    /// Returns the clause about a variant at its places. `detail` is the end of the clause; in it, `{}` stands for the places too.
    pub(super) fn words_of_variant(&self, places: &[String], detail: &str) -> String {
        self.words_at(places) + &detail.replace("{}", &list(places))
    }

    /// Creates a row for predicted numbers.
    pub(super) const fn hint(id: &'static str, words: &'static str, instead: &'static str, wrong: WrongNumbers) -> Self {
        let hint = Some(HintRow { words, instead, is_pattern: false, wrong });
        Self { id, words: "", right: "", apart: "", has_fixed_numbers: false, specificity: Specificity::Rule, planter: Planter::None, hint }
    }

    /// Creates a row for predicted numbers that is only a pattern of the number.
    pub(super) const fn pattern(id: &'static str, words: &'static str, wrong: WrongNumbers) -> Self {
        let hint = Some(HintRow { words, instead: "", is_pattern: true, wrong });
        Self { id, words: "", right: "", apart: "", has_fixed_numbers: false, specificity: Specificity::Rule, planter: Planter::None, hint }
    }

    /// Creates a row for a backward pass.
    pub(super) const fn pass(id: &'static str, words: &'static str, right: &'static str, planter: Planter) -> Self {
        Self { id, words, right, apart: "", has_fixed_numbers: false, specificity: Specificity::Rule, planter, hint: None }
    }

    /// The same row, also for a backward pass.
    pub(super) const fn and_pass(self, words: &'static str, right: &'static str, planter: Planter) -> Self {
        Self { words, right, planter, ..self }
    }

    /// The same row with a change of a size that separates the mistake from others.
    pub(super) const fn apart(self, apart: &'static str) -> Self {
        Self { apart, ..self }
    }

    /// The same row for a rule that has numbers of the scenario in it.
    pub(super) const fn with_fixed_numbers(self) -> Self {
        Self { has_fixed_numbers: true, ..self }
    }

    /// The same row with another specificity.
    pub(super) const fn with_specificity(self, specificity: Specificity) -> Self {
        Self { specificity, ..self }
    }
}

/// The largest number of places that are all named.
const MAX_PLACES: usize = 8;

/// The names of places as a list: `conv1, conv2 and conv3`; of more than [`MAX_PLACES`], the first three and the number of the others.
fn list(places: &[impl AsRef<str>]) -> String {
    let joined = |places: &[_]| places.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match places {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] if places.len() <= MAX_PLACES => format!("{} and {}", joined(first), last.as_ref()),
        _ => format!("{} and {} more", joined(&places[..3]), places.len() - 3),
    }
}
