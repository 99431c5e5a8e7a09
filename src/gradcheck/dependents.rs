//! The entries of an op's tensor that depend on an entry of one of its operands.
//!
//! They are found from the forward terms alone. `Rule::uses` answers the same question, but for the backward pass: an edge that is missing there would be
//! missing from the check as well.
//!
//! The dependents of an entry are a linked list, and lists share their common beginnings. In a linear layer with 2 outputs all inputs have the same dependents,
//! so they share one list:
//!
//! ```text
//! node 0 (none) ◀─ node 1 (output 0) ◀─ node 2 (output 1)     each input's list ends with node 2
//! ```
//!
//! When output r is appended, all inputs whose lists end with the same node get the same new last node. So a convolution needs one node for each pair of a
//! pixel and an output that reads it, and not one for each of the pixel's channels.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::network::{Id, Network, Op, Run};
use crate::op::rule::{Arg, Origin, Term, expand_slice};
use crate::step::Kind;
use crate::tensor::len;

/// The dependents of every entry that one op reads.
pub(super) struct Dependents {
    /// For each operand, and each of its entries, the last node of the list of dependents.
    last: Vec<(Id, Vec<u32>)>,
    /// For each node, the previous node and the dependent. Node 0 is the empty list.
    nodes: Vec<(u32, u32)>,
    /// The largest number of dependents that are computed faster one by one than with the whole tensor.
    limit: usize,
    /// See [`Dependents::rounded_magnitudes`].
    magnitudes: Vec<f64>,
}

/// The magnitude of the largest number that is rounded in the computation of an entry: products, functions, and sums of two or more terms.
#[derive(Default)]
struct Rounded {
    sum: f64,
    terms: u64,
    largest: f64,
}

impl Rounded {
    fn add(&mut self, kind: Kind, args: &[Arg], value: f64) {
        self.sum += value;
        self.terms += 1;
        if self.terms > 1 {
            self.largest = self.largest.max(self.sum.abs());
        }
        // a product by 1 or −1 is exact
        if kind == Kind::Apply || kind == Kind::Product && args.iter().filter(|arg| arg.value.abs() != 1.0).count() > 1 {
            self.largest = self.largest.max(value.abs());
        }
    }
}

const NONE: u32 = u32::MAX;

