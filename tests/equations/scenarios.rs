//! The scenarios whose equations are tested: one for each kind of op, and more if keys, shapes or numbers change the meaning of an op's equation.

use gradstep::op::activation::ACTIVATIONS;
use gradstep::op::loss::LOSSES;
use gradstep::op::operator::FUNCTIONS;
use gradstep::op::{LAYERS, layer::LayerKind};

/// A scenario's heading and its text.
pub type Headed = (String, String);

const LOSS: &str = "loss = \"squared_error\"\n";
const VECTOR: &str = "input = [0.5, -0.25, 2]\n";
const TARGET: &str = "target = [1, 0.25, 0.5]\n";
const IMAGE: &str = "input = [[[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, -2, 3], [-4, 5, -6], [7, -8, 9]]]\n";
const SEQUENCE: &str = "input = [[1, 2, 3, 4], [1, -2, 3, -4]]\n";
const UPSTREAM: &str = "loss = { type = \"upstream\", gradient = { init = \"uniform\", seed = 2 } }\n";

/// A scenario: the title, then the lines before the layers (`head`), then the layers.
fn scenario(head: &str, layers: &str) -> String {
    format!("title = \"equations\"\n{head}{layers}")
}

/// The table of a layer.
fn layer_table(kind: &str, keys: &str) -> String {
    format!("[[layer]]\ntype = \"{kind}\"\n{keys}")
}

/// A scenario for each kind of layer.
fn layer_scenario(kind: &LayerKind) -> String {
    let random = "{ init = \"uniform\", seed = 1 }";
    let (head, keys) = match kind.name {
        "linear" => (VECTOR, format!("out_features = 2\nweight = {random}\nbias = [0.5, -0.75]\n")),
        "conv2d" | "conv_transpose2d" => (IMAGE, format!("kernel_size = 2\nout_channels = 1\nweight = {random}\nbias = [0.25]\n")),
        "max_pool2d" | "avg_pool2d" => (IMAGE, "kernel_size = 2\n".to_owned()),
        "conv1d" => (SEQUENCE, format!("kernel_size = 2\nout_channels = 1\nweight = {random}\nbias = [0.25]\n")),
        "max_pool1d" | "avg_pool1d" => (SEQUENCE, "kernel_size = 2\n".to_owned()),
        "adaptive_avg_pool2d" => (IMAGE, "output_size = 2\n".to_owned()),
        "upsample" => (IMAGE, "scale_factor = 2\n".to_owned()),
        "cat" => (IMAGE, "from = [\"input\", \"input\"]\n".to_owned()),
        "batch_norm1d" => {
            (VECTOR, format!("running_mean = [0.5, 1, 0]\nrunning_var = [4, 0.25, 1]\nweight = [2, -1, 0.5]\nbias = {random}\n"))
        }
        "batch_norm2d" => (IMAGE, "running_mean = [0.5, 1]\nrunning_var = [4, 0.25]\nweight = [2, -0.5]\nbias = [0.5, -1]\n".to_owned()),
        "activation" => (VECTOR, "function = \"relu\"\n".to_owned()),
        "add" => (VECTOR, "from = [\"input\", \"input\"]\n".to_owned()),
        "dropout" => (VECTOR, "p = 0.25\nmask = [1, 0, 1]\n".to_owned()),
        "layer_norm" => (VECTOR, "weight = [2, -1, 0.5]\nbias = [0.5, 0.25, -1]\n".to_owned()),
        "group_norm" => (IMAGE, "num_groups = 2\nweight = [2, -0.5]\nbias = [0.5, -1]\n".to_owned()),
        "instance_norm2d" => (IMAGE, "weight = [2, -0.5]\nbias = [0.5, -1]\n".to_owned()),
        _ => (IMAGE, String::new()),
    };
    scenario(&format!("{head}{UPSTREAM}"), &layer_table(kind.name, &keys))
}

