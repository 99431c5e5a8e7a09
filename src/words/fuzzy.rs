//! Finds entries of a list by a few letters of their words: `stp ot` finds "step out". Each typed word must match a word of the entry. A word matches if it
//! begins with the first typed letter, and contains the other typed letters in their order.
//!
//! ```text
//! typed    stp                ot        (the entry is the name "step out" with its description)
//! entry    step               out     "to the last step of this op"
//! ```

use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// The factor of the score for a match in the name. For a match in the description, it is 1.
const NAME_WEIGHT: u32 = 4;
/// The factor of the matcher's score. The length of the matched word is then subtracted, so it decides between words with about the same score.
const SCORE_WEIGHT: u32 = 8;
/// The largest number of typed words; further ones are ignored.
const MAX_WORDS: usize = 8;
/// The largest length of a typed word in bytes. A longer one matches nothing.
const MAX_BYTES: usize = 60;

/// A typed text with which entries are compared.
pub struct FuzzyText {
    words: Vec<Atom>,
    /// Whether a typed word is longer than [`MAX_BYTES`], so that no entry matches.
    is_too_long: bool,
    matcher: Matcher,
    /// A buffer of the matcher.
    characters: Vec<char>,
}

impl FuzzyText {
    /// Returns the text, split into words.
    #[must_use]
    pub fn new(typed: &str) -> Self {
        let escapes_whitespace = false;
        let atom = |word| Atom::new(word, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy, escapes_whitespace);
        let words = || typed.split_whitespace().take(MAX_WORDS);
        let is_too_long = words().any(|word| word.len() > MAX_BYTES);
        let words = if is_too_long { Vec::new() } else { words().map(atom).collect() };
        Self { words, is_too_long, matcher: Matcher::new(Config::DEFAULT), characters: Vec::new() }
    }

    /// Returns the score of an entry: the sum of the scores of the typed words, higher for a better match; `None` if a typed word matches no word of the entry.
    #[must_use]
    pub fn score(&mut self, name: &str, description: &str) -> Option<u32> {
        if self.is_too_long {
            return None;
        }
        let mut total = 0;
        for atom in &self.words {
            let mut best_in = |text: &str| {
                let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| have_same_first_letter(word, atom));
                // if two words match equally well, the shorter one is better
                let score = |word: &str| {
                    let found = atom.score(Utf32Str::new(word, &mut self.characters), &mut self.matcher)?;
                    Some((u32::from(found) * SCORE_WEIGHT).saturating_sub(u32::try_from(word.len()).unwrap_or(u32::MAX)))
                };
                words.filter_map(score).max()
            };
            let in_name = best_in(name).map(|score| score * NAME_WEIGHT);
            total += in_name.max(best_in(description))?;
        }
        Some(total)
    }
}

/// Returns whether a word of an entry and the typed word `atom` begin with the same letter, in lower or upper case. An empty word has no first letter.
fn have_same_first_letter(word: &str, atom: &Atom) -> bool {
    let first_letters = word.chars().next().zip(atom.needle_text().chars().next());
    first_letters.is_some_and(|(of_word, typed)| of_word.to_lowercase().eq(typed.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRIES: [(&str, &str); 4] = [
        ("step out", "to the last step of this op"),
        ("step forward", "one step forward, whatever the unit"),
        ("last step", "to the last step of the iteration"),
        ("terms", "the terms of the entry, with values and shares"),
    ];

    fn best(typed: &str) -> Option<&'static str> {
        let mut text = FuzzyText::new(typed);
        let scored = ENTRIES.iter().filter_map(|(name, words)| Some((text.score(name, words)?, *name)));
        scored.max_by_key(|(score, _)| *score).map(|(_, name)| name)
    }

    #[test]
    fn an_entry_is_found_by_letters_of_its_words() {
        assert_eq!(best("step out"), Some("step out"));
        assert_eq!(best("stp ot"), Some("step out"));
        assert_eq!(best("fwd"), Some("step forward"));
        assert_eq!(best("SHARES"), Some("terms"));
        assert_eq!(best("whatever"), Some("step forward"));
        assert_eq!(best("tep"), None, "the typed word and the found word must begin with the same letter");
        assert_eq!(best("conv1.z"), None);
        assert_eq!(best(&"s".repeat(1000)), None);
    }
}
