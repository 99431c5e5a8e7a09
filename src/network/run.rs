//! The values of all tensors of a network, for one sample.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::numbers::Numbers;
use super::{Id, Network, Op};
use crate::op::rule::{Memo, Operands, Rule, clear};
use crate::step::Pass;
use crate::tally;
use crate::tensor::Tensor;
use crate::threads::parallel;

/// The values of all tensors of a network for one sample, with the memos of the rules.
#[derive(Clone, Debug)]
pub struct Run {
    numbers: Numbers,
    memos: Memos,
}

/// The memos of all rules that have one, sorted by op and part.
#[derive(Clone, Debug, Default)]
struct Memos(Vec<(usize, usize, Memo)>);

impl Memos {
    /// Replaces the memos of an op.
    fn set(&mut self, op: usize, memos: Memory) {
        let [first, end] = [op, op + 1].map(|op| self.0.partition_point(|(of, ..)| *of < op));
        let some = memos.into_iter().enumerate().filter(|(_, memo)| memo.is_some()).map(|(part, memo)| (op, part, memo));
        if first == self.0.len() {
            self.0.extend(some);
        } else {
            self.0.splice(first..end, some);
        }
    }

    fn of(&self, op: usize, part: usize) -> &Memo {
        static NONE: Memo = None;
        let place = self.0.binary_search_by_key(&(op, part), |&(op, part, _)| (op, part));
        place.map_or(&NONE, |place| &self.0[place].2)
    }
}

impl Run {
    /// Computes the forward pass, the loss and the backward pass.
    ///
    /// # Panics
    /// If `given` lacks an input or target of the network. Scenarios are checked for that.
    #[must_use]
    pub fn new(network: &Network, given: &[(Id, Arc<Tensor>)]) -> Self {
        Self::empty(network).again(network, given)
    }

    /// Creates a run in which nothing is computed.
    fn empty(network: &Network) -> Self {
        Self { numbers: Numbers::new(network.layout()), memos: Memos::default() }
    }

    /// Computes the same network with other inputs, in the memory of this run. Allocating that memory again would take a good part of the time of a large
    /// network.
    ///
    /// # Panics
    /// As [`Run::new`].
    #[must_use]
    pub fn again(self, network: &Network, given: &[(Id, Arc<Tensor>)]) -> Self {
        let mut begun = PartialRun::new(network, Some(self));
        begun.give(network.fixed());
        begun.give(given);
        parallel(|| while begun.proceed(network) {});
        begun.run
    }

    /// Computes the forward pass and the loss only.
    ///
    /// # Panics
    /// As [`Run::new`].
    #[must_use]
    pub fn forward(network: &Network, given: &[(Id, Arc<Tensor>)]) -> Self {
        let mut begun = PartialRun::new(network, None);
        begun.give(network.fixed());
        begun.give(given);
        let ops = network.ops().iter().take_while(|op| op.pass != Pass::Backward).count();
        parallel(|| while begun.next() < ops && begun.proceed(network) {});
        begun.run
    }

    /// Replaces one tensor, and computes again what depends on it in the forward pass and the loss. The derivatives stay as they are. If the output changes but
    /// not its pre-activation z, a loss that would be computed from z is computed from the output.
    #[must_use]
    pub fn with(&self, network: &Network, id: Id, tensor: Tensor) -> Self {
        let mut run = self.clone();
        run.numbers.give(id, &Arc::new(tensor));
        let mut changed = vec![false; network.tensors().len()];
        changed[id] = true;
        let forward = network.ops().iter().take_while(|op| op.pass != Pass::Backward);
        for (number, op) in forward.enumerate() {
            if op.output == id || !op.parts.iter().any(|part| part.operands.iter().any(|&read| changed[read])) {
                continue;
            }
            let reads_output = op.output_and_z().is_some_and(|[output, z]| changed[output] && !changed[z]);
            let op = if reads_output { Cow::Owned(op.without_z()) } else { Cow::Borrowed(op) };
            run.compute(&op, number, &network.tensor(op.output).shape);
            changed[op.output] = true;
        }
        run
    }

    /// For tests: replaces numbers without computing what depends on them. `first` returns the first entry of a tensor to replace, or `None` to keep the tensor;
    /// `other` returns the replacement. The memos that depend on replaced tensors are computed again.
    #[must_use]
    pub fn altered(&self, network: &Network, first: impl Fn(Id) -> Option<usize>, other: impl Fn(f64) -> f64) -> Self {
        let mut run = self.clone();
        for id in 0..network.tensors().len() {
            if let Some(first) = first(id) {
                run.own(id).iter_mut().skip(first).for_each(|value| *value = other(*value));
            }
        }
        for (number, op) in network.ops().iter().enumerate() {
            if op.parts.iter().any(|part| part.operands.iter().any(|id| first(*id).is_some())) {
                let memos = op.parts.iter().map(|part| part.rule.memo(&part.operands.map(|id| run.values(id)))).collect();
                run.memos.set(number, memos);
            }
        }
        run
    }

    fn compute(&mut self, op: &Op, number: usize, shape: &[usize]) {
        let memos = self.numbers.compute(op.output, shape, |read, sums| add_up(op, |id| read.of(id), sums));
        self.memos.set(number, memos);
    }

    /// Drops the reference to a tensor that was given.
    pub(super) fn forget(&mut self, id: Id) {
        self.numbers.forget(id);
    }

