//! "Did you mean": the name that is nearest to a misspelt one, and the texts that suggest it.
//!
//! [`nearest`] finds the name. [`question`] is the text on a line of its own, [`clause`] the end of a sentence, [`help`] a question or the list of all names.

use std::collections::HashSet;

/// The longest word in bytes for which a name is looked for: comparing costs time.
pub const LONGEST: usize = 60;
/// The largest number of names that a word is compared with.
const MOST: usize = 1000;

/// Returns the candidate that is nearest to `word`, or `None` if all are far from it.
///
/// The distance is the number of insertions, deletions, substitutions and swaps of neighbours; at most a third of the word's length is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    let close = (length / 3).max(1);
    candidates
        .into_iter()
        .take(MOST)
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= close && distance < length.min(candidate.chars().count()))
        .min_by_key(|&(distance, candidate)| (distance, !candidate.starts_with(&lower)))
        .map(|(_, candidate)| candidate)
}

/// Returns the help line that suggests a name: `did you mean "stride"?`.
pub fn question(name: &str) -> String {
    format!("did you mean \"{name}\"?")
}

/// Returns the end of a sentence that suggests a name, `; did you mean stride?`; nothing for `None`.
pub fn clause(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// The largest number of characters in a list of names.
const LISTED: usize = 330;

/// Returns a help line: the nearest candidate, or the list of all.
pub fn help(word: &str, candidates: &[&str]) -> String {
    nearest(word, candidates.iter().copied()).map_or_else(|| possible(candidates), question)
}

/// Returns the help line that lists the candidates, each once. Those beyond [`LISTED`] characters are counted.
pub fn possible(candidates: &[&str]) -> String {
    let mut seen = HashSet::new();
    let all: Vec<&str> = candidates.iter().copied().filter(|candidate| seen.insert(*candidate)).collect();
    let mut length = 0;
    let fits = |candidate: &&&str| {
        length += candidate.chars().count() + 2;
        length <= LISTED
    };
    let shown: Vec<&str> = all.iter().take_while(fits).copied().collect();
    match (shown.len(), all.len() - shown.len()) {
        (0, _) => String::new(),
        (_, 0) => format!("possible here: {}", shown.join(", ")),
        (_, more) => format!("possible here: {}, and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_found_and_nothing_far() {
        let keys = ["kernel_size", "stride", "padding"];
        assert_eq!(nearest("kernelsize", keys), Some("kernel_size"));
        assert_eq!(nearest("Stride", keys), Some("stride"));
        assert_eq!(nearest("momentum", keys), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("é", ["xy"]), None);
        assert_eq!(nearest(&"a".repeat(100_000), keys), None);
        assert_eq!(help("kernelsize", &keys), "did you mean \"kernel_size\"?");
        assert_eq!(format!("no key kernelsize{}", clause(nearest("kernelsize", keys))), "no key kernelsize; did you mean kernel_size?");
        assert_eq!(clause(nearest("momentum", keys)), "");
    }

    #[test]
    fn a_list_has_each_word_once_and_none_in_part() {
        assert_eq!(possible(&["b", "a", "b"]), "possible here: b, a");
        assert_eq!(possible(&[]), "");
        let words: Vec<String> = (0..1000).map(|n| format!("word{n:04}")).collect();
        let list = possible(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(list.ends_with("word0032, and 967 more"), "{list}");
        assert_eq!(possible(&["x".repeat(400).as_str()]), "");
    }
}
