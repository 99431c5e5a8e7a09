use std::collections::BTreeSet;

use super::checked_place;

#[test]
fn the_checked_places_are_sorted_distinct_and_in_every_column() {
    let places = |entries: usize, most: usize| -> Vec<usize> {
        let count = entries.min(most);
        (0..count).map(|k| checked_place(k, entries, count)).collect()
    };
    for (entries, most) in [(1, 200), (200, 200), (201, 200), (80_000, 200), (usize::MAX / 2, 7)] {
        let checked = places(entries, most);
        assert!(checked.is_sorted_by(|a, b| a < b) && checked.iter().all(|&at| at < entries), "{entries}");
    }
    assert!(places(1000, 1000).into_iter().eq(0..1000));
    // of a matrix with 20 columns
    let columns: BTreeSet<usize> = places(80_000, 200).iter().map(|at| at % 20).collect();
    assert_eq!(columns.len(), 20);
}
