//! Computes the loss after one entry of a tensor was moved. Only the entries that depend on the moved entry are computed again. They have the same bits as
//! after a whole forward pass.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use super::dependents::{Dependents, Visited, entry_sum};
use super::kinks::Kinks;
use crate::network::{Id, Network, Op, Run};
use crate::op::rule::{Operands, Rule};
use crate::step::Pass;
use crate::tensor::len;

/// A forward pass and its loss, with the data that makes moves fast. All threads share it.
pub(super) struct ForwardPass<'a> {
    pub network: &'a Network,
    pub run: &'a Run,
    /// The dependents of the entries that each op reads; `None` for an op that can only be computed as a whole.
    dependents: Vec<Option<Dependents>>,
    /// The kinks of each op; `None` for an op without kinks.
    kinks: Vec<Option<Kinks>>,
    /// `false` if the preparation ended early.
    pub has_lists: bool,
}

impl<'a> ForwardPass<'a> {
    /// Prepares a run. If `stop` becomes `true`, the preparation ends early. The result is then still valid, but each move computes whole tensors, which is
    /// slow.
    pub fn new(network: &'a Network, run: &'a Run, stop: &AtomicBool) -> Self {
        let ops = || forward_ops(network).enumerate();
        let dependents = ops().map(|(number, op)| Dependents::of(network, run, op, number, stop)).collect();
        let kinks = ops().map(|(number, op)| Kinks::of(run, op, number, len(&network.tensor(op.output).shape))).collect();
        Self { network, run, dependents, kinks, has_lists: !stop.load(Ordering::Relaxed) }
    }

    /// Returns for each entry of a tensor the largest absolute value of a rounded number in its computation. Returns `None` for an input or a parameter, and
    /// for an op that can only be computed as a whole.
    pub fn rounded_magnitudes(&self, id: Id) -> Option<&[f64]> {
        let number = self.network.producer(id)?;
        self.dependents.get(number)?.as_ref().map(Dependents::rounded_magnitudes)
    }
}

/// The ops of the forward pass and the loss.
pub(super) fn forward_ops(network: &Network) -> impl Iterator<Item = &Op> {
    network.ops().iter().take_while(|op| op.pass != Pass::Backward)
}

/// The location of a kink in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KinkSite {
    /// The number of the op.
    pub op: usize,
    /// The offset of the entry in the op's output.
    pub entry: usize,
    /// The number of the part or of the kink inside a term, as [`Kinks::crossed`] reports it.
    pub part: usize,
}

/// A kink that a move crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Crossing {
    pub site: KinkSite,
    /// The number of the piece in which the entry is after the move.
    piece: usize,
}

/// The result of a move.
#[derive(Debug, PartialEq)]
pub(super) struct Perturbed {
    pub loss: f64,
    /// The kinks that the move crosses, sorted.
    pub crossings: Vec<Crossing>,
}

/// A copy of the tensors, in which one thread moves entries. Between two moves, the copy is equal to the run.
pub(super) struct Workspace<'a> {
    forward: &'a ForwardPass<'a>,
    /// The tensors by id. A tensor is borrowed from the run until a move changes it.
    tensors: Vec<Cow<'a, [f64]>>,
    /// The offsets of the entries that differ from the run, for each tensor.
    changed: Vec<Vec<usize>>,
    /// Memory for [`Dependents::of_changed`], for each op.
    visited: Vec<Visited>,
    /// Memory for the new entries of an op's output.
    sums: Vec<f64>,
    /// A flag that ends every move early. The result of such a move is meaningless.
    stop: Option<&'a AtomicBool>,
}

impl<'a> Workspace<'a> {
    pub fn new(forward: &'a ForwardPass<'a>) -> Self {
        let tensors: Vec<Cow<'a, [f64]>> = (0..forward.network.tensors().len()).map(|id| Cow::Borrowed(forward.run.values(id))).collect();
        let changed = vec![Vec::new(); tensors.len()];
        let visited = forward.dependents.iter().map(|_| Visited::default()).collect();
        Self { forward, tensors, changed, visited, sums: Vec::new(), stop: None }
    }

    /// The forward pass in which the entries are moved.
    pub fn forward(&self) -> &'a ForwardPass<'a> {
        self.forward
    }

