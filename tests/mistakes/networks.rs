//! Random networks for planted mistakes: those of `tests/laws`, and templates for what is rare among them.

use crate::tape::{Flavour, tape};
use crate::{graphs, layers};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// All networks: the templates with several seeds, then random ones.
pub fn all() -> impl Iterator<Item = String> {
    let templates = (1..4).flat_map(|seed| TEMPLATES.iter().map(move |template| template.replace("seed = N", &format!("seed = {seed}"))));
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let random = (0..60).map(move |number| {
        let mut tape = tape().new_tree(&mut runner).expect("a tape").current();
        if number % 4 == 3 { graphs::graph(&mut tape, Flavour::Smooth) } else { layers::network(&mut tape, Flavour::Smooth) }
    });
    templates.chain(random)
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
  { type = "conv_transpose2d", weight = { init = "normal", seed = N5, std = 0.4 }, out_channels = 4, kernel_size = 2 },
  { type = "global_avg_pool2d" },
  { type = "flatten" },
  { type = "linear", weight = { init = "normal", seed = N6, std = 0.4 }, bias = { init = "normal", seed = N7 }, out_features = 4 },
]
"#,
    // square matrices, samples, gradient descent, a dropout
    r#"
title = "vectors"
train = { learning_rate = 0.3 }
layer = [
  { type = "linear", weight = { init = "normal", seed = N1 }, bias = { init = "normal", seed = N2 }, out_features = 4, activation = "sigmoid" },
  { type = "dropout", mask = [1, 0, 1, 1], p = 0.25 },
  { type = "linear", weight = { init = "normal", seed = N3 }, bias = { init = "normal", seed = N4 }, out_features = 4, activation = "tanh" },
  { type = "linear", weight = { init = "normal", seed = N5 }, bias = { init = "normal", seed = N6 }, out_features = 4, activation = "sigmoid" },
]
loss = { type = "binary_cross_entropy" }
sample = [
  { input = [0.5, -1.25, 0.75, 1.5], target = [0, 1, 0, 1] },
  { input = [-0.5, 0.25, 1.75, 0.1], target = [1, 1, 0, 0] },
  { input = [1.5, 0.75, -0.3, 0.7], target = [0, 0, 1, 1] },
]
"#,
    // norms and skip connections, and a loss that is a mean
    r#"
title = "norms"
input = { init = "normal", seed = N1, shape = [2, 4, 4] }
target = { init = "normal", seed = N2, shape = [3] }
loss = { type = "squared_error", reduction = "mean" }
layer = [
  { type = "conv2d", name = "first", weight = { init = "normal", seed = N3 }, out_channels = 2, kernel_size = 3, padding = 1 },
  { type = "instance_norm2d", name = "norm", weight = [2, -0.5], bias = [0.5, -1] },
  { type = "conv2d", weight = { init = "normal", seed = N4 }, out_channels = 2, kernel_size = 3, padding = 1, activation = "relu" },
  { type = "add", from = ["norm", "conv1"] },
  { type = "layer_norm" },
  { type = "flatten" },
  { type = "linear", weight = { init = "normal", seed = N5 }, out_features = 3 },
]
"#,
];
