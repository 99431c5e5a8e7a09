//! The picture: names of nodes, colours of weights, folded columns and the lines of a maximum's losers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gradstep::app::Document;
use gradstep::ui::theme::SHARED_COLOURS;
use gradstep::ui::view::View;
use gradstep::ui::{RenderOptions, export};

use super::still::neuron_labels;
use super::{SIZES, bundled_documents, frame, open, open_at, screen_document};

/// Returns all bundled scenarios and those of `tests/screen`.
fn documents() -> Vec<(String, Arc<Document>)> {
    let bundled = bundled_documents().iter().map(|(name, document)| (name.clone(), Arc::clone(document)));
    let others = ["lenet5", "resnet-block", "overlapping-max-pool", "stride-2-padding-1"];
    bundled.chain(others.map(|name| (name.to_owned(), screen_document(name)))).collect()
}

/// Returns the first, a middle and the last step of each op.
fn steps(document: &Document) -> Vec<u64> {
    let spans = document.trace.ops().map(|(_, _, span)| span);
    let mut steps: Vec<u64> = spans.flat_map(|span| [span.start, span.start + (span.end - span.start) / 2, span.end - 1]).collect();
    steps.dedup();
    steps
}

/// Returns the column at which the picture begins.
fn left_edge(text: &str) -> Option<usize> {
    text.lines().find_map(|line| line.find("─ picture ─").map(|at| line[..at].chars().count()))
}

/// Each node of the picture is another entry, so no two have one name.
#[test]
fn no_two_nodes_of_a_picture_have_one_name() {
    let mut nodes = 0;
    for (name, document) in documents() {
        for step in steps(&document) {
            for (width, height) in SIZES {
                let text = export::text(&frame(&open_at(&document, step), &RenderOptions::default(), width, height));
                let mut seen = BTreeSet::new();
                for label in neuron_labels(&text) {
                    nodes += 1;
                    let symbol = label.split(' ').next().unwrap_or_default().to_owned();
                    assert!(seen.insert(symbol.clone()), "{name} at step {step}: {symbol}\n{text}");
                }
            }
        }
    }
    assert!(nodes > 3000, "{nodes}");
}

#[test]
fn no_two_weights_have_one_colour() {
    let (mut all, mut some) = (0, 0);
    for (name, document) in documents() {
        for step in steps(&document) {
            let state = open_at(&document, step);
            let view = View::of(&state, RenderOptions::default()).expect("a step");
            for shown in view.tensors() {
                let shape = &view.network().tensor(shown.tensor).shape;
                if shape.len() != 4 || shown.is_result {
                    continue;
                }
                let count: usize = shape.iter().product();
                let mut weights = BTreeMap::new();
                for weight in 0..count.min(5000) {
                    if let Some(colour) = view.weight_colour(shown.tensor, weight, SHARED_COLOURS) {
                        assert!(colour < SHARED_COLOURS);
                        assert_eq!(weights.insert(colour, weight), None, "{name} at step {step}: weight {weight}");
                    }
                }
                if count <= SHARED_COLOURS {
                    assert_eq!(weights.len(), count);
                    all += 1;
                } else {
                    some += usize::from(!weights.is_empty());
                }
            }
        }
    }
    assert!(all > 10 && some > 10, "{all} {some}");
}

/// A column of a large op has few nodes, and counts the terms that are not shown.
#[test]
fn a_large_op_is_folded() {
    for (name, at) in [
        ("lenet5", "grad.conv2.weight[3,2,1,1]#5"),
        ("lenet5", "grad.conv2.weight[3,2,1,1]#50"),
        ("lenet5", "conv2.z[3,2,2]#40"),
        ("lenet5", "fc1.z[10]#60"),
        ("stride-2-padding-1", "grad.input[0,2,1]"),
    ] {
        let document = screen_document(name);
        let step = document.trace.resolve(&at.parse().expect(at)).expect(at);
        let state = open_at(&document, step);
        let view = View::of(&state, RenderOptions::default()).expect("a step");
        for size in [(120, 40), (200, 60)] {
            let text = export::text(&frame(&state, &RenderOptions::default(), size.0, size.1));
            let left = left_edge(&text).expect("the picture");
            let line = |line: &str| line.chars().skip(left).collect::<String>();
            let nodes: usize = text.lines().map(|row| line(row).matches('●').count()).sum();
            assert!((2..=2 * SHARED_COLOURS).contains(&nodes), "{name} {at} {size:?}: {nodes}\n{text}");
            let folded = text.lines().map(line).filter_map(|row| {
                let (_, rest) = row.split_once("… ")?;
                rest.split(' ').next()?.parse::<u64>().ok()
            });
            let (folded, terms): (u64, u64) = (folded.sum(), view.at.terms);
            let shown = terms - folded;
            assert!(shown <= SHARED_COLOURS as u64 && (folded > 0) == (terms > shown), "{name} {at} {size:?}: {folded} of {terms}\n{text}");
        }
    }
}

/// The line of a loser has gaps as soon as the maximum is known, and not before; the line of the winner has none.
#[test]
fn the_lines_of_losers_are_dashed() {
    let row = |keys: &str, node: &str| {
        let text = export::text(&frame(&open("figure-07", keys), &RenderOptions::default(), 120, 40));
        let line = text.lines().find(|line| line.contains(node) && line.contains('●')).unwrap_or_else(|| panic!("{node}\n{text}"));
        line.split('●').nth(1).expect("a line").to_owned()
    };
    // the beginning of a line, before others cross it
    let has_gaps = |line: &str| line.chars().take(6).any(char::is_whitespace);
    assert!(has_gaps(&row(":grad.input<Enter>", "∂C/∂a⁽⁰⁾₂₃ ")), "a loser");
    assert!(!has_gaps(&row(":grad.input<Enter>", "∂C/∂a⁽⁰⁾₃₂ ")), "a winner");
    assert!(!has_gaps(&row("g", "a⁽⁰⁾₂₃ ")), "not computed yet");
}

#[test]
fn the_gradient_of_a_bias_has_a_node() {
    for (name, at, node) in [("figure-17", "grad.fc1.bias[1]", "∂C/∂b₂ 0.4568 ●"), ("xor", "grad.fc2.bias[0]", "∂C/∂b₁ ")] {
        let text = export::text(&frame(&open(name, &format!(":{at}<Enter>")), &RenderOptions::default(), 120, 40));
        let left = left_edge(&text).expect("the picture");
        assert!(text.lines().any(|line| line.chars().skip(left).collect::<String>().contains(node)), "{text}");
    }
}

/// Lines that cross are whole: between the two ends of a line, each column of the screen has dots.
#[test]
fn a_line_is_not_broken_where_others_cross_it() {
    let text = export::text(&frame(&open("xor", ":fc1.z[1]<Enter>"), &RenderOptions::default(), 200, 60));
    let lines: Vec<&str> = text.lines().filter(|line| line.matches('●').count() == 2).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for line in lines {
        let between = line.split('●').nth(1).expect("between the neurons");
        assert!(!between.contains(' '), "{line}");
    }
}
