//! The check of the derivatives of a batch's loss.
//!
//! The loss C of a batch is a sum or mean of the losses Cₛ of its samples. So by the chain rule ∂C/∂w = Σₛ (∂C/∂Cₛ) (∂Cₛ/∂w). Both factors are differences:
//! this file computes the first, and the check of sample s has already computed the second. So no further forward pass is needed. If the loss also has a
//! penalty on w, the slope of the penalty is added. It is a difference of the penalty alone.

use std::collections::HashMap;

use super::{EntryCheck, FLOOR, TOLERANCE, TensorCheck, Verdict};
use crate::network::{BatchSource, Id, Network, Part, Role, Run};
use crate::op::rule::Operands;
use crate::op::slot::{Reads, Slot};
use crate::step::Pass;
use crate::tensor::len;

/// The slope of the batch's loss by one entry. It is the sum of the samples' differences, each with its factor.
#[derive(Clone, Copy, Debug)]
struct DifferenceSum {
    /// The offset of the entry.
    at: usize,
    difference: f64,
    /// A bound on the error of `difference`. Each sample whose derivative agrees adds the error of this derivative, and rounding errors are added too.
    uncertainty: f64,
    /// The verdict of the first sample for which there is no difference.
    missing: Option<Verdict>,
    /// `true` if the entry is near a kink in some sample.
    is_near_kink: bool,
}

/// A tensor of derivatives of the batch's loss.
#[derive(Debug)]
struct ReducedGradient {
    /// The derivatives of one sample's loss, in the samples' network.
    of_sample: Id,
    /// The derivatives of the batch's loss, in the batch's network.
    of_batch: Id,
    /// One sum for each checked entry.
    sums: Vec<DifferenceSum>,
}

/// The check of a batch's derivatives. [`BatchCheck::add`] adds the checks of its samples one after the other.
#[derive(Debug)]
pub struct BatchCheck<'a> {
    network: &'a Network,
    run: &'a Run,
    /// The factor ∂C/∂Cₛ of each sample in the batch's loss, from differences.
    shares: Vec<f64>,
    /// The parts of the loss that are penalties.
    penalties: Vec<Part>,
    reduced: Vec<ReducedGradient>,
}

/// The operand of a part of the loss: the loss of a sample, or a weight.
fn operand(part: &Part) -> Id {
    part.operands[Slot::Input(0)]
}

/// Returns the slope of a part of the loss by one entry of its operand, from the part at `value` ± `step`. Only the terms with this entry are computed, because
/// the others do not change.
fn slope(part: &Part, value: f64, step: f64) -> f64 {
    let part_with = |moved: f64| {
        let (moved, mut sum) = ([moved], [0.0]);
        part.rule.accumulate(&Operands { tensors: Reads::inputs([&moved[..]]), memo: &None }, &mut sum);
        sum[0]
    };
    (part_with(value + step) - part_with(value - step)) / (2.0 * step)
}

impl<'a> BatchCheck<'a> {
    /// Starts the check of a batch. `network` and `run` are those of the batch. Returns `None` if the batch has no op for its loss.
    #[must_use]
    pub fn new(network: &'a Network, run: &'a Run) -> Option<Self> {
        let loss = network.producer(network.loss()).map(|op| &network.ops()[op]).filter(|op| op.pass == Pass::Reduce)?;
        // the loss has a part for each sample, and after them a part for each weight with a penalty
        let is_of_sample = |part: &&Part| matches!(network.tensor(operand(part)).source, Some(BatchSource::Sample(..)));
        let of_samples = || loss.parts.iter().take_while(is_of_sample);
        // C is linear in Cₛ, so a long step has no truncation error, and the smallest rounding error. The step is as large as the largest Cₛ, and at least 1
        let step = of_samples().map(|part| run.values(operand(part))[0].abs()).fold(1.0, f64::max);
        let shares: Vec<f64> = of_samples().map(|part| slope(part, run.values(operand(part))[0], step)).collect();
        let penalties = loss.parts[shares.len()..].to_vec();
        let other_outputs = network.ops().iter().map(|op| op.output).filter(|id| *id != network.loss());
        let reduced = other_outputs.filter_map(|id| match network.tensor(id).role {
            Role::Reduced(of) => Some(ReducedGradient { of_sample: of, of_batch: id, sums: Vec::new() }),
            _ => None,
        });
        Some(Self { network, run, shares, penalties, reduced: reduced.collect() })
    }

