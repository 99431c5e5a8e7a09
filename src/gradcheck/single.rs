//! The check of a single derivative.
//!
//! [`check`](super::check) prepares lists of dependents. They save time only if many entries are checked. For one entry of a large network, they are not made,
//! and each move computes whole tensors.

use std::cell::Cell;
use std::sync::atomic::AtomicBool;

use super::batch::BatchCheck;
use super::jitter::DerivativeRanges;
use super::judge::Judge;
use super::perturb::{ForwardPass, Workspace, forward_ops};
use super::rounding::rounding_noise;
use super::undefined::is_undefined;
use super::{EntryCheck, TensorCheck, Verdict};
use crate::network::{Id, IterationRun, Network, Op, Role, Run};
use crate::tensor::len;

/// Up to this number of terms in the forward pass, the lists of dependents are made.
const MAX_LISTED_TERMS: u64 = 4_000_000;
/// A derivative that is not finite is either undefined or wrong. To find out which, the derivatives from which it is computed are checked too. This is the
/// largest number of such checks.
const MAX_FURTHER_CHECKS: u32 = 64;

/// The check of one derivative.
#[derive(Clone, Copy, Debug)]
pub struct DerivativeCheck {
    /// The result.
    pub check: EntryCheck,
    /// The slopes of the loss to the left and to the right of the entry, if it is at a kink.
    pub sides: Option<[f64; 2]>,
}

/// Checks the entry `at` of the tensor `gradient` of a run. If `stop` is set meanwhile, returns early with a meaningless result.
#[must_use]
pub fn check_entry(network: &Network, run: &Run, gradient: Id, at: usize, stop: &AtomicBool) -> DerivativeCheck {
    let terms = |(number, op): (usize, &Op)| {
        let entries = len(&network.tensor(op.output).shape);
        run.parts(op, number).map(|(rule, x)| rule.prefix_terms(&x, entries)).sum::<u64>()
    };
    let all_terms: u64 = forward_ops(network).enumerate().map(terms).sum();
    // the flag is set from the start, so that the lists are not made
    let no_lists = AtomicBool::new(true);
    let forward = ForwardPass::new(network, run, if all_terms <= MAX_LISTED_TERMS { stop } else { &no_lists });
    let single =
        SingleCheck { forward: &forward, stop, ranges: DerivativeRanges::new(network), further_checks: Cell::new(MAX_FURTHER_CHECKS) };
    let check = single.check(gradient, at);
    let sides = if check.verdict == Verdict::Kink { single.sides(gradient, at) } else { None };
    DerivativeCheck { check, sides }
}

/// Checks the entry `at` of a gradient of the batch's loss, from the differences of all samples. If `stop` is set meanwhile, returns early with a meaningless
/// result.
#[must_use]
pub fn check_batch_entry(samples: &[IterationRun], batch: &IterationRun, gradient: Id, at: usize, stop: &AtomicBool) -> DerivativeCheck {
    let undecided = EntryCheck::new(at, batch.run.values(gradient)[at], f64::NAN, Verdict::Unsettled);
    let found = match (BatchCheck::new(&batch.network, &batch.run), batch.network.tensor(gradient).role) {
        (Some(mut check), Role::Reduced(of_sample)) => {
            for (number, IterationRun { network, run, .. }) in samples.iter().enumerate() {
                let one = check_entry(network, run, of_sample, at, stop).check;
                let entries = len(&network.tensor(of_sample).shape);
                check.add(number, &[TensorCheck { gradient: of_sample, entries, wanted: 1, checks: vec![one] }]);
            }
            check.finish().into_iter().find(|checked| checked.gradient == gradient).and_then(|checked| checked.checks.first().copied())
        }
        _ => None,
    };
    DerivativeCheck { check: found.unwrap_or(undecided), sides: None }
}

/// Checks single derivatives of one run.
struct SingleCheck<'a> {
    forward: &'a ForwardPass<'a>,
    stop: &'a AtomicBool,
    ranges: DerivativeRanges,
    /// The number of further derivatives that may still be checked.
    further_checks: Cell<u32>,
}

impl SingleCheck<'_> {
    /// Calls `call` with a judge of the derivatives by the entries of the tensor `of`.
    fn with_judge<T>(&self, of: Id, call: impl FnOnce(&mut Judge<'_, '_>) -> T) -> T {
        let ForwardPass { network, run, .. } = self.forward;
        let mut workspace = Workspace::new(self.forward).with_stop(self.stop);
        let noise = rounding_noise(self.forward, of);
        let (values, loss) = (run.values(of), run.values(network.loss())[0]);
        call(&mut Judge { workspace: &mut workspace, tensor: of, values, loss, noise, ranges: &self.ranges })
    }

    /// Returns the tensor x of a gradient ∂C/∂x.
    fn differentiated(&self, gradient: Id) -> Id {
        match self.forward.network.tensor(gradient).role {
            Role::Gradient(of) => of,
            _ => gradient,
        }
    }

    fn check(&self, gradient: Id, at: usize) -> EntryCheck {
        let ForwardPass { network, run, .. } = self.forward;
        let derivative = run.values(gradient)[at];
        let mut check = self.with_judge(self.differentiated(gradient), |judge| judge.check(at, derivative));
        if check.verdict == Verdict::Off && !derivative.is_finite() {
            let is_off = |gradient: Id, at: usize| {
                let left = self.further_checks.get();
                self.further_checks.set(left.saturating_sub(1));
                left > 0 && self.check(gradient, at).verdict == Verdict::Off
            };
            if is_undefined(network, run, gradient, at, is_off) {
                (check.difference, check.error, check.verdict) = (f64::NAN, f64::NAN, Verdict::Undefined);
            }
        }
        check
    }

    fn sides(&self, gradient: Id, at: usize) -> Option<[f64; 2]> {
        self.with_judge(self.differentiated(gradient), |judge| judge.sides(at))
    }
}
