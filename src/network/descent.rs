//! Gradient descent. Any iteration can be gone to exactly, with the same bits, from the nearest checkpoint of the parameters before it.

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

/// On the way to an iteration: the parameters before the next one, and as much of that as is computed.
#[derive(Clone, Debug)]
pub struct DescentWalk {
    /// The memory of the iterations on the way, one after the other. Where a way is left it goes with the last of them.
    memory: Arc<Claim>,
    checkpoint: Checkpoint,
    partial: PartialIteration,
    /// The memory that is missing for the iteration that this way leads to; `None` where there is enough.
    shortage: Option<Shortage>,
}

impl DescentWalk {
    /// The next iteration, from 1.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.checkpoint.iteration
    }

    /// Whether an iteration takes so much memory that its tensors are not made and dropped in a moment.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.memory.bytes() >= LARGE
    }

    /// Why this way is not to be gone: there is too little memory for its end.
    #[must_use]
    pub fn refused(&self) -> Option<Shortage> {
        self.shortage.filter(|shortage| matches!(shortage, Shortage::Iteration(..)))
    }
}

/// An iteration that is computed op by op, as far as it is.
#[derive(Clone, Debug, Default)]
struct PartialIteration {
    /// The samples of its batch, from 0.
    samples: Vec<usize>,
    /// The samples whose runs are whole; after them, at the end, the batch.
    sample_runs: SampleRuns,
    /// The run that is being computed: of the next sample, or of the batch.
    run: Option<PartialRun>,
    /// The batch, once all samples are computed.
    batch: Option<Arc<Batch>>,
    stopped: bool,
}

/// One iteration, computed.
#[derive(Debug)]
pub struct Iteration {
    /// Its number, from 1.
    pub number: u64,
    /// The samples of the batch, then the batch.
    pub sample_runs: SampleRuns,
    /// The batch's loss.
    pub loss: f64,
    /// Whether the tolerance ends the descent here, without an update.
    pub stopped: bool,
    /// Why there is no update, where memory is too short for it.
    pub shortage: Option<Shortage>,
}

impl Iteration {
    /// Whether none comes after it, of those that there may be.
    #[must_use]
    pub fn ends(&self) -> bool {
        self.stopped || self.shortage.is_some()
    }
}

/// A network with its samples, and how it learns from them.
#[derive(Debug)]
pub struct Descent {
    network: Arc<Network>,
    samples: Vec<Given>,
    reduction: BatchReduction,
    train: Option<Train>,
    checkpoints: Checkpoints,
    /// How many ops were computed.
    computed: AtomicU64,
    /// The memory that there is.
    room: Arc<MemoryBudget>,
    sizes: Sizes,
    /// The ops of batches, of which a descent has few: the last ones.
    batches: Mutex<Vec<(BatchKey, Arc<Batch>)>>,
}

/// A kind of batch, whose ops are always the same: the samples' numbers in the file, from 1; whether the parameters are updated; whether it is the first
/// iteration, in which there is no velocity yet.
type BatchKey = (Vec<usize>, bool, bool);

/// Ops of batches that are kept: in the first iteration there is no velocity, in the last perhaps no update.
const BATCHES: usize = 2;

/// Multiplications of an op that a thread of its own is worth: some hundred microseconds, and where each is a power some milliseconds.
const LONG: u64 = 1 << 20;

/// As many ops are looked at one by one in some milliseconds.
const MANY: usize = 10_000;

impl Descent {
    /// The descent of a network from its own parameters; without `train` it has one iteration and no update.
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

    /// How many iterations there are at most.
    #[must_use]
    pub fn iterations(&self) -> u64 {
        self.train.as_ref().map_or(1, |train| train.iterations)
    }

    /// How the network learns.
    #[must_use]
    pub fn train(&self) -> Option<&Train> {
        self.train.as_ref()
    }

    /// The samples of an iteration, counted from 0. The batches go through the file again and again.
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

    /// The ops of the batch of these samples.
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

