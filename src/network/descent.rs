//! Gradient descent whose iterations can be computed in any order. Each one is recomputed from the nearest earlier checkpoint of the parameters, and always has
//! the same bits.
//!
//! The computation of iteration 100 from a checkpoint at 90 is a [`DescentWalk`]: it computes iterations 90 to 100 op by op, so that the program can stop
//! between two ops to answer a key.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::batch::{Batch, BatchSource, reduced};
use super::checkpoints::{Checkpoint, Checkpoints};
use super::learn::Learner;
use super::run::PartialRun;
use super::sample_runs::LARGE;
use super::train::{Given, Train};
use super::{Id, Network, Run, SampleRun, SampleRuns, Shortage, Sizes};
use crate::op::loss::BatchReduction;
use crate::room::{MemoryBudget, OverBudget, Reservation};
use crate::tensor::Tensor;
use crate::threads::{parallel, wait_until_idle};

/// The unfinished computation of the iterations up to some iteration.
#[derive(Clone, Debug)]
pub struct DescentWalk {
    /// The memory of one iteration after the other. It returns to the budget with the last of them.
    memory: Arc<Reservation>,
    checkpoint: Checkpoint,
    partial: PartialIteration,
    /// The missing memory for the last iteration of this walk; `None` if there is enough.
    shortage: Option<Shortage>,
}

impl DescentWalk {
    /// The iteration that is being computed, from 1.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.checkpoint.iteration
    }

    /// Returns whether allocating and freeing an iteration takes milliseconds.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.memory.bytes() >= LARGE
    }

    /// Returns the missing memory if the last iteration of this walk cannot be computed.
    #[must_use]
    pub fn refused(&self) -> Option<Shortage> {
        self.shortage.filter(|shortage| matches!(shortage, Shortage::Iteration(..)))
    }
}

/// An iteration of which some ops are computed.
#[derive(Clone, Debug, Default)]
struct PartialIteration {
    /// The samples of its batch, from 0.
    samples: Vec<usize>,
    /// The complete runs of samples and, last, the batch.
    sample_runs: SampleRuns,
    /// The run that is being computed: of the next sample, or of the batch.
    run: Option<PartialRun>,
    /// The ops of the batch, once all samples are computed.
    batch: Option<Arc<Batch>>,
    /// `true` if the tolerance ends the descent with this iteration, so that its batch is computed without an update.
    stopped: bool,
}

/// A computed iteration.
#[derive(Debug)]
pub struct Iteration {
    /// Its number, from 1.
    pub number: u64,
    /// The samples of the batch, then the batch.
    pub sample_runs: SampleRuns,
    /// The batch's loss.
    pub loss: f64,
    /// `true` if the tolerance ends the descent here, without an update.
    pub stopped: bool,
    /// The missing memory, if the iteration has no update because of it.
    pub shortage: Option<Shortage>,
}

impl Iteration {
    /// Returns whether the descent ends here, before its last iteration.
    #[must_use]
    pub fn ends(&self) -> bool {
        self.stopped || self.shortage.is_some()
    }
}

/// A network with its samples and the settings by which it learns from them.
#[derive(Debug)]
pub struct Descent {
    network: Arc<Network>,
    samples: Vec<Given>,
    reduction: BatchReduction,
    train: Option<Train>,
    checkpoints: Checkpoints,
    /// The number of computed ops.
    computed: AtomicU64,
    /// The memory budget.
    room: Arc<MemoryBudget>,
    sizes: Sizes,
    /// The last batches' ops, which most iterations share.
    batches: Mutex<Vec<(BatchKey, Arc<Batch>)>>,
}

/// The properties that determine a batch's ops: the samples' numbers in the file, from 1; whether the parameters are updated; whether it is the first
/// iteration, which has no previous velocity.
type BatchKey = (Vec<usize>, bool, bool);

/// The largest number of batches whose ops are kept.
const BATCHES: usize = 2;

/// The number of multiplications from which an op is computed on a separate thread. They take some hundred microseconds, or milliseconds if each is a power.
const LONG: u64 = 1 << 20;

/// The number of ops that are visited one by one in a few milliseconds.
const MANY: usize = 10_000;

impl Descent {
    /// Creates a descent that starts from the network's parameters. Without `train` it has one iteration and no update.
    #[must_use]
    pub fn new(
        network: Arc<Network>,
        samples: Vec<Given>,
        reduction: BatchReduction,
        train: Option<Train>,
        room: Arc<MemoryBudget>,
    ) -> Self {
        let parameters = network.fixed().to_vec();
        Self::from(parameters, network, samples, reduction, train, room)
    }

