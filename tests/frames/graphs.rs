//! In a graph that is too large for a small screen, the picture counts the nodes that it does not show.

use super::layers::open;
use super::{frame, snapshot};
use gradstep::ui::{RenderOptions, export};

/// Returns whether a node is in the picture: with a mark around its name, or with its numbers beside it.
fn has_node(picture: &str, node: &str) -> bool {
    let texts =
        [format!("[{node}]"), format!("({node})"), format!("={node} "), format!(" {node}="), format!("[{node}="), format!("={node}=")];
    texts.iter().any(|text| picture.contains(text))
}

/// One input that `n` nodes read, and their sum.
fn star(n: usize) -> String {
    let nodes: Vec<String> = (0..n).map(|i| format!("\"h{i} = x * {}\"", i + 1)).collect();
    let sum: Vec<String> = (0..n).map(|i| format!("h{i}")).collect();
    format!("title = \"star\"\n[graph]\ninputs = {{ x = 2 }}\nnodes = [{}, \"J = {}\"]\n", nodes.join(", "), sum.join(" + "))
}

#[test]
fn nodes_without_room_are_counted_above_and_below() {
    let text = star(20);
    insta::assert_snapshot!("graph-star", snapshot(&open(&text, ":grad.x#12<Enter>"), 80, 24));
    for (width, height) in [(80, 24), (60, 16), (120, 30)] {
        for term in 0..20 {
            let state = open(&text, &format!(":grad.x#{}<Enter>", term + 1));
            let shown = export::text(&frame(&state, &RenderOptions::default(), width, height));
            let picture = &shown[shown.find("─ picture").expect("the picture")..];
            let has = |node: &str| has_node(picture, node);
            assert!(has("x") && has(&format!("h{term}")), "the edge of this step, term {term}:\n{shown}");
            let seen = (0..20).filter(|i| has(&format!("h{i}"))).count();
            // the number after the mark; 0 if there is no mark
            let count = |mark: char| {
                let rest = picture.split(mark).nth(1);
                let digits = rest.map(|rest| rest.trim_start().chars().take_while(char::is_ascii_digit).collect::<String>());
                digits.and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(0)
            };
            assert_eq!(count('↑') + seen + count('↓'), 20, "{width}x{height} term {term}:\n{shown}");
        }
    }
}

/// A logistic loss with a penalty on the weight. Several nodes are read twice.
pub const LOGISTIC: &str = "title = \"logistic\"\n[graph]\ninputs = { w = 0.5, x = 2, b = -1, y = 1 }\n\
    nodes = [\"z = w * x + b\", \"p = sigmoid(z)\", \"J = -(y * log(p) + (1 - y) * log(1 - p)) + 0.1 * w ^ 2\"]\n";

/// Both nodes that the edge of a step joins are in the picture, even if the edge is deep in the graph.
#[test]
fn both_ends_of_a_steps_edge_are_in_the_picture() {
    for (ends, keys) in [(["z", "p"], ":grad.z<Enter>"), (["p", "J.1"], ":grad.p#1<Enter>"), (["p", "J.4"], ":grad.p#2<Enter>")] {
        for (width, height) in [(80, 24), (100, 30)] {
            let shown = export::text(&frame(&open(LOGISTIC, keys), &RenderOptions::default(), width, height));
            let picture = &shown[shown.find("─ picture").expect("the picture")..];
            let has = |node: &str| has_node(picture, node);
            assert!(ends.iter().all(|node| has(node)), "{keys} at {width}x{height}:\n{shown}");
        }
    }
}

/// The gradient of an input that no statement reads is an op without parts.
#[test]
fn an_input_that_nothing_reads_has_the_gradient_0() {
    for (nodes, inputs) in [("J = x * 2", "x = 3\ny = 4"), ("J = (x * 2).sum()", "x = [3, 4]\ny = [4, 2]")] {
        let note = "[[note]]\nat = \"grad.y\"\ntext = \"nothing reads y\"\n";
        let document = super::bounded::document(&format!("title = \"t\"\n{note}[graph]\nnodes = \"{nodes}\"\n[graph.inputs]\n{inputs}\n"));
        for step in 1..=document.trace.len() {
            let mut state = super::open_at(&document, step);
            for keys in ["M<Esc>", "inn<Esc>", ":grad.y<Enter>"] {
                super::press(&mut state, keys);
                super::frame(&state, &RenderOptions::default(), 120, 40);
            }
            let message = state.message.as_ref().map(|message| message.text.clone()).unwrap_or_default();
            assert!(message.contains("the output does not depend on it"), "{nodes}: {message}");
        }
    }
}
