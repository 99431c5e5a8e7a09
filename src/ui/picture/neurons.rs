//! Draws two columns of neurons and the edges between them. On the right are the neurons that an op computes, on the left those that it reads. An edge is a
//! term of the forward op, such as a₁·w₁. In a convolution, edges with the same weight have the same colour. Edges of this step have the accent colour. The
//! *winner* of a maximum is the entry that it selects; the other entries are its *losers*. Edges from winners are thick. Edges from losers are faint, and are
//! left out in the backward pass.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::bars;
use super::canvas::{Canvas, Stroke, text_at};
use super::column::{Column, Neuron};
use super::columns::{NeuronColumns, NeuronEdge, ShownNeurons, is_shared};
use super::labels::{NeuronLabel, UNLABELLED, label_rooms, labels, place_on_line};
use super::target::{Spot, Spots, TermSpot};
use crate::network::Id;
use crate::step::TensorEntry;
use crate::tensor::len;
use crate::text::{counted, cut, width};
use crate::ui::theme::{SHARED_COLOURS, StyleRole};
use crate::ui::view::StepView;

/// The smallest number of cells of an edge that stay visible beside the name of its weight.
const VISIBLE_EDGE: usize = 6;

/// Up to this number of edges, all are drawn solid, because few of them cross.
const MAX_SOLID_LINES: usize = 8;

/// The word after the number of drawn neurons.
const SHOWN: &str = " shown";

/// Draws the picture.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer, spots: &mut Spots) {
    let Some(columns) = NeuronColumns::of(view) else { return bars::render(view, area, buf, spots) };
    if area.height < 2 || area.width < 16 {
        return;
    }
    let count = |id: Id| len(&view.network().tensor(id).shape);
    // without room beside the neurons, the labels are above them
    let is_stacked = !has_room_beside(view, &columns, usize::from(area.width));
    // a label above its neuron takes one more row
    let row_height = if is_stacked { 2 } else { 1 };
    let side_rows = usize::from(columns.side.is_some());
    let shown = columns.shown(view, usize::from(area.height / row_height).saturating_sub(side_rows).max(1));
    // there are lines for the numbers of neurons below the columns, and for the numbers of hidden terms above and below them
    let has_all = shown.left.len() == count(columns.left) && shown.right.len() == count(columns.right);
    let inner_height = if has_all { area.height } else { area.height - 1 };
    let writes_hidden_terms = shown.hidden_terms.is_some() && inner_height >= 5;
    let rows = if writes_hidden_terms { 1..inner_height - 1 } else { 0..inner_height };
    let kinds = edge_kinds(view, &columns, &shown);
    let [left, right] = both_columns(view, &columns, (&shown, &kinds), &rows, row_height);
    // labels above the neurons can use the whole width except one cell, so the cells that `label_rooms` subtracts are added here
    let total = usize::from(area.width) + if is_stacked { UNLABELLED[0] - 1 } else { 0 };
    let rooms = label_rooms(view, [&left, &right], total, !is_stacked);
    let labels = [labels(&left, rooms[0]), labels(&right, rooms[1])];
    let widest = |n: usize| u16::try_from(labels[n].iter().map(NeuronLabel::width).max().unwrap_or(0).min(rooms[n].cells)).unwrap_or(0);
    // the columns of the left and the right neurons, in cells
    let (from, to) = if is_stacked { (0, area.width - 1) } else { (widest(0) + 2, area.width.saturating_sub(widest(1) + 3)) };
    let placed_name = draw_edges(view, &columns, (&shown, &kinds), [(&left, from), (&right, to)], area, buf, spots);
    for (column, labels, x) in [(&left, &labels[0], from), (&right, &labels[1], to)] {
        let is_left = x == from;
        let room = if is_stacked {
            area.width
        } else if is_left {
            from - 1
        } else {
            area.width.saturating_sub(to + 2)
        };
        for (neuron, label) in column.all().zip(labels) {
            let style = view.theme.style(neuron.role);
            let spot = Spot::Entry(neuron.entry);
            text_at(buf, area, x, neuron.row, "●", style);
            spots.add(Rect { x: area.x + x, y: area.y + neuron.row, width: 1, height: 1 }, spot);
            let first = if is_stacked { neuron.row - 1 } else { neuron.row };
            for (row, text) in (first..).zip(std::iter::once(&label.beside).chain(&label.below)) {
                let text = cut(text, usize::from(room));
                let wide = u16::try_from(width(&text)).unwrap_or(0);
                let start = match (is_left, is_stacked) {
                    (true, true) => 0,
                    (true, false) => (from - 1).saturating_sub(wide),
                    (false, true) => area.width.saturating_sub(wide),
                    (false, false) => to + 2,
                };
                text_at(buf, area, start, row, &text, style);
                spots.add(Rect { x: area.x + start, y: area.y + row, width: wide, height: 1 }, spot);
            }
        }
    }
    draw_counts(view, area, [(0, left.neurons.len(), count(columns.left)), (to, right.neurons.len(), count(columns.right))], buf);
    if let Some(hidden_terms) = shown.hidden_terms.filter(|_| writes_hidden_terms) {
        for (terms, row) in hidden_terms.into_iter().zip([0, inner_height - 1]).filter(|(terms, _)| *terms > 0) {
            draw_hidden_terms(view, area, (from, to, row), terms, buf);
        }
    }
    if let Some((name, place, style)) = placed_name {
        text_at(buf, area, place.0, place.1, &name, style);
    }
}

