//! "Did you mean": the nearest of the names that are possible.

/// Longer words are no misspelt names, and comparing them costs time; so does comparing with more names than this.
const LONGEST: usize = 60;
const MOST: usize = 1000;

/// The candidate that `word` is most likely a misspelling of.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
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
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// A help line: the nearest candidate, or all of them.
pub(super) fn help(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean \"{candidate}\"?"),
        None if candidates.is_empty() => String::new(),
        None => format!("possible here: {}", candidates.join(", ")),
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
}
