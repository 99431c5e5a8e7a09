//! An index of the names of ops, for completion in the prompt. The names are sorted once, and binary search finds the names with a prefix. So a search in
//! 100,000 names takes about as long as a search in 100.
//!
//! [`OpNames::starting_with`] finds names that begin with a text, [`OpNames::containing`] other names that contain it. The second argument is the largest
//! number of results. The *parts* of a name are the texts between its dots: `grad.fc1.z` has the parts `grad`, `fc1` and `z`.
//!
//! ```text
//! starting_with("fc1", 2)   fc1.z  fc1.a
//! containing("fc1", 2)      grad.fc1.z  grad.fc1.weight
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use compact_str::CompactString;

/// The number of names that [`OpNames::containing`] searches completely. In the names after these, it finds a text only at the start of a part.
const FULLY_SEARCHED_NAMES: usize = 2000;

/// The names of ops. The ops are numbered in their order, and the number of an op is also the number of its name.
#[derive(Debug, Default)]
pub struct OpNames {
    all: Vec<CompactString>,
    /// The whole names, sorted.
    whole: SortedSuffixes,
    /// The suffixes of names that begin after a dot, sorted.
    parts: SortedSuffixes,
}

impl OpNames {
    /// Returns an index of these names, which are in the order of the ops.
    pub(super) fn new(names: impl Iterator<Item = CompactString>) -> Self {
        let names: Vec<CompactString> = names.collect();
        let whole = SortedSuffixes::new(&names, (0..names.len()).map(|number| (number, 0)));
        let after_dots = names.iter().enumerate().flat_map(|(number, name)| name.match_indices('.').map(move |(dot, _)| (number, dot + 1)));
        let parts = SortedSuffixes::new(&names, after_dots);
        Self { all: names, whole, parts }
    }

    /// Returns whether there are no names.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns whether this is one of the names.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        // in sorted order, the name itself is the first of the names that begin with it
        let first = self.whole.range(&self.all, name).next();
        first.is_some_and(|at| self.whole.text(&self.all, at) == name)
    }

    /// Returns the first `limit` names that begin with this text, in the order of the ops.
    #[must_use]
    pub fn starting_with(&self, text: &str, limit: usize) -> Vec<&CompactString> {
        self.whole.first_names(self.whole.range(&self.all, text), limit).into_iter().map(|number| &self.all[number]).collect()
    }

    /// Returns the first `limit` names that contain this text but do not begin with it. In the first 2000 names, the text can be at any position; in later
    /// names, only at the start of a part.
    #[must_use]
    pub fn containing(&self, text: &str, limit: usize) -> Vec<&CompactString> {
        let searched = self.all.iter().take(FULLY_SEARCHED_NAMES).enumerate().filter(|(_, name)| compared(name).contains(text));
        let mut found: Vec<usize> =
            searched.map(|(number, _)| number).filter(|&number| !self.all[number].starts_with(text)).take(limit).collect();
        if self.all.len() > FULLY_SEARCHED_NAMES && found.len() < limit {
            // twice the limit, because the search above may have found `limit` of these names already
            let parts = self.parts.first_names(self.parts.range(&self.all, text), 2 * limit);
            found.extend(parts.into_iter().filter(|&number| number >= FULLY_SEARCHED_NAMES && !self.all[number].starts_with(text)));
            found.truncate(limit);
        }
        found.into_iter().map(|number| &self.all[number]).collect()
    }
}

/// Suffixes of names in alphabetical order. For example, `fc1.z` has the number 0 and `fc1.a` the number 1. Their suffixes after the dot are `a`, which belongs
/// to name 1, and then `z`, which belongs to name 0. Equal suffixes are in the order of their names.
#[derive(Debug, Default)]
struct SortedSuffixes {
    /// For each suffix, the number of its name and the byte of the name at which the suffix starts.
    starts: Vec<(u32, u32)>,
    /// A segment tree over `starts`, as a list of nodes. Node n has the children 2n and 2n + 1. The second half of the list are the leaves, one for each
    /// suffix. Each node stores the smallest number of a name below it.
    minima: Vec<u32>,
}

impl SortedSuffixes {
    /// Returns the suffixes with these starts, each given as the number of a name and a byte of the name.
    fn new(names: &[CompactString], starts: impl Iterator<Item = (usize, usize)>) -> Self {
        const NONE: u32 = u32::MAX;
        let to_u32 = |n: usize| u32::try_from(n).unwrap_or(NONE);
        // texts are first compared by their first 16 bytes, as two numbers, which is faster; most texts differ there
        let key = |text: &str| {
            let mut bytes = [0; 16];
            let length = text.len().min(16);
            bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
            u128::from_be_bytes(bytes)
        };
        let mut keyed: Vec<(u128, usize, usize)> = starts.map(|(name, start)| (key(&names[name][start..]), name, start)).collect();
        keyed.sort_unstable_by(|(key, name, start), (other_key, other_name, other_start)| {
            let texts = || names[*name][*start..].cmp(&names[*other_name][*other_start..]);
            key.cmp(other_key).then_with(texts).then(name.cmp(other_name))
        });
        let starts: Vec<(u32, u32)> = keyed.into_iter().map(|(_, name, start)| (to_u32(name), to_u32(start))).collect();
        let leaves = starts.len().next_power_of_two();
        let mut minima = vec![NONE; 2 * leaves];
        for (leaf, (name, _)) in starts.iter().enumerate() {
            minima[leaves + leaf] = *name;
        }
        for node in (1..leaves).rev() {
            minima[node] = minima[2 * node].min(minima[2 * node + 1]);
        }
        Self { starts, minima }
    }

