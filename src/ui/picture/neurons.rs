//! Draws two columns of neurons and the edges between them: on the right the neurons that an op computes, on the left those that it reads. An edge is a term of the forward
//! op, such as a₁·w₁. In a convolution, many edges share a weight; such edges have the colour of their weight. The edges to the losers of a maximum are dashed.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::bars;
use super::canvas::{Canvas, Stroke, text_at};
use super::columns::{NeuronColumns, NeuronEdge, ShownNeurons, is_shared};
use super::target::{Spot, Spots};
use crate::glyph;
use crate::network::Id;
use crate::tensor::len;
use crate::text::{cut, width};
use crate::ui::theme::{SHARED_COLOURS, StyleRole};
use crate::ui::view::View;

/// The smallest number of cells of an edge that stay visible beside the name of its weight.
const VISIBLE_EDGE: usize = 6;

/// A column: the tensor whose numbers it shows, and its neurons.
struct Column {
    shown: Id,
    neurons: Vec<Neuron>,
    /// The neuron that this step reads or computes, and the one that is being computed.
    now: Option<usize>,
    entry: Option<usize>,
}

/// A neuron of a column.
struct Neuron {
    /// The row-major index in the tensor.
    at: usize,
    /// The row in the area.
    row: u16,
    symbol: String,
}

/// Draws the picture.
pub fn render(view: &View<'_>, area: Rect, buf: &mut Buffer, spots: &mut Spots) {
    let Some(columns) = NeuronColumns::of(view) else { return bars::render(view, area, buf, spots) };
    if area.height < 2 || area.width < 16 {
        return;
    }
    let count = |id: Id| len(&view.network().tensor(id).shape);
    let is_stacked = !has_room_beside(view, &columns, usize::from(area.width));
    // a label above its neuron takes a row
    let row_height = if is_stacked { 2 } else { 1 };
    let shown = columns.shown(view, usize::from(area.height / row_height));
    // below the neurons are their counts; above and below them are the counts of the terms that are not shown
    let has_all = shown.left.len() == count(columns.left) && shown.right.len() == count(columns.right);
    let inner = if has_all { area.height } else { area.height - 1 };
    let is_folded = shown.folded.is_some() && inner >= 5;
    let rows = if is_folded { 1..inner - 1 } else { 0..inner };
    let [left, right] = both_columns(view, &columns, &shown, &rows, row_height);
    let all = usize::from(area.width) + if is_stacked { UNLABELLED[0] - 1 } else { 0 };
    let rooms = label_rooms(view, [&left, &right], all);
    let labels = [labels(view, &left, rooms[0]), labels(view, &right, rooms[1])];
    let widest = |n: usize| u16::try_from(labels[n].iter().map(|label| width(label)).max().unwrap_or(0).min(rooms[n])).unwrap_or(0);
    // the cells of the neurons, left and right
    let (from, to) = if is_stacked { (0, area.width - 1) } else { (widest(0) + 2, area.width.saturating_sub(widest(1) + 3)) };
    draw_edges(view, &columns, &shown, [(&left, from), (&right, to)], area, buf, spots);
    for (column, labels, x) in [(&left, &labels[0], from), (&right, &labels[1], to)] {
        let is_left = x == from;
        let room = if is_stacked {
            area.width
        } else if is_left {
            from - 1
        } else {
            area.width.saturating_sub(to + 2)
        };
        for (neuron, label) in column.neurons.iter().zip(labels) {
            let (style, text) = (column.style(view, neuron), cut(label, usize::from(room)));
            let row = if is_stacked { neuron.row - 1 } else { neuron.row };
            let start = match (is_left, is_stacked) {
                (true, true) => 0,
                (true, false) => (from - 1).saturating_sub(u16::try_from(width(&text)).unwrap_or(0)),
                (false, true) => area.width.saturating_sub(u16::try_from(width(&text)).unwrap_or(0)),
                (false, false) => to + 2,
            };
            text_at(buf, area, start, row, &text, style);
            text_at(buf, area, x, neuron.row, "●", style);
            let spot = Spot::entry(column.shown, neuron.at);
            spots.add(Rect { x: area.x + x, y: area.y + neuron.row, width: 1, height: 1 }, spot);
            let wide = u16::try_from(width(&text)).unwrap_or(0);
            spots.add(Rect { x: area.x + start, y: area.y + row, width: wide, height: 1 }, spot);
        }
    }
    draw_count(view, area, (0, left.neurons.len(), count(columns.left)), buf);
    draw_count(view, area, (to, right.neurons.len(), count(columns.right)), buf);
    if let Some(folded) = shown.folded.filter(|_| is_folded) {
        for (terms, row) in folded.into_iter().zip([0, inner - 1]).filter(|(terms, _)| *terms > 0) {
            let texts = [format!("… {terms} more terms"), format!("… {terms} more"), format!("… {terms}")];
            let fitting = texts.iter().find(|text| width(text) + 2 < usize::from(to - from));
            draw_between(view, area, (from, to, row), fitting.unwrap_or(&texts[2]), StyleRole::Dim, buf);
        }
    }
}