    /// Computes the next op of a way; the iteration, and the checkpoint after it, once it is whole.
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
            // the same without an update
            partial.stopped = true;
            return None;
        }
        let (sample_runs, stopped, next) = Self::whole(checkpoint, mem::take(partial), &batch, run, loss);
        let shortage = shortage.filter(|_| !stopped);
        Some((Iteration { number: checkpoint.iteration, sample_runs, loss, stopped, shortage }, next))
    }

    /// Begins the next run of an iteration, which has an update where it may.
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

    /// The runs of an iteration which are all there, whether the tolerance ends the descent, and the checkpoint after it.
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

    /// How many ops were computed until now, in all iterations that were gone to.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// Iteration `number`, from 1; the last one where the descent ends before.
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

    /// The way to iteration `number` from the nearest parameters that are kept. Where there is too little memory for it, it says so.
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

    /// The memory of an iteration, for which checkpoints are given up where that is needed; and what it lacks.
    fn claim(&self, number: u64) -> (Claim, Option<Shortage>) {
        let Sizes { pass, .. } = self.sizes;
        // what it begins with is another's in the first iteration with_own_parameters
        let before = if number > 1 { self.sizes.update() } else { 0 };
        let whole = pass.saturating_add(self.sizes.update()).saturating_add(before);
        let short = loop {
            match self.room.claim(whole) {
                Ok(claim) => return (claim, None),
                // what was left behind may still be on its way back
                Err(short) if !quiet() && !self.checkpoints.thin() => break short,
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

    /// Does at most this number of pieces of the work on a way, and takes them off the number. Returns the iteration that this completes, if it does; the
    /// next call goes on with the one after it. A piece is an op, or the beginning or the end of a run.
    pub fn advance(&self, walk: &mut DescentWalk, pieces: &mut u64) -> Option<Iteration> {
        self.advance_while(|_| true, walk, pieces)
    }

    /// The same, up to a piece that is long.
    pub fn advance_to_long(&self, walk: &mut DescentWalk, pieces: &mut u64) -> Option<Iteration> {
        self.advance_while(|walk| !self.is_next_long(walk), walk, pieces)
    }

    fn advance_while(&self, goes: impl Fn(&DescentWalk) -> bool, walk: &mut DescentWalk, pieces: &mut u64) -> Option<Iteration> {
        together(|| {
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

    /// Whether the next piece of a way takes longer than a moment, and is better done by a thread of its own.
    #[must_use]
    pub fn is_next_long(&self, walk: &DescentWalk) -> bool {
        let DescentWalk { partial, .. } = walk;
        let network = partial.batch.as_ref().map_or(&self.network, |batch| &batch.network);
        // that a batch begins, and what comes of an iteration, is a matter of all its ops, and of its memory, which goes back
        let ops = || partial.sample_runs.len() * self.network.ops().len() + network.ops().len();
        let all = || walk.is_large() || ops() >= MANY;
        match &partial.run {
            Some(run) if run.next() < network.ops().len() => network.work(run.next()) >= LONG,
            Some(_) => partial.batch.is_some() && all(),
            None => !partial.samples.is_empty() && partial.sample_runs.len() == partial.samples.len() && all(),
        }
    }

    /// The losses of all samples with these parameters, and the loss of them all.
    #[must_use]
    pub fn sample_losses(&self, parameters: &HashMap<Id, Arc<Tensor>>) -> SampleLosses {
        let own = |sample| self.forward(parameters, sample).values(self.network.loss())[0];
        let losses: Vec<f64> = (0..self.samples.len()).map(own).collect();
        let loss = reduced(self.reduction, losses.iter().copied());
        SampleLosses { losses, loss }
    }

    /// A sample, counted from 0, with these parameters, up to its loss.
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

    /// The descent to its end: each batch's loss, whether the tolerance ended it, and the final parameters. `see` hears of the number of every iteration and
    /// of its loss, and may end it.
    ///
    /// # Errors
    /// The memory that is missing, when an iteration takes more than is left.
    pub fn run(&mut self, mut see: impl FnMut(u64, f64) -> bool) -> Result<DescentResult, Short> {
        let Sizes { run, parameters, velocities, .. } = self.sizes;
        let train = self.train.as_ref();
        let batch = train.map_or(self.samples.len(), |train| train.batch_size.min(self.samples.len())) as u64;
        // parameters that belong to the descent with_own_parameters are updated where they are
        let copied = if self.network.fixed().is_empty() { 0 } else { parameters };
        let kept = train.filter(|train| train.sgd.momentum != 0.0).map_or(0, |_| velocities);
        let _memory = self.room.claim(run.saturating_mul(batch).saturating_add(copied).saturating_add(kept))?;
        let start = if copied == 0 { self.checkpoints.take_first().into_iter().collect() } else { self.network.fixed().to_vec() };
        let mut learner = Learner::new(&self.network, self.reduction, train, start);
        let tolerance = train.and_then(|train| train.tolerance);
        let (mut losses, mut memory): (Vec<f64>, Vec<Reservation>) = (Vec::new(), Vec::new());
        loop {
            if losses.len() == losses.capacity() {
                // the list is copied to one of twice its size
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

    /// The same descent with the network's parameters for itself, where nobody else has the network.
    #[must_use]
    pub fn with_own_parameters(
        mut network: Arc<Network>,
        samples: Vec<Given>,
        reduction: BatchReduction,
        train: Option<Train>,
        room: Arc<Room>,
    ) -> Self {
        match Arc::get_mut(&mut network).map(Network::take_fixed) {
            Some(fixed) => Self::from(fixed, network, samples, reduction, train, room),
            None => Self::new(network, samples, reduction, train, room),
        }
    }
}

/// All that a sample's run is given.
fn given(parameters: &HashMap<Id, Arc<Tensor>>, sample: &Given) -> Given {
    parameters.iter().map(|(id, tensor)| (*id, Arc::clone(tensor))).chain(sample.iter().cloned()).collect()
}

/// Whether the tolerance ends a descent with this loss, after another one.
fn ends(tolerance: Option<f64>, before: Option<f64>, loss: f64) -> bool {
    matches!((tolerance, before), (Some(tolerance), Some(before)) if (loss - before).abs() < tolerance)
}

/// What parameters make of all samples.
#[derive(Debug)]
pub struct SampleLosses {
    /// Every sample's loss, in file order.
    pub losses: Vec<f64>,
    /// Their loss, reduced.
    pub loss: f64,
}

/// The end of a descent.
#[derive(Debug)]
pub struct DescentResult {
    /// Each batch's loss, before its update.
    pub losses: Vec<f64>,
    /// Whether the tolerance ended it.
    pub stopped: bool,
    /// The parameters, by their tensors.
    pub parameters: HashMap<Id, Arc<Tensor>>,
}
