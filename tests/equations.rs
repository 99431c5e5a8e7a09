//! Every op's equation, in Unicode, ASCII and LaTeX: a snapshot of what our own printer writes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gradstep::app::Lesson;
use gradstep::expr::Notation;
use gradstep::op::activation::ACTIVATIONS;
use gradstep::op::loss::LOSSES;
use gradstep::op::operator::FUNCTIONS;
use gradstep::op::rule::Gist;
use gradstep::op::{LAYERS, layer::LayerKind};
use gradstep::scenario::{self, Limits, Source};

const LOSS: &str = "loss = \"squared_error\"\n";
const VECTOR: &str = "input = [0.5, -0.25, 2]\n";
const IMAGE: &str = "input = [[[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, -2, 3], [-4, 5, -6], [7, -8, 9]]]\n";

/// A scenario's lines: its head, and its layers after them.
fn layers(head: &str, layers: &str) -> String {
    format!("title = \"equations\"\n{head}{layers}")
}

fn one(kind: &str, keys: &str) -> String {
    format!("[[layer]]\ntype = \"{kind}\"\n{keys}")
}

/// A scenario for each kind of layer.
fn layer(kind: &LayerKind) -> String {
    let random = "{ init = \"uniform\", seed = 1 }";
    let (head, keys) = match kind.name {
        "linear" => (VECTOR, format!("out_features = 2\nweight = {random}\nbias = [0, 0]\n")),
        "conv2d" | "conv_transpose2d" => (IMAGE, format!("kernel_size = 2\nout_channels = 1\nweight = {random}\nbias = [0]\n")),
        "max_pool2d" | "avg_pool2d" => (IMAGE, "kernel_size = 2\n".to_owned()),
        "activation" => (VECTOR, "function = \"relu\"\n".to_owned()),
        "add" => (VECTOR, "from = [\"input\", \"input\"]\n".to_owned()),
        "dropout" => (VECTOR, "p = 0.25\nmask = [1, 0, 1]\n".to_owned()),
        "layer_norm" => (VECTOR, "weight = [1, 1, 1]\nbias = [0, 0, 0]\n".to_owned()),
        "group_norm" => (IMAGE, "num_groups = 2\nweight = [1, 1]\nbias = [0, 0]\n".to_owned()),
        "instance_norm2d" => (IMAGE, "weight = [1, 1]\nbias = [0, 0]\n".to_owned()),
        _ => (IMAGE, String::new()),
    };
    layers(&format!("{head}{UPSTREAM}"), &one(kind.name, &keys))
}

const UPSTREAM: &str = "loss = { type = \"upstream\", gradient = { init = \"uniform\", seed = 2 } }\n";

/// A scenario for each loss: some need the output of a softmax or sigmoid.
fn loss(name: &str, reduction: &str) -> String {
    let last = match name {
        "cross_entropy" => "softmax",
        "binary_cross_entropy" => "sigmoid",
        _ => "identity",
    };
    let gradient = if name == "upstream" { ", gradient = [1, 2, 3]" } else { "" };
    let target = if name == "upstream" { "" } else { "target = [1, 0, 0]\n" };
    let head = format!("{VECTOR}{target}loss = {{ type = \"{name}\"{reduction}{gradient} }}\n");
    layers(&head, &one("activation", &format!("function = \"{last}\"\n")))
}

fn graph(node: &str) -> String {
    format!("title = \"equations\"\n[graph]\ninputs = {{ x = 0.5, y = 2 }}\nnodes = [\"u = {node}\"]\n")
}

/// Every op of a scenario that has not been written yet, one line for each notation.
fn write(to: &mut String, seen: &mut BTreeSet<String>, heading: &str, text: &str) {
    let source = Source { name: "equations".into(), path_shown: "equations.toml".into(), text: text.into() };
    let lesson = Lesson::new(scenario::read(source, Limits::default()).unwrap_or_else(|faults| panic!("{heading}: {faults}\n{text}")));
    let trace = &lesson.trace;
    let mut lines = String::new();
    for (.., steps) in trace.ops() {
        let Some(at) = trace.position(steps.start) else { continue };
        let equation = trace.equation(&at, 0);
        let [unicode, ascii, latex] =
            [Notation::Unicode, Notation::Ascii, Notation::Latex].map(|notation| trace.equation_text(&at, notation));
        assert!(ascii.is_ascii() && latex.is_ascii(), "{ascii}\n{latex}");
        assert!(!ascii.contains('?'), "{heading}: {ascii}");
        if seen.insert(unicode.clone()) {
            writeln!(lines, "{unicode}\n  {}\n  {ascii}\n  {latex}", equation.title(Notation::Unicode)).expect("a string");
            if let Gist::Definition(function) = equation.gist {
                let [ascii, latex] = [Notation::Ascii, Notation::Latex].map(|notation| function.definition_text(notation));
                assert!(ascii.is_ascii() && latex.is_ascii(), "{ascii}\n{latex}");
                writeln!(lines, "  {ascii}\n  {latex}").expect("a string");
            }
        }
    }
    write!(to, "# {heading}\n{lines}\n").expect("a string");
}

#[test]
fn every_op_has_its_equation_in_three_notations() {
    let (mut text, mut seen) = (String::new(), BTreeSet::new());
    for kind in LAYERS {
        write(&mut text, &mut seen, &format!("layer {}", kind.name), &layer(kind));
    }
    for activation in ACTIVATIONS {
        let keys = format!("function = \"{}\"\n", activation.name);
        let scenario = layers(&format!("{VECTOR}target = [1, 0, 0]\n{LOSS}"), &one("activation", &keys));
        write(&mut text, &mut seen, &format!("activation {}", activation.name), &scenario);
    }
    for kind in LOSSES {
        for reduction in ["", ", reduction = \"mean\""] {
            if reduction.is_empty() || kind.keys.contains(&"reduction") {
                write(&mut text, &mut seen, &format!("loss {}{reduction}", kind.name), &loss(kind.name, reduction));
            }
        }
    }
    for operator in ["x + y", "x - y", "x * y", "x / y", "x ^ y", "x - 3", "2 ^ x", "-x"] {
        write(&mut text, &mut seen, &format!("graph {operator}"), &graph(operator));
    }
    for function in FUNCTIONS {
        let node = format!("{}({})", function.name(), ["x", "x, y"][function.arity() - 1]);
        write(&mut text, &mut seen, &format!("graph {node}"), &graph(&node));
    }
    let batch = "input = [1]\n[[layer]]\ntype = \"linear\"\nname = \"fc1\"\nweight = [[0.5]]\n\
        [train]\nlearning_rate = 0.1\niterations = 2\nmomentum = 0.9\nweight_decay = 0.01\n\
        [[sample]]\ninput = [1]\ntarget = [1]\n[[sample]]\ninput = [2]\ntarget = [3]\n";
    write(&mut text, &mut seen, "gradient descent", &layers(LOSS, batch.trim_start_matches("input = [1]\n")));
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("equations", text) });
}
