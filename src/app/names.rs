//! An index of op names for completion. The names are sorted once; then binary search finds the first few names with a given prefix. A hundred thousand names
//! cost about as much as a hundred.
//!
//! [`OpNames::beginning`] finds names with the prefix `fc1`, [`OpNames::within`] names that contain it elsewhere:
//!
//! ```text
//! beginning("fc1", 2)   fc1.z  fc1.a
//! within("fc1", 2)      grad.fc1.z  grad.fc1.weight
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use compact_str::CompactString;

/// The number of names that are searched for a text at any position. In further names, it is found only at the start of a part.
const SEARCHED: usize = 2000;

/// The names of ops, in their order.
#[derive(Debug, Default)]
pub struct OpNames {
    all: Vec<CompactString>,
    /// The starts of names.
    whole: Sorted,
    /// The starts of parts after a dot.
    parts: Sorted,
}

impl OpNames {
    /// Returns the index of some names, given in the order of the ops.
    pub(super) fn new(names: impl Iterator<Item = CompactString>) -> Self {
        let names: Vec<CompactString> = names.collect();
        let whole = Sorted::new(&names, (0..names.len()).map(|name| (name, 0)));
        let parts = names.iter().enumerate().flat_map(|(number, name)| name.match_indices('.').map(move |(at, _)| (number, at + 1)));
        let parts = Sorted::new(&names, parts);
        Self { all: names, whole, parts }
    }

    /// Returns whether there are no names.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns whether this is one of the names.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let range = self.whole.range(&self.all, name);
        range.clone().next().is_some_and(|at| self.whole.text(&self.all, at) == name)
    }

    /// Returns the first `most` names that begin with this text, in the order of the ops.
    #[must_use]
    pub fn beginning(&self, text: &str, most: usize) -> Vec<&CompactString> {
        self.whole.first(self.whole.range(&self.all, text), most).into_iter().map(|number| &self.all[number]).collect()
    }

    /// Returns the first `most` names that contain this text but do not begin with it. After the first 2000 names, the text has to be at the start of a part.
    #[must_use]
    pub fn within(&self, text: &str, most: usize) -> Vec<&CompactString> {
        let searched = self.all.iter().take(SEARCHED).enumerate().filter(|(_, name)| compared(name).contains(text));
        let mut found: Vec<usize> =
            searched.map(|(number, _)| number).filter(|&number| !self.all[number].starts_with(text)).take(most).collect();
        if self.all.len() > SEARCHED && found.len() < most {
            // up to `most` of these may be among the names that were searched
            let parts = self.parts.first(self.parts.range(&self.all, text), 2 * most);
            found.extend(parts.into_iter().filter(|&number| number >= SEARCHED && !self.all[number].starts_with(text)));
            found.truncate(most);
        }
        found.into_iter().map(|number| &self.all[number]).collect()
    }
}

/// Suffixes of names, sorted: the whole names, or their parts after a dot.
#[derive(Debug, Default)]
struct Sorted {
    /// The number of a name and the byte at which the suffix starts, in the order of the suffixes.
    starts: Vec<(u32, u32)>,
    /// A segment tree of minima over `starts`: node n has the children 2n and 2n + 1, the leaves are the second half, and each node is the smallest name number
    /// below it.
    least: Vec<u32>,
}

