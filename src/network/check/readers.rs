//! Which entries of an op's tensor read an entry of what the op reads. That is taken from the forward terms alone: were it the backward pass's own
//! idea of who reads what, an edge that it forgets would be forgotten by the check as well.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::network::{Id, Network, Op, Run};
use crate::op::rule::{Arg, Origin, Term, unfolded};
use crate::step::Kind;
use crate::tensor::len;

/// The readers of every entry that one op reads.
///
/// Those of an entry are a chain of nodes, and entries with the same readers (the same pixel of all channels, all inputs of a linear layer)
/// share one: each reader in turn sends the entries that it reads on to a next node, those of one node to one.
pub(super) struct Readers {
    /// Each tensor that is read, and for each of its entries the last node of its chain.
    chains: Vec<(Id, Vec<u32>)>,
    /// The node before, and the reader. The first node is no reader's: chains begin with it.
    nodes: Vec<(u32, u32)>,
    /// The most entries that are sooner computed one by one than all together.
    few: usize,
    /// For each entry, the largest number that was rounded on the way to it.
    sizes: Vec<f64>,
}

/// The largest number that is rounded while the terms of an entry are computed and added up: products, functions, and sums of two terms or more.
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

impl Readers {
    /// Those of a forward op; `None` where its terms do not name all that they depend on or do not add up to what its kernel has computed, so that it
    /// can only be computed as a whole, or when it is told to stop.
    pub fn of(network: &Network, run: &Run, op: &Op, number: usize, stop: &AtomicBool) -> Option<Self> {
        let values = run.values(op.output);
        u32::try_from(values.len()).ok()?;
        let mut chains: Vec<(Id, Vec<u32>)> = Vec::new();
        let mut parts = Vec::new();
        for ((rule, x), part) in run.parts(op, number).zip(&op.parts) {
            if x.memo.is_some() {
                return None;
            }
            let mut chain = |id: Id| {
                chains.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
                    chains.push((id, vec![0; len(&network.tensor(id).shape)]));
                    chains.len() - 1
                })
            };
            let slots = part.operands.map(&mut chain);
            parts.push((rule, x, slots));
        }
        let mut nodes = vec![(0, NONE)];
        // for each node the last reader that sent on from it, and where to
        let mut next = vec![(NONE, 0)];
        let (mut all, mut windows) = (0, 0);
        let mut sizes = Vec::with_capacity(values.len());
        for (at, value) in values.iter().enumerate() {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let reader = u32::try_from(at).ok()?;
            let (mut sum, mut terms, mut rounded) = (-0.0, 0, Rounded::default());
            for (rule, x, slots) in &parts {
                let own = rule.before(x, at + 1) - rule.before(x, at);
                for term in 0..own {
                    let Term { kind, args, value, .. } = rule.term(x, at, term);
                    let args = unfolded(x, args);
                    rounded.add(kind, &args, value);
                    windows += if kind == Kind::Select { args.len() as u64 } else { 0 };
                    for arg in args {
                        let (slot, place) = match arg.origin {
                            Origin::Entry { slot, at } => (slot, at),
                            Origin::Constant => continue,
                            Origin::Derived { .. } | Origin::Slice { .. } => return None,
                        };
                        let node = &mut chains[slots[slot]].1[place];
                        let last = *node as usize;
                        if nodes[last].1 == reader {
                            continue; // it reads it twice
                        }
                        if next[last].0 != reader {
                            next[last] = (reader, u32::try_from(nodes.len()).ok()?);
                            nodes.push((*node, reader));
                            next.push((NONE, 0));
                        }
                        *node = next[last].1;
                    }
                }
                sum = rule.partial(x, at, own, sum);
                terms += own;
            }
            let sum = whole(sum, terms);
            if sum.to_bits() != value.to_bits() && !(sum.is_nan() && value.is_nan()) {
                return None;
            }
            all += terms;
            sizes.push(rounded.largest);
        }
        Some(Self { chains, nodes, few: few(values.len() as u64, all, windows), sizes })
    }

    /// For each entry, the largest number that was rounded on the way to it.
    pub fn sizes(&self) -> &[f64] {
        &self.sizes
    }

    /// All that read one of these entries, in no order; `None` where they are too many to be computed one by one.
    pub fn reached<'m>(&self, changed: &[Vec<usize>], marks: &'m mut Marks) -> Option<&'m [usize]> {
        let Marks { met, seen, nodes, readers } = marks;
        met.resize(self.nodes.len(), false);
        nodes.clear();
        readers.clear();
        let mut many = false;
        'all: for (id, chain) in &self.chains {
            for &at in &changed[*id] {
                let mut node = chain[at] as usize;
                // what lies before a node that was met has been met with it
                while node != 0 && !met[node] {
                    met[node] = true;
                    nodes.push(node);
                    let (before, reader) = self.nodes[node];
                    let reader = reader as usize;
                    if seen.len() <= reader {
                        seen.resize(reader + 1, false);
                    }
                    if !seen[reader] {
                        seen[reader] = true;
                        readers.push(reader);
                        if readers.len() > self.few {
                            many = true;
                            break 'all;
                        }
                    }
                    node = before as usize;
                }
            }
        }
        for &node in &*nodes {
            met[node] = false;
        }
        for &reader in &*readers {
            seen[reader] = false;
        }
        (!many).then_some(readers.as_slice())
    }
}

/// What [`Readers::reached`] writes on; all marks are gone when it is done.
#[derive(Default)]
pub(super) struct Marks {
    met: Vec<bool>,
    seen: Vec<bool>,
    nodes: Vec<usize>,
    readers: Vec<usize>,
}

/// An entry's sum; one that nothing reaches is 0, not the −0 that sums begin with.
pub(super) fn whole(sum: f64, terms: u64) -> f64 {
    if terms == 0 { 0.0 } else { sum }
}

/// Measured: an entry by itself costs about 40 ns and 1 ns for each of its terms, among all others 1 ns and a quarter of one; 6 ns for each entry of a
/// window that is searched for its largest, in both.
fn few(entries: u64, terms: u64, windows: u64) -> usize {
    let (alone, together) = (40 * entries + terms + 6 * windows, entries + terms / 4 + 6 * windows);
    usize::try_from(u128::from(entries) * u128::from(together) / u128::from(alone.max(1))).unwrap_or(usize::MAX)
}
