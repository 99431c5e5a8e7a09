//! What the loss becomes when one entry of a tensor is another number. Only what depends on that entry is computed anew, forwards and in the loss,
//! with the same bits as if all were.

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

use super::bends::Bends;
use super::readers::{Marks, Readers, whole};
use crate::network::run::add_up;
use crate::network::{Id, Network, Op, Run};
use crate::op::rule::{Operands, Rule};
use crate::step::Pass;
use crate::tensor::len;

/// What is known of a run's forward pass and loss before anything moves; all threads share it.
pub(super) struct Forward<'a> {
    pub network: &'a Network,
    pub run: &'a Run,
    /// By the ops' numbers.
    readers: Vec<Option<Readers>>,
    bends: Vec<Option<Bends>>,
}

impl<'a> Forward<'a> {
    /// All of a run; told to stop, less.
    pub fn of(network: &'a Network, run: &'a Run, stop: &AtomicBool) -> Self {
        let ops = || ops(network).enumerate();
        let readers = ops().map(|(number, op)| Readers::of(network, run, op, number, stop)).collect();
        let bends = ops().map(|(number, op)| Bends::of(run, op, number, len(&network.tensor(op.output).shape))).collect();
        Self { network, run, readers, bends }
    }
}

impl Forward<'_> {
    /// For each entry of a tensor, the largest number that was rounded on the way to it; `None` where the terms are not known.
    pub fn sizes(&self, id: Id) -> Option<&[f64]> {
        let number = self.network.made_by(id)?;
        self.readers.get(number)?.as_ref().map(Readers::sizes)
    }
}

/// The ops of the forward pass and the loss.
pub(super) fn ops(network: &Network) -> impl Iterator<Item = &Op> {
    network.ops().iter().take_while(|op| op.pass != Pass::Backward)
}

/// The output and the input z of its activation, of a loss that has both. It takes the output from z; only where the output itself is what moves does
/// it read that, for z stays and does not know of it.
pub(super) fn output_and_z(op: &Op) -> Option<[Id; 2]> {
    match *op.parts[0].operands {
        [output, _, z] if op.pass == Pass::Loss => Some([output, z]),
        _ => None,
    }
}

/// A kink that is crossed: the op's number, the entry, the part, and the side that it takes now.
pub(super) type Crossing = (usize, usize, usize, usize);

/// What has come of a move.
#[derive(Debug, PartialEq)]
pub(super) struct Moved {
    pub loss: f64,
    /// In order.
    pub crossed: Vec<Crossing>,
}

/// One thread's copy of what moves. Between two moves it is as the run has it.
pub(super) struct Probe<'a> {
    of: &'a Forward<'a>,
    tensors: Vec<Cow<'a, [f64]>>,
    /// For each tensor, the entries that are not as the run has them.
    changed: Vec<Vec<usize>>,
    /// By the ops' numbers.
    marks: Vec<Marks>,
    sums: Vec<f64>,
}

impl<'a> Probe<'a> {
    pub fn new(of: &'a Forward<'a>) -> Self {
        let tensors: Vec<Cow<'a, [f64]>> = (0..of.network.tensors().len()).map(|id| Cow::Borrowed(of.run.values(id))).collect();
        let changed = vec![Vec::new(); tensors.len()];
        let marks = of.readers.iter().map(|_| Marks::default()).collect();
        Self { of, tensors, changed, marks, sums: Vec::new() }
    }

    /// Whether an entry of an op's tensor is exactly on the kink of this part, where nothing moves.
    pub fn is_tie(&self, op: usize, entry: usize, part: usize) -> bool {
        self.of.bends[op].as_ref().is_some_and(|bends| bends.is_tie(entry, part))
    }

    /// One entry of a tensor is `value`.
    pub fn moved(&mut self, id: Id, at: usize, value: f64) -> Moved {
        let network = self.of.network;
        self.tensors[id].to_mut()[at] = value;
        self.changed[id].push(at);
        let mut crossed = Vec::new();
        for (number, op) in ops(network).enumerate() {
            let reads = |id: &Id| !self.changed[*id].is_empty();
            if op.output == id || !op.parts.iter().any(|part| part.operands.iter().any(reads)) {
                continue;
            }
            self.compute(number, op, id, &mut crossed);
        }
        let loss = self.tensors[network.loss()][0];
        for (id, changed) in self.changed.iter_mut().enumerate().filter(|(_, changed)| !changed.is_empty()) {
            let (now, before) = (self.tensors[id].to_mut(), self.of.run.values(id));
            for at in changed.drain(..) {
                now[at] = before[at];
            }
        }
        crossed.sort_unstable();
        Moved { loss, crossed }
    }

    /// An op's tensor, as far as it depends on what has changed because this tensor was moved.
    fn compute(&mut self, number: usize, op: &Op, id: Id, crossed: &mut Vec<Crossing>) {
        let readers = self.of.readers[number].as_ref();
        let reached = readers.and_then(|readers| readers.reached(&self.changed, &mut self.marks[number]));
        let tensor = |id: Id| -> &[f64] { &self.tensors[id] };
        if let Some(reached) = reached {
            let parts: Vec<(&dyn Rule, Operands<'_>)> = op
                .parts
                .iter()
                .map(|part| {
                    let tensors = part.operands.map(tensor);
                    (part.rule.as_ref(), Operands { tensors, memo: &None })
                })
                .collect();
            self.sums.clear();
            self.sums.extend(reached.iter().map(|&at| {
                let (mut sum, mut all) = (-0.0, 0);
                for (rule, x) in &parts {
                    let terms = rule.before(x, at + 1) - rule.before(x, at);
                    sum = rule.partial(x, at, terms, sum);
                    all += terms;
                }
                whole(sum, all)
            }));
        } else {
            let mut op = Cow::Borrowed(op);
            if output_and_z(&op).is_some_and(|[output, _]| output == id) {
                op.to_mut().parts[0].operands.forget_last_input();
            }
            self.sums.resize(len(&self.of.network.tensor(op.output).shape), 0.0);
            add_up(&op, tensor, &mut self.sums);
        }
        if let Some(bends) = &self.of.bends[number] {
            let say = |at, part, side| crossed.push((number, at, part, side));
            match reached {
                Some(reached) => bends.crossed(&reached.iter().copied(), tensor, say),
                None => bends.crossed(&(0..self.sums.len()), tensor, say),
            }
        }
        let (before, changed) = (self.of.run.values(op.output), &mut self.changed[op.output]);
        let (now, sums) = (&mut self.tensors[op.output], self.sums.iter().copied());
        match reached {
            Some(reached) => write(reached.iter().copied().zip(sums), before, now, changed),
            None => write(sums.enumerate(), before, now, changed),
        }
    }
}

/// Writes what is not as before, and notes where.
fn write(new: impl Iterator<Item = (usize, f64)>, before: &[f64], to: &mut Cow<'_, [f64]>, changed: &mut Vec<usize>) {
    let mut new = new.filter(|&(at, sum)| sum.to_bits() != before[at].to_bits()).peekable();
    if new.peek().is_some() {
        let to = to.to_mut();
        for (at, sum) in new {
            to[at] = sum;
            changed.push(at);
        }
    }
}
