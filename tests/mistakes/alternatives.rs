//! If several mistakes give the same numbers, all of them are named, the more specific ones first. The same mistake in other words is marked as such.

use gradstep::app::Document;
use gradstep::diff::{Gradient, LossOf};
use gradstep::mistakes::Cause;

use crate::{open, search, tensors};

/// The causes of a user's gradients of a graph.
fn causes_of(document: &Document, mine: &[(&str, &[f64])]) -> Vec<Cause> {
    let trace = &document.trace;
    let gradient = |name: &str| Gradient { of: trace.network().find(name).expect("a tensor"), loss: LossOf::Batch };
    let mut all: Vec<(Gradient, Vec<f64>)> = mine.iter().map(|(name, numbers)| (gradient(name), numbers.to_vec())).collect();
    all.sort_by_key(|(gradient, _)| gradient.order(trace));
    let (wanted, numbers): (Vec<Gradient>, Vec<Vec<f64>>) = all.into_iter().unzip();
    search(document, &tensors(&wanted, &numbers))
}

/// The causes of wrong numbers in one gradient of a graph. The user's file also has the gradients `right`, with the right numbers.
fn causes(document: &Document, wrong: (&str, &[f64]), right: &[&str]) -> Vec<Cause> {
    let trace = &document.trace;
    let of = |name: &str| Gradient { of: trace.network().find(name).expect("a tensor"), loss: LossOf::Batch };
    let right: Vec<(&str, Vec<f64>)> = right.iter().map(|name| (*name, of(name).right(trace).into_owned())).collect();
    let mut mine: Vec<(&str, &[f64])> = right.iter().map(|(name, numbers)| (*name, numbers.as_slice())).collect();
    mine.push(wrong);
    causes_of(document, &mine)
}

/// The bundled batch norm, with `first_row` as the first row of the gradient G of its output.
fn batch_norm(first_row: &str) -> Document {
    let text = include_str!("../../scenarios/batch-norm.toml").replacen("G = [[0, 0]", &format!("G = [{first_row}"), 1);
    open(text.split("[[note]]").next().expect("the text before the notes"))
}

/// The user computes ∂J/∂x as if mean and variance were constants: it is γ/σ · G, and γ/σ is 1. If the first row of G is 0, a user who takes the first row in
/// the place of each sum over the rows gets the same numbers. Both mistakes are named, the norm's first.
#[test]
fn the_mistake_of_a_norm_comes_before_that_of_a_broadcast() {
    let found = causes(&batch_norm("[0, 0]"), ("x", &[0.0, 0.0, 1.0, 2.0, 0.0, 1.0, 0.0, 1.0]), &["gamma", "beta"]);
    let named: Vec<(&str, Option<&str>)> =
        found.iter().filter(|cause| !cause.is_restated).map(|cause| (cause.id, cause.variant.as_deref())).collect();
    assert_eq!(named, [("norm-variance-path-missing", Some("and-mean")), ("broadcast-not-summed", Some("first"))]);
}

/// With another first row of G, only the mistake of the norm is left. That a path from x is forgotten, such as the one through the mean, is the same mistake in
/// other words.
#[test]
fn one_mistake_in_several_words_is_named_once() {
    let document = batch_norm("[2, -1]");
    // G and x̂
    let (g, normed) = ([2.0, -1.0, 1.0, 2.0, 0.0, 1.0, 0.0, 1.0], [-0.2, -1.0, 1.4, 1.0, -1.4, 1.0, 0.2, -1.0]);
    let mean_of_column = |entries: &dyn Fn(usize) -> f64, column: usize| (0..4).map(|row| entries(2 * row + column)).sum::<f64>() / 4.0;
    let centred = |at: usize| g[at] - mean_of_column(&|at| g[at], at % 2);
    let along_normed = |at: usize| normed[at] * mean_of_column(&|at| g[at] * normed[at], at % 2);
    let without_variance: Vec<f64> = (0..8).map(centred).collect();
    let without_mean: Vec<f64> = (0..8).map(|at| g[at] - along_normed(at)).collect();
    for (numbers, id) in [(without_variance, "norm-variance-path-missing"), (without_mean, "norm-mean-path-missing")] {
        let found = causes(&document, ("x", &numbers), &["gamma", "beta"]);
        let named: Vec<&str> = found.iter().filter(|cause| !cause.is_restated).map(|cause| cause.id).collect();
        assert_eq!(named, [id]);
        let restated: Vec<&str> = found.iter().filter(|cause| cause.is_restated).map(|cause| cause.id).collect();
        assert!(restated.contains(&"path-forgotten"), "{restated:?}");
    }
}

