//! Gradient descent with access to any iteration. Iterations are not stored. When one is requested, it is computed again from the nearest earlier checkpoint of
//! the parameters. Its numbers have the same bits each time.
//!
//! For example, a [`DescentComputation`] of iteration 100 starts at a checkpoint before iteration 90, and computes the iterations 90 to 100 op by op. The
//! program can pause it between two ops to answer a key.
//!
//! An iteration has one run for each sample of its batch. Then it has one run for the batch, whose ops reduce the gradients and update the parameters.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::batch::{Batch, UpdatedParameter, batch_loss};
use super::checkpoints::{Checkpoint, Checkpoints};
use super::descent_result::{DescentResult, SampleLosses};
use super::iteration_runs::LARGE_BYTES;
use super::learn::Learner;
use super::run::PartialRun;
use super::series::Losses;
use super::train::{Given, Train, given};
use super::{BatchSource, Id, Iteration, IterationRun, IterationRuns, Network, Run, Shortage, Sizes};
use crate::memory_budget::{MemoryBudget, OverBudget, Reservation};
use crate::op::loss::BatchLoss;
use crate::tensor::{Tensor, flat};
use crate::threads::{parallel, wait_until_idle};

/// A computation in progress: all iterations from a checkpoint to the wanted one.
#[derive(Clone, Debug)]
pub struct DescentComputation {
    /// The reserved memory of one iteration. The budget gets it back when this computation and its last iteration are dropped.
    memory: Arc<Reservation>,
    /// The state before the current iteration.
    checkpoint: Checkpoint,
    partial: PartialIteration,
    /// The missing memory for the wanted iteration; `None` if there is enough.
    shortage: Option<Shortage>,
}

impl DescentComputation {
    /// The iteration that is being computed, from 1.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.checkpoint.iteration
    }

    /// Returns whether an iteration is so large that allocating and freeing its memory takes milliseconds.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.memory.bytes() >= LARGE_BYTES
    }

    /// Returns the missing memory if the wanted iteration cannot be computed. If only its update cannot be computed, returns `None`.
    #[must_use]
    pub fn missing_memory(&self) -> Option<Shortage> {
        self.shortage.filter(|shortage| matches!(shortage, Shortage::Iteration(..)))
    }
}

/// An unfinished iteration.
#[derive(Clone, Debug, Default)]
struct PartialIteration {
    /// The indices of the batch's samples; empty before the iteration has begun.
    samples: Vec<usize>,
    /// The runs that are complete: those of the first samples of the batch.
    runs: IterationRuns,
    /// The run in progress, of the next sample or of the batch; `None` between two runs.
    run: Option<PartialRun>,
    /// The ops of the batch, if `run` is the batch's.
    batch: Option<Arc<Batch>>,
    /// `true` if the descent ends with this iteration, because of its tolerance. Then the batch is computed without an update.
    stopped: bool,
}

/// A gradient descent: a network, its samples, and the settings of its training.
#[derive(Debug)]
pub struct Descent {
    network: Arc<Network>,
    /// The input and the target of each sample.
    samples: Vec<Given>,
    loss: BatchLoss,
    train: Option<Train>,
    checkpoints: Checkpoints,
    losses: Arc<Losses>,
    /// See [`Descent::computed`].
    computed: AtomicU64,
    /// The memory budget.
    budget: Arc<MemoryBudget>,
    sizes: Sizes,
    /// The ops of the batches that were computed last. Most iterations have the same ops as an earlier one.
    batches: Mutex<Vec<(BatchKey, Arc<Batch>)>>,
}

/// The properties of a batch on which its ops depend.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BatchKey {
    /// The numbers of the samples in the file, from 1.
    samples: Vec<usize>,
    /// `true` if the batch updates the parameters.
    has_update: bool,
    /// The first iteration whose update has the same sums with the same coefficients ([`Optimizer::equivalent_iteration`]); 1 without an update.
    iteration: u64,
}

/// The largest number of batches whose ops are cached.
const MAX_CACHED_BATCHES: usize = 2;

/// The number of multiplications from which an op is computed on the background thread. 2²⁰ multiplications take some hundred microseconds, and 2²⁰ powers some
/// milliseconds.
const LONG_OP: u64 = 1 << 20;

