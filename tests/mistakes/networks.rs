//! The networks for the planted mistakes: random ones (`tests/generated`), those of `tests/diff/plants`, and templates with layers that are rare among the
//! random ones.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::generated::choices::{Flavour, choices};
use crate::generated::layers;

/// All networks: the templates with three seeds, the scenarios of `tests/diff/plants`, then random ones.
pub fn all() -> impl Iterator<Item = String> {
    (1..4).flat_map(templates).chain(of_students()).chain(random(60))
}

/// The templates with a seed, which decides their weights and inputs: for the seed 2, `seed = N3` becomes `seed = 23`.
pub fn templates(seed: usize) -> impl Iterator<Item = String> {
    TEMPLATES.iter().map(move |template| template.replace("seed = N", &format!("seed = {seed}")))
}

/// Random networks with smooth numbers, the same networks each time that the test is run.
pub fn random(count: usize) -> impl Iterator<Item = String> {
    with_numbers(&[Flavour::Smooth], count)
}

/// Random networks, the same each time that the test is run. Half of them have numbers that are equal, saturate or overflow.
pub fn of_all_flavours(count: usize) -> impl Iterator<Item = String> {
    with_numbers(&[Flavour::Smooth, Flavour::Sharp, Flavour::Smooth, Flavour::Large, Flavour::Smooth, Flavour::Extreme], count)
}

/// Random networks whose numbers have these flavours in turn.
fn with_numbers(flavours: &'static [Flavour], count: usize) -> impl Iterator<Item = String> {
    let mut flavours = flavours.iter().cycle();
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    (0..count).map(move |_| {
        let mut choices = choices().new_tree(&mut runner).expect("a list of choices").current();
        layers::network(&mut choices, *flavours.next().expect("a flavour"))
    })
}

/// The scenarios of `tests/diff/plants`, for which Python code makes the mistakes of students, in the order of their names.
pub fn of_students() -> impl Iterator<Item = String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff/plants/scenarios");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read_to_string(path).expect("a scenario"))
}

