//! The dependents of an entry x are the entries of an op's output that are computed from x. When the gradient check changes x, only its dependents are computed
//! again.
//!
//! The dependents are found in the terms of the forward pass. `Rule::uses` lists the same edges, but it belongs to the backward pass, which the check tests. If
//! an edge were missing there, a check that used this list could not find the error.
//!
//! The dependents of an entry are a linked list, in which each node points to the node before it. Lists with the same beginning share these nodes. For example,
//! in a linear layer with 2 outputs all inputs have the same dependents, so all have one list:
//!
//! ```text
//! node 0 (none) ◀─ node 1 (output 0) ◀─ node 2 (output 1)     the list of each input ends with node 2
//! ```
//!
//! If output r is appended to several lists that end with the same node, all of them get the same new node. So a convolution needs one node for each pair of a
//! pixel and an output that reads the pixel, and not one for each channel of the pixel.

use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;

use crate::expr::Primitive;
use crate::network::{Id, Network, Op, Run};
use crate::op::rule::{Arg, Origin, Term, expand_slice};
use crate::step::Kind;
use crate::tensor::len;

/// The dependents of every entry that one op reads.
pub(super) struct Dependents {
    /// The operands, each with the last nodes of the lists of its entries.
    last_nodes: Vec<(Id, Vec<u32>)>,
    /// For each node, the index of the node before it, and the offset of the dependent in the op's output. Node 0 is the empty list.
    nodes: Vec<(u32, u32)>,
    /// Up to this number of dependents, computing them one by one is faster than computing the whole tensor.
    limit: usize,
    /// For each entry of the op's output, the largest absolute value of a rounded number in its computation. The rounding error of the loss is estimated from
    /// it.
    magnitudes: Vec<f64>,
}

/// Computes the largest absolute value of the rounded numbers in the computation of an entry. These are products, results of functions, and sums of at least
/// two terms.
#[derive(Default)]
pub(super) struct RoundedMagnitude {
    /// The running sum of the terms.
    sum: f64,
    /// The number of terms so far.
    terms: u64,
    /// The result so far.
    pub largest: f64,
}

impl RoundedMagnitude {
    /// Adds the next term of the entry.
    pub fn add(&mut self, kind: Kind, function: Option<&Primitive>, args: &[Arg], value: f64) {
        self.sum += value;
        self.terms += 1;
        if self.terms > 1 {
            self.largest = self.largest.max(self.sum.abs());
        }
        // a product with 1 or −1 is exact
        if kind == Kind::Apply || kind == Kind::Product && args.iter().filter(|arg| arg.value.abs() != 1.0).count() > 1 {
            self.largest = self.largest.max(value.abs());
        }
        if let Some(function) = function {
            let arguments: SmallVec<[f64; 4]> = args.iter().map(|arg| arg.value).collect();
            self.largest = self.largest.max(function.rounded_magnitude(&arguments).unwrap_or(0.0));
        }
    }
}

/// The value for "no dependent": the dependent of node 0 and, in `appended`, that of a node to which nothing has been appended.
const NONE: u32 = u32::MAX;

