//! "Did you mean": the nearest of the names that are possible.

use std::collections::HashSet;

/// Longer words are no misspelt names, and comparing them costs time; so does comparing with more names than this.
pub const LONGEST: usize = 60;
const MOST: usize = 1000;

/// The candidate that `word` is most likely a misspelling of.
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

/// Characters of a list; more would not be read.
const LISTED: usize = 330;

/// A help line: the nearest candidate, or all of them.
pub fn help(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean \"{candidate}\"?"),
        None => possible(candidates),
    }
}

/// The candidates as a help line, each once, as many as can be read; the rest is counted.
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
