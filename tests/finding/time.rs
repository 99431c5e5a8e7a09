//! Long searches and moves to far breakpoints are done in pieces, and Esc stops them.

use gradstep::app::{Action, State, Visit, update};
use gradstep::keys;

use super::{TRAINED, at, enter, message, place, press, small};

/// A layer with more than 11 million weights: one key press does not search all of them.
const WIDE: &str = r#"title = "wide"
input = { init = "normal", seed = 1, shape = [4500] }
target = { init = "zeros" }
loss = "squared_error"
[[layer]]
type = "linear"
out_features = 2500
weight = { init = "he_normal", seed = 2 }
bias = { init = "zeros" }
activation = "identity"
"#;

/// A search over millions of entries is done in pieces, and Esc stops it.
#[test]
fn a_long_search_is_done_in_pieces() {
    let document = small(WIDE);
    let entries: usize =
        document.trace.network().ops().iter().map(|op| document.trace.network().tensor(op.output).shape.iter().product::<usize>()).sum();
    assert!(entries > 11_000_000, "{entries}");
    let mut state = at(&document, 1);
    let keys = |state: &mut State, text: &str| {
        for key in keys::parse(text).unwrap() {
            let action = keys::action(state, key).unwrap();
            update(state, action);
        }
    };
    keys(&mut state, "/ nan<Enter>");
    assert!(state.job().is_some(), "the key does not look at all entries");
    assert!(state.job().unwrap().describe().starts_with("step "));
    let mut pieces = 0;
    while state.job().is_some() {
        update(&mut state, Action::JobPieces(1));
        pieces += 1;
    }
    // a piece searches about a million entries, and the key press has done ten pieces already
    assert!(pieces > 0 && pieces < entries / 500_000, "{pieces} pieces for {entries} entries");
    assert_eq!((message(&state).as_str(), place(&state).step), ("no value in this scenario is nan", 1));
    keys(&mut state, "n");
    assert!(state.job().is_some());
    update(&mut state, Action::JobPieces(1));
    keys(&mut state, "<Esc>");
    assert!(state.job().is_none() && message(&state).starts_with("stopped at step ") && place(&state).step == 1);
}

/// A run through many iterations is done in pieces, and Esc stops it where it is.
#[test]
fn a_long_move_to_a_breakpoint_is_done_in_pieces() {
    let document = small(&TRAINED.replace("iterations = 4", "iterations = 100_000"));
    let mut state = at(&document, 1);
    enter(&mut state, ":break fc1.z[0] > 1e9");
    let action = keys::action(&state, keys::parse("c").unwrap()[0]).unwrap();
    update(&mut state, action);
    for _ in 0..1000 {
        assert!(state.job().is_some());
        update(&mut state, Action::JobPieces(1));
    }
    let before = place(&state);
    assert!(before.iteration > 2 && before.iteration < 100_000, "{before:?}");
    press(&mut state, "<Esc>");
    assert_eq!(place(&state), before);
    press(&mut state, "<C-o>");
    assert_eq!(place(&state), Visit { iteration: 1, step: 1 });
}
