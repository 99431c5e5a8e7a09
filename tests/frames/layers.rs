//! Frames of the layers that no bundled scenario has, as snapshots.

use std::sync::Arc;

use gradstep::app::{Document, State};
use gradstep::scenario::{self, Limits, Source};

use super::{press, snapshot};

pub const DROPOUT: &str = r#"
title = "Dropout"
input = [1, -2, 3, 0.5]
target = 1
loss = "cross_entropy"
layer = [
  { type = "linear", weight = [[0.5, -0.25, 0.1, 1], [1, 0.5, -0.2, 0.3], [0.25, 0.75, 0.4, -1]], activation = "tanh" },
  { type = "dropout", mask = [1, 0, 1], p = 0.25 },
  { type = "linear", weight = [[0.5, -0.5, 0.25], [1, 0.1, 0.2]], activation = "softmax" },
]
"#;

pub fn open(text: &str, keys: &str) -> State {
    let source = Source { path_shown: "a test".to_owned(), name: "test".to_owned(), text: text.to_owned() };
    let document = Document::new(scenario::read(source, Limits::default()).expect("a valid scenario"));
    let mut state = State::picker(Vec::new());
    state.open(Arc::new(document), None);
    press(&mut state, keys);
    state
}

/// The other layers that no bundled scenario has, with two samples and momentum.
const OTHERS: &str = include_str!("layers.toml");

#[test]
fn frames_of_layers() {
    let cases = [
        (DROPOUT, ":drop1.a[2]<Enter>", "dropout"),
        (DROPOUT, ":grad.fc1.a<Enter>", "dropout-back"),
        (OTHERS, ":pool1.a[0,1,1]#2<Enter>", "avg-pool"),
        (OTHERS, ":grad.conv1.a[0,1,1]#2<Enter>", "avg-pool-back"),
        (OTHERS, ":convt1.z[0,1,1]#3<Enter>", "transposed"),
        (OTHERS, ":add1.a[0,1,1]<Enter>", "add"),
        (OTHERS, ":norm1.a[0,1,1]<Enter>", "norm"),
        (OTHERS, ":grad.norm1.rstd#2<Enter>", "norm-back"),
        (OTHERS, ":reduce:grad.fc1.weight[1,0]<Enter>", "reduce"),
        (OTHERS, ":2/update:velocity.fc1.weight[1,0]<Enter>", "velocity"),
    ];
    for (text, keys, what) in cases {
        let shown = snapshot(&open(text, keys), 80, 24);
        // the rows of the picture of the network
        let neurons = shown.lines().skip(10).take(12).filter(|line| line.contains('●'));
        assert!(neurons.clone().all(|line| !line.ends_with('…') && !line.contains("… ●")), "a number must not be cut:\n{shown}");
        insta::assert_snapshot!(format!("layer-{what}"), shown);
    }
}
