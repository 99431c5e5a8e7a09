//! Tests of the numbers that are known in a scene, and of neighbours on the screen.

use std::sync::Arc;

use super::*;
use crate::scenario::{self, Limits, Source as File};

const TEXT: &str = r#"
title = "two layers"
input = [1, 2]
target = [0, 1]
loss = "squared_error"
layer = [
  { type = "linear", weight = [[1, 2], [3, 4], [-1, 0.5]], activation = "tanh" },
  { type = "linear", weight = [[1, 0, 2], [0.5, -1, 1]] },
]
"#;

fn trace() -> Trace {
    let file = File { name: "test".into(), path_shown: "a test".into(), text: TEXT.into() };
    let scenario = scenario::read(file, Limits::default()).expect("a valid scenario");
    Trace::of_iteration(1, Arc::new(scenario.descent()).iteration(1).runs)
}

/// The number of an entry is unknown before its first step, then the running sum, and its value from its last step on.
#[test]
fn a_number_is_known_from_its_last_step_on() {
    let trace = trace();
    let network = trace.network();
    for k in 1..=trace.len() {
        let scene = Scene::of(&trace, k).expect("a step");
        for id in 0..network.tensors().len() {
            let values = trace.run(0).values(id);
            let steps_of = |entry: usize| trace.entry_steps(0, id, entry);
            for (entry, value) in values.iter().enumerate() {
                let expected = match steps_of(entry) {
                    Some(steps) if steps.contains(&k) => Some(scene.step.sum),
                    Some(steps) if steps.start > k => None,
                    _ => Some(*value),
                };
                assert_eq!(scene.number(id, entry), expected, "{} at step {k}", scene.name(id, entry));
            }
            // the end of a range is not part of it, so an entry whose steps end at k + 1 is complete at step k
            let complete = (0..values.len()).take_while(|entry| steps_of(*entry).is_none_or(|steps| steps.end <= k + 1)).count();
            assert_eq!(scene.numbers(id).as_ref(), &values[..complete], "{} at step {k}", network.tensor(id).name);
        }
        for term in 0..scene.at.terms {
            let (entry_term, is_later) = (scene.term(term), term > scene.at.term);
            assert_eq!(entry_term.value().is_none(), is_later);
            assert_eq!(scene.sum_after(term).is_none(), is_later);
            assert_eq!(scene.in_numbers(&entry_term).is_none(), is_later);
            assert!(!scene.in_symbols(&entry_term).is_empty());
        }
    }
}

#[test]
fn neighbours_follow_the_rotation_of_the_matrix_on_the_screen() {
    let grid = Grid::of(&[2, 2, 3]);
    assert_eq!(grid, Grid { blocks: 2, inner: None, rows: 2, columns: 3 });
    let plain = ShownTensor { tensor: 0, padding: [[0; 2]; 2], turned: false, is_result: false };
    let turned = ShownTensor { turned: true, ..plain };
    let [right, down, left] = [[0, 1], [1, 0], [0, -1]];
    assert_eq!([right, down, left].map(|direction| plain.neighbour(&grid, 7, direction)), [Some(8), Some(10), Some(6)]);
    assert_eq!([right, down, left].map(|direction| turned.neighbour(&grid, 7, direction)), [Some(6), None, Some(8)]);
    assert_eq!([right, [0, 2], down].map(|direction| plain.neighbour(&grid, 11, direction)), [None; 3]);
    assert_eq!(plain.neighbour(&Grid::of(&[4]), 2, down), Some(3));
    for entry in 0..12 {
        assert_eq!(grid.entry(grid.coordinates(entry)), entry);
    }
}
