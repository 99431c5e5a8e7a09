//! Chooses the nodes of a scalar graph that are laid out, and the column of each.

use std::collections::HashMap;

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::network::{Id, Role};
use crate::text::{cut, width};
use crate::ui::view::View;

/// The largest width of a node's name, in cells.
const MAX_NAME: usize = 12;

/// Indices of nodes or tensors. Most nodes read and are read by few others, so a picture of a hundred nodes takes no hundreds of allocations.
pub type Few = SmallVec<[usize; 4]>;

/// A node to draw.
pub struct GraphNode {
    /// The tensor of the node's value.
    pub id: Id,
    pub name: CompactString,
    /// The column of the node in the whole graph, from 0.
    pub depth: usize,
    /// The indices of the chosen nodes that this node reads, ascending.
    pub reads: Few,
    /// The indices of the chosen nodes that read this node.
    pub readers: Few,
    /// `true` if the node reads no node of the graph, because it is an input.
    pub is_given: bool,
    /// The width in cells if the numbers are beside the node, then the width if they are above and below.
    ///
    /// A number that is not computed yet reserves the usual width, or the width of a whole number if all inputs are whole. So the picture seldom moves when the number
    /// is computed.
    pub widths: [i32; 2],
}

/// The cells reserved for a whole number that is not computed yet.
const WHOLE: usize = 3;

/// The largest number of nodes that are laid out. In a larger graph, these are the nodes around the current node.
const MAX_NODES: usize = 150;

/// Returns the tensors that a node reads.
fn reads(view: &View<'_>, id: Id) -> Few {
    let network = view.network();
    let op = network.producer(id).map(|n| &network.ops()[n]);
    op.into_iter().flat_map(|op| op.parts.iter().flat_map(|part| part.operands.iter().copied())).collect()
}

/// Returns the tensors of the chosen nodes, in the order of the graph.
fn chosen_nodes(view: &View<'_>) -> Vec<Id> {
    let network = view.network();
    let is_node = |id: &Id| !matches!(network.tensor(*id).role, Role::Gradient(_));
    if network.tensors().len() <= 2 * MAX_NODES {
        return (0..network.tensors().len()).filter(is_node).collect();
    }
    // breadth-first from the current node, along the edges in both directions
    let mut found = vec![view.neuron(view.output)];
    let mut next = 0;
    while next < found.len() && found.len() < MAX_NODES {
        let id = found[next];
        next += 1;
        // a node with very many readers does not fill the picture with them
        let readers = network.readers(id).iter().map(|reader| network.ops()[reader.op].output).filter(is_node).take(MAX_NODES / 10);
        for neighbour in reads(view, id).into_iter().chain(readers) {
            if !found.contains(&neighbour) {
                found.push(neighbour);
            }
        }
    }
    found.sort_unstable();
    found
}

/// Returns the chosen nodes. Each is after the nodes that it reads.
pub fn nodes(view: &View<'_>) -> Vec<GraphNode> {
    let network = view.network();
    let chosen = chosen_nodes(view);
    let mut inputs = chosen.iter().filter(|id| network.producer(**id).is_none()).filter_map(|id| view.number(*id, 0));
    let expected_width = if inputs.all(|number| number.fract() == 0.0) { WHOLE } else { view.digits.typical_width() };
    let mut nodes: Vec<GraphNode> = Vec::with_capacity(chosen.len());
    // the index of each tensor's node
    let mut node_of = HashMap::with_capacity(chosen.len());
    for (node, id) in chosen.into_iter().enumerate() {
        let info = network.tensor(id);
        let operands = reads(view, id);
        let mut reads: Few = operands.iter().filter_map(|id| node_of.get(id).copied()).collect();
        reads.sort_unstable();
        reads.dedup();
        for &read in &reads {
            let GraphNode { readers, .. }: &mut GraphNode = &mut nodes[read];
            readers.push(node);
        }
        node_of.insert(id, node);
        let depth = reads.iter().map(|&read| nodes[read].depth + 1).max().unwrap_or(0);
        let name = CompactString::from(cut(&info.name, MAX_NAME));
        let number_width = |id: Id| {
            let known_width = view.entry_text(id, 0).map_or(0, |text| width(&text));
            if network.producer(id).is_some() { known_width.max(expected_width) } else { known_width }
        };
        let (value, derivative) = (number_width(id), network.gradient_of(id).map_or(0, number_width));
        // beside: blanks and `=` separate name and numbers; above and below: brackets around the name, and a blank on either side
        let widths = [width(&name) + value + derivative + 3, (width(&name) + 4).max(value + 2).max(derivative + 2)];
        nodes.push(GraphNode { id, name, depth, reads, readers: Few::new(), is_given: operands.is_empty(), widths: widths.map(cells) });
    }
    // an input is in the column before the first node that reads it
    for i in 0..nodes.len() {
        if nodes[i].is_given
            && let Some(depth) = nodes[i].readers.iter().map(|reader| nodes[*reader].depth).min()
        {
            nodes[i].depth = depth - 1;
        }
    }
    nodes
}

/// Converts a number of cells to the type of coordinates.
pub fn cells(count: usize) -> i32 {
    // half of the maximum, so that a sum of two does not overflow
    i32::try_from(count).unwrap_or(i32::MAX / 2)
}
