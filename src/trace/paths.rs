//! The chain rule along the paths of a scalar graph, as in the series' figure 14: the derivative by a node is the sum over all paths from the output to the
//! node, and each path contributes the product of its local derivatives.
//!
//! For J = 2 v, v = u + c, u = a b, the only path to a is J → v → u → a, with the product 2 · 1 · b.

use super::Trace;
use crate::network::{Id, Role};
use crate::op::rule::{Origin, Term};
use crate::step::{Kind, Pass};

/// A path from the output back to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The nodes, from the output to the node.
    pub nodes: Vec<Id>,
    /// The local derivatives along the path, in the same order.
    pub locals: Vec<f64>,
    /// Their product, multiplied from the output to the node.
    pub product: f64,
}

/// The largest number of paths that are shown.
const MOST: usize = 6;
/// The largest number of nodes of a path that is shown.
const LONGEST: usize = 24;

impl Trace {
    /// Returns the paths from the graph's output to a node. Empty for the output itself, and if there are too many paths or one is too long.
    #[must_use]
    pub fn paths(&self, sample_run: usize, node: Id) -> Vec<Path> {
        let mut done: Vec<Path> = Vec::new();
        let mut open = vec![Path { nodes: vec![node], locals: Vec::new(), product: 1.0 }];
        while let Some(path) = open.pop() {
            if open.len() + done.len() > MOST {
                return Vec::new();
            }
            let here = path.nodes[path.nodes.len() - 1];
            if path.nodes.len() > LONGEST {
                return Vec::new();
            }
            if here == self.network_of(sample_run).output() {
                let mut path = path;
                path.nodes.reverse();
                path.locals.reverse();
                path.product = path.locals.iter().product();
                done.push(path);
                continue;
            }
            let Some(locals) = self.locals(sample_run, here) else { return Vec::new() };
            for (above, local) in locals.into_iter().rev() {
                let mut next = path.clone();
                next.nodes.push(above);
                next.locals.push(local);
                open.push(next);
            }
        }
        done.retain(|path| path.nodes.len() > 1);
        let made = self.network_of(sample_run).gradient_of(node).and_then(|gradient| self.entry_steps(sample_run, gradient, 0));
        if let (Some(future), Some(made)) = (&self.future, made) {
            for number in done.iter_mut().flat_map(|path| path.locals.iter_mut().chain([&mut path.product])) {
                *number = future.number(made.end - 1, *number);
            }
        }
        done
    }

    /// Returns the nodes that read a node, each with its local derivative: the factors of the node's own backward steps. `None` if such a step is a quotient
    /// instead of a product, because the local derivative overflows.
    fn locals(&self, sample_run: usize, node: Id) -> Option<Vec<(Id, f64)>> {
        let network = self.network_of(sample_run);
        let Some(number) = network.gradient_of(node).and_then(|gradient| network.producer(gradient)) else { return Some(Vec::new()) };
        let op = &network.ops()[number];
        if op.pass != Pass::Backward {
            return Some(Vec::new());
        }
        let mut found = Vec::new();
        // with more readers than shown paths, `paths` gives up
        for (part, (rule, x)) in self.run(sample_run).parts(op, number).enumerate() {
            if found.len() > MOST + 1 {
                break;
            }
            for term in 0..rule.prefix_terms(&x, 1) {
                let Term { kind, args, .. } = rule.term(&x, 0, term);
                if kind == Kind::Apply {
                    return None;
                }
                if let [upstream, local] = args.as_slice()
                    && let Origin::Entry { slot, .. } = upstream.origin
                    && let Role::Gradient(above) = network.tensor(op.parts[part].operands[slot]).role
                {
                    found.push((above, local.value));
                }
            }
        }
        Some(found)
    }
}
