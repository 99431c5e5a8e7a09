//! The chain rule along the paths of a scalar graph: from the output back to one node, the product of the local derivatives on each way, as
//! the series' figure 14 tells it.

use super::Trace;
use crate::network::{Id, Role};
use crate::op::rule::{Origin, Term};
use crate::step::{Kind, Pass};

/// One way from the output back to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The nodes, from the output to the node.
    pub nodes: Vec<Id>,
    /// The local derivatives along it, in the same order.
    pub locals: Vec<f64>,
    /// Their product, multiplied from the output on.
    pub product: f64,
}

/// More ways than these, or longer ones, tell nobody anything.
const MOST: usize = 6;
const LONGEST: usize = 24;

impl Trace {
    /// The ways from the graph's output to a node; none when there are too many to be told, or when the node is the output itself.
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
        let made = self.network_of(sample_run).gradient_of(node).and_then(|gradient| self.made(sample_run, gradient, 0));
        if let (Some(future), Some(made)) = (&self.future, made) {
            for number in done.iter_mut().flat_map(|path| path.locals.iter_mut().chain([&mut path.product])) {
                *number = future.number(made.end - 1, *number);
            }
        }
        done
    }

    /// The nodes that read a node, each with its local derivative: the factors of the node's own backward steps. `None` where a step is a quotient, because
    /// the local derivative overflows.
    fn locals(&self, sample_run: usize, node: Id) -> Option<Vec<(Id, f64)>> {
        let network = self.network_of(sample_run);
        let Some(number) = network.gradient_of(node).and_then(|gradient| network.producer(gradient)) else { return Some(Vec::new()) };
        let op = &network.ops()[number];
        if op.pass != Pass::Backward {
            return Some(Vec::new());
        }
        let mut found = Vec::new();
        // so many that the way on is told by none
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
