//! Functions and modules that graphs do not support, with help texts that say what to write instead.

/// The names, separated by blanks, and the help.
const ROWS: &[(&str, &str)] = &[
    ("Linear", "write x @ W.T + b, with W and b under [graph.inputs]"),
    ("Conv2d Conv1d", "write conv2d(x, W, b), with W and b under [graph.inputs]"),
    ("Embedding", "write C[ix], with C under [graph.inputs]"),
    ("BatchNorm1d BatchNorm2d", "write batch_norm(x, None, None, gamma, beta, training=True)"),
    ("LayerNorm", "write layer_norm(x, (n,), gamma, beta)"),
    ("GroupNorm", "write group_norm(x, groups, gamma, beta)"),
    ("InstanceNorm1d InstanceNorm2d InstanceNorm3d", "write instance_norm(x), or instance_norm(x, weight=gamma, bias=beta)"),
    ("RMSNorm", "write rms_norm(x, (n,), gamma)"),
    ("ReLU Tanh Sigmoid Softmax GELU SiLU", "write the function: relu(x), tanh(x), softmax(x, dim=-1)"),
    ("CrossEntropyLoss", "write cross_entropy(logits, y)"),
    ("MSELoss", "write mse_loss(y, target)"),
    ("Sequential Module ModuleList Parameter Dropout LSTM GRU RNN", "write out what it computes, with its parameters under [graph.inputs]"),
    (
        "randn rand randint randperm normal uniform random shuffle choice multinomial randn_like rand_like empty kaiming_normal_ xavier_uniform_",
        "a graph has no random numbers: add an input, such as W = { init = \"normal\", seed = 1, shape = [2, 3] } under [graph.inputs]",
    ),
    ("median nanmedian quantile percentile", "it has no steps here: write mean, max(dim), or a known index such as x[3]"),
    ("Generator default_rng RandomState", "leave the line out: a graph has no random numbers"),
    ("sort argsort topk unique nonzero", "the order of numbers is only known when they are: write max(dim), or a known index"),
    ("inv solve det svd eig cholesky qr pinv slogdet", "it has no steps here: write it out in products and sums"),
    ("grad autograd jacobian hessian vmap", "gradstep computes the gradients: leave it out"),
    ("fmod remainder", "// and % are for whole numbers that are known, such as sizes"),
    ("isnan isinf isfinite", "write x != x, or search for nan in the stepper with /"),
    (
        "scatter scatter_ scatter_add scatter_add_ index_fill index_fill_ index_copy index_copy_ index_add index_add_ put_along_axis",
        "assign to an index: x[arange(n), y] = 0.9, or x[ix] += e",
    ),
    ("any all count_nonzero", "write mask.sum()"),
    ("cross kron tensordot cdist", "write it with einsum"),
    (
        "sinh cosh asin acos atan atan2 arctan arcsin arccos arctanh atanh lgamma digamma",
        "write it with exp and log, or with functions that are there",
    ),
    ("map filter lambda sorted str dict set type isinstance getattr setattr eval exec open input", "a graph is read and never executed"),
];

/// Returns the help for a function; `None` if the name is not in the table.
#[must_use]
pub fn help(name: &str) -> Option<&'static str> {
    ROWS.iter().find(|(names, _)| names.split(' ').any(|one| one == name)).map(|(_, help)| *help)
}
