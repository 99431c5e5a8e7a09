//! A pass with mistakes in it.
//!
//! A [`Plan`] is the list of its changed ops. A [`WrongPass`] computes its numbers: a tensor that depends on no change is taken from the trace, and the others
//! are computed when they are asked for.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::wrong_rule::with_terms;
use crate::diff::reached;
use crate::interrupt::goes_on;
use crate::network::{BatchSource, Id, Network, Op, Part};
use crate::op::rule::Rule;
use crate::tensor::len;
use crate::trace::Trace;

/// The network of an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ops {
    /// The ops of each sample.
    Sample,
    /// The ops of the batch, such as the sum over the samples.
    Batch,
}

/// A function that makes a wrong rule from another one.
type OtherRule = dyn Fn(&Arc<dyn Rule>) -> Arc<dyn Rule> + Send + Sync;

/// A change of one op.
#[derive(Clone)]
pub(super) enum OpChange {
    /// Replaces the part with this index.
    Part(usize, Part),
    /// Adds a part.
    Add(Part),
    /// Replaces the rule of each part. The function gets the part's rule.
    Each(Arc<OtherRule>),
    /// Replaces the rules of the parts with these indices.
    Parts(Range<usize>, Arc<OtherRule>),
    /// Removes all parts but those with these indices.
    Keep(Vec<usize>),
}

impl fmt::Debug for OpChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(part, with) => write!(f, "part {part} becomes {with:?}"),
            Self::Add(part) => write!(f, "one more part {part:?}"),
            Self::Each(_) => f.write_str("another rule for each part"),
            Self::Parts(parts, _) => write!(f, "another rule for the parts {parts:?}"),
            Self::Keep(parts) => write!(f, "only the parts {parts:?}"),
        }
    }
}

/// A change of the pass.
#[derive(Clone, Debug)]
pub(super) enum PassChange {
    /// A change of the op with this number.
    Op(Ops, usize, OpChange),
    /// Replaces the numbers of a given tensor in the run with this index.
    Given(usize, Id, Arc<[f64]>),
    /// Two tensors of a sample have the numbers of each other. No op of the sample reads them.
    Exchange(Id, Id),
    /// The op with this number reads a tensor of another sample.
    Elsewhere(usize, Id, OtherSample),
}

/// Another sample of the batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum OtherSample {
    First,
    Last,
    /// The sample after this one. After the last sample comes the first.
    Next,
    Previous,
}

impl OtherSample {
    /// The index of the other sample, from that of a sample and the number of samples.
    fn of(self, sample: usize, samples: usize) -> usize {
        match self {
            Self::First => 0,
            Self::Last => samples - 1,
            Self::Next => (sample + 1) % samples,
            Self::Previous => (sample + samples - 1) % samples,
        }
    }
}

impl PassChange {
    /// The change of an op of each sample.
    pub fn sample(op: usize, change: OpChange) -> Self {
        Self::Op(Ops::Sample, op, change)
    }
}

/// The differences between a pass with mistakes and the right pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    ops: BTreeMap<(Ops, usize), Op>,
    given: HashMap<(usize, Id), Arc<[f64]>>,
    /// The user's numbers of a tensor in a run, which replace those of its op.
    taken: HashMap<(usize, Id), Arc<[f64]>>,
    /// The exchanged tensors. For each: the tensor whose numbers it has, the number of its own op, and the op that computes the other tensor.
    exchanged: BTreeMap<Id, (Id, usize, Op)>,
    /// The tensors that an op of a sample reads from another sample.
    elsewhere: BTreeMap<(usize, Id), OtherSample>,
}

/// A part that adds nothing. It replaces a removed part, so that the later parts keep their indices.
fn empty_part(part: &Part) -> Part {
    Part { rule: with_terms(&part.rule, |_, _, _| Vec::new()), operands: part.operands.clone() }
}

