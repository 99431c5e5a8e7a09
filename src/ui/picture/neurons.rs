//! Draws two columns of neurons and the edges between them: on the right the neurons that an op computes, on the left those that it reads. An edge is a term of the forward
//! op, such as a₁·w₁. In a convolution, many edges share a weight; such edges have the colour of their weight.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::bars;
use super::canvas::{Canvas, text_at, text_ending_at};
use crate::glyph;
use crate::network::{Id, Network, Role};
use crate::scene::{MAX_ARGUMENTS, TermRead};
use crate::tensor::len;
use crate::text::{cut, width};
use crate::ui::theme::StyleRole;
use crate::ui::view::View;

/// A neuron of a column.
struct Neuron {
    /// The row-major index in the tensor.
    at: usize,
    /// The row in the area.
    row: u16,
}

/// An edge, or the known parts of an edge: the indices of its left neuron, its right neuron and its weight in their tensors.
#[derive(Clone, Copy)]
struct NeuronEdge {
    left: Option<usize>,
    right: Option<usize>,
    weight: Option<usize>,
}

impl NeuronEdge {
    /// Returns whether two edges can be the same: all parts that are known of both are equal.
    fn matches(self, other: Self) -> bool {
        let can_equal = |a: Option<usize>, b: Option<usize>| a.is_none() || b.is_none() || a == b;
        can_equal(self.left, other.left) && can_equal(self.right, other.right) && can_equal(self.weight, other.weight)
    }

    /// Returns whether any part is known.
    fn is_known(self) -> bool {
        self.left.is_some() || self.right.is_some() || self.weight.is_some()
    }
}

/// The two columns, as tensors of the forward pass.
struct NeuronColumns {
    left: Id,
    right: Id,
    /// The edge of this step. Its known parts are those that the step reads or computes.
    now: NeuronEdge,
    /// As `now`, but only the entry that is being computed is known.
    entry: NeuronEdge,
}

/// Returns whether a tensor's entries are neurons.
fn is_neuron(network: &Network, id: Id) -> bool {
    !matches!(network.tensor(id).role, Role::Parameter | Role::Constant | Role::Target)
}

/// Returns whether a tensor is a weight: a parameter that is not a bias.
fn is_weight(network: &Network, id: Id) -> bool {
    let info = network.tensor(id);
    info.role == Role::Parameter && info.shape.len() > 1
}

/// Returns the tensor of neurons from which a tensor is computed. If there are several, prefers one that is among the entries of this step.
fn source_tensor(network: &Network, id: Id, entries: &[(Id, usize)]) -> Option<Id> {
    let op = &network.ops()[network.producer(id)?];
    let mut neurons =
        op.first_parts().iter().flat_map(|part| part.operands.iter().copied()).filter(|id| is_neuron(network, *id)).peekable();
    let first = *neurons.peek()?;
    let is_used = |id: Id| entries.iter().any(|(used, _)| *used == id);
    if is_used(first) { Some(first) } else { neurons.find(|id| is_used(*id)).or(Some(first)) }
}

impl NeuronColumns {
    /// Returns the columns of this step; `None` for a step of the batch, which connects no neurons.
    fn of(view: &View<'_>) -> Option<Self> {
        let network = view.network();
        view.step.sample?;
        let result = (view.neuron(view.output), view.at.entry);
        // the entries that this step reads or computes; a gradient stands for its neurons
        let mut entries: Vec<(Id, usize)> = view.sources_now().iter().map(|source| (view.neuron(source.tensor), source.at)).collect();
        entries.push(result);
        let neurons = entries.iter().map(|(id, _)| *id).filter(|id| is_neuron(network, *id));
        // the tensor that is computed last
        let last = neurons.max_by_key(|id| network.producer(*id).map_or(0, |n| n + 1))?;
        let (left, right) =
            if view.is_backward() && last == network.output() && entries.iter().all(|(id, _)| *id == last || !is_neuron(network, *id)) {
                (last, network.loss())
            } else {
                let other = entries.iter().map(|(id, _)| *id).find(|id| *id != last && is_neuron(network, *id));
                (other.or_else(|| source_tensor(network, last, &entries))?, last)
            };
        let used_entry = |id: Id| entries.iter().find(|(used, _)| *used == id).map(|(_, at)| *at);
        let computed_entry = |id: Id| (id == result.0).then_some(result.1);
        let weight = |entries: &[(Id, usize)]| entries.iter().find(|(id, _)| is_weight(network, *id)).map(|(_, at)| *at);
        Some(Self {
            left,
            right,
            now: NeuronEdge { left: used_entry(left), right: used_entry(right), weight: weight(&entries) },
            entry: NeuronEdge { left: computed_entry(left), right: computed_entry(right), weight: weight(&[result]) },
        })
    }

