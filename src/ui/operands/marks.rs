//! The marks of the entries that the terms of the current entry read.

use crate::network::Id;
use crate::scene::ShownTensor;
use crate::step::Kind;
use crate::ui::matrix::Mark;
use crate::ui::view::StepView;

/// The largest number of terms whose factors are marked. In a longer sum, only terms around this step are marked.
const MAX_MARKED: u64 = 1024;

/// The entries that some terms read, as sorted pairs of a tensor and the offset of the entry. They can belong to many tensors: in a mean over samples, each
/// term reads a different tensor.
#[derive(Default)]
pub(super) struct ReadEntries(Vec<(Id, usize)>);

/// The entries that all terms of the current entry read, and those that this step reads.
#[derive(Default)]
pub struct MarkedEntries {
    pub(super) by_entry: ReadEntries,
    pub(super) by_step: ReadEntries,
}

impl MarkedEntries {
    /// Returns the mark of an entry of a tensor.
    pub fn mark(&self, view: &StepView<'_>, shown: &ShownTensor, at: usize) -> Mark {
        let ShownTensor { tensor, is_result, .. } = *shown;
        let (read_by_entry, read_by_step) = (self.by_entry.of(tensor), self.by_step.of(tensor));
        // a factor can be a whole slice of the tensor, such as all arguments of a softmax. The entries of a long slice are not all listed, so the slice is
        // checked too. A step of a maximum (`Select`) reads only one entry of its slice, so its slice does not give the mark `Step`
        let in_slice = || view.slices().any(|(other, slice)| other == tensor && slice.contains(at));
        match () {
            () if is_result && at == view.at.entry => Mark::Result,
            () if read_by_entry.binary_search(&(tensor, at)).is_err() && !in_slice() => Mark::None,
            () if read_by_step.binary_search(&(tensor, at)).is_ok() || view.step.kind != Kind::Select && in_slice() => Mark::Step,
            () => Mark::Entry,
        }
    }
}

impl MarkedEntries {
    /// Returns the mark of a copy of an operand's entry. `full` is the tensor whose shape the operand gets by the broadcast: the result, or the upstream
    /// derivative. `place` is the row-major index of the copy in this shape. The copy has a mark only if the entry `place` of `full` is computed or read.
    pub fn mark_of_copy(&self, view: &StepView<'_>, shown: &ShownTensor, (entry, place): (usize, usize), full: Id) -> Mark {
        let is_of_step =
            if full == view.output { place == view.at.entry } else { self.by_step.of(full).binary_search(&(full, place)).is_ok() };
        let is_of_entry = is_of_step || full != view.output && self.by_entry.of(full).binary_search(&(full, place)).is_ok();
        match self.mark(view, shown, entry) {
            Mark::Step if is_of_step => Mark::Step,
            Mark::Step | Mark::Entry if is_of_entry => Mark::Entry,
            _ => Mark::None,
        }
    }
}

impl ReadEntries {
    /// Sorts the entries.
    pub(super) fn new(sources: impl Iterator<Item = (Id, usize)>) -> Self {
        Self(sorted(sources))
    }

    /// Returns the pairs of a tensor.
    pub(super) fn of(&self, tensor: Id) -> &[(Id, usize)] {
        let [first, end] = [tensor, tensor + 1].map(|tensor| self.0.partition_point(|(id, _)| *id < tensor));
        &self.0[first..end]
    }

    /// Iterates over the entries of a tensor in order.
    pub(super) fn entries(&self, tensor: Id) -> impl Iterator<Item = usize> + '_ {
        self.of(tensor).iter().map(|(_, at)| *at)
    }
}

/// Returns the items sorted and without duplicates.
fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = items.collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Returns the entries to mark.
pub fn marks(view: &StepView<'_>) -> MarkedEntries {
    let first = view.at.term.saturating_sub(MAX_MARKED / 2);
    let end = (first + MAX_MARKED).min(view.at.terms);
    let by_step = || view.sources_now().iter().map(|source| (source.tensor, source.at));
    let by_entry = view.sources_of(&view.at, first..end).flatten().chain(by_step());
    MarkedEntries { by_entry: ReadEntries::new(by_entry), by_step: ReadEntries::new(by_step()) }
}

// a release build does not count
#[cfg(all(test, debug_assertions))]
mod tests {
    use std::cmp::Ordering;

    use super::*;
    use crate::tally;

    /// A pair that counts its comparisons.
    #[derive(PartialEq, Eq)]
    struct Counted((Id, usize));

    impl PartialOrd for Counted {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for Counted {
        fn cmp(&self, other: &Self) -> Ordering {
            tally::count(1);
            self.0.cmp(&other.0)
        }
    }

    #[test]
    fn entries_of_very_many_tensors_are_sorted_with_few_comparisons() {
        // in random order, with each pair twice
        let pairs = || (0..2048).map(|n: usize| (n * 1013 % 1024, n % 2));
        let _ = tally::take();
        let count = sorted(pairs().map(Counted)).len();
        // a sort needs about n log₂ n comparisons, and log₂ 2048 = 11
        let comparisons = tally::take();
        assert!(comparisons <= 2 * 2048 * 11, "{comparisons}");
        let read = ReadEntries::new(pairs());
        assert_eq!(read.0.len(), count);
        for tensor in [0, 500, 1023] {
            let entries = sorted(pairs().filter(|(id, _)| *id == tensor).map(|(_, at)| at));
            assert_eq!(read.entries(tensor).collect::<Vec<_>>(), entries);
        }
        assert_eq!(read.entries(1024).next(), None);
    }
}