impl OpChange {
    fn apply(&self, op: &mut Op) {
        match self {
            Self::Part(number, part) => op.parts[*number] = part.clone(),
            Self::Add(part) => op.parts.push(part.clone()),
            Self::Each(other) => op.parts.iter_mut().for_each(|part| part.rule = other(&part.rule)),
            Self::Parts(parts, other) => op.parts[parts.clone()].iter_mut().for_each(|part| part.rule = other(&part.rule)),
            Self::Keep(kept) => {
                for (_, part) in op.parts.iter_mut().enumerate().filter(|(number, _)| !kept.contains(number)) {
                    *part = empty_part(part);
                }
            }
        }
    }
}

impl Plan {
    /// Returns this plan with further changes.
    pub fn with(&self, trace: &Trace, edits: &[PassChange]) -> Self {
        let mut plan = self.clone();
        for edit in edits {
            match edit {
                PassChange::Op(ops, number, change) => {
                    let right = || network(trace, *ops).ops()[*number].clone();
                    change.apply(plan.ops.entry((*ops, *number)).or_insert_with(right));
                }
                PassChange::Given(run, id, numbers) => {
                    plan.given.insert((*run, *id), Arc::clone(numbers));
                }
                PassChange::Exchange(one, other) => {
                    let network = network(trace, Ops::Sample);
                    let (Some(first), Some(second)) = (network.producer(*one), network.producer(*other)) else { continue };
                    plan.exchanged.insert(*one, (*other, first, network.ops()[second].clone()));
                    plan.exchanged.insert(*other, (*one, second, network.ops()[first].clone()));
                }
                PassChange::Elsewhere(number, id, other) => {
                    plan.elsewhere.insert((*number, *id), *other);
                }
            }
        }
        plan
    }

    /// Returns this plan with the user's numbers of tensors, each with its run.
    pub fn taking<'a>(&self, numbers: impl Iterator<Item = (usize, Id, &'a [f64])>) -> Self {
        let mut plan = self.clone();
        plan.taken.extend(numbers.map(|(run, id, numbers)| ((run, id), numbers.into())));
        plan
    }

    /// The tensors whose numbers of the user are not all finite.
    fn not_finite(&self) -> Vec<(usize, Id)> {
        let is_not_finite = |numbers: &[f64]| numbers.iter().any(|number| !number.is_finite());
        self.taken.iter().filter(|(_, numbers)| is_not_finite(numbers)).map(|(place, _)| *place).collect()
    }

    /// Creates the plan with these changed ops: for each, `true` if it is an op of the batch, its number, and the op with its change.
    pub fn of_ops(ops: impl Iterator<Item = (bool, usize, Op)>) -> Self {
        let key = |is_of_batch: bool| if is_of_batch { Ops::Batch } else { Ops::Sample };
        Self { ops: ops.map(|(is_of_batch, number, op)| ((key(is_of_batch), number), op)).collect(), ..Self::default() }
    }

    /// Whether numbers of a given tensor are replaced, perhaps in one sample only.
    pub fn changes_given(&self) -> bool {
        !self.given.is_empty()
    }

    /// The changed ops: for each, `true` if it is an op of the batch, its number, and the op with its change.
    pub fn changed_ops(&self) -> impl Iterator<Item = (bool, usize, &Op)> {
        let exchanged = self.exchanged.values().map(|(_, number, op)| (false, *number, op));
        self.ops.iter().map(|((ops, number), op)| (*ops == Ops::Batch, *number, op)).chain(exchanged)
    }

    fn op<'a>(&'a self, network: &'a Network, ops: Ops, number: usize) -> &'a Op {
        self.ops.get(&(ops, number)).unwrap_or_else(|| &network.ops()[number])
    }
}

/// Returns the network of the samples or of the batch.
fn network(trace: &Trace, ops: Ops) -> &Network {
    match ops {
        Ops::Sample => trace.network(),
        Ops::Batch => trace.batch_network().expect("the batch has ops"),
    }
}