    fn from(
        parameters: Given,
        network: Arc<Network>,
        samples: Vec<Given>,
        reduction: BatchReduction,
        train: Option<Train>,
        room: Arc<MemoryBudget>,
    ) -> Self {
        let batch = train.as_ref().map_or(samples.len(), |train| train.batch_size.min(samples.len()));
        let sizes = Sizes::of(&network, batch, train.as_ref());
        let parameters = parameters.into_iter().collect();
        Self {
            network,
            samples,
            reduction,
            train,
            checkpoints: Checkpoints::new(Checkpoint::first(parameters)),
            room,
            sizes,
            batches: Mutex::default(),
            computed: AtomicU64::new(0),
        }
    }

    /// The largest number of iterations.
    #[must_use]
    pub fn iterations(&self) -> u64 {
        self.train.as_ref().map_or(1, |train| train.iterations)
    }

    /// The settings of the descent.
    #[must_use]
    pub fn train(&self) -> Option<&Train> {
        self.train.as_ref()
    }

    /// Returns the samples (from 0) of an iteration's batch. The batches take the samples in file order, and after the last one continue with the first.
    #[must_use]
    pub fn samples(&self, iteration: u64) -> Vec<usize> {
        let all = self.samples.len();
        let size = self.train.as_ref().map_or(all, |train| train.batch_size.min(all));
        let first = u128::from(iteration - 1) * size as u128 % all as u128;
        let first = usize::try_from(first).unwrap_or(0);
        let mut batch: Vec<usize> = (first..first + size).map(|n| n % all).collect();
        batch.sort_unstable();
        batch
    }