impl Dependents {
    /// Collects the dependents of a forward op.
    ///
    /// Returns `None` if the op can only be computed as a whole: if a rule has a memo, if a term depends on entries that it does not list, or if the sum of the
    /// terms has other bits than the result of the kernel. Also returns `None` if there are too many entries for a `u32`, or if `stop` becomes `true`.
    pub fn of(network: &Network, run: &Run, op: &Op, op_number: usize, stop: &AtomicBool) -> Option<Self> {
        let values = run.values(op.output);
        // offsets and nodes are stored as `u32`
        u32::try_from(values.len()).ok()?;
        let mut last_nodes: Vec<(Id, Vec<u32>)> = Vec::new();
        let mut parts = Vec::new();
        for ((rule, x), part) in run.parts(op, op_number).zip(&op.parts) {
            // a memo is computed from the whole operand, so it would be wrong after an entry was changed
            if x.memo.is_some() {
                return None;
            }
            let mut index_of = |id: Id| {
                last_nodes.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
                    last_nodes.push((id, vec![0; len(&network.tensor(id).shape)]));
                    last_nodes.len() - 1
                })
            };
            // for each slot, the index of its tensor in `last_nodes`
            let lists = part.operands.map(&mut index_of);
            parts.push((rule, x, lists));
        }
        let mut nodes = vec![(0, NONE)];
        // for each node n, the dependent that was last appended to a list that ends with n, and its node. If another list ends with n, and the same dependent
        // is appended, it gets the same node. In the linear layer above, input 0 appends output 0 to node 0, which makes node 1: appended[0] = (0, 1). Then
        // input 1 finds this pair, and its list ends with node 1 too
        let mut appended = vec![(NONE, 0)];
        // the number of terms of all entries, and the total size of the windows in which a maximum is searched
        let (mut all_terms, mut windows) = (0, 0);
        let mut magnitudes = Vec::with_capacity(values.len());
        for (at, value) in values.iter().enumerate() {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let dependent = u32::try_from(at).ok()?;
            // a sum starts with −0, see `entry_sum`
            let (mut sum, mut terms, mut rounded) = (-0.0, 0, RoundedMagnitude::default());
            for (rule, x, lists) in &parts {
                let part_terms = rule.prefix_terms(x, at + 1) - rule.prefix_terms(x, at);
                for term in 0..part_terms {
                    let Term { kind, function, args, value } = rule.term(x, at, term);
                    let args = expand_slice(x, args);
                    rounded.add(kind, function, &args, value);
                    windows += if kind == Kind::Select { args.len() as u64 } else { 0 };
                    for arg in args {
                        let (slot, read_at) = match arg.origin {
                            Origin::Entry { slot, at } => (slot, at),
                            Origin::Constant => continue,
                            Origin::Derived { .. } | Origin::Slice { .. } => return None,
                        };
                        let last_node = &mut last_nodes[lists[slot]].1[read_at];
                        let node = *last_node as usize;
                        if nodes[node].1 == dependent {
                            continue; // another term has already read the same entry
                        }
                        if appended[node].0 != dependent {
                            appended[node] = (dependent, u32::try_from(nodes.len()).ok()?);
                            nodes.push((*last_node, dependent));
                            appended.push((NONE, 0));
                        }
                        *last_node = appended[node].1;
                    }
                }
                sum = rule.add_first_terms(x, at, part_terms, sum);
                terms += part_terms;
            }
            let sum = entry_sum(sum, terms);
            if sum.to_bits() != value.to_bits() && !(sum.is_nan() && value.is_nan()) {
                return None;
            }
            all_terms += terms;
            magnitudes.push(rounded.largest);
        }
        Some(Self { last_nodes, nodes, limit: limit(values.len() as u64, all_terms, windows), magnitudes })
    }

    /// Returns for each entry of the op's output the largest absolute value of a rounded number in its computation. The rounding error of the loss is estimated
    /// from it.
    pub fn rounded_magnitudes(&self) -> &[f64] {
        &self.magnitudes
    }

    /// Returns the entries that depend on changed entries, in any order. Returns `None` if computing the whole tensor is faster. `changed` has the offsets of
    /// the changed entries of each tensor of the network.
    pub fn of_changed<'m>(&self, changed: &[Vec<usize>], visited: &'m mut Visited) -> Option<&'m [usize]> {
        let Visited { seen_nodes, seen_dependents, nodes, dependents } = visited;
        seen_nodes.resize(self.nodes.len(), false);
        nodes.clear();
        dependents.clear();
        let mut is_over_limit = false;
        'all: for (id, last_nodes) in &self.last_nodes {
            for &at in &changed[*id] {
                let mut node = last_nodes[at] as usize;
                // if a node was visited, so were all nodes before it, and the loop ends
                while node != 0 && !seen_nodes[node] {
                    seen_nodes[node] = true;
                    nodes.push(node);
                    let (before, dependent) = self.nodes[node];
                    let dependent = dependent as usize;
                    if seen_dependents.len() <= dependent {
                        seen_dependents.resize(dependent + 1, false);
                    }
                    if !seen_dependents[dependent] {
                        seen_dependents[dependent] = true;
                        dependents.push(dependent);
                        if dependents.len() > self.limit {
                            is_over_limit = true;
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
            seen_dependents[dependent] = false;
        }
        (!is_over_limit).then_some(dependents.as_slice())
    }
}

/// Memory for [`Dependents::of_changed`], which is used again and again. Between two calls, all `bool`s are `false`.
#[derive(Default)]
pub(super) struct Visited {
    /// For each node, `true` if it is in `nodes`.
    seen_nodes: Vec<bool>,
    /// For each entry of the op's output, `true` if it is in `dependents`.
    seen_dependents: Vec<bool>,
    /// The visited nodes.
    nodes: Vec<usize>,
    /// The dependents that were found.
    dependents: Vec<usize>,
}

/// Returns the value of an entry with this sum of its terms. Sums start with −0, but an entry without terms is 0.
pub(super) fn entry_sum(sum: f64, terms: u64) -> f64 {
    if terms == 0 { 0.0 } else { sum }
}

/// Returns the number n of entries for which two methods take the same time: computing n entries one by one, and computing the whole tensor.
///
/// Computing all entries one by one takes 40·entries + terms + 6·windows nanoseconds (measured). The kernel takes only entries + terms/4 + 6·windows. `windows`
/// is the total size of the windows in which a maximum is searched. So n · `one_by_one` / `entries` = `with_kernel`.
fn limit(entries: u64, terms: u64, windows: u64) -> usize {
    let (one_by_one, with_kernel) = (40 * entries + terms + 6 * windows, entries + terms / 4 + 6 * windows);
    usize::try_from(u128::from(entries) * u128::from(with_kernel) / u128::from(one_by_one.max(1))).unwrap_or(usize::MAX)
}
