//! The screen is divided among the panes in the same way at all steps of an op, so that panes do not move.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use gradstep::app::{Action, Document, Setting, State, update};
use gradstep::ui::{self, ClickTarget};
use ratatui::layout::Rect;

use super::{RenderOptions, bundled_documents, export, frame, layers, open, open_at, screen_document, tensors};

/// The largest number of steps of an op that are drawn.
const STEPS: u64 = 4;

/// Returns the row, the column and the text of each pane's title.
fn titles(state: &State, (width, height): (u16, u16)) -> Vec<(usize, usize, &'static str)> {
    let text = export::text(&frame(state, &RenderOptions::default(), width, height));
    let mut titles = Vec::new();
    for (y, line) in text.lines().enumerate() {
        for title in ["─ matrices ─", "─ picture ─", "─ why ─", "─ ops ─"] {
            titles.extend(line.find(title).map(|at| (y, line[..at].chars().count(), title)));
        }
    }
    titles
}

/// Returns the row and the column of the title of the picture. Returns `None` if the picture is not on the screen.
fn picture_title(state: &State, size: (u16, u16)) -> Option<(usize, usize)> {
    titles(state, size).into_iter().find(|(_, _, title)| title.contains("picture")).map(|(row, column, _)| (row, column))
}

/// Opens a scenario at a step. In an area that panes share, shows the pane that comes `turns` places after the usual one.
fn open_with_pane(document: &Arc<Document>, step: u64, turns: i64) -> State {
    let mut state = open_at(document, step);
    update(&mut state, Action::CycleSetting(Setting::Pane, turns));
    state
}

/// Returns some steps of an op: the first, the last and some between.
fn some_steps(span: &Range<u64>, most: u64) -> impl Iterator<Item = u64> + use<> {
    let (start, count) = (span.start, span.end - span.start);
    let most = most.min(count);
    (0..most).map(move |n| start + n * (count - 1) / (most - 1).max(1))
}

/// Returns the bundled scenarios, and those with large or unusual layers.
fn documents() -> Vec<(String, Arc<Document>)> {
    let bundled = bundled_documents().iter().map(|(name, document)| (name.clone(), Arc::clone(document)));
    let screens = ["lenet5", "resnet-block", "overlapping-max-pool"].map(|name| (name.to_owned(), screen_document(name)));
    bundled.chain(screens).collect()
}

/// Returns two graphs of tensors.
fn graphs_of_tensors() -> impl Iterator<Item = (String, Arc<Document>)> {
    let tensors = [("batch-norm", tensors::BATCH_NORM), ("two-layer-net", tensors::TWO_LAYERS)];
    tensors.into_iter().map(|(name, text)| (name.to_owned(), layers::open(text, "").document().cloned().expect("open")))
}

#[test]
fn the_split_is_the_same_at_all_steps_of_an_op() {
    let mut moved = BTreeMap::new();
    for (name, document) in documents().into_iter().chain(graphs_of_tensors()) {
        for (_, _, span) in document.trace.ops() {
            for (size, turns) in [((80, 24), 0), ((80, 24), 1), ((100, 30), 0), ((120, 40), 0), ((200, 60), 0)] {
                let first = titles(&open_with_pane(&document, span.start, turns), size);
                for step in some_steps(&span, STEPS) {
                    if titles(&open_with_pane(&document, step, turns), size) != first {
                        moved.insert((name.clone(), size, turns), step);
                    }
                }
            }
        }
    }
    assert!(moved.is_empty(), "{moved:#?}");
}

/// Over all steps of a scenario, the picture moves to another column at most three times, because the matrices pane, on its left, has only a few possible
/// widths.
#[test]
fn the_split_seldom_changes_from_op_to_op() {
    let document = &bundled_documents()["figure-15"];
    let column = |step| picture_title(&open_at(document, step), (120, 40)).map(|(_, column)| column);
    let columns: Vec<_> = (1..=document.trace.len()).map(column).collect();
    let changes = columns.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(columns.len() >= 70 && changes <= 3, "{changes} changes in {} steps", columns.len());
}

