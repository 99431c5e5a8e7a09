//! Mistakes in the forward pass. A second network has the mistake in its text. Its gradients are the numbers of a user who makes the mistake.

use gradstep::mistakes::plantings;

use crate::{NETWORKS, everything, learning_rate, open, parameters, search, tensors};

/// Classifiers, each with a part of its text, and the text with the mistake that replaces this part. The test puts another digit for `N` in each
/// round, so that `N1` becomes the seed 11, 21, ….
const CLASSIFIERS: [(&str, &str, &str); 3] = [
    // a loss on logits
    (
        r#"
title = "logits"
loss = "cross_entropy_with_logits"
layer = [
  { type = "linear", weight = { init = "normal", seed = N1 }, bias = { init = "normal", seed = N2 }, out_features = 4, activation = "tanh" },
  { type = "linear", weight = { init = "normal", seed = N3 }, bias = { init = "normal", seed = N4 }, out_features = 3 },
]
sample = [
  { input = [0.5, -1.25, 0.75], target = [0, 1, 0] },
  { input = [-0.5, 0.25, 1.75], target = [0, 0, 1] },
  { input = [1.5, 0.5, -0.25], target = [0.25, 0, 0.75] },
]
"#,
        "out_features = 3",
        "out_features = 3, activation = \"softmax\"",
    ),
    // a softmax in the network, and a loss on probabilities: the mistake is a loss on logits
    (
        r#"
title = "probabilities"
input = [0.5, -1.25, 0.75]
target = [0, 1, 0]
loss = "cross_entropy"
layer = [
  { type = "linear", weight = { init = "normal", seed = N1 }, bias = { init = "normal", seed = N2 }, out_features = 4, activation = "tanh" },
  { type = "linear", weight = { init = "normal", seed = N3 }, bias = { init = "normal", seed = N4 }, out_features = 3, activation = "softmax" },
]
"#,
        "\"cross_entropy\"",
        "\"cross_entropy_with_logits\"",
    ),
    // the same mistake before a function in a graph
    (
        r#"
title = "call"
[graph]
nodes = """
h = torch.tanh(x @ W1 + b1)
J = F.cross_entropy(h @ W2 + b2, y)
"""
[graph.inputs]
W1 = { init = "normal", seed = N1, shape = [3, 4] }
b1 = { init = "normal", seed = N2, shape = [4] }
W2 = { init = "normal", seed = N3, shape = [4, 3] }
b2 = { init = "normal", seed = N4, shape = [3] }
[graph.constants]
x = { init = "normal", seed = N5, shape = [2, 3] }
y = [2, 0]
"#,
        "F.cross_entropy(h @ W2 + b2, y)",
        "F.cross_entropy(F.softmax(h @ W2 + b2, dim=-1), y)",
    ),
];

#[test]
fn a_softmax_before_the_cross_entropy_is_named() {
    for (text, right, wrong) in CLASSIFIERS {
        for seed in 1..=NETWORKS {
            let text = text.replace("seed = N", &format!("seed = {seed}"));
            let (document, mistaken) = (open(&text), open(&text.replace(right, wrong)));
            let [wanted, theirs] = [&document, &mistaken].map(|document| parameters(&document.trace));
            let names = |document: &gradstep::app::Document, all: &[gradstep::diff::Gradient]| {
                all.iter().map(|gradient| gradient.name(&document.trace)).collect::<Vec<_>>()
            };
            assert_eq!(names(&document, &wanted), names(&mistaken, &theirs));
            let numbers: Vec<Vec<f64>> = theirs.iter().map(|gradient| gradient.right(&mistaken.trace).into_owned()).collect();
            let found = search(&document, &tensors(&wanted, &numbers));
            let ids: Vec<_> = found.iter().map(|cause| (cause.id, cause.explains.len())).collect();
            assert_eq!(ids, [("softmax-before-cross-entropy", wanted.len())], "{text}");
        }
    }
}

/// A network with the samples `from..to` of four.
fn of_samples(seed: usize, from: usize, to: usize) -> String {
    let samples = ["[0.5, -1.25], target = [1]", "[-0.5, 0.25], target = [-1]", "[1.5, 0.5], target = [0.5]", "[0.25, 2], target = [2]"];
    let samples: String = samples[from..to]
        .iter()
        .map(|sample| format!("[[sample]]\ninput = {}\n", sample.replace(", target", "\ntarget")))
        .collect::<Vec<_>>()
        .concat();
    format!(
        "title = \"samples\"\nloss = {{ type = \"squared_error\", reduction = \"mean\" }}\nlayer = [\n\
         {{ type = \"linear\", weight = {{ init = \"normal\", seed = {seed}1 }}, out_features = 3, activation = \"tanh\" }},\n\
         {{ type = \"linear\", weight = {{ init = \"normal\", seed = {seed}2 }}, bias = [0.5], out_features = 1 }},\n]\n{samples}"
    )
}

#[test]
fn samples_that_are_left_out_are_named() {
    for seed in 1..=NETWORKS {
        for (from, to, left_out) in [(0, 3, "last 1"), (0, 2, "last 2"), (1, 4, "first 1")] {
            let (document, fewer) = (open(&of_samples(seed, 0, 4)), open(&of_samples(seed, from, to)));
            let wanted = parameters(&document.trace);
            let mean: Vec<Vec<f64>> = parameters(&fewer.trace).iter().map(|gradient| gradient.right(&fewer.trace).into_owned()).collect();
            let share = f64::from(u32::try_from(to - from).expect("a few samples")) / 4.0;
            let divided: Vec<Vec<f64>> = mean.iter().map(|numbers| numbers.iter().map(|x| share * x).collect()).collect();
            // the user divides by the number of samples that are left, or by 4
            for (numbers, variant) in [(mean, format!("{left_out}, mean")), (divided, left_out.to_owned())] {
                let found = search(&document, &tensors(&wanted, &numbers));
                let names: Vec<_> = found.iter().map(|cause| (cause.id, cause.variant.as_deref(), cause.explains.len())).collect();
                assert_eq!(names, [("samples-left-out", Some(&*variant), wanted.len())]);
            }
        }
    }
}

/// The orders of the table are wrong orders of a row-major flatten. In the vector of another `flatten`, they would be orders that nobody has written.
#[test]
fn only_the_order_of_a_row_major_flatten_is_mistaken() {
    for (order, is_row_major) in [("chw", true), ("hwc", false)] {
        let document = open(&format!(
            "title = \"t\"\nloss = \"squared_error\"\ninput = {{ init = \"normal\", seed = 1, shape = [2, 3, 4] }}\n\
             target = {{ init = \"normal\", seed = 2 }}\nlayer = [\n\
             {{ type = \"conv2d\", out_channels = 2, kernel_size = 1, weight = {{ init = \"normal\", seed = 3 }} }},\n\
             {{ type = \"flatten\", order = \"{order}\" }},\n\
             {{ type = \"linear\", out_features = 2, weight = {{ init = \"normal\", seed = 4 }} }},\n]\n"
        ));
        let plantings = plantings(&document.trace, &everything(&document.trace), learning_rate(&document));
        let ids: Vec<&str> = plantings.iter().map(|planting| planting.id).filter(|id| id.contains("flatten")).collect();
        assert_eq!(!ids.is_empty(), is_row_major, "{order}: {ids:?}");
    }
}
