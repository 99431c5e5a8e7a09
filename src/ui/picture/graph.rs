//! Draws a graph as in figure 14 of V. Petersen's series. A node has its value above its name and its derivative below, as soon as these numbers are known. If
//! space is short, both are beside the name. If a node is a tensor, it has its shape after its name, and the numbers of the entries that the step computes or
//! reads. A small tensor also has a heat map of all its numbers.

mod draw;
mod edges;
mod heat;
mod layout;
mod nodes;

use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::draw::draw_node;
use self::edges::HiddenItems;
use self::layout::{GraphLayout, NodeForm};
use self::nodes::{Details, GraphNode, GraphNodes, folded_tensor_that_reads, graph_nodes, shown_entry};
use super::canvas::{Canvas, Stroke, text_at};
use super::target::{Spot, Spots, TermSpot};
use crate::network::Id;
use crate::step::TensorEntry;
use crate::text::width;
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// A *turn* is one pass through the body of a loop. Above the picture, a line shows which nodes belong to turn 1, turn 2, …; this is the smallest height of a
/// picture with that line.
const MIN_HEIGHT_WITH_TURNS: u16 = 9;

/// Draws the picture.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer, spots: &mut Spots) {
    if area.height < 3 || area.width < 12 {
        return;
    }
    let turns = turn_line(view, area);
    let area = Rect { y: area.y + turns.height, height: area.height - turns.height, ..area };
    let Some((GraphNodes { nodes, are_all, .. }, plan)) = best_layout(view, area) else { return };
    draw_turns(view, &nodes, &plan, turns, buf);
    let mut canvas = Canvas::new(area);
    let mut marks = Vec::new();
    // for each node, the highest rank of its edges, and the style of the edge with this rank
    let mut strongest = vec![(0, view.theme.style(StyleRole::Dim)); nodes.len()];
    for (t, to) in nodes.iter().enumerate() {
        for (f, from) in to.reads.iter().map(|&f| (f, &nodes[f])) {
            let is_now = is_step_edge(view, from.id, to.id);
            // if the derivative by `from` is known, the backward pass has already passed this edge
            let is_done_backward = view.is_backward() && has_derivative(view, from.id);
            let (style, rank) = match (is_now, is_done_backward) {
                (true, _) => (view.theme.style(StyleRole::Result).not_underlined(), 3),
                (_, true) => (view.theme.style(StyleRole::Backward), 2),
                _ => (view.theme.style(StyleRole::Dim), 1),
            };
            let (lines, exit_marks) = plan.edge(&nodes, f, t);
            let spot = Some(edge_spot(view, from.id, to.id));
            for (start, end) in lines {
                canvas.line(start, end, Stroke { style, rank, is_thick: is_now, is_sparse: false, spot });
            }
            marks.extend(exit_marks.into_iter().map(|(cell, mark)| (rank, cell, mark.to_owned(), style)));
            for node in [f, t] {
                strongest[node] = if rank > strongest[node].0 { (rank, style) } else { strongest[node] };
            }
        }
    }
    for hidden in plan.hidden(i32::from(area.height) - 1) {
        let dim = (0, view.theme.style(StyleRole::Dim));
        let (rank, style) = hidden.nodes.iter().map(|node| strongest[*node]).max_by_key(|(rank, _)| *rank).unwrap_or(dim);
        marks.push((rank, hidden.cell, hidden_label(&hidden, are_all), style));
    }
    canvas.render(buf, spots);
    let on_screen = |(x, y): (i32, i32)| Some((u16::try_from(x).ok()?, u16::try_from(y).ok().filter(|y| *y < area.height)?));
    // marks of the highest rank are drawn last, so that they cover the others
    marks.sort_by_key(|(rank, ..)| *rank);
    for (_, cell, mark, style) in marks {
        if let Some((x, y)) = on_screen(cell) {
            text_at(buf, area, x, y, &mark, style);
        }
    }
    // the nodes; the `source` of an item is the index of the node
    for item in plan.items.iter().filter(|item| item.is_node && plan.rows.contains(&item.row())) {
        if let Some(cell) = on_screen((plan.columns.places[item.column].0, item.row())) {
            draw_node(view, &nodes[item.source], cell, plan.form, area, buf, spots);
        }
    }
}

/// Returns the nodes and their positions; `None` if the step's tensor is not a node.
///
/// The nodes at the ends of this step's edges should be visible. To make room for them, details are left out: the heat maps of other ops, else the shapes,
/// else both. The part of a statement that a node computes is written at the node only if this hides no column.
fn best_layout(view: &StepView<'_>, area: Rect) -> Option<(GraphNodes, GraphLayout)> {
    // returns the score of a layout with these details (a higher one is better), its nodes, and the layout
    let evaluate = |details: Details| {
        let graph = graph_nodes(view, details);
        let nodes = &graph.nodes;
        let current = nodes.iter().position(|node| node.id == current_node(view))?;
        // the nodes that should be visible: the current one, and those to which it is connected by this step's edges
        let is_linked = |node: &GraphNode| is_step_edge(view, node.id, nodes[current].id) || is_step_edge(view, nodes[current].id, node.id);
        let to_show: Vec<usize> = std::iter::once(current).chain((0..nodes.len()).filter(|n| is_linked(&nodes[*n]))).collect();
        let plan = GraphLayout::best(nodes, &to_show, (i32::from(area.width), i32::from(area.height)));
        let shown = to_show.iter().filter(|node| plan.columns.column_of(nodes[**node].depth).is_some()).count();
        let fits = plan.columns.places.iter().all(|(x, wide)| x + wide <= i32::from(area.width));
        let turns: BTreeSet<usize> = nodes
            .iter()
            .filter(|node| plan.columns.column_of(node.depth).is_some())
            .filter_map(|node| view.network().text().turn(node.id))
            .collect();
        // the number of nodes to show that are visible decides first, then whether the columns fit, then the number of visible turns, then the heat maps
        let score = (shown, fits, turns.len(), plan.form == NodeForm::Maps);
        Some((score, graph, plan))
    };
    let mut details = Details { expressions: false, shapes: true, all_maps: true };
    let (mut best_score, mut nodes, mut layout) = evaluate(details)?;
    if !nodes.has_tensors {
        return Some((nodes, layout));
    }
    for (shapes, all_maps) in [(true, false), (false, true), (false, false)] {
        let fewer = Details { expressions: false, shapes, all_maps };
        let next = evaluate(fewer)?;
        if next.0 > best_score {
            ((best_score, nodes, layout), details) = (next, fewer);
        }
    }
    let (score, nodes_with_expressions, layout_with_expressions) = evaluate(Details { expressions: true, ..details })?;
    let hides_no_column = layout_with_expressions.columns.places.len() == layout.columns.places.len();
    Some(if score == best_score && hides_no_column { (nodes_with_expressions, layout_with_expressions) } else { (nodes, layout) })
}