/// The numbers of a pass with mistakes.
#[derive(Debug)]
pub(super) struct WrongPass<'a> {
    trace: &'a Trace,
    plan: &'a Plan,
    /// For each run and each tensor, whether the tensor depends on a change.
    changed: Vec<Vec<bool>>,
    /// For each run and each tensor, whether it is computed from numbers of the user that are not finite. Empty if all are finite.
    not_finite: Vec<Vec<bool>>,
    computed: HashMap<(usize, Id), Arc<[f64]>>,
}

impl<'a> WrongPass<'a> {
    /// Prepares the pass. Nothing is computed yet.
    pub fn new(trace: &'a Trace, plan: &'a Plan) -> Self {
        let runs = trace.runs().len();
        let origins = plan.not_finite();
        let not_finite = if origins.is_empty() { Vec::new() } else { reached(trace, &origins) };
        let mut pass = Self { trace, plan, changed: Vec::with_capacity(runs), not_finite, computed: HashMap::new() };
        for run in 0..runs {
            let changed = pass.changed_in(run);
            pass.changed.push(changed);
        }
        pass
    }

    /// The ops that a run carries out.
    fn ops(&self, run: usize) -> Ops {
        if self.trace.runs()[run].sample.is_some() { Ops::Sample } else { Ops::Batch }
    }

    fn changed_in(&self, run: usize) -> Vec<bool> {
        let (network, ops) = (self.trace.network_of(run), self.ops(run));
        let mut changed = vec![false; network.tensors().len()];
        // only changes of this run: the ids of another run may be those of another network
        for (_, id) in self.plan.given.keys().chain(self.plan.taken.keys()).filter(|(changed_run, _)| *changed_run == run) {
            changed[*id] = true;
        }
        if ops == Ops::Sample {
            self.plan.exchanged.keys().for_each(|id| changed[*id] = true);
        }
        if ops == Ops::Batch {
            for (id, source) in network.sources() {
                changed[id] |= matches!(source, BatchSource::Sample(sample, of) if self.changed[sample][of]);
            }
        }
        // the keys from (number, 0) to (number + 1, 0) are those of one op
        let is_elsewhere = |number: usize| ops == Ops::Sample && self.plan.elsewhere.range((number, 0)..(number + 1, 0)).next().is_some();
        for (number, op) in network.ops().iter().enumerate() {
            changed[op.output] |= match self.plan.ops.get(&(ops, number)) {
                Some(_) => true,
                None if is_elsewhere(number) => true,
                None => op.parts.iter().any(|part| part.operands.iter().any(|id| changed[*id])),
            };
        }
        changed
    }

    /// Returns whether a tensor depends on a change, so that its numbers may be wrong.
    pub fn is_changed(&self, run: usize, id: Id) -> bool {
        self.changed[run][id]
    }

    /// Returns whether a tensor is computed from numbers of the user that are not finite.
    pub fn follows_not_finite(&self, run: usize, id: Id) -> bool {
        self.not_finite.get(run).is_some_and(|of_run| of_run[id])
    }

    /// The numbers of a tensor; `None` if they are not computed yet.
    fn known(&self, run: usize, id: Id) -> Option<&[f64]> {
        if !self.changed[run][id] {
            return Some(self.trace.run(run).values(id));
        }
        let place = (run, id);
        self.plan.taken.get(&place).or_else(|| self.computed.get(&place)).or_else(|| self.plan.given.get(&place)).map(AsRef::as_ref)
    }

    /// Returns the numbers of a tensor.
    pub fn values(&mut self, run: usize, id: Id) -> &[f64] {
        let id = match self.plan.exchanged.get(&id) {
            Some((source, ..)) if self.ops(run) == Ops::Sample => *source,
            _ => id,
        };
        if self.known(run, id).is_none() {
            self.compute(run, id);
        }
        self.known(run, id).expect("the tensor is computed")
    }

