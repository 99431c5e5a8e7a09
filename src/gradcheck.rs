//! Checks derivatives with finite differences of the loss, as PyTorch's `gradcheck` does.
//!
//! The check moves one entry w of a tensor: it adds a step h to w and computes the loss C again. From several such losses it computes the slope of C, and
//! compares it with the ∂C/∂w of the backward pass:
//!
//! ```text
//! ∂C/∂w ≈ (8 (C(w + h) − C(w − h)) − (C(w + 2h) − C(w − 2h))) / 12h
//! ```
//!
//! A kink is a point where a derivative jumps, such as 0 for a relu. A difference across a kink does not approximate a derivative.
//!
//! | file | contents |
//! | --- | --- |
//! | `perturb` | the loss after one entry was moved |
//! | `dependents` | the entries that depend on a moved entry and are computed again |
//! | `kinks` | the kinks that a move crosses |
//! | `rounding` | the error of the loss that rounding alone causes |
//! | `steps`, `difference` | the step sizes h, and the slope on which the differences at several step sizes agree |
//! | `judge` | the verdict on one derivative |
//! | `doubt` | reasons why the differences at one step size prove nothing |
//! | `jitter` | the loss and the derivatives with other rounding errors |
//! | `undefined` | derivatives that are infinite or NaN, but not wrong |
//! | `batch` | the derivatives of the batch's loss |
//! | `single` | one derivative, for a question about one entry |
//!
//! No slope is computed with the backward pass: if it lacks an edge of the graph, a check with the same edges would not notice. The derivatives and the ops of
//! the backward pass only help to choose the step sizes, and to decide whether a difference proves anything.

mod batch;
mod dependents;
mod difference;
mod doubt;
mod jitter;
mod judge;
mod kinks;
mod perturb;
mod rounding;
mod single;
mod steps;
mod undefined;

pub use batch::BatchCheck;
pub use single::{DerivativeCheck, check_batch_entry, check_entry};

use std::cmp::Ordering;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering as MemoryOrdering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::scope;
use std::time::Duration;

use crate::network::{Id, Network, Role, Run};
use crate::step::Pass;
use crate::tensor::len;
use crate::threads::try_spawn;
use jitter::DerivativeRanges;
use judge::Judge;
use perturb::{ForwardPass, Workspace};
use rounding::rounding_noise;
use undefined::mark_undefined;

/// The largest relative error with which a derivative agrees with the difference.
pub const TOLERANCE: f64 = 1e-6;
/// The smallest divisor of a relative error. If the derivative and the difference are smaller, the error is divided by this number.
pub const FLOOR: f64 = 1e-3;
/// The largest distance from a kink at which an entry counts as near it.
pub const NEAR: f64 = 1e-6;

/// The result of the comparison of one derivative with differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The derivative agrees with the difference.
    Agrees,
    /// The derivative is wrong.
    Off,
    /// The entry is exactly on a kink, so the derivative there is a convention. It must be between the slopes to the left and to the right. Any derivative is
    /// accepted if several kinks meet at the entry, or if no single op has the kink, as in √(x · x) at 0.
    Kink,
    /// The loss is not finite near the entry.
    NotFinite,
    /// The differences cannot decide: they do not agree with each other, or rounding errors explain their distance from the derivative, or all steps are too
    /// long for a curve on the way from the entry to the loss.
    Unsettled,
    /// The derivative is infinite or NaN, but not wrong. The chain rule has an infinite local derivative or a product that overflows.
    Undefined,
}

/// The check of one derivative.
#[derive(Clone, Copy, Debug)]
pub struct EntryCheck {
    /// The offset of the entry in row-major order.
    pub at: usize,
    /// The derivative from the backward pass.
    pub derivative: f64,
    /// The slope of the loss from differences; NaN if there is none. If a derivative at a kink is wrong, it is the slope to the left or to the right, whichever
    /// is nearer.
    pub difference: f64,
    /// |derivative − difference| / max(|derivative|, |difference|, [`FLOOR`]), or NaN without a difference.
    pub error: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// `true` if the entry is within 10⁻⁶ of a kink, but not on it. Then only steps that do not cross the kink are used.
    pub is_near_kink: bool,
}

impl EntryCheck {
    /// Creates a check, and computes its error.
    fn new(at: usize, derivative: f64, difference: f64, verdict: Verdict) -> Self {
        let error = (derivative - difference).abs() / derivative.abs().max(difference.abs()).max(FLOOR);
        // an infinite or NaN derivative has the error ∞
        let error = if difference.is_finite() && !error.is_finite() { f64::INFINITY } else { error };
        Self { at, derivative, difference, error, verdict, is_near_kink: false }
    }
}