    /// Returns the edges from some neurons of the left column to one neuron of the right column. `lefts` has to be ascending.
    fn edges(&self, view: &View<'_>, lefts: &[usize], right: usize) -> Vec<NeuronEdge> {
        // an entry without steps has no edges
        let Some(at) = view.first_position(self.right, right) else { return Vec::new() };
        let edge = |TermRead { place, reads, .. }: TermRead| {
            let weight = reads.iter().find(|(id, _)| is_weight(view.network(), *id)).map(|(_, at)| *at);
            NeuronEdge { left: Some(place), right: Some(right), weight }
        };
        view.term_reads(&at, self.left, lefts).into_iter().map(edge).collect()
    }

    /// Returns the neurons of the left column that the first `most` terms of a neuron of the right column read, at most `most` for each term.
    fn first_lefts(&self, view: &View<'_>, right: usize, most: usize) -> impl Iterator<Item = usize> {
        let at = view.first_position(self.right, right);
        let sources = at.into_iter().flat_map(move |at| view.sources_of(&at, 0..at.terms.min(most as u64)));
        sources.flat_map(move |sources| sources.into_iter().filter(|(id, _)| *id == self.left).map(|(_, at)| at).take(most))
    }

    /// Returns whether this step determines an edge: both neurons are known, or the left neuron if the right column is the loss.
    fn has_edge_now(&self, view: &View<'_>) -> bool {
        self.now.left.is_some() && (self.now.right.is_some() || self.right == view.network().loss())
    }
}

/// Draws the picture.
pub fn render(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let Some(columns) = NeuronColumns::of(view) else { return bars::render(view, area, buf) };
    if area.height < 2 || area.width < 16 {
        return;
    }
    let count = |id: Id| len(&view.network().tensor(id).shape);
    let (near_left, near_right) = involved_neurons(view, &columns, usize::from(area.height));
    let left = column(count(columns.left), near_left, columns.now.left, area.height);
    let right = column(count(columns.right), near_right, columns.now.right, area.height);
    let (left_shown, right_shown) = (shown_tensor(view, columns.left), shown_tensor(view, columns.right));
    let (left_symbols, right_symbols) = (symbols(view, left_shown, right_shown, &left), symbols(view, right_shown, left_shown, &right));
    let rooms = label_rooms(view, [(left_shown, &left, &left_symbols), (right_shown, &right, &right_symbols)], usize::from(area.width));
    let left_labels = labels(view, left_shown, &left, &left_symbols, rooms[0]);
    let right_labels = labels(view, right_shown, &right, &right_symbols, rooms[1]);
    let widest = |labels: &[String], room: usize| labels.iter().map(|label| width(label)).max().unwrap_or(0).min(room);
    // the cells of the neurons, left and right
    let from = u16::try_from(widest(&left_labels, rooms[0]) + 2).unwrap_or(2);
    let to = area.width.saturating_sub(u16::try_from(widest(&right_labels, rooms[1]) + 3).unwrap_or(3));
    let shared = is_shared(view.network(), columns.right);
    let mut canvas = Canvas::new(area);
    let lefts: Vec<usize> = left.iter().map(|neuron| neuron.at).collect();
    for end in &right {
        for edge in columns.edges(view, &lefts, end.at) {
            let Some(start) = edge.left.and_then(|at| lefts.binary_search(&at).ok()).map(|n| &left[n]) else { continue };
            let is_now = columns.has_edge_now(view) && edge.matches(columns.now);
            let colour = edge.weight.filter(|_| shared).map(|weight| view.theme.shared(weight).not_underlined());
            let is_of_entry = columns.entry.is_known() && edge.matches(columns.entry);
            let (style, rank) = edge_style(view, colour, is_now, is_of_entry);
            canvas.line((from + 1, start.row), (to - 1, end.row), style, rank, is_now);
        }
    }
    canvas.render(buf);
    for (neuron, label) in left.iter().zip(&left_labels) {
        let style = neuron_style(view, neuron.at, columns.now.left, columns.entry.left);
        let text = cut(label, usize::from(from) - 1);
        text_ending_at(buf, area, from - 1, neuron.row, &text, style);
        text_at(buf, area, from, neuron.row, "●", style);
    }
    for (neuron, label) in right.iter().zip(&right_labels) {
        let style = neuron_style(view, neuron.at, columns.now.right, columns.entry.right);
        text_at(buf, area, to, neuron.row, "●", style);
        let text = cut(label, usize::from(area.width.saturating_sub(to + 2)));
        text_at(buf, area, to + 2, neuron.row, &text, style);
    }
    draw_count(view, area, (0, left.len(), count(columns.left)), buf);
    draw_count(view, area, (to, right.len(), count(columns.right)), buf);
}

