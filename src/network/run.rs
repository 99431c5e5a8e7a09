//! All tensors of one sample.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

use smallvec::SmallVec;

use super::{Id, Network, Op};
use crate::op::rule::{Memo, Operands, Rule, clear};
use crate::step::Pass;
use crate::tally;
use crate::tensor::{Tensor, flat, from_flat, len};
use crate::threads::together;

/// The memos of an op, one for each part. Most ops have one part, whose memo then needs no allocation.
type Memos = SmallVec<[Memo; 1]>;

/// All tensors of one sample, and what the rules remember of them.
#[derive(Clone, Debug)]
pub struct Run {
    tensors: Vec<Arc<Tensor>>,
    /// For each op, the memo of each part.
    memos: Vec<Memos>,
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
        let nothing = Arc::new(from_flat(&[0], Vec::new()));
        Self { tensors: vec![nothing; network.tensors().len()], memos: Vec::new() }
    }

    /// The same network with other tensors given, in this run's memory: to get that anew from the system takes a large network as long as a part of its work.
    ///
    /// # Panics
    /// As [`Run::new`].
    #[must_use]
    pub fn again(self, network: &Network, given: &[(Id, Arc<Tensor>)]) -> Self {
        let mut begun = Begun::new(network, given, Some(self));
        together(|| while begun.proceed(network) {});
        begun.run
    }

    /// Computes up to the loss; the derivatives have no entries.
    ///
    /// # Panics
    /// As [`Run::new`].
    #[must_use]
    pub fn forward(network: &Network, given: &[(Id, Arc<Tensor>)]) -> Self {
        let nothing = Arc::new(from_flat(&[0], Vec::new()));
        let mut run = Self { tensors: vec![nothing; network.tensors().len()], memos: Vec::new() };
        for (id, tensor) in network.fixed().iter().chain(given) {
            run.tensors[*id] = Arc::clone(tensor);
        }
        together(|| {
            for op in network.ops().iter().take_while(|op| op.pass != Pass::Backward) {
                let tensor = run.compute(op, &network.tensor(op.output).shape, Vec::new());
                run.tensors[op.output] = Arc::new(tensor);
            }
        });
        run
    }

    /// The same sample with other numbers in one tensor: what depends on it is computed anew, forwards and in the loss. The derivatives are not; they
    /// stay those of this run. A loss that reads the input z of the output's activation reads the output itself where only that is another.
    #[must_use]
    pub fn with(&self, network: &Network, id: Id, tensor: Tensor) -> Self {
        let mut run = Self { tensors: self.tensors.clone(), memos: Vec::with_capacity(network.ops().len()) };
        run.tensors[id] = Arc::new(tensor);
        let mut changed = vec![false; network.tensors().len()];
        changed[id] = true;
        let forward = network.ops().iter().take_while(|op| op.pass != Pass::Backward);
        for (number, op) in forward.enumerate() {
            if op.output == id || !op.parts.iter().any(|part| part.operands.iter().any(|&read| changed[read])) {
                run.memos.push(self.memos[number].clone());
                continue;
            }
            let mut op = Cow::Borrowed(op);
            if let [output, _, z] = op.parts[0].operands[..]
                && op.pass == Pass::Loss
                && changed[output]
                && !changed[z]
            {
                op.to_mut().parts[0].operands.pop();
            }
            let tensor = run.compute(&op, &network.tensor(op.output).shape, Vec::new());
            run.tensors[op.output] = Arc::new(tensor);
            changed[op.output] = true;
        }
        run.memos.extend_from_slice(&self.memos[run.memos.len()..]);
        run
    }

    fn compute(&mut self, op: &Op, shape: &[usize], mut sums: Vec<f64>) -> Tensor {
        if sums.capacity() == 0 {
            // pages that the system has cleared already
            sums = vec![0.0; len(shape)];
        }
        sums.resize(len(shape), 0.0);
        let memos = add_up(op, |id| &self.tensors[id], &mut sums);
        self.memos.push(memos);
        from_flat(shape, sums)
    }

    /// Lets go of a tensor that was given.
    pub(super) fn forget(&mut self, id: Id) {
        self.tensors[id] = Arc::new(from_flat(&[0], Vec::new()));
    }

    /// A tensor, to be changed.
    pub(super) fn own(&mut self, id: Id) -> &mut Tensor {
        Arc::make_mut(&mut self.tensors[id])
    }

    /// A tensor.
    #[must_use]
    pub fn tensor(&self, id: Id) -> &Arc<Tensor> {
        &self.tensors[id]
    }

    /// A tensor's entries in row-major order.
    #[must_use]
    pub fn values(&self, id: Id) -> &[f64] {
        flat(&self.tensors[id])
    }

    /// The rule of a part of an op, with what it reads.
    #[must_use]
    pub fn part<'a>(&'a self, op: &'a Op, index: usize, part: usize) -> (&'a dyn Rule, Operands<'a>) {
        tally::count(1);
        let tensors = op.parts[part].operands.iter().map(|&id| self.values(id)).collect();
        (op.parts[part].rule.as_ref(), Operands { tensors, memo: &self.memos[index][part] })
    }

    /// The parts of an op, which has the number `index`, with what they read.
    pub fn parts<'a>(&'a self, op: &'a Op, index: usize) -> impl Iterator<Item = (&'a dyn Rule, Operands<'a>)> {
        (0..op.parts.len()).map(move |part| self.part(op, index, part))
    }

    /// How many terms the entries before `entry` have together, over all parts. [`Network::shares`] says it sooner where it says anything.
    #[must_use]
    pub fn before(&self, op: &Op, index: usize, entry: usize) -> u64 {
        self.parts(op, index).map(|(rule, x)| rule.before(&x, entry)).sum()
    }

    /// How many terms an entry has.
    #[must_use]
    pub fn terms(&self, op: &Op, index: usize, entry: usize) -> u64 {
        self.before(op, index, entry + 1) - self.before(op, index, entry)
    }
}

