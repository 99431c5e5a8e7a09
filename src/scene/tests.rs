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
    Trace::of(1, Arc::new(scenario.descent()).iteration(1).sample_runs)
}

/// An entry has its running sum while steps compute it, and its number from the last of these on.
#[test]
fn a_number_is_known_from_its_last_step_on() {
    let trace = trace();
    let network = trace.network();
    for k in 1..=trace.len() {
        let scene = Scene::of(&trace, k).expect("a step");
        for id in 0..network.tensors().len() {
            let values = trace.run(0).values(id);
            let made = |entry: usize| trace.entry_steps(0, id, entry);
            for (entry, value) in values.iter().enumerate() {
                let expected = match made(entry) {
                    Some(steps) if steps.contains(&k) => Some(scene.step.sum),
                    Some(steps) if steps.start > k => None,
                    _ => Some(*value),
                };
                assert_eq!(scene.number(id, entry), expected, "{} at step {k}", scene.name(id, entry));
            }
            let complete = (0..values.len()).take_while(|entry| made(*entry).is_none_or(|steps| steps.end <= k + 1)).count();
            assert_eq!(scene.numbers(id).as_ref(), &values[..complete], "{} at step {k}", network.tensor(id).name);
        }
        for term in 0..scene.at.terms {
            let (own, later) = (scene.term(term), term > scene.at.term);
            assert_eq!((own.value().is_none(), own.sum().is_none(), scene.in_numbers(&own).is_none()), (later, later, later));
            assert!(!scene.in_symbols(&own).is_empty());
        }
    }
}

#[test]
fn neighbours_are_those_on_the_screen() {
    let grid = Grid::of(&[2, 2, 3]);
    assert_eq!(grid, Grid { blocks: 2, inner: None, rows: 2, columns: 3 });
    let plain = Shown { tensor: 0, padding: [0, 0], turned: false, is_result: false };
    let turned = Shown { turned: true, ..plain };
    let [right, down, left] = [[0, 1], [1, 0], [0, -1]];
    assert_eq!([right, down, left].map(|by| plain.beside(&grid, 7, by)), [Some(8), Some(10), Some(6)]);
    assert_eq!([right, down, left].map(|by| turned.beside(&grid, 7, by)), [Some(6), None, Some(8)]);
    assert_eq!([right, [0, 2], down].map(|by| plain.beside(&grid, 11, by)), [None; 3]);
    assert_eq!(plain.beside(&Grid::of(&[4]), 2, down), Some(3));
    for entry in 0..12 {
        assert_eq!(grid.entry(grid.place(entry)), entry);
    }
}
