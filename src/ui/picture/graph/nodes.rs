//! Chooses the nodes of a graph for the picture, and computes their columns and texts.

use std::collections::HashMap;

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::glyph;
use crate::network::{Id, Role};
use crate::tensor::shape_on_screen;
use crate::text::{cut, width};
use crate::ui::picture::graph::heat::HeatMap;
use crate::ui::view::StepView;

/// The largest width of a node's name, in cells.
const MAX_NAME: usize = 12;
/// The largest width of the text of a part of a statement, in cells.
const MAX_EXPRESSION: usize = 22;

/// Indices of nodes or tensors. Most nodes have at most four neighbours, so most lists need no heap memory.
pub type NodeIndices = SmallVec<[usize; 4]>;

/// A node to draw.
pub struct GraphNode {
    /// The tensor of the node's value.
    pub id: Id,
    pub name: CompactString,
    /// The text after the name: the part of a statement, and the shape. Empty for a single number.
    pub note: String,
    /// Whether there is a line for the value above the name, and whether there is a line for the derivative below. A tensor that is not a single number has the
    /// line only if this op computes or reads it.
    pub has_number: [bool; 2],
    /// The size of the heat map of the node's tensor; `None` if it has none.
    pub map: Option<HeatMap>,
    /// The lines above and below the name in [`NodeForm::Maps`](super::layout::NodeForm::Maps).
    pub lines: [i32; 2],
    /// The column of the node in the whole graph, from 0.
    pub depth: usize,
    /// The indices of the chosen nodes that this node reads, in ascending order.
    pub reads: NodeIndices,
    /// The indices of the chosen nodes that read this node.
    pub readers: NodeIndices,
    /// `true` if the node reads no node of the graph, because it is an input.
    pub is_given: bool,
    /// The widths in cells for the three [`NodeForm`](super::layout::NodeForm)s.
    ///
    /// Before a number is computed, the usual width is reserved for it, so that the picture seldom moves. If all inputs are integers, it is that of an integer.
    pub widths: [i32; 3],
}

impl GraphNode {
    /// Returns the width of the name and the note, without brackets.
    pub fn label_width(&self) -> i32 {
        let note = if self.note.is_empty() { 0 } else { width(&self.note) + 1 };
        cells(width(&self.name) + note)
    }
}

/// The details of nodes that are tensors. With more details, fewer nodes fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Details {
    /// `true` if the part of a statement that a node computes is written after the name of the node.
    pub expressions: bool,
    /// `true` if the shape is written after the name.
    pub shapes: bool,
    /// `true` if all small tensors have heat maps. If `false`, only the tensors of this op have them.
    pub all_maps: bool,
}

/// The nodes that are laid out.
pub struct GraphNodes {
    pub nodes: Vec<GraphNode>,
    /// `true` if they are all nodes of the graph.
    pub are_all: bool,
    /// `true` if some node is not a single number.
    pub has_tensors: bool,
}

/// The cells reserved for an integer that is not computed yet.
const INTEGER_WIDTH: usize = 3;

/// The largest number of nodes. In a larger graph, only nodes around the current one are chosen.
const MAX_NODES: usize = 150;

/// A *closed fold* is a group of operations that is drawn as one node. The tensors that they compute are *folded into* this node. This is the largest number of
/// these tensors whose operands are searched.
const MAX_FOLDED: usize = 1000;

/// Returns the tensors that an op reads.
fn operands(view: &StepView<'_>, id: Id) -> impl Iterator<Item = Id> {
    let network = view.network();
    let op = network.producer(id).map(|n| &network.ops()[n]);
    op.into_iter().flat_map(|op| op.parts.iter().flat_map(|part| part.operands.iter().copied()))
}