/// The number of ops from which visiting all of them takes milliseconds.
const MANY_OPS: usize = 10_000;

impl Descent {
    /// Creates a descent that starts from the network's parameters. Without `train` it has one iteration and no update.
    #[must_use]
    pub fn new(network: Arc<Network>, samples: Vec<Given>, loss: BatchLoss, train: Option<Train>, budget: Arc<MemoryBudget>) -> Self {
        let parameters = network.shared_tensors().to_vec();
        Self::with_parameters(parameters, network, samples, loss, train, budget)
    }

    /// Replaces the initial values of some parameters, constants or inputs of a graph. It may be called only before an iteration is computed.
    #[must_use]
    pub fn starting_from(mut self, changed: &[(Id, Arc<Tensor>)]) -> Self {
        self.checkpoints.replace_in_first(changed.iter().cloned());
        self
    }

    /// Creates a descent that starts from these parameters.
    fn with_parameters(
        parameters: Given,
        network: Arc<Network>,
        samples: Vec<Given>,
        loss: BatchLoss,
        train: Option<Train>,
        budget: Arc<MemoryBudget>,
    ) -> Self {
        let batch = train.as_ref().map_or(samples.len(), |train| train.batch_size.min(samples.len()));
        let sizes = Sizes::of(&network, batch, loss, train.as_ref());
        let parameters = parameters.into_iter().collect();
        Self {
            network,
            samples,
            loss,
            train,
            checkpoints: Checkpoints::new(Checkpoint::first(parameters)),
            losses: Arc::new(Losses::new(Arc::clone(&budget))),
            budget,
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

    /// The losses of the iterations that are computed already.
    #[must_use]
    pub fn losses(&self) -> &Arc<Losses> {
        &self.losses
    }

    /// The settings of the descent.
    #[must_use]
    pub fn train(&self) -> Option<&Train> {
        self.train.as_ref()
    }

    /// Returns the indices of the samples in an iteration's batch, sorted. The batches take the samples in file order, and start again after the last one. With
    /// 5 samples and 2 per batch, the batches are [0, 1], [2, 3], [0, 4], [1, 2], ….
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

    /// Returns the ops of the batch of an iteration with these samples (from 0). They are made only if they are not in the cache.
    pub(super) fn batch(&self, iteration: u64, samples: impl Iterator<Item = usize>, has_update: bool) -> Arc<Batch> {
        let updating = self.train.as_ref().filter(|_| has_update);
        let iteration = updating.map_or(1, |train| train.optimizer.equivalent_iteration(iteration));
        let key = BatchKey { samples: samples.map(|sample| sample + 1).collect(), has_update, iteration };
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, batch)) = batches.iter().find(|(cached, _)| *cached == key) {
            return Arc::clone(batch);
        }
        let update = updating.map(|train| (&train.optimizer, train.learned.as_slice()));
        let batch = Arc::new(Batch::new(&self.network, &key.samples, self.loss, update, key.iteration));
        batches.truncate(MAX_CACHED_BATCHES - 1);
        batches.insert(0, (key, Arc::clone(&batch)));
        batch
    }