/// A scenario for each loss: some need the output of a softmax or sigmoid.
fn loss_scenario(name: &str, keys: &str) -> String {
    let last = match name {
        "cross_entropy" => "softmax",
        "binary_cross_entropy" => "sigmoid",
        _ => "identity",
    };
    let gradient = if name == "upstream" { ", gradient = [1, 2, 3]" } else { "" };
    let target = if name == "upstream" { "" } else { TARGET };
    let head = format!("{VECTOR}{target}loss = {{ type = \"{name}\"{keys}{gradient} }}\n");
    scenario(&head, &layer_table("activation", &format!("function = \"{last}\"\n")))
}

fn graph_scenario(nodes: &str) -> String {
    format!("title = \"equations\"\n[graph]\ninputs = {{ x = 0.5, y = 2 }}\nnodes = [{nodes}]\n")
}

/// Gradient descent over two samples. `train_keys` are further lines of `[train]`.
fn descent_scenario(loss: &str, train_keys: &str) -> String {
    let samples = "[[sample]]\ninput = [1]\ntarget = [1]\n[[sample]]\ninput = [2]\ntarget = [3]\n";
    let fc1 = "[[layer]]\ntype = \"linear\"\nname = \"fc1\"\nweight = [[0.5]]\n";
    scenario(&format!("loss = {loss}\n"), &format!("{fc1}[train]\nlearning_rate = 0.1\niterations = 2\n{train_keys}{samples}"))
}

/// A scenario for each kind of op: first those of the tables `LAYERS`, `ACTIVATIONS`, `LOSSES` and `FUNCTIONS`, each in its order.
pub fn one_per_kind() -> Vec<Headed> {
    let mut all: Vec<Headed> = LAYERS.iter().map(|kind| (format!("layer {}", kind.name), layer_scenario(kind))).collect();
    for activation in ACTIVATIONS {
        let keys = format!("function = \"{}\"\n", activation.name);
        let scenario = scenario(&format!("{VECTOR}{TARGET}{LOSS}"), &layer_table("activation", &keys));
        all.push((format!("activation {}", activation.name), scenario));
    }
    for kind in LOSSES {
        for reduction in ["", ", reduction = \"mean\""] {
            if reduction.is_empty() || kind.keys.contains(&"reduction") {
                all.push((format!("loss {}{reduction}", kind.name), loss_scenario(kind.name, reduction)));
            }
        }
    }
    for operator in ["x + y", "x - y", "x * y", "x / y", "x ^ y", "x - 3", "2 ^ x", "-x"] {
        all.push((format!("graph {operator}"), graph_scenario(&format!("\"u = {operator}\""))));
    }
    for function in FUNCTIONS {
        let node = match function.name() {
            "gelu_tanh" => "gelu(x, approximate='tanh')".to_owned(),
            // the bounds and slopes are numbers
            name @ ("clamp" | "clamp_min" | "clamp_max" | "leaky_relu" | "elu") => {
                format!("{name}({})", ["x", "x, 2", "x, -2, 4"][function.arity() - 1])
            }
            name => format!("{name}({})", ["x", "x, y", "x, y, 4"][function.arity() - 1]),
        };
        all.push((format!("graph {node}"), graph_scenario(&format!("\"u = {node}\""))));
    }
    all.push(("gradient descent".to_owned(), descent_scenario("\"squared_error\"", "momentum = 0.9\nweight_decay = 0.01\n")));
    all.push(("a penalty".to_owned(), descent_scenario("{ type = \"squared_error\", l2 = 0.01 }", "")));
    for optimizer in ["adam", "adamw", "rmsprop", "adagrad"] {
        all.push((format!("optimizer {optimizer}"), descent_scenario("\"squared_error\"", &format!("optimizer = \"{optimizer}\"\n"))));
    }
    all
}

/// The value of a key: a tensor of random numbers.
fn random(shape: &str, seed: u8) -> String {
    format!("{{ init = \"uniform\", shape = {shape}, seed = {seed} }}")
}