/// The checks of the derivatives ∂C/∂x for the entries of one tensor x.
#[derive(Clone, Debug)]
pub struct TensorCheck {
    /// The tensor of the derivatives ∂C/∂x.
    pub gradient: Id,
    /// The number of entries of this tensor.
    pub entries: usize,
    /// The number of entries to check.
    pub wanted: usize,
    /// The checks of the entries, in order. If the check was stopped, there are fewer than `wanted`.
    pub checks: Vec<EntryCheck>,
}

impl TensorCheck {
    /// Returns the number of entries with this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    /// Returns the number of entries near a kink.
    #[must_use]
    pub fn near_kinks(&self) -> usize {
        self.checks.iter().filter(|check| check.is_near_kink).count()
    }

    /// Returns the check with the largest error. If a derivative is wrong, only the wrong ones count; otherwise, those that agree.
    #[must_use]
    pub fn worst(&self) -> Option<&EntryCheck> {
        let judged = self.checks.iter().filter(|check| matches!(check.verdict, Verdict::Agrees | Verdict::Off));
        // if several maxima are equal, `max_by` returns the last one; with `rev`, this is the first
        judged.rev().max_by(|a, b| {
            (a.verdict == Verdict::Off, a.error).partial_cmp(&(b.verdict == Verdict::Off, b.error)).unwrap_or(Ordering::Equal)
        })
    }
}

/// The options of a check.
#[derive(Clone, Copy, Debug)]
pub struct CheckOptions {
    /// The largest number of entries to check in each tensor. They are spread over the tensor, and are the same in every check.
    pub entries: usize,
    /// The number of threads that share the work. It never changes a result.
    pub threads: NonZero<usize>,
}

impl CheckOptions {
    /// Every entry, on one thread.
    pub const ALL: Self = Self { entries: usize::MAX, threads: NonZero::<usize>::MIN };

    /// Returns the number of derivatives that a check of one run compares.
    #[must_use]
    pub fn derivatives(&self, network: &Network) -> u64 {
        gradients(network).map(|(_, of)| len(&network.tensor(of).shape).min(self.entries) as u64).sum()
    }
}

/// Iterates over the tensors of derivatives ∂C/∂x in the order of the backward pass. Each item is the tensor ∂C/∂x and the tensor x.
fn gradients(network: &Network) -> impl Iterator<Item = (Id, Id)> {
    let backward = network.ops().iter().filter(|op| op.pass == Pass::Backward);
    backward.filter_map(|op| match network.tensor(op.output).role {
        Role::Gradient(of) => Some((op.output, of)),
        _ => None,
    })
}

/// The number of entries in a block. A thread takes one block of work at a time.
const BLOCK: usize = 64;
/// The longest time between two calls of `progress`.
const INTERVAL: Duration = Duration::from_millis(50);

/// A tensor of derivatives to check.
struct CheckTarget {
    gradient: Id,
    /// The tensor x of the derivatives ∂C/∂x.
    of: Id,
    /// The number of entries of both tensors.
    entries: usize,
    /// The number of entries to check.
    wanted: usize,
}

/// Checks all derivatives of a run, in the order of the backward pass.
///
/// `progress` is called at least every 50 ms with the number of derivatives that are done. If it returns `false`, the check ends early. If the system refuses a
/// thread, it is called only after the check.
pub fn check(network: &Network, run: &Run, options: CheckOptions, mut progress: impl FnMut(u64) -> bool) -> Vec<TensorCheck> {
    let target = |(gradient, of): (Id, Id)| {
        let entries = len(&network.tensor(of).shape);
        CheckTarget { gradient, of, entries, wanted: entries.min(options.entries) }
    };
    let targets: Vec<CheckTarget> = gradients(network).map(target).collect();
    let blocks: Vec<(usize, usize)> =
        targets.iter().enumerate().flat_map(|(n, target)| (0..target.wanted).step_by(BLOCK).map(move |from| (n, from))).collect();
    let mut found: Vec<Vec<EntryCheck>> = vec![Vec::new(); blocks.len()];
    let (next, stop, done) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicU64::new(0));
    let (sender, receiver) = channel();
    scope(|threads| {
        let queue = Queue { targets: &targets, blocks: &blocks, next: &next, done: &done, stop: &stop };
        // `start` runs on another thread, so that this thread can call `progress`
        let workers = options.threads.get().min(queue.blocks.len());
        let worker_sender = sender.clone();
        if !try_spawn(threads, move || queue.start(network, run, workers, worker_sender)) {
            // the system has refused a thread, so this thread does the work, and calls `progress` afterwards
            let workers = 1;
            queue.start(network, run, workers, sender.clone());
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(INTERVAL) {
                Ok((block, checks)) => found[block] = checks,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if !progress(done.load(MemoryOrdering::Relaxed)) {
                stop.store(true, MemoryOrdering::Relaxed);
            }
        }
    });
    let mut checked: Vec<TensorCheck> = targets
        .iter()
        .map(|&CheckTarget { gradient, entries, wanted, .. }| TensorCheck { gradient, entries, wanted, checks: Vec::with_capacity(wanted) })
        .collect();
    for ((target, _), checks) in blocks.iter().zip(found) {
        checked[*target].checks.extend(checks);
    }
    mark_undefined(network, run, &mut checked);
    checked
}