/// The matrices pane, on the left of the picture, takes at most half of the 80 columns if all matrices fit into this half.
#[test]
fn small_matrices_leave_room_for_the_picture() {
    for keys in ["", ":grad.pool1.a<Enter>"] {
        let (_, column) = picture_title(&open("figure-07", keys), (80, 24)).expect("a picture");
        assert!(column <= 41, "{keys}: the picture begins in column {column}");
    }
}

/// Returns the number of rows of each tensor that are on the screen. If the tensor has several matrices, the matrix with the most rows on the screen counts.
fn rows_shown(state: &State, (width, height): (u16, u16)) -> BTreeMap<usize, usize> {
    let screen = Rect::new(0, 0, width, height);
    let (trace, at) = state.trace_and_position().expect("a step");
    let network = trace.network_of(at.run_index);
    let mut rows: BTreeMap<(usize, usize), BTreeSet<usize>> = BTreeMap::new();
    let buffer = frame(state, &RenderOptions::default(), width, height);
    // the matrices are below the titles of the panes, and left of the picture
    let (title_row, picture_column) = picture_title(state, (width, height)).expect("a picture");
    // only the first cell of each number is clicked, because a click costs as much as a frame
    let symbol = |x: u16, y: u16| buffer[(x, y)].symbol().chars().next().unwrap_or(' ');
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '−' | '∙');
    let is_start = &|x: u16, y: u16| x > 0 && is_number(symbol(x, y)) && matches!(symbol(x - 1, y), ' ' | '[' | '‹' | '=');
    let starts = screen.rows().skip(title_row + 1).flat_map(|row| {
        let y = row.y;
        (1..u16::try_from(picture_column).expect("small")).filter(move |x| is_start(*x, y)).map(move |x| (x, y)).collect::<Vec<_>>()
    });
    for place in starts.map(|(x, y)| Rect::new(x, y, 1, 1)) {
        if let Some(ClickTarget::Entry(tensor, entry)) = ui::click(state, &RenderOptions::default(), screen, place.x, place.y) {
            let shape = &network.tensor(tensor).shape;
            let [rows_of_matrix, columns] = match shape[..] {
                [.., rows, columns] => [rows, columns],
                [rows] => [rows, 1],
                [] => [1, 1],
            };
            let (matrix, row) = (entry / (rows_of_matrix * columns), entry / columns % rows_of_matrix);
            // a vector may be drawn as one row, so its rows are those of the screen
            let row = if shape.len() == 1 { usize::from(place.y) } else { row };
            rows.entry((tensor, matrix)).or_default().insert(row);
        }
    }
    let mut most_rows = BTreeMap::new();
    for ((tensor, _matrix), rows) in rows {
        let count: &mut usize = most_rows.entry(tensor).or_default();
        *count = rows.len().max(*count);
    }
    most_rows
}

/// The result shows as many rows as any operand, or all rows that it has.
#[test]
fn the_result_has_as_many_rows_as_the_operands() {
    let mut cut_results = BTreeMap::new();
    for (name, document) in documents() {
        for (run, output, span) in document.trace.ops() {
            let shape = &document.trace.network_of(run).tensor(output).shape;
            let [.., height, _] = shape[..] else { continue };
            for size in [(80, 24), (120, 40)] {
                let rows = rows_shown(&open_at(&document, span.start), size);
                let operand_rows = rows.iter().filter(|(tensor, _)| **tensor != output).map(|(_, rows)| *rows).max().unwrap_or(0);
                let result_rows = rows.get(&output).copied().unwrap_or(0);
                if result_rows < operand_rows.min(height) {
                    let result = document.trace.network_of(run).tensor(output).name.clone();
                    cut_results.insert((name.clone(), result, size), (result_rows, operand_rows));
                }
            }
        }
    }
    assert!(cut_results.is_empty(), "{cut_results:#?}");
}