/// Returns both columns with the rows of their neurons.
fn both_columns(view: &View<'_>, columns: &NeuronColumns, shown: &ShownNeurons, rows: &Range<u16>, row_height: u16) -> [Column; 2] {
    let tensors = [columns.left, columns.right].map(|id| shown_tensor(view, id));
    let column = |n: usize, chosen: &[usize], now: Option<usize>, entry: Option<usize>| {
        let (id, other) = (tensors[n], tensors[1 - n]);
        // the distances between neighbours are equal, and the column is in the middle; a neuron is in the last of its rows
        let (all, height) = (rows.len(), usize::from(row_height));
        let distance = (all / chosen.len().max(1)).max(height);
        let above = all.saturating_sub(chosen.len().saturating_sub(1) * distance + height) / 2 + height - 1;
        let row = |i: usize| rows.start + u16::try_from(above + i * distance).unwrap_or(0);
        let neuron = |(i, &at): (usize, &usize)| Neuron { at, row: row(i), symbol: symbol(view, id, other, at) };
        Column { shown: id, neurons: chosen.iter().enumerate().map(neuron).collect(), now, entry }
    };
    [column(0, &shown.left, columns.now.left, columns.entry.left), column(1, &shown.right, columns.now.right, columns.entry.right)]
}

/// Returns the symbol of a neuron: with its layer, if the other column or a tensor of the op has the same letter.
fn symbol(view: &View<'_>, id: Id, other: Id, at: usize) -> String {
    if view.same_letter(id, other) { view.entry_symbol_with_layer(id, at) } else { view.disambiguated(id, at) }
}

/// Returns whether the labels of both columns fit beside their neurons. The last neurons have the longest symbols, so the answer is the same at every step of an op.
fn has_room_beside(view: &View<'_>, columns: &NeuronColumns, all: usize) -> bool {
    let [left, right] = [columns.left, columns.right].map(|id| shown_tensor(view, id));
    let widest = |id: Id, other: Id| width(&symbol(view, id, other, len(&view.network().tensor(id).shape).saturating_sub(1)));
    widest(left, right) + widest(right, left) + UNLABELLED[1] <= all
}

/// Draws the edges, and the weight of this step's edge on it.
fn draw_edges(
    view: &View<'_>,
    columns: &NeuronColumns,
    shown: &ShownNeurons,
    [(left, from), (right, to)]: [(&Column, u16); 2],
    area: Rect,
    buf: &mut Buffer,
    spots: &mut Spots,
) {
    let shared = is_shared(view.network(), columns.right);
    let mut canvas = Canvas::new(area);
    let mut named = None;
    // for each neuron on the right, the neuron that it selects, as a maximum does
    let selected: Vec<Option<usize>> = right
        .neurons
        .iter()
        .map(|end| view.selected_by(columns.right, end.at).filter(|entry| entry.tensor == columns.left).map(|entry| entry.at))
        .collect();
    for edge in &shown.edges {
        let ends = [(edge.left, left), (edge.right, right)]
            .map(|(at, column)| at.and_then(|at| column.neurons.binary_search_by_key(&at, |neuron| neuron.at).ok()));
        let [Some(start), Some(end)] = ends else { continue };
        let is_now = columns.is_now(view, *edge);
        let is_dashed = selected[end].is_some_and(|at| Some(at) != edge.left);
        let kind = if is_now {
            EdgeKind::Now
        } else if columns.is_of_entry(*edge) && !is_dashed {
            EdgeKind::OfEntry
        } else {
            EdgeKind::Other
        };
        let (style, rank) = edge_style(view, edge, shared, kind);
        let (start, end) = ((from + 1, left.neurons[start].row), (to - 1, right.neurons[end].row));
        canvas.line(start, end, Stroke { style, rank, is_thick: is_now, is_dashed, spot: columns.spot(view, *edge) });
        if let Some(weight) = edge.weight.filter(|_| is_now) {
            let name = view.disambiguated(shown_tensor(view, weight.tensor), weight.at);
            let has_room = width(&name) + 2 + VISIBLE_EDGE < usize::from(to - from);
            named = has_room.then(|| (name, u16::midpoint(start.1, end.1), columns.spot(view, *edge)));
        }
    }
    canvas.render(buf, spots);
    if let Some((name, row, spot)) = named {
        let cells = draw_between(view, area, (from, to, row), &name, StyleRole::Result, buf);
        if let (Some(cells), Some(spot)) = (cells, spot) {
            spots.add(cells, spot);
        }
    }
}

