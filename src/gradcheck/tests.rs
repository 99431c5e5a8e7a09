use std::collections::BTreeSet;

use super::sampled;

#[test]
fn sampled_entries_are_sorted_distinct_and_in_every_column() {
    let sample =
        |entries: usize, most: usize| -> Vec<usize> { (0..entries.min(most)).map(|k| sampled(k, entries, entries.min(most))).collect() };
    for (entries, most) in [(1, 200), (200, 200), (201, 200), (80_000, 200), (usize::MAX / 2, 7)] {
        let indices = sample(entries, most);
        assert!(indices.is_sorted_by(|a, b| a < b) && indices.iter().all(|&at| at < entries), "{entries}");
    }
    assert!(sample(1000, 1000).into_iter().eq(0..1000));
    let columns: BTreeSet<usize> = sample(80_000, 200).iter().map(|at| at % 20).collect();
    assert_eq!(columns.len(), 20);
}