/// Returns the texts beside the neurons of a frame.
pub fn neuron_labels(text: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let Some(from) = text.lines().find_map(|line| line.find("─ picture ─").map(|at| line[..at].chars().count())) else { return labels };
    let rows: Vec<Vec<char>> = text.lines().map(|line| line.chars().skip(from).collect()).collect();
    let dots = |cells: &[char]| -> Vec<usize> { cells.iter().enumerate().filter(|(_, c)| **c == '●').map(|(n, _)| n).collect() };
    let left_column = rows.iter().flat_map(|cells| dots(cells)).min().unwrap_or(0);
    for (y, cells) in rows.iter().enumerate() {
        for dot in dots(cells) {
            let before: String = cells[..dot].iter().collect();
            let after: String = cells[dot + 1..].iter().collect();
            let is_line = |c: char| ('\u{2800}'..='\u{28ff}').contains(&c) || c == '●';
            let label = |text: &str| text.trim().to_owned();
            // a neuron in the left column has its label to the left, a neuron in the right column to the right
            let is_left = dot == left_column && !before.trim().is_empty();
            let beside = if is_left { label(&before) } else { label(&after) };
            // a neuron at the left edge of the pane has its label above it, and so does a neuron with nothing beside it
            let has_no_room_at_left = dot == 0;
            let above: String = rows[y - 1].iter().collect();
            let mut words = above.split(|c: char| c.is_whitespace() || is_line(c)).filter(|word| !word.is_empty());
            // the number of the neuron in the right column is after its name
            let is_number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '−' | '∙'));
            let above = if has_no_room_at_left { words.next() } else { words.rfind(|word| !is_number(word)) };
            let is_above = has_no_room_at_left || beside.is_empty();
            labels.push(if is_above { above.unwrap_or_default().to_owned() } else { beside });
        }
    }
    labels
}

#[test]
fn every_neuron_shows_its_name() {
    let mut nameless = BTreeMap::new();
    let mut seen = 0;
    for (name, document) in documents() {
        for (_, _, span) in document.trace.ops() {
            for step in some_steps(&span, STEPS) {
                let text = export::text(&frame(&open_at(&document, step), &RenderOptions::default(), 80, 24));
                let labels = neuron_labels(&text);
                seen += labels.len();
                let is_named = |label: &String| label.starts_with(|c: char| c.is_alphabetic() || c == '∂') && !label.contains('…');
                nameless
                    .extend(labels.into_iter().filter(|label| !is_named(label)).map(|label| (name.clone(), (step, label, text.clone()))));
            }
        }
    }
    let first = nameless.values().next();
    assert!(nameless.is_empty(), "{} scenarios: {:?}\n{}", nameless.len(), nameless.keys(), first.map_or("", |(_, _, text)| text));
    assert!(seen > 1000, "{seen}");
}

#[test]
fn bars_show_their_values_on_a_small_screen() {
    // the four terms, one for each sample, and their sum
    let text = export::text(&frame(&open("xor", ":reduce:grad.fc2.weight[0,0]#4<Enter>"), &RenderOptions::default(), 80, 24));
    for value in ["0.01314", "−0.05510", "−0.06746", "0.1086", "−7.89e−4"] {
        let line = text.lines().find(|line| line.contains('│') && line.contains(value) && line.contains('━'));
        assert!(line.is_some(), "{value}\n{text}");
    }
}

/// A scenario with notes opens with a hint that names the key of the notes. The hint never covers the last line, which has the keys.
#[test]
fn the_keys_stay_on_the_last_line_when_a_scenario_is_opened() {
    for (name, document) in documents() {
        for size in [(60, 16), (80, 24), (120, 40)] {
            for (_, _, span) in document.trace.ops() {
                let text = export::text(&frame(&open_at(&document, span.start), &RenderOptions::default(), size.0, size.1));
                assert!(text.lines().last().is_some_and(|line| line.contains("l → forward")), "{name} {size:?}\n{text}");
            }
        }
    }
}