impl Dependents {
    /// Collects the dependents of a forward op.
    ///
    /// Returns `None` for an op that can only be computed as a whole: its terms do not list every entry that they depend on, or their sum is not bit for bit
    /// the value of its kernel. Also returns `None` when `stop` is set.
    pub fn of(network: &Network, run: &Run, op: &Op, number: usize, stop: &AtomicBool) -> Option<Self> {
        let values = run.values(op.output);
        u32::try_from(values.len()).ok()?;
        let mut last: Vec<(Id, Vec<u32>)> = Vec::new();
        let mut parts = Vec::new();
        for ((rule, x), part) in run.parts(op, number).zip(&op.parts) {
            if x.memo.is_some() {
                return None;
            }
            let mut index_of = |id: Id| {
                last.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
                    last.push((id, vec![0; len(&network.tensor(id).shape)]));
                    last.len() - 1
                })
            };
            let lists = part.operands.map(&mut index_of);
            parts.push((rule, x, lists));
        }
        let mut nodes = vec![(0, NONE)];
        // for each node, the last dependent that was appended to it, and the new node
        let mut next = vec![(NONE, 0)];
        let (mut all, mut windows) = (0, 0);
        let mut magnitudes = Vec::with_capacity(values.len());
        for (at, value) in values.iter().enumerate() {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let dependent = u32::try_from(at).ok()?;
            let (mut sum, mut terms, mut rounded) = (-0.0, 0, Rounded::default());
            for (rule, x, lists) in &parts {
                let own = rule.prefix_terms(x, at + 1) - rule.prefix_terms(x, at);
                for term in 0..own {
                    let Term { kind, args, value, .. } = rule.term(x, at, term);
                    let args = expand_slice(x, args);
                    rounded.add(kind, &args, value);
                    windows += if kind == Kind::Select { args.len() as u64 } else { 0 };
                    for arg in args {
                        let (slot, place) = match arg.origin {
                            Origin::Entry { slot, at } => (slot, at),
                            Origin::Constant => continue,
                            Origin::Derived { .. } | Origin::Slice { .. } => return None,
                        };
                        let end = &mut last[lists[slot]].1[place];
                        let node = *end as usize;
                        if nodes[node].1 == dependent {
                            continue; // an entry that is read twice
                        }
                        if next[node].0 != dependent {
                            next[node] = (dependent, u32::try_from(nodes.len()).ok()?);
                            nodes.push((*end, dependent));
                            next.push((NONE, 0));
                        }
                        *end = next[node].1;
                    }
                }
                sum = rule.add_first_terms(x, at, own, sum);
                terms += own;
            }
            let sum = entry_sum(sum, terms);
            if sum.to_bits() != value.to_bits() && !(sum.is_nan() && value.is_nan()) {
                return None;
            }
            all += terms;
            magnitudes.push(rounded.largest);
        }
        Some(Self { last, nodes, limit: limit(values.len() as u64, all, windows), magnitudes })
    }

    /// For each entry, the magnitude of the largest number that was rounded in its computation.
    pub fn rounded_magnitudes(&self) -> &[f64] {
        &self.magnitudes
    }

    /// Returns the entries that depend on a changed entry, unordered, or `None` if computing the whole tensor is faster.
    pub fn of_changed<'m>(&self, changed: &[Vec<usize>], visited: &'m mut Visited) -> Option<&'m [usize]> {
        let Visited { seen_nodes, seen, nodes, dependents } = visited;
        seen_nodes.resize(self.nodes.len(), false);
        nodes.clear();
        dependents.clear();
        let mut many = false;
        'all: for (id, last) in &self.last {
            for &at in &changed[*id] {
                let mut node = last[at] as usize;
                // the nodes before a seen node are seen too
                while node != 0 && !seen_nodes[node] {
                    seen_nodes[node] = true;
                    nodes.push(node);
                    let (before, dependent) = self.nodes[node];
                    let dependent = dependent as usize;
                    if seen.len() <= dependent {
                        seen.resize(dependent + 1, false);
                    }
                    if !seen[dependent] {
                        seen[dependent] = true;
                        dependents.push(dependent);
                        if dependents.len() > self.limit {
                            many = true;
                            break 'all;
                        }
                    }
                    node = before as usize;
                }
            }
        }
        for &node in &*nodes {
            seen_nodes[node] = false;
        }
        for &dependent in &*dependents {
            seen[dependent] = false;
        }
        (!many).then_some(dependents.as_slice())
    }
}

/// Memory for [`Dependents::of_changed`]. All marks are cleared between two calls.
#[derive(Default)]
pub(super) struct Visited {
    seen_nodes: Vec<bool>,
    seen: Vec<bool>,
    nodes: Vec<usize>,
    dependents: Vec<usize>,
}

/// Returns the sum of an entry's terms. Sums start with −0, but an entry without terms is 0.
pub(super) fn entry_sum(sum: f64, terms: u64) -> f64 {
    if terms == 0 { 0.0 } else { sum }
}

/// Returns the number of entries that are computed one by one in the time of the whole tensor.
///
/// Measured times in nanoseconds: one by one 40·entries + terms + 6·windows, together entries + terms/4 + 6·windows. `windows` is the total size of the
/// windows that are searched for a maximum.
fn limit(entries: u64, terms: u64, windows: u64) -> usize {
    let (alone, together) = (40 * entries + terms + 6 * windows, entries + terms / 4 + 6 * windows);
    usize::try_from(u128::from(entries) * u128::from(together) / u128::from(alone.max(1))).unwrap_or(usize::MAX)
}