/// A run that is computed op by op, with pauses in between.
#[derive(Clone, Debug)]
pub struct Begun {
    run: Run,
    /// What is in the place of a tensor while it is computed.
    nothing: Arc<Tensor>,
}

impl Begun {
    /// The beginning of a run with these tensors, in the memory of another run of the same network where one is to spare.
    #[must_use]
    pub fn new(network: &Network, given: &[(Id, Arc<Tensor>)], spare: Option<Run>) -> Self {
        let mut run = spare.unwrap_or_else(|| Run::empty(network));
        run.memos.clear();
        run.memos.reserve_exact(network.ops().len());
        for (id, tensor) in network.fixed().iter().chain(given) {
            run.tensors[*id] = Arc::clone(tensor);
        }
        Self { run, nothing: Arc::new(from_flat(&[0], Vec::new())) }
    }

    /// The next op's number; that of all ops when all are computed.
    #[must_use]
    pub fn next(&self) -> usize {
        self.run.memos.len()
    }

    /// Computes the next op; `false` when all are computed.
    ///
    /// # Panics
    /// As [`Run::new`].
    pub fn proceed(&mut self, network: &Network) -> bool {
        let run = &mut self.run;
        let Some(op) = network.ops().get(run.memos.len()) else { return false };
        let before = Arc::into_inner(mem::replace(&mut run.tensors[op.output], Arc::clone(&self.nothing)));
        let memory = before.map_or_else(Vec::new, |tensor| tensor.into_raw_vec_and_offset().0);
        let tensor = run.compute(op, &network.tensor(op.output).shape, memory);
        run.tensors[op.output] = Arc::new(tensor);
        true
    }

    /// The run; whole once [`Begun::proceed`] has returned `false`.
    #[must_use]
    pub fn into_run(self) -> Run {
        self.run
    }
}

/// Computes the tensor of an op into `sums`, whatever they were; what its parts remember.
pub(super) fn add_up<'a>(op: &Op, tensor: impl Fn(Id) -> &'a Tensor, sums: &mut [f64]) -> Memos {
    let mut memos = Memos::with_capacity(op.parts.len());
    // all, until a part leaves some out
    let mut reached = op.parts.is_empty().then(|| vec![false; sums.len()]);
    for (number, part) in op.parts.iter().enumerate() {
        let tensors: SmallVec<[&Tensor; 4]> = part.operands.iter().map(|&id| tensor(id)).collect();
        memos.push(part.rule.memo(&tensors));
        let x = Operands { tensors: tensors.iter().map(|t| flat(t)).collect(), memo: &memos[number] };
        if number == 0 {
            reached = if op.parts.len() > 1 { part.rule.reached(&x, sums.len()) } else { None };
            if reached.is_none() {
                part.rule.begin(&x, sums);
                continue;
            }
            // what has no term yet may get its first from another part
            sums.fill(-0.0);
        } else if reached.is_some() {
            reached = reached.zip(part.rule.reached(&x, sums.len())).map(either);
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
