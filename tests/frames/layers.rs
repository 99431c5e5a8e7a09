//! The layers that no bundled scenario has, as pictures.

use std::sync::Arc;

use gradstep::app::{Lesson, State};
use gradstep::scenario::{self, Limits, Source};

use super::{picture, press};

const DROPOUT: &str = r#"
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
    let lesson = Lesson::new(scenario::read(source, Limits::default()).expect("a valid scenario"));
    let mut state = State::picker(Vec::new());
    state.open(Arc::new(lesson), None);
    press(&mut state, keys);
    state
}

#[test]
fn layers_are_pictures() {
    let walks = [(DROPOUT, ":drop1.a[2]<Enter>", "dropout"), (DROPOUT, ":grad.fc1.a<Enter>", "dropout-back")];
    for (text, keys, what) in walks {
        insta::assert_snapshot!(format!("layer-{what}"), picture(&open(text, keys), 80, 24));
    }
}