    /// Does the next piece of a computation: one op, or the start or end of a run. If this completes an iteration, returns the iteration and the state after
    /// it.
    fn proceed(&self, computation: &mut DescentComputation) -> Option<(Iteration, Checkpoint)> {
        let DescentComputation { checkpoint, partial, memory, shortage } = computation;
        let Some(run) = &mut partial.run else {
            if partial.samples.is_empty() {
                partial.samples = self.samples(checkpoint.iteration);
                partial.runs = IterationRuns::within(Arc::clone(memory));
            }
            self.begin_run(checkpoint, partial, shortage.is_none());
            return None;
        };
        let network = partial.batch.as_ref().map_or(&self.network, |batch| &batch.network);
        if run.compute_next(network) {
            self.computed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let run = partial.run.take()?.into_run();
        let Some(batch) = partial.batch.take() else {
            let sample = partial.samples.get(partial.runs.len()).copied();
            partial.runs.push(IterationRun { network: Arc::clone(&self.network), run: Arc::new(run), sample });
            return None;
        };
        // a batch of one sample without a penalty has no loss of its own
        let loss = batch.loss.map_or_else(|| partial.runs[0].run.values(self.network.loss())[0], |id| run.values(id)[0]);
        let tolerance = self.train.as_ref().and_then(|train| train.tolerance);
        if is_within_tolerance(tolerance, checkpoint.loss, loss) && !partial.stopped {
            // the next call starts the run of the batch again, without an update
            partial.stopped = true;
            return None;
        }
        let PartialIteration { mut runs, stopped, .. } = mem::take(partial);
        let mut next = checkpoint.next(loss);
        for UpdatedParameter { parameter, new, states } in &batch.updated {
            next.parameters.insert(*parameter, run.tensor(&batch.network, *new));
            for (state, id) in states {
                next.states.insert((*state, *parameter), run.tensor(&batch.network, *id));
            }
        }
        let (may_update, optimizer) = (shortage.is_none(), self.train.as_ref().map(|train| &train.optimizer));
        let state = |index, parameter| checkpoint.state((index, parameter), &self.network, optimizer);
        let planned = (stopped && may_update).then(|| self.uncomputed_batch(checkpoint.iteration, may_update, &runs, state)).flatten();
        if !batch.network.ops().is_empty() {
            runs.push(IterationRun { network: Arc::clone(&batch.network), run: Arc::new(run), sample: None });
        }
        // an iteration that ends the descent needs no memory for an update
        let shortage = shortage.filter(|_| !stopped);
        Some((Iteration { number: checkpoint.iteration, runs, loss, stopped, shortage, planned }, next))
    }

    /// Starts the next run of an iteration, which is that of its next sample or of its batch. `may_update` is `true` if there is enough memory for an update.
    fn begin_run(&self, checkpoint: &Checkpoint, partial: &mut PartialIteration, may_update: bool) {
        if let Some(&sample) = partial.samples.get(partial.runs.len()) {
            let mut run = PartialRun::new(&self.network);
            run.give(&given(&checkpoint.parameters, &self.samples[sample]));
            partial.run = Some(run);
            return;
        }
        let optimizer = self.train.as_ref().map(|train| &train.optimizer);
        let batch = self.batch(checkpoint.iteration, partial.samples.iter().copied(), may_update && !partial.stopped);
        let mut run = PartialRun::new(&batch.network);
        for (id, from) in batch.network.sources() {
            match from {
                BatchSource::Sample(n, of) => run.share(&batch.network, id, &partial.runs[n].run, of),
                BatchSource::Parameter(of) => run.give(&[(id, Arc::clone(&checkpoint.parameters[&of]))]),
                BatchSource::State(state, of) => run.give(&[(id, checkpoint.state((state, of), &self.network, optimizer))]),
            }
        }
        partial.run = Some(run);
        partial.batch = Some(batch);
    }

    /// The number of ops that this descent has computed so far. An op that is computed twice counts twice.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// Computes iteration `number` (from 1). If the descent ends earlier, computes its last iteration.
    #[must_use]
    pub fn iteration(&self, number: u64) -> Iteration {
        let number = number.clamp(1, self.iterations());
        let mut computation = self.start(number);
        loop {
            let mut pieces = u64::MAX; // no limit
            if let Some(iteration) = self.advance(&mut computation, &mut pieces)
                && (iteration.number == number || iteration.ends_descent())
            {
                return iteration;
            }
        }
    }

    /// Starts the computation of iteration `number` at the nearest checkpoint. [`DescentComputation::missing_memory`] reports missing memory.
    #[must_use]
    pub fn start(&self, number: u64) -> DescentComputation {
        self.start_from(number, number)
    }

    /// Starts the computation of the iterations `first` to `last` at the nearest checkpoint before `first`. See [`Descent::start`].
    #[must_use]
    pub fn start_from(&self, first: u64, last: u64) -> DescentComputation {
        let (memory, shortage) = self.reserve(last);
        DescentComputation {
            checkpoint: self.checkpoints.nearest(first),
            partial: PartialIteration::default(),
            memory: Arc::new(memory),
            shortage,
        }
    }

    /// Reserves the memory of an iteration. If memory is short, drops checkpoints. Returns the reservation and, if memory is still missing, the shortage.
    fn reserve(&self, number: u64) -> (Reservation, Option<Shortage>) {
        let Sizes { without_update, .. } = self.sizes;
        // in the first iteration, the old parameters are those of the network and take no further memory
        let old_parameters = if number > 1 { self.sizes.update() } else { 0 };
        let bytes = without_update.saturating_add(self.sizes.update()).saturating_add(old_parameters);
        let missing = loop {
            match self.budget.reserve(bytes) {
                Ok(reservation) => return (reservation, None),
                // there is no more memory: the background thread frees none, and no checkpoint can be dropped
                Err(missing) if !wait_until_idle() && !self.checkpoints.thin() => break missing,
                // memory was freed, so the reservation is tried again
                Err(_) => {}
            }
        };
        if number == 1 {
            // without memory for the update, the rest of the first iteration can still be computed and shown; a later one needs the updates before it
            if let Ok(reservation) = self.budget.reserve(without_update) {
                return (reservation, Some(Shortage::Update(number, missing)));
            }
        }
        // `Descent::iteration` computes the iteration in any case, so the memory is counted although it exceeds the budget
        (self.budget.reserve_anyway(bytes), Some(Shortage::Iteration(number, missing)))
    }

    /// Does at most `pieces` pieces of a computation, and subtracts the number of done pieces from `pieces`. A piece is one op, or the start or end of a run.
    /// If an iteration is complete, stops and returns it. The next call continues with the next iteration.
    pub fn advance(&self, computation: &mut DescentComputation, pieces: &mut u64) -> Option<Iteration> {
        self.advance_while(|_| true, computation, pieces)
    }

    /// Does the same as [`Descent::advance`], but stops before a long piece ([`Descent::is_next_piece_long`]).
    pub fn advance_to_long_piece(&self, computation: &mut DescentComputation, pieces: &mut u64) -> Option<Iteration> {
        self.advance_while(|computation| !self.is_next_piece_long(computation), computation, pieces)
    }

    /// Does the same as [`Descent::advance`], but stops before a piece for which `may_proceed` returns `false`.
    fn advance_while(
        &self,
        may_proceed: impl Fn(&DescentComputation) -> bool,
        computation: &mut DescentComputation,
        pieces: &mut u64,
    ) -> Option<Iteration> {
        parallel(|| {
            while *pieces > 0 && may_proceed(computation) {
                *pieces -= 1;
                if let Some((iteration, next)) = self.proceed(computation) {
                    self.losses.push(iteration.number, iteration.loss);
                    if !iteration.ends_descent() {
                        self.checkpoints.store(&next, &self.budget, self.sizes.update());
                    }
                    computation.checkpoint = next;
                    return Some(iteration);
                }
            }
            None
        })
    }

    /// Returns whether the next piece of a computation takes milliseconds. The caller does such a piece on the background thread, so that keys are answered
    /// meanwhile.
    #[must_use]
    pub fn is_next_piece_long(&self, computation: &DescentComputation) -> bool {
        let DescentComputation { partial, .. } = computation;
        let network = partial.batch.as_ref().map_or(&self.network, |batch| &batch.network);
        // the start of a batch and the end of an iteration look at all ops and free memory
        let ops = || partial.runs.len() * self.network.ops().len() + network.ops().len();
        let visiting_all_is_long = || computation.is_large() || ops() >= MANY_OPS;
        match &partial.run {
            Some(run) if run.next_op() < network.ops().len() => network.work(run.next_op()) >= LONG_OP,
            // all ops of the run are done, so the next piece ends the run; if it is the run of the batch, this ends the iteration
            Some(_) => partial.batch.is_some() && visiting_all_is_long(),
            // if all samples are done, the next piece starts the run of the batch
            None => !partial.samples.is_empty() && partial.runs.len() == partial.samples.len() && visiting_all_is_long(),
        }
    }

    /// Computes the loss of each sample with these parameters, and the loss of a batch of all samples.
    #[must_use]
    pub fn sample_losses(&self, parameters: &HashMap<Id, Arc<Tensor>>) -> SampleLosses {
        let loss_of = |sample| self.forward(parameters, sample).values(self.network.loss())[0];
        let losses: Vec<f64> = (0..self.samples.len()).map(loss_of).collect();
        let weights = self.network.weights().map(|id| flat(&parameters[&id]));
        let loss = batch_loss(self.loss, losses.iter().copied(), weights);
        SampleLosses { losses, loss }
    }

    /// Computes the forward pass and the loss of a sample (from 0) with these parameters.
    #[must_use]
    pub fn forward(&self, parameters: &HashMap<Id, Arc<Tensor>>, sample: usize) -> Run {
        Run::forward(&self.network, &given(parameters, &self.samples[sample]))
    }

    /// The network of the samples.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The number of checkpoints in memory, including the parameters before the first iteration.
    #[must_use]
    pub fn checkpoints(&self) -> usize {
        self.checkpoints.count()
    }

    /// Runs the descent to its end, without checkpoints. Calls `observe` with the number and the loss of each iteration; the descent ends early if `observe`
    /// returns `false`.
    ///
    /// # Errors
    /// The missing memory, if the budget is too small.
    pub fn run(&mut self, mut observe: impl FnMut(u64, f64) -> bool) -> Result<DescentResult, OverBudget> {
        let Sizes { run, parameters, kept_states, .. } = self.sizes;
        let train = self.train.as_ref();
        let batch = train.map_or(self.samples.len(), |train| train.batch_size.min(self.samples.len())) as u64;
        // the update overwrites the parameters if the descent is their only owner: the network has none then. Otherwise the update copies them
        let copied_bytes = if self.network.shared_tensors().is_empty() { 0 } else { parameters };
        let _memory = self.budget.reserve(run.saturating_mul(batch).saturating_add(copied_bytes).saturating_add(kept_states))?;
        let start = if copied_bytes == 0 { self.checkpoints.take_first_parameters() } else { self.checkpoints.nearest(1).parameters };
        let start = start.into_iter().collect();
        let mut learner = Learner::new(&self.network, self.loss, train, start);
        let tolerance = train.and_then(|train| train.tolerance);
        let (mut losses, mut reserved): (Vec<f64>, Option<Reservation>) = (Vec::new(), None);
        loop {
            if losses.len() == losses.capacity() {
                // the doubled capacity needs 16 bytes for each loss so far; the earlier reservation is held until the losses are copied
                let larger = self.budget.reserve(losses.len() as u64 * 16)?;
                losses.reserve(losses.len());
                reserved.replace(larger);
            }
            let number = losses.len() as u64 + 1;
            let samples = self.samples(number);
            let loss = learner.run_samples(samples.iter().map(|&sample| &self.samples[sample]));
            let stopped = is_within_tolerance(tolerance, losses.last().copied(), loss);
            losses.push(loss);
            if !stopped {
                learner.update(number);
            }
            let may_continue = observe(number, loss);
            if stopped || !may_continue || number >= self.iterations() {
                return Ok(DescentResult { losses, stopped, parameters: learner.into_parameters() });
            }
        }
    }

    /// Does the same as [`Descent::new`], but takes the parameters out of the network if nothing else refers to the network. Then [`Descent::run`] updates them
    /// without a copy.
    #[must_use]
    pub fn with_own_parameters(
        mut network: Arc<Network>,
        samples: Vec<Given>,
        loss: BatchLoss,
        train: Option<Train>,
        budget: Arc<MemoryBudget>,
    ) -> Self {
        match Arc::get_mut(&mut network).map(Network::take_shared_tensors) {
            Some(shared) => Self::with_parameters(shared, network, samples, loss, train, budget),
            None => Self::new(network, samples, loss, train, budget),
        }
    }
}

/// Returns whether a descent ends because of its tolerance: |loss − previous| < tolerance.
fn is_within_tolerance(tolerance: Option<f64>, previous: Option<f64>, loss: f64) -> bool {
    matches!((tolerance, previous), (Some(tolerance), Some(previous)) if (loss - previous).abs() < tolerance)
}