/// Writes the number of hidden terms in the middle between two columns, or in the middle of the area if there is not enough room.
fn draw_hidden_terms(view: &StepView<'_>, area: Rect, (from, to, row): (u16, u16, u16), terms: u64, buf: &mut Buffer) {
    let texts = [format!("… {}", counted(terms, "more term")), format!("… {terms} more")];
    let fits = |text: &&String, cells: u16| width(text) <= usize::from(cells);
    let (start, end) = if fits(&&texts[0], to.saturating_sub(from + 1)) { (from + 1, to) } else { (0, area.width) };
    if let Some(text) = texts.iter().find(|text| fits(text, end - start)) {
        let x = start + (end - start - u16::try_from(width(text)).unwrap_or(0)) / 2;
        text_at(buf, area, x, row, text, view.theme.style(StyleRole::Dim));
    }
}

/// Returns both columns, with the row of each neuron.
fn both_columns(
    view: &StepView<'_>,
    columns: &NeuronColumns,
    (shown, kinds): (&ShownNeurons, &[EdgeKind]),
    rows: &Range<u16>,
    row_height: u16,
) -> [Column; 2] {
    let tensors = [columns.left, columns.right].map(|id| shown_tensor(view, id));
    // in the backward pass, the edges from losers are not drawn
    let is_loser = |at: usize| {
        let mut edges = shown.edges.iter().zip(kinds).filter(|(edge, _)| edge.left == Some(at)).peekable();
        view.is_backward() && edges.peek().is_some() && edges.all(|(_, kind)| *kind == EdgeKind::Loser)
    };
    let column = |n: usize, chosen: &[usize], entry: Option<usize>, side: Option<TensorEntry>| {
        let (id, other) = (tensors[n], tensors[1 - n]);
        // neighbours have equal distances, and the column is in the middle of the height; a neuron is in the last of its rows
        let (all, height) = (rows.len(), usize::from(row_height));
        let neurons = chosen.len() + usize::from(side.is_some());
        let distance = (all / neurons.max(1)).max(height);
        let above = all.saturating_sub(neurons.saturating_sub(1) * distance + height) / 2 + height - 1;
        let row = |i: usize| rows.start + u16::try_from(above + i * distance).unwrap_or(0);
        let role = |at: usize| match () {
            () if entry == Some(at) => StyleRole::Result,
            () if columns.is_end(n, at) => StyleRole::Step,
            () if n == 0 && is_loser(at) => StyleRole::Dim,
            () => StyleRole::Plain,
        };
        let neuron = |(i, &at): (usize, &usize)| Neuron {
            entry: TensorEntry { tensor: id, at },
            row: row(i),
            symbol: symbol(view, id, other, at),
            number: view.entry_text(id, at),
            role: role(at),
        };
        Column {
            neurons: chosen.iter().enumerate().map(neuron).collect(),
            side: side.map(|entry| Neuron {
                entry,
                row: row(chosen.len()),
                symbol: view.unambiguous_symbol(entry.tensor, entry.at),
                number: view.entry_text(entry.tensor, entry.at),
                role: if view.sources_now().contains(&entry) { StyleRole::Step } else { StyleRole::Plain },
            }),
            distance: u16::try_from(distance).unwrap_or(u16::MAX),
        }
    };
    [column(0, &shown.left, columns.entry.left, columns.side), column(1, &shown.right, columns.entry.right, None)]
}

