//! An index of the names of ops, for completion in the prompt. The names are sorted once, and binary search finds the names with a prefix. So a search in
//! 100,000 names takes about as long as a search in 2000.
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

/// The number of names that [`OpNames::containing`] compares with a text one after another. In the names after these, it finds the text only at the start of a
/// part, by binary search.
const FULLY_SEARCHED_NAMES: usize = 2000;

/// The names of ops. The ops are numbered in their order, and the number of an op is also the number of its name.
#[derive(Debug, Default)]
pub struct OpNames {
    all: Vec<CompactString>,
    /// The names themselves, sorted.
    full_names: SortedSuffixes,
    /// The suffixes that begin after a dot, sorted. `fc1.act.z` has the suffixes `act.z` and `z`. Only the names that are not fully searched are in this list.
    after_dots: SortedSuffixes,
}

impl OpNames {
    /// Returns an index of these names, which are in the order of the ops.
    pub(super) fn new(names: impl Iterator<Item = CompactString>) -> Self {
        let names: Vec<CompactString> = names.collect();
        let full_names = SortedSuffixes::new(&names, (0..names.len()).map(|number| (number, 0)));
        let indexed = names.iter().enumerate().skip(FULLY_SEARCHED_NAMES);
        let starts = indexed.flat_map(|(number, name)| name.match_indices('.').map(move |(dot, _)| (number, dot + 1)));
        let after_dots = SortedSuffixes::new(&names, starts);
        Self { all: names, full_names, after_dots }
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
        let first = self.full_names.range(&self.all, name).next();
        first.is_some_and(|suffix| self.full_names.text(&self.all, suffix) == name)
    }

    /// Returns the first `limit` names that begin with this text, in the order of the ops.
    #[must_use]
    pub fn starting_with(&self, text: &str, limit: usize) -> Vec<&CompactString> {
        let every_suffix_counts = usize::MAX;
        self.full_names
            .first_names(self.full_names.range(&self.all, text), every_suffix_counts, limit)
            .into_iter()
            .map(|number| &self.all[number])
            .collect()
    }

