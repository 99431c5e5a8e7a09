//! The sums that the computation of an op with very many parts leaves behind, such as a mean over 10⁵ samples: those of its first 1024 parts, of its first 2048 parts,
//! and so on. So no one has to add up 10⁵ parts to know the sum before the last one.

/// The number of parts from one stored sum to the next. So the stored sums take a thousandth of the memory of the parts' operands.
pub(super) const INTERVAL: usize = 1024;

/// The stored sums of a run's ops, sorted by the number of the op. The sums of an op are one after another: the entries before part 1024, those before part 2048, ….
#[derive(Clone, Debug, Default)]
pub(super) struct PartSums(Vec<(usize, Vec<f64>)>);

impl PartSums {
    /// Replaces the sums of an op. `sums` is empty for an op with few parts.
    pub fn set(&mut self, op: usize, sums: Vec<f64>) {
        let at = self.0.partition_point(|(of, _)| *of < op);
        let end = at + usize::from(self.0.get(at).is_some_and(|(of, _)| *of == op));
        self.0.splice(at..end, Some((op, sums)).filter(|(_, sums)| !sums.is_empty()));
    }

    /// Removes all sums.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the last stored sum of an entry that is at or before a part: the number of the part before which it is the sum, and the sum. `entries` is the number
    /// of entries of the op's tensor. `None` if no sum is stored there.
    pub fn before(&self, op: usize, part: usize, entry: usize, entries: usize) -> Option<(usize, f64)> {
        let found = self.0.binary_search_by_key(&op, |(of, _)| *of).ok()?;
        let sums = &self.0[found].1;
        let number = (part / INTERVAL).min(sums.len() / entries.max(1));
        Some((number * INTERVAL, sums[number.checked_sub(1)? * entries + entry]))
    }
}
