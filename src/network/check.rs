//! Derivatives against differences of the loss: an entry of a tensor is moved a little both ways, what depends on it is computed anew, and the
//! slope of the loss is compared with the derivative that the backward pass has found.

mod batch;
mod bends;
mod noise;
mod probe;
mod readers;
mod slope;
mod steps;
mod undefined;

pub use batch::BatchCheck;

use std::cmp::Ordering;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering as Memory};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::scope;
use std::time::Duration;

use super::{Id, Network, Role, Run};
use crate::step::Pass;
use crate::tensor::len;
use crate::threads::beside;
use noise::noise;
use probe::{Forward, Probe};
use slope::Slopes;
use undefined::undefined;

/// The largest relative error of a derivative that agrees.
pub const TOLERANCE: f64 = 1e-6;
/// The smallest number that an error is taken relative to.
pub const FLOOR: f64 = 1e-3;

/// What the differences say of a derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It agrees.
    Agrees,
    /// It is wrong.
    Off,
    /// The entry is exactly on a kink: a sign or a winner changes, or the loss's slope does. So there is no derivative, only a convention; where it is one kink,
    /// the convention lies between the slopes to both sides.
    Kink,
    /// The loss is not finite there.
    NotFinite,
    /// Rounding hides the slope: differences of several steps do not agree among themselves.
    Unsettled,
    /// It is infinite or NaN because the chain rule meets an infinite derivative on its way, or a product that overflows.
    Undefined,
}

/// One derivative and the slope of the loss.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// The row-major place of the entry.
    pub at: usize,
    /// From the backward pass.
    pub derivative: f64,
    /// From the differences; NaN where there is none. At a kink that the derivative misses, the nearer one of the slopes to both sides.
    pub difference: f64,
    /// |derivative − difference| relative to the larger of them, or to [`FLOOR`] where that is larger still; NaN where there is no difference.
    pub error: f64,
    /// What follows.
    pub verdict: Verdict,
    /// Whether the entry is within 10⁻⁶ of a kink and not on it. It was judged by differences that do not cross the kink.
    pub near: bool,
}

impl Compared {
    fn of(at: usize, derivative: f64, difference: f64, verdict: Verdict) -> Self {
        let error = (derivative - difference).abs() / derivative.abs().max(difference.abs()).max(FLOOR);
        let error = if difference.is_finite() && !error.is_finite() { f64::INFINITY } else { error };
        Self { at, derivative, difference, error, verdict, near: false }
    }
}

/// The derivatives by one tensor's entries.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The tensor of the derivatives.
    pub gradient: Id,
    /// How many entries it has.
    pub entries: usize,
    /// How many of them were to be looked at.
    pub wanted: usize,
    /// Those that were, in order.
    pub compared: Vec<Compared>,
}

impl Checked {
    /// How many entries have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.compared.iter().filter(|compared| compared.verdict == verdict).count()
    }

    /// How many entries are near a kink.
    #[must_use]
    pub fn near(&self) -> usize {
        self.compared.iter().filter(|compared| compared.near).count()
    }

    /// The entry with the largest error, among those that agree or are off.
    #[must_use]
    pub fn worst(&self) -> Option<&Compared> {
        let judged = self.compared.iter().filter(|compared| matches!(compared.verdict, Verdict::Agrees | Verdict::Off));
        // the first of equals
        judged.rev().max_by(|a, b| {
            (a.verdict == Verdict::Off, a.error).partial_cmp(&(b.verdict == Verdict::Off, b.error)).unwrap_or(Ordering::Equal)
        })
    }
}

/// Which entries are looked at, and by how many threads; the result is the same bits whatever their number.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// The most entries of one tensor, spread over it, the same in every run.
    pub entries: usize,
    /// How many threads share the work.
    pub threads: NonZero<usize>,
}

impl Extent {
    /// Every entry, on one thread.
    pub const WHOLE: Self = Self { entries: usize::MAX, threads: NonZero::<usize>::MIN };

    /// How many derivatives of a run that is.
    #[must_use]
    pub fn derivatives(&self, network: &Network) -> u64 {
        gradients(network).map(|(_, of)| len(&network.tensor(of).shape).min(self.entries) as u64).sum()
    }
}

/// The derivatives of the backward pass, in its order, each with the tensor that it is by.
fn gradients(network: &Network) -> impl Iterator<Item = (Id, Id)> {
    let backward = network.ops().iter().filter(|op| op.pass == Pass::Backward);
    backward.filter_map(|op| match network.tensor(op.output).role {
        Role::Gradient(of) => Some((op.output, of)),
        _ => None,
    })
}