/// Returns the style and the rank of an edge: the edge of this step is above the edges of the current entry, and these are above all others.
fn edge_style(view: &View<'_>, colour: Option<Style>, is_now: bool, is_of_entry: bool) -> (Style, u8) {
    match (is_now, is_of_entry) {
        (true, _) => (colour.unwrap_or(view.theme.style(StyleRole::Result).not_underlined()).bold(), 3),
        (_, true) => (colour.unwrap_or(view.theme.style(view.pass_role())), 2),
        _ => (colour.map_or(view.theme.style(StyleRole::Dim), Style::dim), 1),
    }
}

/// Returns the style of the neuron `at`, if the neuron `now` is read in this step and the neuron `entry` is being computed.
fn neuron_style(view: &View<'_>, at: usize, now: Option<usize>, entry: Option<usize>) -> Style {
    if entry == Some(at) {
        view.theme.style(StyleRole::Result)
    } else if now == Some(at) {
        view.theme.style(StyleRole::Step)
    } else {
        view.theme.style(StyleRole::Plain)
    }
}

/// The cells of a row without labels: the neurons with their blanks and the edges, which are shorter if space is short.
const UNLABELLED: [usize; 2] = [11, 7];

/// Returns the symbols of a column's neurons in two lengths. The longer one includes the layer if the `other` column has the same letter.
fn symbols(view: &View<'_>, id: Id, other: Id, neurons: &[Neuron]) -> Vec<[String; 2]> {
    let is_ambiguous = view.same_letter(id, other);
    let symbols = |neuron: &Neuron| {
        let short = view.entry_symbol(id, neuron.at);
        [if is_ambiguous { view.entry_symbol_with_layer(id, neuron.at) } else { short.clone() }, short]
    };
    neurons.iter().map(symbols).collect()
}

/// A column with the tensor that its labels show, and the symbols of its neurons in two lengths.
type LabelledColumn<'a> = (Id, &'a [Neuron], &'a [[String; 2]]);

/// Returns the cells for the labels of the left and of the right column. Both get room for their symbols first; then they share what is left for numbers.
fn label_rooms(view: &View<'_>, columns: [LabelledColumn<'_>; 2], all: usize) -> [usize; 2] {
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let [long, short] =
        [0, 1].map(|form: usize| columns.each_ref().map(|(_, _, symbols)| widest(&mut symbols.iter().map(|forms| width(&forms[form])))));
    let full = columns.each_ref().map(|(id, neurons, symbols)| {
        let number = |at: usize| view.entry_text(*id, at).map_or(1, |text| width(&text));
        widest(&mut neurons.iter().zip(*symbols).map(|(neuron, [long, _])| width(long) + 1 + number(neuron.at)))
    });
    let [roomy, dense] = UNLABELLED.map(|cells| all.saturating_sub(cells));
    let forms = [(long, roomy), (long, dense), (short, dense)];
    let (mut given, room) = forms.into_iter().find(|(named, room)| named[0] + named[1] <= *room).unwrap_or((short, dense));
    if given[0] + given[1] > room {
        given = [given[0].min(room / 2), given[1].min(room / 2)];
    }
    let spare = room.saturating_sub(given[0] + given[1]);
    let more = [full[0].saturating_sub(given[0]), full[1].saturating_sub(given[1])];
    let left = more[0].min((spare / 2).max(spare.saturating_sub(more[1])));
    [given[0] + left, given[1] + more[1].min(spare - left)]
}

