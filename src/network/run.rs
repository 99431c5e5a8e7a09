//! The values of all tensors of a network, for one sample or for one batch.

use std::borrow::Cow;
use std::sync::Arc;

use super::numbers::Numbers;
use super::stored_sums::{PARTS_INTERVAL, StoredSums, TERMS_INTERVAL, add_long_sum};
use super::{Id, Network, Op, Role};
use crate::op::rule::{Memo, Operands, Rule};
use crate::step::Pass;
use crate::sums::clear;
use crate::tally;
use crate::tensor::Tensor;
use crate::threads::parallel;

/// The values of all tensors of a network for one sample or one batch, with the memos of the rules. A memo is a result that a rule computes once and needs for
/// all its steps, such as the indices of the maxima of a max pool.
#[derive(Clone, Debug)]
pub struct Run {
    numbers: Numbers,
    memos: Memos,
    stored_sums: StoredSums,
}

/// The memos of all rules that have one. Each element has the index of an op, the index of a part of the op, and the memo of the part's rule. They are sorted
/// by op and part.
#[derive(Clone, Debug, Default)]
struct Memos(Vec<(usize, usize, Memo)>);

impl Memos {
    /// Removes the memos of an op.
    #[inline]
    fn remove(&mut self, op: usize) {
        // usually, the op is computed after all ops that have memos, so there is nothing to remove
        if self.0.last().is_some_and(|(last, ..)| *last >= op) {
            self.0.retain(|(of, ..)| *of != op);
        }
    }

    /// Adds the memo of a part of an op.
    #[inline]
    fn insert(&mut self, op: usize, part: usize, memo: Memo) {
        if memo.is_some() {
            let index = self.0.partition_point(|(of, of_part, _)| (*of, *of_part) < (op, part));
            self.0.insert(index, (op, part, memo));
        }
    }

    /// Returns the memo of a part of an op.
    fn of(&self, op: usize, part: usize) -> &Memo {
        static NONE: Memo = None;
        let found = self.0.binary_search_by_key(&(op, part), |&(op, part, _)| (op, part));
        found.map_or(&NONE, |index| &self.0[index].2)
    }
}

impl Run {
    /// Computes the forward pass, the loss and the backward pass. `given` are the input and the target of the sample.
    ///
    /// # Panics
    /// Possible if `given` lacks an input or a target. Reading a scenario makes sure that none is missing.
    #[must_use]
    pub fn new(network: &Network, given: &[(Id, Arc<Tensor>)]) -> Self {
        Self::empty(network).rerun(network, given)
    }

    /// Computes all passes. Each computed entry is multiplied by `factor(tensor, place)` before the next op reads it. With factors near 1, this simulates
    /// rounding errors. `given` has all tensors that no op computes, also the parameters.
    ///
    /// # Panics
    /// As [`Run::new`].
    #[must_use]
    pub fn disturbed(network: &Network, given: &[(Id, Arc<Tensor>)], factor: impl Fn(Id, usize) -> f64) -> Self {
        let mut partial = PartialRun::new(network);
        partial.give(given);
        while partial.compute_next(network) {
            let id = network.ops()[partial.done - 1].output;
            for (at, value) in partial.run.values_mut(id).iter_mut().enumerate() {
                *value *= factor(id, at);
            }
        }
        partial.run
    }

    /// Creates a run without computed tensors.
    pub(super) fn empty(network: &Network) -> Self {
        Self { numbers: Numbers::new(network.layout()), memos: Memos::default(), stored_sums: StoredSums::default() }
    }

    /// Computes the network with other inputs, in the memory of this run. For a large network, allocating new memory would take a considerable part of the
    /// time.
    ///
    /// # Panics
    /// As [`Run::new`].
    #[must_use]
    pub fn rerun(mut self, network: &Network, given: &[(Id, Arc<Tensor>)]) -> Self {
        self.rerun_ops(network, [network.shared_tensors(), given], 0..network.ops().len());
        self
    }

    /// As [`Run::rerun`], but computes only the ops with these numbers, in ascending order. They must include the ops whose tensors they read.
    pub(super) fn rerun_ops(&mut self, network: &Network, given: [&[(Id, Arc<Tensor>)]; 2], ops: impl Iterator<Item = usize>) {
        self.clear();
        for tensors in given {
            self.give(tensors);
        }
        parallel(|| ops.for_each(|number| self.compute_op(network, number)));
    }