    /// Computes a tensor, and first the tensors that it depends on. If the search is interrupted, the remaining numbers are 0.
    fn compute(&mut self, run: usize, id: Id) {
        let trace = self.trace;
        let network = trace.network_of(run);
        let ops = self.ops(run);
        let Some(last) = network.producer(id) else { return self.take_from_sample(run, id) };
        let mut needed = vec![false; network.tensors().len()];
        needed[id] = true;
        // the numbers of the ops to compute, from the last one to the first one
        let mut to_compute = Vec::new();
        for number in (0..=last).rev() {
            let op = self.plan.op(network, ops, number);
            if needed[op.output] && self.known(run, op.output).is_none() {
                to_compute.push(number);
                op.parts.iter().flat_map(|part| part.operands.iter()).for_each(|read| needed[*read] = true);
            }
        }
        for read in (0..needed.len()).filter(|read| needed[*read] && network.producer(*read).is_none()) {
            if self.known(run, read).is_none() {
                self.take_from_sample(run, read);
            }
        }
        // the run from which an op reads a tensor
        let run_of_read = |number: usize, read: Id| {
            let other = self.plan.elsewhere.get(&(number, read)).filter(|_| ops == Ops::Sample);
            other.map_or(run, |other| other.of(run, trace.samples()))
        };
        // the tensors of other samples
        for (number, read) in
            to_compute.iter().flat_map(|number| self.plan.elsewhere.range((*number, 0)..(number + 1, 0))).map(|(place, _)| *place)
        {
            let other = run_of_read(number, read);
            if other != run {
                self.values(other, read);
            }
        }
        for number in to_compute.into_iter().rev() {
            let op = self.plan.op(network, ops, number);
            let mut sums = vec![0.0; len(&network.tensor(op.output).shape)];
            if !goes_on(network.work(number)) {
                self.computed.insert((run, op.output), sums.into());
                continue;
            }
            op.compute(|read| self.known(run_of_read(number, read), read).expect("operands are computed first"), &mut sums);
            self.computed.insert((run, op.output), sums.into());
        }
    }

    /// Copies a tensor of a sample into the batch.
    fn take_from_sample(&mut self, run: usize, id: Id) {
        let Some(BatchSource::Sample(sample, of)) = self.trace.network_of(run).tensor(id).source else { return };
        let numbers: Arc<[f64]> = self.values(sample, of).into();
        self.computed.insert((run, id), numbers);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::interrupt::{SLICE, interruptible};
    use crate::scenario::{Limits, Source, read};

    /// A pass counts the work of the ops that it computes: with the input changed, that of all ops up to the output.
    #[test]
    fn each_computed_op_counts_as_work() {
        let text = "title = \"t\"\ninput = { init = \"normal\", seed = 1, shape = [1024] }\ntarget = [1]\nloss = \"squared_error\"\n\
                    layer = [{ type = \"linear\", weight = { init = \"normal\", seed = 2 }, out_features = 1100 },\n\
                    { type = \"linear\", weight = { init = \"normal\", seed = 3 }, out_features = 1 }]\n";
        let source = Source { name: "t".into(), path_shown: "t.toml".into(), text: text.into() };
        let trace = Trace::of_iteration(1, read(source, Limits::default()).expect("a scenario").descent().iteration(1).runs);
        let network = trace.network();
        let input = network.with_role(crate::network::Role::Input { learns: false }).next().expect("an input");
        let numbers = vec![0.5; 1024];
        let plan = Plan::default().taking(std::iter::once((0, input, numbers.as_slice())));
        let looks = Rc::new(Cell::new(0));
        let counted = Rc::clone(&looks);
        let look = move || {
            counted.set(counted.get() + 1);
            true
        };
        let output = network.output();
        interruptible(look, || WrongPass::new(&trace, &plan).values(0, output).len()).expect("it is wanted");
        let last = network.producer(output).expect("an op");
        let work: u64 = (0..=last).map(|op| network.work(op)).sum();
        // one look after an op that is larger than a slice, and one at the end
        assert!(work > SLICE && looks.get() > 1, "{work} multiplications, {} looks", looks.get());
    }
}
