//! The judgement of a typed number, and the hint about a wrong one.

use super::question::{About, Question};
use super::rows::MISTAKES;
use super::typed::TypedNumber;
use crate::expr::Notation;
use crate::scene::{Asked, Scene};
use crate::step::TensorEntry;

/// The judgement of a number.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is the answer, within the tolerance.
    Right,
    /// It is not, with the hint if a known mistake gives this number.
    Wrong(Option<Hint>),
}

/// A hint about a wrong number.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    /// The name of the mistake.
    pub id: &'static str,
    /// One clause about it.
    pub words: String,
}

impl Question<'_> {
    /// Judges a number. The scene gives the symbols of the hint.
    #[must_use]
    pub fn judge(&self, typed: TypedNumber, scene: &Scene<'_>) -> Verdict {
        if typed.is_right(self.answer, self.rounding_error()) {
            return Verdict::Right;
        }
        let hint = MISTAKES.iter().find_map(|mistake| {
            let wrong = (mistake.wrong)(self).into_iter().find(|wrong| typed.is_number(wrong.value))?;
            Some(Hint { id: mistake.id, words: mistake.words.replace("{}", &self.name(wrong.about, scene)) })
        });
        Verdict::Wrong(hint)
    }

    /// Returns the clause about a wrong number that no known mistake gives: where to look, without a number.
    #[must_use]
    pub fn nudge(&self, scene: &Scene<'_>) -> String {
        match self.asked {
            Asked::Term => format!("not yet: compute {} from the numbers in its line", scene.in_symbols(&scene.term(self.at.term))),
            Asked::Entry if self.at.terms == 1 => format!("not yet: look at the {} once more", self.rule()),
            Asked::Entry => format!("not yet: compute each of the {} terms, then add them up", self.at.terms),
        }
    }

    /// Returns the symbol of what a mistake is about.
    fn name(&self, about: About, scene: &Scene<'_>) -> String {
        match about {
            About::Nothing => String::new(),
            About::Term(term) => scene.in_symbols(&scene.term(term)),
            About::Entry(TensorEntry { tensor, at }) => scene.disambiguated(tensor, at),
            About::Factor { term, at } => {
                let factor = &self.terms[term].factors[at];
                match (self.asked, factor.source) {
                    // all terms have such a factor: the whole tensor
                    (Asked::Entry, Some(source)) if self.terms.len() > 1 && factor.derived.is_none() => {
                        scene.network().tensor(source.tensor).symbol.whole_in(Notation::Unicode)
                    }
                    _ => scene.factor(factor, self.part_of(term)),
                }
            }
        }
    }

    /// Returns the part of the op to which a term of the question belongs.
    fn part_of(&self, term: usize) -> usize {
        match self.asked {
            Asked::Term => self.trace.part_at(&self.at),
            Asked::Entry => self.trace.part_at(&self.at.with_term(term as u64)),
        }
    }
}