    /// Drops the memos and the stored sums. The numbers stay, until they are overwritten.
    fn clear(&mut self) {
        self.memos.0.clear();
        self.stored_sums.clear();
    }

    /// Sets inputs, targets or parameters to these values.
    fn give(&mut self, given: &[(Id, Arc<Tensor>)]) {
        for (id, tensor) in given {
            self.numbers.give(*id, tensor);
        }
    }

    /// Computes the tensor of the op with index `number`, and its memos.
    fn compute_op(&mut self, network: &Network, number: usize) {
        let op = &network.ops()[number];
        let in_run = true;
        self.compute(op, number, &network.tensor(op.output).shape, in_run);
    }

    /// Computes the forward pass and the loss only.
    ///
    /// # Panics
    /// As [`Run::new`].
    #[must_use]
    pub fn forward(network: &Network, given: &[(Id, Arc<Tensor>)]) -> Self {
        let mut partial = PartialRun::new(network);
        partial.give(network.shared_tensors());
        partial.give(given);
        let ops = network.ops().iter().take_while(|op| op.pass != Pass::Backward).count();
        parallel(|| while partial.next_op() < ops && partial.compute_next(network) {});
        partial.run
    }

    /// Returns a copy of the run with one tensor replaced. The tensors of the forward pass and the loss that depend on it are computed again; the derivatives
    /// are not. A loss that reads the pre-activation z is computed from the output instead, if the output changes and z does not.
    #[must_use]
    pub fn with_tensor(&self, network: &Network, id: Id, tensor: Tensor) -> Self {
        self.replaced(network, id, tensor, |op| op.pass != Pass::Backward)
    }

    /// Does the same as [`Run::with_tensor`], and also computes the derivatives that depend on the tensor again.
    #[must_use]
    pub fn with_tensor_and_gradients(&self, network: &Network, id: Id, tensor: Tensor) -> Self {
        self.replaced(network, id, tensor, |_| true)
    }

    /// Returns a copy of the run with one tensor replaced. The ops that depend on it are computed again, up to the first op for which `is_wanted` returns
    /// `false`.
    fn replaced(&self, network: &Network, id: Id, tensor: Tensor, is_wanted: impl Fn(&Op) -> bool) -> Self {
        let mut run = self.clone();
        run.numbers.give(id, &Arc::new(tensor));
        let mut changed = vec![false; network.tensors().len()];
        changed[id] = true;
        for (number, op) in network.ops().iter().enumerate().take_while(|(_, op)| is_wanted(op)) {
            if op.output == id || !op.parts.iter().any(|part| part.operands.iter().any(|&read| changed[read])) {
                continue;
            }
            let must_read_output = op.output_and_z().is_some_and(|[output, z]| changed[output] && !changed[z]);
            let op = if must_read_output { Cow::Owned(op.without_z()) } else { Cow::Borrowed(op) };
            // the replaced tensor was not computed from its operands
            let in_run = false;
            run.compute(&op, number, &network.tensor(op.output).shape, in_run);
            changed[op.output] = true;
        }
        run
    }

    /// For tests: returns a copy of the run in which numbers are replaced, and the tensors that depend on them stay as they are. `first_replaced` returns the
    /// first entry of a tensor to replace; all later entries are replaced too. If it returns `None`, the tensor stays. Memos that depend on a replaced tensor
    /// are computed again, from the original numbers of the tensors that follow from constants alone, because these are known before the first step.
    #[must_use]
    pub fn altered(&self, network: &Network, first_replaced: impl Fn(Id) -> Option<usize>, replacement: impl Fn(f64) -> f64) -> Self {
        let mut run = self.clone();
        for id in 0..network.tensors().len() {
            if let Some(first) = first_replaced(id) {
                run.values_mut(id).iter_mut().skip(first).for_each(|value| *value = replacement(*value));
            }
        }
        let mut is_fixed: Vec<bool> = network.tensors().iter().map(|tensor| tensor.role == Role::Constant).collect();
        for (number, op) in network.ops().iter().enumerate() {
            is_fixed[op.output] = op.parts.iter().all(|part| part.operands.iter().all(|id| is_fixed[*id]));
            if op.parts.iter().any(|part| part.operands.iter().any(|id| first_replaced(*id).is_some())) {
                let Self { numbers, memos, stored_sums } = &mut run;
                let values = |id: Id| if is_fixed[id] { self.values(id) } else { numbers.of(id) };
                memos.remove(number);
                for (index, part) in op.parts.iter().enumerate() {
                    memos.insert(number, index, part.rule.memo(&part.operands.map(values)));
                }
                stored_sums.remove(number);
            }
        }
        run
    }

