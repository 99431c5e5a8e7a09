//! The picture of the network: its nodes have different names, its weights have different colours, hidden neurons are counted, and the lines of this step stand
//! out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gradstep::app::Document;
use gradstep::ui::theme::{SHARED_COLOURS, StyleRole};
use gradstep::ui::view::StepView;
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

/// Two nodes of the picture are two entries, so they have different names.
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
    let (mut fully_coloured, mut partly_coloured) = (0, 0);
    for (name, document) in documents() {
        for step in steps(&document) {
            let state = open_at(&document, step);
            let view = StepView::of(&state, RenderOptions::default()).expect("a step");
            for shown in view.tensors() {
                let shape = &view.network().tensor(shown.tensor).shape;
                // only filters are tested: they have 4 axes
                if shape.len() != 4 || shown.is_result {
                    continue;
                }
                let count: usize = shape.iter().product();
                let mut weight_of_colour = BTreeMap::new();
                for weight in 0..count.min(5000) {
                    if let Some(colour) = view.weight_colour(shown.tensor, weight, SHARED_COLOURS) {
                        assert!(colour < SHARED_COLOURS);
                        assert_eq!(weight_of_colour.insert(colour, weight), None, "{name} at step {step}: weight {weight}");
                    }
                }
                if count <= SHARED_COLOURS {
                    assert_eq!(weight_of_colour.len(), count);
                    fully_coloured += 1;
                } else {
                    partly_coloured += usize::from(!weight_of_colour.is_empty());
                }
            }
        }
    }
    assert!(fully_coloured > 10 && partly_coloured > 10, "{fully_coloured} {partly_coloured}");
}

/// A column of a large op has few nodes, and counts the terms that are not shown.
#[test]
fn a_large_op_is_folded() {
    for (name, address) in [
        ("lenet5", "grad.conv2.weight[3,2,1,1]#5"),
        ("lenet5", "grad.conv2.weight[3,2,1,1]#50"),
        ("lenet5", "conv2.z[3,2,2]#40"),
        ("lenet5", "fc1.z[10]#60"),
        ("stride-2-padding-1", "grad.input[0,2,1]"),
    ] {
        let document = screen_document(name);
        let step = document.trace.resolve(&address.parse().expect(address)).expect(address);
        let state = open_at(&document, step);
        let view = StepView::of(&state, RenderOptions::default()).expect("a step");
        for size in [(120, 40), (200, 60)] {
            let text = export::text(&frame(&state, &RenderOptions::default(), size.0, size.1));
            let left = left_edge(&text).expect("the picture");
            let in_picture = |line: &str| line.chars().skip(left).collect::<String>();
            let nodes: usize = text.lines().map(|line| in_picture(line).matches('●').count()).sum();
            assert!((2..=2 * SHARED_COLOURS).contains(&nodes), "{name} {address} {size:?}: {nodes}\n{text}");
            let folded = text.lines().map(in_picture).filter_map(|row| {
                let (_, rest) = row.split_once("… ")?;
                rest.split(' ').next()?.parse::<u64>().ok()
            });
            let (folded, terms): (u64, u64) = (folded.sum(), view.at.terms);
            // one more for a bias below the column
            assert!(terms - folded <= SHARED_COLOURS as u64 + 1, "{name} {address} {size:?}: {folded} of {terms}\n{text}");
        }
    }
}

/// Returns whether a cell has a part of a line.
fn is_line(symbol: &str) -> bool {
    symbol.chars().all(|c| ('\u{2801}'..='\u{28ff}').contains(&c))
}

/// Returns the picture at an entry, without what is on its left.
fn picture(name: &str, address: &str, (width, height): (u16, u16)) -> String {
    let text = export::text(&frame(&open(name, &format!(":{address}<Enter>")), &RenderOptions::default(), width, height));
    let left = left_edge(&text).expect("the picture");
    text.lines().skip_while(|line| !line.contains("─ picture ─")).map(|line| line.chars().skip(left).collect::<String>() + "\n").collect()
}

/// In the forward pass, the entries that a maximum does not select have a thin line from end to end. In the backward pass, only the selected entry has a line.
/// Before the maximum is known, all lines look the same.
#[test]
fn the_line_of_an_unselected_entry_of_a_maximum_is_complete_or_absent() {
    let line_from = |address: &str, node: &str| {
        let picture = picture("figure-07", address, (120, 40));
        let line = picture.lines().find(|line| line.contains(node)).unwrap_or_else(|| panic!("{node}\n{picture}"));
        line.split('●').nth(1).expect("a line").chars().take(6).collect::<String>()
    };
    let is_complete = |line: &str| line.chars().all(|c| is_line(&c.to_string()));
    for address in ["1", "pool1.a[0,1,1]"] {
        assert!(is_complete(&line_from(address, "a⁽⁰⁾₂₃ ")) && is_complete(&line_from(address, "a⁽⁰⁾₃₂ ")), "{address}");
    }
    assert!(line_from("grad.input", "∂C/∂a⁽⁰⁾₂₃ ").trim().is_empty(), "a loser");
    assert!(is_complete(&line_from("grad.input", "∂C/∂a⁽⁰⁾₃₂ ")), "a winner");
    // the line of a winner is two dots high
    assert_ne!(line_from("pool1.a[0,1,1]", "a⁽⁰⁾₁₃ "), line_from("1", "a⁽⁰⁾₁₃ "));
}

