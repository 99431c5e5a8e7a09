//! Makes scenarios that are large in one respect: terms, steps, samples, nodes or layers. The screen shows only a small part of each.

use std::fmt::Write as _;

/// The loss `upstream`, whose target is its derivative by the output. So the output may have any shape.
const UPSTREAM: &str = "target = { init = \"normal\", seed = 2 }\nloss = \"upstream\"\n";

fn head(title: &str, shape: &[usize]) -> String {
    format!("title = \"{title}\"\ninput = {{ init = \"normal\", seed = 1, shape = {shape:?} }}\n")
}

fn conv(channels: usize) -> String {
    format!(
        "[[layer]]\ntype = \"conv2d\"\nout_channels = {channels}\nkernel_size = 3\npadding = 1\nweight = {{ init = \"he_normal\", seed = 3 }}\nbias = {{ init = \"zeros\" }}\nactivation = \"relu\"\n"
    )
}

fn linear(features: usize, activation: &str) -> String {
    format!(
        "[[layer]]\ntype = \"linear\"\nout_features = {features}\nweight = {{ init = \"he_normal\", seed = 3 }}\nbias = {{ init = \"zeros\" }}\nactivation = \"{activation}\"\n"
    )
}

fn samples(count: usize) -> String {
    let mut text = "title = \"samples\"\nloss = \"squared_error\"\n".to_owned();
    for i in 0..count {
        let _ = writeln!(text, "[[sample]]\ninput = [{}, {}]\ntarget = 1", i % 7, i % 3);
    }
    text + "[[layer]]\ntype = \"linear\"\nweight = [[0.1, 0.2]]\nbias = [0.1]\nactivation = \"tanh\"\n[train]\nlearning_rate = 0.01\niterations = 10\n"
}

fn graph(title: &str, nodes: impl Iterator<Item = String>) -> String {
    let nodes: Vec<String> = nodes.map(|node| format!("\"{node}\"")).collect();
    format!("title = \"{title}\"\n[graph]\ninputs = {{ a = 0.5, b = 0.25 }}\nnodes = [\n{},\n]\n", nodes.join(",\n"))
}

/// A graph in which each node reads the previous one.
fn chain(count: usize) -> String {
    let later = (1..count).map(|i| format!("n{i} = n{} {} b", i - 1, if i % 2 == 0 { '*' } else { '+' }));
    graph("chain", std::iter::once("n0 = a + b".to_owned()).chain(later))
}

/// A graph in which all nodes read the same two inputs, and one node reads all of them.
fn fan(count: usize) -> String {
    let sum = (0..count).map(|i| format!("n{i}")).collect::<Vec<_>>().join(" + ");
    let nodes = (1..count).map(|i| format!("n{i} = a * b"));
    graph("fan", std::iter::once("n0 = a + b".to_owned()).chain(nodes).chain([format!("J = {sum}")]))
}

/// A graph of tensors in which each statement reads the previous one. Every tenth statement has two operations.
fn statements(count: usize) -> String {
    let mut text = "title = \"statements\"\n[graph]\nnodes = '''\nn0 = x * 0.5\n".to_owned();
    for n in 1..count {
        let more = if n % 10 == 0 { " + 0.125" } else { "" };
        let _ = writeln!(text, "n{n} = n{} {} x{more}", n - 1, if n % 2 == 0 { '*' } else { '+' });
    }
    let _ = writeln!(text, "J = n{}.sum()\n'''\n[graph.inputs]\nx = [0.5, -0.25]", count - 1);
    text
}

fn layers(count: usize) -> String {
    let head = "title = \"layers\"\ninput = [0.5, 0.25]\ntarget = [0.1, 0.9]\nloss = \"squared_error\"\n";
    head.to_owned() + &linear(2, "tanh").repeat(count)
}

/// Returns the scenarios, each with its name and its text.
pub fn all() -> Vec<(String, String)> {
    // the beginning of a scenario with a squared error; `init` initializes the target
    let squared_error = |shape: &[usize], init: &str| {
        format!(
            "title = \"heavy\"\nloss = \"squared_error\"\ntarget = {{ init = {init} }}\ninput = {{ init = \"normal\", seed = 1, shape = {shape:?} }}\n"
        )
    };
    let train = |rate: &str| format!("[train]\nlearning_rate = {rate}\niterations = 1000000\n");
    let mut all = vec![
        // 47,600 statements with 1.1 operations each: not many more are allowed, because statements and operations together are limited to 100,000
        ("47600-statements".to_owned(), statements(47_600)),
        ("million-term-weight".to_owned(), squared_error(&[1, 1000, 1000], "\"normal\", seed = 2") + &conv(1)),
        (
            "softmax-10k".to_owned(),
            head("softmax", &[10000])
                + "target = 3\nloss = \"cross_entropy\"\n[[layer]]\ntype = \"activation\"\nfunction = \"softmax\"\n",
        ),
        ("norm-1m".to_owned(), head("layer norm", &[1, 1000, 1000]) + UPSTREAM + "[[layer]]\ntype = \"layer_norm\"\n"),
        ("two-64-filters".to_owned(), head("two of 64 filters", &[3, 112, 112]) + UPSTREAM + &conv(64).repeat(2)),
        ("ten-billion".to_owned(), head("ten billion steps", &[3, 224, 224]) + UPSTREAM + &conv(64).repeat(3)),
        (
            "pool-31".to_owned(),
            head("pool 31", &[4, 512, 512]) + UPSTREAM + "[[layer]]\ntype = \"max_pool2d\"\nkernel_size = 31\nstride = 1\n",
        ),
        (
            "slow-iteration".to_owned(),
            "title = \"slow\"\nloss = \"cross_entropy_with_logits\"\ntarget = 3\ninput = { init = \"normal\", seed = 1, shape = [32, 128, 128] }\n"
                .to_owned()
                + &conv(64).repeat(2)
                + "[[layer]]\ntype = \"global_avg_pool2d\"\n[[layer]]\ntype = \"flatten\"\n"
                + &linear(10, "identity")
                + &train("0.001"),
        ),
        ("many-parameters".to_owned(), squared_error(&[2000], "\"zeros\"") + &linear(2000, "identity") + &train("0.0000001")),
    ];
    for count in [1000, 10_000, 100_000] {
        all.push((format!("samples-{count}"), samples(count)));
    }
    for count in [1000, 10_000, 50_000] {
        all.push((format!("chain-{count}"), chain(count)));
        all.push((format!("fan-{count}"), fan(count)));
    }
    for count in [100, 1000] {
        all.push((format!("layers-{count}"), layers(count)));
    }
    all
}
