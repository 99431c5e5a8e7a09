//! The derivatives of a batch's loss. It moves as the losses of the samples make it move, so their differences, put together, are its own: no
//! forward pass is made for them.

use std::collections::HashMap;

use super::{Checked, Compared, FLOOR, TOLERANCE, Verdict};
use crate::network::{Id, Network, Part, Role, Run};
use crate::op::rule::Operands;
use crate::op::slot::{Reads, Slot};
use crate::step::Pass;
use crate::tensor::len;

/// The differences of a batch's loss by one entry, as far as they are put together.
#[derive(Clone, Copy, Debug)]
struct Sum {
    at: usize,
    difference: f64,
    /// How far it may be from the true slope, going by the samples' own derivatives that agree, and by rounding.
    doubt: f64,
    /// The first verdict that leaves no difference.
    none: Option<Verdict>,
    /// Whether it is near a kink of a sample.
    near: bool,
}

/// A batch's derivatives, checked.
#[derive(Debug)]
pub struct BatchCheck<'a> {
    network: &'a Network,
    run: &'a Run,
    /// For each sample, the derivative of the batch's loss by its loss, from differences too.
    shares: Vec<f64>,
    /// Gradient in the samples' network, what becomes of it here, and the sums by its entries.
    sums: Vec<(Id, Id, Vec<Sum>)>,
}

impl<'a> BatchCheck<'a> {
    /// Of a batch that reduces its samples; `None` for one that has a single sample.
    #[must_use]
    pub fn new(network: &'a Network, run: &'a Run) -> Option<Self> {
        let loss = network.made_by(network.loss()).map(|op| &network.ops()[op]).filter(|op| op.pass == Pass::Reduce)?;
        let largest = loss.parts.iter().map(|part| run.values(part.operands[Slot::Input(0)])[0].abs()).fold(1.0, f64::max);
        // each sample has a part of its own, so the others need not be added up again
        let share = |part: &Part| {
            let own = run.values(part.operands[Slot::Input(0)])[0];
            let at = |moved: f64| {
                let (moved, mut sum) = ([moved], [0.0]);
                part.rule.accumulate(&Operands { tensors: Reads::inputs([&moved[..]]), memo: &None }, &mut sum);
                sum[0]
            };
            // it is linear: a long step rounds off least
            (at(own + largest) - at(own - largest)) / (2.0 * largest)
        };
        let shares = loss.parts.iter().map(share).collect();
        let reduced = network.ops().iter().map(|op| op.output).filter(|id| *id != network.loss());
        let sums = reduced.filter_map(|id| match network.tensor(id).role {
            Role::Reduced(of) => Some((of, id, Vec::new())),
            _ => None,
        });
        Some(Self { network, run, shares, sums: sums.collect() })
    }

    /// Adds what was found of its next sample.
    pub fn add(&mut self, sample: usize, checked: &[Checked]) {
        let share = self.shares[sample];
        #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ samples
        let rounding = f64::EPSILON * self.shares.len() as f64;
        let by: HashMap<Id, &Checked> = checked.iter().map(|checked| (checked.gradient, checked)).collect();
        for (of, _, sums) in &mut self.sums {
            let Some(checked) = by.get(of) else { continue };
            if sums.is_empty() {
                let zero = |compared: &Compared| Sum { at: compared.at, difference: 0.0, doubt: 0.0, none: None, near: false };
                sums.extend(checked.compared.iter().map(zero));
            }
            for (sum, compared) in sums.iter_mut().zip(&checked.compared) {
                sum.near |= compared.near;
                sum.difference += share * compared.difference;
                match compared.verdict {
                    Verdict::Agrees => sum.doubt += (share * (compared.derivative - compared.difference)).abs(),
                    Verdict::Off => {}
                    none => sum.none = sum.none.or(Some(none)),
                }
                sum.doubt += rounding * (share * compared.derivative).abs();
            }
        }
    }

    /// What follows, when all samples were added.
    #[must_use]
    pub fn checked(self) -> Vec<Checked> {
        let Self { network, run, sums, .. } = self;
        let checked = sums.into_iter().map(|(_, gradient, sums)| {
            let compared: Vec<Compared> = sums.iter().map(|sum| sum.compare(run.values(gradient)[sum.at])).collect();
            Checked { gradient, entries: len(&network.tensor(gradient).shape), wanted: compared.len(), compared }
        });
        checked.collect()
    }
}

impl Sum {
    fn compare(&self, derivative: f64) -> Compared {
        let of = |difference, verdict| Compared { near: self.near, ..Compared::of(self.at, derivative, difference, verdict) };
        if let Some(verdict) = self.none {
            return of(f64::NAN, verdict);
        }
        if !self.difference.is_finite() {
            return of(f64::NAN, Verdict::NotFinite);
        }
        let wrong = (derivative - self.difference).abs();
        if wrong <= TOLERANCE * derivative.abs().max(self.difference.abs()).max(FLOOR) {
            of(self.difference, Verdict::Agrees)
        } else if wrong <= 2.0 * self.doubt {
            // the samples' derivatives cancel, and what is left is as small as their rounding
            of(f64::NAN, Verdict::Unsettled)
        } else {
            of(self.difference, Verdict::Off)
        }
    }
}
