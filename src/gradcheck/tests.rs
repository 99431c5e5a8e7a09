use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use super::{CheckTarget, Queue, checked_place, gradients};
use crate::scenario::{Limits, Source, read};

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

/// After Ctrl-C, a thread takes no further block: its result would not be used.
#[test]
fn a_stopped_check_takes_no_further_block() {
    let text = "title = \"t\"\n[graph]\ninputs = { x = [1, 2, 3] }\nnodes = [\"J = x.sum()\"]\n";
    let source = Source { name: "t".into(), path_shown: "t.toml".into(), text: text.into() };
    let runs = read(source, Limits::default()).expect("a scenario").descent().iteration(1).runs;
    let (network, run) = (&*runs[0].network, &runs[0].run);
    let targets: Vec<CheckTarget> = gradients(network).map(|(gradient, of)| CheckTarget { gradient, of, entries: 1, wanted: 1 }).collect();
    for is_stopped in [false, true] {
        let (next, done, stop) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(is_stopped));
        let (sender, receiver) = channel();
        let blocks = [(0, 0); 100];
        Queue { targets: &targets, blocks: &blocks, next: &next, done: &done, stop: &stop }.start(network, run, 1, sender);
        let (taken, results) = (next.load(Ordering::Relaxed), receiver.iter().count());
        assert_eq!((taken, results), if is_stopped { (1, 0) } else { (101, 100) });
    }
}
