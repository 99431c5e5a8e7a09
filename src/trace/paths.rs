//! The chain rule along the paths of single numbers in a graph, as in figure 14 of V. Petersen's series.
//!
//! The derivative of the output by a node is a sum over all paths from the output to the node. Each path contributes the product of the local derivatives along
//! it. For example, let J = 2 v, v = u + c and u = a b. The only path to a is J → v → u → a, with the product 2 · 1 · b.

use super::Trace;
use crate::network::{Id, Role};
use crate::op::rule::{Origin, Term};
use crate::step::{Kind, Pass};
use crate::tensor::len;

/// A path from the output back to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The nodes on the path, from the output on.
    pub nodes: Vec<Id>,
    /// The local derivatives along the path, from the output on. Each is the derivative of a node by the next node.
    pub locals: Vec<f64>,
    /// The product of the local derivatives, multiplied in this order.
    pub product: f64,
}

/// The largest number of other paths while one path is extended. So at most 7 paths are shown.
const MAX_PATHS: usize = 6;
/// The largest number of nodes of a path that is shown.
const MAX_NODES: usize = 24;

impl Trace {
    /// Returns the paths from the graph's output to a node. Returns no path for the output itself, and none if there are too many paths, if a path is too long
    /// to be shown, if a tensor on a path has several entries, or if a local derivative is unknown because it overflows.
    #[must_use]
    pub fn paths(&self, run_index: usize, node: Id) -> Vec<Path> {
        let mut complete: Vec<Path> = Vec::new();
        // paths that start at the node and have not reached the output yet
        let mut open = vec![Path { nodes: vec![node], locals: Vec::new(), product: 1.0 }];
        while let Some(path) = open.pop() {
            if open.len() + complete.len() > MAX_PATHS {
                return Vec::new();
            }
            let last = path.nodes[path.nodes.len() - 1];
            // each entry of a tensor has paths of its own
            let is_single = len(&self.network_of(run_index).tensor(last).shape) == 1;
            if path.nodes.len() > MAX_NODES || !is_single {
                return Vec::new();
            }
            if last == self.network_of(run_index).output() {
                let mut path = path;
                path.nodes.reverse();
                path.locals.reverse();
                path.product = path.locals.iter().product();
                complete.push(path);
                continue;
            }
            let Some(locals) = self.locals(run_index, last) else { return Vec::new() };
            for (reader, local) in locals.into_iter().rev() {
                let mut next = path.clone();
                next.nodes.push(reader);
                next.locals.push(local);
                open.push(next);
            }
        }
        // the output has no path to itself
        complete.retain(|path| path.nodes.len() > 1);
        let steps = self.network_of(run_index).gradient_of(node).and_then(|gradient| self.entry_steps(run_index, gradient, 0));
        // in tests, the numbers of the paths are replaced if the node's derivative is not computed yet
        if let (Some(future), Some(steps)) = (&self.future, steps) {
            for number in complete.iter_mut().flat_map(|path| path.locals.iter_mut().chain([&mut path.product])) {
                *number = future.number(steps.end - 1, *number);
            }
        }
        complete
    }

    /// Returns the nodes that read a node, each with its local derivative by the node. They are found in the steps of the node's derivative: each step is the
    /// product of the derivative by the reader and the local derivative.
    ///
    /// If a local derivative overflows, the step can be a quotient ([`Kind::Apply`]), which does not have the local derivative as a factor. Then the result is
    /// `None`.
    fn locals(&self, run_index: usize, node: Id) -> Option<Vec<(Id, f64)>> {
        let network = self.network_of(run_index);
        let Some(number) = network.gradient_of(node).and_then(|gradient| network.producer(gradient)) else { return Some(Vec::new()) };
        let op = &network.ops()[number];
        if op.pass != Pass::Backward {
            return Some(Vec::new());
        }
        let mut found = Vec::new();
        for (part, (rule, x)) in self.run(run_index).parts(op, number).enumerate() {
            // each reader is on another path; there are already too many paths for `paths`, so further readers do not matter
            if found.len() > MAX_PATHS + 1 {
                break;
            }
            for term in 0..rule.prefix_terms(&x, 1) {
                let Term { kind, args, .. } = rule.term(&x, 0, term);
                if kind == Kind::Apply {
                    return None;
                }
                if let [upstream, local] = args.as_slice()
                    && let Origin::Entry { slot, .. } = upstream.origin
                    && let Role::Gradient(reader) = network.tensor(op.parts[part].operands[slot]).role
                {
                    found.push((reader, local.value));
                }
            }
        }
        Some(found)
    }
}