/// The queue of blocks. Each thread takes the next block when it has finished one.
#[derive(Clone, Copy)]
struct Queue<'a> {
    targets: &'a [CheckTarget],
    /// For each block, the index of its target, and the number k of its first entry, from 0, among the entries of the target that are checked.
    blocks: &'a [(usize, usize)],
    /// The index of the next block.
    next: &'a AtomicUsize,
    /// The number of derivatives that are done.
    done: &'a AtomicU64,
    /// `true` if the check must stop early.
    stop: &'a AtomicBool,
}

/// The index of a block and its results.
type BlockResult = (usize, Vec<EntryCheck>);

impl Queue<'_> {
    /// Prepares the data that all threads share. Then works on the queue with this number of threads, including the calling thread.
    fn start(self, network: &Network, run: &Run, threads: usize, to: Sender<BlockResult>) {
        let forward = ForwardPass::new(network, run, self.stop);
        let noises: Vec<f64> = self.targets.iter().map(|target| rounding_noise(&forward, target.of)).collect();
        let ranges = DerivativeRanges::new(network);
        scope(|scope| {
            for _ in 1..threads {
                let (forward, noises, ranges, to) = (&forward, &noises, &ranges, to.clone());
                // if the system refuses to start a thread, the other threads take its blocks
                try_spawn(scope, move || self.work(forward, noises, ranges, &to));
            }
            self.work(&forward, &noises, &ranges, &to);
            drop(to);
        });
    }

    /// Takes blocks until the queue is empty or the check is stopped.
    fn work(self, forward: &ForwardPass<'_>, noises: &[f64], ranges: &DerivativeRanges, to: &Sender<BlockResult>) {
        let mut workspace = Workspace::new(forward).with_stop(self.stop);
        loop {
            let block = self.next.fetch_add(1, MemoryOrdering::Relaxed);
            let Some(&(target_index, first)) = self.blocks.get(block).filter(|_| !self.stop.load(MemoryOrdering::Relaxed)) else { return };
            let target = &self.targets[target_index];
            let derivatives = forward.run.values(target.gradient);
            let mut judge = Judge {
                workspace: &mut workspace,
                tensor: target.of,
                values: forward.run.values(target.of),
                loss: forward.run.values(forward.network.loss())[0],
                noise: noises[target_index],
                ranges,
            };
            let mut checks = Vec::with_capacity(BLOCK);
            for k in first..target.wanted.min(first + BLOCK) {
                let at = checked_place(k, target.entries, target.wanted);
                let check = judge.check(at, derivatives[at]);
                // a check that was stopped has a meaningless result
                if self.stop.load(MemoryOrdering::Relaxed) {
                    break;
                }
                checks.push(check);
                self.done.fetch_add(1, MemoryOrdering::Relaxed);
            }
            if to.send((block, checks)).is_err() {
                return; // the receiver was dropped, so nobody needs more results
            }
        }
    }
}

/// Returns the offset of the k-th entry to check (k from 0), if `count` of a tensor's `entries` entries are checked.
///
/// The entries are divided into `count` equal ranges, and a hash of k chooses one entry of range k. Entries at equal distances would leave out whole columns of
/// a matrix: every 20th entry of a matrix with 20 columns is in the same column.
fn checked_place(k: usize, entries: usize, count: usize) -> usize {
    let start_of_range = |k: usize| usize::try_from(k as u128 * entries as u128 / count as u128).unwrap_or(entries);
    // a number of 32 bits, from the fractional part of k times the golden ratio
    let hash = (k as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let (from, to) = (start_of_range(k), start_of_range(k + 1));
    from + usize::try_from((u128::from(hash) * (to - from) as u128) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests;