/// The line of this step has the accent colour from end to end, and no other line has this colour: lines of this colour begin only at the nodes of this step.
#[test]
fn the_line_of_this_step_has_the_accent_colour_alone() {
    let options = RenderOptions::default();
    let accent = options.theme.style(StyleRole::Result).fg.expect("a colour");
    for (name, address, lines) in [
        ("figure-18", "conv1.z[0,1,0]#3", 1),
        ("figure-19", "grad.conv1.weight[0,0,1,0]#2", 1),
        ("figure-07", "grad.input", 1),
        ("xor", "fc2.z[0]#3", 1),
        ("figure-15", "fc2.a[1]", 2),
    ] {
        for (width, height) in SIZES {
            let buf = frame(&open(name, &format!(":{address}<Enter>")), &options, width, height);
            let is_accent = |x: u16, y: u16| is_line(buf[(x, y)].symbol()) && buf[(x, y)].fg == accent;
            let cells_in_columns: Vec<usize> =
                (0..width).map(|x| (0..height).filter(|y| is_accent(x, *y)).count()).filter(|n| *n > 0).collect();
            // a thick line has at most two cells in a column, or four where it is steep
            assert!(
                cells_in_columns.len() >= 3 && cells_in_columns.iter().all(|n| *n <= 4 * lines),
                "{name} {address} {width}: {cells_in_columns:?}"
            );
            let ends = (0..height).filter(|y| (0..width - 1).any(|x| buf[(x, *y)].symbol() == "●" && is_accent(x + 1, *y))).count();
            assert_eq!(ends, lines, "{name} {address} {width}x{height}");
        }
    }
}

/// Every entry that the step reads is a node, also a bias or a target. The loss is no node if the step does not read it.
#[test]
fn a_bias_and_a_target_are_nodes() {
    for (name, address, nodes) in
        [("xor", "30/1:fc2.z[0]#3", "b₁ −1.7603 ●"), ("xor", "2:loss", "t₁ 1 ●"), ("figure-07", "grad.pool1.a[0,1,0]", "● t₂₁ 3")]
    {
        for size in SIZES {
            let picture = picture(name, address, size);
            assert!(picture.contains(nodes), "{nodes}:\n{picture}");
            assert!(name == "xor" || !picture.contains("● C"), "{picture}");
        }
    }
}

#[test]
fn active_nodes_keep_their_values_where_room_is_short() {
    for (name, address, values) in [
        ("figure-17", "grad.input[1]#2", ["0.0914", "0.4568"]),
        ("figure-01", "pool2.a[5,2,2]", ["a⁽³⁾₆,₆,₅", "0.0417"]),
        ("figure-02", "grad.input[0,2,2]", ["∂C/∂a₃₃ 1", "δ₁₃₃ 1"]),
    ] {
        let picture = picture(name, address, (80, 24));
        assert!(values.iter().all(|value| picture.contains(value)), "{picture}");
    }
    assert_eq!(picture("figure-01", "pool2.a[5,2,2]", (80, 24)).matches("0.0417").count(), 2);
}

#[test]
fn every_pair_of_an_activation_has_a_line() {
    let picture = picture("figure-02", "conv1.a[2,1,1]", (120, 40));
    let pairs: Vec<&str> = picture.lines().filter(|line| line.matches('●').count() == 2).collect();
    assert_eq!(pairs.len(), 9, "{picture}");
    for pair in pairs {
        assert!(pair.split('●').nth(1).is_some_and(|line| line.chars().all(|c| is_line(&c.to_string()))), "{pair}");
    }
}

#[test]
fn the_number_of_hidden_terms_is_followed_by_more_terms() {
    for (name, address) in [("figure-02", "grad.input[0,2,2]"), ("figure-01", "1"), ("figure-01", "conv2.z[3,2,2]#40")] {
        let picture = picture(name, address, (80, 24));
        let counts: Vec<&str> = picture.lines().filter(|line| line.contains('…') && !line.contains('●')).collect();
        assert!(!counts.is_empty() && counts.iter().all(|line| line.contains(" more terms")), "{picture}");
    }
}

/// The nodes of a graph have the marks of the matrices.
#[test]
fn only_the_factors_of_a_step_are_in_square_brackets() {
    let picture = picture("figure-14", "u", (120, 40));
    assert!(["[a]", "[b]", "=u", "(c)", "(v)", "(J)"].iter().all(|node| picture.contains(node)), "{picture}");
}

/// A few bars are in the middle of a high picture.
#[test]
fn bars_are_spread_over_the_picture() {
    let picture = picture("xor", "update:fc1.weight[0,1]", (200, 60));
    let rows = picture.lines().skip(1).position(|line| line.starts_with('─')).expect("the next pane");
    let bars: Vec<usize> = picture.lines().skip(1).take(rows).enumerate().filter(|(_, line)| line.contains('│')).map(|(n, _)| n).collect();
    assert!(bars.len() == 3 && bars[0].abs_diff(rows - 1 - bars[2]) <= 2 && bars[1] - bars[0] > 1, "{bars:?} of {rows}\n{picture}");
}

