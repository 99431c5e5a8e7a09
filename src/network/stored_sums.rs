//! Running sums that are stored while an op with a very long sum is computed. With them, the step of a late term does not need to add up 10⁵ terms again.
//!
//! An op with very many parts, such as a mean over 10⁵ samples, stores the sums of its first 1024 parts, of its first 2048 parts, and so on. An op with one
//! part and one entry, such as a loss over 10⁶ outputs, stores the sums of its first 8192 terms, of its first 16,384 terms, and so on.

use crate::op::rule::{Operands, Rule};

/// The number of parts between two stored sums. With this number, the stored sums take a thousandth of the memory of the parts' operands.
pub(super) const PARTS_INTERVAL: usize = 1024;

/// The number of terms between two stored sums, in an op with one part and one entry. Adding this many terms takes at most half a millisecond.
pub(super) const TERMS_INTERVAL: usize = 8192;

/// The stored sums of a run's ops, sorted by the index of the op. The list of an op begins with the sum of each entry over the first 1024 parts. Then comes the
/// sum of each entry over the first 2048 parts, and so on.
#[derive(Clone, Debug, Default)]
pub(super) struct StoredSums(Vec<(usize, Vec<f64>)>);

impl StoredSums {
    /// Removes the stored sums of an op.
    #[inline]
    pub fn remove(&mut self, op: usize) {
        // usually, the op is computed after all ops with stored sums
        if self.0.last().is_some_and(|(last, _)| *last >= op) {
            self.0.retain(|(of, _)| *of != op);
        }
    }

    /// Adds the stored sums of an op; `sums` is empty for an op without a long sum.
    #[inline]
    pub fn insert(&mut self, op: usize, sums: Vec<f64>) {
        if !sums.is_empty() {
            let at = self.0.partition_point(|(of, _)| *of < op);
            self.0.insert(at, (op, sums));
        }
    }

    /// Removes all sums.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the longest stored sum of an entry over at most the first `number` parts or terms: the number of parts or terms in it, and the sum. Returns
    /// `None` if there is no such sum. `interval` is the number of parts or terms between two sums, and `entries` the number of entries of the op's tensor.
    pub fn before(&self, op: usize, number: usize, interval: usize, entry: usize, entries: usize) -> Option<(usize, f64)> {
        let found = self.0.binary_search_by_key(&op, |(of, _)| *of).ok()?;
        let sums = &self.0[found].1;
        let stored = (number / interval).min(sums.len() / entries.max(1));
        Some((stored * interval, sums[stored.checked_sub(1)? * entries + entry]))
    }
}

/// Adds up the only entry of a tensor if its sum is long, and returns the sums to store. Returns `None`, and leaves the entry, if the sum is not long.
pub(super) fn add_long_sum(rule: &dyn Rule, x: &Operands<'_>, entry: &mut f64) -> Option<Vec<f64>> {
    let terms = rule.prefix_terms(x, 1);
    let interval = TERMS_INTERVAL as u64;
    if terms <= interval {
        return None;
    }
    let mut stored = Vec::new();
    // the sum starts with −0, because 0 + −0 = 0 would lose the sign of a first term −0
    *entry = -0.0;
    let mut first = 0;
    while first < terms {
        if first > 0 {
            stored.push(*entry);
        }
        let end = (first + interval).min(terms);
        *entry = rule.add_terms(x, 0, first..end, *entry);
        first = end;
    }
    Some(stored)
}