/// A tensor has two uses of the same kind, as sums. They are not one use in two turns of a loop.
#[test]
fn two_uses_of_a_tensor_are_not_the_turns_of_a_loop() {
    let document = open(
        "title = \"by hand\"\n\n[graph]\nnodes = \"\"\"\nh = W @ x\nu = h.sum(0)\nv = h.sum(1)\nJ = (u * p).sum() + (v * q).sum() + (h * G).sum()\n\"\"\"\n\n\
         [graph.inputs]\nW = [[1, 2], [3, 4]]\nx = [[1, 0], [0, 1]]\n\n[graph.constants]\np = [1, 2]\nq = [3, 1]\nG = [[4, -1], [2, 7]]\n",
    );
    // both sums are forgotten: G is left of ∂J/∂h
    let found = causes(&document, ("W", &[4.0, -1.0, 2.0, 7.0]), &[]);
    assert!(found.iter().all(|cause| cause.variant.as_deref() != Some("each-turn")), "{found:#?}");
    // only v is forgotten: G + p is left
    let found = causes(&document, ("W", &[5.0, 1.0, 3.0, 9.0]), &[]);
    let words: Vec<&str> = found.iter().filter(|cause| !cause.is_restated).map(|cause| cause.words.as_str()).collect();
    assert_eq!(words, ["the gradient of h lacks the part through v"]);
}

/// The bundled recurrent network: a loop of three turns, and the loss reads the last state h. The errors of the turns are δ₁, δ₂ and δ₃; by hand,
/// δ₃ = [0.36, 1.5].
fn recurrent() -> Document {
    let text = include_str!("../../scenarios/rnn.toml");
    open(text.split("[[note]]").next().expect("the text before the notes"))
}

/// Backpropagation stops after one turn, so only δ₃ is left. The same numbers would be left if each turn overwrote the gradients. The gradient of the state
/// before the last turn tells which it is.
#[test]
fn a_backward_pass_that_stops_after_a_turn_is_named() {
    let document = recurrent();
    let input_weight = [0.0, 0.0, 0.36, 0.0, 0.0, 1.5];
    let state = |name: &str| {
        let of = document.trace.network().find(name).expect("a state");
        document.trace.run(0).values(of).to_vec()
    };
    let before = state("h@3");
    let w_hh: Vec<f64> = [0.36, 1.5].iter().flat_map(|error| before.iter().map(move |h| error * h)).collect();
    let mine: [(&str, &[f64]); 3] = [("W_xh", &input_weight), ("b", &[0.36, 1.5]), ("W_hh", &w_hh)];
    let found = causes_of(&document, &mine);
    let named: Vec<(&str, Option<&str>)> =
        found.iter().filter(|cause| !cause.is_restated).map(|cause| (cause.id, cause.variant.as_deref())).collect();
    assert_eq!(named, [("gradient-overwritten-per-turn", Some("last")), ("path-forgotten", Some("next-turn"))]);
    assert_eq!(found[0].told_apart_by, "∂C/∂h@3 differs between these mistakes: add it to your file as h@3 (the gradient, not the value)");
    // with the gradient of the state before the last turn: it is 0, because backpropagation stops before it
    let found = causes_of(&document, &[&mine[..], &[("h@3", &[0.0, 0.0])]].concat());
    let named: Vec<(&str, Option<&str>)> =
        found.iter().filter(|cause| !cause.is_restated).map(|cause| (cause.id, cause.variant.as_deref())).collect();
    assert_eq!(named, [("path-forgotten", Some("next-turn"))]);
}

/// Backpropagation stops after two turns: δ₁ is missing.
#[test]
fn a_backward_pass_that_stops_after_two_turns_is_named() {
    let document = recurrent();
    // δ₂ = [0.8325, 1.32] and δ₃ = [0.36, 1.5] are the last two columns of the right gradient of W_xh
    let found = causes_of(&document, &[("W_xh", &[0.0, 0.8325, 0.36, 0.0, 1.32, 1.5]), ("b", &[1.1925, 2.82])]);
    let named: Vec<(&str, Option<&str>)> =
        found.iter().filter(|cause| !cause.is_restated).map(|cause| (cause.id, cause.variant.as_deref())).collect();
    assert_eq!(named, [("path-forgotten", Some("last-2-turns"))]);
}
