//! Draws a scalar graph as in figure 14 of the series. Each node has its value above and its derivative below, once they are known. If space is short, both numbers are
//! beside the node.

mod edges;
mod layout;
mod nodes;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use self::edges::HiddenItems;
use self::layout::Plan;
use self::nodes::{GraphNode, nodes};
use super::canvas::{Canvas, Stroke, text_at};
use super::target::{Spot, Spots, Term};
use crate::network::Id;
use crate::step::TensorEntry;
use crate::text::width;
use crate::ui::theme::StyleRole;
use crate::ui::view::View;

/// Draws the picture.
pub fn render(view: &View<'_>, area: Rect, buf: &mut Buffer, spots: &mut Spots) {
    if area.height < 3 || area.width < 12 {
        return;
    }
    let nodes = nodes(view);
    // a node has at most two tensors, its value and its derivative. So with half as many nodes as the network has tensors, no node is missing
    let has_all_nodes = nodes.len() * 2 >= view.network().tensors().len();
    let Some(current) = nodes.iter().position(|node| node.id == view.neuron(view.output)) else { return };
    // the nodes that should be in view: the current node, then the nodes at the other ends of this step's edges
    let is_linked = |node: &GraphNode| is_step_edge(view, node.id, nodes[current].id) || is_step_edge(view, nodes[current].id, node.id);
    let to_show: Vec<usize> = std::iter::once(current).chain((0..nodes.len()).filter(|n| is_linked(&nodes[*n]))).collect();
    let plan = Plan::best(&nodes, &to_show, (i32::from(area.width), i32::from(area.height)));
    let mut canvas = Canvas::new(area);
    let mut marks = Vec::new();
    // for each node, the highest rank of its edges, and the style of such an edge
    let mut strongest = vec![(0, view.theme.style(StyleRole::Dim)); nodes.len()];
    for (t, to) in nodes.iter().enumerate() {
        for (f, from) in to.reads.iter().map(|&f| (f, &nodes[f])) {
            let is_now = is_step_edge(view, from.id, to.id);
            // the backward pass has followed the edge back, because it has computed the derivative by `from`
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
        marks.push((rank, hidden.cell, hidden_label(&hidden, has_all_nodes), style));
    }
    canvas.render(buf, spots);
    let on_screen = |(x, y): (i32, i32)| Some((u16::try_from(x).ok()?, u16::try_from(y).ok().filter(|y| *y < area.height)?));
    // the marks of the highest rank are drawn last, on top of the others
    marks.sort_by_key(|(rank, ..)| *rank);
    for (_, cell, mark, style) in marks {
        if let Some((x, y)) = on_screen(cell) {
            text_at(buf, area, x, y, &mark, style);
        }
    }
    // an item of the plan is a node, or a line that passes through a column. The `source` of a node's item is the node's index
    for item in plan.items.iter().filter(|item| item.is_node && plan.rows.contains(&item.row())) {
        if let Some(cell) = on_screen((plan.columns.places[item.column].0, item.row())) {
            draw_node(view, &nodes[item.source], cell, plan.is_roomy, area, buf, spots);
        }
    }
}

/// Returns the mark of hidden nodes with their count: `↓ 3 more`, or `↓3` if the longer text is too wide. If only some nodes of the graph are laid out, the count is a
/// lower bound: `↓ 3+ more`.
fn hidden_label(hidden: &HiddenItems, has_all_nodes: bool) -> String {
    let mark = hidden.mark;
    let plus = if has_all_nodes { "" } else { "+" };
    match hidden.nodes.len() {
        0 => format!("{mark} "),
        count => Some(format!("{mark} {count}{plus} more "))
            .filter(|text| width(text) <= hidden.room)
            .unwrap_or_else(|| format!("{mark}{count}{plus} ")),
    }
}

/// Returns the target of a click on an edge. In the forward pass it is the term of `to` that reads `from`. In the backward pass it is the term of the
/// derivative by `from` that reads the derivative by `to`.
fn edge_spot(view: &View<'_>, from: Id, to: Id) -> Spot {
    let scalar = |tensor: Id| TensorEntry { tensor, at: 0 };
    let gradients = view.network().gradient_of(from).zip(view.network().gradient_of(to)).filter(|_| view.is_backward());
    let (of, reads) = gradients.unwrap_or((to, from));
    Spot::Term(Term { of: scalar(of), reads: scalar(reads), with: None })
}

/// Returns the number of a scalar tensor, if it is known.
fn number_text(view: &View<'_>, id: Id) -> Option<String> {
    view.entry_text(id, 0)
}

/// Returns whether the derivative of the output by a node is known.
fn has_derivative(view: &View<'_>, id: Id) -> bool {
    view.network().gradient_of(id).is_some_and(|gradient| view.number(gradient, 0).is_some())
}

/// Returns the derivative of the output by a node, if it is known.
fn derivative_text(view: &View<'_>, id: Id) -> Option<String> {
    view.network().gradient_of(id).and_then(|gradient| number_text(view, gradient))
}

/// Returns the nodes whose values or derivatives this step reads.
fn read_now<'a>(view: &'a View<'_>) -> impl Iterator<Item = Id> + 'a {
    view.step.factors.iter().filter_map(|factor| factor.source).map(|source| view.neuron(source.tensor))
}

/// Returns whether this step follows the edge from one node to another, forwards or backwards.
fn is_step_edge(view: &View<'_>, from: Id, to: Id) -> bool {
    let output = view.neuron(view.output);
    if view.is_backward() {
        // the first factor is the upstream derivative: the derivative by the node `to`
        return output == from && read_now(view).next() == Some(to);
    }
    output == to && read_now(view).any(|id| id == from)
}

/// Draws a node and its numbers. The cell (x, y) is the left end of the node. In a roomy picture the numbers are above and below the node, else beside it. A
/// click on a number goes to the step that computes it. A click on the name does the same for the value, or for the derivative in the backward pass. The marks
/// around the name are those of the matrices: `[a]` is read by this step, `=b` is computed; `(c)` is neither.
fn draw_node(view: &View<'_>, node: &GraphNode, (x, y): (u16, u16), is_roomy: bool, area: Rect, buf: &mut Buffer, spots: &mut Spots) {
    let theme = &view.theme;
    let (role, [before, after]) = if node.id == view.neuron(view.output) {
        (StyleRole::Result, ["=", ""])
    } else if read_now(view).any(|id| id == node.id) {
        (StyleRole::Step, ["[", "]"])
    } else {
        (StyleRole::Plain, ["(", ")"])
    };
    let style = theme.style(role);
    let value = number_text(view, node.id).unwrap_or_default();
    let derivative = if view.is_backward() { derivative_text(view, node.id).unwrap_or_default() } else { String::new() };
    let (forward, backward) = (theme.style(StyleRole::Forward), theme.style(StyleRole::Backward).bold());
    let gradient = view.network().gradient_of(node.id);
    let spot_of_pass = Spot::entry(gradient.filter(|_| view.is_backward()).unwrap_or(node.id), 0);
    let mut add_spot = |x: u16, y: u16, text: &str, spot: Spot| {
        let wide = u16::try_from(width(text)).unwrap_or(0).min(area.width.saturating_sub(x));
        spots.add(Rect { x: area.x + x, y: area.y + y, width: wide, height: 1 }, spot);
    };
    if is_roomy {
        let name = format!("{before}{}{after}", node.name);
        text_at(buf, area, x, y, &name, style);
        add_spot(x, y, &name, spot_of_pass);
        if let Some(above) = y.checked_sub(1) {
            text_at(buf, area, x + 1, above, &value, forward);
            add_spot(x + 1, above, &value, Spot::entry(node.id, 0));
        }
        text_at(buf, area, x + 1, y + 1, &derivative, backward);
        if let Some(gradient) = gradient {
            add_spot(x + 1, y + 1, &derivative, Spot::entry(gradient, 0));
        }
        return;
    }
    // blanks around each text separate numbers from lines
    let mut next = x.saturating_sub(1);
    let mut write = |text: &str, style: Style, spot: Spot| {
        text_at(buf, area, next, y, text, style);
        add_spot(next, y, text, spot);
        next += u16::try_from(width(text)).unwrap_or(0);
    };
    // `[a=3` has no closing bracket, because the number is beside the name
    let is_marked = role != StyleRole::Plain;
    write(if is_marked { before } else { " " }, if is_marked { style } else { Style::new() }, spot_of_pass);
    write(&node.name, style, spot_of_pass);
    if !value.is_empty() {
        write("=", Style::new(), spot_of_pass);
        write(&value, forward, Spot::entry(node.id, 0));
    }
    if !derivative.is_empty() {
        write(" ", Style::new(), spot_of_pass);
        write(&derivative, backward, Spot::entry(gradient.unwrap_or(node.id), 0));
    }
    write(" ", Style::new(), spot_of_pass);
}