/// Networks with the layers and options that mistakes need. `N` stands for a seed.
const TEMPLATES: &[&str] = &[
    // square filters and channels, a stride, overlapping windows with ties, a softmax
    r#"
title = "convolutions"
input = { init = "normal", seed = N1, shape = [3, 8, 8] }
target = [0, 1, 0]
loss = "cross_entropy"
layer = [
  { type = "conv2d", weight = { init = "normal", seed = N2, std = 0.4 }, out_channels = 3, kernel_size = 3, padding = 1, bias = { init = "normal", seed = N3 }, activation = "relu" },
  { type = "conv2d", weight = { init = "normal", seed = N4, std = 0.4 }, out_channels = 3, kernel_size = 3, stride = 2, padding = 1, bias = { init = "normal", seed = N5 }, activation = "relu" },
  { type = "max_pool2d", kernel_size = 2, stride = 1 },
  { type = "flatten" },
  { type = "linear", weight = { init = "normal", seed = N6, std = 0.4 }, bias = { init = "normal", seed = N7 }, out_features = 3, activation = "softmax" },
]
"#,
    // dilation, groups, both kinds of average pool, a sigmoid with logits
    r#"
title = "dilation and groups"
input = { init = "normal", seed = N1, shape = [2, 9, 9] }
target = [0, 1, 1, 0]
loss = "binary_cross_entropy_with_logits"
layer = [
  { type = "conv2d", weight = { init = "normal", seed = N2, std = 0.4 }, out_channels = 4, kernel_size = 3, dilation = 2, padding = 2, bias = { init = "normal", seed = N3 }, activation = "tanh" },
  { type = "conv2d", weight = { init = "normal", seed = N4, std = 0.4 }, out_channels = 4, kernel_size = 3, groups = 2, dilation = 2, activation = "sigmoid" },
  { type = "avg_pool2d", kernel_size = 3, stride = 2, padding = 1 },
  { type = "conv_transpose2d", weight = { init = "normal", seed = N5, std = 0.4 }, out_channels = 4, kernel_size = 2, activation = "tanh" },
  { type = "global_avg_pool2d" },
  { type = "flatten" },
  { type = "linear", weight = { init = "normal", seed = N6, std = 0.4 }, bias = { init = "normal", seed = N7 }, out_features = 4 },
]
"#,
    // square matrices, samples, a penalty, gradient descent, a dropout
    r#"
title = "vectors"
train = { learning_rate = 0.3 }
layer = [
  { type = "linear", weight = { init = "normal", seed = N1 }, bias = { init = "normal", seed = N2 }, out_features = 4, activation = "sigmoid" },
  { type = "dropout", mask = [1, 0, 1, 1], p = 0.25 },
  { type = "linear", weight = { init = "normal", seed = N3 }, bias = { init = "normal", seed = N4 }, out_features = 4, activation = "tanh" },
  { type = "linear", weight = { init = "normal", seed = N5 }, bias = { init = "normal", seed = N6 }, out_features = 4, activation = "sigmoid" },
]
loss = { type = "binary_cross_entropy", l2 = 0.1 }
sample = [
  { input = [0.5, -1.25, 0.75, 1.5], target = [0, 1, 0, 1] },
  { input = [-0.5, 0.25, 1.75, 0.1], target = [1, 1, 0, 0] },
  { input = [1.5, 0.75, -0.3, 0.7], target = [0, 0, 1, 1] },
]
"#,
    // norms and skip connections, and a loss that is a mean with a penalty
    r#"
title = "norms"
input = { init = "normal", seed = N1, shape = [2, 4, 4] }
target = { init = "normal", seed = N2, shape = [3] }
loss = { type = "squared_error", reduction = "mean", l2 = 0.05 }
layer = [
  { type = "conv2d", name = "first", weight = { init = "normal", seed = N3 }, out_channels = 2, kernel_size = 3, padding = 1 },
  { type = "instance_norm2d", name = "norm", weight = [2, -0.5], bias = [0.5, -1] },
  { type = "conv2d", weight = { init = "normal", seed = N4 }, out_channels = 2, kernel_size = 3, padding = 1, activation = "relu" },
  { type = "add", from = ["norm", "conv2"] },
  { type = "layer_norm" },
  { type = "flatten" },
  { type = "linear", weight = { init = "normal", seed = N5 }, out_features = 3 },
]
"#,
    // whole numbers, so that a window has its maximum several times
    r#"
title = "ties"
input = [[0, 1, 2, 0, 1, 2], [1, 1, 0, 2, 0, 1], [2, 0, 1, 1, 2, 0], [0, 2, 2, 1, 0, 1], [1, 0, 1, 2, 2, 1], [0, 1, 0, 1, 1, 0]]
target = { init = "normal", seed = N1, shape = [2] }
loss = "squared_error"
layer = [
  { type = "conv2d", weight = [[[[1, -1], [1, 0]]], [[[0, 1], [-1, 1]]]], bias = [0, 1] },
  { type = "max_pool2d", kernel_size = 2, stride = 1 },
  { type = "flatten" },
  { type = "linear", weight = { init = "normal", seed = N2 }, out_features = 2 },
]
"#,
    // a detached tensor, and a maximum of two tensors
    r#"
title = "detached"
[graph]
nodes = """
h = torch.tanh(x @ W)
goal = h.detach() * 0.5
y = torch.maximum(h @ V, h)
J = ((y - goal)**2).sum() + (h * goal).mean()
"""
[graph.inputs]
W = { init = "normal", seed = N1, shape = [3, 3] }
V = { init = "normal", seed = N2, shape = [3, 3] }
[graph.constants]
x = { init = "normal", seed = N3, shape = [2, 3] }
"#,
    // attention, with a mask, and a cross-entropy
    r#"
title = "attention"
[graph]
nodes = """
Q = x @ Wq
K = x @ Wk
V = x @ Wv
scores = Q @ K.T / 3**0.5
A = F.softmax(scores.masked_fill(future, float('-inf')), dim=-1)
out = A @ V
J = F.cross_entropy(out, y)
"""
[graph.inputs]
Wq = { init = "normal", seed = N1, shape = [4, 3] }
Wk = { init = "normal", seed = N2, shape = [4, 3] }
Wv = { init = "normal", seed = N3, shape = [4, 4] }
x = { init = "normal", seed = N4, shape = [3, 4] }
[graph.constants]
future = [[false, true, true], [false, false, true], [false, false, false]]
y = [2, 0, 1]
"#,
    // attention with two heads for each of two texts, a residual, a norm in lines, and a gate
    r#"
title = "block"
[graph]
nodes = """
B, T, C = x.shape
q = (x @ Wq).view(B, T, 2, 2).transpose(1, 2)
k = (x @ Wk).view(B, T, 2, 2).transpose(1, 2)
v = (x @ Wv).view(B, T, 2, 2).transpose(1, 2)
a = F.softmax(q @ k.transpose(-2, -1) / math.sqrt(2), dim=-1)
r = x + (a @ v).transpose(1, 2).reshape(B, T, C)
d = r - r.mean(-1, keepdim=True)
n = d / torch.sqrt((d**2).mean(-1, keepdim=True) + 0.01)
y = torch.sigmoid(gate) * (gamma * n + beta)
J = F.cross_entropy((y @ Wo).view(B * T, 3), labels)
"""
[graph.inputs]
x = { init = "normal", seed = N1, shape = [2, 3, 4] }
Wq = { init = "normal", seed = N2, shape = [4, 4] }
Wk = { init = "normal", seed = N3, shape = [4, 4] }
Wv = { init = "normal", seed = N4, shape = [4, 4] }
Wo = { init = "normal", seed = N5, shape = [4, 3] }
gamma = { init = "normal", seed = N6, shape = [4] }
beta = { init = "normal", seed = N7, shape = [4] }
gate = { init = "normal", seed = N8, shape = [4] }
[graph.constants]
labels = [2, 0, 1, 1, 0, 2]
"#,
    // two dropouts and two relus of the same shape
    r#"
title = "two dropouts"
layer = [
  { type = "linear", weight = { init = "normal", seed = N1 }, bias = { init = "normal", seed = N2 }, out_features = 6, activation = "relu" },
  { type = "dropout", mask = [1, 0, 1, 1, 1, 1], p = 0.2 },
  { type = "linear", weight = { init = "normal", seed = N3 }, bias = { init = "normal", seed = N4 }, out_features = 6, activation = "relu" },
  { type = "dropout", mask = [1, 1, 1, 0, 1, 0], p = 0.5 },
  { type = "linear", weight = { init = "normal", seed = N5 }, out_features = 2 },
]
loss = { type = "squared_error" }
sample = [
  { input = [0.5, -1.25, 0.75, 1.5], target = [0, 1] },
  { input = [-0.5, 0.25, 1.75, 0.1], target = [1, 1] },
]
"#,
    // a vector, and a pool with padding along it
    r#"
title = "line"
input = { init = "normal", seed = N1, shape = [9] }
target = { init = "normal", seed = N2, shape = [3] }
loss = "squared_error"
layer = [
  { type = "linear", weight = { init = "normal", seed = N3 }, out_features = 9, activation = "tanh" },
  { type = "max_pool1d", kernel_size = 3, stride = 2, padding = 1 },
  { type = "flatten" },
  { type = "linear", weight = { init = "normal", seed = N4 }, out_features = 3 },
]
"#,
];