/// Returns the labels of a column, such as `a₁ 0.25`: symbols and known numbers. If space is short, the number is left out, then the layer of the symbol: a node
/// always has its name.
fn labels(view: &View<'_>, id: Id, neurons: &[Neuron], symbols: &[[String; 2]], room: usize) -> Vec<String> {
    let label = |(neuron, [long, short]): (&Neuron, &[String; 2])| {
        let number = view.entry_text(id, neuron.at).unwrap_or_else(|| glyph::TO_COME.to_owned());
        let texts = [format!("{long} {number}"), long.clone(), short.clone()];
        texts.into_iter().find(|text| width(text) <= room).unwrap_or_else(|| short.clone())
    };
    neurons.iter().zip(symbols).map(label).collect()
}

/// Writes `drawn of all` below a column that does not show all its neurons.
fn draw_count(view: &View<'_>, area: Rect, (x, drawn, all): (u16, usize, usize), buf: &mut Buffer) {
    if drawn < all {
        let text = format!("{drawn} of {all}");
        let x = x.min(area.width.saturating_sub(u16::try_from(text.len()).unwrap_or(0)));
        text_at(buf, area, x, area.height - 1, &text, view.theme.style(StyleRole::Dim));
    }
}

/// Returns whether the weights of the edges to a tensor are shared, as in a filter.
fn is_shared(network: &Network, right: Id) -> bool {
    network.producer(right).is_some_and(|n| network.ops()[n].window().is_some())
}

/// Returns the neurons of the left and of the right column that the current entry involves. If there are many, these are the neurons around this step.
fn involved_neurons(view: &View<'_>, columns: &NeuronColumns, rows: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    // as many terms as there are rows, with this step's term in the middle
    let count = rows as u64;
    let first = view.at.term.saturating_sub(count / 2).min(view.at.terms.saturating_sub(count));
    for (id, at) in view.sources_of(&view.at, first..(first + count).min(view.at.terms)).flatten() {
        let id = view.neuron(id);
        if id == columns.left {
            left.push(at);
        } else if id == columns.right {
            right.push(at);
        }
    }
    // a step that reads a long slice lists only one entry of it: adds the neurons of the slice around that one
    for (id, slice) in view.slices().filter(|(_, slice)| slice.len() > MAX_ARGUMENTS) {
        let (neurons, now) = match view.neuron(id) {
            id if id == columns.left => (&mut left, columns.now.left),
            id if id == columns.right => (&mut right, columns.now.right),
            _ => continue,
        };
        let middle = now.unwrap_or(slice.first);
        neurons.extend((middle.saturating_sub(rows)..=middle + rows).filter(|at| slice.contains(*at)));
    }
    left.extend(columns.entry.left);
    right.extend(columns.entry.right);
    if left.is_empty() {
        left = right.iter().take(rows).flat_map(|right| columns.first_lefts(view, *right, rows)).take(rows).collect();
    }
    (left, right)
}

/// Returns the neurons of a column: all if they fit, else the `near` neurons, with the neuron `now` of this step among them.
fn column(count: usize, mut near: Vec<usize>, now: Option<usize>, height: u16) -> Vec<Neuron> {
    let mut rows = usize::from(height);
    let chosen: Vec<usize> = if count <= rows {
        (0..count).collect()
    } else {
        // one row is for the count
        rows -= 1;
        near.extend(now);
        near.sort_unstable();
        near.dedup();
        if near.is_empty() {
            near = (0..rows).collect();
        }
        let current = now.and_then(|now| near.iter().position(|at| *at == now)).unwrap_or(0);
        let first = current.saturating_sub(rows / 2).min(near.len().saturating_sub(rows));
        near.into_iter().skip(first).take(rows).collect()
    };
    let n = chosen.len();
    // the neurons divide the height evenly: the i-th of n is at the fraction (i + ½) / n
    let row = |i: usize| u16::try_from((2 * i + 1) * rows / (2 * n)).unwrap_or(0);
    chosen.into_iter().enumerate().map(|(i, at)| Neuron { at, row: row(i) }).collect()
}

/// Returns the tensor whose numbers a column shows: the gradient by the neurons if this step reads or computes it, else the neurons' values.
fn shown_tensor(view: &View<'_>, neuron: Id) -> Id {
    let is_used = |id: Id| view.output == id || view.step.factors.iter().any(|f| f.source.is_some_and(|source| source.tensor == id));
    match view.network().gradient_of(neuron) {
        Some(gradient) if is_used(gradient) => gradient,
        _ => neuron,
    }
}
