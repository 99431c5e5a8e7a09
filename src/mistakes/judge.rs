//! The judgement of a typed number, and the hint about a wrong one.

use super::mistake::{HintRow, Mistake};
use super::question::{About, Question, WrongNumber};
use super::table::MISTAKES;
use super::typed::TypedNumber;
use crate::expr::Notation;
use crate::scene::{HiddenNumber, Scene};
use crate::step::TensorEntry;

/// The judgement of a number.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// The number equals the answer within the tolerance.
    Right,
    /// The number is wrong. There is a hint if a known mistake gives it.
    Wrong(Option<Hint>),
}

/// A hint about a wrong number: the mistakes that give it, at most three.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    /// The names of the mistakes, the likeliest first.
    pub ids: Vec<&'static str>,
    /// One sentence about them.
    pub words: String,
}

/// The largest number of mistakes that a hint names, and the largest number of subjects that it names for one mistake.
const MAX_NAMED: usize = 3;

/// A mistake that gives the typed number, with its hint, and those numbers of its wrong rule that equal the typed one.
type MatchingMistake = (&'static Mistake, &'static HintRow, Vec<WrongNumber>);

impl Question<'_> {
    /// Judges a number. The scene gives the symbols of the hint.
    #[must_use]
    pub fn judge(&self, typed: TypedNumber, scene: &Scene<'_>) -> Judgement {
        if typed.is_right(self.answer, self.rounding_error()) {
            return Judgement::Right;
        }
        let fits = self.mistakes_of(typed, |count| count);
        let clauses: Vec<String> = fits.iter().map(|fit| self.clause(fit, scene)).collect();
        let words = match (fits.as_slice(), clauses.as_slice()) {
            ([], _) => return Judgement::Wrong(None),
            ([(_, HintRow { instead, .. }, _)], [clause]) if !instead.is_empty() => format!("{clause}: {instead}"),
            _ => clauses.join(", or "),
        };
        Judgement::Wrong(Some(Hint { ids: fits.iter().map(|(mistake, ..)| mistake.id).collect(), words }))
    }

    /// Returns the mistakes that give a number, the likeliest first. Patterns are returned only if no other mistake gives the number. The more
    /// numbers a wrong rule has, the more digits of the typed number must agree; a rule with n numbers is treated as if it had `counted(n)`.
    fn mistakes_of(&self, typed: TypedNumber, counted: impl Fn(usize) -> usize) -> Vec<MatchingMistake> {
        let hints = MISTAKES.iter().filter_map(|mistake| Some((mistake, mistake.hint.as_ref()?)));
        let all = hints.map(|(mistake, hint)| {
            let mut wrong = (hint.wrong)(self);
            let count = counted(wrong.len());
            wrong.retain(|wrong| typed.is_number(wrong.value, count));
            (mistake, hint, wrong)
        });
        let mut fits: Vec<MatchingMistake> = all.filter(|(.., wrong)| !wrong.is_empty()).collect();
        let has_cause = fits.iter().any(|(_, hint, _)| !hint.is_pattern);
        fits.retain(|(_, hint, _)| !(hint.is_pattern && has_cause));
        fits.truncate(MAX_NAMED);
        fits
    }

    /// Returns the clause about a mistake with all its subjects: `the term w₁₁·x₁ or w₁₂·x₂ is left out`.
    fn clause(&self, (_, hint, wrong): &MatchingMistake, scene: &Scene<'_>) -> String {
        let mut subjects: Vec<String> = Vec::new();
        for name in wrong.iter().map(|wrong| self.name(wrong.about, scene)) {
            if !subjects.contains(&name) {
                subjects.push(name);
            }
        }
        subjects.truncate(MAX_NAMED);
        hint.words.replace("{}", &subjects.join(" or "))
    }

    /// Returns the clause about a wrong number that no known mistake gives: it says where to look. If a mistake may give the number, it asks for another digit.
    #[must_use]
    pub fn nudge(&self, typed: TypedNumber, scene: &Scene<'_>) -> String {
        let place = self.place_to_look(scene);
        if self.mistakes_of(typed, |_| 1).is_empty() { place } else { format!("{place}; one more digit may bring a hint") }
    }

    fn place_to_look(&self, scene: &Scene<'_>) -> String {
        match self.hidden {
            HiddenNumber::Term => format!("not yet: compute {} from the numbers in its line", scene.in_symbols(&scene.term(self.at.term))),
            HiddenNumber::Entry if self.at.terms == 1 => format!("not yet: look at the {} once more", self.rule()),
            HiddenNumber::Entry => format!("not yet: compute each of the {} terms, then add them up", self.at.terms),
        }
    }

    /// Returns the symbol of the term, factor or entry that a mistake is about.
    fn name(&self, about: About, scene: &Scene<'_>) -> String {
        match about {
            About::Nothing => String::new(),
            About::Term(term) => scene.in_symbols(&scene.term(term)),
            About::Entry(TensorEntry { tensor, at }) => scene.unambiguous_symbol(tensor, at),
            About::Factor { term, at } => {
                let factor = &self.terms[term].factors[at];
                match (self.hidden, factor.source) {
                    // the mistake is about this factor of all terms that have it, so the name is that of the whole tensor
                    (HiddenNumber::Entry, Some(source)) if self.terms.len() > 1 && factor.derived.is_none() => {
                        scene.network().tensor(source.tensor).symbol.whole_in(Notation::Unicode)
                    }
                    _ => scene.factor(factor, self.part_of(term)),
                }
            }
        }
    }

    /// Returns the part of the op to which a term of the question belongs.
    fn part_of(&self, term: usize) -> usize {
        match self.hidden {
            HiddenNumber::Term => self.trace.part_at(&self.at),
            HiddenNumber::Entry => self.trace.part_at(&self.at.with_term(term as u64)),
        }
    }
}