/// A scenario with one layer that reads a random image of this shape. The error of the layer's output is random too.
fn on_image(shape: &str, kind: &str, keys: &str) -> Headed {
    let head = format!("input = {}\n{UPSTREAM}", random(shape, 3));
    (format!("{kind} on {shape}: {}", keys.trim().replace('\n', ", ")), scenario(&head, &layer_table(kind, keys)))
}

/// Filters and windows with all their keys.
fn window_variations() -> Vec<Headed> {
    let weights = "weight = { init = \"uniform\", seed = 4 }\nbias = { init = \"uniform\", seed = 5 }\n";
    let filters = |keys: &str| format!("{keys}{weights}");
    let ties = "input = [[[1, 2, 2, 0], [2, 2, -1, 0], [3, 3, 3, 3]]]\n";
    let mut all: Vec<Headed> = [
        ("conv2d", "kernel_size = 3\nout_channels = 3\npadding = 1\n"),
        ("conv2d", "kernel_size = [2, 3]\nout_channels = 4\nstride = [2, 1]\npadding = [1, 0]\ndilation = [1, 2]\ngroups = 2\n"),
        ("conv2d", "kernel_size = 2\nout_channels = 2\nstride = 3\ngroups = 2\nactivation = \"leaky_relu\"\nnegative_slope = 0.3\n"),
        ("conv2d", "kernel_size = [2, 3]\nout_channels = 2\npadding = \"same\"\n"),
        ("conv2d", "kernel_size = 2\nout_channels = 1\nstride = 2\npadding = [0, 1, 2, 0]\n"),
        ("conv_transpose2d", "kernel_size = 3\nout_channels = 3\npadding = 1\n"),
        ("conv_transpose2d", "kernel_size = [2, 3]\nout_channels = 4\nstride = [2, 3]\npadding = [1, 0]\noutput_padding = 1\ngroups = 2\n"),
        ("conv_transpose2d", "kernel_size = 2\nout_channels = 1\ndilation = [2, 1]\nactivation = \"tanh\"\n"),
    ]
    .map(|(kind, keys)| on_image("[2, 5, 7]", kind, &filters(keys)))
    .into();
    for (kind, keys) in [
        ("max_pool2d", "kernel_size = 3\nstride = 1\npadding = 1\n"),
        ("max_pool2d", "kernel_size = 2\nstride = [1, 2]\ndilation = [2, 1]\n"),
        ("avg_pool2d", "kernel_size = [3, 2]\nstride = [2, 1]\npadding = [1, 1]\n"),
        ("avg_pool2d", "kernel_size = 3\nstride = 2\npadding = 1\ncount_include_pad = false\n"),
        ("avg_pool2d", "kernel_size = 2\nceil_mode = true\n"),
        ("max_pool2d", "kernel_size = 2\nceil_mode = true\n"),
        ("adaptive_avg_pool2d", "output_size = [2, 4]\n"),
        ("upsample", "scale_factor = [2, 1]\n"),
        ("upsample", "scale_factor = [2, 3]\nmode = \"bilinear\"\n"),
    ] {
        all.push(on_image("[2, 5, 7]", kind, keys));
    }
    for keys in ["padding = 1\n", "stride = 2\npadding = [0, 2]\ndilation = 2\n", "padding = \"same\"\n"] {
        all.push(on_image("[2, 7]", "conv1d", &filters(&format!("kernel_size = 2\nout_channels = 3\n{keys}"))));
    }
    all.push(on_image("[2, 7]", "max_pool1d", "kernel_size = 3\nstride = 2\npadding = 1\n"));
    all.push(on_image("[2, 7]", "avg_pool1d", "kernel_size = 3\nstride = 2\npadding = 1\nceil_mode = true\n"));
    all.push(("ties".to_owned(), scenario(&format!("{ties}{UPSTREAM}"), &layer_table("max_pool2d", "kernel_size = 2\nstride = 1\n"))));
    all
}

