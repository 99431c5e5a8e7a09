//! Chooses the nodes of a scalar graph to draw, and the column of each.

use std::collections::HashMap;

use crate::network::{Id, Role};
use crate::number::{USUAL, short};
use crate::text::{cut, width};
use crate::ui::view::View;

/// The longest name of a node, in cells.
const LABEL: usize = 12;

/// A node to draw.
pub struct GraphNode {
    pub id: Id,
    pub name: String,
    pub depth: usize,
    /// The indices of the drawn nodes that it reads, ascending.
    pub reads: Vec<usize>,
    /// The indices of the nodes that read it.
    pub readers: Vec<usize>,
    /// `true` if it reads no node, drawn or not.
    pub given: bool,
    /// Its width in cells with its numbers beside it, and with its numbers above and below. A number that is not computed yet reserves the usual width, or that of
    /// a whole number if all inputs are whole, so that the picture seldom moves when the number is computed.
    pub wide: [i32; 2],
}

/// The cells reserved for a whole number that is not computed yet.
const WHOLE: usize = 3;

/// The most nodes that are laid out; of a larger graph, those around the current node.
const MOST: usize = 150;

/// Returns the tensors that a node reads.
fn reads(view: &View<'_>, id: Id) -> Vec<Id> {
    let network = view.network();
    let op = network.producer(id).map(|n| &network.ops()[n]);
    op.into_iter().flat_map(|op| op.parts.iter().flat_map(|part| part.operands.iter().copied())).collect()
}

/// Returns the tensors of the nodes to draw, in the order of the graph.
fn chosen(view: &View<'_>) -> Vec<Id> {
    let network = view.network();
    let is_node = |id: &Id| !matches!(network.tensor(*id).role, Role::Gradient(_));
    if network.tensors().len() <= 2 * MOST {
        return (0..network.tensors().len()).filter(is_node).collect();
    }
    // breadth-first from the current node, along the edges in both directions
    let mut found = vec![view.neuron(view.output)];
    let mut next = 0;
    while next < found.len() && found.len() < MOST {
        let id = found[next];
        next += 1;
        let readers = network.readers(id).iter().map(|reader| network.ops()[reader.op].output).filter(is_node).take(MOST / 10);
        for near in reads(view, id).into_iter().chain(readers) {
            if !found.contains(&near) {
                found.push(near);
            }
        }
    }
    found.sort_unstable();
    found
}

/// Returns the nodes to draw, each after those that it reads.
pub fn nodes(view: &View<'_>) -> Vec<GraphNode> {
    let network = view.network();
    let chosen = chosen(view);
    let mut given = chosen.iter().filter(|id| network.producer(**id).is_none()).filter_map(|id| view.number(*id, 0));
    let expected = if given.all(|number| number.fract() == 0.0) { WHOLE } else { USUAL };
    let mut nodes: Vec<GraphNode> = Vec::new();
    let mut places = HashMap::new();
    for (place, id) in chosen.into_iter().enumerate() {
        let info = network.tensor(id);
        let read = reads(view, id);
        let mut reads: Vec<usize> = read.iter().filter_map(|id| places.get(id).copied()).collect();
        reads.sort_unstable();
        reads.dedup();
        for &read in &reads {
            let GraphNode { readers, .. }: &mut GraphNode = &mut nodes[read];
            readers.push(place);
        }
        places.insert(id, place);
        let depth = reads.iter().map(|&read| nodes[read].depth + 1).max().unwrap_or(0);
        let name = cut(&info.name, LABEL);
        let room = |id: Id| {
            let known = view.number(id, 0).map_or(0, |value| width(&short(value)));
            if network.producer(id).is_some() { known.max(expected) } else { known }
        };
        let (value, derivative) = (room(id), network.gradient_of(id).map_or(0, room));
        let wide = [width(&name) + value + derivative + 3, (width(&name) + 4).max(value + 2).max(derivative + 2)];
        nodes.push(GraphNode { id, name, depth, reads, readers: Vec::new(), given: read.is_empty(), wide: wide.map(cells) });
    }
    // an input is in the column before the first node that reads it
    for i in 0..nodes.len() {
        if nodes[i].given
            && let Some(depth) = nodes[i].readers.iter().map(|reader| nodes[*reader].depth).min()
        {
            nodes[i].depth = depth - 1;
        }
    }
    nodes
}

/// Converts a number of cells to the type of coordinates.
pub fn cells(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX / 2)
}