    /// The entries of a tensor, mutable.
    pub(super) fn own(&mut self, id: Id) -> &mut [f64] {
        self.numbers.of_mut(id)
    }

    /// Returns a tensor as an array.
    #[must_use]
    pub fn tensor(&self, network: &Network, id: Id) -> Arc<Tensor> {
        self.numbers.tensor(id, &network.tensor(id).shape)
    }

    /// The entries of a tensor in row-major order.
    #[must_use]
    pub fn values(&self, id: Id) -> &[f64] {
        self.numbers.of(id)
    }

    /// The rule and operands of a part of an op; `index` is the op's number.
    #[must_use]
    pub fn part<'a>(&'a self, op: &'a Op, index: usize, part: usize) -> (&'a dyn Rule, Operands<'a>) {
        tally::count(1);
        let tensors = op.parts[part].operands.map(|id| self.values(id));
        (op.parts[part].rule.as_ref(), Operands { tensors, memo: self.memos.of(index, part) })
    }

    /// The rules and operands of all parts of an op; `index` is the op's number.
    pub fn parts<'a>(&'a self, op: &'a Op, index: usize) -> impl Iterator<Item = (&'a dyn Rule, Operands<'a>)> {
        (0..op.parts.len()).map(move |part| self.part(op, index, part))
    }

    /// Returns the number of terms of all entries before `entry`, over all parts. If the op has [`Network::part_offsets`], these are faster.
    #[must_use]
    pub fn prefix_terms(&self, op: &Op, index: usize, entry: usize) -> u64 {
        self.parts(op, index).map(|(rule, x)| rule.prefix_terms(&x, entry)).sum()
    }

    /// Returns the number of terms of an entry.
    #[must_use]
    pub fn terms(&self, op: &Op, index: usize, entry: usize) -> u64 {
        self.prefix_terms(op, index, entry + 1) - self.prefix_terms(op, index, entry)
    }
}

/// A run that is computed op by op, with pauses in between.
#[derive(Clone, Debug)]
pub struct PartialRun {
    run: Run,
    /// The number of computed ops.
    done: usize,
}

impl PartialRun {
    /// Starts a run, in the memory of a spare run of the same network if there is one.
    #[must_use]
    pub fn new(network: &Network, spare: Option<Run>) -> Self {
        let mut run = spare.unwrap_or_else(|| Run::empty(network));
        run.memos.0.clear();
        Self { run, done: 0 }
    }

    /// Sets inputs, targets or parameters.
    pub fn give(&mut self, given: &[(Id, Arc<Tensor>)]) {
        for (id, tensor) in given {
            self.run.numbers.give(*id, tensor);
        }
    }

    /// Sets the tensor `id` to the tensor `other` of another run.
    pub fn share(&mut self, network: &Network, id: Id, from: &Run, other: Id) {
        self.run.numbers.share(id, &from.numbers, other, &network.tensor(id).shape);
    }

    /// The number of the next op, or the number of ops if all are computed.
    #[must_use]
    pub fn next(&self) -> usize {
        self.done
    }

    /// Computes the next op. Returns `false` if all were computed already.
    ///
    /// # Panics
    /// If an input or target of the network was not given.
    pub fn proceed(&mut self, network: &Network) -> bool {
        let Some(op) = network.ops().get(self.done) else { return false };
        self.run.compute(op, self.done, &network.tensor(op.output).shape);
        self.done += 1;
        true
    }

    /// Returns the run, which is complete once [`PartialRun::proceed`] has returned `false`.
    #[must_use]
    pub fn into_run(self) -> Run {
        self.run
    }
}

/// The memos of an op, one for each part. Most ops have one part, and their memo needs no allocation.
type Memory = SmallVec<[Memo; 1]>;

/// Computes the tensor of an op into `sums`, the sum of its parts' terms, and returns the memos of its parts.
pub(super) fn add_up<'a>(op: &Op, tensor: impl Fn(Id) -> &'a [f64], sums: &mut [f64]) -> Memory {
    let mut memos = Memory::with_capacity(op.parts.len());
    // for each entry, whether it has a term; `None` if all have
    let mut reached = op.parts.is_empty().then(|| vec![false; sums.len()]);
    for (number, part) in op.parts.iter().enumerate() {
        #[allow(clippy::redundant_closure)] // what it returns need not live as long
        let tensors = part.operands.map(|id| tensor(id));
        memos.push(part.rule.memo(&tensors));
        let x = Operands { tensors, memo: &memos[number] };
        if number == 0 {
            reached = if op.parts.len() > 1 { part.rule.has_terms(&x, sums.len()) } else { None };
            if reached.is_none() {
                part.rule.begin(&x, sums);
                continue;
            }
            // −0 is the start of a sum; a later part may add the first term
            sums.fill(-0.0);
        } else if reached.is_some() {
            reached = reached.zip(part.rule.has_terms(&x, sums.len())).map(either);
        }
        part.rule.accumulate(&x, sums);
    }
    if let Some(reached) = reached {
        clear(sums, &reached);
    }
    memos
}

/// Returns the entries to which either part adds a term.
fn either((mut some, more): (Vec<bool>, Vec<bool>)) -> Vec<bool> {
    for (reached, too) in some.iter_mut().zip(more) {
        *reached |= too;
    }
    some
}
