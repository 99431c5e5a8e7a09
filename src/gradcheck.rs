//! Floor 5: checks derivatives against finite differences of the loss, as PyTorch's `gradcheck` does.
//!
//! The check moves one entry w of a tensor, computes the loss C again, and compares the slope of C with the ∂C/∂w of the backward pass:
//!
//! ```text
//! ∂C/∂w ≈ (8 (C(w + h) − C(w − h)) − (C(w + 2h) − C(w − 2h))) / 12h
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | `perturb` | the loss after one entry was moved |
//! | `dependents` | the entries that must be computed again then |
//! | `kinks` | the kinks that the move crosses |
//! | `rounding` | the error of the loss that rounding alone causes |
//! | `steps`, `difference` | the step sizes h, and the slope on which differences at several of them agree |
//! | `judge` | the verdict on one derivative |
//! | `undefined` | derivatives that are infinite or NaN, but not wrong |
//! | `batch` | the derivatives of the batch's loss |
//!
//! The check uses only those results of the backward pass that it tests. If the backward pass misses an edge of the graph, the check must not miss it too.

mod batch;
mod dependents;
mod difference;
mod judge;
mod kinks;
mod perturb;
mod rounding;
mod steps;
mod undefined;

pub use batch::BatchCheck;

use std::cmp::Ordering;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering as Memory};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::scope;
use std::time::Duration;

use crate::network::{Id, Network, Role, Run};
use crate::step::Pass;
use crate::tensor::len;
use crate::threads::try_spawn;
use judge::Judge;
use perturb::{ForwardPass, Workspace};
use rounding::rounding_noise;
use undefined::mark_undefined;

/// The largest relative error of a derivative that agrees.
pub const TOLERANCE: f64 = 1e-6;
/// The smallest magnitude that an error is taken relative to.
pub const FLOOR: f64 = 1e-3;

/// The result of the comparison of one derivative with differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The derivative agrees.
    Agrees,
    /// The derivative is wrong.
    Off,
    /// The entry is exactly on a kink, so the derivative is a convention. At a single kink it must lie between the slopes to the left and to the right.
    Kink,
    /// The loss is not finite there.
    NotFinite,
    /// Rounding hides the slope: the differences at several step sizes disagree with each other.
    Unsettled,
    /// The derivative is infinite or NaN, but not wrong: the chain rule meets an infinite local derivative or a product that overflows.
    Undefined,
}

/// One derivative, compared with the slope of the loss.
#[derive(Clone, Copy, Debug)]
pub struct EntryCheck {
    /// The row-major index of the entry.
    pub at: usize,
    /// The derivative of the backward pass.
    pub derivative: f64,
    /// The slope from differences, or NaN if there is none. For a wrong derivative at a kink, the nearer of the slopes to the left and to the right.
    pub difference: f64,
    /// |derivative − difference| / max(|derivative|, |difference|, [`FLOOR`]), or NaN without a difference.
    pub error: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// `true` if a kink is within 10⁻⁶ of the entry, but not on it. The differences then stay on the entry's side of the kink.
    pub near: bool,
}

impl EntryCheck {
    fn new(at: usize, derivative: f64, difference: f64, verdict: Verdict) -> Self {
        let error = (derivative - difference).abs() / derivative.abs().max(difference.abs()).max(FLOOR);
        let error = if difference.is_finite() && !error.is_finite() { f64::INFINITY } else { error };
        Self { at, derivative, difference, error, verdict, near: false }
    }
}

/// The derivatives by the entries of one tensor.
#[derive(Clone, Debug)]
pub struct TensorCheck {
    /// The tensor of the derivatives.
    pub gradient: Id,
    /// The number of its entries.
    pub entries: usize,
    /// The number of entries to check.
    pub wanted: usize,
    /// The checked entries, in order. Fewer than `wanted` if the check was stopped.
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
    pub fn near(&self) -> usize {
        self.checks.iter().filter(|check| check.near).count()
    }

    /// Returns the entry with the largest error among those that agree or are off; one that is off comes before all that agree.
    #[must_use]
    pub fn worst(&self) -> Option<&EntryCheck> {
        let judged = self.checks.iter().filter(|check| matches!(check.verdict, Verdict::Agrees | Verdict::Off));
        // the first of equals
        judged.rev().max_by(|a, b| {
            (a.verdict == Verdict::Off, a.error).partial_cmp(&(b.verdict == Verdict::Off, b.error)).unwrap_or(Ordering::Equal)
        })
    }
}

/// The extent of a check. The results are the same bits for any number of threads.
#[derive(Clone, Copy, Debug)]
pub struct CheckOptions {
    /// The largest number of entries per tensor. They are spread over the tensor, and are the same in every run.
    pub entries: usize,
    /// The number of threads that share the work.
    pub threads: NonZero<usize>,
}

