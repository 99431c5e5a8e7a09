//! Gradient descent. Any iteration can be gone to exactly, with the same bits, from the nearest checkpoint of the parameters before it.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::batch::{Batch, From, Rates};
use super::run::Begun;
use super::{Id, Network, Run, Stretch};
use crate::op::loss::BatchReduction;
use crate::tensor::Tensor;
use crate::threads::together;

/// How a network learns.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// How far each step goes.
    pub rates: Rates,
    /// The most iterations.
    pub iterations: u64,
    /// Samples of one batch.
    pub batch_size: usize,
    /// Stop when a batch's loss differs from that of the iteration before by less.
    pub tolerance: Option<f64>,
    /// The parameters that are updated.
    pub learned: Vec<Id>,
}

/// What a sample gives to the network.
pub type Given = Vec<(Id, Arc<Tensor>)>;

/// The parameters before an iteration, and what else it depends on.
#[derive(Clone, Debug)]
struct Point {
    /// The iteration, from 1.
    iteration: u64,
    parameters: HashMap<Id, Arc<Tensor>>,
    velocities: HashMap<Id, Arc<Tensor>>,
    /// The loss of the batch before.
    loss: Option<f64>,
}

/// On the way to an iteration: the parameters before the next one, and as much of that as is computed.
#[derive(Clone, Debug)]
pub struct Walk {
    point: Point,
    half: Half,
}

impl Walk {
    /// The next iteration, from 1.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.point.iteration
    }
}

/// An iteration that is computed op by op, as far as it is.
#[derive(Clone, Debug, Default)]
struct Half {
    /// The samples of its batch, from 0.
    samples: Vec<usize>,
    /// The samples whose runs are whole; after them, at the end, the batch.
    stretches: Vec<Stretch>,
    /// The run that is being computed: of the next sample, or of the batch.
    run: Option<Begun>,
    /// The batch, once all samples are computed.
    batch: Option<Reduction>,
    stopped: bool,
}

/// What is computed of the batch.
#[derive(Clone, Debug)]
struct Reduction {
    network: Arc<Network>,
    /// As in [`Batch`].
    updated: Vec<(Id, Id, Option<Id>)>,
    loss: Option<Id>,
}

/// One iteration, computed.
#[derive(Debug)]
pub struct Iteration {
    /// Its number, from 1.
    pub number: u64,
    /// The samples of the batch, then the batch.
    pub stretches: Vec<Stretch>,
    /// The batch's loss.
    pub loss: f64,
    /// Whether the tolerance ends the descent here, without an update.
    pub stopped: bool,
}

/// A network with its samples, and how it learns from them.
#[derive(Debug)]
pub struct Descent {
    network: Arc<Network>,
    samples: Vec<Given>,
    reduction: BatchReduction,
    train: Option<Train>,
    /// Parameters on the way, in order; the first is the beginning.
    points: Mutex<Vec<Point>>,
    /// How many ops were computed.
    computed: AtomicU64,
}

/// The most checkpoints that are kept; when there are more, every second one goes.
const KEPT: usize = 64;

