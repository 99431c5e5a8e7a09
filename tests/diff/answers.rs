//! Gradients of a convolutional network (`answers/digits.toml`) with errors that no known mistake describes, or that look like a known mistake. `diff` must not
//! name a false mistake for them. The files come from an independent NumPy program.

use std::path::Path;

use super::program::{Run, run};

fn diff(file: &str) -> Run {
    diff_with("digits.toml", file)
}

pub(super) fn diff_with(scenario: &str, file: &str) -> Run {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff/answers");
    let [scenario, mine] = [scenario, file].map(|name| folder.join(name).to_string_lossy().into_owned());
    run(&["diff", &scenario, &mine])
}

/// The lines from `why` to the table of tensors, without the line about the stepper.
pub(super) fn why(run: &Run) -> Vec<&str> {
    run.out.lines().skip_while(|line| !line.starts_with("why ")).take_while(|line| !line.starts_with("see ")).collect()
}

/// The errors are computed with smoothed targets, which is no mistake of the table. The gradients of the batch are the right sums of these wrong errors, so
/// `diff` must not say that the sum over the samples is wrong.
#[test]
fn the_scale_of_an_unknown_error_is_no_mistake() {
    let found = diff("label-smoothing.npz");
    let [unknown, consequences] = why(&found)[..] else { panic!("{}", found.out) };
    assert!(
        unknown.ends_with("no mistake that gradstep knows gives exactly the numbers of 1:fc2.z, the first wrong gradient"),
        "{}",
        found.out
    );
    assert!(consequences.contains("only consequences: "), "{}", found.out);
    assert!(found.out.contains("note: the gradients of the samples are taken for those of the mean loss"), "{}", found.out);
}

/// The sum over four samples is divided by 3 instead of 4. `diff` names this one factor, 4/3, and not two mistakes.
#[test]
fn one_factor_is_one_mistake() {
    let found = diff("divided-by-3.npz");
    let [why, _] = why(&found)[..] else { panic!("{}", found.out) };
    assert!(
        why.starts_with("why     yours: the numbers are the right ones times 1.33333 [gives exactly your numbers of "),
        "{}",
        found.out
    );
}

/// The error of each of four samples is divided by 16 instead of 4. All gradients of the file are a quarter of the right ones, those of the samples too.
#[test]
fn a_mean_that_is_taken_twice_is_named_in_the_samples_too() {
    let found = diff("divided-by-16.npz");
    let [why, right, _] = why(&found)[..] else { panic!("{}", found.out) };
    assert!(
        why.starts_with("why     yours: the mean is taken twice over the samples, once in the error of each [gives exactly your numbers of fc2.z of samples"),
        "{}",
        found.out
    );
    assert!(right.starts_with("        right: "), "{}", found.out);
}

/// The error of the output is clipped before it goes on: all later gradients follow from it.
#[test]
fn what_follows_from_a_clipped_error_is_a_consequence() {
    let found = diff("clip.npz");
    assert!(why(&found)[0].contains("your gradients are clipped by value"), "{}", found.out);
    assert!(found.out.contains("only consequences: fc1.a, ") && !found.out.contains("not explained"), "{}", found.out);
}

/// A NaN in each sample. It cannot come from another sample, and the other gradients are right.
#[test]
fn nan_of_a_sample_does_not_spread_to_another_sample() {
    let found = diff("nan.npz");
    assert!(why(&found)[0].contains("1:fc1.z[2] is the first number of the file that is not finite"), "{}", found.out);
    for false_word in ["spreads", "consequences"] {
        assert!(!found.out.contains(false_word), "{}", found.out);
    }
}

/// The backward pass of an LSTM (`answers/lstm.toml`), as a loop over its four turns. Code in a loop makes its mistake in each turn.
#[test]
fn a_mistake_in_each_turn_of_a_loop_is_named() {
    for (file, expected) in [
        ("lstm-no-derivative-of-i.npz", "the derivative of the activation is missing at i@1"),
        ("lstm-no-cell.npz", "the gradients of c@4"),
        ("lstm-one-turn.npz", "the gradients of h@4"),
    ] {
        let found = diff_with("lstm.toml", file);
        let [why, _] = why(&found)[..] else { panic!("{file}: {}", found.out) };
        assert!(why.starts_with(&format!("why     yours: {expected} (")), "{file}: {}", found.out);
        let turns = ["turn 1 of 4", "turn 2 of 4", "turn 3 of 4"];
        assert!(
            turns.iter().all(|turn| why.contains(turn)) && why.ends_with("[gives exactly your numbers of b, U, W and 1 more]"),
            "{file}: {}",
            found.out
        );
        // each tensor whose gradient has the mistake comes with the line of its statement
        let lines = if file == "lstm-one-turn.npz" { 2 } else { 1 };
        assert_eq!(why.matches(", line ").count(), lines, "{file}: {}", found.out);
    }
    let found = diff_with("lstm.toml", "lstm-one-turn.npz");
    assert!(found.out.contains("no error goes back from a turn to the turn before"), "{}", found.out);
}