/// Norms with and without their parameters, over one group and several; sums of layers; activations with keys and on images.
fn layer_variations() -> Vec<Headed> {
    let mut all = Vec::new();
    for keys in ["", "eps = 0.25\nbias = { init = \"uniform\", seed = 6 }\n", "weight = { init = \"uniform\", seed = 7 }\n"] {
        all.push(on_image("[4, 2, 3]", "layer_norm", keys));
        all.push(on_image("[4, 2, 3]", "instance_norm2d", keys));
        let statistics = "running_mean = [0.5, 1, 0, -1]\nrunning_var = [4, 0.25, 1, 2]\n";
        all.push(on_image("[4, 2, 3]", "batch_norm2d", &format!("{statistics}{keys}")));
        all.push(on_image("[4, 3]", "batch_norm1d", &format!("{statistics}{keys}")));
        for groups in [1, 2] {
            all.push(on_image("[4, 2, 3]", "group_norm", &format!("num_groups = {groups}\n{keys}")));
        }
    }
    // the name of a function and its closing quote, and perhaps further keys
    let keys = ["leaky_relu\"\nnegative_slope = 0.2", "elu\"\nalpha = 1.5", "hardtanh\"\nmin_val = -0.1\nmax_val = 0.3"];
    let names = ACTIVATIONS.iter().map(|activation| format!("{}\"", activation.name));
    for function in names.chain(keys.map(str::to_owned)) {
        all.push(on_image("[2, 3, 2]", "activation", &format!("function = \"{function}\n")));
    }
    let skip = format!(
        "{}{}",
        layer_table("activation", "name = \"act\"\nfunction = \"tanh\"\n"),
        layer_table("add", "from = [\"input\", \"act\", \"act\"]\n")
    );
    all.push(("skip".to_owned(), scenario(&format!("{VECTOR}{UPSTREAM}"), &skip)));
    let dropped = "p = 0.5\nmask = [[[1, 0], [0, 1]]]\n";
    all.push(on_image("[1, 2, 2]", "dropout", dropped));
    all
}

/// Losses with all their keys, on a vector and on an image; and outputs so near 0 that ∂C/∂a is infinite: one rule computes ∂C/∂z without
/// ∂C/∂a.
fn loss_variations() -> Vec<Headed> {
    let mut all = Vec::new();
    for kind in LOSSES {
        for reduction in ["half_sum", "sum", "mean"] {
            if kind.keys.contains(&"reduction") && (reduction != "half_sum" || kind.name == "squared_error") {
                for key in ["", ", delta = 0.4", ", beta = 0.4"] {
                    if key.is_empty() || kind.keys.iter().any(|own| key.contains(own)) {
                        let keys = format!(", reduction = \"{reduction}\"{key}");
                        all.push((format!("loss {}{keys}", kind.name), loss_scenario(kind.name, &keys)));
                    }
                }
            }
        }
        if kind.name == "multi_margin" {
            for keys in [", p = 2", ", margin = 0.25, p = 2"] {
                all.push((format!("loss {}{keys}", kind.name), loss_scenario(kind.name, keys)));
            }
        }
        if kind.name != "upstream" {
            let last = if kind.name.ends_with("cross_entropy") { "sigmoid" } else { "tanh" };
            let target = "target = [[[0.25, 0.5]], [[0.75, 1]]]\n";
            let head = format!("input = {}\n{target}loss = \"{}\"\n", random("[2, 1, 2]", 8), kind.name);
            all.push((
                format!("loss {} on an image", kind.name),
                scenario(&head, &layer_table("activation", &format!("function = \"{last}\"\n"))),
            ));
        }
    }
    // for the input −713, the output a is about 1e-310: ∂C/∂a, which divides by a, is infinite, but C is finite
    for (last, loss, target) in [
        ("softmax", "\"cross_entropy\"", "[0.5, 0.75]"),
        ("sigmoid", "\"cross_entropy\"", "[0.5, 0.75]"),
        ("sigmoid", "\"binary_cross_entropy\"", "[0.5, 1]"),
        ("sigmoid", "{ type = \"binary_cross_entropy\", reduction = \"mean\" }", "[0.5, 1]"),
    ] {
        let head = format!("input = [0.5, -713]\ntarget = {target}\nloss = {loss}\n");
        all.push((
            format!("{last} and {loss} in one step"),
            scenario(&head, &layer_table("activation", &format!("function = \"{last}\"\n"))),
        ));
    }
    all
}

