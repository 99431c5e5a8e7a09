//! The loss after one entry of a tensor was moved. Only the entries that depend on it are computed again, with the same bits as in a whole forward pass.

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

use super::dependents::{Dependents, Visited, entry_sum};
use super::kinks::Kinks;
use crate::network::{Id, Network, Op, Run};
use crate::op::rule::{Operands, Rule};
use crate::step::Pass;
use crate::tensor::len;

/// A forward pass and its loss before any move, prepared for moves. All threads share it.
pub(super) struct ForwardPass<'a> {
    pub network: &'a Network,
    pub run: &'a Run,
    /// For each op; `None` for an op that can only be computed as a whole.
    dependents: Vec<Option<Dependents>>,
    /// For each op; `None` for an op without kinks.
    kinks: Vec<Option<Kinks>>,
}

impl<'a> ForwardPass<'a> {
    /// Prepares a run. When `stop` is set meanwhile, the preparation ends early; the result is valid but slow.
    pub fn new(network: &'a Network, run: &'a Run, stop: &AtomicBool) -> Self {
        let ops = || forward_ops(network).enumerate();
        let dependents = ops().map(|(number, op)| Dependents::of(network, run, op, number, stop)).collect();
        let kinks = ops().map(|(number, op)| Kinks::of(run, op, number, len(&network.tensor(op.output).shape))).collect();
        Self { network, run, dependents, kinks }
    }

    /// For each entry of a tensor, the magnitude of the largest number that was rounded in its computation; `None` if the terms are not known.
    pub fn rounded_magnitudes(&self, id: Id) -> Option<&[f64]> {
        let number = self.network.producer(id)?;
        self.dependents.get(number)?.as_ref().map(Dependents::rounded_magnitudes)
    }
}

/// The ops of the forward pass and the loss.
pub(super) fn forward_ops(network: &Network) -> impl Iterator<Item = &Op> {
    network.ops().iter().take_while(|op| op.pass != Pass::Backward)
}

/// The place of a kink in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KinkSite {
    /// The op's number.
    pub op: usize,
    /// The entry of the op's tensor.
    pub entry: usize,
    /// The part of the op.
    pub part: usize,
}

/// A kink that a move crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Crossing {
    pub site: KinkSite,
    /// The piece after the move.
    piece: usize,
}

/// The result of a move.
#[derive(Debug, PartialEq)]
pub(super) struct Perturbed {
    pub loss: f64,
    /// The kinks that were crossed, in order.
    pub crossings: Vec<Crossing>,
}

/// One thread's copy of the tensors that change. Between two moves it is equal to the run.
pub(super) struct Workspace<'a> {
    forward: &'a ForwardPass<'a>,
    tensors: Vec<Cow<'a, [f64]>>,
    /// For each tensor, the entries that differ from the run.
    changed: Vec<Vec<usize>>,
    /// For each op.
    visited: Vec<Visited>,
    sums: Vec<f64>,
}

impl<'a> Workspace<'a> {
    pub fn new(forward: &'a ForwardPass<'a>) -> Self {
        let tensors: Vec<Cow<'a, [f64]>> = (0..forward.network.tensors().len()).map(|id| Cow::Borrowed(forward.run.values(id))).collect();
        let changed = vec![Vec::new(); tensors.len()];
        let visited = forward.dependents.iter().map(|_| Visited::default()).collect();
        Self { forward, tensors, changed, visited, sums: Vec::new() }
    }

    /// Returns whether the run lies exactly on a kink.
    pub fn is_on(&self, KinkSite { op, entry, part }: KinkSite) -> bool {
        self.forward.kinks[op].as_ref().is_some_and(|kinks| kinks.is_tie(entry, part))
    }

    /// Computes the loss with one entry of a tensor set to `value`.
    pub fn perturb(&mut self, id: Id, at: usize, value: f64) -> Perturbed {
        let network = self.forward.network;
        self.tensors[id].to_mut()[at] = value;
        self.changed[id].push(at);
        let mut crossings = Vec::new();
        for (number, op) in forward_ops(network).enumerate() {
            let changed = |id: &Id| !self.changed[*id].is_empty();
            if op.output == id || !op.parts.iter().any(|part| part.operands.iter().any(changed)) {
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

    /// Computes the entries of an op's tensor that depend on a changed entry. `moved` is the tensor with the moved entry.
    fn compute(&mut self, number: usize, op: &Op, moved: Id, crossings: &mut Vec<Crossing>) {
        let dependents = self.forward.dependents[number].as_ref();
        let some = dependents.and_then(|dependents| dependents.of_changed(&self.changed, &mut self.visited[number]));
        let tensor = |id: Id| -> &[f64] { &self.tensors[id] };
        if let Some(entries) = some {
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
                let (mut sum, mut all) = (-0.0, 0);
                for (rule, x) in &parts {
                    let terms = rule.prefix_terms(x, at + 1) - rule.prefix_terms(x, at);
                    sum = rule.add_first_terms(x, at, terms, sum);
                    all += terms;
                }
                entry_sum(sum, all)
            }));
        } else {
            // a loss that reads both an output and its z takes the output from z, which does not move here
            let reads_moved_output = op.output_and_z().is_some_and(|[output, _]| output == moved);
            let op = if reads_moved_output { Cow::Owned(op.without_z()) } else { Cow::Borrowed(op) };
            self.sums.resize(len(&self.forward.network.tensor(op.output).shape), 0.0);
            op.compute(tensor, &mut self.sums);
        }
        if let Some(kinks) = &self.forward.kinks[number] {
            let report = |entry, part, piece| crossings.push(Crossing { site: KinkSite { op: number, entry, part }, piece });
            match some {
                Some(entries) => kinks.crossed(&entries.iter().copied(), tensor, report),
                None => kinks.crossed(&(0..self.sums.len()), tensor, report),
            }
        }
        let (before, changed) = (self.forward.run.values(op.output), &mut self.changed[op.output]);
        let (now, sums) = (&mut self.tensors[op.output], self.sums.iter().copied());
        match some {
            Some(entries) => write(entries.iter().copied().zip(sums), before, now, changed),
            None => write(sums.enumerate(), before, now, changed),
        }
    }
}

/// Writes the entries that differ from `before`, and adds their places to `changed`.
fn write(entries: impl Iterator<Item = (usize, f64)>, before: &[f64], to: &mut Cow<'_, [f64]>, changed: &mut Vec<usize>) {
    let mut different = entries.filter(|&(at, value)| value.to_bits() != before[at].to_bits()).peekable();
    if different.peek().is_some() {
        let to = to.to_mut();
        for (at, value) in different {
            to[at] = value;
            changed.push(at);
        }
    }
}