/// How many entries a thread takes at a time, and how often it is asked whether to go on.
const BLOCK: usize = 64;
const LISTEN: Duration = Duration::from_millis(50);

/// One tensor's work.
struct Target {
    gradient: Id,
    of: Id,
    entries: usize,
    wanted: usize,
}

/// Every tensor that the backward pass has a derivative for, in its order. `go_on` hears now and then how many derivatives have been looked at; when it
/// says no, the rest is left out.
pub fn check(network: &Network, run: &Run, extent: Extent, mut go_on: impl FnMut(u64) -> bool) -> Vec<Checked> {
    let target = |(gradient, of): (Id, Id)| {
        let entries = len(&network.tensor(of).shape);
        Target { gradient, of, entries, wanted: entries.min(extent.entries) }
    };
    let targets: Vec<Target> = gradients(network).map(target).collect();
    let blocks: Vec<(usize, usize)> =
        targets.iter().enumerate().flat_map(|(n, target)| (0..target.wanted).step_by(BLOCK).map(move |from| (n, from))).collect();
    let mut found: Vec<Vec<Compared>> = vec![Vec::new(); blocks.len()];
    let (next, stop, done) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicU64::new(0));
    let (sender, receiver) = channel();
    scope(|threads| {
        let work = Work { targets: &targets, blocks: &blocks, next: &next, done: &done, stop: &stop };
        // the first one prepares what they share, so that this one stays free to listen
        let hands = extent.threads.get().min(work.blocks.len());
        let other = sender.clone();
        if !beside(threads, move || work.share(network, run, hands, other)) {
            work.share(network, run, 1, sender.clone());
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(LISTEN) {
                Ok((block, compared)) => found[block] = compared,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if !go_on(done.load(Memory::Relaxed)) {
                stop.store(true, Memory::Relaxed);
            }
        }
    });
    let mut checked: Vec<Checked> = targets
        .iter()
        .map(|&Target { gradient, entries, wanted, .. }| Checked { gradient, entries, wanted, compared: Vec::with_capacity(wanted) })
        .collect();
    for ((target, _), compared) in blocks.iter().zip(found) {
        checked[*target].compared.extend(compared);
    }
    undefined(network, run, &mut checked);
    checked
}

/// What the threads share.
#[derive(Clone, Copy)]
struct Work<'a> {
    targets: &'a [Target],
    blocks: &'a [(usize, usize)],
    /// The next block that nobody has taken.
    next: &'a AtomicUsize,
    done: &'a AtomicU64,
    stop: &'a AtomicBool,
}

/// A block's number, and what was found in it.
type Found = (usize, Vec<Compared>);

impl Work<'_> {
    fn share(self, network: &Network, run: &Run, threads: usize, to: Sender<Found>) {
        let forward = Forward::of(network, run, self.stop);
        let noises: Vec<f64> = self.targets.iter().map(|target| noise(&forward, target.of)).collect();
        scope(|scope| {
            for _ in 1..threads {
                let (forward, noises, to) = (&forward, &noises, to.clone());
                // without this one the others take its blocks
                beside(scope, move || self.take(forward, noises, &to));
            }
            self.take(&forward, &noises, &to);
            drop(to);
        });
    }

    fn take(self, forward: &Forward<'_>, noises: &[f64], to: &Sender<Found>) {
        let mut probe = Probe::new(forward);
        loop {
            let block = self.next.fetch_add(1, Memory::Relaxed);
            let Some(&(number, from)) = self.blocks.get(block) else { return };
            let target = &self.targets[number];
            let derivatives = forward.run.values(target.gradient);
            let mut slopes = Slopes {
                probe: &mut probe,
                of: target.of,
                values: forward.run.values(target.of),
                loss: forward.run.values(forward.network.loss())[0],
                noise: noises[number],
            };
            let mut compared = Vec::with_capacity(BLOCK);
            for k in from..target.wanted.min(from + BLOCK) {
                if self.stop.load(Memory::Relaxed) {
                    break;
                }
                let at = place(k, target.entries, target.wanted);
                compared.push(slopes.compare(at, derivatives[at]));
                self.done.fetch_add(1, Memory::Relaxed);
            }
            if to.send((block, compared)).is_err() {
                return; // nobody listens any more
            }
        }
    }
}

/// The k-th of `count` places among so many: one from each of as many equal stretches, where within it by a multiplicative hash, so that no row or
/// column of a matrix is missed altogether.
fn place(k: usize, entries: usize, count: usize) -> usize {
    let border = |k: usize| usize::try_from(k as u128 * entries as u128 / count as u128).unwrap_or(entries);
    let hash = (k as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let (from, to) = (border(k), border(k + 1));
    from + usize::try_from((u128::from(hash) * (to - from) as u128) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests;
