//! Draws a node of a graph with its name, numbers and heat maps.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::heat::HeatMap;
use super::layout::NodeForm;
use super::nodes::{GraphNode, shown_entry};
use super::{current_node, read_now};
use crate::network::Id;
use crate::text::width;
use crate::ui::picture::canvas::text_at;
use crate::ui::picture::target::{Spot, Spots};
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// Writes texts into the picture, each with the target of a click on it.
struct NodePen<'a> {
    area: Rect,
    buf: &'a mut Buffer,
    spots: &'a mut Spots,
}

impl NodePen<'_> {
    /// Writes a text at a cell of the picture. Returns the width of the text.
    fn write(&mut self, (x, y): (u16, u16), text: &str, style: Style, spot: Spot) -> u16 {
        text_at(self.buf, self.area, x, y, text, style);
        let wide = u16::try_from(width(text)).unwrap_or(0);
        let shown = wide.min(self.area.width.saturating_sub(x));
        self.spots.add(Rect { x: self.area.x + x, y: self.area.y + y, width: shown, height: 1 }, spot);
        wide
    }
}

/// Returns the number that the picture shows for a tensor, if it is known. It is the only number of the tensor, or that of the entry that this step computes or
/// reads.
fn number_text(view: &StepView<'_>, id: Id) -> Option<String> {
    shown_entry(view, id).and_then(|at| view.entry_text(id, at))
}

/// Returns the entry of a tensor that a click goes to.
fn entry_spot(view: &StepView<'_>, id: Id) -> Spot {
    Spot::entry(id, shown_entry(view, id).unwrap_or(0))
}

/// Draws a node and its numbers. The cell (x, y) is the left end of the node. The form decides whether the numbers are above and below the name, or beside it.
/// A click on a number goes to the step that computes it. A click on the name does the same for the value or, in the backward pass, for the derivative. The
/// marks around the name are those of the matrices: `[a]` is read by this step, `=b` is computed, and `(c)` is neither.
pub fn draw_node(
    view: &StepView<'_>,
    node: &GraphNode,
    (x, y): (u16, u16),
    form: NodeForm,
    area: Rect,
    buf: &mut Buffer,
    spots: &mut Spots,
) {
    let theme = &view.theme;
    let (role, [before, after]) = if node.id == current_node(view) {
        (StyleRole::Result, ["=", ""])
    } else if read_now(view).any(|id| id == node.id) {
        (StyleRole::Step, ["[", "]"])
    } else {
        (StyleRole::Plain, ["(", ")"])
    };
    let style = theme.style(role);
    let value = number_text(view, node.id).unwrap_or_default();
    let gradient = view.network().gradient_of(node.id);
    let derivative = gradient.filter(|_| view.is_backward()).and_then(|gradient| number_text(view, gradient)).unwrap_or_default();
    let (forward, backward, dim) = (theme.style(StyleRole::Forward), theme.style(StyleRole::Backward).bold(), theme.style(StyleRole::Dim));
    let spot_of_pass = entry_spot(view, gradient.filter(|_| view.is_backward()).unwrap_or(node.id));
    let derivative_spot = entry_spot(view, gradient.unwrap_or(node.id));
    let mut pen = NodePen { area, buf, spots };
    if form != NodeForm::Beside {
        let wide = pen.write((x, y), &format!("{before}{}{after}", node.name), style, spot_of_pass);
        if !node.note.is_empty() {
            pen.write((x + wide + 1, y), &node.note, dim, spot_of_pass);
        }
        if let Some(above) = y.checked_sub(1) {
            pen.write((x + 1, above), &value, forward, entry_spot(view, node.id));
        }
        if gradient.is_some() {
            pen.write((x + 1, y + 1), &derivative, backward, derivative_spot);
        }
        if form == NodeForm::Maps {
            draw_maps(view, node, gradient, (x + 1, y), &mut pen);
        }
        return;
    }
    // blanks around each text separate the numbers from the lines
    let mut next = x.saturating_sub(1);
    let mut write = |text: &str, style: Style, spot: Spot| next += pen.write((next, y), text, style, spot);
    // there is no closing bracket before a number beside the name: `[a=3`
    let is_marked = role != StyleRole::Plain;
    write(if is_marked { before } else { " " }, if is_marked { style } else { Style::new() }, spot_of_pass);
    write(&node.name, style, spot_of_pass);
    if !node.note.is_empty() {
        write(" ", Style::new(), spot_of_pass);
        write(&node.note, dim, spot_of_pass);
    }
    if !value.is_empty() {
        write("=", Style::new(), spot_of_pass);
        write(&value, forward, entry_spot(view, node.id));
    }
    if !derivative.is_empty() {
        write(" ", Style::new(), spot_of_pass);
        write(&derivative, backward, derivative_spot);
    }
    write(" ", Style::new(), spot_of_pass);
}

/// Draws the heat map of a node's value above its number. In the backward pass, also draws the heat map of its derivative below the number of the derivative.
fn draw_maps(view: &StepView<'_>, node: &GraphNode, gradient: Option<Id>, (x, y): (u16, u16), pen: &mut NodePen<'_>) {
    let Some(HeatMap { lines, .. }) = node.map else { return };
    let lines = u16::try_from(lines).unwrap_or(0);
    let [value_lines, derivative_lines] = node.has_number.map(u16::from);
    let above = y.checked_sub(lines + value_lines).map(|top| (node.id, top));
    let below = gradient.filter(|_| view.is_backward()).map(|gradient| (gradient, y + 1 + derivative_lines));
    for (id, top) in above.into_iter().chain(below) {
        for cell in HeatMap::cells(view, id) {
            let [right, down] = [cell.column, cell.line].map(|cells| u16::try_from(cells).unwrap_or(0));
            let mut text = [0; 4];
            pen.write((x + right, top + down), cell.text.encode_utf8(&mut text), cell.style, Spot::entry(id, cell.entry));
        }
    }
}
