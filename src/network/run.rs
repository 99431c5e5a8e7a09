//! All tensors of one sample.

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

/// All tensors of one sample, and what the rules remember of them.
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
    /// Computes everything: forward, loss and backward.
    ///
    /// # Panics
    /// When `given` leaves out an input or target of the network; scenarios are checked for that.
    #[must_use]
    pub fn new(network: &Network, given: &[(Id, Arc<Tensor>)]) -> Self {
        Self::empty(network).again(network, given)
    }

    /// A run in which nothing is computed.
    fn empty(network: &Network) -> Self {
        Self { numbers: Numbers::new(network.layout()), memos: Memos::default() }
    }

    /// The same network with other tensors given, in this run's memory: to get that anew from the system takes a large network as long as a part of its work.
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

    /// Computes up to the loss, and no derivative.
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

    /// The same sample with other numbers in one tensor: what depends on it is computed anew, forwards and in the loss. The derivatives are not; they
    /// stay those of this run. A loss that reads the input z of the output's activation reads the output itself where only that is another.
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

    /// Returns this run with other numbers: `first` is the first entry of a tensor that changes, or `None` if none does; `other` gives the new number. What
    /// the rules remember of such tensors is found again. For tests of what depends on a number.
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

    /// Lets go of a tensor that was given.
    pub(super) fn forget(&mut self, id: Id) {
        self.numbers.forget(id);
    }

    /// A tensor's entries, to be changed.
    pub(super) fn own(&mut self, id: Id) -> &mut [f64] {
        self.numbers.of_mut(id)
    }

    /// A tensor of this run's network.
    #[must_use]
    pub fn tensor(&self, network: &Network, id: Id) -> Arc<Tensor> {
        self.numbers.tensor(id, &network.tensor(id).shape)
    }

    /// A tensor's entries in row-major order.
    #[must_use]
    pub fn values(&self, id: Id) -> &[f64] {
        self.numbers.of(id)
    }

    /// The rule of a part of an op, with what it reads.
    #[must_use]
    pub fn part<'a>(&'a self, op: &'a Op, index: usize, part: usize) -> (&'a dyn Rule, Operands<'a>) {
        tally::count(1);
        let tensors = op.parts[part].operands.map(|id| self.values(id));
        (op.parts[part].rule.as_ref(), Operands { tensors, memo: self.memos.of(index, part) })
    }

    /// The parts of an op, which has the number `index`, with what they read.
    pub fn parts<'a>(&'a self, op: &'a Op, index: usize) -> impl Iterator<Item = (&'a dyn Rule, Operands<'a>)> {
        (0..op.parts.len()).map(move |part| self.part(op, index, part))
    }

    /// How many terms the entries before `entry` have together, over all parts. [`Network::part_offsets`] says it sooner where it says anything.
    #[must_use]
    pub fn prefix_terms(&self, op: &Op, index: usize, entry: usize) -> u64 {
        self.parts(op, index).map(|(rule, x)| rule.prefix_terms(&x, entry)).sum()
    }

    /// How many terms an entry has.
    #[must_use]
    pub fn terms(&self, op: &Op, index: usize, entry: usize) -> u64 {
        self.prefix_terms(op, index, entry + 1) - self.prefix_terms(op, index, entry)
    }
}

/// A run that is computed op by op, with pauses in between.
#[derive(Clone, Debug)]
pub struct PartialRun {
    run: Run,
    /// Ops that are computed.
    done: usize,
}

impl PartialRun {
    /// The beginning of a run, to which its tensors are to be given, in the memory of another run of the same network where one is to spare.
    #[must_use]
    pub fn new(network: &Network, spare: Option<Run>) -> Self {
        let mut run = spare.unwrap_or_else(|| Run::empty(network));
        run.memos.0.clear();
        Self { run, done: 0 }
    }

    /// Gives tensors to it.
    pub fn give(&mut self, given: &[(Id, Arc<Tensor>)]) {
        for (id, tensor) in given {
            self.run.numbers.give(*id, tensor);
        }
    }

    /// Gives it, as the tensor `id` of its network, one of another run.
    pub fn share(&mut self, network: &Network, id: Id, from: &Run, other: Id) {
        self.run.numbers.share(id, &from.numbers, other, &network.tensor(id).shape);
    }

    /// The next op's number; that of all ops when all are computed.
    #[must_use]
    pub fn next(&self) -> usize {
        self.done
    }

    /// Computes the next op; `false` when all are computed.
    ///
    /// # Panics
    /// When an input or target of the network was not given.
    pub fn proceed(&mut self, network: &Network) -> bool {
        let Some(op) = network.ops().get(self.done) else { return false };
        self.run.compute(op, self.done, &network.tensor(op.output).shape);
        self.done += 1;
        true
    }

    /// The run; whole once [`PartialRun::proceed`] has returned `false`.
    #[must_use]
    pub fn into_run(self) -> Run {
        self.run
    }
}

/// The memos of an op, one for each part; most ops have one part, and then need no allocation.
type Memory = SmallVec<[Memo; 1]>;

/// Computes the tensor of an op into `sums`, and returns the memos of its parts.
pub(super) fn add_up<'a>(op: &Op, tensor: impl Fn(Id) -> &'a [f64], sums: &mut [f64]) -> Memory {
    let mut memos = Memory::with_capacity(op.parts.len());
    // all, until a part leaves some out
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
            // what has no term yet may get its first from another part
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

/// What either has reached.
fn either((mut some, more): (Vec<bool>, Vec<bool>)) -> Vec<bool> {
    for (reached, too) in some.iter_mut().zip(more) {
        *reached |= too;
    }
    some
}