/// Returns the nodes that a node reads. If it is a closed fold, they are the nodes outside the fold that its operations read.
fn reads(view: &StepView<'_>, id: Id) -> NodeIndices {
    let folded = view.folded_into(id);
    let read = folded.clone().take(MAX_FOLDED).flat_map(|tensor| operands(view, tensor));
    read.filter(|read| !folded.contains(read)).map(|read| view.shown_as(read)).collect()
}

/// Returns the first tensor folded into a node whose op reads the tensor `read`; the node itself if there is none.
pub fn folded_tensor_that_reads(view: &StepView<'_>, node: Id, read: Id) -> Id {
    let folded = view.folded_into(node).take(MAX_FOLDED);
    folded.into_iter().find(|tensor| operands(view, *tensor).any(|operand| operand == read)).unwrap_or(node)
}

/// Returns whether a tensor is not a single number.
fn is_tensor(view: &StepView<'_>, id: Id) -> bool {
    !view.network().tensor(id).shape.is_empty()
}

/// Returns the tensors of the chosen nodes, in the order of the graph, and whether they are all nodes.
fn chosen_nodes(view: &StepView<'_>) -> (Vec<Id>, bool) {
    let network = view.network();
    let is_value = |id: Id| !matches!(network.tensor(id).role, Role::Gradient(_));
    let is_node = |id: &Id| is_value(*id) && view.shown_as(*id) == *id;
    let current = view.shown_as(view.neuron(view.output));
    // most nodes have two tensors: their value and its derivative
    if network.tensors().len() <= 2 * MAX_NODES {
        let mut all: Vec<Id> = (0..network.tensors().len()).filter(is_node).collect();
        if all.iter().any(|id| is_tensor(view, *id)) {
            // given values that no node reads are left out, such as the size `n = x.shape[0]`
            let is_read = |id: Id| network.readers(id).iter().any(|reader| is_value(network.ops()[reader.op].output));
            all.retain(|id| *id == current || network.producer(*id).is_some() || is_read(*id));
        }
        return (all, true);
    }
    // breadth-first search from the current node, along edges in both directions
    let mut found = vec![current];
    let mut next = 0;
    while next < found.len() && found.len() < MAX_NODES {
        let id = found[next];
        next += 1;
        // only some of the nodes that read a node are added, so that they do not fill the whole picture
        let readers =
            network.readers(id).iter().map(|reader| network.ops()[reader.op].output).filter(|id| is_value(*id)).take(MAX_NODES / 10);
        let readers = readers.map(|reader| view.shown_as(reader));
        for neighbour in reads(view, id).into_iter().chain(readers) {
            if !found.contains(&neighbour) {
                found.push(neighbour);
            }
        }
    }
    found.sort_unstable();
    (found, false)
}