/// Graphs of several nodes, with constants, repeated operands and ties; and gradient descent with and without momentum, weight decay and batches.
fn graph_variations() -> Vec<Headed> {
    let mut all = Vec::new();
    for nodes in [
        "\"v = x * x + 3 / y\", \"w = v ^ 2 - 2 ^ v\", \"u = (w - x) * exp(v) / (y - 0.25)\"",
        "\"v = x ^ y ^ 0.5\", \"u = max(v, v) * min(x, 0.5) - max(y, 1) + min(x * 4, y)\"",
        "\"v = y\", \"w = -(v + x)\", \"u = abs(w) * relu(w) + relu(-w) - 1\"",
        "\"v = x / x\", \"u = sin(v) - v - v + log(y) ^ v\"",
    ] {
        all.push((format!("graph {nodes}"), graph_scenario(nodes)));
    }
    let learned =
        format!("{}[train]\nlearn = [\"x\"]\nlearning_rate = 0.25\nmomentum = 0.5\niterations = 2\n", graph_scenario("\"u = x * y\""));
    all.push(("a graph learns".to_owned(), learned));
    for train_keys in [
        "momentum = 0.5\nnesterov = true\nweight_decay = 0.25\n",
        "momentum = 0.5\ndampening = 0.25\nweight_decay = 0.25\n",
        "momentum = 0.5\nnesterov = true\nweight_decay = 0.25\nlr_schedule = { type = \"step\", step_size = 1, gamma = 0.5 }\n",
        "optimizer = \"adam\"\n",
        "optimizer = \"adam\"\nweight_decay = 0.25\nlr_schedule = { type = \"step\", step_size = 1, gamma = 0.5 }\n",
        "optimizer = \"adamw\"\nweight_decay = 0.25\n",
        "optimizer = \"rmsprop\"\n",
        "optimizer = \"rmsprop\"\ncentered = true\nweight_decay = 0.25\n",
        "optimizer = \"rmsprop\"\nmomentum = 0.5\n",
        "optimizer = \"rmsprop\"\nmomentum = 0.5\ncentered = true\n",
        "optimizer = \"adagrad\"\n",
        "optimizer = \"adagrad\"\nlr_decay = 0.5\ninitial_accumulator_value = 0.25\n",
    ] {
        all.push((
            format!("gradient descent: {}", train_keys.trim().replace('\n', ", ")),
            descent_scenario("\"squared_error\"", train_keys),
        ));
    }
    for loss in ["\"squared_error\"", "{ type = \"squared_error\", batch_reduction = \"sum\" }"] {
        for train_keys in ["", "momentum = 0.5\n", "weight_decay = 0.25\n", "momentum = 0.5\nbatch_size = 1\n"] {
            all.push((format!("gradient descent, {loss}: {}", train_keys.trim().replace('\n', ", ")), descent_scenario(loss, train_keys)));
        }
    }
    for loss in ["{ type = \"squared_error\", l2 = 0.25 }", "{ type = \"squared_error\", batch_reduction = \"sum\", l2 = 0.25 }"] {
        for train_keys in ["", "weight_decay = 0.125\nbatch_size = 1\n"] {
            all.push((format!("a penalty, {loss}: {}", train_keys.trim().replace('\n', ", ")), descent_scenario(loss, train_keys)));
        }
    }
    all
}

/// More scenarios, for ops whose equation means something else with other keys, shapes or numbers.
pub fn variations() -> Vec<Headed> {
    [window_variations(), layer_variations(), loss_variations(), graph_variations()].concat()
}