impl Sorted {
    fn new(names: &[CompactString], starts: impl Iterator<Item = (usize, usize)>) -> Self {
        const NONE: u32 = u32::MAX;
        let narrow = |n: usize| u32::try_from(n).unwrap_or(NONE);
        // the first 16 bytes as one number, which decide most comparisons
        let key = |text: &str| {
            let mut bytes = [0; 16];
            let first = text.len().min(16);
            bytes[..first].copy_from_slice(&text.as_bytes()[..first]);
            u128::from_be_bytes(bytes)
        };
        let mut keyed: Vec<(u128, usize, usize)> = starts.map(|(name, at)| (key(&names[name][at..]), name, at)).collect();
        keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| names[a.1][a.2..].cmp(&names[b.1][b.2..])).then(a.1.cmp(&b.1)));
        let starts: Vec<(u32, u32)> = keyed.into_iter().map(|(_, name, at)| (narrow(name), narrow(at))).collect();
        let leaves = starts.len().next_power_of_two();
        let mut least = vec![NONE; 2 * leaves];
        for (leaf, (name, _)) in starts.iter().enumerate() {
            least[leaves + leaf] = *name;
        }
        for node in (1..leaves).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
        }
        Self { starts, least }
    }

    fn text<'a>(&self, names: &'a [CompactString], at: usize) -> &'a str {
        let (name, start) = self.starts[at];
        compared(&names[name as usize][start as usize..])
    }

    /// Returns the indices of the suffixes that begin with a text.
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

    /// Returns the numbers of the first `most` names among some indices, ascending and each once.
    fn first(&self, places: Range<usize>, most: usize) -> Vec<usize> {
        let mut heap = BinaryHeap::new();
        let leaves = self.least.len() / 2;
        let (mut low, mut high) = (places.start + leaves, places.end + leaves);
        while low < high {
            if low % 2 == 1 {
                heap.push(Reverse((self.least[low], low)));
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                heap.push(Reverse((self.least[high], high)));
            }
            (low, high) = (low / 2, high / 2);
        }
        let mut found: Vec<usize> = Vec::new();
        while let Some(Reverse((name, node))) = heap.pop().filter(|_| found.len() < most) {
            if node < leaves {
                heap.extend([2 * node, 2 * node + 1].map(|node| Reverse((self.least[node], node))));
            } else if found.last() != Some(&(name as usize)) {
                found.push(name as usize);
            }
        }
        found
    }
}

/// Returns a text that is about to be compared; tests count the calls.
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

    fn found(found: Vec<&CompactString>) -> Vec<&str> {
        found.into_iter().map(|name| &**name).collect()
    }

    #[test]
    fn names_come_in_the_order_of_the_ops() {
        let names = names(&["fc2.z", "fc1.z", "fc10.a", "fc1.a", "loss", "grad.fc1.z", "grad.fc1.weight", "grad.fc2.z"]);
        assert_eq!(found(names.beginning("fc1", 9)), ["fc1.z", "fc10.a", "fc1.a"]);
        assert_eq!(found(names.beginning("fc1", 2)), ["fc1.z", "fc10.a"]);
        assert_eq!(found(names.beginning("", 3)), ["fc2.z", "fc1.z", "fc10.a"]);
        assert_eq!(found(names.within("fc1", 9)), ["grad.fc1.z", "grad.fc1.weight"]);
        assert_eq!(found(names.within("eigh", 9)), ["grad.fc1.weight"]);
        assert!(names.beginning("x", 9).is_empty() && names.within("", 9).is_empty());
        assert!(names.has("loss") && !names.has("los") && !names.has("zzz"));
        assert!(OpNames::new([].into_iter()).beginning("", 9).is_empty());
    }

    /// The index and a linear search find the same names for any prefix.
    #[test]
    fn the_index_finds_what_a_search_finds() {
        let texts: Vec<String> =
            (0..3000).map(|n| format!("{}n{}.{}", if n % 3 == 0 { "grad." } else { "" }, n * 7919 % 3000, n % 10)).collect();
        let names = OpNames::new(texts.iter().map(|text| CompactString::from(text.as_str())));
        for text in ["", "n", "n1", "n29", "n299.", "grad", "grad.n7", "7", "q", "n0.0"] {
            let all: Vec<&str> = texts.iter().map(String::as_str).filter(|name| name.starts_with(text)).take(12).collect();
            assert_eq!(found(names.beginning(text, 12)), all, "{text}");
            for name in names.within(text, 12) {
                assert!(name.contains(text) && !name.starts_with(text));
            }
        }
        assert_eq!(found(names.within("n2999", 12)).len(), usize::from(texts.iter().any(|name| name.starts_with("grad.n2999"))));
    }

    #[test]
    fn the_number_of_comparisons_hardly_grows_with_the_number_of_names() {
        let looks = |count: usize| {
            let names = OpNames::new((0..count).flat_map(|n| [format!("n{n}"), format!("grad.n{n}")]).map(CompactString::from));
            ["", "n", "n1", "grad", "grad.n99", "99", "nothing"].map(|text| {
                COMPARED.set(0);
                let found = names.beginning(text, 12).len() + names.within(text, 12).len();
                assert!(found <= 24);
                COMPARED.get()
            })
        };
        for (few, many) in looks(2_000).into_iter().zip(looks(100_000)) {
            assert!(many <= few + 60 && many < SEARCHED + 100, "{few} {many}");
        }
    }
}