    /// Computes the tensor of an op, and its memos. `number` is the index of the op in its network. `in_run` is as in [`add_up`].
    fn compute(&mut self, op: &Op, number: usize, shape: &[usize], in_run: bool) {
        let Self { numbers, memos, stored_sums } = self;
        memos.remove(number);
        stored_sums.remove(number);
        numbers.compute(op.output, shape, |read, sums| {
            let keep_memo = |part, memo| memos.insert(number, part, memo);
            let stored = add_up(op, |id| read.of(id), in_run, sums, keep_memo);
            stored_sums.insert(number, stored);
        });
    }

    /// Returns the longest stored sum of an entry over parts before `part`: the number n of parts in it, and the sum. n is a multiple of 1024. Returns `None`
    /// if `part` is among the first 1024 parts.
    #[must_use]
    pub fn sum_before_part(&self, op: &Op, number: usize, part: usize, entry: usize) -> Option<(usize, f64)> {
        self.stored_sums.before(number, part, PARTS_INTERVAL, entry, self.values(op.output).len())
    }

    /// Returns the longest stored sum over terms before `term`, for an op with one part and one entry: the number n of terms in it, and the sum. n is a
    /// multiple of 8192. Returns `None` if `term` is among the first 8192 terms, or if the op has several parts or entries.
    #[must_use]
    pub fn sum_before_term(&self, op: &Op, number: usize, term: u64) -> Option<(u64, f64)> {
        if op.parts.len() != 1 || self.values(op.output).len() != 1 {
            return None;
        }
        let term = usize::try_from(term).ok()?;
        self.stored_sums.before(number, term, TERMS_INTERVAL, 0, 1).map(|(before, sum)| (before as u64, sum))
    }

    /// Drops this run's reference to a tensor that it shares with other runs, such as a parameter.
    pub(super) fn forget(&mut self, id: Id) {
        self.numbers.forget(id);
    }

    /// The entries of a tensor, mutable.
    pub(super) fn values_mut(&mut self, id: Id) -> &mut [f64] {
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

    /// The rule and the operands of a part of an op. `number` is the index of the op in its network.
    #[must_use]
    pub fn part<'a>(&'a self, op: &'a Op, number: usize, part: usize) -> (&'a dyn Rule, Operands<'a>) {
        // counted in tests
        tally::count(1);
        let tensors = op.parts[part].operands.map(|id| self.values(id));
        (op.parts[part].rule.as_ref(), Operands { tensors, memo: self.memos.of(number, part) })
    }

    /// The rules and operands of all parts of an op. `number` is the index of the op in its network.
    pub fn parts<'a>(&'a self, op: &'a Op, number: usize) -> impl Iterator<Item = (&'a dyn Rule, Operands<'a>)> {
        (0..op.parts.len()).map(move |part| self.part(op, number, part))
    }

    /// Returns the number of terms of all entries before `entry`, in all parts. For an op with many parts, [`Network::part_offsets`] is faster.
    #[must_use]
    pub fn prefix_terms(&self, op: &Op, number: usize, entry: usize) -> u64 {
        self.parts(op, number).map(|(rule, x)| rule.prefix_terms(&x, entry)).sum()
    }

    /// Returns the number of terms of an entry.
    #[must_use]
    pub fn terms(&self, op: &Op, number: usize, entry: usize) -> u64 {
        self.prefix_terms(op, number, entry + 1) - self.prefix_terms(op, number, entry)
    }
}

/// A run that is computed op by op, with pauses between the ops.
#[derive(Clone, Debug)]
pub struct PartialRun {
    run: Run,
    /// The number of ops that are computed already.
    done: usize,
}