/// Returns the symbol of a neuron. It has the layer if the other column or a tensor of the op has the same letter.
fn symbol(view: &StepView<'_>, id: Id, other: Id, at: usize) -> String {
    if view.same_letter(id, other) { view.entry_symbol_with_layer(id, at) } else { view.unambiguous_symbol(id, at) }
}

/// Returns whether the labels of both columns fit beside their neurons. The last neurons, whose symbols are the longest, decide this, so that the answer is the
/// same at each step of an op.
fn has_room_beside(view: &StepView<'_>, columns: &NeuronColumns, area_width: usize) -> bool {
    let [left, right] = [columns.left, columns.right].map(|id| shown_tensor(view, id));
    let widest = |id: Id, other: Id| width(&symbol(view, id, other, len(&view.network().tensor(id).shape).saturating_sub(1)));
    widest(left, right) + widest(right, left) + UNLABELLED[1] <= area_width
}

/// Draws the edges. Returns the name of the weight of this step's edge with its place and style, if there is room for it.
fn draw_edges(
    view: &StepView<'_>,
    columns: &NeuronColumns,
    (shown, kinds): (&ShownNeurons, &[EdgeKind]),
    [(left, from), (right, to)]: [(&Column, u16); 2],
    area: Rect,
    buf: &mut Buffer,
    spots: &mut Spots,
) -> Option<(String, (u16, u16), Style)> {
    let has_shared_weights = is_shared(view.network(), columns.right);
    let mut canvas = Canvas::new(area);
    let mut step_edge = None;
    let are_others_sparse = shown.edges.len() > MAX_SOLID_LINES && kinds.contains(&EdgeKind::Now);
    for (edge, kind) in shown.edges.iter().zip(kinds) {
        let (Some(start), Some(end)) = (edge.left.and_then(|at| left.row(at)), edge.right.and_then(|at| right.row(at))) else { continue };
        if *kind == EdgeKind::Loser && view.is_backward() {
            continue;
        }
        let (style, rank) = edge_style(view, edge.weight.filter(|_| has_shared_weights), *kind);
        let is_thick = matches!(kind, EdgeKind::Now | EdgeKind::Winner);
        // other edges are drawn with fewer dots, so that the edges of this entry can be followed
        let is_sparse = *kind == EdgeKind::Other && are_others_sparse;
        let (start, end) = ((from + 1, start), (to - 1, end));
        canvas.line(start, end, Stroke { style, rank, is_thick, is_sparse, spot: columns.spot(view, *edge) });
        if let Some(weight) = edge.weight.filter(|_| *kind == EdgeKind::Now) {
            step_edge = Some((weight, start, end));
        }
    }
    if let (Some(side), Some(at)) = (&left.side, columns.entry.right)
        && let Some(end) = right.row(at)
    {
        let is_now = side.role == StyleRole::Step;
        let (style, rank) = edge_style(view, None, if is_now { EdgeKind::Now } else { EdgeKind::OfEntry });
        let of = TensorEntry { tensor: columns.right, at };
        let spot = Some(Spot::Term(TermSpot { of, reads: side.entry, with: None }));
        canvas.line((from + 1, side.row), (to - 1, end), Stroke { style, rank, is_thick: is_now, is_sparse: false, spot });
    }
    canvas.render(buf, spots);
    let (weight, start, end) = step_edge?;
    let name = view.unambiguous_symbol(shown_tensor(view, weight.tensor), weight.at);
    if width(&name) + 2 + VISIBLE_EDGE >= usize::from(to - from) {
        return None;
    }
    let result = view.theme.style(StyleRole::Result).not_underlined();
    let colour = if has_shared_weights { view.weight_style(weight.tensor, weight.at) } else { None };
    let place = place_on_line(&canvas, (start, end), width(&name) + 2)?;
    Some((format!(" {name} "), place, colour.map_or(result, Style::bold)))
}