/// Draws a text in the middle between two columns, if it fits there, and returns its cells.
fn draw_between(
    view: &View<'_>,
    area: Rect,
    (from, to, row): (u16, u16, u16),
    text: &str,
    role: StyleRole,
    buf: &mut Buffer,
) -> Option<Rect> {
    let wide = u16::try_from(width(text) + 2).ok()?;
    let room = to.checked_sub(from + 1)?;
    let x = from + 1 + room.checked_sub(wide)? / 2;
    text_at(buf, area, x, row, " ", Style::new());
    text_at(buf, area, x + 1, row, text, view.theme.style(role).not_underlined());
    text_at(buf, area, x + wide - 1, row, " ", Style::new());
    Some(Rect { x: area.x + x, y: area.y + row, width: wide, height: 1 })
}

/// The relation of an edge to this step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EdgeKind {
    /// It is this step's edge.
    Now,
    /// It is another term of the current entry.
    OfEntry,
    Other,
}

/// Returns the style and the rank of an edge: the edge of this step is above the edges of the current entry, and these are above all others.
fn edge_style(view: &View<'_>, edge: &NeuronEdge, shared: bool, kind: EdgeKind) -> (Style, u8) {
    let weight = edge.weight.filter(|_| shared);
    let colour = weight.and_then(|weight| view.weight_colour(weight.tensor, weight.at, SHARED_COLOURS));
    let (theme, style) = (&view.theme, colour.map(|colour| view.theme.shared(colour).not_underlined()));
    match kind {
        EdgeKind::Now => (style.unwrap_or(theme.style(StyleRole::Result).not_underlined()).bold(), 3),
        EdgeKind::OfEntry => (style.unwrap_or(theme.style(view.pass_role())), 2),
        EdgeKind::Other => (colour.map_or(theme.style(StyleRole::Dim), |colour| theme.shared_faint(colour).not_underlined()), 1),
    }
}

impl Column {
    /// Returns the style of a neuron.
    fn style(&self, view: &View<'_>, neuron: &Neuron) -> Style {
        view.theme.style(match Some(neuron.at) {
            at if at == self.entry => StyleRole::Result,
            at if at == self.now => StyleRole::Step,
            _ => StyleRole::Plain,
        })
    }
}

/// The cells of a row without labels: the neurons with their blanks and the edges, which are shorter if space is short.
const UNLABELLED: [usize; 2] = [11, 7];

/// Returns the cells for the labels of the left and of the right column. Both get room for their symbols first; then they share what is left for numbers.
fn label_rooms(view: &View<'_>, columns: [&Column; 2], all: usize) -> [usize; 2] {
    let symbols = columns.map(|column| column.neurons.iter().map(|neuron| width(&neuron.symbol)).max().unwrap_or(0));
    let number = |id: Id, at: usize| view.entry_text(id, at).map_or(1, |text| width(&text));
    let full = columns.map(|Column { shown, neurons, .. }| {
        neurons.iter().map(|neuron| width(&neuron.symbol) + 1 + number(*shown, neuron.at)).max().unwrap_or(0)
    });
    let [roomy, dense] = UNLABELLED.map(|cells| all.saturating_sub(cells));
    let mut given = symbols;
    let room = if given[0] + given[1] <= roomy { roomy } else { dense };
    if given[0] + given[1] > room {
        given = [given[0].min(room / 2), given[1].min(room / 2)];
    }
    let spare = room.saturating_sub(given[0] + given[1]);
    let more = [full[0].saturating_sub(given[0]), full[1].saturating_sub(given[1])];
    let left = more[0].min((spare / 2).max(spare.saturating_sub(more[1])));
    [given[0] + left, given[1] + more[1].min(spare - left)]
}

/// Returns the labels of a column, such as `a₁ 0.25`: symbols and known numbers. If space is short, the number is left out: a node always has its name.
fn labels(view: &View<'_>, column: &Column, room: usize) -> Vec<String> {
    let label = |neuron: &Neuron| {
        let number = view.entry_text(column.shown, neuron.at).unwrap_or_else(|| glyph::TO_COME.to_owned());
        let full = format!("{} {number}", neuron.symbol);
        if width(&full) <= room { full } else { neuron.symbol.clone() }
    };
    column.neurons.iter().map(label).collect()
}

/// Writes `drawn of all` below a column that does not show all its neurons.
fn draw_count(view: &View<'_>, area: Rect, (x, drawn, all): (u16, usize, usize), buf: &mut Buffer) {
    if drawn < all {
        let text = format!("{drawn} of {all}");
        let x = x.min(area.width.saturating_sub(u16::try_from(text.len()).unwrap_or(0)));
        text_at(buf, area, x, area.height - 1, &text, view.theme.style(StyleRole::Dim));
    }
}

/// Returns the tensor whose numbers a column shows: the gradient by the neurons if this step reads or computes it, else the neurons' values.
fn shown_tensor(view: &View<'_>, neuron: Id) -> Id {
    let is_used = |id: Id| view.output == id || view.step.factors.iter().any(|f| f.source.is_some_and(|source| source.tensor == id));
    match view.network().gradient_of(neuron) {
        Some(gradient) if is_used(gradient) => gradient,
        _ => neuron,
    }
}