/// Returns the text after the name of a node: the part of the statement that it computes, and its shape.
fn note(view: &StepView<'_>, id: Id, details: Details) -> String {
    let info = view.network().tensor(id);
    let letter = &info.symbol.letter;
    let expression = if details.expressions && *letter != *info.name {
        let inner = letter.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(letter);
        cut(inner, MAX_EXPRESSION)
    } else {
        String::new()
    };
    let shape = if details.shapes && is_tensor(view, id) { shape_on_screen(&info.shape) } else { String::new() };
    [expression, shape].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Returns the entry whose number the picture shows for a tensor. It is the only entry, or the one that this step computes or reads. Returns `None` if there is
/// no such entry.
pub fn shown_entry(view: &StepView<'_>, id: Id) -> Option<usize> {
    if !is_tensor(view, id) {
        return Some(0);
    }
    let read = || view.sources_now().iter().find(|source| source.tensor == id).map(|source| source.at);
    if id == view.output { Some(view.at.entry) } else { read() }
}

/// Returns the chosen nodes. Each is after the nodes that it reads.
pub fn graph_nodes(view: &StepView<'_>, details: Details) -> GraphNodes {
    let network = view.network();
    let (chosen, are_all) = chosen_nodes(view);
    let has_tensors = chosen.iter().any(|id| is_tensor(view, *id));
    let op_tensors: Vec<Id> = view.tensors().into_iter().map(|shown| shown.tensor).collect();
    let mut inputs = chosen.iter().filter(|id| network.producer(**id).is_none()).filter_map(|id| view.number(*id, 0));
    let expected_width = if inputs.all(|number| number.fract() == 0.0) { INTEGER_WIDTH } else { view.digits.typical_width() };
    let mut nodes: Vec<GraphNode> = Vec::with_capacity(chosen.len());
    // the index of each tensor's node
    let mut node_of = HashMap::with_capacity(chosen.len());
    for (node, id) in chosen.into_iter().enumerate() {
        let info = network.tensor(id);
        let operands = reads(view, id);
        let mut reads: NodeIndices = operands.iter().filter_map(|id| node_of.get(id).copied()).collect();
        reads.sort_unstable();
        reads.dedup();
        for &read in &reads {
            nodes[read].readers.push(node);
        }
        node_of.insert(id, node);
        let depth = reads.iter().map(|&read| nodes[read].depth + 1).max().unwrap_or(0);
        let name = CompactString::from(cut(&info.name, MAX_NAME));
        let number_width = |id: Id| {
            if is_tensor(view, id) {
                return if op_tensors.contains(&id) { view.digits.typical_width() } else { 0 };
            }
            let known_width = view.entry_text(id, 0).map_or(0, |text| width(&text));
            if network.producer(id).is_some() { known_width.max(expected_width) } else { known_width }
        };
        let gradient = network.gradient_of(id);
        let operations = view.folded_into(id).len();
        let (value, derivative) = (number_width(id), gradient.map_or(0, number_width));
        let note = if has_tensors { note(view, id, details) } else { String::new() };
        let note = [fold_mark(operations), note].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
        let label = width(&name) + if note.is_empty() { 0 } else { width(&note) + 1 };
        // numbers beside the name need `=` and two blanks: `a=3 0.5 `; with numbers above and below, the name has brackets, and a blank on each side
        let around = (label + 4).max(value + 2).max(derivative + 2);
        let [is_value_shown, is_derivative_shown] = [Some(id), gradient].map(|id| id.is_some_and(|id| op_tensors.contains(&id)));
        let has_map = details.all_maps || is_value_shown || is_derivative_shown;
        let map = HeatMap::of(view, &info.shape).filter(|_| has_map);
        let widths = [label + value + derivative + 3, around, around.max(map.map_or(0, |map| map.width + 2))].map(cells);
        let has_number = [is_value_shown, is_derivative_shown].map(|is_shown| is_shown || !is_tensor(view, id));
        let lines = has_number.map(|has_number| usize::from(has_number) + map.map_or(0, |map| map.lines));
        // no line is below the name before the backward pass, or if the node has no derivative
        let lines = [lines[0], if view.is_backward() && gradient.is_some() { lines[1] } else { 0 }].map(cells);
        let is_given = operands.is_empty();
        nodes.push(GraphNode { id, name, note, has_number, map, lines, depth, reads, readers: NodeIndices::new(), is_given, widths });
    }
    // an input is in the column before the first node that reads it
    for i in 0..nodes.len() {
        if nodes[i].is_given
            && let Some(depth) = nodes[i].readers.iter().map(|reader| nodes[*reader].depth).min()
        {
            nodes[i].depth = depth - 1;
        }
    }
    GraphNodes { nodes, are_all, has_tensors }
}

/// Returns the mark of a closed fold: `⊞4` for four operations.
fn fold_mark(operations: usize) -> String {
    if operations > 1 { format!("{}{operations}", glyph::FOLDED) } else { String::new() }
}

/// Converts a number of cells to the type of coordinates.
pub fn cells(count: usize) -> i32 {
    // at most half of the largest number, so that the sum of two does not overflow
    i32::try_from(count).unwrap_or(i32::MAX / 2)
}