#[test]
fn the_gradient_of_a_bias_has_a_node() {
    for (name, address, node) in [("figure-17", "grad.fc1.bias[1]", "∂C/∂b₂ 0.4568 ●"), ("xor", "grad.fc2.bias[0]", "∂C/∂b₁ ")]
    {
        let text = export::text(&frame(&open(name, &format!(":{address}<Enter>")), &RenderOptions::default(), 120, 40));
        let left = left_edge(&text).expect("the picture");
        assert!(text.lines().any(|line| line.chars().skip(left).collect::<String>().contains(node)), "{text}");
    }
}

/// Lines that cross other lines are complete: between the two ends of a line, each column of the screen has dots.
#[test]
fn a_line_is_not_broken_where_others_cross_it() {
    let picture = picture("figure-18", "conv1.z[0,1,0]#3", (120, 40));
    let line = picture.lines().find(|line| line.contains("a₁₁ ")).expect("the first neuron");
    let between = line.split('●').nth(1).expect("between the neurons");
    assert!(between.chars().all(|c| is_line(&c.to_string())), "{picture}");
}

/// Every line of the picture has the colour of its weight up to its ends, also where lines of several colours meet.
#[test]
fn no_line_ends_before_its_node_or_in_a_mixed_colour() {
    let options = RenderOptions::default();
    let dim = options.theme.style(StyleRole::Dim).fg;
    for size in SIZES {
        let buf = frame(&open("figure-18", ":conv1.z[0,1,1]<Enter>"), &options, size.0, size.1);
        let cells = |is_wanted: fn(&str) -> bool| {
            // the timeline is above the picture
            let all = (0..size.0).flat_map(|x| (3..size.1).map(move |y| (x, y)));
            all.filter(|at| is_wanted(buf[*at].symbol())).collect::<Vec<(u16, u16)>>()
        };
        let lines = cells(is_line);
        assert!(lines.len() > 20 && lines.iter().all(|at| Some(buf[*at].fg) != dim), "{size:?}");
        for (x, y) in cells(|symbol| symbol == "●") {
            assert!(is_line(buf[(x + 1, y)].symbol()) || is_line(buf[(x - 1, y)].symbol()), "{size:?}: the node at {x},{y}");
        }
    }
}

/// Returns the words of each line of the inset below its title, without blank lines.
fn inset_rows(text: &str, title: &str) -> Vec<Vec<String>> {
    let title_row = text.lines().position(|line| line.contains(title)).unwrap_or_else(|| panic!("{title}\n{text}"));
    let lines: Vec<&str> = text.lines().collect();
    let left = lines[title_row].split(title).next().unwrap_or_default().chars().count();
    let words = |line: &&str| line.chars().skip(left).collect::<String>().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    lines[title_row + 1..].iter().take_while(|line| !line.contains("─ why ─")).map(words).filter(|words| !words.is_empty()).collect()
}

/// In the backward pass, the filter is turned by 180° and lies on the errors with their padding. A stride spreads the errors: no neuron is between them.
#[test]
fn a_turned_filter_lies_on_the_errors_with_their_numbers() {
    // δ = 1 −2; 3 0.5, and each error is below its weight
    let text = export::text(&frame(&open("figure-20", ":grad.input[0,1,1]<Enter>"), &RenderOptions::default(), 120, 40));
    let rows = inset_rows(&text, "W⁽¹⁾, turned by 180°, on δ⁽¹⁾");
    let expected = ["░ ░ ░ ░", "w₂₂ w₂₁", "░ 1 −2 ░", "w₁₂ [w₁₁]", "░ 3 0.5 ░", "░ ░ ░ ░"];
    assert_eq!(rows.iter().map(|row| row.join(" ")).collect::<Vec<_>>(), expected, "{text}");

    let document = screen_document("stride-2-padding-1");
    let step = document.trace.resolve(&"grad.input[0,2,1]".parse().expect("an address")).expect("a step");
    let text = export::text(&frame(&open_at(&document, step), &RenderOptions::default(), 200, 60));
    let rows = inset_rows(&text, "W⁽¹⁾, turned by 180°, on spread(δ⁽¹⁾)");
    let expected = [
        "░ ░ ░ ░ ░ ░ ░",
        "░ 0 ░ 0 ░ 0 ░",
        "w₁₃₃ w₁₃₂ w₁₃₁",
        "░ ░ ░ ░ ░ ░ ░",
        "w₁₂₃ w₁₂₂ [w₁₂₁]",
        "░ 0 ░ 0 ░ 0 ░",
        "w₁₁₃ w₁₁₂ w₁₁₁",
        "░ ░ ░ ░ ░ ░ ░",
        "░ 0 ░ 0 ░ 0 ░",
        "░ ░ ░ ░ ░ ░ ░",
    ];
    assert_eq!(rows.iter().map(|row| row.join(" ")).collect::<Vec<_>>(), expected, "{text}");
}