/// The relation of an edge to this step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EdgeKind {
    /// It is an edge of this step.
    Now,
    /// It leads from the winner of a maximum.
    Winner,
    /// It leads from a loser of a maximum.
    Loser,
    /// It is another term of the current entry.
    OfEntry,
    Other,
}

/// Returns the kind of each edge.
fn edge_kinds(view: &StepView<'_>, columns: &NeuronColumns, shown: &ShownNeurons) -> Vec<EdgeKind> {
    // for each neuron on the right: if the op is a maximum, the neuron that it selects
    let select = |at: usize| view.selected_by(columns.right, at).filter(|entry| entry.tensor == columns.left).map(|entry| entry.at);
    let selected: Vec<Option<usize>> = shown.right.iter().map(|at| select(*at)).collect();
    let kind = |edge: &NeuronEdge| {
        let winner = edge.right.and_then(|at| shown.right.binary_search(&at).ok()).and_then(|n| selected[n]);
        match winner {
            _ if columns.is_now(view, *edge) => EdgeKind::Now,
            Some(at) if edge.left == Some(at) => EdgeKind::Winner,
            Some(_) => EdgeKind::Loser,
            None if columns.is_of_entry(*edge) => EdgeKind::OfEntry,
            None => EdgeKind::Other,
        }
    };
    shown.edges.iter().map(kind).collect()
}

/// Returns the style and the rank of an edge. The edge of this step has the highest rank, then the edges of the current entry. `weight` is the edge's shared
/// weight.
fn edge_style(view: &StepView<'_>, weight: Option<TensorEntry>, kind: EdgeKind) -> (Style, u8) {
    let colour = weight.and_then(|weight| view.weight_colour(weight.tensor, weight.at, SHARED_COLOURS));
    let theme = &view.theme;
    match kind {
        EdgeKind::Now => (theme.style(StyleRole::Result).not_underlined(), 3),
        EdgeKind::OfEntry | EdgeKind::Winner => {
            (colour.map_or(theme.style(view.pass_role()), |colour| theme.shared(colour).not_underlined()), 2)
        }
        EdgeKind::Other | EdgeKind::Loser => {
            (colour.map_or(theme.style(StyleRole::Dim), |colour| theme.shared_faint(colour).not_underlined()), 1)
        }
    }
}

/// Writes a text such as `8 of 100 shown` below each column that does not show all its neurons. If there is not enough room for both columns, both leave out
/// `shown`.
fn draw_counts(view: &StepView<'_>, area: Rect, counts: [(u16, usize, usize); 2], buf: &mut Buffer) {
    let texts = counts.map(|(_, drawn, all)| if drawn < all { format!("{drawn} of {all}") } else { String::new() });
    let wide: usize = texts.iter().map(|text| text.len() + SHOWN.len() + 1).sum();
    let word = if wide <= usize::from(area.width) { SHOWN } else { "" };
    for ((x, ..), text) in counts.iter().zip(&texts).filter(|(_, text)| !text.is_empty()) {
        let text = format!("{text}{word}");
        let x = (*x).min(area.width.saturating_sub(u16::try_from(text.len()).unwrap_or(0)));
        text_at(buf, area, x, area.height - 1, &text, view.theme.style(StyleRole::Dim));
    }
}

/// Returns the tensor whose numbers a column shows. It is the derivative by the neurons if this step reads or computes it; otherwise it is the tensor of the
/// neurons.
fn shown_tensor(view: &StepView<'_>, neuron: Id) -> Id {
    let is_used = |id: Id| view.output == id || view.step.factors.iter().any(|f| f.source.is_some_and(|source| source.tensor == id));
    match view.network().gradient_of(neuron) {
        Some(gradient) if is_used(gradient) => gradient,
        _ => neuron,
    }
}