    /// Returns the ops of the batch of these samples.
    fn batch_of(&self, numbers: &[usize], update: bool, first: bool) -> Arc<Batch> {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, batch)) = batches.iter().find(|((of, updates, begins), _)| of == numbers && (*updates, *begins) == (update, first))
        {
            return Arc::clone(batch);
        }
        let sgd = self.train.as_ref().filter(|_| update).map(|train| (&train.sgd, train.learned.as_slice()));
        let batch = Arc::new(Batch::new(&self.network, numbers, self.reduction, sgd, first));
        batches.truncate(BATCHES - 1);
        batches.insert(0, ((numbers.to_vec(), update, first), Arc::clone(&batch)));
        batch
    }

    /// Computes the next op of a walk. Returns the iteration if it is complete, with the state after it.
    fn proceed(&self, walk: &mut DescentWalk) -> Option<(Iteration, Checkpoint)> {
        let DescentWalk { checkpoint, partial, memory, shortage } = walk;
        let Some(run) = &mut partial.run else {
            if partial.samples.is_empty() {
                partial.samples = self.samples(checkpoint.iteration);
                partial.sample_runs = SampleRuns::within(Arc::clone(memory));
            }
            self.begin(checkpoint, partial, shortage.is_none());
            return None;
        };
        let network = partial.batch.as_ref().map_or(&self.network, |batch| &batch.network);
        if run.proceed(network) {
            self.computed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let run = partial.run.take()?.into_run();
        let Some(batch) = partial.batch.take() else {
            let sample = partial.samples.get(partial.sample_runs.len()).copied();
            partial.sample_runs.push(SampleRun { network: Arc::clone(&self.network), run, sample });
            return None;
        };
        let loss = batch.loss.map_or_else(|| partial.sample_runs[0].run.values(self.network.loss())[0], |id| run.values(id)[0]);
        let tolerance = self.train.as_ref().and_then(|train| train.tolerance);
        if ends(tolerance, checkpoint.loss, loss) && !partial.stopped {
            // the batch is computed again, without an update
            partial.stopped = true;
            return None;
        }
        let (sample_runs, stopped, next) = Self::whole(checkpoint, mem::take(partial), &batch, run, loss);
        let shortage = shortage.filter(|_| !stopped);
        Some((Iteration { number: checkpoint.iteration, sample_runs, loss, stopped, shortage }, next))
    }

    /// Starts the next run of an iteration. `updates`: there is enough memory for an update.
    fn begin(&self, checkpoint: &Checkpoint, partial: &mut PartialIteration, updates: bool) {
        if let Some(&sample) = partial.samples.get(partial.sample_runs.len()) {
            let mut run = PartialRun::new(&self.network, None);
            run.give(&given(&checkpoint.parameters, &self.samples[sample]));
            partial.run = Some(run);
            return;
        }
        let numbers: Vec<usize> = partial.samples.iter().map(|sample| sample + 1).collect();
        let batch = self.batch_of(&numbers, updates && !partial.stopped, checkpoint.velocities.is_empty());
        let mut run = PartialRun::new(&batch.network, None);
        for (id, from) in &batch.reads {
            match from {
                BatchSource::Sample(n, of) => run.share(&batch.network, *id, &partial.sample_runs[*n].run, *of),
                BatchSource::Parameter(of) => run.give(&[(*id, Arc::clone(&checkpoint.parameters[of]))]),
                BatchSource::Velocity(of) => run.give(&[(*id, Arc::clone(&checkpoint.velocities[of]))]),
            }
        }
        partial.run = Some(run);
        partial.batch = Some(batch);
    }

    /// Returns the runs of a complete iteration, whether the tolerance ends the descent, and the state after it.
    fn whole(checkpoint: &Checkpoint, partial: PartialIteration, batch: &Batch, run: Run, loss: f64) -> (SampleRuns, bool, Checkpoint) {
        let PartialIteration { mut sample_runs, stopped, .. } = partial;
        let mut next = checkpoint.after(loss);
        for (parameter, new, velocity) in &batch.updated {
            next.parameters.insert(*parameter, run.tensor(&batch.network, *new));
            if let Some(velocity) = velocity {
                next.velocities.insert(*parameter, run.tensor(&batch.network, *velocity));
            }
        }
        if !batch.network.ops().is_empty() {
            sample_runs.push(SampleRun { network: Arc::clone(&batch.network), run, sample: None });
        }
        (sample_runs, stopped, next)
    }

    /// The number of ops that were computed so far, including iterations that were recomputed.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// Computes iteration `number` (from 1), or the last one if the descent ends earlier.
    #[must_use]
    pub fn iteration(&self, number: u64) -> Iteration {
        let number = number.clamp(1, self.iterations());
        let mut walk = self.walk(number);
        loop {
            if let Some(iteration) = self.advance(&mut walk, &mut { u64::MAX })
                && (iteration.number == number || iteration.ends())
            {
                return iteration;
            }
        }
    }

    /// Starts the computation of iteration `number` at the nearest checkpoint. [`DescentWalk::refused`] reports missing memory.
    #[must_use]
    pub fn walk(&self, number: u64) -> DescentWalk {
        let (memory, shortage) = self.claim(number);
        DescentWalk {
            checkpoint: self.checkpoints.before(number),
            partial: PartialIteration::default(),
            memory: Arc::new(memory),
            shortage,
        }
    }

    /// Claims the memory of an iteration, and drops checkpoints if that is necessary. Also returns the missing memory, if any.
    fn claim(&self, number: u64) -> (Reservation, Option<Shortage>) {
        let Sizes { pass, .. } = self.sizes;
        // the parameters before the first iteration are the network's own
        let before = if number > 1 { self.sizes.update() } else { 0 };
        let whole = pass.saturating_add(self.sizes.update()).saturating_add(before);
        let short = loop {
            match self.room.claim(whole) {
                Ok(claim) => return (claim, None),
                // memory that another thread is still freeing may return
                Err(short) if !wait_until_idle() && !self.checkpoints.thin() => break short,
                Err(_) => {}
            }
        };
        if number == 1 {
            let without = self.room.claim(pass);
            if let Ok(claim) = without {
                return (claim, Some(Shortage::Update(number, short)));
            }
        }
        (self.room.insist(whole), Some(Shortage::Iteration(number, short)))
    }

    /// Continues a walk by at most `pieces` pieces of work, and subtracts those done from `pieces`. Stops after a completed iteration, and returns it; the next
    /// call continues with the iteration after it. A piece is one op, or the start or end of a run.
    pub fn advance(&self, walk: &mut DescentWalk, pieces: &mut u64) -> Option<Iteration> {
        self.advance_while(|_| true, walk, pieces)
    }

    /// As [`Descent::advance`], but stops before a long piece ([`Descent::is_next_long`]).
    pub fn advance_to_long(&self, walk: &mut DescentWalk, pieces: &mut u64) -> Option<Iteration> {
        self.advance_while(|walk| !self.is_next_long(walk), walk, pieces)
    }

    fn advance_while(&self, goes: impl Fn(&DescentWalk) -> bool, walk: &mut DescentWalk, pieces: &mut u64) -> Option<Iteration> {
        parallel(|| {
            while *pieces > 0 && goes(walk) {
                *pieces -= 1;
                if let Some((iteration, next)) = self.proceed(walk) {
                    if !iteration.ends() {
                        self.checkpoints.keep(&next, &self.room, self.sizes.update());
                    }
                    walk.checkpoint = next;
                    return Some(iteration);
                }
            }
            None
        })
    }

    /// Returns whether the next piece of a walk takes milliseconds, so that it is better done on a separate thread.
    #[must_use]
    pub fn is_next_long(&self, walk: &DescentWalk) -> bool {
        let DescentWalk { partial, .. } = walk;
        let network = partial.batch.as_ref().map_or(&self.network, |batch| &batch.network);
        // starting a batch and completing an iteration visit all ops and free memory
        let ops = || partial.sample_runs.len() * self.network.ops().len() + network.ops().len();
        let all = || walk.is_large() || ops() >= MANY;
        match &partial.run {
            Some(run) if run.next() < network.ops().len() => network.work(run.next()) >= LONG,
            Some(_) => partial.batch.is_some() && all(),
            None => !partial.samples.is_empty() && partial.sample_runs.len() == partial.samples.len() && all(),
        }
    }

    /// Computes the loss of each sample with these parameters, and the reduced loss.
    #[must_use]
    pub fn sample_losses(&self, parameters: &HashMap<Id, Arc<Tensor>>) -> SampleLosses {
        let own = |sample| self.forward(parameters, sample).values(self.network.loss())[0];
        let losses: Vec<f64> = (0..self.samples.len()).map(own).collect();
        let loss = reduced(self.reduction, losses.iter().copied());
        SampleLosses { losses, loss }
    }

    /// Computes the forward pass and the loss of a sample (from 0) with these parameters.
    #[must_use]
    pub fn forward(&self, parameters: &HashMap<Id, Arc<Tensor>>, sample: usize) -> Run {
        Run::forward(&self.network, &given(parameters, &self.samples[sample]))
    }

    /// The network that learns.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The number of checkpoints in memory. The parameters before the first iteration are one of them.
    #[must_use]
    pub fn checkpoints(&self) -> usize {
        self.checkpoints.count()
    }

    /// Runs the descent to its end. `see` is called with the number and the loss of each iteration; if it returns `false`, the descent ends.
    ///
    /// # Errors
    /// The missing memory, if an iteration needs more than is left.
    pub fn run(&mut self, mut see: impl FnMut(u64, f64) -> bool) -> Result<DescentResult, OverBudget> {
        let Sizes { run, parameters, velocities, .. } = self.sizes;
        let train = self.train.as_ref();
        let batch = train.map_or(self.samples.len(), |train| train.batch_size.min(self.samples.len())) as u64;
        // parameters that only the descent owns are updated in place
        let copied = if self.network.fixed().is_empty() { 0 } else { parameters };
        let kept = train.filter(|train| train.sgd.momentum != 0.0).map_or(0, |_| velocities);
        let _memory = self.room.claim(run.saturating_mul(batch).saturating_add(copied).saturating_add(kept))?;
        let start = if copied == 0 { self.checkpoints.take_first().into_iter().collect() } else { self.network.fixed().to_vec() };
        let mut learner = Learner::new(&self.network, self.reduction, train, start);
        let tolerance = train.and_then(|train| train.tolerance);
        let (mut losses, mut memory): (Vec<f64>, Vec<Reservation>) = (Vec::new(), Vec::new());
        loop {
            if losses.len() == losses.capacity() {
                // the list grows to twice its size
                memory.push(self.room.claim(losses.len() as u64 * 16)?);
            }
            let number = losses.len() as u64 + 1;
            let samples = self.samples(number);
            let loss = learner.pass(samples.iter().map(|&sample| &self.samples[sample]));
            let stopped = ends(tolerance, losses.last().copied(), loss);
            losses.push(loss);
            if !stopped {
                learner.update();
            }
            let go_on = see(number, loss);
            if stopped || !go_on || number >= self.iterations() {
                return Ok(DescentResult { losses, stopped, parameters: learner.into_parameters() });
            }
        }
    }

    /// As [`Descent::new`], but takes the parameters out of the network if nothing else refers to it. [`Descent::run`] then updates them without a copy.
    #[must_use]
    pub fn with_own_parameters(
        mut network: Arc<Network>,
        samples: Vec<Given>,
        reduction: BatchReduction,
        train: Option<Train>,
        room: Arc<MemoryBudget>,
    ) -> Self {
        match Arc::get_mut(&mut network).map(Network::take_fixed) {
            Some(fixed) => Self::from(fixed, network, samples, reduction, train, room),
            None => Self::new(network, samples, reduction, train, room),
        }
    }
}

/// Returns the tensors that are given to a sample's run.
fn given(parameters: &HashMap<Id, Arc<Tensor>>, sample: &Given) -> Given {
    parameters.iter().map(|(id, tensor)| (*id, Arc::clone(tensor))).chain(sample.iter().cloned()).collect()
}

/// Returns whether the tolerance ends a descent: |loss − before| < tolerance.
fn ends(tolerance: Option<f64>, before: Option<f64>, loss: f64) -> bool {
    matches!((tolerance, before), (Some(tolerance), Some(before)) if (loss - before).abs() < tolerance)
}

/// The losses of all samples.
#[derive(Debug)]
pub struct SampleLosses {
    /// The loss of each sample, in file order.
    pub losses: Vec<f64>,
    /// Their sum or mean.
    pub loss: f64,
}

/// The result of a descent.
#[derive(Debug)]
pub struct DescentResult {
    /// The loss of each iteration's batch, before the update.
    pub losses: Vec<f64>,
    /// `true` if the tolerance ended the descent.
    pub stopped: bool,
    /// The final parameters.
    pub parameters: HashMap<Id, Arc<Tensor>>,
}