/// Returns the line above the picture for the numbers of turns. It is empty if there is no loop, or if the picture is low.
fn turn_line(view: &StepView<'_>, area: Rect) -> Rect {
    let has_line = view.network().text().has_turns() && area.height >= MIN_HEIGHT_WITH_TURNS;
    Rect { height: u16::from(has_line), ..area }
}

/// Writes the number of a turn above the columns with the nodes of this turn, and draws a line to the end of the last of these columns. So the statements of a
/// turn are visible as a group.
fn draw_turns(view: &StepView<'_>, nodes: &[GraphNode], plan: &GraphLayout, line: Rect, buf: &mut Buffer) {
    if line.is_empty() {
        return;
    }
    let turn_of = |column: usize| {
        let in_column = nodes.iter().filter(|node| !node.is_given && plan.columns.column_of(node.depth) == Some(column));
        let turns: BTreeSet<Option<usize>> = in_column.map(|node| view.network().text().turn(node.id)).collect();
        if turns.len() == 1 { turns.into_iter().next().flatten() } else { None }
    };
    let turns: Vec<Option<usize>> = (0..plan.columns.places.len()).map(turn_of).collect();
    let mut first = 0;
    for group in turns.chunk_by(|a, b| a == b) {
        let columns = &plan.columns.places[first..first + group.len()];
        first += group.len();
        let ([Some(turn), ..], [(x, _), ..], [.., (last, wide)]) = (group, columns, columns) else { continue };
        let (Ok(x), Ok(room)) = (u16::try_from(*x), usize::try_from(last + wide - x)) else { continue };
        let text = format!("turn {turn}");
        let dashes = room.saturating_sub(width(&text) + 1);
        let text = if columns.len() > 1 && dashes > 0 { format!("{text} {}", "┄".repeat(dashes)) } else { text };
        text_at(buf, line, x, 0, &text, view.theme.style(StyleRole::Dim));
    }
}

/// Returns the mark for hidden nodes, with their number: `↓ 3 more`, or `↓3` if there is little room. If only some nodes of the graph are laid out, there may
/// be more hidden ones: `↓ 3+ more`.
fn hidden_label(hidden: &HiddenItems, are_all: bool) -> String {
    let mark = hidden.mark;
    let plus = if are_all { "" } else { "+" };
    match hidden.nodes.len() {
        0 => format!("{mark} "),
        count => Some(format!("{mark} {count}{plus} more "))
            .filter(|text| width(text) <= hidden.room)
            .unwrap_or_else(|| format!("{mark}{count}{plus} ")),
    }
}

/// Returns the target of a click on an edge. In the forward pass, it is the term of `to` that reads `from`. In the backward pass, it is the term of the
/// derivative by `from` that reads the derivative by `to`. If this step does not read a tensor, the first entry of the tensor is used.
fn edge_spot(view: &StepView<'_>, from: Id, to: Id) -> Spot {
    let to = folded_tensor_that_reads(view, to, from);
    let entry = |tensor: Id| TensorEntry { tensor, at: shown_entry(view, tensor).unwrap_or(0) };
    let gradients = view.network().gradient_of(from).zip(view.network().gradient_of(to)).filter(|_| view.is_backward());
    let (of, reads) = gradients.unwrap_or((to, from));
    Spot::Term(TermSpot { of: entry(of), reads: entry(reads), with: None })
}

/// Returns whether the derivative of the output by a node is known.
fn has_derivative(view: &StepView<'_>, id: Id) -> bool {
    view.network().gradient_of(id).is_some_and(|gradient| view.number(gradient, 0).is_some())
}

/// Returns the node of the tensor that this step computes or differentiates.
fn current_node(view: &StepView<'_>) -> Id {
    view.shown_as(view.neuron(view.output))
}

/// Returns the nodes whose values or derivatives this step reads.
fn read_now<'a>(view: &'a StepView<'_>) -> impl Iterator<Item = Id> + 'a {
    view.step.factors.iter().filter_map(|factor| factor.source).map(|source| view.shown_as(view.neuron(source.tensor)))
}

/// Returns whether this step belongs to the edge from one node to another, forwards or backwards.
fn is_step_edge(view: &StepView<'_>, from: Id, to: Id) -> bool {
    let output = current_node(view);
    if view.is_backward() {
        // the first factor is the upstream derivative: the derivative by the node `to`
        return output == from && read_now(view).next() == Some(to);
    }
    output == to && read_now(view).any(|id| id == from)
}