    /// Returns the first `limit` names that contain this text but do not begin with it. In the first 2000 names, the text can be at any position; in later
    /// names, only at the start of a part.
    #[must_use]
    pub fn containing(&self, text: &str, limit: usize) -> Vec<&CompactString> {
        let searched = self.all.iter().take(FULLY_SEARCHED_NAMES).enumerate().filter(|(_, name)| count_comparison(name).contains(text));
        let mut found: Vec<usize> =
            searched.map(|(number, _)| number).filter(|&number| !self.all[number].starts_with(text)).take(limit).collect();
        if self.all.len() > FULLY_SEARCHED_NAMES && found.len() < limit {
            // the suffixes in the range begin with `text`. If a suffix and its name have fewer bytes in common than `text` has, the name does not
            // begin with `text`
            let range = self.after_dots.range(&self.all, text);
            found.extend(self.after_dots.first_names(range, text.len(), limit - found.len()));
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
    /// The nodes of the same tree with another number: the number of bytes that a suffix and its own name have in common at their beginnings. For `z.a` in
    /// `z2.z.a` it is 1. Each node stores the smallest number below it.
    shared: Vec<u32>,
}

impl SortedSuffixes {
    /// Returns the suffixes with these starts, each given as the number of a name and a byte of the name.
    fn new(names: &[CompactString], starts: impl Iterator<Item = (usize, usize)>) -> Self {
        const NONE: u32 = u32::MAX;
        let to_u32 = |n: usize| u32::try_from(n).unwrap_or(NONE);
        // texts are first compared by their first 16 bytes, as one number. This is faster than a comparison byte by byte, and most texts differ there
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
        let mut shared = minima.clone();
        for (leaf, &(name, start)) in starts.iter().enumerate() {
            minima[leaves + leaf] = name;
            // a suffix that starts at byte 0 is the name itself: its number stays `NONE`, the largest one
            if start > 0 {
                let bytes = names[name as usize].as_bytes();
                shared[leaves + leaf] = to_u32(bytes[start as usize..].iter().zip(bytes).take_while(|(byte, other)| byte == other).count());
            }
        }
        for node in (1..leaves).rev() {
            minima[node] = minima[2 * node].min(minima[2 * node + 1]);
            shared[node] = shared[2 * node].min(shared[2 * node + 1]);
        }
        Self { starts, minima, shared }
    }

    /// Returns the text of a suffix.
    fn text<'a>(&self, names: &'a [CompactString], suffix: usize) -> &'a str {
        let (name, start) = self.starts[suffix];
        count_comparison(&names[name as usize][start as usize..])
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

    /// Returns the numbers of the first `limit` names that have a suffix in this range, in ascending order without duplicates. A suffix counts only if it
    /// has fewer than `shared_below` bytes in common with its own name.
    ///
    /// A *heap* is a list from which the smallest element can be removed quickly. It begins with the nodes of the segment tree that together cover the range.
    /// The node with the smallest number is removed again and again. If it is a leaf, it is a result; otherwise, its two children are added. A node below which
    /// no suffix counts is never added.
    fn first_names(&self, suffixes: Range<usize>, shared_below: usize, limit: usize) -> Vec<usize> {
        let has_results = |node: &usize| shared_below == usize::MAX || (self.shared[*node] as usize) < shared_below;
        let (mut heap, mut nodes) = (BinaryHeap::new(), Vec::new());
        let leaves = self.minima.len() / 2;
        let (mut low, mut high) = (suffixes.start + leaves, suffixes.end + leaves);
        while low < high {
            // a node that is a right child at the start of the range, or a left child at its end, is taken itself, because its parent covers suffixes outside
            // the range
            if low % 2 == 1 {
                nodes.push(low);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                nodes.push(high);
            }
            (low, high) = (low / 2, high / 2);
        }
        heap.extend(nodes.into_iter().filter(has_results).map(|node| Reverse((self.minima[node], node))));
        let mut found: Vec<usize> = Vec::new();
        while let Some(Reverse((name, node))) = heap.pop().filter(|_| found.len() < limit) {
            if node < leaves {
                let children = [2 * node, 2 * node + 1].into_iter().filter(has_results);
                heap.extend(children.map(|child| Reverse((self.minima[child], child))));
            } else if found.last() != Some(&(name as usize)) {
                found.push(name as usize);
            }
        }
        found
    }
}

/// Returns the text, and counts one comparison in tests.
fn count_comparison(text: &str) -> &str {
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
        // the numbers 0 to 2999 in another order: 7919 and 3000 have no common factor
        let numbered: Vec<String> =
            (0..3000).map(|n| format!("{}n{}.{}", if n % 3 == 0 { "grad." } else { "" }, n * 7919 % 3000, n % 10)).collect();
        // as in a network whose layers z0, z1, … have the ops z0.z, z0.a, …: the forward pass alone has more than 2000 names with the part `z`
        let forward = (0..3000).flat_map(|n| [format!("z{n}.z"), format!("z{n}.zz.z"), format!("z{n}.a")]);
        let backward = (0..3000).rev().flat_map(|n| [format!("grad.z{n}.a"), format!("grad.z{n}.zz.z"), format!("grad.z{n}.z")]);
        let layers: Vec<String> = forward.chain(backward).collect();
        for texts in [&numbered, &layers] {
            let names = OpNames::new(texts.iter().map(|text| CompactString::from(text.as_str())));
            for text in [
                "", "n", "n1", "n29", "n299.", "grad", "grad.n7", "7", "q", "n0.0", "n2999", "z", "zz", "z.", "z1", "z2999", "z7.z", "a",
                ".",
            ] {
                let starting = texts.iter().map(String::as_str).filter(|name| name.starts_with(text));
                let begins_part = |name: &str| name.match_indices('.').any(|(dot, _)| name[dot + 1..].starts_with(text));
                let is_inside = |number: usize, name: &str| begins_part(name) || number < FULLY_SEARCHED_NAMES && name.contains(text);
                let inside = texts.iter().map(String::as_str).enumerate().filter(|(number, name)| is_inside(*number, name));
                let inside: Vec<&str> = inside.map(|(_, name)| name).filter(|name| !name.starts_with(text)).collect();
                for limit in [1, 12, 5000] {
                    assert_eq!(as_strs(names.starting_with(text, limit)), starting.clone().take(limit).collect::<Vec<_>>(), "{text}");
                    assert_eq!(as_strs(names.containing(text, limit)), inside[..limit.min(inside.len())], "{text}");
                }
            }
        }
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
        // each search has at most four binary searches. If there are 50 times as many names, each of these makes log₂ 50 ≈ 6 more comparisons, together about
        // 24. All binary searches in 200,000 names make about 4 · 18 comparisons
        for (few, many) in comparisons(2_000).into_iter().zip(comparisons(100_000)) {
            assert!(many <= few + 60 && many < FULLY_SEARCHED_NAMES + 100, "{few} {many}");
        }
    }
}