    /// Returns the text of a suffix.
    fn text<'a>(&self, names: &'a [CompactString], at: usize) -> &'a str {
        let (name, start) = self.starts[at];
        compared(&names[name as usize][start as usize..])
    }

    /// Returns the range of the suffixes that begin with a text, by one binary search for each end of the range.
    fn range(&self, names: &[CompactString], text: &str) -> Range<usize> {
        let (mut low, mut high) = (0, self.starts.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.text(names, middle) < text { low = middle + 1 } else { high = middle }
        }
        let first = low;
        high = self.starts.len();
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.text(names, middle).starts_with(text) { low = middle + 1 } else { high = middle }
        }
        first..low
    }

    /// Returns the numbers of the first `limit` names that have a suffix in this range, in ascending order without duplicates.
    ///
    /// A *heap* is a list from which the smallest element can be removed quickly. It begins with the nodes of the segment tree that together cover the range.
    /// The node with the smallest number is removed again and again. If it is a leaf, it is a result; otherwise, its two children are added.
    fn first_names(&self, suffixes: Range<usize>, limit: usize) -> Vec<usize> {
        let mut heap = BinaryHeap::new();
        let leaves = self.minima.len() / 2;
        let (mut low, mut high) = (suffixes.start + leaves, suffixes.end + leaves);
        while low < high {
            // a node that is a right child at the start of the range, or a left child at its end, is taken itself, because its parent covers suffixes outside
            // the range
            if low % 2 == 1 {
                heap.push(Reverse((self.minima[low], low)));
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                heap.push(Reverse((self.minima[high], high)));
            }
            (low, high) = (low / 2, high / 2);
        }
        let mut found: Vec<usize> = Vec::new();
        while let Some(Reverse((name, node))) = heap.pop().filter(|_| found.len() < limit) {
            if node < leaves {
                heap.extend([2 * node, 2 * node + 1].map(|child| Reverse((self.minima[child], child))));
            } else if found.last() != Some(&(name as usize)) {
                found.push(name as usize);
            }
        }
        found
    }
}

/// Returns the text, and counts one comparison in tests.
fn compared(text: &str) -> &str {
    #[cfg(test)]
    tests::COMPARED.with(|count| count.set(count.get() + 1));
    text
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        pub static COMPARED: Cell<usize> = const { Cell::new(0) };
    }

    fn names(texts: &[&str]) -> OpNames {
        OpNames::new(texts.iter().map(|text| CompactString::from(*text)))
    }

    fn as_strs(names: Vec<&CompactString>) -> Vec<&str> {
        names.into_iter().map(|name| &**name).collect()
    }

    #[test]
    fn found_names_are_in_the_order_of_the_ops() {
        let names = names(&["fc2.z", "fc1.z", "fc10.a", "fc1.a", "loss", "grad.fc1.z", "grad.fc1.weight", "grad.fc2.z"]);
        assert_eq!(as_strs(names.starting_with("fc1", 9)), ["fc1.z", "fc10.a", "fc1.a"]);
        assert_eq!(as_strs(names.starting_with("fc1", 2)), ["fc1.z", "fc10.a"]);
        assert_eq!(as_strs(names.starting_with("", 3)), ["fc2.z", "fc1.z", "fc10.a"]);
        assert_eq!(as_strs(names.containing("fc1", 9)), ["grad.fc1.z", "grad.fc1.weight"]);
        assert_eq!(as_strs(names.containing("eigh", 9)), ["grad.fc1.weight"]);
        assert!(names.starting_with("x", 9).is_empty() && names.containing("", 9).is_empty());
        assert!(names.contains("loss") && !names.contains("los") && !names.contains("zzz"));
        assert!(OpNames::new([].into_iter()).starting_with("", 9).is_empty());
    }

    #[test]
    fn the_index_and_a_linear_search_find_the_same_names() {
        let texts: Vec<String> =
            (0..3000).map(|n| format!("{}n{}.{}", if n % 3 == 0 { "grad." } else { "" }, n * 7919 % 3000, n % 10)).collect();
        let names = OpNames::new(texts.iter().map(|text| CompactString::from(text.as_str())));
        for text in ["", "n", "n1", "n29", "n299.", "grad", "grad.n7", "7", "q", "n0.0"] {
            let all: Vec<&str> = texts.iter().map(String::as_str).filter(|name| name.starts_with(text)).take(12).collect();
            assert_eq!(as_strs(names.starting_with(text, 12)), all, "{text}");
            for name in names.containing(text, 12) {
                assert!(name.contains(text) && !name.starts_with(text));
            }
        }
        assert_eq!(as_strs(names.containing("n2999", 12)).len(), usize::from(texts.iter().any(|name| name.starts_with("grad.n2999"))));
    }

    #[test]
    fn the_number_of_comparisons_hardly_grows_with_the_number_of_names() {
        // the number of comparisons in each of seven searches
        let comparisons = |count: usize| {
            let names = OpNames::new((0..count).flat_map(|n| [format!("n{n}"), format!("grad.n{n}")]).map(CompactString::from));
            ["", "n", "n1", "grad", "grad.n99", "99", "nothing"].map(|text| {
                COMPARED.set(0);
                let found = names.starting_with(text, 12).len() + names.containing(text, 12).len();
                assert!(found <= 24);
                COMPARED.get()
            })
        };
        for (few, many) in comparisons(2_000).into_iter().zip(comparisons(100_000)) {
            assert!(many <= few + 60 && many < FULLY_SEARCHED_NAMES + 100, "{few} {many}");
        }
    }
}