impl PartialRun {
    /// Starts a run.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        Self { run: Run::empty(network), done: 0 }
    }

    /// Sets inputs, targets or parameters to these values.
    pub fn give(&mut self, given: &[(Id, Arc<Tensor>)]) {
        self.run.give(given);
    }

    /// Sets the tensor `id` to the tensor `source_id` of the run `source`. A large tensor is not copied but shared.
    pub fn share(&mut self, network: &Network, id: Id, source: &Run, source_id: Id) {
        self.run.numbers.share(id, &source.numbers, source_id, &network.tensor(id).shape);
    }

    /// The index of the op that is computed next. If all ops are computed, it is the number of ops.
    #[must_use]
    pub fn next_op(&self) -> usize {
        self.done
    }

    /// Computes the next op. Returns `false` if all ops are computed already.
    ///
    /// # Panics
    /// If [`PartialRun::give`] did not set an input or target that the op reads.
    pub fn compute_next(&mut self, network: &Network) -> bool {
        if self.done == network.ops().len() {
            return false;
        }
        self.run.compute_op(network, self.done);
        self.done += 1;
        true
    }

    /// Returns the run. It is complete if [`PartialRun::compute_next`] has returned `false`.
    #[must_use]
    pub fn into_run(self) -> Run {
        self.run
    }
}

/// Computes the tensor of an op and writes it to `sums`. Calls `keep_memo` with the index and the memo of each part, and returns the op's list in
/// [`StoredSums`]. Each entry is the sum of the terms of all parts. An entry without terms is 0. `in_run` is `true` if no operand was replaced
/// ([`Rule::overwrite_in_run`]).
pub(super) fn add_up<'a>(
    op: &Op,
    tensor: impl Fn(Id) -> &'a [f64],
    in_run: bool,
    sums: &mut [f64],
    mut keep_memo: impl FnMut(usize, Memo),
) -> Vec<f64> {
    if let [part] = &op.parts[..] {
        let memo;
        #[allow(clippy::redundant_closure)] // the closure may return a reference with a shorter lifetime than `tensor` does
        let mut x = Operands { tensors: part.operands.map(|id| tensor(id)), memo: &None };
        memo = part.rule.memo(&x.tensors);
        x.memo = &memo;
        let long_sum = if let [entry] = sums { add_long_sum(part.rule.as_ref(), &x, entry) } else { None };
        match long_sum {
            Some(_) => {}
            // writes the sums, and 0 to the entries without terms
            None if in_run => part.rule.overwrite_in_run(&x, sums),
            None => part.rule.overwrite(&x, sums),
        }
        drop(x);
        keep_memo(0, memo);
        return long_sum.unwrap_or_default();
    }
    let mut stored_sums = Vec::new();
    // for each entry, `true` if the parts so far have a term for it; `None` if they have a term for every entry
    let mut has_terms = op.parts.is_empty().then(|| vec![false; sums.len()]);
    for (number, part) in op.parts.iter().enumerate() {
        if number > 0 && number.is_multiple_of(PARTS_INTERVAL) {
            stored_sums.extend_from_slice(sums);
        }
        #[allow(clippy::redundant_closure)] // as above
        let tensors = part.operands.map(|id| tensor(id));
        let memo = part.rule.memo(&tensors);
        let x = Operands { tensors, memo: &memo };
        if number == 0 {
            has_terms = part.rule.has_terms(&x, sums.len());
        } else if has_terms.is_some() {
            has_terms = has_terms.zip(part.rule.has_terms(&x, sums.len())).map(either);
        }
        match (number, &has_terms) {
            (0, None) => part.rule.overwrite(&x, sums),
            (0, Some(_)) => {
                // the first term of an entry may come in a later part; −0 + x has the bits of x
                sums.fill(-0.0);
                part.rule.accumulate(&x, sums);
            }
            _ => part.rule.accumulate(&x, sums),
        }
        drop(x);
        keep_memo(number, memo);
    }
    if let Some(has_terms) = has_terms {
        // an entry without terms becomes 0
        clear(sums, &has_terms);
    }
    stored_sums
}

/// Returns `first[i] || second[i]` for each i. Both lists have the same length.
fn either((mut first, second): (Vec<bool>, Vec<bool>)) -> Vec<bool> {
    for (first, second) in first.iter_mut().zip(second) {
        *first |= second;
    }
    first
}