impl CheckOptions {
    /// Every entry, on one thread.
    pub const ALL: Self = Self { entries: usize::MAX, threads: NonZero::<usize>::MIN };

    /// Returns the number of derivatives of one run that are checked.
    #[must_use]
    pub fn derivatives(&self, network: &Network) -> u64 {
        gradients(network).map(|(_, of)| len(&network.tensor(of).shape).min(self.entries) as u64).sum()
    }
}

/// The gradients in the order of the backward pass, each with the tensor x of its ∂C/∂x.
fn gradients(network: &Network) -> impl Iterator<Item = (Id, Id)> {
    let backward = network.ops().iter().filter(|op| op.pass == Pass::Backward);
    backward.filter_map(|op| match network.tensor(op.output).role {
        Role::Gradient(of) => Some((op.output, of)),
        _ => None,
    })
}

/// The number of entries in a block, the unit of work of a thread.
const BLOCK: usize = 64;
/// The longest time between two calls of `progress`.
const INTERVAL: Duration = Duration::from_millis(50);

/// A tensor to check.
struct CheckTarget {
    gradient: Id,
    of: Id,
    entries: usize,
    wanted: usize,
}

/// Checks all derivatives of a run, in the order of the backward pass.
///
/// `progress` is called at least every 50 ms with the number of derivatives that are done. When it returns `false`, the check stops without the rest.
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
        // the preparation runs on a thread too, so that this one stays free to call `progress`
        let workers = options.threads.get().min(queue.blocks.len());
        let other = sender.clone();
        if !try_spawn(threads, move || queue.start(network, run, workers, other)) {
            queue.start(network, run, 1, sender.clone());
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(INTERVAL) {
                Ok((block, checks)) => found[block] = checks,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if !progress(done.load(Memory::Relaxed)) {
                stop.store(true, Memory::Relaxed);
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

/// The blocks of work, from which all threads take the next one.
#[derive(Clone, Copy)]
struct Queue<'a> {
    targets: &'a [CheckTarget],
    /// For each block, the index of its target and its first entry.
    blocks: &'a [(usize, usize)],
    /// The index of the next block.
    next: &'a AtomicUsize,
    /// The number of derivatives that are done.
    done: &'a AtomicU64,
    stop: &'a AtomicBool,
}

/// The index of a block and its results.
type BlockResult = (usize, Vec<EntryCheck>);

impl Queue<'_> {
    /// Prepares what the threads share, then works on the queue with this number of threads.
    fn start(self, network: &Network, run: &Run, threads: usize, to: Sender<BlockResult>) {
        let forward = ForwardPass::new(network, run, self.stop);
        let noises: Vec<f64> = self.targets.iter().map(|target| rounding_noise(&forward, target.of)).collect();
        scope(|scope| {
            for _ in 1..threads {
                let (forward, noises, to) = (&forward, &noises, to.clone());
                // if no thread can be started, the others take its blocks
                try_spawn(scope, move || self.work(forward, noises, &to));
            }
            self.work(&forward, &noises, &to);
            drop(to);
        });
    }

    /// Takes blocks until the queue is empty or the check is stopped.
    fn work(self, forward: &ForwardPass<'_>, noises: &[f64], to: &Sender<BlockResult>) {
        let mut workspace = Workspace::new(forward);
        loop {
            let block = self.next.fetch_add(1, Memory::Relaxed);
            let Some(&(number, from)) = self.blocks.get(block) else { return };
            let target = &self.targets[number];
            let derivatives = forward.run.values(target.gradient);
            let mut judge = Judge {
                workspace: &mut workspace,
                of: target.of,
                values: forward.run.values(target.of),
                loss: forward.run.values(forward.network.loss())[0],
                noise: noises[number],
            };
            let mut checks = Vec::with_capacity(BLOCK);
            for k in from..target.wanted.min(from + BLOCK) {
                if self.stop.load(Memory::Relaxed) {
                    break;
                }
                let at = sampled(k, target.entries, target.wanted);
                checks.push(judge.check(at, derivatives[at]));
                self.done.fetch_add(1, Memory::Relaxed);
            }
            if to.send((block, checks)).is_err() {
                return; // the receiver is gone
            }
        }
    }
}

/// Returns the index of the k-th of `count` sampled entries out of `entries`.
///
/// The entries are divided into `count` equal ranges, and a multiplicative hash of k chooses the entry within the k-th range. Entries at a fixed distance would
/// miss whole columns of a matrix.
fn sampled(k: usize, entries: usize, count: usize) -> usize {
    let border = |k: usize| usize::try_from(k as u128 * entries as u128 / count as u128).unwrap_or(entries);
    let hash = (k as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let (from, to) = (border(k), border(k + 1));
    from + usize::try_from((u128::from(hash) * (to - from) as u128) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests;