    /// Returns whether the flag is set that ends every move early.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Sets a flag that ends every move early.
    pub fn with_stop(self, stop: &'a AtomicBool) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Returns whether the entry at this location is exactly on a kink in the run.
    pub fn is_on_kink(&self, KinkSite { op, entry, part }: KinkSite) -> bool {
        self.forward.kinks[op].as_ref().is_some_and(|kinks| kinks.is_tie(entry, part))
    }

    /// Computes the loss with the entry `at` of a tensor set to `value`. Then restores all tensors.
    pub fn perturb(&mut self, id: Id, at: usize, value: f64) -> Perturbed {
        let network = self.forward.network;
        self.tensors[id].to_mut()[at] = value;
        self.changed[id].push(at);
        let mut crossings = Vec::new();
        for (number, op) in forward_ops(network).enumerate() {
            let has_changed = |id: &Id| !self.changed[*id].is_empty();
            if self.is_stopped() {
                break;
            }
            // the moved tensor itself keeps its moved entry
            if op.output == id || !op.parts.iter().any(|part| part.operands.iter().any(has_changed)) {
                continue;
            }
            self.compute(number, op, id, &mut crossings);
        }
        let loss = self.tensors[network.loss()][0];
        for (id, changed) in self.changed.iter_mut().enumerate().filter(|(_, changed)| !changed.is_empty()) {
            let (now, before) = (self.tensors[id].to_mut(), self.forward.run.values(id));
            for at in changed.drain(..) {
                now[at] = before[at];
            }
        }
        crossings.sort_unstable();
        Perturbed { loss, crossings }
    }

    /// Computes the entries of an op's output that depend on a changed entry, and adds the kinks that they cross to `crossings`. `moved` is the tensor with the
    /// moved entry.
    fn compute(&mut self, number: usize, op: &Op, moved: Id, crossings: &mut Vec<Crossing>) {
        let dependents = self.forward.dependents[number].as_ref();
        // the offsets of the entries to compute; `None` for all entries of the output
        let affected = dependents.and_then(|dependents| dependents.of_changed(&self.changed, &mut self.visited[number]));
        let tensor = |id: Id| -> &[f64] { &self.tensors[id] };
        if let Some(entries) = affected {
            let parts: Vec<(&dyn Rule, Operands<'_>)> = op
                .parts
                .iter()
                .map(|part| {
                    let tensors = part.operands.map(tensor);
                    (part.rule.as_ref(), Operands { tensors, memo: &None })
                })
                .collect();
            self.sums.clear();
            self.sums.extend(entries.iter().map(|&at| {
                let (mut sum, mut term_count) = (-0.0, 0);
                for (rule, x) in &parts {
                    let terms = rule.prefix_terms(x, at + 1) - rule.prefix_terms(x, at);
                    sum = rule.add_first_terms(x, at, terms, sum);
                    term_count += terms;
                }
                // an entry without terms is 0
                entry_sum(sum, term_count)
            }));
        } else {
            // some losses read both the network's output and its pre-activation z, and are computed from z. But if the output itself is moved, the loss must
            // be computed from the output
            let reads_moved_output = op.output_and_z().is_some_and(|[output, _]| output == moved);
            let op = if reads_moved_output { Cow::Owned(op.without_z()) } else { Cow::Borrowed(op) };
            self.sums.resize(len(&self.forward.network.tensor(op.output).shape), 0.0);
            op.compute(tensor, &mut self.sums);
        }
        if let Some(kinks) = &self.forward.kinks[number] {
            let report = |entry, part, piece| crossings.push(Crossing { site: KinkSite { op: number, entry, part }, piece });
            match affected {
                Some(entries) => kinks.crossed(&entries.iter().copied(), tensor, report),
                None => kinks.crossed(&(0..self.sums.len()), tensor, report),
            }
        }
        let (before, changed) = (self.forward.run.values(op.output), &mut self.changed[op.output]);
        let (now, sums) = (&mut self.tensors[op.output], self.sums.iter().copied());
        match affected {
            Some(entries) => write_changes(entries.iter().copied().zip(sums), before, now, changed),
            None => write_changes(sums.enumerate(), before, now, changed),
        }
    }
}

/// Writes the values that differ from `before`, and adds their offsets to `changed`. `entries` are pairs of an offset and a value.
fn write_changes(entries: impl Iterator<Item = (usize, f64)>, before: &[f64], to: &mut Cow<'_, [f64]>, changed: &mut Vec<usize>) {
    let mut different = entries.filter(|&(at, value)| value.to_bits() != before[at].to_bits()).peekable();
    if different.peek().is_some() {
        let to = to.to_mut();
        for (at, value) in different {
            to[at] = value;
            changed.push(at);
        }
    }
}
