//! Suggestions for misspelt names: finds the most similar known name, and writes "did you mean …?".
//!
//! [`nearest`] finds the name. [`did_you_mean`] writes the suggestion as a line, and [`clause`] writes it as the end of a sentence. [`help`] suggests a name,
//! or lists all names if none is similar.

use std::collections::HashSet;

/// The largest number of characters of a word or a name that is compared. Comparing longer ones would take too long.
const MAX_CHARS: usize = 60;
/// The largest number of names that a word is compared with.
const MAX_CANDIDATES: usize = 1000;

/// Returns the candidate that is most similar to `word`, or `None` if no candidate is similar.
///
/// A candidate is similar if its [`distance`] is 1 or at most a third of the word's length, and less than the lengths of the word and the candidate. For
/// example, `kernel_size` has the distance 1 from `kernelsize`.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if !is_comparable(word) {
        return None;
    }
    let length = word.chars().count();
    let lower = word.to_lowercase();
    let max_distance = (length / 3).max(1);
    candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .filter(|candidate| is_comparable(candidate))
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        // two short names in which every character differs, such as `x` and `y`, are not similar
        .filter(|&(distance, candidate)| distance <= max_distance && distance < length.min(candidate.chars().count()))
        // if two candidates have the same distance, one that begins with the word is better
        .min_by_key(|&(distance, candidate)| (distance, !candidate.starts_with(&lower)))
        .map(|(_, candidate)| candidate)
}

/// Returns whether a word or a name is short enough to be compared: at most [`MAX_CHARS`] characters.
pub fn is_comparable(word: &str) -> bool {
    word.chars().nth(MAX_CHARS).is_none()
}

/// Returns the number of characters to insert, to delete, to replace, or to swap with the next one, so that `one` becomes `other`.
pub fn distance(one: &str, other: &str) -> usize {
    strsim::osa_distance(one, other)
}

/// Returns the help line that suggests a name: `did you mean "stride"?`.
pub fn did_you_mean(name: &str) -> String {
    format!("did you mean \"{name}\"?")
}

/// Returns the end of a sentence that suggests a name: `; did you mean stride?`. The text is empty for `None`.
pub fn clause(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// The largest number of characters of all names in a list.
const MAX_LIST_CHARS: usize = 330;

/// Returns a help line: suggests the nearest candidate, or lists all if none is similar.
pub fn help(word: &str, candidates: &[&str]) -> String {
    nearest(word, candidates.iter().copied()).map_or_else(|| list_names(candidates), did_you_mean)
}

/// Returns the help line that lists the candidates, each once. After [`MAX_LIST_CHARS`] characters, it has only the number of the others: `and 3 more`.
/// The line is empty if there is no candidate, or if the first one is too long.
pub fn list_names(candidates: &[&str]) -> String {
    let mut seen = HashSet::new();
    let all: Vec<&str> = candidates.iter().copied().filter(|candidate| seen.insert(*candidate)).collect();
    let mut length = 0;
    let has_room = |candidate: &&&str| {
        length += candidate.chars().count() + ", ".len();
        length <= MAX_LIST_CHARS
    };
    let shown: Vec<&str> = all.iter().take_while(has_room).copied().collect();
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
    fn a_similar_name_is_found_and_a_different_one_is_not() {
        let keys = ["kernel_size", "stride", "padding"];
        assert_eq!(nearest("kernelsize", keys), Some("kernel_size"));
        assert_eq!(nearest("Stride", keys), Some("stride"));
        assert_eq!(nearest("momentum", keys), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("é", ["xy"]), None);
        assert_eq!(nearest(&"a".repeat(100_000), keys), None);
        // characters are counted, not bytes: `γ` has two bytes
        let [name, longest, too_long] = [40, 60, 61].map(|length| "γ".repeat(length));
        assert_eq!(nearest(&name[2..], [&*name]), Some(&*name));
        assert_eq!(nearest(&name, [&*name]), Some(&*name));
        assert_eq!(nearest(&longest, [&*longest]), Some(&*longest));
        assert_eq!(nearest(&longest, [&*too_long]), None);
        assert_eq!(help("kernelsize", &keys), "did you mean \"kernel_size\"?");
        assert_eq!(format!("no key kernelsize{}", clause(nearest("kernelsize", keys))), "no key kernelsize; did you mean kernel_size?");
        assert_eq!(clause(nearest("momentum", keys)), "");
    }

    #[test]
    fn a_list_has_each_word_once_and_cuts_no_word() {
        assert_eq!(list_names(&["b", "a", "b"]), "possible here: b, a");
        assert_eq!(list_names(&[]), "");
        let words: Vec<String> = (0..1000).map(|n| format!("word{n:04}")).collect();
        let list = list_names(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(list.ends_with("word0032, and 967 more"), "{list}");
        assert_eq!(list_names(&["x".repeat(400).as_str()]), "");
    }
}