    /// Adds the checks of one sample. `sample` counts the samples of the batch from 0.
    pub fn add(&mut self, sample: usize, checked: &[TensorCheck]) {
        let share = self.shares[sample];
        // the relative rounding error of a sum over all samples
        #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ samples
        let rounding = f64::EPSILON * self.shares.len() as f64;
        let by_gradient: HashMap<Id, &TensorCheck> = checked.iter().map(|checked| (checked.gradient, checked)).collect();
        for ReducedGradient { of_sample, sums, .. } in &mut self.reduced {
            let Some(checked) = by_gradient.get(of_sample) else { continue };
            if sums.is_empty() {
                let zero = |check: &EntryCheck| DifferenceSum {
                    at: check.at,
                    difference: 0.0,
                    uncertainty: 0.0,
                    missing: None,
                    is_near_kink: false,
                };
                sums.extend(checked.checks.iter().map(zero));
            }
            for (sum, check) in sums.iter_mut().zip(&checked.checks) {
                sum.is_near_kink |= check.is_near_kink;
                sum.difference += share * check.difference;
                match check.verdict {
                    Verdict::Agrees => sum.uncertainty += (share * (check.derivative - check.difference)).abs(),
                    // if the derivative is wrong, it says nothing about the error of the difference
                    Verdict::Off => {}
                    verdict => sum.missing = sum.missing.or(Some(verdict)),
                }
                sum.uncertainty += rounding * (share * check.derivative).abs();
            }
        }
    }

    /// Returns the checks of the batch's derivatives. All samples must have been added.
    #[must_use]
    pub fn finish(self) -> Vec<TensorCheck> {
        let Self { network, run, reduced, penalties, .. } = self;
        let checked = reduced.into_iter().map(|ReducedGradient { of_batch, mut sums, .. }| {
            for part in penalties.iter().filter(|part| network.gradient_of(operand(part)) == Some(of_batch)) {
                let values = run.values(operand(part));
                // for a square, the difference has no truncation error, however long the step is
                for sum in &mut sums {
                    sum.add_penalty(slope(part, values[sum.at], values[sum.at].abs().max(1.0)));
                }
            }
            let checks: Vec<EntryCheck> = sums.iter().map(|sum| sum.check(run.values(of_batch)[sum.at])).collect();
            TensorCheck { gradient: of_batch, entries: len(&network.tensor(of_batch).shape), wanted: checks.len(), checks }
        });
        checked.collect()
    }
}

impl DifferenceSum {
    /// Adds the slope of a penalty.
    fn add_penalty(&mut self, slope: f64) {
        self.difference += slope;
        self.uncertainty += f64::EPSILON * slope.abs();
    }

    /// Compares a derivative with the sum.
    fn check(&self, derivative: f64) -> EntryCheck {
        let result = |difference, verdict| {
            let check = EntryCheck::new(self.at, derivative, difference, verdict);
            EntryCheck { is_near_kink: self.is_near_kink, ..check }
        };
        if let Some(verdict) = self.missing {
            return result(f64::NAN, verdict);
        }
        if !self.difference.is_finite() {
            return result(f64::NAN, Verdict::NotFinite);
        }
        let error = (derivative - self.difference).abs();
        if error <= TOLERANCE * derivative.abs().max(self.difference.abs()).max(FLOOR) {
            result(self.difference, Verdict::Agrees)
        } else if error <= 2.0 * self.uncertainty {
            // the derivatives of the samples cancel, and their sum is as small as their rounding errors
            result(f64::NAN, Verdict::Unsettled)
        } else {
            result(self.difference, Verdict::Off)
        }
    }
}