impl Descent {
    /// The descent of a network from its own parameters; without `train` it has one iteration and no update.
    #[must_use]
    pub fn new(network: Arc<Network>, samples: Vec<Given>, reduction: BatchReduction, train: Option<Train>) -> Self {
        let parameters = network.fixed().iter().map(|(id, tensor)| (*id, Arc::clone(tensor))).collect();
        let start = Point { iteration: 1, parameters, velocities: HashMap::new(), loss: None };
        Self { network, samples, reduction, train, points: Mutex::new(vec![start]), computed: AtomicU64::new(0) }
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

    /// The samples of a batch: numbers in the file, from 0, wrapping around.
    fn batch(&self, iteration: u64) -> Vec<usize> {
        let all = self.samples.len();
        let size = self.train.as_ref().map_or(all, |train| train.batch_size.min(all));
        let first = u128::from(iteration - 1) * size as u128 % all as u128;
        let first = usize::try_from(first).unwrap_or(0);
        let mut batch: Vec<usize> = (first..first + size).map(|n| n % all).collect();
        batch.sort_unstable();
        batch
    }

    /// Computes the iteration that begins at a point, and the point after it, in the memory of samples' runs that nobody wants any more.
    fn compute(&self, point: &Point, spare: &mut Vec<Run>) -> (Iteration, Point) {
        let mut half = Half::default();
        together(|| {
            loop {
                if let Some(whole) = self.proceed(point, &mut half, spare) {
                    return whole;
                }
            }
        })
    }

    /// Computes the next op of the iteration that begins at a point; the iteration, and the point after it, once it is whole.
    fn proceed(&self, point: &Point, half: &mut Half, spare: &mut Vec<Run>) -> Option<(Iteration, Point)> {
        let Some(run) = &mut half.run else {
            self.begin(point, half, spare);
            return None;
        };
        let network = half.batch.as_ref().map_or(&self.network, |batch| &batch.network);
        if run.proceed(network) {
            self.computed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let run = half.run.take()?.into_run();
        let Some(batch) = half.batch.take() else {
            let sample = half.samples.get(half.stretches.len()).copied();
            half.stretches.push(Stretch { network: Arc::clone(&self.network), run, sample });
            return None;
        };
        let loss = batch.loss.map_or_else(|| half.stretches[0].run.values(self.network.loss())[0], |id| run.values(id)[0]);
        let tolerance = self.train.as_ref().and_then(|train| train.tolerance);
        let stops = matches!((tolerance, point.loss), (Some(tolerance), Some(before)) if (loss - before).abs() < tolerance);
        if stops && !half.stopped {
            // the same without an update
            half.stopped = true;
            return None;
        }
        Some(Self::whole(point, mem::take(half), batch, run, loss))
    }

    /// Begins the next run of an iteration.
    fn begin(&self, point: &Point, half: &mut Half, spare: &mut Vec<Run>) {
        if half.samples.is_empty() {
            half.samples = self.batch(point.iteration);
        }
        if let Some(&sample) = half.samples.get(half.stretches.len()) {
            half.run = Some(self.begun(&point.parameters, &self.samples[sample], spare.pop()));
            return;
        }
        let numbers: Vec<usize> = half.samples.iter().map(|sample| sample + 1).collect();
        let update = self.train.as_ref().filter(|_| !half.stopped).map(|train| (&train.rates, train.learned.as_slice()));
        let Batch { network, reads, updated, loss } =
            Batch::new(&self.network, &numbers, self.reduction, update, point.velocities.is_empty());
        let read = |(id, from): &(Id, From)| {
            let tensor = match from {
                From::Sample(n, id) => half.stretches[*n].run.tensor(*id),
                From::Parameter(id) => &point.parameters[id],
                From::Velocity(id) => &point.velocities[id],
            };
            (*id, Arc::clone(tensor))
        };
        let given: Given = reads.iter().map(read).collect();
        half.run = Some(Begun::new(&network, &given, None));
        half.batch = Some(Reduction { network: Arc::new(network), updated, loss });
    }

    /// An iteration whose runs are all there, and the point after it.
    fn whole(point: &Point, half: Half, batch: Reduction, run: Run, loss: f64) -> (Iteration, Point) {
        let Half { mut stretches, stopped, .. } = half;
        let mut next = Point { iteration: point.iteration + 1, loss: Some(loss), ..point.clone() };
        for (parameter, new, velocity) in &batch.updated {
            next.parameters.insert(*parameter, Arc::clone(run.tensor(*new)));
            if let Some(velocity) = velocity {
                next.velocities.insert(*parameter, Arc::clone(run.tensor(*velocity)));
            }
        }
        if !batch.network.ops().is_empty() {
            stretches.push(Stretch { network: batch.network, run, sample: None });
        }
        (Iteration { number: point.iteration, stretches, loss, stopped }, next)
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
                && (iteration.number == number || iteration.stopped)
            {
                return iteration;
            }
        }
    }

    /// The way to iteration `number` from the nearest parameters that are kept.
    #[must_use]
    pub fn walk(&self, number: u64) -> Walk {
        let points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let at = points.partition_point(|point| point.iteration <= number).max(1);
        Walk { point: points[at - 1].clone(), half: Half::default() }
    }

    /// Does at most this number of pieces of the work on a way, and takes them off the number. Returns the iteration that this completes, if it does; the
    /// next call goes on with the one after it. A piece is an op, or the beginning or the end of a run.
    pub fn advance(&self, walk: &mut Walk, pieces: &mut u64) -> Option<Iteration> {
        together(|| {
            while *pieces > 0 {
                *pieces -= 1;
                if let Some((iteration, next)) = self.proceed(&walk.point, &mut walk.half, &mut Vec::new()) {
                    self.keep(next.clone());
                    walk.point = next;
                    return Some(iteration);
                }
            }
            None
        })
    }

    /// All samples with these parameters, and their loss.
    #[must_use]
    pub fn all_samples(&self, parameters: &HashMap<Id, Arc<Tensor>>) -> Forecast {
        let runs: Vec<Run> = self.samples.iter().map(|sample| self.run_of(parameters, sample)).collect();
        let numbers: Vec<usize> = (1..=runs.len()).collect();
        let batch = Batch::new(&self.network, &numbers, self.reduction, None, true);
        let own = |run: &Run| run.values(self.network.loss())[0];
        let loss = batch.loss.map_or_else(
            || own(&runs[0]),
            |id| {
                let given: Given = batch
                    .reads
                    .iter()
                    .filter_map(|(id, from)| match from {
                        From::Sample(n, of) => Some((*id, Arc::clone(runs[*n].tensor(*of)))),
                        _ => None,
                    })
                    .collect();
                Run::new(&batch.network, &given).values(id)[0]
            },
        );
        Forecast { runs, loss }
    }

    fn run_of(&self, parameters: &HashMap<Id, Arc<Tensor>>, sample: &Given) -> Run {
        Run::new(&self.network, &given(parameters, sample))
    }

    fn begun(&self, parameters: &HashMap<Id, Arc<Tensor>>, sample: &Given, spare: Option<Run>) -> Begun {
        Begun::new(&self.network, &given(parameters, sample), spare)
    }

    /// Keeps a point where it extends the row of checkpoints, thinning them when there are too many.
    fn keep(&self, point: Point) {
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let gap = match points.as_slice() {
            [.., a, b] => b.iteration - a.iteration,
            _ => 1,
        };
        let last = points.last().map_or(0, |last| last.iteration);
        if point.iteration < last + gap {
            return;
        }
        points.push(point);
        if points.len() > KEPT {
            let mut n = 0;
            points.retain(|_| {
                n += 1;
                n % 2 == 1
            });
        }
    }

    /// The descent to its end: each batch's loss, whether the tolerance ended it, and the final parameters. `see` hears of every iteration and may
    /// end it.
    pub fn run(&self, mut see: impl FnMut(&Iteration) -> bool) -> Descended {
        let mut point = self.points.lock().unwrap_or_else(PoisonError::into_inner)[0].clone();
        let (mut losses, mut spare) = (Vec::new(), Vec::new());
        loop {
            let (iteration, next) = self.compute(&point, &mut spare);
            losses.push(iteration.loss);
            let go_on = see(&iteration);
            point = next;
            if iteration.stopped || !go_on || losses.len() as u64 >= self.iterations() {
                return Descended { losses, stopped: iteration.stopped, parameters: point.parameters };
            }
            spare.extend(iteration.stretches.into_iter().filter(|stretch| stretch.sample.is_some()).map(|stretch| stretch.run));
        }
    }
}

/// All that a sample's run is given.
fn given(parameters: &HashMap<Id, Arc<Tensor>>, sample: &Given) -> Given {
    parameters.iter().map(|(id, tensor)| (*id, Arc::clone(tensor))).chain(sample.iter().cloned()).collect()
}

/// What parameters make of all samples.
#[derive(Debug)]
pub struct Forecast {
    /// Every sample, in file order.
    pub runs: Vec<Run>,
    /// Their loss, reduced.
    pub loss: f64,
}

/// The end of a descent.
#[derive(Debug)]
pub struct Descended {
    /// Each batch's loss, before its update.
    pub losses: Vec<f64>,
    /// Whether the tolerance ended it.
    pub stopped: bool,
    /// The parameters, by their tensors.
    pub parameters: HashMap<Id, Arc<Tensor>>,
}
